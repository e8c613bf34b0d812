//! What scans cost: time, memory and requests.
//!
//! `cargo bench --bench scan`. Budgets: 1,000 repositories of 400 tags ready in under 5 s on 2 cores, and one repository of 1,000,000
//! tags in under 120 MB. Four parts: many repositories by the client alone, behind tokens, with the registry in the same process, whose
//! work the times hold too; one huge repository, with the registry in another process; an hour of 5-minute intervals, as twelve rounds
//! back to back in which nothing is shared, because the rounds of a real hour are farther apart than anything is shared or a token
//! of 5 minutes lives; and `highwater run`, the release build, with a real API server: 1,000 repositories, and 5,000 with a policy each
//! and tags that no other has, which have to stay under 150 MB; then the same again after a restart on its volume, which scans nothing.
//! Every row is a process of its own.
#![allow(
    clippy::print_stdout,
    dead_code,
    missing_docs,
    reason = "a benchmark prints its table, and uses a part of what tests stand on"
)]

mod process_cost;
#[path = "../it/support"]
mod support {
    pub mod build;
    pub mod control_plane;
    pub mod fake_registry;
    pub mod fleet;
    pub mod git_http;
    pub mod highwater;
    pub mod process;
    pub mod programs;
    pub mod registry_server;
}

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use highwater::adapters::registry::{Access, Freshness, RegistryClient};
use highwater::domain::image::ImageName;
use highwater::domain::tags::{Exclusions, TagSet};
use kube::api::{WatchEvent, WatchParams};
use process_cost::Process;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::control_plane::{ControlPlane, control_plane};
use support::fleet::Fleet;

/// Tags of each repository, as the project's budgets have it.
const TAGS: usize = 400;
/// Repositories of each run.
const SIZES: [usize; 3] = [100, 1_000, 5_000];
/// Scans under way at once.
const CONCURRENCY: [usize; 2] = [4, 32];
/// Tags of the huge repository.
const MANY_TAGS: usize = 1_000_000;
/// Repositories of the hour, and of the controllers' row.
const REPOSITORIES: usize = 1_000;
/// Repositories of the controllers' large row, each with a policy.
const CLUSTER: usize = 5_000;
/// 5-minute intervals of an hour.
const ROUNDS: usize = 12;

/// What a registry does besides answering with its tags.
#[derive(Clone, Copy, Default)]
struct Manner {
    /// It wants a token.
    tokens: bool,
    /// Its tokens are good for no more than one scan.
    short_tokens: bool,
    /// It gives an `ETag`.
    etags: bool,
    /// No two repositories have a tag in common.
    differing: bool,
}

/// What every repository's list holds, and how often the registry was asked for anything.
struct Registry {
    tags: String,
    manner: Manner,
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    match words[..] {
        ["many", repositories, concurrency] => {
            runtime.block_on(many(number(repositories), number(concurrency)));
        }
        ["huge", address] => runtime.block_on(huge(address)),
        ["hour", tokens, etags] => runtime.block_on(hour(tokens == "yes", etags == "yes")),
        ["ready"] => runtime.block_on(ready()),
        ["cluster"] => runtime.block_on(cluster()),
        _ => runtime.block_on(all()),
    }
}

async fn all() {
    println!(
        "{:>12} {:>11} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "repositories",
        "concurrency",
        "wall s",
        "scans/s",
        "requests",
        "tags MB",
        "kept MB",
        "RSS MB"
    );
    for repositories in SIZES {
        for concurrency in CONCURRENCY {
            row(&["many", &repositories.to_string(), &concurrency.to_string()]).await;
        }
    }
    let (address, _) = serve(Manner::default()).await;
    row(&["huge", &address.to_string()]).await;
    for [tokens, etags] in [["no", "no"], ["yes", "no"], ["no", "yes"]] {
        row(&["hour", tokens, etags]).await;
    }
    row(&["ready"]).await;
    row(&["cluster"]).await;
}

/// Measures in a new process, whose memory no earlier run has touched.
async fn row(arguments: &[&str]) {
    let program = std::env::current_exe().expect("the path of this program");
    let status = tokio::process::Command::new(program)
        .args(arguments)
        .status()
        .await
        .expect("this program can be started again");
    assert!(status.success(), "the run ended with {status}");
}

fn images(address: &str, count: usize) -> Vec<ImageName> {
    (0..count)
        .map(|number| format!("{address}/team-{}/app-{number}", number % 50))
        .map(|name| ImageName::parse(&name).expect("a name"))
        .collect()
}

async fn many(repositories: usize, concurrency: usize) {
    let manner = Manner {
        tokens: true,
        ..Manner::default()
    };
    let (address, registry) = serve(manner).await;
    let images = images(&address.to_string(), repositories);
    let client = RegistryClient::new();
    let before = Process::own().resident() / 1e6;
    let start = Instant::now();
    let sets: Vec<TagSet> = stream::iter(&images)
        .map(|image| scan(&client, image))
        .buffer_unordered(concurrency)
        .collect()
        .await;
    let took = start.elapsed().as_secs_f64();
    let after = Process::own().resident() / 1e6;
    assert!(sets.iter().all(|set| set.len() == TAGS));
    let packed: usize = sets.iter().map(TagSet::heap_bytes).sum();
    println!(
        "{repositories:>12} {concurrency:>11} {took:>8.2} {:>8.0} {:>9} {:>9.1} {:>9.1} {after:>9.1}",
        repositories as f64 / took,
        registry.requests.load(Ordering::Relaxed),
        packed as f64 / 1e6,
        after - before,
    );
}

async fn huge(address: &str) {
    let image = ImageName::parse(&format!("{address}/huge/app")).expect("a name");
    let client = RegistryClient::new();
    let exclusions = Exclusions::new(&[]).expect("no patterns");
    let access = Access::anonymous(Duration::from_secs(600));
    let start = Instant::now();
    let scan = client
        .scan(&image, &access, &exclusions, Freshness::Now)
        .await;
    let took = start.elapsed().as_secs_f64();
    let listing = scan.outcome.expect("the registry answers");
    assert_eq!(listing.tags.len(), MANY_TAGS);
    println!(
        "one repository of {MANY_TAGS} tags: {took:.2} s, {} requests, {:.0} MB read, {:.0} MB at the peak, {:.0} MB of tags",
        scan.spent.requests,
        scan.spent.bytes as f64 / 1e6,
        Process::own().peak() / 1e6,
        listing.tags.heap_bytes() as f64 / 1e6,
    );
}

async fn hour(tokens: bool, etags: bool) {
    let manner = Manner {
        tokens,
        short_tokens: true,
        etags,
        ..Manner::default()
    };
    let (address, registry) = serve(manner).await;
    let images = images(&address.to_string(), REPOSITORIES);
    let client = RegistryClient::new();
    for _ in 0..ROUNDS {
        let sets: Vec<TagSet> = stream::iter(&images)
            .map(|image| scan(&client, image))
            .buffer_unordered(CONCURRENCY[0])
            .collect()
            .await;
        assert!(sets.iter().all(|set| set.len() == TAGS));
    }
    let word = |yes: bool, what: &str| format!("{} {what}", if yes { "with" } else { "without" });
    println!(
        "{REPOSITORIES} repositories every 5 minutes, {}, {}: {} requests and {:.0} MB an hour",
        word(tokens, "tokens of 5 minutes"),
        word(etags, "ETags"),
        registry.requests.load(Ordering::Relaxed),
        registry.bytes.load(Ordering::Relaxed) as f64 / 1e6,
    );
}

async fn scan(client: &RegistryClient, image: &ImageName) -> TagSet {
    let exclusions = Exclusions::new(&[]).expect("no patterns");
    let access = Access::anonymous(Duration::from_secs(60));
    let scan = client
        .scan(image, &access, &exclusions, Freshness::Now)
        .await;
    scan.outcome.expect("the registry answers").tags
}

/// `highwater run` until many repositories are ready.
async fn ready() {
    let mut fleet = Fleet::new(installed(), "scan").await;
    let (address, registry) = serve(Manner::default()).await;
    create(&fleet, address, REPOSITORIES, false).await;
    let start = Instant::now();
    fleet.start(&["--controllers=image-reflector"]);
    all_ready(&fleet, "ImageRepository", REPOSITORIES).await;
    told(
        &format!("highwater run until {REPOSITORIES} repositories of {TAGS} tags are ready"),
        start,
        &fleet,
        &registry,
    );
}

/// The same with a policy for each, and again after a restart.
async fn cluster() {
    let mut fleet = Fleet::new(installed(), "cluster").await;
    let differing = Manner {
        differing: true,
        ..Manner::default()
    };
    let (address, registry) = serve(differing).await;
    create(&fleet, address, CLUSTER, true).await;
    let start = Instant::now();
    fleet.start(&["--controllers=image-reflector"]);
    all_ready(&fleet, "ImagePolicy", CLUSTER).await;
    let what = format!("highwater run until {CLUSTER} repositories and their policies are ready");
    told(&what, start, &fleet, &registry);
    fleet.kill();
    registry.requests.store(0, Ordering::Relaxed);
    let names = (0..CLUSTER).map(app);
    // What every policy has to say anew: it was changed while nobody looked.
    let change = json!({"spec": {"policy": {"alphabetical": {"order": "desc"}, "semver": null}}});
    stream::iter(names)
        .for_each_concurrent(8, |name| {
            let (fleet, change) = (&fleet, change.clone());
            async move { fleet.patch("ImagePolicy", &name, change).await }
        })
        .await;
    let start = Instant::now();
    fleet.start(&["--controllers=image-reflector"]);
    all_ready(&fleet, "ImagePolicy", CLUSTER).await;
    told(
        "after a restart, until each policy has selected anew",
        start,
        &fleet,
        &registry,
    );
}

fn app(number: usize) -> String {
    format!("app-{number}")
}

async fn create(fleet: &Fleet, address: SocketAddr, count: usize, policies: bool) {
    stream::iter((0..count).map(app))
        .for_each_concurrent(8, |name| async move {
            let image = format!("{address}/team/{name}");
            let spec = json!({"image": image, "interval": "1h", "insecure": true});
            let object = json!({ "spec": spec });
            fleet.apply("ImageRepository", &name, object).await;
            if policies {
                let policy = json!({"semver": {"range": ">=1.0.0-0"}});
                let spec = json!({"imageRepositoryRef": {"name": name}, "policy": policy});
                let object = json!({ "spec": spec });
                fleet.apply("ImagePolicy", &name, object).await;
            }
        })
        .await;
}

/// Waits until so many objects are ready at their generation. It watches: to list them all again and again would cost the API server
/// more than the program does.
async fn all_ready(fleet: &Fleet, kind: &str, count: usize) {
    let mut ready = HashSet::new();
    while ready.len() < count {
        let parameters = WatchParams::default();
        let changes = fleet.api(kind).watch(&parameters, "0").await;
        let mut changes = Box::pin(changes.expect("the API server lets us watch"));
        while let Some(change) = changes.next().await {
            let (WatchEvent::Added(object) | WatchEvent::Modified(object)) =
                change.expect("a change")
            else {
                continue;
            };
            let object = serde_json::to_value(object).expect("an object is JSON");
            if is_ready(&object) {
                ready.insert(object["metadata"]["name"].to_string());
            }
            if ready.len() == count {
                return;
            }
        }
    }
}

fn told(what: &str, start: Instant, fleet: &Fleet, registry: &Registry) {
    let took = start.elapsed().as_secs_f64();
    let process = Process::of(fleet);
    println!(
        "{what}: {took:.1} s, {} requests, {:.0} MB, {:.0} MB at the peak, {:.1} s of CPU",
        registry.requests.load(Ordering::Relaxed),
        process.resident() / 1e6,
        process.peak() / 1e6,
        process.cpu_seconds(),
    );
}

fn is_ready(object: &Value) -> bool {
    let generation = &object["metadata"]["generation"];
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| {
        condition["type"] == "Ready"
            && condition["status"] == "True"
            && condition["observedGeneration"] == *generation
    })
}

fn installed() -> &'static ControlPlane {
    let plane = control_plane();
    install(plane);
    plane
}

fn install(plane: &ControlPlane) {
    plane.apply(&highwater::api::crds_yaml());
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ];
    plane.kubectl_ok(&wait);
}

async fn serve(manner: Manner) -> (SocketAddr, Arc<Registry>) {
    let tags: Vec<_> = (0..TAGS)
        .map(|number| format!("\"v1.{}.{}-build.{number}\"", number / 20, number % 20))
        .collect();
    let registry = Arc::new(Registry {
        tags: tags.join(","),
        manner,
        requests: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&registry));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, registry)
}

async fn answer(State(registry): State<Arc<Registry>>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/v2/" {
        // How the scheme is found, once for each registry.
        return StatusCode::OK.into_response();
    }
    registry.requests.fetch_add(1, Ordering::Relaxed);
    let manner = registry.manner;
    let lifetime = if manner.short_tokens { 0 } else { 300 };
    if path == "/token" {
        return format!(r#"{{"token":"good","expires_in":{lifetime}}}"#).into_response();
    }
    let field = |name: &str| {
        let value = request.headers().get(name)?;
        value.to_str().ok()
    };
    if manner.tokens && field("authorization").is_none() {
        let host = field("host").unwrap_or_default();
        let realm = format!("Bearer realm=\"http://{host}/token\",service=\"bench\"");
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", realm)]).into_response();
    }
    if manner.etags && field("if-none-match") == Some("\"same\"") {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    if path.starts_with("/v2/huge/") {
        return page(request.uri().query().unwrap_or_default()).into_response();
    }
    let name = path
        .trim_start_matches("/v2/")
        .trim_end_matches("/tags/list");
    let tags = match manner.differing {
        true => registry
            .tags
            .replace("-build", &format!("-{}", number_of(name))),
        false => registry.tags.clone(),
    };
    let body = format!(r#"{{"name":"{name}","tags":[{tags}]}}"#);
    registry.bytes.fetch_add(body.len(), Ordering::Relaxed);
    match manner.etags {
        true => ([("etag", "\"same\"")], body).into_response(),
        false => body.into_response(),
    }
}

/// The number at the end of a repository's name.
fn number_of(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or_default()
}

/// A page of the huge repository.
fn page(query: &str) -> Response {
    let parameter = |name: &str| {
        let mut parameters = url::form_urlencoded::parse(query.as_bytes());
        let found = parameters.find(|(key, _)| key == name)?;
        found.1.parse::<usize>().ok()
    };
    let size = parameter("n").unwrap_or(MANY_TAGS);
    let first = parameter("last").unwrap_or(0);
    let end = (first + size).min(MANY_TAGS);
    let tags: Vec<_> = (first..end)
        .map(|number| format!("\"build-{number:07}\""))
        .collect();
    let body = format!(r#"{{"name":"huge/app","tags":[{}]}}"#, tags.join(","));
    if end == MANY_TAGS {
        return body.into_response();
    }
    let link = format!("</v2/huge/app/tags/list?n={size}&last={end}>; rel=\"next\"");
    ([("link", link)], body).into_response()
}
