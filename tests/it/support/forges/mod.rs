//! Forges that cannot be had here, on the wire: they keep branches and pull requests, and speak as their published APIs describe.
//!
//! Each refuses what the real one would refuse (a path, method, header field or body that is not described; a second pull request for the
//! same branches; a merge whose branch has moved), so that a client that gets by here asks for what is described and nothing else.

mod azure;
mod bitbucket_cloud;
mod bitbucket_data_center;
mod github;
mod gitlab;
pub mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use highwater::domain::pull_request::forge::{ForgeKind, Repository};
use serde_json::Value;

use super::fake_registry::{FakeRegistry, Reply, Seen};
use world::World;

/// The token that every fake takes, in its own way. It must never be seen again.
pub const TOKEN: &str = "planted-forge-token-4711";

/// A running fake of one kind.
pub struct FakeForge {
    kind: ForgeKind,
    server: FakeRegistry,
    world: Arc<Mutex<World>>,
}

/// A request, taken apart.
pub struct Asked {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The parts of the path below the API's own, decoded.
    pub path: Vec<String>,
    /// The query, decoded, in its order.
    pub query: Vec<(String, String)>,
    /// The body; `Null` when there is none.
    pub body: Value,
    /// `http://HOST:PORT`, as the client wrote it.
    pub root: String,
}

impl Asked {
    fn new(seen: &Seen) -> Self {
        let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
        let decoded = |text: &str| {
            let text = text.replace('+', "%2B");
            let pair = format!("x={text}");
            let first = url::form_urlencoded::parse(pair.as_bytes()).next();
            first.map_or_else(String::new, |(_, value)| value.into_owned())
        };
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        Self {
            method: seen.method.clone(),
            path: path.trim_matches('/').split('/').map(decoded).collect(),
            query: query.collect(),
            body: serde_json::from_str(&seen.body).unwrap_or(Value::Null),
            root: format!("http://{}", seen.header("host")),
        }
    }

    /// The method and the parts of the path, for a `match`.
    fn route(&self) -> (&str, Vec<&str>) {
        (&self.method, self.path.iter().map(String::as_str).collect())
    }

    /// A parameter of the query, empty when it is not there.
    fn query(&self, name: &str) -> &str {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// A text of the body, empty when it is not there.
    fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_default().to_owned()
    }

    /// The texts of a list in the body.
    fn texts(&self, field: &str) -> Vec<String> {
        texts(&self.body[field])
    }
}

/// The texts of a list.
fn texts(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// JSON with a status.
fn json(status: u16, value: &Value) -> Reply {
    Reply::json(value).status(status)
}

impl FakeForge {
    /// Starts one with a repository whose `main` has one commit.
    pub async fn start(kind: ForgeKind) -> Self {
        Self::of(kind, World::new()).await
    }

    /// Starts one with what `world` keeps.
    pub async fn of(kind: ForgeKind, world: World) -> Self {
        let world = Arc::new(Mutex::new(world));
        let kept = world.clone();
        let server = FakeRegistry::start(move |seen| {
            let mut world = kept.lock().unwrap_or_else(PoisonError::into_inner);
            world.on_git(|world| answer(kind, world, seen))
        })
        .await;
        Self {
            kind,
            server,
            world,
        }
    }

    /// What it keeps.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The repository, as its API is reached.
    pub fn repository(&self) -> Repository {
        repository(self.kind, &self.server.address())
    }
}

/// A repository of a kind at `address`.
pub fn repository(kind: ForgeKind, address: &str) -> Repository {
    let (prefix, path) = match kind {
        // As an Enterprise server has it.
        ForgeKind::GitHub => ("/api/v3", "fleet/apps"),
        ForgeKind::GitLab => ("/api/v4", "fleet/team/apps"),
        ForgeKind::Gitea => ("/api/v1", "fleet/apps"),
        ForgeKind::BitbucketCloud => ("/2.0", "fleet/apps"),
        ForgeKind::BitbucketDataCenter => ("/rest", "FLEET/apps"),
        ForgeKind::Azure => ("", "fleet/My Team/apps"),
    };
    let api = format!("http://{address}{prefix}");
    Repository {
        kind,
        api: url::Url::parse(&api).expect("an address makes a URL"),
        path: path.to_owned(),
    }
}

/// What every forge asks for before anything else: who it is, and JSON where there is a body.
fn answer(kind: ForgeKind, world: &mut World, seen: &Seen) -> Reply {
    let refused = |status: u16, words: &str| json(status, &serde_json::json!({"message": words}));
    let (field, expected) = match kind {
        ForgeKind::GitLab => ("private-token", TOKEN.to_owned()),
        // Basic, with no user: `:planted-forge-token-4711`.
        ForgeKind::Azure => (
            "authorization",
            "Basic OnBsYW50ZWQtZm9yZ2UtdG9rZW4tNDcxMQ==".to_owned(),
        ),
        _ => ("authorization", format!("Bearer {TOKEN}")),
    };
    if seen.header(field) != expected {
        return refused(401, &format!("Bad credentials: {}", seen.header(field)));
    }
    if seen.header("user-agent").is_empty() {
        return refused(403, "Please make sure your request has a User-Agent header");
    }
    if !seen.body.is_empty() && !seen.header("content-type").starts_with("application/json") {
        return refused(415, "Unsupported Media Type");
    }
    let asked = Asked::new(seen);
    if !seen.body.is_empty() && asked.body.is_null() {
        return refused(400, "Problems parsing JSON");
    }
    match kind {
        ForgeKind::GitHub => github::answer(world, seen, &asked),
        ForgeKind::GitLab => gitlab::answer(world, &asked),
        ForgeKind::BitbucketCloud => bitbucket_cloud::answer(world, &asked),
        ForgeKind::BitbucketDataCenter => bitbucket_data_center::answer(world, seen, &asked),
        ForgeKind::Azure => azure::answer(world, &asked),
        ForgeKind::Gitea => unreachable!("the real one is there"),
    }
}
