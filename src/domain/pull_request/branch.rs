//! The names of branches that pull requests come from.
//!
//! Invariant: a name is one that Git takes, and follows from the automation and the group alone unless
//! a template says otherwise, so that every process finds the same branch.

use super::group::Group;
use super::group::short;
use crate::domain::git_ref::check_branch_name;
use crate::domain::object::ObjectKey;

/// The longest name, in bytes. Forges and file systems take a little more.
const LONGEST: usize = 200;

/// What the branches of an automation begin with, when no template names them.
pub fn branch_prefix(automation: &ObjectKey) -> String {
    format!("highwater/{}/{}/", automation.namespace, automation.name)
}

/// The branch of a group, when no template names it.
pub fn default_branch(automation: &ObjectKey, group: &Group) -> String {
    valid_branch(&format!("{}{group}", branch_prefix(automation)))
}

/// The nearest name that Git takes: what it refuses becomes `-`, and what is too long ends in a digest
/// of the whole. `branch` when nothing is left.
pub fn valid_branch(wanted: &str) -> String {
    let fits = |letter: char| {
        let refused = letter.is_control()
            || letter.is_whitespace()
            || " ~^:?*[\\@{}\"'`$&;<>|()!#%".contains(letter);
        !refused
    };
    let cleaned: String = wanted
        .trim()
        .chars()
        .map(|letter| if fits(letter) { letter } else { '-' })
        .collect();
    let parts: Vec<String> = cleaned.split('/').filter_map(part).collect();
    let mut name = parts.join("/");
    if name.len() > LONGEST {
        let mut end = LONGEST - 13;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let kept = name[..end].trim_end_matches(['.', '/', '-']).to_owned();
        name = format!("{kept}-{}", short(wanted));
    }
    match check_branch_name(&name) {
        Ok(()) => name,
        Err(_) => "branch".to_owned(),
    }
}

/// One part between slashes; `None` when nothing is left of it.
fn part(text: &str) -> Option<String> {
    let mut part = text.replace("..", "-");
    while part.contains("..") {
        part = part.replace("..", "-");
    }
    let mut part = part
        .trim_start_matches(['.', '-'])
        .trim_end_matches('.')
        .to_owned();
    while let Some(rest) = part.strip_suffix(".lock") {
        part = format!("{}-lock", rest.trim_end_matches('.'));
    }
    (!part.is_empty()).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_group_has_one_branch() {
        let automation = ObjectKey::new("apps", "fleet");
        let of = |group| default_branch(&automation, &group);
        assert_eq!(
            of(Group::Policy("app".to_owned())),
            "highwater/apps/fleet/app"
        );
        assert_eq!(
            of(Group::Bundle("shop".to_owned())),
            "highwater/apps/fleet/bundle_shop"
        );
        assert_eq!(of(Group::Automation), "highwater/apps/fleet/_all");
        assert_eq!(
            of(Group::Policy("app.lock".to_owned())),
            "highwater/apps/fleet/app-lock"
        );
    }

    #[test]
    fn what_git_refuses_is_replaced() {
        for (wanted, expected) in [
            ("update/app 1.0:x", "update/app-1.0-x"),
            ("-f", "f"),
            ("a..b//c/", "a-b/c"),
            ("HEAD", "branch"),
            ("", "branch"),
            ("../..", "branch"),
            ("a/.hidden/b.lock", "a/hidden/b-lock"),
            ("x@{1}", "x--1-"),
            ("\n$(rm -rf /)", "rm--rf-"),
        ] {
            assert_eq!(valid_branch(wanted), expected, "{wanted}");
        }
    }

    proptest! {
        #[test]
        fn every_text_becomes_a_name_that_git_takes(wanted in "\\PC{0,300}|[a./ @{}~^:?*-]{0,30}(lock)?") {
            let name = valid_branch(&wanted);
            prop_assert!(check_branch_name(&name).is_ok(), "{name}");
            prop_assert!(name.len() <= LONGEST);
            prop_assert_eq!(valid_branch(&name), name.clone(), "it is stable");
        }

        #[test]
        fn names_that_differ_far_out_stay_different(start in "[a-z]{250}", a in "[a-z]{5}", b in "[a-z]{5}") {
            prop_assume!(a != b);
            prop_assert_ne!(valid_branch(&format!("{start}{a}")), valid_branch(&format!("{start}{b}")));
        }
    }
}
