//! Asking over HTTP, within bounds.
//!
//! Invariant: no redirect is followed, because it would carry a login along; an answer has at most a
//! megabyte and ten seconds; metadata of this machine is asked without any proxy. What is absent: what
//! is asked.

use super::error::CloudError;
use crate::adapters::outbound::{self, is_loopback};
use crate::domain::cloud::answer::refusal;
use crate::domain::cloud::aws::Form;
use crate::domain::redact::{SafeUrl, Secret};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Url};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use url::form_urlencoded::Serializer;

/// How long one request may take, as in Flux.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// How long it may take to learn that there is no metadata on this machine.
const METADATA_TIME: Duration = Duration::from_secs(5);
/// Hosts that are this machine.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];
/// Largest answer, in bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// Connections to clouds.
#[derive(Default)]
pub(super) struct Clients {
    local: Mutex<Option<Client>>,
    outward: Mutex<Option<Client>>,
}

/// One question.
pub(super) struct Question<'a> {
    /// The place, for messages.
    pub(super) place: String,
    /// The request.
    pub(super) request: RequestBuilder,
    /// What must not appear in messages.
    pub(super) secrets: Vec<&'a str>,
}

impl Clients {
    /// For what only this machine answers. Its certificates are not needed, and no proxy knows it.
    pub(super) fn local(&self) -> Result<Client, CloudError> {
        opened(&self.local, || {
            let builder = builder().no_proxy().tls_certs_only([]);
            builder
                .connect_timeout(METADATA_TIME)
                .timeout(METADATA_TIME)
        })
    }

    /// For a cloud's service at `url`.
    pub(super) fn outward(&self, url: &Url, proxy: Option<&SafeUrl>) -> Result<Client, CloudError> {
        match proxy {
            Some(proxy) => {
                let proxy = by_way_of(proxy)?;
                built(builder().proxy(proxy))
            }
            None if url.scheme() == "http" && is_loopback(url) => self.local(),
            None => opened(&self.outward, builder),
        }
    }
}

/// A client of its own, for a place that wants certificates of its own.
pub(super) fn with_certificates(
    proxy: Option<&SafeUrl>,
    authorities: Option<&[u8]>,
    certificate: Option<(&[u8], &Secret<Vec<u8>>)>,
    at: &Url,
) -> Result<Client, CloudError> {
    let unusable = |name: &'static str| {
        move |error: reqwest::Error| CloudError::Setting {
            name,
            reason: error.to_string(),
        }
    };
    let mut client = builder();
    if let Some(proxy) = proxy {
        client = client.proxy(by_way_of(proxy)?);
    } else if is_loopback(at) {
        client = client.no_proxy();
    }
    if let Some(pem) = authorities {
        let authorities = reqwest::Certificate::from_pem_bundle(pem).map_err(unusable("ca.crt"))?;
        client = client.tls_certs_merge(authorities);
    }
    if let Some((certificate, key)) = certificate {
        let pem = [certificate, b"\n", key.expose()].concat();
        let own = reqwest::Identity::from_pem(&pem).map_err(unusable("tls.crt"))?;
        client = client.identity(own);
    }
    built(client)
}

fn opened(
    place: &Mutex<Option<Client>>,
    builder: impl FnOnce() -> ClientBuilder,
) -> Result<Client, CloudError> {
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = place.as_ref() {
        return Ok(client.clone());
    }
    let client = built(builder())?;
    *place = Some(client.clone());
    Ok(client)
}

fn built(builder: ClientBuilder) -> Result<Client, CloudError> {
    builder.build().map_err(|error| CloudError::Unreachable {
        place: "the cloud".to_owned(),
        reason: error.without_url().to_string(),
    })
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("highwater/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .timeout(REQUEST_TIME)
}

fn by_way_of(proxy: &SafeUrl) -> Result<reqwest::Proxy, CloudError> {
    let way = outbound::Proxy {
        url: proxy.clone(),
        credentials: None,
    };
    outbound::by_way_of(&way).map_err(|error| CloudError::Unreachable {
        place: format!("the proxy `{proxy}`"),
        reason: error.reason().to_owned(),
    })
}

/// A form in the body of a POST.
pub(super) fn form(client: &Client, url: Url, form: &Form) -> RequestBuilder {
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    client
        .request(Method::POST, url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
}

/// A URL that the program made, or that the environment or a file of it names.
pub(super) fn url(name: &'static str, text: &str) -> Result<Url, CloudError> {
    let unusable = |reason: &str| CloudError::Setting {
        name,
        reason: reason.to_owned(),
    };
    let url = Url::parse(text).map_err(|error| unusable(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(unusable("expected a URL of http or https")),
    }
}

/// A URL that gives secrets away: plain http only leads to this machine, or to one of `near`, which no other can pretend to be.
pub(super) fn private_url(
    name: &'static str,
    text: &str,
    near: &[&str],
) -> Result<Url, CloudError> {
    let url = url(name, text)?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() == "https" || near.contains(&host) || LOOPBACK.contains(&host) {
        return Ok(url);
    }
    Err(CloudError::Setting {
        name,
        reason: format!("`{host}` is not on this machine, so expected https"),
    })
}

/// A path below a base, whether or not the base ends in a slash.
pub(super) fn joined(name: &'static str, base: &Url, path: &str) -> Result<Url, CloudError> {
    let base = format!("{}/", base.as_str().trim_end_matches('/'));
    url(name, &format!("{base}{path}"))
}

impl Question<'_> {
    /// Asks, and gives the body of a successful answer.
    pub(super) async fn ask(self) -> Result<Vec<u8>, CloudError> {
        Ok(self.ask_with_headers().await?.1)
    }

    /// The same with the header fields of the answer.
    pub(super) async fn ask_with_headers(self) -> Result<(HeaderMap, Vec<u8>), CloudError> {
        let unreachable = |error: reqwest::Error| CloudError::Unreachable {
            place: self.place.clone(),
            reason: crate::domain::outcome::with_causes(&error.without_url()),
        };
        let mut response = self.request.send().await.map_err(unreachable)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = outbound::read(&mut response, LARGEST_ANSWER)
            .await
            .map_err(unreachable)?;
        let Some(body) = body else {
            return Err(CloudError::Unreachable {
                place: self.place,
                reason: format!("the answer has more than {LARGEST_ANSWER} bytes"),
            });
        };
        if status.is_success() {
            return Ok((headers, body));
        }
        Err(CloudError::Refused {
            place: self.place,
            status: status.as_u16(),
            words: refusal(&body, &self.secrets),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_of_http_or_https() {
        for text in ["", "sts.example", "ftp://sts.example", "file:///etc/passwd"] {
            let error = url("AWS_ENDPOINT_URL_STS", text).expect_err("no endpoint");
            assert!(
                error.to_string().starts_with("`AWS_ENDPOINT_URL_STS`: "),
                "{error}"
            );
        }
        assert!(url("X", "http://127.0.0.1:1").is_ok());
    }

    #[test]
    fn what_is_private_is_asked_in_the_open_only_nearby() {
        let near = ["169.254.169.254", "[fd00:ec2::254]"];
        for text in [
            "https://tokens.example/x",
            "http://127.0.0.1:8080/x",
            "http://localhost/x",
            "http://[::1]/x",
            "http://169.254.169.254/x",
            "http://[fd00:ec2::254]/x",
        ] {
            assert!(private_url("X", text, &near).is_ok(), "{text}");
        }
        for text in [
            "http://tokens.example/x",
            "http://169.254.169.254.example/x",
            "http://169.254.170.2/x",
            "file:///etc/passwd",
        ] {
            assert!(private_url("X", text, &near).is_err(), "{text}");
        }
    }
}
