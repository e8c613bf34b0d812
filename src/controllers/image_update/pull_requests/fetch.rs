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

/// The pull requests from some branches, and those of some numbers, the newest first. Those of another
/// automation are left out; an open one is an error.
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
    let own = automation.to_string();
    let mut pulls = Vec::new();
    for pull in found.into_values().rev() {
        match Marker::read(&pull.body).filter(|marker| marker.automation != own) {
            None => pulls.push(pull),
            Some(marker) if pull.state == PullState::Open => {
                return Err(ProposeError::Foreign {
                    number: pull.number,
                    branch: pull.head_branch,
                    automation: marker.automation,
                });
            }
            Some(_) => {}
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
