//! Two programs and the same pull requests: one takes over from the other, or both are at work at once, as nobody should have them.

use super::election::{SHORT, TAKEN, replica};
use super::proposals::{AUTOMATION, Proposing};
use super::telling::{address_of, get};
use super::{EAGER, fleet};
use crate::support::fleet::PATIENCE;
use reqwest::Method;
use serde_json::{Value, json};

/// There is this pull request and no other, nobody closed it, and nothing was said below it.
async fn assert_undisturbed(proposing: &Proposing, number: u64) {
    let pulls = proposing.pulls().await;
    assert_eq!(pulls.len(), 1, "{pulls:#?}");
    assert_eq!(pulls[0]["number"], number);
    let path = format!("issues/{number}/timeline");
    let timeline = proposing.forge.request(Method::GET, &path, &Value::Null);
    let timeline = timeline.await;
    let entries = timeline.as_array().expect("a list");
    assert!(!entries.is_empty(), "it was pushed to and renamed");
    for entry in entries {
        let kind = entry["type"].as_str().unwrap_or_default();
        let disturbs = matches!(kind, "close" | "reopen" | "comment" | "delete_branch");
        assert!(!disturbs, "{entry:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_goes_on_with_the_pull_request() {
    let mut fleet = fleet("heir").await;
    fleet.start(&SHORT);
    fleet.process().wait_for_line(TAKEN, PATIENCE);
    let mut proposing = Proposing::of(fleet, "heir", json!({})).await;
    let heir = replica(&proposing.fleet, &SHORT);
    heir.wait_for_line("waiting for the leader lease", PATIENCE);
    let tracked = proposing.proposed("1.1.0").await;
    let number = tracked["number"].as_u64().expect("it has a number");

    proposing.fleet.kill();
    heir.wait_for_line(TAKEN, PATIENCE);
    let newer = proposing.proposed("1.2.0").await;
    assert_eq!(newer["number"], number);
    assert_ne!(newer["commit"], tracked["commit"]);
    assert_eq!(proposing.beside(&proposing.branch()).await, (1, 0));
    assert_undisturbed(&proposing, number).await;
    assert!(!heir.stderr().contains("panicked"), "{}", heir.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_have_one_pull_request_and_leave_it_open() {
    let mut fleet = fleet("twins").await;
    fleet.start(&EAGER);
    let mut twin = replica(&fleet, &EAGER);
    let mut proposing = Proposing::of(fleet, "twins", json!({})).await;
    let first = proposing.proposed("1.1.0").await;
    let number = first["number"].as_u64().expect("it has a number");
    for tag in ["1.2.0", "1.3.0", "1.4.0"] {
        let next = proposing.proposed(tag).await;
        let logs = || [proposing.fleet.log(), twin.stderr()].join("\n--- the other:\n");
        assert_eq!(next["number"], number, "{tag}\n{}", logs());
        let moved = format!("moved for {tag}\n");
        proposing.forge.commit("main", "README.md", &moved).await;
        proposing.reconcile().await;
    }
    // Both have looked all the time.
    for process in [proposing.fleet.process(), &mut twin] {
        let (_, text) = get(&address_of(process, "metrics"), "/metrics").await;
        let runs = "gotk_reconcile_duration_seconds_count{kind=\"ImageUpdateAutomation\"";
        assert!(text.contains(runs), "{text}");
        assert!(!process.stderr().contains("panicked"));
    }
    let object = proposing.reconcile().await;
    assert_eq!(Proposing::current(&object).0, "True", "{object:#}");
    let image = proposing.fleet.registry.image("app");
    let pull = proposing.pull(number).await;
    assert_eq!(pull["title"], format!("Update {image} from 1.0.0 to 1.4.0"));
    assert_eq!(proposing.beside(&proposing.branch()).await, (1, 0));
    assert_undisturbed(&proposing, number).await;

    // After a merge there is nothing that either of them opens again.
    proposing.merge(number).await;
    proposing.reconcile().await;
    let is_over = |object: &Value| object["status"]["pullRequests"].is_null();
    let fleet = &proposing.fleet;
    fleet.wait(AUTOMATION, "app", "it is merged", is_over).await;
    assert_eq!(proposing.pulls().await.len(), 1);
    assert!(twin.is_running());
    proposing.fleet.assert_no_panic();
}
