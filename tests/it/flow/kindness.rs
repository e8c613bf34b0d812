//! How little the program asks of registries, and what it says of that.

use super::telling::{address, get};
use super::{EAGER, fleet};
use crate::crds::installed;
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use crate::support::fleet::{Fleet, condition, message};
use crate::support::highwater::highwater;
use crate::support::process::temporary_folder;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const LIST: &str = "/v2/app/tags/list";

/// An ImageRepository of a fake.
fn repository(fake: &FakeRegistry, exclusions: &[&str]) -> Value {
    let image = fake.image("app").as_str().to_owned();
    json!({"spec": {"image": image, "interval": "1h", "insecure": true, "exclusionList": exclusions}})
}

/// An ImageRepository with its ImagePolicy, both called `app`.
async fn followed(fleet: &Fleet, fake: &FakeRegistry) {
    fleet
        .apply("ImageRepository", "app", repository(fake, &[]))
        .await;
    fleet
        .apply("ImagePolicy", "app", fleet.image_policy("app"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_of_one_image_share_a_scan_and_a_request_by_a_person_makes_one() {
    let count = Arc::new(AtomicUsize::new(0));
    let fake = FakeRegistry::start(move |seen| match seen.target.contains("/tags/list") {
        true => {
            let number = count.fetch_add(1, Ordering::SeqCst);
            Reply::tags("app", &[format!("1.{number}.0"), "1.sig".to_owned()])
        }
        false => Reply::json(&json!({})),
    })
    .await;
    let mut fleet = fleet("shared-scan").await;
    let names = ["one", "two", "three", "four"];
    for name in names {
        let exclusions: &[&str] = if name == "four" { &["sig$"] } else { &[] };
        let object = repository(&fake, exclusions);
        fleet.apply("ImageRepository", name, object).await;
    }
    fleet.start(&["--concurrent=1"]);
    let mut shared = 0;
    for name in names {
        let object = fleet.ready("ImageRepository", name).await;
        let scan = &object["status"]["lastScanResult"];
        let tags = if name == "four" {
            json!(["1.0.0"])
        } else {
            json!(["1.sig", "1.0.0"])
        };
        assert_eq!(scan["latestTags"], tags, "{name}");
        let spent = &object["status"]["spent"];
        shared += usize::from(spent["shared"] == true);
        assert_eq!(spent["requests"] == 0, spent["shared"] == true, "{spent}");
    }
    assert_eq!((shared, fake.seen(LIST).len()), (3, 1));

    let object = fleet.reconcile("ImageRepository", "two").await;
    assert_eq!(
        object["status"]["lastScanResult"]["latestTags"],
        json!(["1.sig", "1.1.0"])
    );
    assert_eq!(object["status"]["spent"]["requests"], 1);
    assert_eq!(fake.seen(LIST).len(), 2);
    fleet.assert_no_panic();
}

/// Three pages; of the third only every second request is answered with anything but 429.
fn three_pages() -> impl Fn(&Seen) -> Reply + Send + Sync {
    let (lists, thirds) = (AtomicUsize::new(0), AtomicUsize::new(0));
    move |seen| match (seen.target.starts_with(LIST), seen.query("last").as_str()) {
        (false, _) => Reply::json(&json!({})),
        (true, "") => {
            // From the second list on there is a newer tag on the first page.
            let newest = if lists.fetch_add(1, Ordering::SeqCst) == 0 {
                "1.0.0"
            } else {
                "1.9.0"
            };
            Reply::tags("app", &[newest]).header("link", "<?n=1&last=a>; rel=next")
        }
        (true, "a") => Reply::tags("app", &["1.1.0"]).header("link", "<?n=1&last=b>; rel=next"),
        _ => match thirds.fetch_add(1, Ordering::SeqCst) {
            1 => Reply::error(429, "TOOMANYREQUESTS", "slow down").header("retry-after", "2"),
            _ => Reply::tags("app", &["1.2.0"]),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_list_never_replaces_the_whole_and_is_taken_up_where_it_ended() {
    let fake = FakeRegistry::start(three_pages()).await;
    let mut fleet = fleet("part-of-a-list").await;
    fleet.start(&EAGER);
    followed(&fleet, &fake).await;
    let policy = fleet.ready("ImagePolicy", "app").await;
    assert_eq!(policy["status"]["latestRef"]["tag"], "1.2.0");
    let good = fleet.ready("ImageRepository", "app").await;

    let object = fleet.reconcile("ImageRepository", "app").await;
    let status = &object["status"];
    assert_eq!(condition(&object, "Ready")["status"], "False");
    let words = message(&object);
    assert!(
        words.starts_with("scan failed: ")
            && words.contains("asks for fewer requests, and to wait for 2 s"),
        "{words}"
    );
    assert_eq!(status["lastScanResult"], good["status"]["lastScanResult"]);
    assert_eq!(
        (&status["spent"]["requests"], &status["spent"]["pages"]),
        (&json!(3), &json!(2))
    );
    assert!(status["spent"]["pausedUntil"].is_string(), "{status}");
    let policy = fleet.get("ImagePolicy", "app").await.unwrap_or_default();
    assert_eq!(policy["status"]["latestRef"]["tag"], "1.2.0");

    let whole = |object: &Value| object["status"]["lastScanResult"]["tagCount"] == 3;
    let newest = |object: &Value| {
        object["status"]["lastScanResult"]["latestTags"] == json!(["1.9.0", "1.2.0", "1.1.0"])
    };
    let object = fleet
        .wait("ImageRepository", "app", "the whole new list", |object| {
            whole(object) && newest(object)
        })
        .await;
    assert_eq!(object["status"]["spent"]["resumedAtPage"], 3);
    let pages: Vec<_> = fake
        .seen(LIST)
        .iter()
        .map(|seen| seen.query("last"))
        .collect();
    assert_eq!(pages, ["", "a", "b", "", "a", "b", "b"]);
    fleet
        .wait("ImagePolicy", "app", "1.9.0", |object| {
            object["status"]["latestRef"]["tag"] == "1.9.0"
        })
        .await;
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_too_long_is_told_and_nothing_is_selected_from_a_part_of_it() {
    let most = Arc::new(AtomicUsize::new(3));
    let now = Arc::clone(&most);
    let fake = FakeRegistry::start(move |seen| match seen.target.starts_with(LIST) {
        true => {
            let tags: Vec<_> = (0..now.load(Ordering::SeqCst))
                .map(|number| format!("1.{number}.0"))
                .collect();
            Reply::tags("app", &tags)
                .header("ratelimit-limit", "100;w=60")
                .header("ratelimit-remaining", "76;w=60")
        }
        false => Reply::json(&json!({})),
    })
    .await;
    let file = temporary_folder("limits").join("registries.yaml");
    let limits = format!(
        "registries:\n- {{host: '{}', maxTags: 3}}\n",
        fake.address()
    );
    std::fs::write(&file, limits).expect("it is written");
    let mut fleet = fleet("too-long").await;
    fleet.start(&[&format!("--registry-config={}", file.display())]);
    let metrics = address(&mut fleet, "metrics");
    followed(&fleet, &fake).await;
    let policy = fleet.ready("ImagePolicy", "app").await;
    assert_eq!(policy["status"]["latestRef"]["tag"], "1.2.0");
    let good = fleet.ready("ImageRepository", "app").await;

    most.store(4, Ordering::SeqCst);
    let object = fleet.reconcile("ImageRepository", "app").await;
    assert_eq!(condition(&object, "Ready")["reason"], "ReadOperationFailed");
    let words = message(&object);
    assert!(
        words.contains("the tag list has more than 3 tags"),
        "{words}"
    );
    assert!(
        words.contains("hint: leave tags out with `spec.exclusionList`"),
        "{words}"
    );
    assert_eq!(
        object["status"]["lastScanResult"],
        good["status"]["lastScanResult"]
    );
    let after = fleet.reconcile("ImagePolicy", "app").await;
    assert_eq!(after["status"]["latestRef"]["tag"], "1.2.0");
    told_what_was_spent(&fleet, &metrics, &fake).await;
    fleet.assert_no_panic();
}

/// Metrics and the command line tell the same.
async fn told_what_was_spent(fleet: &Fleet, metrics: &str, fake: &FakeRegistry) {
    let (_, text) = get(metrics, "/metrics").await;
    let lists = fake.seen(LIST).len();
    let host = fake.address();
    let series = format!(
        r#"highwater_registry_requests_total{{host="{host}",kind="tags",status="200"}} {lists}"#
    );
    assert!(text.contains(&series), "{series}\n{text}");
    let output = highwater()
        .args(["get", "images", "repository", "-o", "wide"])
        .args(["--namespace", &fleet.namespace, "--kubeconfig"])
        .arg(installed().kubeconfig_path())
        .output()
        .expect("it runs");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split('\t').map(str::trim).collect())
        .collect();
    assert_eq!(
        rows[0][4..],
        ["MESSAGE", "REQUESTS", "PAGES", "TAGS", "LIMIT", "NEXT SCAN"],
        "{table}"
    );
    assert_eq!(rows[1][5..9], ["1", "0", "0", "76/100"], "{table}");
}
