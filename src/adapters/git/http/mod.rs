//! The smart HTTP backend: one pooled `reqwest` client per trust setup under `gix`'s transport.
//!
//! Why not the backend that `gix` brings: this one keeps connections between operations, ends each
//! request at the operation's deadline, bounds what is read, and keeps the status that explains a
//! failure. Credentials are sent with the first request. Invariant: they never go to another
//! authority than the one of the remote's URL.

mod clients;
mod exchange;

pub(super) use clients::{Clients, follow};

use super::remote::{Auth, Remote};
use super::session::{Deadline, Failure};
use crate::domain::redact::{SafeUrl, Secret};
use exchange::{Body, Exchange, Headers, Outgoing, Slot};
use gix::error::{ErrorExt, message};
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse,
};
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::{HeaderName, HeaderValue};
use std::any::Any;
use std::sync::{Arc, Mutex};

/// One operation's view of the client.
pub(super) struct Backend {
    client: Client,
    bearer: Option<Secret>,
    url: Arc<SafeUrl>,
    deadline: Deadline,
    limit: u64,
    failure: Failure,
    redirected: Option<String>,
}

impl Backend {
    pub(super) fn new(
        client: Client,
        remote: &Remote,
        deadline: Deadline,
        limit: u64,
        failure: Failure,
    ) -> Self {
        let bearer = match &remote.auth {
            Auth::Bearer(token) => Some(token.clone()),
            _ => None,
        };
        Self {
            client,
            bearer,
            url: remote.url().clone(),
            deadline,
            limit,
            failure,
            redirected: None,
        }
    }

    fn prepare(
        &self,
        request: RequestBuilder,
        target: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> RequestBuilder {
        let mut request = request;
        for header in headers {
            let Some((name, value)) = header.as_ref().split_once(':') else {
                continue;
            };
            let parsed = (
                HeaderName::from_bytes(name.trim().as_bytes()),
                HeaderValue::from_str(value.trim()),
            );
            if let (Ok(name), Ok(value)) = parsed
                && name != reqwest::header::USER_AGENT
            {
                request = request.header(name, value);
            }
        }
        match &self.bearer {
            Some(token) if same_authority(target, self.url.as_url()) => {
                request.bearer_auth(token.expose())
            }
            _ => request,
        }
    }

    fn exchange(&self) -> Exchange {
        Exchange {
            url: self.url.clone(),
            deadline: self.deadline.clone(),
            limit: self.limit,
            failure: self.failure.clone(),
        }
    }
}

impl Http for Backend {
    type Headers = Headers;
    type ResponseBody = Body;
    type PostBody = Outgoing;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Headers, Body>> {
        let request = self.prepare(self.client.get(url), url, headers);
        let exchange = self.exchange();
        let answer = exchange
            .send(request, None)
            .map_err(|error| error.and_raise(message("the request failed")))?;
        let landed = answer.response.url().as_str();
        if let Some(tail) = url.strip_prefix(base_url)
            && landed != url
            && let Some(base) = landed.strip_suffix(tail)
        {
            self.redirected = Some(base.to_owned());
        }
        let slot = Arc::new(Mutex::new(Slot::Answered(Some(answer))));
        Ok(GetResponse {
            headers: Headers::new(slot.clone()),
            body: Body::new(slot),
        })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Headers, Body, Outgoing>> {
        let request = self.prepare(self.client.post(url), url, headers);
        let slot = Arc::new(Mutex::new(Slot::Writing(Some((
            self.exchange(),
            request,
            Vec::new(),
        )))));
        Ok(PostResponse {
            post_body: Outgoing(slot.clone()),
            headers: Headers::new(slot.clone()),
            body: Body::new(slot),
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

fn same_authority(target: &str, home: &url::Url) -> bool {
    url::Url::parse(target).is_ok_and(|target| target.origin() == home.origin())
}
