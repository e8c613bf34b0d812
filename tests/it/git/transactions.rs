//! Fetch, edit, push, and again when somebody else was faster.

use super::*;

#[test]
fn an_edit_without_effect_pushes_nothing() {
    let world = World::seeded(&[("a.yaml", "1\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    let outcome = set(&world, &remote, &[("a.yaml", "1\n")]).expect("nothing to do");
    match outcome {
        TransactionOutcome::NothingToDo { head, checkout, .. } => {
            assert_eq!(head, id(&world.origin.head("main")));
            assert_eq!(checkout.commit, head);
        }
        other => panic!("{other:?}"),
    }
    assert!(server.pushes().is_empty());
}

#[test]
fn a_move_between_advertisement_and_push_is_caught_by_the_server() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    let hold = server.hold_receive_pack();
    std::thread::scope(|scope| {
        let mine = scope.spawn(|| {
            let main = branch("main");
            let request = on_main(&remote, &main);
            world.cache.transaction(&request, |tip| {
                Ok::<_, Infallible>(Some(append(tip, "a.yaml", "mine")))
            })
        });
        hold.wait();
        world
            .origin
            .commit("main", "theirs", &[("a.yaml", "0\ntheirs\n")]);
        hold.release();
        let outcome = mine
            .join()
            .expect("no panic")
            .expect("it is pushed in the end");
        let TransactionOutcome::Pushed { attempts, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(attempts, 2);
    });
    assert_eq!(world.origin.log("main"), ["mine", "theirs", "seed"]);
    assert_eq!(world.origin.show("main", "a.yaml"), "0\ntheirs\nmine\n");
    world.origin.fsck();
}

#[test]
fn parallel_transactions_of_one_process_all_land() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let remote = world.file();
    let main = branch("main");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (world, remote, main) = (&world, &remote, &main);
            scope.spawn(move || {
                let request = on_main(remote, main);
                let outcome = world.cache.transaction(&request, |tip| {
                    Ok::<_, Infallible>(Some(append(tip, "a.yaml", &format!("line {number}"))))
                });
                pushed(&outcome.expect("it lands"));
            });
        }
    });
    all_landed(&world, 8);
}

#[test]
fn parallel_transactions_of_several_processes_all_land() {
    // Each cache stands for a process: they share nothing but the remote.
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let remote = world.file();
    let main = branch("main");
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (world, remote, main) = (&world, &remote, &main);
            scope.spawn(move || {
                let folder = world.folder.path().join(format!("cache-{number}"));
                let cache = GitCache::open(&folder).expect("a cache");
                let request = Transaction {
                    attempts: 50,
                    ..on_main(remote, main)
                };
                for part in 0..2 {
                    let line = format!("line {}", number * 2 + part);
                    let outcome = cache.transaction(&request, |tip| {
                        Ok::<_, Infallible>(Some(append(tip, "a.yaml", &line)))
                    });
                    pushed(&outcome.expect("it lands"));
                }
            });
        }
    });
    all_landed(&world, 8);
}

fn all_landed(world: &World, count: usize) {
    let text = world.origin.show("main", "a.yaml");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<String> = (0..count).map(|number| format!("line {number}")).collect();
    expected.push("0".to_owned());
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert_eq!(world.origin.log("main").len(), count + 1);
    world.origin.fsck();
}

#[test]
fn races_without_end_are_given_up() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let remote = world.file();
    let main = branch("main");
    let request = Transaction {
        attempts: 3,
        ..on_main(&remote, &main)
    };
    let mut calls = 0;
    let error = world
        .cache
        .transaction(&request, |_| {
            calls += 1;
            world
                .origin
                .commit("main", "theirs", &[("b.yaml", &format!("{calls}\n"))]);
            Ok::<_, Infallible>(Some(plan("mine", &[("a.yaml", "1\n")])))
        })
        .expect_err("somebody else is always faster");
    assert_eq!(
        error.to_string(),
        "branch `main` was moved by somebody else 3 times in a row"
    );
    assert_eq!(calls, 3);
}

/// The parent of a pushed commit, and what the checkout meant.
fn parent_and_checkout(
    outcome: Result<TransactionOutcome, TransactionError<Infallible>>,
) -> (CommitId, String) {
    match outcome.expect("it is pushed") {
        TransactionOutcome::Pushed {
            parent, checkout, ..
        } => (parent, checkout.to_string()),
        other => panic!("nothing was pushed: {other:?}"),
    }
}

#[test]
fn a_new_push_branch_starts_at_the_checkout_and_an_existing_one_is_stacked_on() {
    let world = World::seeded(&[("a.yaml", "0\n"), ("b.yaml", "0\n")]);
    let remote = world.file();
    let update = |path: &str| {
        set_on(
            &world,
            &remote,
            &branch("main"),
            "bot/updates",
            &[(path, "1\n")],
        )
    };
    let main = world.origin.head("main");
    let (parent, checkout) = parent_and_checkout(update("a.yaml"));
    assert_eq!(parent, id(&main));
    assert_eq!(checkout, format!("main@sha1:{main}"));
    let first = world.origin.head("bot/updates");
    let main = world
        .origin
        .commit("main", "moved on", &[("c.yaml", "x\n")]);
    let (parent, checkout) = parent_and_checkout(update("b.yaml"));
    assert_eq!(parent, id(&first));
    assert_eq!(checkout, format!("main@sha1:{main}"));
    assert_eq!(
        world.origin.log("bot/updates"),
        ["update", "update", "seed"]
    );
    assert_eq!(world.origin.log("main"), ["moved on", "seed"]);
    let TransactionOutcome::NothingToDo { head, checkout, .. } =
        update("b.yaml").expect("nothing to do")
    else {
        panic!("something was pushed");
    };
    assert_eq!(head, id(&world.origin.head("bot/updates")));
    assert_eq!(checkout.commit, id(&main));
    world.origin.fsck();
}

#[test]
fn a_push_branch_that_somebody_deleted_is_made_again_from_the_checkout() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let remote = world.file();
    let update = || {
        set_on(
            &world,
            &remote,
            &branch("main"),
            "bot/updates",
            &[("a.yaml", "1\n")],
        )
    };
    pushed(&update().expect("it is pushed"));
    git(
        &world.origin.path,
        &["update-ref", "-d", "refs/heads/bot/updates"],
    );
    world
        .origin
        .commit("main", "moved on", &[("c.yaml", "x\n")]);
    pushed(&update().expect("it is pushed"));
    assert_eq!(
        world.origin.log("bot/updates"),
        ["update", "moved on", "seed"]
    );
}

#[test]
fn a_push_whose_answer_is_held_back_is_found_on_the_branch() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet")).with_timeout(Duration::from_secs(1));
    let _hold = server.hold_receive_pack_response();
    let outcome = set(&world, &remote, &[("a.yaml", "1\n")]).expect("the remote is asked");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
    assert_eq!(world.origin.log("main"), ["update", "seed"]);
}

#[test]
fn an_edit_sees_that_a_file_went_away_in_between() {
    let world = World::seeded(&[("a.yaml", "0\n"), ("b.yaml", "0\n")]);
    let remote = world.file();
    let main = branch("main");
    let mut seen = Vec::new();
    let outcome = world.cache.transaction(&on_main(&remote, &main), |tip| {
        seen.push(tip.kind("a.yaml"));
        if tip.kind("a.yaml").is_none() {
            return Ok::<_, Infallible>(None);
        }
        world
            .origin
            .commit_entries("main", "theirs", &[Seed::Gone("a.yaml")]);
        Ok(Some(append(tip, "a.yaml", "mine")))
    });
    assert!(
        matches!(outcome, Ok(TransactionOutcome::NothingToDo { .. })),
        "{outcome:?}"
    );
    assert_eq!(seen, [Some(EntryKind::File), None]);
    assert_eq!(world.origin.log("main"), ["theirs", "seed"]);
}

#[test]
fn a_push_from_a_tag_goes_to_a_branch() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    git(&world.origin.path, &["tag", "-m", "x", "v1", "main"]);
    let tag = CheckoutRef::Tag("v1".into());
    let outcome = set_on(&world, &world.file(), &tag, "hotfix", &[("a.yaml", "1\n")]);
    pushed(&outcome.expect("it is pushed"));
    assert_eq!(world.origin.log("hotfix"), ["update", "seed"]);
}

#[test]
fn a_failing_edit_changes_nothing() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let remote = world.file();
    let main = branch("main");
    let request = on_main(&remote, &main);
    let error = world
        .cache
        .transaction(&request, |_| Err("no policy"))
        .expect_err("it fails");
    assert_eq!(error.to_string(), "no policy");
    assert_eq!(world.origin.log("main"), ["seed"]);
}

#[test]
fn a_push_that_arrived_without_an_answer_is_not_repeated() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    server.break_next(Point::ReceivePackAnswer);
    let outcome = set(&world, &remote, &[("a.yaml", "1\n")]).expect("the remote is asked");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
    assert_eq!(world.origin.log("main"), ["update", "seed"]);
    assert_eq!(server.pushes().len(), 1);
}

#[test]
fn a_push_that_did_not_arrive_is_an_error_and_the_next_one_lands() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    server.break_next(Point::ReceivePack);
    let error = set(&world, &remote, &[("a.yaml", "1\n")]).expect_err("it broke");
    assert!(
        matches!(error, TransactionError::Push(PushError::Unknown { .. })),
        "{error:?}"
    );
    assert_eq!(world.origin.log("main"), ["seed"]);
    pushed(&set(&world, &remote, &[("a.yaml", "1\n")]).expect("it lands"));
    assert_eq!(world.origin.log("main"), ["update", "seed"]);
}

#[test]
fn a_remote_that_is_500_commits_ahead_is_caught_up_with_in_one_fetch() {
    let world = World::seeded(&[("a.yaml", "0\n"), ("b.yaml", "0\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    pushed(&set(&world, &remote, &[("a.yaml", "1\n")]).expect("it is pushed"));
    let mut stream = String::new();
    for number in 0..500 {
        let from = if number == 0 {
            "from refs/heads/main^0\n"
        } else {
            ""
        };
        let text = format!("{number}\n");
        stream.push_str(&format!(
            "commit refs/heads/main\ncommitter Seed <seed@example.com> now\ndata 6\ntheirs\n{from}M 100644 inline b.yaml\ndata {}\n{text}\n",
            text.len()
        ));
    }
    let arguments = ["fast-import", "--quiet", "--date-format=now"];
    git_with_input(&world.origin.path, &arguments, stream.as_bytes());
    let before = server.count("POST", "/git-upload-pack");
    pushed(&set(&world, &remote, &[("a.yaml", "2\n")]).expect("it is pushed"));
    // A listing and a fetch.
    assert_eq!(server.count("POST", "/git-upload-pack"), before + 2);
    assert_eq!(world.origin.log("main").len(), 503);
    assert_eq!(world.origin.show("main", "b.yaml"), "499\n");
    world.origin.fsck();
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_push_loses_nothing() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    // The parent of the hook is the program that takes the push.
    world.origin.hook("pre-receive", "kill -9 $PPID");
    let error = set(&world, &remote, &[("a.yaml", "1\n")]).expect_err("the server died");
    assert!(matches!(error, TransactionError::Push(_)), "{error:?}");
    assert_eq!(world.origin.log("main"), ["seed"]);
    world.origin.hook("pre-receive", "exit 0");
    pushed(&set(&world, &remote, &[("a.yaml", "1\n")]).expect("it lands"));
    assert_eq!(world.origin.log("main"), ["update", "seed"]);
    world.origin.fsck();
}

#[test]
fn a_server_that_takes_its_time_at_every_step_is_waited_for() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    let points = [Point::UploadPack, Point::UploadPack, Point::ReceivePack];
    let holds = points.map(|point| server.hold(point));
    let answer = server.hold_receive_pack_response();
    std::thread::scope(|scope| {
        let ours = scope.spawn(|| set(&world, &remote, &[("a.yaml", "1\n")]));
        for hold in holds.into_iter().chain([answer]) {
            hold.wait();
            hold.release();
        }
        pushed(&ours.join().expect("no panic").expect("it lands"));
    });
    assert_eq!(world.origin.log("main"), ["update", "seed"]);
}

#[test]
fn commits_made_on_each_other_go_in_one_push_and_again_when_the_race_is_lost() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    let server = world.serve(ServerAuth::Open);
    let (remote, main) = (remote(&server.url("fleet")), branch("main"));
    let mut rounds = 0;
    let outcome = world
        .cache
        .transaction_of_many(&on_main(&remote, &main), |tip| {
            rounds += 1;
            if rounds == 1 {
                world
                    .origin
                    .commit("main", "theirs", &[("a.yaml", "0\ntheirs\n")]);
            }
            let mut last = tip.clone();
            for number in 0..20 {
                let plan = append(&last, "a.yaml", &format!("line {number}"));
                let next = last.commit_on_top(&plan)?;
                last = next.expect("it changes something");
            }
            Ok::<_, TransactionError<Infallible>>(Some(last))
        });
    let head = pushed(&outcome.expect("it lands"));
    assert_eq!(head, id(&world.origin.head("main")));
    let log = world.origin.log("main");
    assert_eq!(log.len(), 22, "{log:?}");
    assert_eq!((log[0].as_str(), log[20].as_str()), ("line 19", "theirs"));
    assert_eq!(
        server.pushes().len(),
        1,
        "the first round saw that it had lost before it sent anything"
    );
    world.origin.fsck();
}
