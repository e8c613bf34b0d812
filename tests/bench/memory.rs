//! How much memory `highwater run` takes with all five controllers, idle and at work.
//!
//! `cargo bench --bench memory`. Budget: under 40 MB of resident memory when idle. The program is the release build, the API server,
//! registry and Git server are the tests' real ones, and the 200 repositories of 400 tags are those of a fake registry in this process.
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

use process_cost::Process;
use serde_json::json;
use support::control_plane::{ControlPlane, control_plane};
use support::fake_registry::{FakeRegistry, Reply};
use support::fleet::{Fleet, PATIENCE};

/// What the project's budget allows when idle, in MB.
const BUDGET: f64 = 40.0;
/// How many repositories the last row has, each with its policy.
const REPOSITORIES: usize = 200;
/// How many tags each has.
const TAGS: usize = 400;

#[tokio::main]
async fn main() {
    let plane = control_plane();
    install(plane);
    let mut fleet = Fleet::new(plane, "memory").await;
    fleet.start(&[]);
    fleet
        .process()
        .wait_for_line("every watch is complete", PATIENCE);
    println!(
        "{:<40} {:>12} {:>12}",
        "highwater run, five controllers", "resident MB", "highest MB"
    );
    let idle = row("idle", &fleet);

    fleet.settled_application("app").await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    fleet.all_ready("app").await;
    row("after one image's way to the cluster", &fleet);

    many(&fleet).await;
    row(
        &format!("and {REPOSITORIES} repositories of {TAGS} tags"),
        &fleet,
    );
    let verdict = if idle < BUDGET { "kept" } else { "BROKEN" };
    println!("budget: under {BUDGET} MB when idle: {verdict}");
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

/// Many repositories and policies, all ready.
async fn many(fleet: &Fleet) {
    let tags: Vec<_> = (0..TAGS)
        .map(|number| format!("1.{}.{}", number / 20, number % 20))
        .collect();
    let fake = FakeRegistry::start(move |seen| {
        let path = seen.target.split('?').next().unwrap_or_default();
        let name = path.trim_start_matches("/v2/");
        Reply::tags(name.trim_end_matches("/tags/list"), &tags)
    })
    .await;
    for number in 0..REPOSITORIES {
        let name = format!("app-{number}");
        let image = format!("{}/team/{name}", fake.address());
        let repository = json!({"spec": {"image": image, "interval": "1h", "insecure": true}});
        fleet.apply("ImageRepository", &name, repository).await;
        fleet
            .apply("ImagePolicy", &name, fleet.image_policy(&name))
            .await;
    }
    for number in 0..REPOSITORIES {
        fleet.ready("ImagePolicy", &format!("app-{number}")).await;
    }
}

fn row(what: &str, fleet: &Fleet) -> f64 {
    let process = Process::of(fleet);
    let (resident, highest) = (process.resident() / 1e6, process.peak() / 1e6);
    println!("{what:<40} {resident:>12.1} {highest:>12.1}");
    resident
}
