//! Paging, and what counts as a complete list.

use super::{anonymous, list, shown};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use highwater::adapters::registry::{
    AnswerProblem, ErrorClass, Limits, Listing, RegistryClient, RegistryError,
};
use highwater::domain::registry_settings::{RegistryLimits, RegistrySettings};
use std::time::Duration;

/// Three pages behind cursors that mean nothing to a client. `link` writes the field for a cursor.
fn pages(link: fn(&Seen, &str) -> String) -> impl Fn(&Seen) -> Reply + Send + Sync {
    move |seen| {
        let (tags, next) = match seen.query("next_page").as_str() {
            "" => (["1", "2"], Some("gAAAAA_b=")),
            "gAAAAA_b=" => (["3", "4"], Some("0/x+y")),
            "0/x+y" => (["4", "5"], None),
            other => panic!("no such cursor: {other}"),
        };
        let reply = Reply::tags("app", &tags);
        match next {
            Some(cursor) => {
                let cursor: String =
                    url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
                reply.header(
                    "link",
                    link(
                        seen,
                        &format!("/v2/app/tags/list?n=1000&next_page={cursor}"),
                    ),
                )
            }
            None => reply,
        }
    }
}

async fn whole(link: fn(&Seen, &str) -> String) -> (Listing, Vec<String>) {
    let registry = FakeRegistry::start(pages(link)).await;
    let listing = list(&registry.image("app"), &anonymous())
        .await
        .expect("a list");
    let targets = registry
        .seen("/v2/app/")
        .into_iter()
        .map(|seen| seen.target);
    (listing, targets.collect())
}

async fn problem(link: fn(&Seen, &str) -> String) -> AnswerProblem {
    let registry = FakeRegistry::start(pages(link)).await;
    match list(&registry.image("app"), &anonymous()).await {
        Err(RegistryError::Answer { problem, .. }) => problem,
        other => panic!("expected an unusable answer, got {other:?}"),
    }
}

#[tokio::test]
async fn opaque_cursors_are_followed_to_the_end() {
    let (listing, targets) = whole(|_, path| format!("<{path}>; rel=\"next\"")).await;
    assert_eq!(shown(&listing), "5 4 3 2 1");
    assert_eq!((listing.pages, listing.sent, listing.malformed), (3, 6, 0));
    assert_eq!(
        targets,
        [
            "/v2/app/tags/list?n=1000",
            "/v2/app/tags/list?n=1000&next_page=gAAAAA_b%3D",
            "/v2/app/tags/list?n=1000&next_page=0%2Fx%2By",
        ]
    );
}

#[tokio::test]
async fn a_next_page_may_be_written_as_a_whole_url_with_or_without_the_port() {
    for link in [
        (|seen, path| format!("<http://{}{path}>; rel=\"next\"", seen.header("host")))
            as fn(&Seen, &str) -> String,
        |_, path| format!("<http://127.0.0.1{path}>; rel=next"),
        // A proxy that ends TLS, before a registry that knows only its inner port.
        |_, path| format!("<https://127.0.0.1:5000{path}>; rel=\"next\""),
        |_, path| {
            format!(
                "<?{}>; rel=\"next\"",
                path.split_once('?').expect("a query").1
            )
        },
        |_, path| format!("<{path}>"),
    ] {
        let (listing, _) = whole(link).await;
        assert_eq!(shown(&listing), "5 4 3 2 1");
    }
}

#[tokio::test]
async fn a_next_page_elsewhere_or_again_is_an_error() {
    assert_eq!(
        problem(|_, path| format!("<http://registry.example{path}>; rel=\"next\"")).await,
        AnswerProblem::ForeignLink("registry.example".to_owned())
    );
    assert_eq!(
        problem(|_, _| "</v2/app/tags/list?n=1000>; rel=\"next\"".to_owned()).await,
        AnswerProblem::LinkLoop
    );
    assert!(matches!(
        problem(|_, path| format!("{path}; rel=next")).await,
        AnswerProblem::Link(_)
    ));
}

#[tokio::test]
async fn a_list_whose_third_page_fails_is_no_list() {
    let registry = FakeRegistry::start(|seen| match seen.query("last").as_str() {
        "" => Reply::tags("app", &["9"]).header("link", "</v2/app/tags/list?last=9>; rel=\"next\""),
        "9" => {
            Reply::tags("app", &["8"]).header("link", "</v2/app/tags/list?last=8>; rel=\"next\"")
        }
        _ => Reply::error(429, "TOOMANYREQUESTS", "slow down").header("retry-after", "17"),
    })
    .await;
    let error = list(&registry.image("app"), &anonymous())
        .await
        .expect_err("page 3 failed");
    assert_eq!(error.class(), ErrorClass::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(17)));
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` asks for fewer requests, and to wait for 17 s: TOOMANYREQUESTS: slow down",
            registry.address()
        )
    );
}

#[tokio::test]
async fn a_registry_that_passes_over_its_own_cursors_is_found_out() {
    // `last=` is ignored: the same page for ever. The cursor is the last tag, or something new each time.
    for invents in [false, true] {
        let registry = FakeRegistry::start(move |seen| {
            let page: usize = seen.query("page").parse().unwrap_or(0);
            let link = match invents {
                true => format!("</v2/app/tags/list?n=2&last=2&page={}>; rel=next", page + 1),
                false => "</v2/app/tags/list?n=2&last=2>; rel=next".to_owned(),
            };
            Reply::tags("app", &["1", "2"]).header("link", link)
        })
        .await;
        let error = list(&registry.image("app"), &anonymous())
            .await
            .expect_err("no list");
        let problem = AnswerProblem::RepeatedPage;
        let host = registry.address();
        assert_eq!(error, RegistryError::Answer { host, problem });
        assert_eq!(registry.seen("/v2/app/").len(), 2);
    }
}

#[tokio::test]
async fn empty_pages_on_the_way_are_no_end() {
    let registry = FakeRegistry::start(|seen| match seen.query("last").as_str() {
        "" => Reply::tags("app", &["1"]).header("link", "<?last=1>; rel=next"),
        "1" => Reply::tags::<&str>("app", &[]).header("link", "<?last=2>; rel=next"),
        "2" => Reply::tags::<&str>("app", &[]).header("link", "<?last=3>; rel=next"),
        _ => Reply::tags("app", &["4"]),
    })
    .await;
    let listing = list(&registry.image("app"), &anonymous()).await;
    assert_eq!(shown(&listing.expect("a list")), "4 1");
}

#[tokio::test]
async fn a_list_counts_whatever_type_it_says_it_has() {
    for kind in ["text/plain", "text/html; charset=utf-8", "nonsense", ""] {
        let registry = FakeRegistry::start(move |_| {
            Reply::new(200, r#"{"name":"app","tags":["1"]}"#).header("content-type", kind)
        })
        .await;
        let listing = list(&registry.image("app"), &anonymous()).await;
        assert_eq!(shown(&listing.expect("a list")), "1", "{kind:?}");
    }
}

#[tokio::test]
async fn a_registry_without_tags_has_an_empty_list() {
    for body in [
        r#"{"name":"app","tags":null}"#,
        r#"{"name":"app","tags":[]}"#,
    ] {
        let registry = FakeRegistry::start(move |_| Reply::new(200, body)).await;
        let listing = list(&registry.image("app"), &anonymous())
            .await
            .expect("a list");
        assert!(listing.tags.is_empty());
    }
}

#[tokio::test]
async fn unwanted_and_malformed_tags_are_left_out_and_counted() {
    let registry = FakeRegistry::start(|_| {
        Reply::tags("app", &["1.0", "sha256-1.sig", "a b", "", "1.1", "x\ny"])
    })
    .await;
    let client = RegistryClient::new();
    let keep = |tag: &str| !tag.ends_with(".sig");
    let listing = client
        .list_tags(&registry.image("app"), &anonymous(), &keep)
        .await
        .expect("a list");
    assert_eq!(shown(&listing), "1.1 1.0");
    assert_eq!((listing.sent, listing.malformed), (6, 3));
}

#[tokio::test]
async fn a_hundred_thousand_tags_are_listed() {
    let registry = FakeRegistry::start(|_| {
        let tags: Vec<_> = (0..100_000)
            .map(|number| format!("build-{number:06}"))
            .collect();
        Reply::tags("app", &tags)
    })
    .await;
    let listing = list(&registry.image("app"), &anonymous())
        .await
        .expect("a list");
    assert_eq!(listing.tags.len(), 100_000);
    assert_eq!(listing.tags.latest(2), ["build-099999", "build-099998"]);
}

#[tokio::test]
async fn bounds_are_errors_that_name_themselves() {
    let registry = FakeRegistry::start(|seen| {
        // A registry that invents one tag after the other.
        let page: usize = seen.query("last").parse().unwrap_or(0);
        let link = format!("</v2/app/tags/list?last={}>; rel=\"next\"", page + 1);
        let tags = ["a", "b", "c"].map(|tag| format!("{tag}{page}"));
        Reply::tags("app", &tags).header("link", link)
    })
    .await;
    for (limits, problem, words) in [
        (
            Limits {
                pages: 5,
                ..Limits::default()
            },
            AnswerProblem::TooManyPages { limit: 5 },
            "the tag list has more than 5 pages",
        ),
        (
            Limits::default(),
            AnswerProblem::TooManyTags { limit: 10 },
            "the tag list has more than 10 tags",
        ),
        (
            Limits {
                page_bytes: 20,
                ..Limits::default()
            },
            AnswerProblem::TooLarge { limit: 20 },
            "it is larger than 20 bytes",
        ),
    ] {
        let most = RegistrySettings::new(RegistryLimits {
            tags: match problem {
                AnswerProblem::TooManyTags { limit } => limit,
                _ => usize::MAX,
            },
            ..RegistryLimits::default()
        });
        let client = RegistryClient::with_limits(limits).with_settings(most);
        let error = client
            .list_tags(&registry.image("app"), &anonymous(), &|_| true)
            .await
            .expect_err("a bound");
        assert_eq!(error.class(), ErrorClass::Invalid);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(
            error,
            RegistryError::Answer {
                host: registry.address(),
                problem
            }
        );
    }
}
