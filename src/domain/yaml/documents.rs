//! Cuts a YAML stream into its documents, by text alone.
//!
//! That is safe: a line that starts with `---` or `...` and then ends or goes on with a blank cannot be inside any scalar
//! (YAML 1.2.2, `c-forbidden`), so it is a document's boundary whatever stands around it. So one bad document, or one that
//! nobody marked, costs the others nothing.
//!
//! Invariant: the documents, put together, are the text. What is absent: parsing.

/// One document with its directives, and comments around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// The document's text.
    pub text: &'a str,
    /// Where it begins in the stream, in bytes.
    pub start: usize,
    /// The stream's line, from 1, on which it begins.
    pub line: usize,
}

/// What one line is to the cut.
enum Line {
    Start,
    End,
    /// Blank, comment or directive: belongs to whatever document is near.
    Filler,
    Content,
}

/// Cuts a stream into documents.
pub fn documents(stream: &str) -> Vec<Document<'_>> {
    let mut cut = Cut {
        stream,
        found: Vec::new(),
        start: 0,
        first_line: 1,
        open: false,
    };
    let mut at = 0;
    let mut line = 1;
    while at < stream.len() {
        let next = next_line(stream, at);
        match classify(&stream[at..next], cut.open) {
            Line::Start => {
                if cut.open {
                    cut.close(at, line);
                }
                cut.open = true;
            }
            Line::End => cut.close(next, line + 1),
            Line::Content => cut.open = true,
            Line::Filler => {}
        }
        at = next;
        line += 1;
    }
    cut.close(stream.len(), line);
    cut.found
}

/// The cut so far: everything before `start` is in `found`.
struct Cut<'a> {
    stream: &'a str,
    found: Vec<Document<'a>>,
    start: usize,
    first_line: usize,
    /// Whether the document that begins at `start` has its `---` or content already.
    open: bool,
}

impl Cut<'_> {
    fn close(&mut self, end: usize, next_line: usize) {
        if end > self.start {
            self.found.push(Document {
                text: &self.stream[self.start..end],
                start: self.start,
                line: self.first_line,
            });
        }
        self.start = end;
        self.first_line = next_line;
        self.open = false;
    }
}

fn next_line(stream: &str, at: usize) -> usize {
    let bytes = stream.as_bytes();
    match memchr::memchr2(b'\n', b'\r', &bytes[at..]) {
        None => bytes.len(),
        Some(offset)
            if bytes[at + offset] == b'\r' && bytes.get(at + offset + 1) == Some(&b'\n') =>
        {
            at + offset + 2
        }
        Some(offset) => at + offset + 1,
    }
}

fn classify(line: &str, open: bool) -> Line {
    // A byte-order mark may precede a document, not stand inside one.
    let line = if open {
        line
    } else {
        line.strip_prefix('\u{feff}').unwrap_or(line)
    };
    let marks = |mark: &str| {
        line.strip_prefix(mark)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
    };
    if marks("---") {
        Line::Start
    } else if marks("...") {
        Line::End
    } else if open {
        // Only boundaries matter from here on, and looking no further keeps long files quick.
        Line::Content
    } else {
        match line.trim_start_matches([' ', '\t']).chars().next() {
            None | Some('\n' | '\r' | '#') => Line::Filler,
            Some('%') if line.starts_with('%') => Line::Filler,
            Some(_) => Line::Content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(stream: &str) -> Vec<(usize, &str)> {
        documents(stream)
            .into_iter()
            .map(|d| (d.line, d.text))
            .collect()
    }

    #[test]
    fn a_stream_is_cut_at_its_markers() {
        assert_eq!(texts(""), []);
        assert_eq!(texts("a: 1"), [(1, "a: 1")]);
        assert_eq!(
            texts("a: 1\n---\nb: 2\n"),
            [(1, "a: 1\n"), (2, "---\nb: 2\n")]
        );
        assert_eq!(
            texts("---\na: 1\n--- # x\nb: 2"),
            [(1, "---\na: 1\n"), (3, "--- # x\nb: 2")]
        );
        assert_eq!(
            texts("a: 1\r\n---\r\nb: 2\r\n"),
            [(1, "a: 1\r\n"), (2, "---\r\nb: 2\r\n")]
        );
        assert_eq!(
            texts("a: 1\r---\rb: 2\r"),
            [(1, "a: 1\r"), (2, "---\rb: 2\r")]
        );
        assert_eq!(texts("---\n---\n"), [(1, "---\n"), (2, "---\n")]);
        assert_eq!(texts("a\n---"), [(1, "a\n"), (2, "---")]);
    }

    #[test]
    fn a_header_belongs_to_the_document_below() {
        let stream =
            "# licence\n\n%YAML 1.2\n---\na: 1\n...\n# second\n%TAG ! tag:x,2000:\n---\nb: 2\n";
        assert_eq!(
            texts(stream),
            [
                (1, "# licence\n\n%YAML 1.2\n---\na: 1\n...\n"),
                (7, "# second\n%TAG ! tag:x,2000:\n---\nb: 2\n")
            ]
        );
        assert_eq!(texts("\u{feff}---\na: 1\n"), [(1, "\u{feff}---\na: 1\n")]);
        assert_eq!(
            texts("\u{feff}# x\n---\na: 1\n"),
            [(1, "\u{feff}# x\n---\na: 1\n")]
        );
    }

    #[test]
    fn what_only_looks_like_a_marker_is_content() {
        for stream in [
            "----\na\n",
            " ---\na\n",
            "a: ---\n--\n",
            "---x\nb\n",
            "..\n....\n",
            "a\n\u{feff}---\n",
        ] {
            assert_eq!(texts(stream), [(1, stream)], "{stream:?}");
        }
    }

    proptest! {
        #[test]
        fn documents_put_together_are_the_stream(
            lines in prop::collection::vec(prop::sample::select(vec![
                "---", "...", "--- # x", "a: 1", "# c", "", "%YAML 1.2", "\u{feff}", " ---", "- é",
            ]), 0..30),
            ending in prop::sample::select(vec!["\n", "\r\n", "\r"]),
            last in any::<bool>(),
        ) {
            let mut stream = lines.join(ending);
            if last { stream.push_str(ending); }
            let mut joined = String::new();
            for document in documents(&stream) {
                prop_assert_eq!(document.start, joined.len());
                prop_assert_eq!(document.line, 1 + crate::domain::yaml::line_breaks(&joined));
                joined.push_str(document.text);
            }
            prop_assert_eq!(joined, stream);
        }
    }
}
