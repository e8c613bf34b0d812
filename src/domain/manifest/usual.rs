//! The form that nearly all manifests are written in, read directly: many times faster than YAML at large.
//!
//! Block mappings and sequences, scalars of one line, literal blocks, flow collections of one line, comments; in printable ASCII.
//! Invariant: what is read here is what the YAML parser reads, down to the lines; whatever is not surely so (anchors, tags, values
//! that are missing or go on in the next line, escapes, keys that repeat, any error) gives `None`, and the YAML parser decides.
//! What is absent: errors.

use super::compose::Seen;
use super::node::{Entry, Mapping, Node, Scalar, ScalarKind};
use super::parse::{Document, LIMITS};
use super::scalar::{Rules, classify};

/// Levels of nesting; more is left to the YAML parser.
const DEPTH: usize = 64;
/// The longest key, far below where YAML asks for another form.
const KEY: usize = 250;

/// The documents of `text`, if it is written in the usual form.
pub(super) fn documents(text: &str, rules: Rules) -> Option<Vec<Document>> {
    let usual = |byte: u8| byte == b'\n' || matches!(byte, b' '..=b'~');
    if !text.bytes().all(usual) {
        return None;
    }
    let mut reader = Reader {
        rest: text,
        number: 0,
        line: None,
        rules,
        nodes: 0,
    };
    reader.advance()?;
    let mut documents = Vec::new();
    while let Some(line) = reader.line {
        if line.is_separator() {
            reader.advance()?;
            continue;
        }
        let root = reader.block(line.indent, DEPTH)?;
        documents.push(Document {
            line: line.number,
            root,
        });
        if documents.len() > LIMITS.documents
            || reader.line.is_some_and(|line| !line.is_separator())
        {
            return None;
        }
    }
    Some(documents)
}

/// A line with content, or what is left of it behind `- `.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Its number, counted from 1.
    number: u32,
    /// The column at which `text` begins.
    indent: usize,
    /// Begins with no space.
    text: &'a str,
}

impl<'a> Line<'a> {
    /// `---`; whoever advanced to it knows that nothing else stands there.
    fn is_separator(&self) -> bool {
        self.indent == 0 && self.text.starts_with("---")
    }

    /// What follows `-`, if this is an item of a sequence.
    fn item(&self) -> Option<Line<'a>> {
        let after = self.text.strip_prefix('-')?;
        let text = after.trim_start_matches(' ');
        (after.is_empty() || text.len() < after.len()).then_some(Line {
            indent: self.indent + self.text.len() - text.len(),
            text,
            ..*self
        })
    }
}

struct Reader<'a> {
    /// The lines after the current one.
    rest: &'a str,
    /// The number of the last line that was taken from `rest`.
    number: u32,
    /// The current line; `None` at the end.
    line: Option<Line<'a>>,
    rules: Rules,
    nodes: usize,
}

impl<'a> Reader<'a> {
    /// Takes one line, whatever is in it. `None` at the end.
    fn take_line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number = self.number.saturating_add(1);
        Some(line)
    }

    /// Goes to the next line with content. `None` for one that is not usual.
    fn advance(&mut self) -> Option<()> {
        self.line = None;
        while let Some(line) = self.take_line() {
            let text = line.trim_start_matches(' ');
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let line = Line {
                number: self.number,
                indent: line.len() - text.len(),
                text,
            };
            if line.indent == 0 && text.starts_with("...") {
                return None;
            }
            if line.is_separator() && text.trim_end_matches(' ') != "---" {
                return None;
            }
            self.line = Some(line);
            return Some(());
        }
        Some(())
    }

    /// The current line, unless it is the end of all that is indented by `indent`.
    fn line_at(&self, indent: usize) -> Option<Option<Line<'a>>> {
        let Some(line) = self.line.filter(|line| !line.is_separator()) else {
            return Some(None);
        };
        match line.indent.cmp(&indent) {
            std::cmp::Ordering::Less => Some(None),
            std::cmp::Ordering::Equal => Some(Some(line)),
            // It goes on with a scalar of the line before, or is indented as nothing else is.
            std::cmp::Ordering::Greater => None,
        }
    }

    /// The collection that begins in the current line.
    fn block(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let depth = depth.checked_sub(1)?;
        let line = self.line?;
        self.count()?;
        if line.item().is_some() {
            return self.sequence(indent, depth);
        }
        if line.text.starts_with(['{', '[']) {
            let (node, after) = self.flow(line.text, line.number, depth)?;
            self.end_line(after)?;
            return Some(node);
        }
        self.mapping(indent, depth)
    }

    fn sequence(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let mut items = Vec::new();
        while let Some(item) = self.line_at(indent)?.and_then(|line| line.item()) {
            items.push(if item.text.is_empty() {
                self.advance()?;
                self.nested(indent, depth)?
            } else if item.item().is_some() || key(item.text).is_some() {
                self.line = Some(item);
                self.block(item.indent, depth)?
            } else {
                self.value(item.text, item.number, indent, depth)?
            });
        }
        Some(Node::Sequence(items))
    }

    /// The collection that begins in the current line, deeper than `indent`.
    fn nested(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let line = self.line.filter(|line| line.indent > indent)?;
        self.block(line.indent, depth)
    }

    fn mapping(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let mut entries = Vec::new();
        let mut seen = Seen::default();
        while let Some(line) = self.line_at(indent)? {
            let (name, after) = key(line.text)?;
            let name = self.new_key(name, &mut seen, &entries)?;
            let text = after.trim_start_matches(' ');
            let value = if text.is_empty() || text.starts_with('#') {
                self.advance()?;
                match self.line {
                    // A sequence may stand as deep as its key.
                    Some(below) if below.indent == indent && below.item().is_some() => {
                        self.block(indent, depth)?
                    }
                    _ => self.nested(indent, depth)?,
                }
            } else {
                self.value(text, line.number, indent, depth)?
            };
            entries.push(Entry {
                key: name,
                line: line.number,
                value,
            });
        }
        Some(Node::Mapping(Mapping { entries }))
    }

    /// A value that begins in the current line, within a collection at `indent`.
    fn value(&mut self, text: &'a str, number: u32, indent: usize, depth: usize) -> Option<Node> {
        if let Some(header) = text.strip_prefix('|') {
            return self.literal(header, number, indent);
        }
        if text.starts_with(['{', '[', '"', '\'']) {
            let (node, after) = self.flow(text, number, depth)?;
            self.end_line(after)?;
            return Some(node);
        }
        let text = text.split_once(" #").map_or(text, |(text, _)| text);
        let text = text.trim_end_matches(' ');
        if !begins_plain(text) || text.ends_with(':') || text.contains(": ") {
            return None;
        }
        self.advance()?;
        self.plain(text, number)
    }

    /// Goes on after a value that is followed by `after` in its line.
    fn end_line(&mut self, after: &str) -> Option<()> {
        let text = after.trim_start_matches(' ');
        let comment = text.starts_with('#') && text.len() < after.len();
        (text.is_empty() || comment).then_some(())?;
        self.advance()
    }

    /// A literal block within a collection at `indent`.
    fn literal(&mut self, header: &str, number: u32, indent: usize) -> Option<Node> {
        let keeps_line_feed = match header.trim_end_matches(' ') {
            "" => true,
            "-" => false,
            _ => return None,
        };
        let mut text = String::new();
        let mut margin = None;
        let mut blank = 0;
        loop {
            let (rest, at) = (self.rest, self.number);
            let Some(line) = self.take_line() else { break };
            let content = line.trim_start_matches(' ');
            let spaces = line.len() - content.len();
            let margin = *margin.get_or_insert(spaces);
            if content.is_empty() {
                // Spaces beyond the margin are content, and a block that begins with them finds its margin in another way.
                (!text.is_empty() && spaces <= margin).then_some(())?;
                blank += 1;
                continue;
            }
            if spaces < margin || margin <= indent {
                (spaces <= indent && !text.is_empty()).then_some(())?;
                (self.rest, self.number) = (rest, at);
                break;
            }
            text.extend(std::iter::repeat_n('\n', std::mem::take(&mut blank)));
            text.push_str(&line[margin..]);
            text.push('\n');
            // The last line has no line feed of its own.
            (!self.rest.is_empty() || rest.ends_with('\n')).then_some(())?;
        }
        (!text.is_empty()).then_some(())?;
        if !keeps_line_feed {
            text.pop();
        }
        self.advance()?;
        // Its own line is the first of its text, which no other line precedes.
        self.scalar(text, ScalarKind::Text, number + 1, true)
    }

    /// A flow collection or a quoted scalar, and what follows it in the line.
    fn flow(&mut self, text: &'a str, number: u32, depth: usize) -> Option<(Node, &'a str)> {
        let depth = depth.checked_sub(1)?;
        match text.as_bytes().first()? {
            b'{' => self.flow_mapping(&text[1..], number, depth),
            b'[' => self.flow_sequence(&text[1..], number, depth),
            b'"' | b'\'' => {
                let (quoted, after) = quoted(text)?;
                let node = self.scalar(quoted.to_owned(), ScalarKind::Text, number, true)?;
                Some((node, after))
            }
            _ => {
                let end = text.find([',', ']', '}'])?;
                let (plain, after) = text.split_at(end);
                let plain = plain.trim_end_matches(' ');
                Some((self.flow_plain(plain, number)?, after))
            }
        }
    }

    fn flow_plain(&mut self, text: &str, number: u32) -> Option<Node> {
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || b" _./-+@:$()=~".contains(&byte);
        let whole = begins_plain(text) && text.bytes().all(usual);
        (whole && !text.ends_with(':') && !text.contains(": ")).then_some(())?;
        self.plain(text, number)
    }

    fn flow_mapping(
        &mut self,
        mut text: &'a str,
        number: u32,
        depth: usize,
    ) -> Option<(Node, &'a str)> {
        self.count()?;
        let mut entries = Vec::new();
        let mut seen = Seen::default();
        loop {
            text = text.trim_start_matches(' ');
            if let Some(after) = text.strip_prefix('}') {
                return Some((Node::Mapping(Mapping { entries }), after));
            }
            let (name, after) = key(text)?;
            let name = self.new_key(name, &mut seen, &entries)?;
            let (value, after) = self.flow(after.trim_start_matches(' '), number, depth)?;
            entries.push(Entry {
                key: name,
                line: number,
                value,
            });
            text = next_item(after, '}')?;
        }
    }

    fn flow_sequence(
        &mut self,
        mut text: &'a str,
        number: u32,
        depth: usize,
    ) -> Option<(Node, &'a str)> {
        self.count()?;
        let mut items = Vec::new();
        loop {
            text = text.trim_start_matches(' ');
            if let Some(after) = text.strip_prefix(']') {
                return Some((Node::Sequence(items), after));
            }
            let (item, after) = self.flow(text, number, depth)?;
            items.push(item);
            text = next_item(after, ']')?;
        }
    }

    /// A key as its mapping has it, if it is a string that is not there yet.
    fn new_key(&mut self, key: Key<'_>, seen: &mut Seen, entries: &[Entry]) -> Option<String> {
        self.count()?;
        let string = key.quoted || classify(key.text, self.rules) == ScalarKind::Text;
        (string && seen.is_new(key.text, entries)).then(|| key.text.to_owned())
    }

    fn plain(&mut self, text: &str, number: u32) -> Option<Node> {
        self.scalar(text.to_owned(), classify(text, self.rules), number, false)
    }

    fn scalar(&mut self, text: String, kind: ScalarKind, line: u32, quoted: bool) -> Option<Node> {
        self.count()?;
        Some(Node::Scalar(Scalar {
            quoted,
            ..Scalar::new(text, kind, line)
        }))
    }

    fn count(&mut self) -> Option<()> {
        self.nodes += 1;
        (self.nodes <= LIMITS.nodes).then_some(())
    }
}

struct Key<'a> {
    text: &'a str,
    quoted: bool,
}

/// The key at the beginning of a text, and what follows its colon: nothing, or a space.
fn key(text: &str) -> Option<(Key<'_>, &str)> {
    let (key, after) = match text.as_bytes().first()? {
        b'"' | b'\'' => {
            let (text, after) = quoted(text)?;
            (Key { text, quoted: true }, after)
        }
        b'-' => return None,
        _ => {
            let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
            let end = text.bytes().position(|byte| !usual(byte))?;
            let (text, after) = text.split_at(end);
            (
                Key {
                    text,
                    quoted: false,
                },
                after,
            )
        }
    };
    let after = after.strip_prefix(':')?;
    let ends = after.is_empty() || after.starts_with(' ');
    let fits = (1..=KEY).contains(&key.text.len());
    (ends && fits).then_some((key, after))
}

/// The content of a quoted scalar that escapes nothing, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next()?;
    let (content, after) = text[1..].split_once(quote)?;
    let escapes = match quote {
        '"' => content.contains('\\'),
        _ => after.starts_with('\''),
    };
    (!escapes).then_some((content, after))
}

/// Whether a plain scalar may begin so in every place.
fn begins_plain(text: &str) -> bool {
    match text.as_bytes() {
        [b'-', next, ..] => next.is_ascii_alphanumeric() || *next == b'-',
        [first, ..] => first.is_ascii_alphanumeric() || b"_./+$(~\\".contains(first),
        [] => false,
    }
}

/// What follows an item of a flow collection, from the next item or the end on.
fn next_item(after: &str, end: char) -> Option<&str> {
    let text = after.trim_start_matches(' ');
    match text.strip_prefix(',') {
        Some(next) => Some(next),
        None => text.starts_with(end).then_some(text),
    }
}

#[cfg(test)]
mod tests {
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
        "", " ", "  ", "\n", "#", ":", ": ", "- ", "'", "\"", "{", "]", ",", "|", "a", "-", "&",
        "\t", "---\n",
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
}
