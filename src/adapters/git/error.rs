//! What can go wrong between here and a Git server, in words that are safe to show.
//!
//! Invariant: no message holds a credential: URLs print through `SafeUrl`, header values are never
//! quoted, and foreign text is bounded and stripped of control characters.

use super::signing::SigningKeyError;
use crate::domain::git_ref::CommitId;
use crate::domain::redact::SafeUrl;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The most bytes of foreign text that one message quotes.
const QUOTED: usize = 2_000;

/// Why an operation on a remote repository or on its local cache failed.
#[derive(Debug, Error)]
pub enum GitError {
    /// The URL has a scheme that cannot be spoken.
    #[error(
        "transport `{scheme}` is not spoken: `{url}` should be of `https`, `http`, `ssh` or `file`"
    )]
    UnsupportedTransport {
        /// The repository.
        url: Arc<SafeUrl>,
        /// The scheme of its URL.
        scheme: String,
    },
    /// It is no place of a repository.
    #[error("`{0}` is not of the form `user@host:path`")]
    Location(String),
    /// The certificates, keys or proxy of the remote cannot be used.
    #[error("the connection to `{url}` cannot be set up: {reason}")]
    Configuration {
        /// The repository.
        url: Arc<SafeUrl>,
        /// What is wrong.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("`{url}` cannot be reached: {reason}")]
    Unreachable {
        /// The repository.
        url: Arc<SafeUrl>,
        /// What the network said.
        reason: String,
    },
    /// The time for the operation is over.
    #[error("`{url}` did not answer within {} s", after.as_secs_f64())]
    Timeout {
        /// The repository.
        url: Arc<SafeUrl>,
        /// The time allowed.
        after: Duration,
    },
    /// The server wants other credentials.
    #[error("authentication failed for `{url}`: the server answered with status {status}")]
    AuthenticationFailed {
        /// The repository.
        url: Arc<SafeUrl>,
        /// The HTTP status, 401 or 403.
        status: u16,
    },
    /// An ssh server does not accept who one is.
    #[error("authentication failed for `{url}`: {reason}")]
    LoginRefused {
        /// The repository.
        url: Arc<SafeUrl>,
        /// Which key was refused, by its fingerprint.
        reason: String,
    },
    /// An ssh server is not known to be the one that was asked for. Nothing was sent.
    #[error("the server `{host}` of `{url}` is not trusted: {reason}")]
    HostKey {
        /// The repository.
        url: Arc<SafeUrl>,
        /// The server, with its port where that is not the usual one.
        host: String,
        /// What is wrong with its key.
        reason: String,
    },
    /// There is no such repository, or it is hidden.
    #[error("repository `{url}` not found")]
    RepositoryNotFound {
        /// The repository.
        url: Arc<SafeUrl>,
    },
    /// The server failed and may recover.
    #[error("`{url}` answered with status {status}")]
    Server {
        /// The repository.
        url: Arc<SafeUrl>,
        /// The HTTP status.
        status: u16,
    },
    /// The repository has no such reference.
    #[error("{reference} not found in `{url}`")]
    RefNotFound {
        /// The repository.
        url: Arc<SafeUrl>,
        /// The reference in words, such as "branch `main`".
        reference: String,
    },
    /// What the reference names is no commit.
    #[error("{reference} of `{url}` is not a commit")]
    NotACommit {
        /// The repository.
        url: Arc<SafeUrl>,
        /// The reference in words.
        reference: String,
    },
    /// The repository has no commit yet.
    #[error("repository `{url}` is empty: it has no commit yet")]
    EmptyRepository {
        /// The repository.
        url: Arc<SafeUrl>,
    },
    /// The repository names its objects by SHA-256.
    #[error("repository `{url}` uses the object format `{format}`, only `sha1` is supported")]
    UnsupportedObjectFormat {
        /// The repository.
        url: Arc<SafeUrl>,
        /// The format it announced.
        format: String,
    },
    /// The server said something unexpected, or refused in words.
    #[error("`{url}` cannot be read: {reason}")]
    Protocol {
        /// The repository.
        url: Arc<SafeUrl>,
        /// What was said.
        reason: String,
    },
    /// More bytes than are accepted.
    #[error("`{url}` sent more than {limit} bytes")]
    TooLarge {
        /// The repository.
        url: Arc<SafeUrl>,
        /// The bound in bytes.
        limit: u64,
    },
    /// A folder that was asked for does not exist in the commit.
    #[error("path `{path}` does not exist in commit `{commit}`")]
    PathNotFound {
        /// The path as given.
        path: String,
        /// The commit that was looked at.
        commit: CommitId,
    },
    /// A path of an edit cannot be written.
    #[error("`{path}` cannot be edited: {reason}")]
    Edit {
        /// The path as given.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The key that is to sign a commit does not.
    #[error("the commit cannot be signed")]
    Signing(#[source] SigningKeyError),
    /// An object of the local cache is missing or damaged. The cache is renewed at the next use.
    #[error("the local object cache is damaged: {reason}")]
    Corrupt {
        /// What was found.
        reason: String,
    },
    /// Another process holds the cache folder.
    #[error("the cache folder `{path}` is in use by another process")]
    CacheInUse {
        /// The folder.
        path: String,
    },
    /// The file system failed.
    #[error("cannot {action}")]
    Cache {
        /// What was tried.
        action: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Who can mend a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// Whoever wrote the object: trying again without a change is of no use.
    User,
    /// Time: trying again may help.
    Transient,
}

impl GitError {
    /// Who can mend this.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::UnsupportedTransport { .. }
            | Self::Location(_)
            | Self::Configuration { .. }
            | Self::HostKey { .. }
            | Self::UnsupportedObjectFormat { .. }
            | Self::Edit { .. } => FailureClass::User,
            _ => FailureClass::Transient,
        }
    }

    pub(super) fn cache(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Cache { action, source }
    }

    pub(super) fn corrupt(reason: impl ToString) -> Self {
        Self::Corrupt {
            reason: quoted(reason.to_string().as_bytes()),
        }
    }
}

/// Why a push did not change the remote reference.
#[derive(Debug, Error)]
pub enum PushError {
    /// Somebody else moved the reference first. Nothing was changed.
    #[error("`{reference}` was moved by somebody else: {reason}")]
    Raced {
        /// The full name of the reference.
        reference: String,
        /// How it was noticed.
        reason: String,
    },
    /// The server refused, usually by a hook or a protection rule.
    #[error(
        "the push to `{reference}` was rejected: {reason}{}",
        after_colon(words)
    )]
    Rejected {
        /// The full name of the reference.
        reference: String,
        /// The server's short reason, such as `pre-receive hook declined`.
        reason: String,
        /// What the hook printed, one line per line.
        words: String,
    },
    /// The connection ended after the pack was sent and before the answer came: the reference may
    /// have moved or not.
    #[error("the outcome of the push to `{reference}` is not known")]
    Unknown {
        /// The full name of the reference.
        reference: String,
        /// What ended the connection.
        #[source]
        source: Box<GitError>,
    },
    /// The push did not get as far as sending anything.
    #[error(transparent)]
    Remote(#[from] GitError),
}

fn after_colon(words: &str) -> String {
    match words.trim() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

/// Foreign bytes as a bounded text without control characters other than line ends.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(QUOTED)]);
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect();
    let lines: Vec<&str> = clean
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

/// The whole chain of a `gix` error in one line.
pub(super) fn chain(error: &gix::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    for link in error.iter_errors() {
        push_new(&mut words, link.to_string());
    }
    quoted(words.join(": ").as_bytes())
}

/// An error and its sources in one line.
pub(super) fn sources(error: &(dyn StdError + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(link) = next {
        push_new(&mut words, link.to_string());
        next = link.source();
    }
    quoted(words.join(": ").as_bytes())
}

fn push_new(words: &mut Vec<String>, word: String) {
    if !word.is_empty() && !words.iter().any(|seen| seen.contains(&word)) {
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_bounded_and_cleaned() {
        assert_eq!(quoted(b"  no\x1b[31m way\r\n\n ok \n"), "no [31m way\nok");
        assert_eq!(quoted(&[b'x'; 10_000]).len(), QUOTED);
        assert_eq!(quoted(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_rejection_tells_reason_and_words() {
        let error = PushError::Rejected {
            reference: "refs/heads/main".to_owned(),
            reason: "pre-receive hook declined".to_owned(),
            words: "ticket number missing".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "the push to `refs/heads/main` was rejected: pre-receive hook declined: ticket number missing"
        );
    }

    #[test]
    fn messages_show_no_user_information() {
        let url = SafeUrl::parse("https://bot:hunter2@git.example.com/x?token=y")
            .expect("a URL")
            .into();
        let error = GitError::Timeout {
            url,
            after: Duration::from_millis(1500),
        };
        assert_eq!(
            error.to_string(),
            "`https://git.example.com/x` did not answer within 1.5 s"
        );
        assert_eq!(error.class(), FailureClass::Transient);
    }
}
