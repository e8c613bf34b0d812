//! The package as a folder: what it holds, and what no file of it may say.

use super::facts::Facts;
use super::references::Target;
use super::{Finding, expect_none, modules, read, root, words};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// What the top level may hold, besides files whose name begins with a dot.
const TOP_LEVEL: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "deploy",
    "examples",
    "src",
    "target",
    "tests",
];

/// Folders of one machine, in pieces so that this file does not name them.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/wo", "rk/"),
    concat!("/tmp/", "hw"),
    concat!("/ro", "ot/"),
];

/// Dependencies that no path names, and why they are there.
const SILENT_DEPENDENCIES: [(&str, &str); 1] = [(
    "gix_transport",
    "turns on a feature that gix does not pass on",
)];

/// Every file of the package, relative to it: what Git tracks or would track; without Git, what is there.
pub(super) fn files() -> &'static [String] {
    static FILES: OnceLock<Vec<String>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = known_to_git().unwrap_or_else(|| {
            let mut files = Vec::new();
            walk(&root(), "", &mut files);
            files
        });
        files.retain(|file| root().join(file).is_file());
        files.sort();
        files
    })
}

fn known_to_git() -> Option<Vec<String>> {
    if !root().join(".git").exists() {
        return None;
    }
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let listed = String::from_utf8(listed.stdout).ok()?;
    Some(
        listed
            .split('\0')
            .filter(|file| !file.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<String>) {
    let entries = std::fs::read_dir(folder).expect("the package can be read");
    for entry in entries {
        let entry = entry.expect("the package can be read");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if name == "target" || name == ".git" {
            continue;
        }
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push(name);
        }
    }
}

/// The crates under `[dependencies]`, as Rust spells them, and `std`.
pub(super) fn dependencies() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let names = section(&manifest, "dependencies")
        .into_iter()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"));
    names
        .filter(|name| !name.starts_with('#'))
        .chain(["std".to_owned()])
        .collect()
}

/// The lines of one table of a TOML file.
pub(super) fn section<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let heading = format!("[{name}]");
    let lines = manifest.lines().map(str::trim);
    let inside = lines.skip_while(|line| *line != heading).skip(1);
    inside.take_while(|line| !line.starts_with('[')).collect()
}

/// Dependencies that no source names.
fn unused<'a>(dependencies: &'a [String], sources: &[Facts]) -> Vec<&'a String> {
    let references = sources.iter().flat_map(|facts| &facts.references);
    let named: BTreeSet<&String> = references
        .filter_map(|reference| match &reference.target {
            Target::Outside(path) => path.first(),
            Target::Inside(_) => None,
        })
        .collect();
    let silent = |name: &str| SILENT_DEPENDENCIES.iter().any(|(known, _)| *known == name);
    let unused = dependencies
        .iter()
        .filter(|name| !named.contains(name) && !silent(name));
    unused.filter(|name| *name != "std").collect()
}

/// Names at the top level that are not allowed there.
fn strangers(files: &[String]) -> BTreeSet<&str> {
    let top = files
        .iter()
        .map(|file| file.split_once('/').map_or(file.as_str(), |(top, _)| top));
    top.filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(name))
        .collect()
}

/// Lines that name a folder of one machine.
fn machine_paths(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for path in MACHINE_PATHS.iter().filter(|path| line.contains(**path)) {
            findings.push(Finding {
                file: file.to_owned(),
                line: index + 1,
                words: format!("names `{path}`"),
            });
        }
    }
    findings
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    let strangers = strangers(files());
    assert!(
        strangers.is_empty(),
        "{strangers:?} at the top level\n\
         hint: put it under src, tests, deploy or examples; a case that proptest kept there becomes a named test"
    );
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let mut findings = Vec::new();
    for file in files() {
        // What is no text holds no path.
        if let Ok(text) = std::fs::read_to_string(root().join(file)) {
            findings.extend(machine_paths(file, &text));
        }
    }
    expect_none(
        findings,
        "use a relative path, a temporary folder or an example such as `/srv/fleet`",
    );
}

#[test]
fn every_dependency_is_used() {
    let dependencies = dependencies();
    let unused = unused(&dependencies, modules::sources());
    assert!(
        unused.is_empty(),
        "no source names {unused:?}\n\
         hint: take it out of `[dependencies]` (under `[dev-dependencies]` when tests alone use it), or say in `SILENT_DEPENDENCIES` why it is there"
    );
}

#[test]
fn strangers_and_machine_paths_are_found() {
    let files: Vec<String> = ["src/a.rs", ".ci/run", "notes.txt", "scripts/x", "README.md"]
        .map(str::to_owned)
        .into();
    assert_eq!(
        strangers(&files).into_iter().collect::<Vec<_>>(),
        ["notes.txt", "scripts"]
    );
    let text = format!("fine\nsee {}x\n", MACHINE_PATHS[0]);
    assert_eq!(
        words(&machine_paths("a", &text)),
        [format!("names `{}`", MACHINE_PATHS[0])]
    );
}

#[test]
fn an_unused_dependency_is_found() {
    let dependencies = ["memchr", "regex"].map(str::to_owned);
    let sources = [Facts::planted("src/domain/x.rs", "use regex::Regex;")];
    assert_eq!(unused(&dependencies, &sources), ["memchr"]);
}

#[test]
fn a_section_ends_where_the_next_begins() {
    let manifest = "[a]\nx = 1\n[dependencies]\ny-z = \"1\"\n\n[b]\nw = 2\n";
    assert_eq!(section(manifest, "dependencies"), ["y-z = \"1\"", ""]);
}
