//! The work that the demo shows, done by what the controllers call.
//!
//! Invariant: nothing is decided here. Policies are read from the repository's own objects, and
//! selecting, rewriting, wording, committing and building are the functions that `highwater run`
//! uses. What is absent: printing.

use super::fleet;
use super::selection::{Scanned, Selection};
use super::workspace::Workspace;
use crate::adapters::git::{Author, CommitPlan, Fetched, GitCache, GitError, Remote, Snapshot};
use crate::adapters::git::{Stacking, Transaction, TransactionError, TransactionOutcome};
use crate::adapters::registry::{Access, RegistryClient, RegistryError};
use crate::api::{ImagePolicy, ImageRepository, ImageUpdateAutomation};
use crate::controllers::{image_policy, image_update};
use crate::domain::change::Change;
use crate::domain::diff::unified_diff;
use crate::domain::git_ref::{CheckoutRef, CommitId};
use crate::domain::image::{ImageName, ImageNameError, ImageRef};
use crate::domain::kustomize::{BuildError, Options, build};
use crate::domain::manifest::{Manifest, ManifestError, parse_documents};
use crate::domain::marker::{PolicyKey, TOKEN};
use crate::domain::message::default_message;
use crate::domain::policy::NoMatch;
use crate::domain::rewrite::{Selections, is_candidate};
use crate::domain::stage::{self, CustomKinds};
use crate::domain::tags::{ExclusionError, Exclusions};
use crate::domain::tree::{FileTree, TreeError};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;

/// How long one request to a server of the demo may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What went wrong.
#[derive(Debug, Error)]
pub(super) enum EngineError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Update(Box<TransactionError<EditError>>),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("`{0}` of the sample fleet is not a valid object")]
    Object(String, #[source] serde_json::Error),
    #[error("the sample fleet has no {0}")]
    Missing(String),
    #[error(transparent)]
    Image(#[from] ImageNameError),
    #[error(transparent)]
    Exclusions(#[from] ExclusionError),
    #[error("policy `{0}`: {1}")]
    Policy(String, String),
    #[error("policy `{0}`")]
    NoMatch(String, #[source] Box<NoMatch>),
    #[error(transparent)]
    Registry(#[from] Box<RegistryError>),
    #[error("the work was given up")]
    GivenUp(#[from] tokio::task::JoinError),
}

/// What went wrong while editing.
#[derive(Debug, Error)]
pub(super) enum EditError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// The engine on one repository.
pub(super) struct Engine {
    git: GitCache,
    remote: Remote,
    registry: RegistryClient,
    workspace: Workspace,
}

/// What an update did.
#[derive(Clone, Debug, Default)]
pub(super) struct Update {
    /// How many files with markers were read.
    pub(super) marked: usize,
    /// What changed.
    pub(super) changes: Vec<Change>,
    /// One unified diff for each changed file.
    pub(super) diff: String,
    /// The first line of the commit's message.
    pub(super) subject: String,
    /// The new commit and the one before it; `None` when there was nothing to do.
    pub(super) pushed: Option<(CommitId, CommitId)>,
}

impl Engine {
    pub(super) fn open(remote: Remote, workspace: Workspace) -> Result<Self, EngineError> {
        Ok(Self {
            git: GitCache::open(&workspace.cache())?,
            remote: remote.with_timeout(PATIENCE),
            registry: RegistryClient::new(),
            workspace,
        })
    }

    /// Does what blocks on a thread where it may, and holds the folder until it is done.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&GitCache, &Remote) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (git, remote, workspace) = (
            self.git.clone(),
            self.remote.clone(),
            self.workspace.clone(),
        );
        tokio::task::spawn_blocking(move || {
            let done = work(&git, &remote);
            drop((git, workspace));
            done
        })
        .await?
    }

    /// The files of the branch as they are now.
    pub(super) async fn tip(&self) -> Result<Fetched, EngineError> {
        self.blocking(|git, remote| Ok(git.fetch(remote, &branch())?))
            .await
    }

    /// Scans for every policy of the fleet and lets it select.
    pub(super) async fn select(&self, tree: &Snapshot) -> Result<Vec<Selection>, EngineError> {
        let bytes = tree.read(fleet::POLICIES)?;
        let manifests = parse_documents(fleet::POLICIES, &bytes)?;
        let repositories: Vec<ImageRepository> = objects(&manifests, "ImageRepository")?;
        let mut selections = Vec::new();
        for policy in objects::<ImagePolicy>(&manifests, "ImagePolicy")? {
            let wanted = &policy.spec.image_repository_ref.name;
            let repository = repositories
                .iter()
                .find(|repository| repository.name_any() == *wanted);
            let repository = repository
                .ok_or_else(|| EngineError::Missing(format!("ImageRepository `{wanted}`")))?;
            selections.push(self.select_one(repository, &policy).await?);
        }
        Ok(selections)
    }

    async fn select_one(
        &self,
        repository: &ImageRepository,
        object: &ImagePolicy,
    ) -> Result<Selection, EngineError> {
        let (name, spec) = (object.name_any(), &repository.spec);
        let image = ImageName::parse(&spec.image)?;
        let exclusions = Exclusions::new(&spec.exclusion_list)?;
        let access = Access {
            insecure: spec.insecure,
            ..Access::anonymous(PATIENCE)
        };
        let keep = |tag: &str| !exclusions.matches(tag);
        let listing = self
            .registry
            .list_tags(&image, &access, &keep)
            .await
            .map_err(Box::new)?;
        let policy = image_policy::policy(&object.spec)
            .map_err(|outcome| EngineError::Policy(name.clone(), outcome.message().to_owned()))?;
        let selected = policy
            .select(&listing.tags)
            .map_err(|error| EngineError::NoMatch(name.clone(), Box::new(error)))?;
        let image = ImageRef {
            name: spec.image.clone(),
            tag: selected.tag,
            digest: None,
        };
        let scanned = Scanned {
            sent: listing.sent,
            pages: listing.pages,
            excluded_by: spec.exclusion_list.clone(),
        };
        let choice = &object.spec.policy;
        Ok(Selection::new(
            PolicyKey::new(fleet::NAMESPACE, name),
            choice,
            &policy,
            image,
            scanned,
            &listing.tags,
        ))
    }

    /// Rewrites every marker, and commits and pushes if that changes anything.
    pub(super) async fn update(
        &self,
        selections: &[Selection],
        now: Timestamp,
    ) -> Result<Update, EngineError> {
        let mut images = Selections::new(fleet::NAMESPACE);
        for selection in selections {
            images.insert(selection.policy.clone(), selection.image.clone());
        }
        self.blocking(move |git, remote| update(git, remote, &images, now))
            .await
    }

    /// Builds the files of a commit and puts the objects into the order in which they are applied.
    pub(super) async fn build(
        &self,
        commit: CommitId,
        target_namespace: Option<String>,
    ) -> Result<Vec<Vec<Manifest>>, EngineError> {
        self.blocking(move |git, remote| {
            let tree = git.snapshot(remote, commit)?;
            let options = Options {
                target_namespace,
                ..Options::flux()
            };
            let manifests = build(&tree, fleet::APPS, &options)?.manifests;
            let stages = stage::stages(manifests, &CustomKinds::default());
            Ok(stages.into_iter().map(|stage| stage.manifests).collect())
        })
        .await
    }
}

fn branch() -> CheckoutRef {
    CheckoutRef::Branch(crate::adapters::git::embedded::BRANCH.to_owned())
}

/// The objects of one kind.
fn objects<T: DeserializeOwned>(manifests: &[Manifest], kind: &str) -> Result<Vec<T>, EngineError> {
    let wanted = manifests
        .iter()
        .filter(|manifest| manifest.id().kind == kind);
    wanted
        .map(|manifest| {
            let read = serde_json::from_value(manifest.object.clone());
            read.map_err(|error| EngineError::Object(manifest.id().to_string(), error))
        })
        .collect()
}

/// The author that the automation of the fleet names.
fn author(tip: &Snapshot) -> Result<Author, EngineError> {
    let manifests = parse_documents(fleet::AUTOMATION, &tip.read(fleet::AUTOMATION)?)?;
    let automations: Vec<ImageUpdateAutomation> = objects(&manifests, "ImageUpdateAutomation")?;
    let spec = automations
        .into_iter()
        .find_map(|automation| automation.spec.git);
    let author = spec
        .ok_or_else(|| EngineError::Missing("ImageUpdateAutomation".to_owned()))?
        .commit
        .author;
    Ok(Author {
        name: author.name.unwrap_or_default(),
        email: author.email,
    })
}

fn update(
    git: &GitCache,
    remote: &Remote,
    images: &Selections,
    now: Timestamp,
) -> Result<Update, EngineError> {
    let checkout = branch();
    let author = author(&git.fetch(remote, &checkout)?.snapshot)?;
    let request = Transaction {
        remote,
        checkout: &checkout,
        push_branch: crate::adapters::git::embedded::BRANCH,
        stacking: Stacking::OnTop,
        options: &BTreeMap::new(),
        also: None,
        attempts: 3,
    };
    let mut done = Update::default();
    let outcome = git.transaction(&request, |tip| {
        let (edits, message);
        (done, edits, message) = edit(tip, images)?;
        let plan = CommitPlan {
            edits,
            author: author.clone(),
            message,
            at: now,
            signer: None,
        };
        Ok((!plan.edits.is_empty()).then_some(plan))
    });
    match outcome.map_err(|error| EngineError::Update(Box::new(error)))? {
        TransactionOutcome::NothingToDo { .. } => Ok(Update {
            marked: done.marked,
            ..Update::default()
        }),
        TransactionOutcome::Pushed { commit, parent, .. } => Ok(Update {
            pushed: Some((commit, parent)),
            ..done
        }),
    }
}

type Edit = (Update, BTreeMap<String, Vec<u8>>, String);

fn edit(tip: &Snapshot, images: &Selections) -> Result<Edit, EditError> {
    let found = tip.candidates("", TOKEN.as_bytes(), is_candidate)?;
    let files = found
        .files
        .iter()
        .map(|file| Ok::<_, EditError>((file.path.clone(), tip.read(&file.path)?)));
    let edits = image_update::rewrite_files(files, "", images)?;
    let message = default_message(&edits.report);
    let mut diff = String::new();
    for (path, new) in &edits.files {
        let old = tip.read(path)?;
        diff.push_str(&unified_diff(
            path,
            &String::from_utf8_lossy(&old),
            &String::from_utf8_lossy(new),
        ));
    }
    let subject = message.lines().next().unwrap_or_default().to_owned();
    let update = Update {
        marked: found.files.len(),
        changes: edits.report.changes,
        diff,
        subject,
        pushed: None,
    };
    Ok((update, edits.files, message))
}
