//! Amazon's profiles: roles of other profiles, other places that keys come from, programs.

use super::aws::{HOST, KEY, ROLE, amazon, asking, file, instance_answer, is_signed, login_answer};
use super::{as_account, as_process, basic, fields, form, program};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use highwater::domain::cloud::Provider;
use serde_json::json;
use tempfile::TempDir;

const DEPLOY: &str = "arn:aws:iam::2:role/deploy";
const FAR: &str = "arn:aws:iam::3:role/far";
/// Whose keys are which; none may be shown.
const SECRETS: [(&str, &str); 4] = [
    ("AKIASOURCE", "planted-source-key"),
    ("ASIADEPLOY", "planted-deploy-key"),
    ("ASIAFAR", "planted-far-key"),
    ("ASIAEXAMPLE", KEY),
];

/// Amazon, where each role has keys of its own, and what is not signed by the keys that it names is refused.
fn amazon_with_roles(seen: &Seen) -> Reply {
    let authorization = seen.header("authorization");
    let signs = SECRETS
        .iter()
        .find(|(id, _)| authorization.contains(&format!("Credential={id}/")));
    let Some((_, secret)) = signs else {
        return amazon(seen);
    };
    if !seen.header("x-amz-target").is_empty() {
        return match is_signed(seen, secret, "eu-west-1", "ecr") {
            true => login_answer(false),
            false => Reply::new(403, ""),
        };
    }
    if !is_signed(seen, secret, "eu-west-1", "sts") {
        return Reply::new(403, "");
    }
    let (id, secret) = match form(seen)["RoleArn"].as_str() {
        DEPLOY => SECRETS[1],
        _ => SECRETS[2],
    };
    let keys = format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{id}</AccessKeyId>\
         <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>token-of-{id}</SessionToken>\
         <Expiration>2120-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    );
    Reply::new(200, keys).header("content-type", "text/xml")
}

/// A folder with a file `config`, and its name.
fn config(content: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "config", content);
    (folder, path)
}

/// What a process with this `config` and this profile is told when it gets no login.
async fn refusal(content: &str, profile: &str) -> String {
    let (_folder, path) = config(content);
    let fake = FakeRegistry::start(amazon_with_roles).await;
    let variables = [("AWS_CONFIG_FILE", path.as_str()), ("AWS_PROFILE", profile)];
    let login = as_process(&asking(&fake, &variables), Provider::Aws, HOST).await;
    let words = login.expect_err("there is no login").to_string();
    assert!(!words.contains("planted"), "{words}");
    words
}

#[tokio::test]
async fn a_profile_assumes_its_role_with_the_keys_of_its_source_and_so_on() {
    let (folder, path) = config(&format!(
        "[profile far]\nrole_arn = {FAR}\nsource_profile = deploy\n\
         [profile deploy]\nrole_arn = {DEPLOY}\nsource_profile = me\nrole_session_name = ci-7\nexternal_id = a&b\nduration_seconds = 3600\n"
    ));
    let own = "[me]\naws_access_key_id = AKIASOURCE\naws_secret_access_key = planted-source-key\n";
    let credentials = file(folder.path(), "credentials", own);
    let fake = FakeRegistry::start(amazon_with_roles).await;
    let logins = asking(
        &fake,
        &[
            ("AWS_CONFIG_FILE", &path),
            ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
            ("AWS_PROFILE", "far"),
        ],
    );
    for _ in 0..2 {
        let login = as_process(&logins, Provider::Aws, HOST).await;
        assert_eq!(login, Ok(basic("AWS", "registry-password")));
    }
    let seen = fake.seen("/");
    assert_eq!(seen.len(), 3, "what is known is not asked again");
    let asked = |role, session, seconds| {
        fields(&[
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", session),
            ("DurationSeconds", seconds),
        ])
    };
    let mut deploy = asked(DEPLOY, "ci-7", "3600");
    deploy.insert("ExternalId".to_owned(), "a&b".to_owned());
    assert_eq!(form(&seen[0]), deploy);
    assert_eq!(seen[0].header("x-amz-security-token"), "");
    assert_eq!(form(&seen[1]), asked(FAR, "highwater", "900"));
    assert_eq!(
        seen[1].header("x-amz-security-token"),
        "token-of-ASIADEPLOY"
    );
    assert_eq!(seen[2].header("x-amz-security-token"), "token-of-ASIAFAR");
}

#[tokio::test]
async fn a_profile_assumes_its_role_with_the_keys_of_the_place_that_it_names() {
    let container = |fake: &FakeRegistry| format!("http://{}/v1/credentials", fake.address());
    for (source, paths) in [
        (
            "credential_source = EcsContainer",
            &["/v1/credentials", "/"][..],
        ),
        (
            "credential_source = Ec2InstanceMetadata",
            &[
                "/latest/api/token",
                "/latest/meta-data/iam/security-credentials/",
                "/latest/meta-data/iam/security-credentials/node-role",
                "/",
            ],
        ),
        // As Amazon's library for Go does it: a role without a source is assumed with the keys of where the process is.
        ("output = json", &["/v1/credentials", "/"]),
    ] {
        let (_folder, path) = config(&format!("[profile p]\nrole_arn = {DEPLOY}\n{source}\n"));
        let fake = FakeRegistry::start(|seen| match seen.target.as_str() {
            "/v1/credentials" => instance_answer(),
            _ => amazon_with_roles(seen),
        })
        .await;
        let container = container(&fake);
        let variables = [
            ("AWS_CONFIG_FILE", path.as_str()),
            ("AWS_PROFILE", "p"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container),
        ];
        let login = as_process(&asking(&fake, &variables), Provider::Aws, HOST).await;
        assert_eq!(login, Ok(basic("AWS", "registry-password")), "{source}");
        let asked: Vec<String> = fake.seen("/").into_iter().map(|seen| seen.target).collect();
        assert_eq!(asked[..asked.len() - 1], *paths, "{source}");
    }
}

#[tokio::test]
async fn a_profile_that_leads_nowhere_is_told_by_name() {
    let role = format!("role_arn = {DEPLOY}\n");
    for (content, expected) in [
        (
            format!(
                "[profile p]\n{role}source_profile = q\n[profile q]\n{role}source_profile = p\n"
            ),
            "the profile `p` is its own source in the end, and no profile on the way has keys",
        ),
        (
            format!("[profile p]\n{role}credential_source = Environment\n"),
            "`AWS_ACCESS_KEY_ID`: it is not set with `AWS_SECRET_ACCESS_KEY`, but the profile's `credential_source` is `Environment`",
        ),
        (
            format!("[profile p]\n{role}credential_source = EcsContainer\n"),
            "but the profile's `credential_source` is `EcsContainer`",
        ),
        (
            "[profile p]\nsource_profile = q\n".to_owned(),
            "the profile `p` has `source_profile` but no usable `role_arn`",
        ),
    ] {
        let words = refusal(&content, "p").await;
        assert!(words.ends_with(expected), "{words}");
    }
}

#[tokio::test]
async fn a_role_that_is_refused_is_named_in_amazons_words() {
    let fake = FakeRegistry::start(|_| {
        let words = "<Error><Code>AccessDenied</Code><Message>planted-source-key may not assume it</Message></Error>";
        Reply::new(403, format!("<ErrorResponse>{words}</ErrorResponse>"))
    })
    .await;
    let (_folder, path) = config(&format!(
        "[profile p]\nrole_arn = {DEPLOY}\nsource_profile = p\naws_access_key_id = AKIASOURCE\naws_secret_access_key = planted-source-key\n"
    ));
    let variables = [("AWS_CONFIG_FILE", path.as_str()), ("AWS_PROFILE", "p")];
    let login = as_process(&asking(&fake, &variables), Provider::Aws, HOST).await;
    let words = login.expect_err("it is refused").to_string();
    let expected =
        format!("(keys of the role `{DEPLOY}`) answered 403: AccessDenied: *** may not assume it");
    assert!(words.ends_with(&expected), "{words}");
}

#[tokio::test]
async fn the_program_of_a_profile_gives_keys() {
    let keys = program("keys");
    let (_folder, path) = config(&format!(
        "[default]\ncredential_process = \"{keys}\" good AKIASOURCE 'planted-source-key'\n\
         [profile deploy]\nrole_arn = {DEPLOY}\nsource_profile = default\n"
    ));
    for (variable, profile, asked) in [
        ("AWS_PROFILE", "default", 1),
        ("AWS_PROFILE", "deploy", 2),
        ("AWS_DEFAULT_PROFILE", "deploy", 2),
    ] {
        let fake = FakeRegistry::start(amazon_with_roles).await;
        let variables = [("AWS_CONFIG_FILE", path.as_str()), (variable, profile)];
        let login = as_process(&asking(&fake, &variables), Provider::Aws, HOST).await;
        assert_eq!(login, Ok(basic("AWS", "registry-password")));
        let seen = fake.seen("/");
        assert_eq!(
            (seen.len(), seen[0].header("x-amz-security-token")),
            (asked, "t")
        );
    }
}

#[tokio::test]
async fn a_program_that_gives_no_keys_is_told_without_its_words_or_arguments() {
    let keys = program("keys");
    let place = format!("`{keys}` (the `credential_process` of the profile `p`)");
    for (command, expected) in [
        (
            format!("{keys} none planted"),
            format!("{place} failed (exit status: 4)\nhint: run it by hand to see why"),
        ),
        (format!("{keys} words"), format!("{place}: the answer is not JSON")),
        (format!("{keys} other"), format!("{place}: the answer is not of version 1")),
        (format!("{keys} long"), format!("{place} printed more than 65536 bytes\nhint: run it by hand to see why")),
        (
            format!("{keys} over"),
            format!("{place}: its keys have ended\nhint: log in anew where the program takes them from"),
        ),
        (
            "highwater-no-such-program planted".to_owned(),
            "`highwater-no-such-program` (the `credential_process` of the profile `p`) is not there\nhint: run it by hand to see why".to_owned(),
        ),
        (
            format!("{keys} 'good"),
            "the `credential_process` of the profile `p` is empty, or a quote in it has no end".to_owned(),
        ),
    ] {
        let words = refusal(&format!("[profile p]\ncredential_process = {command}\n"), "p").await;
        assert!(words.ends_with(&expected), "{words}");
    }
}

#[tokio::test]
async fn a_service_account_starts_no_program_of_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let started = folder.path().join("started");
    let content = format!(
        "[default]\ncredential_process = /usr/bin/touch {}\n",
        started.display()
    );
    let path = file(folder.path(), "config", &content);
    let fake = FakeRegistry::start(amazon).await;
    let logins = asking(&fake, &[("AWS_CONFIG_FILE", &path)]);
    let (login, _) = as_account(&logins, Provider::Aws, HOST, &[ROLE]).await;
    assert_eq!(login, Ok(basic("AWS", "registry-password")));
    assert!(!started.exists());
    let login = as_process(&logins, Provider::Aws, HOST).await;
    assert!(login.is_err() && started.exists(), "{login:?}");
}

#[tokio::test]
async fn an_answer_of_the_container_may_lack_an_end() {
    let keys = json!({"AccessKeyId": "AKIASOURCE", "SecretAccessKey": "planted-source-key"});
    let fake = FakeRegistry::start(move |seen| match seen.target.as_str() {
        "/v1/credentials" => Reply::json(&keys),
        _ => amazon_with_roles(seen),
    })
    .await;
    let container = format!("http://{}/v1/credentials", fake.address());
    let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str())];
    let login = as_process(&asking(&fake, &variables), Provider::Aws, HOST).await;
    assert_eq!(login, Ok(basic("AWS", "registry-password")));
}
