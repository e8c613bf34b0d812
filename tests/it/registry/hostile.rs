//! Answers that no registry should give: each is a clear error, none takes the process with it.

use super::{anonymous, list, login};
use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::registry_server::RegistryServer;
use flate2::Compression;
use flate2::write::GzEncoder;
use highwater::adapters::registry::{
    Access, AnswerProblem, ErrorClass, RegistryClient, RegistryError,
};
use highwater::domain::image::ImageName;
use std::io::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn answered(reply: impl Fn() -> Reply + Send + Sync + 'static) -> RegistryError {
    let registry = FakeRegistry::start(move |_| reply()).await;
    list(&registry.image("app"), &anonymous())
        .await
        .expect_err("an unusable answer")
}

fn problem(error: RegistryError) -> AnswerProblem {
    match error {
        RegistryError::Answer { problem, .. } => problem,
        other => panic!("expected an unusable answer, got {other:?}"),
    }
}

#[tokio::test]
async fn bodies_that_are_no_tag_list_say_what_is_wrong() {
    let not_json = AnswerProblem::NotJson {
        expected: "tag list",
        line: 1,
        column: 1,
    };
    assert_eq!(
        problem(answered(|| Reply::new(200, "<html>login</html>")).await),
        not_json
    );
    assert_eq!(
        problem(answered(|| Reply::new(200, "")).await),
        AnswerProblem::Empty
    );
    assert_eq!(
        problem(answered(|| Reply::new(204, "")).await),
        AnswerProblem::Empty
    );
    assert_eq!(
        problem(answered(|| Reply::new(200, r#"{"name":"app","tags":["1.0","1."#)).await),
        AnswerProblem::Truncated
    );
    assert_eq!(
        problem(answered(|| Reply::tags("other", &["1.0"])).await),
        AnswerProblem::WrongName("other".to_owned())
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_worth_another_try() {
    for reply in [
        || Reply::broken(r#"{"name":"app","tags":["1.0"]}"#),
        || Reply::broken(r#"{"name":"app","tags":["1.0"]}"#).header("content-length", "1000"),
    ] {
        let error = answered(reply).await;
        assert_eq!(error.class(), ErrorClass::Transient);
        assert_eq!(problem(error), AnswerProblem::Truncated);
    }
}

#[tokio::test]
async fn an_endless_body_ends_at_the_bound() {
    let error = answered(|| Reply::endless(b' ')).await;
    assert_eq!(
        problem(error),
        AnswerProblem::TooLarge {
            limit: 16 * 1024 * 1024
        }
    );
}

#[tokio::test]
async fn a_body_that_grows_when_unpacked_ends_at_the_bound() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..32 {
        gzip.write_all(&[b' '; 1 << 20]).expect("writing to memory");
    }
    let packed = gzip.finish().expect("writing to memory");
    assert!(packed.len() < 1 << 20);
    let error =
        answered(move || Reply::new(200, packed.clone()).header("content-encoding", "gzip")).await;
    assert_eq!(
        problem(error),
        AnswerProblem::TooLarge {
            limit: 16 * 1024 * 1024
        }
    );
}

#[tokio::test]
async fn an_answer_that_never_ends_runs_into_the_timeout() {
    let registry = FakeRegistry::start(|_| Reply::stuck(r#"{"name":"app","#)).await;
    let timeout = Duration::from_millis(400);
    let error = list(&registry.image("app"), &Access::anonymous(timeout))
        .await
        .expect_err("no end");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` did not answer in full within 400ms",
            registry.address()
        )
    );
}

#[tokio::test]
async fn a_huge_header_is_refused() {
    let error =
        answered(|| Reply::tags("app", &["1.0"]).header("x-noise", "x".repeat(2 << 20))).await;
    assert_eq!(error.class(), ErrorClass::Transient);
    let long = format!(
        "</v2/app/tags/list?last={}>; rel=\"next\"",
        "x".repeat(10_000)
    );
    let error = answered(move || Reply::tags("app", &["1.0"]).header("link", long.clone())).await;
    assert!(matches!(problem(error), AnswerProblem::Link(_)));
}

#[tokio::test]
async fn both_forms_of_retry_after_are_understood() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (status, field, wait) in [
        (429, Some("120"), Some(Duration::from_secs(120))),
        (
            429,
            Some("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::ZERO),
        ),
        (429, Some("Sat, 06 Nov 2094 08:49:37 GMT"), Some(day)),
        (429, Some("soon"), None),
        (429, None, None),
        (503, Some("5"), Some(Duration::from_secs(5))),
    ] {
        let error = answered(move || match field {
            Some(field) => Reply::new(status, "").header("retry-after", field),
            None => Reply::new(status, ""),
        })
        .await;
        assert_eq!(error.class(), ErrorClass::RateLimited, "{status} {field:?}");
        assert_eq!(error.retry_after(), wait, "{status} {field:?}");
    }
}

#[tokio::test]
async fn every_status_has_its_class_and_keeps_the_registrys_words() {
    for (status, class) in [
        (401, ErrorClass::Authentication),
        (403, ErrorClass::Authentication),
        (404, ErrorClass::NotFound),
        (408, ErrorClass::Transient),
        (418, ErrorClass::Invalid),
        (500, ErrorClass::Transient),
        (502, ErrorClass::Transient),
        (503, ErrorClass::Transient),
    ] {
        let error =
            answered(move || Reply::error(status, "CODE", "words of\r\nthe registry")).await;
        assert_eq!(error.class(), class, "{status}");
        assert!(
            error.to_string().contains(": CODE: words of the registry"),
            "{error}"
        );
    }
    let error = answered(|| {
        Reply::new(500, "upstream\ndied").header("content-type", "text/plain; charset=utf-8")
    })
    .await;
    assert!(
        error.to_string().ends_with("answered 500: upstream died"),
        "{error}"
    );
    let error = answered(|| Reply::new(500, "<html>").header("content-type", "text/html")).await;
    assert!(error.to_string().ends_with("answered 500"), "{error}");
}

#[tokio::test]
async fn an_endless_error_is_still_that_error() {
    let error = answered(|| {
        Reply::endless(b'x')
            .status(500)
            .header("content-type", "text/plain")
    })
    .await;
    assert!(matches!(
        error,
        RegistryError::Unavailable { status: 500, .. }
    ));
    assert!(error.to_string().len() < 500);
}

#[tokio::test]
async fn the_password_is_taken_out_of_the_registrys_words() {
    let registry =
        FakeRegistry::start(|_| Reply::error(403, "DENIED", "wrong password hunter2 for me")).await;
    let error = list(&registry.image("app"), &login("me", "hunter2"))
        .await
        .expect_err("denied");
    assert!(
        error
            .to_string()
            .ends_with("DENIED: wrong password *** for me"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn redirects_go_on_without_the_login() {
    let elsewhere = FakeRegistry::start(|_| Reply::tags("app", &["1.0"])).await;
    let target = format!("http://{}/cdn", elsewhere.address());
    let registry = FakeRegistry::start(move |seen| {
        if !seen.header("authorization").starts_with("Basic ") {
            return Reply::new(401, "").header("www-authenticate", r#"Basic realm="x""#);
        }
        match seen.target.as_str() {
            "/v2/app/tags/list?n=1000" => Reply::new(307, "").header("location", "/v2/moved"),
            _ => Reply::new(302, "").header("location", target.clone()),
        }
    })
    .await;
    let listing = list(&registry.image("app"), &login("me", "hunter2"))
        .await
        .expect("a list");
    assert_eq!(listing.tags.len(), 1);
    let own = registry.seen("/v2/moved");
    assert!(
        own.iter()
            .all(|seen| seen.header("authorization").starts_with("Basic "))
    );
    let foreign = elsewhere.seen("/");
    assert_eq!(foreign.len(), 1);
    assert_eq!(foreign[0].header("authorization"), "");
}

#[tokio::test]
async fn a_challenge_from_elsewhere_is_not_answered() {
    let elsewhere = FakeRegistry::start(|seen| {
        let realm = format!(r#"Bearer realm="http://{}/token""#, seen.header("host"));
        Reply::new(401, "").header("www-authenticate", realm)
    })
    .await;
    let target = format!("http://{}/cdn", elsewhere.address());
    let registry =
        FakeRegistry::start(move |_| Reply::new(302, "").header("location", target.clone())).await;
    let error = list(&registry.image("app"), &login("me", "hunter2"))
        .await
        .expect_err("no list");
    assert_eq!(error.class(), ErrorClass::Authentication);
    assert_eq!(elsewhere.seen("/token").len(), 0);
}

#[tokio::test]
async fn redirects_that_lead_nowhere_end() {
    for location in ["/v2/app/tags/list?n=1000", "gopher://x/", "http://"] {
        let registry =
            FakeRegistry::start(move |_| Reply::new(302, "").header("location", location)).await;
        let error = list(&registry.image("app"), &anonymous())
            .await
            .expect_err("no list");
        assert!(matches!(problem(error), AnswerProblem::Redirect(_)));
    }
    let error = answered(|| Reply::new(302, "")).await;
    assert!(matches!(problem(error), AnswerProblem::Redirect(_)));
}

#[tokio::test]
async fn nobody_there_is_worth_another_try() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let image = ImageName::parse(&format!("{address}/app")).expect("a name");
    let error = list(&image, &anonymous()).await.expect_err("nobody there");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_port_that_never_answers_tls_does_not_keep_http_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(http_only(stream));
        }
    });
    let image = ImageName::parse(&format!("{address}/app")).expect("a name");
    let listing = list(&image, &anonymous()).await.expect("a list");
    assert_eq!(listing.tags.len(), 1);
}

/// Answers plain http once, and leaves everything else hanging.
async fn http_only(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let read = stream.read(&mut request).await?;
    if !request[..read].starts_with(b"GET ") {
        return std::future::pending().await;
    }
    let body = r#"{"name":"app","tags":["1.0"]}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

#[tokio::test]
async fn a_registry_that_hangs_is_given_up_and_found_again() {
    let mut registry = RegistryServer::start();
    registry.push("app", "1.0", "seed").await;
    let image = ImageName::parse(&registry.image("app")).expect("a name");
    let client = RegistryClient::new();
    registry.freeze();
    let short = Access::anonymous(Duration::from_millis(500));
    let error = client
        .list_tags(&image, &short, &|_| true)
        .await
        .expect_err("frozen");
    assert_eq!(error.class(), ErrorClass::Transient);
    registry.thaw();
    let listing = client
        .list_tags(&image, &anonymous(), &|_| true)
        .await
        .expect("a list");
    assert_eq!(listing.tags.len(), 1);
}
