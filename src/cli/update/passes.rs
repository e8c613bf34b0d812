//! Rewrites the marked files, one pass for each job, each on what the ones before left. Pure.

use super::objects::Found;
use super::plan::Job;
use super::select::Selection;
use crate::controllers::image_update::{Edits, rewrite_files};
use crate::domain::change::{ChangeReport, Problem, ProblemKind};
use crate::domain::diff::unified_diff;
use crate::domain::marker::PolicyKey;
use crate::domain::object::ObjectKey;
use crate::domain::rewrite::Selections;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::convert::Infallible;
use std::fmt;

/// A marker, or a file with markers, that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(super) struct Left {
    /// The file.
    pub(super) file: String,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<usize>,
    /// Why.
    pub(super) message: String,
}

/// `file:line:column: message`.
impl fmt::Display for Left {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        for number in [self.line, self.line.and(self.column)]
            .into_iter()
            .flatten()
        {
            write!(formatter, ":{number}")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// What all passes did.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// What each pass changed, in the order of the jobs; passes that changed nothing too.
    pub(super) steps: Vec<Edits>,
    /// The new contents after all passes, by path.
    pub(super) contents: BTreeMap<String, Vec<u8>>,
    /// What was left alone.
    pub(super) left: Vec<Left>,
}

impl Passed {
    /// All changes of all passes.
    pub(super) fn report(&self) -> ChangeReport {
        let mut report = ChangeReport::default();
        for step in &self.steps {
            report.merge(ChangeReport {
                changes: step.report.changes.clone(),
                problems: Vec::new(),
            });
        }
        report.sort();
        report
    }

    /// The difference to the files as they are.
    pub(super) fn diff(&self, found: &Found) -> String {
        let differences = self.contents.iter().filter_map(|(path, new)| {
            // What was rewritten is UTF-8, or it would have been left alone.
            let old = str::from_utf8(found.marked.get(path)?).ok()?;
            Some(unified_diff(path, old, str::from_utf8(new).ok()?))
        });
        differences.collect()
    }
}

/// Runs all passes. `silent` are the policies of which something else was said already.
pub(super) fn run(
    jobs: &[Job],
    found: &Found,
    selections: &[Selection],
    silent: &BTreeSet<ObjectKey>,
) -> Passed {
    let mut passed = Passed::default();
    let mut problems = Vec::new();
    for job in jobs {
        let files = found.marked.iter().filter(|(path, _)| job.covers(path));
        let files = files.map(|(path, bytes)| {
            Ok((
                path.clone(),
                passed.contents.get(path).unwrap_or(bytes).clone(),
            ))
        });
        let Ok(edits) = rewrite_files::<Infallible>(files, "", &selections_of(job, selections));
        problems.extend(edits.report.problems.iter().cloned());
        passed.contents.extend(edits.files.clone());
        passed.steps.push(edits);
    }
    passed.left = left(jobs, found, silent, problems);
    passed
}

fn selections_of(job: &Job, selections: &[Selection]) -> Selections {
    let mut chosen = Selections::new(&job.namespace);
    for selection in selections
        .iter()
        .filter(|selection| job.policies.contains(&selection.policy))
    {
        chosen.insert(
            PolicyKey::from(selection.policy.clone()),
            selection.image.clone(),
        );
    }
    chosen
}

/// The problems that remain when all passes are seen together: a marker that one pass does not know is
/// another's business, if there is another that knows it.
fn left(
    jobs: &[Job],
    found: &Found,
    silent: &BTreeSet<ObjectKey>,
    problems: Vec<Problem>,
) -> Vec<Left> {
    let mut unknown: BTreeMap<(String, Option<usize>, PolicyKey), Vec<Problem>> = BTreeMap::new();
    let mut left = HashSet::new();
    for problem in problems {
        match policy_of(&problem.kind) {
            Some(policy) => unknown
                .entry((problem.file.clone(), problem.line, policy.clone()))
                .or_default()
                .push(problem),
            None => _ = left.insert(worded(&problem, problem.kind.to_string())),
        }
    }
    for ((file, _, policy), same) in unknown {
        let covering = jobs.iter().filter(|job| job.covers(&file)).count();
        let key = ObjectKey::new(&policy.namespace, &policy.name);
        if same.len() < covering || silent.contains(&key) {
            continue;
        }
        // What the policy's own namespace says tells more than what the others say.
        let problem = same.iter().min_by_key(|problem| problem.kind.is_foreign());
        left.extend(
            problem.map(|problem| worded(problem, reason(found, &key, &policy, &problem.kind))),
        );
    }
    let mut left: Vec<Left> = left.into_iter().collect();
    left.sort();
    left
}

/// The policy of a marker that a pass did not know.
fn policy_of(kind: &ProblemKind) -> Option<&PolicyKey> {
    match kind {
        ProblemKind::UnknownPolicy(policy) | ProblemKind::OtherNamespace { policy, .. } => {
            Some(policy)
        }
        _ => None,
    }
}

fn reason(found: &Found, key: &ObjectKey, policy: &PolicyKey, kind: &ProblemKind) -> String {
    if !found.policies.defines(key) {
        format!("policy `{policy}` is not in this tree")
    } else if kind.is_foreign() {
        format!(
            "no automation of namespace `{}` updates this file",
            policy.namespace
        )
    } else {
        format!("no automation that updates this file selects policy `{policy}`")
    }
}

fn worded(problem: &Problem, message: String) -> Left {
    Left {
        file: problem.file.clone(),
        line: problem.line,
        column: problem.column,
        message,
    }
}

/// Says of each selection what its markers had before.
pub(super) fn fill_previous(selections: &mut [Selection], report: &ChangeReport) {
    for selection in selections {
        let setter = PolicyKey::from(selection.policy.clone()).to_string();
        let own = |change: &&crate::domain::change::Change| {
            let rest = change.setter.strip_prefix(&setter);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        let previous: BTreeSet<String> = report
            .changes
            .iter()
            .filter(own)
            .map(|change| change.old.clone())
            .collect();
        selection.previous = previous.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::objects::find;
    use super::super::plan::{Filter, plan};
    use super::*;
    use crate::domain::image::ImageRef;
    use crate::domain::tree::MapTree;

    fn policies(names: &[(&str, &str)]) -> String {
        let policy = |(namespace, name): &(&str, &str)| {
            format!(
                "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
                 spec:\n  imageRepositoryRef: {{name: {name}}}\n  policy: {{semver: {{range: '*'}}}}\n"
            )
        };
        names.iter().map(policy).collect()
    }

    fn selection(namespace: &str, name: &str) -> Selection {
        Selection {
            policy: ObjectKey::new(namespace, name),
            image: ImageRef {
                name: format!("ghcr.io/acme/{name}"),
                tag: "2.0.0".to_owned(),
                digest: None,
            },
            previous: Vec::new(),
            reason: String::new(),
        }
    }

    fn ran(
        files: &[(&str, &str)],
        selections: &[Selection],
        silent: &[ObjectKey],
    ) -> (Passed, Found) {
        let tree = MapTree::from_texts(files.iter().copied());
        let paths: Vec<String> = tree.0.keys().cloned().collect();
        let found = find(&tree, &paths, "flux-system");
        let plan = plan(&tree, &found, &Filter::default());
        assert_eq!((&found.troubles, &plan.troubles), (&vec![], &vec![]));
        let passed = run(
            &plan.jobs,
            &found,
            selections,
            &silent.iter().cloned().collect(),
        );
        (passed, found)
    }

    const MARKED: &str = "a: ghcr.io/acme/web:1.0.0 # {\"$imagepolicy\": \"a:web\"}\nb: 1.0.0 # {\"$imagepolicy\": \"b:api:tag\"}\n";

    #[test]
    fn markers_of_several_namespaces_in_one_file_are_all_set() {
        let (passed, found) = ran(
            &[
                ("policies.yaml", &policies(&[("a", "web"), ("b", "api")])),
                ("x.yaml", MARKED),
            ],
            &[selection("a", "web"), selection("b", "api")],
            &[],
        );
        assert_eq!(passed.left, []);
        assert_eq!(
            passed.contents["x.yaml"],
            MARKED.replace("1.0.0", "2.0.0").into_bytes()
        );
        assert_eq!(passed.report().changes.len(), 2);
        assert_eq!(
            passed.diff(&found),
            "--- a/x.yaml\n+++ b/x.yaml\n@@ -1,2 +1,2 @@\n\
             -a: ghcr.io/acme/web:1.0.0 # {\"$imagepolicy\": \"a:web\"}\n-b: 1.0.0 # {\"$imagepolicy\": \"b:api:tag\"}\n\
             +a: ghcr.io/acme/web:2.0.0 # {\"$imagepolicy\": \"a:web\"}\n+b: 2.0.0 # {\"$imagepolicy\": \"b:api:tag\"}\n"
        );
    }

    #[test]
    fn a_marker_that_nobody_knows_is_told_once() {
        let text = policies(&[("a", "web"), ("b", "api")]);
        let marked =
            "x: 1 # {\"$imagepolicy\": \"c:web\"}\ny: 1 # {\"$imagepolicy\": \"a:nope\"}\n";
        let (passed, _) = ran(
            &[("p.yaml", &text), ("x.yaml", marked)],
            &[selection("a", "web"), selection("b", "api")],
            &[],
        );
        let told: Vec<String> = passed
            .left
            .iter()
            .map(|left| left.message.clone())
            .collect();
        assert_eq!(
            told,
            [
                "policy `c:web` is not in this tree",
                "policy `a:nope` is not in this tree"
            ]
        );
        assert_eq!(
            passed.left[0].to_string().split(": ").next(),
            Some("x.yaml:1:6")
        );
    }

    #[test]
    fn a_policy_of_which_something_was_said_is_not_told_again_at_each_marker() {
        let text = policies(&[("a", "web"), ("b", "api")]);
        let silent = [ObjectKey::new("a", "web")];
        let (passed, _) = ran(
            &[("p.yaml", &text), ("x.yaml", MARKED)],
            &[selection("b", "api")],
            &silent,
        );
        assert_eq!(passed.left, []);
        assert_eq!(passed.report().changes.len(), 1);
    }

    #[test]
    fn a_malformed_marker_is_told_once_for_all_passes() {
        let text = policies(&[("a", "web"), ("b", "api")]);
        let marked = "x: 1 # {\"$imagepolicy\": \"a:web\", }\n";
        let (passed, _) = ran(&[("p.yaml", &text), ("x.yaml", marked)], &[], &[]);
        assert_eq!(passed.left.len(), 1, "{:?}", passed.left);
        assert!(
            passed.left[0].message.starts_with("malformed marker"),
            "{:?}",
            passed.left
        );
    }

    #[test]
    fn previous_values_are_those_of_the_policy_alone() {
        let (passed, _) = ran(
            &[
                ("p.yaml", &policies(&[("a", "web"), ("a", "web-2")])),
                ("x.yaml", &MARKED.replace("b:api", "a:web-2")),
            ],
            &[selection("a", "web"), selection("a", "web-2")],
            &[],
        );
        let mut selections = [selection("a", "web"), selection("a", "web-2")];
        fill_previous(&mut selections, &passed.report());
        assert_eq!(selections[0].previous, ["ghcr.io/acme/web:1.0.0"]);
        assert_eq!(selections[1].previous, ["1.0.0"]);
    }

    proptest::proptest! {
        #[test]
        fn a_second_run_has_nothing_to_do(
            lines in proptest::collection::vec((0..3usize, 0..4usize, "[a-z]{1,6}"), 0..12),
            split in 0..12usize,
        ) {
            let policies = policies(&[("a", "web"), ("a", "api"), ("b", "web")]);
            let selections = [selection("a", "web"), selection("a", "api"), selection("b", "web")];
            let parts = ["", ":tag", ":name", ":digest"];
            let line = |(at, (policy, part, value)): (usize, &(usize, usize, String))| {
                let policy = ["a:web", "a:api", "b:web"][*policy];
                format!("k{at}: {value} # {{\"$imagepolicy\": \"{policy}{}\"}}\n", parts[*part])
            };
            let lines: Vec<String> = lines.iter().enumerate().map(line).collect();
            let (first, second) = lines.split_at(split.min(lines.len()));
            let files = [first.concat(), second.concat()];
            let (passed, _) = ran(&[("p.yaml", &policies), ("x.yaml", &files[0]), ("y.yaml", &files[1])], &selections, &[]);
            let after = |name: &str, before: &str| {
                let bytes = passed.contents.get(name).cloned();
                bytes.map_or(before.to_owned(), |bytes| String::from_utf8(bytes).expect("text"))
            };
            let again = [after("x.yaml", &files[0]), after("y.yaml", &files[1])];
            let (second, _) = ran(&[("p.yaml", &policies), ("x.yaml", &again[0]), ("y.yaml", &again[1])], &selections, &[]);
            assert_eq!(second.report().changes, []);
            // Markers of digests have none, in both runs alike.
            assert_eq!(second.left.len(), passed.left.len());
        }
    }
}
