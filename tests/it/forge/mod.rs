//! The adapters of the forges: one life of a pull request, on the real Gitea and on five fakes on the wire, and forges that misbehave.

mod hostile;
mod life;
mod login;
mod stage;

use highwater::adapters::forge::{Forge, ForgeCredential, ForgeSettings};
use highwater::domain::pull_request::forge::{ForgeKind, PullRequestDraft, Repository};
use highwater::domain::redact::Secret;
use std::time::Duration;

/// The forges that are fakes here.
const FAKES: [ForgeKind; 5] = [
    ForgeKind::GitHub,
    ForgeKind::GitLab,
    ForgeKind::BitbucketCloud,
    ForgeKind::BitbucketDataCenter,
    ForgeKind::Azure,
];

/// Long enough for a loaded machine; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn settings() -> ForgeSettings {
    ForgeSettings {
        timeout: PATIENCE,
        ..ForgeSettings::default()
    }
}

fn token(text: &str) -> ForgeCredential {
    ForgeCredential::Token(Secret::new(text.to_owned()))
}

fn connect(repository: Repository, text: &str) -> Forge {
    Forge::connect(repository, token(text), settings()).expect("these settings can work")
}

/// A pull request from a branch to `main`.
fn draft(branch: &str, title: &str) -> PullRequestDraft {
    PullRequestDraft {
        head_branch: branch.to_owned(),
        base_branch: "main".to_owned(),
        title: title.to_owned(),
        body: format!("{title}: what changes, and why"),
        ..PullRequestDraft::default()
    }
}
