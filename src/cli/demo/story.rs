//! The steps of the demo, in order.

use super::cluster::{Playground, images};
use super::engine::{Engine, Update};
use super::login::{Guarded, Login};
use super::narrator::Narrator;
use super::publish::Publisher;
use super::selection::Selection;
use super::server::Server;
use super::workspace::Workspace;
use super::{fleet, registry};
use crate::adapters::git::{Remote, embedded};
use crate::cli::failure::Failure;
use crate::domain::git_ref::CommitId;
use crate::domain::manifest::{Manifest, to_yaml};
use crate::domain::redact::SafeUrl;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs;

/// Tells the story and returns its summary.
pub(super) async fn tell(
    workspace: &Workspace,
    playground: Option<&Playground>,
    narrator: &mut Narrator<'_>,
) -> Result<Value, Failure> {
    let mut story = Story::open(workspace, playground, narrator).await?;
    let first = story.first_round().await?;
    let next = story.next_round().await?;
    let repeated = story.repeat().await?;
    let mut summary = json!({
        "selection": first.selection, "diff": first.diff, "commit": first.commit, "objects": first.objects,
        "next": {"selection": next.selection, "diff": next.diff, "commit": next.commit, "objects": next.objects},
        "repeat": {"commit": repeated.map(|commit| commit.to_string())},
    });
    if let Some(playground) = playground {
        summary["namespace"] = playground.namespace().into();
    }
    if let Some(folder) = workspace.kept() {
        summary["kept"] = folder.display().to_string().into();
    }
    Ok(summary)
}

struct Story<'a, 'b> {
    workspace: &'a Workspace,
    playground: Option<&'a Playground>,
    narrator: &'a mut Narrator<'b>,
    publisher: Publisher,
    engine: Engine,
    // They serve as long as they are here.
    _servers: [Server; 2],
}

/// What one round gave.
struct Round {
    selection: Selection,
    diff: String,
    commit: Value,
    objects: Value,
}

impl<'a, 'b> Story<'a, 'b> {
    /// Steps 1 and 2: a registry with images, a repository with the fleet.
    async fn open(
        workspace: &'a Workspace,
        playground: Option<&'a Playground>,
        narrator: &'a mut Narrator<'b>,
    ) -> Result<Self, Failure> {
        narrator.say(
            "A tag appears in a registry, a policy selects it, Git gets one changed line, and the",
        )?;
        narrator
            .say("objects follow. The registry and the Git server are parts of this process.")?;
        let login = Login::random()?;
        let images = Server::start(login.guard(registry::router(), Guarded::Writes)).await?;
        let publisher = Publisher::new(images.address(), login.clone())?;
        narrator.step(&format!("A registry at {} takes images", images.address()))?;
        publish(&publisher, narrator).await?;

        let files = fleet::files(&images.address().to_string());
        let bare = embedded::create(&workspace.repository())?;
        let first = embedded::seed(&bare, &files, "Add the fleet\n", Timestamp::now())?;
        let git = Server::start(login.guard(embedded::router(bare), Guarded::Everything)).await?;
        let url = SafeUrl::parse(&format!("http://{}/fleet.git", git.address()))?;
        let remote = Remote::new(&url)?.with_auth(login.for_git());
        narrator.step(&format!("A bare Git repository at {url} holds the fleet"))?;
        let markers = files
            .values()
            .flat_map(|text| text.lines())
            .filter(|line| line.contains("# {\"$imagepolicy\""));
        let (count, branch) = (markers.count(), embedded::BRANCH);
        narrator.note(&format!(
            "branch {branch} at {}: {} files, {count} marked lines",
            first,
            files.len()
        ))?;
        let engine = Engine::open(remote, workspace.clone())?;
        if let Some(playground) = playground {
            playground.claim().await?;
        }
        Ok(Self {
            workspace,
            playground,
            narrator,
            publisher,
            engine,
            _servers: [images, git],
        })
    }

    /// From scan to objects, at length.
    async fn first_round(&mut self) -> Result<Round, Failure> {
        let tip = self.engine.tip().await?;
        let selections = self.engine.select(&tip.snapshot).await?;
        let star = star(&selections)?;
        self.tell_scan(&star)?;
        self.tell_selection(&star, &selections)?;
        let update = self.engine.update(&selections, Timestamp::now()).await?;
        self.narrator.step("Rewrite: what changes in Git")?;
        let changed = counted(update.changes.len(), "changed line");
        self.narrator.note(&format!(
            "{changed} in {} files with markers",
            update.marked
        ))?;
        self.narrator.diff(&update.diff)?;
        self.narrator.note(&format!(
            "up to date already: {}",
            unchanged(&selections, &update)
        ))?;
        let (commit, parent) = pushed(&update)?;
        self.narrator.step("Commit and push")?;
        self.narrator.note(&format!("commit {commit}"))?;
        self.narrator.note(&format!("parent {parent}"))?;
        self.narrator.note(&format!(
            "\"{}\", now the head of {} in the repository",
            update.subject,
            embedded::BRANCH
        ))?;
        self.narrator
            .step("Build: the objects of that commit, in the order in which they are applied")?;
        let stages = self.build(commit).await?;
        self.tell_objects(&stages)?;
        self.apply(&stages).await?;
        Ok(round(star, update, commit, &stages))
    }

    /// A newer tag: the same again, in short.
    async fn next_round(&mut self) -> Result<Round, Failure> {
        self.narrator.step(&format!(
            "A newer tag: {}:{} is pushed",
            fleet::STAR,
            fleet::LATER
        ))?;
        self.publisher.push(fleet::STAR, fleet::LATER).await?;
        let tip = self.engine.tip().await?;
        let selections = self.engine.select(&tip.snapshot).await?;
        let star = star(&selections)?;
        let update = self.engine.update(&selections, Timestamp::now()).await?;
        let (commit, _) = pushed(&update)?;
        let stages = self.build(commit).await?;
        let before = star.runner_up.as_deref().unwrap_or_default();
        self.narrator.note(&format!(
            "selected {} instead of {before}; commit {commit}",
            star.image.tag
        ))?;
        self.narrator.diff(&update.diff)?;
        let changed = counted(update.changes.len(), "changed line");
        self.narrator.note(&format!(
            "{changed}; as before: {}",
            unchanged(&selections, &update)
        ))?;
        self.apply(&stages).await?;
        self.keep(&stages)?;
        Ok(round(star, update, commit, &stages))
    }

    /// The same again without a newer tag: nothing happens.
    async fn repeat(&mut self) -> Result<Option<CommitId>, Failure> {
        self.narrator.step("And once more, without a newer tag")?;
        let tip = self.engine.tip().await?;
        let selections = self.engine.select(&tip.snapshot).await?;
        let update = self.engine.update(&selections, Timestamp::now()).await?;
        let commit = update.pushed.map(|(commit, _)| commit);
        match commit {
            None => self
                .narrator
                .note("every marked line has its value already: no commit, no push")?,
            Some(commit) => self.narrator.note(&format!("commit {commit}"))?,
        }
        Ok(commit)
    }

    fn tell_scan(&mut self, star: &Selection) -> Result<(), Failure> {
        self.narrator.step("Scan: which tags are there?")?;
        let scanned = &star.scanned;
        let excluded = scanned.sent - star.considered;
        self.narrator.note(&format!(
            "{}: {} tags on {} pages",
            star.image.name, scanned.sent, scanned.pages
        ))?;
        let patterns = scanned.excluded_by.join("`, `");
        self.narrator.note(&format!(
            "{excluded} excluded by `{patterns}`: a signature is no version to run"
        ))?;
        Ok(())
    }

    fn tell_selection(&mut self, star: &Selection, all: &[Selection]) -> Result<(), Failure> {
        let Selection {
            image,
            rule,
            candidates,
            considered,
            ..
        } = star;
        self.narrator
            .step("Select: which of them is the newest one the policy allows?")?;
        self.narrator
            .note(&format!("policy {}: {rule}", star.policy))?;
        self.narrator
            .note(&format!("{candidates} of {considered} tags are candidates"))?;
        for out in &star.left_out {
            self.narrator
                .note(&format!("  not {}: {}", out.tag, out.reason))?;
        }
        let second = star.runner_up.as_deref().unwrap_or("nothing");
        self.narrator.note(&format!(
            "selected: {} (the next best is {second})",
            image.tag
        ))?;
        for other in all.iter().filter(|other| other.policy != star.policy) {
            let best = format!("{}, selected: {}", other.rule, other.image.tag);
            self.narrator
                .note(&format!("policy {}: {best}", other.policy))?;
        }
        Ok(())
    }

    fn tell_objects(&mut self, stages: &[Vec<Manifest>]) -> Result<(), Failure> {
        for (number, stage) in stages.iter().enumerate() {
            for manifest in stage {
                let (id, images) = (
                    manifest.id().to_string(),
                    images(&manifest.object).join(", "),
                );
                let line = format!("stage {}  {id:<32} {images}", number + 1);
                self.narrator.note(line.trim_end())?;
            }
        }
        Ok(())
    }

    async fn build(&self, commit: CommitId) -> Result<Vec<Vec<Manifest>>, Failure> {
        let namespace = self
            .playground
            .map(|playground| playground.namespace().to_owned());
        Ok(self.engine.build(commit, namespace).await?)
    }

    async fn apply(&mut self, stages: &[Vec<Manifest>]) -> Result<(), Failure> {
        let Some(playground) = self.playground else {
            return Ok(());
        };
        playground.apply(stages).await?;
        playground.settle(stages).await?;
        let namespace = playground.namespace();
        self.narrator.note(&format!(
            "applied to the cluster, in namespace {namespace}; the live objects have these images"
        ))?;
        Ok(())
    }

    fn keep(&mut self, stages: &[Vec<Manifest>]) -> Result<(), Failure> {
        if let Some(folder) = self.workspace.kept() {
            let path = folder.join("objects.yaml");
            let written = fs::write(&path, to_yaml(&stages.concat()));
            written.map_err(|error| {
                Failure::new(format!("cannot write `{}`: {error}", path.display()))
            })?;
        }
        Ok(())
    }
}

/// Pushes what the registry has at the start.
async fn publish(publisher: &Publisher, narrator: &mut Narrator<'_>) -> Result<(), Failure> {
    for (repository, tags) in fleet::IMAGES {
        let mut digest = String::new();
        for tag in *tags {
            digest = publisher.push(repository, tag).await?;
        }
        let mut shown = tags.join(" ");
        if *repository == fleet::STAR {
            // As cosign names the signature of a digest.
            let signature = format!("{}.sig", digest.replace(':', "-"));
            publisher.push(repository, &signature).await?;
            shown.push_str(&format!(" {}….sig", &signature[..15]));
        }
        narrator.note(&format!("{repository}: {shown}"))?;
    }
    Ok(())
}

fn star(selections: &[Selection]) -> Result<Selection, Failure> {
    let star = selections
        .iter()
        .find(|selection| selection.image.name.ends_with(fleet::STAR));
    star.cloned()
        .ok_or_else(|| Failure::new("the sample fleet has no policy for its first image"))
}

fn pushed(update: &Update) -> Result<(CommitId, CommitId), Failure> {
    update
        .pushed
        .ok_or_else(|| Failure::new("the newer tag changed nothing in the sample fleet"))
}

fn round(
    selection: Selection,
    update: Update,
    commit: CommitId,
    stages: &[Vec<Manifest>],
) -> Round {
    let objects = stages.iter().enumerate().flat_map(|(number, stage)| {
        stage.iter().map(move |manifest| {
            let mut object = json!(manifest.id());
            object["stage"] = (number + 1).into();
            object["images"] = images(&manifest.object).into();
            object
        })
    });
    let objects = objects.collect();
    let parent = update.pushed.map(|(_, parent)| parent.to_string());
    let commit = json!({
        "id": commit.to_string(), "parent": parent, "branch": embedded::BRANCH, "subject": update.subject,
    });
    Round {
        selection,
        diff: update.diff,
        commit,
        objects,
    }
}

/// The policies whose markers an update left as they were.
fn unchanged(selections: &[Selection], update: &Update) -> String {
    let changed = |selection: &&Selection| {
        let policy = selection.policy.to_string();
        // A setter is the policy, and possibly a part behind another colon.
        update
            .changes
            .iter()
            .any(|change| change.setter.split(':').take(2).eq(policy.split(':')))
    };
    let others = selections.iter().filter(|selection| !changed(selection));
    others
        .map(|selection| format!("{} ({})", selection.policy, selection.image.tag))
        .collect::<Vec<_>>()
        .join(", ")
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
