//! Logins of the clouds' registries, against servers that answer as the clouds' documentation says.
//!
//! A real cloud cannot be had here, so what is tested is what goes over the wire: method, path, header
//! fields and body of every request, and the signatures, which are computed anew from what arrived.
//! `keys/` holds an RSA key made with openssl for these tests, its public half, and a certificate of it.

mod answers;
mod aws;
mod azure;
mod azure_cli;
mod command;
mod external;
mod github;
mod google;
mod profiles;
mod sign_on;

use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::FutureExt;
use highwater::adapters::cloud::{
    Account, CacheLimits, CloudError, CloudLogins, Environment, TokenSource, Who,
};
use highwater::domain::cloud::{Identity, Provider};
use highwater::domain::docker_config::Credentials;
use highwater::domain::object::ObjectKey;
use highwater::domain::redact::Secret;
use rustls::SignatureScheme;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;
use url::form_urlencoded;

/// A token as the cluster signs them; it must never be shown.
const CLUSTER_TOKEN: &str = "eyJ.planted-cluster-token.sig";

fn limits() -> CacheLimits {
    CacheLimits {
        most: 100,
        longest: Duration::from_secs(3_600),
    }
}

/// Logins in an environment with these variables.
fn logins(variables: &[(&str, &str)]) -> CloudLogins {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    CloudLogins::new(Environment::new(variables), limits())
}

/// The same for a person at a command line.
fn logins_of_a_person(variables: &[(&str, &str)]) -> CloudLogins {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    CloudLogins::new(Environment::new(variables).of_a_person(), limits())
}

/// An answer in JSON.
fn reply(text: &str) -> Reply {
    Reply::new(200, text).header("content-type", "application/json")
}

/// The fields of a form.
fn form(seen: &Seen) -> HashMap<String, String> {
    assert_eq!(
        seen.header("content-type"),
        "application/x-www-form-urlencoded"
    );
    form_urlencoded::parse(seen.body.as_bytes())
        .into_owned()
        .collect()
}

/// Fields as a form has them.
fn fields(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    pairs.collect()
}

fn identity(provider: Provider, annotations: &[(&str, &str)]) -> Identity {
    let annotations: BTreeMap<String, String> = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Identity::of_account(provider, &annotations).expect("the annotations are well-formed")
}

/// The login of `host` as a service account `apps/reader` with these annotations, and the audiences that
/// the cluster was asked for.
async fn as_account(
    logins: &CloudLogins,
    provider: Provider,
    host: &str,
    annotations: &[(&str, &str)],
) -> (Result<Credentials, CloudError>, Vec<String>) {
    let audiences = Mutex::new(Vec::new());
    let tokens: &TokenSource<'_> = &|audience| {
        audiences
            .lock()
            .expect("no test panics in here")
            .push(audience);
        async { Ok(Secret::new(CLUSTER_TOKEN.to_owned())) }.boxed()
    };
    let account = Account {
        key: ObjectKey::new("apps", "reader"),
        identity: identity(provider, annotations),
        tokens,
    };
    let registry = logins.registry(provider, host).await.expect("its host");
    let login = logins.login(&registry, Who::Account(&account), None).await;
    (
        login,
        audiences.into_inner().expect("no test panics in there"),
    )
}

/// The login of `host` as the process itself.
async fn as_process(
    logins: &CloudLogins,
    provider: Provider,
    host: &str,
) -> Result<Credentials, CloudError> {
    let registry = logins.registry(provider, host).await?;
    logins.login(&registry, Who::Process, None).await
}

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic {
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
    }
}

/// Header, claims, what is signed, and the signature of a JSON web token.
pub(crate) fn token_parts(token: &str) -> (Value, Value, String, Vec<u8>) {
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64");
    let (signed, signature) = token.rsplit_once('.').expect("a token has three parts");
    let (header, claims) = signed.split_once('.').expect("a token has three parts");
    let json = |part| serde_json::from_slice(&decode(part)).expect("JSON");
    (
        json(header),
        json(claims),
        signed.to_owned(),
        decode(signature),
    )
}

/// Whether the key of these tests made a signature.
pub(crate) fn is_signed(scheme: SignatureScheme, message: &str, signature: &[u8]) -> bool {
    let provider = rustls::crypto::ring::default_provider();
    let known = provider.signature_verification_algorithms.mapping.iter();
    let public = include_bytes!("keys/service-account.der");
    known
        .filter(|(known, _)| *known == scheme)
        .flat_map(|(_, algorithms)| algorithms.iter())
        .any(|algorithm| {
            algorithm
                .verify_signature(public, message.as_bytes(), signature)
                .is_ok()
        })
}

/// A program that these tests play: a script next to them.
fn program(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clouds/programs");
    format!("{folder}/{name}")
}

/// A server that answers each path with a text, and everything else with 404.
async fn serving(answers: Vec<(&'static str, String)>) -> FakeRegistry {
    FakeRegistry::start(move |seen| {
        let path = seen.target.split('?').next().unwrap_or_default();
        let found = answers.iter().find(|(known, _)| *known == path);
        found.map_or_else(|| Reply::new(404, ""), |(_, text)| reply(text))
    })
    .await
}
