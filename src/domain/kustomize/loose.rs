//! Making a tree mean what Go's readers of YAML make of it when they know where a text is wanted.
//!
//! kustomize reads its own file strictly, and every other file (configs of plugins, files of
//! replacements and targets) with a reader that turns a number or a boolean into a text where a
//! field of its own type wants one: `newTag: 1.10` is the tag `1.1` there. Fields that come from an
//! embedded Go type are the exception, so each file has a list of paths.
//!
//! Invariant: only scalars change, and only those a path leads to; nulls stay. What is absent:
//! which paths a file has.

use crate::domain::manifest::{Entry, Mapping, Node, Scalar, ScalarKind};
use serde_json::{Number, Value};

/// How many bits of a number with a fraction its text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bits {
    /// What most readers show.
    Single,
    /// What the reader of prefixes and suffixes shows.
    Double,
}

/// Makes texts of the scalars that `paths` lead to: names divided by `/`, `*` for every name.
/// Lists on the way are walked.
pub(super) fn texts(root: &mut Node, paths: &[&str], bits: Bits) {
    for path in paths {
        let elements: Vec<&str> = path.split('/').collect();
        visit(root, &elements, bits);
    }
}

fn visit(node: &mut Node, path: &[&str], bits: Bits) {
    match node {
        Node::Sequence(items) => items.iter_mut().for_each(|item| visit(item, path, bits)),
        Node::Mapping(Mapping { entries }) => {
            let Some((first, rest)) = path.split_first() else {
                return;
            };
            let named = |entry: &&mut Entry| *first == "*" || entry.key.eq_ignore_ascii_case(first);
            for entry in entries.iter_mut().filter(named) {
                visit(&mut entry.value, rest, bits);
            }
        }
        Node::Scalar(scalar) if path.is_empty() => *scalar = text(scalar, bits),
        Node::Scalar(_) => {}
    }
}

fn text(scalar: &Scalar, bits: Bits) -> Scalar {
    let text = match Node::Scalar(scalar.clone()).to_json() {
        Ok(Value::Bool(flag)) => flag.to_string(),
        Ok(Value::Number(number)) => shown(&number, bits),
        Ok(Value::String(text)) => text,
        _ => return scalar.clone(),
    };
    Scalar {
        quoted: true,
        literal: scalar.literal,
        ..Scalar::new(text, ScalarKind::Text, scalar.line)
    }
}

/// Makes a text of every date and time, as JSON does.
pub(super) fn times(node: &mut Node) {
    match node {
        Node::Sequence(items) => items.iter_mut().for_each(times),
        Node::Mapping(Mapping { entries }) => {
            entries.iter_mut().for_each(|entry| times(&mut entry.value));
        }
        Node::Scalar(scalar) if scalar.meaning() == ScalarKind::Timestamp => {
            *scalar = text(scalar, Bits::Double);
        }
        Node::Scalar(_) => {}
    }
}

/// Drops every key that is one of `names` in another case, for readers that know one case only.
pub(super) fn exact(node: &mut Node, names: &[&str]) {
    let other_case = |key: &str| {
        names
            .iter()
            .any(|name| *name != key && name.eq_ignore_ascii_case(key))
    };
    match node {
        Node::Sequence(items) => items.iter_mut().for_each(|item| exact(item, names)),
        Node::Mapping(Mapping { entries }) => {
            entries.retain(|entry| !other_case(&entry.key));
            for entry in entries {
                exact(&mut entry.value, names);
            }
        }
        Node::Scalar(_) => {}
    }
}

/// A number as Go prints it in the shortest way: with an exponent from 1e21 on when it is whole,
/// and outside of 1e-4 to 1e6 when it has a fraction.
fn shown(number: &Number, bits: Bits) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() => match whole(value) {
            Some(whole) => whole,
            None => general(value, bits),
        },
        _ => number.to_string(),
    }
}

/// What 64 bits hold is whole again by the time it is read, whatever it was written as.
fn whole(value: f64) -> Option<String> {
    let text = format!("{value:.0}");
    let fits = text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    (value.fract() == 0.0 && fits).then_some(text)
}

fn general(value: f64, bits: Bits) -> String {
    let scientific = match bits {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the reader prints 32 bits of it"
        )]
        Bits::Single => format!("{:e}", value as f32),
        Bits::Double => format!("{value:e}"),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return plain(mantissa, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// `1.25` and 1 is `12.5`.
fn plain(mantissa: &str, exponent: i32) -> String {
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits = mantissa.replace('.', "");
    let Ok(point) = usize::try_from(exponent) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    };
    if digits.len() <= point + 1 {
        return format!("{sign}{digits:0<width$}", width = point + 1);
    }
    let (before, behind) = digits.split_at(point + 1);
    format!("{sign}{before}.{behind}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::{Rules, documents};

    fn parsed(text: &str) -> Node {
        documents("a.yaml", text.as_bytes(), Rules::Kustomize)
            .expect("it parses")
            .remove(0)
            .root
    }

    fn loose(value: &str, bits: Bits) -> String {
        let mut root = parsed(&format!("labels: {{a: {value}}}\n"));
        texts(&mut root, &["labels/*"], bits);
        let text = root.get("labels").and_then(|labels| labels.get("a"));
        text.and_then(Node::as_text)
            .expect("it is a scalar")
            .to_owned()
    }

    #[test]
    fn numbers_and_booleans_read_as_kubectl_kustomize_reads_them_as_labels() {
        // Asked of kubectl kustomize with a LabelTransformer.
        for (written, read) in [
            ("1.50", "1.5"),
            ("true", "true"),
            ("0x10", "16"),
            ("1234567.5", "1.2345675e+06"),
            ("1e3", "1000"),
            ("2020-01-01", "2020-01-01T00:00:00Z"),
            ("12345678901234567890", "12345678901234567890"),
            ("123456789012345678901", "1.2345679e+20"),
            ("3.14159265358979", "3.1415927"),
        ] {
            assert_eq!(loose(written, Bits::Single), read, "{written}");
        }
    }

    #[test]
    fn fractions_are_printed_as_go_prints_them() {
        for (written, single, double) in [
            ("0.1", "0.1", "0.1"),
            ("-12.5", "-12.5", "-12.5"),
            ("123456.5", "123456.5", "123456.5"),
            ("0.0001", "0.0001", "0.0001"),
            ("0.00001", "1e-05", "1e-05"),
            ("3.14159265358979", "3.1415927", "3.14159265358979"),
        ] {
            assert_eq!(loose(written, Bits::Single), single, "{written}");
            assert_eq!(loose(written, Bits::Double), double, "{written}");
        }
    }

    #[test]
    fn only_what_a_path_leads_to_changes() {
        let mut root = parsed("Image: {name: 1}\nother: 2\nlist: [{a: 3, b: 4}, {a: null}]\n");
        texts(&mut root, &["image/name", "list/a"], Bits::Single);
        let expected = parsed("Image: {name: '1'}\nother: 2\nlist: [{a: '3', b: 4}, {a: null}]\n");
        assert_eq!(root.to_json(), expected.to_json());
    }

    #[test]
    fn a_key_in_another_case_can_be_dropped_at_every_depth() {
        let mut root = parsed("prefix: a\nPrefix: b\nother: c\nspecs: [{Path: d, path: e}]\n");
        exact(&mut root, &["prefix", "path"]);
        let expected = parsed("prefix: a\nother: c\nspecs: [{path: e}]\n");
        assert_eq!(root.to_json(), expected.to_json());
    }

    #[test]
    fn times_become_texts_everywhere() {
        let mut root = parsed("a: [{b: 2024-02-03}]\n");
        times(&mut root);
        let expected = parsed("a: [{b: '2024-02-03T00:00:00Z'}]\n");
        assert_eq!(root.to_json(), expected.to_json());
    }
}
