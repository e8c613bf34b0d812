//! How long it takes to select from many tags, and how much memory the tags take.
//!
//! Budget: 1,000,000 tags by semantic version in under 1.5 s. Run with `cargo bench --bench selection`.
#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark prints its table"
)]

use highwater::domain::policy::{Choice, Order, Policy, TagFilter};
use highwater::domain::tags::{TagSet, TagSetBuilder};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A name, the policy, and the tag for a number.
struct Case {
    name: &'static str,
    policy: Policy,
    tag: fn(u64) -> String,
}

fn version_tag(number: u64) -> String {
    let prerelease = if number.is_multiple_of(7) {
        "-rc.1"
    } else {
        ""
    };
    format!(
        "v{}.{}.{}{prerelease}",
        number % 13,
        number / 13 % 997,
        number / 12_961
    )
}

fn calendar_tag(number: u64) -> String {
    let (year, month) = (2000 + number % 50, number / 50 % 12 + 1);
    format!("{year}.{month:02}.{}", number / 600)
}

fn build_tag(number: u64) -> String {
    format!(
        "main-{:08x}-{}",
        number.wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF,
        1_700_000_000 + number
    )
}

fn timestamp_tag(number: u64) -> String {
    format!("20251123{:09}", number * 7)
}

fn case(
    name: &'static str,
    choice: Choice,
    filter: Option<TagFilter>,
    tag: fn(u64) -> String,
) -> Case {
    Case {
        name,
        policy: Policy::new(choice, filter).expect("a valid policy"),
        tag,
    }
}

fn calendar_cases() -> Vec<Case> {
    let calver = |layout: &str| Choice::CalVer {
        layout: layout.to_owned(),
    };
    vec![
        case("calver", calver("YYYY.0M.MICRO"), None, calendar_tag),
        case(
            "calver, optional parts",
            calver("YYYY.0M[.MICRO]-MODIFIER"),
            None,
            calendar_tag,
        ),
    ]
}

fn cases() -> Vec<Case> {
    let semver = |range: &str| Choice::SemVer {
        range: range.to_owned(),
    };
    let numerical = Choice::Numerical {
        order: Order::Ascending,
    };
    let alphabetical = Choice::Alphabetical {
        order: Order::Ascending,
    };
    let filter = |pattern: &str, extract: &str| {
        Some(TagFilter {
            pattern: pattern.to_owned(),
            extract: extract.to_owned(),
        })
    };
    vec![
        case("semver >=1.0", semver(">=1.0"), None, version_tag),
        case(
            "semver ^2.1 || ~3.4-0",
            semver("^2.1 || ~3.4-0"),
            None,
            version_tag,
        ),
        case(
            "semver, pattern",
            semver("*"),
            filter(r"^v\d+\.", ""),
            version_tag,
        ),
        case(
            "semver, pattern, extract",
            semver("*"),
            filter(r"^v(?P<v>\d+\.\d+\.\d+)$", "$v"),
            version_tag,
        ),
        case("semver, no match", semver(">=99"), None, version_tag),
        case("numerical", numerical.clone(), None, timestamp_tag),
        case(
            "numerical, pattern, extract",
            numerical,
            filter("^main-[a-f0-9]+-(?P<ts>[0-9]+)$", "$ts"),
            build_tag,
        ),
        case("alphabetical", alphabetical.clone(), None, build_tag),
        case(
            "alphabetical, pattern, extract",
            alphabetical,
            filter("^main-(.*)-(.*)$", "$2.$1"),
            build_tag,
        ),
    ]
}

/// Visits the numbers below `count` in an order that is not sorted.
fn scattered(count: u64) -> impl Iterator<Item = u64> {
    // A prime that divides none of the sizes, so every number comes once.
    (0..count).map(move |index| index * 7_368_787 % count)
}

fn tag_set(tag: fn(u64) -> String, count: u64) -> (TagSet, Duration) {
    let tags: Vec<String> = scattered(count).map(tag).collect();
    let start = Instant::now();
    let mut builder = TagSetBuilder::new();
    tags.iter().for_each(|tag| builder.push(tag));
    let set = builder.finish();
    (set, start.elapsed())
}

/// The middle of five runs.
fn time(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[2]
}

fn main() {
    println!(
        "{:<32} {:>9} {:>12} {:>12} {:>12} {:>14} {:>9}",
        "policy", "tags", "collect", "select", "say why", "tags/s", "bytes/tag"
    );
    for case in cases().into_iter().chain(calendar_cases()) {
        for count in [10_000, 100_000, 1_000_000] {
            let (tags, collected) = tag_set(case.tag, count);
            let selected = time(|| {
                let _ = black_box(case.policy.select(black_box(&tags)));
            });
            let won = case.policy.select(&tags);
            let told = time(|| {
                let _ = won
                    .as_ref()
                    .map(|won| black_box(case.policy.why(black_box(&tags), won)));
            });
            let per_second = tags.len() as f64 / selected.as_secs_f64();
            let bytes = tags.heap_bytes() as f64 / tags.len() as f64;
            println!(
                "{:<32} {:>9} {:>9.1} ms {:>9.2} ms {:>9.2} ms {per_second:>14.0} {bytes:>9.1}",
                case.name,
                tags.len(),
                collected.as_secs_f64() * 1e3,
                selected.as_secs_f64() * 1e3,
                told.as_secs_f64() * 1e3,
            );
        }
    }
}
