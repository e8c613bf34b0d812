//! How much a registry is asked: at once, in a second, and after it asked for less.

use super::{anonymous, login};
use crate::support::fake_registry::{FakeRegistry, Reply};
use highwater::adapters::registry::{Budget, ErrorClass, RegistryClient};
use highwater::domain::image::ImageName;
use highwater::domain::pace::Rate;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test]
async fn a_pause_asked_of_one_image_is_kept_by_all_of_the_same_login() {
    let registry = FakeRegistry::start(|seen| match seen.target.contains("/busy/") {
        true => Reply::error(429, "TOOMANYREQUESTS", "slow down").header("retry-after", "600"),
        false => Reply::tags("quiet", &["1"]),
    })
    .await;
    let client = RegistryClient::new();
    let list = async |image: &ImageName, access| client.list_tags(image, &access, &|_| true).await;
    let (busy, quiet) = (registry.image("busy"), registry.image("quiet"));
    let error = list(&busy, anonymous()).await.expect_err("it is refused");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));

    let error = list(&quiet, anonymous())
        .await
        .expect_err("it is not even asked");
    assert_eq!(error.class(), ErrorClass::RateLimited);
    let wait = error.retry_after().expect("the pause is known");
    assert!(
        wait <= Duration::from_secs(600) && wait > Duration::from_secs(500),
        "{wait:?}"
    );
    assert!(registry.seen("/v2/quiet/").is_empty());

    // Another login has a limit of its own.
    let listing = list(&quiet, login("somebody", "else")).await;
    assert_eq!(listing.expect("it is asked").tags.len(), 1);
}

#[tokio::test]
async fn what_is_left_of_a_limit_on_pulls_holds_up_no_tag_list() {
    let registry = FakeRegistry::start(|seen| match seen.target.contains("/manifests/") {
        true => Reply::new(200, "")
            .header("docker-content-digest", DIGEST)
            .header("ratelimit-limit", "100;w=21600")
            .header("ratelimit-remaining", "0;w=21600"),
        false => Reply::tags("app", &["1"]),
    })
    .await;
    let client = RegistryClient::new();
    let image = registry.image("app");
    let digest = client.resolve_digest(&image, "1", &anonymous()).await;
    assert_eq!(digest.expect("the first one is given"), DIGEST);
    let error = client
        .resolve_digest(&image, "2", &anonymous())
        .await
        .expect_err("nothing is left");
    assert_eq!(error.class(), ErrorClass::RateLimited);
    assert_eq!(registry.seen("/v2/app/manifests/").len(), 1);
    let listing = client.list_tags(&image, &anonymous(), &|_| true).await;
    assert!(listing.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn no_more_requests_are_in_progress_than_the_budget_allows() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, highest) = (Arc::clone(&now), Arc::clone(&most));
    let registry = FakeRegistry::start(move |_| {
        highest.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // Long enough for the others to come in, if they may.
        std::thread::sleep(Duration::from_millis(5));
        inside.fetch_sub(1, Ordering::SeqCst);
        Reply::tags("app", &["1"])
    })
    .await;
    let budget = Budget {
        at_once: 2,
        rate: None,
    };
    let client = Arc::new(RegistryClient::new().with_budget(budget));
    let image = registry.image("app");
    // The first finds out which scheme the registry speaks, which is no part of the budget.
    let first = client.list_tags(&image, &anonymous(), &|_| true).await;
    first.expect("it is listed");
    most.store(0, Ordering::SeqCst);
    let all = (0..24).map(|_| {
        let (client, image) = (Arc::clone(&client), image.clone());
        tokio::spawn(async move { client.list_tags(&image, &anonymous(), &|_| true).await })
    });
    for listing in futures::future::join_all(all).await {
        listing.expect("no panic").expect("it is listed");
    }
    assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
}

#[tokio::test]
async fn a_wait_for_the_rate_that_would_be_long_is_told_at_once() {
    let registry = FakeRegistry::start(|_| Reply::tags("app", &["1"])).await;
    let budget = Budget {
        rate: Rate::per_second(0.01),
        ..Budget::default()
    };
    let client = RegistryClient::new().with_budget(budget);
    let list = async || {
        client
            .list_tags(&registry.image("app"), &anonymous(), &|_| true)
            .await
    };
    assert!(list().await.is_ok());
    let error = list().await.expect_err("it would wait for 100 s");
    let wait = error.retry_after().expect("the wait is known");
    assert!(
        wait > Duration::from_secs(60) && wait <= Duration::from_secs(100),
        "{wait:?}"
    );
    assert_eq!(registry.seen("/v2/app/").len(), 1);
}
