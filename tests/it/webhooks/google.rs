//! Google's registries: an identity token in each call, checked with keys that are fetched on the wire.

use super::{TOKEN, call, requested, serving};
use axum::Router;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

const EMAIL: &str = "push@project.iam.gserviceaccount.com";
const AUDIENCE: &str = "https://hooks.example/gcr";

/// Whoever signs, with a key of this run.
pub(super) struct Issuer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let document = document.expect("a key can be made");
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        Self {
            pair: pair.expect("the key is whole"),
            random,
        }
    }

    fn published(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (
            URL_SAFE_NO_PAD.encode(&point[1..33]),
            URL_SAFE_NO_PAD.encode(&point[33..]),
        );
        json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "one", "x": x, "y": y}]})
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(&json!({"alg": "ES256", "kid": "one"})),
            part(claims)
        );
        let code = self
            .pair
            .sign(&self.random, signed.as_bytes())
            .expect("it signs");
        format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(code.as_ref()))
    }
}

/// Serves the keys, and where they are, on a free port; the URL of the server.
pub(super) async fn publish(issuer: &Issuer) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let keys = issuer.published().to_string();
    let found = json!({"issuer": url, "jwks_uri": format!("{url}/certs")}).to_string();
    let router = Router::new()
        .route("/certs", get(|| async { keys }))
        .route("/.well-known/openid-configuration", get(|| async { found }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn claims() -> Value {
    let later = jiff::Timestamp::now().as_second() + 3600;
    json!({"iss": "https://accounts.google.com", "aud": AUDIENCE, "exp": later, "email": EMAIL, "email_verified": true})
}

fn message(number: u32) -> String {
    let event =
        json!({"action": "INSERT", "digest": "gcr.io/p/app@sha256:0", "tag": "gcr.io/p/app:1.1"});
    let data = STANDARD.encode(event.to_string());
    json!({"message": {"data": data, "messageId": number.to_string()}, "subscription": "s"})
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_googles_counts_with_a_token_for_the_account_and_the_audience() {
    let issuer = Issuer::new();
    let keys = format!("--receiver-google-keys={}/certs", publish(&issuer).await);
    let (fleet, url) = serving("hook-google", &[&keys]).await;
    fleet
        .apply("GitRepository", "fleet", fleet.git_repository())
        .await;
    let secret = json!({"stringData": {"token": TOKEN, "email": EMAIL, "audience": AUDIENCE}});
    fleet.apply("Secret", "receiver", secret).await;
    let resources = json!([{"kind": "GitRepository", "name": "fleet"}]);
    let hook = format!(
        "{url}{}",
        super::receiver(&fleet, "gcr", "gcr", resources).await
    );
    let with = |field: &str, value: Value| {
        let mut claims = claims();
        claims[field] = value;
        issuer.token(&claims)
    };
    for (number, authorization) in [
        String::new(),
        "Bearer x.y.z".to_owned(),
        Issuer::new().token(&claims()),
        with("aud", json!("https://elsewhere.example")),
        with("iss", json!("https://issuer.example")),
        with("email", json!("somebody@project.iam.gserviceaccount.com")),
        with("email_verified", json!(false)),
        with("exp", json!(jiff::Timestamp::now().as_second() - 1)),
    ]
    .into_iter()
    .enumerate()
    {
        let number = u32::try_from(number).expect("there are few");
        assert_eq!(
            call(
                &hook,
                &[("authorization", &authorization)],
                &message(number)
            )
            .await
            .0,
            400,
            "{number}"
        );
    }
    assert_eq!(requested(&fleet, "GitRepository", "fleet").await, "");
    let token = issuer.token(&claims());
    assert_eq!(
        call(&hook, &[("authorization", &token)], "{}").await.0,
        400,
        "it is no message of Pub/Sub"
    );
    assert_eq!(
        call(&hook, &[("authorization", &token)], &message(100))
            .await
            .0,
        200
    );
    assert_ne!(requested(&fleet, "GitRepository", "fleet").await, "");
}
