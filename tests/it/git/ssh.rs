//! Git over ssh: every kind of key that a Secret may hold, ways through proxies, and what the server's shell is asked.

use super::*;
use crate::support::git_ssh::{Asked, GitSsh, KeyPair, Manners, SshIdentity};
use highwater::adapters::git::{SshAlgorithms, SshLogin, SshLoginError};
use russh::keys::HashAlg;
use russh::{Preferred, kex};
use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// A login with a key that is not encrypted.
pub(super) fn login(key: &KeyPair, known_hosts: &str) -> Auth {
    let identity = Secret::new(key.private.clone().into_bytes());
    let login = SshLogin::new(&identity, None, known_hosts.as_bytes());
    Auth::Ssh(login.expect("a key and known hosts"))
}

/// A remote on an ssh server that is known, for a key that it admits.
pub(super) fn reachable(server: &GitSsh, key: &KeyPair) -> Remote {
    remote(&server.url("fleet")).with_auth(login(key, &server.known_hosts()))
}

/// A seeded repository on a server that admits one key.
pub(super) fn served() -> (World, GitSsh, KeyPair) {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let key = KeyPair::usual();
    let server = GitSsh::start(world.folder.path(), &[&key]);
    (world, server, key)
}

fn read(key: &KeyPair, passphrase: Option<&str>) -> Result<SshLogin, SshLoginError> {
    let identity = Secret::new(key.private.clone().into_bytes());
    let passphrase = passphrase.map(|text| Secret::new(text.to_owned()));
    let known = KeyPair::usual().public;
    SshLogin::new(
        &identity,
        passphrase.as_ref(),
        format!("h {known}").as_bytes(),
    )
}

#[test]
fn a_branch_is_fetched_changed_and_pushed() {
    let (world, server, key) = served();
    let remote = reachable(&server, &key);
    let fetched = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    assert_eq!(fetched.snapshot.read("a.yaml"), Ok(b"a\n".to_vec()));
    let outcome = set(&world, &remote, &[("a.yaml", "b\n")]).expect("it is pushed");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
    assert_eq!(world.origin.show("main", "a.yaml"), "b\n");
    world.origin.fsck();
    let path = world.origin.path.display();
    let asked = |program: &str, protocol: Option<&str>| Asked {
        command: format!("{program} '{path}'"),
        protocol: protocol.map(str::to_owned),
        signed: "ssh-ed25519".to_owned(),
    };
    let seen = server.asked();
    assert!(
        seen.contains(&asked("git-upload-pack", Some("version=2"))),
        "{seen:?}"
    );
    assert!(seen.contains(&asked("git-receive-pack", None)), "{seen:?}");
}

#[test]
fn every_form_of_key_logs_in() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    for (arguments, passphrase) in [
        (&["-t", "ed25519"][..], ""),
        (&["-t", "ed25519"], "sesam öffne dich"),
        (&["-t", "ecdsa", "-b", "256"], ""),
        (&["-t", "ecdsa", "-b", "384"], ""),
        (&["-t", "ecdsa", "-b", "521"], "sesam"),
        (&["-t", "ecdsa", "-b", "256", "-m", "PEM"], ""),
        (&["-t", "ecdsa", "-b", "384", "-m", "PKCS8"], ""),
        (&["-t", "ecdsa", "-b", "256", "-m", "PKCS8"], "sesam"),
        (&["-t", "rsa", "-b", "2048"], ""),
        (&["-t", "rsa", "-b", "2048"], "sesam"),
        (&["-t", "rsa", "-b", "2048", "-m", "PEM"], ""),
        (&["-t", "rsa", "-b", "2048", "-m", "PEM"], "sesam"),
        (&["-t", "rsa", "-b", "2048", "-m", "PKCS8"], ""),
        (&["-t", "rsa", "-b", "2048", "-m", "PKCS8"], "sesam"),
    ] {
        let what = format!("{arguments:?} {passphrase}");
        let key = KeyPair::make(arguments, passphrase);
        let server = GitSsh::start(world.folder.path(), &[&key]);
        let identity = Secret::new(key.private.clone().into_bytes());
        // As in Flux, a passphrase that is not needed does no harm.
        let opened_by = Secret::new(
            if passphrase.is_empty() {
                "not needed"
            } else {
                passphrase
            }
            .to_owned(),
        );
        let login = SshLogin::new(&identity, Some(&opened_by), server.known_hosts().as_bytes());
        let remote = remote(&server.url("fleet")).with_auth(Auth::Ssh(login.expect(&what)));
        let head = world.cache.remote_head(&remote, &branch("main"));
        assert_eq!(head.expect(&what), id(&world.origin.head("main")), "{what}");
        if arguments.contains(&"rsa") {
            let signed = server.asked()[0].signed.clone();
            assert_eq!(signed, "rsa-sha2-512", "{what}");
        }
    }
}

/// OpenSSH leaves the zeros before a number away, which one key in 256 has.
#[test]
fn an_ecdsa_key_whose_number_begins_with_zeros_logs_in() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    for (zeros, arguments, passphrase) in [
        (1, &[][..], ""),
        (1, &[], "sesam"),
        (2, &[], ""),
        // OpenSSH itself takes no number of less than half the bits.
        (15, &["-Z", "aes256-cbc"], "sesam"),
        (1, &["-Z", "aes256-gcm@openssh.com"], "sesam"),
        (1, &["-Z", "chacha20-poly1305@openssh.com"], "sesam"),
    ] {
        let what = format!("{zeros} {arguments:?} {passphrase}");
        let mut number = [0x5a; 32];
        number[..zeros].fill(0);
        let key = KeyPair::of_number(number, arguments, passphrase);
        let server = GitSsh::start(world.folder.path(), &[&key]);
        let identity = Secret::new(key.private.clone().into_bytes());
        let opened_by = Secret::new(passphrase.to_owned());
        let known = server.known_hosts();
        let login = SshLogin::new(&identity, Some(&opened_by), known.as_bytes());
        let login = Auth::Ssh(login.unwrap_or_else(|error| panic!("{what}: {error}")));
        let remote = remote(&server.url("fleet")).with_auth(login);
        let head = world.cache.remote_head(&remote, &branch("main"));
        assert_eq!(head.expect(&what), id(&world.origin.head("main")), "{what}");
        if !passphrase.is_empty() {
            assert_eq!(read(&key, None), Err(SshLoginError::Encrypted));
            assert_eq!(read(&key, Some("other")), Err(SshLoginError::Passphrase));
        }
    }
}

#[test]
fn a_key_is_opened_by_its_own_passphrase_alone() {
    for arguments in [
        &["-t", "ed25519"][..],
        &["-t", "rsa", "-b", "2048", "-m", "PEM"],
        &["-t", "ecdsa", "-m", "PKCS8"],
    ] {
        let key = KeyPair::make(arguments, "planted-secret");
        assert_eq!(
            read(&key, None),
            Err(SshLoginError::Encrypted),
            "{arguments:?}"
        );
        assert_eq!(
            read(&key, Some("")),
            Err(SshLoginError::Encrypted),
            "{arguments:?}"
        );
        let error = read(&key, Some("planted-other")).expect_err("not its own");
        assert_eq!(error, SshLoginError::Passphrase, "{arguments:?}");
        let login = read(&key, Some("planted-secret")).expect("its own");
        assert!(!format!("{login:?} {error:?} {error}").contains("planted"));
    }
    let costly = KeyPair::make(&["-t", "ed25519", "-a", "1001"], "sesam");
    let error = read(&costly, Some("sesam"))
        .expect_err("it would take long")
        .to_string();
    assert!(error.contains("would take too long"), "{error}");
    let other = KeyPair::make(&["-t", "ecdsa", "-m", "PEM"], "sesam");
    let error = read(&other, Some("sesam"))
        .expect_err("an old form")
        .to_string();
    assert!(error.contains("hint: "), "{error}");
}

#[test]
fn a_server_that_takes_no_environment_is_spoken_to_in_the_first_protocol() {
    let (world, server, key) = served();
    server.behave(Manners {
        no_environment: true,
        ..Manners::default()
    });
    let remote = reachable(&server, &key);
    let first = id(&world.origin.head("main"));
    for (number, text) in [("1", "b\n"), ("2", "c\n")] {
        let outcome = set(&world, &remote, &[("a.yaml", text)]).expect(number);
        assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
        assert_eq!(world.origin.show("main", "a.yaml"), text);
    }
    world.origin.commit("main", "more", &[("b.yaml", "b\n")]);
    let fetched = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    assert_eq!(fetched.snapshot.read("b.yaml"), Ok(b"b\n".to_vec()));
    let old = CheckoutRef::Commit {
        commit: first,
        branch: Some("main".to_owned()),
    };
    let fetched = world.cache.fetch(&remote, &old).expect("by its history");
    assert_eq!(fetched.snapshot.read("a.yaml"), Ok(b"a\n".to_vec()));
}

#[test]
fn a_path_is_one_word_for_the_servers_shell() {
    let (world, server, key) = served();
    let odd = "it's \"odd\"; touch $(echo x)! & %41\\";
    let repository = BareRepository::create(world.folder.path(), odd);
    repository.commit("main", "seed", &[("a.yaml", "odd\n")]);
    let encoded: String = odd.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let remote = remote(&server.url(&encoded)).with_auth(login(&key, &server.known_hosts()));
    let fetched = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    assert_eq!(fetched.snapshot.read("a.yaml"), Ok(b"odd\n".to_vec()));
}

#[test]
fn many_at_once_share_a_server_and_all_land() {
    let (world, server, key) = served();
    let (world, remote) = (&world, &reachable(&server, &key));
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let main = branch("main");
                let line = format!("line {number}");
                let landed = world.cache.transaction(&on_main(remote, &main), |tip| {
                    Ok::<_, Infallible>(Some(append(tip, "a.yaml", &line)))
                });
                landed.expect("it lands");
            });
        }
    });
    assert_eq!(world.origin.show("main", "a.yaml").lines().count(), 9);
    assert_eq!(world.origin.log("main").len(), 9);
    world.origin.fsck();
}

#[test]
fn the_algorithms_that_flags_name_are_the_only_ones() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let key = KeyPair::usual();
    let server = GitSsh::start_as(
        SshIdentity {
            keys: vec![
                KeyPair::usual(),
                KeyPair::make(&["-t", "rsa", "-b", "2048"], ""),
            ],
            preferred: Preferred {
                kex: Cow::Owned(vec![kex::DH_G14_SHA256]),
                ..Preferred::DEFAULT
            },
            certificate: None,
        },
        world.folder.path(),
        &[&key],
    );
    let remote = reachable(&server, &key);
    let ask = |kex: &[&str], keys: &[&str]| {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let (named, unknown) = SshAlgorithms::named(&owned(kex), &owned(keys)).expect("names");
        assert!(unknown.is_empty(), "{unknown:?}");
        let folder = tempfile::tempdir().expect("a folder");
        let cache = GitCache::open_with(folder.path(), named).expect("a cache");
        cache
            .remote_head(&remote, &branch("main"))
            .map_err(|error| error.to_string())
    };
    let head = id(&world.origin.head("main"));
    assert_eq!(ask(&[], &[]), Ok(head));
    assert_eq!(
        ask(&["curve25519-sha256", "diffie-hellman-group14-sha256"], &[]),
        Ok(head)
    );
    let error = ask(&["curve25519-sha256"], &[]).expect_err("nothing in common");
    assert!(
        error.contains("no key exchange in common: offered are curve25519-sha256"),
        "{error}"
    );
    assert_eq!(ask(&[], &["rsa-sha2-256"]), Ok(head));
    let error = ask(&[], &["ecdsa-sha2-nistp256"]).expect_err("nothing in common");
    assert!(error.contains("wanted are ecdsa-sha2-nistp256"), "{error}");
}

#[test]
fn an_rsa_key_of_a_host_is_checked_by_its_newer_signatures() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let key = KeyPair::usual();
    let host = KeyPair::make(&["-t", "rsa", "-b", "2048"], "");
    let identity = SshIdentity {
        keys: vec![host],
        preferred: Preferred {
            key: Cow::Owned(vec![russh::keys::Algorithm::Rsa {
                hash: Some(HashAlg::Sha256),
            }]),
            ..Preferred::DEFAULT
        },
        certificate: None,
    };
    let server = GitSsh::start_as(identity, world.folder.path(), &[&key]);
    let head = world
        .cache
        .remote_head(&reachable(&server, &key), &branch("main"));
    assert_eq!(head.expect("it answers"), id(&world.origin.head("main")));
}

/// A proxy that plays one conversation and then passes everything on to `server`; gives what it was asked.
fn proxy(
    server: std::net::SocketAddr,
    greet: impl Fn(&mut TcpStream) -> Vec<u8> + Send + 'static,
) -> (u16, std::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (told, heard) = std::sync::mpsc::channel();
    // The threads end with the test process.
    std::thread::spawn(move || {
        for mut front in listener.incoming().flatten() {
            let _ = told.send(greet(&mut front));
            let Ok(back) = TcpStream::connect(server) else {
                continue;
            };
            for (mut from, mut to) in [
                (front.try_clone(), back.try_clone()),
                (back.try_clone(), front.try_clone()),
            ]
            .map(|(from, to)| (from.expect("a socket"), to.expect("a socket")))
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    (port, heard)
}

fn through(remote: &Remote, url: &str, credentials: Option<(&str, &str)>) -> Remote {
    let secret = |text: &str| Secret::new(text.to_owned());
    remote.clone().with_proxy(Some(Proxy {
        url: SafeUrl::parse(url).expect("a URL"),
        credentials: credentials.map(|(user, password)| (user.to_owned(), secret(password))),
    }))
}

/// A remote whose name only a proxy can resolve.
fn behind_a_proxy(server: &GitSsh, world: &World, key: &KeyPair) -> Remote {
    let path = world.origin.path.display();
    let known = server.known_hosts();
    let (_, host_key) = known.split_once(' ').expect("a line");
    let remote = remote(&format!("ssh://git@git.invalid{path}"));
    remote.with_auth(login(key, &format!("git.invalid {host_key}")))
}

#[test]
fn an_http_proxy_leads_to_the_server_by_its_name() {
    let (world, server, key) = served();
    let (port, asked) = proxy(server.address(), |front| {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && front.read(&mut byte).is_ok_and(|count| count == 1)
        {
            request.push(byte[0]);
        }
        let _ = front.write_all(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n");
        request
    });
    let remote = behind_a_proxy(&server, &world, &key);
    let remote = through(
        &remote,
        &format!("http://127.0.0.1:{port}"),
        Some(("me", "pass")),
    );
    let head = world.cache.remote_head(&remote, &branch("main"));
    assert_eq!(head.expect("it answers"), id(&world.origin.head("main")));
    let request = String::from_utf8(asked.recv().expect("it was asked")).expect("text");
    assert_eq!(
        request,
        "CONNECT git.invalid:22 HTTP/1.1\r\nHost: git.invalid:22\r\nProxy-Authorization: Basic bWU6cGFzcw==\r\n\r\n"
    );
}

/// A proxy of SOCKS 5 that wants the login `me:pass` and a name of this length.
fn socks(server: std::net::SocketAddr, name: usize) -> (u16, std::sync::mpsc::Receiver<Vec<u8>>) {
    proxy(server, move |front| {
        let mut seen = Vec::new();
        let mut read = |front: &mut TcpStream, length: usize| {
            let mut part = vec![0; length];
            let _ = front.read_exact(&mut part);
            seen.extend(&part);
            part
        };
        let methods = usize::from(read(front, 2)[1]);
        for (length, answer) in [
            (methods, &b"\x05\x02"[..]),
            (1 + 3 + 5, b"\x01\x00"),
            (5 + name + 2, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"),
        ] {
            read(front, length);
            let _ = front.write_all(answer);
        }
        seen
    })
}

#[test]
fn a_socks_proxy_leads_to_the_server_by_its_name() {
    let (world, server, key) = served();
    let (port, asked) = socks(server.address(), "git.invalid".len());
    let remote = behind_a_proxy(&server, &world, &key);
    let remote = through(&remote, &format!("socks5://me:pass@127.0.0.1:{port}"), None);
    let head = world.cache.remote_head(&remote, &branch("main"));
    assert_eq!(head.expect("it answers"), id(&world.origin.head("main")));
    assert_eq!(
        asked.recv().expect("it was asked"),
        b"\x05\x02\x00\x02\x01\x02me\x04pass\x05\x01\x00\x03\x0bgit.invalid\x00\x16"
    );
}

#[test]
fn a_socks_proxy_leads_to_a_server_of_http_by_its_name_too() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Open);
    let (port, asked) = socks(server.address(), "git.invalid".len());
    let remote = through(
        &remote("http://git.invalid/fleet.git"),
        &format!("socks5://127.0.0.1:{port}"),
        Some(("me", "pass")),
    );
    let head = world.cache.remote_head(&remote, &branch("main"));
    assert_eq!(head.expect("it answers"), id(&world.origin.head("main")));
    let asked = asked.recv().expect("it was asked");
    assert!(
        asked.ends_with(b"\x05\x01\x00\x03\x0bgit.invalid\x00\x50"),
        "{asked:?}"
    );
}

#[test]
fn a_proxy_that_gives_no_way_is_told_with_its_words_and_without_its_login() {
    let (_world, server, key) = served();
    let (port, _asked) = proxy(server.address(), |front| {
        let _ = front.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        Vec::new()
    });
    let folder = tempfile::tempdir().expect("a folder");
    let cache = GitCache::open(folder.path()).expect("a cache");
    for (proxy, words) in [
        (
            format!("http://me:hunter2@127.0.0.1:{port}"),
            "it answered `HTTP/1.1 407 Proxy Authentication Required`",
        ),
        (
            "http://me:hunter2@127.0.0.1:1".to_owned(),
            "the proxy `http://127.0.0.1:1/` cannot be reached",
        ),
        (
            "https://me:hunter2@127.0.0.1:1".to_owned(),
            "a proxy of the scheme `https` cannot lead to an ssh server",
        ),
    ] {
        let remote = through(&reachable(&server, &key), &proxy, None);
        let error = cache
            .remote_head(&remote, &branch("main"))
            .expect_err(words);
        assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
        let told = format!("{error} {error:?} {remote:?}");
        assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
    }
}
