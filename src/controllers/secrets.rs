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
    /// A certificate without its key, a key without its certificate, or nothing of either sort.
    #[error("secret '{secret}' {reason}")]
    Certificates {
        /// Its namespace and name.
        secret: ObjectKey,
        /// What is wrong.
        reason: &'static str,
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
            return Err(SecretError::Certificates {
                secret: key.clone(),
                reason: "contains 'tls.crt' but missing 'tls.key'",
            });
        }
        (None, Some(_)) => {
            return Err(SecretError::Certificates {
                secret: key.clone(),
                reason: "contains 'tls.key' but missing 'tls.crt'",
            });
        }
    };
    Ok(Certificates {
        authorities,
        client,
    })
}

/// The same for a field that names certificates and nothing else.
///
/// # Errors
/// When there are none, too.
pub fn required_certificates(
    key: &ObjectKey,
    data: &SecretData,
) -> Result<Certificates, SecretError> {
    let read = certificates(key, data)?;
    if read.authorities.is_none() && read.client.is_none() {
        return Err(SecretError::Certificates {
            secret: key.clone(),
            reason: "must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'",
        });
    }
    Ok(read)
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
    proxy_of(key, &secret(client, key).await?)
}

fn proxy_of(key: &ObjectKey, data: &SecretData) -> Result<Proxy, SecretError> {
    let address = data
        .text("address")
        .ok_or_else(|| SecretError::content(key, "key 'address' not found"))?;
    if address.expose().is_empty() {
        return Err(SecretError::content(key, "proxy address is empty"));
    }
    if address.expose().len() > LONGEST_ADDRESS {
        return Err(SecretError::content(
            key,
            format!("proxy URL exceeds maximum length of {LONGEST_ADDRESS} characters"),
        ));
    }
    let address = SafeUrl::parse(address.expose().trim()).map_err(|error| {
        SecretError::content(key, format!("failed to parse proxy address: {error}"))
    })?;
    let scheme = address.as_url().scheme();
    if !matches!(scheme, "http" | "https" | "socks5") {
        let reason = format!(
            "proxy URL must use one of the supported schemes (http, https, socks5), got '{scheme}'"
        );
        return Err(SecretError::content(key, reason));
    }
    let username = data.text("username").map(|name| name.expose().clone());
    Ok(Proxy {
        address,
        // As in Flux, a password alone is none.
        password: username.as_ref().and_then(|_| data.text("password")),
        username,
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

    #[test]
    fn certificates_that_were_asked_for_must_be_there() {
        let error = required_certificates(&key(), &data(&[("token", "x"), ("ca.crt", "")]))
            .expect_err("there are none");
        assert_eq!(
            error.to_string(),
            "secret 'apps/tls' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'"
        );
        assert!(required_certificates(&key(), &data(&[("ca.crt", "pem")])).is_ok());
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
    fn a_proxy_that_is_none_is_refused_in_the_words_of_flux() {
        let long = format!("http://{}", "a".repeat(LONGEST_ADDRESS));
        for (values, words) in [
            (&[][..], "key 'address' not found"),
            (&[("address", "")], "proxy address is empty"),
            (
                &[("address", long.as_str())],
                "proxy URL exceeds maximum length of 2048 characters",
            ),
            (
                &[("address", "ftp://planted-secret@proxy.example.com")],
                "proxy URL must use one of the supported schemes (http, https, socks5), got 'ftp'",
            ),
        ] {
            let error = proxy_of(&key(), &data(values)).expect_err(words);
            assert_eq!(error.to_string(), format!("secret 'apps/tls': {words}"));
        }
        let alone = [("address", "socks5://proxy.example.com"), ("password", "x")];
        let proxy = proxy_of(&key(), &data(&alone)).expect("the address is good");
        assert_eq!((proxy.username, proxy.password), (None, None));
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
            "secret 'apps/tls' contains 'tls.key' but missing 'tls.crt'"
        );
    }
}
