//! Values that cannot be printed by accident.
//!
//! Invariant: neither `Debug` nor `Display` of a type in here shows a secret; reading one takes a
//! call that says so. What is absent: wiping memory; the process is the trust boundary.

use std::fmt;
use url::Url;

/// A secret. It prints as `***`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret<T = String>(T);

impl<T> Secret<T> {
    /// Wraps a value that must not be printed.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// A URL that prints without user information and query, where tokens travel.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SafeUrl(Url);

impl SafeUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// What `url` says is wrong with it. The message does not hold the text.
    pub fn parse(text: &str) -> Result<Self, url::ParseError> {
        Url::parse(text).map(Self)
    }

    /// The whole URL, for the request itself.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.cannot_be_a_base() {
            return write!(formatter, "{}:***", self.0.scheme());
        }
        let mut shown = self.0.clone();
        let hidden = shown
            .set_username("")
            .and_then(|()| shown.set_password(None));
        if hidden.is_err() {
            // `file:` URLs have no user information to hide.
            shown = self.0.clone();
        }
        shown.set_query(None);
        shown.set_fragment(None);
        formatter.write_str(shown.as_str())
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Somebody else's words, fit to be shown: on one line, without control characters, with stars for `secrets`, and of at most
/// `longest` characters.
pub fn shown(words: &str, secrets: &[&str], longest: usize) -> String {
    let mut words = words.to_owned();
    // A shorter one would turn ordinary words into stars, and is no secret.
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        words = words.replace(secret, "***");
    }
    let mut line = words
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if let Some((end, _)) = line.char_indices().nth(longest) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "*** *** Some(***)"
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_url_prints_without_what_may_be_a_secret() {
        for (written, shown) in [
            (
                "https://user:pass@git.example.com/org/repo?token=x#y",
                "https://git.example.com/org/repo",
            ),
            (
                "https://token@git.example.com/repo",
                "https://git.example.com/repo",
            ),
            ("file:///srv/repo.git", "file:///srv/repo.git"),
            ("mailto:someone@example.com", "mailto:***"),
        ] {
            let url = SafeUrl::parse(written).expect("the URL is well-formed");
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }

    #[test]
    fn words_are_short_printable_and_without_secrets() {
        for (words, secrets, expected) in [
            (
                "  unknown\r\nrepository\u{1b}[31m ",
                &[][..],
                "unknown repository [31m",
            ),
            (
                "bad hunter2, s3cr3t!",
                &["hunter2", "s3cr3t"],
                "bad ***, ***!",
            ),
            ("a b c", &["b"], "a b c"),
            ("\n \t", &[], ""),
            ("ééééééééééééééééééééééééé", &[], "ééééééééééééééééééééééé…"),
        ] {
            assert_eq!(shown(words, secrets, 23), expected);
        }
    }
}
