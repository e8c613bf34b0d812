//! An authority of one's own, and client certificates.

use super::{anonymous, list, login, shown};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use highwater::adapters::registry::{Access, ClientCertificate, ErrorClass, RegistryError, Tls};
use highwater::domain::image::ImageName;
use highwater::domain::redact::Secret;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;

/// The authority that signed the certificates of these tests.
pub(super) const CA: &[u8] = include_bytes!("certificates/ca.pem");
const SERVER: &[u8] = include_bytes!("certificates/server.pem");
const SERVER_KEY: &[u8] = include_bytes!("certificates/server.key");
const CLIENT: &[u8] = include_bytes!("certificates/client.pem");
const CLIENT_KEY: &[u8] = include_bytes!("certificates/client.key");

/// A server's side of TLS, perhaps one that wants to see a certificate.
pub(crate) fn server(wants_certificate: bool) -> ServerConfig {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = |pem| CertificateDer::from_pem_slice(pem).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(SERVER_KEY).expect("a key");
    let builder = ServerConfig::builder();
    let builder = if wants_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(CA)).expect("an authority");
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
        builder.with_client_cert_verifier(verifier.expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    builder
        .with_single_cert(vec![certificate(SERVER)], key)
        .expect("the key fits the certificate")
}

fn one_tag(_: &Seen) -> Reply {
    Reply::tags("app", &["1.0"])
}

fn trusting(client: Option<ClientCertificate>) -> Access {
    Access {
        tls: Tls {
            ca_pem: Some(CA.to_vec()),
            client,
        },
        ..anonymous()
    }
}

fn certificate(key: &[u8]) -> ClientCertificate {
    ClientCertificate {
        certificate_pem: CLIENT.to_vec(),
        key_pem: Secret::new(key.to_vec()),
    }
}

#[tokio::test]
async fn a_registry_with_its_own_authority_needs_that_authority() {
    let registry = FakeRegistry::start_tls(server(false), one_tag);
    let image = registry.image("app");
    assert_eq!(
        shown(&list(&image, &trusting(None)).await.expect("a list")),
        "1.0"
    );
    let error = list(&image, &anonymous()).await.expect_err("not trusted");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    assert!(error.to_string().ends_with("in `certSecretRef`"), "{error}");
}

#[tokio::test]
async fn the_name_in_the_certificate_counts() {
    let registry = FakeRegistry::start_tls(server(false), one_tag);
    let port = registry
        .address()
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let known = ImageName::parse(&format!("localhost:{port}/app")).expect("a name");
    assert_eq!(
        shown(&list(&known, &trusting(None)).await.expect("a list")),
        "1.0"
    );
    let other = ImageName::parse(&format!("127.0.0.2:{port}/app")).expect("a name");
    assert!(list(&other, &trusting(None)).await.is_err());
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks() {
    let registry = FakeRegistry::start_tls(server(true), one_tag);
    let image = registry.image("app");
    let with = trusting(Some(certificate(CLIENT_KEY)));
    assert_eq!(shown(&list(&image, &with).await.expect("a list")), "1.0");
    let error = list(&image, &trusting(None))
        .await
        .expect_err("no certificate");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(!format!("{with:?}").contains("PRIVATE KEY"));
}

#[tokio::test]
async fn certificates_that_are_none_are_settings_errors() {
    let image = ImageName::parse("registry.invalid/app").expect("a name");
    let ca = |pem: &[u8]| Access {
        tls: Tls {
            ca_pem: Some(pem.to_vec()),
            client: None,
        },
        ..anonymous()
    };
    let damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (access, setting) in [
        (ca(b""), "the CA certificate"),
        (ca(b"hunter2"), "the CA certificate"),
        (ca(damaged), "the certificates in `certSecretRef`"),
        (trusting(Some(certificate(b""))), "the client certificate"),
        (
            trusting(Some(certificate(b"hunter2"))),
            "the client certificate",
        ),
        // A key that belongs to another certificate.
        (
            trusting(Some(certificate(SERVER_KEY))),
            "the certificates in `certSecretRef`",
        ),
    ] {
        let error = list(&image, &access).await.expect_err("not usable");
        assert_eq!(error.class(), ErrorClass::Invalid);
        assert!(
            matches!(&error, RegistryError::Settings { setting: found, .. } if *found == setting),
            "{error}"
        );
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_registry_with_tls_gets_no_login_onto_plain_http() {
    let thief = FakeRegistry::start(one_tag).await;
    let address = thief.address();
    let realm = format!(r#"Bearer realm="http://{address}/token""#);
    let asks = FakeRegistry::start_tls(server(false), move |_| {
        Reply::new(401, "").header("www-authenticate", realm.clone())
    });
    let elsewhere = format!("http://{address}/v2/app/tags/list");
    let redirects = FakeRegistry::start_tls(server(false), move |_| {
        Reply::new(302, "").header("location", elsewhere.clone())
    });
    let access = Access {
        tls: trusting(None).tls,
        ..login("alice", "hunter2")
    };
    for registry in [asks, redirects] {
        let error = list(&registry.image("app"), &access)
            .await
            .expect_err("no way");
        assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
    }
    assert_eq!(thief.seen("/").len(), 0);
}
