//! Which logins of Azure a process tries, and what its command line is asked.
//!
//! Invariant: the order and the names are those of Azure's library for Go (`DefaultAzureCredential`); what becomes an argument of a
//! program has the form of such names, so that it is never read as an option. What is absent: the other tools of developers, and
//! starting programs.

use crate::domain::cloud::answer::{AnswerError, json, text};
use crate::domain::cloud::lifetime::Expiry;
use crate::domain::redact::Secret;
use jiff::Timestamp;
use std::time::Duration;

/// How long a token is good at least that Azure's command line gives, by its documentation.
const LEAST_LIFE: Duration = Duration::from_secs(5 * 60);

/// Which logins a process tries, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// An application with a password or a certificate, in variables.
    pub environment: bool,
    /// An application that a token in a file vouches for.
    pub workload: bool,
    /// The managed identity of the machine.
    pub managed: bool,
    /// Who logged in by Azure's command line.
    pub command_line: bool,
}

impl Chain {
    const NONE: Self = Self {
        environment: false,
        workload: false,
        managed: false,
        command_line: false,
    };
    const DEPLOYED: Self = Self {
        environment: true,
        workload: true,
        managed: true,
        command_line: false,
    };

    /// The logins that `AZURE_TOKEN_CREDENTIALS` names; `None` when it names nothing that is known.
    ///
    /// Without it, only `a_person` has logins of the command line: a program is started for nobody who did not say so.
    pub fn of(named: Option<&str>, a_person: bool) -> Option<Self> {
        let Some(named) = named else {
            return Some(Self {
                command_line: a_person,
                ..Self::DEPLOYED
            });
        };
        let only = match named.to_ascii_lowercase().as_str() {
            "prod" => Self::DEPLOYED,
            "dev" | "azureclicredential" => Self {
                command_line: true,
                ..Self::NONE
            },
            "environmentcredential" => Self {
                environment: true,
                ..Self::NONE
            },
            "workloadidentitycredential" => Self {
                workload: true,
                ..Self::NONE
            },
            "managedidentitycredential" => Self {
                managed: true,
                ..Self::NONE
            },
            _ => return None,
        };
        Some(only)
    }
}

/// The words that ask Azure's command line for a token; `None` when a name cannot be one.
pub fn question(resource: &str, tenant: Option<&str>) -> Option<Vec<String>> {
    let is_name = |text: &str, more: &[u8]| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
        text.starts_with(|letter: char| letter.is_ascii_alphanumeric()) && text.bytes().all(allowed)
    };
    if !is_name(resource, b".-_:/") || !tenant.is_none_or(|tenant| is_name(tenant, b".-")) {
        return None;
    }
    let fixed = [
        "az",
        "account",
        "get-access-token",
        "--output",
        "json",
        "--resource",
        resource,
    ];
    let tenant = tenant.map(|tenant| ["--tenant", tenant]);
    let words = fixed.into_iter().chain(tenant.into_iter().flatten());
    Some(words.map(str::to_owned).collect())
}

/// The token that Azure's command line prints.
///
/// # Errors
/// [`AnswerError`] when there is none.
pub fn answered(output: &[u8]) -> Result<(Secret, Expiry), AnswerError> {
    let answer = json(output)?;
    let token = Secret::new(text(&answer, "accessToken")?.to_owned());
    let missing = AnswerError::Missing("expires_on");
    let end = match &answer["expires_on"] {
        // Versions before 2.54 tell the end by the wall clock of wherever the machine is.
        serde_json::Value::Null => {
            text(&answer, "expiresOn")?;
            return Ok((token, Expiry::After(LEAST_LIFE)));
        }
        end => end.as_i64().or_else(|| end.as_str()?.parse().ok()),
    };
    let end = end.and_then(|end| Timestamp::from_second(end).ok());
    Ok((token, Expiry::At(end.ok_or(missing)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_for_persons_and_for_who_names_it() {
        let chain = |named, person| Chain::of(named, person).expect("it is known");
        let person = Chain {
            command_line: true,
            ..Chain::DEPLOYED
        };
        let only = Chain {
            command_line: true,
            ..Chain::NONE
        };
        assert_eq!(chain(None, true), person);
        assert_eq!(chain(None, false), Chain::DEPLOYED);
        for a_person in [true, false] {
            assert_eq!(chain(Some("prod"), a_person), Chain::DEPLOYED);
            assert_eq!(chain(Some("dev"), a_person), only);
            assert_eq!(chain(Some("AzureCLICredential"), a_person), only);
            assert!(chain(Some("ManagedIdentityCredential"), a_person).managed);
            assert!(chain(Some("WorkloadIdentityCredential"), a_person).workload);
            assert!(chain(Some("EnvironmentCredential"), a_person).environment);
            assert_eq!(Chain::of(Some("AzurePowerShellCredential"), a_person), None);
        }
    }

    #[test]
    fn no_name_becomes_an_option() {
        let found = question("https://containerregistry.azure.net", Some("acme.example"));
        let words = "az account get-access-token --output json --resource https://containerregistry.azure.net --tenant acme.example";
        let expected: Vec<String> = words.split(' ').map(str::to_owned).collect();
        assert_eq!(found, Some(expected));
        assert_eq!(question("499b84ac", None).map(|words| words.len()), Some(7));
        for (resource, tenant) in [
            ("--debug", None),
            ("", None),
            ("https://x;id", None),
            ("https://x", Some("-x")),
            ("https://x", Some("a b")),
            ("https://x", Some("")),
        ] {
            assert_eq!(question(resource, tenant), None, "{resource} {tenant:?}");
        }
    }

    #[test]
    fn what_old_and_new_versions_print_is_read() {
        let new = br#"{"accessToken":"planted","expiresOn":"2026-11-23 12:00:00.000000","expires_on":1700000000,"subscription":"s","tenant":"t","tokenType":"Bearer"}"#;
        let (token, end) = answered(new).expect("it is whole");
        assert_eq!(token.expose(), "planted");
        let at = Timestamp::from_second(1_700_000_000).expect("a timestamp");
        assert_eq!(end, Expiry::At(at));
        let old =
            br#"{"accessToken":"t","expiresOn":"2026-11-23 12:00:00.000000","tokenType":"Bearer"}"#;
        assert_eq!(
            answered(old).map(|(_, end)| end),
            Ok(Expiry::After(LEAST_LIFE))
        );
        for (output, problem) in [
            ("planted", AnswerError::NotA("JSON")),
            ("{}", AnswerError::Missing("accessToken")),
            (r#"{"accessToken":"t"}"#, AnswerError::Missing("expiresOn")),
            (
                r#"{"accessToken":"t","expires_on":true}"#,
                AnswerError::Missing("expires_on"),
            ),
        ] {
            assert_eq!(answered(output.as_bytes()), Err(problem), "{output}");
        }
    }
}
