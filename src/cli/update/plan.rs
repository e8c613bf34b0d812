//! Which policies are asked for, and which automation updates which files as whom. Pure.

use super::objects::Found;
use super::trouble::Trouble;
use crate::api::ImageUpdateAutomation;
use crate::api::image_update_automation::{GitSpec, UpdateStrategyName};
use crate::domain::git_ref::check_branch_name;
use crate::domain::object::ObjectKey;
use crate::domain::tree::{FileTree, join};
use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};
use std::collections::{BTreeMap, BTreeSet};

/// Restricts what is done to named objects; an empty list restricts nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// The policies, as `name` or `namespace/name`.
    pub(super) policies: Vec<String>,
    /// The automations, likewise.
    pub(super) updates: Vec<String>,
}

/// One pass over files with the selections of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// The automation; `None` where the tree has none.
    pub(super) update: Option<ObjectKey>,
    /// Whose policies count.
    pub(super) namespace: String,
    /// Which policies count.
    pub(super) policies: BTreeSet<ObjectKey>,
    /// The file, or the folder, that is updated; empty for everything.
    pub(super) path: String,
    /// Name and e-mail of the author of its commit.
    pub(super) author: Option<(String, String)>,
    /// The template of its message, and further values for that.
    pub(super) message: (Option<String>, BTreeMap<String, String>),
    /// Where its commit is pushed.
    pub(super) push: Push,
}

/// Where a commit is pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Push {
    /// The branch; `None` for the one that is checked out.
    pub(super) branch: Option<String>,
    /// One more refspec.
    pub(super) refspec: Option<String>,
    /// Push options.
    pub(super) options: BTreeMap<String, String>,
    /// Whether changes are to be proposed and never pushed: `spec.git.pullRequest` is set.
    pub(super) proposes: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The passes, in order.
    pub(super) jobs: Vec<Job>,
    /// What is left out, and why.
    pub(super) troubles: Vec<Trouble>,
    /// Whether a filter left anything out on purpose.
    pub(super) filtered: bool,
}

impl Plan {
    /// All policies that some pass wants.
    pub(super) fn policies(&self) -> BTreeSet<ObjectKey> {
        self.jobs
            .iter()
            .flat_map(|job| job.policies.iter().cloned())
            .collect()
    }
}

impl Job {
    /// Whether it looks at a file.
    pub(super) fn covers(&self, file: &str) -> bool {
        let below = || {
            file.strip_prefix(&self.path)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        self.path.is_empty() || file == self.path || below()
    }
}

fn named(names: &[String], key: &ObjectKey) -> bool {
    let full = key.to_string();
    names.is_empty() || names.iter().any(|name| *name == key.name || *name == full)
}

/// Decides what is to be done with what was found in `tree`.
pub(super) fn plan(tree: &dyn FileTree, found: &Found, filter: &Filter) -> Plan {
    let filtered = !filter.policies.is_empty() || !filter.updates.is_empty();
    let mut plan = Plan {
        troubles: unknown_names(found, filter),
        jobs: Vec::new(),
        filtered,
    };
    if found.updates.is_empty() && filter.updates.is_empty() {
        plan.jobs = without_automations(found, filter);
        return plan;
    }
    for (key, update) in found
        .updates
        .iter()
        .filter(|(key, _)| named(&filter.updates, key))
    {
        match job(tree, found, filter, key, update) {
            Ok((job, notes)) => {
                plan.jobs.push(job);
                plan.troubles.extend(notes);
            }
            Err(trouble) => plan.troubles.push(trouble),
        }
    }
    plan
}

/// Every policy for the markers of its own namespace, everywhere.
fn without_automations(found: &Found, filter: &Filter) -> Vec<Job> {
    let namespaces: BTreeSet<&String> = found
        .policies
        .iter()
        .map(|(key, _)| &key.namespace)
        .collect();
    let job = |namespace: &String| Job {
        update: None,
        namespace: namespace.clone(),
        policies: policies(found, filter, namespace, &Selector::default()),
        path: String::new(),
        author: None,
        message: Default::default(),
        push: Push::default(),
    };
    namespaces.into_iter().map(job).collect()
}

fn policies(
    found: &Found,
    filter: &Filter,
    namespace: &str,
    selector: &Selector,
) -> BTreeSet<ObjectKey> {
    let wanted = found.policies.iter().filter(|(key, policy)| {
        key.namespace == namespace
            && named(&filter.policies, key)
            && selector.matches(policy.labels())
    });
    wanted.map(|(key, _)| key.clone()).collect()
}

/// The names of a filter that name nothing.
fn unknown_names(found: &Found, filter: &Filter) -> Vec<Trouble> {
    let missing = |kind: &str, names: &[String], keys: Vec<&ObjectKey>| -> Vec<Trouble> {
        let known = |name: &&String| {
            keys.iter()
                .any(|key| named(std::slice::from_ref(name), key))
        };
        let unknown = names.iter().filter(|name| !known(name));
        unknown
            .map(|name| Trouble::failure(format!("{kind}/{name}"), "it is not in this tree"))
            .collect()
    };
    let policies = found.policies.iter().map(|(key, _)| key).collect();
    let updates = found.updates.iter().map(|(key, _)| key).collect();
    let mut troubles = missing("ImagePolicy", &filter.policies, policies);
    troubles.extend(missing("ImageUpdateAutomation", &filter.updates, updates));
    troubles
}

fn job(
    tree: &dyn FileTree,
    found: &Found,
    filter: &Filter,
    key: &ObjectKey,
    update: &ImageUpdateAutomation,
) -> Result<(Job, Vec<Trouble>), Trouble> {
    let subject = format!("ImageUpdateAutomation/{key}");
    let spec = &update.spec;
    if spec.suspend {
        return Err(Trouble::note(
            subject,
            "it is suspended, so nothing is updated for it",
        ));
    }
    if spec.update.strategy != UpdateStrategyName::Setters {
        let message = format!("unknown update strategy '{}'", spec.update.strategy);
        return Err(Trouble::failure(subject, message));
    }
    let selector = spec
        .policy_selector
        .clone()
        .map(Selector::try_from)
        .transpose();
    let selector = selector
        .map_err(|error| Trouble::failure(&subject, format!("`spec.policySelector`: {error}")))?;
    let path = spec.update.path.as_deref().unwrap_or_default();
    let path = path_in(tree, path).map_err(|message| Trouble::failure(&subject, message))?;
    let push = push(spec.git.as_ref()).map_err(|message| Trouble::failure(&subject, message))?;
    let job = Job {
        update: Some(key.clone()),
        namespace: key.namespace.clone(),
        policies: policies(found, filter, &key.namespace, &selector.unwrap_or_default()),
        path,
        author: spec.git.as_ref().map(author),
        message: spec.git.as_ref().map(template).unwrap_or_default(),
        push,
    };
    let notes = unused(spec.git.as_ref()).map(|message| Trouble::note(&subject, message));
    Ok((job, notes.collect()))
}

/// `spec.update.path` as a path of the tree.
fn path_in(tree: &dyn FileTree, written: &str) -> Result<String, String> {
    let path = join("", written.trim_start_matches('/'))
        .map_err(|error| format!("`spec.update.path`: {error}"))?;
    match tree.kind(&path) {
        Some(_) => Ok(path),
        None => Err(format!(
            "`spec.update.path`: `{path}` is not in this tree\nhint: give the root of the repository"
        )),
    }
}

fn push(git: Option<&GitSpec>) -> Result<Push, String> {
    let proposes = git.is_some_and(|git| git.pull_request.is_some());
    let push = git.and_then(|git| git.push.clone()).unwrap_or_default();
    if let Some(branch) = &push.branch {
        check_branch_name(branch).map_err(|error| format!("`spec.git.push.branch`: {error}"))?;
    }
    Ok(Push {
        branch: push.branch,
        refspec: push.refspec,
        options: push.options,
        proposes,
    })
}

fn template(git: &GitSpec) -> (Option<String>, BTreeMap<String, String>) {
    let commit = &git.commit;
    (
        commit.message_template.clone(),
        commit.message_template_values.clone(),
    )
}

fn author(git: &GitSpec) -> (String, String) {
    let author = &git.commit.author;
    // Git refuses an empty name.
    (
        author.name.clone().unwrap_or_else(|| author.email.clone()),
        author.email.clone(),
    )
}

/// The fields that do nothing here.
fn unused(git: Option<&GitSpec>) -> impl Iterator<Item = &'static str> {
    let commit = git.map(|git| &git.commit);
    let key = commit.is_some_and(|commit| commit.signing_key.is_some());
    key.then_some("`spec.git.commit.signingKey` is in the cluster: commits are signed if your own git signs them")
        .into_iter()
}

/// Refuses a plan whose commits would reach branches they are not meant for: commits are made one on
/// the other, so a branch gets all those before its own.
pub(super) fn check_push(jobs: &[&Job]) -> Result<(), String> {
    if jobs.iter().any(|job| job.push.proposes) {
        return Err(
            "an automation proposes its changes (`spec.git.pullRequest`), which only `highwater run` does; \
             hint: `--commit` on a branch of your own"
                .to_owned(),
        );
    }
    let mut branches: Vec<&Option<String>> = jobs.iter().map(|job| &job.push.branch).collect();
    branches.dedup();
    match branches.len() {
        0 | 1 => Ok(()),
        _ => Err(
            "the automations push to different branches; hint: choose one with `--automation NAME`"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::objects::find;
    use super::*;
    use crate::domain::tree::MapTree;

    fn policy(namespace: &str, name: &str, team: &str) -> String {
        format!(
            "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{name: {name}, namespace: {namespace}, \
             labels: {{team: {team}}}}}\nspec:\n  imageRepositoryRef: {{name: {name}}}\n  policy: {{semver: {{range: 1.x}}}}\n"
        )
    }

    fn update(namespace: &str, name: &str, more: &str) -> String {
        format!(
            "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec:\n  interval: 1m\n  sourceRef: {{kind: GitRepository, name: fleet}}\n{more}"
        )
    }

    fn planned(text: &str, filter: &Filter) -> Plan {
        let tree = MapTree::from_texts([
            ("all.yaml", text),
            ("apps/web.yaml", "a: b\n"),
            ("apps-2/x.yaml", "a: b\n"),
        ]);
        let paths: Vec<String> = tree.0.keys().cloned().collect();
        let found = find(&tree, &paths, "flux-system");
        assert_eq!(found.troubles, []);
        plan(&tree, &found, filter)
    }

    fn names(job: &Job) -> Vec<String> {
        job.policies.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn without_automations_every_namespace_is_a_pass_over_everything() {
        let text = [
            policy("a", "web", "x"),
            policy("b", "web", "x"),
            policy("b", "api", "x"),
        ]
        .concat();
        let plan = planned(&text, &Filter::default());
        assert_eq!(plan.troubles, []);
        assert_eq!(
            plan.jobs.iter().map(names).collect::<Vec<_>>(),
            [vec!["a/web"], vec!["b/api", "b/web"]]
        );
        assert!(
            plan.jobs
                .iter()
                .all(|job| job.covers("anything.yaml") && job.author.is_none())
        );
    }

    #[test]
    fn an_automation_takes_the_policies_of_its_namespace_that_its_selector_matches() {
        let selector = "  policySelector: {matchLabels: {team: shop}}\n  update: {path: ./apps, strategy: Setters}\n  \
                        git: {commit: {author: {email: bot@example.com}}, push: {branch: updates}}\n";
        let text = [
            policy("a", "web", "shop"),
            policy("a", "api", "core"),
            policy("b", "web", "shop"),
            update("a", "all", selector),
        ];
        let plan = planned(&text.concat(), &Filter::default());
        assert_eq!(plan.troubles, []);
        let [job] = plan.jobs.as_slice() else {
            panic!("{plan:?}")
        };
        assert_eq!(names(job), ["a/web"]);
        assert_eq!(
            (job.covers("apps/web.yaml"), job.covers("apps-2/x.yaml")),
            (true, false)
        );
        assert_eq!(
            job.author,
            Some(("bot@example.com".to_owned(), "bot@example.com".to_owned()))
        );
        assert_eq!(job.push.branch.as_deref(), Some("updates"));
    }

    #[test]
    fn what_cannot_be_done_is_said_and_the_rest_is_done() {
        let text = [
            policy("a", "web", "shop"),
            update("a", "asleep", "  suspend: true\n"),
            update(
                "a",
                "away",
                "  update: {path: ./clusters/prod, strategy: Setters}\n",
            ),
            update("a", "out", "  update: {path: ../x, strategy: Setters}\n"),
            update("a", "odd", "  update: {strategy: Other}\n"),
            update("a", "well", ""),
        ];
        let plan = planned(&text.concat(), &Filter::default());
        assert_eq!(plan.jobs.len(), 1);
        let told: Vec<(String, bool)> = plan
            .troubles
            .iter()
            .map(|trouble| (trouble.to_string(), trouble.failed))
            .collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(
            told[0]
                .0
                .ends_with("asleep: it is suspended, so nothing is updated for it")
                && !told[0].1
        );
        assert!(told[1].0.contains("`clusters/prod` is not in this tree") && told[1].1);
        assert!(told[2].0.contains("unknown update strategy 'Other'") && told[2].1);
        assert!(told[3].0.contains("leads out of the tree") && told[3].1);
    }

    #[test]
    fn a_filter_chooses_by_name_and_says_what_it_does_not_find() {
        let text = [
            policy("a", "web", "x"),
            policy("b", "web", "x"),
            policy("b", "api", "x"),
        ]
        .concat();
        let filter = |name: &str| Filter {
            policies: vec![name.to_owned()],
            updates: Vec::new(),
        };
        assert_eq!(planned(&text, &filter("web")).policies().len(), 2);
        assert_eq!(planned(&text, &filter("b/web")).policies().len(), 1);
        let none = planned(&text, &filter("nope"));
        assert_eq!(
            none.troubles,
            [Trouble::failure(
                "ImagePolicy/nope",
                "it is not in this tree"
            )]
        );
    }

    #[test]
    fn commits_for_different_branches_are_not_mixed() {
        let job = |branch: Option<&str>| Job {
            update: None,
            namespace: "a".to_owned(),
            policies: BTreeSet::new(),
            path: String::new(),
            author: None,
            message: Default::default(),
            push: Push {
                branch: branch.map(str::to_owned),
                ..Push::default()
            },
        };
        let (main, updates) = (job(None), job(Some("updates")));
        assert_eq!(check_push(&[&main, &main]), Ok(()));
        assert!(check_push(&[&main, &updates]).is_err());
        assert_eq!(check_push(&[]), Ok(()));
        let mut proposing = job(None);
        proposing.push.proposes = true;
        let refused = check_push(&[&proposing]);
        assert!(refused.is_err_and(|words| words.contains("`spec.git.pullRequest`")));
    }

    proptest::proptest! {
        #[test]
        fn a_filter_only_takes_away(names in proptest::collection::vec("(a/|b/)?(web|api|nope)", 0..4)) {
            let text = [policy("a", "web", "x"), policy("b", "web", "x"), policy("b", "api", "x"), update("b", "all", "")].concat();
            let all = planned(&text, &Filter::default()).policies();
            let filter = Filter { policies: names.clone(), updates: Vec::new() };
            let some = planned(&text, &filter).policies();
            assert!(some.is_subset(&all));
            assert!(some.iter().all(|key| named(&names, key)));
        }
    }
}
