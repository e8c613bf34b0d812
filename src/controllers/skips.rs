//! What automations skip of policies, because a person closed the pull request that proposed it. Pure.
//!
//! An automation says so in its own status; the policies say it too. Invariant: only an automation that proposes pull requests skips
//! something. What is absent: the words for it, and who is woken; asking a forge, which the automation does.

use crate::api::ImageUpdateAutomation;
use crate::api::pull_request::{PullRequestState, PullRequestStatus};
use kube::ResourceExt;
use std::collections::BTreeSet;

/// An image that an automation does not propose any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    /// The automation.
    pub automation: String,
    /// The pull request that was closed.
    pub number: i64,
    /// `name:tag[@digest]`.
    pub image: String,
    /// Its page.
    pub url: Option<String>,
    /// By whom, where the forge tells.
    pub closed_by: Option<String>,
}

/// What an automation skips, with the names of the policies.
pub fn skips(update: &ImageUpdateAutomation) -> BTreeSet<(String, Skip)> {
    let git = update.spec.git.as_ref();
    let proposes = git.is_some_and(|git| git.pull_request.is_some());
    let pulls = update.status.pull_requests.iter();
    let skipped = pulls.filter(|pull| proposes && pull.state == PullRequestState::Skipped);
    let automation = update.name_any();
    skipped
        .flat_map(|pull| skips_of(&automation, pull))
        .collect()
}

fn skips_of(automation: &str, pull: &PullRequestStatus) -> Vec<(String, Skip)> {
    let Some(number) = pull.number else {
        return Vec::new();
    };
    let skip = |image: &String| Skip {
        automation: automation.to_owned(),
        number,
        image: image.clone(),
        url: pull.url.clone(),
        closed_by: pull.closed_by.clone(),
    };
    let images = pull.images.iter();
    images
        .map(|(policy, image)| (policy.clone(), skip(image)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn automation(state: &str) -> ImageUpdateAutomation {
        let object = json!({
            "metadata": {"namespace": "apps", "name": "fleet"},
            "spec": {"interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "fleet"},
                "git": {"commit": {"author": {"email": "bot@example.com"}}, "pullRequest": {}}},
            "status": {"pullRequests": [{
                "group": "bundle_shop", "state": state, "number": 7, "branch": "b", "closedBy": "jane", "url": "https://forge/7",
                "images": {"app": "ghcr.io/acme/app:1.1.0", "web": "ghcr.io/acme/web:2.0.0@sha256:0"},
            }]},
        });
        serde_json::from_value(object).expect("it reads")
    }

    #[test]
    fn what_a_closed_pull_request_proposed_is_skipped_of_each_policy() {
        let skip = |image: &str| Skip {
            automation: "fleet".to_owned(),
            number: 7,
            image: image.to_owned(),
            url: Some("https://forge/7".to_owned()),
            closed_by: Some("jane".to_owned()),
        };
        let expected = [
            ("app".to_owned(), skip("ghcr.io/acme/app:1.1.0")),
            ("web".to_owned(), skip("ghcr.io/acme/web:2.0.0@sha256:0")),
        ];
        assert_eq!(skips(&automation("Skipped")), BTreeSet::from(expected));
    }

    #[test]
    fn nothing_is_skipped_but_by_a_closed_pull_request_of_an_automation_that_proposes() {
        for state in ["Open", "Kept", "Failed"] {
            assert_eq!(skips(&automation(state)), BTreeSet::new(), "{state}");
        }
        let mut pushes = automation("Skipped");
        if let Some(git) = &mut pushes.spec.git {
            git.pull_request = None;
        }
        assert_eq!(skips(&pushes), BTreeSet::new());
    }
}
