//! Amazon: the security token service, the metadata of instances and containers, and both registries.

use super::{CLUSTER_TOKEN, as_account, as_process, basic, fields, form, identity, logins, reply};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use futures::future::join_all;
use highwater::adapters::cloud::{Account, CloudError, Who};
use highwater::domain::cloud::Provider;
use highwater::domain::object::ObjectKey;
use highwater::domain::redact::{SafeUrl, Secret};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
pub(super) const ROLE: (&str, &str) = (
    "eks.amazonaws.com/role-arn",
    "arn:aws:iam::123456789012:role/reader",
);
pub(super) const KEY: &str = "wJalrXUtnFEMI/K7MDENG+planted-secret";
pub(super) const SESSION: &str = "planted/session+token==";
/// Far in the future, so that nothing expires during a test.
pub(super) const END: &str = "2120-01-01T00:00:00Z";

pub(super) fn role_answer() -> Reply {
    Reply::new(
        200,
        format!(
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
             <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>{KEY}</SecretAccessKey>\
             <SessionToken>{SESSION}</SessionToken><Expiration>{END}</Expiration>\
             </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        ),
    )
    .header("content-type", "text/xml")
}

pub(super) fn instance_answer() -> Reply {
    reply(
        &json!({
            "Code": "Success", "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": KEY, "Token": SESSION,
            "Expiration": END,
        })
        .to_string(),
    )
}

pub(super) fn login_answer(public: bool) -> Reply {
    let data = json!({"authorizationToken": BASE64_STANDARD.encode("AWS:registry-password"), "expiresAt": 4_733_510_400_i64});
    let data = if public { data } else { json!([data]) };
    reply(&json!({"authorizationData": data}).to_string())
}

/// Amazon as far as these tests go. A request whose signature is wrong is refused.
pub(super) fn amazon(seen: &Seen) -> Reply {
    if !seen.header("x-amz-target").is_empty() {
        let public = seen
            .header("x-amz-target")
            .starts_with("SpencerFrontendService.");
        let (region, service) = match public {
            true => ("us-east-1", "ecr-public"),
            false => ("eu-west-1", "ecr"),
        };
        return match is_signed(seen, KEY, region, service) {
            true => login_answer(public),
            false => reply(r#"{"__type":"InvalidSignatureException","message":"bad signature"}"#)
                .status(403),
        };
    }
    match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/") => role_answer(),
        ("PUT", "/latest/api/token") => {
            assert_eq!(seen.header("x-aws-ec2-metadata-token-ttl-seconds"), "300");
            Reply::new(200, "imds-token")
        }
        ("GET", path) if path.starts_with("/latest/") => {
            if seen.header("x-aws-ec2-metadata-token") != "imds-token" {
                return Reply::new(401, "");
            }
            match path.strip_prefix("/latest/meta-data/iam/security-credentials/") {
                Some("") => Reply::new(200, "node-role\n"),
                Some("node-role") => instance_answer(),
                _ => Reply::new(404, ""),
            }
        }
        ("GET", "/v1/credentials") if seen.header("authorization") == "pod-token" => {
            instance_answer()
        }
        _ => Reply::new(404, ""),
    }
}

/// HMAC-SHA256 by its definition, so that the program's own is not asked about itself.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = key.to_vec();
    block.resize(64, 0);
    let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a request is signed with `key`, computed from what arrived.
pub(super) fn is_signed(seen: &Seen, key: &str, region: &str, service: &str) -> bool {
    let date = seen.header("x-amz-date");
    let day = date.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let shown = seen.header("authorization");
    let part = |name: &str| {
        let rest = shown.split_once(name).map_or("", |(_, rest)| rest);
        rest.split(',').next().unwrap_or_default().to_owned()
    };
    let names = part("SignedHeaders=");
    let lines: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", seen.header(name)))
        .collect();
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let canonical = format!(
        "{}\n{path}\n{query}\n{lines}\n{names}\n{}",
        seen.method,
        hex(&Sha256::digest(seen.body.as_bytes()))
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let key = [day, region, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{key}").into_bytes(), |key, part| {
            hmac(&key, part.as_bytes())
        });
    let there = ["x-amz-target", "content-type", "x-amz-security-token"];
    let there = there.iter().filter(|name| !seen.header(name).is_empty());
    ["host", "x-amz-date"]
        .iter()
        .chain(there)
        .all(|must| names.split(';').any(|name| name == *must))
        && part("Credential=").ends_with(&scope)
        && part("Signature=") == hex(&hmac(&key, text.as_bytes()))
}

fn variables(address: &str) -> Vec<(String, String)> {
    let url = format!("http://{address}");
    [
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_ECR",
        "AWS_ENDPOINT_URL_ECR_PUBLIC",
        "AWS_ENDPOINT_URL_SSO",
        "AWS_ENDPOINT_URL_SSO_OIDC",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    ]
    .map(|name| (name.to_owned(), url.clone()))
    .into()
}

/// Logins that ask the fake, with more variables.
pub(super) fn asking(
    fake: &FakeRegistry,
    more: &[(&str, &str)],
) -> highwater::adapters::cloud::CloudLogins {
    let own = variables(&fake.address());
    let own = own
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let all: Vec<(&str, &str)> = own.chain(more.iter().copied()).collect();
    logins(&all)
}

#[tokio::test]
async fn a_service_accounts_token_becomes_a_role_and_the_role_a_login() {
    let fake = FakeRegistry::start(amazon).await;
    let logins = asking(&fake, &[]);
    for _ in 0..2 {
        let (login, audiences) = as_account(&logins, Provider::Aws, HOST, &[ROLE]).await;
        assert_eq!(login, Ok(basic("AWS", "registry-password")));
        assert!(
            audiences
                .iter()
                .all(|audience| audience == "sts.amazonaws.com")
        );
    }
    let seen = fake.seen("/");
    assert_eq!(seen.len(), 2, "what is known is not asked again");
    assert_eq!(
        form(&seen[0]),
        fields(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", ROLE.1),
            ("RoleSessionName", "reader.apps.eu-west-1.fluxcd.io"),
            ("WebIdentityToken", CLUSTER_TOKEN),
        ])
    );
    assert_eq!(
        seen[0].header("authorization"),
        "",
        "a web identity signs nothing"
    );
    assert_eq!(
        seen[1].header("x-amz-target"),
        "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
    );
    assert_eq!(seen[1].header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(seen[1].header("x-amz-security-token"), SESSION);
    assert_eq!(
        (seen[1].method.as_str(), seen[1].body.as_str()),
        ("POST", "{}")
    );
}

#[tokio::test]
async fn the_public_gallery_has_its_own_service_and_region() {
    let fake = FakeRegistry::start(amazon).await;
    let logins = asking(&fake, &[]);
    let (login, _) = as_account(&logins, Provider::Aws, "public.ecr.aws", &[ROLE]).await;
    assert_eq!(login, Ok(basic("AWS", "registry-password")));
    let seen = fake.seen("/");
    assert_eq!(
        form(&seen[0])["RoleSessionName"],
        "reader.apps.us-east-1.fluxcd.io"
    );
    assert_eq!(
        seen[1].header("x-amz-target"),
        "SpencerFrontendService.GetAuthorizationToken"
    );
}

/// What is asked for keys before the registry's login, by a process with these variables.
async fn asked_for_keys(fake: &FakeRegistry, variables: &[(&str, &str)]) -> String {
    let before = fake.seen("/").len();
    let login = as_process(&asking(fake, variables), Provider::Aws, HOST).await;
    assert_eq!(
        login,
        Ok(basic("AWS", "registry-password")),
        "{variables:?}"
    );
    let seen = fake.seen("/");
    let keys = &seen[before..seen.len() - 1];
    let keys: Vec<String> = keys
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.target))
        .collect();
    keys.join(", ")
}

/// A file in a folder, by its whole name.
pub(super) fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).expect("the folder is ours");
    path.display().to_string()
}

#[tokio::test]
async fn the_process_is_whom_its_variables_its_pod_or_its_node_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = FakeRegistry::start(amazon).await;
    let identity = file(folder.path(), "identity", &format!("{CLUSTER_TOKEN}\n"));
    let pod = file(folder.path(), "pod", "pod-token\n");
    let container = format!("http://{}/v1/credentials", fake.address());
    for (variables, expected) in [
        (
            vec![
                ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", KEY),
            ],
            "",
        ),
        (
            vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", identity.as_str()),
                ("AWS_ROLE_ARN", ROLE.1),
            ],
            "POST /",
        ),
        (
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", pod.as_str()),
            ],
            "GET /v1/credentials",
        ),
        (
            vec![],
            "PUT /latest/api/token, GET /latest/meta-data/iam/security-credentials/, \
             GET /latest/meta-data/iam/security-credentials/node-role",
        ),
    ] {
        assert_eq!(asked_for_keys(&fake, &variables).await, expected);
    }
}

#[tokio::test]
async fn the_process_is_whom_its_profile_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = FakeRegistry::start(amazon).await;
    let identity = file(folder.path(), "identity", CLUSTER_TOKEN);
    let keys = format!("[ci]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = {KEY}\n");
    let credentials = file(folder.path(), "credentials", &keys);
    let role = format!(
        "[default]\nrole_arn = {}\nweb_identity_token_file = {identity}\n",
        ROLE.1
    );
    let config = file(folder.path(), "config", &role);
    let named = [
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()),
        ("AWS_PROFILE", "ci"),
    ];
    assert_eq!(asked_for_keys(&fake, &named).await, "");
    let default = [("AWS_CONFIG_FILE", config.as_str())];
    assert_eq!(asked_for_keys(&fake, &default).await, "POST /");
    let sent = form(&fake.seen("/")[1]);
    assert_eq!(sent["WebIdentityToken"], CLUSTER_TOKEN);

    let error = as_process(&logins(&[("AWS_PROFILE", "nobody")]), Provider::Aws, HOST).await;
    let words = error.expect_err("there is no such profile").to_string();
    let expected = "`AWS_PROFILE`: there is no profile `nobody`";
    assert!(words.ends_with(expected), "{words}");
}

#[tokio::test]
async fn a_process_that_is_nobody_is_told_how_to_become_somebody() {
    let logins = logins(&[("AWS_EC2_METADATA_DISABLED", "true")]);
    let error = as_process(&logins, Provider::Aws, HOST)
        .await
        .expect_err("there are no keys");
    let words = error.to_string();
    assert!(
        words.starts_with(
            "failed to get access token for artifact registry: failed to create provider access \
             token for the controller: the process has no identity: "
        ) && words.contains("\nhint: give the Pod an identity"),
        "{words}"
    );
}

#[tokio::test]
async fn a_containers_credentials_are_not_fetched_in_the_open_from_another_machine() {
    let uri = (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "http://credentials.example/v1",
    );
    let error = as_process(&logins(&[uri]), Provider::Aws, HOST)
        .await
        .expect_err("it is far away");
    assert!(error.to_string().contains("expected https"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_told_in_amazons_words_with_the_role_and_without_the_token() {
    let fake = FakeRegistry::start(|_| {
        Reply::new(
            403,
            format!("<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized, token {CLUSTER_TOKEN}</Message></Error></ErrorResponse>"),
        )
    })
    .await;
    let logins = asking(&fake, &[]);
    let (login, _) = as_account(&logins, Provider::Aws, HOST, &[ROLE]).await;
    let words = login.expect_err("it is refused").to_string();
    assert_eq!(
        words,
        format!(
            "failed to get access token for artifact registry: failed to create provider access token \
             for service account 'apps/reader': `http://{}` (keys of the role `{}`) answered 403: \
             AccessDenied: Not authorized, token ***",
            fake.address(),
            ROLE.1
        )
    );
}

#[tokio::test]
async fn a_refused_login_and_a_useless_answer_name_the_registrys_service() {
    for (answer, expected) in [
        (
            r#"{"__type":"AccessDeniedException","message":"not authorized to perform: ecr:GetAuthorizationToken"}"#,
            " (the registry's login) answered 400: AccessDeniedException: not authorized to perform: ecr:GetAuthorizationToken",
        ),
        (
            r#"{"authorizationData":[]}"#,
            " (the registry's login): the answer holds no usable `authorizationData`",
        ),
    ] {
        let status = if answer.contains("__type") { 400 } else { 200 };
        let fake = FakeRegistry::start(move |seen| match seen.header("x-amz-target") {
            "" => role_answer(),
            _ => reply(answer).status(status),
        })
        .await;
        let (login, _) = as_account(&asking(&fake, &[]), Provider::Aws, HOST, &[ROLE]).await;
        let words = login.expect_err("there is no login").to_string();
        let start = "failed to create artifact registry credentials: `http://";
        assert!(
            words.starts_with(start) && words.ends_with(expected),
            "{words}"
        );
        assert!(!words.contains("planted"), "{words}");
    }
}

#[tokio::test]
async fn keys_that_were_taken_back_before_their_time_are_asked_for_anew() {
    let answered = AtomicUsize::new(0);
    let fake = FakeRegistry::start(move |seen| match seen.header("x-amz-target") {
        "" => role_answer(),
        _ if answered.fetch_add(1, Ordering::Relaxed) == 0 => {
            reply(r#"{"__type":"ExpiredTokenException","message":"taken back"}"#).status(400)
        }
        _ => login_answer(false),
    })
    .await;
    let logins = asking(&fake, &[]);
    let (login, _) = as_account(&logins, Provider::Aws, HOST, &[ROLE]).await;
    let words = login.expect_err("the keys are worth nothing").to_string();
    assert!(
        words.contains("ExpiredTokenException: taken back"),
        "{words}"
    );
    let (login, _) = as_account(&logins, Provider::Aws, HOST, &[ROLE]).await;
    let login = login.expect("the new keys are good");
    assert_eq!(fake.seen("/").len(), 4);
    // And a login that the registry itself refuses is no longer given.
    logins.refused(&login);
    let (again, _) = as_account(&logins, Provider::Aws, HOST, &[ROLE]).await;
    assert_eq!((again, fake.seen("/").len()), (Ok(login), 5));
}

#[tokio::test]
async fn many_who_want_the_same_login_ask_once_and_other_accounts_for_themselves() {
    let fake = FakeRegistry::start(amazon).await;
    let logins = asking(&fake, &[]);
    let all = (0..32).map(|_| as_account(&logins, Provider::Aws, HOST, &[ROLE]));
    let all = join_all(all).await;
    assert!(all.iter().all(|(login, _)| login.is_ok()));
    let tokens: usize = all.iter().map(|(_, audiences)| audiences.len()).sum();
    assert_eq!((fake.seen("/").len(), tokens), (2, 1));
    let tokens = &|_| async { Ok(Secret::new(CLUSTER_TOKEN.to_owned())) }.boxed();
    let other = Account {
        key: ObjectKey::new("other", "reader"),
        identity: identity(Provider::Aws, &[ROLE]),
        tokens,
    };
    let registry = logins
        .registry(Provider::Aws, HOST)
        .await
        .expect("Amazon's");
    let login = logins.login(&registry, Who::Account(&other), None).await;
    assert!(login.is_ok());
    assert_eq!(
        fake.seen("/").len(),
        4,
        "nothing is shared between accounts"
    );
}

#[tokio::test]
async fn services_are_asked_through_the_objects_proxy_and_the_node_never() {
    let fake = FakeRegistry::start(amazon).await;
    // The proxy answers itself: it sees whole URLs of plain http.
    let proxy = FakeRegistry::start(|seen| {
        if seen.target.starts_with("http://ecr.example/") {
            let mut own = seen.clone();
            own.target = own.target.replace("http://ecr.example", "");
            return amazon(&own);
        }
        Reply::new(502, "")
    })
    .await;
    let metadata = format!("http://{}", fake.address());
    let logins = logins(&[
        ("AWS_ENDPOINT_URL_ECR", "http://ecr.example"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
    ]);
    let way = SafeUrl::parse(&format!("http://user:pass@{}", proxy.address())).expect("a URL");
    let registry = logins
        .registry(Provider::Aws, HOST)
        .await
        .expect("Amazon's");
    let login = logins.login(&registry, Who::Process, Some(&way)).await;
    assert_eq!(login, Ok(basic("AWS", "registry-password")));
    assert_eq!(proxy.seen("").len(), 1);
    let shown = proxy.seen("")[0].header("proxy-authorization").to_owned();
    assert_eq!(
        shown,
        format!("Basic {}", BASE64_STANDARD.encode("user:pass"))
    );
    assert_eq!(fake.seen("/latest/").len(), 3);
}

#[tokio::test]
async fn a_host_of_somebody_else_is_refused_before_anybody_is_asked() {
    let fake = FakeRegistry::start(amazon).await;
    let logins = asking(&fake, &[]);
    let host = format!("{HOST}.example.org");
    let error = as_process(&logins, Provider::Aws, &host).await;
    assert!(matches!(error, Err(CloudError::Host(_))), "{error:?}");
    assert!(fake.seen("/").is_empty());
}

#[tokio::test]
async fn an_endless_answer_ends_at_a_megabyte() {
    let fake = FakeRegistry::start(|_| Reply::endless(b'x')).await;
    let (login, _) = as_account(&asking(&fake, &[]), Provider::Aws, HOST, &[ROLE]).await;
    let words = login.expect_err("it never ends").to_string();
    assert!(words.contains("more than 1048576 bytes"), "{words}");
}
