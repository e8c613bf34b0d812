//! From an explanation to a table or JSON. Pure.

use crate::cli::output::table;
use crate::domain::image::ImageName;
use crate::domain::policy::{Explanation, Verdict};
use serde_json::{Value, json};

/// A row for each tag; the ordered values stand there when they are not the tags.
pub(super) fn text(explanation: &Explanation) -> String {
    let valued = explanation.tags.iter().any(|judged| judged.value.is_some());
    let headings: &[&str] = match valued {
        true => &["TAG", "VALUE", "VERDICT"],
        false => &["TAG", "VERDICT"],
    };
    let rows: Vec<Vec<String>> = explanation
        .tags
        .iter()
        .map(|judged| {
            let value = judged.value.as_ref().unwrap_or(&judged.tag).clone();
            let mut row = vec![judged.tag.clone()];
            row.extend(valued.then_some(value));
            row.push(words(explanation, &judged.verdict));
            row
        })
        .collect();
    table(headings, &rows)
}

/// The best candidate is selected, unless another tag makes the selection fail.
fn words(explanation: &Explanation, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Rank(1) if explanation.selection.is_ok() => "selected".to_owned(),
        verdict => verdict.to_string(),
    }
}

/// One object: the image, the short why, what is selected, what the cluster says of holding it back, and every tag.
pub(super) fn json(image: &ImageName, explanation: &Explanation, held: Option<&str>) -> String {
    let tags: Vec<Value> = explanation
        .tags
        .iter()
        .map(|judged| {
            let mut tag =
                json!({"tag": judged.tag, "verdict": words(explanation, &judged.verdict)});
            if let Some(value) = &judged.value {
                tag["value"] = json!(value);
            }
            if let Verdict::Rank(rank) = judged.verdict {
                tag["rank"] = json!(rank);
            }
            tag
        })
        .collect();
    let selected = explanation.selection.as_ref().ok();
    let mut object = json!({
        "image": image.canonical(),
        "selected": selected.map(|selected| selected.tag.as_str()),
        "why": explanation.why(),
        "tags": tags,
    });
    if let Some(held) = held {
        object["held"] = json!(held);
    }
    format!("{object:#}\n")
}
