//! Versions and ranges against Masterminds/semver.

use super::random::Random;
use crate::support::oracle::ask;
use highwater::domain::version::{Version, VersionRange};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct VersionAnswer {
    error: Option<String>,
    major: String,
    minor: String,
    patch: String,
    prerelease: String,
    build: String,
    tag: bool,
}

fn number_case(random: &mut Random) -> String {
    let special = [
        "0",
        "1",
        "1",
        "2",
        "3",
        "9",
        "10",
        "11",
        "01",
        "007",
        "2025",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
    ];
    let common = 11;
    let choices = if random.one_in(6) {
        special.len()
    } else {
        common
    };
    special[random.below(choices)].to_owned()
}

fn identifiers_case(random: &mut Random) -> String {
    let identifiers = [
        "0",
        "1",
        "2",
        "10",
        "alpha",
        "beta",
        "rc",
        "rc1",
        "-",
        "0a",
        "01",
        "x",
        "18446744073709551616",
        "99999999999999999999",
        "A",
        "1-",
    ];
    let count = 1 + random.below(3);
    (0..count)
        .map(|_| random.pick(&identifiers))
        .collect::<Vec<_>>()
        .join(".")
}

fn version_case(random: &mut Random) -> String {
    let count = if random.one_in(8) {
        1 + random.below(4)
    } else {
        3
    };
    let numbers: Vec<_> = random.cases(count, number_case);
    let mut text = format!(
        "{}{}",
        if random.one_in(4) { "v" } else { "" },
        numbers.join(".")
    );
    if random.one_in(3) {
        text = text + "-" + &identifiers_case(random);
    }
    if random.one_in(5) {
        text = text + "+" + &identifiers_case(random);
    }
    if random.one_in(6) {
        random.damage(
            &mut text,
            &[
                ".", "-", "+", "v", "V", " ", "x", "_", "é", "0", "1", "..", "\n",
            ],
        );
    }
    if random.one_in(200) {
        text = text + "-" + &"a".repeat(240 + random.below(20));
    }
    text
}

fn valid_versions(random: &mut Random, count: usize) -> Vec<String> {
    let versions = random.cases(count * 2, version_case);
    versions
        .into_iter()
        .filter(|text| Version::parse(text).is_ok())
        .take(count)
        .collect()
}

#[test]
fn versions_are_read_as_masterminds_reads_them() {
    let mut random = Random::new();
    let texts = random.cases(8000, version_case);
    let answers: Vec<VersionAnswer> = ask("version", &texts);
    for (text, answer) in texts.iter().zip(answers) {
        let ours = Version::parse(text);
        let agree = match (&ours, &answer.error) {
            (Err(_), Some(_)) => true,
            (Ok(ours), None) => {
                let numbers =
                    [ours.major(), ours.minor(), ours.patch()].map(|number| number.to_string());
                numbers == [answer.major, answer.minor, answer.patch]
                    && (ours.prerelease(), ours.build())
                        == (answer.prerelease.as_str(), answer.build.as_str())
                    && Version::parse_tag(text).is_ok() == answer.tag
            }
            _ => false,
        };
        assert!(
            agree,
            "`{text}`: {ours:?}, but Go: {:?} (seed {})",
            answer.error, random.seed
        );
    }
}

#[test]
fn precedence_is_that_of_masterminds() {
    let mut random = Random::new();
    let versions = valid_versions(&mut random, 4000);
    let pairs: Vec<(&str, &str)> = (0..8000)
        .map(|_| {
            (
                versions[random.below(versions.len())].as_str(),
                versions[random.below(versions.len())].as_str(),
            )
        })
        .collect();
    let answers: Vec<i32> = ask("precedence", &pairs);
    for ((one, other), answer) in pairs.iter().zip(answers) {
        let ours = Version::parse(one)
            .unwrap()
            .precedence(&Version::parse(other).unwrap());
        assert_eq!(
            ours,
            answer.cmp(&0),
            "`{one}` and `{other}` (seed {})",
            random.seed
        );
    }
}

#[derive(Deserialize)]
struct RangeAnswer {
    error: Option<String>,
    holds: Option<Vec<bool>>,
}

fn bound_case(random: &mut Random) -> String {
    let signs = [
        "", "", "", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", "^", "==", "!",
        "> ", "~ ", ">=  ",
    ];
    let numbers = [
        "0", "0", "1", "1", "2", "3", "10", "x", "X", "*", "01", "1|", "xx", "1x",
    ];
    let common = if random.one_in(10) { numbers.len() } else { 11 };
    let count = if random.one_in(15) {
        4
    } else {
        1 + random.below(3)
    };
    let parts: Vec<_> = (0..count).map(|_| numbers[random.below(common)]).collect();
    let mut text = format!(
        "{}{}{}",
        random.pick(&signs),
        if random.one_in(6) { "v" } else { "" },
        parts.join(".")
    );
    if random.one_in(4) {
        text = text + "-" + &identifiers_case(random);
    }
    if random.one_in(10) {
        text = text + "+" + &identifiers_case(random);
    }
    text
}

fn range_case(random: &mut Random) -> String {
    let joints = [
        " ", " ", ", ", ",", " || ", "||", " - ", " - ", "  ", " , ", ",,", "\t", "\u{b}", "|",
    ];
    let mut text = bound_case(random);
    for _ in 0..random.below(4) {
        text = text + random.pick(&joints) + &bound_case(random);
    }
    if random.one_in(10) {
        random.damage(
            &mut text,
            &[
                " ", ",", "|", "-", ".", "x", "\"", "\\", "é", "\n", "1", " - ",
            ],
        );
    }
    if random.one_in(200) {
        text = vec![text; 20 + random.below(20)].join("||");
    }
    text
}

#[test]
fn ranges_hold_what_masterminds_says() {
    let mut random = Random::new();
    let ranges = random.cases(6000, range_case);
    let mut versions = valid_versions(&mut random, 40);
    versions.extend(
        [
            "0.0.0",
            "0.0.1",
            "0.1.0",
            "0.1.1-rc",
            "1.0.0",
            "1.0.0-0",
            "1.1.0",
            "1.1.1",
            "1.2.0-beta.1",
            "2.0.0",
        ]
        .map(str::to_owned),
    );
    versions.extend(
        [
            "2.0.1",
            "2.1.0",
            "1.10.3",
            "10.1.1",
            "3.1.2",
            "0.0.0-0",
            "1.0.1",
            "2.0.0-alpha",
            "0.10.0",
            "3.0.0+b",
        ]
        .map(str::to_owned),
    );
    let answers: Vec<RangeAnswer> =
        ask("range", &json!({ "ranges": ranges, "versions": versions }));
    for (text, answer) in ranges.iter().zip(answers) {
        compare_range(text, &versions, answer, random.seed);
    }
}

fn compare_range(text: &str, versions: &[String], answer: RangeAnswer, seed: u64) {
    match (VersionRange::parse(text), answer.error, answer.holds) {
        (Ok(range), None, Some(holds)) => {
            for (version, holds) in versions.iter().zip(holds) {
                let ours = range.contains(&Version::parse(version).expect("the oracle took it"));
                assert_eq!(ours, holds, "`{version}` in `{text}` (seed {seed})");
            }
        }
        (Err(ours), Some(error), _) => assert_eq!(ours.to_string(), error, "{text} (seed {seed})"),
        (ours, error, _) => panic!("`{text}`: {ours:?}, but Go: {error:?} (seed {seed})"),
    }
}

/// `TT..  >=1.0`: a letter for each version of the first line, or `error: words`, in the golden file.
#[test]
fn the_golden_ranges_are_those_of_the_real_library_and_ours() {
    let golden = include_str!("../../golden/selection/ranges.txt");
    let mut lines = golden.lines().filter(|line| !line.starts_with('#'));
    let versions: Vec<String> = lines
        .next()
        .unwrap()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let cases: Vec<(&str, &str)> = lines.map(|line| line.split_once('\t').unwrap()).collect();
    let ranges: Vec<&str> = cases.iter().map(|(range, _)| *range).collect();
    let real: Vec<RangeAnswer> = ask("range", &json!({ "ranges": ranges, "versions": versions }));
    for ((text, expected), real) in cases.into_iter().zip(real) {
        let letter = |holds: bool| if holds { 'T' } else { '.' };
        let real = match real.error {
            Some(error) => format!("error: {error}"),
            None => real.holds.unwrap().into_iter().map(letter).collect(),
        };
        let ours = match VersionRange::parse(text) {
            Err(error) => format!("error: {error}"),
            Ok(range) => versions
                .iter()
                .map(|version| letter(range.contains(&Version::parse(version).unwrap())))
                .collect(),
        };
        assert_eq!(real, expected, "the real library on `{text}`");
        assert_eq!(ours, expected, "ours on `{text}`");
    }
    assert!(ranges.len() > 50);
}
