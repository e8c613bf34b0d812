//! Keys and values for generated objects: from literals, files and lists of variables.
//!
//! Invariant: variables come first, literals second, files last, and no key comes twice. What is
//! absent: any rule for how a key is spelled; kustomize v5.8.1 has none either.

use super::context::Context;
use super::decode::Located;
use super::error::BuildError;
use std::collections::BTreeMap;

/// How long a line of a list of variables may be. kustomize silently ends at such a line.
const LINE: usize = 65_535;

/// What a generator takes its content from.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    pub(super) literals: Vec<Located<String>>,
    pub(super) files: Vec<Located<String>>,
    pub(super) envs: Vec<Located<String>>,
}

impl Sources {
    /// Reads everything.
    pub(super) fn load(
        &self,
        context: &Context<'_>,
    ) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
        let mut all = BTreeMap::new();
        for place in &self.envs {
            let (file, bytes) = context.read(place)?;
            context.budget.generate(bytes.len())?;
            let variables = variables(&bytes)
                .map_err(|(line, reason)| place.error(format!("{file}:{line}: {reason}")))?;
            context.budget.generate(variables.len() * 64)?;
            for (key, value) in variables {
                add(&mut all, place, key, value.as_bytes().to_vec())?;
            }
        }
        for place in &self.literals {
            let (key, value) = literal(&place.value).map_err(|reason| place.error(reason))?;
            context.budget.generate(key.len() + value.len() + 64)?;
            add(&mut all, place, key, value.as_bytes().to_vec())?;
        }
        for place in &self.files {
            let (key, path) = file(&place.value).map_err(|reason| place.error(reason))?;
            let path = Located {
                value: path.to_owned(),
                ..place.clone()
            };
            let (_, bytes) = context.read(&path)?;
            context.budget.generate(bytes.len())?;
            add(&mut all, place, key, bytes)?;
        }
        Ok(all)
    }
}

fn add(
    all: &mut BTreeMap<String, Vec<u8>>,
    place: &Located<String>,
    key: &str,
    value: Vec<u8>,
) -> Result<(), BuildError> {
    match all.insert(key.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(place.error(format!("the key `{key}` is there already"))),
    }
}

/// `key=value`; one pair of quotes around the value goes.
fn literal(source: &str) -> Result<(&str, &str), String> {
    match source.split_once('=') {
        None | Some(("", _)) => Err("expected `key=value`".to_owned()),
        Some((key, value)) => {
            let inner = ['"', '\'']
                .into_iter()
                .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
            Ok((key, inner.unwrap_or(value)))
        }
    }
}

/// `key=path`, or a path whose last element is the key.
fn file(source: &str) -> Result<(&str, &str), String> {
    let Some((key, path)) = source.split_once('=') else {
        let name = source.trim_end_matches('/');
        let name = name.rsplit('/').next().unwrap_or(name);
        return Ok((name, source));
    };
    if key.is_empty() || path.is_empty() || path.contains('=') {
        return Err("expected `path` or `key=path`, without another `=`".to_owned());
    }
    Ok((key, path))
}

/// The variables of a list, one a line; the error has the line, counted from 1.
fn variables(bytes: &[u8]) -> Result<Vec<(&str, &str)>, (usize, String)> {
    let mut variables = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let fail = |reason: &str| (index + 1, reason.to_owned());
        if line.len() > LINE {
            return Err(fail("the line is too long; hint: `files` takes any length"));
        }
        let line = std::str::from_utf8(line).map_err(|_| fail("the line is not UTF-8"))?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = match index {
            0 => line.strip_prefix('\u{feff}').unwrap_or(line),
            _ => line,
        };
        let line = line.trim_start();
        if line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if !key.is_empty() {
            variables.push((key, value));
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_of_quotes_around_a_literal_goes() {
        for (source, pair) in [
            ("a=b", ("a", "b")),
            ("a=b=c", ("a", "b=c")),
            ("a=", ("a", "")),
            ("a=\"b\"", ("a", "b")),
            ("a='b'", ("a", "b")),
            ("a='b\"", ("a", "'b\"")),
            ("a=''b''", ("a", "'b'")),
            ("a='", ("a", "'")),
            ("a=\"\"", ("a", "")),
            (" a = b ", (" a ", " b ")),
        ] {
            assert_eq!(literal(source), Ok(pair), "{source}");
        }
        assert!(literal("=b").is_err());
        assert!(literal("ab").is_err());
    }

    #[test]
    fn a_file_is_called_by_its_last_element() {
        for (source, pair) in [
            ("a/b.txt", ("b.txt", "a/b.txt")),
            ("b.txt", ("b.txt", "b.txt")),
            ("key=a/b.txt", ("key", "a/b.txt")),
            ("a/b/", ("b", "a/b/")),
        ] {
            assert_eq!(file(source), Ok(pair), "{source}");
        }
        for source in ["=a", "a=", "a=b=c", "a==b", "="] {
            assert!(file(source).is_err(), "{source}");
        }
    }

    #[test]
    fn variables_are_read_line_by_line() {
        let text = "\u{feff}A=1\r\n  # note\n\n \tB = 2 \n=none\nC\nD=a=b\n\u{feff}E=5";
        assert_eq!(
            variables(text.as_bytes()),
            Ok(vec![
                ("A", "1"),
                ("B ", " 2 "),
                ("C", ""),
                ("D", "a=b"),
                ("\u{feff}E", "5"),
            ])
        );
    }

    #[test]
    fn a_line_that_kustomize_would_drop_is_an_error() {
        let long = format!("A=1\nB={}\nC=3\n", "x".repeat(70_000));
        let (line, reason) = variables(long.as_bytes()).expect_err("it is too long");
        assert_eq!(line, 2);
        assert!(reason.starts_with("the line is too long"), "{reason}");
        let (line, _) = variables(b"A=1\nB=\xff\n").expect_err("it is no text");
        assert_eq!(line, 2);
    }
}
