//! The Git engine against real Git: bare repositories over `file:` and over HTTP with a password,
//! judged by `git fsck`, `git log` and `git cat-file`.

mod caching;
mod connecting;
mod fetching;
mod pushing;
mod reading;
mod signing;
mod ssh;
mod ssh_trouble;
mod ssh_trust;
mod stacking;
mod transactions;

use crate::support::git_http::{
    BareRepository, GitHttp, Point, Seed, ServerAuth, git, git_with_input,
};
use highwater::adapters::git::{
    Auth, Author, ClientCertificate, CommitPlan, FailureClass, Force, GitCache, GitError, Proxy,
    Push, PushError, Remote, SkipReason, Snapshot, Stacking, Transaction, TransactionError,
    TransactionOutcome,
};
use highwater::domain::git_ref::{CheckoutRef, CommitId};
use highwater::domain::redact::{SafeUrl, Secret};
use highwater::domain::tree::{EntryKind, FileTree, TreeError};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A repository, a cache, and the folder both live in.
struct World {
    folder: TempDir,
    origin: BareRepository,
    cache: GitCache,
}

fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = BareRepository::create(folder.path(), "fleet");
    let cache = GitCache::open(&folder.path().join("cache")).expect("a cache");
    World {
        folder,
        origin,
        cache,
    }
}

impl World {
    fn seeded(files: &[(&str, &str)]) -> Self {
        let world = world();
        world.origin.commit("main", "seed", files);
        world
    }

    fn serve(&self, auth: ServerAuth) -> GitHttp {
        GitHttp::start(self.folder.path(), auth)
    }

    fn file(&self) -> Remote {
        remote(&self.origin.url())
    }
}

fn remote(url: &str) -> Remote {
    Remote::new(&SafeUrl::parse(url).expect("a URL")).expect("a supported scheme")
}

fn basic(user: &str, password: &str) -> Auth {
    Auth::Basic {
        user: user.to_owned(),
        password: Secret::new(password.to_owned()),
    }
}

fn branch(name: &str) -> CheckoutRef {
    CheckoutRef::Branch(name.to_owned())
}

fn id(text: &str) -> CommitId {
    text.parse().expect("a commit id")
}

fn plan(message: &str, edits: &[(&str, &str)]) -> CommitPlan {
    CommitPlan {
        edits: edits
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect(),
        author: Author {
            name: "Bot".to_owned(),
            email: "bot@example.com".to_owned(),
        },
        message: message.to_owned(),
        at: "2026-11-23T04:05:06.789Z".parse().expect("a time"),
        signer: None,
    }
}

/// Runs a transaction on `main` that sets files.
fn set(
    world: &World,
    remote: &Remote,
    edits: &[(&str, &str)],
) -> Result<TransactionOutcome, TransactionError<Infallible>> {
    set_on(world, remote, &branch("main"), "main", edits)
}

fn set_on(
    world: &World,
    remote: &Remote,
    checkout: &CheckoutRef,
    push_branch: &str,
    edits: &[(&str, &str)],
) -> Result<TransactionOutcome, TransactionError<Infallible>> {
    let options = BTreeMap::new();
    let request = Transaction {
        remote,
        checkout,
        push_branch,
        stacking: Stacking::OnTop,
        options: &options,
        also: None,
        attempts: 10,
    };
    world
        .cache
        .transaction(&request, |_| Ok(Some(plan("update", edits))))
}

/// Appends a line to a file, on whatever the tip holds.
fn append(snapshot: &Snapshot, path: &str, line: &str) -> CommitPlan {
    let mut text = snapshot.read(path).expect("the file exists");
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
    let mut plan = plan(line, &[]);
    plan.edits.insert(path.to_owned(), text);
    plan
}

fn pushed(outcome: &TransactionOutcome) -> CommitId {
    match outcome {
        TransactionOutcome::Pushed { commit, .. } => *commit,
        other => panic!("nothing was pushed: {other:?}"),
    }
}

static NO_OPTIONS: BTreeMap<String, String> = BTreeMap::new();

/// A transaction that commits to the branch it starts from.
fn on_main<'a>(remote: &'a Remote, main: &'a CheckoutRef) -> Transaction<'a> {
    Transaction {
        remote,
        checkout: main,
        push_branch: "main",
        stacking: Stacking::OnTop,
        options: &NO_OPTIONS,
        also: None,
        attempts: 10,
    }
}
