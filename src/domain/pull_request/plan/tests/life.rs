//! What becomes of a pull request, case by case.

use super::*;

/// A model in which `tag` is proposed.
fn proposed(tag: &str) -> Model {
    let mut model = Model::new();
    assert_eq!(steps(&model.run(tag, &RULES, false)), ["push", "create"]);
    model
}

#[test]
fn it_is_created_once() {
    let mut model = proposed("1.1");
    let again = model.run("1.1", &RULES, false);
    assert_eq!(again.steps, []);
    assert_eq!(
        (again.standing, again.number),
        (Standing::Open(None), Some(1))
    );
}

#[test]
fn a_branch_that_was_just_pushed_is_left_to_whoever_pushed_it() {
    let mut model = Model::new();
    model.run_until("1.1", &RULES, false, 1);
    for (passed, left) in [(0, 60), (59, 1)] {
        model.now = passed;
        let decision = model.run("1.1", &RULES, false);
        assert_eq!(decision.steps, []);
        assert_eq!(decision.look_again, Some(Duration::from_secs(left)));
    }
    // It died.
    model.now = 60;
    assert_eq!(steps(&model.run("1.1", &RULES, false)), ["push", "create"]);
    // A clock that is far ahead stops nobody.
    let mut model = Model::new();
    model.now = 3_600;
    model.run_until("1.1", &RULES, false, 1);
    model.now = 0;
    assert_eq!(steps(&model.run("1.1", &RULES, false)), ["push", "create"]);
}

#[test]
fn a_newer_tag_updates_it_in_place() {
    let mut model = proposed("1.1");
    assert_eq!(steps(&model.run("1.2", &RULES, false)), ["push", "edit"]);
    assert_eq!(model.open().len(), 1);
    assert_eq!(
        model.at(&model.branches[BRANCH]).parents,
        [model.base()],
        "it is applied to the base anew"
    );
    assert_eq!(model.run("1.2", &RULES, false).steps, []);
}

#[test]
fn a_branch_that_fell_behind_is_built_again_without_a_merge() {
    let mut model = proposed("1.1");
    model.happens(&Event::BaseMoves);
    let decision = model.run("1.1", &RULES, false);
    assert_eq!(steps(&decision), ["push", "edit"]);
    assert_eq!(model.at(&model.branches[BRANCH]).parents, [model.base()]);
}

#[test]
fn where_only_conflicts_count_a_branch_may_be_behind() {
    let rules = Rules {
        rebuild: Rebuild::Conflicting,
        ..RULES
    };
    let mut model = proposed("1.1");
    model.happens(&Event::BaseMoves);
    assert_eq!(model.run("1.1", &rules, false).steps, []);
    model.pull(1).mergeable = Some(false);
    assert_eq!(steps(&model.run("1.1", &rules, false)), ["push", "edit"]);
}

#[test]
fn a_persons_commit_is_kept_and_said() {
    let mut model = proposed("1.1");
    model.happens(&Event::PersonCommits("jane@acme.dev"));
    model.happens(&Event::BaseMoves);
    for (tag, is_current) in [("1.1", true), ("1.2", false)] {
        let decision = model.run(tag, &RULES, false);
        assert_eq!(decision.steps, []);
        let Standing::Kept {
            author, current, ..
        } = decision.standing
        else {
            panic!("{decision:?}");
        };
        assert_eq!((author.as_str(), current), ("jane@acme.dev", is_current));
    }
    // Not even when nothing is wanted any more.
    assert_eq!(model.run("1.0", &RULES, false).steps, []);
}

#[test]
fn what_is_not_needed_any_more_is_closed_with_a_comment() {
    let mut model = proposed("1.1");
    assert_eq!(steps(&model.run("1.0", &RULES, false)), ["close", "delete"]);
    assert_eq!(
        (model.comments.as_slice(), model.branches.len()),
        ([1].as_slice(), 1)
    );
    // It was not a person who closed it, so it can be proposed again.
    assert_eq!(steps(&model.run("1.1", &RULES, false)), ["push", "create"]);
}

#[test]
fn what_a_person_closed_is_skipped_until_something_newer_comes() {
    let mut model = proposed("1.1");
    model.happens(&Event::PersonCloses);
    model.happens(&Event::BaseMoves);
    let decision = model.run("1.1", &RULES, false);
    assert_eq!(decision.steps, []);
    let by = Some("jane".to_owned());
    assert_eq!(decision.standing, Standing::Skipped { number: 1, by });
    assert_eq!(steps(&model.run("1.2", &RULES, false)), ["push", "create"]);
    // And again when the policy goes back to it.
    let back = model.run("1.1", &RULES, false);
    assert_eq!(
        steps(&back),
        ["push", "edit"],
        "the open one is updated in place: {back:?}"
    );
}

#[test]
fn reopening_or_lifting_ends_a_skip() {
    let mut model = proposed("1.1");
    model.happens(&Event::PersonCloses);
    let mut reopened = model.clone();
    reopened.happens(&Event::PersonReopens);
    assert_eq!(
        reopened.run("1.1", &RULES, false).standing,
        Standing::Open(None)
    );
    model.happens(&Event::PersonLifts);
    assert_eq!(steps(&model.run("1.1", &RULES, false)), ["push", "create"]);
    model.happens(&Event::PersonCloses);
    let again = model.run("1.1", &RULES, false);
    assert!(
        matches!(again.standing, Standing::Skipped { number: 2, .. }),
        "{again:?}"
    );
}

#[test]
fn one_that_the_forge_closed_for_an_earlier_branch_is_opened_again() {
    let mut model = proposed("1.1");
    model.happens(&Event::ForgeClosesLate);
    let mut moved = model.clone();
    let decision = model.run("1.1", &RULES, false);
    assert_eq!(steps(&decision), ["reopen"]);
    assert_eq!(
        (&decision.standing, decision.number),
        (&Standing::Open(None), Some(1))
    );
    assert_eq!(steps(&model.run("1.1", &RULES, false)), [""; 0]);
    moved.happens(&Event::BaseMoves);
    let decision = moved.run("1.2", &RULES, false);
    assert_eq!(steps(&decision), ["reopen", "push", "edit"]);
}

#[test]
fn one_that_was_open_for_long_was_not_closed_by_mistake() {
    let mut model = proposed("1.1");
    model.happens(&Event::TimePasses(301));
    model.happens(&Event::ForgeClosesLate);
    let decision = model.run("1.1", &RULES, false);
    assert_eq!(steps(&decision), [""; 0]);
    assert!(matches!(
        decision.standing,
        Standing::Skipped { number: 1, .. }
    ));
}

#[test]
fn one_whose_branch_a_person_deleted_stays_closed() {
    let mut model = proposed("1.1");
    model.happens(&Event::PersonDeletesTheBranch);
    let decision = model.run("1.1", &RULES, false);
    assert!(matches!(
        decision.standing,
        Standing::Skipped { number: 1, .. }
    ));
    assert_eq!(steps(&model.run("1.2", &RULES, false)), ["push", "create"]);
    let back = model.run("1.1", &RULES, false);
    assert_eq!(steps(&back), ["push", "edit"], "{back:?}");
}

#[test]
fn a_branch_named_by_its_version_supersedes_the_older_one() {
    let mut model = Model::new();
    model.run("1.1", &RULES, true);
    assert_eq!(
        steps(&model.run("1.2", &RULES, true)),
        ["push", "create", "close", "delete"]
    );
    assert_eq!(model.open().len(), 1);
    assert_eq!(model.run("1.2", &RULES, true).steps, []);
}

#[test]
fn a_branch_of_ours_goes_after_a_merge() {
    let mut model = proposed("1.1");
    model.happens(&Event::PersonMerges);
    assert_eq!(steps(&model.run("1.1", &RULES, false)), ["delete"]);
    assert_eq!(model.run("1.1", &RULES, false).steps, []);
}

#[test]
fn a_branch_of_that_name_by_somebody_else_is_left_alone() {
    let mut model = Model::new();
    let base = model.base();
    model.commit(BRANCH, "jane@acme.dev", vec![base], "mine");
    let decision = model.run("1.1", &RULES, false);
    assert_eq!(decision.steps, []);
    assert!(matches!(
        decision.standing,
        Standing::Kept { current: false, .. }
    ));
}

#[test]
fn a_body_without_its_marker_gets_it_again() {
    let mut model = proposed("1.1");
    model.happens(&Event::PersonEditsTheBody("LGTM"));
    // The push that was not written down anywhere else is made again.
    assert_eq!(steps(&model.run("1.1", &RULES, false)), ["push", "edit"]);
    assert_eq!(model.run("1.1", &RULES, false).steps, []);
}

#[test]
fn it_merges_when_checks_passed_and_it_is_old_enough() {
    let rules = |checks, after| Rules {
        auto_merge: Some(AutoMerge {
            checks,
            after: Duration::from_secs(after),
            method: MergeMethod::Squash,
        }),
        ..RULES
    };
    for (checks, after, reported, age, expected) in [
        (true, 0, Checks::None, 0, Some(Waiting::NoChecks)),
        (true, 0, Checks::Pending, 0, Some(Waiting::Checks)),
        (true, 0, Checks::Failed, 0, Some(Waiting::Failed)),
        (true, 0, Checks::Passed, 0, None),
        (
            true,
            60,
            Checks::Passed,
            59,
            Some(Waiting::Age(Duration::from_secs(1))),
        ),
        (true, 60, Checks::Passed, 60, None),
        (false, 60, Checks::None, 60, None),
        (false, 60, Checks::Failed, 60, Some(Waiting::Failed)),
        (false, 60, Checks::Pending, 60, Some(Waiting::Checks)),
    ] {
        let mut model = proposed("1.1");
        model.checks = reported;
        model.now += age;
        let decision = model.run("1.1", &rules(checks, after), false);
        match expected {
            Some(waiting) => {
                assert_eq!(
                    (&decision.standing, decision.steps.len()),
                    (&Standing::Open(Some(waiting)), 0)
                );
            }
            None => {
                assert_eq!(steps(&decision), ["merge", "delete"], "{reported:?} {age}");
                assert_eq!(decision.standing, Standing::Merged);
                assert_eq!(model.run("1.1", &RULES, false).steps, []);
            }
        }
    }
    let mut draft = proposed("1.1");
    draft.checks = Checks::Passed;
    draft.pull(1).draft = true;
    let decision = draft.run("1.1", &rules(true, 0), false);
    assert_eq!(decision.standing, Standing::Open(Some(Waiting::Draft)));
}

#[test]
fn a_newer_version_starts_its_age_anew_and_a_rebuild_does_not() {
    let since = |model: &Model| Marker::read(&model.pulls[0].body).expect("a marker").since;
    let mut model = proposed("1.1");
    model.now = 100;
    model.happens(&Event::BaseMoves);
    model.run("1.1", &RULES, false);
    assert_eq!(since(&model), at(0));
    model.run("1.2", &RULES, false);
    assert_eq!(since(&model), at(100));
}
