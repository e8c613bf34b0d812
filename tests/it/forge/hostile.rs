//! Forges that misbehave: whatever they answer ends in time, in little memory, and with an error that says what it is about.

use super::{FAKES, connect, draft, settings, token};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use crate::support::forges::repository;
use highwater::adapters::forge::{ErrorClass, Forge, ForgeError, ForgeSettings};
use highwater::domain::pull_request::forge::{Checks, ForgeKind, MergeMethod, PullRequestEdit};
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::time::Duration;

fn all() -> impl Iterator<Item = ForgeKind> {
    [ForgeKind::Gitea].into_iter().chain(FAKES)
}

/// Every operation, asked of a forge that answers everything alike; each must end, and those that need an answer must fail.
async fn every_operation(forge: &Forge) -> Vec<ForgeError> {
    let commit = "0123456789012345678901234567890123456789";
    let edit = PullRequestEdit {
        title: Some("x".to_owned()),
        labels: Some(vec!["x".to_owned()]),
        ..PullRequestEdit::default()
    };
    let outcomes = [
        forge.find("a", "b").await.err(),
        forge.get(1).await.err(),
        forge.create(&draft("a", "x")).await.err(),
        forge.edit(1, &edit).await.err(),
        forge.comment(1, "x").await.err(),
        forge.close(1).await.err(),
        forge.merge(1, MergeMethod::Rebase, commit).await.err(),
        forge.checks(commit).await.err(),
        forge.delete_branch("a", commit).await.err(),
        forge.compare(commit, commit).await.err(),
    ];
    outcomes.into_iter().flatten().collect()
}

async fn of(
    kind: ForgeKind,
    answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> Vec<ForgeError> {
    let server = FakeRegistry::start(answer).await;
    let forge = connect(repository(kind, &server.address()), "secret-of-ours");
    every_operation(&forge).await
}

#[tokio::test]
async fn answers_of_another_shape_are_errors_that_say_so() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let answers: Vec<(&str, String)> = vec![
        ("empty", String::new()),
        ("html", "\n<!doctype html><title>Sign in</title>".to_owned()),
        ("text", "\"text\"".to_owned()),
        ("number", "7".to_owned()),
        ("cut", "{\"number\": 1".to_owned()),
        ("deep", deep),
        ("wrong types", wrong_types().to_string()),
        ("list of wrong types", json!([wrong_types()]).to_string()),
    ];
    for kind in all() {
        for (name, body) in &answers {
            let body = body.clone();
            let errors = of(kind, move |_| {
                Reply::new(200, body.clone()).header("content-type", "application/json")
            })
            .await;
            assert!(errors.len() >= 4, "{kind:?} {name}: {errors:?}");
            for error in errors {
                assert_eq!(
                    error.class,
                    ErrorClass::Malformed,
                    "{kind:?} {name}: {error}"
                );
                assert!(error.to_string().len() < 700, "{error}");
                assert_eq!(
                    error.reason.contains("web page"),
                    *name == "html",
                    "{kind:?} {name}: {error}"
                );
            }
        }
    }
}

/// Fields of all the APIs with values that they never have.
fn wrong_types() -> Value {
    json!({
        "number": "one", "iid": -1, "id": {"a": 1}, "pullRequestId": 1.5, "state": 7, "status": [], "title": null, "head": "x",
        "base": [], "value": {"a": 1}, "values": "x", "message": {"a": ["b"]}, "check_runs": 1, "total_count": -1, "object": null,
        "commit": 1, "commits": {}, "target": "x", "version": "x", "source": 1, "merge_method": 3,
    })
}

#[tokio::test]
async fn endless_answers_and_loops_end() {
    for kind in all() {
        for error in of(kind, |_| {
            Reply::endless(b' ').header("content-type", "application/json")
        })
        .await
        {
            assert_eq!(error.class, ErrorClass::Malformed, "{kind:?}: {error}");
            assert!(error.reason.contains("4194304 bytes"), "{kind:?}: {error}");
        }
        // A refusal's words do not matter so much.
        for error in of(kind, |_| Reply::endless(b'x').status(500)).await {
            assert_eq!(
                (error.class, error.status),
                (ErrorClass::Unavailable, Some(500)),
                "{kind:?}"
            );
        }
        for error in of(kind, |seen| {
            Reply::new(307, "").header("location", seen.target.clone())
        })
        .await
        {
            assert!(
                error.reason.contains("again and again"),
                "{kind:?}: {error}"
            );
        }
        for error in of(kind, |_| Reply::broken("{")).await {
            assert_eq!(
                (error.class, error.status),
                (ErrorClass::Unavailable, None),
                "{kind:?}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_forge_that_hangs_is_given_up() {
    for kind in all() {
        let server = FakeRegistry::start(|_| Reply::stuck("{")).await;
        let settings = ForgeSettings {
            timeout: Duration::from_millis(50),
            ..settings()
        };
        let repository = repository(kind, &server.address());
        let forge = Forge::connect(repository, token("x"), settings).expect("it can work");
        let error = forge.get(1).await.expect_err("it hangs");
        assert_eq!(error.class, ErrorClass::Unavailable, "{kind:?}: {error}");
        assert!(
            error.reason.contains("no answer in full within 50ms"),
            "{kind:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_forge_that_is_down_is_told_from_one_that_refuses() {
    let class = |status: u16| match status {
        401 | 403 => ErrorClass::Unauthorized,
        404 | 410 => ErrorClass::NotFound,
        409 => ErrorClass::Conflict,
        500 | 502 | 503 | 504 => ErrorClass::Unavailable,
        _ => ErrorClass::Refused,
    };
    for kind in all() {
        for status in [400, 401, 403, 404, 409, 410, 415, 451, 500, 502, 503, 504] {
            let server = FakeRegistry::start(move |_| {
                Reply::json(&json!({"message": "the forge's own words"})).status(status)
            })
            .await;
            let forge = connect(repository(kind, &server.address()), "x");
            let error = forge.get(1).await.expect_err("it is refused");
            assert_eq!(
                (error.class, error.status),
                (class(status), Some(status)),
                "{kind:?}"
            );
            let shown = error.to_string();
            assert!(
                shown.contains("the forge's own words") && shown.contains(&status.to_string()),
                "{shown}"
            );
            assert!(shown.contains(&forge.repository().path), "{shown}");
        }
        let address = {
            let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            closed.local_addr().expect("it is bound").to_string()
        };
        let error = connect(repository(kind, &address), "x").get(1).await;
        let error = error.expect_err("nobody listens");
        assert_eq!(
            (error.class, error.status),
            (ErrorClass::Unavailable, None),
            "{kind:?}: {error}"
        );
    }
}

/// An answer that asks for a pause, and the seconds that it asks for.
#[derive(Clone)]
struct Pause {
    status: u16,
    fields: Vec<(&'static str, String)>,
    words: &'static str,
    seconds: Option<RangeInclusive<u64>>,
}

fn pauses() -> Vec<Pause> {
    let in_an_hour = (jiff::Timestamp::now().as_second() + 3_600).to_string();
    let pause = |status, fields: &[(&'static str, &str)], words, seconds| Pause {
        status,
        fields: fields
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        words,
        seconds,
    };
    let used_up = [
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", in_an_hour.as_str()),
    ];
    let gitlab = [("ratelimit-remaining", "0"), ("ratelimit-reset", "50")];
    let secondary = "You have exceeded a secondary rate limit.";
    vec![
        pause(429, &[("retry-after", "30")], "", Some(30..=30)),
        pause(429, &[], "", None),
        pause(503, &[("retry-after", "120")], "", Some(120..=120)),
        // GitHub: all requests of the hour, and its secondary limits.
        pause(
            403,
            &used_up,
            "API rate limit exceeded",
            Some(3_500..=3_600),
        ),
        pause(403, &[("retry-after", "60")], secondary, Some(60..=60)),
        pause(403, &[], secondary, Some(60..=60)),
        pause(429, &gitlab, "", Some(50..=50)),
        // Longer than a day is not believed.
        pause(
            429,
            &[("retry-after", "99999999")],
            "",
            Some(86_400..=86_400),
        ),
    ]
}

#[tokio::test]
async fn a_forge_that_asks_for_a_pause_is_understood() {
    for kind in all() {
        for pause in pauses() {
            let shown = format!("{kind:?} {} {:?}", pause.status, pause.fields);
            let seconds = pause.seconds.clone();
            let errors = of(kind, move |_| {
                let reply = Reply::json(&json!({"message": pause.words})).status(pause.status);
                let fields = pause.fields.iter();
                fields.fold(reply, |reply, (name, value)| reply.header(name, value))
            })
            .await;
            assert!(errors.len() >= 8, "{shown}: {errors:?}");
            for error in errors {
                assert!(
                    matches!(error.class, ErrorClass::RateLimited { .. }),
                    "{shown}: {error}"
                );
                let wait = error.retry_after().map(|wait| wait.as_secs());
                match (&seconds, wait) {
                    (Some(range), Some(wait)) => assert!(range.contains(&wait), "{shown}: {wait}"),
                    (expected, wait) => assert_eq!((expected, wait), (&None, None), "{shown}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_page_to_sign_in_means_that_the_credential_is_not_taken() {
    // Azure DevOps answers so to tokens that it does not know.
    let page = "<html>Azure DevOps Services | Sign In</html>";
    for error in of(ForgeKind::Azure, move |_| Reply::new(203, page)).await {
        assert_eq!(error.class, ErrorClass::Unauthorized, "{error}");
    }
    let elsewhere = "https://spsprodweu5.vssps.visualstudio.com/_signin?realm=dev.azure.com";
    for error in of(ForgeKind::Azure, move |_| {
        Reply::new(302, "").header("location", elsewhere)
    })
    .await
    {
        if error.status == Some(302) && error.reason.contains("vssps") {
            assert_eq!(error.class, ErrorClass::Unauthorized, "{error}");
        }
    }
}

#[tokio::test]
async fn lists_without_an_end_are_not_read_forever() {
    for kind in all() {
        let server = FakeRegistry::start(move |seen| {
            let next = format!("http://{}{}", seen.header("host"), seen.target);
            let run = json!({"status": "completed", "conclusion": "success", "state": "SUCCESSFUL"});
            let runs = vec![run; 100];
            Reply::json(&match seen.target.contains("status") && kind == ForgeKind::GitHub {
                true => json!({"state": "success", "total_count": 1}),
                false => json!({
                    "values": [{"state": "SUCCESSFUL"}], "next": next, "nextPageStart": 1, "isLastPage": false,
                    "check_runs": runs, "total_count": 1_000_000, "state": "success", "value": [], "id": "x", "title": "x",
                    "author_name": "x", "web_url": "x", "status": "success", "statuses": vec![json!({"status": "success"}); 50],
                }),
            })
        })
        .await;
        let forge = connect(repository(kind, &server.address()), "x");
        let checks = forge
            .checks("0123456789012345678901234567890123456789")
            .await;
        // What was not read cannot be said to have passed.
        let checks = checks.expect("what was read is enough");
        let paged = !matches!(kind, ForgeKind::GitLab | ForgeKind::Azure);
        assert_eq!(checks == Checks::Pending, paged, "{kind:?}: {checks:?}");
        assert!(
            server.seen("/").len() <= 10,
            "{kind:?}: {}",
            server.seen("/").len()
        );
    }
}

#[tokio::test]
async fn a_description_is_cut_to_what_the_forge_takes() {
    use super::stage::Stage;
    let stage = Stage::set(ForgeKind::Azure).await;
    let forge = connect(stage.repository(), stage.token());
    stage.push("updates", "one").await;
    let mut long = draft("updates", "Update");
    long.body = "ü".repeat(forge.longest_body() + 1);
    let created = forge.create(&long).await.expect("it is opened");
    let body = created.pull_request.body;
    assert!(
        body.starts_with("üüü") && body.ends_with("(cut: the forge takes no more)"),
        "{body}"
    );
}
