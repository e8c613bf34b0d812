use super::*;
use proptest::prelude::*;
use serde_json::{Map, json};

fn objects(text: &str) -> Result<Vec<Value>, ManifestError> {
    let manifests = parse_documents("a.yaml", text.as_bytes())?;
    Ok(manifests
        .into_iter()
        .map(|manifest| manifest.object)
        .collect())
}

/// What a value becomes under both sets of rules.
fn value(text: &str, rules: Rules) -> Result<Value, String> {
    let documents = documents("a.yaml", format!("a: {text}\n").as_bytes(), rules)
        .map_err(|error| error.to_string())?;
    let json = documents[0]
        .root
        .to_json()
        .map_err(|error| error.to_string())?;
    Ok(json["a"].clone())
}

fn refusal(text: &str) -> String {
    match parse_documents("a.yaml", text.as_bytes()) {
        Ok(manifests) => format!("accepted: {manifests:?}"),
        Err(error) => error.to_string(),
    }
}

const HEAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

/// Text, as the API machinery reads it, as kustomize reads it (`same` where both agree): asked of
/// both programs.
const SCALARS: &str = r#"
yes | true | "yes"
Off | false | "Off"
y | true | "y"
true | true | same
0777 | 511 | same
0o777 | 511 | same
0x1F | 31 | same
0b11 | 3 | same
1_000 | 1000 | same
+12 | 12 | same
08 | 8 | same
1e3 | 1000 | same
.5 | 0.5 | same
1. | 1 | same
-0 | 0 | same
1e500 | "1e500" | same
0xFFFFFFFFFFFFFFFF | 18446744073709551615 | same
9007199254740993 | 9007199254740993 | same
-9223372036854775808 | -9223372036854775808 | same
123456789012345678901 | 1.2345678901234568e20 | same
12:30:45 | "12:30:45" | same
2001-01-02 | "2001-01-02" | "2001-01-02T00:00:00Z"
2001-1-2 3:4:5.60 | "2001-1-2 3:4:5.60" | "2001-01-02T03:04:05.6Z"
2001-01-02t03:04:05+01:00 | "2001-01-02t03:04:05+01:00" | "2001-01-02T03:04:05+01:00"
2001-02-30 | "2001-02-30" | same
~ | null | same
 | null | same
Null | null | same
= | "=" | same
!!str 1 | "1" | same
!!int "1" | 1 | same
!!float 3 | 3 | same
!!binary aGk= | "hi" | same
!own x | "x" | same
'yes' | "yes" | same
"#;

#[test]
fn scalars_mean_what_the_two_readers_take_them_for() {
    for line in SCALARS.lines().filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [text, kubernetes, kustomize] = cells[..] else {
            panic!("a line has three cells: {line}");
        };
        let json = |text: &str| -> Result<Value, String> {
            serde_json::from_str(text).map_err(|error| error.to_string())
        };
        let other = match kustomize {
            "same" => kubernetes,
            other => other,
        };
        assert_eq!(value(text, Rules::Kubernetes), json(kubernetes), "{line}");
        assert_eq!(value(text, Rules::Kustomize), json(other), "{line}");
    }
    for text in [
        ".inf",
        "-.INF",
        ".nan",
        "!!int x",
        "!!bool 1",
        "!!binary '#'",
    ] {
        assert!(value(text, Rules::Kubernetes).is_err(), "{text}");
        assert!(value(text, Rules::Kustomize).is_err(), "{text}");
    }
}

#[test]
fn documents_without_content_are_skipped_and_lists_expanded() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, metadata: {name: x}}\n- {apiVersion: v1, kind: AList, items: [{apiVersion: v1, kind: A, metadata: {name: z}}]}\n";
    let text = format!("# comment\n---\n---\nnull\n---\n{{}}\n---\n{list}---\n{HEAD}");
    let names: Vec<Value> = objects(&text)
        .expect("it is made of objects")
        .iter()
        .map(|object| object["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["a", "x", "z"]);
}

#[test]
fn an_object_knows_its_file_and_line() {
    let manifests = parse_documents(
        "dir/a.yaml",
        format!("# one\n\n{HEAD}---\n{HEAD}").as_bytes(),
    )
    .expect("it is made of objects");
    let places: Vec<String> = manifests
        .iter()
        .filter_map(|manifest| manifest.source.as_ref().map(Source::to_string))
        .collect();
    assert_eq!(places, ["dir/a.yaml:3", "dir/a.yaml:7"]);
    assert_eq!(manifests[0].id().to_string(), "ConfigMap/a");
}

#[test]
fn what_is_no_object_is_refused_with_file_and_line() {
    for (text, words) in [
        (
            "---\nkind: A\nmetadata: {name: a}\n",
            "a.yaml:2: not a Kubernetes object: `apiVersion` is missing",
        ),
        (
            "apiVersion: v1\nmetadata: {name: a}\n",
            "a.yaml:1: not a Kubernetes object: `kind` is missing",
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {}\n",
            "`metadata.name` is missing",
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: 7}\n",
            "`metadata.name` is not a string",
        ),
        ("- a\n", "`apiVersion` is missing"),
        ("a: [\n", "not valid YAML"),
        ("a: {b: c]\n", "a.yaml:1:"),
        ("? [a]\n: b\n", "a mapping key must be a scalar"),
        ("? {a: b}\n: b\n", "a mapping key must be a scalar"),
        (
            "apiVersion: v1\nkind: AList\nitems: x\n",
            "`items` of a list must be a list",
        ),
        ("a: &a [*a]\n", "an alias refers to the node it is part of"),
        ("a: *b\n", "not valid YAML"),
        ("a: {<<: 1}\n", "`<<` takes a mapping or a list of mappings"),
        (
            "a: {<<: [1]}\n",
            "`<<` takes a mapping or a list of mappings",
        ),
        ("~: 1\n", "is not a string"),
    ] {
        let message = refusal(text);
        assert!(message.contains(words), "{text:?}: {message}");
    }
    let error = parse_documents("a.yaml", b"a: \xff").expect_err("it is no text");
    assert_eq!(error.to_string(), "a.yaml: not UTF-8 at byte 3");
}

#[test]
fn keys_are_text_and_the_last_of_two_counts_in_a_cluster() {
    let text = format!("{HEAD}data: {{1: a, yes: b, 0777: c, a: x, b: w, a: z}}\n");
    assert_eq!(
        objects(&text).map(|objects| objects[0]["data"].clone()),
        Ok(json!({"1": "a", "true": "b", "511": "c", "a": "z", "b": "w"}))
    );
    let twice = documents("a.yaml", b"a: 1\na: 2\n", Rules::Kustomize);
    assert_eq!(
        twice.map_err(|error| error.to_string()),
        Err("a.yaml:2: the key `a` occurs twice in one mapping".to_owned())
    );
}

#[test]
fn merge_keys_add_what_is_not_stated() {
    let text = format!(
        "{HEAD}x: &x {{a: 1, b: 2}}\ny: &y {{b: 3, c: 4}}\none: {{<<: *x, b: 9}}\ntwo: {{<<: [*x, *y]}}\n'<<': text\n"
    );
    let object = objects(&text).expect("it is an object").remove(0);
    assert_eq!(object["one"], json!({"a": 1, "b": 9}));
    assert_eq!(object["two"], json!({"a": 1, "b": 2, "c": 4}));
    assert_eq!(object["<<"], "text");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_content() {
    let text = format!("\u{feff}{HEAD}text: |\n  a\n  b\n").replace('\n', "\r\n");
    let object = objects(&text).expect("it is an object").remove(0);
    assert_eq!(object["text"], "a\nb\n");
    assert_eq!(object["apiVersion"], "v1");
}

#[test]
fn deep_and_swelling_input_is_refused() {
    for deep in [
        format!("a: {}", "[".repeat(10_000)),
        format!("a: {}", "{a: ".repeat(10_000)),
        "- ".repeat(10_000),
        (0..1000).fold(String::new(), |text, level| {
            format!("{text}{}a:\n", " ".repeat(level))
        }),
    ] {
        assert!(!refusal(&deep).starts_with("accepted"), "{}", &deep[..20]);
    }
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(refusal(&bomb).contains("anchors and aliases that copy more than"));

    let mut text_bomb = format!("a: &a {}\nb:\n", "x".repeat(1 << 20));
    text_bomb.push_str(&"- *a\n".repeat(1000));
    assert!(refusal(&text_bomb).contains("anchors and aliases that copy more than"));

    let mut nested = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n".to_owned();
    for level in 1..100 {
        nested.push_str(&format!(
            "a{level}: &a{level} [[[[[[[[[[*a{}]]]]]]]]]]\n",
            level - 1
        ));
    }
    assert!(
        refusal(&nested).contains("levels deep"),
        "{}",
        refusal(&nested)
    );

    let huge = vec![b'#'; LIMITS.bytes + 1];
    let error = parse_documents("a.yaml", &huge).expect_err("it is too large");
    let bytes = format!("more than {} bytes", LIMITS.bytes);
    assert!(error.to_string().contains(&bytes), "{error}");
}

#[test]
fn strings_that_could_be_misread_are_quoted_and_lines_become_blocks() {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
        "data": {"on": "yes", "number": "1.10", "date": "2024-01-01", "text": "one\ntwo\n",
                 "open": "one\ntwo", "more": "one\n\n\n", "colon": "a: b", "empty": "", "tab": "a\tb"},
        "list": [{"a": 1, "b": []}, [], ["x", ["y"]], {}, null, 1.5, true]
    });
    let manifest = Manifest::new(object, None).expect("it is an object");
    assert_eq!(
        to_yaml(&[manifest]),
        r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data:
  "on": "yes"
  number: "1.10"
  date: "2024-01-01"
  text: |
    one
    two
  open: |-
    one
    two
  more: |+
    one


  colon: "a: b"
  empty: ""
  tab: "a\tb"
list:
- a: 1
  b: []
- []
-
  - x
  -
    - "y"
- {}
- null
- 1.5
- true
"#
    );
}

/// Strings that YAML could take for something else.
#[rustfmt::skip]
const TRAPS: &[&str] = &[
    "", " ", "yes", "~", "null", "0777", "1e3", "2024-01-01", "12:30:45", "- a", "a: b", "#",
    "a #b", "---", "...", "\n", "\n\na", "a\n", "a\n\n", " a\nb", "a \nb", "a\n  b\n", "<<",
    "=", "*a", "&a", "!a", "%a", "@a", "`", "{", "[a", "'", "\"", "\\", "|", ">", "?", "-",
    ":", "\u{feff}", "\u{85}", "\u{2028}a\nb", "\t", "a\tb\nc", "1_0", ".5", ".inf", "0x1",
    "k\r\nl", "\u{7f}", "\u{1f600}",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(TRAPS).prop_map(str::to_owned),
        ".{0,12}",
        "[a-z \n:#-]{0,12}",
        proptest::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("JSON holds finite numbers", |number| {
            from_f64(number).map(Value::Number)
        }),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

#[test]
fn of_keys_that_may_repeat_the_first_is_found_and_the_whole_has_no_value() {
    let text = b"a: {b: 1}\nc: x\na: {b: 2}\n";
    let refused = documents("a.yaml", text, Rules::Kustomize).expect_err("a key repeats");
    assert_eq!(
        refused.to_string(),
        "a.yaml:3: the key `a` occurs twice in one mapping"
    );
    let root = documents_with_repeated_keys("a.yaml", text)
        .expect("keys may repeat")
        .remove(0)
        .root;
    assert_eq!(root.get("a").map(Node::to_json), Some(Ok(json!({"b": 1}))));
    let error = root.to_json().expect_err("a key repeats");
    assert_eq!(
        error.to_string(),
        "line 3: the key `a` occurs twice in one mapping"
    );
}

#[test]
fn what_cannot_be_made_an_object_cannot_be_printed() {
    let keys: String = (0..100).map(|key| format!("  k{key}: {key}\n")).collect();
    let repeated = format!("metadata: {{name: a}}\nspec:\n{keys}  k98: 1\n");
    for text in [
        "metadata: {name: a}\nspec: {a: 1, b: 2, a: 3}\n",
        repeated.as_str(),
        "metadata: {name: a}\nspec: [.inf]\n",
        "metadata: {name: 7}\n",
        "metadata: {name: ~}\n",
        "metadata: {name: [a]}\n",
        "metadata: {name: ''}\n",
        "metadata: name\n",
        "spec: 1\n",
    ] {
        let text = format!("apiVersion: v1\nkind: A\n{text}");
        let documents = documents_with_repeated_keys("a.yaml", text.as_bytes());
        let root = documents.expect("it is YAML").remove(0).root;
        let source = Source {
            file: "a.yaml".to_owned(),
            line: 1,
        };
        let object = root.to_json();
        let object = object.map_err(|error| ManifestError::unfit(&source, &root, &error));
        let made = object.and_then(|object| Manifest::new(object, Some(source.clone())));
        let error = made.expect_err("it is no object");
        assert_eq!(Printed::new(&root, &source), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn the_print_reads_as_it_was_under_both_rules(spec in tree()) {
        let object = json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "spec": spec});
        let manifest = Manifest::new(object.clone(), None).expect("it is an object");
        let print = to_yaml(&[manifest]);
        for rules in [Rules::Kubernetes, Rules::Kustomize] {
            let documents = documents("a.yaml", print.as_bytes(), rules);
            let read = documents.map(|documents| documents[0].root.to_json());
            prop_assert_eq!(read, Ok(Ok(object.clone())), "{}", print);
        }
    }

    #[test]
    fn a_node_keeps_the_value_it_was_made_of(value in tree()) {
        prop_assert_eq!(Node::from_json(&value).to_json(), Ok(value));
    }

    #[test]
    fn an_object_prints_the_same_before_and_after_it_is_made(object in tree(), named in any::<bool>()) {
        let object = match named {
            true => json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a", "namespace": object}, "spec": object}),
            false => json!({"apiVersion": "v1", "kind": object, "metadata": {"name": object}}),
        };
        let source = Source { file: "a.yaml".to_owned(), line: 3 };
        let made = Manifest::new(object.clone(), Some(source.clone()));
        let made = made.map(|manifest| Printed::from(&manifest));
        prop_assert_eq!(Printed::new(&Node::from_json(&object), &source), made.clone());
        // As read, with what texts look like.
        let text = object.to_string();
        if let Ok(read) = documents("a.yaml", text.as_bytes(), Rules::Kustomize) {
            prop_assert_eq!(Printed::new(&read[0].root, &source), made);
        }
    }

    #[test]
    fn what_has_no_key_twice_is_read_the_same_where_keys_may_repeat(value in tree()) {
        let text = format!("a: {value}\n");
        let once = documents("a.yaml", text.as_bytes(), Rules::Kustomize);
        prop_assert_eq!(documents_with_repeated_keys("a.yaml", text.as_bytes()), once);
    }

    #[test]
    fn what_was_made_without_a_type_means_what_its_text_means_in_a_document(text in "[-+.0-9a-fox_enulrs]{1,8}") {
        let made = Node::Scalar(Scalar::new(text.clone(), ScalarKind::Untagged, 0));
        let read = documents("a.yaml", format!("a: {text}\n").as_bytes(), Rules::Kustomize);
        // A text like `-` is no plain scalar.
        if let Ok(read) = read && let Some(read @ Node::Scalar(_)) = read[0].root.get("a") {
            prop_assert_eq!(made.to_json().ok(), read.to_json().ok());
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_documents("a.yaml", &bytes);
        let _ = documents("a.yaml", &bytes, Rules::Kustomize);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-c0-9&*!<{}\\[\\],:'\"|>%#? \n\t-]{0,80}") {
        let _ = parse_documents("a.yaml", text.as_bytes());
        let _ = documents("a.yaml", text.as_bytes(), Rules::Kustomize);
    }
}
