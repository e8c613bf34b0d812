//! What an update changed, and what it could not do and why: one report for commit message, event, status and command line.
//!
//! Invariant: a [`Change`] always changes something (`old` differs from `new`); whatever was left alone is a [`Problem`].
//! What is absent: how the report is worded as a commit message ([`crate::domain::message`]).

use crate::domain::object::ObjectId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod problem;
pub use problem::{Place, Problem, ProblemKind};

/// One scalar that took a new value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The file, as it was named to the rewriter.
    pub file: String,
    /// The line, from 1, on which the changed bytes begin.
    pub line: usize,
    /// The object the scalar belongs to: its document, or the item of a `List`. `None` when that names no kind or no name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<ObjectId>,
    /// Where in the object, such as `spec.template.spec.containers[0].image`. At most 512 bytes; a longer path loses its head.
    pub field: String,
    /// The marker's value: `namespace:policy[:part]`.
    pub setter: String,
    /// The value before, without quotes.
    pub old: String,
    /// The value after, without quotes.
    pub new: String,
}

/// One kind of change, wherever it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distinct<'a> {
    /// The marker's value.
    pub setter: &'a str,
    /// The value before.
    pub old: &'a str,
    /// The value after.
    pub new: &'a str,
    /// How many scalars took it.
    pub count: usize,
}

/// The changes of one file, by object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChanges<'a> {
    /// The file.
    pub file: &'a str,
    /// The objects in the file with their changes, in the order of their first changed line.
    pub objects: Vec<(Option<&'a ObjectId>, Vec<&'a Change>)>,
}

/// Everything an update did and did not do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeReport {
    /// What changed, in order of file and line once [`Self::sort`] was called.
    pub changes: Vec<Change>,
    /// What was left alone, and why.
    #[serde(default)]
    pub problems: Vec<Problem>,
}

impl ChangeReport {
    /// Whether nothing changed, so that there is nothing to commit. Problems do not count.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Takes in another report. Call [`Self::sort`] after the last one.
    pub fn merge(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.problems.extend(other.problems);
    }

    /// Puts changes and problems into the order of file and line, so that the same update always gives the same report.
    pub fn sort(&mut self) {
        self.changes
            .sort_by(|a, b| (&a.file, a.line, &a.field).cmp(&(&b.file, b.line, &b.field)));
        self.problems
            .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    }

    /// The changed files, sorted, each once.
    pub fn files(&self) -> Vec<&str> {
        let files: BTreeSet<&str> = self
            .changes
            .iter()
            .map(|change| change.file.as_str())
            .collect();
        files.into_iter().collect()
    }

    /// The changed objects, sorted, each once.
    pub fn objects(&self) -> Vec<&ObjectId> {
        let objects: BTreeSet<&ObjectId> = self
            .changes
            .iter()
            .filter_map(|change| change.object.as_ref())
            .collect();
        objects.into_iter().collect()
    }

    /// The kinds of change by setter, old and new value, sorted, each once with its count.
    pub fn distinct(&self) -> Vec<Distinct<'_>> {
        let mut counts: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for change in &self.changes {
            *counts
                .entry((&change.setter, &change.old, &change.new))
                .or_default() += 1;
        }
        counts
            .into_iter()
            .map(|((setter, old, new), count)| Distinct {
                setter,
                old,
                new,
                count,
            })
            .collect()
    }

    /// The changes by file (sorted) and object.
    pub fn by_file(&self) -> Vec<FileChanges<'_>> {
        let mut files: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
        for change in &self.changes {
            files.entry(&change.file).or_default().push(change);
        }
        files
            .into_iter()
            .map(|(file, mut changes)| {
                changes.sort_by_key(|change| change.line);
                FileChanges {
                    file,
                    objects: by_object(changes),
                }
            })
            .collect()
    }
}

fn by_object(changes: Vec<&Change>) -> Vec<(Option<&ObjectId>, Vec<&Change>)> {
    let mut places: BTreeMap<Option<&ObjectId>, usize> = BTreeMap::new();
    let mut objects: Vec<(Option<&ObjectId>, Vec<&Change>)> = Vec::new();
    for change in changes {
        let object = change.object.as_ref();
        let place = *places.entry(object).or_insert_with(|| {
            objects.push((object, Vec::new()));
            objects.len() - 1
        });
        objects[place].1.push(change);
    }
    objects
}

/// `file:line: field: old -> new`, on one line.
impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            field,
            old,
            new,
            ..
        } = self;
        write!(formatter, "{}:{line}: ", one_line(file))?;
        write!(
            formatter,
            "{}: {} -> {}",
            one_line(field),
            one_line(old),
            one_line(new)
        )
    }
}

/// Makes text from a repository safe to print on one line: no control characters, at most 300 characters.
pub(crate) fn one_line(text: &str) -> String {
    let mut characters = text.chars();
    let mut line: String = characters
        .by_ref()
        .take(300)
        .map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(file: &str, line: usize, object: Option<&str>, setter: &str, new: &str) -> Change {
        Change {
            file: file.to_owned(),
            line,
            object: object.map(|name| ObjectId {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                namespace: None,
                name: name.to_owned(),
            }),
            field: "spec.image".to_owned(),
            setter: setter.to_owned(),
            old: "a:1".to_owned(),
            new: new.to_owned(),
        }
    }

    fn report() -> ChangeReport {
        let mut report = ChangeReport::default();
        report.merge(ChangeReport {
            changes: vec![
                change("b", 1, None, "ns:app", "a:2"),
                change("a", 10, Some("x"), "ns:app", "a:2"),
                change("a", 9, Some("y"), "ns:app", "a:2"),
            ],
            problems: vec![],
        });
        report.merge(ChangeReport {
            changes: vec![change("a", 11, Some("y"), "ns:other", "a:3")],
            problems: vec![],
        });
        report
    }

    #[test]
    fn files_and_objects_are_named_once_in_order() {
        let report = report();
        assert_eq!(report.files(), ["a", "b"]);
        let names: Vec<&str> = report
            .objects()
            .iter()
            .map(|object| object.name.as_str())
            .collect();
        assert_eq!(names, ["x", "y"]);
    }

    #[test]
    fn equal_changes_are_counted() {
        let report = report();
        let distinct: Vec<_> = report
            .distinct()
            .iter()
            .map(|d| (d.setter, d.old, d.new, d.count))
            .collect();
        assert_eq!(
            distinct,
            [("ns:app", "a:1", "a:2", 3), ("ns:other", "a:1", "a:3", 1)]
        );
    }

    #[test]
    fn changes_are_grouped_by_file_and_then_object_in_order_of_line() {
        let report = report();
        let lines: Vec<(&str, Vec<Vec<usize>>)> = report
            .by_file()
            .iter()
            .map(|file| {
                let objects = file.objects.iter();
                (
                    file.file,
                    objects
                        .map(|(_, changes)| changes.iter().map(|c| c.line).collect())
                        .collect(),
                )
            })
            .collect();
        assert_eq!(
            lines,
            [("a", vec![vec![9, 11], vec![10]]), ("b", vec![vec![1]])]
        );
    }

    #[test]
    fn a_sorted_report_does_not_depend_on_the_order_of_files() {
        let mut one = report();
        let mut other = report();
        other.changes.reverse();
        one.sort();
        other.sort();
        assert_eq!(one, other);
    }

    #[test]
    fn problems_alone_are_nothing_to_commit() {
        let kind = ProblemKind::Binary;
        let problem = Problem {
            file: "f".to_owned(),
            line: None,
            column: None,
            kind,
        };
        assert!(
            ChangeReport {
                changes: vec![],
                problems: vec![problem]
            }
            .is_empty()
        );
        assert!(!report().is_empty());
    }

    #[test]
    fn a_change_prints_on_one_line() {
        let change = change("a\nb", 3, None, "ns:app", "x\ry");
        assert_eq!(
            change.to_string(),
            "a\u{fffd}b:3: spec.image: a:1 -> x\u{fffd}y"
        );
    }
}
