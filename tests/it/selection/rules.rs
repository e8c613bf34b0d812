//! The rules of Flux's policies one by one, each as a row: what is stated here, what highwater selects, and what the real libraries
//! select, which are asked in the same run.

use super::policies::{SelectionAnswer, policy};
use crate::support::oracle::ask;
use highwater::domain::policy::{Choice, Number, Order, Policy, TagFilter};
use serde_json::{Value, json};

/// A rule, a policy, tags, and the tag that is selected; none for `""`.
type Row = (&'static str, Value, &'static [&'static str], &'static str);

const VERSIONS: &[&str] = &[
    "0.9.0",
    "1.0.0",
    "1.0.5",
    "1.5.0",
    "2.0.0",
    "2.1.0",
    "2.2.0-rc.1",
    "latest",
];
const NO_VERSION: &str = "unable to determine latest version from provided list";
const NO_NUMBER: &str = "failed to parse invalid numeric value";

/// Ranges, and what each takes of [`VERSIONS`].
const RANGES: &[(&str, &str)] = &[
    ("*", "2.1.0"),
    ("x.x.x", "2.1.0"),
    ("1.x", "1.5.0"),
    ("~1.0", "1.0.5"),
    ("~>1.0", "1.0.5"),
    ("^1.0.0-0", "1.5.0"),
    ("=>1.0.0", "2.1.0"),
    (">=1 <2", "1.5.0"),
    (">=1, <2", "1.5.0"),
    ("1.0.0 - 1.5.0", "1.5.0"),
    ("0.9.x || 1.0.x", "1.0.5"),
    ("!=2.1.0", "2.0.0"),
    (">=9", NO_VERSION),
];

fn semver(range: &str) -> Value {
    json!({"order": "semver", "range": range, "pattern": null, "extract": "", "descending": false})
}

fn ordered(order: &str, descending: bool) -> Value {
    json!({"order": order, "range": "", "pattern": null, "extract": "", "descending": descending})
}

fn filtered(mut policy: Value, pattern: &str, extract: &str) -> Value {
    policy["pattern"] = json!(pattern);
    policy["extract"] = json!(extract);
    policy
}

fn version_rows() -> Vec<Row> {
    let form = "a version has three parts, and may begin with `v`";
    let mut rows: Vec<Row> = vec![
        (form, semver("*"), &["v1.2.3", "1.2.2"], "v1.2.3"),
        (form, semver("*"), &["V1.2.3"], NO_VERSION),
        (form, semver("*"), &["1.2", "1"], NO_VERSION),
        (form, semver("*"), &["1.2.3.4"], NO_VERSION),
        (form, semver("*"), &["1.2.3_1", "1.2.3-a_b"], NO_VERSION),
        (
            "leading zeros of numbers count",
            semver(">=2025.1.1-0"),
            &["2025.02.03-rc.1"],
            "2025.02.03-rc.1",
        ),
        (
            "leading zeros of prereleases do not",
            semver("*-0"),
            &["1.2.3-01"],
            NO_VERSION,
        ),
        (
            "of equal versions the first of descending bytes wins",
            semver("*"),
            &["1.0.0", "v1.0.0"],
            "v1.0.0",
        ),
        (
            "the text is returned as it stands",
            semver("*"),
            &["01.0.0"],
            "01.0.0",
        ),
        (
            "prereleases count if the range names one",
            semver("*"),
            VERSIONS,
            "2.1.0",
        ),
        (
            "prereleases count if the range names one",
            semver(">=1.0.0-0"),
            VERSIONS,
            "2.2.0-rc.1",
        ),
    ];
    for (range, tag) in RANGES {
        rows.push(("ranges are Masterminds'", semver(range), VERSIONS, tag));
    }
    rows
}

fn order_rows() -> Vec<Row> {
    let bytes = "the alphabet is that of bytes";
    let number = "a number is what ParseFloat takes";
    let strict = "one tag that is no number fails the policy";
    let numerical = || ordered("numerical", false);
    vec![
        (
            bytes,
            ordered("alphabetical", false),
            &["a", "Z", "b", "_", "9"],
            "b",
        ),
        (
            bytes,
            ordered("alphabetical", true),
            &["a", "Z", "b", "_", "10"],
            "10",
        ),
        (number, numerical(), &["9", "10", "1e1", "2.5"], "10"),
        (number, ordered("numerical", true), &["9", "10", ".5"], ".5"),
        (number, numerical(), &["5.", "4"], "5."),
        (number, numerical(), &["1e3", "999"], "1e3"),
        (number, numerical(), &["Inf", "999"], "Inf"),
        (number, numerical(), &["0x1p4", "15"], "0x1p4"),
        (number, numerical(), &["0x10"], NO_NUMBER),
        (number, numerical(), &["1.2.3"], NO_NUMBER),
        (strict, numerical(), &["1", "2", "latest"], NO_NUMBER),
        (
            strict,
            filtered(numerical(), "^[0-9]+$", ""),
            &["1", "2", "latest"],
            "2",
        ),
        (
            "of equal numbers the last of descending bytes wins",
            numerical(),
            &["10", "010", "10.0"],
            "010",
        ),
    ]
}

fn filter_rows() -> Vec<Row> {
    let timestamp = "^main-[a-f0-9]+-(?P<ts>[0-9]+)";
    let numerical = || ordered("numerical", false);
    vec![
        (
            "a filter matches anywhere",
            filtered(semver("*"), "[02468]$", ""),
            &["1.0.2", "1.0.3"],
            "1.0.2",
        ),
        (
            "what is extracted is ordered",
            filtered(numerical(), timestamp, "$ts"),
            &["main-aa-9", "main-bb-10", "dev-cc-99"],
            "main-bb-10",
        ),
        (
            "`$1x` is the group `1x`",
            filtered(numerical(), "^v(.*)$", "$1x"),
            &["v1"],
            NO_NUMBER,
        ),
        (
            "`${1}x` is the group 1 and an x",
            filtered(semver("*"), "^v(.*)$", "${1}.0.0"),
            &["v1", "v2"],
            "v2",
        ),
        (
            "an unknown group is empty",
            filtered(numerical(), "^v(.*)$", "$2"),
            &["v1"],
            NO_NUMBER,
        ),
        (
            "`$$` is a dollar",
            filtered(numerical(), "^v(.*)$", "$$1"),
            &["v1"],
            NO_NUMBER,
        ),
        (
            "a filter that leaves nothing",
            filtered(semver("*"), "^x", ""),
            &["1.0.0"],
            "version list argument cannot be empty",
        ),
    ]
}

#[test]
fn every_rule_holds_here_and_in_flux() {
    let rows = [version_rows(), order_rows(), filter_rows()].concat();
    let cases: Vec<Value> = rows
        .iter()
        .map(|(_, policy, tags, _)| {
            let mut case = policy.clone();
            case["tags"] = json!(tags);
            case
        })
        .collect();
    let answers: Vec<SelectionAnswer> = ask("selection", &cases);
    for ((rule, asked, tags, expected), answer) in rows.iter().zip(answers) {
        let context = format!("{rule}: {asked} of {tags:?}");
        let ours = policy(asked).select(&tags.iter().copied().collect());
        let ours = ours.map_or_else(|error| error.flux_message(), |selected| selected.tag);
        assert!(ours.starts_with(expected), "{context}: {ours}");
        let flux = answer.error.unwrap_or(answer.tag);
        assert!(
            ours.starts_with(&flux),
            "{context}: {ours}, but Flux: {flux}"
        );
    }
}

#[test]
fn what_is_no_policy_is_refused_and_what_flux_leaves_to_chance_is_not() {
    for range in ["", " ", "one", ">=", "1.2.3.4", ">1 <"] {
        let choice = Choice::SemVer {
            range: range.to_owned(),
        };
        assert!(Policy::new(choice, None).is_err(), "{range:?}");
    }
    // Beyond 2^53 floats are too coarse for these: Flux takes the smaller one, and with a filter either.
    let order = Order::Ascending;
    let filter = |pattern: &str, extract: &str| TagFilter {
        pattern: pattern.to_owned(),
        extract: extract.to_owned(),
    };
    let timestamps = ["20251123010203997", "20251123010203998"]
        .into_iter()
        .collect();
    for filter in [None, Some(filter("(.*)", "$1"))] {
        let policy = Policy::new(Choice::Numerical { order }, filter).expect("it is valid");
        assert_eq!(
            policy.select(&timestamps).expect("numbers").tag,
            "20251123010203998"
        );
    }
    // Two tags of one value: the byte-smallest, whatever the order of the list.
    let policy = Policy::new(
        Choice::Numerical { order },
        Some(filter("-([0-9]+)$", "$1")),
    );
    for tags in [["b-7", "a-7"], ["a-7", "b-7"]] {
        let selected = policy
            .clone()
            .expect("it is valid")
            .select(&tags.into_iter().collect());
        assert_eq!(selected.expect("numbers").tag, "a-7");
    }
    for (text, number) in [
        ("1_000", true),
        ("+5", true),
        ("NaN", true),
        (" 5", false),
        ("0x10", false),
        ("", false),
    ] {
        assert_eq!(Number::parse(text).is_some(), number, "{text:?}");
    }
}
