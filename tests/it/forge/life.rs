//! The life of pull requests, the same on every forge.

use super::stage::Stage;
use super::{FAKES, connect, draft};
use crate::support::forges::world::MILESTONE;
use crate::support::gitea::gitea;
use highwater::adapters::forge::{ErrorClass, Forge};
use highwater::domain::pull_request::forge::{
    Checks, ForgeKind, MergeMethod, PullRequestDraft, PullRequestEdit, PullState,
};

/// Whether pull requests have labels, assignees and milestones there.
fn has_labels(kind: ForgeKind) -> bool {
    !matches!(
        kind,
        ForgeKind::BitbucketCloud | ForgeKind::BitbucketDataCenter
    )
}

fn has_assignees(kind: ForgeKind) -> bool {
    has_labels(kind) && kind != ForgeKind::Azure
}

const BRANCH: &str = "updates/apps";

#[tokio::test]
async fn a_pull_request_lives_on_the_real_gitea() {
    lives(ForgeKind::Gitea).await;
}

#[tokio::test]
async fn a_pull_request_lives_on_every_other_forge() {
    for kind in FAKES {
        lives(kind).await;
    }
}

async fn lives(kind: ForgeKind) {
    let stage = Stage::set(kind).await;
    let forge = connect(stage.repository(), stage.token());
    let base = stage.tip("main").await.expect("main is there");
    let first = stage.push(BRANCH, "update one").await;
    let number = is_opened_once(&stage, &forge, &first).await;
    is_edited_in_place(&stage, &forge, number).await;
    let head = stage.push(BRANCH, "update two").await;
    is_checked(&stage, &forge, &first, &head).await;
    is_merged_as_meant(&forge, number, &first, &head).await;
    is_compared(&forge, &base, &first, &head).await;
    let gone = forge.delete_branch(BRANCH, &first).await;
    let error = gone.expect_err("the branch has moved");
    assert_eq!(error.class, ErrorClass::Conflict, "{kind:?}: {error}");
    forge
        .delete_branch(BRANCH, &head)
        .await
        .expect("it is deleted");
    assert_eq!(stage.tip(BRANCH).await, None, "{kind:?}");
    forge
        .delete_branch(BRANCH, &head)
        .await
        .expect("it is gone already");
    let error = forge.get(777).await.expect_err("there is none");
    assert_eq!(
        (error.class, error.status),
        (ErrorClass::NotFound, Some(404)),
        "{kind:?}"
    );
}

async fn is_opened_once(stage: &Stage, forge: &Forge, head: &str) -> u64 {
    let kind = forge.repository().kind;
    let person = stage.person().to_owned();
    assert_eq!(forge.find(BRANCH, "main").await.expect("an empty list"), []);
    let full = PullRequestDraft {
        labels: vec!["images".to_owned(), "night watch".to_owned()],
        reviewers: vec![person.clone(), "nobody-at-all".to_owned()],
        assignees: vec![person.clone(), "nobody-at-all".to_owned()],
        milestone: Some(MILESTONE.to_owned()),
        ..draft(BRANCH, "Update `app` to 1.2.3 & more")
    };
    let created = forge.create(&full).await.expect("it is opened");
    let pull = &created.pull_request;
    let said = created.warnings.join("; ");
    assert!(said.contains("nobody-at-all"), "{kind:?}: {said}");
    assert_eq!(
        said.contains("labels"),
        !has_labels(kind),
        "{kind:?}: {said}"
    );
    assert_eq!(pull.state, PullState::Open, "{kind:?}");
    assert_eq!(
        (pull.title.as_str(), pull.body.as_str()),
        (full.title.as_str(), full.body.as_str())
    );
    assert_eq!(
        (pull.head_branch.as_str(), pull.base_branch.as_str()),
        (BRANCH, "main")
    );
    assert_eq!(pull.head_commit.as_deref(), Some(head), "{kind:?}");
    assert!(
        !pull.draft && pull.closed.is_none() && pull.merge_commit.is_none(),
        "{pull:?}"
    );
    assert!(
        pull.url.starts_with("http") && pull.url.ends_with(&pull.number.to_string()),
        "{}",
        pull.url
    );
    if has_labels(kind) {
        let mut labels = pull.labels.clone();
        labels.sort();
        assert_eq!(labels, full.labels, "{kind:?}");
    }
    let (reviewers, assignees, milestone) = stage.people(pull.number).await;
    assert_eq!(reviewers, std::slice::from_ref(&person), "{kind:?}");
    if has_assignees(kind) {
        assert_eq!(
            (assignees, milestone.as_deref()),
            (vec![person], Some(MILESTONE)),
            "{kind:?}"
        );
    }
    is_found_again(forge, &full, pull.number).await;
    pull.number
}

async fn is_found_again(forge: &Forge, full: &PullRequestDraft, number: u64) {
    let kind = forge.repository().kind;
    let error = forge.create(full).await.expect_err("there is one already");
    assert_eq!(error.class, ErrorClass::Conflict, "{kind:?}: {error}");
    let found = forge.find(BRANCH, "main").await.expect("a list");
    let found: Vec<_> = found
        .iter()
        .map(|pull| (pull.number, pull.body.as_str()))
        .collect();
    assert_eq!(found, [(number, full.body.as_str())], "{kind:?}");
    assert_eq!(forge.find(BRANCH, "other").await.expect("a list"), []);
}

async fn is_edited_in_place(stage: &Stage, forge: &Forge, number: u64) {
    let kind = forge.repository().kind;
    let edit = PullRequestEdit {
        title: Some("Update to 1.2.4".to_owned()),
        body: Some("Something newer: ü".to_owned()),
        base_branch: None,
        labels: Some(vec!["images".to_owned(), "urgent".to_owned()]),
    };
    forge.edit(number, &edit).await.expect("it is edited");
    let pull = forge.get(number).await.expect("it is there");
    assert_eq!(
        (pull.title.as_str(), pull.body.as_str()),
        ("Update to 1.2.4", "Something newer: ü")
    );
    if has_labels(kind) {
        let mut labels = pull.labels.clone();
        labels.sort();
        assert_eq!(labels, ["images", "urgent"], "{kind:?}");
    }
    // What an edit leaves out stays, reviewers among it.
    let only_title = PullRequestEdit {
        title: Some("Update to 1.2.5".to_owned()),
        ..PullRequestEdit::default()
    };
    forge.edit(number, &only_title).await.expect("it is edited");
    forge
        .edit(number, &PullRequestEdit::default())
        .await
        .expect("there is nothing to do");
    let again = forge.get(number).await.expect("it is there");
    assert_eq!(
        (again.title.as_str(), &again.body, &again.labels),
        ("Update to 1.2.5", &pull.body, &pull.labels)
    );
    assert_eq!(stage.people(number).await.0, [stage.person()], "{kind:?}");
    forge
        .comment(number, "Superseded by nothing.")
        .await
        .expect("it is said");
    assert_eq!(
        stage.comments(number).await,
        ["Superseded by nothing."],
        "{kind:?}"
    );
}

async fn is_checked(stage: &Stage, forge: &Forge, first: &str, head: &str) {
    let kind = forge.repository().kind;
    let read = async |commit: &str| forge.checks(commit).await.expect("checks can be read");
    assert_eq!(read(head).await, Checks::None, "{kind:?}");
    for name in ["build", "lint", "scan"] {
        stage.check(head, name, Checks::Passed).await;
    }
    assert_eq!(read(head).await, Checks::Passed, "{kind:?}");
    stage.check(head, "scan", Checks::Pending).await;
    assert_eq!(read(head).await, Checks::Pending, "{kind:?}");
    stage.check(head, "scan", Checks::Failed).await;
    assert_eq!(read(head).await, Checks::Failed, "{kind:?}");
    stage.check(head, "scan", Checks::Passed).await;
    // The other kind of check that some forges have: GitHub's check runs.
    stage.check(head, "run", Checks::Pending).await;
    assert_eq!(read(head).await, Checks::Pending, "{kind:?}");
    stage.check(head, "run", Checks::Passed).await;
    assert_eq!(read(head).await, Checks::Passed, "{kind:?}");
    assert_eq!(
        read(first).await,
        Checks::None,
        "{kind:?}: of the commit alone"
    );
}

async fn is_merged_as_meant(forge: &Forge, number: u64, first: &str, head: &str) {
    let kind = forge.repository().kind;
    let pull = forge.get(number).await.expect("it is there");
    assert_eq!(pull.head_commit.as_deref(), Some(head), "{kind:?}");
    assert_ne!(pull.mergeable, Some(false), "{kind:?}");
    let error = forge.merge(number, MergeMethod::Squash, first).await;
    let error = error.expect_err("a commit came in between");
    assert_eq!(error.class, ErrorClass::Conflict, "{kind:?}: {error}");
    let pull = forge.get(number).await.expect("it is there");
    assert_eq!(pull.state, PullState::Open, "{kind:?}");
    forge
        .merge(number, MergeMethod::Squash, head)
        .await
        .expect("it is merged");
    let pull = forge.get(number).await.expect("it is there");
    assert_eq!(pull.state, PullState::Merged, "{kind:?}");
    assert!(
        pull.closed.is_some() && pull.merge_commit.is_some(),
        "{kind:?}: {pull:?}"
    );
    assert_eq!(pull.closed_by, None, "{kind:?}: it was merged");
    let found = forge.find(BRANCH, "main").await.expect("a list");
    assert_eq!(found[0].state, PullState::Merged, "{kind:?}");
}

async fn is_compared(forge: &Forge, base: &str, first: &str, head: &str) {
    let kind = forge.repository().kind;
    let compared = forge
        .compare(base, head)
        .await
        .expect("they can be compared");
    let commits = compared.expect("both are there");
    let ids: Vec<&str> = commits.iter().map(|commit| commit.id.as_str()).collect();
    assert_eq!(ids, [head, first], "{kind:?}");
    for commit in &commits {
        assert!(
            !commit.summary.is_empty() && !commit.author.is_empty(),
            "{kind:?}: {commit:?}"
        );
        assert!(
            commit.url.starts_with("http") && commit.url.ends_with(&commit.id),
            "{commit:?}"
        );
    }
    let unknown = "0123456789012345678901234567890123456789";
    for (from, to) in [(unknown, head), (base, unknown)] {
        let compared = forge.compare(from, to).await;
        assert_eq!(
            compared.expect("a missing one is no error"),
            None,
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn who_closed_it_is_told() {
    for kind in [ForgeKind::Gitea].into_iter().chain(FAKES) {
        let stage = Stage::set(kind).await;
        let forge = connect(stage.repository(), stage.token());
        let mut closed = Vec::new();
        for by_hand in [true, false] {
            stage
                .push(BRANCH, if by_hand { "one" } else { "two" })
                .await;
            let created = forge.create(&draft(BRANCH, "Update")).await;
            let number = created.expect("it is opened").pull_request.number;
            match by_hand {
                true => stage.close_by_hand(number).await,
                false => forge.close(number).await.expect("it is closed"),
            }
            let pull = forge.get(number).await.expect("it is there");
            assert_eq!(pull.state, PullState::Closed, "{kind:?}");
            assert!(
                pull.closed.is_some() && pull.merge_commit.is_none(),
                "{kind:?}: {pull:?}"
            );
            let newest = forge
                .find(BRANCH, "main")
                .await
                .expect("a list")
                .swap_remove(0);
            assert_eq!(
                (newest.number, &newest.closed_by),
                (number, &pull.closed_by),
                "{kind:?}"
            );
            closed.push(pull.closed_by.expect("somebody closed it"));
        }
        assert_eq!(closed[0], stage.person(), "{kind:?}");
        assert_ne!(closed[1], stage.person(), "{kind:?}");
        assert_eq!(
            forge.find(BRANCH, "main").await.expect("a list").len(),
            2,
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_draft_stays_one_and_is_not_merged() {
    for kind in [ForgeKind::Gitea].into_iter().chain(FAKES) {
        let stage = Stage::set(kind).await;
        let forge = connect(stage.repository(), stage.token());
        let head = stage.push(BRANCH, "one").await;
        let wanted = PullRequestDraft {
            draft: true,
            ..draft(BRANCH, "Update one")
        };
        let created = forge.create(&wanted).await.expect("it is opened");
        assert_eq!(created.warnings, [""; 0], "{kind:?}");
        let pull = created.pull_request;
        assert_eq!(
            (pull.draft, pull.title.as_str()),
            (true, "Update one"),
            "{kind:?}"
        );
        let edit = PullRequestEdit {
            title: Some("Update two".to_owned()),
            ..PullRequestEdit::default()
        };
        forge.edit(pull.number, &edit).await.expect("it is edited");
        let pull = forge.get(pull.number).await.expect("it is there");
        assert_eq!(
            (pull.draft, pull.title.as_str()),
            (true, "Update two"),
            "{kind:?}"
        );
        let error = forge.merge(pull.number, MergeMethod::Merge, &head).await;
        let error = error.expect_err("it is a draft");
        assert_eq!(error.class, ErrorClass::Conflict, "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn a_long_comparison_shows_the_newest_fifty() {
    for kind in FAKES {
        let stage = Stage::set(kind).await;
        let forge = connect(stage.repository(), stage.token());
        let base = stage.tip("main").await.expect("main is there");
        for (count, total) in [(49, 49), (1, 50), (1, 51), (70, 121)] {
            let mut head = String::new();
            for number in 0..count {
                head = stage
                    .push(BRANCH, &format!("commit {number} of {total}"))
                    .await;
            }
            let compared = forge
                .compare(&base, &head)
                .await
                .expect("they can be compared");
            let commits = compared.expect("both are there");
            assert_eq!(commits.len(), total.min(50), "{kind:?}");
            assert_eq!(commits[0].id, head, "{kind:?}: the newest first");
        }
    }
}

#[tokio::test]
async fn every_method_merges_what_was_meant() {
    for kind in [ForgeKind::Gitea].into_iter().chain(FAKES) {
        let stage = Stage::set(kind).await;
        let forge = connect(stage.repository(), stage.token());
        for method in [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase] {
            let before = stage.tip("main").await;
            let branch = format!("{BRANCH}-{method:?}");
            let head = stage.push(&branch, "update").await;
            let created = forge.create(&draft(&branch, "Update")).await;
            let number = created.expect("it is opened").pull_request.number;
            let merged = forge.merge(number, method, &head).await;
            merged.unwrap_or_else(|error| panic!("{kind:?} {method:?}: {error}"));
            let pull = forge.get(number).await.expect("it is there");
            assert_eq!(pull.state, PullState::Merged, "{kind:?} {method:?}");
            assert_ne!(stage.tip("main").await, before, "{kind:?} {method:?}");
            assert_eq!(
                stage.tip(&branch).await,
                Some(head),
                "{kind:?}: the branch stays"
            );
        }
    }
}

#[tokio::test]
async fn a_check_beyond_the_first_page_counts_on_the_real_gitea() {
    let stage = Stage::set(ForgeKind::Gitea).await;
    let forge = connect(stage.repository(), stage.token());
    let head = stage.push(BRANCH, "update").await;
    for number in 0..60 {
        let result = if number == 0 {
            Checks::Failed
        } else {
            Checks::Passed
        };
        stage.check(&head, &format!("check-{number}"), result).await;
    }
    assert_eq!(forge.checks(&head).await.expect("checks"), Checks::Failed);
    stage.check(&head, "check-0", Checks::Passed).await;
    assert_eq!(forge.checks(&head).await.expect("checks"), Checks::Passed);
}

#[tokio::test]
async fn a_conflict_is_seen_on_the_real_gitea() {
    let repository = gitea().repository("conflict").await;
    repository.commit("main", "a.yaml", "0").await;
    let head = repository.commit(BRANCH, "a.yaml", "1").await;
    repository.commit("main", "a.yaml", "2").await;
    let stage = Stage::on(repository).await;
    let forge = connect(stage.repository(), stage.token());
    let created = forge.create(&draft(BRANCH, "Update")).await;
    let number = created.expect("it is opened").pull_request.number;
    let pull = forge.get(number).await.expect("it is there");
    assert_eq!(pull.mergeable, Some(false));
    let error = forge.merge(number, MergeMethod::Merge, &head).await;
    let error = error.expect_err("there are conflicts");
    assert_eq!(error.class, ErrorClass::Conflict, "{error}");
}

#[tokio::test]
async fn a_build_that_a_branch_policy_of_azure_asks_for_is_a_check() {
    let stage = Stage::set(ForgeKind::Azure).await;
    let forge = connect(stage.repository(), stage.token());
    let head = stage.push(BRANCH, "one").await;
    forge
        .create(&draft(BRANCH, "Update"))
        .await
        .expect("it is opened");
    let Stage::Fake(fake) = &stage else {
        panic!("Azure is a fake");
    };
    for (status, expected) in [
        ("queued", Checks::Pending),
        ("running", Checks::Pending),
        ("rejected", Checks::Failed),
        ("broken", Checks::Failed),
        ("notApplicable", Checks::None),
        ("approved", Checks::Passed),
    ] {
        let checks = vec![("policy".to_owned(), status.to_owned())];
        fake.world().checks.insert(head.clone(), checks);
        assert_eq!(
            forge.checks(&head).await.expect("checks"),
            expected,
            "{status}"
        );
    }
}
