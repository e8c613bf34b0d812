//! A GitHub Enterprise Server as far as commits go, on the wire: `createCommitOnBranch` of the GraphQL API and the making of
//! references of the REST API, as GitHub documents them, applied to a real repository; all else goes on to the Git server behind.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::git_http::{BareRepository, git, git_with_input};
use super::process::temporary_folder;

/// Who GitHub says made a commit.
pub const BOT: &str = "fleet-bot[bot] <1+fleet-bot[bot]@users.noreply.github.com>";
const NAME: &str = "acme/fleet";

/// A server that listens until the test process ends.
pub struct FakeGitHub {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    repository: BareRepository,
    behind: String,
    login: Login,
    client: reqwest::Client,
    next: Mutex<Option<Next>>,
    seen: Mutex<Vec<Value>>,
    given: Mutex<Vec<Given>>,
    refused: AtomicUsize,
}

/// By which login it is asked.
pub enum Login {
    /// A token for the API. Git is for the server behind to judge.
    Token(&'static str),
    /// Tokens of an App's installation, for the API and for Git.
    App(AppLogin),
}

/// An App that is installed as number 9.
pub struct AppLogin {
    /// How long one of its tokens is good.
    pub life: Duration,
    /// Whether a field `Authorization` holds an assertion of the App.
    pub is_assertion: fn(&str) -> bool,
    /// User and password for the server behind.
    pub behind: (&'static str, &'static str),
}

/// A token that an installation was given.
struct Given {
    token: String,
    until: Timestamp,
}

/// What happens to the next commit that is asked for.
pub enum Next {
    /// Somebody else pushes first.
    Somebody(Box<dyn FnOnce() + Send>),
    /// It is made, and the answer is lost.
    Silence,
    /// It is refused with a type and a message.
    Refused(&'static str, &'static str),
}

impl FakeGitHub {
    /// Serves `repository` as `acme/fleet`, before the Git server that has it at `behind`.
    pub async fn start(repository: &BareRepository, behind: String, login: Login) -> Self {
        let client = reqwest::Client::builder().no_proxy().no_gzip().build();
        let inner = Arc::new(Inner {
            repository: repository.clone(),
            behind,
            login,
            client: client.expect("a plain client"),
            next: Mutex::default(),
            seen: Mutex::default(),
            given: Mutex::default(),
            refused: AtomicUsize::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inner }
    }

    /// The URL of the repository.
    pub fn url(&self) -> String {
        format!("http://{}/{NAME}.git", self.address)
    }

    /// Decides about the next commit.
    pub fn next(&self, next: Next) {
        *lock(&self.inner.next) = Some(next);
    }

    /// Where its API begins.
    pub fn api(&self) -> String {
        format!("http://{}/api/v3", self.address)
    }

    /// Until when the newest token is good.
    pub fn newest_until(&self) -> Option<Timestamp> {
        lock(&self.inner.given).last().map(|given| given.until)
    }

    /// How many requests came with a login that was not good.
    pub fn refused(&self) -> usize {
        self.inner.refused.load(Ordering::Relaxed)
    }

    /// What was asked of the API: the path, the body and the token of each request.
    pub fn seen(&self) -> Vec<Value> {
        lock(&self.inner.seen).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.expect("a body");
    let path = parts.uri.path().to_owned();
    if !path.starts_with("/api/") {
        return pass(&inner, &parts, body).await;
    }
    if let Some(answer) = inner.installation(&parts) {
        return answer;
    }
    if let Some(refusal) = impolite(&inner, &parts.headers, parts.method.as_str()) {
        return refusal;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return said(400, json!({"message": "Problems parsing JSON"}));
    };
    let token = bearer(&parts.headers);
    lock(&inner.seen).push(json!({"path": path, "body": body, "token": token}));
    tokio::task::spawn_blocking(move || match path.as_str() {
        "/api/graphql" => graphql(&inner, &body),
        "/api/v3/repos/acme/fleet/git/refs" => reference(&inner, &body),
        _ => said(404, json!({"message": "Not Found"})),
    })
    .await
    .expect("the answer is made")
}

fn said(status: u16, body: Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}

/// What GitHub answers to requests that are not as it wants them.
fn impolite(inner: &Inner, headers: &HeaderMap, method: &str) -> Option<Response> {
    let has = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if method != "POST" {
        return Some(said(404, json!({"message": "Not Found"})));
    }
    if has(header::USER_AGENT).unwrap_or_default().is_empty() {
        return Some(said(
            403,
            json!({"message": "Request forbidden by administrative rules."}),
        ));
    }
    if !inner.admits(bearer(headers)) {
        return Some(said(401, json!({"message": "Bad credentials"})));
    }
    match has(header::CONTENT_TYPE) {
        Some("application/json") => None,
        _ => Some(said(415, json!({"message": "Unsupported Media Type"}))),
    }
}

/// The token of a request to the API; empty when there is none.
fn bearer(headers: &HeaderMap) -> &str {
    let field = headers.get(header::AUTHORIZATION);
    let field = field.and_then(|value| value.to_str().ok());
    field
        .and_then(|field| field.strip_prefix("Bearer "))
        .unwrap_or_default()
}

impl Inner {
    /// Whether a token is good now.
    fn admits(&self, token: &str) -> bool {
        let good = match &self.login {
            Login::Token(known) => *known == token,
            Login::App(_) => {
                let given = lock(&self.given);
                let now = Timestamp::now();
                given
                    .iter()
                    .any(|given| given.token == token && now < given.until)
            }
        };
        self.refused
            .fetch_add(usize::from(!good), Ordering::Relaxed);
        good
    }

    /// The answer to an App that asks for a token of its installation.
    fn installation(&self, parts: &axum::http::request::Parts) -> Option<Response> {
        let Login::App(app) = &self.login else {
            return None;
        };
        if parts.uri.path() != "/api/v3/app/installations/9/access_tokens" {
            return None;
        }
        let login = parts.headers.get(header::AUTHORIZATION);
        let login = login
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if parts.method != "POST" || !(app.is_assertion)(login) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let words = "A JSON web token could not be decoded";
            return Some(said(401, json!({"message": words})));
        }
        let mut given = lock(&self.given);
        let token = format!("ghs_planted-{}", given.len());
        let end = Timestamp::now() + app.life;
        // GitHub tells whole seconds.
        let until = Timestamp::from_second(end.as_second()).expect("a time of today");
        given.push(Given {
            token: token.clone(),
            until,
        });
        let answer = json!({"token": token, "expires_at": until.to_string()});
        Some(said(201, answer))
    }

    /// The login for the server behind in place of the one for GitHub; a refusal where that is not good.
    fn behind_login(&self, headers: &HeaderMap) -> Result<Option<String>, Box<Response>> {
        let Login::App(app) = &self.login else {
            return Ok(None);
        };
        let refusal = || {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"GitHub\"")];
            Box::new((StatusCode::UNAUTHORIZED, challenge).into_response())
        };
        let field = headers.get(header::AUTHORIZATION).ok_or_else(refusal)?;
        let pair = field
            .to_str()
            .ok()
            .and_then(|field| field.strip_prefix("Basic "));
        let pair = pair.and_then(|pair| BASE64_STANDARD.decode(pair).ok());
        let pair = String::from_utf8(pair.unwrap_or_default()).unwrap_or_default();
        let token = pair.strip_prefix("x-access-token:").unwrap_or_default();
        if !self.admits(token) {
            return Err(refusal());
        }
        let (user, password) = app.behind;
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Ok(Some(format!("Basic {pair}")))
    }
}

fn errors(kind: &str, message: &str) -> Response {
    let error = json!({"type": kind, "path": ["createCommitOnBranch"], "message": message});
    said(
        200,
        json!({"data": {"createCommitOnBranch": null}, "errors": [error]}),
    )
}

/// The names of an object's fields, all of which have to be known.
fn only(value: &Value, known: &[&str]) -> bool {
    value
        .as_object()
        .is_some_and(|object| object.keys().all(|key| known.contains(&key.as_str())))
}

/// Whether an input is a `CreateCommitOnBranchInput` of the published schema.
fn is_valid(input: &Value) -> bool {
    let changes = &input["fileChanges"];
    let text = |value: &Value| value.is_string();
    let additions = changes["additions"].as_array();
    only(
        input,
        &[
            "branch",
            "clientMutationId",
            "expectedHeadOid",
            "fileChanges",
            "message",
        ],
    ) && only(&input["branch"], &["repositoryNameWithOwner", "branchName"])
        && only(&input["message"], &["headline", "body"])
        && only(changes, &["additions", "deletions"])
        && text(&input["branch"]["branchName"])
        && text(&input["expectedHeadOid"])
        && input["message"]["headline"]
            .as_str()
            .is_some_and(|line| !line.is_empty())
        && additions.is_some_and(|all| {
            all.iter().all(|one| {
                only(one, &["path", "contents"]) && text(&one["path"]) && text(&one["contents"])
            })
        })
}

fn graphql(inner: &Inner, body: &Value) -> Response {
    let query = body["query"].as_str().unwrap_or_default();
    let input = &body["variables"]["input"];
    let is_mutation = query.starts_with("mutation($input: CreateCommitOnBranchInput!)")
        && query.contains("createCommitOnBranch(input: $input) { commit { oid } }");
    if !is_mutation || !only(body, &["query", "variables"]) || !is_valid(input) {
        let message =
            "Variable $input of type CreateCommitOnBranchInput! was provided invalid value";
        return said(200, json!({"errors": [{"message": message}]}));
    }
    if input["branch"]["repositoryNameWithOwner"] != NAME {
        return errors("NOT_FOUND", "Could not resolve to a Repository.");
    }
    let next = lock(&inner.next).take();
    let silent = matches!(next, Some(Next::Silence));
    match next {
        Some(Next::Somebody(pushes)) => pushes(),
        Some(Next::Refused(kind, message)) => return errors(kind, message),
        _ => {}
    }
    match apply(&inner.repository, input) {
        Ok(_) if silent => broken(),
        Ok(commit) => {
            let commit = json!({"commit": {"oid": commit}});
            said(200, json!({"data": {"createCommitOnBranch": commit}}))
        }
        Err(response) => *response,
    }
}

/// An answer that ends before it has begun.
fn broken() -> Response {
    let error = std::io::Error::other("the line is cut");
    let body = futures::stream::iter([Err::<Bytes, _>(error)]);
    Response::new(Body::from_stream(body))
}

fn apply(repository: &BareRepository, input: &Value) -> Result<String, Box<Response>> {
    let expected = input["expectedHeadOid"].as_str().unwrap_or_default();
    let branch = input["branch"]["branchName"].as_str().unwrap_or_default();
    let reference = format!("refs/heads/{branch}");
    match repository.resolve(&reference) {
        None => return Err(Box::new(errors("NOT_FOUND", "The branch does not exist."))),
        Some(head) if head != expected => {
            let words = format!(
                "Expected branch to point to \"{expected}\" but it did not.  Pull and try again."
            );
            return Err(Box::new(errors("STALE_DATA", &words)));
        }
        Some(_) => {}
    }
    let tree = tree(&repository.path, expected, &input["fileChanges"]);
    let message = &input["message"];
    let [headline, body] =
        [&message["headline"], &message["body"]].map(|part| part.as_str().unwrap_or_default());
    let words = [headline, body].join("\n\n");
    let (name, mail) = BOT.split_once(" <").expect("a name and an address");
    let mail = mail.trim_end_matches('>');
    let mut command = std::process::Command::new("git");
    command.current_dir(&repository.path);
    for part in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{part}_NAME"), name);
        command.env(format!("GIT_{part}_EMAIL"), mail);
    }
    command.args(["commit-tree", "-p", expected, "-m", words.trim_end(), &tree]);
    let output = command.output().expect("git runs");
    let commit = String::from_utf8_lossy(&output.stdout).into_owned();
    let commit = commit.trim().to_owned();
    git(
        &repository.path,
        &["update-ref", &reference, &commit, expected],
    );
    Ok(commit)
}

/// The tree after the changes. Every file that is added becomes a regular one.
fn tree(folder: &Path, base: &str, changes: &Value) -> String {
    let index = temporary_folder("index").join("index");
    let index = index.display().to_string();
    let with = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command
            .current_dir(folder)
            .env("GIT_INDEX_FILE", &index)
            .args(arguments);
        let output = command.output().expect("git runs");
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    with(&["read-tree", base]);
    for addition in changes["additions"].as_array().into_iter().flatten() {
        let contents = addition["contents"].as_str().unwrap_or_default();
        let bytes = BASE64_STANDARD.decode(contents);
        let bytes = bytes.expect("contents are base64");
        let blob = git_with_input(folder, &["hash-object", "-w", "--stdin"], &bytes);
        let path = addition["path"].as_str().unwrap_or_default();
        let entry = format!("100644,{},{path}", blob.trim());
        with(&["update-index", "--add", "--cacheinfo", &entry]);
    }
    with(&["write-tree"])
}

/// `POST /repos/{owner}/{repo}/git/refs`.
fn reference(inner: &Inner, body: &Value) -> Response {
    let (Some(name), Some(sha)) = (body["ref"].as_str(), body["sha"].as_str()) else {
        return said(422, json!({"message": "Invalid request."}));
    };
    if !name.starts_with("refs/heads/") || !only(body, &["ref", "sha"]) {
        return said(422, json!({"message": "Invalid request."}));
    }
    if inner.repository.resolve(name).is_some() {
        return said(422, json!({"message": "Reference already exists"}));
    }
    git(&inner.repository.path, &["update-ref", name, sha]);
    said(
        201,
        json!({"ref": name, "object": {"type": "commit", "sha": sha}}),
    )
}

/// Hands a request of Git on to the server behind.
async fn pass(inner: &Inner, parts: &axum::http::request::Parts, body: Bytes) -> Response {
    let login = match inner.behind_login(&parts.headers) {
        Ok(login) => login,
        Err(refusal) => return *refusal,
    };
    let rest = parts
        .uri
        .to_string()
        .replacen(&format!("/{NAME}.git"), "", 1);
    let method = parts.method.clone();
    let mut request = inner
        .client
        .request(method, format!("{}{rest}", inner.behind));
    for (name, value) in &parts.headers {
        let replaced = name == header::AUTHORIZATION && login.is_some();
        if name != header::HOST && name != header::CONTENT_LENGTH && !replaced {
            request = request.header(name, value);
        }
    }
    if let Some(login) = login {
        request = request.header(header::AUTHORIZATION, login);
    }
    let answer = request.body(body).send().await.expect("the server answers");
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != header::TRANSFER_ENCODING && name != header::CONTENT_LENGTH {
            response = response.header(name, value);
        }
    }
    let bytes = answer.bytes().await.expect("a whole answer");
    response.body(Body::from(bytes)).expect("a response")
}
