//! Logins of Git servers: Azure DevOps, CodeCommit, and GitHub for an App.
//!
//! Invariant: a token of an App is kept for the App, its key, its installation and the way to GitHub that
//! it was asked by. What is absent: the registries.

use super::cache::Key;
use super::error::CloudError;
use super::http::{Question, joined, with_certificates};
use super::signing::{Algorithm, sign};
use super::{CloudLogins, Fresh, Who};
use crate::domain::cloud::Provider;
use crate::domain::cloud::azure::AzureCloud;
use crate::domain::cloud::gcp::signed;
use crate::domain::cloud::git::{CodeCommit, GitLogin, installation, installation_token};
use crate::domain::github_app::{GitHubApp, Installation, USER};
use crate::domain::redact::{SafeUrl, Secret};
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Url};

/// Which version of GitHub's API is spoken.
const API_VERSION: &str = "2022-11-28";

/// The way to GitHub's API.
#[derive(Clone, Copy, Default)]
pub struct AppWay<'a> {
    /// A proxy, with its login in the URL.
    pub proxy: Option<&'a SafeUrl>,
    /// Authorities to trust beside the system's, as PEM.
    pub authorities: Option<&'a [u8]>,
    /// The client's own certificate and its key, as PEM.
    pub certificate: Option<(&'a [u8], &'a Secret<Vec<u8>>)>,
}

impl CloudLogins {
    /// The login of a Git server of a cloud.
    ///
    /// # Errors
    /// [`CloudError`], in the words of the cloud where it has any.
    pub async fn git(
        &self,
        provider: Provider,
        url: &Url,
        who: Who<'_>,
        proxy: Option<&SafeUrl>,
    ) -> Result<GitLogin, CloudError> {
        match provider {
            Provider::Aws => {
                let place = CodeCommit::parse(url)?;
                let keys = self.access_keys(&place.region, who, proxy).await;
                let keys = keys.map_err(CloudError::of_git)?;
                Ok(place.login(&keys, Timestamp::now()))
            }
            Provider::Azure => {
                let token = self.azure_token(&AzureCloud::DevOps, who, proxy).await;
                token.map(GitLogin::Bearer).map_err(CloudError::of_git)
            }
            Provider::Gcp => Err(CloudError::NoGit("gcp")),
        }
    }

    /// The login of an App's installation.
    ///
    /// # Errors
    /// [`CloudError`], in GitHub's words where it has any.
    pub async fn app(&self, app: &GitHubApp, way: AppWay<'_>) -> Result<GitLogin, CloudError> {
        let (kind, name) = match &app.installation {
            Installation::Id(id) => ("id", id.to_string()),
            Installation::Owner(owner) => ("owner", owner.clone()),
        };
        let certificate = way.certificate.map(|(certificate, _)| certificate);
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let place = Key::of(&[
            "github",
            &app.id.to_string(),
            kind,
            &name,
            app.base.as_str(),
            app.private_key.expose(),
            way.proxy.map_or("", |proxy| proxy.as_url().as_str()),
            &text(way.authorities),
            &text(certificate),
        ]);
        let token = self.tokens.get(place, asked(app, way)).await?;
        Ok(GitLogin::Basic {
            username: USER.to_owned(),
            password: token,
        })
    }

    /// Drops a token that a Git server refused, so that the next who wants it gets another.
    pub fn refused_token(&self, token: &Secret) {
        self.tokens.forget(token);
    }
}

/// Asks GitHub for a token.
async fn asked(app: &GitHubApp, way: AppWay<'_>) -> Fresh<Secret> {
    let client = with_certificates(way.proxy, way.authorities, way.certificate, &app.base)?;
    let unsigned = app.assertion(Timestamp::now());
    let signature = sign(
        app.private_key.expose(),
        unsigned.as_bytes(),
        Algorithm::Rs256,
    );
    let signature = signature.ok_or(CloudError::AppKey)?;
    let asking = Asking {
        app,
        client,
        assertion: signed(&unsigned, &signature),
    };
    let installed = match &app.installation {
        Installation::Id(id) => *id,
        Installation::Owner(owner) => asking.installation_of(owner).await?,
    };
    let path = format!("app/installations/{installed}/access_tokens");
    let body = asking.ask(reqwest::Method::POST, &path, "a token").await?;
    installation_token(&body).map_err(|problem| CloudError::Answer {
        place: asking.place("a token"),
        problem,
    })
}

struct Asking<'a> {
    app: &'a GitHubApp,
    client: Client,
    assertion: Secret,
}

impl Asking<'_> {
    /// The installation of an organization, or else of a user.
    async fn installation_of(&self, owner: &str) -> Result<u64, CloudError> {
        let what = "an installation";
        let get = |path: String| async move { self.ask(reqwest::Method::GET, &path, what).await };
        let body = match get(format!("orgs/{owner}/installation")).await {
            Err(CloudError::Refused { status: 404, .. }) => {
                get(format!("users/{owner}/installation")).await?
            }
            other => other?,
        };
        installation(&body).map_err(|problem| CloudError::Answer {
            place: self.place(what),
            problem,
        })
    }

    async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        what: &str,
    ) -> Result<Vec<u8>, CloudError> {
        let at = joined("githubAppBaseURL", &self.app.base, path)?;
        let question = Question {
            place: self.place(what),
            request: self.headed(self.client.request(method, at)),
            secrets: vec![self.assertion.expose()],
        };
        question.ask().await
    }

    fn headed(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .bearer_auth(self.assertion.expose())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", API_VERSION)
    }

    fn place(&self, what: &str) -> String {
        let origin = self.app.base.origin().ascii_serialization();
        format!("`{origin}` ({what} of the GitHub App {})", self.app.id)
    }
}
