//! Credentials, trust, proxies, and servers that are gone, slow or wrong.

use super::*;

#[test]
fn http_with_a_password_works_and_sends_it_with_the_first_request() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Basic("bot".into(), "pass:word ü".into()));
    let remote = remote(&server.url("fleet")).with_auth(basic("bot", "pass:word ü"));
    let fetched = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    assert_eq!(fetched.snapshot.read("a.yaml"), Ok(b"a\n".to_vec()));
    let outcome = set(&world, &remote, &[("a.yaml", "b\n")]).expect("it is pushed");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
    assert_eq!(world.origin.show("main", "a.yaml"), "b\n");
    world.origin.fsck();
    assert!(server.seen().iter().all(|seen| seen.authorized));
}

#[test]
fn credentials_in_the_url_are_used() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Basic("bot".into(), "p@ss".into()));
    let url = server.url("fleet").replace("http://", "http://bot:p%40ss@");
    assert!(
        world
            .cache
            .remote_head(&remote(&url), &branch("main"))
            .is_ok()
    );
}

#[test]
fn a_bearer_token_works() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Bearer("t0ken".into()));
    let remote = remote(&server.url("fleet")).with_auth(Auth::Bearer(Secret::new("t0ken".into())));
    let outcome = set(&world, &remote, &[("a.yaml", "b\n")]).expect("it is pushed");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
}

const CA: &[u8] = include_bytes!("../registry/certificates/ca.pem");

fn tls(wants_certificate: bool) -> rustls::ServerConfig {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = |pem| CertificateDer::from_pem_slice(pem).expect("a certificate");
    let server = certificate(include_bytes!("../registry/certificates/server.pem").as_slice());
    let key = include_bytes!("../registry/certificates/server.key");
    let key = PrivateKeyDer::from_pem_slice(key).expect("a key");
    let builder = rustls::ServerConfig::builder();
    let builder = if wants_certificate {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate(CA)).expect("an authority");
        let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build();
        builder.with_client_cert_verifier(verifier.expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    builder
        .with_single_cert(vec![server], key)
        .expect("the key fits the certificate")
}

#[test]
fn a_server_with_its_own_authority_needs_that_authority() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Bearer("t0ken".into()));
    let url = server.with_tls(tls(false), "fleet");
    let remote = remote(&url).with_auth(Auth::Bearer(Secret::new("t0ken".into())));
    let error = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect_err("not trusted");
    assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let trusting = remote.clone().with_ca(CA.to_vec());
    let outcome = set(&world, &trusting, &[("a.yaml", "b\n")]).expect("it is pushed");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
    let error = world
        .cache
        .fetch(
            &remote
                .with_ca(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_vec()),
            &branch("main"),
        )
        .expect_err("no certificate");
    assert_eq!(error.class(), FailureClass::User, "{error:?}");
}

#[test]
fn a_client_certificate_is_presented() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Open);
    let url = server.with_tls(tls(true), "fleet");
    let anonymous = remote(&url).with_ca(CA.to_vec());
    assert!(world.cache.fetch(&anonymous, &branch("main")).is_err());
    let known = anonymous.with_client_certificate(ClientCertificate {
        certificate_pem: include_bytes!("../registry/certificates/client.pem").to_vec(),
        key_pem: Secret::new(include_bytes!("../registry/certificates/client.key").to_vec()),
    });
    world
        .cache
        .fetch(&known, &branch("main"))
        .expect("it is fetched");
}

#[test]
fn a_proxy_is_used() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    // A request to a proxy names the whole URL: the test server does not care for the host in it.
    let server = world.serve(ServerAuth::Open);
    let proxy = Proxy {
        url: SafeUrl::parse(&format!("http://{}", server.address())).expect("a URL"),
        credentials: None,
    };
    let direct = remote("http://git.invalid/fleet.git").with_timeout(Duration::from_secs(20));
    let through = direct.clone().with_proxy(Some(proxy));
    let fetched = world
        .cache
        .fetch(&through, &branch("main"))
        .expect("it is fetched");
    assert_eq!(fetched.commit, id(&world.origin.head("main")));
}

#[test]
fn a_moved_repository_is_followed_and_a_foreign_host_gets_no_credentials() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Basic("bot".into(), "pass".into()));
    server.redirect("old", "/fleet.git");
    let remote = remote(&server.url("old")).with_auth(basic("bot", "pass"));
    let outcome = set(&world, &remote, &[("a.yaml", "b\n")]).expect("it is pushed");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
    let other = world.serve(ServerAuth::Open);
    server.redirect("away", &other.url("fleet"));
    for auth in [
        basic("bot", "pass"),
        Auth::Bearer(Secret::new("t0ken".into())),
    ] {
        let away = Remote::new(&SafeUrl::parse(&server.url("away")).expect("a URL"))
            .expect("a supported scheme")
            .with_auth(auth);
        let _ = world.cache.fetch(&away, &branch("main"));
    }
    assert!(!other.seen().is_empty());
    assert!(
        other.seen().iter().all(|seen| !seen.authorized),
        "{:?}",
        other.seen()
    );
}

#[test]
fn a_wrong_password_is_told_without_showing_it() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Basic("bot".into(), "right".into()));
    let url = server.url("fleet");
    for auth in [
        Auth::None,
        basic("bot", "hunter2"),
        Auth::Bearer(Secret::new("hunter2".into())),
    ] {
        let remote = remote(&url).with_auth(auth);
        let errors = [
            world
                .cache
                .fetch(&remote, &branch("main"))
                .map(drop)
                .expect_err("refused"),
            world
                .cache
                .remote_head(&remote, &branch("main"))
                .map(drop)
                .expect_err("refused"),
        ];
        for error in errors {
            assert!(
                matches!(error, GitError::AuthenticationFailed { status: 401, .. }),
                "{error:?}"
            );
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}

#[test]
fn a_repository_that_vanished_is_not_found() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Open);
    let http = remote(&server.url("fleet"));
    let file = world.file();
    for remote in [&http, &file] {
        world
            .cache
            .fetch(remote, &branch("main"))
            .expect("it is fetched");
    }
    std::fs::remove_dir_all(&world.origin.path).expect("it can be removed");
    for remote in [&http, &file] {
        let error = world
            .cache
            .fetch(remote, &branch("main"))
            .expect_err("it is gone");
        assert!(
            matches!(error, GitError::RepositoryNotFound { .. }),
            "{error:?}"
        );
        let error = set(&world, remote, &[("a.yaml", "b\n")]).expect_err("it is gone");
        let gone = matches!(
            error,
            TransactionError::Git(GitError::RepositoryNotFound { .. })
        );
        assert!(gone, "{error:?}");
    }
    std::fs::create_dir(&world.origin.path).expect("a folder");
    let error = world
        .cache
        .fetch(&file, &branch("main"))
        .expect_err("no repository");
    assert!(
        matches!(error, GitError::RepositoryNotFound { .. }),
        "{error:?}"
    );
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let world = world();
    let server = world.serve(ServerAuth::Open);
    let url = server.url("fleet");
    drop(server);
    let error = world
        .cache
        .fetch(&remote(&url), &branch("main"))
        .expect_err("nobody listens");
    assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn server_errors_and_nonsense_are_told_apart() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    server.refuse_next(Point::Any, 503);
    let error = world
        .cache
        .remote_head(&remote, &branch("main"))
        .expect_err("refused");
    assert!(
        matches!(error, GitError::Server { status: 503, .. }),
        "{error:?}"
    );
    server.refuse_next(Point::Any, 200);
    let error = world
        .cache
        .remote_head(&remote, &branch("main"))
        .expect_err("no Git server");
    assert!(matches!(error, GitError::Protocol { .. }), "{error:?}");
    server.truncate_next(Point::UploadPack, 30);
    let error = world
        .cache
        .remote_head(&remote, &branch("main"))
        .expect_err("cut off");
    assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
    assert!(world.cache.remote_head(&remote, &branch("main")).is_ok());
}

#[test]
fn a_server_that_holds_its_answer_runs_into_the_timeout() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet")).with_timeout(Duration::from_millis(300));
    for point in [Point::Any, Point::UploadPack] {
        let hold = server.hold(point);
        let started = Instant::now();
        let error = world
            .cache
            .fetch(&remote, &branch("main"))
            .expect_err("no answer");
        assert!(matches!(error, GitError::Timeout { .. }), "{error:?}");
        assert!(started.elapsed() >= Duration::from_millis(300));
        hold.abandon();
    }
}

#[test]
fn a_local_repository_that_hangs_runs_into_the_timeout() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    // The program blocks when it opens this reference: nobody writes into the pipe.
    let pipe = world.origin.path.join("refs/heads/stuck");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    let remote = world.file().with_timeout(Duration::from_millis(300));
    let error = world
        .cache
        .fetch(&remote, &branch("stuck"))
        .expect_err("no answer");
    assert!(matches!(error, GitError::Timeout { .. }), "{error:?}");
}

#[test]
fn a_sha256_repository_is_refused_clearly() {
    let world = world();
    let path = world.folder.path().join("other.git");
    std::fs::create_dir(&path).expect("a folder");
    git(
        &path,
        &["init", "--quiet", "--bare", "--object-format=sha256", "."],
    );
    let remote = remote(&format!("file://{}", path.display()));
    let error = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect_err("another format");
    assert!(error.to_string().contains("`sha256`"), "{error}");
}
