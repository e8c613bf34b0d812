//! Finding all matches, as Go's `FindAll` does.

use super::Pattern;
use std::ops::Range;

impl Pattern {
    /// The first match that starts at a byte or later; what is before still counts for `^` and `\b`.
    pub fn find_at(&self, text: &str, at: usize) -> Option<Range<usize>> {
        self.regex.find_at(text, at).map(|found| found.range())
    }

    /// All matches, none of which overlaps another; an empty one right behind another does not count.
    pub fn find_all<'p>(&'p self, text: &'p str) -> impl Iterator<Item = Range<usize>> + 'p {
        let mut at = 0;
        let mut last = None;
        std::iter::from_fn(move || {
            while at <= text.len() {
                let found = self.find_at(text, at)?;
                let repeated = found.is_empty() && last == Some(found.start);
                at = if found.end == at {
                    at + text[at..].chars().next().map_or(1, char::len_utf8)
                } else {
                    found.end
                };
                last = Some(found.end);
                if !repeated {
                    return Some(found);
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_match_behind_another_does_not_count() {
        let pattern = Pattern::new("a*").expect("it is well formed");
        let found: Vec<Range<usize>> = pattern.find_all("baaacé").collect();
        assert_eq!(found, [0..0, 1..4, 5..5, 7..7]);
    }
}
