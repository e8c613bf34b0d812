//! Puts edits into a document, and lets them stand only if the document then reads as it should.

use super::plan::Edit;
use crate::domain::yaml::template::{Masked, mask};
use crate::domain::yaml::transcript::agrees;
use std::ops::Range;

/// The edited document would not be the old one with new values.
#[derive(Debug)]
pub(super) struct Refused;

/// Applies the edits (in any order, apart from each other) and reads the result again: but for the edited scalars it must give
/// the transcript of the old document. With a mask, the masked documents are compared, after showing that the edited
/// document's mask is the mask edited.
pub(super) fn edit(
    document: &str,
    masked: Option<&Masked>,
    edits: &[Edit<'_>],
    transcript: &[u8],
) -> Result<String, Refused> {
    let texts: Vec<_> = edits
        .iter()
        .map(|edit| (edit.span.clone(), edit.text.as_bytes()))
        .collect();
    let entries: Vec<_> = edits
        .iter()
        .map(|edit| (edit.entry.clone(), edit.after.as_slice()))
        .collect();
    let expected = splice(transcript, entries)?;
    let edited = text(splice(document.as_bytes(), texts.clone())?)?;
    let reads_well = match masked {
        None => agrees(&edited, &expected),
        Some(masked) => {
            let again = mask(&edited).text;
            again.as_bytes() == splice(masked.text.as_bytes(), texts)? && agrees(&again, &expected)
        }
    };
    if reads_well { Ok(edited) } else { Err(Refused) }
}

fn text(bytes: Vec<u8>) -> Result<String, Refused> {
    String::from_utf8(bytes).map_err(|_| Refused)
}

/// Replaces byte ranges. Refuses ranges that overlap or reach beyond the end.
fn splice(old: &[u8], mut parts: Vec<(Range<usize>, &[u8])>) -> Result<Vec<u8>, Refused> {
    parts.sort_by_key(|(range, _)| range.start);
    let added: usize = parts.iter().map(|(_, part)| part.len()).sum();
    let mut new = Vec::with_capacity(old.len() + added);
    let mut at = 0;
    for (range, part) in parts {
        new.extend_from_slice(old.get(at..range.start).ok_or(Refused)?);
        new.extend_from_slice(part);
        at = range.end;
    }
    new.extend_from_slice(old.get(at..).ok_or(Refused)?);
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spliced(old: &str, parts: &[(Range<usize>, &str)]) -> Option<String> {
        let parts = parts
            .iter()
            .map(|(range, part)| (range.clone(), part.as_bytes()))
            .collect();
        splice(old.as_bytes(), parts)
            .ok()
            .and_then(|new| String::from_utf8(new).ok())
    }

    #[test]
    fn ranges_are_replaced_and_the_rest_is_kept() {
        assert_eq!(
            spliced("abcdef", &[(4..5, "XY"), (0..1, "")]).as_deref(),
            Some("bcdXYf")
        );
        assert_eq!(spliced("abc", &[]).as_deref(), Some("abc"));
        assert_eq!(spliced("abc", &[(3..3, "d")]).as_deref(), Some("abcd"));
    }

    #[test]
    fn ranges_that_overlap_or_overrun_are_refused() {
        assert_eq!(spliced("abcdef", &[(0..3, "x"), (2..4, "y")]), None);
        assert_eq!(spliced("abc", &[(2..4, "x")]), None);
    }

    fn transcript(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for (event, _) in crate::domain::yaml::events(text).flatten() {
            crate::domain::yaml::transcript::write(&event, &mut out);
        }
        out
    }

    fn edit_of(span: Range<usize>, text: &str) -> Edit<'static> {
        Edit {
            span,
            text: text.to_owned(),
            entry: 0..0,
            after: Vec::new(),
            old: "",
            new: String::new(),
        }
    }

    #[test]
    fn an_edit_that_changes_the_structure_or_another_value_is_refused() {
        let document = "a: b # c\nd: e\n";
        let before = transcript(document);
        for (span, text) in [
            (3..4, "b: b"),
            (3..4, "b #"),
            (3..4, "c"),
            (3..4, "[b]"),
            (3..4, "*b"),
            (3..4, "\"b"),
            (5..8, "# x"),
        ] {
            assert!(
                edit(document, None, &[edit_of(span, text)], &before).is_err(),
                "{text}"
            );
        }
        assert!(edit(document, None, &[edit_of(3..4, "b  ")], &before).is_ok());
    }

    #[test]
    fn an_edit_that_meets_a_mask_is_refused() {
        let document = "{{ if }}\na: {{ x }}\n";
        let masked = mask(document);
        let before = transcript(&masked.text);
        assert!(edit(document, Some(&masked), &[], &before).is_ok());
        assert!(edit(document, Some(&masked), &[edit_of(12..13, "x")], &before).is_err());
        assert!(edit(document, Some(&masked), &[edit_of(9..10, "{{")], &before).is_err());
    }
}
