//! Real Git repositories, and the real `git http-backend` behind a small server that can be told to
//! hold, break or refuse requests at a chosen point.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

/// Runs `git` without the configuration of whoever runs the tests. Panics when it fails.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    git_with_input(folder, arguments, b"")
}

/// As [`git`], with bytes on standard input.
pub fn git_with_input(folder: &Path, arguments: &[&str], input: &[u8]) -> String {
    let output = try_git(folder, arguments, input);
    assert!(
        output.status.success(),
        "git {arguments:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// As [`git_with_input`], for commands that may fail.
pub fn try_git(folder: &Path, arguments: &[&str], input: &[u8]) -> std::process::Output {
    let mut child = hermetic(Command::new("git").current_dir(folder).args(arguments))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests need the program `git`");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // A thread of its own: a program that answers before it has read all would block both.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("git runs");
    writer.join().expect("the writer ends");
    output
}

fn hermetic(command: &mut Command) -> &mut Command {
    command
        .env_remove("GIT_DIR")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Seed")
        .env("GIT_AUTHOR_EMAIL", "seed@example.com")
        .env("GIT_COMMITTER_NAME", "Seed")
        .env("GIT_COMMITTER_EMAIL", "seed@example.com")
}

/// One entry of a commit to seed a repository with.
pub enum Seed<'a> {
    /// A regular file.
    File(&'a str, &'a [u8]),
    /// An executable file.
    Executable(&'a str, &'a [u8]),
    /// A symbolic link and its target.
    Link(&'a str, &'a str),
    /// A path that goes away.
    Gone(&'a str),
}

/// A bare repository on disk.
#[derive(Clone, Debug)]
pub struct BareRepository {
    /// Its folder, which ends in `.git`.
    pub path: PathBuf,
}

impl BareRepository {
    /// Makes an empty repository `<root>/<name>.git` with the branch `main` to come.
    pub fn create(root: &Path, name: &str) -> Self {
        let path = root.join(format!("{name}.git"));
        std::fs::create_dir_all(&path).expect("a folder");
        git(
            &path,
            &["init", "--quiet", "--bare", "--initial-branch=main", "."],
        );
        let repository = Self { path };
        repository.configure("http.receivepack", "true");
        repository.configure("receive.advertisePushOptions", "true");
        repository.configure("gc.auto", "0");
        repository
    }

    /// Its `file:` URL.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Sets a configuration value.
    pub fn configure(&self, key: &str, value: &str) {
        git(&self.path, &["config", key, value]);
    }

    /// Commits texts on a branch, making it when it does not exist. Returns the commit.
    pub fn commit(&self, branch: &str, message: &str, files: &[(&str, &str)]) -> String {
        let seeds: Vec<Seed<'_>> = files
            .iter()
            .map(|(path, text)| Seed::File(path, text.as_bytes()))
            .collect();
        self.commit_entries(branch, message, &seeds)
    }

    /// Commits entries of any kind on a branch. Returns the commit.
    pub fn commit_entries(&self, branch: &str, message: &str, entries: &[Seed<'_>]) -> String {
        let reference = format!("refs/heads/{branch}");
        let mut stream = Vec::new();
        let _ = write!(
            stream,
            "commit {reference}\ncommitter Seed <seed@example.com> now\ndata {}\n{message}\n",
            message.len()
        );
        let exists = try_git(
            &self.path,
            &["rev-parse", "--verify", "--quiet", &reference],
            b"",
        );
        if exists.status.success() {
            let _ = writeln!(stream, "from {reference}^0");
        }
        for entry in entries {
            let (mode, path, bytes) = match entry {
                Seed::File(path, bytes) => ("100644", path, *bytes),
                Seed::Executable(path, bytes) => ("100755", path, *bytes),
                Seed::Link(path, target) => ("120000", path, target.as_bytes()),
                Seed::Gone(path) => {
                    let _ = writeln!(stream, "D {path}");
                    continue;
                }
            };
            let _ = writeln!(stream, "M {mode} inline {path}\ndata {}", bytes.len());
            stream.extend_from_slice(bytes);
            stream.push(b'\n');
        }
        let arguments = ["fast-import", "--quiet", "--date-format=now", "--force"];
        git_with_input(&self.path, &arguments, &stream);
        self.head(branch)
    }

    /// The commit at the head of a branch.
    pub fn head(&self, branch: &str) -> String {
        self.resolve(&format!("refs/heads/{branch}"))
            .unwrap_or_else(|| panic!("branch {branch} does not exist"))
    }

    /// What a name resolves to, if it exists.
    pub fn resolve(&self, name: &str) -> Option<String> {
        let output = try_git(&self.path, &["rev-parse", "--verify", "--quiet", name], b"");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// The subjects of a branch, the newest first.
    pub fn log(&self, branch: &str) -> Vec<String> {
        git(&self.path, &["log", "--format=%s", branch, "--"])
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// The content of a file at the head of a branch, or at any revision.
    pub fn show(&self, revision: &str, path: &str) -> String {
        git(
            &self.path,
            &["cat-file", "blob", &format!("{revision}:{path}")],
        )
    }

    /// The mode of an entry, such as `100755`.
    pub fn mode(&self, revision: &str, path: &str) -> String {
        let line = git(&self.path, &["ls-tree", revision, "--", path]);
        line.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Asks Git whether every object is valid and connected.
    pub fn fsck(&self) {
        let output = try_git(&self.path, &["fsck", "--strict", "--full"], b"");
        let words = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "git fsck: {words}");
        assert!(
            !words.contains("error") && !words.contains("warning"),
            "git fsck: {words}"
        );
    }

    /// Installs a hook from a shell script.
    pub fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path.join("hooks").join(name);
        std::fs::create_dir_all(self.path.join("hooks")).expect("a folder");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, executable).expect("a mode");
    }
}

/// What the server wants to see.
#[derive(Clone, Debug)]
pub enum ServerAuth {
    /// Nothing.
    Open,
    /// A user name and a password.
    Basic(String, String),
    /// A bearer token.
    Bearer(String),
}

/// Where in the life of a request something is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Any request, before it is run.
    Any,
    /// Listing or fetching, before it is run.
    UploadPack,
    /// A push, before it is run.
    ReceivePack,
    /// A push that was run, before its answer is sent.
    ReceivePackAnswer,
}

enum Action {
    Hold(mpsc::Sender<()>, oneshot::Receiver<Verdict>),
    Break,
    Status(u16),
    /// Sends this many bytes of the answer and then breaks the connection.
    Truncate(usize),
}

enum Verdict {
    GoOn,
    Abandon,
}

/// A request that is held back. Dropping it abandons the request: the connection breaks.
pub struct Hold {
    reached: mpsc::Receiver<()>,
    verdict: Option<oneshot::Sender<Verdict>>,
}

impl Hold {
    /// Waits until a request is held.
    pub fn wait(&self) {
        self.reached
            .recv_timeout(std::time::Duration::from_secs(120))
            .expect("a request arrives at the held point");
    }

    /// Lets the request go on.
    pub fn release(mut self) {
        if let Some(verdict) = self.verdict.take() {
            let _ = verdict.send(Verdict::GoOn);
        }
    }

    /// Breaks the connection without going on.
    pub fn abandon(mut self) {
        if let Some(verdict) = self.verdict.take() {
            let _ = verdict.send(Verdict::Abandon);
        }
    }
}

/// One request that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `GET` or `POST`.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query.
    pub query: String,
    /// The length of the body in bytes.
    pub body: usize,
    /// Whether credentials came with it.
    pub authorized: bool,
}

struct Inner {
    root: PathBuf,
    auth: ServerAuth,
    rules: Mutex<Vec<(Point, Action)>>,
    seen: Mutex<Vec<Seen>>,
    logins: Mutex<Vec<String>>,
    old_protocol: Mutex<bool>,
    moved: Mutex<Vec<(String, String)>>,
}

/// The server. Dropping it ends it.
pub struct GitHttp {
    address: std::net::SocketAddr,
    inner: Arc<Inner>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl GitHttp {
    /// Serves the repositories in `root` on a free port of the loopback interface.
    pub fn start(root: &Path, auth: ServerAuth) -> Self {
        let inner = Arc::new(Inner {
            root: root.to_owned(),
            auth,
            rules: Mutex::default(),
            seen: Mutex::default(),
            logins: Mutex::default(),
            old_protocol: Mutex::default(),
            moved: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    served = axum::serve(listener, router) => served.expect("the server serves"),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self {
            address,
            inner,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The URL of a repository, without credentials.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}.git", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Holds the next request at a point.
    pub fn hold(&self, point: Point) -> Hold {
        let (told, reached) = mpsc::channel();
        let (verdict, decided) = oneshot::channel();
        self.rule(point, Action::Hold(told, decided));
        Hold {
            reached,
            verdict: Some(verdict),
        }
    }

    /// Holds the next push before it is run: the commit exists in the client only.
    pub fn hold_receive_pack(&self) -> Hold {
        self.hold(Point::ReceivePack)
    }

    /// Holds the answer of the next push: the branch has moved, the client does not know.
    pub fn hold_receive_pack_response(&self) -> Hold {
        self.hold(Point::ReceivePackAnswer)
    }

    /// Breaks the connection of the next request at a point.
    pub fn break_next(&self, point: Point) {
        self.rule(point, Action::Break);
    }

    /// Sends only the first bytes of the answer of the next request at a point.
    pub fn truncate_next(&self, point: Point, bytes: usize) {
        self.rule(point, Action::Truncate(bytes));
    }

    /// Answers the next request at a point with a status.
    pub fn refuse_next(&self, point: Point, status: u16) {
        self.rule(point, Action::Status(status));
    }

    /// Makes the server speak the old protocol, in which only what is advertised can be fetched.
    pub fn speak_old_protocol(&self) {
        *self.inner.old_protocol.lock().expect("no panic before") = true;
    }

    /// Sends whoever asks for the repository `name` to another URL.
    pub fn redirect(&self, name: &str, to: &str) {
        let mut moved = self.inner.moved.lock().expect("no panic before");
        moved.push((format!("/{name}.git"), to.to_owned()));
    }

    /// Puts TLS in front of the server. Returns the URL of a repository behind it.
    pub fn with_tls(&self, config: rustls::ServerConfig, name: &str) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let front = listener.local_addr().expect("an address");
        let (back, config) = (self.address, Arc::new(config));
        // The threads end with the test process; each answers one connection at a time.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = config.clone();
                std::thread::spawn(move || forward(stream, config, back));
            }
        });
        format!("https://localhost:{}/{name}.git", front.port())
    }

    /// The requests seen so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().expect("no panic before").clone()
    }

    /// The logins that came with requests so far, as the header field has them.
    pub fn logins(&self) -> Vec<String> {
        self.inner.logins.lock().expect("no panic before").clone()
    }

    /// How many requests there were for a path that ends so.
    pub fn count(&self, method: &str, ending: &str) -> usize {
        let matches = |seen: &&Seen| seen.method == method && seen.path.ends_with(ending);
        self.seen().iter().filter(matches).count()
    }

    /// The body lengths of the pushes so far.
    pub fn pushes(&self) -> Vec<usize> {
        let seen = self.seen();
        let pushes = seen
            .iter()
            .filter(|seen| seen.path.ends_with("/git-receive-pack"));
        pushes.map(|seen| seen.body).collect()
    }

    fn rule(&self, point: Point, action: Action) {
        let mut rules = self.inner.rules.lock().expect("no panic before");
        rules.push((point, action));
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn take(&self, points: &[Point]) -> Option<Action> {
        let mut rules = self.rules.lock().expect("no panic before");
        let at = rules.iter().position(|(point, _)| points.contains(point))?;
        Some(rules.remove(at).1)
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let expected = match &self.auth {
            ServerAuth::Open => return true,
            ServerAuth::Basic(user, password) => {
                let pair = format!("{user}:{password}");
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                format!("Basic {encoded}")
            }
            ServerAuth::Bearer(token) => format!("Bearer {token}"),
        };
        headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value.as_bytes() == expected.as_bytes())
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 1 << 30).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    inner.seen.lock().expect("no panic before").push(Seen {
        method: parts.method.to_string(),
        path: path.clone(),
        query: query.clone(),
        body: body.len(),
        authorized: parts.headers.contains_key(header::AUTHORIZATION),
    });
    if let Some(login) = parts.headers.get(header::AUTHORIZATION) {
        let login = String::from_utf8_lossy(login.as_bytes()).into_owned();
        inner.logins.lock().expect("no panic before").push(login);
    }
    if !inner.admits(&parts.headers) {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    let moved = inner.moved.lock().expect("no panic before").clone();
    if let Some((from, to)) = moved.iter().find(|(from, _)| path.starts_with(from)) {
        let target = format!("{to}{}?{query}", &path[from.len()..]);
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, target)]).into_response();
    }
    let push = parts.method == Method::POST && path.ends_with("/git-receive-pack");
    let before: &[Point] = match (
        push,
        path.contains("upload-pack") || query.contains("upload"),
    ) {
        (true, _) => &[Point::ReceivePack, Point::Any],
        (_, true) => &[Point::UploadPack, Point::Any],
        _ => &[Point::Any],
    };
    let mut cut = None;
    match apply(inner.take(before)).await {
        Next::GoOn => {}
        Next::Cut(bytes) => cut = Some(bytes),
        Next::Answer(response) => return response,
    }
    let response = backend(&inner, &parts.method, &path, &query, &parts.headers, body).await;
    let after = if push {
        inner.take(&[Point::ReceivePackAnswer])
    } else {
        None
    };
    match apply(after).await {
        Next::GoOn => {}
        Next::Cut(bytes) => cut = Some(bytes),
        Next::Answer(response) => return response,
    }
    match cut {
        Some(bytes) => truncate(response, bytes).await,
        None => response,
    }
}

/// Passes one request on without TLS, and its answer back.
fn forward(
    stream: std::net::TcpStream,
    config: Arc<rustls::ServerConfig>,
    back: std::net::SocketAddr,
) -> std::io::Result<()> {
    let connection = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut front = rustls::StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        front.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().expect("a length"))];
    front.read_exact(&mut body)?;
    let mut back = std::net::TcpStream::connect(back)?;
    back.write_all(&request[..request.len() - 2])?;
    back.write_all(b"connection: close\r\n\r\n")?;
    back.write_all(&body)?;
    std::io::copy(&mut back, &mut front)?;
    front.conn.send_close_notify();
    front.flush()
}

enum Next {
    GoOn,
    Cut(usize),
    Answer(Response),
}

async fn apply(action: Option<Action>) -> Next {
    match action {
        None => Next::GoOn,
        Some(Action::Truncate(bytes)) => Next::Cut(bytes),
        Some(Action::Break) => Next::Answer(broken(Bytes::new())),
        Some(Action::Status(status)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            Next::Answer(status.into_response())
        }
        Some(Action::Hold(told, decided)) => {
            let _ = told.send(());
            match decided.await {
                Ok(Verdict::GoOn) => Next::GoOn,
                Ok(Verdict::Abandon) | Err(_) => Next::Answer(broken(Bytes::new())),
            }
        }
    }
}

/// An answer whose body ends in the middle.
fn broken(start: Bytes) -> Response {
    let parts = [Ok(start), Err(std::io::Error::other("broken on purpose"))];
    Response::new(Body::from_stream(futures::stream::iter(parts)))
}

async fn truncate(response: Response, bytes: usize) -> Response {
    let (parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, 1 << 30).await.expect("a body");
    let start = whole.slice(..bytes.min(whole.len()));
    let mut cut = broken(start);
    for (name, value) in &parts.headers {
        if name != header::CONTENT_LENGTH {
            cut.headers_mut().insert(name, value.clone());
        }
    }
    cut
}

async fn backend(
    inner: &Inner,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: header::HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut command = Command::new("git");
    hermetic(&mut command)
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &inner.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", text(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text(header::CONTENT_ENCODING))
        .env_remove("GIT_PROTOCOL");
    if !*inner.old_protocol.lock().expect("no panic before") {
        command.env(
            "GIT_PROTOCOL",
            text(header::HeaderName::from_static("git-protocol")),
        );
    }
    let mut child = tokio::process::Command::from(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git http-backend runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = tokio::spawn(async move {
        let _ = stdin.write_all(&body).await;
    });
    let output = child
        .wait_with_output()
        .await
        .expect("git http-backend ends");
    let _ = writer.await;
    parse(&output.stdout)
}

/// Turns what a CGI program prints into an answer.
fn parse(output: &[u8]) -> Response {
    let split = memchr::memmem::find(output, b"\r\n\r\n").expect("a CGI header");
    let mut response = Response::new(Body::from(output[split + 4..].to_vec()));
    for line in String::from_utf8_lossy(&output[..split]).lines() {
        let (name, value) = line.split_once(':').expect("a header line");
        if name.eq_ignore_ascii_case("status") {
            let code = value.trim().split(' ').next().unwrap_or_default();
            *response.status_mut() = code.parse().expect("a status");
        } else {
            let name: header::HeaderName = name.parse().expect("a header name");
            let value = value.trim().parse().expect("a header value");
            response.headers_mut().append(name, value);
        }
    }
    response
}
