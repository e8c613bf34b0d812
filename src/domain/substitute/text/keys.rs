//! The order of keys in Flux's text: letters after everything else, numbers by value.
//!
//! Invariant: every key once. The order is no order of sets in odd cases (`0`, digits beyond 64
//! bits), so the sort is one that ends well with any comparison. What is absent: locales.

use serde_json::{Map, Value};

/// The entries in the order of the text.
pub(super) fn sorted(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
    merge_sort(object.iter().collect())
}

fn merge_sort<'a>(mut entries: Vec<(&'a String, &'a Value)>) -> Vec<(&'a String, &'a Value)> {
    if entries.len() < 2 {
        return entries;
    }
    let behind = merge_sort(entries.split_off(entries.len() / 2));
    let (mut front, mut behind) = (
        merge_sort(entries).into_iter().peekable(),
        behind.into_iter().peekable(),
    );
    let mut merged = Vec::with_capacity(front.len() + behind.len());
    while let (Some((one, _)), Some((other, _))) = (front.peek(), behind.peek()) {
        let next = if is_less(other, one) {
            behind.next()
        } else {
            front.next()
        };
        merged.extend(next);
    }
    merged.extend(front);
    merged.extend(behind);
    merged
}

fn is_less(one: &str, other: &str) -> bool {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let differs = one.iter().zip(&other).position(|(a, b)| a != b);
    let Some(at) = differs else {
        return one.len() < other.len();
    };
    match (one[at].is_alphabetic(), other[at].is_alphabetic()) {
        (true, true) => return one[at] < other[at],
        (false, false) => {}
        (_, is_letter) => return is_letter,
    }
    // Behind a number that has begun before, a zero is a digit like others.
    let begun = one[..at]
        .iter()
        .rev()
        .take_while(|digit| digit.is_ascii_digit())
        .any(|digit| *digit != '0');
    let start = i64::from(begun && (one[at] == '0' || other[at] == '0'));
    let (first, first_end) = number(&one[at..], start);
    let (second, second_end) = number(&other[at..], start);
    if first != second {
        return first < second;
    }
    if first_end != second_end {
        return first_end < second_end;
    }
    one[at] < other[at]
}

/// The digits as a number, which goes round as Go's does, and how many there are.
fn number(text: &[char], start: i64) -> (i64, usize) {
    let digits = text.iter().map_while(|digit| digit.to_digit(10));
    digits.fold((start, 0), |(value, count), digit| {
        let value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        (value, count + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn order(object: &Value) -> Vec<&str> {
        let object = object.as_object().expect("it is an object");
        sorted(object)
            .into_iter()
            .map(|(key, _)| key.as_str())
            .collect()
    }

    #[test]
    fn numbers_count_and_letters_come_last() {
        let object =
            json!({"b": 0, "a10": 0, "a9": 0, "a-b": 0, "ab": 0, "a": 0, "1": 0, "_": 0, "B": 0});
        assert_eq!(
            order(&object),
            ["_", "1", "B", "a", "a-b", "a9", "a10", "ab", "b"]
        );
    }

    #[test]
    fn keys_without_an_order_are_kept() {
        let object = json!({"99999999999999999999": 0, "100": 0, "1000": 0, "1-": 0, "10a": 0, "0": 0, "00": 0, "01": 0});
        assert_eq!(order(&object).len(), 8);
    }
}
