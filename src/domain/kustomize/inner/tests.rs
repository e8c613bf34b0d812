//! Expected texts are those of kustomize v5.8.1 (golden cases `replacement-inside-...` ask it again).

use super::*;
use crate::domain::kustomize::field_path::split;
use proptest::prelude::*;

fn put(text: &str, path: &str, value: &str) -> Result<String, Refusal> {
    write(text, &split(path), None, &Node::text(value), &|| None)
}

fn made(text: &str, path: &str, value: &str) -> Result<String, Refusal> {
    let create = Some(Leaf::Scalar);
    write(text, &split(path), create, &Node::text(value), &|| None)
}

fn printed(text: &str, path: &str, value: &str) -> String {
    put(text, path, value).expect("it can be written")
}

#[test]
fn json_stays_json_with_sorted_keys() {
    assert_eq!(
        printed(r#"{"b": 1, "a": "x"}"#, "a", "<y>"),
        r#"{"a":"\u003cy\u003e","b":1}"#
    );
    assert_eq!(
        printed("{\n  \"b\": [1, {}],\n  \"a\": 2\n}", "a", "3"),
        "{\n  \"a\": 3,\n  \"b\": [\n    1,\n    {}\n  ]\n}"
    );
    assert_eq!(
        printed("[1e30, 1e-7, 1.0, 4]", "3", "5"),
        "[1e+30,1e-7,1,5]"
    );
}

#[test]
fn json_cannot_hold_what_is_no_longer_a_number_or_a_key_that_is_no_string() {
    assert!(matches!(
        put(r#"{"a": 1}"#, "a", "x"),
        Err(Refusal::Impossible(_))
    ));
    assert!(matches!(
        put("{1: 2, a: b}", "a", "x"),
        Err(Refusal::Impossible(_))
    ));
}

#[test]
fn escapes_that_only_json_has_are_refused() {
    for text in [r#"{"a": "\/"}"#, r#"{"a": "\ud83d\ude00"}"#] {
        assert!(
            matches!(put(text, "a", "x"), Err(Refusal::Impossible(_))),
            "{text}"
        );
    }
    assert_eq!(
        printed(r#"{"a": "x", "b": "\\/\ud7ff"}"#, "a", "y"),
        "{\"a\":\"y\",\"b\":\"\\\\/\u{d7ff}\"}"
    );
}

#[test]
fn yaml_is_laid_out_anew() {
    let text = "a:\n    b:   old\n    c:\n        - 1\n        -   - 2\n\n\nd: {e: [ ]}\n";
    assert_eq!(
        printed(text, "a.b", "new"),
        "a:\n  b: new\n  c:\n  - 1\n  - - 2\nd: {e: []}"
    );
}

#[test]
fn yaml_keeps_quotes_and_types_and_says_so() {
    for (text, expected) in [
        ("a: 'x'", "a: '5'"),
        ("a: \"x\"", "a: \"5\""),
        ("a: x", "a: \"5\""),
        ("a: 1", "a: 5"),
    ] {
        assert_eq!(printed(text, "a", "5"), expected);
    }
    assert_eq!(printed("a: 1", "a", "x"), "a: !!int x");
    assert_eq!(
        printed("a: !!int x\nb: !!str 1", "a", "y"),
        "a: !!int y\nb: !!str 1"
    );
    assert_eq!(printed("a: x", "a", "1\n2"), "a: |-\n  1\n  2");
    assert_eq!(printed("a: 'x'", "a", "\u{1F600}"), "a: \"\\U0001F600\"");
}

#[test]
fn comments_stay_with_what_they_are_about() {
    let text =
        "# all\n\n# a\na: 1 # one\n\n# b\nb: # two\n  # c\n  - c # three\n# foot of b\n\nd: 4\n";
    let refused = put(text, "d", "5");
    assert!(
        matches!(refused, Err(Refusal::Unsupported(_))),
        "{refused:?}"
    );
    let text = "# all\n\n# a\na: 1 # one\n\n# b\nb: # two\n  # c\n  - c # three\nd: 4\n# foot\n";
    assert_eq!(
        printed(text, "d", "5"),
        "# all\n\n# a\na: 1 # one\n# b\nb: # two\n# c\n- c # three\nd: 5\n# foot"
    );
}

#[test]
fn what_is_missing_is_made_on_demand() {
    assert!(put("a: 1", "b", "x").is_err());
    assert_eq!(
        made("a: 1", "b.c.[name=y].d", "x"),
        Ok("a: 1\nb:\n  c:\n  - name: y\n    d: x".to_owned())
    );
    assert_eq!(made("[]", "0", "x"), Ok(r#"["x"]"#.to_owned()));
    assert!(made("", "a", "x").is_err());
    assert!(made("# only words", "a", "x").is_err());
}

#[test]
fn a_string_inside_the_string_takes_nothing() {
    assert_eq!(printed("a: 'b: c'", "a.b", "x"), "a: 'b: c'");
    assert_eq!(look("a: b", &split("a"), None, &mut |_| Ok(())), Ok(1));
}

#[test]
fn what_cannot_be_printed_exactly_is_refused() {
    for text in [
        "a: &x 1\nb: 2",
        "a: !x 1\nb: 2",
        "<<: {c: 1}\nb: 2",
        "b: 1\nb: 2",
        "? [1]\n: 2\nb: 1",
        "b: [1, # c\n 2]",
        "- # c\n  b: 1",
        "a:\n  # odd\n\n\n # odder\nb: 1",
    ] {
        let refused = put(text, "b", "x");
        assert!(
            matches!(refused, Err(Refusal::Unsupported(_))),
            "{text}: {refused:?}"
        );
    }
}

#[test]
fn a_value_keeps_the_layout_of_its_file() {
    let file = "kind: A\n---\nkind: B\nspec:\n  m: {b: 1, a: 'x'} # c\n";
    let documents = crate::domain::manifest::documents("a.yaml", file.as_bytes(), Rules::Kustomize);
    let document = documents.expect("it is YAML").remove(1);
    let value = document
        .root
        .get("spec")
        .and_then(|spec| spec.get("m"))
        .expect("it is there");
    let start = document.line as usize;
    let found = write("o: {}", &split("o"), None, value, &|| {
        layout(file, start, value)
    });
    assert_eq!(found, Ok("o: {b: 1, a: 'x'} # c".to_owned()));
    let other = file.replace("'x'", "'y'");
    assert!(layout(&other, start, value).is_none());
}

proptest! {
    #[test]
    fn no_text_panics(text in "[ab:\\-#'\"\\[\\]{},|>\n ]{0,40}", create: bool) {
        for path in ["a", "0", "a.b", "[=a]", "*"] {
            let _ = if create { made(&text, path, "x") } else { put(&text, path, "x") };
        }
    }

    #[test]
    fn what_is_printed_prints_as_itself(keys in prop::collection::btree_map("[a-z]{1,4}", "[ -~]{0,12}", 1..5)) {
        let text: String = keys.iter().map(|(key, value)| format!("{key}: '{}'\n", value.replace('\'', "''"))).collect();
        let once = printed(&format!("{text}LAST: x\n"), "LAST", "same");
        prop_assert_eq!(printed(&once, "LAST", "same"), once);
    }
}
