//! The front page claims nothing that is not there: links, paths, tests, benchmarks.
//!
//! `commands` asks the program itself about verbs and flags.

use super::facts::Facts;
use super::{Finding, expect_none, modules, package, read, root, words};
use regex::Regex;
use std::collections::BTreeSet;

pub(super) const README: &str = "README.md";

/// A piece of code in the text: a line of a fenced block, or a code span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) line: usize,
    pub(super) text: String,
}

/// All code of `text`. Blocks that show something else than a shell are passed over.
pub(super) fn code(text: &str) -> Vec<Code> {
    let span = Regex::new("`([^`]+)`").expect("the pattern is valid");
    let (mut pieces, mut fence) = (Vec::new(), None::<bool>);
    let mut continued: Option<Code> = None;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        if let Some(language) = line.trim().strip_prefix("```") {
            fence = match fence {
                None => Some(["sh", "console", "bash"].contains(&language)),
                Some(_) => None,
            };
            continue;
        }
        match fence {
            None => {
                let found = span.captures_iter(line).map(|found| Code {
                    line: line_number,
                    text: found[1].to_owned(),
                });
                pieces.extend(found);
            }
            Some(false) => {}
            Some(true) => {
                let mut whole = continued.take().unwrap_or(Code {
                    line: line_number,
                    text: String::new(),
                });
                let (line, more) = line
                    .strip_suffix('\\')
                    .map_or((line, false), |line| (line, true));
                whole.text.push_str(
                    line.trim_start_matches("$ ")
                        .split(" #")
                        .next()
                        .unwrap_or(line),
                );
                if more {
                    continued = Some(whole);
                } else {
                    pieces.push(whole);
                }
            }
        }
    }
    pieces
}

fn finding(line: usize, words: String) -> Finding {
    Finding {
        file: README.to_owned(),
        line,
        words,
    }
}

/// Relative links that lead nowhere.
fn broken_links(text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("the pattern is valid");
    let headings: BTreeSet<String> = text.lines().filter_map(anchor).collect();
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for found in link.captures_iter(line) {
            let target = &found[1];
            let there = match target.split_once('#') {
                _ if target.contains("://") => true,
                Some(("", heading)) => headings.contains(heading),
                Some((file, _)) => exists(file),
                None => exists(target),
            };
            if !there {
                findings.push(finding(
                    index + 1,
                    format!("the link `{target}` leads nowhere"),
                ));
            }
        }
    }
    findings
}

/// The anchor of a heading, as forges make it.
fn anchor(line: &str) -> Option<String> {
    let heading = line
        .strip_prefix('#')?
        .trim_start_matches('#')
        .trim()
        .to_lowercase();
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.collect::<String>().replace(' ', "-"))
}

/// Paths of the package that are not there.
fn missing_paths(text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let path = Regex::new(r"^(src|tests|deploy|examples|\.ci)(/[\w.-]+)*/?$")
        .expect("the pattern is valid");
    let words = code(text).into_iter().flat_map(|code| {
        code.text
            .split_whitespace()
            .map(|word| (code.line, word.to_owned()))
            .collect::<Vec<_>>()
    });
    words
        .filter(|(_, word)| path.is_match(word) && word.contains('/') && !exists(word))
        .map(|(line, word)| finding(line, format!("there is no `{word}`")))
        .collect()
}

/// Names of tests that no test has. A name counts with the whole path, as `cargo test` prints it.
fn unknown_tests(text: &str, tests: &BTreeSet<String>) -> Vec<Finding> {
    let name = Regex::new(r"^[a-z][a-z0-9_]*(::[a-z0-9_]+)+$").expect("the pattern is valid");
    code(text)
        .into_iter()
        .filter(|code| name.is_match(&code.text) && !tests.contains(&code.text))
        .map(|code| finding(code.line, format!("there is no test `{}`", code.text)))
        .collect()
}

/// Every test by its whole name.
fn tests() -> BTreeSet<String> {
    let full = |facts: &Facts| {
        let module = facts.module.clone();
        facts
            .tests
            .iter()
            .map(move |test| {
                [module.as_slice(), std::slice::from_ref(test)]
                    .concat()
                    .join("::")
            })
            .collect::<Vec<_>>()
    };
    modules::sources()
        .iter()
        .chain(modules::tests())
        .flat_map(full)
        .collect()
}

/// Benchmarks that are named and not declared.
fn unknown_benchmarks(text: &str, manifest: &str) -> Vec<Finding> {
    let named = code(text).into_iter().filter_map(|code| {
        let names = code.text.split_once("cargo bench --bench ")?.1;
        let names = names.split_whitespace().next()?.to_owned();
        Some((code.line, names))
    });
    let named = named.flat_map(|(line, names)| {
        names
            .split('|')
            .map(|name| (line, name.to_owned()))
            .collect::<Vec<_>>()
    });
    let declared = |name: &str| {
        manifest
            .split("[[bench]]")
            .skip(1)
            .any(|bench| bench.contains(&format!("name = \"{name}\"")))
    };
    named
        .filter(|(_, name)| !declared(name))
        .map(|(line, name)| finding(line, format!("there is no benchmark `{name}`")))
        .collect()
}

/// The dependencies that the manifest has and the text does not explain, and the other way round.
fn unexplained(text: &str, dependencies: &[String]) -> Vec<Finding> {
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with("Dependencies"));
    let explained: BTreeSet<String> = code(section.unwrap_or_default())
        .into_iter()
        .map(|code| code.text.replace('-', "_"))
        .collect();
    dependencies
        .iter()
        .filter(|name| *name != "std" && !explained.contains(*name))
        .map(|name| finding(1, format!("the dependency `{name}` is not explained")))
        .collect()
}

fn exists(path: &str) -> bool {
    root().join(path).exists()
}

#[test]
fn links_and_paths_of_the_front_page_lead_somewhere() {
    let text = read(README);
    let mut findings = broken_links(&text, exists);
    findings.extend(missing_paths(&text, exists));
    expect_none(
        findings,
        "correct the path in README.md, or add what it promises",
    );
}

#[test]
fn tests_and_benchmarks_of_the_front_page_exist() {
    let text = read(README);
    let mut findings = unknown_tests(&text, &tests());
    findings.extend(unknown_benchmarks(&text, &read("Cargo.toml")));
    expect_none(
        findings,
        "name a test as `cargo test` prints it and a benchmark as Cargo.toml does, or take the claim out",
    );
}

#[test]
fn every_dependency_has_a_reason_on_the_front_page() {
    expect_none(
        unexplained(&read(README), &package::dependencies()),
        "give it a row in the table under `## Dependencies`, or do without it",
    );
}

#[test]
fn the_front_page_tests_as_the_gate_does() {
    let gate = read(".ci/run");
    let last = gate
        .lines()
        .rev()
        .find(|line| line.starts_with("cargo test"));
    let command = last.expect("the gate runs the tests");
    assert!(
        code(&read(README)).iter().any(|code| code.text == command),
        "`.ci/run` ends with `{command}`, README.md does not say so\nhint: both give the same test command"
    );
}

#[test]
fn the_front_page_is_finished() {
    let text = read(README);
    let open = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("TODO"));
    expect_none(
        open.map(|(index, line)| finding(index + 1, line.to_owned()))
            .collect(),
        "fill it in, or take it out",
    );
}

#[test]
fn code_is_found_in_spans_and_shell_blocks() {
    let text = "Use `a b` or\n```sh\n$ c d \\\n  e  # why\nf\n```\n```text\ng\n```\n";
    let found: Vec<(usize, String)> = code(text)
        .into_iter()
        .map(|code| (code.line, code.text))
        .collect();
    assert_eq!(
        found,
        [
            (1, "a b".to_owned()),
            (3, "c d   e ".to_owned()),
            (5, "f".to_owned())
        ]
    );
}

#[test]
fn empty_claims_are_found() {
    let nothing = |_: &str| false;
    let text = "# A b\n[x](docs/x.md) [y](https://example.com) [z](#a-b) [w](#gone)\n`src/x.rs` `src` `tests/it`\n";
    assert_eq!(
        words(&broken_links(text, nothing)),
        [
            "the link `docs/x.md` leads nowhere",
            "the link `#gone` leads nowhere"
        ]
    );
    assert_eq!(
        words(&missing_paths(text, nothing)),
        ["there is no `src/x.rs`", "there is no `tests/it`"]
    );
    let tests = BTreeSet::from(["git::pushes".to_owned()]);
    assert_eq!(
        words(&unknown_tests("`git::pushes` `git::pulls`", &tests)),
        ["there is no test `git::pulls`"]
    );
    assert_eq!(
        words(&unknown_benchmarks(
            "`cargo bench --bench scan|memory`",
            "[[bench]]\nname = \"scan\""
        )),
        ["there is no benchmark `memory`"]
    );
    assert_eq!(
        words(&unexplained(
            "# X\n`a`\n## Dependencies\n`b-c`\n",
            &["a".to_owned(), "b_c".to_owned()]
        )),
        ["the dependency `a` is not explained"]
    );
}

#[test]
fn tests_are_known_by_their_whole_name() {
    let tests = tests();
    for name in [
        "architecture::readme::tests_are_known_by_their_whole_name",
        "architecture::references::tests::grouped_and_renamed_imports_are_taken_apart",
    ] {
        assert!(tests.contains(name), "{name}");
    }
}
