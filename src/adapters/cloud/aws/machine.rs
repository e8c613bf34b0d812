//! Amazon's keys from the machine that the process runs on: its container's endpoint, its node's metadata.
//!
//! Invariant: none is asked by way of a proxy, nor in the open when it is another machine; metadata are asked by IMDSv2 only.
//! What is absent: when they are asked.

use super::shown;
use crate::adapters::cloud::error::CloudError;
use crate::adapters::cloud::http::{Question, private_url, url};
use crate::adapters::cloud::{CloudLogins, Fresh};
use crate::domain::cloud::aws::instance_keys;
use crate::domain::cloud::signature::AccessKeys;
use reqwest::{Method, RequestBuilder, Url};

/// How a process without keys gets some.
const HINT: &str = "give the Pod an identity (EKS Pod Identity, IRSA), the node a role that its Pods may use, or set `AWS_ACCESS_KEY_ID`";
/// Where a container's credentials may come from over plain http: the agents of ECS and EKS.
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

impl CloudLogins {
    /// The keys of the container, or else those of the node.
    pub(super) async fn surrounding_keys(&self) -> Fresh<AccessKeys> {
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

    /// Where the container's own credentials are, if the environment says so.
    pub(super) fn container_url(&self) -> Result<Option<Url>, CloudError> {
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
        private_url(name, text, &AGENTS).map(Some)
    }

    pub(super) async fn container_keys(&self, url: Url) -> Fresh<AccessKeys> {
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
    pub(super) async fn metadata_keys(&self) -> Fresh<AccessKeys> {
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
}
