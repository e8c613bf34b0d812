//! Authentication challenges: the `WWW-Authenticate` field of RFC 9110, section 11.6.1.
//!
//! Invariant: any text gives some list of challenges; what cannot be read is left out, nothing panics
//! and nothing grows beyond the bounds below. What is absent: deciding which challenge to answer,
//! and whether its realm may be trusted.

use super::{Reader, is_blank, is_token};

/// Most challenges taken from one field.
const MOST_CHALLENGES: usize = 16;

/// Most parameters taken from one challenge.
const MOST_PARAMETERS: usize = 32;

/// One way in which a server lets itself be convinced, such as `Bearer realm="https://…"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The scheme in lower case: `basic`, `bearer`, `negotiate`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The first parameter of that name (given in lower case), unquoted.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Reads every challenge of one field value, in the order in which they stand.
///
/// Values may be quoted or not; an unquoted value goes on to the next comma or blank, because
/// there are registries that forget the quotes around a URL.
pub fn parse_challenges(field: &str) -> Vec<Challenge> {
    let mut reader = Reader::new(field);
    let mut challenges = Vec::new();
    while challenges.len() < MOST_CHALLENGES {
        reader.skip(|byte| byte == b',' || is_blank(byte));
        let scheme = reader.take(is_token);
        if scheme.is_empty() {
            break;
        }
        let scheme = scheme.to_ascii_lowercase();
        let parameters = read_parameters(&mut reader);
        challenges.push(Challenge { scheme, parameters });
    }
    challenges
}

/// The parameters behind a scheme. A `token68` (as in `Negotiate YII=`) is skipped.
fn read_parameters(reader: &mut Reader<'_>) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    reader.skip(is_blank);
    loop {
        let start = reader.position;
        match read_parameter(reader) {
            Some(parameter) if parameters.len() < MOST_PARAMETERS => parameters.push(parameter),
            Some(_) => {}
            None => {
                reader.position = start;
                if parameters.is_empty() {
                    skip_token68(reader);
                }
                return parameters;
            }
        }
        reader.skip(|byte| byte == b',' || is_blank(byte));
    }
}

/// `name = value`, the name in lower case. `None` when something else stands here.
fn read_parameter(reader: &mut Reader<'_>) -> Option<(String, String)> {
    let name = reader.take(is_token).to_ascii_lowercase();
    reader.skip(is_blank);
    if name.is_empty() || !reader.take_byte(b'=') {
        return None;
    }
    reader.skip(is_blank);
    let value = if reader.take_byte(b'"') {
        reader.take_quoted()?
    } else {
        let bare = reader.take(|byte| byte != b',' && !is_blank(byte));
        if bare.is_empty() || bare.bytes().all(|byte| byte == b'=') {
            return None;
        }
        bare.to_owned()
    };
    Some((name, value))
}

/// Skips the base64 text that some schemes carry in place of parameters, if it ends this challenge.
fn skip_token68(reader: &mut Reader<'_>) {
    let start = reader.position;
    reader.skip(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    reader.skip(is_blank);
    if !reader.at_end() && reader.peek() != Some(b',') {
        reader.position = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(field: &str) -> Vec<String> {
        parse_challenges(field)
            .into_iter()
            .map(|challenge| format!("{} {:?}", challenge.scheme, challenge.parameters))
            .collect()
    }

    #[test]
    fn a_token_challenge_gives_realm_service_and_scope() {
        // The example of the distribution project's token specification.
        let challenges = parse_challenges(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push""#,
        );
        assert_eq!(challenges.len(), 1);
        let challenge = &challenges[0];
        assert_eq!(challenge.scheme(), "bearer");
        assert_eq!(
            challenge.parameter("realm"),
            Some("https://auth.docker.io/token")
        );
        assert_eq!(challenge.parameter("service"), Some("registry.docker.io"));
        assert_eq!(
            challenge.parameter("scope"),
            Some("repository:samalba/my-app:pull,push")
        );
        assert_eq!(challenge.parameter("error"), None);
    }

    #[test]
    fn several_challenges_stand_apart() {
        // The example of RFC 9110, section 11.6.1.
        assert_eq!(
            shown(
                r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#
            ),
            [
                r#"basic [("realm", "simple")]"#,
                r#"newauth [("realm", "apps"), ("type", "1"), ("title", "Login to \"apps\"")]"#,
            ]
        );
        assert_eq!(
            shown(r#"Negotiate, Basic realm="x""#),
            ["negotiate []", r#"basic [("realm", "x")]"#]
        );
        assert_eq!(
            shown(r#"Negotiate YIIabc==, Bearer realm="y""#),
            ["negotiate []", r#"bearer [("realm", "y")]"#]
        );
    }

    #[test]
    fn loose_writing_is_read() {
        for field in [
            r#"bEaReR REALM="https://a/t" , Service="s""#,
            r#"Bearer realm = "https://a/t",service=s"#,
            "Bearer realm=https://a/t, service=s",
            r#",, Bearer realm="https://a/t" service="s""#,
        ] {
            assert_eq!(
                shown(field),
                [r#"bearer [("realm", "https://a/t"), ("service", "s")]"#],
                "{field}"
            );
        }
    }

    #[test]
    fn broken_fields_give_what_is_whole() {
        assert_eq!(shown(""), Vec::<String>::new());
        assert_eq!(shown("\"\""), Vec::<String>::new());
        assert_eq!(shown("Basic"), ["basic []"]);
        assert_eq!(
            parse_challenges(r#"Bearer realm="never closed"#)[0].parameter("realm"),
            None
        );
        assert_eq!(
            shown(&format!("Bearer realm=\"{}\"", "x".repeat(20_000))),
            Vec::<String>::new()
        );
        assert!(parse_challenges(&"a,".repeat(5_000)).len() <= MOST_CHALLENGES);
        let many = format!("Bearer {}", "a=b,".repeat(1_000));
        assert_eq!(parse_challenges(&many)[0].parameters.len(), MOST_PARAMETERS);
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(field in "\\PC*|[a-z\"=,\\\\ é]{0,64}") {
            parse_challenges(&field);
        }

        #[test]
        fn a_quoted_value_is_read_back(value in "[^\\x00-\\x1f\\x7f]{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let field = format!("Bearer realm=\"{quoted}\", service=x");
            let challenges = parse_challenges(&field);
            prop_assert_eq!(challenges[0].parameter("realm"), Some(value.as_str()));
            prop_assert_eq!(challenges[0].parameter("service"), Some("x"));
        }
    }
}
