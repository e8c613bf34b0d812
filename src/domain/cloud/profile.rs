//! Amazon's profiles: sections of the files `credentials` and `config`.
//!
//! Invariant: of a profile only keys and web identities are read; whatever else it may name (other
//! profiles, programs, single sign-on) gives nothing. What is absent: where the files are.

use super::signature::AccessKeys;
use crate::domain::redact::Secret;
use std::collections::BTreeMap;

/// What a profile says of who one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Keys that do not expire by themselves.
    Keys(AccessKeys),
    /// A role, and the file with the token that it is given for.
    WebIdentity {
        /// The role.
        arn: String,
        /// The file.
        token_file: String,
        /// The name of the session, if there is one.
        session: Option<String>,
    },
}

/// The profile `name`, from the content of `credentials` and of `config`; each may be empty.
pub fn profile(credentials: &str, config: &str, name: &str) -> Option<Profile> {
    let mut fields = section(config, |header| {
        header == name && name == "default"
            || header.strip_prefix("profile ").map(str::trim) == Some(name)
    });
    fields.extend(section(credentials, |header| header == name));
    let field = |name: &str| fields.get(name).map(|value| (*value).to_owned());
    if let (Some(id), Some(secret)) = (field("aws_access_key_id"), field("aws_secret_access_key")) {
        return Some(Profile::Keys(AccessKeys {
            id,
            secret: Secret::new(secret),
            session_token: field("aws_session_token").map(Secret::new),
        }));
    }
    Some(Profile::WebIdentity {
        arn: field("role_arn")?,
        token_file: field("web_identity_token_file")?,
        session: field("role_session_name"),
    })
}

/// The fields of the sections whose header is wanted; later ones count.
fn section(text: &str, wanted: impl Fn(&str) -> bool) -> BTreeMap<&str, &str> {
    let mut fields = BTreeMap::new();
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = trimmed.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default();
            inside = wanted(header.trim());
        } else if let Some((name, value)) = trimmed.split_once('=')
            && inside
            // What is indented belongs to the field above.
            && !line.starts_with([' ', '\t'])
            && !value.trim().is_empty()
        {
            fields.insert(name.trim(), value.trim());
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "# people's keys\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=planted/se=cret\n\n\
        [ci]\naws_access_key_id = AKIA2\naws_secret_access_key = s2\naws_session_token = t2\n[half]\naws_access_key_id = AKIA3\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile pod]\nrole_arn = arn:aws:iam::1:role/r\n\
        web_identity_token_file = /var/run/token\ns3 =\n  role_arn = other\n[profile sso]\nsso_start_url = https://x\n[pod2]\nrole_arn = x\nweb_identity_token_file = y\n";

    #[test]
    fn profiles_are_found_in_either_file() {
        let found = |name| profile(CREDENTIALS, CONFIG, name);
        let keys = |id: &str, secret: &str, token: Option<&str>| {
            Some(Profile::Keys(AccessKeys {
                id: id.to_owned(),
                secret: Secret::new(secret.to_owned()),
                session_token: token.map(|token| Secret::new(token.to_owned())),
            }))
        };
        assert_eq!(found("default"), keys("AKIA1", "planted/se=cret", None));
        assert_eq!(found("ci"), keys("AKIA2", "s2", Some("t2")));
        let pod = Profile::WebIdentity {
            arn: "arn:aws:iam::1:role/r".to_owned(),
            token_file: "/var/run/token".to_owned(),
            session: None,
        };
        assert_eq!(found("pod"), Some(pod));
        assert!(!format!("{:?}", found("default")).contains("planted"));
    }

    #[test]
    fn a_profile_that_is_no_login_by_itself_gives_none() {
        // In `config` all profiles but the default one carry the word.
        for name in ["half", "sso", "pod2", "nobody", ""] {
            assert_eq!(profile(CREDENTIALS, CONFIG, name), None, "{name}");
        }
        assert_eq!(profile("", "", "default"), None);
    }
}
