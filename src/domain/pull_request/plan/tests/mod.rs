//! A model of a forge and of Git, and the laws of the plan on it; `life` has the plan case by case.

mod life;

use super::*;
use crate::domain::pull_request::forge::MergeMethod;
use crate::domain::pull_request::marker::tests::images;
use crate::domain::pull_request::ownership::{HeadCommit, Identity, Record, judge};
use proptest::prelude::*;
use std::collections::BTreeMap;

const BRANCH: &str = "highwater/apps/fleet/app";
const BOT: &str = "bot@acme.dev";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).expect("a time")
}

fn wanted(tag: &str) -> Wanted {
    Wanted {
        branch: BRANCH.to_owned(),
        base_branch: "main".to_owned(),
        images: images(&[("app", &format!("app:{tag}"))]),
        text: format!("text of {tag}"),
    }
}

/// A commit of the model: who made it, on what, and which tag the file has.
#[derive(Clone, Debug)]
struct Commit {
    author: &'static str,
    committer: &'static str,
    parents: Vec<String>,
    tag: String,
    made: i64,
}

/// A forge and its Git server, as far as one group sees them.
#[derive(Clone, Debug)]
struct Model {
    commits: Vec<Commit>,
    branches: BTreeMap<String, String>,
    pulls: Vec<PullRequest>,
    comments: Vec<u64>,
    /// The heads that we pushed.
    pushed: BTreeSet<String>,
    /// The commits of people on our branches.
    by_hand: BTreeSet<String>,
    checks: Checks,
    lifted: BTreeSet<u64>,
    now: i64,
}

impl Model {
    fn new() -> Self {
        let mut model = Self {
            commits: Vec::new(),
            branches: BTreeMap::new(),
            pulls: Vec::new(),
            comments: Vec::new(),
            pushed: BTreeSet::new(),
            by_hand: BTreeSet::new(),
            checks: Checks::None,
            lifted: BTreeSet::new(),
            now: 0,
        };
        model.commit("main", "jane@acme.dev", Vec::new(), "1.0");
        model
    }

    fn commit(
        &mut self,
        branch: &str,
        author: &'static str,
        parents: Vec<String>,
        tag: &str,
    ) -> String {
        self.commits.push(Commit {
            author,
            committer: author,
            parents,
            tag: tag.to_owned(),
            made: self.now,
        });
        let id = format!("{:040x}", self.commits.len());
        self.branches.insert(branch.to_owned(), id.clone());
        self.follow(branch, &id);
        id
    }

    /// Open pull requests follow their branch.
    fn follow(&mut self, branch: &str, id: &str) {
        let open = self
            .pulls
            .iter_mut()
            .filter(|pull| pull.state == PullState::Open);
        for pull in open.filter(|pull| pull.head_branch == branch) {
            pull.head_commit = Some(id.to_owned());
        }
    }

    fn at(&self, id: &str) -> &Commit {
        let number = usize::from_str_radix(id, 16).expect("an id of the model");
        &self.commits[number - 1]
    }

    fn base(&self) -> String {
        self.branches["main"].clone()
    }

    fn base_tag(&self) -> String {
        self.at(&self.base()).tag.clone()
    }

    fn records(&self) -> Vec<Record> {
        let markers = self
            .pulls
            .iter()
            .filter_map(|pull| Some(Record::of(pull.number, &Marker::read(&pull.body)?)));
        markers.collect()
    }

    fn known(&self) -> Known {
        let records = self.records();
        let identity = Identity {
            email: BOT.to_owned(),
        };
        let based = self.ancestry(vec![self.base()]);
        let heads = self.branches.iter().filter(|(name, _)| *name != "main");
        let heads = heads.map(|(name, id)| {
            let commit = self.at(id);
            let commit = HeadCommit {
                author: commit.author.to_owned(),
                author_email: commit.author.to_owned(),
                committer_email: commit.committer.to_owned(),
                parents: commit.parents.clone(),
                made: Some(at(commit.made)),
                starts_at_base: commit.parents.iter().all(|parent| based.contains(parent)),
            };
            (name.clone(), judge(id, &records, Some(&commit), &identity))
        });
        let mut pull_requests = self.pulls.clone();
        pull_requests.reverse();
        Known {
            heads: heads.collect(),
            pull_requests,
            records,
            base: self.base(),
            checks: Some(self.checks),
            lifted: self.lifted.clone(),
        }
    }

    /// What is wanted when the policy selects `tag`.
    fn wanted(&self, tag: &str, versioned: bool) -> Option<Wanted> {
        let mut wanted = wanted(tag);
        if versioned {
            wanted.branch = format!("{BRANCH}-{tag}");
        }
        (self.base_tag() != tag).then_some(wanted)
    }

    /// Every commit that some branch has.
    fn reachable(&self) -> BTreeSet<String> {
        self.ancestry(self.branches.values().cloned().collect())
    }

    /// These commits and all before them.
    fn ancestry(&self, mut pending: Vec<String>) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        while let Some(id) = pending.pop() {
            pending.extend(self.at(&id).parents.clone());
            seen.insert(id);
        }
        seen
    }

    fn open(&self) -> Vec<&PullRequest> {
        self.pulls.iter().filter(is_open).collect()
    }

    fn pull(&mut self, number: u64) -> &mut PullRequest {
        let found = self.pulls.iter_mut().find(|pull| pull.number == number);
        found.expect("the number is one of the model's")
    }

    /// Plans, does it, and checks what must hold with every step.
    fn run(&mut self, tag: &str, rules: &Rules, versioned: bool) -> Decision {
        self.run_until(tag, rules, versioned, usize::MAX)
    }

    /// The same, where the process dies before the step `until`.
    fn run_until(&mut self, tag: &str, rules: &Rules, versioned: bool, until: usize) -> Decision {
        let wanted = self.wanted(tag, versioned);
        let known = self.known();
        let decision = plan(wanted.as_ref(), &known, rules, at(self.now));
        let mut pairs = decision.steps.windows(2);
        assert!(
            !decision.steps.contains(&Step::Create)
                || pairs.any(|pair| matches!(pair, [Step::Push { .. }, Step::Create])),
            "the push lets one process through: {decision:?}"
        );
        for step in decision.steps.iter().take(until) {
            self.apply(step, wanted.as_ref(), &known);
        }
        decision
    }

    fn apply(&mut self, step: &Step, wanted: Option<&Wanted>, known: &Known) {
        match step {
            Step::Push { branch, replaces } => {
                assert_ne!(branch, "main");
                assert_eq!(
                    self.branches.get(branch),
                    replaces.as_ref(),
                    "the lease holds"
                );
                if let Some(head) = replaces {
                    assert!(self.can_go(head), "only what is ours is replaced");
                }
                let tag = wanted.expect("it is wanted").images["app"].replace("app:", "");
                let base = known.base.clone();
                let id = self.commit(branch, BOT, vec![base], &tag);
                self.pushed.insert(id);
            }
            Step::Create => self.create(wanted.expect("it is wanted")),
            Step::Edit { number, since, .. } => {
                let wanted = wanted.expect("it is wanted");
                let head = self.branches[&wanted.branch].clone();
                let body = self.marker(wanted, &head, *since, None);
                self.pull(*number).body = body;
            }
            Step::Reopen { number } => {
                let pull = self.pull(*number);
                assert!(pull.closed_with_branch, "what a person closed stays closed");
                pull.closed_with_branch = false;
                pull.state = PullState::Open;
            }
            Step::Close { number, why, say } => self.close(*number, *why, *say),
            Step::Merge { number, head, .. } => self.merge(*number, head),
            Step::DeleteBranch { branch, head } => {
                assert_eq!(
                    self.branches.get(branch),
                    Some(head),
                    "only the head that was looked at"
                );
                assert!(self.can_go(head), "only what is ours is deleted");
                self.branches.remove(branch);
            }
        }
    }

    fn create(&mut self, wanted: &Wanted) {
        let head = self.branches[&wanted.branch].clone();
        let same = |pull: &&&PullRequest| pull.head_branch == wanted.branch;
        assert_eq!(
            self.open().iter().filter(same).count(),
            0,
            "a forge refuses a second one"
        );
        let number = self.pulls.len() as u64 + 1;
        let body = self.marker(wanted, &head, at(self.now), None);
        self.pulls.push(PullRequest {
            number,
            url: format!("https://forge/{number}"),
            state: PullState::Open,
            head_branch: wanted.branch.clone(),
            head_commit: Some(head),
            base_branch: wanted.base_branch.clone(),
            title: String::new(),
            body,
            labels: Vec::new(),
            draft: false,
            mergeable: Some(true),
            closed_by: None,
            closed_with_branch: false,
            created: at(self.now),
            closed: None,
            merge_commit: None,
        });
    }

    fn close(&mut self, number: u64, why: Ended, say: bool) {
        if say {
            self.comments.push(number);
            let pull = self.pull(number);
            if let Some(mut marker) = Marker::read(&pull.body) {
                marker.ended = Some(why);
                pull.body =
                    marker.write(crate::domain::pull_request::forge::ForgeKind::Gitea, 9000);
            }
        }
        self.pull(number).state = PullState::Closed;
    }

    /// Whether nothing of others goes with it: we pushed it, or the base has it.
    fn can_go(&self, head: &str) -> bool {
        self.pushed.contains(head) || self.ancestry(vec![self.base()]).contains(head)
    }

    fn marker(
        &self,
        wanted: &Wanted,
        head: &str,
        since: Timestamp,
        ended: Option<Ended>,
    ) -> String {
        let marker = Marker {
            automation: "apps/fleet".to_owned(),
            uid: String::new(),
            group: "app".to_owned(),
            version: version(&wanted.images),
            images: Marker::digests(&wanted.images),
            text: wanted.text.clone(),
            base: self.at(head).parents[0].clone(),
            head: head.to_owned(),
            since,
            ended,
        };
        marker.write(crate::domain::pull_request::forge::ForgeKind::Gitea, 9000)
    }

    fn merge(&mut self, number: u64, head: &str) {
        let branch = self.pull(number).head_branch.clone();
        assert_eq!(
            self.branches.get(&branch).map(String::as_str),
            Some(head),
            "the head that was looked at"
        );
        let tag = self.at(head).tag.clone();
        let parents = vec![self.base(), head.to_owned()];
        let id = self.commit("main", "jane@acme.dev", parents, &tag);
        let pull = self.pull(number);
        pull.state = PullState::Merged;
        pull.merge_commit = Some(id);
    }

    /// Somebody closes it, by itself or with a branch of its name.
    fn is_closed(&mut self, number: u64, with_branch: bool) {
        let now = at(self.now);
        let pull = self.pull(number);
        pull.closed = Some(now);
        pull.state = PullState::Closed;
        pull.closed_by = Some("jane".to_owned());
        pull.closed_with_branch = with_branch;
    }

    /// A person opens the newest closed one again, where a forge lets them.
    fn reopen(&mut self) {
        let newest = self
            .pulls
            .iter()
            .rev()
            .find(|pull| pull.state == PullState::Closed);
        let newest = newest.map(|pull| (pull.number, pull.head_branch.clone()));
        if let Some((number, branch)) = newest
            && self.branches.contains_key(&branch)
            && !self.open().iter().any(|pull| pull.head_branch == branch)
        {
            self.pull(number).state = PullState::Open;
        }
    }

    /// Something that others do.
    fn happens(&mut self, event: &Event) {
        let open = self
            .open()
            .last()
            .map(|pull| (pull.number, pull.head_branch.clone()));
        match (event, open) {
            (Event::BaseMoves, _) => {
                let (base, tag) = (self.base(), self.base_tag());
                self.commit("main", "jane@acme.dev", vec![base], &tag);
            }
            (Event::BaseTakes(tag), _) => {
                let base = self.base();
                self.commit("main", "jane@acme.dev", vec![base], tag);
            }
            (Event::PersonCommits(account), Some((_, branch))) => {
                let based = self.ancestry(vec![self.base()]);
                // One by our own account right on the base cannot be told from ours.
                let told = |head: &&String| *account != BOT || !based.contains(*head);
                if let Some(head) = self.branches.get(&branch).filter(told).cloned() {
                    let id = self.commit(&branch, account, vec![head], "by hand");
                    self.by_hand.insert(id);
                }
            }
            (Event::PersonCloses, Some((number, _))) => self.is_closed(number, false),
            (Event::PersonMerges, Some((number, branch))) => {
                if let Some(head) = self.branches.get(&branch).cloned() {
                    self.merge(number, &head);
                }
            }
            (Event::PersonReopens, _) => self.reopen(),
            (Event::PersonEditsTheBody(text), Some((number, _))) => {
                self.pull(number).body = (*text).to_owned();
            }
            (Event::ForgeClosesLate, Some((number, _))) => self.is_closed(number, true),
            (Event::PersonDeletesTheBranch, Some((number, branch))) => {
                self.branches.remove(&branch);
                self.is_closed(number, true);
                self.by_hand = self
                    .by_hand
                    .intersection(&self.reachable())
                    .cloned()
                    .collect();
            }
            (Event::PersonLifts, _) => {
                let newest = self
                    .pulls
                    .iter()
                    .rev()
                    .find(|pull| pull.state == PullState::Closed);
                self.lifted.extend(newest.map(|pull| pull.number));
            }
            (Event::ChecksSay(checks), _) => self.checks = *checks,
            (Event::TimePasses(seconds), _) => self.now += seconds,
            _ => {}
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    BaseMoves,
    BaseTakes(&'static str),
    /// By an account, which may be ours.
    PersonCommits(&'static str),
    PersonCloses,
    PersonReopens,
    PersonMerges,
    PersonLifts,
    PersonEditsTheBody(&'static str),
    PersonDeletesTheBranch,
    /// It takes note that an earlier branch of the same name was deleted.
    ForgeClosesLate,
    ChecksSay(Checks),
    TimePasses(i64),
}

fn steps(decision: &Decision) -> Vec<&'static str> {
    let name = |step: &Step| match step {
        Step::Push { .. } => "push",
        Step::Create => "create",
        Step::Edit { .. } => "edit",
        Step::Reopen { .. } => "reopen",
        Step::Close { .. } => "close",
        Step::Merge { .. } => "merge",
        Step::DeleteBranch { .. } => "delete",
    };
    decision.steps.iter().map(name).collect()
}

const RULES: Rules = Rules {
    rebuild: Rebuild::Behind,
    auto_merge: None,
};

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::BaseMoves),
        2 => prop_oneof![Just("1.0"), Just("1.1"), Just("1.2")].prop_map(Event::BaseTakes),
        3 => prop_oneof![Just("jane@acme.dev"), Just(BOT)].prop_map(Event::PersonCommits),
        3 => Just(Event::PersonCloses),
        2 => Just(Event::PersonReopens),
        2 => Just(Event::PersonMerges),
        1 => Just(Event::PersonLifts),
        1 => prop_oneof![Just(""), Just("<!-- highwater: {} -->"), Just("fine")].prop_map(Event::PersonEditsTheBody),
        1 => Just(Event::PersonDeletesTheBranch),
        1 => Just(Event::ForgeClosesLate),
        2 => prop_oneof![Just(Checks::None), Just(Checks::Passed), Just(Checks::Failed)].prop_map(Event::ChecksSay),
        1 => (0_i64..100).prop_map(Event::TimePasses),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever others do in between, and wherever the process dies.
    #[test]
    fn doing_it_twice_is_doing_it_once_and_nothing_of_others_is_lost(
        rounds in prop::collection::vec(
            (prop::collection::vec(event(), 0..4), 0_usize..4, prop::option::weighted(0.2, 0_usize..4)),
            1..8,
        ),
        merges in any::<bool>(),
        conflicting in any::<bool>(),
        versioned in any::<bool>(),
    ) {
        let rule = AutoMerge { checks: true, after: Duration::from_secs(50), method: MergeMethod::Merge };
        let rules = Rules {
            rebuild: if conflicting { Rebuild::Conflicting } else { Rebuild::Behind },
            auto_merge: merges.then_some(rule),
        };
        let mut model = Model::new();
        for (events, tag, dies) in rounds {
            let tag = ["1.0", "1.1", "1.2", "1.3"][tag];
            for event in &events {
                model.happens(event);
            }
            if let Some(until) = dies {
                model.run_until(tag, &rules, versioned, until);
            }
            let first = model.run(tag, &rules, versioned);
            // A merge moves the base, so it is looked at once more.
            if first.standing == Standing::Merged {
                model.run(tag, &rules, versioned);
            }
            let comments = model.comments.len();
            let mut again = model.run(tag, &rules, versioned);
            if again.standing == Standing::Merged {
                again = model.run(tag, &rules, versioned);
            }
            prop_assert_eq!(&again.steps, &Vec::new(), "{:?} then {:?}", first, again);
            prop_assert_eq!(model.comments.len(), comments);
            let kept = model.known().heads.values().any(|head| head.owner != Owner::Ours);
            prop_assert!(kept || model.open().len() <= 1, "{:?}", model.open());
            prop_assert!(model.by_hand.is_subset(&model.reachable()), "a person's commit is lost");
        }
    }
}
