//! The commands of the front page, asked of the program itself.

use super::readme::{README, code};
use super::{Finding, expect_none, read, words};
use crate::support::highwater::highwater;
use std::collections::{BTreeMap, BTreeSet};

/// A command line of highwater.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CommandLine {
    line: usize,
    /// Everything behind `highwater` or `cargo run ... --`.
    words: Vec<String>,
}

fn command_lines(text: &str) -> Vec<CommandLine> {
    let mut lines = Vec::new();
    for code in code(text) {
        let code_text = code.text.trim();
        let arguments = if let Some(behind) = code_text.strip_prefix("cargo run") {
            behind.split_once("-- ").map(|(_, arguments)| arguments)
        } else {
            code_text.strip_prefix("highwater ")
        };
        if let Some(arguments) = arguments {
            // `[--diff|--write]` names two flags that may be given.
            let words = arguments.split(|c: char| c.is_whitespace() || "[]|\\".contains(c));
            let words = words.filter(|word| !word.is_empty()).map(str::to_owned);
            lines.push(CommandLine {
                line: code.line,
                words: words.collect(),
            });
        }
    }
    lines
}

/// What the help of a command names.
#[derive(Clone, Debug, Default)]
struct Help {
    verbs: BTreeSet<String>,
    flags: BTreeSet<String>,
}

impl Help {
    fn of(text: &str) -> Self {
        let commands = text
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty());
        let verbs = commands.filter_map(|line| line.split_whitespace().next());
        let flag = regex::Regex::new(r"(?:^|[\s,\[(])(--?[A-Za-z][a-z0-9-]*)")
            .expect("the pattern is valid");
        Self {
            verbs: verbs.map(str::to_owned).collect(),
            flags: flag
                .captures_iter(text)
                .map(|found| found[1].to_owned())
                .collect(),
        }
    }
}

/// Verbs and flags that the program does not know. `ask` gives the help of a path of verbs.
fn unknown(text: &str, mut ask: impl FnMut(&[String]) -> Help) -> Vec<Finding> {
    let mut findings = Vec::new();
    for CommandLine { line, words } in command_lines(text) {
        let mut verbs: Vec<String> = Vec::new();
        let mut help = ask(&verbs);
        let mut unknown = |word: &str, verbs: &[String]| {
            findings.push(Finding {
                file: README.to_owned(),
                line,
                words: format!(
                    "`{}` does not know `{word}`",
                    [&["highwater".to_owned()], verbs].concat().join(" ")
                ),
            });
        };
        for (index, word) in words.iter().enumerate() {
            let behind_flag = index > 0 && words[index - 1].starts_with('-');
            let name = word.split('=').next().unwrap_or(word);
            if name.starts_with('-') {
                if !help.flags.contains(name) {
                    unknown(name, &verbs);
                }
            } else if help.verbs.contains(word) {
                verbs.push(word.clone());
                help = ask(&verbs);
            } else if !behind_flag && (verbs.is_empty() || !help.verbs.is_empty()) {
                unknown(word, &verbs);
                break;
            }
        }
    }
    findings
}

/// The help that the built program prints.
fn printed_help(verbs: &[String]) -> Help {
    let output = highwater().args(verbs).arg("--help").output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "`--help` of {verbs:?} fails");
    Help::of(&String::from_utf8_lossy(&output.stdout))
}

#[test]
fn commands_of_the_front_page_are_understood() {
    let text = read(README);
    assert!(
        command_lines(&text).len() >= 2,
        "README.md shows no commands"
    );
    let mut known: BTreeMap<Vec<String>, Help> = BTreeMap::new();
    let ask = |verbs: &[String]| {
        known
            .entry(verbs.to_vec())
            .or_insert_with(|| printed_help(verbs))
            .clone()
    };
    expect_none(
        unknown(&text, ask),
        "correct the command in README.md, or add the verb or the flag to src/cli",
    );
}

#[test]
fn every_verb_stands_on_the_front_page() {
    let shown: BTreeSet<String> = command_lines(&read(README))
        .into_iter()
        .filter_map(|line| line.words.into_iter().next())
        .collect();
    let mut missing = printed_help(&[]).verbs;
    missing.retain(|verb| verb != "help" && !shown.contains(verb));
    assert!(
        missing.is_empty(),
        "README.md does not show {missing:?}\nhint: give each verb a row in the table of commands"
    );
}

#[test]
fn unknown_verbs_and_flags_are_found() {
    let ask = |verbs: &[String]| match verbs {
        [] => {
            Help::of("Usage: x\n\nCommands:\n  get   a\n  demo  b\n\nOptions:\n  -h, --help  c\n")
        }
        [get] if get == "get" => {
            Help::of("Commands:\n  images  a\n\nOptions:\n  -o, --output <FORMAT>  b\n")
        }
        _ => Help::of("Options:\n      --keep <DIR>  a\n"),
    };
    let text = "`cargo run --release -- demo --keep x` `highwater get images --keep=y`\n\
                `highwater get --output json` `highwater get flags` `highwater lift` `highwater demo [DIR] [--keep\\|--lose]`\n";
    assert_eq!(
        words(&unknown(text, ask)),
        [
            "`highwater get` does not know `flags`",
            "`highwater` does not know `lift`",
            "`highwater demo` does not know `--lose`"
        ]
    );
}
