//! What a test does to a forge besides asking it: people, pushes and checks, on the real one and on the fakes.

use crate::support::forges::world::{MILESTONE, PERSON, World};
use crate::support::forges::{FakeForge, TOKEN};
use crate::support::gitea::{GiteaRepository, gitea};
use highwater::domain::pull_request::forge::{Checks, ForgeKind, Repository};
use reqwest::Method;
use serde_json::{Value, json};

/// A forge with a repository whose `main` has one commit.
pub(super) enum Stage {
    Fake(FakeForge),
    Gitea(Box<RealGitea>),
}

/// The real one, with a person who may write to the repository.
pub(super) struct RealGitea {
    repository: GiteaRepository,
    person: (String, String),
}

impl Stage {
    pub(super) async fn set(kind: ForgeKind) -> Self {
        if kind != ForgeKind::Gitea {
            return Self::Fake(FakeForge::start(kind).await);
        }
        Self::on(gitea().repository("forge").await).await
    }

    /// A repository on the real one.
    pub(super) async fn on(repository: GiteaRepository) -> Self {
        let person = repository.collaborator("person").await;
        let milestone = json!({"title": MILESTONE});
        repository
            .request(Method::POST, "milestones", &milestone)
            .await;
        Self::Gitea(Box::new(RealGitea { repository, person }))
    }

    pub(super) fn repository(&self) -> Repository {
        match self {
            Self::Fake(fake) => fake.repository(),
            Self::Gitea(real) => {
                let api = format!("{}/api/v1", real.repository.server().url());
                Repository {
                    kind: ForgeKind::Gitea,
                    api: url::Url::parse(&api).expect("an address makes a URL"),
                    path: format!("{}/{}", real.repository.owner, real.repository.name),
                }
            }
        }
    }

    pub(super) fn token(&self) -> &str {
        match self {
            Self::Fake(_) => TOKEN,
            Self::Gitea(real) => &real.repository.token,
        }
    }

    /// The name of somebody else who may write to the repository.
    pub(super) fn person(&self) -> &str {
        match self {
            Self::Fake(_) => PERSON,
            Self::Gitea(real) => &real.person.0,
        }
    }

    /// A commit on a branch, which is made from `main` when there is none.
    pub(super) async fn push(&self, branch: &str, message: &str) -> String {
        match self {
            Self::Fake(fake) => fake.world().push(branch, message),
            Self::Gitea(real) => {
                let file = format!("{}.yaml", branch.replace('/', "-"));
                real.repository.commit(branch, &file, message).await
            }
        }
    }

    /// The newest commit of a branch.
    pub(super) async fn tip(&self, branch: &str) -> Option<String> {
        match self {
            Self::Fake(fake) => fake.world().branches.get(branch).cloned(),
            Self::Gitea(real) => real.repository.tip(branch).await,
        }
    }

    /// Reports a check of a commit. A name that begins with `run` or `policy` is of the forge's other kind of check, if it has two.
    pub(super) async fn check(&self, commit: &str, name: &str, result: Checks) {
        match self {
            Self::Fake(fake) => {
                let state = state(fake.repository().kind, result).to_owned();
                let mut world = fake.world();
                let checks = world.checks.entry(commit.to_owned()).or_default();
                checks.retain(|(known, _)| known != name);
                checks.push((name.to_owned(), state));
            }
            Self::Gitea(real) => {
                let state = state(ForgeKind::Gitea, result);
                real.repository.status(commit, name, state).await;
            }
        }
    }

    /// Closes a pull request as the person.
    pub(super) async fn close_by_hand(&self, number: u64) {
        match self {
            Self::Fake(fake) => fake.world().close(number, PERSON),
            Self::Gitea(real) => {
                let (path, body) = (format!("pulls/{number}"), json!({"state": "closed"}));
                let token = &real.person.1;
                real.repository
                    .request_as(token, Method::PATCH, &path, &body)
                    .await;
            }
        }
    }

    /// What was said below a pull request.
    pub(super) async fn comments(&self, number: u64) -> Vec<String> {
        match self {
            Self::Fake(fake) => pull(&mut fake.world(), number).comments.clone(),
            Self::Gitea(real) => {
                let path = format!("issues/{number}/comments");
                let said = real
                    .repository
                    .request(Method::GET, &path, &Value::Null)
                    .await;
                names(&said, "/body")
            }
        }
    }

    /// Who was asked for a review, who it is given to, and its milestone.
    pub(super) async fn people(&self, number: u64) -> (Vec<String>, Vec<String>, Option<String>) {
        match self {
            Self::Fake(fake) => {
                let mut world = fake.world();
                let pull = pull(&mut world, number);
                (
                    pull.reviewers.clone(),
                    pull.assignees.clone(),
                    pull.milestone.clone(),
                )
            }
            Self::Gitea(real) => {
                let path = format!("pulls/{number}");
                let pull = real
                    .repository
                    .request(Method::GET, &path, &Value::Null)
                    .await;
                let milestone = pull["milestone"]["title"].as_str().map(str::to_owned);
                (
                    names(&pull["requested_reviewers"], "/login"),
                    names(&pull["assignees"], "/login"),
                    milestone,
                )
            }
        }
    }
}

fn pull(world: &mut World, number: u64) -> &mut crate::support::forges::world::Pull {
    world
        .pull(&number.to_string())
        .expect("the pull request is there")
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|one| one.pointer(field)?.as_str().map(str::to_owned))
        .collect()
}

/// A result in the forge's own words.
fn state(kind: ForgeKind, result: Checks) -> &'static str {
    let [pending, passed, failed] = match kind {
        ForgeKind::GitHub | ForgeKind::Gitea => ["pending", "success", "failure"],
        ForgeKind::GitLab => ["running", "success", "failed"],
        ForgeKind::BitbucketCloud | ForgeKind::BitbucketDataCenter => {
            ["INPROGRESS", "SUCCESSFUL", "FAILED"]
        }
        ForgeKind::Azure => ["pending", "succeeded", "failed"],
    };
    match result {
        Checks::Passed => passed,
        Checks::Failed => failed,
        Checks::Pending | Checks::None => pending,
    }
}
