//! What a pushed commit is, and how a push is refused.

use super::*;

#[test]
fn a_pushed_commit_is_what_git_expects() {
    let world = World::seeded(&[("apps/a.yaml", "1\n"), ("apps/b.yaml", "1\n"), ("c", "1\n")]);
    let parent = world.origin.head("main");
    let outcome = set(
        &world,
        &world.file(),
        &[("apps/a.yaml", "2\n"), ("new/d/e.yaml", "2\n")],
    );
    let commit = pushed(&outcome.expect("it is pushed"));
    assert_eq!(world.origin.head("main"), commit.to_string());
    world.origin.fsck();
    let changed = git(
        &world.origin.path,
        &["diff-tree", "-r", "--name-status", &parent, "main"],
    );
    assert_eq!(changed, "M\tapps/a.yaml\nA\tnew/d/e.yaml\n");
    let format = "--format=%P|%an|%ae|%cn|%ce|%at|%ct|%B";
    let header = git(&world.origin.path, &["log", "-1", format, "main"]);
    // 2026-11-23T04:05:06Z in seconds.
    assert_eq!(
        header.trim_end(),
        format!("{parent}|Bot|bot@example.com|Bot|bot@example.com|1795406706|1795406706|update")
    );
}

#[test]
fn an_author_that_would_break_the_commit_is_made_printable() {
    let world = World::seeded(&[("a.yaml", "1\n")]);
    let remote = world.file();
    let main = branch("main");
    let request = Transaction {
        attempts: 1,
        ..on_main(&remote, &main)
    };
    let outcome = world.cache.transaction(&request, |_| {
        let mut plan = plan("line one\n\nbody with ü\n", &[("a.yaml", "2\n")]);
        plan.author.name = " Evil <x>\nparent 0 ".to_owned();
        plan.author.email = "a@b>\n".to_owned();
        Ok::<_, Infallible>(Some(plan))
    });
    pushed(&outcome.expect("it is pushed"));
    world.origin.fsck();
    let header = git(
        &world.origin.path,
        &["log", "-1", "--format=%an|%ae|%B", "main"],
    );
    assert_eq!(
        header.trim_end(),
        "Evil xparent 0|a@b|line one\n\nbody with ü"
    );
}

#[test]
fn modes_and_links_are_kept() {
    let world = world();
    world.origin.commit_entries(
        "main",
        "seed",
        &[
            Seed::Executable("run.yaml", b"1\n"),
            Seed::File("base/app.yaml", b"1\n"),
            Seed::Link("app.yaml", "base/app.yaml"),
            Seed::Link("out.yaml", "../x.yaml"),
        ],
    );
    let edits = [("run.yaml", "2\n"), ("app.yaml", "2\n")];
    pushed(&set(&world, &world.file(), &edits).expect("it is pushed"));
    assert_eq!(world.origin.mode("main", "run.yaml"), "100755");
    assert_eq!(world.origin.show("main", "run.yaml"), "2\n");
    assert_eq!(world.origin.mode("main", "app.yaml"), "120000");
    assert_eq!(world.origin.show("main", "app.yaml"), "base/app.yaml");
    assert_eq!(world.origin.show("main", "base/app.yaml"), "2\n");
    world.origin.fsck();
    for (path, words) in [
        ("out.yaml", "leads out of the repository"),
        ("base", "not a file"),
        ("base/app.yaml/x", "no directory"),
        ("../x", "leads out of the repository"),
        (".git/config", "Git refuses"),
        ("x/.GIT/hooks/y", "Git refuses"),
    ] {
        let error = set(&world, &world.file(), &[(path, "x")]).expect_err("refused");
        assert!(error.to_string().contains(words), "{path}: {error}");
    }
}

#[test]
fn only_the_new_objects_of_a_large_repository_are_sent() {
    let world = world();
    let files: Vec<(String, String)> = (0..2_000)
        .map(|n| (format!("apps/{}/{n}.yaml", n / 100), format!("app {n}\n")))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    world.origin.commit("main", "seed", &files);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    let tip = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched")
        .snapshot;
    let next = tip
        .commit_on_top(&plan("one", &[("apps/7/700.yaml", "changed\n")]))
        .expect("it is committed")
        .expect("it changes something");
    let options = BTreeMap::new();
    let push = Push {
        reference: "refs/heads/main",
        expected: Some(tip.commit()),
        force: Force::Never,
        options: &options,
    };
    let pushed = world
        .cache
        .push(&remote, &next, &push)
        .expect("it is pushed");
    // A blob, three trees and a commit.
    assert_eq!(pushed.objects, 5);
    let sent = server.pushes();
    assert_eq!(sent, [pushed.bytes]);
    assert!(sent[0] < 20_000, "{sent:?}");
    world.origin.fsck();
    // What was pushed need not be fetched again.
    let before = server.count("POST", "/git-upload-pack");
    let again = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    assert_eq!(again.commit, next.commit());
    assert_eq!(server.count("POST", "/git-upload-pack"), before + 1);
}

#[test]
fn several_commits_go_in_one_push() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let remote = world.file();
    let tip = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched")
        .snapshot;
    let mut next = tip.clone();
    for line in ["1", "2", "3"] {
        let plan = append(&next, "a.yaml", line);
        next = next
            .commit_on_top(&plan)
            .expect("it is committed")
            .expect("it changes something");
    }
    let options = BTreeMap::new();
    let push = Push {
        reference: "refs/heads/main",
        expected: Some(tip.commit()),
        force: Force::Never,
        options: &options,
    };
    world
        .cache
        .push(&remote, &next, &push)
        .expect("it is pushed");
    assert_eq!(world.origin.log("main"), ["3", "2", "1", "seed"]);
    assert_eq!(world.origin.show("main", "a.yaml"), "0\n1\n2\n3\n");
    world.origin.fsck();
}

#[test]
fn a_push_that_is_not_based_on_the_present_head_loses() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let remote = world.file();
    let tip = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched")
        .snapshot;
    let next = tip
        .commit_on_top(&plan("mine", &[("a.yaml", "mine\n")]))
        .expect("ok")
        .expect("ok");
    let theirs = world
        .origin
        .commit("main", "theirs", &[("b.yaml", "theirs\n")]);
    let options = BTreeMap::new();
    let mut push = Push {
        reference: "refs/heads/main",
        expected: Some(tip.commit()),
        force: Force::Never,
        options: &options,
    };
    let error = world
        .cache
        .push(&remote, &next, &push)
        .expect_err("the branch has moved");
    assert!(matches!(error, PushError::Raced { .. }), "{error:?}");
    assert_eq!(world.origin.head("main"), theirs);
    push.expected = None;
    let error = world
        .cache
        .push(&remote, &next, &push)
        .expect_err("the branch exists");
    assert!(matches!(error, PushError::Raced { .. }), "{error:?}");
    push.force = Force::Allowed;
    world
        .cache
        .push(&remote, &next, &push)
        .expect("force overwrites");
    assert_eq!(world.origin.head("main"), next.commit().to_string());
}

#[test]
fn the_words_of_a_hook_arrive() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    world.origin.hook(
        "pre-receive",
        "echo 'ticket number missing' >&2; printf 'see \\033[31mwiki\\033[0m\\n' >&2; exit 1",
    );
    let server = world.serve(ServerAuth::Open);
    for remote in [world.file(), remote(&server.url("fleet"))] {
        let error = set(&world, &remote, &[("a.yaml", "1\n")]).expect_err("the hook refuses");
        let TransactionError::Push(PushError::Rejected { reason, words, .. }) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(reason, "pre-receive hook declined");
        assert!(words.contains("ticket number missing"), "{words}");
        assert!(
            words.contains("wiki") && !words.contains('\u{1b}'),
            "{words:?}"
        );
        assert!(error.to_string().contains("ticket number missing"));
    }
    assert_eq!(world.origin.log("main"), ["seed"]);
    world.origin.hook("pre-receive", "exit 0");
    world
        .origin
        .hook("update", "echo 'branch is frozen' >&2; exit 1");
    let error = set(&world, &world.file(), &[("a.yaml", "1\n")]).expect_err("the hook refuses");
    assert!(error.to_string().contains("hook declined: "), "{error}");
    assert!(error.to_string().contains("branch is frozen"), "{error}");
}

#[test]
fn push_options_arrive_at_the_hook() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let note = world.folder.path().join("options");
    world.origin.hook(
        "pre-receive",
        &format!(
            "echo \"$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1\" > {}",
            note.display()
        ),
    );
    let remote = world.file();
    let main = branch("main");
    let options = BTreeMap::from([
        ("ci.skip".to_owned(), String::new()),
        ("merge_request.create".to_owned(), "true".to_owned()),
    ]);
    let request = Transaction {
        remote: &remote,
        checkout: &main,
        push_branch: "main",
        stacking: Stacking::OnTop,
        options: &options,
        also: Some("refs/heads/mirror"),
        attempts: 1,
    };
    let outcome = world.cache.transaction(&request, |_| {
        Ok::<_, Infallible>(Some(plan("x", &[("a.yaml", "1\n")])))
    });
    let commit = pushed(&outcome.expect("it is pushed"));
    let seen = std::fs::read_to_string(note).expect("the hook ran");
    assert_eq!(seen, "2 ci.skip merge_request.create=true\n");
    assert_eq!(world.origin.head("mirror"), commit.to_string());
}

#[test]
fn a_refspec_moves_a_second_reference_forward_only() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let (remote, main) = (world.file(), branch("main"));
    let run = |refspec: &'static str, line: &str| {
        let request = Transaction {
            also: Some(refspec),
            ..on_main(&remote, &main)
        };
        world.cache.transaction(&request, |tip| {
            Ok::<_, Infallible>(Some(append(tip, "a.yaml", line)))
        })
    };
    let refspec = "refs/heads/main:refs/heads/auto";
    let first = pushed(&run(refspec, "1").expect("the reference is new"));
    assert_eq!(world.origin.head("auto"), first.to_string());
    for line in ["theirs 1", "theirs 2"] {
        let text = world.origin.show("main", "a.yaml") + line + "\n";
        world.origin.commit("main", line, &[("a.yaml", &text)]);
    }
    // The cache is shallow: whether the reference is behind takes the history.
    let second = pushed(&run(refspec, "2").expect("the reference is behind"));
    assert_eq!(world.origin.head("auto"), second.to_string());
    let foreign = world.origin.commit("auto", "foreign", &[("b.yaml", "b\n")]);
    let error = run(refspec, "3").expect_err("the reference went elsewhere");
    assert!(error.to_string().contains("non-fast-forward"), "{error}");
    assert_eq!(world.origin.head("auto"), foreign);
    let last = pushed(&run("+HEAD:refs/heads/auto", "4").expect("force overwrites"));
    assert_eq!(world.origin.head("auto"), last.to_string());
    let error = run("refs/heads/dev:refs/heads/auto", "5").expect_err("nothing to push");
    assert!(
        error.to_string().contains("is not the pushed branch"),
        "{error}"
    );
    assert_eq!(world.origin.head("main"), world.origin.head("auto"));
    world.origin.fsck();
}

#[test]
fn a_branch_name_that_git_refuses_never_reaches_the_server() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    for name in ["a b", "x\n0000", "..", "x.lock"] {
        let error = set_on(
            &world,
            &world.file(),
            &branch("main"),
            name,
            &[("a.yaml", "1\n")],
        );
        let error = error.expect_err("it is refused");
        assert!(error.to_string().contains("is not a valid"), "{error}");
    }
}

#[test]
fn a_push_without_permission_is_told() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    world.origin.configure("http.receivepack", "false");
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    let error = set(&world, &remote, &[("a.yaml", "1\n")]).expect_err("reading only");
    let TransactionError::Push(PushError::Remote(GitError::AuthenticationFailed {
        status, ..
    })) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(status, 403);
}
