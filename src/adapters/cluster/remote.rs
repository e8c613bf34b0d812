//! Other clusters, each reached by a kubeconfig that a tenant wrote.
//!
//! Invariant: a kubeconfig reads no file of this machine, starts no program, and is served over verified TLS
//! or, where it says `http`, in the clear; what is wrong with it is told without its content. What is absent:
//! watching, proxies, and the logins of clouds.

use super::discovery::Discovery;
use super::impersonate::Impersonator;
use super::{ClusterError, REQUEST_TIMEOUT, client};
use crate::domain::object::ObjectKey;
use crate::domain::outcome::with_causes;
use crate::domain::redact::Secret;
use kube::config::{AuthInfo, Cluster, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many clusters are kept; when there are more, all are made anew.
const KEPT: usize = 200;
/// The most bytes of a kubeconfig.
const LONGEST: usize = 256 * 1024;

/// One other cluster.
pub struct RemoteCluster {
    /// As whom the kubeconfig logs in.
    pub client: Client,
    /// As service accounts of that cluster.
    pub impersonator: Impersonator,
    /// The kinds that it serves.
    pub discovery: Arc<Discovery>,
}

impl fmt::Debug for RemoteCluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RemoteCluster")
    }
}

/// Where a kubeconfig stands: a Secret, and a key of it.
pub type Place = (ObjectKey, String);

/// Each with the digest of its kubeconfig.
type Known = HashMap<Place, ([u8; 32], Arc<RemoteCluster>)>;

/// The clusters that are known, by where their kubeconfig stands and the digest of what it says.
#[derive(Debug, Default)]
pub struct RemoteClusters {
    known: Mutex<Known>,
}

impl RemoteClusters {
    /// The cluster of the kubeconfig that stands at `place`. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`ClusterError::Configuration`] when it is no kubeconfig, or one that is not allowed.
    pub async fn get(
        &self,
        place: &Place,
        kubeconfig: &Secret<Vec<u8>>,
    ) -> Result<Arc<RemoteCluster>, ClusterError> {
        let digest: [u8; 32] = Sha256::digest(kubeconfig.expose()).into();
        let known = self.lock().get(place).cloned();
        if let Some((_, cluster)) = known.filter(|(known, _)| *known == digest) {
            return Ok(cluster);
        }
        let config = config(kubeconfig.expose()).await;
        let config = config.map_err(|Unusable(reason)| {
            let (secret, key) = place;
            ClusterError::Configuration(format!(
                "the kubeconfig `{key}` of Secret '{secret}': {reason}"
            ))
        })?;
        // What it says of a configuration may quote it.
        let unusable = |_| ClusterError::Configuration("no client can be made of it".to_owned());
        let cluster = Arc::new(RemoteCluster {
            client: client(config.clone()).map_err(unusable)?,
            impersonator: Impersonator::new(config),
            discovery: Arc::default(),
        });
        let mut all = self.lock();
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(place.clone(), (digest, Arc::clone(&cluster)));
        Ok(cluster)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a kubeconfig is of no use.
#[derive(Debug, PartialEq, Eq)]
struct Unusable(String);

async fn config(bytes: &[u8]) -> Result<Config, Unusable> {
    let said = |reason: &str| Unusable(reason.to_owned());
    if bytes.len() > LONGEST {
        return Err(said("it is too large"));
    }
    // What a parser says quotes what it met.
    let text = std::str::from_utf8(bytes).map_err(|_| said("it is not UTF-8"))?;
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(|_| said("it is none"))?;
    let context = kubeconfig.current_context.as_deref().unwrap_or_default();
    let named = kubeconfig.contexts.iter().find(|one| one.name == context);
    let named = named.and_then(|one| one.context.as_ref());
    let named = named.ok_or_else(|| said("`current-context` names none of its `contexts`"))?;
    let clusters = kubeconfig.clusters.iter();
    let cluster = clusters.filter(|one| one.name == named.cluster);
    let cluster = cluster.filter_map(|one| one.cluster.as_ref()).next();
    let cluster = cluster.ok_or_else(|| said("its context names none of its `clusters`"))?;
    check_cluster(cluster)?;
    let users = kubeconfig.auth_infos.iter();
    let user = users.filter(|one| Some(&one.name) == named.user.as_ref());
    if let Some(user) = user.filter_map(|one| one.auth_info.as_ref()).next() {
        check_user(user)?;
    }
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    // It says which field it cannot read, and not what is in it.
    let mut config = config.map_err(|error| Unusable(with_causes(&error)))?;
    check_address(&config)?;
    // Those of this process's environment.
    config.proxy_url = None;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(REQUEST_TIMEOUT);
    config.write_timeout = Some(REQUEST_TIMEOUT);
    Ok(config)
}

/// Whether paths of the API can stand behind the server's address.
fn check_address(config: &Config) -> Result<(), Unusable> {
    const LONGEST: usize = 1_000;
    let url = &config.cluster_url;
    let spoken = matches!(url.scheme_str(), Some("http" | "https"));
    match spoken && url.authority().is_some() && url.path().len() <= LONGEST {
        true => Ok(()),
        false => Err(Unusable(
            "`server` is no address; hint: `https://HOST:PORT`".to_owned(),
        )),
    }
}

fn check_cluster(cluster: &Cluster) -> Result<(), Unusable> {
    refuse_file(
        "certificate-authority",
        cluster.certificate_authority.as_ref(),
    )?;
    if cluster.proxy_url.is_some() {
        return Err(Unusable("`proxy-url` is not supported yet".to_owned()));
    }
    match cluster.insecure_skip_tls_verify {
        Some(true) => Err(Unusable(
            "`insecure-skip-tls-verify` is not allowed; hint: `certificate-authority-data`"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

fn check_user(user: &AuthInfo) -> Result<(), Unusable> {
    refuse_file("client-certificate", user.client_certificate.as_ref())?;
    refuse_file("client-key", user.client_key.as_ref())?;
    if user.token_file.is_some() {
        return Err(Unusable(
            "`tokenFile` names a file of this machine; hint: `token`".to_owned(),
        ));
    }
    for (field, is_there) in [
        ("exec", user.exec.is_some()),
        ("auth-provider", user.auth_provider.is_some()),
    ] {
        if is_there {
            return Err(Unusable(format!(
                "`{field}` starts a program, which is not allowed; hint: `token` or `client-certificate-data`"
            )));
        }
    }
    let acts = [
        user.impersonate.is_some(),
        user.impersonate_uid.is_some(),
        user.impersonate_groups.is_some(),
        user.impersonate_user_extra.is_some(),
    ];
    match acts.contains(&true) {
        true => Err(Unusable(
            "acting as somebody else is not allowed; hint: `spec.serviceAccountName`".to_owned(),
        )),
        false => Ok(()),
    }
}

fn refuse_file(field: &str, file: Option<&String>) -> Result<(), Unusable> {
    match file {
        Some(_) => Err(Unusable(format!(
            "`{field}` names a file of this machine; hint: `{field}-data`"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(cluster: &str, user: &str) -> String {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {{cluster: c, user: u}}\n\
             clusters:\n- name: c\n  cluster: {{server: \"https://127.0.0.1:1\"{cluster}}}\nusers:\n- name: u\n  user: {{{user}}}\n"
        );
        let config = config(text.as_bytes()).await;
        config.map_or_else(|Unusable(reason)| reason, |_| String::new())
    }

    #[tokio::test]
    async fn what_reaches_into_this_machine_is_refused_by_name() {
        assert_eq!(refused("", "token: planted-secret").await, "");
        for (cluster, user, words) in [
            (
                "",
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: id}",
                "`exec` starts",
            ),
            (
                "",
                "auth-provider: {name: gcp, config: {}}",
                "`auth-provider` starts",
            ),
            ("", "tokenFile: /var/run/token", "`tokenFile` names a file"),
            (
                "",
                "client-certificate: /etc/a",
                "`client-certificate` names a file",
            ),
            ("", "client-key: /etc/a", "`client-key` names a file"),
            (
                "",
                "as: admin, token: planted-secret",
                "acting as somebody else",
            ),
            (
                ", certificate-authority: /etc/a",
                "",
                "`certificate-authority` names a file",
            ),
            (
                ", proxy-url: \"http://user:planted-secret@proxy\"",
                "",
                "`proxy-url` is not supported",
            ),
            (
                ", insecure-skip-tls-verify: true",
                "",
                "`insecure-skip-tls-verify` is not",
            ),
        ] {
            let reason = refused(cluster, user).await;
            assert!(reason.starts_with(words), "{words}: {reason}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_no_address_is_refused() {
        for server in [
            "*",
            "/",
            "host:1",
            "ftp://host",
            &format!("https://h/{}", "a".repeat(2_000)),
        ] {
            let text = format!(
                "current-context: c\ncontexts: [{{name: c, context: {{cluster: c}}}}]\nclusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n"
            );
            let refused = config(text.as_bytes()).await.expect_err(server);
            assert!(refused.0.contains("no address"), "{server}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_kubeconfig_is_told_without_its_content() {
        for text in [
            "planted-secret",
            "clusters: planted-secret",
            "current-context: planted-secret",
            "current-context: c\ncontexts: [{name: c, context: {cluster: planted-secret}}]",
            "users: [{name: u, user: {token: [planted-secret]}}]",
        ] {
            let Err(Unusable(reason)) = config(text.as_bytes()).await else {
                panic!("{text}");
            };
            assert!(!reason.contains("planted"), "{reason}");
        }
        let unreadable = "certificate-authority-data: planted-secret";
        let reason = refused(&format!(", {unreadable}"), "").await;
        assert!(
            !reason.is_empty() && !reason.contains("planted"),
            "{reason}"
        );
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_unchanged_is_read_once() {
        let clusters = RemoteClusters::default();
        let text = |server: &str| {
            let text = format!(
                "current-context: c\ncontexts: [{{name: c, context: {{cluster: c}}}}]\nclusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n"
            );
            Secret::new(text.into_bytes())
        };
        let place = (ObjectKey::new("apps", "prod"), "value".to_owned());
        let get = async |server: &str| {
            let cluster = clusters.get(&place, &text(server)).await;
            cluster.expect("it is a kubeconfig")
        };
        let first = get("https://127.0.0.1:1").await;
        assert!(Arc::ptr_eq(&first, &get("https://127.0.0.1:1").await));
        assert!(!Arc::ptr_eq(&first, &get("https://127.0.0.1:2").await));
    }
}
