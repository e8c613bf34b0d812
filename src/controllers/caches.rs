//! The live copies of all kinds, and by what each object is found.
//!
//! Invariant: an entry says what an object names in its specification or is reached by, so that a change of that finds it without
//! a look at all objects. What is absent: watching, and who is woken; `triggers` decides.

use crate::adapters::cluster::watch::{Cache, key_of};
use crate::api::common::LocalObjectReference;
use crate::api::kustomization::KustomizationSpec;
use crate::api::{
    GitRepository, ImagePolicy, ImageRepository, ImageUpdateAutomation, Kustomization, Receiver,
};
use crate::domain::object::ObjectKey;
use std::sync::Arc;

/// The live copies of all kinds.
#[derive(Debug)]
pub struct Caches {
    /// All ImageRepository objects.
    pub image_repositories: Arc<Cache<ImageRepository>>,
    /// All ImagePolicy objects, by repository and by namespace.
    pub image_policies: Arc<Cache<ImagePolicy>>,
    /// All ImageUpdateAutomation objects, by namespace and by source.
    pub image_updates: Arc<Cache<ImageUpdateAutomation>>,
    /// All GitRepository objects, by URL.
    pub git_repositories: Arc<Cache<GitRepository>>,
    /// All Kustomization objects, by source and by what they depend on.
    pub kustomizations: Arc<Cache<Kustomization>>,
    /// All Receiver objects, by the path they are called at.
    pub receivers: Arc<Cache<Receiver>>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            image_repositories: Arc::new(Cache::new(repository_entries)),
            image_policies: Arc::new(Cache::new(policy_entries)),
            image_updates: Arc::new(Cache::new(update_entries)),
            git_repositories: Arc::new(Cache::new(source_entries)),
            kustomizations: Arc::new(Cache::new(kustomization_entries)),
            receivers: Arc::new(Cache::new(receiver_entries)),
        }
    }
}

/// The index entry of everything in a namespace.
pub fn in_namespace(namespace: &str) -> String {
    format!("namespace {namespace}")
}

/// The index entry of everything that reads from a source.
pub fn of_source(kind: &str, key: &ObjectKey) -> String {
    format!("source {kind}/{key}")
}

/// The index entry of everything that depends on an object of the same kind.
pub fn dependent_on(key: &ObjectKey) -> String {
    format!("dependency {key}")
}

/// The index entry of everything that names a Secret or a ConfigMap.
pub fn configured_by(kind: &str, key: &ObjectKey) -> String {
    format!("configuration {kind}/{key}")
}

/// The index entry of everything in a namespace that uses the image pull secrets of a service account.
/// Which those are is known only to the account, so that any Secret there may be one.
pub fn with_pull_secrets(namespace: &str) -> String {
    format!("pull secrets {namespace}")
}

/// The index entry of every source of one URL.
pub fn by_url(url: &str) -> String {
    format!("url {url}")
}

/// The index entry of the Receiver that is called at a path.
pub fn by_path(path: &str) -> String {
    format!("path {path}")
}

/// Entries for the Secrets that an object of `namespace` names.
fn secrets<'a>(
    namespace: &str,
    names: impl IntoIterator<Item = Option<&'a LocalObjectReference>>,
) -> Vec<String> {
    let named = names.into_iter().flatten();
    named
        .map(|reference| configured_by("Secret", &ObjectKey::new(namespace, &reference.name)))
        .collect()
}

fn receiver_entries(receiver: &Receiver) -> Vec<String> {
    let namespace = key_of(receiver).namespace;
    let mut entries = secrets(&namespace, [receiver.spec.secret_ref.as_ref()]);
    entries.extend(receiver.status.webhook_path.as_deref().map(by_path));
    entries
}

fn repository_entries(repository: &ImageRepository) -> Vec<String> {
    let key = key_of(repository);
    let spec = &repository.spec;
    let named = [
        &spec.secret_ref,
        &spec.cert_secret_ref,
        &spec.proxy_secret_ref,
    ];
    let mut entries = secrets(&key.namespace, named.map(Option::as_ref));
    if spec.service_account_name.is_some() {
        entries.push(with_pull_secrets(&key.namespace));
    }
    entries
}

fn source_entries(repository: &GitRepository) -> Vec<String> {
    let spec = &repository.spec;
    let verified = spec.verification.as_ref().map(|by| &by.secret_ref);
    let named = [
        spec.secret_ref.as_ref(),
        spec.proxy_secret_ref.as_ref(),
        verified,
    ];
    let mut entries = secrets(&key_of(repository).namespace, named);
    entries.push(by_url(&spec.url));
    entries
}

fn policy_entries(policy: &ImagePolicy) -> Vec<String> {
    let key = key_of(policy);
    let reference = &policy.spec.image_repository_ref;
    let repository = within(&key, reference.namespace.as_deref(), &reference.name);
    vec![
        of_source("ImageRepository", &repository),
        in_namespace(&key.namespace),
    ]
}

fn update_entries(update: &ImageUpdateAutomation) -> Vec<String> {
    let key = key_of(update);
    let reference = &update.spec.source_ref;
    let source = within(&key, reference.namespace.as_deref(), &reference.name);
    let commit = update.spec.git.as_ref().map(|git| &git.commit);
    let signing = commit.and_then(|commit| commit.signing_key.as_ref());
    let pulls = update
        .spec
        .git
        .as_ref()
        .and_then(|git| git.pull_request.as_ref());
    let named = [
        signing.map(|key| &key.secret_ref),
        pulls.and_then(|pulls| pulls.secret_ref.as_ref()),
    ];
    let mut entries = secrets(&key.namespace, named);
    entries.extend([
        of_source("GitRepository", &source),
        in_namespace(&key.namespace),
    ]);
    entries
}

fn kustomization_entries(kustomization: &Kustomization) -> Vec<String> {
    let key = key_of(kustomization);
    let reference = &kustomization.spec.source_ref;
    let source = within(&key, reference.namespace.as_deref(), &reference.name);
    let dependencies = kustomization.spec.depends_on.iter();
    let dependencies =
        dependencies.map(|on| dependent_on(&within(&key, on.namespace.as_deref(), &on.name)));
    std::iter::once(of_source(reference.kind.as_str(), &source))
        .chain(dependencies)
        .chain(configuration_of(&key.namespace, &kustomization.spec))
        .collect()
}

/// The Secrets and ConfigMaps that a Kustomization names: variables, keys, another cluster.
fn configuration_of(namespace: &str, spec: &KustomizationSpec) -> Vec<String> {
    let entry = |kind: &str, name: &str| configured_by(kind, &ObjectKey::new(namespace, name));
    let decryption = spec
        .decryption
        .as_ref()
        .and_then(|by| by.secret_ref.as_ref());
    let cluster = spec.kube_config.as_ref();
    let map = cluster.and_then(|cluster| cluster.config_map_ref.as_ref());
    let mut entries = secrets(namespace, [decryption]);
    entries.extend(
        cluster
            .and_then(|cluster| cluster.secret_ref.as_ref())
            .map(|secret| entry("Secret", &secret.name)),
    );
    entries.extend(map.map(|map| entry("ConfigMap", &map.name)));
    let variables = spec
        .post_build
        .iter()
        .flat_map(|build| &build.substitute_from);
    entries.extend(variables.map(|from| entry(from.kind.as_str(), &from.name)));
    entries
}

/// The key of an object that `key` refers to, by default in its own namespace.
pub fn within(key: &ObjectKey, namespace: Option<&str>, name: &str) -> ObjectKey {
    ObjectKey::new(namespace.unwrap_or(&key.namespace), name)
}
