//! Whatever a cloud answers, nothing panics, and no secret that was sent is shown.

use super::limits;
use highwater::domain::cloud::answer::refusal;
use highwater::domain::cloud::azure::AzureEnvironment;
use highwater::domain::cloud::gcp::CredentialFile;
use highwater::domain::cloud::lifetime::Expiry;
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
        ];
        for life in lives.into_iter().flatten() {
            prop_assert!(life <= Duration::from_secs(3_600));
        }
        let _ = AzureEnvironment::parse(&body);
        let _ = CredentialFile::parse(&body);
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
