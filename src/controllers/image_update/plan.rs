//! What an automation does, and what to say of it. Pure.

use super::Gates;
use super::collect::Collect;
use super::execute::{EditError, JobError};
use super::fetch::Source;
use crate::adapters::git::{Signer, TransactionError};
use crate::api::ImageUpdateAutomation;
use crate::api::common::{ImageReference, Time};
use crate::api::image_update_automation::{
    CommitPer, CommitVia, GitSpec, ImageUpdateAutomationStatus, UpdateSourceKind,
    UpdateStrategyName,
};
use crate::controllers::git_remote::reference;
use crate::domain::git_ref::{CheckoutRef, CommitId, Revision, check_branch_name};
use crate::domain::marker::PolicyKey;
use crate::domain::message::MessageTemplateError;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::rewrite::Selections;
use crate::domain::tree;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Where and as whom an automation writes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) checkout: CheckoutRef,
    pub(super) push_branch: String,
    pub(super) push_options: BTreeMap<String, String>,
    pub(super) refspec: Option<String>,
    pub(super) path: String,
    pub(super) author_name: String,
    pub(super) author_email: String,
    /// Who signs the commits; the key is read after the specification.
    pub(super) signer: Option<Signer>,
    /// Whether GitHub makes the commits.
    pub(super) by_github: bool,
    /// The template of the commit message, and further values for it.
    pub(super) message_template: Option<String>,
    pub(super) message_values: BTreeMap<String, String>,
    pub(super) interval: Duration,
    /// What gets a commit of its own.
    pub(super) per: CommitPer,
    /// How changes wait for more to come, if they do.
    pub(super) collect: Option<Collect>,
    pub(super) gates: Gates,
    /// The mail addresses of all automations of the repository: their commits can be made again.
    pub(super) own_authors: BTreeSet<String>,
    /// The commit that was looked at when the policies still had selected other images: what was
    /// pushed after it may not have been told of.
    pub(super) told_until: Option<CommitId>,
    /// The last commit that was told of.
    pub(super) last_told: Option<CommitId>,
}

impl Target {
    /// Whether this commit, and so what was before it, is known to have been told of.
    pub(super) fn was_told(&self, commit: CommitId) -> bool {
        [self.told_until, self.last_told].contains(&Some(commit))
    }
}

/// Reads the specification.
pub(super) fn target(object: &ImageUpdateAutomation, source: &Source) -> Result<Target, Outcome> {
    let spec = &object.spec;
    let invalid = |message: String| Outcome::stalled(reason::INVALID_SOURCE_CONFIGURATION, message);
    if spec.source_ref.kind != UpdateSourceKind::GitRepository {
        return Err(invalid(format!(
            "invalid source kind '{}', only GitRepository is supported",
            spec.source_ref.kind
        )));
    }
    if spec.update.strategy != UpdateStrategyName::Setters {
        let message = format!("unknown update strategy '{}'", spec.update.strategy);
        return Err(Outcome::stalled(reason::INVALID_UPDATE_STRATEGY, message));
    }
    let git = spec
        .git
        .as_ref()
        .ok_or_else(|| invalid("source kind 'GitRepository' requires `spec.git`".to_owned()))?;
    let written = git
        .checkout
        .as_ref()
        .map(|checkout| &checkout.reference)
        .or(source.object.spec.reference.as_ref());
    let checkout = reference(written)
        .checkout()
        .map_err(|error| invalid(error.to_string()))?;
    let push = git.push.clone().unwrap_or_default();
    let push_branch = push_branch(push.branch, &checkout)?;
    let path = update_path(spec.update.path.as_deref())?;
    let author = &git.commit.author;
    let collect = Collect::read(&git.commit, object.status.pending_changes.clone())
        .map_err(|error| invalid(error.to_string()))?;
    if let CommitPer::Other(word) = &git.commit.per {
        return Err(invalid(format!("`spec.git.commit.per` cannot be `{word}`")));
    }
    Ok(Target {
        checkout,
        push_branch,
        push_options: push.options,
        refspec: push.refspec,
        path,
        author_name: author.name.clone().unwrap_or_default(),
        author_email: author.email.clone(),
        signer: None,
        by_github: by_github(git)?,
        message_template: git.commit.message_template.clone(),
        message_values: git.commit.message_template_values.clone(),
        interval: spec
            .interval()
            .map_err(|error| invalid(error.to_string()))?,
        per: git.commit.per.clone(),
        collect,
        gates: Gates::default(),
        own_authors: BTreeSet::from([author.email.clone()]),
        told_until: None,
        last_told: last_told(object),
    })
}

/// `spec.update.path` from the root of the repository on.
fn update_path(written: Option<&str>) -> Result<String, Outcome> {
    let written = written.unwrap_or_default().trim_start_matches('/');
    tree::join("", written).map_err(|error| {
        let words = format!("`spec.update.path`: {error}");
        Outcome::failed(reason::UPDATE_FAILED, words)
    })
}

/// Whether GitHub makes the commits, and nothing is asked for that its API cannot do.
fn by_github(git: &GitSpec) -> Result<bool, Outcome> {
    let commit = &git.commit;
    let push = git.push.clone().unwrap_or_default();
    let stalled = |message: String| {
        Err(Outcome::stalled(
            reason::INVALID_SOURCE_CONFIGURATION,
            message,
        ))
    };
    match &commit.via {
        CommitVia::Git => return Ok(false),
        CommitVia::GitHub => {}
        CommitVia::Other(word) => {
            return stalled(format!("unknown word '{word}' in `spec.git.commit.via`"));
        }
    }
    let others = [
        ("spec.git.commit.signingKey", commit.signing_key.is_some()),
        ("spec.git.commit.per", commit.per != CommitPer::Automation),
        ("spec.git.push.refspec", push.refspec.is_some()),
        ("spec.git.push.options", !push.options.is_empty()),
    ];
    match others.into_iter().find(|(_, used)| *used) {
        None => Ok(true),
        Some((field, _)) => stalled(format!(
            "`{field}` and `spec.git.commit.via: github` exclude each other: GitHub's API makes and signs the commits itself"
        )),
    }
}

fn push_branch(written: Option<String>, checkout: &CheckoutRef) -> Result<String, Outcome> {
    let Some(branch) = written.or_else(|| checkout.branch().map(str::to_owned)) else {
        let message = "push spec not provided, and cannot be inferred from .spec.git.checkout.ref or GitRepository .spec.ref";
        return Err(Outcome::failed(reason::SOURCE_MANAGER_FAILED, message));
    };
    check_branch_name(&branch)
        .map_err(|error| Outcome::stalled(reason::INVALID_SOURCE_CONFIGURATION, error))?;
    Ok(branch)
}

/// What the markers of the namespace get.
pub(super) fn selections(
    namespace: &str,
    policies: &BTreeMap<String, ImageReference>,
) -> Selections {
    let mut selections = Selections::new(namespace);
    for (name, image) in policies {
        let key = PolicyKey {
            namespace: namespace.to_owned(),
            name: name.clone(),
        };
        selections.insert(key, image.into());
    }
    selections
}

/// The revision that was up to date, if only a move of the remote can make work: the policies select
/// the same, the push goes where the checkout comes from, and the reference can be asked for cheaply.
pub(super) fn unchanged_since(
    object: &ImageUpdateAutomation,
    target: &Target,
    policies: &BTreeMap<String, ImageReference>,
) -> Option<String> {
    let status = &object.status;
    let same_policies = status.observed_policies == *policies;
    let same_branch = target.checkout.branch() == Some(target.push_branch.as_str());
    let same_spec = status.observed_generation == object.metadata.generation.unwrap_or_default();
    let askable = matches!(
        target.checkout,
        CheckoutRef::Branch(_) | CheckoutRef::Name(_)
    );
    (same_policies && same_branch && same_spec && askable && target.refspec.is_none())
        .then(|| status.observed_source_revision.clone())
        .flatten()
}

fn last_told(object: &ImageUpdateAutomation) -> Option<CommitId> {
    object.status.last_push_commit.as_deref()?.parse().ok()
}

/// The commit that was looked at last, if the policies have selected something else since.
pub(super) fn told_until(
    object: &ImageUpdateAutomation,
    policies: &BTreeMap<String, ImageReference>,
) -> Option<CommitId> {
    let status = &object.status;
    let seen = status.observed_source_revision.as_deref()?;
    let seen: Revision = seen.parse().ok()?;
    (status.observed_policies != *policies).then_some(seen.commit)
}

/// The status of a run that began.
pub(super) fn started(
    object: &ImageUpdateAutomation,
    now: Timestamp,
) -> ImageUpdateAutomationStatus {
    ImageUpdateAutomationStatus {
        last_automation_run_time: Some(Time(now)),
        ..object.status.clone()
    }
}

/// What to say of a run that failed.
pub(super) fn failure(error: &JobError) -> Outcome {
    let cause = match error {
        JobError::Transaction(cause) => cause,
        JobError::Remote(error) => {
            return Outcome::failed_because(reason::GIT_OPERATION_FAILED, error);
        }
        JobError::GitHub(_) => {
            return Outcome::stalled(reason::INVALID_SOURCE_CONFIGURATION, error);
        }
    };
    match &**cause {
        TransactionError::Edit(EditError::Tree(error)) => {
            Outcome::failed_because(reason::UPDATE_FAILED, error)
        }
        TransactionError::Edit(EditError::Git(error)) => {
            Outcome::failed_because(reason::UPDATE_FAILED, error)
        }
        TransactionError::Edit(EditError::Message(error)) => match error {
            MessageTemplateError::Removed { .. } => {
                Outcome::stalled(reason::REMOVED_TEMPLATE_FIELD, error.to_string())
            }
            other => Outcome::failed(
                reason::GIT_OPERATION_FAILED,
                format!("failed to update source: {other}"),
            ),
        },
        other => Outcome::failed_because(reason::GIT_OPERATION_FAILED, other),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::execute::Done;
    use super::super::tell::report;
    use super::*;
    use crate::api::GitRepository;
    use crate::api::common::GitReference as WrittenReference;
    use crate::api::image_update_automation::{CommitSpec, CommitUser, PushSpec};
    use crate::domain::change::ChangeReport;
    use crate::domain::message::MessageTemplate;
    use crate::domain::object::ObjectKey;
    use std::sync::Arc;

    pub(in super::super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    pub(in super::super) fn source(branch: Option<&str>) -> Source {
        let mut object = GitRepository::default();
        object.spec.reference = branch.map(|branch| WrittenReference {
            branch: Some(branch.to_owned()),
            ..Default::default()
        });
        Source {
            key: ObjectKey::new("apps", "fleet"),
            object: Arc::new(object),
        }
    }

    pub(in super::super) fn object(push: Option<PushSpec>) -> ImageUpdateAutomation {
        let author = CommitUser {
            name: Some("bot".to_owned()),
            email: "bot@example.com".to_owned(),
        };
        let mut object = ImageUpdateAutomation::default();
        object.spec.interval = "5m".to_owned();
        object.spec.git = Some(GitSpec {
            commit: CommitSpec {
                author,
                ..CommitSpec::default()
            },
            push,
            checkout: None,
            pull_request: None,
        });
        object.metadata.generation = Some(1);
        object
    }

    pub(in super::super) fn policies(tag: &str) -> BTreeMap<String, ImageReference> {
        let image = ImageReference {
            name: "ghcr.io/acme/app".to_owned(),
            tag: tag.to_owned(),
            digest: None,
        };
        [("app".to_owned(), image)].into()
    }

    pub(in super::super) fn pushed(target: &Target) -> Done {
        let commit = COMMIT.parse().expect("it is a commit id");
        Done::Pushed {
            commit,
            commits: vec![(commit, "Update app".to_owned())],
            revision: target.checkout.revision(commit).to_string(),
            report: ChangeReport::default(),
            kept: Vec::new(),
            found: false,
        }
    }

    pub(in super::super) fn now() -> Timestamp {
        Timestamp::from_second(1_000).expect("a small number is a time")
    }

    #[test]
    fn the_push_goes_to_the_branch_that_is_checked_out_unless_another_is_named() {
        let plain = target(&object(None), &source(Some("main"))).expect("it is whole");
        assert_eq!(
            (plain.checkout.clone(), plain.push_branch.as_str()),
            (CheckoutRef::Branch("main".to_owned()), "main")
        );
        assert_eq!(
            target(&object(None), &source(None))
                .map(|target| target.push_branch)
                .ok()
                .as_deref(),
            Some("master")
        );
        let push = PushSpec {
            branch: Some("updates".to_owned()),
            ..PushSpec::default()
        };
        assert_eq!(
            target(&object(Some(push)), &source(Some("main")))
                .map(|target| target.push_branch)
                .ok()
                .as_deref(),
            Some("updates")
        );
    }

    #[test]
    fn after_a_push_only_a_change_of_policies_specification_or_remote_makes_work() {
        let mut object = object(None);
        let target = target(&object, &source(Some("main"))).expect("it is whole");
        assert_eq!(unchanged_since(&object, &target, &policies("1.0.0")), None);
        object.status = report(&object, &target, &policies("1.0.0"), pushed(&target), now()).status;
        object.status.observed_generation = 1;
        assert_eq!(
            unchanged_since(&object, &target, &policies("1.0.0")),
            Some(format!("main@sha1:{COMMIT}"))
        );
        assert_eq!(unchanged_since(&object, &target, &policies("1.1.0")), None);
        assert_eq!(unchanged_since(&object, &target, &BTreeMap::new()), None);
        object.metadata.generation = Some(2);
        assert_eq!(unchanged_since(&object, &target, &policies("1.0.0")), None);
    }

    #[test]
    fn what_the_api_of_github_cannot_do_is_refused_by_name() {
        use crate::api::image_update_automation::SigningKey;
        let via = |change: &dyn Fn(&mut GitSpec)| {
            let mut written = object(None);
            let git = written.spec.git.as_mut().expect("it is there");
            git.commit.via = CommitVia::GitHub;
            change(git);
            let target = target(&written, &source(None));
            target
                .map(|target| target.by_github)
                .map_err(|outcome| outcome.message().to_owned())
        };
        assert_eq!(via(&|_| {}), Ok(true));
        assert_eq!(via(&|git| git.commit.via = CommitVia::Git), Ok(false));
        let refused = |change: &dyn Fn(&mut GitSpec), field: &str| {
            let words = via(change).expect_err("it is refused");
            assert!(words.starts_with(&format!("`{field}` and ")), "{words}");
        };
        let signed = |git: &mut GitSpec| git.commit.signing_key = Some(SigningKey::default());
        refused(&signed, "spec.git.commit.signingKey");
        let refspec = |git: &mut GitSpec| {
            git.push = Some(PushSpec {
                refspec: Some("refs/for/main".to_owned()),
                ..PushSpec::default()
            });
        };
        refused(&refspec, "spec.git.push.refspec");
        let options = |git: &mut GitSpec| {
            git.push = Some(PushSpec {
                options: BTreeMap::from([("topic".to_owned(), String::new())]),
                ..PushSpec::default()
            });
        };
        refused(&options, "spec.git.push.options");
        assert_eq!(
            via(&|git| git.commit.via = CommitVia::Other("post".to_owned())),
            Err("unknown word 'post' in `spec.git.commit.via`".to_owned())
        );
    }

    #[test]
    fn without_git_it_stalls() {
        let mut bare = object(None);
        bare.spec.git = None;
        let outcome = target(&bare, &source(None)).expect_err("`spec.git` is missing");
        assert!(
            matches!(
                outcome,
                Outcome::Stalled {
                    reason: reason::INVALID_SOURCE_CONFIGURATION,
                    ..
                }
            ),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_removed_field_of_a_template_stalls_and_another_fault_is_tried_again() {
        let failed = |text: &str| {
            let error = MessageTemplate::parse(text).and_then(|template| {
                let automation = ObjectKey::new("apps", "fleet");
                template.message(&automation, &ChangeReport::default(), &BTreeMap::new())
            });
            let error = error.expect_err("it is refused");
            failure(&TransactionError::Edit(EditError::Message(error)).into())
        };
        let stalled = failed("{{ .Updated.Images }}");
        assert!(
            matches!(&stalled, Outcome::Stalled { reason: "RemovedTemplateField", message, .. }
                if message.starts_with("template uses removed '.Updated' field.")),
            "{stalled:?}"
        );
        let retried = failed("{{ .Nothing }}");
        assert!(
            !matches!(retried, Outcome::Stalled { .. })
                && retried
                    .message()
                    .starts_with("failed to update source: failed to run template from spec: "),
            "{retried:?}"
        );
    }

    #[test]
    fn what_was_pushed_after_the_last_look_may_not_have_been_told_of() {
        let mut object = object(None);
        assert_eq!(
            told_until(&object, &policies("1.0.0")),
            None,
            "nothing was looked at yet"
        );
        let target = target(&object, &source(Some("main"))).expect("it is whole");
        object.status = report(&object, &target, &policies("1.0.0"), pushed(&target), now()).status;
        assert_eq!(told_until(&object, &policies("1.0.0")), None);
        let commit = COMMIT.parse().ok();
        assert_eq!(told_until(&object, &policies("1.1.0")), commit);
    }

    #[test]
    fn commits_per_something_else_and_waits_that_are_no_durations_are_refused() {
        let refused = |change: fn(&mut CommitSpec)| {
            let mut object = object(None);
            change(&mut object.spec.git.as_mut().expect("it is there").commit);
            let outcome = target(&object, &source(None)).expect_err("it is refused");
            assert_eq!(outcome.reason(), reason::INVALID_SOURCE_CONFIGURATION);
            outcome.message().to_owned()
        };
        let words = refused(|commit| commit.per = CommitPer::Other("file".to_owned()));
        assert_eq!(words, "`spec.git.commit.per` cannot be `file`");
        refused(|commit| commit.collect = Some("soon".to_owned()));
    }

    #[test]
    fn a_path_that_leaves_the_repository_is_refused() {
        let mut object = object(None);
        object.spec.update.path = Some("../other".to_owned());
        assert!(target(&object, &source(None)).is_err());
        object.spec.update.path = Some("./clusters//prod/".to_owned());
        assert_eq!(
            target(&object, &source(None))
                .map(|target| target.path)
                .ok()
                .as_deref(),
            Some("clusters/prod")
        );
    }
}
