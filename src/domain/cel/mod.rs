//! CEL expressions that people write into objects: compiled once, with everything wrong said then, and evaluated over JSON.
//!
//! Duty: the language as Flux's controllers have it (standard library, optional values, strings, base64). Invariant: an expression
//! is bounded in length and depth, and what an evaluation may cost is bounded before it begins, from the loops in the expression and the
//! size of the values; so neither can take the process down, whoever wrote them. The parser takes much stack for each level: all of this
//! runs, and is dropped, on a thread with [`STACK`]. What is absent: that thread, and what a result is used for.

mod check;
mod cost;

use cel::common::traits::Iterable;
use cel::common::types::{CelOptional, LIST_TYPE};
use cel::common::value::CowVal;
use cel::{Context, Env, ExecutionError, Program, extensions};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, LazyLock};
use thiserror::Error;

/// Longest expression, in bytes.
pub const LONGEST: usize = 2048;
/// Most brackets within brackets.
const MOST_NESTED: usize = 32;
/// The stack that compiling and evaluating may need, in bytes: a level takes up to 100 kB where nothing is optimised.
pub const STACK: usize = 128 * 1024 * 1024;
/// What one evaluation may cost, in steps that it could take: within a few seconds, and some 50 MB.
const MOST_WORK: f64 = 4_000_000.0;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CelError {
    /// It is too long.
    #[error("the expression is longer than {LONGEST} bytes")]
    TooLong,
    /// It is not CEL, or names what is not there.
    #[error("failed to parse the CEL expression '{expression}': {reason}")]
    Invalid {
        /// The expression.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// With these values it could take too long.
    #[error(
        "the CEL expression '{expression}' could cost too much for a payload of this size\nhint: use fewer loops within loops, and make no texts in loops"
    )]
    TooCostly {
        /// The expression.
        expression: String,
    },
    /// With these values it has no value.
    #[error("failed to evaluate the CEL expression '{expression}': {reason}")]
    Failed {
        /// The expression.
        expression: String,
        /// Why not.
        reason: String,
    },
    /// Its value is none that is true or false.
    #[error("failed to evaluate CEL expression as boolean: '{expression}'")]
    NotBoolean {
        /// The expression.
        expression: String,
    },
}

/// A compiled expression. Clones share it.
#[derive(Clone)]
pub struct Expression {
    text: String,
    program: Arc<Program>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Expression")
            .field(&self.text)
            .finish()
    }
}

/// The language, put together once.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut language = Env::stdlib().with_optional_support(true);
    let declared = language
        .add_extension(extensions::strings)
        .and_then(|()| language.add_extension(extensions::encoders))
        .and_then(|()| {
            language.add_member_overload("first", "list.first()", LIST_TYPE, vec![], first)
        })
        .and_then(|()| {
            language.add_member_overload("last", "list.last()", LIST_TYPE, vec![], last)
        });
    declared.expect("none of these is declared twice");
    Arc::new(language)
});

impl Expression {
    /// Compiles an expression over these variables.
    ///
    /// # Errors
    /// [`CelError::TooLong`] and [`CelError::Invalid`]; the latter also for a variable or function that is not there.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Self, CelError> {
        Self::read(text, Some(variables))
    }

    /// Compiles an expression whose variables are not known yet.
    ///
    /// # Errors
    /// As [`Expression::compile`], but for variables.
    pub fn compile_over_anything(text: &str) -> Result<Self, CelError> {
        Self::read(text, None)
    }

    fn read(text: &str, variables: Option<&[&str]>) -> Result<Self, CelError> {
        if text.len() > LONGEST {
            return Err(CelError::TooLong);
        }
        let invalid = |reason: String| CelError::Invalid {
            expression: text.to_owned(),
            reason,
        };
        if check::nesting(text) > MOST_NESTED {
            return Err(invalid(format!(
                "more than {MOST_NESTED} brackets stand within each other"
            )));
        }
        let program = LANGUAGE
            .compile(text)
            .map_err(|error| invalid(error.to_string()))?;
        check::check(program.expression(), variables).map_err(invalid)?;
        Ok(Self {
            text: text.to_owned(),
            program: Arc::new(program),
        })
    }

    /// Compiles a condition: an expression that may be true or false.
    ///
    /// # Errors
    /// As [`Expression::compile`], and [`CelError::Invalid`] for an expression that is certainly neither.
    pub fn compile_condition(text: &str, variables: &[&str]) -> Result<Self, CelError> {
        let compiled = Self::compile(text, variables)?;
        match check::certain_type(compiled.program.expression()) {
            None | Some("bool") => Ok(compiled),
            Some(other) => Err(CelError::Invalid {
                expression: text.to_owned(),
                reason: format!("CEL expression output type mismatch: expected bool, got {other}"),
            }),
        }
    }

    /// Whether the condition holds of these values.
    ///
    /// # Errors
    /// [`CelError::TooCostly`], [`CelError::Failed`], and [`CelError::NotBoolean`].
    pub fn holds(&self, values: &[(&str, &Value)]) -> Result<bool, CelError> {
        match self.evaluate(values)? {
            cel::Value::Bool(holds) => Ok(holds),
            _ => Err(CelError::NotBoolean {
                expression: self.text.clone(),
            }),
        }
    }

    /// The value, as JSON.
    ///
    /// # Errors
    /// As [`Expression::holds`]; also when the value has no counterpart in JSON.
    pub fn value(&self, values: &[(&str, &Value)]) -> Result<Value, CelError> {
        let value = self.evaluate(values)?;
        value
            .json()
            .map_err(|_| self.failed("its value has no counterpart in JSON".to_owned()))
    }

    fn evaluate(&self, values: &[(&str, &Value)]) -> Result<cel::Value, CelError> {
        let cost = cost::cost(&self.program.expression().expr, values);
        // A bound that is no number is none.
        if cost.is_nan() || cost > MOST_WORK {
            return Err(CelError::TooCostly {
                expression: self.text.clone(),
            });
        }
        let mut context = Context::with_env(Arc::clone(&LANGUAGE));
        for (name, value) in values {
            let bound = context.add_variable(*name, Signed(value));
            bound.map_err(|error| self.failed(error.to_string()))?;
        }
        let result = self.program.execute(&context);
        result.map_err(|error| self.failed(bounded(&error.to_string())))
    }

    fn failed(&self, reason: String) -> CelError {
        CelError::Failed {
            expression: self.text.clone(),
            reason,
        }
    }
}

/// A value whose whole numbers are signed, as they are in Go, and not of a type that can only be counted with its like.
struct Signed<'a>(&'a Value);

impl Serialize for Signed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) => match number.as_i64() {
                Some(whole) => serializer.serialize_i64(whole),
                None => number.serialize(serializer),
            },
            Value::Array(items) => serializer.collect_seq(items.iter().map(Signed)),
            Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(name, value)| (name, Signed(value))))
            }
            other => other.serialize(serializer),
        }
    }
}

/// The same value with all numbers as doubles, which is how Go reads JSON: the values of Flux's filters.
pub fn as_go_reads(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(as_go_reads).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields
                .map(|(name, value)| (name, as_go_reads(value)))
                .collect()
        }
        other => other,
    }
}

/// Words of the interpreter, which may quote whole values.
fn bounded(words: &str) -> String {
    words.chars().take(300).collect()
}

/// `list.first()`, an optional value, as cel-go's optional types have it.
fn first<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    end(&arguments, |_| true)
}

/// `list.last()`, an optional value.
fn last<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    end(&arguments, |_| false)
}

/// The element at which `stop` says yes, or the last one.
fn end<'b, 'v>(
    arguments: &[CowVal<'b, 'v>],
    stop: impl Fn(usize) -> bool,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let list: Option<&dyn Iterable> = arguments.first().and_then(|list| list.as_iterable());
    let list = list.ok_or_else(ExecutionError::missing_argument_or_target)?;
    let mut elements = list.iter();
    let (mut found, mut index) = (None, 0);
    while let Some(element) = elements.next() {
        found = Some(element);
        if stop(index) {
            break;
        }
        index += 1;
    }
    Ok(CowVal::owned(
        found.map_or_else(CelOptional::none, |element| {
            CelOptional::of(element.clone_as_boxed())
        }),
    ))
}

#[cfg(test)]
pub(in crate::domain) mod tests;
