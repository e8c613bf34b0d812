//! Evaluates what a Receiver's CEL expressions say.
//!
//! Invariant: nothing is evaluated but on the stack that it may need. What is absent: the language
//! ([`cel`](crate::domain::cel)).

use crate::api::receiver::{OidcProvider, ReceiverSpec, ReceiverType};
use crate::controllers::expressions::{invalid, on_stack};
use crate::domain::cel::{CelError, Expression, as_go_reads};
use crate::domain::outcome::{Outcome, reason};
use crate::domain::webhook::jwt::Claims;
use serde_json::{Map, Value};

/// The variables of a filter.
const FILTER: [&str; 2] = ["res", "req"];
/// The same where a token was verified.
const FILTER_WITH_CLAIMS: [&str; 3] = ["res", "req", "claims"];
/// The variables of an expression about a token.
const TOKEN: [&str; 2] = ["claims", "vars"];

fn variables(kind: &ReceiverType) -> &'static [&'static str] {
    if *kind == ReceiverType::GenericOidc {
        &FILTER_WITH_CLAIMS
    } else {
        &FILTER
    }
}

/// Compiles every expression of a Receiver.
pub(super) async fn check(spec: &ReceiverSpec) -> Result<(), Outcome> {
    let filtered = spec.resource_filter.is_some()
        || spec
            .resources
            .iter()
            .any(|resource| resource.filter.is_some());
    if !filtered && spec.oidc_providers.is_empty() {
        return Ok(());
    }
    let spec = spec.clone();
    let compiled = on_stack(move || compile_all(&spec)).await;
    match compiled {
        Ok(compiled) => compiled.map_err(invalid),
        Err(words) => Err(Outcome::failed(reason::FAILED, words)),
    }
}

fn compile_all(spec: &ReceiverSpec) -> Result<(), String> {
    let variables = variables(&spec.kind);
    if let Some(filter) = &spec.resource_filter {
        let compiled = Expression::compile_condition(filter, variables);
        compiled.map_err(|error| format!("invalid resourceFilter expression: {error}"))?;
    }
    for (index, resource) in spec.resources.iter().enumerate() {
        if let Some(filter) = &resource.filter {
            let compiled = Expression::compile_condition(filter, variables);
            let (kind, name) = (&resource.kind, &resource.name);
            compiled.map_err(|error| format!("invalid filter expression for resources[{index}] (kind=\"{kind}\", name=\"{name}\"): {error}"))?;
        }
    }
    for (index, provider) in spec.oidc_providers.iter().enumerate() {
        compile_provider(provider).map_err(|error| {
            format!(
                "oidcProviders[{index}] (issuerURL=\"{}\"): {error}",
                provider.issuer_url
            )
        })?;
    }
    Ok(())
}

fn compile_provider(provider: &OidcProvider) -> Result<(), String> {
    for variable in &provider.variables {
        let compiled = Expression::compile(&variable.expression, &TOKEN);
        compiled.map_err(|error| {
            format!(
                "invalid expression for variable \"{}\": {error}",
                variable.name
            )
        })?;
    }
    for validation in &provider.validations {
        let compiled = Expression::compile_condition(&validation.expression, &TOKEN);
        compiled.map_err(|error| {
            format!(
                "invalid expression for validation \"{}\": {error}",
                validation.message
            )
        })?;
    }
    Ok(())
}

/// What a filter is asked: its expressions, all of which must hold, and the object's metadata.
#[derive(Debug, Default)]
pub(super) struct Question {
    pub(super) expressions: Vec<String>,
    pub(super) res: Value,
}

/// Answers every question, over one payload and, where a token was verified, its claims.
pub(super) async fn filter(
    questions: Vec<Question>,
    req: Value,
    claims: Option<Claims>,
) -> Result<Vec<Result<bool, CelError>>, String> {
    if questions
        .iter()
        .all(|question| question.expressions.is_empty())
    {
        return Ok(questions.iter().map(|_| Ok(true)).collect());
    }
    let claims = claims.map(|claims| as_go_reads(Value::Object(claims)));
    let req = as_go_reads(req);
    on_stack(move || {
        questions
            .iter()
            .map(|question| answer(question, &req, claims.as_ref()))
            .collect()
    })
    .await
}

fn answer(question: &Question, req: &Value, claims: Option<&Value>) -> Result<bool, CelError> {
    let mut values = vec![("res", &question.res), ("req", req)];
    values.extend(claims.map(|claims| ("claims", claims)));
    let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
    for expression in &question.expressions {
        if !Expression::compile_condition(expression, &names)?.holds(&values)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Checks what a provider asks of a token's claims.
///
/// # Errors
/// The messages of what does not hold, or why that cannot be said.
pub(super) async fn validate(provider: &OidcProvider, claims: &Claims) -> Result<(), String> {
    let (provider, claims) = (provider.clone(), as_go_reads(Value::Object(claims.clone())));
    on_stack(move || judge(&provider, &claims)).await?
}

fn judge(provider: &OidcProvider, claims: &Value) -> Result<(), String> {
    let mut vars = Value::Object(Map::new());
    for variable in &provider.variables {
        let value = Expression::compile(&variable.expression, &TOKEN)
            .and_then(|compiled| compiled.value(&[("claims", claims), ("vars", &vars)]));
        let value = value.map_err(|error| {
            format!("failed to evaluate variable \"{}\": {error}", variable.name)
        })?;
        vars[variable.name.as_str()] = value;
    }
    let mut failures = Vec::new();
    for validation in &provider.validations {
        let holds = Expression::compile_condition(&validation.expression, &TOKEN)
            .and_then(|compiled| compiled.holds(&[("claims", claims), ("vars", &vars)]));
        if !holds.map_err(|error| format!("failed to evaluate validation: {error}"))? {
            failures.push(validation.message.as_str());
        }
    }
    match failures.is_empty() && !provider.validations.is_empty() {
        true => Ok(()),
        false => Err(format!("token validation failed: {}", failures.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(value: Value) -> ReceiverSpec {
        serde_json::from_value(value).expect("Flux takes it")
    }

    #[tokio::test]
    async fn expressions_that_cannot_be_compiled_stall_in_the_words_of_flux() {
        let of = |field: Value| {
            let mut spec = json!({"type": "generic", "secretRef": {"name": "t"}, "resources": []});
            for (name, value) in field.as_object().expect("it is an object") {
                spec[name] = value.clone();
            }
            spec
        };
        for (value, words) in [
            (
                of(json!({"resourceFilter": "req.tag =="})),
                "invalid resourceFilter expression: failed to parse",
            ),
            (
                of(json!({"resourceFilter": "claims.sub == 'x'"})),
                "undeclared reference to 'claims'",
            ),
            (
                of(json!({"resourceFilter": "'text'"})),
                "expected bool, got string",
            ),
            (
                of(json!({"resources": [{"kind": "Bucket", "name": "a", "filter": "x"}]})),
                "invalid filter expression for resources[0] (kind=\"Bucket\", name=\"a\"): ",
            ),
            (
                json!({"type": "generic-oidc", "resources": [], "oidcProviders": [{"issuerURL": "https://x", "validations": [{"expression": "req.a == 1", "message": "m"}]}]}),
                "oidcProviders[0] (issuerURL=\"https://x\"): invalid expression for validation \"m\": ",
            ),
        ] {
            let outcome = check(&spec(value)).await.expect_err("it is refused");
            assert!(matches!(outcome, Outcome::Stalled { .. }), "{outcome:?}");
            assert_eq!(outcome.reason(), "InvalidCELExpression");
            let message = outcome.message();
            assert!(
                message
                    .starts_with("Reconciliation failed terminally due to configuration error: ")
                    && message.contains(words),
                "{message}"
            );
        }
        let fine = of(json!({"resourceFilter": "req.tag.contains(res.metadata.name)"}));
        assert!(check(&spec(fine)).await.is_ok());
    }

    #[tokio::test]
    async fn all_filters_of_an_object_must_hold() {
        let question = |expressions: &[&str], name: &str| Question {
            expressions: expressions.iter().map(|text| (*text).to_owned()).collect(),
            res: json!({"metadata": {"name": name}}),
        };
        let both = [
            "req.tag.contains(res.metadata.name)",
            "res.metadata.name != 'web'",
        ];
        let questions = vec![
            question(&both, "app"),
            question(&both, "web"),
            question(&[], "x"),
            question(&["req.absent == 1"], "x"),
        ];
        let answers = filter(questions, json!({"tag": "ghcr.io/acme/app-web:1"}), None)
            .await
            .expect("a thread starts");
        let holds: Vec<Option<bool>> = answers.into_iter().map(Result::ok).collect();
        assert_eq!(holds, [Some(true), Some(false), Some(true), None]);
    }

    #[tokio::test]
    async fn a_token_must_satisfy_every_validation_of_its_provider() {
        let provider: OidcProvider = serde_json::from_value(json!({
            "issuerURL": "https://token.actions.githubusercontent.com",
            "variables": [
                {"name": "owner", "expression": "claims.repository_owner"},
                {"name": "allowed", "expression": "[vars.owner + '/repo-a', vars.owner + '/repo-b']"},
            ],
            "validations": [
                {"expression": "vars.owner == 'my-org'", "message": "wrong org"},
                {"expression": "claims.repository in vars.allowed", "message": "repo not in allowlist"},
            ],
        }))
        .expect("Flux takes it");
        let judge = async |owner: &str, repository: &str| {
            let claims = json!({"repository_owner": owner, "repository": repository});
            validate(&provider, claims.as_object().expect("it is an object")).await
        };
        assert_eq!(judge("my-org", "my-org/repo-b").await, Ok(()));
        assert_eq!(
            judge("my-org", "my-org/repo-c").await,
            Err("token validation failed: repo not in allowlist".to_owned())
        );
        assert_eq!(
            judge("other", "x").await,
            Err("token validation failed: wrong org; repo not in allowlist".to_owned())
        );
        let nothing = OidcProvider {
            validations: Vec::new(),
            ..provider.clone()
        };
        assert!(
            validate(&nothing, &Claims::new()).await.is_err(),
            "a signature alone allows nothing"
        );
    }
}
