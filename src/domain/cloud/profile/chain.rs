//! From a profile to its source, and the roles on the way.
//!
//! Invariant: each profile gives its role once, so that the way ends. What is absent: asking for keys.

use super::sections::{Fields, Profiles};
use super::{AssumedRole, Chain, KeySource, MOST_PROFILES, ProfileError};
use crate::domain::cloud::endpoint::is_region;
use crate::domain::cloud::signature::AccessKeys;
use crate::domain::cloud::single_sign_on::SingleSignOn;
use crate::domain::cloud::words::words;
use crate::domain::redact::Secret;

/// How long the keys of a role are wanted when nothing is said, as Amazon's library for Go wants them, in seconds. Amazon
/// gives none for less.
const SHORTEST: u32 = 900;
/// Of these a profile may have only one.
const SORTS: [&str; 4] = [
    "source_profile",
    "credential_source",
    "credential_process",
    "web_identity_token_file",
];
/// What says that a profile is a login in IAM Identity Center.
const SIGN_ON: [&str; 5] = [
    "sso_session",
    "sso_start_url",
    "sso_region",
    "sso_account_id",
    "sso_role_name",
];

impl Profiles<'_> {
    /// How the keys of a profile are had.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn chain(&self, name: &str) -> Result<Chain, ProfileError> {
        let mut seen: Vec<&str> = Vec::new();
        let mut roles = Vec::new();
        let mut name = name;
        loop {
            let profile = self.named(name, seen.last().copied())?;
            let again = seen.contains(&name);
            if !again {
                profile.needs_its_role()?;
            }
            let keys = profile.keys().filter(|_| !seen.is_empty());
            let next = match (again, &keys) {
                (true, _) | (_, Some(_)) => None,
                (false, None) => profile.get("source_profile"),
            };
            if keys.is_none() && !again {
                profile.says_one_thing()?;
            }
            let Some(next) = next else {
                let source = match keys {
                    Some(keys) => KeySource::Keys(keys),
                    None => profile.source(self)?,
                };
                if source == KeySource::Surroundings
                    && let Some(before) = seen.last()
                {
                    return Err(no_login(name, before, again));
                }
                let own_role = !again && !matches!(source, KeySource::WebIdentity { .. });
                roles.extend(if own_role { profile.role()? } else { None });
                roles.reverse();
                return Ok(Chain { source, roles });
            };
            roles.extend(profile.role()?);
            seen.push(name);
            if seen.len() >= MOST_PROFILES {
                return Err(ProfileError::TooMany(next.to_owned()));
            }
            name = next;
        }
    }

    fn named<'b>(&'b self, name: &'b str, of: Option<&str>) -> Result<Profile<'b>, ProfileError> {
        match (self.profile(name), of) {
            (Some(fields), _) => Ok(Profile { name, fields }),
            (None, None) => Err(ProfileError::Unknown(name.to_owned())),
            (None, Some(of)) => Err(ProfileError::Source {
                profile: of.to_owned(),
                source_profile: name.to_owned(),
                problem: "does not exist",
            }),
        }
    }
}

fn no_login(name: &str, before: &str, again: bool) -> ProfileError {
    match again {
        true => ProfileError::Circle(name.to_owned()),
        false => ProfileError::Source {
            profile: before.to_owned(),
            source_profile: name.to_owned(),
            problem: "has no login",
        },
    }
}

/// One profile.
struct Profile<'a> {
    name: &'a str,
    fields: &'a Fields<'a>,
}

impl<'a> Profile<'a> {
    fn get(&self, field: &str) -> Option<&'a str> {
        self.fields.get(field).copied()
    }

    fn owned(&self, field: &str) -> Option<String> {
        self.get(field).map(str::to_owned)
    }

    fn lacks(&self, has: &'static str, lacks: &'static str) -> ProfileError {
        ProfileError::Lacks {
            profile: self.name.to_owned(),
            has,
            lacks,
        }
    }

    fn keys(&self) -> Option<AccessKeys> {
        Some(AccessKeys {
            id: self.owned("aws_access_key_id")?,
            secret: Secret::new(self.owned("aws_secret_access_key")?),
            session_token: self.owned("aws_session_token").map(Secret::new),
        })
    }

    /// Some sources are only there for a role.
    fn needs_its_role(&self) -> Result<(), ProfileError> {
        let wants = SORTS
            .iter()
            .find(|sort| **sort != "credential_process" && self.get(sort).is_some());
        match (wants, self.get("role_arn")) {
            (Some(has), None) => Err(self.lacks(has, "role_arn")),
            _ => Ok(()),
        }
    }

    fn says_one_thing(&self) -> Result<(), ProfileError> {
        let said = SORTS.iter().filter(|sort| self.get(sort).is_some());
        match said.count() {
            0 | 1 => Ok(()),
            _ => Err(ProfileError::Several(
                self.name.to_owned(),
                "`source_profile`, `credential_source`, `credential_process` and `web_identity_token_file`",
            )),
        }
    }

    fn role(&self) -> Result<Option<AssumedRole>, ProfileError> {
        let Some(arn) = self.owned("role_arn") else {
            return Ok(None);
        };
        if self.get("mfa_serial").is_some() {
            return Err(ProfileError::SecondFactor(self.name.to_owned()));
        }
        // What is no number is left out, as by Amazon's library for Go.
        let seconds = self.get("duration_seconds");
        let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Some(AssumedRole {
            arn,
            session: self.owned("role_session_name"),
            external_id: self.owned("external_id"),
            seconds: SHORTEST.max(seconds),
        }))
    }

    /// Where its own keys come from, other profiles left out.
    fn source(&self, all: &Profiles<'_>) -> Result<KeySource, ProfileError> {
        if let Some(keys) = self.keys() {
            return Ok(KeySource::Keys(keys));
        }
        if let Some(named) = self.get("credential_source") {
            return self.credential_source(named);
        }
        if let Some(token_file) = self.owned("web_identity_token_file") {
            let arn = self.owned("role_arn");
            return Ok(KeySource::WebIdentity {
                arn: arn.ok_or_else(|| self.lacks("web_identity_token_file", "role_arn"))?,
                token_file,
                session: self.owned("role_session_name"),
            });
        }
        if let Some(has) = SIGN_ON.iter().find(|field| self.get(field).is_some()) {
            return self.single_sign_on(all, has).map(KeySource::SingleSignOn);
        }
        match self.get("credential_process") {
            None => Ok(KeySource::Surroundings),
            Some(line) => Ok(KeySource::Program {
                profile: self.name.to_owned(),
                command: Secret::new(
                    words(line).ok_or_else(|| ProfileError::Command(self.name.to_owned()))?,
                ),
            }),
        }
    }

    fn credential_source(&self, named: &str) -> Result<KeySource, ProfileError> {
        match named {
            "Environment" => Ok(KeySource::Environment),
            "Ec2InstanceMetadata" => Ok(KeySource::Instance),
            "EcsContainer" => Ok(KeySource::Container),
            other => Err(ProfileError::CredentialSource {
                profile: self.name.to_owned(),
                value: other.to_owned(),
            }),
        }
    }

    fn single_sign_on(
        &self,
        all: &Profiles<'_>,
        has: &'static str,
    ) -> Result<SingleSignOn, ProfileError> {
        let own = |field: &'static str| self.owned(field).ok_or_else(|| self.lacks(has, field));
        let session = self.owned("sso_session");
        let (region, start) = match &session {
            None => (own("sso_region")?, own("sso_start_url")?),
            Some(name) => {
                let lacks = |field| self.lacks("sso_session", field);
                let section = all.session(name).ok_or_else(|| lacks("[sso-session]"))?;
                let shared = |field: &'static str| {
                    let value = section.get(field).ok_or_else(|| lacks(field))?;
                    match self.get(field) {
                        // The token is the session's, so it is good nowhere else.
                        Some(other) if other != *value => Err(lacks(field)),
                        _ => Ok((*value).to_owned()),
                    }
                };
                (shared("sso_region")?, shared("sso_start_url")?)
            }
        };
        if !is_region(&region) {
            return Err(self.lacks(has, "sso_region"));
        }
        Ok(SingleSignOn {
            region,
            start,
            session,
            account: own("sso_account_id")?,
            role: own("sso_role_name")?,
        })
    }
}
