//! A login that a cloud gives to a service account: the built program, a real API server that signs the
//! account's token, the real registry, and the cloud's part played by a server of the test.
//!
//! Everything that is the cloud's is reached through the proxy that the object names, which is that server:
//! it answers for the security token service and for ECR's API, or for Azure's authority and the token server, and hands on what is meant for the
//! registry. So the program asks the hosts that it would ask anywhere.

use super::{EAGER, fleet};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use crate::support::fleet::{Fleet, condition, message};
use crate::support::registry_server::{PASSWORD, USER};
use crate::support::token_server::{self, refresh_token};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::HashMap;
use url::form_urlencoded;

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const STS: &str = "http://sts.eu-west-1.amazonaws.com";
const ECR: &str = "http://api.ecr.eu-west-1.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/reader";
const KEY: &str = "planted-secret-access-key";
const SESSION: &str = "planted-session-token";

/// Amazon, with the registry at `registry`.
fn amazon(seen: &Seen, registry: &str) -> Reply {
    if seen.target.starts_with(STS) {
        return Reply::new(
            200,
            format!(
                "<R><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>{KEY}</SecretAccessKey>\
                 <SessionToken>{SESSION}</SessionToken><Expiration>2120-01-01T00:00:00Z</Expiration></Credentials></R>"
            ),
        );
    }
    if seen.target.starts_with(ECR) {
        let token = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let data = json!([{"authorizationToken": token, "expiresAt": 4_733_510_400_i64}]);
        return Reply::json(&json!({"authorizationData": data}));
    }
    match seen.target.strip_prefix(&format!("http://{HOST}")) {
        Some(path) => hand_on(seen, &format!("http://{registry}{path}")),
        // Above all CONNECT: there is no TLS here.
        None => Reply::new(502, ""),
    }
}

/// The registry's answer to the same question.
fn hand_on(seen: &Seen, url: &str) -> Reply {
    let (method, url) = (seen.method.clone(), url.to_owned());
    let login = seen.header("authorization").to_owned();
    let accept = seen.header("accept").to_owned();
    // A thread of its own, since the client that waits must not run inside of the runtime.
    let asked = std::thread::spawn(move || {
        let client = reqwest::blocking::Client::builder().no_proxy().build()?;
        let method = method.parse().unwrap_or_default();
        let mut request = client.request(method, url).header("accept", accept);
        if !login.is_empty() {
            request = request.header("authorization", login);
        }
        let answer = request.send()?;
        let status = answer.status().as_u16();
        let fields: Vec<(String, String)> = answer
            .headers()
            .iter()
            .filter(|(name, _)| *name != "transfer-encoding" && *name != "connection")
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value)
            })
            .collect();
        Ok::<_, reqwest::Error>((status, fields, answer.bytes()?))
    });
    let (status, fields, body) = asked
        .join()
        .expect("nothing panics in there")
        .expect("the registry answers");
    fields
        .into_iter()
        .fold(Reply::new(status, body.to_vec()), |reply, (name, value)| {
            reply.header(&name, value)
        })
}

/// The claims of a JSON web token.
fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("a token has three parts");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64");
    serde_json::from_slice(&claims).expect("JSON")
}

/// A policy that pins digests, and an ImageRepository at Amazon's that names a service account and the way
/// by `proxy`.
async fn apply_objects(fleet: &Fleet, proxy: &FakeRegistry) {
    let way = json!({"stringData": {"address": format!("http://{}", proxy.address())}});
    fleet.apply("Secret", "way", way).await;
    let content = json!({"spec": {
        "image": format!("{HOST}/app"), "interval": "1h", "provider": "aws", "insecure": true,
        "serviceAccountName": "reader", "proxySecretRef": {"name": "way"},
    }});
    fleet.apply("ImageRepository", "app", content).await;
    let mut policy = fleet.image_policy("app");
    policy["spec"]["digestReflectionPolicy"] = json!("IfNotPresent");
    fleet.apply("ImagePolicy", "app", policy).await;
}

/// The account `reader` with this role.
async fn apply_account(fleet: &Fleet, role: &str) {
    let account = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": role}}});
    fleet.apply("ServiceAccount", "reader", account).await;
}

/// Amazon was asked once for keys, with a token that the API server signed for it, and once for a login;
/// returns the token.
fn assert_asked(fleet: &Fleet, proxy: &FakeRegistry) -> String {
    let asked = proxy.seen(STS);
    assert_eq!(
        (asked.len(), proxy.seen(ECR).len()),
        (1, 1),
        "kept for both"
    );
    let form: HashMap<String, String> = form_urlencoded::parse(asked[0].body.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(form["RoleArn"], ROLE);
    let token = &form["WebIdentityToken"];
    let claims = claims(token);
    assert_eq!(claims["aud"], json!(["sts.amazonaws.com"]));
    let subject = format!("system:serviceaccount:{}:reader", fleet.namespace);
    assert_eq!(claims["sub"], *subject);
    token.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_logs_in_to_amazons_registry_for_tags_and_digests() {
    let mut fleet = fleet("aws").await;
    let digest = fleet.registry.push("app", "1.0.0", "1.0.0").await;
    let address = fleet.registry.address().to_owned();
    let proxy = FakeRegistry::start(move |seen| amazon(seen, &address)).await;
    apply_objects(&fleet, &proxy).await;

    // The gate of Flux is shut by itself.
    fleet.start(&EAGER);
    let words = fleet
        .not_ready("ImageRepository", "app", "FeatureGateDisabled")
        .await;
    assert_eq!(
        words,
        "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller"
    );
    let object = fleet.get("ImageRepository", "app").await;
    assert_eq!(
        condition(&object.unwrap_or_default(), "Stalled")["status"],
        "True"
    );
    fleet.kill();

    let open = "--feature-gates=ObjectLevelWorkloadIdentity=true";
    let variables = [("AWS_ENDPOINT_URL_STS", STS), ("AWS_ENDPOINT_URL_ECR", ECR)];
    fleet.start_with(&[&EAGER[..], &[open]].concat(), &variables);
    let failed = async |words: &str| {
        let words = format!("failed to configure authentication options: failed to get {words}");
        fleet
            .not_ready_because("ImageRepository", "app", "AuthenticationFailed", &words)
            .await;
    };
    let account = format!("service account '{}/reader'", fleet.namespace);
    failed(&format!("{account}: ")).await;
    apply_account(&fleet, "reader").await;
    failed(&format!(
        "provider identity from {account} annotations: invalid eks.amazonaws.com/role-arn annotation: 'reader'. must match "
    ))
    .await;
    apply_account(&fleet, ROLE).await;
    let repository = fleet.ready("ImageRepository", "app").await;
    let words = message(&repository);
    assert!(
        words.starts_with("successful scan: found 1 tags"),
        "{words}"
    );
    let policy = fleet.ready("ImagePolicy", "app").await;
    assert_eq!(policy["status"]["latestRef"]["digest"], *digest);

    let token = assert_asked(&fleet, &proxy);
    let log = fleet.log();
    for secret in [KEY, SESSION, PASSWORD, &token] {
        assert!(!log.contains(secret), "{log}");
        assert!(!repository.to_string().contains(secret));
    }
    fleet.assert_no_panic();
}

const AZURE_HOST: &str = "acme.azurecr.io";
const AUTHORITY: &str = "http://login.microsoftonline.example";

/// Azure, with a registry at `registry` that wants tokens.
fn azure(seen: &Seen, registry: &str) -> Reply {
    if seen.target == format!("{AUTHORITY}/tenant-1/oauth2/v2.0/token") {
        return Reply::json(&json!({"access_token": "planted-azure-token", "expires_in": 3599}));
    }
    match seen.target.strip_prefix(&format!("http://{AZURE_HOST}")) {
        Some("/oauth2/exchange") if seen.body.contains("access_token=planted-azure-token") => {
            Reply::json(&json!({"refresh_token": refresh_token()}))
        }
        Some(path) if path.starts_with("/oauth2/token") => token_server::answer(seen),
        Some(path) if path.starts_with("/v2/") => {
            hand_on(seen, &format!("http://{registry}{path}"))
        }
        _ => Reply::new(502, ""),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_logs_in_to_azures_registry_and_gets_tokens_there() {
    let mut fleet = fleet("azure").await;
    let registry = token_server::registry(&format!("http://{AZURE_HOST}/oauth2/token"), "team/app");
    registry.push("team/app", "1.0.0", "1.0.0").await;
    let address = registry.address().to_owned();
    let proxy = FakeRegistry::start(move |seen| azure(seen, &address)).await;
    let way = json!({"stringData": {"address": format!("http://{}", proxy.address())}});
    fleet.apply("Secret", "way", way).await;
    let account = json!({"metadata": {"annotations": {
        "azure.workload.identity/tenant-id": "tenant-1", "azure.workload.identity/client-id": "client-1",
    }}});
    fleet.apply("ServiceAccount", "reader", account).await;
    let open = "--feature-gates=ObjectLevelWorkloadIdentity=true";
    let exchange = format!("http://{AZURE_HOST}");
    let variables = [
        ("AZURE_AUTHORITY_HOST", AUTHORITY),
        ("HIGHWATER_ACR_ENDPOINT", &exchange),
    ];
    fleet.start_with(&[&EAGER[..], &[open]].concat(), &variables);
    let content = json!({"spec": {
        "image": format!("{AZURE_HOST}/team/app"), "interval": "1h", "provider": "azure", "insecure": true,
        "serviceAccountName": "reader", "proxySecretRef": {"name": "way"},
    }});
    fleet.apply("ImageRepository", "app", content).await;
    let repository = fleet.ready("ImageRepository", "app").await;
    let words = message(&repository);
    assert!(
        words.starts_with("successful scan: found 1 tags"),
        "{words}"
    );

    let asked = proxy.seen(AUTHORITY);
    let form: HashMap<String, String> = form_urlencoded::parse(asked[0].body.as_bytes())
        .into_owned()
        .collect();
    let claims = claims(&form["client_assertion"]);
    assert_eq!(claims["aud"], json!(["api://AzureADTokenExchange"]));
    let subject = format!("system:serviceaccount:{}:reader", fleet.namespace);
    assert_eq!(claims["sub"], *subject);
    let log = fleet.log();
    assert!(
        !log.contains("planted") && !log.contains(&refresh_token()),
        "{log}"
    );
    fleet.assert_no_panic();
}
