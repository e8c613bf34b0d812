//! A fleet as its people have it: a namespace of the cluster, a registry and a Git server that want passwords, custom resources that
//! refer to each other, and one `highwater run` that looks after them.
//!
//! Every interval is an hour: what happens in a test happens because something was told, not because time passed.

mod application;
pub mod events;
mod objects;
mod proposing;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kube::Client;
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
            client: objects::client(&plane.kubeconfig_path()).await,
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

    /// Starts the program with more variables in its environment.
    pub fn start_with(&mut self, flags: &[&str], variables: &[(&str, &str)]) {
        let mut command = self.command(flags);
        command.envs(variables.iter().copied());
        self.process = Some(Running::start(&command));
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
