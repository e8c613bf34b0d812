//! What can go wrong with a forge, in its own words where it has any.
//!
//! Invariant: no message holds a credential, a control character or more than a few hundred characters of an answer.

use crate::domain::pull_request::forge::{ForgeKind, Repository};
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// Most characters of a forge's own words that are shown.
pub(super) const LONGEST_WORDS: usize = 300;
/// Most parts of an answer that are put together.
const MOST_PARTS: usize = 4;

/// What a caller does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The credential is missing, wrong or too weak: a person has to act.
    Unauthorized,
    /// The repository, branch, commit or pull request does not exist, or is hidden from us.
    NotFound,
    /// Something else happened in between: the branch moved, the pull request is there already or cannot be merged.
    Conflict,
    /// The forge wants us to wait.
    RateLimited {
        /// How long, when it says so.
        retry_after: Option<Duration>,
    },
    /// The forge will not do it, however often it is asked.
    Refused,
    /// Network, timeout, server trouble: trying again may help.
    Unavailable,
    /// An answer that makes no sense.
    Malformed,
}

/// Why a forge did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "cannot {request} in `{repository}` on {forge}: {reason}{}",
    hint(self)
)]
pub struct ForgeError {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What to do about it.
    pub class: ErrorClass,
    /// The forge: its name and host.
    pub forge: String,
    /// The repository's path.
    pub repository: String,
    /// What was asked for, as in `open a pull request`.
    pub request: &'static str,
    /// What the forge or the network says.
    pub reason: String,
}

impl ForgeError {
    /// An error without an answer.
    pub(super) fn new(
        repository: &Repository,
        request: &'static str,
        class: ErrorClass,
        reason: impl fmt::Display,
    ) -> Self {
        Self {
            status: None,
            class,
            forge: forge(repository),
            repository: repository.path.clone(),
            request,
            reason: reason.to_string(),
        }
    }

    /// How long the forge asks to be left alone, when it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.class {
            ErrorClass::RateLimited { retry_after } => retry_after,
            _ => None,
        }
    }

    /// The same error of a class that its place tells better than its status.
    pub(super) fn with_class(mut self, class: ErrorClass) -> Self {
        if matches!(self.class, ErrorClass::Refused) {
            self.class = class;
        }
        self
    }
}

/// Takes "not there" for an answer.
pub(super) fn found<T>(result: Result<T, ForgeError>) -> Result<Option<T>, ForgeError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class == ErrorClass::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A forge's name and host.
fn forge(repository: &Repository) -> String {
    let host = repository.api.host_str().unwrap_or_default();
    format!("{} (`{host}`)", name(repository.kind))
}

/// A forge's name.
pub(super) fn name(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::GitHub => "GitHub",
        ForgeKind::GitLab => "GitLab",
        ForgeKind::Gitea => "Gitea",
        ForgeKind::BitbucketCloud => "Bitbucket Cloud",
        ForgeKind::BitbucketDataCenter => "Bitbucket Data Center",
        ForgeKind::Azure => "Azure DevOps",
    }
}

fn hint(error: &ForgeError) -> &'static str {
    match (error.class, error.status) {
        (ErrorClass::Unauthorized, Some(403)) => {
            "\nhint: the credential needs the right to write to the repository and to its pull requests"
        }
        (ErrorClass::Unauthorized, _) => "\nhint: the forge does not take this credential",
        (ErrorClass::Malformed, _) if error.reason.contains("web page") => {
            "\nhint: the address of the API may be wrong"
        }
        (ErrorClass::Unavailable, None) if error.reason.contains("UnknownIssuer") => {
            "\nhint: name the forge's certificate authority"
        }
        _ => "",
    }
}

/// The readable part of a refusal in JSON, of any of the forges; empty when there is none.
pub(super) fn words(answer: &Value) -> String {
    let fields = ["message", "errors", "error", "error_description", "detail"];
    let mut parts: Vec<String> = Vec::new();
    for field in fields {
        parts_of(&answer[field], &mut parts);
    }
    parts.dedup();
    parts.join(": ")
}

/// Collects texts: of lists each, of objects what is meant for people, of other objects each with its name.
fn parts_of(value: &Value, parts: &mut Vec<String>) {
    if parts.len() >= MOST_PARTS {
        return;
    }
    match value {
        Value::String(text) if !text.trim().is_empty() => parts.push(text.clone()),
        Value::Array(values) => values
            .iter()
            .take(MOST_PARTS)
            .for_each(|value| parts_of(value, parts)),
        Value::Object(fields) => {
            if ["message", "detail"]
                .iter()
                .any(|name| value[*name].is_string())
            {
                parts_of(&value["message"], parts);
                parts_of(&value["detail"], parts);
                return;
            }
            if let (Some(field), Some(code)) = (value["field"].as_str(), value["code"].as_str()) {
                parts.push(format!("`{field}`: {code}"));
                return;
            }
            for (name, value) in fields.iter().take(MOST_PARTS) {
                let mut inner = Vec::new();
                if value.is_string() || value.is_array() {
                    parts_of(value, &mut inner);
                }
                if !inner.is_empty() {
                    parts.push(format!("`{name}`: {}", inner.join(", ")));
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_words_of_every_forge_are_found() {
        for (answer, expected) in [
            // GitHub.
            (
                json!({"message": "Validation Failed", "errors": [{"resource": "PullRequest", "code": "custom",
                    "message": "A pull request already exists for o:b."}], "documentation_url": "https://x"}),
                "Validation Failed: A pull request already exists for o:b.",
            ),
            (
                json!({"message": "Validation Failed", "errors": [{"resource": "PullRequest", "field": "head", "code": "invalid"}]}),
                "Validation Failed: `head`: invalid",
            ),
            // GitLab.
            (
                json!({"message": ["Another open merge request already exists for this source branch: !1"]}),
                "Another open merge request already exists for this source branch: !1",
            ),
            (
                json!({"message": {"base": ["too long", "too odd"]}}),
                "`base`: too long, too odd",
            ),
            (
                json!({"error": "invalid_token", "error_description": "Token was revoked."}),
                "invalid_token: Token was revoked.",
            ),
            // Gitea.
            (
                json!({"message": "user should have permission", "url": "https://x/api/swagger"}),
                "user should have permission",
            ),
            // Bitbucket Cloud.
            (
                json!({"type": "error", "error": {"message": "There are no changes to be pulled", "detail": "really"}}),
                "There are no changes to be pulled: really",
            ),
            // Bitbucket Data Center.
            (
                json!({"errors": [{"context": null, "message": "Only one pull request may be open", "exceptionName": "com.x"}]}),
                "Only one pull request may be open",
            ),
            // Azure DevOps.
            (
                json!({"$id": "1", "innerException": null, "message": "TF401179: An active pull request exists.", "typeKey": "X"}),
                "TF401179: An active pull request exists.",
            ),
            (json!([1]), ""),
            (json!("text"), ""),
            (json!({"message": 7, "errors": {"a": {"b": {}}}}), ""),
        ] {
            assert_eq!(words(&answer), expected, "{answer}");
        }
    }

    #[test]
    fn an_error_names_forge_repository_request_and_reason() {
        let repository = Repository {
            kind: ForgeKind::GitHub,
            api: url::Url::parse("https://api.github.com").expect("a URL"),
            path: "fleet/apps".to_owned(),
        };
        let class = ErrorClass::Unauthorized;
        let error = ForgeError::new(
            &repository,
            "open a pull request",
            class,
            "401 Unauthorized",
        );
        assert_eq!(
            error.to_string(),
            "cannot open a pull request in `fleet/apps` on GitHub (`api.github.com`): 401 Unauthorized\n\
             hint: the forge does not take this credential"
        );
    }

    proptest! {
        #[test]
        fn words_are_found_in_anything_without_a_panic(text in "\\PC{0,40}", number in any::<f64>(), flag in any::<bool>()) {
            let inner = json!({"message": [text, number, {"x": [flag, text]}], "errors": {"field": text, "code": flag}});
            let _ = words(&json!({"error": inner, "message": inner, "errors": [inner, [inner]]}));
        }
    }
}
