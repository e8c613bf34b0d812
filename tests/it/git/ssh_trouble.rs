//! Servers of ssh that are gone, silent, broken or loud, in the middle of whatever is under way.

use super::ssh::{reachable, served};
use super::*;
use crate::support::git_ssh::Manners;
use std::io::{Read, Write};
use std::net::TcpListener;

/// Why a fetch failed.
fn refused(world: &World, remote: &Remote) -> GitError {
    let fetched = world.cache.fetch(remote, &branch("main"));
    fetched.expect_err("the server gives nothing")
}

/// What the server runs before, or in the place of, what is asked for.
fn first(commands: &str) -> Manners {
    Manners {
        first: commands.to_owned(),
        ..Manners::default()
    }
}

#[test]
fn a_repository_that_is_not_there_is_not_found() {
    let (world, server, key) = served();
    let known = reachable(&server, &key);
    let missing =
        remote(&server.url("missing")).with_auth(super::ssh::login(&key, &server.known_hosts()));
    let error = refused(&world, &missing);
    assert!(
        matches!(error, GitError::RepositoryNotFound { .. }),
        "{error:?}"
    );
    let error = set(&world, &missing, &[("a.yaml", "b\n")]).expect_err("not there");
    assert!(
        matches!(
            error,
            TransactionError::Git(GitError::RepositoryNotFound { .. })
        ),
        "{error:?}"
    );
    assert!(world.cache.fetch(&known, &branch("main")).is_ok());
}

#[test]
fn a_hook_that_rejects_is_told_with_its_words_and_nothing_moves() {
    let (world, server, key) = served();
    world
        .origin
        .hook("pre-receive", "echo 'no ticket number' >&2; exit 1");
    let before = world.origin.head("main");
    let error = set(&world, &reachable(&server, &key), &[("a.yaml", "b\n")]).expect_err("rejected");
    match error {
        TransactionError::Push(PushError::Rejected { reason, words, .. }) => {
            assert_eq!(reason, "pre-receive hook declined");
            assert_eq!(words, "no ticket number");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.origin.head("main"), before);
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_push_is_asked_again_and_has_it_once() {
    let (world, server, key) = served();
    let remote = reachable(&server, &key);
    world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    // Random enough that no compression makes it small.
    let mut state = 7_u64;
    let large: String = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("{state:x}\n")
    })
    .take(60_000)
    .collect();
    for limit in [0, 100, 40_000, 400_000] {
        let before = world.origin.head("main");
        server.behave(Manners {
            dies_after: Some(limit),
            ..Manners::default()
        });
        let error = set(&world, &remote, &[("large.yaml", &large)]).expect_err("it died");
        let told = error.to_string();
        assert!(
            matches!(
                error,
                TransactionError::Push(
                    PushError::Unknown { .. } | PushError::Remote(GitError::Unreachable { .. })
                ) | TransactionError::Git(GitError::Unreachable { .. })
            ),
            "{limit}: {told}"
        );
        assert_eq!(world.origin.head("main"), before, "{limit}");
    }
    server.behave(Manners::default());
    let outcome = set(&world, &remote, &[("large.yaml", &large)]).expect("it is pushed");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
    assert_eq!(world.origin.log("main"), ["update", "seed"]);
    world.origin.fsck();
}

#[test]
fn a_server_that_falls_silent_runs_into_the_timeout() {
    let (world, server, key) = served();
    let remote = reachable(&server, &key).with_timeout(Duration::from_millis(1_500));
    server.behave(Manners {
        silent: true,
        ..Manners::default()
    });
    let started = Instant::now();
    let error = refused(&world, &remote);
    assert!(matches!(error, GitError::Timeout { .. }), "{error:?}");
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "it ended by its own timeout"
    );
    // One that accepts and says nothing at all.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = mute.local_addr().expect("an address").port();
    let known = server
        .known_hosts()
        .replace(&server.address().port().to_string(), &port.to_string());
    let remote = super::remote(&format!("ssh://127.0.0.1:{port}/fleet.git"))
        .with_auth(super::ssh::login(&key, &known))
        .with_timeout(Duration::from_millis(300));
    let error = refused(&world, &remote);
    assert!(matches!(error, GitError::Timeout { .. }), "{error:?}");
    // What was given up is closed.
    let (mut left, _) = mute.accept().expect("somebody came");
    left.set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a socket option");
    let mut said = Vec::new();
    left.read_to_end(&mut said).expect("an end");
    assert!(said.starts_with(b"SSH-2.0-highwater_"), "{said:?}");
    drop(mute);
    let error = refused(&world, &remote);
    assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
    // The second, while the system still takes leave of the first.
    let words = error.to_string();
    assert!(
        words.contains("refused") || words.contains("reset"),
        "{words}"
    );
}

#[test]
fn what_speaks_no_ssh_is_told() {
    let (world, server, key) = served();
    let web = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = web.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in web.incoming().flatten() {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let known = server
        .known_hosts()
        .replace(&server.address().port().to_string(), &port.to_string());
    let remote = super::remote(&format!("ssh://127.0.0.1:{port}/fleet.git"))
        .with_auth(super::ssh::login(&key, &known));
    let error = refused(&world, &remote);
    assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_loud_server_is_heard_and_its_words_are_bounded() {
    let (world, server, key) = served();
    let remote = reachable(&server, &key);
    let loud = "head -c 5000000 /dev/zero | tr '\\0' 'x' >&2".to_owned();
    server.behave(first(&loud));
    let outcome = set(&world, &remote, &[("a.yaml", "b\n")]).expect("it is pushed");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
    server.behave(first(&format!("{loud}; exit 3")));
    let error = refused(&world, &remote);
    let told = error.to_string();
    assert!(
        told.contains("xxx") && told.len() < 3_000,
        "{} bytes",
        told.len()
    );
    server.behave(first("echo 'only on weekdays' >&2; exit 3"));
    let error = refused(&world, &remote);
    assert!(
        error
            .to_string()
            .ends_with("cannot be read: only on weekdays"),
        "{error}"
    );
    server.behave(first("exit 3"));
    let error = refused(&world, &remote);
    assert!(
        error
            .to_string()
            .ends_with("`git-upload-pack` ended with status 3 on the server and said nothing"),
        "{error}"
    );
}

#[test]
fn a_server_that_runs_nothing_and_one_that_talks_nonsense_are_told_apart() {
    let (world, server, key) = served();
    let remote = reachable(&server, &key);
    server.behave(Manners {
        runs_nothing: true,
        ..Manners::default()
    });
    let error = refused(&world, &remote);
    assert!(
        error
            .to_string()
            .ends_with("the server refuses to run `git-upload-pack`"),
        "{error}"
    );
    server.behave(first("echo Welcome to this server"));
    let error = refused(&world, &remote);
    assert!(matches!(error, GitError::Protocol { .. }), "{error:?}");
}

#[test]
fn more_than_is_accepted_is_not_read() {
    let (world, server, key) = served();
    let mut text = String::new();
    for number in 0..40_000 {
        use std::fmt::Write;
        let _ = write!(text, "{:x}", number * 2_654_435_761_u64);
    }
    world
        .origin
        .commit("main", "large", &[("large.yaml", &text)]);
    let remote = reachable(&server, &key).with_limit(10_000);
    let error = refused(&world, &remote);
    assert!(
        matches!(error, GitError::TooLarge { limit: 10_000, .. }),
        "{error:?}"
    );
}
