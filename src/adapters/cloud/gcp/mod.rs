//! Google: tokens of the process or of a service account. A token is a registry's password.
//!
//! Invariant: the process is whom the file of `GOOGLE_APPLICATION_CREDENTIALS` says, or who logged in by
//! Google's command line, or else whom the metadata server knows; an answer counts as the metadata server's only when it
//! says so itself. What is absent: who vouches for external accounts (`external`).

mod external;

use super::error::CloudError;
use super::http::{Question, form, url};
use super::signing::{Algorithm, sign};
use super::{Account, CloudLogins, Fresh, Who, key};
use crate::domain::cloud::answer::AnswerError;
use crate::domain::cloud::azure::access_token;
use crate::domain::cloud::external_account::{ExternalAccount, USUAL_LIFETIME};
use crate::domain::cloud::gcp::{
    CredentialFile, GkeCluster, assertion, assertion_form, exchange_form, impersonated_token,
    impersonation_body, impersonation_path, refresh_form, scopes, signed,
};
use crate::domain::cloud::{Identity, Provider};
use crate::domain::redact::{SafeUrl, Secret};
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use std::path::Path;

/// The variable that names a file with credentials.
const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// Variables that name other endpoints, as Google's command line has them.
const STS: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_STS";
const IAM: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS";
const OAUTH: &str = "CLOUDSDK_AUTH_TOKEN_HOST";
/// How a process without identity gets one.
const HINT: &str = "use Workload Identity Federation for GKE, give the node a service account, or set `GOOGLE_APPLICATION_CREDENTIALS`";

/// The cluster that we are in, once it is known: it does not change while the process lives.
pub(super) type Cluster = tokio::sync::OnceCell<GkeCluster>;

impl CloudLogins {
    /// The token of an identity.
    pub(super) async fn google_token(
        &self,
        who: Who<'_>,
        proxy: Option<&SafeUrl>,
    ) -> Result<Secret, CloudError> {
        let request = async {
            match who {
                Who::Process => self.process_google(proxy).await,
                Who::Account(account) => self.google_account(account, proxy).await,
            }
        };
        let place = key(Provider::Gcp, who, proxy, &[]);
        let token = self.tokens.get(place, request).await;
        token.map_err(|error| error.of(who))
    }

    /// The cluster's names, as the metadata server of a Google cluster tells them.
    pub(super) async fn gke(&self) -> Result<GkeCluster, CloudError> {
        let read = async {
            Ok(GkeCluster {
                project: self
                    .metadata_text("project/project-id", "project ID")
                    .await?,
                location: self
                    .metadata_text("instance/attributes/cluster-location", "location")
                    .await?,
                name: self
                    .metadata_text("instance/attributes/cluster-name", "name")
                    .await?,
            })
        };
        self.cluster.get_or_try_init(|| read).await.cloned()
    }

    async fn google_account(
        &self,
        account: &Account<'_>,
        proxy: Option<&SafeUrl>,
    ) -> Fresh<Secret> {
        let Identity::Google { email, pool } = &account.identity else {
            return Err(CloudError::Setting {
                name: "iam.gke.io/gcp-service-account",
                reason: "the account is none of Google's".to_owned(),
            });
        };
        let audience = match pool {
            Some(pool) => pool.clone(),
            None => self.gke().await?.audience(),
        };
        let token = self.cluster_token(account).await?;
        let base = self.environment.get(STS);
        let at = below(
            STS,
            base.unwrap_or("https://sts.googleapis.com"),
            "v1/token",
        )?;
        let exchange = exchange_form(&audience, None, &token, email.is_some());
        let own = self
            .google_exchange(at, &exchange, &token, None, proxy)
            .await?;
        let Some(email) = email else {
            return Ok(own);
        };
        let base = self.environment.get(IAM);
        let base = base.unwrap_or("https://iamcredentials.googleapis.com");
        let at = below(IAM, base, &impersonation_path(email))?;
        self.act_as(at, &own.0, USUAL_LIFETIME, proxy).await
    }

    async fn process_google(&self, proxy: Option<&SafeUrl>) -> Fresh<Secret> {
        let Some(path) = self.google_file() else {
            return self
                .metadata_token()
                .await
                .map_err(|last| CloudError::NoIdentity {
                    last: Box::new(last),
                    hint: HINT,
                });
        };
        let unusable = |reason: String| CloudError::Setting {
            name: FILE,
            reason: format!("`{path}`: {reason}"),
        };
        let content = self.environment.file(FILE, &path).await?;
        let file = CredentialFile::parse(content.as_bytes());
        match file.map_err(|problem| unusable(problem.to_string()))? {
            CredentialFile::ServiceAccount {
                email,
                key,
                key_id,
                token_uri,
            } => {
                let unsigned = assertion(&email, &key_id, &token_uri, Timestamp::now());
                let signature = sign(key.expose(), unsigned.as_bytes(), Algorithm::Rs256)
                    .ok_or_else(|| unusable("its `private_key` is no RSA key in PEM".to_owned()))?;
                let assertion = signed(&unsigned, &signature);
                let at = url(FILE, &token_uri)?;
                self.google_exchange(at, &assertion_form(&assertion), &assertion, None, proxy)
                    .await
            }
            CredentialFile::AuthorizedUser {
                client_id,
                client_secret,
                refresh_token,
            } => {
                let usual = "https://oauth2.googleapis.com/token";
                let at = url(OAUTH, self.environment.get(OAUTH).unwrap_or(usual))?;
                let form = refresh_form(&client_id, &client_secret, &refresh_token);
                self.google_exchange(at, &form, &refresh_token, None, proxy)
                    .await
            }
            CredentialFile::External(account) => self.external(&account, proxy).await,
        }
    }

    /// The file that says who the process is: the one that is named, or what `gcloud auth
    /// application-default login` left behind.
    fn google_file(&self) -> Option<String> {
        if let Some(named) = self.environment.get(FILE) {
            return Some(named.to_owned());
        }
        let own = self.environment.get("CLOUDSDK_CONFIG").map(str::to_owned);
        let home = self.environment.get("HOME");
        let folder = own.or_else(|| home.map(|home| format!("{home}/.config/gcloud")))?;
        let file = format!("{folder}/application_default_credentials.json");
        Path::new(&file).is_file().then_some(file)
    }

    async fn external(&self, account: &ExternalAccount, proxy: Option<&SafeUrl>) -> Fresh<Secret> {
        let token = self.subject_token(account).await?;
        let acts = account.impersonation_url.is_some();
        let kind = Some(account.token_type.as_str());
        let mut exchange = exchange_form(&account.audience, kind, &token, acts);
        exchange.extend(account.options().map(|options| ("options", options)));
        let at = url(FILE, &account.token_url)?;
        let client = account.client.as_ref();
        let own = self.google_exchange(at, &exchange, &token, client, proxy);
        let own = own.await?;
        match &account.impersonation_url {
            Some(at) => {
                self.act_as(url(FILE, at)?, &own.0, account.lifetime, proxy)
                    .await
            }
            None => Ok(own),
        }
    }

    async fn google_exchange(
        &self,
        at: Url,
        content: &Vec<(&'static str, String)>,
        secret: &Secret,
        program: Option<&(String, Secret)>,
        proxy: Option<&SafeUrl>,
    ) -> Fresh<Secret> {
        let place = format!("`{at}`");
        let client = self.clients.outward(&at, proxy)?;
        let mut request = form(&client, at, content);
        let mut secrets = vec![secret.expose().as_str()];
        if let Some((name, password)) = program {
            request = request.basic_auth(name, Some(password.expose()));
            secrets.push(password.expose());
        }
        let question = Question {
            place: place.clone(),
            request,
            secrets,
        };
        access_token(&question.ask().await?)
            .map_err(|problem| CloudError::Answer { place, problem })
    }

    /// The token of the service account that a URL names, for a token that may act as it.
    async fn act_as(
        &self,
        at: Url,
        token: &Secret,
        lifetime: u32,
        proxy: Option<&SafeUrl>,
    ) -> Fresh<Secret> {
        let place = format!("`{at}`");
        let client = self.clients.outward(&at, proxy)?;
        let request = client
            .post(at)
            .header(CONTENT_TYPE, "application/json")
            .bearer_auth(token.expose())
            .body(impersonation_body(lifetime));
        let question = Question {
            place: place.clone(),
            request,
            secrets: vec![token.expose()],
        };
        impersonated_token(&question.ask().await?)
            .map_err(|problem| CloudError::Answer { place, problem })
    }

    async fn metadata_token(&self) -> Fresh<Secret> {
        let path = format!(
            "instance/service-accounts/default/token?scopes={}",
            scopes()
        );
        let (place, body) = self.metadata(&path).await?;
        access_token(&body).map_err(|problem| CloudError::Answer { place, problem })
    }

    async fn metadata_text(&self, path: &str, what: &'static str) -> Result<String, CloudError> {
        let (place, body) = self.metadata(path).await?;
        let text = String::from_utf8_lossy(&body).trim().to_owned();
        if text.is_empty() || text.len() > 200 || text.contains(char::is_whitespace) {
            let problem = AnswerError::Missing(what);
            return Err(CloudError::Answer { place, problem });
        }
        Ok(text)
    }

    async fn metadata(&self, path: &str) -> Result<(String, Vec<u8>), CloudError> {
        let name = "GCE_METADATA_HOST";
        let host = self.environment.get(name);
        let host = host.unwrap_or("metadata.google.internal");
        let at = url(name, &format!("http://{host}/computeMetadata/v1/{path}"))?;
        let place = format!("`http://{host}` (Google's metadata server)");
        let question = Question {
            place: place.clone(),
            request: self
                .clients
                .local()?
                .get(at)
                .header("metadata-flavor", "Google"),
            secrets: Vec::new(),
        };
        let (headers, body) = question.ask_with_headers().await?;
        match headers.get("metadata-flavor") {
            Some(flavor) if flavor == "Google" => Ok((place, body)),
            _ => Err(CloudError::Answer {
                place,
                problem: AnswerError::Missing("Metadata-Flavor"),
            }),
        }
    }
}

fn below(name: &'static str, base: &str, path: &str) -> Result<Url, CloudError> {
    url(name, &format!("{}/{path}", base.trim_end_matches('/')))
}
