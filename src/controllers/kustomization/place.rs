//! Where a Kustomization is applied, and as whom.
//!
//! Invariant: what names another cluster, or an account, is never applied to this one, or by this
//! process. What is absent: the logins of clouds.

use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::apply::Applier;
use crate::adapters::cluster::discovery::Discovery;
use crate::adapters::cluster::objects;
use crate::adapters::cluster::remote::{RemoteCluster, RemoteClusters};
use crate::api::Kustomization;
use crate::api::kustomization::KubeConfigReference;
use crate::controllers::shared::Shared;
use crate::domain::object::ObjectKey;
use kube::Client;
use std::sync::Arc;

/// The keys that are looked for where none is named, as in Flux.
const USUAL: [&str; 2] = ["value", "value.yaml"];

/// This cluster and the others.
#[derive(Debug, Default)]
pub(super) struct Places {
    discovery: Arc<Discovery>,
    remote: RemoteClusters,
}

impl Places {
    /// Who applies `object`: the service account that it names, or else `default_account`, or else this process
    /// or who its kubeconfig logs in as.
    pub(super) async fn applier(
        &self,
        shared: &Shared,
        object: &Kustomization,
        key: &ObjectKey,
        default_account: &str,
        manager: &'static str,
    ) -> Result<Applier, ClusterError> {
        let account = object.spec.service_account_name.as_deref();
        let account = account.unwrap_or(default_account);
        let account = (!account.is_empty()).then(|| ObjectKey::new(&key.namespace, account));
        let (client, discovery) = match &object.spec.kube_config {
            None => (local(shared, account).await?, Arc::clone(&self.discovery)),
            Some(reference) => {
                let cluster = self.cluster(shared, reference, key).await?;
                let client = match account {
                    None => cluster.client.clone(),
                    Some(account) => cluster.impersonator.client(&account)?,
                };
                (client, Arc::clone(&cluster.discovery))
            }
        };
        Ok(Applier::new(client, discovery, manager))
    }

    /// The cluster whose kubeconfig is in a Secret.
    async fn cluster(
        &self,
        shared: &Shared,
        reference: &KubeConfigReference,
        key: &ObjectKey,
    ) -> Result<Arc<RemoteCluster>, ClusterError> {
        let Some(reference) = &reference.secret_ref else {
            let words = "`spec.kubeConfig.configMapRef` is not supported yet";
            return Err(ClusterError::Configuration(words.to_owned()));
        };
        let secret = ObjectKey::new(&key.namespace, &reference.name);
        let data = objects::secret(&shared.client, &secret).await;
        // Not an error of what is applied, nor of the account: as long as it is missing, nothing is known.
        let data = data.map_err(|error| {
            ClusterError::Configuration(format!(
                "unable to read KubeConfig secret '{secret}' error: {error}"
            ))
        })?;
        let named = reference.key.as_deref().filter(|name| !name.is_empty());
        let names = named.map_or(USUAL.to_vec(), |name| vec![name]);
        let found = names
            .iter()
            .find_map(|name| Some((*name, data.bytes(name)?)));
        let Some((name, kubeconfig)) = found else {
            return Err(ClusterError::Configuration(format!(
                "KubeConfig secret '{secret}' does not contain a '{}' key with a kubeconfig",
                names[0]
            )));
        };
        self.remote
            .get(&(secret, name.to_owned()), kubeconfig)
            .await
    }
}

async fn local(shared: &Shared, account: Option<ObjectKey>) -> Result<Client, ClusterError> {
    let Some(account) = account else {
        return Ok(shared.client.clone());
    };
    objects::require_service_account(&shared.client, &account).await?;
    shared.impersonator.client(&account)
}
