//! The login of Azure's command line: the last of the chain, and for whom it is there.

use super::azure::{HOST, USER, microsoft, refresh_token};
use super::{as_process, basic, form, logins, logins_of_a_person, program};
use crate::support::fake_registry::{FakeRegistry, Reply};
use highwater::domain::cloud::Provider;

/// Where nobody listens.
const NOWHERE: (&str, &str) = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");

/// Microsoft's servers and the program `az`, with more variables.
fn variables<'a>(
    url: &'a str,
    path: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let servers = ["AZURE_AUTHORITY_HOST", "HIGHWATER_ACR_ENDPOINT", NOWHERE.0];
    let servers = servers.map(|name| (name, url));
    [&servers[..], &[("PATH", path)], more].concat()
}

/// The folder with the program before the system's.
fn path() -> String {
    let az = program("az");
    let folder = az.trim_end_matches("/az");
    format!("{folder}:/usr/bin:/bin")
}

#[tokio::test]
async fn a_person_who_is_nobody_else_has_the_login_of_azures_command_line() {
    for tenant in [None, Some(("AZURE_TENANT_ID", "tenant-1"))] {
        let fake = FakeRegistry::start(microsoft).await;
        let (url, path) = (format!("http://{}", fake.address()), path());
        let more: Vec<_> = tenant.into_iter().chain([NOWHERE]).collect();
        let logins = logins_of_a_person(&variables(&url, &path, &more));
        for _ in 0..2 {
            let login = as_process(&logins, Provider::Azure, HOST).await;
            assert_eq!(login, Ok(basic(USER, &refresh_token())));
        }
        let seen = fake.seen("/");
        assert_eq!(seen.len(), 1, "what is known is not asked again");
        assert_eq!(form(&seen[0])["access_token"], "azure-token");
    }
}

#[tokio::test]
async fn who_is_somebody_else_is_not_whom_the_command_line_knows() {
    // With this tenant `az` would fail.
    let out = ("AZURE_TENANT_ID", "logged-out");
    let fake = FakeRegistry::start(microsoft).await;
    let (url, path) = (format!("http://{}", fake.address()), path());
    let logins = logins_of_a_person(&variables(&url, &path, &[out]));
    let login = as_process(&logins, Provider::Azure, HOST).await;
    assert_eq!(login, Ok(basic(USER, &refresh_token())));
    let asked = fake.seen("/metadata/");
    let headers: Vec<&str> = asked.iter().map(|seen| seen.header("metadata")).collect();
    assert_eq!(
        headers,
        ["", "true"],
        "whether there are metadata is asked first"
    );

    // An identity that is named counts, even when it is refused.
    let refusing = FakeRegistry::start(|seen| match seen.header("metadata") {
        "true" => Reply::json(&serde_json::json!({"error": "invalid_request", "error_description": "Identity not found"})).status(400),
        _ => Reply::new(400, ""),
    })
    .await;
    let url = format!("http://{}", refusing.address());
    let application = [
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_CLIENT_ID", "client-1"),
    ];
    for (more, expected) in [
        (vec![application[1]], "invalid_request: Identity not found"),
        (
            [&application[..], &[("AZURE_CLIENT_SECRET", "planted")]].concat(),
            "answered 400",
        ),
    ] {
        let logins = logins_of_a_person(&variables(&url, &path, &more));
        let login = as_process(&logins, Provider::Azure, HOST).await;
        let words = login.expect_err("it is refused").to_string();
        assert!(
            words.contains(expected) && !words.contains("`az`"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_controller_starts_no_program_unless_its_environment_says_so() {
    let fake = FakeRegistry::start(microsoft).await;
    let (url, path) = (format!("http://{}", fake.address()), path());
    for chain in [None, Some("prod"), Some("ManagedIdentityCredential")] {
        let chain = chain.map(|chain| ("AZURE_TOKEN_CREDENTIALS", chain));
        let more: Vec<_> = chain.into_iter().chain([NOWHERE]).collect();
        let logins = logins(&variables(&url, &path, &more));
        let error = as_process(&logins, Provider::Azure, HOST).await;
        let words = error.expect_err("it is nobody").to_string();
        assert!(
            words.contains(
                "the process has no identity: `http://127.0.0.1:1` (the node's managed identity)"
            ),
            "{words}"
        );
    }
    for chain in ["dev", "AzureCLICredential"] {
        let logins = logins(&variables(
            &url,
            &path,
            &[("AZURE_TOKEN_CREDENTIALS", chain)],
        ));
        let login = as_process(&logins, Provider::Azure, HOST).await;
        assert_eq!(login, Ok(basic(USER, &refresh_token())));
    }
    assert!(fake.seen("/metadata/").is_empty());
    for (chain, expected) in [
        (
            "MoonCredential",
            "`AZURE_TOKEN_CREDENTIALS`: it names no login that is tried here",
        ),
        (
            "EnvironmentCredential",
            "none of the logins that it names is there",
        ),
    ] {
        let named = [("AZURE_TOKEN_CREDENTIALS", chain)];
        let logins = logins(&variables(&url, &path, &named));
        let error = as_process(&logins, Provider::Azure, HOST).await;
        let words = error.expect_err("nobody logs in so").to_string();
        assert!(words.contains(expected), "{words}");
    }
}

#[tokio::test]
async fn who_is_not_logged_in_is_told_how_to_without_the_words_of_the_program() {
    let fake = FakeRegistry::start(microsoft).await;
    let (url, path) = (format!("http://{}", fake.address()), path());
    for (tenant, path, expected) in [
        (
            "logged-out",
            path.as_str(),
            "`az` (Azure's command line) failed (exit status: 1)\nhint: run `az login`, or `az account get-access-token` to see what it says",
        ),
        (
            "words",
            &path,
            "`az` (Azure's command line): the answer is not JSON",
        ),
        (
            "--debug",
            &path,
            "`AZURE_TENANT_ID`: it, or the resource of the cloud, cannot be given to `az`",
        ),
        (
            "tenant-1",
            "/nowhere",
            "set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`; a person can run `az login`",
        ),
    ] {
        let more = [("AZURE_TENANT_ID", tenant), NOWHERE];
        let logins = logins_of_a_person(&variables(&url, path, &more));
        let error = as_process(&logins, Provider::Azure, HOST).await;
        let words = error.expect_err("there is no token").to_string();
        assert!(words.ends_with(expected), "{words}");
        assert!(!words.contains("planted"), "{words}");
    }
}
