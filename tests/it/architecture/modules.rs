//! The files that the compiler reads, found as it finds them, and those it never sees.

use super::facts::Facts;
use super::{Finding, expect_none, package, reader, root};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// The library and the program.
pub(super) fn sources() -> &'static [Facts] {
    static SOURCES: OnceLock<Vec<Facts>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let mut all = Vec::new();
        follow("src/lib.rs", Vec::new(), false, &mut all);
        follow("src/main.rs", Vec::new(), false, &mut all);
        follow("src/build.rs", Vec::new(), false, &mut all);
        all
    })
}

/// The integration tests.
pub(super) fn tests() -> &'static [Facts] {
    static TESTS: OnceLock<Vec<Facts>> = OnceLock::new();
    TESTS.get_or_init(|| {
        let mut all = Vec::new();
        follow("tests/it/main.rs", Vec::new(), true, &mut all);
        all
    })
}

/// Reads `file` and the files of the modules it declares.
fn follow(file: &str, module: Vec<String>, test: bool, all: &mut Vec<Facts>) {
    let facts = reader::facts(file, &module, test, &super::read(file));
    let children = facts.children.clone();
    all.push(facts);
    for child in children {
        let mut path = module.clone();
        path.extend(child.inside.clone());
        path.push(child.name.clone());
        let folder = folder_of(file, &child.inside);
        let places = [
            format!("{folder}/{}.rs", child.name),
            format!("{folder}/{}/mod.rs", child.name),
        ];
        let found = places.iter().find(|place| root().join(place).is_file());
        let found = found.unwrap_or_else(|| {
            panic!(
                "`{file}` declares `mod {}`, but there is neither `{}` nor `{}`",
                child.name, places[0], places[1]
            )
        });
        follow(found, path, test || child.test, all);
    }
}

/// Where the modules lie that `file` declares inside the inline modules `inside`.
fn folder_of(file: &str, inside: &[String]) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let mut folder = folder.to_owned();
    if !["mod.rs", "lib.rs", "main.rs"].contains(&name) {
        folder = format!("{folder}/{}", name.trim_end_matches(".rs"));
    }
    inside
        .iter()
        .fold(folder, |folder, module| format!("{folder}/{module}"))
}

/// Rust files under `folder` that are not among `reached`.
fn forgotten(files: &[String], folder: &str, reached: &[Facts]) -> Vec<Finding> {
    let reached: BTreeSet<&str> = reached.iter().map(|facts| facts.file.as_str()).collect();
    let files = files
        .iter()
        .filter(|file| file.starts_with(folder) && file.ends_with(".rs"));
    files
        .filter(|file| !reached.contains(file.as_str()))
        .map(|file| Finding {
            file: file.clone(),
            line: 1,
            words: "no `mod` leads here".to_owned(),
        })
        .collect()
}

/// Files `name.rs` beside a folder `name/`.
fn split_in_two(files: &[String]) -> Vec<Finding> {
    let rust: Vec<&String> = files.iter().filter(|file| file.ends_with(".rs")).collect();
    let beside = |file: &str| {
        let folder = format!("{}/", file.trim_end_matches(".rs"));
        rust.iter().any(|other| other.starts_with(&folder))
    };
    rust.iter()
        .filter(|file| beside(file))
        .map(|file| Finding {
            file: (*file).clone(),
            line: 1,
            words: "a folder of the same name is beside it".to_owned(),
        })
        .collect()
}

#[test]
fn every_file_is_reached_from_a_root() {
    let mut findings = forgotten(package::files(), "src/", sources());
    findings.extend(forgotten(package::files(), "tests/it/", tests()));
    expect_none(
        findings,
        "declare the module in the `mod.rs` of its folder (or in `main.rs`, `lib.rs`), or remove the file: nothing compiles it",
    );
}

#[test]
fn the_whole_of_a_folder_is_in_the_folder() {
    expect_none(
        split_in_two(package::files()),
        "move the file into the folder as `mod.rs`: one concept, one place",
    );
}

#[test]
fn a_forgotten_file_and_a_split_folder_are_found() {
    let files: Vec<String> = ["src/a.rs", "src/a/b.rs", "src/c/mod.rs", "tests/it/d.rs"]
        .map(str::to_owned)
        .into();
    let reached = [
        Facts::planted("src/a.rs", ""),
        Facts::planted("src/c/mod.rs", ""),
    ];
    assert_eq!(forgotten(&files, "src/", &reached)[0].file, "src/a/b.rs");
    assert_eq!(split_in_two(&files)[0].file, "src/a.rs");
    assert_eq!(split_in_two(&files).len(), 1);
}

#[test]
fn modules_lie_where_the_compiler_looks() {
    assert_eq!(folder_of("src/lib.rs", &[]), "src");
    assert_eq!(folder_of("src/a/mod.rs", &[]), "src/a");
    assert_eq!(folder_of("src/a/b.rs", &["c".to_owned()]), "src/a/b/c");
}
