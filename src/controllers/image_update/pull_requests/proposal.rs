//! From what an automation would change to what each group proposes. Pure.

use super::settings::{BRANCH, Settings};
use crate::controllers::image_update::execute::{Edits, rewrite_files};
use crate::domain::change::ChangeReport;
use crate::domain::image::ImageRef;
use crate::domain::object::ObjectKey;
use crate::domain::pull_request::{
    Body, Group, ImageChange, TextTemplateError, Wanted, body, default_branch, default_title,
    fingerprint, image_changes, template_data, title, valid_branch,
};
use crate::domain::rewrite::Selections;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// What the plain body of a fingerprint may have at most, in bytes.
const FINGERPRINTED: usize = 1 << 20;

/// What a group proposes.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub(super) group: Group,
    /// What of it the plan needs.
    pub(super) wanted: Wanted,
    pub(super) title: String,
    /// The new contents, and what they change.
    pub(super) edits: Edits,
    pub(super) images: Vec<ImageChange>,
}

/// A group for which nothing can be proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) group: String,
    pub(super) reason: String,
}

/// What all groups of an automation are made of.
pub(super) struct Material<'a> {
    pub(super) automation: &'a ObjectKey,
    pub(super) settings: &'a Settings,
    pub(super) selections: &'a Selections,
    /// The bundles of policies that have one.
    pub(super) bundles: &'a BTreeMap<String, String>,
    /// Everything that is to change, all groups together.
    pub(super) report: &'a ChangeReport,
    /// The files that are to change as they are now, by path.
    pub(super) files: &'a BTreeMap<String, Vec<u8>>,
    /// What paths lose in reports.
    pub(super) shown: &'a str,
}

impl Material<'_> {
    /// What each group proposes.
    pub(super) fn proposals(&self) -> (Vec<Proposal>, Vec<Refused>) {
        let mut proposals: Vec<Proposal> = Vec::new();
        let mut refused = Vec::new();
        for (group, policies) in self.groups() {
            let proposal = self.proposal(group.clone(), &policies);
            match proposal {
                Ok(Some(proposal)) => proposals.push(proposal),
                Ok(None) => {}
                Err(error) => refused.push(Refused {
                    group: group.to_string(),
                    reason: error.to_string(),
                }),
            }
        }
        self.refuse_shared_branches(&mut proposals, &mut refused);
        (proposals, refused)
    }

    /// The policies that change something, by group.
    fn groups(&self) -> BTreeMap<Group, BTreeSet<String>> {
        let mut groups: BTreeMap<Group, BTreeSet<String>> = BTreeMap::new();
        for change in &self.report.changes {
            let Some(policy) = change.setter.split(':').nth(1) else {
                continue;
            };
            let bundle = self.bundles.get(policy).map(String::as_str);
            let group = Group::of(self.settings.grouping, policy, bundle);
            groups.entry(group).or_default().insert(policy.to_owned());
        }
        groups
    }

    fn proposal(
        &self,
        group: Group,
        policies: &BTreeSet<String>,
    ) -> Result<Option<Proposal>, TextTemplateError> {
        let mut selections = Selections::new(self.selections.namespace());
        let mut selected: BTreeMap<String, ImageRef> = BTreeMap::new();
        for (key, image) in self.selections.iter() {
            if policies.contains(&key.name) {
                selections.insert(key.clone(), image.clone());
                selected.insert(key.name.clone(), image.clone());
            }
        }
        let edits = self.edits(&selections);
        if edits.files.is_empty() {
            return Ok(None);
        }
        let images = image_changes(&edits.report, &selected);
        let title = self.title(&group, &edits.report)?;
        let plain = Body {
            automation: self.automation,
            report: &edits.report,
            images: &images,
        };
        let template = self.settings.spec.body.as_deref().unwrap_or_default();
        let plain = body(&plain, FINGERPRINTED);
        let wanted = Wanted {
            branch: self.branch(&group, &edits.report)?,
            base_branch: self.settings.base_branch.clone(),
            images: selected
                .iter()
                .map(|(policy, image)| (policy.clone(), image.to_string()))
                .collect(),
            text: fingerprint(&[&title, template, &plain]),
        };
        Ok(Some(Proposal {
            group,
            wanted,
            title,
            edits,
            images,
        }))
    }

    /// The changes of some policies alone.
    fn edits(&self, selections: &Selections) -> Edits {
        let files = self.files.iter();
        let files = files.map(|(path, bytes)| Ok::<_, Infallible>((path.clone(), bytes.clone())));
        let Ok(edits) = rewrite_files(files, self.shown, selections);
        edits
    }

    fn title(&self, group: &Group, report: &ChangeReport) -> Result<String, TextTemplateError> {
        match &self.settings.title {
            None => Ok(default_title(report)),
            Some(template) => {
                let data = self.data(group, report, None);
                Ok(title(&template.render(&data)?))
            }
        }
    }

    fn branch(&self, group: &Group, report: &ChangeReport) -> Result<String, TextTemplateError> {
        match &self.settings.branch {
            None => Ok(default_branch(self.automation, group)),
            Some(template) => {
                let data = self.data(group, report, None);
                Ok(valid_branch(&template.render(&data)?))
            }
        }
    }

    fn data(
        &self,
        group: &Group,
        report: &ChangeReport,
        own_body: Option<&str>,
    ) -> crate::domain::template::Value {
        let values = &self.settings.values;
        template_data(self.automation, report, values, group, own_body)
    }

    /// Two groups on one branch would undo each other for ever, and the base is nobody's.
    fn refuse_shared_branches(&self, proposals: &mut Vec<Proposal>, refused: &mut Vec<Refused>) {
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for proposal in proposals.iter() {
            *uses.entry(proposal.wanted.branch.clone()).or_default() += 1;
        }
        proposals.retain(|proposal| {
            let branch = &proposal.wanted.branch;
            let reason = if *branch == self.settings.base_branch {
                format!("`{BRANCH}` names the base branch `{branch}`")
            } else if uses.get(branch).is_some_and(|uses| *uses > 1) {
                format!("`{BRANCH}` names `{branch}` for several groups. hint: use `{{{{ .Policy }}}}{{{{ .Bundle }}}}` in it")
            } else {
                return true;
            };
            refused.push(Refused {
                group: proposal.group.to_string(),
                reason,
            });
            false
        });
    }
}

/// The body of a pull request, by the template if there is one.
pub(super) fn text(
    automation: &ObjectKey,
    settings: &Settings,
    proposal: &Proposal,
    images: &[ImageChange],
    longest: usize,
) -> Result<String, TextTemplateError> {
    let report = &proposal.edits.report;
    let told = Body {
        automation,
        report,
        images,
    };
    let own = body(&told, longest);
    let Some(template) = &settings.body else {
        return Ok(own);
    };
    let (values, group) = (&settings.values, &proposal.group);
    let data = template_data(automation, report, values, group, Some(&own));
    let mut text = template.render(&data)?;
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::settings::settings;
    use super::*;
    use crate::api::image_update_automation::GitSpec;
    use crate::domain::git_ref::CheckoutRef;
    use crate::domain::marker::PolicyKey;
    use serde_json::{Value, json};

    const FILE: &str = "image: ghcr.io/acme/app:1.0.0 # {\"$imagepolicy\": \"apps:app\"}\n\
                        other: ghcr.io/acme/web:1.0.0 # {\"$imagepolicy\": \"apps:web\"}\n";

    fn proposals(spec: Value, bundles: &[(&str, &str)]) -> (Vec<Proposal>, Vec<Refused>) {
        let spec = serde_json::from_value(spec).expect("it has the form");
        let checkout = CheckoutRef::Branch("main".to_owned());
        let url = "https://github.com/acme/fleet";
        let settings = settings(&GitSpec::default(), &spec, url, &checkout).expect("it is whole");
        let mut selections = Selections::new("apps");
        for name in ["app", "web", "same"] {
            let key = PolicyKey {
                namespace: "apps".to_owned(),
                name: name.to_owned(),
            };
            let image = ImageRef {
                name: format!("ghcr.io/acme/{name}"),
                tag: "1.1.0".to_owned(),
                digest: None,
            };
            selections.insert(key, image);
        }
        let files = BTreeMap::from([("apps/a.yaml".to_owned(), FILE.as_bytes().to_vec())]);
        let whole = files
            .iter()
            .map(|(path, bytes)| Ok::<_, Infallible>((path.clone(), bytes.clone())));
        let Ok(edits) = rewrite_files(whole, "apps", &selections);
        let bundles = bundles
            .iter()
            .map(|(policy, bundle)| ((*policy).to_owned(), (*bundle).to_owned()));
        let material = Material {
            automation: &ObjectKey::new("apps", "fleet"),
            settings: &settings,
            selections: &selections,
            bundles: &bundles.collect(),
            report: &edits.report,
            files: &files,
            shown: "apps",
        };
        material.proposals()
    }

    fn told(proposals: &[Proposal]) -> Vec<(String, String, Vec<String>)> {
        let each = proposals.iter().map(|proposal| {
            let texts = proposal
                .edits
                .files
                .values()
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            (
                proposal.wanted.branch.clone(),
                proposal.title.clone(),
                texts.collect(),
            )
        });
        each.collect()
    }

    #[test]
    fn each_policy_proposes_its_own_changes_alone() {
        let (proposals, refused) = proposals(json!({}), &[]);
        assert_eq!(refused, []);
        assert_eq!(
            told(&proposals),
            [
                (
                    "highwater/apps/fleet/app".to_owned(),
                    "Update ghcr.io/acme/app from 1.0.0 to 1.1.0".to_owned(),
                    vec![FILE.replace("app:1.0.0", "app:1.1.0")],
                ),
                (
                    "highwater/apps/fleet/web".to_owned(),
                    "Update ghcr.io/acme/web from 1.0.0 to 1.1.0".to_owned(),
                    vec![FILE.replace("web:1.0.0", "web:1.1.0")],
                ),
            ]
        );
        assert_eq!(
            proposals[0].wanted.images,
            BTreeMap::from([("app".to_owned(), "ghcr.io/acme/app:1.1.0".to_owned())])
        );
    }

    #[test]
    fn a_bundle_and_an_automation_propose_together() {
        let both = FILE.replace("1.0.0", "1.1.0");
        let (bundled, _) = proposals(
            json!({"grouping": "bundle"}),
            &[("app", "shop"), ("web", "shop")],
        );
        assert_eq!(
            told(&bundled),
            [(
                "highwater/apps/fleet/bundle_shop".to_owned(),
                "Update app, web".to_owned(),
                vec![both.clone()]
            )]
        );
        let (all, _) = proposals(json!({"grouping": "automation"}), &[]);
        assert_eq!(
            told(&all),
            [(
                "highwater/apps/fleet/_all".to_owned(),
                "Update app, web".to_owned(),
                vec![both]
            )]
        );
        let (half, _) = proposals(json!({"grouping": "bundle"}), &[("app", "shop")]);
        assert_eq!(half.len(), 2, "one without the label is by itself");
    }

    #[test]
    fn branch_and_title_follow_their_templates() {
        let spec = json!({"branch": "images/{{ .Policy }} {{ (index .Changed.Changes 0).NewValue }}", "title": "bump {{ .Policy }}"});
        let (proposals, refused) = proposals(spec, &[]);
        assert_eq!(refused, []);
        let (branch, title, _) = &told(&proposals)[0];
        assert_eq!(
            (branch.as_str(), title.as_str()),
            ("images/app-ghcr.io/acme/app-1.1.0", "bump app")
        );
    }

    #[test]
    fn a_branch_that_groups_would_share_is_refused_and_others_go_on() {
        let (none, refused) = proposals(json!({"branch": "updates"}), &[]);
        assert!(
            none.is_empty()
                && refused.len() == 2
                && refused[0].reason.contains("for several groups"),
            "{refused:?}"
        );
        let (one, refused) = proposals(
            json!({"branch": "{{ if eq .Policy \"app\" }}main{{ else }}x{{ end }}"}),
            &[],
        );
        assert_eq!((one.len(), refused.len()), (1, 1));
        assert!(refused[0].reason.contains("names the base branch `main`"));
        let (one, refused) = proposals(
            json!({"title": "{{ if eq .Policy \"app\" }}{{ .Nothing }}{{ end }}x"}),
            &[],
        );
        assert_eq!(
            (one.len(), refused.len()),
            (1, 1),
            "a template that fails holds up no other group"
        );
    }

    #[test]
    fn a_fingerprint_changes_with_what_is_said_alone() {
        let text = |spec| proposals(spec, &[]).0[0].wanted.text.clone();
        assert_eq!(text(json!({})), text(json!({"draft": true})));
        assert_ne!(text(json!({})), text(json!({"title": "x"})));
        assert_ne!(text(json!({})), text(json!({"body": "x"})));
    }
}
