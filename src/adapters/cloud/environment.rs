//! What the environment says of clouds: who the process is, and where to ask.
//!
//! Invariant: `Debug` shows names, never values; nobody but the process's own environment says which programs are started. What is
//! absent: a meaning; each cloud's module knows its own.

use super::error::CloudError;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use tokio::io::AsyncReadExt;

/// Beginnings of the variables that are read.
const PREFIXES: [&str; 8] = [
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "GCE_",
    "CLOUDSDK_",
    "HIGHWATER_",
    "HOME",
    "PATH",
];
/// Largest file that a variable may name, in bytes. Tokens and keys have a few kilobytes.
const LARGEST_FILE: u64 = 256 * 1024;

/// Variables as they were when the process started.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    person: bool,
}

impl Environment {
    /// That of this process, as far as clouds are concerned.
    pub fn of_process() -> Self {
        let all = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
                .then_some((name, value))
        });
        Self::new(all)
    }

    /// Variables by name.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            person: false,
        }
    }

    /// The same of a person at a command line, who may have logged in there by other programs.
    #[must_use]
    pub fn of_a_person(mut self) -> Self {
        self.person = true;
        self
    }

    /// Whether a person runs the process.
    pub(super) fn is_a_persons(&self) -> bool {
        self.person
    }

    /// A variable that is set to something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Whether a variable is set to `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The content of the file that a variable names. It is read anew each time: tokens are rotated.
    ///
    /// # Errors
    /// [`CloudError::Setting`] when it cannot be read, or is far too large.
    pub(super) async fn file(&self, name: &'static str, path: &str) -> Result<String, CloudError> {
        let unusable = |reason: String| CloudError::Setting {
            name,
            reason: format!("`{path}` cannot be read: {reason}"),
        };
        let file = tokio::fs::File::open(path)
            .await
            .map_err(|error| unusable(error.to_string()))?;
        let mut content = String::new();
        let read = file
            .take(LARGEST_FILE + 1)
            .read_to_string(&mut content)
            .await;
        read.map_err(|error| unusable(error.to_string()))?;
        if content.len() as u64 > LARGEST_FILE {
            return Err(unusable(format!("it has more than {LARGEST_FILE} bytes")));
        }
        Ok(content)
    }
}

impl Environment {
    /// A file of the person or the Pod that runs us: named by a variable, or below the home folder.
    /// Empty when it is not there.
    pub(super) async fn own_file(
        &self,
        name: &'static str,
        below_home: &str,
    ) -> Result<String, CloudError> {
        let home = self.get("HOME");
        let named = self.get(name).map(str::to_owned);
        let Some(path) = named.or_else(|| home.map(|home| format!("{home}/{below_home}"))) else {
            return Ok(String::new());
        };
        match Path::new(&path).is_file() {
            true => self.file(name, &path).await,
            false => Ok(String::new()),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.variables.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_none_and_no_value_is_printed() {
        let environment = Environment::new(
            [
                ("AWS_A", " "),
                ("AWS_B", "planted-secret"),
                ("AWS_C", "True"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        assert_eq!(environment.get("AWS_A"), None);
        assert_eq!(environment.get("AWS_B"), Some("planted-secret"));
        assert!(environment.is_true("AWS_C") && !environment.is_true("AWS_B"));
        assert!(!format!("{environment:?}").contains("planted"));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_told_with_its_variable() {
        let environment = Environment::default();
        let error = environment
            .file("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
            .await
            .expect_err("there is no such file");
        let words = error.to_string();
        assert!(
            words.starts_with("`AWS_WEB_IDENTITY_TOKEN_FILE`: `/nowhere/token` cannot be read: "),
            "{words}"
        );
    }
}
