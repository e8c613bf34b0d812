//! What can go wrong with a registry, in its own words where it has any.
//!
//! Invariant: no message holds a secret, a control character or more than a few hundred bytes from
//! the network. Errors can be cloned, because requests that share a flight share its failure.

use crate::domain::http_field::LinkError;
use crate::domain::redact::shown;
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// What a caller does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The credentials are missing, wrong or too weak: a person has to act.
    Authentication,
    /// The repository or the tag does not exist, or is hidden from us.
    NotFound,
    /// The registry wants us to wait.
    RateLimited,
    /// Network, timeout, server trouble: trying again may help.
    Transient,
    /// An answer that makes no sense, or settings that cannot work.
    Invalid,
}

/// Why a registry gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// 401, from the registry or from its token server.
    #[error("`{host}` answered 401 Unauthorized{words}\nhint: {}", unauthorized_hint(*.anonymous))]
    Unauthorized {
        /// Who refused.
        host: String,
        /// Whether we had no credentials to show.
        anonymous: bool,
        /// Its words.
        words: Words,
    },
    /// 403: known, but not allowed.
    #[error("`{host}` answered 403 Forbidden{words}")]
    Forbidden {
        /// Who refused.
        host: String,
        /// Its words.
        words: Words,
    },
    /// 404 for the repository or the tag.
    #[error("`{what}` was not found{words}")]
    NotFound {
        /// The image, with its tag where one was asked for.
        what: String,
        /// The registry's words.
        words: Words,
    },
    /// 429, or 503 with `Retry-After`.
    #[error("`{host}` asks for fewer requests{}{words}", wait_words(.retry_after))]
    RateLimited {
        /// Who asks.
        host: String,
        /// How long to wait, when it said so.
        retry_after: Option<Duration>,
        /// Its words.
        words: Words,
    },
    /// 5xx and 408.
    #[error("`{host}` answered {status}{words}")]
    Unavailable {
        /// Who answered.
        host: String,
        /// The status code.
        status: u16,
        /// Its words.
        words: Words,
    },
    /// Any other status that is not success.
    #[error("`{host}` answered {status}, which was not expected{words}")]
    UnexpectedStatus {
        /// Who answered.
        host: String,
        /// The status code.
        status: u16,
        /// Its words.
        words: Words,
    },
    /// No answer: name resolution, connection, TLS, or the connection broke.
    #[error("`{host}` cannot be reached: {reason}{}", reach_hint(.reason))]
    Unreachable {
        /// Whom we tried to reach.
        host: String,
        /// What the network layers say.
        reason: String,
    },
    /// The operation took too long.
    #[error("`{host}` did not answer in full within {after:?}")]
    Timeout {
        /// The registry.
        host: String,
        /// The time it had.
        after: Duration,
    },
    /// A successful answer that cannot be used.
    #[error("the answer of `{host}` cannot be used: {problem}")]
    Answer {
        /// Who answered.
        host: String,
        /// What is wrong with it.
        problem: AnswerProblem,
    },
    /// The token server that the registry names must not be given credentials.
    #[error("`{host}` names a token server that is not safe to ask: {reason}")]
    UnsafeTokenServer {
        /// The registry.
        host: String,
        /// What is unsafe.
        reason: &'static str,
    },
    /// Certificates, keys or proxy settings that cannot work.
    #[error("{setting} cannot be used: {reason}")]
    Settings {
        /// Which, such as `the CA certificate`.
        setting: &'static str,
        /// Why, without content.
        reason: String,
    },
}

/// What is wrong with a successful answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerProblem {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Not JSON, or JSON of another shape.
    #[error("it is not a JSON {expected} (line {line}, column {column})")]
    NotJson {
        /// What was expected, such as `tag list`.
        expected: &'static str,
        /// Line of the first offence, from 1.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// It ends too early.
    #[error("it ends in the middle")]
    Truncated,
    /// It goes on for too long.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// A list of another repository.
    #[error("it is the tag list of `{0}`")]
    WrongName(String),
    /// No `tags` field, and nothing else that shows a tag list.
    #[error("it has no field `tags`")]
    NoTags,
    /// More pages than are followed.
    #[error("the tag list has more than {limit} pages")]
    TooManyPages {
        /// The bound.
        limit: usize,
    },
    /// More tags than are read.
    #[error(
        "the tag list has more than {limit} tags, and a part of it is never taken for the whole\n\
        hint: leave tags out with `spec.exclusionList`, or raise `maxTags` in the file of `--registry-config`"
    )]
    TooManyTags {
        /// The bound.
        limit: usize,
    },
    /// A `Link` field that cannot be read.
    #[error("{0}")]
    Link(LinkError),
    /// The next page is said to be elsewhere.
    #[error("its next page is on another host, `{0}`")]
    ForeignLink(String),
    /// The next page was read already.
    #[error("its next page is one that was read before")]
    LinkLoop,
    /// Another page holds what one before it held: the registry passes over the place to go on at.
    #[error("it has the tags of a page that was read before")]
    RepeatedPage,
    /// More redirects than are followed, or one that leads nowhere.
    #[error("it redirects {0}")]
    Redirect(&'static str),
    /// `Docker-Content-Digest` is not a digest.
    #[error("it has an invalid digest")]
    Digest,
    /// No `Docker-Content-Digest`, or no answer to HEAD at all.
    #[error(
        "it gives no digest for HEAD\n\
        hint: `readManifests: true` for this registry in the file of `--registry-config` reads the manifest instead, \
        which many registries count as a pull"
    )]
    NoDigest,
    /// Content that is not what was asked for by its digest.
    #[error("it is other content than its digest says")]
    OtherContent,
    /// A token answer without a token, or with one that no header can carry.
    #[error("it holds no token")]
    NoToken,
}

impl RegistryError {
    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unauthorized { .. } | Self::Forbidden { .. } => ErrorClass::Authentication,
            Self::NotFound { .. } => ErrorClass::NotFound,
            Self::RateLimited { .. } => ErrorClass::RateLimited,
            Self::Unavailable { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Answer {
                problem: AnswerProblem::Truncated,
                ..
            } => ErrorClass::Transient,
            Self::UnexpectedStatus { .. }
            | Self::Answer { .. }
            | Self::UnsafeTokenServer { .. }
            | Self::Settings { .. } => ErrorClass::Invalid,
        }
    }

    /// How long the registry asks to be left alone, when it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The status code it came with, where it came with one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unauthorized { .. } => Some(401),
            Self::Forbidden { .. } => Some(403),
            Self::NotFound { .. } => Some(404),
            Self::RateLimited { .. } => Some(429),
            Self::Unavailable { status, .. } | Self::UnexpectedStatus { status, .. } => {
                Some(*status)
            }
            Self::Answer { .. } => Some(200),
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::UnsafeTokenServer { .. }
            | Self::Settings { .. } => None,
        }
    }

    /// Whether the list is longer than what is read of one: asking again soon changes nothing and costs much.
    pub fn is_too_long(&self) -> bool {
        let too_long = |problem: &AnswerProblem| {
            matches!(
                problem,
                AnswerProblem::TooManyTags { .. }
                    | AnswerProblem::TooManyPages { .. }
                    | AnswerProblem::TooLarge { .. }
            )
        };
        matches!(self, Self::Answer { problem, .. } if too_long(problem))
    }

    /// Whether what is remembered of the registry (scheme, challenge) may be out of date.
    pub(super) fn doubts_endpoint(&self) -> bool {
        !matches!(
            self,
            Self::NotFound { .. } | Self::RateLimited { .. } | Self::Forbidden { .. }
        )
    }
}

/// A server's own words: short, printable, without our secrets. Prints as `: words`, or as nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(String);

/// Longest text taken from a server, in characters.
const LONGEST_WORDS: usize = 300;

impl Words {
    /// Takes over a server's text, with blanks for control characters and stars for the secret.
    pub fn new(text: &str, secret: Option<&str>) -> Self {
        let secrets: Vec<&str> = secret.into_iter().collect();
        Self(shown(text, &secrets, LONGEST_WORDS))
    }

    /// The words alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(formatter, ": {}", self.0)
    }
}

fn unauthorized_hint(anonymous: bool) -> &'static str {
    if anonymous {
        "no login matches this image; the repository may be private, or not exist"
    } else {
        "the login that matches this image was not accepted"
    }
}

/// What to do about the certificates that Go accepts and rustls does not, and about unknown authorities.
fn reach_hint(reason: &str) -> &'static str {
    if reason.contains("UnknownIssuer") {
        "\nhint: give the registry's certificate authority in `certSecretRef`"
    } else if reason.contains("CaUsedAsEndEntity") {
        "\nhint: the registry shows an authority's own certificate; let the authority issue one for the server"
    } else {
        ""
    }
}

fn wait_words(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!(", and to wait for {} s", wait.as_secs()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_short_printable_and_without_the_secret() {
        for (text, secret, shown) in [
            (
                "  unknown\r\nrepository\u{1b}[31m ",
                None,
                ": unknown repository [31m",
            ),
            (
                "bad password hunter2!",
                Some("hunter2"),
                ": bad password ***!",
            ),
            ("a b c", Some("b"), ": a b c"),
            ("\n \t", None, ""),
        ] {
            assert_eq!(Words::new(text, secret).to_string(), shown);
        }
        let long = Words::new(&"é".repeat(1_000), None);
        assert_eq!(long.as_str().chars().count(), LONGEST_WORDS + 1);
    }

    #[test]
    fn a_failure_says_who_what_and_what_next() {
        let words = Words::new("denied", None);
        let error = RegistryError::Unauthorized {
            host: "r.example".to_owned(),
            anonymous: true,
            words: words.clone(),
        };
        assert_eq!(
            error.to_string(),
            "`r.example` answered 401 Unauthorized: denied\nhint: no login matches this image; the repository may be private, or not exist"
        );
        let error = RegistryError::RateLimited {
            host: "r.example".to_owned(),
            retry_after: Some(Duration::from_secs(30)),
            words,
        };
        assert_eq!(
            error.to_string(),
            "`r.example` asks for fewer requests, and to wait for 30 s: denied"
        );
        assert_eq!(error.class(), ErrorClass::RateLimited);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
    }

    #[test]
    fn certificates_that_are_not_accepted_come_with_a_hint() {
        for (reason, hint) in [
            (
                "invalid peer certificate: UnknownIssuer",
                "\nhint: give the",
            ),
            (
                "invalid peer certificate: Other(CaUsedAsEndEntity)",
                "\nhint: the registry shows",
            ),
            ("connection refused", "refused"),
        ] {
            let host = "r.example".to_owned();
            let reason = reason.to_owned();
            let shown = RegistryError::Unreachable { host, reason }.to_string();
            assert!(shown.contains(hint), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn words_never_hold_control_characters_the_secret_or_much(
            text in "(\\PC|[\\x00-\\x1f]|s3cret){0,400}",
        ) {
            let words = Words::new(&text, Some("s3cret"));
            prop_assert!(!words.as_str().chars().any(char::is_control));
            prop_assert!(!words.as_str().contains("s3cret"));
            prop_assert!(words.as_str().chars().count() <= LONGEST_WORDS + 1);
        }
    }
}
