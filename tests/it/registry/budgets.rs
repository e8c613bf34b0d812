//! How much a registry is asked: at once, in a second, and after it asked for less.

use super::{anonymous, login};
use crate::support::fake_registry::{FakeRegistry, Reply};
use highwater::adapters::registry::{ErrorClass, RegistryClient};
use highwater::domain::image::ImageName;
use highwater::domain::pace::Rate;
use highwater::domain::registry_settings::{RegistryLimits, RegistrySettings};
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
    let settings = RegistrySettings::new(RegistryLimits {
        at_once: 2,
        ..RegistryLimits::default()
    });
    let client = Arc::new(RegistryClient::new().with_settings(settings));
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
    let settings = RegistrySettings::new(RegistryLimits {
        rate: Rate::per_second(0.01),
        ..RegistryLimits::default()
    });
    let client = RegistryClient::new().with_settings(settings);
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

/// A registry whose answers say what is left of a limit.
async fn limited(fields: &'static [(&'static str, &'static str)]) -> FakeRegistry {
    FakeRegistry::start(move |seen| {
        let name = seen.target.split('/').nth(2).unwrap_or_default();
        fields
            .iter()
            .fold(Reply::tags(name, &["1"]), |reply, (name, value)| {
                reply.header(name, *value)
            })
    })
    .await
}

#[tokio::test]
async fn what_is_left_of_a_limit_is_spread_over_its_window_in_every_form() {
    // Each wait is the window divided by one more than what is left.
    for (fields, seconds) in [
        (
            // Docker Hub's.
            &[
                ("ratelimit-limit", "100;w=21600"),
                ("ratelimit-remaining", "11;w=21600"),
            ][..],
            1800,
        ),
        (
            &[
                ("ratelimit-limit", "60, 60;w=60"),
                ("ratelimit-remaining", "0"),
                ("ratelimit-reset", "40"),
            ],
            40,
        ),
        (
            // The examples of draft-ietf-httpapi-ratelimit-headers, with less left.
            &[
                ("ratelimit", "\"default\";r=1;t=30"),
                ("ratelimit-policy", "\"default\";q=100;w=60"),
            ],
            15,
        ),
        (
            &[
                ("x-ratelimit-limit", "60"),
                ("x-ratelimit-remaining", "3"),
                ("x-ratelimit-reset", "200"),
            ],
            50,
        ),
    ] {
        let registry = limited(fields).await;
        let client = RegistryClient::new();
        let list = async |name: &str| {
            client
                .list_tags(&registry.image(name), &anonymous(), &|_| true)
                .await
        };
        list("one").await.expect("the first is not held up");
        let error = list("two").await.expect_err("it would have to wait");
        let wait = error.retry_after().expect("the wait is known");
        let expected = Duration::from_secs(seconds);
        assert!(
            wait <= expected && wait + Duration::from_secs(10) > expected,
            "{fields:?}: {wait:?}"
        );
        assert!(registry.seen("/v2/two/").is_empty(), "{fields:?}");
    }
}

#[tokio::test]
async fn plenty_that_is_left_holds_up_nobody() {
    let registry = limited(&[
        ("ratelimit-limit", "100;w=21600"),
        ("ratelimit-remaining", "76;w=21600"),
    ])
    .await;
    let client = RegistryClient::new();
    for name in ["one", "two", "three"] {
        let image = registry.image(name);
        let listing = client.list_tags(&image, &anonymous(), &|_| true).await;
        assert!(listing.is_ok());
    }
}

#[tokio::test]
async fn both_forms_of_retry_after_hold_up_the_next_request() {
    for field in ["120", "Sat, 06 Nov 2094 08:49:37 GMT"] {
        let registry =
            FakeRegistry::start(move |_| Reply::new(429, "").header("retry-after", field)).await;
        let client = RegistryClient::new();
        for _ in 0..3 {
            let error = client
                .list_tags(&registry.image("app"), &anonymous(), &|_| true)
                .await
                .expect_err("it wants a pause");
            let wait = error.retry_after().expect("the pause is known");
            assert!(wait > Duration::from_secs(60), "{field}: {wait:?}");
        }
        assert_eq!(registry.seen("/v2/app/").len(), 1, "{field}");
    }
}

#[tokio::test]
async fn a_registry_in_the_file_has_limits_of_its_own() {
    let tags = |seen: &crate::support::fake_registry::Seen| {
        Reply::tags("app", &[seen.query("n"), "a".to_owned(), "b".to_owned()])
    };
    let (named, other) = (
        FakeRegistry::start(tags).await,
        FakeRegistry::start(tags).await,
    );
    let file = format!(
        "registries:\n- host: '{}'\n  pageSize: 50\n  maxTags: 2\n",
        named.address()
    );
    let limits = RegistryLimits::default();
    let settings = RegistrySettings::parse("r.yaml", file.as_bytes(), limits).expect("a file");
    let client = RegistryClient::new().with_settings(settings);
    let list = async |image: ImageName| client.list_tags(&image, &anonymous(), &|_| true).await;
    let listing = list(other.image("app")).await.expect("a list");
    assert!(listing.tags.contains("1000"));
    let error = list(named.image("app")).await.expect_err("it is too long");
    assert!(error.is_too_long());
    assert!(
        error.to_string().contains("more than 2 tags")
            && error.to_string().contains("hint: leave tags out"),
        "{error}"
    );
    assert_eq!(named.seen("/v2/app/tags/list?n=50").len(), 1);
}

#[test]
fn the_example_of_the_file_says_what_its_comments_say() {
    let text = include_bytes!("../../../examples/registry-limits/registries.yaml");
    let limits = RegistryLimits::default();
    let settings = RegistrySettings::parse("registries.yaml", text, limits).expect("it is read");
    let hub = settings.of("index.docker.io");
    assert_eq!((hub.at_once, hub.page_size), (2, 100));
    assert_eq!(hub.rate, Rate::per_second(5.0));
    assert_eq!(settings.of("team.azurecr.io").tags, 50_000);
    assert!(settings.of("harbor.example.com:8443").read_manifests);
    assert_eq!(settings.of("ghcr.io"), limits);
    assert_eq!((limits.page_size, limits.tags), (1000, 5_000_000));
}
