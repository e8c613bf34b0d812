//! The variables of a Kustomization.
//!
//! Invariant: a value has no line feeds, and no value can be printed by accident: some come from
//! Secrets. What is absent: where they come from.

use super::SubstituteError;
use std::collections::BTreeMap;
use std::fmt;

/// Names and values. What is set later wins.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Sets a variable; line feeds of the value are left out, as in Flux.
    pub fn set(&mut self, name: impl Into<String>, value: &str) {
        self.0.insert(name.into(), value.replace('\n', ""));
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `text` holds the value of one.
    pub(super) fn occur_in(&self, text: &str) -> bool {
        let mut values = self.0.values().filter(|value| !value.is_empty());
        values.any(|value| text.contains(value.as_str()))
    }

    /// Refuses names that no expression can have.
    pub(super) fn check_names(&self) -> Result<(), SubstituteError> {
        match self.0.keys().find(|name| !is_name(name)) {
            Some(name) => Err(SubstituteError::Name(name.clone())),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// `^[_[:alpha:]][_[:alpha:][:digit:]]*$`
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_their_line_feeds_and_are_never_shown() {
        let mut variables = Variables::default();
        variables.set("token", "planted-\nsecret\n");
        assert_eq!(variables.get("token"), Some("planted-secret"));
        assert_eq!(format!("{variables:?}"), r#"{"token"}"#);
    }

    #[test]
    fn names_are_those_of_a_shell() {
        for (name, fits) in [
            ("a", true),
            ("_A9", true),
            ("9a", false),
            ("a-b", false),
            ("", false),
            ("ä", false),
        ] {
            assert_eq!(is_name(name), fits, "{name}");
        }
    }
}
