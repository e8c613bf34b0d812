//! What a forge keeps: commits, branches, pull requests, people. The same for all of them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::support::git_http::{BareRepository, git};

/// Whose token the tests use.
pub const BOT: &str = "bot";
/// A person with an account.
pub const PERSON: &str = "jane";
/// A milestone that there is.
pub const MILESTONE: &str = "next";

/// Everything in one repository.
pub struct World {
    /// The newest commit of each branch.
    pub branches: BTreeMap<String, String>,
    /// All commits by id.
    pub commits: BTreeMap<String, Commit>,
    /// Pull requests; number N is at N - 1.
    pub pulls: Vec<Pull>,
    /// Names and states of the checks of commits, in the forge's own words.
    pub checks: BTreeMap<String, Vec<(String, String)>>,
    /// The repository that branches and commits are those of, if they are real.
    repository: Option<BareRepository>,
    ticks: i64,
}

/// One commit.
#[derive(Clone)]
pub struct Commit {
    /// 40 digits.
    pub id: String,
    /// The one before.
    pub parent: Option<String>,
    /// What it says.
    pub message: String,
}

/// The state of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Open,
    /// It is in its base.
    Merged,
    /// Somebody closed it.
    Closed,
}

/// One pull request.
#[derive(Clone)]
pub struct Pull {
    /// From 1.
    pub number: u64,
    /// Counts changes.
    pub version: u64,
    /// The branch it brings.
    pub head: String,
    /// Its newest commit, as long as the branch was there.
    pub head_commit: String,
    /// The branch it goes to.
    pub base: String,
    /// As the forge keeps it, with its mark of drafts.
    pub title: String,
    /// The description.
    pub body: String,
    /// Whether the forge was told that it is a draft.
    pub draft: bool,
    /// Its labels.
    pub labels: Vec<String>,
    /// Who was asked.
    pub reviewers: Vec<String>,
    /// Who has it.
    pub assignees: Vec<String>,
    /// Its milestone.
    pub milestone: Option<String>,
    /// What was said below it.
    pub comments: Vec<String>,
    /// Its state.
    pub state: State,
    /// Who closed it.
    pub closed_by: Option<String>,
    /// Seconds since 1970.
    pub created: i64,
    /// Likewise.
    pub closed: Option<i64>,
    /// What merging made.
    pub merge_commit: Option<String>,
}

impl World {
    /// A repository whose `main` has one commit.
    pub fn new() -> Self {
        let mut world = Self::empty();
        world.push("main", "begin");
        world
    }

    /// One whose branches and commits are those of a real repository, which others push to.
    pub fn of(repository: BareRepository) -> Self {
        let mut world = Self::empty();
        world.repository = Some(repository);
        world.read_git();
        world
    }

    fn empty() -> Self {
        Self {
            branches: BTreeMap::new(),
            commits: BTreeMap::new(),
            pulls: Vec::new(),
            checks: BTreeMap::new(),
            repository: None,
            ticks: 0,
        }
    }

    /// Does something to the branches as they are in the real repository, if there is one; those that it takes away go there too.
    pub fn on_git<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> T {
        self.read_git();
        let before = self.branches.clone();
        let done = change(self);
        if let Some(repository) = &self.repository {
            let gone = |name: &&String| !self.branches.contains_key(*name);
            for name in before.keys().filter(gone) {
                let reference = format!("refs/heads/{name}");
                git(&repository.path, &["update-ref", "-d", &reference]);
            }
        }
        done
    }

    fn read_git(&mut self) {
        let Some(repository) = &self.repository else {
            return;
        };
        let format = "--format=%(refname:lstrip=2) %(objectname)";
        let branches = git(&repository.path, &["for-each-ref", format, "refs/heads"]);
        let pairs = branches.lines().filter_map(|line| line.split_once(' '));
        self.branches = pairs
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .collect();
        let log = git(&repository.path, &["log", "--all", "--format=%H %s%x00%P"]);
        for line in log.lines() {
            let (text, parents) = line.split_once('\0').unwrap_or((line, ""));
            let (id, message) = text.split_once(' ').unwrap_or((text, ""));
            let commit = Commit {
                id: id.to_owned(),
                parent: parents.split(' ').next().map(str::to_owned),
                message: message.to_owned(),
            };
            self.commits.insert(id.to_owned(), commit);
        }
        let names: Vec<String> = self.branches.keys().cloned().collect();
        names.iter().for_each(|name| self.follow(name));
    }

    /// The commit that merges one branch into another, whose commits it has all. Its files are those of the first.
    fn merge_commit(&mut self, head: &str, base: &str) -> String {
        let message = format!("Merge {head}");
        let Some(repository) = self.repository.clone() else {
            return self.push(base, &message);
        };
        let (folder, tree) = (&repository.path, format!("refs/heads/{head}^{{tree}}"));
        let (ours, theirs) = (repository.head(base), repository.head(head));
        let parents = ["-p", &ours, "-p", &theirs, "-m", &message];
        let commit = ["commit-tree", &tree].into_iter().chain(parents);
        let made = git(folder, &commit.collect::<Vec<_>>());
        let (made, reference) = (made.trim(), format!("refs/heads/{base}"));
        git(folder, &["update-ref", &reference, made, &ours]);
        self.read_git();
        made.to_owned()
    }

    /// Seconds since 1970; later at each look.
    fn now(&mut self) -> i64 {
        self.ticks += 1;
        1_790_000_000 + self.ticks
    }

    /// A commit on a branch, which is made from `main` when there is none.
    pub fn push(&mut self, branch: &str, message: &str) -> String {
        let at = self.now();
        let parent = self
            .branches
            .get(branch)
            .or(self.branches.get("main"))
            .cloned();
        let digest = Sha256::digest(format!("{branch} {message} {at}"));
        let id: String = digest
            .iter()
            .take(20)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let commit = Commit {
            id: id.clone(),
            parent,
            message: message.to_owned(),
        };
        self.commits.insert(id.clone(), commit);
        self.branches.insert(branch.to_owned(), id.clone());
        self.follow(branch);
        id
    }

    /// Lets open pull requests know of their branch's newest commit.
    fn follow(&mut self, branch: &str) {
        let Some(tip) = self.branches.get(branch).cloned() else {
            return;
        };
        for pull in &mut self.pulls {
            if pull.head == branch && pull.state == State::Open {
                pull.head_commit.clone_from(&tip);
            }
        }
    }

    /// Opens a pull request; the error is why not.
    pub fn open(&mut self, pull: Pull) -> Result<u64, String> {
        let (head, base) = (&pull.head, &pull.base);
        let Some(tip) = self.branches.get(head).cloned() else {
            return Err(format!("there is no branch {head}"));
        };
        if !self.branches.contains_key(base) {
            return Err(format!("there is no branch {base}"));
        }
        if pull.title.is_empty() {
            return Err("a title is missing".to_owned());
        }
        let same = |other: &&Pull| {
            other.state == State::Open && other.head == *head && other.base == *base
        };
        if let Some(other) = self.pulls.iter().find(same) {
            return Err(format!(
                "one already exists for these branches: {}",
                other.number
            ));
        }
        let number = self.pulls.len() as u64 + 1;
        let created = self.now();
        self.pulls.push(Pull {
            number,
            head_commit: tip,
            created,
            ..pull
        });
        Ok(number)
    }

    /// A pull request by its number.
    pub fn pull(&mut self, number: &str) -> Option<&mut Pull> {
        let number: usize = number.parse().ok()?;
        self.pulls.get_mut(number.checked_sub(1)?)
    }

    /// The pull requests from one branch to another, newest first.
    pub fn between(&self, head: &str, base: &str) -> Vec<Pull> {
        let found = self.pulls.iter().rev();
        found
            .filter(|pull| pull.head == head && pull.base == base)
            .cloned()
            .collect()
    }

    /// Closes one without merging it.
    pub fn close(&mut self, number: u64, who: &str) {
        let at = self.now();
        if let Some(pull) = self.pull(&number.to_string()) {
            pull.version += 1;
            pull.state = State::Closed;
            pull.closed_by = Some(who.to_owned());
            pull.closed = Some(at);
        }
    }

    /// Merges one; the error is why not.
    pub fn merge(&mut self, number: u64, draft: bool) -> Result<(), &'static str> {
        let at = self.now();
        let Some(pull) = self.pull(&number.to_string()).cloned() else {
            return Err("there is none");
        };
        if pull.state != State::Open {
            return Err("it is not open");
        }
        if draft {
            return Err("it is a draft");
        }
        let made = self.merge_commit(&pull.head, &pull.base);
        if let Some(pull) = self.pull(&number.to_string()) {
            pull.version += 1;
            pull.state = State::Merged;
            pull.closed = Some(at);
            pull.merge_commit = Some(made);
        }
        Ok(())
    }

    /// The commits that are in `to` and not in `from`, newest first; `None` when one is not there.
    pub fn range(&self, from: &str, to: &str) -> Option<Vec<Commit>> {
        self.commits.get(from)?;
        self.commits.get(to)?;
        let history = |start: &str| {
            let mut found = Vec::new();
            let mut next = Some(start.to_owned());
            while let Some(commit) = next.as_ref().and_then(|id| self.commits.get(id)) {
                found.push(commit.clone());
                next.clone_from(&commit.parent);
            }
            found
        };
        let known: BTreeSet<String> = history(from).into_iter().map(|commit| commit.id).collect();
        let new = history(to)
            .into_iter()
            .filter(|commit| !known.contains(&commit.id));
        Some(new.collect())
    }

    /// The checks of a commit.
    pub fn checks(&self, commit: &str) -> Vec<(String, String)> {
        self.checks.get(commit).cloned().unwrap_or_default()
    }

    /// Whether somebody has an account.
    pub fn knows(&self, name: &str) -> bool {
        [BOT, PERSON].contains(&name)
    }
}

impl Pull {
    /// One that is to be opened.
    pub fn draft(head: &str, base: &str, title: &str, body: &str) -> Self {
        Self {
            number: 0,
            version: 0,
            head: head.to_owned(),
            head_commit: String::new(),
            base: base.to_owned(),
            title: title.to_owned(),
            body: body.to_owned(),
            draft: false,
            labels: Vec::new(),
            reviewers: Vec::new(),
            assignees: Vec::new(),
            milestone: None,
            comments: Vec::new(),
            state: State::Open,
            closed_by: None,
            created: 0,
            closed: None,
            merge_commit: None,
        }
    }
}

/// A moment as the APIs write it.
pub fn time(seconds: i64) -> String {
    let at = jiff::Timestamp::from_second(seconds).expect("a moment of ours");
    at.to_string()
}
