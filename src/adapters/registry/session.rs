//! One operation's requests to one registry: authorization, redirects, and the second try after a 401.
//!
//! Invariant: credentials and tokens go to the registry's own origin and nowhere else, whatever it
//! redirects to; a 401 is answered once. What is absent: how tokens are got and kept.

use super::access::{Access, Fingerprint};
use super::answer::{Question, success};
use super::body::unreachable;
use super::budget::{Budgets, Door, Kind, Turn};
use super::endpoint::Endpoint;
use super::error::{AnswerProblem, RegistryError};
use super::origin::token_server;
use super::spent::Meter;
use super::token::{TokenRequest, basic, bearer};
use super::token_cache::{TokenCache, TokenKey};
use crate::domain::docker_config::Credentials;
use crate::domain::http_field::{Challenge, parse_challenges};
use crate::domain::image::ImageName;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, HeaderValue, IF_NONE_MATCH, LOCATION, WWW_AUTHENTICATE,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use std::sync::Arc;

/// Most redirects followed for one request.
const MOST_REDIRECTS: usize = 5;

/// One operation in progress.
pub(super) struct Session<'a> {
    client: Client,
    key: Fingerprint,
    endpoint: &'a Endpoint,
    base: Url,
    image: &'a ImageName,
    access: &'a Access,
    tokens: &'a TokenCache,
    budgets: &'a Budgets,
    meter: &'a Meter<'a>,
    door: Arc<Door>,
    login: Fingerprint,
    /// What the last request was authorized with. It outlives the cache's own idea of how long a
    /// token is good, because a server with a wrong clock may hand out tokens that look expired.
    held: Option<HeaderValue>,
}

/// A request that differs from others of its session only in these.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    /// GET or HEAD.
    pub(super) method: &'a Method,
    /// Where to.
    pub(super) url: &'a Url,
    /// Which media types.
    pub(super) accept: &'static str,
    /// What a 404 is about.
    pub(super) what: &'a str,
    /// What it is counted as.
    pub(super) kind: Kind,
}

/// What the operations of a process share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    /// The tokens.
    pub(super) tokens: &'a TokenCache,
    /// How much registries are asked.
    pub(super) budgets: &'a Budgets,
    /// What this operation costs.
    pub(super) meter: &'a Meter<'a>,
}

impl<'a> Session<'a> {
    /// Begins an operation. Nothing is sent yet.
    pub(super) fn new(
        client: Client,
        key: Fingerprint,
        endpoint: &'a Endpoint,
        base: Url,
        image: &'a ImageName,
        access: &'a Access,
        shared: Shared<'a>,
    ) -> Self {
        Self {
            client,
            key,
            endpoint,
            base,
            image,
            access,
            tokens: shared.tokens,
            budgets: shared.budgets,
            meter: shared.meter,
            door: shared.budgets.door(image.registry()),
            login: Fingerprint::of_credentials(&access.credentials),
            held: None,
        }
    }

    /// Scheme, host and port of the registry.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The registry's name, for messages.
    pub(super) fn host(&self) -> &'a str {
        self.image.registry()
    }

    /// What this operation costs.
    pub(super) fn meter(&self) -> &'a Meter<'a> {
        self.meter
    }

    /// Whether this registry's manifests may be read where HEAD tells no digest.
    pub(super) fn reads_manifests(&self) -> bool {
        self.budgets.settings().of(self.host()).read_manifests
    }

    /// `/v2/<repository>/<rest>` on the registry.
    pub(super) fn url(&self, rest: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.image.repository()));
        url
    }

    /// An answer that cannot be used, as an error.
    pub(super) fn problem(&self, problem: AnswerProblem) -> RegistryError {
        RegistryError::Answer {
            host: self.host().to_owned(),
            problem,
        }
    }

    /// Sends a request and gives its successful answer.
    pub(super) async fn send(&mut self, request: Request<'_>) -> Result<Response, RegistryError> {
        self.send_with(request, None).await
    }

    /// The same for what need not be sent when it is still what `etag` stands for: then the answer is 304 without a body.
    pub(super) async fn send_unless(
        &mut self,
        request: Request<'_>,
        etag: &str,
    ) -> Result<Response, RegistryError> {
        self.send_with(request, HeaderValue::from_str(etag).ok())
            .await
    }

    async fn send_with(
        &mut self,
        request: Request<'_>,
        known: Option<HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let known = known.as_ref();
        if self.held.is_none() {
            self.held = match self.endpoint.challenge() {
                Some(challenge) => self.authorization(&challenge, None).await?,
                None => None,
            };
        }
        let (response, own) = self.follow(request, known).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !own {
            return self.judged(response, request, known).await;
        }
        let Some(challenge) = chosen_challenge(&response) else {
            return self.judged(response, request, known).await;
        };
        let stale = self.held.take();
        self.held = self.authorization(&challenge, stale.as_ref()).await?;
        self.endpoint.set_challenge(challenge);
        if self.held.is_none() || self.held == stale {
            // There is nothing else to say than what was refused.
            return self.judged(response, request, known).await;
        }
        drop(response);
        let (response, _) = self.follow(request, known).await?;
        self.judged(response, request, known).await
    }

    /// Lets a success through, and 304 where it was asked for.
    async fn judged(
        &self,
        response: Response,
        request: Request<'_>,
        known: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        if known.is_some() && response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let question = Question {
            host: self.host(),
            what: request.what,
            credentials: &self.access.credentials,
        };
        success(response, question).await
    }

    /// The `Authorization` field that answers a challenge; `None` when there is nothing to show.
    async fn authorization(
        &self,
        challenge: &Challenge,
        stale: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        match (challenge.scheme(), &self.access.credentials) {
            ("bearer", Credentials::RegistryToken(token)) => Ok(bearer(token.expose())),
            ("bearer", _) => self.token(challenge, stale).await.map(Some),
            ("basic", Credentials::Basic { username, password }) => {
                Ok(Some(basic(username, password.expose())))
            }
            _ => Ok(None),
        }
    }

    /// A token for reading this repository, from the cache or from the token server.
    async fn token(
        &self,
        challenge: &Challenge,
        stale: Option<&HeaderValue>,
    ) -> Result<HeaderValue, RegistryError> {
        let realm = challenge.parameter("realm").unwrap_or_default();
        let realm = token_server(&self.base, realm)?;
        let service = challenge.parameter("service");
        let key = TokenKey {
            connection: self.key,
            registry: self.base.to_string(),
            realm: realm.to_string(),
            service: service.unwrap_or_default().to_owned(),
            repository: self.image.repository().to_owned(),
            credentials: Fingerprint::of_credentials(&self.access.credentials),
        };
        let request = TokenRequest {
            client: &self.client,
            realm,
            service,
            repository: self.image.repository(),
            credentials: &self.access.credentials,
        };
        let asked = async {
            let granted = request.send().await;
            let status = granted
                .as_ref()
                .map_or_else(RegistryError::status, |_| Some(200));
            self.meter.sent("token", status);
            granted
        };
        self.tokens.get(key, stale, asked).await
    }

    /// Sends a request and follows its redirects. Also says whether the answer is the registry's own.
    async fn follow(
        &self,
        request: Request<'_>,
        known: Option<&HeaderValue>,
    ) -> Result<(Response, bool), RegistryError> {
        let mut url = request.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let own = url.origin() == self.base.origin();
            let mut built = self
                .client
                .request(request.method.clone(), url.clone())
                .header(ACCEPT, request.accept);
            if let Some(known) = known {
                built = built.header(IF_NONE_MATCH, known.clone());
            }
            if let (true, Some(held)) = (own, &self.held) {
                built = built.header(AUTHORIZATION, held.clone());
            }
            let response = match own {
                true => self.in_turn(request.kind, built).await?,
                false => self.at_once(request.kind, &url, built).await?,
            };
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED
            {
                return Ok((response, own));
            }
            url = self.redirected(&url, &response)?;
        }
        Err(self.problem(AnswerProblem::Redirect("too often")))
    }

    /// Sends a request to the registry when its turn has come.
    async fn in_turn(&self, kind: Kind, built: RequestBuilder) -> Result<Response, RegistryError> {
        let turn = Turn {
            host: self.host(),
            login: self.login,
            kind,
        };
        let entered = self.budgets.enter(&self.door, turn).await;
        let _permit = entered.inspect_err(|_| self.meter.held_back(kind))?;
        let response = self.at_once(kind, &self.base, built).await?;
        self.meter.learned(&self.budgets.learn(turn, &response));
        Ok(response)
    }

    async fn at_once(
        &self,
        kind: Kind,
        url: &Url,
        built: RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let sent = built.send().await;
        let status = sent
            .as_ref()
            .ok()
            .map(|response| response.status().as_u16());
        self.meter.sent(kind.name(), status);
        sent.map_err(|error| unreachable(url.host_str().unwrap_or_else(|| self.host()), error))
    }

    /// Where a redirect leads. Never from https to http.
    fn redirected(&self, from: &Url, response: &Response) -> Result<Url, RegistryError> {
        let refuse = |reason| self.problem(AnswerProblem::Redirect(reason));
        let location = response.headers().get(LOCATION);
        let to = location
            .and_then(|location| location.to_str().ok())
            .and_then(|location| from.join(location).ok())
            .ok_or_else(|| refuse("to nowhere"))?;
        match (from.scheme(), to.scheme()) {
            (_, "https") | ("http", "http") => Ok(to),
            _ => Err(refuse("from https to another scheme")),
        }
    }
}

/// The challenge to answer: the first that can be, token before password.
fn chosen_challenge(response: &Response) -> Option<Arc<Challenge>> {
    let challenges: Vec<_> = response
        .headers()
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(parse_challenges)
        .collect();
    let of_scheme = |scheme| {
        challenges
            .iter()
            .find(|challenge| challenge.scheme() == scheme)
    };
    of_scheme("bearer")
        .or_else(|| of_scheme("basic"))
        .cloned()
        .map(Arc::new)
}
