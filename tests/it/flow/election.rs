//! Several replicas: one works, another takes over, and whoever lost the lease ends.

use super::fleet;
use crate::support::fleet::{Fleet, PATIENCE};
use crate::support::highwater::Running;
use crate::support::process::temporary_folder;
use serde_json::{Value, json};

const LEASE: &str = "highwater-leader-election";
pub(super) const SHORT: [&str; 4] = [
    "--enable-leader-election",
    "--leader-election-lease-duration=3s",
    "--leader-election-renew-deadline=2s",
    "--leader-election-retry-period=300ms",
];
pub(super) const TAKEN: &str = "the leader lease is ours";

/// Another replica, with a folder of its own as Pods have.
pub(super) fn replica(fleet: &Fleet, flags: &[&str]) -> Running {
    let folder = format!("--storage-path={}", temporary_folder("replica").display());
    let flags: Vec<_> = flags.iter().copied().chain([folder.as_str()]).collect();
    Running::start(&fleet.command(&flags))
}

async fn holder(fleet: &Fleet) -> String {
    let lease = fleet.get("Lease", LEASE).await.unwrap_or_default();
    let holder = lease["spec"]["holderIdentity"].as_str();
    holder.unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_one_works_and_the_other_takes_over() {
    let mut fleet = fleet("replicas").await;
    fleet.start(&SHORT);
    fleet.process().wait_for_line(TAKEN, PATIENCE);
    let first = holder(&fleet).await;
    let second = replica(&fleet, &SHORT);
    second.wait_for_line("waiting for the leader lease", PATIENCE);
    fleet.settled_application("app").await;
    let idle = second.stderr();
    assert!(
        !idle.contains(TAKEN) && !idle.contains("ImageRepository"),
        "{idle}"
    );
    assert_eq!(holder(&fleet).await, first);

    fleet.kill();
    second.wait_for_line(TAKEN, PATIENCE);
    assert_ne!(holder(&fleet).await, first);
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    fleet.all_ready("app").await;
    assert_eq!(fleet.repository.log("main").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_ends_in_order_gives_the_lease_back() {
    let mut fleet = fleet("release").await;
    let long = [
        "--enable-leader-election",
        "--leader-election-lease-duration=1h",
        "--leader-election-renew-deadline=30m",
        "--leader-election-retry-period=300ms",
    ];
    fleet.start(&long);
    fleet.process().wait_for_line(TAKEN, PATIENCE);
    assert!(!holder(&fleet).await.is_empty());
    assert!(fleet.process().terminate(PATIENCE).success());
    assert_eq!(holder(&fleet).await, "");
    // Without that, the next one would wait for an hour.
    fleet.start_afresh(&long);
    fleet.process().wait_for_line(TAKEN, PATIENCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_lost_the_lease_ends_with_exit_code_1() {
    let mut fleet = fleet("lost").await;
    fleet.start(&SHORT);
    fleet.process().wait_for_line(TAKEN, PATIENCE);
    let stolen = json!({"spec": {"holderIdentity": "somebody else", "leaseDurationSeconds": 3600}});
    fleet.patch("Lease", LEASE, stolen).await;
    let status = fleet.process().wait(PATIENCE);
    assert_eq!(status.code(), Some(1), "{}", fleet.log());
    let log = fleet.log();
    assert!(log.contains("the leader lease is lost"), "{log}");
    assert_eq!(holder(&fleet).await, "somebody else");
    let lease = fleet.get("Lease", LEASE).await.unwrap_or_default();
    assert_ne!(lease["spec"]["leaseDurationSeconds"], Value::Null);
}
