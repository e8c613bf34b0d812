//! Which policies share a pull request, and which version of theirs it proposes.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// What has a pull request of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// Each policy.
    #[default]
    Policy,
    /// All policies with the same bundle; a policy without one is by itself.
    Bundle,
    /// The automation: one pull request for everything.
    Automation,
}

/// The policies that share a pull request. It prints as the last part of its branch: letters that no
/// policy's name has keep the kinds apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// One policy, by its name.
    Policy(String),
    /// One bundle, by its name.
    Bundle(String),
    /// All policies.
    Automation,
}

impl Group {
    /// The group of a policy.
    pub fn of(grouping: Grouping, policy: &str, bundle: Option<&str>) -> Self {
        match (grouping, bundle.filter(|bundle| !bundle.is_empty())) {
            (Grouping::Automation, _) => Self::Automation,
            (Grouping::Bundle, Some(bundle)) => Self::Bundle(bundle.to_owned()),
            (Grouping::Bundle | Grouping::Policy, _) => Self::Policy(policy.to_owned()),
        }
    }

    /// The policy, if it is of one.
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Policy(policy) => Some(policy),
            Self::Bundle(_) | Self::Automation => None,
        }
    }

    /// The bundle, if it is one.
    pub fn bundle(&self) -> Option<&str> {
        match self {
            Self::Bundle(bundle) => Some(bundle),
            Self::Policy(_) | Self::Automation => None,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(policy) => formatter.write_str(policy),
            Self::Bundle(bundle) => write!(formatter, "bundle_{bundle}"),
            Self::Automation => formatter.write_str("_all"),
        }
    }
}

/// What a pull request proposes: for each policy the image, `name:tag[@digest]`.
pub type Images = BTreeMap<String, String>;

/// The version of a proposal: equal for equal images only. 16 hexadecimal digits.
pub fn version(images: &Images) -> String {
    let mut hash = Sha256::new();
    for (policy, image) in images {
        for part in [policy, image] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    hexadecimal(&hash.finalize(), 16)
}

/// A short digest of one image, 12 hexadecimal digits.
pub(super) fn short(image: &str) -> String {
    hexadecimal(&Sha256::digest(image.as_bytes()), 12)
}

/// The first `digits` hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8], digits: usize) -> String {
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_of_one_bundle_share_and_those_without_are_by_themselves() {
        let of = |grouping, bundle| Group::of(grouping, "app", bundle).to_string();
        assert_eq!(of(Grouping::Policy, Some("shop")), "app");
        assert_eq!(of(Grouping::Bundle, Some("shop")), "bundle_shop");
        assert_eq!(of(Grouping::Bundle, None), "app");
        assert_eq!(of(Grouping::Bundle, Some("")), "app");
        assert_eq!(of(Grouping::Automation, Some("shop")), "_all");
    }

    #[test]
    fn a_version_tells_any_two_proposals_apart() {
        let of = |pairs: &[(&str, &str)]| {
            let images = pairs
                .iter()
                .map(|(policy, image)| ((*policy).to_owned(), (*image).to_owned()));
            version(&images.collect())
        };
        let all = [
            of(&[]),
            of(&[("a", "x:1")]),
            of(&[("a", "x:2")]),
            of(&[("b", "x:1")]),
            of(&[("a", "x:1"), ("b", "y:1")]),
            of(&[("ax", ":1")]),
        ];
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(of(&[("b", "y"), ("a", "x")]), of(&[("a", "x"), ("b", "y")]));
        assert_eq!(all[0].len(), 16);
    }
}
