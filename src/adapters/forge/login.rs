//! What every request to a forge says besides what it asks for: who asks, and in which version of the API.
//!
//! Invariant: a credential stands in a field that is marked as not to be printed, and comes with the texts that must not be shown. What
//! is absent: where credentials come from.

use super::ForgeCredential;
use crate::domain::pull_request::forge::ForgeKind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// The header fields that every request has, and what must not be shown.
pub(super) fn login(
    kind: ForgeKind,
    credential: &ForgeCredential,
) -> Option<(HeaderMap, Vec<String>)> {
    let mut fields = HeaderMap::new();
    for (name, value) in constant(kind) {
        fields.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let basic = |user: &str, password: &str| {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        (
            "authorization",
            format!("Basic {pair}"),
            vec![password.to_owned(), pair],
        )
    };
    let (name, value, secrets) = match credential {
        ForgeCredential::None => return Some((fields, Vec::new())),
        ForgeCredential::Basic { username, password } => basic(username, password.expose()),
        ForgeCredential::Bearer(token) => bearer(token.expose()),
        ForgeCredential::Token(token) => {
            let token = token.expose();
            match kind {
                ForgeKind::GitLab => ("private-token", token.clone(), vec![token.clone()]),
                ForgeKind::Gitea => (
                    "authorization",
                    format!("token {token}"),
                    vec![token.clone()],
                ),
                ForgeKind::Azure => basic("", token),
                ForgeKind::GitHub | ForgeKind::BitbucketCloud | ForgeKind::BitbucketDataCenter => {
                    bearer(token)
                }
            }
        }
    };
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    fields.insert(HeaderName::from_static(name), value);
    Some((fields, secrets))
}

fn bearer(token: &str) -> (&'static str, String, Vec<String>) {
    (
        "authorization",
        format!("Bearer {token}"),
        vec![token.to_owned()],
    )
}

/// What each API wants to be told besides who asks.
fn constant(kind: ForgeKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        ForgeKind::GitHub => &[
            ("accept", "application/vnd.github+json"),
            ("x-github-api-version", "2022-11-28"),
        ],
        // Without it, requests that only a page of its own may send are refused.
        ForgeKind::BitbucketDataCenter => &[
            ("accept", "application/json"),
            ("x-atlassian-token", "no-check"),
        ],
        // Otherwise a token that is not taken is answered with a page for people.
        ForgeKind::Azure => &[
            ("accept", "application/json"),
            ("x-tfs-fedauthredirect", "Suppress"),
        ],
        ForgeKind::GitLab | ForgeKind::Gitea | ForgeKind::BitbucketCloud => {
            &[("accept", "application/json")]
        }
    }
}
