//! The commit message of an update: highwater's own words, or those of a template.
//!
//! Invariant: without a template, a subject of at most 72 characters, and a bounded body in which no value from the repository
//! can start a line or a trailer.

mod template;
pub use template::{MessageTemplate, MessageTemplateError, message, template_data};

use crate::domain::change::{Change, ChangeReport, Distinct, one_line};
use std::collections::BTreeMap;

/// Longest subject, in characters.
const SUBJECT_LIMIT: usize = 72;
/// Most changes that the body lists.
const CHANGES_LIMIT: usize = 100;
/// Longest value in the body, in characters.
const VALUE_LIMIT: usize = 200;

/// Words what a report changed: from what to what in the subject, where in the body.
///
/// ```text
/// Update ghcr.io/acme/app from 1.0.0 to 1.1.0
///
/// apps/web.yaml
///   Deployment/shop/web
///     spec.template.spec.containers[0].image: ghcr.io/acme/app:1.0.0 -> ghcr.io/acme/app:1.1.0
/// ```
pub fn default_message(report: &ChangeReport) -> String {
    let mut message = subject(report);
    message.push('\n');
    let mut listed = 0;
    for file in report.by_file() {
        if listed == CHANGES_LIMIT {
            break;
        }
        message.push_str(&format!("\n{}\n", clip(file.file)));
        for (object, changes) in file.objects {
            let changes = &changes[..changes.len().min(CHANGES_LIMIT - listed)];
            if changes.is_empty() {
                break;
            }
            let indent = if let Some(object) = object {
                message.push_str(&format!("  {}\n", clip(&object.to_string())));
                "    "
            } else {
                "  "
            };
            for change in changes {
                let Change {
                    field, old, new, ..
                } = change;
                message.push_str(&format!(
                    "{indent}{}: {} -> {}\n",
                    clip(field),
                    clip(old),
                    clip(new)
                ));
            }
            listed += changes.len();
        }
    }
    let more = report.changes.len() - listed;
    if more > 0 {
        let noun = if more == 1 { "change" } else { "changes" };
        message.push_str(&format!("\nand {more} more {noun}\n"));
    }
    message
}

/// Text from the repository on one line of the body.
fn clip(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(VALUE_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The most telling subject that fits.
fn subject(report: &ChangeReport) -> String {
    let mut policies: BTreeMap<&str, Vec<Distinct<'_>>> = BTreeMap::new();
    for change in report.distinct() {
        policies
            .entry(policy(change.setter))
            .or_default()
            .push(change);
    }
    let candidates = match policies.pop_first() {
        None => vec!["Update nothing".to_owned()],
        Some((name, changes)) if policies.is_empty() => of_one(name, &changes),
        Some((first, _)) => {
            let names: Vec<&str> = std::iter::once(first).chain(policies.into_keys()).collect();
            of_several(&names, report.files().len())
        }
    };
    let fits = |subject: &&String| subject.chars().count() <= SUBJECT_LIMIT;
    let chosen = candidates.iter().find(fits).or(candidates.last());
    chosen
        .map(|subject| cut(&one_line(subject)))
        .unwrap_or_default()
}

fn cut(subject: &str) -> String {
    match subject.char_indices().nth(SUBJECT_LIMIT) {
        None => subject.to_owned(),
        Some(_) => subject
            .chars()
            .take(SUBJECT_LIMIT - 1)
            .chain(['…'])
            .collect(),
    }
}

/// The policy's name in a setter `namespace:name[:part]`.
fn policy(setter: &str) -> &str {
    setter.split(':').nth(1).unwrap_or(setter)
}

/// The subjects for an update by one policy, best first.
fn of_one(policy: &str, changes: &[Distinct<'_>]) -> Vec<String> {
    let telling = changes.iter().max_by_key(|change| rank(change.setter));
    let Some(change) = telling else {
        return Vec::new();
    };
    let (old, new) = (
        Reference::parse(change.old, change.setter),
        Reference::parse(change.new, change.setter),
    );
    let name = if new.name.is_empty() {
        policy
    } else {
        new.name
    };
    let short = name.rsplit('/').next().unwrap_or(name);
    // Scalars that were at different versions have no one version to name.
    let one_origin = changes
        .iter()
        .filter(|other| other.setter == change.setter)
        .count()
        == 1;
    let (from, to) = versions(&old, &new);
    let mut subjects = Vec::new();
    if one_origin && !from.is_empty() && from != to {
        subjects.extend([name, short].map(|name| format!("Update {name} from {from} to {to}")));
    }
    subjects.extend([name, short].map(|name| format!("Update {name} to {to}")));
    subjects.push(format!("Update {short}"));
    subjects
}

/// How much a change says: a whole reference most, then the tag.
fn rank(setter: &str) -> usize {
    match setter.split(':').nth(2) {
        None => 3,
        Some("tag") => 2,
        Some("digest") => 1,
        Some(_) => 0,
    }
}

fn of_several(names: &[&str], files: usize) -> Vec<String> {
    let total = names.len();
    let mut subjects = vec![format!("Update {}", names.join(", "))];
    for shown in (1..total.min(6)).rev() {
        let names = names[..shown].join(", ");
        subjects.push(format!("Update {names} and {} more", total - shown));
    }
    subjects.push(format!(
        "Update {total} images in {}",
        counted(files, "file")
    ));
    subjects
}

/// The parts of a value that a setter wrote, as far as it has them.
struct Reference<'a> {
    name: &'a str,
    tag: &'a str,
    digest: &'a str,
}

impl<'a> Reference<'a> {
    /// Takes a value apart by what its setter writes.
    fn parse(value: &'a str, setter: &str) -> Self {
        match setter.split(':').nth(2) {
            Some("tag") => Self {
                name: "",
                tag: value,
                digest: "",
            },
            Some("digest") => Self {
                name: "",
                tag: "",
                digest: value,
            },
            Some(_) => Self {
                name: value,
                tag: "",
                digest: "",
            },
            None => {
                let (rest, digest) = value.split_once('@').unwrap_or((value, ""));
                // A colon before the last slash is a port's.
                let slash = rest.rfind('/').map_or(0, |at| at + 1);
                match rest[slash..].rfind(':') {
                    Some(colon) => Self {
                        name: &rest[..slash + colon],
                        tag: &rest[slash + colon + 1..],
                        digest,
                    },
                    None => Self {
                        name: rest,
                        tag: "",
                        digest,
                    },
                }
            }
        }
    }
}

/// What tells two values apart: their tags, or short digests where the tags are equal, or the names.
fn versions(old: &Reference<'_>, new: &Reference<'_>) -> (String, String) {
    if new.tag.is_empty() && new.digest.is_empty() {
        return (old.name.to_owned(), new.name.to_owned());
    }
    if old.tag == new.tag {
        return (short_digest(old), short_digest(new));
    }
    // Under another name, the old tag alone would mislead.
    let from = if old.name == new.name { old.tag } else { "" };
    (from.to_owned(), new.tag.to_owned())
}

/// `tag@sha256:0123456789ab`, or what there is of it.
fn short_digest(side: &Reference<'_>) -> String {
    let (algorithm, hex) = side.digest.split_once(':').unwrap_or(("", side.digest));
    let hex: String = hex.chars().take(12).collect();
    let colon = if algorithm.is_empty() { "" } else { ":" };
    let at = if side.tag.is_empty() || hex.is_empty() {
        ""
    } else {
        "@"
    };
    format!("{}{at}{algorithm}{colon}{hex}", side.tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::object::ObjectId;

    fn change(file: &str, object: Option<&str>, setter: &str, old: &str, new: &str) -> Change {
        Change {
            file: file.to_owned(),
            line: 1,
            object: object.map(|name| ObjectId {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                namespace: Some("shop".to_owned()),
                name: name.to_owned(),
            }),
            field: "spec.image".to_owned(),
            setter: setter.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
        }
    }

    fn report(changes: Vec<Change>) -> ChangeReport {
        ChangeReport {
            changes,
            problems: Vec::new(),
        }
    }

    fn subject_of(changes: &[(&str, &str, &str)]) -> String {
        let changes = changes
            .iter()
            .map(|(setter, old, new)| change("f.yaml", None, setter, old, new))
            .collect();
        subject(&report(changes))
    }

    #[test]
    fn the_message_says_from_what_to_what_and_where() {
        let message = default_message(&report(vec![
            change("b.yaml", Some("api"), "ns:app:tag", "1.0.0", "1.1.0"),
            change(
                "a.yaml",
                Some("web"),
                "ns:app",
                "ghcr.io/acme/app:1.0.0",
                "ghcr.io/acme/app:1.1.0",
            ),
            change("a.yaml", None, "ns:app:tag", "1.0.0", "1.1.0"),
        ]));
        let expected = "\
Update ghcr.io/acme/app from 1.0.0 to 1.1.0

a.yaml
  Deployment/shop/web
    spec.image: ghcr.io/acme/app:1.0.0 -> ghcr.io/acme/app:1.1.0
  spec.image: 1.0.0 -> 1.1.0

b.yaml
  Deployment/shop/api
    spec.image: 1.0.0 -> 1.1.0
";
        assert_eq!(message, expected);
    }

    #[test]
    fn the_subject_is_about_the_image() {
        for (changes, expected) in [
            (
                vec![("ns:app:tag", "1.0", "1.1")],
                "Update app from 1.0 to 1.1",
            ),
            (
                vec![("ns:app", "host:5000/a", "host:5000/a:1")],
                "Update host:5000/a to 1",
            ),
            (
                vec![("ns:app", "a:1", "a:2"), ("ns:app", "a:0", "a:2")],
                "Update a to 2",
            ),
            (vec![("ns:app", "old/a:1", "new/a:2")], "Update new/a to 2"),
            (
                vec![("ns:app:name", "old/a", "new/a")],
                "Update new/a from old/a to new/a",
            ),
            (
                vec![(
                    "ns:app",
                    "a:1@sha256:00112233445566778899",
                    "a:1@sha256:ffeeddccbbaa99887766",
                )],
                "Update a from 1@sha256:001122334455 to 1@sha256:ffeeddccbbaa",
            ),
            (
                vec![("ns:app:digest", "sha256:00", "sha256:11")],
                "Update app from sha256:00 to sha256:11",
            ),
            (
                vec![("ns:app", "a:1", "a:2"), ("ns:web", "b:1", "b:2")],
                "Update app, web",
            ),
            (vec![], "Update nothing"),
        ] {
            assert_eq!(subject_of(&changes), expected);
        }
    }

    #[test]
    fn a_long_subject_says_less_but_stays_short() {
        let long = "registry.example.com/a/very/long/path/to/an/image/called/application";
        let (old, new) = (format!("{long}:1.0.0"), format!("{long}:1.1.0"));
        assert_eq!(
            subject_of(&[("ns:app", &old, &new)]),
            "Update application from 1.0.0 to 1.1.0"
        );
        let tag = "1.0.0-build.with-a-very-long-name-0123456789abcdef0123456789";
        let new = format!("{long}:{tag}");
        assert_eq!(subject_of(&[("ns:app", &old, &new)]), "Update application");
        let setters: Vec<String> = (10..40).map(|n| format!("ns:policy-{n}")).collect();
        let changes: Vec<_> = setters
            .iter()
            .map(|setter| (setter.as_str(), "a:1", "a:2"))
            .collect();
        assert_eq!(
            subject_of(&changes),
            "Update policy-10, policy-11, policy-12, policy-13, policy-14 and 25 more"
        );
        let hostile = "x".repeat(5000);
        for setter in ["ns:app", "ns:app:tag"] {
            assert!(
                subject_of(&[(setter, &hostile, &format!("y{hostile}"))])
                    .chars()
                    .count()
                    <= 72
            );
        }
    }

    #[test]
    fn values_from_the_repository_cannot_start_a_line() {
        let evil = "1\n\nSigned-off-by: me\r\u{2028}x";
        let message = default_message(&report(vec![change(
            "f\n# x",
            None,
            "ns:app:tag",
            evil,
            "2",
        )]));
        assert_eq!(message.lines().count(), 4, "{message}");
        assert!(
            message
                .lines()
                .all(|line| !line.starts_with("Signed-off-by")),
            "{message}"
        );
    }

    #[test]
    fn the_body_is_bounded() {
        let value = "x".repeat(10_000);
        let changes = (0..5_000)
            .map(|n| change(&format!("{n}-{value}"), None, "ns:app:tag", &value, "2"))
            .collect();
        let message = default_message(&report(changes));
        assert!(message.len() < 100_000, "{}", message.len());
        assert!(message.ends_with("\nand 4900 more changes\n"));
    }
}
