//! What is to be seen of pull requests: an event for everything that happened to one, a metric, and a row of `highwater get`.

use super::fleet;
use super::proposals::{AUTOMATION, FILE, Proposing};
use super::telling::{address, get};
use crate::crds::installed;
use crate::get::{get as listed, rows};
use crate::support::fleet::PATIENCE;
use crate::support::fleet::events::says;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Waits for an event of the automation with these words.
async fn told(proposing: &Proposing, words: &str) {
    let own = |event: &Value| event["involvedObject"]["kind"] == AUTOMATION;
    let told = |event: &Value| own(event) && says(event, words);
    proposing.fleet.told(1, told).await;
}

/// How an event names a pull request, after what was done to it.
async fn named(proposing: &Proposing, number: &Value) -> String {
    let number = number.as_u64().expect("it has a number");
    let page = proposing.pull(number).await["html_url"].clone();
    let page = page.as_str().unwrap_or_default();
    format!("pull request #{number} of `app` ({page})")
}

/// Gitea takes note of a deleted branch in its own time, and closes whatever is open from one of that name by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_is_closed_for_an_earlier_branch_of_its_name_is_opened_again() {
    let proposing = Proposing::new("late", json!({})).await;
    let tracked = proposing.proposed("1.1.0").await;
    let number = tracked["number"].as_u64().expect("it has a number");
    let name = named(&proposing, &tracked["number"]).await;
    let branch = proposing.branch();
    let path = format!("branches/{}", branch.replace('/', "%2F"));
    let forge = &proposing.forge;
    forge.request(Method::DELETE, &path, &Value::Null).await;
    while proposing.pull(number).await["state"] != "closed" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let again = json!({"new_branch_name": branch, "old_ref_name": tracked["commit"]});
    forge.request(Method::POST, "branches", &again).await;

    let object = proposing.reconcile().await;
    assert_eq!(object["status"]["pullRequests"][0]["state"], "Open");
    told(&proposing, &format!("reopened {name}")).await;
    assert_eq!(proposing.pull(number).await["state"], "open");
    let was_closed = |event: &Value| says(event, "was closed");
    assert_eq!(proposing.fleet.told(0, was_closed).await, [""; 0]);
    assert_eq!(proposing.pulls().await.len(), 1);

    // A branch that a person deletes stays away with what came from it.
    forge.request(Method::DELETE, &path, &Value::Null).await;
    while proposing.pull(number).await["state"] != "closed" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let object = proposing.reconcile().await;
    assert_eq!(object["status"]["pullRequests"][0]["state"], "Skipped");
}

/// Opens one, updates it, builds it anew, and has a person merge it.
async fn opened_to_merged(proposing: &Proposing) {
    let tracked = proposing.proposed("1.1.0").await;
    let name = named(proposing, &tracked["number"]).await;
    told(proposing, &format!("opened {name}")).await;
    let commit = tracked["commit"].as_str().unwrap_or_default();
    let pushed = format!(
        "pushed commit '{}' to branch '{}'",
        &commit[..7],
        proposing.branch()
    );
    told(proposing, &pushed).await;
    proposing.proposed("1.2.0").await;
    told(proposing, &format!("updated {name}")).await;
    proposing.forge.commit("main", "README.md", "moved\n").await;
    proposing.reconcile().await;
    told(proposing, &format!("rebuilt {name}")).await;
    proposing
        .merge(tracked["number"].as_u64().expect("it has a number"))
        .await;
    proposing.reconcile().await;
    told(proposing, &name.replace(" (", " was merged (")).await;
    deletion_noticed(proposing).await;
}

/// Waits until Gitea has taken note that a branch was deleted, since that closes what is opened from a new one of its name meanwhile.
async fn deletion_noticed(proposing: &Proposing) {
    let since = Instant::now();
    loop {
        let path = "activities/feeds";
        let feed = proposing.forge.request(Method::GET, path, &Value::Null);
        let feed = feed.await;
        let mut entries = feed.as_array().into_iter().flatten();
        if entries.any(|entry| entry["op_type"] == "delete_branch") {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{feed:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Opens one that a person closes and opens again, and that is then not needed any more.
async fn closed_twice(proposing: &Proposing) {
    let tracked = proposing.proposed("1.3.0").await;
    let name = named(proposing, &tracked["number"]).await;
    let number = tracked["number"].as_u64().expect("it has a number");
    for (state, done) in [
        ("closed", format!("was closed by {}", proposing.forge.owner)),
        ("open", "was opened again".to_owned()),
    ] {
        proposing.close(number, state).await;
        proposing.reconcile().await;
        told(proposing, &name.replace(" (", &format!(" {done} ("))).await;
    }
    let by_hand = proposing.fleet.deployment("app", "1.3.0");
    proposing.forge.commit("main", FILE, &by_hand).await;
    proposing.reconcile().await;
    told(proposing, &format!("closed {name}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_happens_to_a_pull_request_is_an_event_and_counted() {
    let mut fleet = fleet("seeing").await;
    fleet.start(&[]);
    let metrics = address(&mut fleet, "metrics");
    let mut proposing = Proposing::of(fleet, "seeing", json!({})).await;
    opened_to_merged(&proposing).await;
    closed_twice(&proposing).await;
    let (_, text) = get(&metrics, "/metrics").await;
    for (action, times) in [
        ("opened", 2),
        ("updated", 1),
        ("rebuilt", 1),
        ("merged", 1),
        ("closed", 2),
        ("reopened", 1),
    ] {
        let series = format!("highwater_pull_requests_total{{action=\"{action}\"}} {times}\n");
        assert!(text.contains(&series), "{series}{text}");
    }
    for series in [
        "highwater_commits_total 4\n",
        "highwater_pushes_total{result=\"success\"} 4\n",
    ] {
        assert!(text.contains(series), "{series}{text}");
    }
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_automations_shows_the_last_commit_and_the_open_pull_requests() {
    let mut fleet = fleet("listed").await;
    fleet.start(&[]);
    let proposing = Proposing::of(fleet, "listed", json!({})).await;
    let tracked = proposing.proposed("1.1.0").await;
    let commit = tracked["commit"].as_str().unwrap_or_default();
    let number = format!("#{}", tracked["number"]);
    let namespace = &proposing.fleet.namespace;
    let arguments = ["images", "update", "app", "--output"];
    let (code, table, _) = listed(
        installed(),
        namespace,
        &[&arguments[..], &["wide"]].concat(),
    );
    assert_eq!(code, 0);
    let table = rows(&table);
    let [headings, row] = table.as_slice() else {
        panic!("{table:#?}")
    };
    let cell = |heading: &str| {
        let at = headings.iter().position(|known| *known == heading);
        row[at.unwrap_or_else(|| panic!("no {heading} in {headings:?}"))]
    };
    assert_eq!(cell("LAST COMMIT"), &commit[..8]);
    assert_eq!(cell("PULL REQUESTS"), number);
    assert_eq!((cell("PENDING"), cell("DUE")), ("", ""));

    let (_, list, _) = listed(
        installed(),
        namespace,
        &[&arguments[..], &["json"]].concat(),
    );
    let list: Value = serde_json::from_str(&list).expect("JSON and nothing else");
    let status = &list["items"][0]["status"];
    assert_eq!(status["lastPushCommit"], commit);
    assert_eq!(status["pullRequests"], json!([tracked]));
}
