//! Asks the registries: each repository once, several at a time.

use super::hold::Judges;
use super::objects::Found;
use super::select::{Selection, policy_of, repository_of, select, wants_digest};
use super::trouble::Trouble;
use crate::adapters::registry::{Access, ErrorClass, RegistryClient, RegistryError};
use crate::api::image_repository::ImageRepositorySpec;
use crate::api::{ImagePolicy, ImageRepository};
use crate::cli::logins::{CloudLogin, Logins};
use crate::controllers::cloud_access::CloudAccess;
use crate::controllers::image_policy::informed;
use crate::controllers::image_repository::scan;
use crate::controllers::registry_access::provider;
use crate::domain::docker_config::Credentials;
use crate::domain::image::ImageName;
use crate::domain::object::ObjectKey;
use crate::domain::policy::Policy;
use crate::domain::tags::{Exclusions, TagSet};
use futures::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What the registries say.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// What was selected, by policy.
    pub(super) selections: Vec<Selection>,
    /// By what it was selected.
    pub(super) judges: Judges,
    /// What could not be scanned or selected.
    pub(super) troubles: Vec<Trouble>,
}

/// How registries are asked.
pub(super) struct Settings {
    /// How many are asked at once.
    pub(super) concurrent: usize,
    /// How long one repository may take.
    pub(super) timeout: Duration,
}

/// How far it is, for whoever waits.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Repositories that were asked.
    pub(super) done: AtomicUsize,
    /// Repositories to ask.
    pub(super) total: AtomicUsize,
}

/// A repository that is to be scanned.
struct Target<'a> {
    key: &'a ObjectKey,
    spec: &'a ImageRepositorySpec,
    image: ImageName,
    access: Access,
    exclusions: Exclusions,
}

/// Scans what `wanted` policies refer to, and selects.
pub(super) async fn run(
    found: &Found,
    wanted: &BTreeSet<ObjectKey>,
    settings: &Settings,
    progress: &Progress,
) -> Scanned {
    let mut scanned = Scanned::default();
    let policies = usable(found, wanted, &mut scanned.troubles);
    let repositories: BTreeSet<&ObjectKey> = policies.values().collect();
    let targets = targets(found, repositories, settings, &mut scanned.troubles).await;
    progress.total.store(targets.len(), Ordering::Relaxed);
    let client = RegistryClient::new();
    let tags = list(&client, &targets, settings, progress, &mut scanned.troubles).await;
    for (policy, repository) in &policies {
        let objects = (
            found.policies.get(policy),
            found.repositories.get(repository),
            tags.get(repository),
            targets.iter().find(|target| target.key == repository),
        );
        // Where something is missing, that was said already.
        if let (Some(object), Some(spec), Some(tags), Some(target)) = objects {
            match chosen(&client, target, policy, object, spec, tags).await {
                Ok((selection, judge)) => {
                    scanned.selections.push(selection);
                    scanned.judges.insert(policy.clone(), (judge, tags.clone()));
                }
                Err(message) => scanned
                    .troubles
                    .push(Trouble::failure(format!("ImagePolicy/{policy}"), message)),
            }
        }
    }
    pin(&client, found, &targets, settings, &mut scanned).await;
    scanned
}

/// What a policy selects; one that selects by time asks the registry for it.
async fn chosen(
    client: &RegistryClient,
    target: &Target<'_>,
    key: &ObjectKey,
    object: &ImagePolicy,
    repository: &ImageRepository,
    tags: &TagSet,
) -> Result<(Selection, Policy), String> {
    let policy = policy_of(object)?;
    let policy = informed(client, &target.image, &target.access, policy, tags).await?;
    let selection = select(key, object, &policy, repository, tags)?;
    Ok((selection, policy))
}

/// The policies that can be asked for, each with its repository.
fn usable(
    found: &Found,
    wanted: &BTreeSet<ObjectKey>,
    troubles: &mut Vec<Trouble>,
) -> BTreeMap<ObjectKey, ObjectKey> {
    let mut usable = BTreeMap::new();
    for key in wanted {
        let Some(policy) = found.policies.get(key) else {
            continue;
        };
        let subject = format!("ImagePolicy/{key}");
        let repository = repository_of(key, policy);
        // Both keep what they selected last, which only the cluster knows.
        if policy.spec.suspend {
            troubles.push(Trouble::note(
                subject,
                "it is suspended: its markers stay as they are",
            ));
        } else if let Some(object) = found.repositories.get(&repository) {
            match object.spec.suspend {
                true => troubles.push(Trouble::note(
                    subject,
                    format!(
                        "ImageRepository `{repository}` is suspended: its markers stay as they are"
                    ),
                )),
                false => _ = usable.insert(key.clone(), repository),
            }
        } else if !found.repositories.defines(&repository) {
            troubles.push(Trouble::failure(
                subject,
                format!("its ImageRepository `{repository}` is not in this tree"),
            ));
        }
    }
    usable
}

async fn targets<'a>(
    found: &'a Found,
    repositories: BTreeSet<&'a ObjectKey>,
    settings: &Settings,
    troubles: &mut Vec<Trouble>,
) -> Vec<Target<'a>> {
    let mut read = Vec::new();
    for key in repositories {
        let Some(object) = found.repositories.get(key) else {
            continue;
        };
        match parse(&object.spec, settings) {
            Ok(parts) => read.push((key, &object.spec, parts)),
            Err(message) => troubles.push(Trouble::failure(subject(key), message)),
        }
    }
    let registries = read
        .iter()
        .map(|(_, _, (image, ..))| image.registry())
        .collect();
    let (logins, said) = Logins::gather(registries, settings.timeout).await;
    troubles.extend(
        said.into_iter()
            .map(|said| Trouble::note(said.place, said.message)),
    );
    let mut cloud = CloudLogin::new(CloudAccess::of_person().logins);
    let mut targets = Vec::new();
    for (key, spec, (image, exclusions, timeout)) in read {
        let mut credentials = logins.of(&image);
        if credentials == Credentials::Anonymous
            && let Ok(Some(provider)) = provider(spec)
        {
            match cloud.of(provider, &image, timeout).await {
                Ok(login) => credentials = login,
                Err(words) => troubles.push(Trouble::note(subject(key), words)),
            }
        }
        let access = Access {
            insecure: spec.insecure,
            credentials,
            ..Access::anonymous(timeout)
        };
        targets.push(Target {
            key,
            spec,
            image,
            access,
            exclusions,
        });
    }
    targets
}

fn parse(
    spec: &ImageRepositorySpec,
    settings: &Settings,
) -> Result<(ImageName, Exclusions, Duration), String> {
    let image = ImageName::parse(&spec.image).map_err(|error| error.to_string())?;
    let exclusions = Exclusions::new(&spec.exclusion_list).map_err(|error| error.to_string())?;
    let timeout = spec
        .timeout()
        .map_or(settings.timeout, |timeout| timeout.min(settings.timeout));
    Ok((image, exclusions, timeout))
}

fn subject(repository: &ObjectKey) -> String {
    format!("ImageRepository/{repository}")
}

async fn list(
    client: &RegistryClient,
    targets: &[Target<'_>],
    settings: &Settings,
    progress: &Progress,
    troubles: &mut Vec<Trouble>,
) -> BTreeMap<ObjectKey, TagSet> {
    let scans = stream::iter(targets).map(|target| async move {
        let tags = scan(client, &target.image, &target.access, &target.exclusions).await;
        progress.done.fetch_add(1, Ordering::Relaxed);
        (target, tags)
    });
    let mut listed = BTreeMap::new();
    let answers: Vec<_> = scans.buffered(settings.concurrent.max(1)).collect().await;
    for (target, answer) in answers {
        match answer {
            Ok(tags) => _ = listed.insert(target.key.clone(), tags),
            Err(error) => {
                let message = format!("scan failed: {}", explain(&error, target.spec));
                troubles.push(Trouble::failure(subject(target.key), message));
            }
        }
    }
    listed
}

/// Adds the digests that policies want; a selection without the digest it should have is none.
async fn pin(
    client: &RegistryClient,
    found: &Found,
    targets: &[Target<'_>],
    settings: &Settings,
    scanned: &mut Scanned,
) {
    let targets: BTreeMap<&ObjectKey, &Target<'_>> =
        targets.iter().map(|target| (target.key, target)).collect();
    let selections = std::mem::take(&mut scanned.selections);
    let pinned = stream::iter(selections).map(|mut selection| {
        let policy = found
            .policies
            .get(&selection.policy)
            .filter(|policy| wants_digest(&policy.spec));
        let target =
            policy.and_then(|policy| targets.get(&repository_of(&selection.policy, policy)));
        async move {
            let Some(target) = target else {
                return Ok(selection);
            };
            let digest = client
                .resolve_digest(&target.image, &selection.image.tag, &target.access)
                .await;
            selection.image.digest = Some(digest.map_err(|error| {
                let message = format!(
                    "failed fetching digest of {}: {}",
                    selection.image,
                    explain(&error, target.spec)
                );
                Trouble::failure(format!("ImagePolicy/{}", selection.policy), message)
            })?);
            Ok(selection)
        }
    });
    for answer in pinned
        .buffered(settings.concurrent.max(1))
        .collect::<Vec<_>>()
        .await
    {
        match answer {
            Ok(selection) => scanned.selections.push(selection),
            Err(trouble) => scanned.troubles.push(trouble),
        }
    }
}

/// The error, and what is missing here of what the cluster has.
fn explain(error: &RegistryError, spec: &ImageRepositorySpec) -> String {
    let class = error.class();
    let hint = if class == ErrorClass::Authentication {
        "\nhint: log in with `docker login`; Secrets are not read without a cluster"
    } else if spec.cert_secret_ref.is_some() || spec.proxy_secret_ref.is_some() {
        "\nhint: `certSecretRef` and `proxySecretRef` are in the cluster; here this machine's authorities and `HTTPS_PROXY` count"
    } else {
        ""
    };
    format!("{error}{hint}")
}

#[cfg(test)]
mod tests {
    use super::super::objects::find;
    use super::*;
    use crate::domain::tree::MapTree;

    fn found(text: &str) -> Found {
        let tree = MapTree::from_texts([("all.yaml", text)]);
        let found = find(&tree, &["all.yaml".to_owned()], "apps");
        assert_eq!(found.troubles, []);
        found
    }

    fn object(kind: &str, name: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
        )
    }

    fn policy(name: &str, repository: &str, more: &str) -> String {
        let spec = format!(
            "imageRepositoryRef: {{name: {repository}}}, policy: {{semver: {{range: 1.x}}}}{more}"
        );
        object("ImagePolicy", name, &spec)
    }

    fn asked(text: &str) -> (Vec<String>, Vec<Trouble>) {
        let found = found(text);
        let wanted = found.policies.iter().map(|(key, _)| key.clone()).collect();
        let mut troubles = Vec::new();
        let usable = usable(&found, &wanted, &mut troubles);
        (
            usable
                .iter()
                .map(|(policy, repository)| format!("{policy} {repository}"))
                .collect(),
            troubles,
        )
    }

    #[test]
    fn a_suspended_policy_or_repository_is_a_note_and_a_missing_one_a_failure() {
        let repository = |name: &str, more: &str| {
            object(
                "ImageRepository",
                name,
                &format!("image: x, interval: 1m{more}"),
            )
        };
        let text = [
            repository("awake", ""),
            repository("asleep", ", suspend: true"),
            policy("a", "awake", ""),
            policy("b", "awake", ", suspend: true"),
            policy("c", "asleep", ""),
            policy("d", "nowhere", ""),
        ];
        let (usable, troubles) = asked(&text.concat());
        assert_eq!(usable, ["apps/a apps/awake"]);
        assert_eq!(
            troubles,
            [
                Trouble::note(
                    "ImagePolicy/apps/b",
                    "it is suspended: its markers stay as they are"
                ),
                Trouble::note(
                    "ImagePolicy/apps/c",
                    "ImageRepository `apps/asleep` is suspended: its markers stay as they are"
                ),
                Trouble::failure(
                    "ImagePolicy/apps/d",
                    "its ImageRepository `apps/nowhere` is not in this tree"
                ),
            ]
        );
    }

    fn parsed(spec: &str) -> Result<(String, Duration), String> {
        let found = found(&object("ImageRepository", "web", spec));
        let spec = &found
            .repositories
            .get(&ObjectKey::new("apps", "web"))
            .expect("it is there")
            .spec;
        let settings = Settings {
            concurrent: 1,
            timeout: Duration::from_secs(60),
        };
        parse(spec, &settings).map(|(image, _, timeout)| (image.canonical().to_owned(), timeout))
    }

    #[test]
    fn the_shorter_of_both_timeouts_counts() {
        let name = || "index.docker.io/library/alpine".to_owned();
        assert_eq!(
            parsed("image: alpine, interval: 1h"),
            Ok((name(), Duration::from_secs(60)))
        );
        assert_eq!(
            parsed("image: alpine, interval: 1h, timeout: 5s"),
            Ok((name(), Duration::from_secs(5)))
        );
    }

    #[test]
    fn a_specification_that_is_none_is_refused_in_words() {
        assert!(
            parsed("image: 'https://ghcr.io/x', interval: 1m")
                .is_err_and(|words| words.contains("scheme"))
        );
        assert!(parsed("image: x, interval: 1m, exclusionList: ['(']").is_err());
    }

    #[tokio::test]
    async fn nothing_wanted_asks_nobody() {
        let found = found(&policy("a", "nowhere", ""));
        let settings = Settings {
            concurrent: 0,
            timeout: Duration::from_secs(1),
        };
        let scanned = run(&found, &BTreeSet::new(), &settings, &Progress::default()).await;
        assert_eq!((scanned.selections, scanned.troubles), (vec![], vec![]));
    }
}
