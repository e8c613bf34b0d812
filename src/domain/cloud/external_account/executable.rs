//! Programs that print the token of an external account.
//!
//! Invariant: a program runs for five seconds to two minutes, and its answer is of version 1, successful and in time, or no token
//! comes of it. What is absent: whether it may be started.

use super::ExternalAccount;
use crate::domain::cloud::answer::{AnswerError, json, text};
use crate::domain::redact::{Secret, shown};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;
use thiserror::Error;

/// How long a program may run when nothing is said, in milliseconds.
const USUAL_TIME: u64 = 30_000;
/// Most letters of a program's own message that are shown.
const MOST_WORDS: usize = 400;

/// A program that prints a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// The program and its arguments, which may be secret.
    pub command: Secret<Vec<String>>,
    /// How long it may run.
    pub time: Duration,
    /// Where it leaves its last answer.
    pub output_file: Option<String>,
}

/// An answer that no token comes of.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExecutableError {
    /// It cannot be read.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The token has ended.
    #[error("the token has ended")]
    Ended,
    /// The program has none, and says why.
    #[error("{0}")]
    Failed(String),
}

impl Executable {
    pub(super) fn parse(source: &Value) -> Result<Self, AnswerError> {
        let command = text(source, "command").unwrap_or_default();
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if command.is_empty() {
            return Err(AnswerError::Missing("credential_source.executable.command"));
        }
        let time = &source["timeout_millis"];
        let time = if time.is_null() {
            Some(USUAL_TIME)
        } else {
            time.as_u64()
        };
        let time = time.filter(|time| (5_000..=120_000).contains(time));
        let time = time.ok_or(AnswerError::Missing(
            "credential_source.executable.timeout_millis",
        ))?;
        Ok(Self {
            command: Secret::new(command),
            time: Duration::from_millis(time),
            output_file: text(source, "output_file").ok().map(str::to_owned),
        })
    }

    /// The variables by which a program learns what is wanted.
    pub fn variables(&self, account: &ExternalAccount) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", account.audience.clone()),
            (
                "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE",
                account.token_type.clone(),
            ),
            ("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0".to_owned()),
        ];
        let email = account.impersonated().map(str::to_owned);
        all.extend(email.map(|email| ("GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL", email)));
        let file = self.output_file.clone();
        all.extend(file.map(|file| ("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", file)));
        all
    }

    /// The token in a program's answer, which it printed or left in its file.
    ///
    /// # Errors
    /// [`ExecutableError`].
    pub fn token(&self, answer: &[u8], now: Timestamp) -> Result<Secret, ExecutableError> {
        let answer = json(answer)?;
        let version = answer["version"].as_i64();
        let version = version.ok_or(AnswerError::Missing("version"))?;
        match answer["success"].as_bool() {
            None => return Err(AnswerError::Missing("success").into()),
            Some(false) => return Err(failure(&answer)),
            Some(true) if version != 1 => return Err(AnswerError::NotA("of version 1").into()),
            Some(true) => {}
        }
        match &answer["expiration_time"] {
            // What is kept must tell its end.
            Value::Null if self.output_file.is_none() => {}
            end => {
                let end = end
                    .as_i64()
                    .ok_or(AnswerError::Missing("expiration_time"))?;
                if end < now.as_second() {
                    return Err(ExecutableError::Ended);
                }
            }
        }
        let field = match text(&answer, "token_type")? {
            "urn:ietf:params:oauth:token-type:jwt"
            | "urn:ietf:params:oauth:token-type:id_token" => "id_token",
            "urn:ietf:params:oauth:token-type:saml2" => "saml_response",
            _ => return Err(AnswerError::Missing("token_type").into()),
        };
        Ok(Secret::new(text(&answer, field)?.to_owned()))
    }
}

/// What the program says for itself: two fields that are there to be shown.
fn failure(answer: &Value) -> ExecutableError {
    let (Ok(code), Ok(message)) = (text(answer, "code"), text(answer, "message")) else {
        return AnswerError::Missing("code` or `message").into();
    };
    ExecutableError::Failed(shown(&format!("{code}: {message}"), &[], MOST_WORDS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as object;

    fn executable(output_file: Option<&str>) -> Executable {
        let mut source = object!({"command": "/bin/token --key planted-secret"});
        if let Some(file) = output_file {
            source["output_file"] = object!(file);
        }
        Executable::parse(&source).expect("it is whole")
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_620_433_341).expect("a timestamp")
    }

    #[test]
    fn a_program_runs_for_half_a_minute_or_as_long_as_is_said_within_bounds() {
        let time = |millis: Value| {
            let source = object!({"command": " /bin/token  a ", "timeout_millis": millis});
            Executable::parse(&source).map(|found| found.time)
        };
        assert_eq!(time(Value::Null), Ok(Duration::from_secs(30)));
        assert_eq!(time(object!(5_000)), Ok(Duration::from_secs(5)));
        assert_eq!(time(object!(120_000)), Ok(Duration::from_secs(120)));
        for broken in [
            object!(4_999),
            object!(120_001),
            object!(-1),
            object!("5000"),
            object!(1e300),
        ] {
            assert!(time(broken.clone()).is_err(), "{broken}");
        }
        assert!(Executable::parse(&object!({"command": " "})).is_err());
        let found = executable(None);
        assert_eq!(
            found.command.expose(),
            &["/bin/token", "--key", "planted-secret"]
        );
        assert!(!format!("{found:?}").contains("planted"));
    }

    #[test]
    fn the_answers_of_the_documentation_are_read() {
        let token = |text: &str| Ok(Secret::new(text.to_owned()));
        for (answer, expected) in [
            (
                object!({"version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:id_token", "id_token": "HEADER.PAYLOAD.SIGNATURE", "expiration_time": 1_620_433_341}),
                token("HEADER.PAYLOAD.SIGNATURE"),
            ),
            (
                object!({"version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:saml2", "saml_response": "...", "expiration_time": 1_620_433_341}),
                token("..."),
            ),
            (
                object!({"version": 1, "success": false, "code": "401", "message": "Error message."}),
                Err(ExecutableError::Failed("401: Error message.".to_owned())),
            ),
        ] {
            let answer = answer.to_string();
            assert_eq!(executable(None).token(answer.as_bytes(), now()), expected);
            assert_eq!(
                executable(Some("/f")).token(answer.as_bytes(), now()),
                expected
            );
        }
    }

    #[test]
    fn an_answer_that_is_late_or_lacks_something_gives_no_token() {
        let good = object!({"version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:jwt", "id_token": "t", "expiration_time": 1_620_433_340});
        let late = executable(None).token(good.to_string().as_bytes(), now());
        assert_eq!(late, Err(ExecutableError::Ended));
        for (field, value, problem) in [
            ("version", Value::Null, AnswerError::Missing("version")),
            ("version", object!(2), AnswerError::NotA("of version 1")),
            ("success", Value::Null, AnswerError::Missing("success")),
            (
                "success",
                object!(false),
                AnswerError::Missing("code` or `message"),
            ),
            (
                "token_type",
                object!("jwt"),
                AnswerError::Missing("token_type"),
            ),
            ("id_token", Value::Null, AnswerError::Missing("id_token")),
            (
                "expiration_time",
                Value::Null,
                AnswerError::Missing("expiration_time"),
            ),
        ] {
            let mut answer = good.clone();
            answer["expiration_time"] = object!(1_620_433_341);
            answer[field] = value;
            let found = executable(Some("/f")).token(answer.to_string().as_bytes(), now());
            assert_eq!(found, Err(problem.into()), "{answer}");
        }
        assert!(executable(None).token(b"planted", now()).is_err());
    }
}
