//! The cluster of `--kubeconfig`: a namespace that is made for one run and removed after it.
//!
//! Invariant: nothing outside that namespace is written, and the namespace is removed however the
//! demo ends, unless the process is killed or the cluster does not answer any more; then the user is
//! told its name.

use super::login::random_hex;
use crate::adapters::cluster::apply::Applier;
use crate::adapters::cluster::discovery::Discovery;
use crate::adapters::cluster::{self, ClusterError};
use crate::cli::failure::Failure;
use crate::domain::manifest::Manifest;
use crate::domain::object::ObjectId;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The field manager of what the demo applies.
const MANAGER: &str = "highwater-demo";
/// How long the cluster may take to show what was applied.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it is given to take the removal.
const FAREWELL: Duration = Duration::from_secs(20);

/// A namespace of its own in a real cluster.
pub(super) struct Playground {
    applier: Applier,
    namespace: String,
    touched: AtomicBool,
}

impl Playground {
    /// Reads the kubeconfig. The cluster is not asked anything yet.
    ///
    /// # Errors
    /// When the file is unusable.
    pub(super) async fn open(kubeconfig: &Path) -> Result<Self, Failure> {
        let configuration = cluster::configuration(Some(kubeconfig)).await?;
        let client = cluster::client(configuration)?;
        Ok(Self {
            applier: Applier::new(client, Arc::new(Discovery::default()), MANAGER),
            namespace: format!("highwater-demo-{}", random_hex(4)?),
            touched: AtomicBool::new(false),
        })
    }

    /// The namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    fn id(&self) -> ObjectId {
        ObjectId {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: self.namespace.clone(),
        }
    }

    /// Makes sure that the cluster answers and that nobody has the namespace.
    ///
    /// # Errors
    /// When the cluster does not answer, or the namespace exists.
    pub(super) async fn claim(&self) -> Result<(), Failure> {
        match self.applier.get(&self.id()).await? {
            None => Ok(()),
            Some(_) => Err(Failure::new(format!(
                "the namespace `{}` exists already",
                self.namespace
            ))),
        }
    }

    /// Applies the stages one after the other.
    ///
    /// # Errors
    /// What the API server says against an object, or that one lies outside the namespace.
    pub(super) async fn apply(&self, stages: &[Vec<Manifest>]) -> Result<(), Failure> {
        for manifest in stages.iter().flatten() {
            let id = manifest.id();
            if id.namespace.as_ref() != Some(&self.namespace) && id != self.id() {
                return Err(Failure::new(format!(
                    "`{id}` is outside the namespace of the demo"
                )));
            }
        }
        self.touched.store(true, Ordering::SeqCst);
        for manifest in stages.iter().flatten() {
            self.applier.apply(&manifest.id(), &manifest.object).await?;
        }
        Ok(())
    }

    /// Waits until the live objects carry the images that were applied.
    ///
    /// # Errors
    /// When one of them does not in time.
    pub(super) async fn settle(&self, stages: &[Vec<Manifest>]) -> Result<(), Failure> {
        for manifest in stages.iter().flatten() {
            let (id, wanted) = (manifest.id(), images(&manifest.object));
            let shown = async {
                loop {
                    let live = self.applier.get(&id).await?;
                    if live.is_some_and(|live| images(&live) == wanted) {
                        return Ok::<(), ClusterError>(());
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            let late = |_| {
                Failure::new(format!(
                    "`{id}` does not carry its image after {} s",
                    PATIENCE.as_secs()
                ))
            };
            tokio::time::timeout(PATIENCE, shown)
                .await
                .map_err(late)??;
        }
        Ok(())
    }

    /// Removes the namespace, if anything was applied. Returns whether there was something to remove.
    ///
    /// # Errors
    /// When the cluster does not take it; the hint is what the user can do.
    pub(super) async fn remove(&self) -> Result<bool, Failure> {
        if !self.touched.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let (id, name) = (self.id(), &self.namespace);
        let hint = format!("kubectl delete namespace {name}");
        match tokio::time::timeout(FAREWELL, self.applier.delete(&id)).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) => Err(Failure::from(error).with_hint(hint)),
            Err(_) => Err(Failure::new(format!(
                "the cluster did not answer to the removal of `{name}`"
            ))
            .with_hint(hint)),
        }
    }
}

/// The images of an object's containers.
pub(super) fn images(object: &serde_json::Value) -> Vec<&str> {
    let templates = [
        "/spec/template/spec/containers",
        "/spec/jobTemplate/spec/template/spec/containers",
    ];
    let containers = templates
        .iter()
        .filter_map(|path| object.pointer(path)?.as_array());
    containers
        .flatten()
        .filter_map(|container| container["image"].as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn images_are_found_in_deployments_and_cron_jobs() {
        let template =
            json!({"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b"}]}});
        assert_eq!(images(&json!({"spec": {"template": template}})), ["x:1"]);
        assert_eq!(
            images(&json!({"spec": {"jobTemplate": {"spec": {"template": template}}}})),
            ["x:1"]
        );
        assert_eq!(
            images(&json!({"kind": "Service", "spec": {}})),
            Vec::<&str>::new()
        );
    }
}
