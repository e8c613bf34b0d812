//! What the specification of an ImagePolicy asks for. Pure.
//!
//! Invariant: what cannot be carried out stalls, in Flux's words where Flux has them. What is absent: tags.

use crate::api::image_policy::{
    DigestReflection, ImagePolicySpec, NewestChoice, OrderChoice, PolicyChoice,
};
use crate::domain::outcome::{Outcome, reason};
use crate::domain::policy::{Choice, DEFAULT_LIMIT, Moment, Order, Policy, PolicyError, TagFilter};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::Duration;

/// Whether and when the digest is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pinning {
    /// Not at all.
    Never,
    /// Once for each selected tag.
    Once,
    /// At every interval.
    Always(Duration),
}

/// Reads the specification. The first of semver, alphabetical and numerical is taken, as Flux does; calver and newest, which Flux
/// has not, stand alone.
///
/// # Errors
/// An outcome that stalls: no choice, a range, a layout or a pattern that is none.
pub fn policy(spec: &ImagePolicySpec) -> Result<Policy, Outcome> {
    let invalid = |error: PolicyError| Outcome::stalled(reason::INVALID_POLICY, error);
    let choice = choice(&spec.policy).map_err(invalid)?;
    let filter = spec.filter_tags.as_ref().map(|filter| TagFilter {
        pattern: filter.pattern.clone().unwrap_or_default(),
        extract: filter.extract.clone().unwrap_or_default(),
    });
    Policy::new(choice, filter).map_err(invalid)
}

fn choice(given: &PolicyChoice) -> Result<Choice, PolicyError> {
    match given {
        PolicyChoice {
            semver: None,
            alphabetical: None,
            numerical: None,
            calver: Some(calver),
            newest: None,
        } => Ok(Choice::CalVer {
            layout: calver.layout.clone(),
        }),
        PolicyChoice {
            semver: None,
            alphabetical: None,
            numerical: None,
            calver: None,
            newest: Some(newest),
        } => newest_choice(newest),
        PolicyChoice {
            calver: Some(_), ..
        }
        | PolicyChoice {
            newest: Some(_), ..
        } => Err(PolicyError::SeveralChoices),
        PolicyChoice {
            semver: Some(semver),
            ..
        } => Ok(Choice::SemVer {
            range: semver.range.clone(),
        }),
        PolicyChoice {
            alphabetical: Some(choice),
            ..
        } => Ok(Choice::Alphabetical {
            order: order(choice)?,
        }),
        PolicyChoice {
            numerical: Some(choice),
            ..
        } => Ok(Choice::Numerical {
            order: order(choice)?,
        }),
        _ => Err(PolicyError::NoChoice),
    }
}

fn newest_choice(newest: &NewestChoice) -> Result<Choice, PolicyError> {
    // What is no number of tags is refused with the limits.
    let limit = |limit: i64| usize::try_from(limit).unwrap_or_default();
    Ok(Choice::Newest {
        moment: Moment::parse(newest.by.as_str())?,
        limit: newest.limit.map_or(DEFAULT_LIMIT, limit),
    })
}

/// A digest of what decides which tag is higher: when it changes, a person changed the policy.
pub(super) fn fingerprint(spec: &ImagePolicySpec) -> String {
    let rule = serde_json::to_vec(&(&spec.policy, &spec.filter_tags)).unwrap_or_default();
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(rule) {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn order(choice: &OrderChoice) -> Result<Order, PolicyError> {
    Order::parse(choice.order.as_str())
}

/// Reads how digests are reflected.
pub(super) fn pinning(spec: &ImagePolicySpec) -> Result<Pinning, Outcome> {
    match &spec.digest_reflection_policy {
        DigestReflection::Never => Ok(Pinning::Never),
        DigestReflection::IfNotPresent => Ok(Pinning::Once),
        DigestReflection::Always => match spec.interval() {
            Ok(Some(interval)) => Ok(Pinning::Always(interval)),
            Ok(None) => {
                let message =
                    "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'";
                Err(Outcome::stalled(reason::INTERVAL_NOT_CONFIGURED, message))
            }
            Err(error) => Err(Outcome::stalled(reason::INTERVAL_NOT_CONFIGURED, error)),
        },
        DigestReflection::Other(word) => Err(Outcome::stalled(
            reason::INVALID_POLICY,
            format!("unknown digest reflection policy '{word}'"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::image_policy::SemVerChoice;
    use serde_json::{Value, json};

    fn spec(fields: &Value) -> ImagePolicySpec {
        let mut spec = fields.clone();
        spec["imageRepositoryRef"] = json!({"name": "app"});
        serde_json::from_value(spec).expect("it reads")
    }

    #[test]
    fn without_a_choice_a_policy_is_invalid() {
        let outcome = policy(&ImagePolicySpec::default()).expect_err("nothing is chosen");
        assert!(
            matches!(
                outcome,
                Outcome::Stalled {
                    reason: reason::INVALID_POLICY,
                    ..
                }
            ),
            "{outcome:?}"
        );
    }

    #[test]
    fn fluxs_choices_may_stand_together_and_the_additional_ones_stand_alone() {
        let read = |policy: Value| {
            let read = self::policy(&spec(&json!({"policy": policy})));
            read.map(|_| ())
                .map_err(|outcome| outcome.message().to_owned())
        };
        let several = "invalid policy: exactly one of semver, alphabetical, numerical, calver or newest must be specified";
        let limit = "invalid policy: the limit of newest must be between 1 and 1000";
        for (policy, expected) in [
            (json!({"semver": {"range": "*"}, "numerical": {}}), Ok(())),
            (
                json!({"alphabetical": {}, "numerical": {"order": "asc"}}),
                Ok(()),
            ),
            (json!({"calver": {"layout": "YYYY.0M"}}), Ok(())),
            (json!({"newest": {}}), Ok(())),
            (json!({"newest": {"by": "pushed", "limit": 1000}}), Ok(())),
            (json!({"newest": {"limit": 0}}), Err(limit)),
            (json!({"newest": {"limit": -1}}), Err(limit)),
            (
                json!({"newest": {"by": "heard"}}),
                Err("invalid policy: invalid time 'heard', must be one of: created, pushed"),
            ),
            (
                json!({"semver": {"range": "*"}, "calver": {"layout": "YYYY"}}),
                Err(several),
            ),
            (
                json!({"newest": {}, "calver": {"layout": "YYYY"}}),
                Err(several),
            ),
            (json!({"newest": {}, "numerical": {}}), Err(several)),
            (
                json!({}),
                Err("invalid policy: given ImagePolicyChoice object is invalid"),
            ),
        ] {
            assert_eq!(
                read(policy.clone()),
                expected.map_err(str::to_owned),
                "{policy}"
            );
        }
    }

    #[test]
    fn only_what_decides_changes_the_fingerprint() {
        let one = spec(&json!({"policy": {"semver": {"range": ">=1.0.0"}}}));
        let mut other = ImagePolicySpec {
            digest_reflection_policy: DigestReflection::Always,
            interval: Some("1m".to_owned()),
            suspend: true,
            ..one.clone()
        };
        assert_eq!(fingerprint(&one), fingerprint(&other));
        other.filter_tags = Some(crate::api::image_policy::TagFilter::default());
        assert_ne!(fingerprint(&one), fingerprint(&other));
        other.filter_tags = None;
        other.policy.semver = Some(SemVerChoice {
            range: "1.x".to_owned(),
        });
        assert_ne!(fingerprint(&one), fingerprint(&other));
    }

    #[test]
    fn always_needs_an_interval() {
        let always = json!({"policy": {"numerical": {}}, "digestReflectionPolicy": "Always"});
        let outcome = pinning(&spec(&always)).expect_err("the interval is missing");
        assert!(
            matches!(
                outcome,
                Outcome::Stalled {
                    reason: reason::INTERVAL_NOT_CONFIGURED,
                    ..
                }
            ),
            "{outcome:?}"
        );
    }
}
