//! Remote bases of a build: repositories over the Git engine, files over HTTP.
//!
//! Nobody's credentials are sent but those that stand in a URL itself, and over ssh the keys of whoever
//! runs a command by hand. Invariant: each fetch is
//! bounded in time and bytes, and so is the time of a whole build. What is absent: reading URLs,
//! and which entries are remote; the build knows that.

mod files;
mod submodules;

use super::error::GitError;
use super::session::Deadline;
use super::{Auth, GitCache, Remote, Snapshot, SshLogin};
use crate::domain::git_ref::{CheckoutRef, check_ref_name};
use crate::domain::kustomize::remote::{RemoteError, Remotes, RepositoryUrl};
use crate::domain::outcome::with_causes;
use crate::domain::redact::SafeUrl;
use crate::domain::tree::FileTree;
use files::Files;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;

/// The longest that everything one build fetches may take.
const LONGEST: Duration = Duration::from_secs(600);

/// How much may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteLimits {
    /// The most bytes of a file, unpacked.
    pub file: u64,
    /// The most bytes of what a server sends for one repository.
    pub repository: u64,
    /// The longest that one file may travel.
    pub file_time: Duration,
}

impl Default for RemoteLimits {
    /// 16 MiB for a file, 512 MiB for a repository, 27 s.
    fn default() -> Self {
        Self {
            file: 16 << 20,
            repository: 512 << 20,
            file_time: Duration::from_secs(27),
        }
    }
}

/// Where remote bases come from. Clones share what was fetched.
#[derive(Clone, Debug)]
pub struct RemoteBases {
    shared: Arc<Shared>,
    limits: RemoteLimits,
    local: bool,
}

#[derive(Debug, Default)]
struct Shared {
    /// The objects, and the folder that goes with them when it is a temporary one.
    cache: OnceLock<Result<(GitCache, Option<TempDir>), RemoteError>>,
    files: Files,
    /// The keys of whoever runs the command.
    login: OnceLock<Result<SshLogin, RemoteError>>,
}

impl RemoteBases {
    /// Keeps repositories in `cache`. Those of this machine (`file:`) are refused.
    pub fn new(cache: GitCache) -> Self {
        Self {
            shared: Arc::new(Shared {
                cache: OnceLock::from(Ok((cache, None))),
                ..Shared::default()
            }),
            limits: RemoteLimits::default(),
            local: false,
        }
    }

    /// For a command that somebody runs by hand: keeps repositories in a temporary folder, made when
    /// the first one is fetched, and reads those of this machine too.
    pub fn by_hand() -> Self {
        Self {
            shared: Arc::default(),
            limits: RemoteLimits::default(),
            local: true,
        }
    }

    /// Fetches no more than this.
    #[must_use]
    pub fn with_limits(mut self, limits: RemoteLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What one build may fetch, which together may take `time` from now, at most ten minutes.
    pub fn for_build(&self, time: Duration) -> BuildRemotes {
        BuildRemotes {
            bases: self.clone(),
            deadline: Deadline::after(time.min(LONGEST)),
        }
    }

    fn login(&self) -> Result<SshLogin, RemoteError> {
        let read = || {
            let home = std::env::var_os("HOME").unwrap_or_default();
            SshLogin::of_person(Path::new(&home)).map_err(failed)
        };
        self.shared.login.get_or_init(read).clone()
    }

    fn cache(&self) -> Result<&GitCache, RemoteError> {
        let opened = self.shared.cache.get_or_init(|| {
            let folder = tempfile::tempdir().map_err(failed)?;
            let cache = GitCache::open(folder.path()).map_err(failed)?;
            Ok((cache, Some(folder)))
        });
        match opened {
            Ok((cache, _)) => Ok(cache),
            Err(error) => Err(error.clone()),
        }
    }
}

/// What one build fetches.
#[derive(Clone, Debug)]
pub struct BuildRemotes {
    bases: RemoteBases,
    deadline: Deadline,
}

impl BuildRemotes {
    /// The time for something that may take `longest`.
    fn time(&self, longest: Duration) -> Result<Duration, RemoteError> {
        let over = || RemoteError::Failed("the time for fetching remote bases is over".to_owned());
        self.deadline
            .left()
            .map(|left| left.min(longest))
            .ok_or_else(over)
    }

    fn remote(&self, repository: &RepositoryUrl) -> Result<Remote, RemoteError> {
        if repository.is_local() && !self.bases.local {
            let words = "repositories of this machine are not read here; hint: use `https`";
            return Err(RemoteError::Failed(words.to_owned()));
        }
        let clone_url = &repository.clone_url;
        let mut remote = match clone_url.contains("://") {
            false => Remote::scp(clone_url).map_err(failed)?,
            true => Remote::new(&SafeUrl::parse(clone_url).map_err(failed)?).map_err(failed)?,
        };
        if remote.is_ssh() {
            if !self.bases.local {
                return Err(RemoteError::Failed(no_key(&remote)));
            }
            remote = remote.with_auth(Auth::Ssh(self.bases.login()?));
        }
        Ok(remote
            .with_timeout(self.time(repository.timeout)?)
            .with_limit(self.bases.limits.repository))
    }

    fn snapshot(&self, repository: &RepositoryUrl) -> Result<Snapshot, RemoteError> {
        let remote = self.remote(repository)?;
        let cache = self.bases.cache()?;
        let wanted = meanings(repository.reference.as_deref())?;
        let wanted: Vec<&CheckoutRef> = wanted.iter().collect();
        match (cache.fetch_first(&remote, &wanted), &repository.reference) {
            (Ok(first), _) => Ok(first.fetched.snapshot),
            (Err(GitError::RefNotFound { url, .. }), Some(name)) => {
                Err(failed(GitError::RefNotFound {
                    url,
                    reference: format!("reference `{name}`"),
                }))
            }
            (Err(error), _) => Err(failed(error)),
        }
    }
}

impl Remotes for BuildRemotes {
    fn tree(&self, repository: &RepositoryUrl) -> Result<Arc<dyn FileTree>, RemoteError> {
        let snapshot = self.snapshot(repository)?;
        match repository.submodules {
            true => self.complete(snapshot, repository),
            false => Ok(Arc::new(snapshot)),
        }
    }

    fn file(&self, url: &str) -> Result<Vec<u8>, RemoteError> {
        let RemoteLimits {
            file, file_time, ..
        } = self.bases.limits;
        let deadline = Deadline::after(self.time(file_time)?);
        self.bases.shared.files.get(url, &deadline, file)
    }
}

/// What a name may mean, in the order in which `git fetch` tries.
fn meanings(name: Option<&str>) -> Result<Vec<CheckoutRef>, RemoteError> {
    let Some(name) = name else {
        return Ok(vec![CheckoutRef::Name("HEAD".to_owned())]);
    };
    if let Ok(commit) = name.parse() {
        let branch = None;
        return Ok(vec![CheckoutRef::Commit { commit, branch }]);
    }
    check_ref_name(&format!("refs/heads/{name}")).map_err(failed)?;
    if name.starts_with('-') {
        let words = format!("`{name}` is not a reference name: it starts with `-`");
        return Err(RemoteError::Failed(words));
    }
    Ok(vec![
        CheckoutRef::Name(name.to_owned()),
        CheckoutRef::Name(format!("refs/{name}")),
        CheckoutRef::Tag(name.to_owned()),
        CheckoutRef::Branch(name.to_owned()),
        CheckoutRef::Name(format!("refs/remotes/{name}")),
        CheckoutRef::Name(format!("refs/remotes/{name}/HEAD")),
    ])
}

/// Why ssh is of no use where nobody's keys are.
fn no_key(remote: &Remote) -> String {
    let url = remote.url().as_url();
    let place = format!("{}{}", url.host_str().unwrap_or_default(), url.path());
    format!("there is no key for ssh here; hint: write `https://{place}`")
}

fn failed(error: impl std::error::Error) -> RemoteError {
    RemoteError::Failed(with_causes(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(entry: &str, bases: &RemoteBases) -> Result<Remote, String> {
        let repository = RepositoryUrl::parse(entry).expect("a repository");
        let build = bases.for_build(Duration::from_secs(60));
        build.remote(&repository).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_means_what_git_fetch_takes_it_for() {
        let names = |name: &str| -> Vec<String> {
            let meanings = meanings(Some(name)).expect("a name");
            meanings.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            names("v1")[..4],
            [
                "reference `v1`",
                "reference `refs/v1`",
                "tag `v1`",
                "branch `v1`"
            ]
        );
        let commit = "0123456789012345678901234567890123456789";
        assert_eq!(names(commit), [format!("commit `{commit}`")]);
        for refused in ["--upload-pack=x", "a b", "a:b", "refs/heads/*", "^v1"] {
            assert!(meanings(Some(refused)).is_err(), "{refused}");
        }
    }

    #[test]
    fn ssh_is_refused_with_what_is_spoken_where_nobodys_keys_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let bases = RemoteBases::new(GitCache::open(folder.path()).expect("a cache"));
        for entry in ["ssh://git@host/o/r//a", "git@host:o/r.git"] {
            let error = remote(entry, &bases).expect_err("there is no key");
            assert!(
                error.starts_with("there is no key for ssh here; hint: write `https://host/o/r"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_time_of_a_fetch_is_the_shorter_of_its_own_and_the_builds() {
        let bases = RemoteBases::by_hand();
        let short = remote("https://host/o/r?timeout=5", &bases).expect("a remote");
        assert_eq!(short.timeout, Duration::from_secs(5));
        let long = remote("https://host/o/r?timeout=5h", &bases).expect("a remote");
        assert!(long.timeout <= Duration::from_secs(60));
        let build = bases.for_build(Duration::ZERO);
        let over = build
            .file("https://host/x.yaml")
            .map_err(|error| error.to_string());
        assert_eq!(
            over,
            Err("the time for fetching remote bases is over".to_owned())
        );
    }

    #[test]
    fn repositories_of_this_machine_are_only_for_who_sits_at_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = GitCache::open(folder.path()).expect("a cache");
        let error = remote("file:///srv/o/r", &RemoteBases::new(cache)).expect_err("refused");
        assert!(error.contains("this machine"), "{error}");
        assert!(remote("file:///srv/o/r", &RemoteBases::by_hand()).is_ok());
    }
}
