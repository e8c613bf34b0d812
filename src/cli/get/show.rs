//! From objects to cells and tables. Pure.

use super::kinds::{Kind, source};
use super::list::Scope;
use crate::cli::output::table;
use kube::core::DynamicObject;
use regex::Regex;
use serde_json::Value;
use std::str::FromStr;
use std::sync::LazyLock;

/// Commit ids and digests, SHA-1 up to SHA-512.
static HEX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)([a-f0-9]{8})[a-f0-9]{32,120}(?-u:\b)").expect("the pattern is constant")
});

/// Cuts commit ids and digests in a text to eight digits.
pub(super) fn shorten(text: &str) -> String {
    HEX.replace_all(text, "$1").into_owned()
}

/// The cells `READY` and `MESSAGE`.
pub(super) fn condition(object: &DynamicObject) -> [String; 2] {
    let ready = conditions(object).find(|condition| field(condition, "type") == "Ready");
    match ready {
        Some(ready) => ["status", "message"].map(|name| field(ready, name).to_owned()),
        None => ["False", "waiting to be reconciled"].map(str::to_owned),
    }
}

/// The status of one condition; empty when it is not there.
pub(super) fn status_of(object: &DynamicObject, kind: &str) -> String {
    let found = conditions(object).find(|condition| field(condition, "type") == kind);
    let status = found.map(|condition| field(condition, "status"));
    status.unwrap_or_default().to_owned()
}

fn conditions(object: &DynamicObject) -> impl Iterator<Item = &Value> {
    let conditions = object.data.pointer("/status/conditions");
    conditions.and_then(Value::as_array).into_iter().flatten()
}

fn field<'a>(condition: &'a Value, name: &str) -> &'a str {
    condition
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Flux's words for an empty answer.
pub(super) fn nothing_found(kind: &Kind, scope: &Scope<'_>) -> String {
    let namespace = match scope.namespace {
        Some(namespace) => format!("{namespace:?}"),
        None => "any".to_owned(),
    };
    match scope.name {
        Some(name) => format!(
            "{} object '{name}' not found in {namespace} namespace",
            kind.name
        ),
        None => format!("no {} objects found in {namespace} namespace", kind.name),
    }
}

/// Lets through objects by one of their conditions; neither its type nor its status minds case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatusSelector {
    kind: String,
    status: String,
    negated: bool,
}

impl FromStr for StatusSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (parts, negated) = match text.split_once("!=") {
            Some(parts) => (Some(parts), true),
            None => (text.split_once('='), false),
        };
        let (kind, status) = parts.ok_or_else(|| {
            format!(
                "expected status selector in type=status or type!=status format, but found: {text}"
            )
        })?;
        Ok(Self {
            kind: kind.to_owned(),
            status: status.to_owned(),
            negated,
        })
    }
}

impl StatusSelector {
    /// Whether an object is let through. One without the condition does not match, so its negation does.
    pub(super) fn matches(&self, object: &DynamicObject) -> bool {
        let same = |condition: &&Value| field(condition, "type").eq_ignore_ascii_case(&self.kind);
        let condition = conditions(object).filter(same).last();
        let matches = condition
            .is_some_and(|found| field(found, "status").eq_ignore_ascii_case(&self.status));
        matches != self.negated
    }
}

/// Which columns a table has besides those of its kind.
pub(super) struct Layout {
    /// The namespace, first.
    pub(super) namespaces: bool,
    /// Names with their kind: `imagepolicy/app`.
    pub(super) kinds: bool,
    /// The source of a Kustomization.
    pub(super) source: bool,
    /// What Flux does not show, last.
    pub(super) wide: bool,
    /// The headings.
    pub(super) headings: bool,
}

impl Layout {
    /// The table of objects of one kind.
    pub(super) fn table(&self, kind: &Kind, objects: &[DynamicObject]) -> String {
        let rows: Vec<_> = objects
            .iter()
            .flat_map(|object| self.rows(kind, object))
            .collect();
        let headings = self.headings(kind);
        if self.headings {
            return table(&headings, &rows);
        }
        // Headings that are not shown take no room either.
        let table = table(&vec![""; headings.len()], &rows);
        table
            .split_once('\n')
            .map(|(_, rest)| rest.to_owned())
            .unwrap_or_default()
    }

    fn headings(&self, kind: &Kind) -> Vec<&'static str> {
        let namespace = self.namespaces.then_some("NAMESPACE");
        let source = self.source.then_some("SOURCE");
        let own = kind.headings.iter().copied();
        let wide = if self.wide { kind.wide_headings } else { &[] };
        namespace
            .into_iter()
            .chain(["NAME"])
            .chain(source)
            .chain(own)
            .chain(wide.iter().copied())
            .collect()
    }

    /// The rows of an object: one, and one more for each further line of its message.
    fn rows(&self, kind: &Kind, object: &DynamicObject) -> Vec<Vec<String>> {
        let mut cells = Vec::new();
        if self.namespaces {
            cells.push(object.metadata.namespace.clone().unwrap_or_default());
        }
        let name = object.metadata.name.clone().unwrap_or_default();
        cells.push(match self.kinds {
            true => format!("{}/{name}", kind.name.to_ascii_lowercase()),
            false => name,
        });
        if self.source {
            cells.push(source(object));
        }
        cells.extend((kind.cells)(object));
        if self.wide {
            cells.extend((kind.wide_cells)(object));
        }
        lines(&cells)
    }
}

/// Spreads cells of several lines over several rows.
fn lines(cells: &[String]) -> Vec<Vec<String>> {
    let split: Vec<Vec<&str>> = cells.iter().map(|cell| cell.lines().collect()).collect();
    let height = split.iter().map(Vec::len).max().unwrap_or_default().max(1);
    let cell =
        |lines: &Vec<&str>, row: usize| printable(lines.get(row).copied().unwrap_or_default());
    (0..height)
        .map(|row| split.iter().map(|lines| cell(lines, row)).collect())
        .collect()
}

/// Text from a cluster, without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::kinds::{
        GIT_REPOSITORY, IMAGE_POLICY, IMAGE_REPOSITORY, IMAGE_UPDATE, KUSTOMIZATION,
    };
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).expect("it has metadata")
    }

    fn ready(status: &str, message: &str) -> Value {
        json!([
            {"type": "Reconciling", "status": "True", "message": "other"},
            {"type": "Ready", "status": status, "message": message}
        ])
    }

    fn repository() -> DynamicObject {
        let commit = "main@sha1:696f056df216eea4f9401adbee0ff744d4df390f";
        object(json!({
            "metadata": {"name": "podinfo", "namespace": "apps"},
            "spec": {"suspend": false},
            "status": {
                "artifact": {"revision": commit},
                "conditions": ready("True", &format!("stored artifact for revision '{commit}'"))
            }
        }))
    }

    const PLAIN: Layout = Layout {
        namespaces: false,
        kinds: false,
        source: false,
        wide: false,
        headings: true,
    };

    #[test]
    fn a_source_is_shown_with_eight_digits_of_its_commit() {
        assert_eq!(
            PLAIN.table(&GIT_REPOSITORY, &[repository()]),
            "NAME   \tREVISION          \tSUSPENDED\tREADY\tMESSAGE\n\
             podinfo\tmain@sha1:696f056d\tFalse    \tTrue \tstored artifact for revision 'main@sha1:696f056d'\n"
        );
    }

    #[test]
    fn namespaces_come_first_and_kinds_before_names() {
        let layout = Layout {
            namespaces: true,
            kinds: true,
            headings: false,
            ..PLAIN
        };
        let table = layout.table(&GIT_REPOSITORY, &[repository()]);
        assert!(
            table.starts_with("apps\tgitrepository/podinfo\tmain@sha1:696f056d\tFalse\tTrue\t"),
            "{table}"
        );
    }

    #[test]
    fn wide_tables_go_on_behind_the_columns_of_flux() {
        let wide = Layout {
            wide: true,
            headings: false,
            ..PLAIN
        };
        let spent = json!({"requests": 3, "pages": 2, "tags": 1500, "limitRemaining": 76, "limit": 100,
            "nextScanTime": "2026-01-02T03:09:05Z"});
        let mut paused = spent.clone();
        paused["pausedUntil"] = json!("2026-01-02T04:00:00Z");
        let cells = |spent: Value| {
            let status = json!({"conditions": ready("True", "ok"), "spent": spent});
            let object = object(json!({"metadata": {"name": "app"}, "status": status}));
            let table = wide.table(&IMAGE_REPOSITORY, &[object]);
            let cells = table.lines().next().unwrap_or_default().split('\t').skip(5);
            let mut cells: Vec<_> = cells.map(|cell| cell.trim().to_owned()).collect();
            // A table has no blanks at the end of a line.
            cells.resize(5, String::new());
            cells
        };
        let next = "2026-01-02T03:09:05Z";
        assert_eq!(cells(spent), ["3", "2", "1500", "76/100", next]);
        let until = "paused until 2026-01-02T04:00:00Z";
        assert_eq!(cells(paused), ["3", "2", "1500", "76/100", until]);
        assert_eq!(cells(json!({"limitRemaining": 7})), ["", "", "", "7", ""]);
        assert_eq!(cells(json!("nonsense")), ["", "", "", "", ""]);
        let headings = Layout {
            headings: true,
            ..wide
        }
        .table(&KUSTOMIZATION, &[]);
        assert!(headings.trim_end().ends_with("MESSAGE"), "{headings}");
    }

    #[test]
    fn a_wide_table_of_automations_shows_the_last_commit_and_what_waits() {
        let wide = Layout {
            wide: true,
            headings: true,
            ..PLAIN
        };
        let status = json!({
            "conditions": ready("True", "ok"), "lastAutomationRunTime": "2026-01-02T03:04:05Z",
            "lastPushCommit": "0123456789abcdef0123456789abcdef01234567", "lastPushTime": "2026-01-02T03:00:00Z",
            "pendingChanges": {"count": 2, "due": "2026-01-02T03:04:35Z"},
            "pullRequests": [
                {"group": "app", "state": "Open", "number": 7}, {"group": "web", "state": "Skipped", "number": 8},
                {"group": "db", "state": "Kept", "number": 9}, {"group": "new", "state": "Open"}
            ]
        });
        let object = object(json!({"metadata": {"name": "app"}, "status": status}));
        let table = wide.table(&IMAGE_UPDATE, &[object]);
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split('\t').map(str::trim).skip(5).collect())
            .collect();
        let headings = ["LAST COMMIT", "PUSHED", "PENDING", "DUE", "PULL REQUESTS"];
        assert_eq!(rows[0], headings);
        let [pushed, due] = ["2026-01-02T03:00:00Z", "2026-01-02T03:04:35Z"];
        assert_eq!(rows[1], ["01234567", pushed, "2", due, "#7, #9"]);
    }

    #[test]
    fn an_object_that_nobody_looked_at_is_not_ready() {
        let new = object(json!({"metadata": {"name": "app"}, "spec": {"suspend": true}}));
        assert_eq!(
            (IMAGE_REPOSITORY.cells)(&new),
            ["", "True", "False", "waiting to be reconciled"]
        );
        assert_eq!(
            (IMAGE_POLICY.cells)(&new),
            ["", "", "False", "waiting to be reconciled"]
        );
        let bare = object(json!({"metadata": {"name": "app"}, "status": {"conditions": "none"}}));
        assert_eq!(
            (KUSTOMIZATION.cells)(&bare),
            ["", "False", "False", "waiting to be reconciled"]
        );
    }

    #[test]
    fn a_message_of_several_lines_takes_several_rows() {
        let failing = object(json!({
            "metadata": {"name": "app"},
            "status": {"conditions": ready("False", "build failed\n\u{1b}[31mred")}
        }));
        let table = PLAIN.table(&KUSTOMIZATION, &[failing]);
        let rows: Vec<&str> = table.lines().skip(1).collect();
        assert_eq!(rows.len(), 2);
        assert!(
            rows[0].starts_with("app ") && rows[0].ends_with("build failed"),
            "{table}"
        );
        assert!(
            rows[1].starts_with("    ") && rows[1].ends_with("\u{fffd}[31mred"),
            "{table}"
        );
    }

    #[test]
    fn the_source_of_a_kustomization_defaults_to_its_namespace() {
        let own = json!({"metadata": {"name": "a", "namespace": "apps"}, "spec": {"sourceRef": {"kind": "GitRepository", "name": "fleet"}}});
        assert_eq!(source(&object(own)), "GitRepository/apps/fleet");
        let other = json!({"metadata": {"name": "a", "namespace": "apps"},
            "spec": {"sourceRef": {"kind": "OCIRepository", "name": "fleet", "namespace": "flux-system"}}});
        assert_eq!(source(&object(other)), "OCIRepository/flux-system/fleet");
    }

    #[test]
    fn only_hexadecimal_of_a_digests_length_is_cut() {
        let sha1 = "0123456789abcdef0123456789abcdef01234567";
        let sha512 = "0123456789abcdef".repeat(8);
        for (text, short) in [
            (sha1.to_owned(), "01234567".to_owned()),
            (sha512.clone(), "01234567".to_owned()),
            (format!("{sha512}0"), format!("{sha512}0")),
            (sha1[1..].to_owned(), sha1[1..].to_owned()),
            (format!("x{sha1}"), format!("x{sha1}")),
            (format!("{sha1}: {sha1}"), "01234567: 01234567".to_owned()),
            (sha1.to_uppercase(), sha1.to_uppercase()),
        ] {
            assert_eq!(shorten(&text), short, "{text}");
        }
    }

    #[test]
    fn a_status_selector_minds_no_case() {
        let selects = |text: &str| {
            text.parse::<StatusSelector>()
                .expect("it is one")
                .matches(&repository())
        };
        assert!(selects("ready=true") && selects("Ready=True") && selects("READY!=false"));
        assert!(!selects("ready=false") && !selects("ready!=True"));
        assert!(
            !selects("stalled=true") && selects("stalled!=true"),
            "the condition is not there"
        );
        assert_eq!(
            "ready".parse::<StatusSelector>(),
            Err(
                "expected status selector in type=status or type!=status format, but found: ready"
                    .to_owned()
            )
        );
    }

    #[test]
    fn nothing_found_is_said_in_the_words_of_flux() {
        let in_namespace = Scope {
            namespace: Some("apps"),
            name: None,
            labels: None,
        };
        assert_eq!(
            nothing_found(&IMAGE_POLICY, &in_namespace),
            "no ImagePolicy objects found in \"apps\" namespace"
        );
        let by_name = Scope {
            namespace: None,
            name: Some("app"),
            labels: None,
        };
        assert_eq!(
            nothing_found(&GIT_REPOSITORY, &by_name),
            "GitRepository object 'app' not found in any namespace"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_selector_and_its_negation_share_the_objects_out(kind in "[a-zA-Z]{0,8}", status in "[a-zA-Z]{0,8}") {
            let selector = |sign: &str| format!("{kind}{sign}{status}").parse::<StatusSelector>();
            let [same, other] = ["=", "!="].map(|sign| selector(sign).expect("it is one").matches(&repository()));
            assert_ne!(same, other);
        }

        #[test]
        fn shortening_twice_is_shortening_once(text in "([a-f0-9]{0,140}[ :@x]?){0,4}") {
            let once = shorten(&text);
            assert_eq!(shorten(&once), once);
            assert!(once.len() <= text.len());
        }

        #[test]
        fn a_table_holds_no_control_character_but_its_own(message in proptest::prelude::any::<String>()) {
            let hostile = object(json!({"metadata": {"name": "a"}, "status": {"conditions": ready("True", &message)}}));
            let table = PLAIN.table(&KUSTOMIZATION, &[hostile]);
            assert!(table.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\n')), "{table:?}");
        }
    }
}
