//! Templates against Go's `text/template` with Sprig's hermetic functions, which Flux renders commit messages with.

mod corpus;
mod data;
mod flux;
mod random;

use crate::support::oracle;
use data::value;
use highwater::domain::template::Template;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Serialize)]
struct Rendering {
    text: String,
    data: Value,
}

#[derive(Debug, Deserialize)]
struct Rendered {
    #[serde(default)]
    error: String,
    text: String,
}

fn ours(asked: &Rendering) -> Result<String, String> {
    let template = Template::parse("t", &asked.text).map_err(|error| error.to_string())?;
    let rendered = template.render(&value(&asked.data));
    rendered.map_err(|error| error.to_string())
}

/// What is not rendered to the same bytes, or refused by one side alone; and how many were rendered by both.
fn differences(renderings: &[Rendering]) -> (Vec<String>, usize) {
    let answers: Vec<Rendered> = oracle::ask("rendering", &renderings);
    let mut differences = Vec::new();
    let mut rendered = 0;
    for (asked, answer) in renderings.iter().zip(answers) {
        let theirs = match answer.error.as_str() {
            "" => Ok(answer.text),
            error => Err(error.to_owned()),
        };
        let ours = ours(asked);
        rendered += usize::from(ours.is_ok());
        let same = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (ours, theirs) => ours.is_err() && theirs.is_err(),
        };
        if !same {
            differences.push(format!(
                "{}\nours:   {ours:?}\ntheirs: {theirs:?}",
                asked.text
            ));
        }
    }
    (differences, rendered)
}

fn assert_same(renderings: &[Rendering]) -> usize {
    let (differences, rendered) = differences(renderings);
    let count = differences.len();
    assert!(
        count == 0,
        "{count} differences:\n{}",
        differences.join("\n\n")
    );
    rendered
}
