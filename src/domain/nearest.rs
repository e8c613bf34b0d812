//! Which known name somebody meant who wrote another one.
//!
//! Invariant: a name that is far from all of them gives none, so that a hint is worth reading. What is absent: whether the name
//! was wrong.

/// The known name that takes the fewest edits, if that is few.
pub fn nearest(name: &str, known: &[&str]) -> Option<String> {
    let name = name.to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| (distance(&name, &candidate.to_ascii_lowercase()), *candidate))
        .min()
        .filter(|(edits, candidate)| *edits <= (candidate.len() / 3).max(2))
        .map(|(_, candidate)| candidate.to_owned())
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let substitute = diagonal + usize::from(character != *other);
            diagonal = row[column + 1];
            row[column + 1] = substitute.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let known = ["maxRequests", "maxTags", "pageSize", "qps"];
        for (name, meant) in [
            ("maxRequest", Some("maxRequests")),
            ("maxtags", Some("maxTags")),
            ("pagesize", Some("pageSize")),
            ("qbs", Some("qps")),
            ("timeout", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known).as_deref(), meant, "{name}");
        }
        assert_eq!(nearest("qps", &[]), None);
    }
}
