use super::super::parse::parsed;
use super::*;
use proptest::prelude::*;

const SAMPLE: &str = r#"# what a team writes
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web, "app.kubernetes.io/part-of": 'shop'}
  annotations:
    note: "a b: c" # why
    url: http://example.com:80/a?b=c#d
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: main
        image: ghcr.io/acme/web:1.0.0 # {"$imagepolicy": "apps:web"}
        args: ["--port=8080", -v, 'x', [a, b c]]

        ports: [{containerPort: 8080, name: http}]
        env:
          - name: A
            value: "1"
          -   name: B
              value: $(A)
      - - 1
        - ~
        -
          x: 0777
      volumes: []
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  plain: |
    one: 1

      # two
    three
  stripped: |-
    # a
    b

  last: 2001-01-01
---
# nothing
---
- yes
- 1.10
"#;

fn by_the_parser(text: &str, rules: Rules) -> Option<Vec<Document>> {
    parsed("a.yaml", text, rules).ok()
}

const RULES: [Rules; 2] = [Rules::Kubernetes, Rules::Kustomize];

#[test]
fn what_teams_write_is_usual() {
    for rules in RULES {
        let documents = documents(SAMPLE, rules);
        assert!(documents.is_some());
        assert_eq!(documents, by_the_parser(SAMPLE, rules));
    }
}

#[test]
fn what_yaml_reads_in_its_own_way_is_left_to_its_parser() {
    for text in [
        "a: &b c\n",
        "a: *b\n",
        "a: !!str 1\n",
        "a: \"\\n\"\n",
        "a: 'it''s'\n",
        "a: b\n  c\n",
        "a: [b,\n  c]\n",
        "a: >\n  b\n",
        "a: |+\n  b\n",
        "a: |2\n    b\n",
        "a:\n",
        "a: 1\na: 2\n",
        "yes: 1\n1: 2\n~: x\n",
        "<<: {a: b}\n",
        "? a\n: b\n",
        "%YAML 1.1\n---\na: b\n",
        "a: b\n...\n",
        "--- a\n",
        "a: b: c\n",
        "a:\tb\n",
        "a: ä\n",
        "a: b\r\n",
        "a: |\n  b",
        "a: {b}\n",
        "a: {b:c}\n",
        "a: [b: c]\n",
        "a: @b\n",
        "text\n",
    ] {
        let read = RULES.map(|rules| documents(text, rules));
        assert!(read.contains(&None), "{text:?} gives {read:?}");
    }
}

/// Lines that are usual, nearly usual, and wrong.
const LINES: &[&str] = &[
    "a: 1",
    "b:",
    "c: ",
    "- x",
    "- c: d",
    "-",
    "- - 1",
    "- ",
    " ",
    "",
    "# c",
    "---",
    "--- ",
    "--- x",
    "...",
    "d: {x: y, z: [1, 2]}",
    "e: |",
    "e: |-",
    "e: | ",
    "e: | # c",
    "e: >",
    "text",
    "'q': 'v'",
    "f: \"v\" # c",
    "f: \"v\"# c",
    "g: a: b",
    "h: - x",
    "- [a]",
    "- {a: b}",
    "- {a: b}: c",
    "i: *a",
    "j: &a b",
    "k: yes",
    "yes: k",
    "a: 2",
    "l: 'x",
    "n: {a: b,}",
    "n: {a: b , c: d }",
    "o: [a, ]",
    "o: [ a ,b]",
    "p: [,]",
    "p: [a,,b]",
    "q: {a, b}",
    "s: x #y",
    "s: x#y",
    "s: x # y",
    "t: #y",
    "t:#y",
    "u: ~",
    "2001-01-01: x",
    "v: 2001-01-01",
    "? x",
    "w: http://a:80/b",
    "\"a b\": c",
    "\"a\":b",
    "x: {\"a\": b}",
    "x: {\"a\":b}",
    "y: a:",
    "y: a: ",
    "z: {k: -1, l: --m, n: a b}",
    "z: {k: - 1}",
    "z: {k: a:b}",
    "z: {k: a:}",
    "A: [a: b]",
    "A: [a:b]",
    "B: {a: b: c}",
    "C: (x)",
    "D: $(Y)",
    "E: \\x",
    "E: \"\\x\"",
    "F: +1",
    "F: -",
    "F: --",
    "F: ---",
    "G: ''",
    "G: \"\"",
    "'': a",
    ": a",
    "H: .5",
    "H: [~]",
    "H: [a b]",
    "H: [[], {}]",
    "H: [a] b",
    "H: {} #",
    "H: {}#",
    "I: a, b]",
    "I: a{b}",
    "J: =",
    "J: <<",
    "<<: {a: b}",
    "a/b.c_d-e: f",
    "- 'a': b",
    "- \"a\"",
    "- |",
    "- |-",
    "- a: |",
    "- # c",
    "- !x y",
    "-x",
    "-x: y",
    "- -x",
    "- a:b",
    "a :b",
    "a : b",
    "a:  b  ",
];

fn lines() -> impl Strategy<Value = String> {
    let line = (0..7_usize, proptest::sample::select(LINES))
        .prop_map(|(indent, line)| format!("{:indent$}{line}", ""));
    (proptest::collection::vec(line, 0..9), any::<bool>()).prop_map(|(lines, ended)| {
        let end = if ended { "\n" } else { "" };
        lines.join("\n") + end
    })
}

const PIECES: &[&str] = &[
    "", " ", "  ", "\n", "#", ":", ": ", "- ", "'", "\"", "{", "]", ",", "|", "a", "-", "&", "\t",
    "---\n",
];

/// The sample with a few places changed.
fn changed() -> impl Strategy<Value = String> {
    let change = (
        0..SAMPLE.len(),
        0..3_usize,
        proptest::sample::select(PIECES),
    );
    proptest::collection::vec(change, 1..4).prop_map(|changes| {
        let mut text = SAMPLE.to_owned();
        for (at, length, piece) in changes {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.replace_range(at..end, piece);
        }
        text
    })
}

proptest! {
    #[test]
    fn what_is_read_as_usual_is_what_the_parser_reads(text in prop_oneof![lines(), changed()], second: bool) {
        let rules = RULES[usize::from(second)];
        if let Some(documents) = documents(&text, rules) {
            prop_assert_eq!(Some(documents), by_the_parser(&text, rules));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(text in "[ -~\n]{0,60}") {
        let _ = documents(&text, Rules::Kubernetes);
    }
}
