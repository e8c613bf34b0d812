//! Reading and writing objects of the fleet's namespace, as JSON.

use super::Fleet;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

impl Fleet {
    /// Writes an object: all but `apiVersion`, `kind`, name and namespace.
    pub async fn apply(&self, kind: &str, name: &str, content: Value) {
        let mut object = content;
        object["apiVersion"] = json!(resource(kind).api_version);
        object["kind"] = json!(kind);
        object["metadata"]["name"] = json!(name);
        let parameters = PatchParams::apply("tests").force();
        let written = self
            .api(kind)
            .patch(name, &parameters, &Patch::Apply(&object))
            .await;
        written.unwrap_or_else(|error| panic!("{kind}/{name} cannot be written: {error}"));
    }

    /// Changes fields of an object, by a merge patch.
    pub async fn patch(&self, kind: &str, name: &str, patch: Value) {
        let parameters = PatchParams::default();
        let patched = self
            .api(kind)
            .patch(name, &parameters, &Patch::Merge(&patch))
            .await;
        patched.unwrap_or_else(|error| panic!("{kind}/{name} cannot be changed: {error}"));
    }

    /// Asks for the deletion of an object.
    pub async fn delete(&self, kind: &str, name: &str) {
        let deleted = self.api(kind).delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{kind}/{name} cannot be deleted: {error}"));
    }

    /// An object as the API server has it.
    pub async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.api(kind).get_opt(name).await;
        let found = found.unwrap_or_else(|error| panic!("{kind}/{name} cannot be read: {error}"));
        found.map(|object| serde_json::to_value(object).expect("an object is JSON"))
    }

    /// All objects of a kind in the namespace.
    pub async fn list(&self, kind: &str) -> Vec<Value> {
        let list = self.api(kind).list(&ListParams::default()).await;
        let list = list.unwrap_or_else(|error| panic!("{kind} cannot be listed: {error}"));
        let values = list.items.into_iter().map(serde_json::to_value);
        values.collect::<Result<_, _>>().expect("an object is JSON")
    }

    /// Sets `reconcile.fluxcd.io/requestedAt` to a new value, and returns it.
    pub async fn request(&self, kind: &str, name: &str) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let token = format!("request-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let annotations = json!({"reconcile.fluxcd.io/requestedAt": token});
        let patch = json!({"metadata": {"annotations": annotations}});
        self.patch(kind, name, patch).await;
        token
    }

    /// Asks for a reconciliation and waits until it was handled; the object then.
    pub async fn reconcile(&self, kind: &str, name: &str) -> Value {
        let token = self.request(kind, name).await;
        self.wait(kind, name, "the request is handled", |object| {
            object["status"]["lastHandledReconcileAt"] == *token
        })
        .await
    }

    /// A client of one kind in the namespace.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind))
    }
}

/// A client of the cluster's administrator.
pub(super) async fn client(kubeconfig: &Path) -> Client {
    // Whoever installs it first wins, and all install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the tests wrote it");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Client::try_from(config.expect("a usable kubeconfig")).expect("a usable configuration")
}

fn resource(kind: &str) -> ApiResource {
    let (group, version) = match kind {
        "ImageRepository" | "ImagePolicy" | "ImageUpdateAutomation" => {
            ("image.toolkit.fluxcd.io", "v1")
        }
        "GitRepository" => ("source.toolkit.fluxcd.io", "v1"),
        "Receiver" => ("notification.toolkit.fluxcd.io", "v1"),
        "Kustomization" => ("kustomize.toolkit.fluxcd.io", "v1"),
        "Deployment" => ("apps", "v1"),
        "Role" | "RoleBinding" => ("rbac.authorization.k8s.io", "v1"),
        "Lease" => ("coordination.k8s.io", "v1"),
        "ConfigMap" | "Event" | "Secret" | "ServiceAccount" => ("", "v1"),
        other => panic!("name the group of `{other}` here"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}
