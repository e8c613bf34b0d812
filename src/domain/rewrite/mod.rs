//! Sets marked scalars in YAML text to what their policies selected, and changes not one byte besides.
//!
//! ```text
//! bytes ── documents ── locate ── plan ── splice ── Rewritten { text, changes, problems }
//!            (cut)     (parse)   (decide)  (edit, parse again, compare)
//! ```
//!
//! Invariants:
//! - only bytes inside the spans of marked scalars differ between the old and the new text;
//! - the new text, parsed again, is event for event the old one with the new values in place, or the file is left alone;
//! - rewriting the new text changes nothing;
//! - every marker that did nothing is a [`Problem`] that says why.
//!
//! A document that cannot be parsed is left alone, and the others of its file are not held up. When it fails because of Go
//! template actions, it is read with the actions masked ([`crate::domain::yaml::template`]); no scalar that meets an action is
//! touched, and the comparison is made on the masked text.
//!
//! What is absent: reading files, and which files an update looks at beyond [`is_candidate`].

mod attach;
mod locate;
mod located;
mod path;
mod plan;
mod scope;
mod splice;

use crate::domain::change::{Change, Problem, ProblemKind};
use crate::domain::image::ImageRef;
use crate::domain::marker::{PolicyKey, REFERENCE_TOKEN, TOKEN};
use crate::domain::yaml::documents::{Document, documents};
use crate::domain::yaml::template;
use std::collections::BTreeMap;

/// Largest file that is parsed, in bytes. Files without a marker are never parsed, whatever their size.
pub const SIZE_LIMIT: usize = 16 * 1024 * 1024;
/// Most markers that are looked at in one document.
pub const MARKER_LIMIT: usize = 50_000;
/// Most problems that are reported of one file, before [`ProblemKind::More`].
pub const PROBLEM_LIMIT: usize = 100;

/// What the policies of one automation selected.
#[derive(Clone, Debug)]
pub struct Selections {
    namespace: String,
    images: BTreeMap<PolicyKey, ImageRef>,
}

impl Selections {
    /// No selections yet, for an automation in a namespace.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            images: BTreeMap::new(),
        }
    }

    /// Adds what a policy selected. A policy of another namespace counts too once it is added.
    pub fn insert(&mut self, policy: PolicyKey, image: ImageRef) {
        self.images.insert(policy, image);
    }

    /// What a policy selected.
    pub fn get(&self, policy: &PolicyKey) -> Option<&ImageRef> {
        self.images.get(policy)
    }

    /// The automation's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// All selections, by policy.
    pub fn iter(&self) -> impl Iterator<Item = (&PolicyKey, &ImageRef)> {
        self.images.iter()
    }
}

/// What became of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// The new content; `None` when nothing changes.
    pub text: Option<Vec<u8>>,
    /// What changed, in order of line.
    pub changes: Vec<Change>,
    /// What was left alone, and why, in order of line.
    pub problems: Vec<Problem>,
}

/// Whether an update looks into a file, by its path: `.yaml`, `.yml` (as written) or a file named `Kustomization`.
pub fn is_candidate(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "Kustomization" || name.ends_with(".yaml") || name.ends_with(".yml")
}

/// Sets every marked scalar of one file. `file` is only used to name the file in changes and problems.
pub fn rewrite(file: &str, bytes: &[u8], selections: &Selections) -> Rewritten {
    if memchr::memmem::find(bytes, TOKEN.as_bytes()).is_none() {
        return Rewritten::default();
    }
    match readable(bytes) {
        Ok(text) => rewrite_text(file, text, selections),
        Err((place, kind)) => Rewritten {
            problems: vec![problem(file, place, kind)],
            ..Rewritten::default()
        },
    }
}

/// A line and a column, both from 1.
type Position = Option<(usize, usize)>;

fn problem(file: &str, place: Position, kind: ProblemKind) -> Problem {
    Problem {
        file: file.to_owned(),
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        kind,
    }
}

/// The file as text, if it is one that can be parsed.
fn readable(bytes: &[u8]) -> Result<&str, (Position, ProblemKind)> {
    if bytes.len() > SIZE_LIMIT {
        let kind = ProblemKind::TooLarge {
            bytes: bytes.len(),
            limit: SIZE_LIMIT,
        };
        return Err((None, kind));
    }
    if memchr::memchr(0, bytes).is_some() {
        return Err((None, ProblemKind::Binary));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        let line = 1 + crate::domain::yaml::line_breaks(before);
        let column = 1 + before[crate::domain::yaml::line_start(before, before.len())..]
            .chars()
            .count();
        (Some((line, column)), ProblemKind::NotUtf8)
    })
}

fn rewrite_text(file: &str, text: &str, selections: &Selections) -> Rewritten {
    let mut rewriting = Rewriting {
        file,
        selections,
        new: String::new(),
        copied: 0,
        done: Rewritten::default(),
    };
    for document in documents(text) {
        if has_marker(document.text) && rewriting.document(text, document).is_err() {
            rewriting.refuse(document.line);
            break;
        }
    }
    rewriting.finish(text)
}

fn has_marker(document: &str) -> bool {
    [TOKEN, REFERENCE_TOKEN]
        .iter()
        .any(|token| memchr::memmem::find(document.as_bytes(), token.as_bytes()).is_some())
}

/// One file, half done: everything before `copied` of the old text is in `new`.
struct Rewriting<'a> {
    file: &'a str,
    selections: &'a Selections,
    new: String,
    copied: usize,
    done: Rewritten,
}

impl Rewriting<'_> {
    /// Works on one document. An error means that the edit would change more than it should.
    fn document(&mut self, text: &str, document: Document<'_>) -> Result<(), splice::Refused> {
        let mut masked = None;
        let mut located = locate::locate(document.text, document.text);
        if located.is_err() && template::has_actions(document.text) {
            masked = Some(template::mask(document.text));
        }
        if let Some(masked) = &masked {
            located = locate::locate(&masked.text, document.text);
        }
        let located = match located {
            Ok(located) => located,
            Err(error) => {
                self.problem(document.line, error.position, error.kind);
                return Ok(());
            }
        };
        for stray in located.strays {
            self.problem(document.line, stray.position, stray.kind);
        }
        let mut edits = Vec::new();
        for marked in &located.marked {
            match plan::decide(document.text, marked, self.selections) {
                Ok(None) => {}
                Ok(Some(edit)) => {
                    self.done
                        .changes
                        .push(change(self.file, document.line, marked, &edit));
                    edits.push(edit);
                }
                Err(kind) => self.problem(document.line, marked.position, kind),
            }
        }
        if edits.is_empty() {
            return Ok(());
        }
        let edited = splice::edit(document.text, masked.as_ref(), &edits, &located.transcript)?;
        self.new.push_str(&text[self.copied..document.start]);
        self.new.push_str(&edited);
        self.copied = document.start + document.text.len();
        Ok(())
    }

    fn problem(&mut self, first_line: usize, (line, column): (usize, usize), kind: ProblemKind) {
        let place = Some((first_line + line - 1, column));
        self.done.problems.push(problem(self.file, place, kind));
    }

    /// Leaves the whole file alone after all.
    fn refuse(&mut self, line: usize) {
        self.copied = 0;
        self.done.changes.clear();
        self.problem(line, (1, 1), ProblemKind::WouldChangeMore);
    }

    fn finish(mut self, text: &str) -> Rewritten {
        if self.copied > 0 {
            self.new.push_str(&text[self.copied..]);
            self.done.text = Some(self.new.into_bytes());
        }
        let problems = &mut self.done.problems;
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if problems.len() > PROBLEM_LIMIT {
            let more = problems.len() - PROBLEM_LIMIT;
            problems.truncate(PROBLEM_LIMIT);
            problems.push(problem(self.file, None, ProblemKind::More(more)));
        }
        self.done.changes.sort_by_key(|change| change.line);
        self.done
    }
}

fn change(
    file: &str,
    first_line: usize,
    marked: &located::Marked<'_>,
    edit: &plan::Edit<'_>,
) -> Change {
    Change {
        file: file.to_owned(),
        line: first_line + marked.scalar.line - 1,
        object: marked.object.clone(),
        field: marked.field.clone(),
        setter: marked.marker.to_string(),
        old: edit.old.to_owned(),
        new: edit.new.clone(),
    }
}
