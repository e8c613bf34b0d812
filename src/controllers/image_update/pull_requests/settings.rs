//! What the specification of an automation says of its pull requests. Pure.

use crate::adapters::git::{Auth, Remote};
use crate::api::image_update_automation::GitSpec;
use crate::api::pull_request::{
    AutoMergeMethod, AutoMergeSpec, AutoMergeWhen, ForgeProvider, PullRequestGrouping,
    PullRequestRebuild, PullRequestSpec,
};
use crate::domain::git_ref::{CheckoutRef, check_branch_name};
use crate::domain::outcome::{Outcome, reason};
use crate::domain::pull_request::{
    AutoMerge, ForgeKind, Grouping, MergeMethod, Rebuild, Repository, Rules, TextTemplate,
    repository_of,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// The fields that hold templates.
pub(super) const BRANCH: &str = "spec.git.pullRequest.branch";
const TITLE: &str = "spec.git.pullRequest.title";
const BODY: &str = "spec.git.pullRequest.body";

/// What the specification says, read.
#[derive(Debug)]
pub(super) struct Settings {
    /// The repository on its forge.
    pub(super) repository: Repository,
    /// The branch that pull requests are to be merged into, and are built on.
    pub(super) base_branch: String,
    pub(super) grouping: Grouping,
    pub(super) rules: Rules,
    pub(super) branch: Option<TextTemplate>,
    pub(super) title: Option<TextTemplate>,
    pub(super) body: Option<TextTemplate>,
    /// The values for templates.
    pub(super) values: BTreeMap<String, String>,
    /// The rest, as it stands.
    pub(super) spec: PullRequestSpec,
}

/// Refuses fields that pull requests would pass over.
fn nothing_in_vain(git: &GitSpec) -> Result<(), Outcome> {
    if git
        .push
        .as_ref()
        .is_some_and(|push| push.branch.is_some() || push.refspec.is_some())
    {
        return Err(invalid(
            "`spec.git.push.branch` and `spec.git.push.refspec` cannot be set together with `spec.git.pullRequest`, which has branches of its own",
        ));
    }
    if !git.commit.via.is_default() {
        return Err(invalid(
            "`spec.git.commit.via` and `spec.git.pullRequest` exclude each other: branches of pull requests are replaced, which GitHub's API cannot do",
        ));
    }
    let commit = &git.commit;
    if commit.collect.is_some() || commit.collect_at_most.is_some() || !commit.per.is_default() {
        return Err(invalid(
            "`spec.git.commit.collect`, `collectAtMost` and `per` do nothing together with `spec.git.pullRequest`: each pull request has one commit, and is updated in place",
        ));
    }
    Ok(())
}

/// Reads the specification. `url` is the GitRepository's, `checkout` what the automation checks out.
pub(super) fn settings(
    git: &GitSpec,
    spec: &PullRequestSpec,
    url: &str,
    checkout: &CheckoutRef,
) -> Result<Settings, Outcome> {
    nothing_in_vain(git)?;
    let kind = spec.provider.as_ref().map(kind).transpose()?;
    let repository = repository_of(url, kind, spec.api_url.as_deref())
        .map_err(|error| invalid(error.to_string()))?;
    let base_branch = spec
        .base_branch
        .clone()
        .or_else(|| checkout.branch().map(str::to_owned))
        .ok_or_else(|| {
            invalid(format!(
                "`spec.git.pullRequest.baseBranch` is needed, since {checkout} is no branch"
            ))
        })?;
    check_branch_name(&base_branch).map_err(|error| invalid(error.to_string()))?;
    let template = |field, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| TextTemplate::parse(field, text))
            .transpose()
            .map_err(|error| invalid(error.to_string()))
    };
    Ok(Settings {
        repository,
        base_branch,
        grouping: grouping(&spec.grouping)?,
        rules: Rules {
            rebuild: rebuild(&spec.rebuild)?,
            auto_merge: spec
                .auto_merge
                .as_ref()
                .map(auto_merge)
                .transpose()?
                .flatten(),
        },
        branch: template(BRANCH, &spec.branch)?,
        title: template(TITLE, &spec.title)?,
        body: template(BODY, &spec.body)?,
        values: git.commit.message_template_values.clone(),
        spec: spec.clone(),
    })
}

/// Whether there is a login that the forge's API may have. That of Git is given to the host of Git and its
/// own API alone: a specification cannot have it sent elsewhere.
pub(super) fn check_login(settings: &Settings, url: &str, remote: &Remote) -> Result<(), Outcome> {
    if settings.spec.secret_ref.is_some() {
        return Ok(());
    }
    let named = settings.repository.kind;
    let usual = repository_of(url, Some(named), None).ok();
    let host = |url: &url::Url| url.host_str().map(str::to_owned);
    let api = host(&settings.repository.api);
    let own = api == host(remote.url().as_url()) || api == usual.and_then(|usual| host(&usual.api));
    if !own {
        return Err(invalid(
            "`spec.git.pullRequest.apiURL` is on another host than the repository, so `spec.git.pullRequest.secretRef` has to name its login",
        ));
    }
    if matches!(
        remote.server_access().auth,
        Auth::Basic { .. } | Auth::Bearer(_)
    ) {
        return Ok(());
    }
    Err(invalid(
        "the login of the GitRepository is none for the forge's API. hint: name one in `spec.git.pullRequest.secretRef`",
    ))
}

fn invalid(message: impl ToString) -> Outcome {
    Outcome::stalled(reason::INVALID_SOURCE_CONFIGURATION, message)
}

fn unknown(field: &str, word: &str) -> Outcome {
    invalid(format!(
        "unknown word '{word}' in `spec.git.pullRequest.{field}`"
    ))
}

fn kind(provider: &ForgeProvider) -> Result<ForgeKind, Outcome> {
    Ok(match provider {
        ForgeProvider::GitHub => ForgeKind::GitHub,
        ForgeProvider::GitLab => ForgeKind::GitLab,
        ForgeProvider::Gitea | ForgeProvider::Forgejo => ForgeKind::Gitea,
        ForgeProvider::Bitbucket => ForgeKind::BitbucketCloud,
        ForgeProvider::BitbucketServer => ForgeKind::BitbucketDataCenter,
        ForgeProvider::Azure => ForgeKind::Azure,
        ForgeProvider::Other(word) => return Err(unknown("provider", word)),
    })
}

fn grouping(written: &PullRequestGrouping) -> Result<Grouping, Outcome> {
    Ok(match written {
        PullRequestGrouping::Policy => Grouping::Policy,
        PullRequestGrouping::Bundle => Grouping::Bundle,
        PullRequestGrouping::Automation => Grouping::Automation,
        PullRequestGrouping::Other(word) => return Err(unknown("grouping", word)),
    })
}

fn rebuild(written: &PullRequestRebuild) -> Result<Rebuild, Outcome> {
    Ok(match written {
        PullRequestRebuild::Behind => Rebuild::Behind,
        PullRequestRebuild::Conflicting => Rebuild::Conflicting,
        PullRequestRebuild::Other(word) => return Err(unknown("rebuild", word)),
    })
}

fn auto_merge(written: &AutoMergeSpec) -> Result<Option<AutoMerge>, Outcome> {
    let after = written
        .after()
        .map_err(|error| invalid(format!("`spec.git.pullRequest.autoMerge.after`: {error}")))?;
    let checks = match &written.when {
        AutoMergeWhen::Never => return Ok(None),
        AutoMergeWhen::ChecksPass => true,
        AutoMergeWhen::After if after.is_none() => {
            return Err(invalid(
                "`spec.git.pullRequest.autoMerge.after` is needed with `when: after`",
            ));
        }
        AutoMergeWhen::After => false,
        AutoMergeWhen::Other(word) => return Err(unknown("autoMerge.when", word)),
    };
    let method = match &written.method {
        AutoMergeMethod::Merge => MergeMethod::Merge,
        AutoMergeMethod::Squash => MergeMethod::Squash,
        AutoMergeMethod::Rebase => MergeMethod::Rebase,
        AutoMergeMethod::Other(word) => return Err(unknown("autoMerge.method", word)),
    };
    Ok(Some(AutoMerge {
        checks,
        after: after.unwrap_or(Duration::ZERO),
        method,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::image_update_automation::{CommitVia, PushSpec};
    use serde_json::{Value, json};

    fn read(
        spec: Value,
        push: Option<PushSpec>,
        checkout: &CheckoutRef,
    ) -> Result<Settings, String> {
        let spec: PullRequestSpec = serde_json::from_value(spec).expect("it has the form");
        let git = GitSpec {
            push,
            ..GitSpec::default()
        };
        let url = "https://git.acme.dev/acme/fleet";
        settings(&git, &spec, url, checkout).map_err(|outcome| {
            assert!(matches!(outcome, Outcome::Stalled { .. }), "{outcome:?}");
            outcome.message().to_owned()
        })
    }

    fn main() -> CheckoutRef {
        CheckoutRef::Branch("main".to_owned())
    }

    #[test]
    fn the_base_is_what_is_checked_out_unless_it_is_named() {
        let base = |spec, checkout: &CheckoutRef| {
            read(spec, None, checkout).map(|settings| settings.base_branch)
        };
        let (tag, gitea) = (
            CheckoutRef::Tag("v1".to_owned()),
            json!({"provider": "gitea"}),
        );
        assert_eq!(base(gitea.clone(), &main()).as_deref(), Ok("main"));
        let named = json!({"provider": "gitea", "baseBranch": "next"});
        assert_eq!(base(named, &tag).as_deref(), Ok("next"));
        let missing = base(gitea, &tag).expect_err("a tag cannot be merged into");
        assert!(
            missing.starts_with("`spec.git.pullRequest.baseBranch` is needed"),
            "{missing}"
        );
    }

    #[test]
    fn what_makes_no_sense_stalls_with_the_field() {
        for (spec, words) in [
            (json!({}), "say in `provider`"),
            (
                json!({"provider": "sourceforge"}),
                "'sourceforge' in `spec.git.pullRequest.provider`",
            ),
            (
                json!({"provider": "gitea", "grouping": "x"}),
                "'x' in `spec.git.pullRequest.grouping`",
            ),
            (json!({"provider": "gitea", "apiURL": "no"}), "`apiURL`"),
            (
                json!({"provider": "gitea", "title": "{{"}),
                "`spec.git.pullRequest.title` is not a template",
            ),
            (
                json!({"provider": "gitea", "baseBranch": "a..b"}),
                "`a..b` is not a valid branch name",
            ),
            (
                json!({"provider": "gitea", "autoMerge": {"when": "after"}}),
                "autoMerge.after",
            ),
            (
                json!({"provider": "gitea", "autoMerge": {"when": "checksPass", "after": "x"}}),
                "autoMerge.after",
            ),
        ] {
            let message = read(spec.clone(), None, &main()).expect_err("it makes no sense");
            assert!(message.contains(words), "{spec}: {message}");
        }
        let push = PushSpec {
            branch: Some("updates".to_owned()),
            ..PushSpec::default()
        };
        let both = read(json!({"provider": "gitea"}), Some(push), &main());
        assert!(both.is_err_and(|message| message.contains("cannot be set together")));
    }

    #[test]
    fn what_would_do_nothing_is_refused() {
        let spec = serde_json::from_value(json!({"provider": "gitea"})).expect("it has the form");
        let refused = |git: &GitSpec| {
            let refused = settings(git, &spec, "https://git.acme.dev/acme/fleet", &main());
            let outcome = refused.expect_err("it would do nothing");
            outcome.message().to_owned()
        };
        let mut git = GitSpec::default();
        git.commit.via = CommitVia::GitHub;
        let message = refused(&git);
        assert!(
            message.starts_with("`spec.git.commit.via` and "),
            "{message}"
        );
        let mut git = GitSpec::default();
        git.commit.collect = Some("30s".to_owned());
        let message = refused(&git);
        assert!(
            message.starts_with("`spec.git.commit.collect`"),
            "{message}"
        );
    }

    #[test]
    fn the_login_of_git_goes_to_no_other_host() {
        let check = |spec: Value, url: &str| {
            let settings = read(spec, None, &main()).expect("it is whole");
            let url = crate::domain::redact::SafeUrl::parse(url).expect("a URL");
            let remote = Remote::new(&url).expect("a remote");
            let checked = check_login(&settings, "https://git.acme.dev/acme/fleet", &remote);
            checked.map_err(|outcome| outcome.message().to_owned())
        };
        let (own, bare) = (
            "https://bot:t@git.acme.dev/acme/fleet",
            "https://git.acme.dev/acme/fleet",
        );
        assert_eq!(check(json!({"provider": "gitea"}), own), Ok(()));
        let elsewhere = json!({"provider": "gitea", "apiURL": "https://evil.example/api/v1"});
        let refused = check(elsewhere.clone(), own).expect_err("it is another host");
        assert!(refused.contains("is on another host"), "{refused}");
        let mut named = elsewhere;
        named["secretRef"] = json!({"name": "forge"});
        assert_eq!(check(named, own), Ok(()));
        let none = check(json!({"provider": "gitea"}), bare).expect_err("there is no login");
        assert!(none.contains("spec.git.pullRequest.secretRef"), "{none}");
    }

    #[test]
    fn auto_merge_reads_as_a_rule() {
        let rule = |written| {
            let spec = json!({"provider": "gitea", "autoMerge": written});
            read(spec, None, &main())
                .expect("it is whole")
                .rules
                .auto_merge
        };
        assert_eq!(rule(json!({"when": "none", "after": "1h"})), None);
        let merge = |checks, hours: u64, method| {
            Some(AutoMerge {
                checks,
                after: Duration::from_secs(hours * 3600),
                method,
            })
        };
        assert_eq!(
            rule(json!({"when": "checksPass"})),
            merge(true, 0, MergeMethod::Merge)
        );
        assert_eq!(
            rule(json!({"when": "checksPass", "after": "2h", "method": "squash"})),
            merge(true, 2, MergeMethod::Squash)
        );
        assert_eq!(
            rule(json!({"when": "after", "after": "24h", "method": "rebase"})),
            merge(false, 24, MergeMethod::Rebase)
        );
    }
}
