//! How long things may grow.
//!
//! A file is measured by its lines that are neither blank nor inside a `#[cfg(test)]` item; comments and
//! documentation count, since they are read too. A function is measured as clippy does: the lines of
//! its body without blank and comment lines.
//!
//! Tests are weighed against code without blank lines and comments on either side. Tests are the
//! `#[cfg(test)]` items, `tests/it`, and the cases in `tests/golden`, which are tests written as data.
//! Benchmarks, examples, the oracle and what pins the servers count as neither.

use super::facts::Facts;
use super::{Finding, expect_none, modules, package, root, words};

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;
const MEDIAN_FILE: usize = 175;
const MEDIAN_FUNCTION: usize = 10;
const LONG_FUNCTIONS: usize = 30;

/// Tests for each line of production code, in percent.
const TESTS_PERCENT: usize = 120;

/// Tables and grammars that are better read in one piece: the file, its own limit, and why.
const LONGER_FILES: [(&str, usize, &str); 0] = [];

/// Files and functions over their budget.
fn too_long(facts: &Facts) -> Vec<Finding> {
    let own = LONGER_FILES.iter().find(|(file, ..)| *file == facts.file);
    let limit = own.map_or(LONGEST_FILE, |(_, limit, _)| *limit);
    let file = (facts.production_lines > limit).then(|| Finding {
        file: facts.file.clone(),
        line: 1,
        words: format!("{} lines, {limit} are allowed", facts.production_lines),
    });
    let functions = facts
        .functions
        .iter()
        .filter(|function| !function.test && function.lines > LONGEST_FUNCTION);
    let functions = functions.map(|function| Finding {
        file: facts.file.clone(),
        line: function.line,
        words: format!(
            "`{}` has {} lines, {LONGEST_FUNCTION} are allowed",
            function.name, function.lines
        ),
    });
    file.into_iter().chain(functions).collect()
}

/// The value below which `percent` of the values lie.
fn percentile(mut values: Vec<usize>, percent: usize) -> usize {
    values.sort_unstable();
    let at = values.len().saturating_sub(1) * percent / 100;
    values.get(at).copied().unwrap_or_default()
}

fn production_files() -> Vec<usize> {
    let production = modules::sources().iter().filter(|facts| !facts.test);
    production.map(|facts| facts.production_lines).collect()
}

fn production_functions() -> Vec<usize> {
    let functions = modules::sources().iter().flat_map(|facts| &facts.functions);
    functions
        .filter(|function| !function.test)
        .map(|function| function.lines)
        .collect()
}

#[test]
fn files_and_functions_can_be_read_in_one_go() {
    expect_none(
        modules::sources().iter().flat_map(too_long).collect(),
        "split by concept and name the parts; a table or a grammar may stay whole when `LONGER_FILES` says why",
    );
}

#[test]
fn exceptions_are_still_needed() {
    let needed = |file: &str| {
        let known = modules::sources().iter().find(|facts| facts.file == file);
        known.is_some_and(|facts| facts.production_lines > LONGEST_FILE)
    };
    let idle: Vec<&str> = LONGER_FILES
        .iter()
        .map(|(file, ..)| *file)
        .filter(|file| !needed(file))
        .collect();
    assert!(
        idle.is_empty(),
        "these need no exception: {idle:?}\nhint: take them out of `LONGER_FILES`"
    );
}

#[test]
fn most_files_and_functions_are_short() {
    let (files, functions) = (production_files(), production_functions());
    let file = percentile(files.clone(), 50);
    let function = percentile(functions.clone(), 50);
    let long = percentile(functions.clone(), 90);
    println!(
        "{} files, median {file} lines; {} functions, median {function} lines, nine of ten within {long}",
        files.len(),
        functions.len()
    );
    assert!(
        file <= MEDIAN_FILE,
        "the median file has {file} lines, {MEDIAN_FILE} are allowed\nhint: split the longest files by concept"
    );
    assert!(
        function <= MEDIAN_FUNCTION && long <= LONG_FUNCTIONS,
        "the median function has {function} lines ({MEDIAN_FUNCTION} are allowed), nine of ten are within {long} ({LONG_FUNCTIONS} are allowed)\n\
         hint: give the steps of the longest functions names of their own"
    );
}

/// Lines of the cases that are written as data.
fn golden_lines() -> usize {
    let cases = package::files().iter();
    let cases = cases.filter(|file| file.starts_with("tests/golden/") && !file.ends_with(".md"));
    let lines = |file: &String| {
        let bytes = std::fs::read(root().join(file)).unwrap_or_default();
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.filter(|line| !line.trim_ascii().is_empty()).count()
    };
    cases.map(lines).sum()
}

#[test]
fn there_are_more_tests_than_code() {
    let sources = modules::sources();
    let code: usize = sources.iter().map(|facts| facts.code_lines).sum();
    let inside: usize = sources.iter().map(|facts| facts.test_lines).sum();
    let outside: usize = modules::tests().iter().map(|facts| facts.test_lines).sum();
    let golden = golden_lines();
    let percent = (inside + outside + golden) * 100 / code.max(1);
    println!(
        "{code} lines of code; tests: {inside} lines beside it, {outside} in tests/it, {golden} in tests/golden: {percent} %"
    );
    assert!(
        percent >= TESTS_PERCENT,
        "{} lines of tests for {code} lines of code are {percent} %, at least {TESTS_PERCENT} % are wanted\n\
         hint: add tests of behaviour where the code is least covered",
        inside + outside + golden
    );
}

#[test]
fn long_files_and_long_functions_are_found() {
    let body = "    a();\n".repeat(LONGEST_FUNCTION + 1);
    let text = format!(
        "fn long() {{\n{body}}}\n#[cfg(test)]\nmod tests {{\nfn longer() {{\n{body}\n{body}}}\n}}\n"
    );
    assert_eq!(
        words(&too_long(&Facts::planted("src/domain/x.rs", &text))),
        ["`long` has 61 lines, 60 are allowed"]
    );
    let text = "// x\n\n".repeat(LONGEST_FILE + 1);
    assert_eq!(
        words(&too_long(&Facts::planted("src/domain/x.rs", &text))),
        ["401 lines, 400 are allowed"]
    );
}

#[test]
fn a_percentile_is_one_of_the_values() {
    assert_eq!(percentile(vec![5, 1, 3], 50), 3);
    assert_eq!(percentile((1..=11).collect(), 90), 10);
    assert_eq!(percentile(Vec::new(), 50), 0);
}
