//! From tags to selections. Pure.

use crate::api::image_policy::{DigestReflection, ImagePolicySpec, SortOrder};
use crate::api::{ImagePolicy, ImageRepository};
use crate::controllers::image_policy::policy;
use crate::domain::image::ImageRef;
use crate::domain::object::ObjectKey;
use crate::domain::policy::Policy;
use crate::domain::tags::TagSet;
use serde::Serialize;

/// What a policy selected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Selection {
    /// The policy.
    pub(super) policy: ObjectKey,
    /// The image; its name as the repository writes it.
    pub(super) image: ImageRef,
    /// What its markers had before, each value once; empty when they have the selection already.
    pub(super) previous: Vec<String>,
    /// Why this tag.
    pub(super) reason: String,
}

/// The repository that a policy refers to.
pub(super) fn repository_of(key: &ObjectKey, policy: &ImagePolicy) -> ObjectKey {
    let reference = &policy.spec.image_repository_ref;
    let namespace = reference.namespace.as_ref().unwrap_or(&key.namespace);
    ObjectKey::new(namespace, &reference.name)
}

/// Reads a policy.
///
/// # Errors
/// Words for a policy that is none.
pub(super) fn policy_of(object: &ImagePolicy) -> Result<Policy, String> {
    policy(&object.spec).map_err(|outcome| outcome.message().to_owned())
}

/// Selects a tag by the policy of an object.
///
/// # Errors
/// Words for tags of which none fits.
pub(super) fn select(
    key: &ObjectKey,
    object: &ImagePolicy,
    policy: &Policy,
    repository: &ImageRepository,
    tags: &TagSet,
) -> Result<Selection, String> {
    let selected = policy.select(tags).map_err(|error| error.to_string())?;
    Ok(Selection {
        policy: key.clone(),
        image: ImageRef {
            name: repository.spec.image.clone(),
            tag: selected.tag,
            digest: None,
        },
        previous: Vec::new(),
        reason: reason(&object.spec, tags.len()),
    })
}

/// Whether a policy wants the digest besides the tag.
pub(super) fn wants_digest(spec: &ImagePolicySpec) -> bool {
    matches!(
        spec.digest_reflection_policy,
        DigestReflection::Always | DigestReflection::IfNotPresent
    )
}

fn reason(spec: &ImagePolicySpec, tags: usize) -> String {
    let ascending = |order: &SortOrder| *order == SortOrder::Ascending;
    let choice = &spec.policy;
    let rule = if let Some(semver) = &choice.semver {
        format!("the highest version in `{}`", semver.range)
    } else if let Some(calver) = &choice.calver {
        format!("the latest version by `{}`", calver.layout)
    } else if let Some(newest) = &choice.newest {
        format!("the image that was {} last", newest.by)
    } else if let Some(alphabetical) = &choice.alphabetical {
        format!(
            "the {} by alphabet",
            if ascending(&alphabetical.order) {
                "last"
            } else {
                "first"
            }
        )
    } else {
        let least = choice
            .numerical
            .as_ref()
            .is_some_and(|numerical| !ascending(&numerical.order));
        format!("the {} number", if least { "least" } else { "greatest" })
    };
    let noun = if tags == 1 { "tag" } else { "tags" };
    match spec
        .filter_tags
        .as_ref()
        .and_then(|filter| filter.pattern.as_ref())
    {
        Some(pattern) => format!("{rule} among those of {tags} {noun} that match `{pattern}`"),
        None => format!("{rule} among {tags} {noun}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::read;
    use crate::domain::tags::TagSetBuilder;
    use serde_json::{Value, json};

    fn read_policy(spec: Value) -> ImagePolicy {
        read(json!({"metadata": {"name": "web"}, "spec": spec})).expect("a policy")
    }

    fn selected(spec: Value, tags: &[&str]) -> Result<(String, String), String> {
        let repository = read(
            json!({"metadata": {"name": "web"}, "spec": {"image": "ghcr.io/acme/web", "interval": "1m"}}),
        );
        let mut builder = TagSetBuilder::new();
        tags.iter().for_each(|tag| builder.push(tag));
        let repository = repository.expect("a repository");
        let object = read_policy(spec);
        let selection = select(
            &ObjectKey::new("apps", "web"),
            &object,
            &policy_of(&object)?,
            &repository,
            &builder.finish(),
        )?;
        Ok((selection.image.to_string(), selection.reason))
    }

    #[test]
    fn a_selection_says_why() {
        let tags = ["1.0.0", "1.2.0", "2.0.0", "7"];
        for (spec, image, reason) in [
            (
                json!({"policy": {"semver": {"range": "1.x"}}}),
                "1.2.0",
                "the highest version in `1.x` among 4 tags",
            ),
            (
                json!({"policy": {"alphabetical": {}}}),
                "7",
                "the last by alphabet among 4 tags",
            ),
            (
                json!({"policy": {"alphabetical": {"order": "desc"}}}),
                "1.0.0",
                "the first by alphabet among 4 tags",
            ),
            (
                json!({"policy": {"numerical": {}}, "filterTags": {"pattern": "^[0-9]+$"}}),
                "7",
                "the greatest number among those of 4 tags that match `^[0-9]+$`",
            ),
        ] {
            let mut spec = spec;
            spec["imageRepositoryRef"] = json!({"name": "web"});
            assert_eq!(
                selected(spec, &tags),
                Ok((format!("ghcr.io/acme/web:{image}"), reason.to_owned()))
            );
        }
    }

    #[test]
    fn what_selects_nothing_says_why_too() {
        let spec = |range: &str| json!({"imageRepositoryRef": {"name": "web"}, "policy": {"semver": {"range": range}}});
        let none = selected(spec("3.x"), &["1.0.0"]).expect_err("no tag fits");
        assert!(none.contains("none is in `3.x`"), "{none}");
        let bad = selected(spec("three"), &["1.0.0"]).expect_err("it is no range");
        assert!(bad.starts_with("invalid policy"), "{bad}");
    }

    #[test]
    fn a_repository_is_of_the_policys_namespace_unless_it_says_another() {
        let key = ObjectKey::new("apps", "web");
        let policy = |reference: Value| {
            read_policy(json!({"imageRepositoryRef": reference, "policy": {"alphabetical": {}}}))
        };
        assert_eq!(
            repository_of(&key, &policy(json!({"name": "r"}))),
            ObjectKey::new("apps", "r")
        );
        let other = policy(json!({"name": "r", "namespace": "images"}));
        assert_eq!(repository_of(&key, &other), ObjectKey::new("images", "r"));
    }

    #[test]
    fn digests_are_wanted_when_the_policy_reflects_them() {
        let policy = |word: &str| {
            read_policy(
                json!({"imageRepositoryRef": {"name": "r"}, "policy": {"alphabetical": {}}, "digestReflectionPolicy": word}),
            )
        };
        let wants = |word: &str| wants_digest(&policy(word).spec);
        assert_eq!(
            [wants("Always"), wants("IfNotPresent"), wants("Never")],
            [true, true, false]
        );
    }
}
