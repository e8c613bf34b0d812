//! What to follow for a GitRepository, and what to say of it. Pure.

use super::execute::{Done, JobError};
use crate::adapters::artifacts::Artifact;
use crate::adapters::cluster::events::Told;
use crate::adapters::git::GitError;
use crate::api::GitRepository;
use crate::api::common::Time;
use crate::api::git_repository::{self, GitRepositorySpec, GitRepositoryStatus};
use crate::controllers::git_remote::reference;
use crate::controllers::report::Report;
use crate::domain::conditions::Statement;
use crate::domain::git_ref::CheckoutRef;
use crate::domain::outcome::{Outcome, reason, with_causes};
use std::time::Duration;

/// Flux's condition for an artifact that is served.
const ARTIFACT_IN_STORAGE: &str = "ArtifactInStorage";
/// Flux's condition for a fetch that failed.
const FETCH_FAILED: &str = "FetchFailed";
/// How much of a commit's subject an event tells.
const SHOWN_SUBJECT: usize = 50;

/// What is followed, and how often.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) checkout: CheckoutRef,
    pub(super) interval: Duration,
}

/// Reads the specification.
pub(super) fn target(spec: &GitRepositorySpec) -> Result<Target, Outcome> {
    let unsupported = [
        ("spec.verify", spec.verification.is_some()),
        ("spec.recurseSubmodules", spec.recurse_submodules),
        ("spec.include", !spec.include.is_empty()),
        ("spec.sparseCheckout", !spec.sparse_checkout.is_empty()),
    ];
    if let Some((field, _)) = unsupported.into_iter().find(|(_, used)| *used) {
        return Err(Outcome::stalled(
            reason::UNSUPPORTED_FIELD,
            format!("`{field}` is not supported yet"),
        ));
    }
    let invalid = |error: &dyn std::fmt::Display| Outcome::stalled(reason::URL_INVALID, error);
    let checkout = reference(spec.reference.as_ref())
        .checkout()
        .map_err(|error| invalid(&error))?;
    let interval = spec.interval().map_err(|error| invalid(&error))?;
    Ok(Target { checkout, interval })
}

/// The artifact of the status, unless it was made with other settings.
pub(super) fn known_artifact(object: &GitRepository) -> Option<Artifact> {
    let status = &object.status;
    let written = status
        .artifact
        .as_ref()
        .filter(|_| status.observed_ignore == object.spec.ignore)?;
    Some(Artifact {
        path: written.path.clone(),
        url: written.url.clone(),
        revision: written.revision.clone(),
        digest: written.digest.clone(),
        last_update_time: written.last_update_time.0,
        size: u64::try_from(written.size.unwrap_or_default()).unwrap_or_default(),
    })
}

/// The report of a look that succeeded.
pub(super) fn report(
    object: &GitRepository,
    done: Done,
    target: &Target,
) -> Report<GitRepositoryStatus> {
    let (artifact, told) = match done {
        Done::Unchanged(artifact) => (artifact, None),
        Done::Stored { artifact, subject } => {
            let told = stored(&artifact, &subject);
            (artifact, Some(told))
        }
    };
    let message = format!("stored artifact for revision '{}'", artifact.revision);
    let mut status = object.status.clone();
    status.artifact = Some(git_repository::Artifact {
        path: artifact.path,
        url: artifact.url,
        revision: artifact.revision,
        digest: artifact.digest,
        last_update_time: Time(artifact.last_update_time),
        size: i64::try_from(artifact.size).ok(),
        metadata: Default::default(),
    });
    status.observed_ignore = object.spec.ignore.clone();
    status
        .conditions
        .retain(|condition| condition.type_ != FETCH_FAILED);
    let in_storage = Statement {
        kind: ARTIFACT_IN_STORAGE,
        status: Some(true),
        reason: reason::SUCCEEDED,
        message: message.clone(),
    };
    let outcome = Outcome::Ready {
        reason: reason::SUCCEEDED,
        message,
        next: Some(target.interval),
    };
    let report = Report::new(status, outcome).stating(in_storage);
    told.into_iter().fold(report, Report::telling)
}

fn stored(artifact: &Artifact, subject: &str) -> Told {
    let subject: String = subject.chars().take(SHOWN_SUBJECT).collect();
    let metadata = [
        ("revision", &artifact.revision),
        ("digest", &artifact.digest),
    ];
    Told {
        warning: false,
        reason: reason::NEW_ARTIFACT.to_owned(),
        message: format!("stored artifact for commit '{subject}'"),
        metadata: metadata
            .map(|(name, value)| (format!("source.toolkit.fluxcd.io/{name}"), value.clone()))
            .into(),
    }
}

/// What to say of a look that failed.
pub(super) fn failure(error: &JobError) -> Outcome {
    let reason = match error {
        JobError::Git(
            GitError::AuthenticationFailed { .. }
            | GitError::LoginRefused { .. }
            | GitError::HostKey { .. },
        ) => reason::AUTHENTICATION_FAILED,
        JobError::Git(GitError::EmptyRepository { .. }) => reason::EMPTY_GIT_REPOSITORY,
        JobError::Git(_) => reason::GIT_OPERATION_FAILED,
        JobError::Artifact(_) => reason::STORAGE_OPERATION_FAILED,
    };
    let message = match error {
        JobError::Git(error) => format!(
            "failed to checkout and determine revision: {}",
            with_causes(error)
        ),
        JobError::Artifact(error) => with_causes(error),
    };
    Outcome::failed(reason, message)
}

/// The report of a failure: the last artifact stays, and the failure has a condition of its own.
pub(super) fn failed(object: &GitRepository, outcome: Outcome) -> Report<GitRepositoryStatus> {
    let fetch_failed = Statement {
        kind: FETCH_FAILED,
        status: Some(true),
        reason: outcome.reason(),
        message: outcome.message().to_owned(),
    };
    Report::new(object.status.clone(), outcome).stating(fetch_failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn artifact() -> Artifact {
        Artifact {
            path: "gitrepository/apps/fleet/abc.tar.gz".to_owned(),
            url: "http://highwater.example/gitrepository/apps/fleet/abc.tar.gz".to_owned(),
            revision: "main@sha1:abc".to_owned(),
            digest: "sha256:def".to_owned(),
            last_update_time: Timestamp::from_second(1_000).expect("a small number is a time"),
            size: 7,
        }
    }

    fn object() -> GitRepository {
        let spec = GitRepositorySpec {
            url: "https://git.example.com/fleet".to_owned(),
            interval: "1m".to_owned(),
            ..GitRepositorySpec::default()
        };
        GitRepository {
            spec,
            ..GitRepository::default()
        }
    }

    #[test]
    fn a_new_artifact_is_told_in_the_words_of_flux() {
        let object = object();
        let target = target(&object.spec).expect("the specification is whole");
        let subject = "a subject that is much longer than what an event has room for".to_owned();
        let report = report(
            &object,
            Done::Stored {
                artifact: artifact(),
                subject,
            },
            &target,
        );
        assert_eq!(
            report.outcome.message(),
            "stored artifact for revision 'main@sha1:abc'"
        );
        assert_eq!(
            report.told[0].message,
            "stored artifact for commit 'a subject that is much longer than what an event h'"
        );
        assert_eq!(
            report.told[0].metadata["source.toolkit.fluxcd.io/revision"],
            "main@sha1:abc"
        );
        assert_eq!(report.further[0].kind, "ArtifactInStorage");
    }

    #[test]
    fn an_unchanged_artifact_is_not_told_again() {
        let object = object();
        let target = target(&object.spec).expect("the specification is whole");
        assert!(
            report(&object, Done::Unchanged(artifact()), &target)
                .told
                .is_empty()
        );
    }

    #[test]
    fn an_artifact_of_other_settings_is_made_again() {
        let mut object = object();
        let target = target(&object.spec).expect("the specification is whole");
        object.status = report(&object, Done::Unchanged(artifact()), &target).status;
        assert_eq!(
            known_artifact(&object).map(|known| known.revision),
            Some("main@sha1:abc".to_owned())
        );
        object.spec.ignore = Some("*.md".to_owned());
        assert!(known_artifact(&object).is_none());
    }

    #[test]
    fn a_failure_keeps_the_artifact_and_goes_when_the_next_look_succeeds() {
        let mut object = object();
        let target = target(&object.spec).expect("the specification is whole");
        object.status = report(&object, Done::Unchanged(artifact()), &target).status;
        let failed = failed(
            &object,
            Outcome::failed(reason::GIT_OPERATION_FAILED, "no route"),
        );
        assert!(failed.status.artifact.is_some());
        assert_eq!(failed.further[0].kind, "FetchFailed");
    }

    #[test]
    fn a_field_that_would_do_nothing_is_refused() {
        let mut object = object();
        object.spec.recurse_submodules = true;
        let outcome = target(&object.spec).expect_err("submodules are not fetched");
        assert_eq!(
            outcome.message(),
            "`spec.recurseSubmodules` is not supported yet"
        );
    }
}
