//! The build against bytes that are out to hurt: no panic, no hang, no more than 200 MB.
//!
//! Each group of trees is built in a child process, the same test program again, which stops its
//! own processor time and reads its own peak of resident memory, so that an overflow of the stack
//! and a process out of memory are failures like others. The project promises a second
//! on an idle machine; this test, which shares its processors with others, allows two, and an
//! unoptimised build ten times as much. Random trees differ in every run: a failure prints the number that
//! `HIGHWATER_HOSTILE_SEED` repeats; `HIGHWATER_HOSTILE_CASES` makes more of them.

mod copies;
mod directories;
mod documents;
mod mutations;
mod patches;
mod steps;

use crate::support::highwater::Running;
use highwater::domain::kustomize::{Options, build};
use highwater::domain::tree::MapTree;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// What the child builds: the large tree of that number, or all that are `mutated`.
const GROUP: &str = "HIGHWATER_HOSTILE_GROUP";
const SEED: &str = "HIGHWATER_HOSTILE_SEED";
const CASES: &str = "HIGHWATER_HOSTILE_CASES";

/// How long one build may take.
const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });
/// How much memory the whole process may hold at its peak, its input included, in bytes.
const MEMORY: u64 = 200_000_000;

type Files = BTreeMap<String, Vec<u8>>;

/// One tree, made when it is its turn.
struct Case {
    name: String,
    make: Box<dyn Fn() -> Files>,
}

fn case(name: impl Into<String>, make: impl Fn() -> Files + 'static) -> Case {
    Case {
        name: name.into(),
        make: Box::new(make),
    }
}

/// Runs a group in a process of its own.
fn survive(group: &str) -> Result<(), String> {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command
        .args([
            "--exact",
            "build_hostile::child",
            "--nocapture",
            "--include-ignored",
        ])
        .env(GROUP, group)
        .env("RUST_BACKTRACE", "0");
    for name in [SEED, CASES] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let mut running = Running::start(&command);
    let status = running.wait(Duration::from_secs(900));
    if status.success() {
        return Ok(());
    }
    let (said, why) = (running.stdout(), running.stderr());
    Err(format!(
        "the last tree that is named here is to blame:\n{said}\n{why}"
    ))
}

#[test]
#[ignore = "only the other tests start it"]
fn child() {
    let Ok(group) = std::env::var(GROUP) else {
        return;
    };
    let (cases, options): (Vec<Case>, _) = match group.parse::<usize>() {
        Ok(one) => (
            large().into_iter().skip(one).take(1).collect(),
            vec![Options::flux()],
        ),
        Err(_) => (
            mutations::cases(),
            vec![Options::kubectl(), Options::flux()],
        ),
    };
    let mut failures = String::new();
    for case in cases {
        say(&format!("=== {}", case.name));
        let tree = MapTree((case.make)());
        for options in &options {
            if let Err(failure) = attempt(&tree, options) {
                say(&format!("FAILS: {failure}"));
                failures.push_str(&format!("{}: {failure}\n", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// A line for the parent, which shows all of them when the child fails.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Builds once, and checks time and memory.
fn attempt(tree: &MapTree, options: &Options) -> Result<(), String> {
    let path = if tree.0.keys().any(|path| path.starts_with("overlay/")) {
        "overlay"
    } else {
        ""
    };
    // Where the system allows it, each peak starts anew.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (since, before) = (Instant::now(), processor_time());
    let built = build(tree, path, options);
    let took = match (before, processor_time()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => since.elapsed(),
    };
    let words = match &built {
        Ok(built) => format!("{} objects", built.manifests.len()),
        Err(error) => format!("refused: {error}").chars().take(160).collect(),
    };
    let megabytes = peak() / 1_000_000;
    say(&format!(
        "{:>6} ms, {megabytes:>4} MB: {words}",
        took.as_millis()
    ));
    if took >= LIMIT {
        return Err(format!("it takes {took:?}"));
    }
    if peak() >= MEMORY {
        return Err(format!("it takes {} bytes", peak()));
    }
    Ok(())
}

/// How long processors have worked for this process, in steps of ten milliseconds: what else the
/// machine does is no fault of a build. `None` where there is no `/proc`.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let user = times.next()?.ok()?;
    let system = times.next()?.ok()?;
    Some(Duration::from_millis((user + system) * 10))
}

/// The largest resident set of this process, in bytes; 0 where there is no `/proc`.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kibibytes.map_or(0, |kibibytes: u64| kibibytes * 1024)
}

#[test]
fn large_input_is_built_or_refused_in_time_and_within_memory() {
    // What one build leaves behind in the allocator would count for the next.
    let numbers: Vec<String> = (0..large().len()).map(|one| one.to_string()).collect();
    crate::build::check_all(&numbers, |one| survive(one));
}

#[test]
fn mutated_input_is_built_or_refused_in_time_and_within_memory() {
    survive("mutated").unwrap_or_else(|failure| panic!("{failure}"));
}

fn files<const N: usize>(files: [(&str, String); N]) -> Files {
    files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.into_bytes()))
        .collect()
}

/// Objects in one file, and a kustomization that says `text` besides.
fn one_file(objects: String, text: String) -> Files {
    files([
        ("objects.yaml", objects),
        (
            "kustomization.yaml",
            format!("resources: [objects.yaml]\n{text}"),
        ),
    ])
}

/// Small objects, and a kustomization that says `text` besides.
fn many(count: usize, text: String) -> Files {
    one_file(config_maps(count), text)
}

fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn config_maps(count: usize) -> String {
    repeated(count, |number| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{number}}}\ndata: {{a: b}}\n---\n"
        )
    })
}

fn deployments(count: usize) -> String {
    repeated(count, |number| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d{number}}}\nspec:\n  template:\n    spec:\n      containers:\n      - {{name: one, image: 'acme/one:1'}}\n      - {{name: two, image: 'acme/two:1'}}\n---\n"
        )
    })
}

/// One object with `text` as its fields.
fn widget(text: &str) -> String {
    format!("apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w}}\n{text}\n")
}

const LONG: usize = 100_000;

/// Trees that are large in one way each.
fn large() -> Vec<Case> {
    documents::cases()
        .chain(steps::cases())
        .chain(patches::cases())
        .chain(copies::cases())
        .chain(directories::cases())
        .collect()
}
