//! Rewriting marked files, from outside: the golden cases in `tests/golden/rewrite`, generated documents against an independent
//! YAML reader, mutated and hostile files, and diffs against git.
//!
//! A golden case is a folder with `before.yaml`, `after.yaml` (none: nothing may change) and `report.json`, whose lines are
//! `line object field setter old -> new` and `line:column words` (the words' beginning; a position alone will do). The policies
//! are the case's own `policies.json`, or the one above.

use highwater::domain::change::{Change, ChangeReport, ProblemKind};
use highwater::domain::diff::unified_diff;
use highwater::domain::image::ImageRef;
use highwater::domain::marker::{Marker, PolicyKey};
use highwater::domain::rewrite::{Rewritten, SIZE_LIMIT, Selections, is_candidate, rewrite};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MARKED: &str = "image: ghcr.io/acme/app:1.0.0 # {\"$imagepolicy\": \"flux-system:app\"}\n";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rewrite")
}

#[derive(serde::Deserialize)]
struct Policies {
    namespace: String,
    images: BTreeMap<String, ImageRef>,
}

#[derive(serde::Deserialize)]
struct Report {
    changes: Vec<String>,
    problems: Vec<String>,
}

fn selections(json: &[u8]) -> Selections {
    let policies: Policies =
        serde_json::from_slice(json).expect("the test's own files and programs work");
    let mut selections = Selections::new(&policies.namespace);
    for (key, image) in policies.images {
        selections.insert(
            Marker::from_value(&key)
                .expect("the test's own files and programs work")
                .policy,
            image,
        );
    }
    selections
}

fn standard_selections() -> Selections {
    selections(
        &fs::read(golden().join("policies.json")).expect("the test's own files and programs work"),
    )
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(golden())
        .expect("the test's own files and programs work")
        .map(|entry| {
            entry
                .expect("the test's own files and programs work")
                .path()
        });
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

fn change_line(change: &Change) -> String {
    let object = change
        .object
        .as_ref()
        .map_or("-".to_owned(), ToString::to_string);
    let Change {
        line,
        field,
        setter,
        old,
        new,
        ..
    } = change;
    format!("{line} {object} {field} {setter} {old} -> {new}")
}

fn check_case(case: &Path) -> Result<(), String> {
    let own = case.join("policies.json");
    let selections = if own.exists() {
        selections(&fs::read(own).expect("the test's own files and programs work"))
    } else {
        standard_selections()
    };
    let before =
        fs::read(case.join("before.yaml")).expect("the test's own files and programs work");
    let after = fs::read(case.join("after.yaml")).ok();
    let expected: Report = serde_json::from_slice(
        &fs::read(case.join("report.json")).expect("the test's own files and programs work"),
    )
    .expect("the test's own files and programs work");
    let Rewritten {
        text,
        changes,
        problems,
    } = rewrite("f.yaml", &before, &selections);
    if text != after {
        let show =
            |text: Option<Vec<u8>>| text.map(|text| String::from_utf8_lossy(&text).into_owned());
        return Err(format!(
            "text is\n{:?}\nnot\n{:?}\n{problems:?}",
            show(text),
            show(after)
        ));
    }
    let lines: Vec<String> = changes.iter().map(change_line).collect();
    if lines != expected.changes {
        return Err(format!("changes are {lines:#?}"));
    }
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let told = words.len() == expected.problems.len()
        && words
            .iter()
            .zip(&expected.problems)
            .all(|(problem, expected)| {
                problem
                    .replacen("f.yaml:", "", 1)
                    .replacen(": ", " ", 1)
                    .starts_with(expected.as_str())
            });
    if told {
        Ok(())
    } else {
        Err(format!(
            "problems are {words:#?}, not {:#?}",
            expected.problems
        ))
    }
}

#[test]
fn golden_files_are_rewritten_as_written_down() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} golden cases", cases.len());
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            check_case(case)
                .err()
                .map(|error| format!("{}: {error}", case.display()))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} cases fail\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn rewriting_a_golden_result_again_changes_nothing() {
    let selections = standard_selections();
    for case in cases() {
        if let Ok(after) = fs::read(case.join("after.yaml")) {
            let again = rewrite("f.yaml", &after, &selections);
            assert_eq!(
                (again.text, again.changes),
                (None, vec![]),
                "{}",
                case.display()
            );
        }
    }
}

/// The one problem of a file that is left alone.
fn only_problem(bytes: &[u8]) -> (String, ProblemKind) {
    let Rewritten {
        text,
        changes,
        mut problems,
    } = rewrite("dir/f.yaml", bytes, &standard_selections());
    assert_eq!((text, changes), (None, vec![]));
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.remove(0);
    (problem.to_string(), problem.kind)
}

#[test]
fn a_file_without_the_token_is_never_parsed_whatever_its_size() {
    let bytes = "a: b # c\n".repeat(100 * 1024 * 1024 / 9).into_bytes();
    assert_eq!(
        rewrite("f.yaml", &bytes, &standard_selections()),
        Rewritten::default()
    );
}

#[test]
fn a_marked_file_of_100_megabytes_is_too_large() {
    let mut bytes = "a: b # c\n".repeat(100 * 1024 * 1024 / 9).into_bytes();
    bytes.extend_from_slice(MARKED.as_bytes());
    let (words, kind) = only_problem(&bytes);
    assert_eq!(
        kind,
        ProblemKind::TooLarge {
            bytes: bytes.len(),
            limit: SIZE_LIMIT
        }
    );
    assert!(words.starts_with("dir/f.yaml: file too large"), "{words}");
}

#[test]
fn a_marker_in_a_binary_file_is_a_problem() {
    assert_eq!(
        only_problem(&[b"\x7fELF\0\x01", MARKED.as_bytes()].concat()).1,
        ProblemKind::Binary
    );
    let (words, kind) = only_problem(&[b"a: b\nc\xc3\xa9: \xff\n", MARKED.as_bytes()].concat());
    assert_eq!(kind, ProblemKind::NotUtf8);
    assert!(words.starts_with("dir/f.yaml:2:5: "), "{words}");
}

#[test]
fn a_flow_sequence_of_10_000_levels_is_too_deep() {
    let text = format!("{MARKED}a: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(only_problem(text.as_bytes()).1, ProblemKind::TooDeep);
    let text = format!(
        "{MARKED}{}a: b\n",
        (0..10_000)
            .map(|n| format!("{}a:\n", " ".repeat(n % 600)))
            .collect::<String>()
    );
    assert!(matches!(
        only_problem(text.as_bytes()).1,
        ProblemKind::TooDeep | ProblemKind::Unreadable(_)
    ));
}

#[test]
fn an_alias_bomb_is_one_document_like_any_other() {
    let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, above) in ('b'..='z').zip('a'..) {
        text += &format!(
            "{name}: &{name} [*{above}, *{above}, *{above}, *{above}, *{above}, *{above}, *{above}, *{above}]\n"
        );
    }
    let rewritten = rewrite("f.yaml", (text + MARKED).as_bytes(), &standard_selections());
    assert_eq!((rewritten.changes.len(), rewritten.problems.len()), (1, 0));
}

#[test]
fn large_files_take_linear_time() {
    let many = |piece: &dyn Fn(usize) -> String, count| (0..count).map(piece).collect::<String>();
    for text in [
        many(&|n| format!("key{n}: v\n"), 200_000),
        many(
            &|n| format!("k{n}: x # {{\"$imagepolicy\": \"flux-system:app:tag\"}}\n"),
            30_000,
        ),
        many(&|_| "---\n".to_owned(), 500_000),
        many(
            &|n| format!("---\nk{n}: x # {{\"$imagepolicy\": \"flux-system:app:tag\"}}\n"),
            30_000,
        ),
        many(&|_| "# words\n".to_owned(), 200_000),
        format!("a: [{}]\n", "x, ".repeat(200_000)),
        format!("a: {}\n", "{{/* ".repeat(200_000)),
        format!("a: b: c {}\n", "{{ x }} ".repeat(100_000)),
        format!("? {}\n: b\n", "x".repeat(2_000_000)),
    ] {
        let rewritten = rewrite(
            "f.yaml",
            format!("{text}{MARKED}").as_bytes(),
            &standard_selections(),
        );
        assert!(rewritten.problems.len() <= 101);
    }
}

#[test]
fn problems_of_one_file_are_bounded() {
    let text = "a: b # {\"$imagepolicy\": \"flux-system:none\"}\n".repeat(5_000);
    let rewritten = rewrite("f.yaml", text.as_bytes(), &standard_selections());
    assert_eq!(rewritten.problems.len(), 101);
    assert_eq!(
        rewritten
            .problems
            .last()
            .map(|problem| problem.kind.clone()),
        Some(ProblemKind::More(4_900))
    );
    let text = "- b # {\"$imagepolicy\": \"flux-system:app\"}\n".repeat(60_000);
    assert!(matches!(
        only_problem(text.as_bytes()).1,
        ProblemKind::TooManyMarkers { .. }
    ));
}

#[test]
fn only_yaml_files_are_candidates() {
    for path in [
        "a.yaml",
        "d/b.yml",
        ".git/c.yaml",
        "Kustomization",
        "d/Kustomization",
        ".yaml",
    ] {
        assert!(is_candidate(path), "{path}");
    }
    for path in [
        "a.YAML",
        "a.json",
        "kustomization",
        "Kustomization.txt",
        "a.yaml.bak",
        "yaml",
        "a.yaml/b",
        "",
    ] {
        assert!(!is_candidate(path), "{path}");
    }
}

#[test]
fn a_value_no_scalar_should_hold_is_written_so_that_it_is_read_back() {
    for value in [
        "a: b",
        "a #b",
        "{a}",
        "- a",
        "it's \"so\"",
        "a\nb",
        "é\u{1}",
        "'",
        "*x",
        "---",
        "@",
        "\u{85}",
    ] {
        let mut selections = Selections::new("ns");
        let image = ImageRef {
            name: "n".to_owned(),
            tag: value.to_owned(),
            digest: None,
        };
        selections.insert(PolicyKey::new("ns", "app"), image);
        for quote in ["", "'", "\""] {
            let text = format!(
                "a: {quote}old{quote} # {{\"$imagepolicy\": \"ns:app:tag\"}}\nb: [{quote}old{quote}, # {{\"$imagepolicy\": \"ns:app:tag\"}}\n]\n"
            );
            let rewritten = rewrite("f.yaml", text.as_bytes(), &selections);
            assert_eq!(
                rewritten.changes.len(),
                2,
                "{value:?}: {:?}",
                rewritten.problems
            );
            let read: Value =
                serde_saphyr::from_str(&String::from_utf8(rewritten.text.unwrap()).unwrap())
                    .unwrap();
            assert_eq!(read, serde_json::json!({"a": value, "b": [value]}));
        }
    }
}

#[test]
fn a_selection_without_a_part_is_a_problem_and_writes_nothing() {
    let mut selections = Selections::new("flux-system");
    let image = ImageRef {
        name: "n".to_owned(),
        tag: String::new(),
        digest: Some(String::new()),
    };
    let app = PolicyKey::new("flux-system", "app");
    selections.insert(app.clone(), image);
    for (part, kind) in [
        ("", ProblemKind::NoValue(app.clone())),
        (":tag", ProblemKind::NoValue(app.clone())),
        (":digest", ProblemKind::NoDigest(app.clone())),
    ] {
        let text = format!("a: b # {{\"$imagepolicy\": \"flux-system:app{part}\"}}\n");
        let rewritten = rewrite("f.yaml", text.as_bytes(), &selections);
        assert_eq!(
            (rewritten.text, rewritten.problems[0].kind.clone()),
            (None, kind)
        );
    }
}

#[test]
fn reports_are_merged_sorted_and_grouped() {
    let selections = standard_selections();
    let mut report = ChangeReport::default();
    for file in ["b.yaml", "a.yaml"] {
        let text = format!(
            "{MARKED}kind: Pod\nmetadata: {{name: x}}\nother: *x\n---\n{MARKED}x: y # {{\"$imagepolicy\": \"flux-system:no\"}}\n"
        );
        let text = text.replace("other: *x\n", "");
        let Rewritten {
            changes, problems, ..
        } = rewrite(file, text.as_bytes(), &selections);
        report.merge(ChangeReport { changes, problems });
    }
    report.sort();
    assert!(!report.is_empty());
    assert_eq!(report.files(), ["a.yaml", "b.yaml"]);
    assert_eq!(
        report
            .objects()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["Pod/x"]
    );
    let distinct = report.distinct();
    assert_eq!(
        (distinct.len(), distinct[0].count, distinct[0].setter),
        (1, 4, "flux-system:app")
    );
    let by_file = report.by_file();
    assert_eq!(
        by_file
            .iter()
            .map(|file| file.objects.len())
            .collect::<Vec<_>>(),
        [2, 2]
    );
    assert_eq!(
        report
            .problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["a.yaml", "b.yaml"].map(|file| format!(
            "{file}:6:6: policy `flux-system:no` is not known or has selected no image"
        ))
    );
    assert_eq!(
        report.changes[0].to_string(),
        "a.yaml:1: image: ghcr.io/acme/app:1.0.0 -> ghcr.io/acme/app:1.1.0"
    );
}

// ---- generated documents ------------------------------------------------------------------------------------------------

/// How a generated scalar is written.
#[derive(Clone, Copy, Debug)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// A generated node; a scalar has the index of its policy where it is marked.
#[derive(Clone, Debug)]
enum Node {
    Scalar {
        value: String,
        style: Style,
        properties: &'static str,
        policy: Option<usize>,
    },
    Map(Vec<Node>),
    Seq(Vec<Node>),
    FlowMap(Vec<Node>),
    FlowSeq(Vec<Node>),
}

/// The tags that the policies select, and whether every reader takes them for strings when plain.
const TAGS: &[(&str, bool)] = &[
    ("1.1.0", true),
    ("v2", true),
    ("1.28", false),
    ("yes", false),
    ("0123", false),
    ("2024-06-27", false),
    ("1e3", false),
    ("a.b-c_d", true),
    ("null", false),
    ("0x1F", false),
    ("latest", true),
    ("12", false),
];

fn policies() -> Selections {
    let mut selections = Selections::new("ns");
    for (index, (tag, _)) in TAGS.iter().enumerate() {
        let image = ImageRef {
            name: "acme/app".to_owned(),
            tag: (*tag).to_owned(),
            digest: None,
        };
        selections.insert(PolicyKey::new("ns", format!("p{index}")), image);
    }
    selections
}

fn scalar() -> impl Strategy<Value = Node> {
    let style = prop::sample::select(vec![
        Style::Plain,
        Style::Single,
        Style::Double,
        Style::Literal,
        Style::Folded,
    ]);
    let properties = prop::sample::select(vec!["", "", "", "!!str ", "&anchor ", "&a !!str "]);
    let policy = prop::option::weighted(0.5, 0..TAGS.len());
    let value = prop_oneof![
        "[a-z]{1,8}",
        "[0-9]{1,3}",
        "[a-z]{2,5}:[0-9a-z.]{1,5}",
        Just("1.28".to_owned()),
        Just("é ü".to_owned())
    ];
    (value, style, properties, policy).prop_filter_map(
        "a plain word with a meaning of its own",
        |(value, style, properties, policy)| {
            let word = matches!(
                value.as_str(),
                "y" | "n" | "no" | "on" | "yes" | "off" | "true" | "false" | "null"
            );
            (!word).then_some(Node::Scalar {
                value,
                style,
                properties,
                policy,
            })
        },
    )
}

fn node() -> impl Strategy<Value = Node> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        let children = || prop::collection::vec(inner.clone(), 1..5);
        prop_oneof![
            children().prop_map(Node::Map),
            children().prop_map(Node::Seq),
            children().prop_map(Node::FlowMap),
            children().prop_map(Node::FlowSeq),
        ]
    })
}

fn document() -> impl Strategy<Value = Node> {
    let children = || prop::collection::vec(node(), 1..6);
    prop_oneof![
        children().prop_map(Node::Map),
        children().prop_map(Node::Seq)
    ]
}

/// Writes a node behind its `key:` or `-`; `after` says whether marked scalars have their new value.
fn write(node: &Node, depth: usize, flow: bool, after: bool, out: &mut String) {
    let indent = "  ".repeat(depth);
    match node {
        Node::Scalar { .. } => write_scalar(node, depth, flow, after, out),
        Node::Map(children) if !flow => {
            out.push('\n');
            for (index, child) in children.iter().enumerate() {
                out.push_str(&format!("{indent}k{index}:"));
                write(child, depth + 1, false, after, out);
            }
        }
        Node::Seq(children) if !flow => {
            out.push('\n');
            for child in children {
                out.push_str(&format!("{indent}-"));
                write(child, depth + 1, false, after, out);
            }
        }
        Node::Map(children) | Node::FlowMap(children) => {
            write_flow(children, depth, ["{", "}"], true, after, out)
        }
        Node::Seq(children) | Node::FlowSeq(children) => {
            write_flow(children, depth, ["[", "]"], false, after, out)
        }
    }
    if !flow && !out.ends_with('\n') {
        out.push('\n');
    }
}

fn write_flow(
    children: &[Node],
    depth: usize,
    brackets: [&str; 2],
    keys: bool,
    after: bool,
    out: &mut String,
) {
    let indent = "  ".repeat(depth);
    out.push_str(&format!(" {}\n", brackets[0]));
    for (index, child) in children.iter().enumerate() {
        out.push_str(&indent);
        if keys {
            out.push_str(&format!("k{index}:"));
        }
        write(child, depth + 1, true, after, out);
        // The comma stands before the comment, or on a line of its own: both are written by people.
        match out
            .rfind(" # ")
            .filter(|at| index % 2 == 0 && !out[*at..].contains('\n'))
        {
            Some(at) => out.insert(at, ','),
            None => out.push_str(&format!("\n{indent},")),
        }
        out.push('\n');
    }
    out.push_str(&format!("{indent}{}", brackets[1]));
}

fn write_scalar(node: &Node, depth: usize, flow: bool, after: bool, out: &mut String) {
    let Node::Scalar {
        value,
        style,
        properties,
        policy,
    } = node
    else {
        return;
    };
    let new = policy.filter(|_| after).map(|policy| TAGS[policy]);
    let (text, plain) = new.unwrap_or((value, true));
    let marker = policy.map_or(String::new(), |policy| {
        format!(" # {{\"$imagepolicy\": \"ns:p{policy}:tag\"}}")
    });
    let string = properties.contains("!!str");
    let same = text == value;
    match style {
        Style::Literal | Style::Folded if !flow => {
            let sign = if matches!(style, Style::Literal) {
                "|"
            } else {
                ">-"
            };
            out.push_str(&format!(
                " {properties}{sign}{marker}\n{}  {text}\n",
                "  ".repeat(depth)
            ));
        }
        Style::Single => out.push_str(&format!(" {properties}'{text}'{marker}")),
        Style::Double => out.push_str(&format!(" {properties}\"{text}\"{marker}")),
        _ if plain || string || same => out.push_str(&format!(" {properties}{text}{marker}")),
        _ => out.push_str(&format!(" {properties}\"{text}\"{marker}")),
    }
}

/// Puts the new values into what an independent reader makes of the old text.
fn expect(node: &Node, read: &mut Value) -> usize {
    match node {
        Node::Scalar {
            value,
            policy: Some(policy),
            ..
        } if TAGS[*policy].0 != value => {
            let clip = if read.as_str().is_some_and(|text| text.ends_with('\n')) {
                "\n"
            } else {
                ""
            };
            *read = Value::String(format!("{}{clip}", TAGS[*policy].0));
            1
        }
        Node::Scalar { .. } => 0,
        Node::Map(children) | Node::FlowMap(children) => {
            let entries = children.iter().enumerate();
            entries
                .map(|(index, child)| expect(child, &mut read[format!("k{index}")]))
                .sum()
        }
        Node::Seq(children) | Node::FlowSeq(children) => {
            let entries = children.iter().enumerate();
            entries
                .map(|(index, child)| expect(child, &mut read[index]))
                .sum()
        }
    }
}

fn read(text: &str) -> Result<Value, TestCaseError> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn generated_documents_change_in_their_marked_scalars_alone(document in document(), crlf in any::<bool>()) {
        let line_break = |text: String| if crlf { text.replace('\n', "\r\n") } else { text };
        let (mut before, mut after) = (String::new(), String::new());
        write(&document, 0, false, false, &mut before);
        write(&document, 0, false, true, &mut after);
        let (before, after) = (line_break(before), line_break(after));
        let mut expected = read(&before)?;
        let changed = expect(&document, &mut expected);
        let rewritten = rewrite("f.yaml", before.as_bytes(), &policies());
        prop_assert_eq!(rewritten.problems, vec![]);
        prop_assert_eq!(rewritten.changes.len(), changed);
        let text = rewritten.text.map_or(before, |text| String::from_utf8_lossy(&text).into_owned());
        prop_assert_eq!(&text, &after);
        prop_assert_eq!(read(&text)?, expected);
        let again = rewrite("f.yaml", text.as_bytes(), &policies());
        prop_assert_eq!((again.text, again.changes), (None, vec![]));
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let at = at.index(bytes.len() + 1);
        bytes.splice(at..at, MARKED.bytes());
        rewrite("f.yaml", &bytes, &standard_selections());
    }

    #[test]
    fn random_yaml_like_text_is_rewritten_once(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "a: ", "b", "- ", "\n", "  ", "    ", "[", "]", "{", "}", ", ", ": ", "? ", "'", "\"", "|\n", ">-\n", "&x ", "*x", "!!str ",
            "---\n", "...\n", "# c\n", "\r\n", "\t", "{{ x }}", "{{- if y }}\n", "%YAML 1.2\n", "\u{feff}", "é", "1.28",
            "# {\"$imagepolicy\": \"flux-system:app\"}\n", " # {\"$imagepolicy\": \"flux-system:minor:tag\"}\n", " # {\"$imagepolicy\"",
        ]), 0..25),
    ) {
        let text = pieces.concat();
        let rewritten = rewrite("f.yaml", text.as_bytes(), &standard_selections());
        check_invariants(text.as_bytes(), &rewritten, &standard_selections());
    }
}

/// What holds for every file: text and changes go together, a second time changes nothing, and outside of the reported lines no
/// byte differs, on them no more than the new value with its quotes.
fn check_invariants(before: &[u8], rewritten: &Rewritten, selections: &Selections) {
    assert_eq!(rewritten.text.is_some(), !rewritten.changes.is_empty());
    let Some(after) = &rewritten.text else { return };
    let shown = || {
        format!(
            "{}\n=>\n{}",
            String::from_utf8_lossy(before),
            String::from_utf8_lossy(after)
        )
    };
    let again = rewrite("f.yaml", after, selections);
    assert_eq!((again.text, again.changes), (None, vec![]), "{}", shown());
    let (old, new) = (lines(before), lines(after));
    if old.len() != new.len() {
        // A scalar over several lines became one line.
        assert!(old.len() > new.len(), "{}", shown());
        return;
    }
    for (index, (old, new)) in old.iter().zip(&new).enumerate() {
        let changes: Vec<&Change> = rewritten
            .changes
            .iter()
            .filter(|change| change.line == index + 1)
            .collect();
        assert_eq!(
            old != new,
            !changes.is_empty(),
            "line {}: {}",
            index + 1,
            shown()
        );
        if let [change] = changes.as_slice() {
            let head = new
                .iter()
                .zip(old.iter())
                .take_while(|(a, b)| a == b)
                .count();
            let tail = new[head..]
                .iter()
                .rev()
                .zip(old[head..].iter().rev())
                .take_while(|(a, b)| a == b)
                .count();
            assert!(
                new.len() - head - tail <= change.new.len() + 2,
                "line {}: {}",
                index + 1,
                shown()
            );
            assert!(
                String::from_utf8_lossy(new).contains(&change.new),
                "line {}: {}",
                index + 1,
                shown()
            );
        }
    }
}

/// The lines of a text as YAML has them, with their breaks.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
            .map_or(rest.len(), |at| {
                at + if rest[at..].starts_with(b"\r\n") {
                    2
                } else {
                    1
                }
            });
        lines.push(&rest[..end]);
        rest = &rest[end..];
    }
    lines
}

/// A small generator of its own, so that a failing mutation is found again by its number.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below.max(1)
    }
}

fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    const PIECES: &[&str] = &[
        "\n", " ", "  ", ":", ": ", "#", " # ", "'", "\"", "[", "]", "{", "}", ",", "- ", "? ",
        "|", ">", "&a ", "*a", "!", "---\n", "...\n", "\r", "\t", "{{", "}}", "\u{feff}", "\u{85}",
        "%", "\0", "\\", "é", MARKED,
    ];
    let at = numbers.next(bytes.len() + 1);
    let length = numbers.next(12).min(bytes.len() - at);
    match numbers.next(5) {
        0 => drop(bytes.drain(at..at + length)),
        1 => drop(bytes.splice(at..at, PIECES[numbers.next(PIECES.len())].bytes())),
        2 => drop(bytes.splice(at..at + length.min(1), [numbers.next(256) as u8])),
        3 => {
            let copy = bytes[at..at + length].to_vec();
            let to = numbers.next(bytes.len() + 1);
            drop(bytes.splice(to..to, copy));
        }
        _ => drop(bytes.splice(at..at + length, PIECES[numbers.next(PIECES.len())].bytes())),
    }
}

#[test]
fn mutated_golden_files_never_panic_and_keep_the_invariants() {
    let selections = standard_selections();
    for (seed, case) in cases().iter().enumerate() {
        let before = fs::read(case.join("before.yaml")).unwrap();
        for round in 0..150 {
            let mut numbers = Numbers((seed * 1_000 + round) as u64);
            let mut bytes = before.clone();
            for _ in 0..=numbers.next(4) {
                mutate(&mut bytes, &mut numbers);
            }
            let rewritten = rewrite("f.yaml", &bytes, &selections);
            check_invariants(&bytes, &rewritten, &selections);
        }
    }
}

// ---- diffs --------------------------------------------------------------------------------------------------------------

/// What git prints, without its first lines and without the heading it guesses behind `@@`.
fn git_diff(old: &str, new: &str) -> String {
    let folder = tempfile::tempdir().expect("the test's own files and programs work");
    fs::write(folder.path().join("old"), old).expect("the test's own files and programs work");
    fs::write(folder.path().join("new"), new).expect("the test's own files and programs work");
    let output = Command::new("git")
        .args([
            "-c",
            "core.autocrlf=false",
            "diff",
            "--no-index",
            "--no-color",
            "--no-ext-diff",
            "--diff-algorithm=minimal",
            "old",
            "new",
        ])
        .current_dir(folder.path())
        .output()
        .expect("the test's own files and programs work");
    let text = String::from_utf8(output.stdout).expect("the test's own files and programs work");
    let mut lines = String::new();
    for line in text
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("---"))
    {
        match line.strip_prefix("@@").and_then(|rest| rest.find("@@")) {
            Some(at) => lines.push_str(&format!("{}\n", &line[..at + 4])),
            None => lines.push_str(line),
        }
    }
    lines.replacen("--- a/old\n+++ b/new\n", "--- a/f.yaml\n+++ b/f.yaml\n", 1)
}

#[test]
fn diffs_of_rewritten_files_are_those_of_git() {
    let selections = standard_selections();
    let mut compared = 0;
    for case in cases() {
        let before = fs::read(case.join("before.yaml")).unwrap();
        if let Some(after) = rewrite("f.yaml", &before, &selections).text {
            let (before, after) = (
                String::from_utf8(before).unwrap(),
                String::from_utf8(after).unwrap(),
            );
            assert_eq!(
                unified_diff("f.yaml", &before, &after),
                git_diff(&before, &after),
                "{}",
                case.display()
            );
            compared += 1;
        }
    }
    assert!(compared >= 50, "{compared}");
}

#[test]
fn git_applies_the_diff_of_any_two_texts() {
    for seed in 0..60 {
        let mut numbers = Numbers(seed);
        let text = |numbers: &mut Numbers| -> String {
            let count = numbers.next(30);
            let lines: Vec<String> = (0..count)
                .map(|_| format!("line {}", numbers.next(8)))
                .collect();
            lines.join("\n")
                + if numbers.next(2) == 0 && count > 0 {
                    "\n"
                } else {
                    ""
                }
        };
        let (old, new) = (text(&mut numbers), text(&mut numbers));
        let diff = unified_diff("dir/a file.yaml", &old, &new);
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("dir")).unwrap();
        let path = folder.path().join("dir/a file.yaml");
        fs::write(&path, &old).unwrap();
        fs::write(folder.path().join("patch"), &diff).unwrap();
        let applied = Command::new("git")
            .args(["apply", "--unidiff-zero", "--allow-empty", "patch"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            applied.status.success(),
            "{}\n{diff}",
            String::from_utf8_lossy(&applied.stderr)
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), new, "{diff}");
    }
}
