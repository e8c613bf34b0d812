//! `ETag` and 304 for tag lists.

use super::{anonymous, login, shown};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use highwater::adapters::registry::{Freshness, RegistryClient, Scan};
use highwater::domain::image::ImageName;
use highwater::domain::tags::Exclusions;
use std::sync::{Arc, Mutex};

/// Pages of tags, each with an `ETag` over its content.
type Content = Arc<Mutex<Vec<Vec<&'static str>>>>;

fn content(pages: &[&[&'static str]]) -> Content {
    Arc::new(Mutex::new(pages.iter().map(|page| page.to_vec()).collect()))
}

fn etag(page: &[&str]) -> String {
    format!("W/\"{}\"", page.join("-"))
}

/// Serves the pages, and 304 to whoever knows one.
fn serve(content: &Content) -> impl Fn(&Seen) -> Reply + Send + Sync + use<> {
    let content = Arc::clone(content);
    move |seen| {
        let pages = content.lock().expect("no panic");
        let index: usize = seen.query("page").parse().unwrap_or(0);
        let page = &pages[index];
        if seen.header("if-none-match") == etag(page) {
            return Reply::new(304, "").header("etag", etag(page));
        }
        let reply = Reply::tags("app", page).header("etag", etag(page));
        match index + 1 == pages.len() {
            true => reply,
            false => reply.header("link", format!("<?page={}>; rel=next", index + 1)),
        }
    }
}

async fn scan(client: &RegistryClient, image: &ImageName, exclusions: &[&str]) -> Scan {
    let patterns: Vec<String> = exclusions.iter().map(|text| (*text).to_owned()).collect();
    let exclusions = Exclusions::new(&patterns).expect("patterns");
    client
        .scan(image, &anonymous(), &exclusions, Freshness::Now)
        .await
}

fn cost(scan: &Scan) -> (u64, u64, u64) {
    let spent = scan.spent;
    (spent.requests, spent.pages, spent.not_modified)
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_not_sent_again() {
    let content = content(&[&["1", "2"], &["3", "4"], &["5"]]);
    let registry = FakeRegistry::start(serve(&content)).await;
    let client = RegistryClient::new();
    let image = registry.image("app");
    let first = scan(&client, &image, &[]).await;
    assert_eq!(cost(&first), (3, 3, 0));
    let first = first.outcome.expect("a list");
    for _ in 0..2 {
        let again = scan(&client, &image, &[]).await;
        assert_eq!(cost(&again), (3, 3, 3));
        assert_eq!(again.spent.bytes, 0);
        let again = again.outcome.expect("a list");
        assert_eq!(again.tags, first.tags);
        assert_eq!((again.sent, again.pages), (5, 3));
    }
}

#[tokio::test]
async fn a_list_that_has_changed_anywhere_is_read_anew() {
    for (changed, expected, requests) in [
        // The first page's answer is the first page of the new list.
        (&[&["0", "2"][..], &["3", "4"], &["5"]][..], "5 4 3 2 0", 3),
        (&[&["1", "2"], &["3", "9"], &["5"]], "9 5 3 2 1", 1 + 1 + 3),
        (&[&["1", "2"], &["3", "4"], &["6"]], "6 4 3 2 1", 3 + 3),
        // A page more, behind a last page that grew.
        (
            &[&["1", "2"], &["3", "4"], &["5", "6"], &["7"]],
            "7 6 5 4 3 2 1",
            3 + 4,
        ),
        // Fewer pages.
        (&[&["1"]], "1", 1),
    ] {
        let pages = content(&[&["1", "2"], &["3", "4"], &["5"]]);
        let registry = FakeRegistry::start(serve(&pages)).await;
        let client = RegistryClient::new();
        let image = registry.image("app");
        scan(&client, &image, &[]).await.outcome.expect("a list");
        *pages.lock().expect("no panic") = changed.iter().map(|page| page.to_vec()).collect();
        let again = scan(&client, &image, &[]).await;
        assert_eq!(again.spent.requests, requests, "{changed:?}");
        assert_eq!(shown(&again.outcome.expect("a list")), expected);
        // And that is what is known from now on.
        let unchanged = scan(&client, &image, &[]).await;
        assert_eq!(unchanged.spent.not_modified, changed.len() as u64);
        assert_eq!(shown(&unchanged.outcome.expect("a list")), expected);
    }
}

#[tokio::test]
async fn validators_are_those_of_one_login_and_one_list_of_exclusions() {
    let content = content(&[&["1", "2", "1.sig"]]);
    let registry = FakeRegistry::start(serve(&content)).await;
    let client = RegistryClient::new();
    let image = registry.image("app");
    for (patterns, expected) in [(&[][..], "2 1.sig 1"), (&[r"\.sig$"], "2 1")] {
        for not_modified in [0, 1] {
            let scan = scan(&client, &image, patterns).await;
            assert_eq!(scan.spent.not_modified, not_modified);
            assert_eq!(shown(&scan.outcome.expect("a list")), expected);
        }
    }
    let none = Exclusions::new(&[]).expect("no patterns");
    let other = client
        .scan(&image, &login("a", "password"), &none, Freshness::Now)
        .await;
    assert_eq!(other.spent.not_modified, 0);
}

#[tokio::test]
async fn a_failure_on_the_way_forgets_nothing() {
    let content = content(&[&["1"]]);
    let failing = Arc::new(Mutex::new(false));
    let (serve, fails) = (serve(&content), Arc::clone(&failing));
    let registry = FakeRegistry::start(move |seen| match *fails.lock().expect("no panic") {
        true => Reply::new(500, ""),
        false => serve(seen),
    })
    .await;
    let client = RegistryClient::new();
    let image = registry.image("app");
    scan(&client, &image, &[]).await.outcome.expect("a list");
    *failing.lock().expect("no panic") = true;
    assert!(scan(&client, &image, &[]).await.outcome.is_err());
    *failing.lock().expect("no panic") = false;
    let again = scan(&client, &image, &[]).await;
    assert_eq!(cost(&again), (1, 1, 1));
    assert_eq!(shown(&again.outcome.expect("a list")), "1");
}

#[tokio::test]
async fn nothing_modified_that_nobody_asked_about_is_an_error() {
    let registry = FakeRegistry::start(|_| Reply::new(304, "")).await;
    let client = RegistryClient::new();
    let scan = scan(&client, &registry.image("app"), &[]).await;
    let error = scan.outcome.expect_err("there is no list");
    assert!(error.to_string().contains("answered 304"), "{error}");
}
