//! Flux's post-build variable substitution: `${name}` and bash-like expressions in built objects.
//!
//! Flux prints each object as YAML, expands the expressions in that text, and reads it again
//! ([`post_build`]): a value can so become a number, a list, or part of a key, and an expression
//! may stand anywhere in the text. Both the grammar ([`expand`]) and the printed text are Flux's
//! to the byte, because both decide the result.
//!
//! Invariant: nothing is read and no value is told; the size of texts, the nesting of expressions
//! and the work for patterns are bounded; what a build gave is changed as a whole or not at all.
//! What is absent: reading variables from a cluster.
//!
//! | differs from Flux on purpose | why |
//! |---|---|
//! | a value that is cut inside a character is an error at once | in Flux the YAML reader refuses the text unless the other half follows |
//! | integers beyond 53 bits keep their digits | Flux rounds them on the way |
//! | expressions nest at most 64 deep, texts have at most 16 MiB | Flux has no bound |

mod functions;
mod glob;
mod scan;
mod template;
mod text;
mod variables;

pub use variables::Variables;

use super::manifest::{Document, Manifest, ManifestError, Rules, documents};
use glob::Steps;
use serde_json::Value;
use std::collections::HashSet;
use template::{Expression, Part};
use thiserror::Error;

/// The label or annotation that leaves an object alone when it says `disabled`.
pub const SWITCH: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// When variables are substituted, and what becomes of those that are not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// Whether a variable that is not set and has no default is an error; else it is empty.
    pub strict: bool,
    /// Whether expressions are expanded even when no variable is set.
    pub always: bool,
}

/// Why a template gives no text. The words are Flux's where it has them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// An expression is not well-formed.
    #[error("bad substitution")]
    BadSubstitution,
    /// An expression does not end.
    #[error("missing closing brace")]
    MissingBrace,
    /// No name follows `${`.
    #[error("unable to parse variable name")]
    VariableName,
    /// An argument of an operator is missing or not well-formed.
    #[error("unable to parse substitution within function")]
    Argument,
    /// The operator of a default is not known.
    #[error("unable to parse default function")]
    DefaultFunction,
    /// A variable has no value, and no default stands in.
    #[error("variable not set (strict mode): {0:?}")]
    NotSet(String),
    /// Expressions lie too deep inside each other.
    #[error("expressions lie more than {limit} deep inside each other")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
    /// A position lies inside a character.
    #[error("a character is cut in two: lengths and positions count bytes")]
    CutCharacter,
    /// The work or the text is out of all proportion.
    #[error("{what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
    },
}

/// Why an object could not be substituted in. No value of a variable is in the words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubstituteError {
    /// A variable has a name that no expression can have.
    #[error(
        "envsubst error: '{0}' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'"
    )]
    Name(String),
    /// An expression has no value.
    #[error("envsubst error: variable substitution failed")]
    Template(#[from] TemplateError),
    /// What came out is no YAML.
    #[error("envsubst error: YAMLToJSON: {0}")]
    Yaml(String),
    /// What came out is YAML, but no object.
    #[error("UnmarshalJSON: {0}")]
    Object(String),
}

/// Why one object of a build could not be substituted in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("post build failed for '{name}'")]
pub struct ObjectError {
    /// The object's name before.
    pub name: String,
    /// What is wrong.
    pub source: SubstituteError,
}

/// Substitutes in every object of a build.
///
/// # Errors
/// [`ObjectError`] for the first object that cannot be substituted in, or that becomes another one.
pub fn post_build(
    manifests: &mut [Manifest],
    variables: &Variables,
    habits: Habits,
) -> Result<(), ObjectError> {
    let mut seen = HashSet::new();
    for manifest in manifests {
        let name = manifest.id().name;
        let failed = |source| ObjectError {
            name: name.clone(),
            source,
        };
        if let Some(object) = substitute(&manifest.object, variables, habits).map_err(failed)? {
            let changed = Manifest::new(object, manifest.source.clone());
            let words = |error: ManifestError| SubstituteError::Object(error.to_string());
            *manifest = changed.map_err(|error| failed(words(error)))?;
        }
        let id = manifest.id();
        if !seen.insert(id.clone()) {
            let words = format!("`{id}` is there twice after substitution");
            return Err(failed(SubstituteError::Object(words)));
        }
    }
    Ok(())
}

/// The object after substitution; `None` when nothing is changed.
///
/// # Errors
/// [`SubstituteError`].
pub fn substitute(
    object: &Value,
    variables: &Variables,
    habits: Habits,
) -> Result<Option<Value>, SubstituteError> {
    if is_disabled(object) || variables.is_empty() && !habits.always {
        return Ok(None);
    }
    variables.check_names()?;
    if !has_dollar(object) {
        return Ok(None);
    }
    let text = expand(&text::print(object), variables, habits.strict)?;
    read(&text, variables).map(Some)
}

/// Without a dollar the text reads back as it was printed.
fn has_dollar(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('$'),
        Value::Array(items) => items.iter().any(has_dollar),
        Value::Object(object) => {
            let mut entries = object.iter();
            entries.any(|(key, value)| key.contains('$') || has_dollar(value))
        }
        _ => false,
    }
}

fn is_disabled(object: &Value) -> bool {
    ["labels", "annotations"].iter().any(|field| {
        let pairs = object
            .get("metadata")
            .and_then(|metadata| metadata.get(field));
        pairs
            .and_then(|pairs| pairs.get(SWITCH))
            .and_then(Value::as_str)
            == Some("disabled")
    })
}

/// Flux reads the first document, whatever follows.
fn read(text: &str, variables: &Variables) -> Result<Value, SubstituteError> {
    let quiet = |words: String| match variables.occur_in(&words) {
        true => "the text after substitution is not valid YAML".to_owned(),
        false => words,
    };
    let read = documents("after substitution", text.as_bytes(), Rules::Kubernetes);
    let read = read.map_err(|error| SubstituteError::Yaml(quiet(error.to_string())))?;
    let first = read
        .into_iter()
        .next()
        .map(|document: Document| document.root);
    let Some(root) = first.filter(|root| root.as_mapping().is_some()) else {
        return Err(SubstituteError::Object(
            "the text after substitution is no object".to_owned(),
        ));
    };
    root.to_json()
        .map_err(|error| SubstituteError::Yaml(quiet(error.to_string())))
}

/// Expands the expressions of a text.
///
/// # Errors
/// [`TemplateError`] for an expression that Flux refuses, and beyond the bounds.
pub fn expand(text: &str, variables: &Variables, strict: bool) -> Result<String, TemplateError> {
    let parts = template::parse(text)?;
    let mut steps = Steps::default();
    let mut out = String::with_capacity(text.len());
    for part in &parts {
        evaluate(part, variables, strict, &mut steps, &mut out)?;
    }
    Ok(out)
}

fn evaluate(
    part: &Part,
    variables: &Variables,
    strict: bool,
    steps: &mut Steps,
    out: &mut String,
) -> Result<(), TemplateError> {
    match part {
        Part::Text(text) => out.push_str(text),
        Part::Expression(expression) => {
            out.push_str(&value(expression, variables, strict, steps)?);
        }
    }
    match out.len() > functions::LIMIT {
        true => Err(functions::too_large()),
        false => Ok(()),
    }
}

fn value(
    expression: &Expression,
    variables: &Variables,
    strict: bool,
    steps: &mut Steps,
) -> Result<String, TemplateError> {
    let mut arguments = Vec::with_capacity(expression.arguments.len());
    for part in &expression.arguments {
        let mut argument = String::new();
        evaluate(part, variables, strict, steps, &mut argument)?;
        arguments.push(argument);
    }
    let value = match variables.get(&expression.name) {
        Some(value) => value,
        None if strict && !stands_in(&expression.operator) => {
            return Err(TemplateError::NotSet(expression.name.clone()));
        }
        None => "",
    };
    functions::apply(&expression.operator, value, &arguments, steps)
}

/// Whether the operator says what a variable that is not set is.
fn stands_in(operator: &str) -> bool {
    matches!(operator, "=" | ":=" | ":-" | ":+" | ":?")
}

#[cfg(test)]
mod tests;
