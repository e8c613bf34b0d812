//! The health of kinds that people describe in CEL.
//!
//! Invariant: a description is for a kind of a group, whatever the version, or for all kinds of a group that have none of their own; what
//! it says takes the place of what is known of the kind. What is absent: the stack that expressions need
//! ([`STACK`](crate::domain::cel::STACK)): all of this runs, and is dropped, there.

use super::Health;
use super::read::Object;
use crate::domain::cel::{CelError, Expression};
use serde_json::Value;

/// How objects of a kind are judged. The first expression that holds decides, in the order of the fields; until one does, an object
/// is in progress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind; `None` for all kinds of the group.
    pub kind: Option<String>,
    /// Holds while an object is on its way.
    pub in_progress: Option<String>,
    /// Holds when it cannot get there.
    pub failed: Option<String>,
    /// Holds when it is as it should be.
    pub current: String,
}

impl Description {
    /// Whether it is for objects of this kind.
    pub fn is_for(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind.as_deref().is_none_or(|own| own == kind)
    }

    /// As Go prints a `GroupKind`.
    fn named(&self) -> String {
        match (self.kind.as_deref().unwrap_or_default(), &*self.group) {
            (kind, "") => kind.to_owned(),
            (kind, group) => format!("{kind}.{group}"),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.current.is_empty() {
            return Err("expression Current not specified".to_owned());
        }
        for (name, expression) in [
            ("Current", Some(&self.current)),
            ("Failed", self.failed.as_ref()),
            ("InProgress", self.in_progress.as_ref()),
        ] {
            let read = expression.map(|text| Expression::compile_over_anything(text));
            read.transpose()
                .map_err(|error| format!("failed to parse the expression {name}: {error}"))?;
        }
        Ok(())
    }

    /// The health of `object`, which is of this kind.
    ///
    /// # Errors
    /// [`CelError`] when an expression has no value for it, or names a field that it does not have.
    fn judge(&self, object: &Value) -> Result<Health, CelError> {
        let object = Object(object);
        let (generation, observed) = (
            object.number("/metadata/generation"),
            object.number("/status/observedGeneration"),
        );
        let words = String::new;
        if let (Some(generation), Some(observed)) = (generation, observed)
            && generation != observed
        {
            return Ok(Health::InProgress(words()));
        }
        let fields = object.0.as_object().into_iter().flatten();
        let values: Vec<(&str, &Value)> =
            fields.map(|(key, value)| (key.as_str(), value)).collect();
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        let holds = |text: &str| Expression::compile(text, &names)?.holds(&values);
        for (expression, health) in [
            (self.in_progress.as_deref(), Health::InProgress(words())),
            (self.failed.as_deref(), Health::Failed(words())),
            (Some(self.current.as_str()), Health::Current(words())),
        ] {
            if expression.map(holds).transpose()? == Some(true) {
                return Ok(health);
            }
        }
        Ok(Health::InProgress(words()))
    }
}

/// Looks whether all descriptions can be read, and which two are for the same kind.
///
/// # Errors
/// The words of Flux.
pub fn check(descriptions: &[Description]) -> Result<(), String> {
    for (index, description) in descriptions.iter().enumerate() {
        let mut before = descriptions[..index].iter();
        let same = |other: &Description| {
            other.group == description.group && other.kind == description.kind
        };
        if before.any(same) {
            let named = description.named();
            return Err(format!(
                "duplicate custom health check for GroupKind {named} at healthchecks[{index}]"
            ));
        }
        description.check().map_err(|words| {
            format!("failed to create custom status evaluator for healthchecks[{index}]: {words}")
        })?;
    }
    Ok(())
}

/// The description that `object` of a kind is judged by.
pub fn of_kind<'a>(
    descriptions: &'a [Description],
    group: &str,
    kind: &str,
) -> Option<&'a Description> {
    let mut fitting = descriptions
        .iter()
        .filter(|description| description.is_for(group, kind));
    let own = fitting
        .clone()
        .find(|description| description.kind.is_some());
    own.or_else(|| fitting.next())
}

/// The health of `object` by its description; what cannot be judged is not healthy, and says why.
pub fn judge(description: &Description, object: &Value) -> Health {
    let judged = description.judge(object);
    judged.unwrap_or_else(|error| Health::Undecided(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cel::tests::on_stack;
    use serde_json::json;

    fn sealed() -> Description {
        Description {
            group: "bitnami.com".to_owned(),
            kind: Some("SealedSecret".to_owned()),
            in_progress: Some("!has(status.conditions)".to_owned()),
            failed: Some("status.conditions.exists(c, c.type == 'Synced' && c.status == 'False')".to_owned()),
            current: "status.conditions.filter(c, c.type == 'Synced').all(c, c.status == 'True' && c.seen + 1 == metadata.generation + 1)".to_owned(),
        }
    }

    fn health(status: &Value) -> Health {
        let object = json!({"metadata": {"generation": 3}, "status": status});
        on_stack(|| judge(&sealed(), &object))
    }

    #[test]
    fn the_first_expression_that_holds_decides() {
        let condition =
            |status: &str| json!({"conditions": [{"type": "Synced", "status": status, "seen": 3}]});
        assert_eq!(health(&json!({})), Health::InProgress(String::new()));
        assert_eq!(health(&condition("False")), Health::Failed(String::new()));
        assert_eq!(health(&condition("True")), Health::Current(String::new()));
        assert_eq!(
            health(&condition("Unknown")),
            Health::InProgress(String::new())
        );
        let mut old = condition("True");
        old["observedGeneration"] = json!(2);
        assert_eq!(health(&old), Health::InProgress(String::new()));
        // A generation that is a text says nothing.
        old["observedGeneration"] = json!("2");
        assert_eq!(health(&old), Health::Current(String::new()));
    }

    #[test]
    fn what_an_expression_cannot_say_is_told_and_not_healthy() {
        let object = json!({"metadata": {"generation": 3}});
        let health = on_stack(|| judge(&sealed(), &object));
        assert_eq!(health.as_str(), "Unknown");
        assert!(
            health
                .message()
                .contains("undeclared reference to 'status'"),
            "{}",
            health.message()
        );
        let number = Description {
            current: "metadata.generation".to_owned(),
            ..Description::default()
        };
        let health = on_stack(|| judge(&number, &object));
        assert!(
            health.message().contains("as boolean"),
            "{}",
            health.message()
        );
    }

    #[test]
    fn a_kind_is_judged_by_its_own_description_before_that_of_its_group() {
        let group = Description {
            kind: None,
            ..sealed()
        };
        let both = [group.clone(), sealed()];
        assert_eq!(
            of_kind(&both, "bitnami.com", "SealedSecret"),
            Some(&sealed())
        );
        assert_eq!(of_kind(&both, "bitnami.com", "Other"), Some(&group));
        assert_eq!(of_kind(&both, "apps", "SealedSecret"), None);
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_flux() {
        let words = |descriptions: &[Description]| {
            on_stack(|| check(descriptions)).expect_err("it is wrong")
        };
        assert_eq!(
            on_stack(|| check(&[
                sealed(),
                Description {
                    kind: None,
                    ..sealed()
                }
            ])),
            Ok(())
        );
        assert_eq!(
            words(&[sealed(), sealed()]),
            "duplicate custom health check for GroupKind SealedSecret.bitnami.com at healthchecks[1]"
        );
        assert_eq!(
            words(&[Description::default()]),
            "failed to create custom status evaluator for healthchecks[0]: expression Current not specified"
        );
        let broken = Description {
            failed: Some("status.".to_owned()),
            ..sealed()
        };
        let begin = "failed to create custom status evaluator for healthchecks[0]: failed to parse the expression Failed: \
                     failed to parse the CEL expression 'status.'";
        assert!(words(&[broken]).starts_with(begin));
    }
}
