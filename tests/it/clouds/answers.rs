//! Whatever a cloud answers, nothing panics, and no secret that was sent is shown.

use super::limits;
use highwater::domain::cloud::answer::refusal;
use highwater::domain::cloud::azure::AzureEnvironment;
use highwater::domain::cloud::azure::chain;
use highwater::domain::cloud::gcp::CredentialFile;
use highwater::domain::cloud::lifetime::Expiry;
use highwater::domain::cloud::profile::Profiles;
use highwater::domain::cloud::single_sign_on::{self, CachedToken};
use highwater::domain::cloud::{CloudRegistry, Identity, Provider, aws, azure, gcp};
use jiff::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const PROVIDERS: [Provider; 3] = [Provider::Aws, Provider::Azure, Provider::Gcp];

/// Answers that begin as real ones do, so that more than the first byte is looked at.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let texts = prop_oneof![
        any::<String>(),
        "\\{\"(access_token|refresh_token|authorizationData|error|errors|AccessKeyId)\":(\"[a-zA-Z.=]{0,20}\"|[0-9e+.-]{1,9}|\\[\\{\\}\\]|\\{\"authorizationToken\":\"[A-Za-z=]{0,9}\"\\})(,\"(expires_in|expiresAt|SecretAccessKey|Expiration)\":(\"[0-9TZ:-]{0,21}\"|[0-9e+.-]{1,9}))?\\}",
        "(<Credentials>|<Code>|<Message>|<AccessKeyId>|</AccessKeyId>|<Expiration>|</Expiration>|&amp;|[a-z0-9])*",
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        texts.prop_map(String::into_bytes)
    ]
}

/// Lines of Amazon's file `config`, of few profiles, so that they name one another.
fn profile_lines() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "\\[(default|profile [abc]|sso-session a)\\]",
        3 => "source_profile = (default|[abcd])",
        3 => "role_arn = arn:aws:iam::[0-9]:role/r",
        1 => "(aws_access_key_id = AKIA|aws_secret_access_key = planted)",
        1 => "(credential_source = (Environment|EcsContainer|x)|web_identity_token_file = /f|credential_process = planted '?)",
        1 => "(sso_session = a|sso_region = eu-west-1|sso_start_url = https://x|sso_account_id = 1|sso_role_name = r|mfa_serial = x)",
        1 => ".{0,30}",
    ]
}

proptest! {
    #[test]
    fn no_answer_makes_a_reader_panic(body in bodies()) {
        let now = Timestamp::UNIX_EPOCH;
        let keep = |expiry: Expiry| expiry.keep(now, limits().longest);
        let lives = [
            aws::role_keys(&body).map(|(_, end)| keep(end)),
            aws::instance_keys(&body).map(|(_, end)| keep(end)),
            aws::registry_login(&body).map(|(_, end)| keep(end)),
            azure::access_token(&body).map(|(_, end)| keep(end)),
            azure::registry_login(&body).map(|(_, end)| keep(end)),
            gcp::impersonated_token(&body).map(|(_, end)| keep(end)),
            aws::program_keys(&body).map(|(_, end)| keep(end)),
            single_sign_on::role_keys(&body).map(|(_, end)| keep(end)),
            single_sign_on::renewed(&body).map(|(_, end)| keep(end)),
            chain::answered(&body).map(|(_, end)| keep(end)),
        ];
        for life in lives.into_iter().flatten() {
            prop_assert!(life <= Duration::from_secs(3_600));
        }
        let _ = AzureEnvironment::parse(&body);
        let _ = CredentialFile::parse(&body);
        let _ = CachedToken::parse(&body);
    }

    #[test]
    fn every_chain_of_profiles_ends(lines in prop::collection::vec(profile_lines(), 0..40), credentials in ".{0,200}") {
        let config = lines.join("\n");
        for credentials in ["[c]\naws_access_key_id=A\naws_secret_access_key=planted", &credentials] {
            let profiles = Profiles::parse(credentials, &config);
            for name in ["default", "a", "b", "c"] {
                match profiles.chain(name) {
                    // Three profiles have a name in here, and the default one.
                    Ok(found) => {
                        let shown = format!("{found:?}");
                        prop_assert!(found.roles.len() <= 4 && !shown.contains("planted"));
                    }
                    Err(problem) => prop_assert!(!problem.to_string().contains("planted")),
                }
            }
        }
    }

    #[test]
    fn a_refusal_never_shows_what_was_sent(before in ".{0,500}", after in ".{0,20}", json in any::<bool>()) {
        let secret = "planted-secret";
        let words = format!("{before}{secret}{after}");
        let body = match json {
            true => serde_json::json!({"error": "no", "error_description": words}).to_string(),
            false => format!("<Code>no</Code><Message>{words}</Message>"),
        };
        let shown = refusal(body.as_bytes(), &[secret]);
        prop_assert!(!shown.contains(secret), "{shown}");
        prop_assert!(shown.chars().count() <= 401);
        prop_assert!(!shown.contains(char::is_control));
    }

    #[test]
    fn a_host_is_one_of_a_clouds_only_with_its_end(host in "[a-z0-9.:-]{0,60}", end in "[a-z0-9]{1,9}") {
        for provider in PROVIDERS {
            let _ = CloudRegistry::parse(provider, &host, None);
            let cloud = match provider {
                Provider::Aws => "1.dkr.ecr.eu-west-1.amazonaws.com",
                Provider::Azure => "acme.azurecr.io",
                Provider::Gcp => "eu.gcr.io",
            };
            prop_assert!(CloudRegistry::parse(provider, cloud, None).is_ok());
            let longer = format!("{cloud}.{end}");
            // `.cn` is the one end that makes another of Amazon's hosts of it.
            if end != "cn" {
                prop_assert!(CloudRegistry::parse(provider, &longer, None).is_err(), "{longer}");
            }
        }
    }

    #[test]
    fn an_identity_never_holds_what_leads_elsewhere(value in any::<String>()) {
        let annotations = [
            "eks.amazonaws.com/role-arn",
            "azure.workload.identity/tenant-id",
            "azure.workload.identity/client-id",
            "iam.gke.io/gcp-service-account",
            "gcp.auth.fluxcd.io/workload-identity-provider",
        ];
        let annotations = annotations.map(|key| (key.to_owned(), value.clone())).into();
        for provider in [Provider::Azure, Provider::Gcp] {
            match Identity::of_account(provider, &annotations) {
                // Both go into paths of URLs.
                Ok(Identity::Application { tenant, .. }) => prop_assert!(!tenant.contains(['/', '?', '#', '%', '\\'])),
                Ok(Identity::Google { email: Some(email), .. }) => prop_assert!(!email.contains(['/', '?', '#', '%', '\\'])),
                _ => {}
            }
        }
    }
}
