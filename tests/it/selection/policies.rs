//! Whole policies against Flux's rules on the real Go libraries.

use super::random::Random;
use crate::support::oracle::ask;
use highwater::domain::policy::{Choice, Order, Policy, TagFilter};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub struct SelectionAnswer {
    pub error: Option<String>,
    pub tag: String,
    value: String,
}

fn tag_case(random: &mut Random) -> String {
    let small = |random: &mut Random| random.below(4).to_string();
    match random.below(6) {
        0..=2 => {
            let core = [small(random), small(random), small(random)].join(".");
            random.pick(&["", "v", "", "release-"]).to_owned()
                + &core
                + random.pick(&["", "", "-rc.1", "-rc.2", "-0", "_1"])
        }
        3 => random.below(2000).to_string(),
        4 => format!("main-{}-{}", random.pick(&["ab", "cd"]), random.below(30)),
        _ => random
            .pick(&[
                "latest",
                "1.5",
                "0x1p3",
                "1e2",
                "100",
                "-5",
                "0100",
                "1_0",
                "2024.01.02",
            ])
            .to_owned(),
    }
}

/// Tags of one kind, so that numerical policies have a chance, or of all kinds.
fn tags_case(random: &mut Random) -> Vec<String> {
    let count = random.below(25);
    if random.one_in(3) {
        return random
            .cases(count, |random| {
                random.pick(&["", "", "0", "+", "-"]).to_owned() + &random.below(300).to_string()
            })
            .into_iter()
            .filter(|tag| !tag.starts_with('+'))
            .collect();
    }
    random.cases(count, tag_case)
}

fn selection_case(random: &mut Random) -> Value {
    let orders = ["semver", "semver", "alphabetical", "numerical"];
    let ranges = [
        "*",
        ">=1.0",
        "^1.0.0-0",
        "~2.1",
        "1.x || 3.x",
        ">=1.0.0-rc.1 <3",
        ">=9",
        "2.0.0",
        "!=3.x",
        "*-0",
    ];
    let patterns = [
        "",
        "^v?(.*)$",
        r"^[0-9]",
        "^main-(?P<hash>[a-z]+)-(?P<n>[0-9]+)$",
        r"(\d)\.(\d)",
        "^release-(.*)",
        "[02468]$",
        r"^(\d+)",
        "-(rc|0)",
    ];
    let extracts = [
        "", "$1", "$n", "${n}", "$2.$1.0", "$0", "$1x", "0$1", "$$", "${1}.0.0", "$hash",
    ];
    let pattern = random.one_in(2).then(|| random.pick(&patterns));
    json!({
        "order": random.pick(&orders),
        "descending": random.one_in(2),
        "range": random.pick(&ranges),
        "pattern": pattern,
        "extract": random.pick(&extracts),
        "tags": tags_case(random),
    })
}

pub fn policy(case: &Value) -> Policy {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let order = if case["descending"] == true {
        Order::Descending
    } else {
        Order::Ascending
    };
    let choice = match case["order"].as_str() {
        Some("semver") => Choice::SemVer {
            range: text("range"),
        },
        Some("alphabetical") => Choice::Alphabetical { order },
        _ => Choice::Numerical { order },
    };
    let filter = case["pattern"].is_string().then(|| TagFilter {
        pattern: text("pattern"),
        extract: text("extract"),
    });
    Policy::new(choice, filter).expect("a valid policy")
}

#[test]
fn policies_select_what_flux_selects() {
    let mut random = Random::new();
    let cases = random.cases(6000, selection_case);
    let answers: Vec<SelectionAnswer> = ask("selection", &cases);
    let mut selections = 0;
    for (case, answer) in cases.iter().zip(answers) {
        let tags = case["tags"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let context = format!("{case} (seed {})", random.seed);
        match (policy(case).select(&tags), answer.error) {
            (Ok(selected), None) => {
                assert_eq!(
                    (selected.tag, selected.value),
                    (answer.tag, answer.value),
                    "{context}"
                );
                selections += 1;
            }
            (Err(no_match), Some(error)) => {
                assert!(
                    no_match.flux_message().starts_with(&error),
                    "{no_match}, but Flux: {error}; {context}"
                );
                assert!(no_match.to_string().starts_with(&error));
            }
            (ours, error) => panic!("{ours:?}, but Flux: {error:?}; {context}"),
        }
    }
    assert!(selections > 1500, "only {selections} cases selected a tag");
}
