//! What specifications say by naming Secrets: certificates and proxies, read the same way by every
//! kind.
//!
//! Invariant: an error names the Secret and the key, never a value. What is absent: logins, which
//! registries and Git servers write differently.

use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::objects::{SecretData, secret};
use crate::domain::object::ObjectKey;
use crate::domain::redact::{SafeUrl, Secret};
use kube::Client;
use thiserror::Error;

/// Why a Secret is of no use.
#[derive(Debug, Error)]
pub enum SecretError {
    /// It could not be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A key is missing or holds something else.
    #[error("secret '{secret}': {reason}")]
    Content {
        /// Its namespace and name.
        secret: ObjectKey,
        /// What is wrong, without any value.
        reason: String,
    },
    /// The specification asks for something that is not there yet.
    #[error("`{field}` is not supported yet: {hint}")]
    Unsupported {
        /// The field, as `spec.provider`.
        field: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
}

impl SecretError {
    /// Something is wrong with what a Secret holds.
    pub fn content(secret: &ObjectKey, reason: impl Into<String>) -> Self {
        Self::Content {
            secret: secret.clone(),
            reason: reason.into(),
        }
    }

    /// Whether only a change of the specification can help.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }
}

/// Certificates for a connection.
#[derive(Debug, Default)]
pub struct Certificates {
    /// Authorities to trust beside the system's, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// The client's own certificate and its key, as PEM.
    pub client: Option<(Vec<u8>, Secret<Vec<u8>>)>,
}

/// Reads certificates: `ca.crt`, `tls.crt`, `tls.key`, and Flux's deprecated names for them.
///
/// # Errors
/// When a certificate comes without its key, or the other way round.
pub fn certificates(key: &ObjectKey, data: &SecretData) -> Result<Certificates, SecretError> {
    let either = |name, deprecated| {
        data.bytes(name)
            .or_else(|| data.bytes(deprecated))
            .filter(|bytes| !bytes.expose().is_empty())
    };
    let authorities = either("ca.crt", "caFile").map(|bytes| bytes.expose().clone());
    let client = match (either("tls.crt", "certFile"), either("tls.key", "keyFile")) {
        (Some(certificate), Some(private)) => Some((certificate.expose().clone(), private.clone())),
        (None, None) => None,
        (Some(_), None) => {
            return Err(SecretError::content(
                key,
                "`tls.crt` comes without `tls.key`",
            ));
        }
        (None, Some(_)) => {
            return Err(SecretError::content(
                key,
                "`tls.key` comes without `tls.crt`",
            ));
        }
    };
    Ok(Certificates {
        authorities,
        client,
    })
}

/// A proxy, as its Secret describes it.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SafeUrl,
    /// Who asks it.
    pub username: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
}

impl Proxy {
    /// The address with the login in it, as clients take it that know of no other place.
    pub fn with_login(&self) -> SafeUrl {
        let mut url = self.address.as_url().clone();
        if let Some(user) = &self.username {
            let password = self
                .password
                .as_ref()
                .map(|password| password.expose().as_str());
            // Addresses of http, https and socks5 have a place for both.
            let _ = url
                .set_username(user)
                .and_then(|()| url.set_password(password));
        }
        SafeUrl::parse(url.as_str()).unwrap_or_else(|_| self.address.clone())
    }
}

/// The longest proxy address Flux accepts.
const LONGEST_ADDRESS: usize = 2048;

/// Reads a proxy's Secret: `address`, and perhaps `username` and `password`.
///
/// # Errors
/// When the address is missing, too long, or of another scheme than http, https or socks5.
pub async fn proxy(client: &Client, key: &ObjectKey) -> Result<Proxy, SecretError> {
    let data = secret(client, key).await?;
    let address = data
        .text("address")
        .ok_or_else(|| SecretError::content(key, "the key `address` is missing"))?;
    if address.expose().len() > LONGEST_ADDRESS {
        return Err(SecretError::content(
            key,
            format!("`address` is longer than {LONGEST_ADDRESS} bytes"),
        ));
    }
    let address = SafeUrl::parse(address.expose().trim())
        .map_err(|error| SecretError::content(key, format!("`address` is not a URL: {error}")))?;
    if !matches!(address.as_url().scheme(), "http" | "https" | "socks5") {
        return Err(SecretError::content(
            key,
            "`address` must be of the scheme http, https or socks5",
        ));
    }
    Ok(Proxy {
        address,
        username: data.text("username").map(|name| name.expose().clone()),
        password: data.text("password"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(values: &[(&str, &str)]) -> SecretData {
        SecretData::new(
            "Opaque",
            values
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())),
        )
    }

    fn key() -> ObjectKey {
        ObjectKey::new("apps", "tls")
    }

    #[test]
    fn certificates_are_found_under_their_deprecated_names_too() {
        let read = certificates(
            &key(),
            &data(&[("caFile", "ca"), ("certFile", "cert"), ("keyFile", "key")]),
        )
        .expect("the secret is whole");
        assert_eq!(read.authorities, Some(b"ca".to_vec()));
        assert_eq!(
            read.client.map(|(certificate, _)| certificate),
            Some(b"cert".to_vec())
        );
        let newer = certificates(&key(), &data(&[("ca.crt", "new"), ("caFile", "old")]))
            .expect("the secret is whole");
        assert_eq!(newer.authorities, Some(b"new".to_vec()));
    }

    #[test]
    fn a_proxys_login_stands_in_its_address_and_is_not_printed() {
        let proxy = Proxy {
            address: SafeUrl::parse("http://proxy.example.com:3128").expect("a URL"),
            username: Some("us:er".to_owned()),
            password: Some(Secret::new("planted@secret".to_owned())),
        };
        let whole = proxy.with_login();
        assert_eq!(
            whole.as_url().as_str(),
            "http://us%3Aer:planted%40secret@proxy.example.com:3128/"
        );
        assert_eq!(whole.to_string(), "http://proxy.example.com:3128/");
    }

    #[test]
    fn half_a_client_certificate_is_refused_without_its_value() {
        let error = certificates(&key(), &data(&[("tls.key", "planted-secret")]))
            .expect_err("the certificate is missing");
        assert_eq!(
            error.to_string(),
            "secret 'apps/tls': `tls.key` comes without `tls.crt`"
        );
    }
}
