//! One real control plane per test process: etcd, kube-apiserver and kube-controller-manager, shared by all tests; and another one for
//! those that need two clusters.
//!
//! It starts when a test first asks for it and ends with the process. There are no nodes: Deployments get ReplicaSets, and pods that stay
//! Pending. Tests keep apart by namespace; what is not in a namespace (CRDs, cluster roles) is shared, so its content must be the same in all.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::build::tail;
use super::process::{Supervised, poll, temporary_folder};
use super::programs::{ControlPlanePrograms, control_plane_programs, supervisor_program};

/// A loaded machine needs many times the usual three seconds.
const START_LIMIT: Duration = Duration::from_secs(180);
const ADMIN_TOKEN: &str = "tests-admin-token";
const READER_TOKEN: &str = "tests-reader-token";

/// The running control plane.
pub struct ControlPlane {
    url: String,
    ca_pem: String,
    folder: PathBuf,
    kubectl: PathBuf,
    namespaces: AtomicUsize,
    _servers: [Supervised; 3],
}

/// The control plane of this test process, started by whoever asks first.
pub fn control_plane() -> &'static ControlPlane {
    static RUNNING: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
    running(&RUNNING)
}

/// Another cluster, of which the first one knows nothing.
pub fn another_control_plane() -> &'static ControlPlane {
    static RUNNING: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
    running(&RUNNING)
}

fn running(started: &'static OnceLock<Result<ControlPlane, String>>) -> &'static ControlPlane {
    started
        .get_or_init(|| {
            let programs = control_plane_programs()?;
            // Between choosing a free port and listening on it, somebody else may take it: then all is tried again with other ports.
            let first = start(&programs);
            if first.is_err() {
                start(&programs)
            } else {
                first
            }
        })
        .as_ref()
        .unwrap_or_else(|problem| panic!("the control plane does not start: {problem}"))
}

impl ControlPlane {
    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate authority of the API server's certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The bearer token of `admin`, a member of `system:masters`.
    pub fn token(&self) -> &'static str {
        ADMIN_TOKEN
    }

    /// The bearer token of the user `reader` in the group `readers`, who may do nothing until a test binds a role.
    pub fn reader_token(&self) -> &'static str {
        READER_TOKEN
    }

    /// A kubeconfig for `admin`.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A kubeconfig for `reader`.
    pub fn reader_kubeconfig_path(&self) -> PathBuf {
        self.folder.join("kubeconfig-reader")
    }

    /// A kubeconfig that holds all it needs: the user as which it logs in has these fields.
    pub fn portable_kubeconfig(&self, user: &str) -> String {
        let (url, authority) = (&self.url, BASE64_STANDARD.encode(&self.ca_pem));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: there\n\
             contexts: [{{name: there, context: {{cluster: there, user: there}}}}]\n\
             clusters: [{{name: there, cluster: {{server: \"{url}\", certificate-authority-data: {authority}}}}}]\n\
             users: [{{name: there, user: {{{user}}}}}]\n"
        )
    }

    /// Creates a namespace that no other test of this process has, and returns its name, `prefix-N`.
    pub fn namespace(&self, prefix: &str) -> String {
        let name = format!(
            "{prefix}-{}",
            self.namespaces.fetch_add(1, Ordering::Relaxed)
        );
        self.kubectl_ok(&["create", "namespace", &name]);
        name
    }

    /// Runs the real kubectl as `admin`.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        kubectl(&self.kubectl, &self.folder, arguments)
            .output()
            .expect("kubectl runs")
    }

    /// Runs kubectl and returns its standard output; panics with its words when it fails.
    pub fn kubectl_ok(&self, arguments: &[&str]) -> String {
        succeeded(arguments, &self.kubectl(arguments))
    }

    /// Applies manifests on the server side and returns kubectl's standard output; panics with its words when it fails.
    pub fn apply(&self, yaml: &str) -> String {
        let arguments = ["apply", "--server-side", "-f", "-"];
        let mut child = kubectl(&self.kubectl, &self.folder, &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let mut input = child.stdin.take().expect("asked for a pipe");
        input
            .write_all(yaml.as_bytes())
            .expect("kubectl reads its input");
        drop(input);
        succeeded(&arguments, &child.wait_with_output().expect("kubectl ends"))
    }
}

fn succeeded(arguments: &[&str], output: &Output) -> String {
    assert!(
        output.status.success(),
        "`kubectl {}` failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// kubectl with the settings of the tests and none of the developer's.
fn kubectl(program: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", folder)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .env("KUBECACHEDIR", folder.join("kubectl-cache"))
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// The ports of one attempt.
struct Ports {
    etcd: u16,
    etcd_peer: u16,
    api_server: u16,
}

impl Ports {
    /// Three free ports of the loopback interface; held together, so that they differ.
    fn choose() -> std::io::Result<Self> {
        let held = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)));
        let [etcd, etcd_peer, api_server] = held;
        Ok(Self {
            etcd: etcd?.local_addr()?.port(),
            etcd_peer: etcd_peer?.local_addr()?.port(),
            api_server: api_server?.local_addr()?.port(),
        })
    }
}

fn start(programs: &ControlPlanePrograms) -> Result<ControlPlane, String> {
    let folder = temporary_folder("control-plane");
    let ports = Ports::choose().map_err(|error| format!("no free port: {error}"))?;
    write_credentials(&folder)?;
    let url = format!("https://127.0.0.1:{}", ports.api_server);

    let mut etcd = server(etcd_command(programs, &folder, &ports), &folder, "etcd");
    let mut api_server = server(
        api_server_command(programs, &folder, &ports),
        &folder,
        "kube-apiserver",
    );
    let mut running = [("etcd", &mut etcd), ("kube-apiserver", &mut api_server)];
    // The API server writes its certificate before it listens.
    let ca_pem = await_start(&folder, &mut running, || {
        authority(&fs::read_to_string(folder.join("certificates/apiserver.crt")).ok()?)
    })?;
    for (file, token) in [
        ("kubeconfig", ADMIN_TOKEN),
        ("kubeconfig-reader", READER_TOKEN),
    ] {
        write(&folder.join(file), &kubeconfig(&url, &folder, token))?;
    }
    write(&folder.join("authority.crt"), &ca_pem)?;
    await_start(&folder, &mut running, || {
        let ready = kubectl(&programs.kubectl, &folder, &["get", "--raw", "/readyz"])
            .output()
            .ok()?;
        ready.status.success().then_some(())
    })?;

    let controller_manager = server(
        controller_manager_command(programs, &folder),
        &folder,
        "kube-controller-manager",
    );
    Ok(ControlPlane {
        url,
        ca_pem,
        kubectl: programs.kubectl.clone(),
        folder,
        namespaces: AtomicUsize::new(1),
        // In the order in which they are ended should the start of a later one fail.
        _servers: [controller_manager, api_server, etcd],
    })
}

fn server(mut command: Command, folder: &Path, name: &str) -> Supervised {
    command
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .current_dir(folder);
    Supervised::start_logged(&command, &folder.join(format!("{name}.log")))
}

/// Asks until there is an answer; gives up at once when a server has ended, and says what the servers logged.
fn await_start<T>(
    folder: &Path,
    running: &mut [(&str, &mut Supervised)],
    mut question: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let answer = poll(START_LIMIT, || {
        match running
            .iter_mut()
            .find_map(|(name, server)| Some((*name, server.exited()?)))
        {
            Some((name, status)) => Some(Err(format!("{name} ended with {status}"))),
            None => question().map(Ok),
        }
    });
    answer
        .unwrap_or_else(|| Err(format!("not ready after {} s", START_LIMIT.as_secs())))
        .map_err(|problem| {
            let logs = running.iter().map(|(name, _)| {
                let text =
                    fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
                format!("\n--- the last lines of {name}:\n{}", tail(&text))
            });
            problem + &logs.collect::<String>()
        })
}

fn etcd_command(programs: &ControlPlanePrograms, folder: &Path, ports: &Ports) -> Command {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut command = Command::new(&programs.etcd);
    command
        .args([
            "--name",
            "tests",
            "--log-level",
            "warn",
            "--unsafe-no-fsync",
            "--data-dir",
        ])
        .arg(folder.join("etcd"))
        .args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ])
        .args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
        ])
        .args(["--initial-cluster", &format!("tests={peer}")]);
    command
}

fn api_server_command(programs: &ControlPlanePrograms, folder: &Path, ports: &Ports) -> Command {
    let mut command = Command::new(&programs.api_server);
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd))
        .arg(format!("--secure-port={}", ports.api_server))
        // A machine without a network has no other address to advertise, and nobody looks for the endpoint.
        .args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
        ])
        .arg(option("--cert-dir", &folder.join("certificates")))
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local")
        .arg(option(
            "--service-account-key-file",
            &folder.join("service-accounts.key"),
        ))
        .arg(option(
            "--service-account-signing-key-file",
            &folder.join("service-accounts.key"),
        ))
        .arg(option("--token-auth-file", &folder.join("tokens.csv")))
        .args([
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--profiling=false",
        ]);
    command
}

fn controller_manager_command(programs: &ControlPlanePrograms, folder: &Path) -> Command {
    let mut command = Command::new(&programs.controller_manager);
    command
        .arg(option("--kubeconfig", &folder.join("kubeconfig")))
        .args([
            "--leader-elect=false",
            "--secure-port=0",
            "--profiling=false",
        ])
        // Its own limits are for large clusters; here they would only make tests wait.
        .args(["--kube-api-qps=500", "--kube-api-burst=1000"]);
    command
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

fn write_credentials(folder: &Path) -> Result<(), String> {
    let tokens = format!(
        "{ADMIN_TOKEN},admin,admin,\"system:masters\"\n{READER_TOKEN},reader,reader,\"readers\"\n"
    );
    write(&folder.join("tokens.csv"), &tokens)?;
    let key = folder.join("service-accounts.key");
    let written = Command::new(supervisor_program())
        .arg("key")
        .arg(&key)
        .status();
    match written {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("no signing key for service accounts: {other:?}")),
    }
}

/// The last certificate of the file: the API server writes its own first, then the authority that signed it.
fn authority(certificates: &str) -> Option<String> {
    let complete = certificates
        .trim_end()
        .ends_with("-----END CERTIFICATE-----");
    let from = certificates.rfind("-----BEGIN CERTIFICATE-----")?;
    complete.then(|| certificates[from..].to_owned())
}

fn kubeconfig(url: &str, folder: &Path, token: &str) -> String {
    let authority = folder.join("authority.crt");
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: tests\n\
         clusters:\n- name: tests\n  cluster:\n    server: {url}\n    certificate-authority: {}\n\
         contexts:\n- name: tests\n  context: {{cluster: tests, user: tests}}\n\
         users:\n- name: tests\n  user: {{token: {token}}}\n",
        authority.display()
    )
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write `{}`: {error}", path.display()))
}
