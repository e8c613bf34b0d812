//! One real Gitea per test process, shared by all tests: users and repositories keep them apart. And one that speaks https, with a
//! certificate of the authority of `registry/certificates`.
//!
//! Each starts when a test first asks for it and ends with the process. They speak ssh too, by their own server; webhooks may go to
//! loopback.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};

use super::build::tail;
use super::process::{Supervised, poll, temporary_folder};
use super::programs::{GiteaProgram, gitea_program};

/// A loaded machine needs many times the usual three seconds.
const START_LIMIT: Duration = Duration::from_secs(180);
/// The site's administrator.
pub const ADMINISTRATOR: &str = "administrator";
/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// The authority that the one over https is trusted by.
pub const AUTHORITY: &str = include_str!("../registry/certificates/ca.pem");
/// Its certificate, for `127.0.0.1`, and the key of that.
const CERTIFICATE: [&str; 2] = [
    include_str!("../registry/certificates/server.pem"),
    include_str!("../registry/certificates/server.key"),
];

/// The running server.
pub struct Gitea {
    url: String,
    ssh_port: u16,
    folder: PathBuf,
    users: AtomicUsize,
    _server: Supervised,
}

/// A repository on it, with its owner.
pub struct GiteaRepository {
    server: &'static Gitea,
    client: Client,
    /// The owner's name.
    pub owner: String,
    /// The repository's name.
    pub name: String,
    /// A token of the owner's, which may do everything.
    pub token: String,
}

/// The server of this test process, started by whoever asks first.
pub fn gitea() -> &'static Gitea {
    static RUNNING: OnceLock<Result<Gitea, String>> = OnceLock::new();
    running(&RUNNING, "http")
}

/// The server of this test process that speaks https.
pub fn gitea_over_https() -> &'static Gitea {
    static RUNNING: OnceLock<Result<Gitea, String>> = OnceLock::new();
    running(&RUNNING, "https")
}

fn running(
    server: &'static OnceLock<Result<Gitea, String>>,
    scheme: &'static str,
) -> &'static Gitea {
    server
        .get_or_init(|| {
            let program = gitea_program()?;
            // Between choosing a free port and listening on it, somebody else may take it: then all is tried again with other ports.
            start(&program, scheme).or_else(|_| start(&program, scheme))
        })
        .as_ref()
        .unwrap_or_else(|problem| panic!("Gitea does not start: {problem}"))
}

fn start(program: &GiteaProgram, scheme: &str) -> Result<Gitea, String> {
    let folder = temporary_folder("gitea");
    let [port, ssh_port] = free_ports();
    write_configuration(&folder, &program.assets, scheme, [port, ssh_port]);
    run(program, &folder, &["migrate"])?;
    let user = [
        "admin",
        "user",
        "create",
        "--admin",
        "--must-change-password=false",
    ];
    let name = [
        "--username",
        ADMINISTRATOR,
        "--password",
        PASSWORD,
        "--email",
        "admin@example.com",
    ];
    run(program, &folder, &[&user[..], &name[..]].concat())?;
    let log = folder.join("log");
    let mut server = Supervised::start_logged(&command(program, &folder, &["web"]), &log);
    let url = format!("{scheme}://127.0.0.1:{port}");
    let answers = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    let up = poll(START_LIMIT, || match server.exited() {
        Some(status) => Some(Err(format!("it ended with {status}"))),
        None => answers().then_some(Ok(())),
    });
    let said = || tail(&fs::read_to_string(&log).unwrap_or_default());
    match up {
        Some(Ok(())) => Ok(Gitea {
            url,
            ssh_port,
            folder,
            users: AtomicUsize::new(0),
            _server: server,
        }),
        Some(Err(problem)) => Err(format!("{problem}\n{}", said())),
        None => Err(format!("it does not listen\n{}", said())),
    }
}

/// Two ports that nobody listened on a moment ago.
fn free_ports() -> [u16; 2] {
    let listeners = [0, 0].map(|_: u8| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}

fn command(program: &GiteaProgram, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(&program.program);
    command
        .args(arguments)
        .arg("--config")
        .arg(folder.join("app.ini"))
        .env("HOME", folder)
        .env("GITEA_WORK_DIR", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .current_dir(folder);
    command
}

fn run(program: &GiteaProgram, folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = command(program, folder, arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("gitea does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = tail(&String::from_utf8_lossy(&said));
    Err(format!("`gitea {}` failed\n{said}", arguments.join(" ")))
}

fn write_configuration(folder: &Path, assets: &Path, scheme: &str, [port, ssh_port]: [u16; 2]) {
    let (home, assets) = (folder.display(), assets.display());
    for (name, content) in ["certificate.pem", "key.pem"].iter().zip(CERTIFICATE) {
        fs::write(folder.join(name), content).expect("the folder is ours");
    }
    let text = format!(
        "APP_NAME = tests\n\
         RUN_MODE = prod\n\
         I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true\n\
         [server]\n\
         PROTOCOL = {scheme}\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nROOT_URL = {scheme}://127.0.0.1:{port}/\n\
         CERT_FILE = {home}/certificate.pem\nKEY_FILE = {home}/key.pem\n\
         STATIC_ROOT_PATH = {assets}\nAPP_DATA_PATH = {home}/data\nOFFLINE_MODE = true\nLFS_START_SERVER = false\n\
         START_SSH_SERVER = true\nSSH_DOMAIN = 127.0.0.1\nSSH_LISTEN_HOST = 127.0.0.1\nSSH_PORT = {ssh_port}\nSSH_LISTEN_PORT = {ssh_port}\n\
         BUILTIN_SSH_SERVER_USER = git\n\
         [database]\nDB_TYPE = sqlite3\nPATH = {home}/data/gitea.db\nSQLITE_JOURNAL_MODE = WAL\n\
         [repository]\nROOT = {home}/repositories\nDEFAULT_BRANCH = main\n\
         [security]\nINSTALL_LOCK = true\nSECRET_KEY = tests\nPASSWORD_HASH_ALGO = pbkdf2$1000$20\n\
         [service]\nDISABLE_REGISTRATION = true\n\
         [mailer]\nENABLED = false\n\
         [webhook]\nALLOWED_HOST_LIST = *\nSKIP_TLS_VERIFY = true\n\
         [api]\nENABLE_SWAGGER = false\n\
         [actions]\nENABLED = false\n\
         [packages]\nENABLED = false\n\
         [indexer]\nISSUE_INDEXER_TYPE = db\n\
         [cron]\nENABLED = false\n\
         [log]\nMODE = console\nLEVEL = Warn\nROOT_PATH = {home}/log-files\nlogger.access.MODE = asked\n\
         [log.asked]\nMODE = file\nLEVEL = Info\nFILE_NAME = asked.log\n"
    );
    fs::write(folder.join("app.ini"), text).expect("the folder is ours");
}

impl Gitea {
    /// `http://127.0.0.1:PORT`, or with `https`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked of it so far, one request a line, as its access log has it: who, what, the answer's status, by which program.
    /// It is written a moment after the answer.
    pub fn asked(&self) -> String {
        let log = self.folder.join("log-files/asked.log");
        fs::read_to_string(log).unwrap_or_default()
    }

    /// What `known_hosts` needs to say of its ssh server.
    pub fn known_hosts(&self) -> String {
        let key = self.folder.join("data/ssh/gitea.rsa.pub");
        let key = fs::read_to_string(key).expect("it has made itself a key");
        format!("[127.0.0.1]:{} {}\n", self.ssh_port, key.trim())
    }

    /// A new user, who has a new repository with one commit on `main`.
    pub async fn repository(&'static self, prefix: &str) -> GiteaRepository {
        // Whoever installs it first wins, and all install the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Certificate::from_pem(AUTHORITY.as_bytes()).expect("it is PEM");
        let client = Client::builder()
            .no_proxy()
            .tls_certs_merge([authority])
            .build()
            .expect("a client of the tests can be built");
        let owner = self.user(&client, prefix).await;
        let token = self.token(&client, &owner).await;
        let repository = GiteaRepository {
            server: self,
            client,
            owner,
            name: "fleet".to_owned(),
            token,
        };
        repository.create(true).await;
        repository
    }

    /// A new user with [`PASSWORD`], and the name.
    pub async fn user(&self, client: &Client, prefix: &str) -> String {
        let name = format!("{prefix}-{}", self.users.fetch_add(1, Ordering::Relaxed));
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD, "must_change_password": false});
        let request = client
            .post(format!("{}/api/v1/admin/users", self.url))
            .basic_auth(ADMINISTRATOR, Some(PASSWORD))
            .json(&body);
        let answer = request.send().await.expect("Gitea answers");
        assert_eq!(
            answer.status(),
            StatusCode::CREATED,
            "{}",
            answer.text().await.unwrap_or_default()
        );
        name
    }

    /// A token of a user's, for everything.
    pub async fn token(&self, client: &Client, user: &str) -> String {
        let count = self.users.fetch_add(1, Ordering::Relaxed);
        let body = json!({"name": format!("tests-{count}"), "scopes": ["all"]});
        let request = client
            .post(format!("{}/api/v1/users/{user}/tokens", self.url))
            .basic_auth(user, Some(PASSWORD))
            .json(&body);
        let answer = request.send().await.expect("Gitea answers");
        let value: Value = answer.json().await.expect("Gitea answers JSON");
        let token = value["sha1"].as_str();
        token
            .unwrap_or_else(|| panic!("no token: {value}"))
            .to_owned()
    }
}

impl GiteaRepository {
    /// The server it is on.
    pub fn server(&self) -> &'static Gitea {
        self.server
    }

    /// Where Git finds it over http or https, without a login.
    pub fn git_url(&self) -> String {
        format!("{}/{}/{}.git", self.server.url, self.owner, self.name)
    }

    /// Where Git finds it over ssh.
    pub fn ssh_url(&self) -> String {
        let port = self.server.ssh_port;
        format!(
            "ssh://git@127.0.0.1:{port}/{}/{}.git",
            self.owner, self.name
        )
    }

    /// Another repository of the same owner, without a commit.
    pub async fn sibling(&self, name: &str) -> Self {
        let sibling = Self {
            server: self.server,
            client: self.client.clone(),
            owner: self.owner.clone(),
            name: name.to_owned(),
            token: self.token.clone(),
        };
        sibling.create(false).await;
        sibling
    }

    async fn create(&self, with_a_commit: bool) {
        let body = json!({"name": self.name, "auto_init": with_a_commit, "default_branch": "main"});
        self.server_request(Method::POST, "user/repos", &self.token, &body)
            .await;
    }

    /// A request for `repos/OWNER/NAME/PATH` by the owner, and the answer, which must be a success. `Null` is no body.
    pub async fn request(&self, method: Method, path: &str, body: &Value) -> Value {
        self.request_as(&self.token, method, path, body).await
    }

    /// The same by whoever has this token.
    pub async fn request_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Value {
        let path = format!("repos/{}/{}/{path}", self.owner, self.name);
        self.server_request(method, &path, token, body).await
    }

    /// The same by the owner, and the answer whatever it is.
    pub async fn answer(&self, method: Method, path: &str, body: &Value) -> (StatusCode, String) {
        let path = format!("repos/{}/{}/{path}", self.owner, self.name);
        self.server_answer(&method, &path, &self.token, body).await
    }

    async fn server_request(&self, method: Method, path: &str, token: &str, body: &Value) -> Value {
        let (status, text) = self.server_answer(&method, path, token, body).await;
        assert!(status.is_success(), "{method} {path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn server_answer(
        &self,
        method: &Method,
        path: &str,
        token: &str,
        body: &Value,
    ) -> (StatusCode, String) {
        let request = self
            .client
            .request(method.clone(), format!("{}/api/v1/{path}", self.server.url))
            .header("authorization", format!("token {token}"));
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        let answer = request.send().await.expect("Gitea answers");
        let status = answer.status();
        let text = answer.text().await.expect("Gitea answers in full");
        (status, text)
    }

    /// Writes a file on a branch, which is made from `main` when there is none, and returns the commit.
    pub async fn commit(&self, branch: &str, file: &str, content: &str) -> String {
        self.commit_as(&Value::Null, branch, file, content).await
    }

    /// The same, as author and committer with this `name` and `email`.
    pub async fn commit_as(&self, who: &Value, branch: &str, file: &str, content: &str) -> String {
        let branches = self.request(Method::GET, "branches", &Value::Null).await;
        let there = branches
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["name"] == branch));
        let target = if there {
            json!({"branch": branch})
        } else {
            json!({"branch": "main", "new_branch": branch})
        };
        let content = STANDARD.encode(content);
        let mut change = json!({"operation": "create", "path": file, "content": content});
        let path = format!(
            "contents/{file}?ref={}",
            if there { branch } else { "main" }
        );
        if let Some(sha) = self.file_id(&path).await {
            change["operation"] = json!("update");
            change["sha"] = json!(sha);
        }
        let mut body = json!({
            "message": format!("write {file}"), "files": [change], "author": who, "committer": who,
        });
        for (name, value) in target.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let made = self.request(Method::POST, "contents", &body).await;
        made["commit"]["sha"]
            .as_str()
            .expect("a commit has an id")
            .to_owned()
    }

    /// The id of a file's content; `None` when there is no such file.
    async fn file_id(&self, path: &str) -> Option<String> {
        let url = format!(
            "{}/api/v1/repos/{}/{}/{path}",
            self.server.url, self.owner, self.name
        );
        let request = self
            .client
            .get(url)
            .header("authorization", format!("token {}", self.token));
        let answer = request.send().await.expect("Gitea answers");
        if answer.status() == StatusCode::NOT_FOUND {
            return None;
        }
        let value: Value = answer.json().await.expect("Gitea answers JSON");
        value["sha"].as_str().map(str::to_owned)
    }

    /// The newest commit of a branch; `None` when there is no such branch.
    pub async fn tip(&self, branch: &str) -> Option<String> {
        let branches = self.request(Method::GET, "branches", &Value::Null).await;
        let found = branches
            .as_array()?
            .iter()
            .find(|one| one["name"] == branch)?;
        found["commit"]["id"].as_str().map(str::to_owned)
    }

    /// Reports a check of a commit: `pending`, `success`, `failure`.
    pub async fn status(&self, commit: &str, check: &str, state: &str) {
        let body = json!({"state": state, "context": check});
        self.request(Method::POST, &format!("statuses/{commit}"), &body)
            .await;
    }

    /// Lets the owner in by ssh with this public key.
    pub async fn add_key(&self, public: &str) {
        let body = json!({"title": "tests", "key": public});
        self.server_request(Method::POST, "user/keys", &self.token, &body)
            .await;
    }

    /// Removes a branch.
    pub async fn delete_branch(&self, branch: &str) {
        let path = format!("branches/{}", branch.replace('/', "%2F"));
        self.request(Method::DELETE, &path, &Value::Null).await;
    }

    /// A new user who may write to this repository, and a token of theirs.
    pub async fn collaborator(&self, prefix: &str) -> (String, String) {
        let name = self.server.user(&self.client, prefix).await;
        let body = json!({"permission": "write"});
        self.request(Method::PUT, &format!("collaborators/{name}"), &body)
            .await;
        let token = self.server.token(&self.client, &name).await;
        (name, token)
    }
}
