//! What the cluster and the forge say.

use super::error::ProposeError;
use super::settings::Settings;
use crate::adapters::cluster::objects::{SecretData, secret};
use crate::adapters::forge::{
    ErrorClass, Forge, ForgeCredential, ForgeError, ForgeSettings, Proxy,
};
use crate::adapters::git::{Auth, Remote};
use crate::api::common::BUNDLE;
use crate::controllers::caches::Caches;
use crate::controllers::secrets::SecretError;
use crate::domain::object::ObjectKey;
use crate::domain::pull_request::{ForgeKind, Marker, PullRequest, PullState, Repository};
use crate::domain::rewrite::Selections;
use kube::{Client, ResourceExt};
use std::collections::{BTreeMap, BTreeSet};

/// How the forge is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Login {
    credential: ForgeCredential,
    settings: ForgeSettings,
}

impl Login {
    /// Another repository on the same forge, by the same login.
    pub(super) fn connect(&self, repository: Repository) -> Result<Forge, ForgeError> {
        Forge::connect(repository, self.credential.clone(), self.settings.clone())
    }
}

/// The login that the specification names, or that of Git.
pub(super) async fn login(
    client: &Client,
    namespace: &str,
    settings: &Settings,
    remote: &Remote,
) -> Result<Login, ProposeError> {
    let access = remote.server_access();
    let kind = settings.repository.kind;
    let credential = match &settings.spec.secret_ref {
        Some(reference) => {
            let key = ObjectKey::new(namespace, &reference.name);
            let data = secret(client, &key).await.map_err(SecretError::from)?;
            written(&key, &data, kind)?
        }
        None => of_git(&access.auth, kind),
    };
    let settings = ForgeSettings {
        certificate_authority: access.authorities,
        proxy: access.proxy.map(|proxy| Proxy {
            url: proxy.url,
            credentials: proxy.credentials,
        }),
        ..ForgeSettings::default()
    };
    Ok(Login {
        credential,
        settings,
    })
}

/// The login in a Secret.
fn written(
    key: &ObjectKey,
    data: &SecretData,
    kind: ForgeKind,
) -> Result<ForgeCredential, SecretError> {
    let present = |name| data.text(name).filter(|value| !value.expose().is_empty());
    if let Some(token) = present("token") {
        return Ok(ForgeCredential::Token(token));
    }
    if let Some(token) = present("bearerToken") {
        return Ok(ForgeCredential::Bearer(token));
    }
    match present("password") {
        Some(password) => {
            let user = present("username").map(|user| user.expose().clone());
            let auth = Auth::Basic {
                user: user.unwrap_or_default(),
                password,
            };
            Ok(of_git(&auth, kind))
        }
        None => Err(SecretError::content(
            key,
            "neither `token`, `bearerToken` nor `password` is there",
        )),
    }
}

/// A login of Git for the forge's API. Where Git takes a token in place of a password, the API takes it as
/// a token.
fn of_git(auth: &Auth, kind: ForgeKind) -> ForgeCredential {
    match (auth, kind) {
        (Auth::Basic { password, .. }, ForgeKind::GitHub | ForgeKind::GitLab) => {
            ForgeCredential::Token(password.clone())
        }
        (Auth::Basic { user, password }, _) => ForgeCredential::Basic {
            username: user.clone(),
            password: password.clone(),
        },
        (Auth::Bearer(token), _) => ForgeCredential::Bearer(token.clone()),
        // Keys are for Git alone.
        _ => ForgeCredential::None,
    }
}

/// The bundles of policies that have one, by the policy's name.
pub(super) fn bundles(caches: &Caches, selections: &Selections) -> BTreeMap<String, String> {
    let policies = selections.iter().filter_map(|(key, _)| {
        let key = ObjectKey::new(&key.namespace, &key.name);
        let policy = caches.image_policies.get(&key)?;
        let bundle = policy.labels().get(BUNDLE)?.clone();
        Some((key.name, bundle))
    });
    policies.collect()
}

/// The pull requests from some branches, and those of some numbers, the newest first. What is not of
/// this group is left out, as [`of_group`] says.
pub(super) async fn pull_requests(
    forge: &Forge,
    automation: &ObjectKey,
    base_branch: &str,
    branches: &BTreeSet<String>,
    numbers: &BTreeSet<u64>,
) -> Result<Vec<PullRequest>, ProposeError> {
    let mut found: BTreeMap<u64, PullRequest> = BTreeMap::new();
    for branch in branches {
        let on_branch = forge.find(branch, base_branch).await?;
        found.extend(on_branch.into_iter().map(|pull| (pull.number, pull)));
    }
    for number in numbers
        .iter()
        .filter(|number| !found.contains_key(number))
        .copied()
        .collect::<Vec<_>>()
    {
        match forge.get(number).await {
            Ok(pull) => {
                found.insert(number, pull);
            }
            Err(error) if error.class == ErrorClass::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    of_group(found.into_values().rev(), automation, branches)
}

/// Those of these pull requests that are of the automation: by their marker, or by their branch where a
/// person took the marker away. A number alone says nothing: in another repository, which the source may
/// name by now, it is a pull request of somebody else. One of another automation is left out; an open
/// one on the same branch is an error.
fn of_group(
    found: impl Iterator<Item = PullRequest>,
    automation: &ObjectKey,
    branches: &BTreeSet<String>,
) -> Result<Vec<PullRequest>, ProposeError> {
    let own = automation.to_string();
    let mut pulls = Vec::new();
    for pull in found {
        let on_branch = branches.contains(&pull.head_branch);
        match Marker::read(&pull.body) {
            Some(marker) if marker.automation == own => pulls.push(pull),
            None if on_branch => pulls.push(pull),
            Some(marker) if on_branch && pull.state == PullState::Open => {
                return Err(ProposeError::Foreign {
                    number: pull.number,
                    branch: pull.head_branch,
                    automation: marker.automation,
                });
            }
            _ => {}
        }
    }
    Ok(pulls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::redact::Secret;

    fn read(values: &[(&str, &str)], kind: ForgeKind) -> Result<ForgeCredential, String> {
        let values = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        let key = ObjectKey::new("apps", "forge");
        written(&key, &SecretData::new("Opaque", values), kind).map_err(|error| error.to_string())
    }

    /// Number, branch, state, and whose marker the body has.
    fn pull(number: u64, branch: &str, state: PullState, automation: Option<&str>) -> PullRequest {
        let marker = automation.map(|automation| Marker {
            automation: automation.to_owned(),
            uid: String::new(),
            group: "app".to_owned(),
            version: String::new(),
            images: BTreeMap::new(),
            text: String::new(),
            base: String::new(),
            head: String::new(),
            since: jiff::Timestamp::UNIX_EPOCH,
            ended: None,
        });
        let body = marker.map(|marker| marker.write(ForgeKind::Gitea, 9000));
        PullRequest {
            number,
            url: String::new(),
            state,
            head_branch: branch.to_owned(),
            head_commit: None,
            base_branch: "main".to_owned(),
            title: String::new(),
            body: body.unwrap_or_default(),
            labels: Vec::new(),
            draft: false,
            mergeable: None,
            closed_by: None,
            closed_with_branch: false,
            created: jiff::Timestamp::UNIX_EPOCH,
            closed: None,
            merge_commit: None,
        }
    }

    #[test]
    fn a_pull_request_is_ours_by_its_marker_or_its_branch_and_never_by_its_number() {
        use PullState::{Closed, Open};
        let numbers = |found: Vec<PullRequest>| {
            let branches = BTreeSet::from(["updates".to_owned()]);
            let kept = of_group(
                found.into_iter(),
                &ObjectKey::new("apps", "fleet"),
                &branches,
            );
            kept.map(|kept| kept.iter().map(|pull| pull.number).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        let found = vec![
            pull(1, "updates", Open, Some("apps/fleet")),
            pull(2, "renamed", Open, Some("apps/fleet")),
            pull(3, "updates", Closed, None),
            pull(4, "feature", Open, None),
            pull(5, "feature", Open, Some("apps/other")),
            pull(6, "updates", Closed, Some("apps/other")),
        ];
        assert_eq!(numbers(found), Ok(vec![1, 2, 3]));
        let other = numbers(vec![pull(7, "updates", Open, Some("apps/other"))]);
        assert!(other.is_err_and(|words| words.contains("apps/other")));
    }

    #[test]
    fn a_token_comes_before_a_password() {
        let both = [("token", "t"), ("username", "u"), ("password", "p")];
        assert!(matches!(
            read(&both, ForgeKind::Gitea),
            Ok(ForgeCredential::Token(_))
        ));
        let bearer = read(&[("bearerToken", "t")], ForgeKind::Azure);
        assert!(matches!(bearer, Ok(ForgeCredential::Bearer(_))));
        let error =
            read(&[("username", "planted")], ForgeKind::Gitea).expect_err("nothing is there");
        assert_eq!(
            error,
            "secret 'apps/forge': neither `token`, `bearerToken` nor `password` is there"
        );
    }

    #[test]
    fn where_git_takes_a_token_for_a_password_so_does_the_api() {
        let basic = Auth::Basic {
            user: "bot".to_owned(),
            password: Secret::new("t".to_owned()),
        };
        for (kind, is_token) in [
            (ForgeKind::GitHub, true),
            (ForgeKind::GitLab, true),
            (ForgeKind::Gitea, false),
            (ForgeKind::BitbucketCloud, false),
            (ForgeKind::BitbucketDataCenter, false),
            (ForgeKind::Azure, false),
        ] {
            let token = matches!(of_git(&basic, kind), ForgeCredential::Token(_));
            assert_eq!(token, is_token, "{kind:?}");
        }
        assert!(matches!(
            of_git(&Auth::None, ForgeKind::GitHub),
            ForgeCredential::None
        ));
    }
}
