//! A push branch that is not the checkout: added to, or made anew once it fell behind.

use super::*;
use std::collections::BTreeSet;

/// Whom `plan` commits as.
fn own() -> BTreeSet<String> {
    BTreeSet::from(["bot@example.com".to_owned()])
}

type Outcome = Result<TransactionOutcome, TransactionError<Infallible>>;

/// Sets these files to `1` on `bot/updates`, which starts from `checkout`.
fn update(
    world: &World,
    remote: &Remote,
    checkout: &CheckoutRef,
    always: bool,
    paths: &[&str],
) -> Outcome {
    let own = own();
    let request = Transaction {
        checkout,
        push_branch: "bot/updates",
        stacking: Stacking::Rebuild {
            authors: &own,
            always,
        },
        ..on_main(remote, checkout)
    };
    let edits: Vec<(&str, &str)> = paths.iter().map(|path| (*path, "1\n")).collect();
    world.cache.transaction(&request, |tip| {
        let missing =
            |(path, text): &&(&str, &str)| tip.read(path).ok() != Some(text.as_bytes().to_vec());
        let edits: Vec<_> = edits.iter().filter(missing).copied().collect();
        Ok((!edits.is_empty()).then(|| plan("update", &edits)))
    })
}

/// Whether it was pushed by making the branch anew, and whose commits it was kept for.
fn how(outcome: Outcome) -> (Option<bool>, Vec<String>) {
    let authors = |kept: Vec<highwater::adapters::git::Foreign>| {
        kept.into_iter().map(|foreign| foreign.author).collect()
    };
    match outcome.expect("it ends well") {
        TransactionOutcome::Pushed { rebuilt, kept, .. } => (Some(rebuilt), authors(kept)),
        TransactionOutcome::NothingToDo { kept, .. } => (None, authors(kept)),
    }
}

fn seeded() -> World {
    World::seeded(&[("a.yaml", "0\n"), ("b.yaml", "0\n")])
}

#[test]
fn while_it_is_not_behind_commits_go_on_top() {
    let world = seeded();
    let (remote, main) = (world.file(), branch("main"));
    for path in ["a.yaml", "b.yaml"] {
        assert_eq!(
            how(update(&world, &remote, &main, false, &[path])).0,
            Some(false)
        );
    }
    assert_eq!(
        world.origin.log("bot/updates"),
        ["update", "update", "seed"]
    );
    assert_eq!(
        how(update(&world, &remote, &main, false, &["b.yaml"])).0,
        None
    );
}

fn made_anew(world: &World, remote: &Remote) {
    let main = branch("main");
    how(update(world, remote, &main, false, &["a.yaml"]));
    how(update(world, remote, &main, false, &["b.yaml"]));
    for number in 0..3 {
        let text = format!("{number}\n");
        world
            .origin
            .commit("main", "moved on", &[("c.yaml", &text)]);
    }
    let head = world.origin.head("main");
    let outcome = update(world, remote, &main, false, &["a.yaml", "b.yaml"]);
    let Ok(TransactionOutcome::Pushed {
        parent,
        checkout,
        rebuilt: true,
        ..
    }) = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!((parent, checkout.commit), (id(&head), id(&head)));
    assert_eq!(
        world.origin.resolve("bot/updates^").as_deref(),
        Some(head.as_str())
    );
    for (path, text) in [("a.yaml", "1\n"), ("b.yaml", "1\n"), ("c.yaml", "2\n")] {
        assert_eq!(world.origin.show("bot/updates", path), text, "{path}");
    }
    let merges = git(
        &world.origin.path,
        &["rev-list", "--merges", "--count", "bot/updates"],
    );
    assert_eq!(merges.trim(), "0");
    // It is not behind any more.
    assert_eq!(
        how(update(world, remote, &main, false, &["a.yaml", "b.yaml"])).0,
        None
    );
    world.origin.fsck();
}

#[test]
fn a_branch_that_fell_behind_is_made_anew_by_applying_the_change_again() {
    let world = seeded();
    made_anew(&world, &world.file());
}

#[test]
fn over_http_and_the_old_protocol_it_is_made_anew_too() {
    let world = seeded();
    let server = world.serve(ServerAuth::Open);
    made_anew(&world, &remote(&server.url("fleet")));
    let world = seeded();
    let server = world.serve(ServerAuth::Open);
    server.speak_old_protocol();
    made_anew(&world, &remote(&server.url("fleet")));
}

#[test]
fn an_empty_cache_finds_out_too_and_without_the_history() {
    let world = seeded();
    let (remote, main) = (world.file(), branch("main"));
    let mut noise = 1_u64;
    for number in 0..30 {
        let mut text = String::new();
        for _ in 0..2_000 {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push_str(&format!("{noise:x}\n"));
        }
        world
            .origin
            .commit("main", &format!("noise {number}"), &[("noise", &text)]);
    }
    how(update(&world, &remote, &main, false, &["a.yaml"]));
    world.origin.commit(
        "main",
        "moved on",
        &[("c.yaml", "x\n"), ("noise", "quiet\n")],
    );
    let folder = world.folder.path().join("another");
    let cache = GitCache::open(&folder).expect("a cache");
    let fresh = World { cache, ..world };
    let outcome = update(&fresh, &remote, &main, false, &["a.yaml", "b.yaml"]);
    assert_eq!(how(outcome).0, Some(true));
    let bytes: u64 = walk_bytes(&folder);
    assert!(
        bytes < 400_000,
        "{bytes} bytes of 600,000 for the whole history"
    );
}

fn walk_bytes(path: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(path).expect("a folder");
    let sizes = entries.map(|entry| {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type").is_dir() {
            true => walk_bytes(&entry.path()),
            false => entry.metadata().expect("a size").len(),
        }
    });
    sizes.sum()
}

#[test]
fn a_persons_commit_on_a_branch_that_is_behind_is_kept_and_told() {
    let world = seeded();
    let (remote, main) = (world.file(), branch("main"));
    how(update(&world, &remote, &main, false, &["a.yaml"]));
    let theirs = world
        .origin
        .commit("bot/updates", "by a person", &[("d.yaml", "d\n")]);
    let (rebuilt, kept) = how(update(&world, &remote, &main, false, &["a.yaml", "b.yaml"]));
    assert_eq!((rebuilt, kept), (Some(false), vec![]), "it is not behind");
    world
        .origin
        .commit("main", "moved on", &[("c.yaml", "x\n")]);
    for expected in [None, Some(false)] {
        if expected.is_some() {
            world
                .origin
                .commit("bot/updates", "undone", &[("a.yaml", "0\n")]);
        }
        let (rebuilt, kept) = how(update(&world, &remote, &main, false, &["a.yaml", "b.yaml"]));
        assert_eq!(rebuilt, expected);
        assert!(
            kept.contains(&"Seed <seed@example.com>".to_owned()),
            "{kept:?}"
        );
    }
    let log = world.origin.log("bot/updates");
    assert_eq!(
        log,
        [
            "update",
            "undone",
            "update",
            "by a person",
            "update",
            "seed"
        ]
    );
    let ancestor = try_is_ancestor(&world, &theirs, "bot/updates");
    assert!(ancestor, "the person's commit is still there");
}

fn try_is_ancestor(world: &World, commit: &str, of: &str) -> bool {
    let arguments = ["merge-base", "--is-ancestor", commit, of];
    crate::support::git_http::try_git(&world.origin.path, &arguments, b"")
        .status
        .success()
}

#[test]
fn a_branch_that_was_merged_is_made_anew() {
    let world = seeded();
    let (remote, main) = (world.file(), branch("main"));
    how(update(&world, &remote, &main, false, &["a.yaml"]));
    let path = &world.origin.path;
    git(
        path,
        &["update-ref", "refs/heads/main", "refs/heads/bot/updates"],
    );
    world
        .origin
        .commit("main", "moved on", &[("c.yaml", "x\n")]);
    assert_eq!(
        how(update(&world, &remote, &main, false, &["a.yaml"])).0,
        None,
        "all is merged"
    );
    assert_eq!(
        how(update(&world, &remote, &main, false, &["a.yaml", "b.yaml"])).0,
        Some(true)
    );
    assert_eq!(
        world.origin.log("bot/updates"),
        ["update", "moved on", "update", "seed"]
    );
}

#[test]
fn every_time_anew_means_one_commit_on_the_checkout_and_no_push_of_the_same() {
    let world = seeded();
    let (remote, main) = (world.file(), branch("main"));
    assert_eq!(
        how(update(&world, &remote, &main, true, &["a.yaml"])).0,
        Some(false)
    );
    let head = world.origin.head("bot/updates");
    assert_eq!(
        how(update(&world, &remote, &main, true, &["a.yaml"])).0,
        None
    );
    assert_eq!(
        world.origin.head("bot/updates"),
        head,
        "it is not committed again and again"
    );
    assert_eq!(
        how(update(&world, &remote, &main, true, &["a.yaml", "b.yaml"])).0,
        Some(true)
    );
    assert_eq!(world.origin.log("bot/updates"), ["update", "seed"]);
}

#[test]
fn a_server_that_lets_nothing_be_replaced_gets_commits_on_top() {
    let world = seeded();
    world
        .origin
        .configure("receive.denyNonFastForwards", "true");
    let server = world.serve(ServerAuth::Open);
    let (remote, main) = (remote(&server.url("fleet")), branch("main"));
    how(update(&world, &remote, &main, false, &["a.yaml"]));
    world
        .origin
        .commit("main", "moved on", &[("c.yaml", "x\n")]);
    assert_eq!(
        how(update(&world, &remote, &main, false, &["a.yaml", "b.yaml"])).0,
        Some(false)
    );
    assert_eq!(
        world.origin.log("bot/updates"),
        ["update", "update", "seed"]
    );
}

#[test]
fn a_person_who_pushes_while_the_branch_is_made_anew_loses_nothing() {
    let world = seeded();
    let server = world.serve(ServerAuth::Open);
    let (remote, main) = (remote(&server.url("fleet")), branch("main"));
    how(update(&world, &remote, &main, false, &["a.yaml"]));
    world
        .origin
        .commit("main", "moved on", &[("c.yaml", "x\n")]);
    let hold = server.hold_receive_pack();
    std::thread::scope(|scope| {
        let ours =
            scope.spawn(|| how(update(&world, &remote, &main, false, &["a.yaml", "b.yaml"])));
        hold.wait();
        world
            .origin
            .commit("bot/updates", "by a person", &[("d.yaml", "d\n")]);
        hold.release();
        let (rebuilt, kept) = ours.join().expect("no panic");
        assert_eq!(rebuilt, Some(false));
        assert_eq!(kept, ["Seed <seed@example.com>"]);
    });
    assert_eq!(
        world.origin.log("bot/updates"),
        ["update", "by a person", "update", "seed"]
    );
    world.origin.fsck();
}

#[test]
fn a_range_of_versions_that_finds_a_newer_tag_leaves_the_branch_behind() {
    let world = seeded();
    let (remote, range) = (world.file(), CheckoutRef::SemVer("1.x".to_owned()));
    git(&world.origin.path, &["tag", "v1.0.0", "main"]);
    how(update(&world, &remote, &range, false, &["a.yaml"]));
    assert_eq!(
        how(update(&world, &remote, &range, false, &["a.yaml"])).0,
        None
    );
    world
        .origin
        .commit("main", "moved on", &[("c.yaml", "x\n")]);
    git(&world.origin.path, &["tag", "-m", "x", "v1.1.0", "main"]);
    assert_eq!(
        how(update(&world, &remote, &range, false, &["a.yaml"])).0,
        Some(true)
    );
    assert_eq!(
        world.origin.log("bot/updates"),
        ["update", "moved on", "seed"]
    );
}

#[test]
fn without_the_right_to_replace_commits_go_on_top_for_good() {
    let world = seeded();
    let remote = world.file();
    let set = |path| {
        set_on(
            &world,
            &remote,
            &branch("main"),
            "bot/updates",
            &[(path, "1\n")],
        )
    };
    how(set("a.yaml"));
    world
        .origin
        .commit("main", "moved on", &[("c.yaml", "x\n")]);
    assert_eq!(how(set("b.yaml")).0, Some(false));
    assert_eq!(
        world.origin.log("bot/updates"),
        ["update", "update", "seed"]
    );
}

#[test]
fn a_second_reference_follows_a_branch_that_was_made_anew() {
    let world = seeded();
    let (remote, main, own) = (world.file(), branch("main"), own());
    let run = |edits: &[(&str, &str)]| {
        let request = Transaction {
            push_branch: "bot/updates",
            stacking: Stacking::Rebuild {
                authors: &own,
                always: false,
            },
            also: Some("refs/heads/bot/updates:refs/heads/mirror"),
            ..on_main(&remote, &main)
        };
        how(world
            .cache
            .transaction(&request, |_| Ok(Some(plan("update", edits)))))
    };
    run(&[("a.yaml", "1\n")]);
    world
        .origin
        .commit("main", "moved on", &[("c.yaml", "x\n")]);
    assert_eq!(run(&[("a.yaml", "2\n")]).0, Some(true));
    assert_eq!(
        world.origin.head("mirror"),
        world.origin.head("bot/updates")
    );
}

#[test]
fn a_second_reference_that_was_left_behind_follows_at_the_next_look() {
    let world = seeded();
    let (remote, main, own) = (world.file(), branch("main"), own());
    let run = |edits: &[(&str, &str)]| {
        let request = Transaction {
            stacking: Stacking::Rebuild {
                authors: &own,
                always: false,
            },
            also: Some("refs/heads/main:refs/heads/mirror"),
            ..on_main(&remote, &main)
        };
        let plan = (!edits.is_empty()).then(|| plan("update", edits));
        world
            .cache
            .transaction(&request, |_| Ok::<_, Infallible>(plan.clone()))
    };
    how(run(&[("a.yaml", "1\n")]));
    world.origin.hook("update", "test $1 != refs/heads/mirror");
    run(&[("a.yaml", "2\n")]).expect_err("the second reference is refused");
    assert_ne!(world.origin.head("mirror"), world.origin.head("main"));
    world.origin.hook("update", "exit 0");
    assert_eq!(how(run(&[])).0, None);
    assert_eq!(world.origin.head("mirror"), world.origin.head("main"));
    // What a person committed goes to the second reference with the next update, and not before.
    world
        .origin
        .commit("main", "by a person", &[("c.yaml", "x\n")]);
    assert_eq!(how(run(&[])).0, None);
    assert_ne!(world.origin.head("mirror"), world.origin.head("main"));
}
