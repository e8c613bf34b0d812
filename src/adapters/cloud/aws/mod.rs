//! Amazon: keys of the process or of a role, and logins of its registries.
//!
//! Invariant: keys are asked for in the region that the registry is in, and a login is signed for it.
//! What is absent: who the process is; `process` is that.

mod machine;
mod process;
mod profile;
mod single_sign_on;

use crate::adapters::cloud::error::CloudError;
use crate::adapters::cloud::http::{Question, form, url};
use crate::adapters::cloud::{CloudLogins, Fresh, Who, key};
use crate::domain::cloud::aws::{assume_role, registry_login, role_keys, session_name};
use crate::domain::cloud::endpoint::{self, Variant};
use crate::domain::cloud::signature::{AccessKeys, Scope, SignedRequest, signed_headers};
use crate::domain::cloud::{CloudRegistry, Identity, Provider};
use crate::domain::docker_config::Credentials;
use crate::domain::redact::{SafeUrl, Secret};
use jiff::Timestamp;
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, Url};

/// What requests to the registries' API say of themselves.
const JSON: &str = "application/x-amz-json-1.1";

impl CloudLogins {
    /// The login of a registry of Amazon's.
    pub(super) async fn ecr(
        &self,
        registry: &CloudRegistry,
        who: Who<'_>,
        proxy: Option<&SafeUrl>,
    ) -> Result<Credentials, CloudError> {
        let Some((region, endpoint)) = endpoint::ecr(registry, self.variant()) else {
            return Ok(Credentials::Anonymous);
        };
        let (variable, service, target) = match registry {
            CloudRegistry::EcrPublic => (
                "AWS_ENDPOINT_URL_ECR_PUBLIC",
                "ecr-public",
                "SpencerFrontendService.GetAuthorizationToken",
            ),
            _ => (
                "AWS_ENDPOINT_URL_ECR",
                "ecr",
                "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            ),
        };
        let keys = self.access_keys(&region, who, proxy).await?;
        let place = key(Provider::Aws, who, proxy, &[service, &endpoint]);
        let request = async {
            let url = self.endpoint(variable, &endpoint)?;
            let client = self.clients.outward(&url, proxy)?;
            let scope = Scope {
                region: &region,
                service,
                at: Timestamp::now(),
            };
            let shown = format!("`{}` (the registry's login)", shown(&url));
            let headers = [("content-type", JSON), ("x-amz-target", target)];
            let request = client.request(Method::POST, url.clone());
            let request = signed(request, &url, &keys, &headers, "{}", scope)?;
            let question = Question {
                place: shown.clone(),
                request,
                secrets: secrets(&keys),
            };
            let body = question.ask().await?;
            registry_login(&body).map_err(|problem| CloudError::Answer {
                place: shown,
                problem,
            })
        };
        self.logins
            .get(place, request)
            .await
            .inspect_err(|error| {
                // They may have been taken back before their time.
                if error.is_refused() {
                    self.keys.forget(&keys);
                }
            })
            .map_err(CloudError::of_login)
    }

    /// The keys of an identity.
    pub(in crate::adapters::cloud) async fn access_keys(
        &self,
        region: &str,
        who: Who<'_>,
        proxy: Option<&SafeUrl>,
    ) -> Result<AccessKeys, CloudError> {
        let place = key(Provider::Aws, who, proxy, &[region]);
        let request = async {
            match who {
                Who::Process => self.process_keys(region, proxy).await,
                Who::Account(account) => {
                    let Identity::Role { arn } = &account.identity else {
                        return Err(not_a_role());
                    };
                    let token = self.cluster_token(account).await?;
                    let (name, namespace) = (&account.key.name, &account.key.namespace);
                    let session = session_name(name, namespace, region);
                    self.role(region, proxy, arn, &session, &token).await
                }
            }
        };
        let keys = self.keys.get(place, request).await;
        keys.map_err(|error| error.of(who))
    }

    /// The keys of a role, for a token of the cluster.
    async fn role(
        &self,
        region: &str,
        proxy: Option<&SafeUrl>,
        arn: &str,
        session: &str,
        token: &Secret,
    ) -> Fresh<AccessKeys> {
        let url = self.endpoint(
            "AWS_ENDPOINT_URL_STS",
            &endpoint::sts(region, self.variant()),
        )?;
        let client = self.clients.outward(&url, proxy)?;
        let place = format!("`{}` (keys of the role `{arn}`)", shown(&url));
        let question = Question {
            place: place.clone(),
            request: form(&client, url, &assume_role(arn, session, token)),
            secrets: vec![token.expose()],
        };
        role_keys(&question.ask().await?).map_err(|problem| CloudError::Answer { place, problem })
    }

    fn variant(&self) -> Variant {
        Variant {
            fips: self.environment.is_true("AWS_USE_FIPS_ENDPOINT"),
            dual_stack: self.environment.is_true("AWS_USE_DUALSTACK_ENDPOINT"),
        }
    }

    /// A service's endpoint: what the environment names for it or for all, or else the usual one.
    fn endpoint(&self, name: &'static str, usual: &str) -> Result<Url, CloudError> {
        if self
            .environment
            .is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        {
            return url(name, usual);
        }
        match (
            self.environment.get(name),
            self.environment.get("AWS_ENDPOINT_URL"),
        ) {
            (Some(own), _) => url(name, own),
            (None, Some(all)) => url("AWS_ENDPOINT_URL", all),
            (None, None) => url(name, usual),
        }
    }
}

fn not_a_role() -> CloudError {
    CloudError::Setting {
        name: "eks.amazonaws.com/role-arn",
        reason: "the account has no role".to_owned(),
    }
}

/// The request with its header fields and its body, signed.
fn signed(
    request: RequestBuilder,
    url: &Url,
    keys: &AccessKeys,
    headers: &[(&str, &str)],
    body: &str,
    scope: Scope<'_>,
) -> Result<RequestBuilder, CloudError> {
    let host = match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    let mut all = headers.to_vec();
    all.push(("host", &host));
    let to_sign = SignedRequest {
        method: "POST",
        path: url.path(),
        query: &[],
        headers: &all,
        body: body.as_bytes(),
    };
    let mut request = request.body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    for (name, value) in signed_headers(keys, to_sign, scope) {
        let value = HeaderValue::from_str(value.expose());
        let mut value = value.map_err(|_| CloudError::Setting {
            name: "AWS_SESSION_TOKEN",
            reason: "it cannot stand in a request".to_owned(),
        })?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    Ok(request)
}

fn secrets(keys: &AccessKeys) -> Vec<&str> {
    let token = keys.session_token.as_ref();
    std::iter::once(keys.secret.expose().as_str())
        .chain(token.map(|token| token.expose().as_str()))
        .collect()
}

/// Scheme, host and port, for messages.
fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}
