//! What a parser makes of a text, written down exactly, so that two readings can be compared byte by byte.
//!
//! The transcript holds every event: structure and its style, every scalar's value, style, tag and anchor, every alias and every
//! comment. It leaves positions out. Two texts with equal transcripts are the same document to every consumer of events.
//!
//! Invariant: entries are self-delimiting, so equal transcripts mean equal event sequences.

use granit_parser::{Event, ScalarStyle, StructureStyle, Tag};

/// Appends one event.
pub fn write(event: &Event<'_>, out: &mut Vec<u8>) {
    match event {
        Event::StreamStart => out.push(0),
        Event::StreamEnd => out.push(1),
        Event::DocumentStart(explicit, version) => {
            out.extend([2, u8::from(*explicit)]);
            if let Some(version) = version {
                number(out, version.major as usize + 1);
                number(out, version.minor as usize);
            } else {
                number(out, 0);
            }
        }
        Event::DocumentEnd => out.push(3),
        Event::Alias(id) => {
            out.push(4);
            number(out, *id);
        }
        Event::Comment(text, _) => {
            out.push(5);
            bytes(out, text);
        }
        Event::SequenceStart(style, anchor, tag) => {
            out.extend([6, structure(*style)]);
            properties(out, *anchor, tag.as_deref());
        }
        Event::SequenceEnd => out.push(7),
        Event::MappingStart(style, anchor, tag) => {
            out.extend([8, structure(*style)]);
            properties(out, *anchor, tag.as_deref());
        }
        Event::MappingEnd => out.push(9),
        Event::Scalar(value, style, anchor, tag) => {
            scalar(out, value, *style);
            properties(out, *anchor, tag.as_deref());
        }
        // Kinds that the chosen options do not produce, or that a later parser adds: never equal by accident.
        other => {
            out.push(255);
            bytes(out, &format!("{other:?}"));
        }
    }
}

/// Appends the start of a scalar's entry: its value and style, without anchor and tag, which follow it.
pub fn scalar(out: &mut Vec<u8>, value: &str, style: ScalarStyle) {
    let style = match style {
        ScalarStyle::Plain => 0,
        ScalarStyle::SingleQuoted => 1,
        ScalarStyle::DoubleQuoted => 2,
        ScalarStyle::Literal => 3,
        ScalarStyle::Folded => 4,
    };
    out.extend([10, style]);
    bytes(out, value);
}

/// The length of what [`scalar`] appends.
pub fn scalar_length(value: &str) -> usize {
    let digits = (usize::BITS - value.len().leading_zeros())
        .div_ceil(7)
        .max(1);
    2 + digits as usize + value.len()
}

fn structure(style: StructureStyle) -> u8 {
    match style {
        StructureStyle::Block => 0,
        StructureStyle::Flow => 1,
    }
}

fn properties(out: &mut Vec<u8>, anchor: usize, tag: Option<&Tag>) {
    number(out, anchor);
    match tag {
        None => out.push(0),
        Some(tag) => {
            out.push(1);
            bytes(out, tag.handle());
            bytes(out, tag.suffix());
            bytes(out, tag.original_handle());
        }
    }
}

fn bytes(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Seven bits a byte, the last one without the top bit.
fn number(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Whether a text is read exactly as a transcript says. Stops at the first difference.
pub fn agrees(text: &str, transcript: &[u8]) -> bool {
    let mut rest = transcript;
    let mut entry = Vec::with_capacity(64);
    for event in super::events(text) {
        let Ok((event, _)) = event else {
            return false;
        };
        entry.clear();
        write(&event, &mut entry);
        let Some(after) = rest.strip_prefix(entry.as_slice()) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::yaml::events;

    fn transcript(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for (event, _) in events(text).flatten() {
            write(&event, &mut out);
        }
        out
    }

    #[test]
    fn every_difference_a_reader_could_see_is_in_the_transcript() {
        let texts = [
            "a: b\n",
            "a: 'b'\n",
            "a: \"b\"\n",
            "a: c\n",
            "a: b # c\n",
            "a: b # d\n",
            "a: &x b\n",
            "a: !t b\n",
            "a: !!str b\n",
            "a: [b]\n",
            "a:\n- b\n",
            "a: {b: }\n",
            "a:\n  b:\n",
            "- a\n- b\n",
            "- a: b\n",
            "a: |\n  b\n",
            "a: |-\n  b\n",
            "a: >-\n  b\n",
            "a: b\nc: d\n",
            "a: b\n---\nc: d\n",
            "---\na: b\n",
            "%YAML 1.2\n---\na: b\n",
            "%YAML 1.1\n---\na: b\n",
            "&a a: &b b\nc: *a\n",
            "&a a: &b b\nc: *b\n",
            "a: ~\n",
            "a: \"\"\n",
            "",
            "# c\n",
        ];
        for (at, text) in texts.iter().enumerate() {
            assert!(agrees(text, &transcript(text)), "{text:?}");
            for other in &texts[at + 1..] {
                assert!(!agrees(other, &transcript(text)), "{text:?} and {other:?}");
            }
        }
    }

    #[test]
    fn the_length_of_an_entry_is_known_without_writing_it() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let value = "x".repeat(length);
            let mut out = Vec::new();
            scalar(&mut out, &value, ScalarStyle::Plain);
            assert_eq!(out.len(), scalar_length(&value));
        }
    }

    #[test]
    fn positions_are_not_in_the_transcript() {
        assert!(agrees(
            "a:   b   # c\r\n\r\nd: e\r\n",
            &transcript("a: b # c\nd: e")
        ));
    }

    #[test]
    fn a_text_that_cannot_be_read_agrees_with_nothing() {
        assert!(!agrees("a: [", &transcript("a: [")));
        assert!(!agrees("", &[]));
    }

    #[test]
    fn long_values_are_delimited() {
        let text = format!("a: {}\n", "x".repeat(100_000));
        assert!(agrees(&text, &transcript(&text)));
        assert!(!agrees(&text[1..], &transcript(&text)));
    }
}
