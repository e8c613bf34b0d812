//! From selection to pushed: rewriting what is marked in a Git repository, committing and pushing, over http to the real `git http-backend`.
//!
//! `cargo bench --bench writeback`. Budgets on 2 cores: 500 applications of one repository that change at once in 3 s; 20 automations of one
//! branch in 2 s; 10,000 marked files of which one, 500 and all change in 2 s and 150 MB. "Cold" is a new cache folder, as a new
//! Pod has it; "warm" is one in which the commit before is cached, as while running. Each row is a process of its own, so that its
//! peak of resident memory is its own; the Git server is in another process. `update.path` is the folder with the marked files.
#![allow(
    clippy::print_stdout,
    dead_code,
    missing_docs,
    reason = "a benchmark prints its table, and uses a part of what tests stand on"
)]

mod process_cost;
#[path = "../it/support"]
mod support {
    pub mod build;
    pub mod control_plane;
    pub mod fake_registry;
    pub mod fleet;
    pub mod git_http;
    pub mod highwater;
    pub mod process;
    pub mod programs;
    pub mod registry_server;
}

use highwater::adapters::git::{
    Author, CommitPlan, GitCache, GitError, Remote, Snapshot, Stacking, Transaction,
    TransactionError, TransactionOutcome,
};
use highwater::controllers::image_update::rewrite_files;
use highwater::domain::git_ref::CheckoutRef;
use highwater::domain::image::ImageRef;
use highwater::domain::marker::{PolicyKey, TOKEN};
use highwater::domain::message::default_message;
use highwater::domain::redact::SafeUrl;
use highwater::domain::rewrite::{Selections, is_candidate};
use highwater::domain::tree::TreeError;
use process_cost::Process;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;
use support::git_http::{BareRepository, GitHttp, ServerAuth, git_with_input};

/// One row of the table.
#[derive(Clone, Copy)]
struct Row {
    what: &'static str,
    /// Files with a marker, each for a policy of its own.
    marked: usize,
    /// Further files.
    plain: usize,
    /// Commits before, which change one plain file each.
    history: usize,
    /// How many automations share the marked files, a folder each.
    automations: usize,
    /// How many policies select another tag.
    changing: usize,
}

const ROWS: [Row; 7] = [
    row("500 applications change at once", [500, 0, 0, 1, 500]),
    row("20 automations of one branch", [500, 0, 0, 20, 500]),
    row("10,000 marked files, one changes", [10_000, 0, 0, 1, 1]),
    row("10,000 marked files, 500 change", [10_000, 0, 0, 1, 500]),
    row("10,000 marked files, all change", [10_000, 0, 0, 1, 10_000]),
    row(
        "20,000 files, 1,000 commits: 1 of 1,000",
        [1_000, 19_000, 1_000, 1, 1],
    ),
    row(
        "20,000 files, 1,000 commits: all 1,000",
        [1_000, 19_000, 1_000, 1, 1_000],
    ),
];

const fn row(what: &'static str, numbers: [usize; 5]) -> Row {
    let [marked, plain, history, automations, changing] = numbers;
    Row {
        what,
        marked,
        plain,
        history,
        automations,
        changing,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "measure") {
        return measure(&arguments[at + 1..]);
    }
    println!(
        "{:<42} {:<5} {:>8} {:>8} {:>8} {:>9} {:>8}",
        "", "cache", "commits", "s", "CPU s", "sent kB", "peak MB"
    );
    for (number, row) in ROWS.iter().enumerate() {
        for cache in ["cold", "warm"] {
            print_row(number, row, cache);
        }
    }
}

/// Seeds a repository and measures in a new process, whose memory no earlier row has touched.
fn print_row(number: usize, row: &Row, cache: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = BareRepository::create(folder.path(), "fleet");
    seed(&origin, row);
    let server = GitHttp::start(folder.path(), ServerAuth::Open);
    let program = std::env::current_exe().expect("the path of this program");
    let output = std::process::Command::new(program)
        .args(["measure", &number.to_string(), cache, &server.url("fleet")])
        .arg(folder.path().join("cache"))
        .output()
        .expect("this program can be started again");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let sent: usize = server.pushes().iter().sum();
    let measured = String::from_utf8_lossy(&output.stdout);
    let [seconds, processor, peak] = [0, 1, 2].map(|at| {
        let number = measured.split_whitespace().nth(at);
        number
            .and_then(|number| number.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
    });
    let commits = origin.log("main").len() - row.history.max(1);
    println!(
        "{:<42} {cache:<5} {commits:>8} {seconds:>8.2} {processor:>8.2} {:>9.0} {peak:>8.0}",
        row.what,
        sent as f64 / 1e3
    );
    assert_eq!(server.pushes().len(), 1);
    assert_eq!(commits, row.automations);
}

/// The path of a marked file: 25 in a folder, and the folders shared among the automations.
fn path(row: &Row, number: usize) -> String {
    let each = row.marked / row.automations;
    format!(
        "apps/{:02}/{:03}/{number:05}.yaml",
        number / each,
        number / 25
    )
}

fn seed(origin: &BareRepository, row: &Row) {
    let mut stream = String::from(
        "commit refs/heads/main\ncommitter Seed <seed@example.com> now\ndata 4\nseed\n",
    );
    let mut put = |path: &str, text: &str| {
        let _ = write!(
            stream,
            "M 100644 inline {path}\ndata {}\n{text}\n",
            text.len()
        );
    };
    for number in 0..row.marked {
        put(&path(row, number), &manifest(number));
    }
    for number in 0..row.plain {
        let text = manifest(number).replace(TOKEN, "no marker");
        put(
            &format!("plain/{:03}/{number:05}.yaml", number / 100),
            &text,
        );
    }
    for number in 1..row.history {
        let text = format!("change {number}\n");
        let _ = write!(
            stream,
            "commit refs/heads/main\ncommitter Seed <seed@example.com> now\ndata 6\nchange\nM 100644 inline plain/{:03}/note.txt\ndata {}\n{text}\n",
            number % 190,
            text.len()
        );
    }
    let arguments = ["fast-import", "--quiet", "--date-format=now"];
    git_with_input(&origin.path, &arguments, stream.as_bytes());
    // As a forge has it.
    support::git_http::git(&origin.path, &["repack", "-adq"]);
}

/// A Deployment of about 1 kB with a marker for the policy of its number.
fn manifest(number: usize) -> String {
    let lines: String = (0..12).fold(String::new(), |mut lines, line| {
        let _ = writeln!(
            lines,
            "            - name: SETTING_{line:02}\n              value: value-{number}-{line}"
        );
        lines
    });
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{number}\n  namespace: apps\nspec:\n  replicas: 3\n  template:\n    spec:\n      \
         containers:\n        - name: app\n          image: ghcr.io/acme/app-{number}:1.0.0 # {{\"{TOKEN}\": \"apps:app-{number}\"}}\n          env:\n{lines}"
    )
}

fn selections(row: &Row) -> Selections {
    let mut selections = Selections::new("apps");
    for number in 0..row.marked {
        let tag = if number < row.changing {
            "1.1.0"
        } else {
            "1.0.0"
        };
        let image = ImageRef {
            name: format!("ghcr.io/acme/app-{number}"),
            tag: tag.to_owned(),
            digest: None,
        };
        selections.insert(PolicyKey::new("apps", format!("app-{number}")), image);
    }
    selections
}

#[derive(Debug, thiserror::Error)]
enum EditError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// What the controller does with the automations of one branch.
fn commits(
    row: &Row,
    tip: &Snapshot,
    selections: &Selections,
) -> Result<Option<Snapshot>, EditError> {
    let mut last: Option<Snapshot> = None;
    for automation in 0..row.automations {
        let here = last.as_ref().unwrap_or(tip);
        let folder = match row.automations {
            1 => "apps".to_owned(),
            _ => format!("apps/{automation:02}"),
        };
        let found = here.candidates(&folder, TOKEN.as_bytes(), is_candidate)?;
        let files = found
            .files
            .iter()
            .map(|file| Ok::<_, EditError>((file.path.clone(), here.content(file)?)));
        let edits = rewrite_files(files, &folder, selections)?;
        let plan = CommitPlan {
            edits: edits.files,
            author: Author {
                name: "Tide".to_owned(),
                email: "tide@example.com".to_owned(),
            },
            message: default_message(&edits.report),
            at: jiff::Timestamp::now(),
            signer: None,
        };
        if let Some(next) = here.commit_on_top(&plan)? {
            last = Some(next);
        }
    }
    Ok(last)
}

/// Runs one row and prints seconds, seconds of processor and megabytes at the most.
fn measure(arguments: &[String]) {
    let [number, cache, url, folder] = arguments else {
        panic!("{arguments:?}");
    };
    let row = &ROWS[number.parse::<usize>().expect("a number")];
    let git = GitCache::open(Path::new(folder)).expect("a folder");
    let url = SafeUrl::parse(url).expect("a URL");
    let remote = Remote::new(&url).expect("a supported scheme");
    let main = CheckoutRef::Branch("main".to_owned());
    let selections = selections(row);
    if cache == "warm" {
        // As after the run before: the commit is here, and which files are marked is known.
        let fetched = git.fetch(&remote, &main).expect("it is fetched");
        let found = fetched
            .snapshot
            .candidates("", TOKEN.as_bytes(), is_candidate);
        assert_eq!(found.expect("they are found").files.len(), row.marked);
    }
    let options = BTreeMap::new();
    let request = Transaction {
        remote: &remote,
        checkout: &main,
        push_branch: "main",
        stacking: Stacking::OnTop,
        options: &options,
        also: None,
        attempts: 3,
    };
    let own = Process::own();
    let (start, processor) = (Instant::now(), own.cpu_seconds());
    let outcome = git.transaction_of_many(&request, |tip| {
        commits(row, tip, &selections).map_err(TransactionError::Edit)
    });
    let seconds = start.elapsed().as_secs_f64();
    assert!(
        matches!(outcome, Ok(TransactionOutcome::Pushed { .. })),
        "{outcome:?}"
    );
    let processor = own.cpu_seconds() - processor;
    println!("{seconds} {processor} {}", own.peak() / 1e6);
}
