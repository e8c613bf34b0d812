//! What an entry such as `https://host/organisation/repository//path?ref=v1` says: which repository,
//! which folder of it, and how to fetch it.
//!
//! The rules are kustomize's, with their surprises: a URL of GitHub is brought into one of two
//! forms, a name and an `@` before a path are read as ssh, and without a mark in the path the
//! repository is its first two parts. Invariant: the path never starts with `..`. What is absent:
//! deciding which transports are spoken.

use crate::domain::duration::parse_duration;
use std::fmt;
use std::time::Duration;

/// How long each fetch of a repository may take when the entry does not say: kustomize's 27 s.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(27);

const SSH: &str = "ssh://";
const FILE: &str = "file://";
const SCHEMES: [&str; 4] = [SSH, "https://", "http://", FILE];

/// A base in a Git repository, as an entry of `resources` or `components` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryUrl {
    /// The entry as written. kustomize recognises cycles by it.
    pub raw: String,
    /// Where the repository is, as `git clone` takes it: a URL, or `user@host:path`.
    pub clone_url: String,
    /// The folder of the kustomization in the repository; empty for its root.
    pub path: String,
    /// The branch, tag, full name or commit; `None` for what the repository shows first.
    pub reference: Option<String>,
    /// How long fetching it may take.
    pub timeout: Duration,
    /// Whether the repositories it includes as submodules are wanted too.
    pub submodules: bool,
}

impl RepositoryUrl {
    /// Reads an entry. `None` for one that names no repository, such as a path of the tree.
    pub fn parse(entry: &str) -> Option<Self> {
        if entry.starts_with('/') {
            return None;
        }
        let (location, query) = entry.split_once('?').unwrap_or((entry, ""));
        let (host, rest) = host(location)?;
        let (repository, path) = split_path(rest, host.starts_with(FILE))?;
        let query = Query::parse(query);
        Some(Self {
            raw: entry.to_owned(),
            clone_url: format!("{host}{repository}"),
            path: path.strip_prefix('/').unwrap_or(path).to_owned(),
            reference: query.reference,
            timeout: query.timeout,
            submodules: query.submodules,
        })
    }

    /// Whether the repository is a folder of this machine.
    pub fn is_local(&self) -> bool {
        self.clone_url.starts_with(FILE)
    }
}

impl fmt::Display for RepositoryUrl {
    /// The entry without what may be secret: the password and other parameters than the reference.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&without_secrets(&self.clone_url))?;
        if !self.path.is_empty() {
            write!(formatter, "//{}", self.path)?;
        }
        match &self.reference {
            Some(reference) => write!(formatter, "?ref={reference}"),
            None => Ok(()),
        }
    }
}

/// Whether an entry is fetched as a file first: it is a URL of HTTP or HTTPS.
pub fn is_file_url(entry: &str) -> bool {
    strip_prefix_any_case(entry, "http:").is_some()
        || strip_prefix_any_case(entry, "https:").is_some()
}

/// A URL without user information and parameters, for messages.
pub fn without_secrets(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// What the parameters of an entry say.
struct Query {
    reference: Option<String>,
    timeout: Duration,
    submodules: bool,
}

impl Query {
    /// One parameter that cannot be read takes all the others with it.
    fn parse(text: &str) -> Self {
        let pairs = parameters(text).unwrap_or_default();
        let first = |wanted: &str| {
            let found = pairs.iter().find(|(key, _)| key == wanted);
            found
                .map(|(_, value)| value.as_str())
                .filter(|value| !value.is_empty())
        };
        Self {
            reference: first("ref").or(first("version")).map(str::to_owned),
            timeout: first("timeout")
                .and_then(timeout)
                .unwrap_or(DEFAULT_TIMEOUT),
            submodules: first("submodules").and_then(truth).unwrap_or(true),
        }
    }
}

/// A number of seconds, or a duration with units.
fn timeout(text: &str) -> Option<Duration> {
    let seconds = text.parse::<i64>().ok().and_then(|s| u64::try_from(s).ok());
    let duration = match seconds {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => parse_duration(text).ok(),
    };
    duration.filter(|duration| !duration.is_zero())
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The pairs of a query; `None` when one of them is malformed.
fn parameters(query: &str) -> Option<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            if pair.contains(';') {
                return None;
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescape(key)?, unescape(value)?))
        })
        .collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                let digit = |at: usize| char::from(digits[at]).to_digit(16);
                bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
                rest = after;
            }
            other => bytes.push(other),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The start of the clone URL up to and with the mark that ends the host, and the rest.
fn host(location: &str) -> Option<(String, &str)> {
    let location = strip_prefix_any_case(location, "git::").unwrap_or(location);
    let found = SCHEMES
        .into_iter()
        .find_map(|scheme| Some((scheme, strip_prefix_any_case(location, scheme)?)));
    let (scheme, rest) = found.unwrap_or(("", location));
    if scheme == FILE {
        return Some((FILE.to_owned(), rest));
    }
    let (user, rest) = rest.split_at(user_length(rest));
    let github = ["github.com/", "github.com:"]
        .iter()
        .any(|host| strip_prefix_any_case(rest, host).is_some());
    let colon_may_end_it = scheme.is_empty() && (!user.is_empty() || github);
    if scheme.is_empty() && !colon_may_end_it {
        return None;
    }
    let (host, rest) = match host_length(rest, colon_may_end_it) {
        Some(length) => rest.split_at(length),
        None => (rest, ""),
    };
    match (github, host) {
        (true, _) if scheme == SSH || !user.is_empty() => {
            Some((format!("{user}github.com:"), rest))
        }
        (true, _) => Some(("https://github.com/".to_owned(), rest)),
        (false, "") => None,
        (false, host) => Some((format!("{scheme}{user}{host}"), rest)),
    }
}

/// The bytes of `name@` at the start, none when there is no such thing.
fn user_length(text: &str) -> usize {
    let name = text.split('@').next().unwrap_or_default();
    let fits = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && name.len() < text.len();
    if fits { name.len() + 1 } else { 0 }
}

fn host_length(text: &str, colon_may_end_it: bool) -> Option<usize> {
    let slash = text.find('/');
    let end = match text.find(':').filter(|_| colon_may_end_it) {
        Some(colon) if slash.is_none_or(|slash| colon > 0 && colon < slash) => Some(colon),
        _ => slash,
    };
    end.map(|end| end + 1)
}

/// The repository's path at its host, and the path inside it.
fn split_path(rest: &str, takes_all: bool) -> Option<(&str, &str)> {
    let (repository, path) = if let Some(at) = rest.find("_git/") {
        let name = &rest[at + "_git/".len()..];
        match name.find('/') {
            Some(end) => (&rest[..at + "_git/".len() + end], &name[end + 1..]),
            None => (rest, ""),
        }
    } else if let Some((repository, path)) = rest.split_once("//") {
        (repository, path)
    } else if let Some(at) = rest.find(".git") {
        rest.split_at(at + ".git".len())
    } else if takes_all {
        (rest, "")
    } else {
        let (_, name) = rest.split_once('/')?;
        match name.split_once('/') {
            Some((_, path)) => (&rest[..rest.len() - path.len() - 1], path),
            None => (rest, ""),
        }
    };
    (!repository.is_empty() && !leaves(path)).then_some((repository, path))
}

/// Whether a path in a repository starts, when it is cleaned, with `..`.
fn leaves(path: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.starts_with('/') {
        return false;
    }
    let mut depth = 0_usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start
        .eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(entry: &str) -> Option<(String, String, String)> {
        let url = RepositoryUrl::parse(entry)?;
        Some((url.clone_url, url.path, url.reference.unwrap_or_default()))
    }

    /// `tests/it/remote_bases` asks the real program for these and many more.
    #[test]
    fn an_entry_is_taken_apart_as_kustomize_takes_it_apart() {
        let repositories = [
            (
                "https://host/o/r//a/b?ref=v1",
                "https://host/o/r",
                "a/b",
                "v1",
            ),
            ("https://host/o/r/a/b", "https://host/o/r", "a/b", ""),
            (
                "https://host/g/s/r.git/a?version=v1",
                "https://host/g/s/r.git",
                "a",
                "v1",
            ),
            ("https://h/o/p/_git/r/a", "https://h/o/p/_git/r", "a", ""),
            ("https://h/o/_git/r", "https://h/o/_git/r", "", ""),
            ("git::https://host/o/r", "https://host/o/r", "", ""),
            ("ssh://git@host:22/o/r//a", "ssh://git@host:22/o/r", "a", ""),
            ("git@host:o/r.git//a", "git@host:o/r.git", "a", ""),
            ("GitHub.com/o/r/a", "https://github.com/o/r", "a", ""),
            ("github.com:o/r", "https://github.com/o/r", "", ""),
            ("git@github.com/o/r", "git@github.com:o/r", "", ""),
            ("ssh://github.com/o/r", "github.com:o/r", "", ""),
            ("file:///srv/r//a", "file:///srv/r", "a", ""),
            ("file:///srv/o/r", "file:///srv/o/r", "", ""),
            ("user@folder/o/r", "user@folder/o/r", "", ""),
        ];
        for (entry, clone, path, reference) in repositories {
            let expected = (clone.to_owned(), path.to_owned(), reference.to_owned());
            assert_eq!(answer(entry), Some(expected), "{entry}");
        }
        for path in [
            "base",
            "../base",
            "/srv/o/r",
            "gitlab.com/o/r",
            "https://host/x.yaml",
            "https://host/o/r//../x",
            "https://",
            "git@host",
            "ftp://host/o/r",
            "",
        ] {
            assert_eq!(RepositoryUrl::parse(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_written_with_spaces_and_escapes_is_read_as_go_reads_it() {
        let reference = |entry: &str| answer(entry).map(|(_, _, reference)| reference);
        let url = "https://host/o/r";
        assert_eq!(reference(&format!("{url}?ref=a+b")), Some("a b".to_owned()));
        assert_eq!(reference(&format!("{url}?ref=%zz")), Some(String::new()));
        assert_eq!(reference(&format!("{url}?ref=a%4")), Some(String::new()));
        assert_eq!(
            reference(&format!("{url}?ref=\u{e9}")),
            Some("\u{e9}".to_owned())
        );
    }

    #[test]
    fn a_timeout_is_a_number_of_seconds_or_a_duration() {
        let timeout = |text: &str| {
            RepositoryUrl::parse(&format!("https://host/o/r?timeout={text}"))
                .expect("a repository")
                .timeout
        };
        assert_eq!(timeout("61"), Duration::from_secs(61));
        assert_eq!(timeout("%2B61"), Duration::from_secs(61));
        assert_eq!(timeout("1m1s"), Duration::from_secs(61));
        for nothing in ["", "0", "-5", "0s", "-5s", "soon", "1.5"] {
            assert_eq!(timeout(nothing), DEFAULT_TIMEOUT, "{nothing}");
        }
    }

    #[test]
    fn only_urls_of_http_are_files() {
        assert!(is_file_url("https://host/x.yaml") && is_file_url("HTTP://host/x.yaml"));
        for other in [
            "ssh://host/x.yaml",
            "x.yaml",
            "file:///x.yaml",
            "https/x",
            "",
        ] {
            assert!(!is_file_url(other), "{other}");
        }
    }

    #[test]
    fn a_message_shows_no_secret() {
        let url = RepositoryUrl::parse("https://bot:hunter2@host/o/r//p?ref=v1&token=hunter2");
        let shown = url.expect("a repository").to_string();
        assert_eq!(shown, "https://host/o/r//p?ref=v1");
        assert_eq!(without_secrets("https://a:b@host?token=c"), "https://host");
        assert_eq!(without_secrets("git@host:o/r"), "git@host:o/r");
    }

    proptest::proptest! {
        #[test]
        fn no_entry_makes_it_panic_and_no_path_leaves(entry in "[a-zA-Z:/@.?&=%+_-]{0,60}|\\PC{0,60}") {
            if let Some(url) = RepositoryUrl::parse(&entry) {
                proptest::prop_assert!(url.path != ".." && !url.path.starts_with("../"));
                proptest::prop_assert!(!url.clone_url.is_empty());
            }
        }
    }
}
