//! Azure: tokens of the process or of an application, and logins of its registries.
//!
//! Invariant: the process is an application with a password, or one that a token in a file vouches for
//! (workload identity), or else the managed identity of its node, or else, for a person, whoever logged in by Azure's
//! command line; of an identity that is named, nobody else is tried. What is absent: other tools of developers.

mod command_line;

use super::environment::Environment;
use super::error::CloudError;
use super::http::{Question, form, joined, url};
use super::signing::{Algorithm, certificate, sign};
use super::{CloudLogins, Fresh, Who, key};
use crate::domain::cloud::azure::chain::Chain;
use crate::domain::cloud::azure::{
    AzureCloud, AzureEnvironment, Proof, access_token, assertion, exchange_form, registry_login,
    token_form,
};
use crate::domain::cloud::gcp::signed;
use crate::domain::cloud::{Identity, Provider};
use crate::domain::docker_config::Credentials;
use crate::domain::redact::{SafeUrl, Secret};
use jiff::Timestamp;
use reqwest::Url;
use sha2::{Digest, Sha256};

/// How a process without identity gets one.
const HINT: &str = "let Azure's workload identity webhook label the Pod, give the node a managed identity, or set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`; a person can run `az login`";

/// The variable that says which logins are tried.
const CHAIN: &str = "AZURE_TOKEN_CREDENTIALS";

/// The cloud that the file of `AZURE_ENVIRONMENT_FILEPATH` describes, if one is named.
pub(super) async fn described(
    environment: &Environment,
) -> Result<Option<AzureEnvironment>, CloudError> {
    let name = "AZURE_ENVIRONMENT_FILEPATH";
    let Some(path) = environment.get(name) else {
        return Ok(None);
    };
    let content = environment.file(name, path).await?;
    let parsed = AzureEnvironment::parse(content.as_bytes());
    parsed.map(Some).map_err(|problem| CloudError::Setting {
        name,
        reason: format!("`{path}`: {problem}"),
    })
}

impl CloudLogins {
    /// The login of a registry of Azure's.
    pub(super) async fn acr(
        &self,
        host: &str,
        cloud: &AzureCloud,
        who: Who<'_>,
        proxy: Option<&SafeUrl>,
    ) -> Result<Credentials, CloudError> {
        let token = self.azure_token(cloud, who, proxy).await?;
        let request = async {
            let name = "HIGHWATER_ACR_ENDPOINT";
            let usual = format!("https://{host}");
            let base = url(name, self.environment.get(name).unwrap_or(&usual))?;
            let at = joined(name, &base, "oauth2/exchange")?;
            let client = self.clients.outward(&at, proxy)?;
            let place = format!("`{at}` (the login of `{host}`)");
            let question = Question {
                place: place.clone(),
                request: form(&client, at, &exchange_form(host, &token)),
                secrets: vec![token.expose()],
            };
            registry_login(&question.ask().await?)
                .map_err(|problem| CloudError::Answer { place, problem })
        };
        let scope = cloud.scope();
        let place = key(Provider::Azure, who, proxy, &[&scope, host]);
        self.logins
            .get(place, request)
            .await
            .inspect_err(|error| {
                // They may have been taken back before their time.
                if error.is_refused() {
                    self.tokens.forget(&token);
                }
            })
            .map_err(CloudError::of_login)
    }

    pub(super) async fn azure_token(
        &self,
        cloud: &AzureCloud,
        who: Who<'_>,
        proxy: Option<&SafeUrl>,
    ) -> Result<Secret, CloudError> {
        let scope = cloud.scope();
        let place = key(
            Provider::Azure,
            who,
            proxy,
            &[&scope, self.authority(cloud)],
        );
        let request = async {
            match who {
                Who::Process => self.process_token(cloud, proxy).await,
                Who::Account(account) => {
                    let Identity::Application { tenant, client } = &account.identity else {
                        return Err(CloudError::Setting {
                            name: "azure.workload.identity/client-id",
                            reason: "the account has no application".to_owned(),
                        });
                    };
                    let token = self.cluster_token(account).await?;
                    self.application(cloud, proxy, (tenant, client), Proof::Assertion(&token))
                        .await
                }
            }
        };
        let token = self.tokens.get(place, request).await;
        token.map_err(|error| error.of(who))
    }

    async fn process_token(&self, cloud: &AzureCloud, proxy: Option<&SafeUrl>) -> Fresh<Secret> {
        let named = self.environment.get(CHAIN);
        let chain = Chain::of(named, self.environment.is_a_persons()).ok_or_else(|| {
            setting(CHAIN, "it names no login that is tried here; expected `prod`, `dev`, `EnvironmentCredential`, `WorkloadIdentityCredential`, `ManagedIdentityCredential` or `AzureCLICredential`")
        })?;
        if let Some(token) = self.named_application(chain, cloud, proxy).await {
            return token;
        }
        let managed = match chain.managed {
            true => self.managed_identity(cloud, chain.command_line).await,
            false => Err(setting(CHAIN, "none of the logins that it names is there")),
        };
        let Err(last) = managed else {
            return managed;
        };
        let is_refused = matches!(last, CloudError::Refused { status: 400, .. });
        let is_named = is_refused && self.environment.get("AZURE_CLIENT_ID").is_some();
        let nobody = |last| {
            let last = Box::new(last);
            Err(CloudError::NoIdentity { last, hint: HINT })
        };
        if is_named || !chain.command_line {
            return nobody(last);
        }
        match self.command_line_token(cloud).await {
            Err(missing) if chain.managed && command_line::is_missing(&missing) => nobody(last),
            told => told,
        }
    }

    /// The token of the application that variables name; `None` when they name none.
    async fn named_application(
        &self,
        chain: Chain,
        cloud: &AzureCloud,
        proxy: Option<&SafeUrl>,
    ) -> Option<Fresh<Secret>> {
        let variable = |name| self.environment.get(name);
        let who = (variable("AZURE_TENANT_ID")?, variable("AZURE_CLIENT_ID")?);
        let password = variable("AZURE_CLIENT_SECRET").filter(|_| chain.environment);
        if let Some(password) = password {
            let password = Secret::new(password.to_owned());
            let proof = Proof::Password(&password);
            return Some(self.application(cloud, proxy, who, proof).await);
        }
        let certificate = variable("AZURE_CLIENT_CERTIFICATE_PATH").filter(|_| chain.environment);
        let token_file = variable("AZURE_FEDERATED_TOKEN_FILE").filter(|_| chain.workload);
        let assertion = match (certificate, token_file) {
            (Some(path), _) => self.own_assertion(path, who, cloud).await,
            (None, Some(path)) => self.file_assertion(path).await,
            (None, None) => return None,
        };
        Some(match assertion {
            Ok(assertion) => {
                let proof = Proof::Assertion(&assertion);
                self.application(cloud, proxy, who, proof).await
            }
            Err(error) => Err(error),
        })
    }

    /// What an application says of itself, signed with the key of its certificate.
    async fn own_assertion(
        &self,
        path: &str,
        (tenant, client): (&str, &str),
        cloud: &AzureCloud,
    ) -> Result<Secret, CloudError> {
        let name = "AZURE_CLIENT_CERTIFICATE_PATH";
        let pem = self.environment.file(name, path).await?;
        let at = self.token_url(cloud, tenant)?;
        signed_by(&pem, client, at.as_str()).ok_or_else(|| {
            let problem = "holds no certificate with an RSA key in PEM";
            setting(name, &format!("`{path}` {problem}"))
        })
    }

    /// What a cluster says of an application.
    async fn file_assertion(&self, path: &str) -> Result<Secret, CloudError> {
        let name = "AZURE_FEDERATED_TOKEN_FILE";
        let token = self.environment.file(name, path).await?;
        Ok(Secret::new(token.trim().to_owned()))
    }

    /// A token of an application (tenant and client), which proves that it is itself.
    async fn application(
        &self,
        cloud: &AzureCloud,
        proxy: Option<&SafeUrl>,
        (tenant, client): (&str, &str),
        proof: Proof<'_>,
    ) -> Fresh<Secret> {
        let at = self.token_url(cloud, tenant)?;
        let place = format!("`{at}` (a token of the application `{client}`)");
        let http = self.clients.outward(&at, proxy)?;
        let (Proof::Assertion(secret) | Proof::Password(secret)) = proof;
        let question = Question {
            place: place.clone(),
            request: form(&http, at, &token_form(client, &cloud.scope(), proof)),
            secrets: vec![secret.expose()],
        };
        access_token(&question.ask().await?)
            .map_err(|problem| CloudError::Answer { place, problem })
    }

    /// Where a directory gives tokens.
    fn token_url(&self, cloud: &AzureCloud, tenant: &str) -> Result<Url, CloudError> {
        let name = "AZURE_AUTHORITY_HOST";
        let authority = url(name, self.authority(cloud))?;
        joined(name, &authority, &format!("{tenant}/oauth2/v2.0/token"))
    }

    /// A token of the node's managed identity. Where something else can be tried, who does not answer at once is not waited for.
    async fn managed_identity(&self, cloud: &AzureCloud, impatient: bool) -> Fresh<Secret> {
        let name = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
        let base = self
            .environment
            .get(name)
            .unwrap_or("http://169.254.169.254");
        let mut at = joined(name, &url(name, base)?, "metadata/identity/oauth2/token")?;
        let origin = at.origin().ascii_serialization();
        let place = format!("`{origin}` (the node's managed identity)");
        if impatient && !self.has_metadata(&at).await {
            let reason = "nobody answered within a second".to_owned();
            return Err(CloudError::Unreachable { place, reason });
        }
        at.query_pairs_mut()
            .append_pair("api-version", "2018-02-01")
            .append_pair("resource", cloud.resource());
        if let Some(client) = self.environment.get("AZURE_CLIENT_ID") {
            at.query_pairs_mut().append_pair("client_id", client);
        }
        let question = Question {
            place: place.clone(),
            request: self.clients.local()?.get(at).header("metadata", "true"),
            secrets: Vec::new(),
        };
        access_token(&question.ask().await?)
            .map_err(|problem| CloudError::Answer { place, problem })
    }

    fn authority<'a>(&'a self, cloud: &'a AzureCloud) -> &'a str {
        self.environment
            .get("AZURE_AUTHORITY_HOST")
            .unwrap_or(cloud.authority())
    }
}

fn setting(name: &'static str, reason: &str) -> CloudError {
    CloudError::Setting {
        name,
        reason: reason.to_owned(),
    }
}

/// An assertion of a client that is signed with the key of its certificate.
fn signed_by(pem: &str, client: &str, audience: &str) -> Option<Secret> {
    let thumbprint = Sha256::digest(certificate(pem)?);
    let now = Timestamp::now();
    let unsigned = assertion(
        client,
        audience,
        &thumbprint,
        &now.as_nanosecond().to_string(),
        now,
    );
    let signature = sign(pem, unsigned.as_bytes(), Algorithm::Ps256)?;
    Some(signed(&unsigned, &signature))
}
