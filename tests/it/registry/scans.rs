//! Scans that objects share, that are taken up where they broke off, and what they cost.

use super::{anonymous, login, shown};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen, wants_tokens};
use highwater::adapters::registry::{
    Access, ErrorClass, Freshness, Occurrence, RegistryClient, Scan, Tls,
};
use highwater::domain::image::ImageName;
use highwater::domain::tags::Exclusions;
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE: Freshness = Freshness::Within(Duration::from_secs(60));

fn exclusions(patterns: &[&str]) -> Exclusions {
    let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
    Exclusions::new(&patterns).expect("patterns")
}

async fn scan(client: &RegistryClient, image: &ImageName, freshness: Freshness) -> Scan {
    let none = exclusions(&[]);
    client.scan(image, &anonymous(), &none, freshness).await
}

fn tags(scan: Scan) -> String {
    shown(&scan.outcome.expect("a list"))
}

/// How often a tag list was asked for.
fn lists(registry: &FakeRegistry) -> usize {
    registry.seen("/v2/app/tags/list").len()
}

/// One tag, which the next request finds replaced.
fn counting() -> impl Fn(&Seen) -> Reply + Send + Sync {
    let count = AtomicUsize::new(0);
    move |seen| match seen.target.contains("/tags/list") {
        true => {
            let number = count.fetch_add(1, Ordering::SeqCst);
            // Long enough for the others to come, if they may.
            std::thread::sleep(Duration::from_millis(20));
            Reply::tags("app", &[number.to_string()])
        }
        false => Reply::json(&json!({})),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn scans_at_the_same_time_are_one_request() {
    let registry = FakeRegistry::start(counting()).await;
    let client = Arc::new(RegistryClient::new());
    let all = (0..30).map(|_| {
        let (client, image) = (Arc::clone(&client), registry.image("app"));
        tokio::spawn(async move { scan(&client, &image, MINUTE).await })
    });
    let scans: Vec<Scan> = futures::future::join_all(all)
        .await
        .into_iter()
        .map(|scan| scan.expect("no panic"))
        .collect();
    assert_eq!(lists(&registry), 1);
    let own: Vec<_> = scans.iter().filter(|scan| !scan.shared).collect();
    assert_eq!(own.len(), 1);
    assert_eq!((own[0].spent.requests, own[0].spent.pages), (1, 1));
    let shared = scans.iter().filter(|scan| scan.shared);
    assert!(shared.into_iter().all(|scan| scan.spent.requests == 0));
    assert!(scans.into_iter().all(|scan| tags(scan) == "0"));
}

#[tokio::test]
async fn a_list_is_shared_for_as_long_as_allowed_and_a_request_for_a_fresh_one_is_heeded() {
    let registry = FakeRegistry::start(counting()).await;
    let client = RegistryClient::new();
    let image = registry.image("app");
    assert_eq!(tags(scan(&client, &image, MINUTE).await), "0");
    assert_eq!(tags(scan(&client, &image, MINUTE).await), "0");
    assert_eq!(tags(scan(&client, &image, Freshness::Now).await), "1");
    // Whoever comes after it takes the newer one.
    assert_eq!(tags(scan(&client, &image, MINUTE).await), "1");
    let at_once = Freshness::Within(Duration::ZERO);
    assert_eq!(tags(scan(&client, &image, at_once).await), "2");
    assert_eq!(lists(&registry), 3);
}

#[tokio::test]
async fn nothing_is_shared_between_logins_authorities_or_plain_http() {
    let registry = FakeRegistry::start(counting()).await;
    let client = RegistryClient::new();
    let (image, none) = (registry.image("app"), exclusions(&[]));
    let authority = Tls {
        ca_pem: Some(include_bytes!("certificates/ca.pem").to_vec()),
        client: None,
    };
    let accesses = [
        anonymous(),
        login("alice", "secret"),
        login("alice", "other"),
        Access {
            insecure: true,
            ..anonymous()
        },
        Access {
            tls: authority,
            ..anonymous()
        },
    ];
    for round in 0..2 {
        for access in &accesses {
            let scan = client.scan(&image, access, &none, MINUTE).await;
            assert_eq!(scan.shared, round == 1);
            scan.outcome.expect("a list");
        }
    }
    assert_eq!(lists(&registry), accesses.len());
}

#[tokio::test]
async fn other_exclusions_are_applied_to_the_same_list() {
    let registry = FakeRegistry::start(|_| Reply::tags("app", &["1", "2", "1.sig", "2.att"])).await;
    let client = RegistryClient::new();
    let image = registry.image("app");
    for (patterns, expected) in [
        (&[r"\.sig$"][..], "2.att 2 1"),
        (&[r"\.att$"], "2 1.sig 1"),
        (&[], "2.att 2 1.sig 1"),
        (&["^1"], "2.att 2"),
    ] {
        let exclusions = exclusions(patterns);
        let scan = client.scan(&image, &anonymous(), &exclusions, MINUTE).await;
        assert_eq!(tags(scan), expected, "{patterns:?}");
    }
    assert_eq!(lists(&registry), 1);
}

/// Five pages, `page-0` to `page-4`, of which the third fails while `failing`.
fn five_pages(
    failing: Arc<AtomicBool>,
    failure: impl Fn() -> Reply + Send + Sync,
) -> impl Fn(&Seen) -> Reply + Send + Sync {
    move |seen| {
        let page: usize = seen.query("last").parse().unwrap_or(0);
        if page == 2 && failing.load(Ordering::SeqCst) {
            return failure();
        }
        let reply = Reply::tags("app", &[format!("page-{page}")]);
        match page {
            4 => reply,
            _ => reply.header("link", format!("<?n=1&last={}>; rel=next", page + 1)),
        }
    }
}

const FIVE: &str = "page-4 page-3 page-2 page-1 page-0";

/// The pages that were asked for, in order.
fn asked(registry: &FakeRegistry) -> Vec<String> {
    let seen = registry.seen("/v2/app/tags/list");
    seen.iter().map(|seen| seen.query("last")).collect()
}

#[tokio::test]
async fn a_listing_that_broke_off_goes_on_at_the_page_that_failed() {
    for failure in [
        || Reply::new(503, "") as Reply,
        || Reply::broken(r#"{"name":"app","tags":["page-2","#),
        || Reply::new(429, "").header("retry-after", "0"),
    ] {
        let failing = Arc::new(AtomicBool::new(true));
        let registry = FakeRegistry::start(five_pages(Arc::clone(&failing), failure)).await;
        let client = RegistryClient::new();
        let image = registry.image("app");
        for _ in 0..2 {
            let broken = scan(&client, &image, MINUTE).await;
            assert!(broken.outcome.is_err(), "a part is no list");
        }
        failing.store(false, Ordering::SeqCst);
        let whole = scan(&client, &image, MINUTE).await;
        assert_eq!(whole.spent.resumed_at, Some(3));
        assert_eq!((whole.spent.requests, whole.spent.pages), (3, 3));
        assert_eq!(tags(whole), FIVE);
        assert_eq!(asked(&registry), ["", "1", "2", "2", "2", "3", "4"]);
        // The next one begins at the beginning.
        assert_eq!(tags(scan(&client, &image, Freshness::Now).await), FIVE);
        assert_eq!(asked(&registry)[7..], ["", "1", "2", "3", "4"]);
    }
}

#[tokio::test]
async fn who_asks_for_the_present_state_gets_no_old_pages() {
    let failing = Arc::new(AtomicBool::new(true));
    let answer = five_pages(Arc::clone(&failing), || Reply::new(503, ""));
    let registry = FakeRegistry::start(answer).await;
    let client = RegistryClient::new();
    let image = registry.image("app");
    let broken = scan(&client, &image, MINUTE).await;
    assert!(broken.outcome.is_err());
    failing.store(false, Ordering::SeqCst);
    let whole = scan(&client, &image, Freshness::Now).await;
    assert_eq!(whole.spent.resumed_at, None);
    assert_eq!(tags(whole), FIVE);
    assert_eq!(asked(&registry)[3..], ["", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_cursor_that_the_registry_no_longer_knows_begins_the_list_anew() {
    for status in [400, 404] {
        let asked_twice = AtomicUsize::new(0);
        let registry = FakeRegistry::start(move |seen| match seen.query("last").as_str() {
            "" => Reply::tags("app", &["1"]).header("link", "<?n=1&last=a>; rel=next"),
            "a" => match asked_twice.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::new(503, ""),
                1 => Reply::error(status, "PAGINATION_NUMBER_INVALID", "no such cursor"),
                _ => Reply::tags("app", &["2"]),
            },
            other => panic!("no such cursor: {other}"),
        })
        .await;
        let client = RegistryClient::new();
        let image = registry.image("app");
        assert!(scan(&client, &image, MINUTE).await.outcome.is_err());
        assert_eq!(tags(scan(&client, &image, MINUTE).await), "2 1");
        assert_eq!(asked(&registry), ["", "a", "a", "", "a"]);
    }
}

#[tokio::test]
async fn a_scan_that_runs_out_of_time_is_taken_up_by_the_next() {
    let hangs = Arc::new(AtomicBool::new(true));
    let answer = five_pages(Arc::clone(&hangs), || Reply::stuck(r#"{"name":"app","#));
    let registry = FakeRegistry::start(answer).await;
    let client = RegistryClient::new();
    let (image, none) = (registry.image("app"), exclusions(&[]));
    let short = Access::anonymous(Duration::from_millis(700));
    let late = client.scan(&image, &short, &none, MINUTE).await;
    let error = late.outcome.expect_err("it hangs");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert_eq!(late.spent.pages, 2);
    hangs.store(false, Ordering::SeqCst);
    let whole = client.scan(&image, &anonymous(), &none, MINUTE).await;
    assert_eq!(whole.spent.resumed_at, Some(3));
    assert_eq!(tags(whole), FIVE);
}

#[tokio::test]
async fn a_token_that_dies_in_the_middle_costs_one_page_and_one_token() {
    let (given, used) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let registry = FakeRegistry::start(wants_tokens(
        move |_| {
            let token = format!("t{}", given.fetch_add(1, Ordering::SeqCst));
            Reply::json(&json!({"token": token, "expires_in": 600}))
        },
        // The first token is good for two pages.
        move |token| token == "t1" || used.fetch_add(1, Ordering::SeqCst) < 2,
        five_pages(Arc::default(), || Reply::new(500, "")),
    ))
    .await;
    let client = RegistryClient::new();
    let scan = scan(&client, &registry.image("app"), MINUTE).await;
    // Refused without a token, refused once more at the third page, two tokens, five pages.
    assert_eq!((scan.spent.requests, scan.spent.pages), (9, 5));
    assert_eq!(tags(scan), FIVE);
    assert_eq!(asked(&registry), ["", "", "1", "2", "2", "3", "4"]);
}

#[tokio::test]
async fn everything_that_happens_is_told_and_counted() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    let client = RegistryClient::new().with_observer(Arc::new(move |occurrence| {
        let line = match occurrence {
            Occurrence::Answer { kind, status, .. } => format!("{kind} {status}"),
            Occurrence::NoAnswer { kind, .. } => format!("{kind} nothing"),
            Occurrence::HeldBack { kind, .. } => format!("{kind} held back"),
            Occurrence::Pause { wait, .. } => format!("pause {}", wait.as_secs()),
            Occurrence::Received { kind, bytes, .. } => format!("{kind} {bytes} bytes"),
            Occurrence::Shared { .. } => "shared".to_owned(),
        };
        ear.lock().expect("no panic").push(line);
    }));
    let registry = FakeRegistry::start(wants_tokens(
        |_| Reply::json(&json!({"token": "good", "expires_in": 600})),
        |token| token == "good",
        |seen| match seen.target.contains("busy") {
            true => Reply::new(429, "").header("retry-after", "77"),
            false => Reply::new(200, r#"{"name":"app","tags":["1","2","3.sig"]}"#)
                .header("ratelimit-limit", "100;w=60")
                .header("ratelimit-remaining", "76;w=60"),
        },
    ))
    .await;
    let (image, own) = (registry.image("app"), exclusions(&[r"\.sig$"]));
    let first = client.scan(&image, &anonymous(), &own, MINUTE).await;
    let spent = first.spent;
    assert_eq!((spent.requests, spent.pages, spent.tags), (3, 1, 3));
    assert_eq!(spent.bytes, 39);
    let limit = spent.limit.expect("it was told");
    assert_eq!((limit.remaining, limit.limit), (76, Some(100)));
    client.scan(&image, &anonymous(), &own, MINUTE).await;
    for _ in 0..2 {
        let busy = scan(&client, &registry.image("busy"), MINUTE).await;
        assert!(busy.outcome.is_err());
    }
    assert_eq!(
        *told.lock().expect("no panic"),
        [
            "tags 401",
            "token 200",
            "tags 200",
            "tags 39 bytes",
            "shared",
            "token 200",
            "tags 429",
            "pause 77",
            "tags held back",
        ]
    );
}
