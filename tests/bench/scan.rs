//! How long it takes to list the tags of many repositories, and how much memory the lists keep.
//!
//! `cargo bench --bench scan`. Budget: 1,000 repositories of 400 tags in under 5 s on 2 cores. A registry in the
//! same process answers on loopback, over real connections, behind tokens; so the times hold the
//! server's work too. Every row is a process of its own, and "kept" is what the scan added to the
//! resident memory of the idle process with its server.
#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark prints its table"
)]

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use highwater::adapters::registry::{Access, RegistryClient};
use highwater::domain::image::ImageName;
use highwater::domain::tags::TagSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Tags of each repository, as the project's budgets have it.
const TAGS: usize = 400;

/// Repositories of each run.
const SIZES: [usize; 3] = [100, 1_000, 5_000];

/// Scans under way at once.
const CONCURRENCY: [usize; 2] = [4, 32];

/// What every repository's list holds, and how often the registry was asked for anything.
struct Registry {
    tags: String,
    requests: AtomicUsize,
}

fn main() {
    let arguments: Vec<usize> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    if let [repositories, concurrency] = arguments[..] {
        return tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(run(repositories, concurrency));
    }
    println!(
        "{:>12} {:>11} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "repositories",
        "concurrency",
        "wall s",
        "scans/s",
        "requests",
        "tags MiB",
        "kept MiB",
        "RSS MiB"
    );
    for repositories in SIZES {
        for concurrency in CONCURRENCY {
            row(repositories, concurrency);
        }
    }
}

/// Measures in a new process, whose memory no earlier run has touched.
fn row(repositories: usize, concurrency: usize) {
    let program = std::env::current_exe().expect("the path of this program");
    let status = std::process::Command::new(program)
        .args([repositories.to_string(), concurrency.to_string()])
        .status()
        .expect("this program can be started again");
    assert!(status.success(), "the run ended with {status}");
}

async fn run(repositories: usize, concurrency: usize) {
    let (address, registry) = serve().await;
    let images: Vec<_> = (0..repositories)
        .map(|number| format!("{address}/team-{}/app-{number}", number % 50))
        .map(|name| ImageName::parse(&name).expect("a name"))
        .collect();
    let client = RegistryClient::new();
    let access = Access::anonymous(Duration::from_secs(60));
    let before = resident();
    let start = Instant::now();
    let sets: Vec<TagSet> = stream::iter(&images)
        .map(|image| scan(&client, image, &access))
        .buffer_unordered(concurrency)
        .collect()
        .await;
    let took = start.elapsed().as_secs_f64();
    let after = resident();
    assert!(sets.iter().all(|set| set.len() == TAGS));
    let packed: usize = sets.iter().map(TagSet::heap_bytes).sum();
    println!(
        "{repositories:>12} {concurrency:>11} {took:>8.2} {:>8.0} {:>9} {:>9.1} {:>9.1} {after:>9.1}",
        repositories as f64 / took,
        registry.requests.load(Ordering::Relaxed),
        packed as f64 / (1024.0 * 1024.0),
        after - before,
    );
}

async fn scan(client: &RegistryClient, image: &ImageName, access: &Access) -> TagSet {
    let listing = client.list_tags(image, access, &|_| true).await;
    listing.expect("the registry answers").tags
}

async fn serve() -> (SocketAddr, Arc<Registry>) {
    let tags: Vec<_> = (0..TAGS)
        .map(|number| format!("\"v1.{}.{}-build.{number}\"", number / 20, number % 20))
        .collect();
    let registry = Arc::new(Registry {
        tags: tags.join(","),
        requests: AtomicUsize::new(0),
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
    registry.requests.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path();
    if path == "/token" {
        return r#"{"token":"good","expires_in":300}"#.into_response();
    }
    if !request.headers().contains_key("authorization") {
        let host = request
            .headers()
            .get("host")
            .and_then(|host| host.to_str().ok());
        let realm = format!(
            "Bearer realm=\"http://{}/token\",service=\"bench\"",
            host.unwrap_or_default()
        );
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", realm)]).into_response();
    }
    let name = path
        .trim_start_matches("/v2/")
        .trim_end_matches("/tags/list");
    format!(r#"{{"name":"{name}","tags":[{}]}}"#, registry.tags).into_response()
}

/// Resident memory of this process in MiB; 0 where there is no `/proc`.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok())
        .map_or(0.0, |kibibytes| kibibytes / 1024.0)
}
