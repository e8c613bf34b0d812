//! A fleet as its people have it: a namespace of the cluster, a registry and a Git server that want passwords, custom resources that
//! refer to each other, and one `highwater run` that looks after them.
//!
//! Every interval is an hour: what happens in a test happens because something was told, not because time passed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::control_plane::ControlPlane;
use super::git_http::{BareRepository, GitHttp, ServerAuth};
use super::highwater::{Running, highwater};
use super::process::temporary_folder;
use super::registry_server::{RegistryServer, docker_config};

/// The kinds that highwater looks after, in the order in which news travels.
pub const KINDS: [&str; 5] = [
    "ImageRepository",
    "ImagePolicy",
    "ImageUpdateAutomation",
    "GitRepository",
    "Kustomization",
];
/// Who may read and write the Git repositories.
pub const GIT_USER: &str = "deploy-bot";
/// The password of [`GIT_USER`].
pub const GIT_PASSWORD: &str = "tide-table-7391";
/// Far more than anything here takes, also on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A namespace, its servers and its highwater.
pub struct Fleet {
    /// The namespace that everything is in.
    pub namespace: String,
    /// Wants a password; the Secret `registry` has it.
    pub registry: RegistryServer,
    /// Wants a password; the Secret `git` has it.
    pub git: GitHttp,
    /// The repository of the fleet, `fleet.git`, with the branch `main`.
    pub repository: BareRepository,
    /// The folder that holds the Git repositories.
    pub repositories: PathBuf,
    storage: PathBuf,
    kubeconfig: PathBuf,
    client: Client,
    process: Option<Running>,
}

impl Fleet {
    /// Servers, Secrets and an empty repository in a new namespace of `plane`; nothing runs yet.
    pub async fn new(plane: &ControlPlane, prefix: &str) -> Self {
        let namespace = plane.namespace(prefix);
        let repositories = temporary_folder("repositories");
        let login = ServerAuth::Basic(GIT_USER.to_owned(), GIT_PASSWORD.to_owned());
        let fleet = Self {
            registry: RegistryServer::with_password(),
            git: GitHttp::start(&repositories, login),
            repository: BareRepository::create(&repositories, "fleet"),
            storage: temporary_folder("storage"),
            kubeconfig: plane.kubeconfig_path(),
            client: client(&plane.kubeconfig_path()).await,
            process: None,
            namespace,
            repositories,
        };
        let secret = json!({"type": "kubernetes.io/dockerconfigjson", "stringData": {
            ".dockerconfigjson": docker_config(fleet.registry.address()),
        }});
        fleet.apply("Secret", "registry", secret).await;
        let secret = json!({"stringData": {"username": GIT_USER, "password": GIT_PASSWORD}});
        fleet.apply("Secret", "git", secret).await;
        fleet
    }

    /// The same with a running `highwater run`.
    pub async fn running(plane: &ControlPlane, prefix: &str) -> Self {
        let mut fleet = Self::new(plane, prefix).await;
        fleet.start(&[]);
        fleet
    }

    // ---- the program

    /// `highwater run` for this namespace alone, on ports of its own, where `flags` do not say otherwise.
    pub fn command(&self, flags: &[&str]) -> Command {
        let defaults = [
            "--watch-all-namespaces=false".to_owned(),
            format!("--kubeconfig={}", self.kubeconfig.display()),
            format!("--storage-path={}", self.storage.display()),
            "--storage-addr=127.0.0.1:0".to_owned(),
            "--metrics-addr=127.0.0.1:0".to_owned(),
            "--health-addr=127.0.0.1:0".to_owned(),
            "--log-encoding=json".to_owned(),
        ];
        let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        let given: Vec<_> = flags.iter().map(|flag| name(flag)).collect();
        let kept = defaults.iter().filter(|flag| !given.contains(&name(flag)));
        let mut command = highwater();
        command
            .arg("run")
            .env("RUNTIME_NAMESPACE", &self.namespace)
            .args(kept)
            .args(flags);
        command
    }

    /// Starts the program, with the folder that an earlier one left.
    pub fn start(&mut self, flags: &[&str]) {
        self.process = Some(Running::start(&self.command(flags)));
    }

    /// Starts the program in an empty folder, as a new Pod has one.
    pub fn start_afresh(&mut self, flags: &[&str]) {
        self.storage = temporary_folder("storage");
        self.start(flags);
    }

    /// SIGKILL; returns what the program had written.
    pub fn kill(&mut self) -> String {
        let mut process = self.process.take().expect("the program was started");
        process.kill();
        process.stderr()
    }

    /// The running program.
    pub fn process(&mut self) -> &mut Running {
        self.process.as_mut().expect("the program was started")
    }

    /// What the program has logged so far.
    pub fn log(&self) -> String {
        self.process
            .as_ref()
            .map_or_else(String::new, Running::stderr)
    }

    /// The folder that the program keeps artifacts and Git objects in.
    #[allow(dead_code, reason = "the memory benchmark uses it, the tests do not")]
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// The folder that holds the artifacts.
    pub fn artifacts(&self) -> PathBuf {
        self.storage.join("artifacts")
    }

    /// The program must still run, and no part of it may have panicked.
    pub fn assert_no_panic(&mut self) {
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(self.process().is_running(), "the program ended\n{log}");
    }

    // ---- objects

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

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind))
    }

    // ---- waiting

    /// Waits until an object is as `wanted` says; `what` words it for whoever reads the failure.
    pub async fn wait(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let since = Instant::now();
        loop {
            let object = self.get(kind, name).await.unwrap_or_default();
            if wanted(&object) {
                return object;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "not in {} s: {kind}/{name}: {what}\nspec: {:#}\nstatus: {:#}\n--- the program:\n{}",
                PATIENCE.as_secs(),
                object["spec"],
                object["status"],
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until an object is ready for the specification it has.
    pub async fn ready(&self, kind: &str, name: &str) -> Value {
        self.wait(kind, name, "Ready=True", is_ready).await
    }

    /// Waits until all five objects called `name` are ready.
    pub async fn all_ready(&self, name: &str) {
        for kind in KINDS {
            self.ready(kind, name).await;
        }
    }

    /// Waits until an object is not ready for this reason; returns the message.
    pub async fn not_ready(&self, kind: &str, name: &str, reason: &str) -> String {
        self.not_ready_because(kind, name, reason, "").await
    }

    /// Waits until an object is not ready for this reason, with these words in the message; returns the message.
    pub async fn not_ready_because(
        &self,
        kind: &str,
        name: &str,
        reason: &str,
        words: &str,
    ) -> String {
        let what = format!("Ready=False {reason} {words}");
        let object = self
            .wait(kind, name, &what, |object| {
                let ready = condition(object, "Ready");
                ready["status"] == "False"
                    && ready["reason"] == *reason
                    && message(object).contains(words)
            })
            .await;
        message(&object)
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, kind: &str, name: &str) {
        self.wait(kind, name, "gone", Value::is_null).await;
    }

    /// Waits until something outside of the cluster is so.
    pub async fn until(&self, what: &str, wanted: impl Fn() -> bool) {
        let since = Instant::now();
        while !wanted() {
            let patience = since.elapsed() < PATIENCE;
            assert!(patience, "not in time: {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until the Deployment `name` runs this tag of the image `name`.
    pub async fn deployed(&self, name: &str, tag: &str) -> Value {
        let wanted = format!("{}:{tag}", self.registry.image(name));
        self.wait("Deployment", name, &wanted, |object| {
            image(object) == wanted.as_str()
        })
        .await
    }

    // ---- the chain of an application

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

/// The image of a Deployment's only container.
pub fn image(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]["image"]
}

/// One condition; null when it is not there.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .and_then(|all| all.iter().find(|condition| condition["type"] == *kind))
        .unwrap_or(&Value::Null)
}

/// The message of the condition `Ready`.
pub fn message(object: &Value) -> String {
    let message = &condition(object, "Ready")["message"];
    message.as_str().unwrap_or_default().to_owned()
}

/// Whether an object is ready for the specification it has, and nothing is left to do.
pub fn is_ready(object: &Value) -> bool {
    condition(object, "Ready")["status"] == "True"
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && condition(object, "Reconciling").is_null()
        && condition(object, "Stalled").is_null()
}

/// A client of the cluster's administrator.
async fn client(kubeconfig: &Path) -> Client {
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
        "Kustomization" => ("kustomize.toolkit.fluxcd.io", "v1"),
        "Deployment" => ("apps", "v1"),
        "Role" | "RoleBinding" => ("rbac.authorization.k8s.io", "v1"),
        "Lease" => ("coordination.k8s.io", "v1"),
        "ConfigMap" | "Event" | "Secret" | "ServiceAccount" => ("", "v1"),
        other => panic!("name the group of `{other}` here"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}
