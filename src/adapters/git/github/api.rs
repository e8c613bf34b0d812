//! The two requests: `createCommitOnBranch` of the GraphQL API, and a reference of the REST API.

use super::super::error::{GitError, PushError, quoted, sources};
use super::super::remote::{Auth, Remote};
use crate::domain::git_ref::CommitId;
use crate::domain::redact::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::blocking::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read;
use url::Url;

/// The most bytes of an answer that are read.
const LIMIT: u64 = 1 << 20;
/// Hosts that are known to be no GitHub.
const OTHERS: [&str; 6] = [
    "gitlab.com",
    "bitbucket.org",
    "codeberg.org",
    "dev.azure.com",
    "ssh.dev.azure.com",
    "gitea.com",
];
const MUTATION: &str = "mutation($input: CreateCommitOnBranchInput!) \
{ createCommitOnBranch(input: $input) { commit { oid } } }";

/// A repository on GitHub, GitHub Enterprise Cloud or a GitHub Enterprise Server.
#[derive(Clone, Debug)]
pub struct GitHub {
    /// `owner/name`.
    repository: String,
    graphql: Url,
    references: Url,
    token: Secret,
}

/// A file and what it holds afterwards.
pub(super) struct Change {
    pub(super) path: String,
    pub(super) content: Vec<u8>,
}

/// A commit message in the API's two parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    headline: String,
    body: String,
}

impl Message {
    pub(super) fn of(text: &str) -> Self {
        let text = text.trim();
        let (headline, body) = text.split_once('\n').unwrap_or((text, ""));
        Self {
            headline: headline.trim_end().to_owned(),
            body: body.trim_matches(['\r', '\n']).to_owned(),
        }
    }
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The new commit.
    Commit(CommitId),
    /// The reference is there.
    Created,
    /// Somebody else was faster.
    Raced,
}

impl GitHub {
    /// The repository that `remote` is on GitHub, and the login to its API.
    ///
    /// # Errors
    /// [`GitError::Configuration`] when it is on another forge, is not reached over http(s), or there
    /// is no token.
    pub fn of(remote: &Remote) -> Result<Self, GitError> {
        let wrong = |reason: &str| GitError::Configuration {
            url: remote.url().clone(),
            reason: reason.to_owned(),
        };
        let url = remote.url().as_url();
        let host = url.host_str().unwrap_or_default();
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(
                "GitHub's API is asked with the token of an https login",
            ));
        }
        if OTHERS.contains(&host) || host.ends_with(".visualstudio.com") {
            return Err(wrong("it is not on GitHub"));
        }
        let path = url.path().trim_matches('/');
        let repository = path.strip_suffix(".git").unwrap_or(path).to_owned();
        if repository.split('/').count() != 2 || repository.split('/').any(str::is_empty) {
            return Err(wrong("a repository of GitHub is `owner/name`"));
        }
        let token = match &remote.auth {
            Auth::Basic { password, .. } if !password.expose().is_empty() => password.clone(),
            Auth::Bearer(token) => token.clone(),
            _ => return Err(wrong("GitHub's API wants a token: there is no login")),
        };
        let place = |path: &str| place(url, host, path).ok_or_else(|| wrong("it has no host"));
        Ok(Self {
            graphql: place("graphql")?,
            references: place(&format!("repos/{repository}/git/refs"))?,
            repository,
            token,
        })
    }

    pub(super) fn with<'a>(&'a self, client: &'a Client, remote: &'a Remote) -> Asked<'a> {
        Asked {
            github: self,
            client,
            remote,
        }
    }
}

/// Where the API has a path: a host of its own at GitHub, folders on a server of one's own.
fn place(url: &Url, host: &str, path: &str) -> Option<Url> {
    let mut place = url.clone();
    place.set_query(None);
    if host == "github.com" || host.ends_with(".ghe.com") {
        place.set_host(Some(&format!("api.{host}"))).ok()?;
        place.set_path(path);
    } else if path == "graphql" {
        place.set_path("api/graphql");
    } else {
        place.set_path(&format!("api/v3/{path}"));
    }
    Some(place)
}

/// A repository that is asked over a connection.
pub(super) struct Asked<'a> {
    github: &'a GitHub,
    client: &'a Client,
    remote: &'a Remote,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    message: String,
}

impl Asked<'_> {
    /// Adds a commit to a branch whose head is `expected`.
    pub(super) fn commit(
        &self,
        branch: &str,
        expected: CommitId,
        message: &Message,
        changes: &[Change],
    ) -> Result<Sent, PushError> {
        let additions: Vec<Value> = changes
            .iter()
            .map(
                |change| json!({"path": change.path, "contents": STANDARD.encode(&change.content)}),
            )
            .collect();
        let input = json!({
            "branch": {"repositoryNameWithOwner": self.github.repository, "branchName": branch},
            "expectedHeadOid": expected.to_string(),
            "message": {"headline": message.headline, "body": message.body},
            "fileChanges": {"additions": additions},
        });
        let body = json!({"query": MUTATION, "variables": {"input": input}});
        let reference = format!("refs/heads/{branch}");
        let (status, text) = self
            .send(self.client.post(self.github.graphql.clone()), &body)
            .map_err(|failure| failure.into_push(&reference))?;
        if status != 200 {
            return Err(self.refused(status, &text).into());
        }
        let unreadable = || self.protocol("GitHub's API answered with something unreadable");
        let answer: Answer = serde_json::from_slice(&text).map_err(|_| unreadable())?;
        if answer.errors.iter().any(Refusal::is_race) {
            return Ok(Sent::Raced);
        }
        if !answer.errors.is_empty() {
            return Err(rejected(reference, &answer.errors));
        }
        let id = answer.data["createCommitOnBranch"]["commit"]["oid"].as_str();
        let id = id.and_then(|id| id.parse().ok()).ok_or_else(unreadable)?;
        Ok(Sent::Commit(id))
    }

    /// Makes a branch that starts at a commit.
    pub(super) fn create(&self, reference: &str, at: CommitId) -> Result<Sent, GitError> {
        let body = json!({"ref": reference, "sha": at.to_string()});
        let request = self.client.post(self.github.references.clone());
        match self.send(request, &body).map_err(|failure| failure.error)? {
            (201, _) => Ok(Sent::Created),
            (422, text) if String::from_utf8_lossy(&text).contains("already exists") => {
                Ok(Sent::Raced)
            }
            (status, text) => Err(self.refused(status, &text)),
        }
    }

    /// The status and the body of an answer.
    fn send(&self, request: RequestBuilder, body: &Value) -> Result<(u16, Vec<u8>), Failed> {
        let url = self.remote.url();
        let answer = request
            .timeout(self.remote.timeout)
            .bearer_auth(self.github.token.expose())
            .header(reqwest::header::ACCEPT, "application/vnd.github+json")
            .json(body)
            .send()
            .map_err(|error| Failed {
                sent: !error.is_connect() && !error.is_builder(),
                error: match error.is_timeout() {
                    true => GitError::Timeout {
                        url: url.clone(),
                        after: self.remote.timeout,
                    },
                    false => GitError::Unreachable {
                        url: url.clone(),
                        reason: format!("GitHub's API: {}", sources(&error.without_url())),
                    },
                },
            })?;
        let status = answer.status().as_u16();
        let mut text = Vec::new();
        answer
            .take(LIMIT)
            .read_to_end(&mut text)
            .map_err(|error| Failed {
                sent: true,
                error: self.protocol(&format!("GitHub's API: {error}")),
            })?;
        Ok((status, text))
    }

    fn refused(&self, status: u16, text: &[u8]) -> GitError {
        let url = self.remote.url().clone();
        let said: Value = serde_json::from_slice(text).unwrap_or_default();
        match status {
            401 => GitError::AuthenticationFailed { url, status },
            500.. => GitError::Server { url, status },
            _ => {
                let words = quoted(said["message"].as_str().unwrap_or_default().as_bytes());
                self.protocol(&format!(
                    "GitHub's API answered with status {status}: {words}"
                ))
            }
        }
    }

    fn protocol(&self, reason: &str) -> GitError {
        GitError::Protocol {
            url: self.remote.url().clone(),
            reason: reason.to_owned(),
        }
    }
}

impl Refusal {
    fn is_race(&self) -> bool {
        self.kind == "STALE_DATA" || self.message.starts_with("Expected branch to point to")
    }
}

fn rejected(reference: String, errors: &[Refusal]) -> PushError {
    let of = |part: fn(&Refusal) -> &String| {
        let parts: Vec<&str> = errors.iter().map(|error| part(error).as_str()).collect();
        quoted(parts.join("\n").as_bytes())
    };
    PushError::Rejected {
        reference,
        reason: of(|error| &error.kind),
        words: of(|error| &error.message),
    }
}

/// A request without an answer, and whether it may have been acted on.
struct Failed {
    sent: bool,
    error: GitError,
}

impl Failed {
    fn into_push(self, reference: &str) -> PushError {
        match self.sent {
            true => PushError::Unknown {
                reference: reference.to_owned(),
                source: Box::new(self.error),
            },
            false => PushError::Remote(self.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::redact::SafeUrl;

    fn github(url: &str) -> Result<GitHub, String> {
        let remote = Remote::new(&SafeUrl::parse(url).expect("a URL")).expect("a scheme");
        GitHub::of(&remote).map_err(|error| error.to_string())
    }

    #[test]
    fn the_api_is_where_github_documents_it() {
        for (url, graphql, references) in [
            (
                "https://x:t@github.com/acme/fleet.git",
                "https://api.github.com/graphql",
                "https://api.github.com/repos/acme/fleet/git/refs",
            ),
            (
                "https://x:t@acme.ghe.com/acme/fleet",
                "https://api.acme.ghe.com/graphql",
                "https://api.acme.ghe.com/repos/acme/fleet/git/refs",
            ),
            (
                "https://x:t@git.example.com:8443/acme/fleet.git",
                "https://git.example.com:8443/api/graphql",
                "https://git.example.com:8443/api/v3/repos/acme/fleet/git/refs",
            ),
        ] {
            let github = github(url).expect("it is on GitHub");
            assert_eq!(github.repository, "acme/fleet");
            assert_eq!(github.graphql.as_str(), graphql);
            assert_eq!(github.references.as_str(), references);
            assert!(!format!("{github:?}").contains("\"t\""));
        }
    }

    #[test]
    fn what_is_not_on_github_or_has_no_token_is_refused() {
        for (url, words) in [
            (
                "https://x:t@gitlab.com/acme/fleet.git",
                "it is not on GitHub",
            ),
            (
                "https://x:t@github.com/acme/group/fleet.git",
                "`owner/name`",
            ),
            ("https://github.com/acme/fleet.git", "there is no login"),
            ("file:///srv/acme/fleet.git", "an https login"),
        ] {
            let error = github(url).expect_err("it is refused");
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_message_has_a_headline_and_a_body() {
        let message = |text| {
            let Message { headline, body } = Message::of(text);
            (headline, body)
        };
        let pair = |headline: &str, body: &str| (headline.to_owned(), body.to_owned());
        assert_eq!(message("one"), pair("one", ""));
        assert_eq!(message("one\n"), pair("one", ""));
        assert_eq!(
            message("one\n\n- two\n- three\n"),
            pair("one", "- two\n- three")
        );
        assert_eq!(message("one\ntwo"), pair("one", "two"));
    }
}
