//! The server with highwater's own engine on the other end of the wire.

use super::*;
use crate::adapters::git::{Author, CommitPlan, Force, GitCache, Push, PushError, Remote};
use crate::adapters::git::{Stacking, Transaction, TransactionOutcome};
use crate::domain::git_ref::CheckoutRef;
use crate::domain::redact::SafeUrl;
use crate::domain::tree::FileTree;
use std::convert::Infallible;
use tempfile::TempDir;

struct Site {
    _folder: TempDir,
    git: GitCache,
    remote: Remote,
    first: String,
}

fn main_branch() -> CheckoutRef {
    CheckoutRef::Branch(BRANCH.to_owned())
}

async fn site() -> Site {
    crate::adapters::tls::install_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let bare = create(&folder.path().join("bare.git")).expect("a repository");
    let files = BTreeMap::from([("a/b.yaml", "b: 1\n".to_owned()), ("c", "c\n".to_owned())]);
    let first = seed(&bare, &files, "First\n", Timestamp::UNIX_EPOCH).expect("a commit");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    // It ends with the runtime of the test.
    tokio::spawn(async move { axum::serve(listener, router(bare)).await });
    let url = SafeUrl::parse(&format!("http://{address}/fleet.git")).expect("a URL");
    Site {
        git: GitCache::open(&folder.path().join("cache")).expect("a cache"),
        remote: Remote::new(&url).expect("a supported scheme"),
        first: first.to_string(),
        _folder: folder,
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    site: &Site,
    work: impl FnOnce(&GitCache, &Remote) -> T + Send + 'static,
) -> T {
    let (git, remote) = (site.git.clone(), site.remote.clone());
    tokio::task::spawn_blocking(move || work(&git, &remote))
        .await
        .expect("the work ends")
}

fn plan(text: &str) -> CommitPlan {
    CommitPlan {
        edits: BTreeMap::from([("a/b.yaml".to_owned(), text.as_bytes().to_vec())]),
        author: Author {
            name: "A".to_owned(),
            email: "a@example.com".to_owned(),
        },
        message: format!("{text}\n"),
        at: Timestamp::UNIX_EPOCH,
        signer: None,
    }
}

fn set(git: &GitCache, remote: &Remote, text: &str) -> TransactionOutcome {
    let (checkout, options) = (main_branch(), BTreeMap::new());
    let request = Transaction {
        remote,
        checkout: &checkout,
        push_branch: BRANCH,
        stacking: Stacking::OnTop,
        options: &options,
        also: None,
        attempts: 1,
    };
    let outcome = git.transaction(&request, |_| Ok::<_, Infallible>(Some(plan(text))));
    outcome.expect("the push is accepted")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_commit_is_fetched_with_its_files() {
    let site = site().await;
    let fetched = blocking(&site, |git, remote| git.fetch(remote, &main_branch()))
        .await
        .expect("a commit");
    assert_eq!(fetched.commit.to_string(), site.first);
    assert_eq!(fetched.subject, "First");
    assert_eq!(
        fetched.snapshot.read("a/b.yaml").expect("a file"),
        b"b: 1\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_fetched_by_a_stranger_who_has_nothing() {
    let site = site().await;
    for text in ["b: 2\n", "b: 3\n"] {
        let outcome = blocking(&site, move |git, remote| set(git, remote, text)).await;
        assert!(
            matches!(outcome, TransactionOutcome::Pushed { .. }),
            "{outcome:?}"
        );
    }
    let elsewhere = tempfile::tempdir().expect("a folder");
    let git = GitCache::open(elsewhere.path()).expect("a cache");
    let remote = site.remote.clone();
    let fetched = tokio::task::spawn_blocking(move || git.fetch(&remote, &main_branch())).await;
    let fetched = fetched.expect("the work ends").expect("a commit");
    assert_eq!(
        fetched.snapshot.read("a/b.yaml").expect("a file"),
        b"b: 3\n"
    );
    assert_eq!(fetched.snapshot.read("c").expect("a file"), b"c\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_moves_only_from_the_value_that_the_pusher_saw() {
    let site = site().await;
    let refused = blocking(&site, |git, remote| {
        let old = git.fetch(remote, &main_branch()).expect("a commit");
        let late = old
            .snapshot
            .commit_on_top(&plan("b: late\n"))
            .expect("a commit")
            .expect("a change");
        set(git, remote, "b: fast\n");
        let options = BTreeMap::new();
        let push = Push {
            reference: "refs/heads/main",
            expected: Some(old.commit),
            force: Force::Never,
            options: &options,
        };
        git.push(remote, &late, &push)
            .expect_err("somebody was faster")
    })
    .await;
    assert!(matches!(refused, PushError::Raced { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_itself_refuses_a_stale_value() {
    let site = site().await;
    let pushed = blocking(&site, |git, remote| set(git, remote, "b: 2\n")).await;
    let TransactionOutcome::Pushed { commit, .. } = pushed else {
        panic!("{pushed:?}");
    };
    // The same objects once more, from a value the branch does not have any more.
    let mut body = Vec::new();
    packet::line(
        &mut body,
        &format!("{} {commit} refs/heads/main\0 report-status", site.first),
    );
    packet::flush(&mut body);
    body.extend_from_slice(EMPTY_PACK);
    let answer = post(&site, "git-receive-pack", body).await;
    let text = String::from_utf8_lossy(&answer.1).into_owned();
    assert!(text.contains("unpack ok"), "{text}");
    assert!(
        text.contains("ng refs/heads/main failed to update ref"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_never_points_to_what_is_not_there() {
    let site = site().await;
    let nowhere = "1".repeat(40);
    let mut body = Vec::new();
    packet::line(
        &mut body,
        &format!("{} {nowhere} refs/heads/main\0 report-status", site.first),
    );
    packet::flush(&mut body);
    body.extend_from_slice(EMPTY_PACK);
    let (_, answer) = post(&site, "git-receive-pack", body).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(text.contains("ng refs/heads/main"), "{text}");
    let head = blocking(&site, |git, remote| git.fetch(remote, &main_branch())).await;
    assert_eq!(head.expect("a commit").commit.to_string(), site.first);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_and_not_served() {
    let site = site().await;
    for (service, body) in [
        ("git-upload-pack", b"0000".to_vec()),
        ("git-upload-pack", b"zzzz".to_vec()),
        ("git-upload-pack", Vec::new()),
        ("git-receive-pack", b"0000".to_vec()),
    ] {
        let (status, _) = post(&site, service, body.clone()).await;
        assert_eq!(status, 400, "{service} {body:?}");
    }
    let mut body = Vec::new();
    packet::line(&mut body, "command=fetch");
    packet::delimiter(&mut body);
    packet::line(&mut body, &format!("want {}", "1".repeat(40)));
    packet::line(&mut body, "done");
    packet::flush(&mut body);
    let (_, answer) = post(&site, "git-upload-pack", body).await;
    assert!(String::from_utf8_lossy(&answer).contains("not our ref"));
}

/// A pack without objects: its header and the SHA-1 of that.
const EMPTY_PACK: &[u8] = b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";

async fn post(site: &Site, service: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let url = format!("{}/{service}", site.remote.url().as_url());
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let response = client.post(url).body(body).send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.bytes().await.expect("a body").to_vec())
}
