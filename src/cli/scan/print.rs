//! From a scan to a table, a few sentences, or JSON. Pure.

use super::Scanned;
use crate::cli::output::table;
use crate::domain::duration::format_duration;
use crate::domain::http_field::RateLimit;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A row for each tag that was asked for; a column of push times where the registry tells them.
pub(super) fn text(scanned: &Scanned) -> String {
    let facts = || {
        scanned
            .asked
            .iter()
            .filter_map(|(_, asked)| asked.as_ref().ok())
    };
    let pushed = facts().any(|facts| facts.pushed.is_some());
    let mut headings = vec!["TAG", "DIGEST", "CREATED"];
    headings.extend(pushed.then_some("PUSHED"));
    headings.push("PLATFORMS");
    let rows: Vec<Vec<String>> = scanned
        .asked
        .iter()
        .map(|(tag, asked)| {
            let Ok(facts) = asked else {
                return vec![tag.clone(), "unknown".to_owned()];
            };
            let mut row = vec![tag.clone(), facts.digest.clone(), time(facts.created)];
            row.extend(pushed.then(|| time(facts.pushed)));
            row.push(facts.platforms.join(","));
            row
        })
        .collect();
    table(&headings, &rows)
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "unknown".to_owned(), |time| time.to_string())
}

/// What is to be said of the whole.
pub(super) fn talk(scanned: &Scanned) -> Vec<String> {
    let mut lines = Vec::new();
    for (tag, asked) in &scanned.asked {
        if let Err(error) = asked {
            lines.push(format!("{tag}: {error}"));
        }
    }
    let count = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    let mut whole = format!(
        "{} in {}",
        count(scanned.listed, "tag"),
        count(scanned.pages, "page")
    );
    if scanned.matching < scanned.listed {
        whole += &format!(", {} of them match", scanned.matching);
    }
    let left_out = scanned.matching - scanned.asked.len();
    if left_out > 0 {
        whole += &format!(
            "; {} not asked for; hint: `--limit` raises the number, `--filter` names the tags",
            count(left_out, "tag")
        );
    }
    lines.push(whole);
    lines.push(match limit(scanned) {
        Some(limit) => format!("limit of {}: {}", scanned.image.registry(), words(&limit)),
        None => format!("limit of {}: it tells none", scanned.image.registry()),
    });
    lines
}

/// What the registry said last of its limit: the answer with the least left.
fn limit(scanned: &Scanned) -> Option<RateLimit> {
    let facts = scanned
        .asked
        .iter()
        .filter_map(|(_, asked)| asked.as_ref().ok());
    let limits = facts.filter_map(|facts| facts.limit);
    limits.min_by_key(|limit| limit.remaining)
}

fn words(limit: &RateLimit) -> String {
    let mut words = format!("{} left", limit.remaining);
    if let Some(whole) = limit.limit {
        words += &format!(" of {whole}");
    }
    if let Some(horizon) = limit.horizon {
        words += &format!(" for {}", format_duration(horizon));
    }
    words
}

/// One object: the image, how many tags there are, what the registry says of limits, and the tags that were asked for.
pub(super) fn json(scanned: &Scanned) -> String {
    let tags: Vec<Value> = scanned
        .asked
        .iter()
        .map(|(tag, asked)| match asked {
            Ok(facts) => json!({
                "tag": tag,
                "digest": facts.digest,
                "created": facts.created.map(|time| time.to_string()),
                "pushed": facts.pushed.map(|time| time.to_string()),
                "platforms": facts.platforms,
            }),
            Err(error) => json!({"tag": tag, "error": error.to_string()}),
        })
        .collect();
    let limit = limit(scanned).map(|limit| {
        json!({
            "remaining": limit.remaining,
            "limit": limit.limit,
            "seconds": limit.horizon.map(|horizon| horizon.as_secs()),
        })
    });
    let object = json!({
        "image": scanned.image.canonical(),
        "listed": scanned.listed,
        "matching": scanned.matching,
        "pages": scanned.pages,
        "limit": limit,
        "tags": tags,
    });
    format!("{object:#}\n")
}
