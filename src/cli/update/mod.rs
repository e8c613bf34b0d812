//! `highwater update`: the engine of the controllers on a checkout, with no cluster.
//!
//! ```text
//! folder ── objects ── plan ── scan, select ── passes ── report
//!           (find)   (decide)   (registries)  (rewrite)  └─ write, commit, push if asked to
//! ```
//!
//! Invariants: without `--write`, `--commit` or `--push` nothing is touched; what failed holds up
//! nothing else and is told at the end. Exit codes: `0` done, with or without changes; `1` something
//! failed, everything else is done; `2` the command was not understood. A marker that did nothing is
//! told and is no failure. What is absent: the cluster, and so Secrets, `accessFrom` and the last
//! selections of suspended policies.

mod checkout;
mod hold;
mod objects;
mod passes;
mod plan;
mod report;
mod scan;
mod select;
mod trouble;
mod write;

use super::failure::Failure;
use super::output::{Format, Printer};
use crate::adapters::folder::Folder;
use crate::domain::duration::parse_duration;
use crate::domain::object::ObjectKey;
use crate::domain::rewrite::is_candidate;
use clap::Args;
use objects::Found;
use plan::{Filter, Plan};
use report::Report;
use select::Selection;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the help says at its end.
const EXIT_CODES: &str = "Exit codes: 0 done, with or without changes; 1 something failed, and everything else is done; \
2 the command was not understood. A marker that did nothing is a warning, no failure.";

/// The flags of `highwater update`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct Flags {
    /// the checkout: the root of the repository
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// show what would change, and touch nothing (the default)
    #[arg(long, conflicts_with_all = ["write", "commit", "push"])]
    diff: bool,
    /// write the files
    #[arg(long)]
    write: bool,
    /// write the files, and commit them with your own git
    #[arg(long)]
    commit: bool,
    /// write, commit, and push to the automation's push branch, or to the branch that is checked out
    #[arg(long)]
    push: bool,
    /// consider only these policies, as `name` or `namespace/name`
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// consider only these automations, as `name` or `namespace/name`
    #[arg(long, value_name = "NAME")]
    automation: Vec<String>,
    /// the namespace of objects that state none
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "FLUX_SYSTEM_NAMESPACE",
        default_value = "flux-system"
    )]
    namespace: String,
    /// how long scanning one repository may take
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    timeout: Duration,
    /// how many repositories are scanned at once
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    concurrent: usize,
    /// how to print
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Format,
}

/// How far the command goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Diff,
    Write,
    Commit,
    Push,
}

impl Flags {
    fn mode(&self) -> Mode {
        match (self.push, self.commit, self.write) {
            (true, ..) => Mode::Push,
            (_, true, _) => Mode::Commit,
            (.., true) => Mode::Write,
            _ => Mode::Diff,
        }
    }

    fn filter(&self) -> Filter {
        Filter {
            policies: self.policy.clone(),
            updates: self.automation.clone(),
        }
    }
}

/// Finds, scans, selects and rewrites; writes as far as the flags ask.
///
/// # Errors
/// When the folder is unusable or holds no policy, when writing, committing or pushing fails, and when
/// anything that was asked for could not be done; everything else is done and printed then.
pub async fn run(flags: &Flags, printer: &mut Printer) -> Result<(), Failure> {
    let folder = Folder::open(&flags.dir).map_err(|error| {
        Failure::new(format!(
            "cannot open the folder `{}`: {error}",
            flags.dir.display()
        ))
    })?;
    let (found, plan) = read(&folder, flags, printer).await?;
    let mut report = Report {
        troubles: plan.troubles.clone(),
        ..Report::default()
    };
    let scanned = ask_registries(&found, &plan, flags, printer).await;
    let silent = silent(&found, &plan, &scanned.selections);
    report.troubles.extend(found.troubles.iter().cloned());
    report.troubles.extend(scanned.troubles);
    report.selections = scanned.selections;
    let mut passed = passes::run(&plan.jobs, &found, &report.selections, &silent);
    let mut changes = passed.report();
    let held = hold::back(&mut report.selections, &changes, &scanned.judges, &found);
    if !held.is_empty() {
        report.troubles.extend(held);
        let silent = self::silent(&found, &plan, &report.selections);
        passed = passes::run(&plan.jobs, &found, &report.selections, &silent);
        changes = passed.report();
    }
    passes::fill_previous(&mut report.selections, &changes);
    report.changes = changes.changes;
    report.problems = passed.left.clone();
    report.diff = passed.diff(&found);
    if flags.output == Format::Text {
        report.tell(printer);
        printer.data(&report.diff)?;
    }
    let work = write::Work {
        folder: &folder,
        found: &found,
        jobs: &plan.jobs,
        passed: &passed,
    };
    let done = match flags.mode() {
        Mode::Diff => Ok(()),
        Mode::Write => work.write(&mut report, printer),
        mode => work.commit(mode == Mode::Push, &mut report, printer),
    };
    if flags.output == Format::Json {
        printer.data(&format!("{:#}\n", serde_json::to_value(&report)?))?;
    }
    done?;
    match report.failures() {
        0 => Ok(()),
        1 => Err(Failure::new(
            "one thing could not be done; everything else is done",
        )),
        failures => Err(Failure::new(format!(
            "{failures} things could not be done; everything else is done"
        ))),
    }
}

async fn read(
    folder: &Folder,
    flags: &Flags,
    printer: &mut Printer,
) -> Result<(Found, Plan), Failure> {
    let (own, filter, namespace) = (folder.clone(), flags.filter(), flags.namespace.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let listing = own.list(is_candidate);
        let mut found = objects::find(&own, &listing.files, &namespace);
        found
            .troubles
            .extend(listing.skipped.into_iter().map(objects::unread));
        let plan = plan::plan(&own, &found, &filter);
        (found, plan)
    });
    let (found, plan) = waiting(reading, printer, || "reading the files".to_owned()).await?;
    if found.policies.is_empty() {
        for trouble in &found.troubles {
            printer.talk(&trouble.to_string());
        }
        let failure = Failure::new(format!(
            "there is no ImagePolicy below `{}`",
            folder.path().display()
        ));
        return Err(failure.with_hint(
            "give the root of a repository that has ImageRepository and ImagePolicy objects",
        ));
    }
    Ok((found, plan))
}

async fn ask_registries(
    found: &Found,
    plan: &Plan,
    flags: &Flags,
    printer: &mut Printer,
) -> scan::Scanned {
    let settings = scan::Settings {
        concurrent: flags.concurrent,
        timeout: flags.timeout,
    };
    let progress = Arc::new(scan::Progress::default());
    let wanted = plan.policies();
    let scanning = scan::run(found, &wanted, &settings, &progress);
    let words = || {
        let [done, total] =
            [&progress.done, &progress.total].map(|number| number.load(Ordering::Relaxed));
        format!("scanning: {done} of {total} repositories are done")
    };
    waiting(scanning, printer, words).await
}

/// The policies whose markers need no further words: they were left out, or they failed, and that was
/// said once.
fn silent(found: &Found, plan: &Plan, selections: &[Selection]) -> BTreeSet<ObjectKey> {
    let wanted = plan.policies();
    let selected: BTreeSet<&ObjectKey> = selections
        .iter()
        .map(|selection| &selection.policy)
        .collect();
    let filtered = found
        .policies
        .iter()
        .map(|(key, _)| key)
        .filter(|key| !wanted.contains(key) && plan.filtered);
    let failed = wanted.iter().filter(|key| !selected.contains(key));
    filtered
        .chain(failed)
        .cloned()
        .chain(found.policies.ambiguous().cloned())
        .collect()
}

/// Waits, and says what for when it takes more than a second.
async fn waiting<T>(
    work: impl Future<Output = T>,
    printer: &mut Printer,
    words: impl Fn() -> String,
) -> T {
    let mut work = std::pin::pin!(work);
    let first = tokio::time::Instant::now() + Duration::from_secs(1);
    let mut tick = tokio::time::interval_at(first, Duration::from_secs(5));
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = tick.tick() => printer.talk(&words()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::io::Write;
    use std::sync::Mutex;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        flags: Flags,
    }

    fn mode(arguments: &[&str]) -> Option<Mode> {
        let words = ["update"].iter().chain(arguments);
        Command::try_parse_from(words)
            .ok()
            .map(|command| command.flags.mode())
    }

    #[test]
    fn a_push_includes_a_commit_and_a_commit_a_write() {
        for (arguments, expected) in [
            ([].as_slice(), Some(Mode::Diff)),
            (&["--diff"], Some(Mode::Diff)),
            (&["--write"], Some(Mode::Write)),
            (&["--write", "--commit"], Some(Mode::Commit)),
            (&["--commit", "--push"], Some(Mode::Push)),
            (&["fleet", "--push"], Some(Mode::Push)),
            (&["--diff", "--push"], None),
        ] {
            assert_eq!(mode(arguments), expected, "{arguments:?}");
        }
    }

    #[derive(Clone, Default)]
    struct Talk(Arc<Mutex<Vec<u8>>>);

    impl Write for Talk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    async fn talked(work: Duration) -> String {
        let talk = Talk::default();
        let mut printer = Printer::with_streams(Box::new(std::io::sink()), Box::new(talk.clone()));
        let answer = waiting(
            async { tokio::time::sleep(work).await },
            &mut printer,
            || "still at it".to_owned(),
        );
        answer.await;
        String::from_utf8(talk.0.lock().expect("one thread").clone()).expect("text")
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_takes_longer_than_a_second_is_talked_of() {
        assert_eq!(talked(Duration::from_millis(900)).await, "");
        assert_eq!(talked(Duration::from_millis(1100)).await, "still at it\n");
        assert_eq!(talked(Duration::from_secs(12)).await.lines().count(), 3);
    }
}
