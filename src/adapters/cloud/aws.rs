//! Amazon: keys of the process or of a role, and logins of its registries.
//!
//! Invariant: places for keys are tried in the order of Amazon's own libraries: variables, a web identity
//! (IRSA), a profile in a file, the container's endpoint (EKS Pod Identity, ECS), the instance's metadata
//! (IMDSv2 only). What is absent: profiles that name other profiles, programs or single sign-on.

use super::error::CloudError;
use super::http::{Question, form, url};
use super::{CloudLogins, Fresh, Who, key};
use crate::domain::cloud::aws::{
    assume_role, instance_keys, registry_login, role_keys, session_name,
};
use crate::domain::cloud::endpoint::{self, Variant};
use crate::domain::cloud::lifetime::Expiry;
use crate::domain::cloud::profile::{Profile, profile};
use crate::domain::cloud::signature::{AccessKeys, Scope, SignedRequest, signed_headers};
use crate::domain::cloud::{CloudRegistry, Identity, Provider};
use crate::domain::docker_config::Credentials;
use crate::domain::redact::{SafeUrl, Secret};
use jiff::Timestamp;
use reqwest::header::{HeaderValue, InvalidHeaderValue};
use reqwest::{Method, RequestBuilder, Url};

/// What requests to the registries' API say of themselves.
const JSON: &str = "application/x-amz-json-1.1";
/// The name of the process's sessions when none is given.
const SESSION: &str = "highwater";
/// How a process without keys gets some.
const HINT: &str = "give the Pod an identity (EKS Pod Identity, IRSA), the node a role that its Pods may use, or set `AWS_ACCESS_KEY_ID`";
/// Where a container's credentials may come from over plain http: the agents of ECS and EKS.
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

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
            let request = signed(
                client.request(Method::POST, url.clone()),
                &url,
                &keys,
                &headers,
                scope,
            )
            .map_err(|_| CloudError::Setting {
                name: "AWS_SESSION_TOKEN",
                reason: "it cannot stand in a request".to_owned(),
            })?;
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
    async fn access_keys(
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

    async fn process_keys(&self, region: &str, proxy: Option<&SafeUrl>) -> Fresh<AccessKeys> {
        let variable = |name| self.environment.get(name);
        let owned = |text: &str| Secret::new(text.to_owned());
        if let (Some(id), Some(secret)) = (
            variable("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY"),
        ) {
            let keys = AccessKeys {
                id: id.to_owned(),
                secret: owned(secret),
                session_token: variable("AWS_SESSION_TOKEN").map(owned),
            };
            return Ok((keys, Expiry::Never));
        }
        if let (Some(file), Some(arn)) = (
            variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
            variable("AWS_ROLE_ARN"),
        ) {
            let token = self
                .environment
                .file("AWS_WEB_IDENTITY_TOKEN_FILE", file)
                .await?;
            let token = owned(token.trim());
            let session = variable("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION);
            return self.role(region, proxy, arn, session, &token).await;
        }
        if let Some(profile) = self.profile().await? {
            return self.profile_keys(region, proxy, profile).await;
        }
        if let Some(url) = self.container_url()? {
            return self.container_keys(url).await;
        }
        self.metadata_keys()
            .await
            .map_err(|last| CloudError::NoIdentity {
                last: Box::new(last),
                hint: HINT,
            })
    }

    /// The profile that is named, or the default one if there is such a thing.
    async fn profile(&self) -> Result<Option<Profile>, CloudError> {
        let named = self.environment.get("AWS_PROFILE");
        let credentials = self
            .environment
            .own_file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")
            .await?;
        let config = self
            .environment
            .own_file("AWS_CONFIG_FILE", ".aws/config")
            .await?;
        let found = profile(&credentials, &config, named.unwrap_or("default"));
        match (found, named) {
            (None, Some(name)) => Err(CloudError::Setting {
                name: "AWS_PROFILE",
                reason: format!("the profile `{name}` holds neither keys nor a web identity"),
            }),
            (found, _) => Ok(found),
        }
    }

    async fn profile_keys(
        &self,
        region: &str,
        proxy: Option<&SafeUrl>,
        profile: Profile,
    ) -> Fresh<AccessKeys> {
        match profile {
            Profile::Keys(keys) => Ok((keys, Expiry::Never)),
            Profile::WebIdentity {
                arn,
                token_file,
                session,
            } => {
                let token = self.environment.file("AWS_PROFILE", &token_file).await?;
                let token = Secret::new(token.trim().to_owned());
                let session = session.as_deref().unwrap_or(SESSION);
                self.role(region, proxy, &arn, session, &token).await
            }
        }
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

    /// Where the container's own credentials are, if the environment says so.
    fn container_url(&self) -> Result<Option<Url>, CloudError> {
        if let Some(path) = self
            .environment
            .get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        {
            let name = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
            let path = path.trim_start_matches('/');
            return url(name, &format!("http://{}/{path}", AGENTS[0])).map(Some);
        }
        let name = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
        let Some(text) = self.environment.get(name) else {
            return Ok(None);
        };
        let full = url(name, text)?;
        let host = full.host_str().unwrap_or_default();
        let near = AGENTS.contains(&host) || ["127.0.0.1", "[::1]", "localhost"].contains(&host);
        if full.scheme() != "https" && !near {
            return Err(CloudError::Setting {
                name,
                reason: format!("`{host}` is not on this machine, so expected https"),
            });
        }
        Ok(Some(full))
    }

    async fn container_keys(&self, url: Url) -> Fresh<AccessKeys> {
        let name = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
        let token = match self.environment.get(name) {
            Some(file) => Some(self.environment.file(name, file).await?.trim().to_owned()),
            None => self
                .environment
                .get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
                .map(str::to_owned),
        };
        let client = match url.scheme() {
            "https" => self.clients.outward(&url, None)?,
            _ => self.clients.local()?,
        };
        let place = format!("`{}` (the container's credentials)", shown(&url));
        let mut request = client.request(Method::GET, url);
        if let Some(token) = &token {
            request = request.header("authorization", token);
        }
        let question = Question {
            place: place.clone(),
            request,
            secrets: token.as_deref().into_iter().collect(),
        };
        instance_keys(&question.ask().await?)
            .map_err(|problem| CloudError::Answer { place, problem })
    }

    /// The keys of the node's role: IMDSv2, which wants a token first.
    async fn metadata_keys(&self) -> Fresh<AccessKeys> {
        let name = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        if self.environment.is_true("AWS_EC2_METADATA_DISABLED") {
            return Err(CloudError::Setting {
                name: "AWS_EC2_METADATA_DISABLED",
                reason: "it is `true`, so the instance is not asked".to_owned(),
            });
        }
        let mode = self
            .environment
            .get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
        let default = match mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6")) {
            true => "http://[fd00:ec2::254]",
            false => "http://169.254.169.254",
        };
        let base = url(name, self.environment.get(name).unwrap_or(default))?;
        let at = |path: &str| {
            base.join(path).map_err(|_| CloudError::Setting {
                name,
                reason: "no path can be joined to it".to_owned(),
            })
        };
        let client = self.clients.local()?;
        let place = format!("`{}` (the instance's metadata)", shown(&base));
        let ask = async |request: RequestBuilder| {
            let question = Question {
                place: place.clone(),
                request,
                secrets: Vec::new(),
            };
            question.ask().await
        };
        let text = |body: Vec<u8>| String::from_utf8_lossy(&body).trim().to_owned();
        let token = client
            .put(at("latest/api/token")?)
            .header("x-aws-ec2-metadata-token-ttl-seconds", "300");
        let token = text(ask(token).await?);
        let get = async |path: &str| {
            let request = client
                .get(at(path)?)
                .header("x-aws-ec2-metadata-token", &token);
            ask(request).await
        };
        let roles = "latest/meta-data/iam/security-credentials/";
        let role = text(get(roles).await?);
        let role = role.lines().next().unwrap_or_default().replace('/', "");
        let body = get(&format!("{roles}{role}")).await?;
        instance_keys(&body).map_err(|problem| CloudError::Answer {
            place: place.clone(),
            problem,
        })
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

/// The request with its header fields, signed, and the body that `GetAuthorizationToken` has.
fn signed(
    request: RequestBuilder,
    url: &Url,
    keys: &AccessKeys,
    headers: &[(&str, &str)],
    scope: Scope<'_>,
) -> Result<RequestBuilder, InvalidHeaderValue> {
    const BODY: &str = "{}";
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
        body: BODY.as_bytes(),
    };
    let mut request = request.body(BODY);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    for (name, value) in signed_headers(keys, to_sign, scope) {
        let mut value = HeaderValue::from_str(value.expose())?;
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
