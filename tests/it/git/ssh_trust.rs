//! Who an ssh server is, and who it lets in.

use super::ssh::{login, reachable, served};
use super::*;
use crate::support::git_ssh::{GitSsh, KeyPair, SshIdentity, ssh_keygen};

fn asked(world: &World, remote: &Remote) -> Result<CommitId, GitError> {
    world.cache.remote_head(remote, &branch("main"))
}

#[test]
fn a_server_is_trusted_by_any_line_that_names_its_key() {
    let (world, server, key) = served();
    let host = server.known_hosts();
    let (_, host_key) = host.split_once(' ').expect("a line");
    let other = KeyPair::usual().public;
    let hashed = {
        let file = world.folder.path().join("hashed");
        std::fs::write(&file, &host).expect("a file");
        ssh_keygen(&["-q", "-H", "-f", file.to_str().expect("text")]);
        std::fs::read_to_string(&file).expect("a file")
    };
    assert!(hashed.starts_with("|1|"), "{hashed}");
    let port = server.address().port();
    for known in [
        host.clone(),
        hashed,
        format!("{}{host}", server.known_host(&other)),
        format!("# a comment\n\n[*]:{port},!elsewhere {host_key}"),
        format!("[127.0.0.?]:* {host_key}"),
    ] {
        let remote = remote(&server.url("fleet")).with_auth(login(&key, &known));
        let head = asked(&world, &remote);
        assert_eq!(head.expect(&known), id(&world.origin.head("main")));
    }
}

#[test]
fn a_server_that_is_not_known_gets_nothing() {
    let (world, server, key) = served();
    let host = server.known_hosts();
    let (_, host_key) = host.split_once(' ').expect("a line");
    let other = KeyPair::usual().public;
    let rsa = KeyPair::make(&["-t", "rsa", "-b", "2048"], "").public;
    let (name, port) = (server.address().ip(), server.address().port());
    for (known, words) in [
        (
            format!("{name} {host_key}"),
            "`known_hosts` names no key of it",
        ),
        (
            format!("elsewhere {host_key}nonsense\n"),
            "`known_hosts` names no key of it (line 2 cannot be read)",
        ),
        (
            format!("[{name}]:{port},![127.*]:{port} {host_key}"),
            "`known_hosts` names no key of it",
        ),
        (server.known_host(&other), "it has the key `SHA256:"),
        (
            format!("{host}@revoked * {host_key}"),
            "is revoked in `known_hosts`",
        ),
        (
            server.known_host(&rsa),
            "it shows only keys of the kinds ssh-ed25519, and wanted are rsa-sha2-512, rsa-sha2-256, ssh-rsa",
        ),
    ] {
        let remote = remote(&server.url("fleet")).with_auth(login(&key, &known));
        let error = asked(&world, &remote).expect_err(words);
        assert!(matches!(error, GitError::HostKey { .. }), "{error:?}");
        assert_eq!(error.class(), FailureClass::User);
        let told = error.to_string();
        let named = format!("the server `127.0.0.1:{port}` of `ssh://127.0.0.1:{port}/");
        assert!(told.starts_with(&named) && told.contains(words), "{told}");
    }
    assert!(server.asked().is_empty(), "nobody logged in");
}

#[test]
fn a_certificate_of_a_known_authority_is_trusted_and_no_other() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let (key, host, authority) = (KeyPair::usual(), KeyPair::usual(), KeyPair::usual());
    let start = |names: &str| {
        let identity = SshIdentity {
            certificate: Some(host.certified(&authority, names)),
            keys: vec![host.clone()],
            ..SshIdentity::default()
        };
        GitSsh::start_as(identity, world.folder.path(), &[&key])
    };
    let server = start("127.0.0.1,git.example.com");
    let certified = |server: &GitSsh, authority: &KeyPair| {
        let line = format!("@cert-authority {}", server.known_host(&authority.public));
        remote(&server.url("fleet")).with_auth(login(&key, &line))
    };
    let head = asked(&world, &certified(&server, &authority));
    assert_eq!(head.expect("it is trusted"), id(&world.origin.head("main")));
    let error = asked(&world, &certified(&server, &KeyPair::usual())).expect_err("another");
    assert!(
        error
            .to_string()
            .contains("its certificate is signed by `SHA256:"),
        "{error}"
    );
    let elsewhere = start("git.example.com");
    let error = asked(&world, &certified(&elsewhere, &authority)).expect_err("another name");
    assert!(
        error
            .to_string()
            .ends_with("its certificate does not name it"),
        "{error}"
    );
    // Who knows the key itself needs no authority.
    assert!(asked(&world, &reachable(&server, &key)).is_ok());
}

#[test]
fn a_key_that_is_not_admitted_is_told_by_its_fingerprint() {
    let (world, server, key) = served();
    for arguments in [&["-t", "ed25519"][..], &["-t", "rsa", "-b", "2048"]] {
        let stranger = KeyPair::make(arguments, "");
        let remote = reachable(&server, &stranger);
        let error = asked(&world, &remote).expect_err("not admitted");
        assert!(matches!(error, GitError::LoginRefused { .. }), "{error:?}");
        let file = world.folder.path().join("stranger.pub");
        std::fs::write(&file, &stranger.public).expect("a file");
        let listed = ssh_keygen(&["-l", "-f", file.to_str().expect("text")]);
        let fingerprint = listed.split(' ').nth(1).expect("a fingerprint");
        let told = error.to_string();
        assert!(
            told.contains(fingerprint) && told.contains("of the user `git`"),
            "{told}"
        );
        let error = set(&world, &remote, &[("a.yaml", "b\n")]).expect_err("not admitted");
        assert!(
            matches!(error, TransactionError::Git(GitError::LoginRefused { .. })),
            "{error:?}"
        );
    }
    let url = server.url("fleet").replace("git@", "root@");
    let remote = remote(&url).with_auth(login(&key, &server.known_hosts()));
    let error = asked(&world, &remote).expect_err("another user");
    assert!(error.to_string().contains("of the user `root`"), "{error}");
}

#[test]
fn without_a_key_nothing_is_tried() {
    let (world, server, _) = served();
    let error = asked(&world, &remote(&server.url("fleet"))).expect_err("no key");
    assert_eq!(error.class(), FailureClass::User);
    assert!(
        error
            .to_string()
            .ends_with("ssh needs a private key and known hosts"),
        "{error}"
    );
}
