//! Anonymous, basic, token and identity token, and what is shared between requests.

use super::{PATIENCE, anonymous, list, login, shown};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen, wants_tokens};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::future::join_all;
use highwater::adapters::registry::{
    Access, ErrorClass, Proxy, RegistryClient, RegistryError, Tls,
};
use highwater::domain::docker_config::Credentials;
use highwater::domain::image::ImageName;
use highwater::domain::redact::{SafeUrl, Secret};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn basic(username: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{username}:{password}"))
    )
}

fn one_tag(_: &Seen) -> Reply {
    Reply::tags("app", &["1.0"])
}

/// A token server that gives `token` for ten minutes to whoever has the right password.
fn for_alice(seen: &Seen) -> Reply {
    if seen.header("authorization") != basic("alice", "hunter2") {
        return Reply::new(
            401,
            r#"{"details":"incorrect username or password hunter3"}"#,
        )
        .header("content-type", "application/json");
    }
    Reply::json(&json!({"token": "good", "expires_in": 600}))
}

fn with(credentials: Credentials) -> Access {
    Access {
        credentials,
        ..anonymous()
    }
}

#[tokio::test]
async fn basic_is_sent_when_asked_for_and_then_at_once() {
    let registry = FakeRegistry::start(|seen| {
        if seen.header("authorization") == basic("alice", "hunter2") {
            return one_tag(seen);
        }
        Reply::new(401, "").header("www-authenticate", r#"Negotiate, Basic realm="x""#)
    })
    .await;
    let client = RegistryClient::new();
    let image = registry.image("app");
    for _ in 0..2 {
        let listing = client
            .list_tags(&image, &login("alice", "hunter2"), &|_| true)
            .await;
        assert_eq!(shown(&listing.expect("a list")), "1.0");
    }
    let requests = registry.seen("/v2/app/");
    let sent: Vec<_> = requests
        .iter()
        .map(|seen| !seen.header("authorization").is_empty())
        .collect();
    assert_eq!(sent, [false, true, true]);
    for access in [anonymous(), login("alice", "wrong")] {
        let error = client
            .list_tags(&image, &access, &|_| true)
            .await
            .expect_err("refused");
        assert_eq!(error.class(), ErrorClass::Authentication);
    }
}

#[tokio::test]
async fn a_token_is_asked_for_with_service_scope_and_login() {
    let registry =
        FakeRegistry::start(wants_tokens(for_alice, |token| token == "good", one_tag)).await;
    let listing = list(&registry.image("app"), &login("alice", "hunter2"))
        .await
        .expect("a list");
    assert_eq!(shown(&listing), "1.0");
    let asked = registry.seen("/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].method, "GET");
    assert_eq!(asked[0].query("service"), "fake registry");
    assert_eq!(asked[0].query("scope"), "repository:app:pull");
    assert_eq!(asked[0].query("account"), "alice");
}

#[tokio::test]
async fn a_wrong_password_is_an_authentication_error_in_the_token_servers_words() {
    let registry =
        FakeRegistry::start(wants_tokens(for_alice, |token| token == "good", one_tag)).await;
    let error = list(&registry.image("app"), &login("alice", "hunter3"))
        .await
        .expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Authentication);
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` answered 401 Unauthorized: incorrect username or password ***\nhint: the login that matches this image was not accepted",
            registry.address()
        )
    );
    assert_eq!(
        registry.seen("/v2/app/").len(),
        1,
        "it does not go on without a token"
    );
}

#[tokio::test]
async fn a_token_serves_many_scans_and_one_request_fetches_it() {
    let registry =
        FakeRegistry::start(wants_tokens(for_alice, |token| token == "good", one_tag)).await;
    let client = Arc::new(RegistryClient::new());
    let image = registry.image("app");
    let scans = (0..32).map(|_| {
        let (client, image) = (Arc::clone(&client), image.clone());
        tokio::spawn(async move {
            client
                .list_tags(&image, &login("alice", "hunter2"), &|_| true)
                .await
        })
    });
    for listing in join_all(scans).await {
        assert_eq!(shown(&listing.expect("no panic").expect("a list")), "1.0");
    }
    assert_eq!(registry.seen("/token").len(), 1);
}

#[tokio::test]
async fn a_token_is_not_shared_between_repositories_logins_or_ways_of_connecting() {
    let tokens = |_: &Seen| Reply::json(&json!({"access_token": "good", "expires_in": 600}));
    let registry = FakeRegistry::start(wants_tokens(
        tokens,
        |token| token == "good",
        |seen| {
            let name = seen.target.split('/').nth(2).expect("a repository");
            Reply::tags(name, &["1.0"])
        },
    ))
    .await;
    let client = RegistryClient::new();
    let insecure = Access {
        insecure: true,
        ..login("alice", "hunter2")
    };
    let authority = Tls {
        ca_pem: Some(super::tls::CA.to_vec()),
        client: None,
    };
    let trusting = Access {
        tls: authority,
        ..login("alice", "hunter2")
    };
    for (repository, access) in [
        ("app", anonymous()),
        ("app", login("alice", "hunter2")),
        ("app", login("bob", "hunter2")),
        ("web", login("bob", "hunter2")),
        ("app", insecure),
        ("app", trusting),
    ] {
        for _ in 0..2 {
            client
                .list_tags(&registry.image(repository), &access, &|_| true)
                .await
                .expect("a list");
        }
    }
    let asked = registry.seen("/token");
    let asked: Vec<_> = asked
        .iter()
        .map(|seen| (seen.query("scope"), seen.header("authorization").to_owned()))
        .collect();
    let app = "repository:app:pull".to_owned();
    let alice = (app.clone(), basic("alice", "hunter2"));
    let bob = (app.clone(), basic("bob", "hunter2"));
    let web = ("repository:web:pull".to_owned(), basic("bob", "hunter2"));
    assert_eq!(
        asked,
        [
            (app, String::new()),
            alice.clone(),
            bob,
            web,
            alice.clone(),
            alice
        ]
    );
}

#[tokio::test]
async fn an_expired_token_is_replaced_and_a_lasting_one_kept() {
    for (answer, requests) in [
        (json!({"token": "good", "expires_in": 600}), 1),
        (json!({"token": "good"}), 1),
        (
            json!({"token": "good", "expires_in": 600, "issued_at": "2020-01-01T00:00:00Z"}),
            2,
        ),
        (json!({"token": "good", "expires_in": 0}), 2),
    ] {
        let registry = FakeRegistry::start(wants_tokens(
            move |_| Reply::json(&answer),
            |token| token == "good",
            |seen| match seen.query("last").as_str() {
                "" => Reply::tags("app", &["1"])
                    .header("link", "</v2/app/tags/list?last=1>; rel=\"next\""),
                _ => Reply::tags("app", &["2"]),
            },
        ))
        .await;
        let client = RegistryClient::new();
        for _ in 0..2 {
            let listing = client
                .list_tags(&registry.image("app"), &anonymous(), &|_| true)
                .await;
            assert_eq!(shown(&listing.expect("a list")), "2 1");
        }
        assert_eq!(registry.seen("/token").len(), requests);
    }
}

#[tokio::test]
async fn a_token_that_dies_in_the_middle_of_a_listing_is_renewed_once() {
    let given = AtomicUsize::new(0);
    let used = Arc::new(AtomicUsize::new(0));
    let registry = FakeRegistry::start(wants_tokens(
        move |_| Reply::json(&json!({"token": format!("t{}", given.fetch_add(1, Ordering::Relaxed)), "expires_in": 600})),
        // The first token is good for two pages.
        move |token| token != "t0" || used.fetch_add(1, Ordering::Relaxed) < 2,
        |seen| {
            let page: usize = seen.query("last").parse().unwrap_or(0);
            let reply = Reply::tags("app", &[page.to_string()]);
            match page {
                4 => reply,
                _ => reply.header("link", format!("</v2/app/tags/list?last={}>; rel=\"next\"", page + 1)),
            }
        },
    ))
    .await;
    let listing = list(&registry.image("app"), &anonymous())
        .await
        .expect("a list");
    assert_eq!(shown(&listing), "4 3 2 1 0");
    assert_eq!(registry.seen("/token").len(), 2);
}

#[tokio::test]
async fn a_registry_that_refuses_every_token_is_asked_twice_at_most() {
    let tokens = |_: &Seen| Reply::json(&json!({"token": "useless", "expires_in": 600}));
    let registry = FakeRegistry::start(wants_tokens(tokens, |_| false, one_tag)).await;
    let client = RegistryClient::new();
    let error = client
        .list_tags(&registry.image("app"), &anonymous(), &|_| true)
        .await
        .expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Authentication);
    assert!(
        error
            .to_string()
            .contains("UNAUTHORIZED: authentication required"),
        "{error}"
    );
    assert!(error.to_string().ends_with(
        "hint: no login matches this image; the repository may be private, or not exist"
    ));
    assert_eq!(registry.seen("/v2/app/").len(), 2);
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post_and_never_stands_in_a_url() {
    let tokens = |seen: &Seen| {
        if seen.method != "POST" {
            return Reply::new(405, "");
        }
        Reply::json(&json!({"access_token": "good", "expires_in": 600, "refresh_token": "other"}))
    };
    let registry =
        FakeRegistry::start(wants_tokens(tokens, |token| token == "good", one_tag)).await;
    let access = with(Credentials::IdentityToken(Secret::new(
        "refresh&me".to_owned(),
    )));
    list(&registry.image("app"), &access).await.expect("a list");
    let asked = registry.seen("/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].target, "/token");
    assert_eq!(
        asked[0].header("content-type"),
        "application/x-www-form-urlencoded"
    );
    assert_eq!(
        asked[0].body,
        "service=fake+registry&scope=repository%3Aapp%3Apull&grant_type=refresh_token&client_id=highwater&refresh_token=refresh%26me"
    );
}

#[tokio::test]
async fn a_registry_token_goes_to_the_registry_itself() {
    let refuse = |_: &Seen| Reply::new(500, "");
    let registry =
        FakeRegistry::start(wants_tokens(refuse, |token| token == "mine", one_tag)).await;
    let access = with(Credentials::RegistryToken(Secret::new("mine".to_owned())));
    list(&registry.image("app"), &access).await.expect("a list");
    assert_eq!(registry.seen("/token").len(), 0);
}

#[tokio::test]
async fn a_token_server_in_trouble_is_not_a_wrong_password() {
    for (status, class) in [
        (429, ErrorClass::RateLimited),
        (500, ErrorClass::Transient),
        (403, ErrorClass::Authentication),
        (200, ErrorClass::Invalid),
        (302, ErrorClass::Invalid),
    ] {
        let tokens = move |_: &Seen| Reply::new(status, "").header("location", "/elsewhere");
        let registry = FakeRegistry::start(wants_tokens(tokens, |_| false, one_tag)).await;
        let error = list(&registry.image("app"), &login("alice", "hunter2"))
            .await
            .expect_err("no token");
        assert_eq!(error.class(), class, "{status}: {error}");
        assert_eq!(registry.seen("/elsewhere").len(), 0);
    }
}

#[tokio::test]
async fn a_token_server_on_foreign_plain_http_gets_nothing() {
    let thief = FakeRegistry::start(|_| Reply::json(&json!({"token": "x"}))).await;
    let port = thief
        .address()
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    for (realm, reason) in [
        // Loopback by another name counts as foreign for a name that only resolves to it.
        (format!("http://10.255.255.1:{port}/token"), "plain http"),
        (
            "https://169.254.169.254/token".to_owned(),
            "inside this machine or network",
        ),
        (
            format!("https://me:pass@127.0.0.1:{port}/token"),
            "user information",
        ),
        ("ftp://127.0.0.1/token".to_owned(), "neither https nor http"),
        ("token".to_owned(), "not a URL"),
        (String::new(), "not a URL"),
    ] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        let registry = FakeRegistry::start(move |_| {
            Reply::new(401, "").header("www-authenticate", challenge.clone())
        })
        .await;
        let error = list(&registry.image("app"), &login("alice", "hunter2"))
            .await
            .expect_err("unsafe");
        assert!(
            matches!(error, RegistryError::UnsafeTokenServer { .. }),
            "{error}"
        );
        assert_eq!(error.class(), ErrorClass::Invalid);
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert_eq!(thief.seen("/").len(), 0);
}

#[tokio::test]
async fn a_proxy_is_used_with_its_own_login() {
    let proxy = FakeRegistry::start(|seen| {
        if seen.method == "CONNECT" {
            return Reply::new(403, "");
        }
        Reply::tags("app", &["1.0"])
    })
    .await;
    let access = Access {
        insecure: true,
        proxy: Some(Proxy {
            address: SafeUrl::parse(&format!("http://{}", proxy.address())).expect("a URL"),
            username: Some("porter".to_owned()),
            password: Some(Secret::new("hunter2".to_owned())),
        }),
        ..Access::anonymous(PATIENCE)
    };
    // Only the proxy can resolve this name.
    let image = ImageName::parse("registry.invalid:5000/app").expect("a name");
    assert_eq!(shown(&list(&image, &access).await.expect("a list")), "1.0");
    let seen = proxy.seen("http://registry.invalid:5000/v2/app/");
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].header("proxy-authorization"),
        basic("porter", "hunter2")
    );
    assert!(!format!("{access:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_proxy_of_an_unknown_kind_is_a_settings_error() {
    let access = Access {
        proxy: Some(Proxy {
            address: SafeUrl::parse("ftp://proxy.example").expect("a URL"),
            username: None,
            password: None,
        }),
        ..anonymous()
    };
    let image = ImageName::parse("registry.invalid/app").expect("a name");
    let error = list(&image, &access).await.expect_err("no proxy");
    assert_eq!(
        error.to_string(),
        "the proxy cannot be used: its address must begin with http://, https:// or socks5://"
    );
}

#[tokio::test]
async fn the_timeout_spans_the_token_server_too() {
    let stuck = |_: &Seen| Reply::stuck("{");
    let registry = FakeRegistry::start(wants_tokens(stuck, |_| true, one_tag)).await;
    let access = Access::anonymous(Duration::from_millis(400));
    let error = list(&registry.image("app"), &access)
        .await
        .expect_err("no token");
    assert!(matches!(error, RegistryError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_socks_proxy_resolves_the_registrys_name() {
    let registry = FakeRegistry::start(one_tag).await;
    let (address, asked) = socks_proxy(registry.address()).await;
    let access = Access {
        insecure: true,
        proxy: Some(Proxy {
            address: SafeUrl::parse(&format!("socks5://{address}")).expect("a URL"),
            username: None,
            password: None,
        }),
        ..anonymous()
    };
    let image = ImageName::parse("registry.invalid:5000/app").expect("a name");
    assert_eq!(shown(&list(&image, &access).await.expect("a list")), "1.0");
    let asked = asked.lock().expect("no panic").clone();
    assert!(!asked.is_empty());
    assert!(
        asked.iter().all(|name| name == "registry.invalid"),
        "{asked:?}"
    );
}

/// A SOCKS5 proxy (RFC 1928) that leads every connection to one place, and keeps the names it was asked for.
async fn socks_proxy(target: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let names = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(socks_connection(stream, target.clone(), Arc::clone(&names)));
        }
    });
    (address, asked)
}

async fn socks_connection(
    mut stream: TcpStream,
    target: String,
    names: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).await?;
    let mut methods = vec![0; usize::from(greeting[1])];
    stream.read_exact(&mut methods).await?;
    stream.write_all(&[5, 0]).await?;
    // CONNECT to a domain name: version, command, zero, 3, length.
    let mut request = [0; 5];
    stream.read_exact(&mut request).await?;
    assert_eq!(
        request[..4],
        [5, 1, 0, 3],
        "the name goes to the proxy unresolved"
    );
    let mut name = vec![0; usize::from(request[4])];
    stream.read_exact(&mut name).await?;
    let mut port = [0; 2];
    stream.read_exact(&mut port).await?;
    names
        .lock()
        .expect("no panic")
        .push(String::from_utf8_lossy(&name).into_owned());
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    let mut target = TcpStream::connect(target).await?;
    tokio::io::copy_bidirectional(&mut stream, &mut target).await?;
    Ok(())
}
