//! What the command did, for people and for programs.

use super::passes::Left;
use super::select::Selection;
use super::trouble::Trouble;
use crate::cli::output::{Colour, Printer, table};
use crate::domain::change::Change;
use serde::Serialize;

/// Everything that was found out and done: what `-o json` prints.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// What the policies select.
    pub(super) selections: Vec<Selection>,
    /// What changes, or changed, in order of file and line.
    pub(super) changes: Vec<Change>,
    /// Markers and files that were left alone, and why.
    pub(super) problems: Vec<Left>,
    /// What stood in the way elsewhere.
    pub(super) troubles: Vec<Trouble>,
    /// The difference, as `git apply` reads it.
    pub(super) diff: String,
    /// The files that were written.
    pub(super) written: Vec<String>,
    /// The commits that were made, in order.
    pub(super) commits: Vec<Committed>,
}

/// A commit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Committed {
    /// Its id.
    pub(super) commit: String,
    /// The first line of its message.
    pub(super) subject: String,
    /// Where it was pushed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pushed_to: Option<String>,
}

impl Report {
    /// How many things failed that were asked for.
    pub(super) fn failures(&self) -> usize {
        self.troubles
            .iter()
            .filter(|trouble| trouble.failed)
            .count()
    }

    /// Tells people of selections, problems and troubles.
    pub(super) fn tell(&self, printer: &mut Printer) {
        if !self.selections.is_empty() {
            printer.talk(&printable(self.selections().trim_end()));
        }
        let warning = printer.paint(Colour::Bold, "warning:");
        for left in &self.problems {
            printer.talk(&format!("{warning} {}", printable(&left.to_string())));
        }
        let failed = printer.paint(Colour::Red, "failed:");
        for trouble in &self.troubles {
            let word = if trouble.failed { &failed } else { &warning };
            printer.talk(&format!("{word} {}", printable(&trouble.to_string())));
        }
        if self.changes.is_empty() {
            printer.talk("nothing changes");
        }
    }

    fn selections(&self) -> String {
        let rows = self.selections.iter().map(|selection| {
            let image = &selection.image;
            let digest = image.digest.as_deref().and_then(|digest| digest.get(..15));
            let tag = format!(
                "{}{}",
                image.tag,
                digest
                    .map(|digest| format!("@{digest}"))
                    .unwrap_or_default()
            );
            vec![
                selection.policy.to_string(),
                image.name.clone(),
                tag,
                selection.reason.clone(),
            ]
        });
        table(
            &["POLICY", "IMAGE", "TAG", "REASON"],
            &rows.collect::<Vec<_>>(),
        )
    }
}

/// Text from a repository, without what a terminal would obey.
fn printable(text: &str) -> String {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.chars()
        .map(|c| if obeyed(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::image::ImageRef;
    use crate::domain::object::ObjectKey;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn report() -> Report {
        Report {
            selections: vec![Selection {
                policy: ObjectKey::new("apps", "web"),
                image: ImageRef {
                    name: "ghcr.io/acme/web".to_owned(),
                    tag: "1.2.0".to_owned(),
                    digest: Some(format!("sha256:{}", "ab".repeat(32))),
                },
                previous: vec!["1.0.0".to_owned()],
                reason: "the highest version in `1.x` among 4 tags".to_owned(),
            }],
            problems: vec![Left {
                file: "a.yaml".to_owned(),
                line: Some(3),
                column: None,
                message: "why".to_owned(),
            }],
            troubles: vec![
                Trouble::failure("ImageRepository/apps/api", "scan failed"),
                Trouble::note("x", "y"),
            ],
            ..Report::default()
        }
    }

    #[test]
    fn people_are_told_everything_on_standard_error() {
        let talk = Shared::default();
        let mut printer = Printer::with_streams(Box::new(std::io::sink()), Box::new(talk.clone()));
        report().tell(&mut printer);
        let told = String::from_utf8(talk.0.lock().expect("one thread").clone()).expect("text");
        assert_eq!(
            told,
            "POLICY  \tIMAGE           \tTAG                  \tREASON\n\
             apps/web\tghcr.io/acme/web\t1.2.0@sha256:abababab\tthe highest version in `1.x` among 4 tags\n\
             warning: a.yaml:3: why\nfailed: ImageRepository/apps/api: scan failed\nwarning: x: y\nnothing changes\n"
        );
        assert_eq!(report().failures(), 1);
    }

    #[test]
    fn a_name_from_a_repository_commands_no_terminal() {
        assert_eq!(
            printable("a\u{1b}[2J\tb\nc\r"),
            "a\u{fffd}[2J\tb\nc\u{fffd}"
        );
    }

    #[test]
    fn programs_get_the_same_by_name() {
        let json = serde_json::to_value(report()).expect("plain data");
        assert_eq!(json["selections"][0]["policy"]["name"], "web");
        assert_eq!(json["selections"][0]["previous"][0], "1.0.0");
        assert_eq!(json["problems"][0]["line"], 3);
        assert_eq!(json["troubles"][0]["failed"], true);
        assert_eq!(json["commits"], serde_json::json!([]));
    }
}
