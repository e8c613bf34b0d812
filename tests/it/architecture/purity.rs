//! What the domain may not touch, and who may touch Git.

use super::facts::Facts;
use super::references::Target;
use super::{Finding, expect_none, modules, package, words};

/// The only crates the domain may name: values, text and arithmetic. A new dependency is impure until
/// it is judged and added here.
const PURE_CRATES: [&str; 17] = [
    "base64",
    "cel",
    "compact_str",
    "granit_parser",
    "jiff",
    "json_patch",
    "memchr",
    "regex",
    "ring",
    "semver",
    "serde",
    "serde_json",
    "serde_saphyr",
    "sha2",
    "std",
    "thiserror",
    "url",
];

/// What of those crates reaches into the world all the same.
const IMPURE: [&[&str]; 22] = [
    &["ring", "rand"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "io", "stderr"],
    &["std", "io", "stdin"],
    &["std", "io", "stdout"],
    &["std", "net", "TcpListener"],
    &["std", "net", "TcpStream"],
    &["std", "net", "ToSocketAddrs"],
    &["std", "net", "UdpSocket"],
    &["std", "net", "*"],
    &["std", "os"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["std", "time", "UNIX_EPOCH"],
    &["std", "hash", "RandomState"],
    &["std", "collections", "hash_map", "RandomState"],
    &["jiff", "tz", "TimeZone", "get"],
    &["jiff", "tz", "TimeZone", "system"],
    &["jiff", "Zoned"],
];

/// Paths of production code in the domain that reach into the world. Its tests may write files.
fn impurities(facts: &Facts, dependencies: &[String]) -> Vec<Finding> {
    if facts.layer() != "domain" {
        return Vec::new();
    }
    let production = facts.references.iter().filter(|reference| !reference.test);
    let judged = production.filter_map(|reference| {
        let (Target::Inside(path) | Target::Outside(path)) = &reference.target;
        let outside = matches!(reference.target, Target::Outside(_));
        let words = if path.ends_with(&["Timestamp".to_owned(), "now".to_owned()]) {
            "reads the clock".to_owned()
        } else if outside {
            impurity(path, dependencies)?
        } else {
            return None;
        };
        Some(Finding {
            file: facts.file.clone(),
            line: reference.line,
            words: format!("`{}` {words}", path.join("::")),
        })
    });
    judged.collect()
}

fn impurity(path: &[String], dependencies: &[String]) -> Option<String> {
    let first = path.first()?;
    let is_crate = dependencies.contains(first);
    if is_crate && !PURE_CRATES.contains(&first.as_str()) {
        return Some("is of a crate that the domain does not know".to_owned());
    }
    let reaches = IMPURE
        .iter()
        .any(|impure| path.len() >= impure.len() && path.iter().zip(*impure).all(|(a, b)| a == b));
    reaches.then(|| "reaches into the world".to_owned())
}

/// The one folder that names gix, which wraps it for everybody else.
const GIT_FOLDER: &str = "src/adapters/git/";

/// The first path into gix, or into one of its parts, outside those folders.
fn unwrapped_git(facts: &Facts) -> Option<Finding> {
    if facts.file.starts_with(GIT_FOLDER) {
        return None;
    }
    let is_git = |name: &String| name == "gix" || name.starts_with("gix_");
    facts
        .references
        .iter()
        .find_map(|reference| match &reference.target {
            Target::Outside(path) if path.first().is_some_and(is_git) => Some(Finding {
                file: facts.file.clone(),
                line: reference.line,
                words: format!("names `{}`", path.join("::")),
            }),
            Target::Outside(_) | Target::Inside(_) => None,
        })
}

#[test]
fn the_domain_reaches_nothing() {
    let dependencies = package::dependencies();
    assert!(
        dependencies.contains(&"tokio".to_owned()),
        "the dependencies are not read: {dependencies:?}"
    );
    let sources = modules::sources().iter();
    expect_none(
        sources
            .flat_map(|facts| impurities(facts, &dependencies))
            .collect(),
        "what is decided must not depend on the world: take the value as an argument (`now`, bytes, a `FileTree`), and let an adapter read it",
    );
}

#[test]
fn only_the_git_adapter_knows_gix() {
    let sources = modules::sources().iter();
    expect_none(
        sources.filter_map(unwrapped_git).collect(),
        "gix changes its interface with every release: wrap what you need in src/adapters/git and name that",
    );
}

#[test]
fn impurities_are_found_however_they_are_written() {
    let dependencies: Vec<String> = [
        "axum",
        "gix",
        "jiff",
        "k8s_openapi",
        "kube",
        "regex",
        "tempfile",
        "tokio",
    ]
    .map(str::to_owned)
    .into();
    let judge = |text: &str| impurities(&Facts::planted("src/domain/x.rs", text), &dependencies);
    for hidden in [
        "use tokio::sync::Mutex;",
        "use std::{collections::BTreeMap, fs};",
        "use std::time::{Duration, Instant};",
        "use std::time; fn a() { time::SystemTime::now(); }",
        "fn a() { std::env::var(\"HOME\"); }",
        "fn a(_: &std::net::TcpStream) {}",
        "use jiff::Timestamp; fn a() { Timestamp::now(); }",
        "fn a() { jiff::Timestamp::now(); }",
        "use jiff as time; fn a() { time::Timestamp::now(); }",
        "fn a() { vec![std::process::id()]; }",
        "use kube as k; fn a(_: k::Client) {}",
        "use ::tempfile::TempDir;",
        "fn a() { let x = k8s_openapi::api::core::v1::Pod::default(); }",
        "use std::thread::spawn as run;",
    ] {
        assert_eq!(
            judge(hidden).len().min(1),
            1,
            "{hidden}: {:?}",
            judge(hidden)
        );
    }
    for fine in [
        "use std::time::Duration; use std::io::Read; use std::net::Ipv4Addr;",
        "use jiff::Timestamp; fn a(now: Timestamp) { now.as_second(); }",
        "use regex::Regex;",
        "#[cfg(test)] mod tests { use std::fs; use tempfile::TempDir; }",
        "use fs::read;",
    ] {
        assert_eq!(judge(fine), [], "{fine}");
    }
    assert_eq!(
        words(&judge("use axum::Router;")),
        ["`axum::Router` is of a crate that the domain does not know"]
    );
}

#[test]
fn gix_outside_its_folder_is_found() {
    let judge = |file: &str, text: &str| unwrapped_git(&Facts::planted(file, text)).is_some();
    let text = "use gix::ObjectId;";
    assert!(judge("src/cli/demo/mod.rs", text));
    assert!(judge(
        "src/api/words.rs",
        "fn a() { gix_transport::connect(); }"
    ));
    assert!(judge(
        "src/cli/x.rs",
        "use gix as git; fn a(_: git::Repository) {}"
    ));
    assert!(!judge("src/adapters/git/push.rs", text));
}
