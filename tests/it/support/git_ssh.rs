//! An ssh server that runs what it is asked to with a real shell and the real Git, and that can be told to misbehave; and keys as
//! `ssh-keygen` makes them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Certificate, PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, ChannelMsg, Preferred};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

/// A key pair, as files hold it.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The private key.
    pub private: String,
    /// The public key: its kind, and the key in base64.
    pub public: String,
}

impl KeyPair {
    /// Makes a key with `ssh-keygen`, given its kind (`-t`, `-b`), form (`-m`) and passphrase.
    pub fn make(arguments: &[&str], passphrase: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        ssh_keygen(
            &[
                &["-q", "-C", "", "-N", passphrase, "-f", path(&file)],
                arguments,
            ]
            .concat(),
        );
        Self {
            private: std::fs::read_to_string(&file).expect("a private key"),
            public: first_words(&file.with_extension("pub")),
        }
    }

    /// The ECDSA key on P-256 with this number, as OpenSSH writes it down with a passphrase and these
    /// arguments (`-Z`).
    pub fn of_number(number: [u8; 32], arguments: &[&str], passphrase: &str) -> Self {
        // `ECPrivateKey` of RFC 5915 without the public half, which OpenSSL works out.
        let head = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
        let curve = [
            0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
        ];
        let body = BASE64_STANDARD.encode([&head[..], &number, &curve].concat());
        let text =
            format!("-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\n");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        private_file(&file, &text);
        let rewritten = ["-q", "-p", "-P", "", "-N", passphrase, "-f", path(&file)];
        ssh_keygen(&[&rewritten, arguments].concat());
        Self {
            private: std::fs::read_to_string(&file).expect("a private key"),
            public: ssh_keygen(&["-y", "-P", passphrase, "-f", path(&file)]),
        }
    }

    /// An Ed25519 key without a passphrase.
    pub fn usual() -> Self {
        Self::make(&["-t", "ed25519"], "")
    }

    /// A certificate for this key as that of a host, signed by another.
    pub fn certified(&self, authority: &Self, names: &str) -> Certificate {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, signer) = (folder.path().join("key.pub"), folder.path().join("ca"));
        std::fs::write(&file, &self.public).expect("a file");
        private_file(&signer, &authority.private);
        ssh_keygen(&[
            "-q",
            "-h",
            "-s",
            path(&signer),
            "-I",
            "test",
            "-n",
            names,
            path(&file),
        ]);
        let text = std::fs::read_to_string(folder.path().join("key-cert.pub"));
        Certificate::from_openssh(text.expect("a certificate").trim()).expect("a certificate")
    }

    fn key_data(&self) -> KeyData {
        let key = PublicKey::from_openssh(&self.public).expect("a public key");
        key.key_data().clone()
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of the tests is text")
}

/// Writes what `ssh-keygen` reads only where nobody else can.
fn private_file(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(file, text).expect("a file");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(file, private).expect("a mode");
}

fn first_words(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("a public key");
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    words.join(" ")
}

/// Runs `ssh-keygen`. Panics when it fails.
pub fn ssh_keygen(arguments: &[&str]) -> String {
    let output = Command::new("ssh-keygen")
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.expect("the tests need the program `ssh-keygen`");
    assert!(
        output.status.success(),
        "ssh-keygen {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How the server behaves where it does not behave well.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// It takes no environment, so that Git speaks its first protocol.
    pub no_environment: bool,
    /// What its shell runs first.
    pub first: String,
    /// It breaks the connection after this many bytes of a push.
    pub dies_after: Option<usize>,
    /// It runs nothing.
    pub runs_nothing: bool,
    /// It says that it runs the program, and then nothing more.
    pub silent: bool,
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The command.
    pub command: String,
    /// The value of `GIT_PROTOCOL`.
    pub protocol: Option<String>,
    /// The algorithm of the signature that the client logged in with.
    pub signed: String,
}

/// What the server is.
pub struct SshIdentity {
    /// Its keys.
    pub keys: Vec<KeyPair>,
    /// A certificate of one of them.
    pub certificate: Option<Certificate>,
    /// The algorithms that it takes.
    pub preferred: Preferred,
}

impl Default for SshIdentity {
    fn default() -> Self {
        Self {
            keys: vec![KeyPair::usual()],
            certificate: None,
            preferred: Preferred::DEFAULT,
        }
    }
}

struct Inner {
    guests: Mutex<Vec<KeyData>>,
    manners: Mutex<Manners>,
    asked: Mutex<Vec<Asked>>,
}

/// The server. Dropping it ends it, and whatever it runs.
pub struct GitSsh {
    address: SocketAddr,
    root: PathBuf,
    hosts: Vec<KeyPair>,
    inner: Arc<Inner>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl GitSsh {
    /// Serves the repositories in `root` on a free port of the loopback interface, to the user `git` with one of `guests`.
    pub fn start(root: &Path, guests: &[&KeyPair]) -> Self {
        Self::start_as(SshIdentity::default(), root, guests)
    }

    /// The same with keys of one's choice.
    pub fn start_as(identity: SshIdentity, root: &Path, guests: &[&KeyPair]) -> Self {
        let inner = Arc::new(Inner {
            guests: Mutex::new(guests.iter().map(|key| key.key_data()).collect()),
            manners: Mutex::default(),
            asked: Mutex::default(),
        });
        let private = |pair: &KeyPair| PrivateKey::from_openssh(&pair.private).expect("a key");
        let config = Config {
            keys: identity.keys.iter().map(private).collect(),
            certificates: identity.certificate.into_iter().collect(),
            preferred: identity.preferred,
            auth_rejection_time: Duration::ZERO,
            auth_rejection_time_initial: Some(Duration::ZERO),
            ..Config::default()
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = inner.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = serve(listener, Arc::new(config), shared) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self {
            address,
            root: root.to_owned(),
            hosts: identity.keys,
            inner,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The URL of a repository.
    pub fn url(&self, name: &str) -> String {
        let root = self.root.display();
        format!("ssh://git@{}{root}/{name}.git", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lines of `known_hosts` for all of its keys.
    pub fn known_hosts(&self) -> String {
        let keys = self.hosts.iter().map(|key| self.known_host(&key.public));
        keys.collect()
    }

    /// A line of `known_hosts` that names a key for it.
    pub fn known_host(&self, key: &str) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        format!("[{ip}]:{port} {key}\n")
    }

    /// Behaves so from now on.
    pub fn behave(&self, manners: Manners) {
        *self.inner.manners.lock().expect("no panic before") = manners;
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().expect("no panic before").clone()
    }
}

impl Drop for GitSsh {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: tokio::net::TcpListener, config: Arc<Config>, inner: Arc<Inner>) {
    while let Ok((stream, _)) = listener.accept().await {
        let guest = Guest {
            inner: inner.clone(),
            manners: inner.manners.lock().expect("no panic before").clone(),
            protocol: None,
            signed: String::new(),
            channel: None,
            pushed: 0,
            pushes: false,
        };
        let config = config.clone();
        tokio::spawn(async move {
            if let Ok(session) = run_stream(config, stream, guest).await {
                let _ = session.await;
            }
        });
    }
}

/// One connection.
struct Guest {
    inner: Arc<Inner>,
    manners: Manners,
    protocol: Option<String>,
    signed: String,
    channel: Option<Channel<Msg>>,
    pushed: usize,
    pushes: bool,
}

impl Handler for Guest {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let guests = self.inner.guests.lock().expect("no panic before");
        if user != "git" || !guests.contains(key.public_key.key_data()) {
            return Ok(Auth::reject());
        }
        self.signed = key.algorithm.to_string();
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn env_request(
        &mut self,
        _: ChannelId,
        name: &str,
        value: &str,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if name == "GIT_PROTOCOL" && !self.manners.no_environment {
            self.protocol = Some(value.to_owned());
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(command).into_owned();
        self.pushes = command.starts_with("git-receive-pack");
        self.inner
            .asked
            .lock()
            .expect("no panic before")
            .push(Asked {
                command: command.clone(),
                protocol: self.protocol.clone(),
                signed: self.signed.clone(),
            });
        if self.manners.runs_nothing {
            return session.channel_failure(id);
        }
        session.channel_success(id)?;
        if !self.manners.silent
            && let Some(channel) = self.channel.take()
        {
            tokio::spawn(attend(channel, self.shell(&command)));
        }
        Ok(())
    }

    async fn data(
        &mut self,
        _: ChannelId,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.pushed += data.len();
        match self.manners.dies_after {
            Some(limit) if self.pushes && self.pushed > limit => Err(russh::Error::Disconnect),
            _ => Ok(()),
        }
    }
}

impl Guest {
    /// As a login shell has it: one text, which the shell takes apart.
    fn shell(&self, command: &str) -> tokio::process::Command {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{}\n{command}", self.manners.first)])
            .env_remove("GIT_DIR")
            .env_remove("GIT_PROTOCOL")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(protocol) = &self.protocol {
            shell.env("GIT_PROTOCOL", protocol);
        }
        let mut shell = tokio::process::Command::from(shell);
        shell.kill_on_drop(true);
        shell
    }
}

/// Moves bytes between a channel and a program until the program ends.
async fn attend(channel: Channel<Msg>, mut command: tokio::process::Command) {
    let mut child = command.spawn().expect("a shell");
    let (mut read, write) = channel.split();
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        panic!("there are pipes");
    };
    let input = tokio::spawn(async move {
        while let Some(message) = read.wait().await {
            let written = match message {
                ChannelMsg::Data { data } => stdin.write_all(&data).await,
                ChannelMsg::Eof | ChannelMsg::Close => break,
                _ => Ok(()),
            };
            if written.is_err() {
                break;
            }
        }
    });
    let (out, err) = tokio::join!(write.data(stdout), write.extended_data(1, stderr));
    let status = child.wait().await.ok().and_then(|status| status.code());
    if out.is_ok() && err.is_ok() {
        let _ = write.eof().await;
        let _ = write
            .exit_status(u32::try_from(status.unwrap_or(255)).unwrap_or(255))
            .await;
        let _ = write.close().await;
    }
    input.abort();
}
