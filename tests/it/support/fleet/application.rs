//! An application of the fleet: its image, its manifests, and the five objects that look after it.

use super::Fleet;
use serde_json::{Value, json};

impl Fleet {
    /// An application `name` that runs 1.0.0: pushed to the registry, deployed from `apps/<name>` of the repository, and looked after
    /// by five objects of its name that follow every 1.x.
    pub async fn application(&self, name: &str) {
        self.registry.push(name, "1.0.0", "1.0.0").await;
        let manifest = self.deployment(name, "1.0.0");
        self.commit(
            &format!("Add {name}"),
            &[(&format!("apps/{name}/deployment.yaml"), &manifest)],
        );
        self.chain(name, &format!("apps/{name}")).await;
    }

    /// [`Fleet::application`], ready.
    pub async fn settled_application(&self, name: &str) {
        self.application(name).await;
        self.all_ready(name).await;
        self.deployed(name, "1.0.0").await;
    }

    /// Writes the five objects called `name` that look after the image `name` and the folder `path`.
    pub async fn chain(&self, name: &str, path: &str) {
        self.apply("ImagePolicy", name, self.image_policy(name))
            .await;
        self.chain_without_policy(name, path).await;
    }

    /// [`Fleet::chain`] for a test that writes a policy of its own.
    pub async fn chain_without_policy(&self, name: &str, path: &str) {
        self.apply("ImageRepository", name, self.image_repository(name))
            .await;
        self.apply("GitRepository", name, self.git_repository())
            .await;
        self.apply("ImageUpdateAutomation", name, self.automation(name, path))
            .await;
        self.apply("Kustomization", name, self.kustomization(name, path))
            .await;
    }

    /// An ImageRepository for an image of the registry.
    pub fn image_repository(&self, image: &str) -> Value {
        json!({"spec": {
            "image": self.registry.image(image), "interval": "1h", "insecure": true, "secretRef": {"name": "registry"},
        }})
    }

    /// An ImagePolicy that selects the newest 1.x of an ImageRepository.
    pub fn image_policy(&self, repository: &str) -> Value {
        json!({"spec": {
            "imageRepositoryRef": {"name": repository}, "policy": {"semver": {"range": "1.x"}},
        }})
    }

    /// A GitRepository that follows `main` of the fleet's repository.
    pub fn git_repository(&self) -> Value {
        json!({"spec": {
            "url": self.git.url("fleet"), "ref": {"branch": "main"}, "interval": "1h", "secretRef": {"name": "git"},
        }})
    }

    /// An ImageUpdateAutomation that writes into `path` of a GitRepository.
    pub fn automation(&self, source: &str, path: &str) -> Value {
        json!({"spec": {
            "sourceRef": {"kind": "GitRepository", "name": source}, "interval": "1h",
            "git": {"commit": {"author": {"name": "Tide", "email": "tide@example.com"}}},
            "update": {"strategy": "Setters", "path": path},
        }})
    }

    /// A Kustomization that applies `path` of a GitRepository to the namespace.
    pub fn kustomization(&self, source: &str, path: &str) -> Value {
        json!({"spec": {
            "sourceRef": {"kind": "GitRepository", "name": source}, "path": path, "interval": "1h", "retryInterval": "1s",
            "prune": true, "targetNamespace": self.namespace,
        }})
    }

    /// A Deployment without replicas whose image is marked for the policy of its name.
    pub fn deployment(&self, name: &str, tag: &str) -> String {
        format!(
            "# Kept by hand, but for the image.\n\
             apiVersion: apps/v1\n\
             kind: Deployment\n\
             metadata:\n  name: {name}\n\
             spec:\n  replicas: 0\n  selector:\n    matchLabels: {{app: {name}}}\n  template:\n    metadata:\n      labels: {{app: {name}}}\n    \
             spec:\n      containers:\n        - name: app\n          image: {}:{tag} {}\n",
            self.registry.image(name),
            self.marker(name)
        )
    }

    /// The comment that marks a scalar for a policy of the namespace.
    pub fn marker(&self, policy: &str) -> String {
        format!("# {{\"$imagepolicy\": \"{}:{policy}\"}}", self.namespace)
    }

    /// Commits to `main`, past all servers.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        self.repository.commit("main", message, files)
    }

    /// Pushes a tag of an application's image and asks for a scan: news for the whole chain.
    pub async fn publish(&self, name: &str, tag: &str) -> String {
        self.registry.push(name, tag, tag).await;
        self.request("ImageRepository", name).await
    }
}
