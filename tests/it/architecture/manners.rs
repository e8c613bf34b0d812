//! Small habits: no unwrap, no printing past the printer, a preamble on every module, no unsafe code.

use super::facts::Facts;
use super::{Finding, expect_none, modules, package, read, words};

/// Calls that production code does without, and what to write instead.
const UNWANTED: [(&str, &str); 7] = [
    (
        "unwrap()",
        "return the error, or `expect` with why it cannot happen",
    ),
    ("println!", "give the text to `cli::output::Printer`"),
    ("print!", "give the text to `cli::output::Printer`"),
    (
        "eprintln!",
        "give the text to `Printer::talk`, or log it with `tracing`",
    ),
    (
        "eprint!",
        "give the text to `Printer::talk`, or log it with `tracing`",
    ),
    (
        "todo!",
        "finish it, or refuse the case with a clear message",
    ),
    (
        "unimplemented!",
        "finish it, or refuse the case with a clear message",
    ),
];

/// A call that nothing does without, tests neither.
const FORGOTTEN: &str = "dbg!";

fn unwanted_calls(facts: &Facts) -> Vec<Finding> {
    let judged = facts.calls.iter().filter_map(|call| {
        let instead = match UNWANTED.iter().find(|(name, _)| *name == call.name) {
            Some((_, instead)) if !call.test => instead,
            _ if call.name == FORGOTTEN => "remove it",
            _ => return None,
        };
        Some(Finding {
            file: facts.file.clone(),
            line: call.line,
            words: format!("`{}`: {instead}", call.name),
        })
    });
    judged.collect()
}

fn without_preamble(facts: &Facts) -> Option<Finding> {
    (!facts.preamble && !facts.test).then(|| Finding {
        file: facts.file.clone(),
        line: 1,
        words: "does not open with `//!`".to_owned(),
    })
}

#[test]
fn production_code_neither_unwraps_nor_prints() {
    let sources = modules::sources().iter();
    expect_none(
        sources.flat_map(unwanted_calls).collect(),
        "each line says what to write instead",
    );
}

#[test]
fn every_module_says_what_it_is_for() {
    let sources = modules::sources().iter();
    expect_none(
        sources.filter_map(without_preamble).collect(),
        "open the file with `//!`: its duty, its invariant, and what is absent from it",
    );
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest = read("Cargo.toml");
    let forbids = package::section(&manifest, "lints.rust").contains(&"unsafe_code = \"forbid\"");
    assert!(
        forbids,
        "hint: put `unsafe_code = \"forbid\"` under `[lints.rust]` in Cargo.toml"
    );
}

#[test]
fn unwanted_calls_and_silent_modules_are_found() {
    let text = "fn a() { x.unwrap(); println!(); assert!(y.unwrap()); todo!(); std::eprintln!(\"x\"); dbg!(1) }\n\
                #[cfg(test)] mod tests { fn b() { x.unwrap(); println!(); dbg!(2) } }";
    let facts = Facts::planted("src/domain/x.rs", text);
    let findings = unwanted_calls(&facts);
    let mut calls: Vec<&str> = words(&findings)
        .iter()
        .filter_map(|words| words.split('`').nth(1))
        .collect();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "dbg!",
            "dbg!",
            "eprintln!",
            "println!",
            "todo!",
            "unwrap()",
            "unwrap()"
        ]
    );
    assert!(without_preamble(&facts).is_some());
    assert!(without_preamble(&Facts::planted("src/domain/x.rs", "//! X.\n")).is_none());
}
