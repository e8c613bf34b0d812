//! What Amazon's services are asked, and what they answer: keys of an identity, and logins of a
//! registry.
//!
//! Invariant: an answer without keys, or a login without a password, is an error. What is absent: the
//! signature (`signature`) and the places to ask (`endpoint`).

use super::answer::{AnswerError, element, json, text};
use super::lifetime::Expiry;
use super::profile::AssumedRole;
use super::signature::AccessKeys;
use crate::domain::docker_config::Credentials;
use crate::domain::redact::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;

/// The audience of the tokens that the Security Token Service takes.
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// A form that is sent as `application/x-www-form-urlencoded`. It may hold secrets.
pub type Form = Vec<(&'static str, String)>;

/// Asks for the keys of a role, in exchange for a token that the cluster signed.
pub fn assume_role(role: &str, session: &str, token: &Secret) -> Form {
    vec![
        ("Action", "AssumeRoleWithWebIdentity".to_owned()),
        ("Version", "2011-06-15".to_owned()),
        ("RoleArn", role.to_owned()),
        ("RoleSessionName", session.to_owned()),
        ("WebIdentityToken", token.expose().clone()),
    ]
}

/// Asks for the keys of a role, in a request that somebody's keys sign.
pub fn assume_role_with_keys(role: &AssumedRole, usual_session: &str) -> Form {
    let session = role.session.as_deref().unwrap_or(usual_session);
    let mut form = vec![
        ("Action", "AssumeRole".to_owned()),
        ("Version", "2011-06-15".to_owned()),
        ("RoleArn", role.arn.clone()),
        ("RoleSessionName", session.to_owned()),
        ("DurationSeconds", role.seconds.to_string()),
    ];
    form.extend(role.external_id.clone().map(|id| ("ExternalId", id)));
    form
}

/// The name of a session, as CloudTrail shows it: letters that Amazon takes, at most 64 of them.
pub fn session_name(account: &str, namespace: &str, region: &str) -> String {
    let name = format!("{account}.{namespace}.{region}.fluxcd.io");
    name.chars().take(64).collect()
}

/// The keys in an answer of the Security Token Service.
///
/// # Errors
/// [`AnswerError`] when there are none.
pub fn role_keys(body: &[u8]) -> Result<(AccessKeys, Expiry), AnswerError> {
    let text = str::from_utf8(body).map_err(|_| AnswerError::NotA("XML"))?;
    let credentials = text
        .split_once("<Credentials>")
        .ok_or(AnswerError::Missing("Credentials"))?
        .1;
    let field = |name: &'static str| {
        element(credentials, name)
            .filter(|value| !value.is_empty())
            .ok_or(AnswerError::Missing(name))
    };
    let keys = AccessKeys {
        id: field("AccessKeyId")?,
        secret: Secret::new(field("SecretAccessKey")?),
        session_token: Some(Secret::new(field("SessionToken")?)),
    };
    let end: Timestamp = field("Expiration")?
        .parse()
        .map_err(|_| AnswerError::Missing("Expiration"))?;
    Ok((keys, Expiry::At(end)))
}

/// The keys in an answer of the instance metadata service, or of a container's credential endpoint.
///
/// # Errors
/// [`AnswerError`] when there are none.
pub fn instance_keys(body: &[u8]) -> Result<(AccessKeys, Expiry), AnswerError> {
    let answer = json(body)?;
    let keys = AccessKeys {
        id: text(&answer, "AccessKeyId")?.to_owned(),
        secret: Secret::new(text(&answer, "SecretAccessKey")?.to_owned()),
        session_token: answer["Token"]
            .as_str()
            .map(|token| Secret::new(token.to_owned())),
    };
    Ok((keys, expiration(&answer)?))
}

/// The keys that a program printed, as Amazon documents `credential_process`.
///
/// # Errors
/// [`AnswerError`] when there are none, or when they are of another version.
pub fn program_keys(output: &[u8]) -> Result<(AccessKeys, Expiry), AnswerError> {
    let answer = json(output)?;
    if answer["Version"].as_u64() != Some(1) {
        return Err(AnswerError::NotA("of version 1"));
    }
    let keys = AccessKeys {
        id: text(&answer, "AccessKeyId")?.to_owned(),
        secret: Secret::new(text(&answer, "SecretAccessKey")?.to_owned()),
        session_token: text(&answer, "SessionToken")
            .ok()
            .map(|token| Secret::new(token.to_owned())),
    };
    Ok((keys, expiration(&answer)?))
}

fn expiration(answer: &Value) -> Result<Expiry, AnswerError> {
    match &answer["Expiration"] {
        Value::Null => Ok(Expiry::Never),
        end => end
            .as_str()
            .and_then(|end| end.parse().ok())
            .map(Expiry::At)
            .ok_or(AnswerError::Missing("Expiration")),
    }
}

/// The login in an answer of `GetAuthorizationToken`; the public gallery's has one, not a list.
///
/// # Errors
/// [`AnswerError`] when there is none.
pub fn registry_login(body: &[u8]) -> Result<(Credentials, Expiry), AnswerError> {
    let answer = json(body)?;
    let data = &answer["authorizationData"];
    let data = if data.is_array() { &data[0] } else { data };
    if !data.is_object() {
        return Err(AnswerError::Missing("authorizationData"));
    }
    let decoded = BASE64_STANDARD
        .decode(text(data, "authorizationToken")?)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let login = decoded
        .as_deref()
        .and_then(|pair| pair.split_once(':'))
        .filter(|(user, password)| !user.is_empty() && !password.is_empty())
        .ok_or(AnswerError::Missing("authorizationToken"))?;
    let credentials = Credentials::Basic {
        username: login.0.to_owned(),
        password: Secret::new(login.1.to_owned()),
    };
    Ok((credentials, ending(&data["expiresAt"])?))
}

/// Seconds since 1970, perhaps with a fraction.
fn ending(value: &Value) -> Result<Expiry, AnswerError> {
    let missing = AnswerError::Missing("expiresAt");
    let seconds = value.as_f64().ok_or(missing.clone())?;
    if !(0.0..1e12).contains(&seconds) {
        return Err(missing);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bounds were checked, and a fraction of a second does not count"
    )]
    let whole = seconds as i64;
    Timestamp::from_second(whole)
        .map(Expiry::At)
        .map_err(|_| missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Expiry {
        Expiry::At(text.parse().expect("a timestamp"))
    }

    #[test]
    fn the_keys_of_a_role_are_read_from_the_documented_answer() {
        let body = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:apps:reader</SubjectFromWebIdentityToken>
    <Audience>sts.amazonaws.com</Audience>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/reader/x</Arn></AssumedRoleUser>
    <Credentials>
      <SessionToken>AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE</SessionToken>
      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>
      <Expiration>2014-10-24T23:00:23Z</Expiration>
      <AccessKeyId>ASgeIAIOSFODNN7EXAMPLE</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"#;
        let (keys, end) = role_keys(body.as_bytes()).expect("the answer is whole");
        assert_eq!(keys.id, "ASgeIAIOSFODNN7EXAMPLE");
        assert_eq!(
            keys.secret.expose(),
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY"
        );
        assert_eq!(end, at("2014-10-24T23:00:23Z"));
        assert!(!format!("{keys:?}").contains("wJalr"));
        for (body, problem) in [
            ("", AnswerError::Missing("Credentials")),
            (
                "<Credentials><AccessKeyId></AccessKeyId></Credentials>",
                AnswerError::Missing("AccessKeyId"),
            ),
        ] {
            assert_eq!(role_keys(body.as_bytes()), Err(problem));
        }
    }

    #[test]
    fn the_keys_of_an_instance_or_a_container_are_read() {
        let body = br#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIA1","SecretAccessKey":"s","Token":"t","Expiration":"2017-05-17T15:09:54Z"}"#;
        let (keys, end) = instance_keys(body).expect("the answer is whole");
        assert_eq!(
            (keys.id.as_str(), keys.secret.expose().as_str()),
            ("ASIA1", "s")
        );
        assert_eq!(end, at("2017-05-17T15:09:54Z"));
        let failed = br#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"no"}"#;
        assert_eq!(
            instance_keys(failed),
            Err(AnswerError::Missing("AccessKeyId"))
        );
    }

    #[test]
    fn the_keys_that_a_program_prints_are_read_as_documented() {
        let body = br#"{"Version":1,"AccessKeyId":"an AWS access key","SecretAccessKey":"planted-secret","SessionToken":"t","Expiration":"2026-11-23T03:00:00+01:00"}"#;
        let (keys, end) = program_keys(body).expect("it is whole");
        assert_eq!(keys.id, "an AWS access key");
        assert_eq!(end, at("2026-11-23T02:00:00Z"));
        assert!(!format!("{keys:?}").contains("planted"));
        let lasting = br#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s"}"#;
        let (keys, end) = program_keys(lasting).expect("it is whole");
        assert_eq!((keys.session_token, end), (None, Expiry::Never));
        for (output, problem) in [
            ("planted-secret", AnswerError::NotA("JSON")),
            ("[]", AnswerError::NotA("of version 1")),
            (
                r#"{"Version":2,"AccessKeyId":"A","SecretAccessKey":"s"}"#,
                AnswerError::NotA("of version 1"),
            ),
            (
                r#"{"Version":1,"AccessKeyId":"A"}"#,
                AnswerError::Missing("SecretAccessKey"),
            ),
            (
                r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","Expiration":7}"#,
                AnswerError::Missing("Expiration"),
            ),
        ] {
            assert_eq!(program_keys(output.as_bytes()), Err(problem), "{output}");
        }
    }

    #[test]
    fn a_login_is_read_from_both_forms_of_the_answer() {
        let token = BASE64_STANDARD.encode("AWS:pass:word");
        let one = format!(r#"{{"authorizationToken":"{token}","expiresAt":1448875853.241}}"#);
        for body in [
            format!(r#"{{"authorizationData":[{one}]}}"#),
            format!(r#"{{"authorizationData":{one}}}"#),
        ] {
            let (login, end) = registry_login(body.as_bytes()).expect("the answer is whole");
            let expected = Credentials::Basic {
                username: "AWS".to_owned(),
                password: Secret::new("pass:word".to_owned()),
            };
            assert_eq!(login, expected);
            assert_eq!(end, at("2015-11-30T09:30:53Z"));
        }
    }

    #[test]
    fn an_answer_without_a_login_names_what_is_missing() {
        let empty = BASE64_STANDARD.encode("AWS:");
        for (body, problem) in [
            ("{}".to_owned(), "authorizationData"),
            (
                r#"{"authorizationData":[]}"#.to_owned(),
                "authorizationData",
            ),
            (
                r#"{"authorizationData":[{"authorizationToken":"%%"}]}"#.to_owned(),
                "authorizationToken",
            ),
            (
                format!(r#"{{"authorizationData":[{{"authorizationToken":"{empty}"}}]}}"#),
                "authorizationToken",
            ),
            (
                r#"{"authorizationData":[{"authorizationToken":"QVdTOnA=","expiresAt":1e300}]}"#
                    .to_owned(),
                "expiresAt",
            ),
        ] {
            let found = registry_login(body.as_bytes()).expect_err("there is no login");
            assert_eq!(found, AnswerError::Missing(problem), "{body}");
        }
        assert_eq!(registry_login(b"x"), Err(AnswerError::NotA("JSON")));
    }

    #[test]
    fn a_sessions_name_is_no_longer_than_amazon_takes() {
        assert_eq!(
            session_name("reader", "apps", "eu-west-1"),
            "reader.apps.eu-west-1.fluxcd.io"
        );
        assert_eq!(session_name(&"a".repeat(80), "n", "r").len(), 64);
    }
}
