//! Git names as values: commit ids, references to check out, revisions.
//!
//! Invariant: a [`CheckoutRef`] holds names that Git accepts, so they can travel in a protocol line
//! without quoting. What is absent: asking a server what a name means.

use super::version::{RangeError, VersionRange};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The branch that is checked out when nothing else is named.
pub const DEFAULT_BRANCH: &str = "master";

/// Why a name, commit id or revision is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GitRefError {
    /// The range of versions is none.
    #[error("invalid semver range: {0}")]
    Range(#[from] RangeError),
    /// The text is no commit id.
    #[error("`{0}` is not a commit id of 40 hexadecimal digits")]
    CommitId(String),
    /// The name is one that Git refuses.
    #[error("`{name}` is not a valid {what}: {reason}")]
    Name {
        /// `branch name`, `tag name` or `reference name`.
        what: &'static str,
        /// The name as given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The text is no revision.
    #[error("`{0}` is not a revision of the form `name@sha1:commit`")]
    Revision(String),
}

/// The id of a commit: a SHA-1 of 20 bytes, printed as 40 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId([u8; 20]);

impl CommitId {
    /// Wraps the 20 bytes of an id.
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The first eight digits, as logs and tables show it.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for CommitId {
    type Err = GitRefError;

    fn from_str(text: &str) -> Result<Self, GitRefError> {
        let refused = || GitRefError::CommitId(text.to_owned());
        let digits = text.as_bytes();
        if digits.len() != 40 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(refused());
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| refused())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| refused())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for CommitId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CommitId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The `ref` of a GitRepository as written. An empty text counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitReference {
    /// A branch name.
    pub branch: Option<String>,
    /// A tag name.
    pub tag: Option<String>,
    /// A constraint on tags that are semantic versions.
    pub semver: Option<String>,
    /// A full reference name, such as `refs/pull/1/head`.
    pub name: Option<String>,
    /// A commit id.
    pub commit: Option<String>,
}

/// What to check out, one thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CheckoutRef {
    /// The head of a branch.
    Branch(String),
    /// A tag, peeled.
    Tag(String),
    /// The highest tag that satisfies a constraint.
    SemVer(String),
    /// A full reference name.
    Name(String),
    /// One commit.
    Commit {
        /// Its id.
        commit: CommitId,
        /// The branch it is said to be on; the place to look when a server refuses bare commits.
        branch: Option<String>,
    },
}

impl GitReference {
    /// Decides what is checked out: `commit`, else `name`, else `semver`, else `tag`, else
    /// `branch`, else the branch `master` (the order Flux documents).
    ///
    /// # Errors
    /// [`GitRefError`] when the deciding field holds no valid id or name.
    pub fn checkout(&self) -> Result<CheckoutRef, GitRefError> {
        let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        let branch = given(&self.branch);
        if let Some(branch) = &branch {
            check_branch_name(branch)?;
        }
        if let Some(commit) = given(&self.commit) {
            let commit = commit.parse()?;
            return Ok(CheckoutRef::Commit { commit, branch });
        }
        if let Some(name) = given(&self.name) {
            check_ref_name(&name)?;
            return Ok(CheckoutRef::Name(name));
        }
        if let Some(range) = given(&self.semver) {
            VersionRange::parse(&range)?;
            return Ok(CheckoutRef::SemVer(range));
        }
        if let Some(tag) = given(&self.tag) {
            check(&tag, "tag name", false)?;
            return Ok(CheckoutRef::Tag(tag));
        }
        Ok(CheckoutRef::Branch(
            branch.unwrap_or_else(|| DEFAULT_BRANCH.to_owned()),
        ))
    }
}

impl CheckoutRef {
    /// The branch that commits would go to, if the reference names one.
    pub fn branch(&self) -> Option<&str> {
        match self {
            Self::Branch(branch) => Some(branch),
            Self::Commit { branch, .. } => branch.as_deref(),
            Self::Name(name) => name.strip_prefix("refs/heads/"),
            Self::Tag(_) | Self::SemVer(_) => None,
        }
    }

    /// The full name on the server, when it is known before asking.
    pub fn full_name(&self) -> Option<String> {
        match self {
            Self::Branch(branch) => Some(format!("refs/heads/{branch}")),
            Self::Tag(tag) => Some(format!("refs/tags/{tag}")),
            Self::Name(name) => Some(name.clone()),
            Self::SemVer(_) | Self::Commit { .. } => None,
        }
    }

    /// The revision that `commit`, found under this reference, is reported as. For a semantic
    /// version range the name of the tag is needed: see [`Revision::named`].
    pub fn revision(&self, commit: CommitId) -> Revision {
        let name = match self {
            Self::Branch(name) | Self::Tag(name) | Self::Name(name) => Some(name.clone()),
            Self::Commit { branch, .. } => branch.clone(),
            Self::SemVer(_) => None,
        };
        Revision { name, commit }
    }
}

impl fmt::Display for CheckoutRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(formatter, "branch `{name}`"),
            Self::Tag(name) => write!(formatter, "tag `{name}`"),
            Self::SemVer(range) => write!(formatter, "semver range `{range}`"),
            Self::Name(name) => write!(formatter, "reference `{name}`"),
            Self::Commit { commit, .. } => write!(formatter, "commit `{commit}`"),
        }
    }
}

/// A commit and the name it was found under: `main@sha1:<hex>`, `refs/pull/1/head@sha1:<hex>` or
/// `sha1:<hex>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    /// The short name of a branch or tag, or a full reference name.
    pub name: Option<String>,
    /// The commit.
    pub commit: CommitId,
}

impl Revision {
    /// A revision under a name.
    pub fn named(name: &str, commit: CommitId) -> Self {
        Self {
            name: Some(name.to_owned()),
            commit,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(formatter, "{name}@sha1:{}", self.commit),
            None => write!(formatter, "sha1:{}", self.commit),
        }
    }
}

impl FromStr for Revision {
    type Err = GitRefError;

    fn from_str(text: &str) -> Result<Self, GitRefError> {
        let refused = || GitRefError::Revision(text.to_owned());
        let (name, digest) = match text.rsplit_once('@') {
            Some((name, digest)) => (Some(name), digest),
            None => (None, text),
        };
        if name == Some("") {
            return Err(refused());
        }
        let commit = digest.strip_prefix("sha1:").ok_or_else(refused)?;
        Ok(Self {
            name: name.map(str::to_owned),
            commit: commit.parse().map_err(|_| refused())?,
        })
    }
}

/// Checks a branch name without `refs/heads/`, as `git check-ref-format --branch` does.
///
/// # Errors
/// [`GitRefError::Name`] with the rule that is broken.
pub fn check_branch_name(name: &str) -> Result<(), GitRefError> {
    let what = "branch name";
    if name.starts_with('-') {
        return Err(refuse(name, what, "it starts with `-`"));
    }
    if name == "HEAD" {
        return Err(refuse(name, what, "`HEAD` is no branch"));
    }
    check(name, what, false)
}

/// Checks a full reference name such as `refs/heads/main`, as `git check-ref-format` does.
///
/// # Errors
/// [`GitRefError::Name`] with the rule that is broken.
pub fn check_ref_name(name: &str) -> Result<(), GitRefError> {
    if name == "HEAD" {
        return Ok(());
    }
    check(name, "reference name", true)
}

fn refuse(name: &str, what: &'static str, reason: &'static str) -> GitRefError {
    GitRefError::Name {
        what,
        name: name.to_owned(),
        reason,
    }
}

fn check(name: &str, what: &'static str, full: bool) -> Result<(), GitRefError> {
    match broken_rule(name, full) {
        Some(reason) => Err(refuse(name, what, reason)),
        None => Ok(()),
    }
}

/// The first rule of `git help check-ref-format` that a name breaks.
fn broken_rule(name: &str, full: bool) -> Option<&'static str> {
    let special = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > 255 {
        return Some("it is longer than 255 bytes");
    }
    if full && !name.contains('/') {
        return Some("it has no `/`; write for example `refs/heads/main`");
    }
    if name.split('/').any(str::is_empty) {
        return Some("it starts or ends with `/`, or has `//`");
    }
    if name.split('/').any(|part| part.starts_with('.')) {
        return Some("a part starts with `.`");
    }
    if name.split('/').any(|part| part.ends_with(".lock")) {
        return Some("a part ends with `.lock`");
    }
    if name.contains(special) {
        return Some("it has a space, a control character or one of `~^:?*[\\`");
    }
    if name.contains("..") || name.contains("@{") || name.ends_with('.') || name == "@" {
        return Some("it has `..` or `@{`, ends with `.`, or is `@`");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

    fn commit() -> CommitId {
        HEX.parse().expect("forty digits")
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_semver_range_that_is_none_is_refused() {
        let reference = GitReference {
            semver: Some("not a range".to_owned()),
            ..GitReference::default()
        };
        assert!(matches!(reference.checkout(), Err(GitRefError::Range(_))));
    }

    #[test]
    fn the_most_precise_field_decides() {
        let mut reference = GitReference {
            branch: some("main"),
            tag: some("v1"),
            semver: some(">=1"),
            name: some("refs/pull/1/head"),
            commit: some(HEX),
        };
        let expected = CheckoutRef::Commit {
            commit: commit(),
            branch: some("main"),
        };
        assert_eq!(reference.checkout(), Ok(expected));
        reference.commit = some("");
        let expected = CheckoutRef::Name("refs/pull/1/head".to_owned());
        assert_eq!(reference.checkout(), Ok(expected));
        reference.name = None;
        let expected = CheckoutRef::SemVer(">=1".to_owned());
        assert_eq!(reference.checkout(), Ok(expected));
        reference.semver = None;
        assert_eq!(reference.checkout(), Ok(CheckoutRef::Tag("v1".to_owned())));
        reference.tag = None;
        let expected = CheckoutRef::Branch("main".to_owned());
        assert_eq!(reference.checkout(), Ok(expected));
        reference.branch = None;
        let expected = CheckoutRef::Branch("master".to_owned());
        assert_eq!(reference.checkout(), Ok(expected));
    }

    #[test]
    fn a_short_or_foreign_commit_id_is_refused() {
        for text in [
            "abc",
            "",
            &HEX[1..],
            &format!("{HEX}0"),
            &"g".repeat(40),
            &"é".repeat(20),
        ] {
            assert_eq!(
                text.parse::<CommitId>(),
                Err(GitRefError::CommitId(text.to_owned()))
            );
        }
        let upper: CommitId = HEX.to_uppercase().parse().expect("digits of either case");
        assert_eq!(upper, commit());
        assert_eq!(upper.to_string(), HEX);
        assert_eq!(upper.short(), "01234567");
    }

    #[test]
    fn a_commit_id_survives_json() {
        let text = serde_json::to_string(&commit()).expect("ids serialize");
        assert_eq!(text, format!("\"{HEX}\""));
        assert_eq!(serde_json::from_str::<CommitId>(&text).ok(), Some(commit()));
        assert!(serde_json::from_str::<CommitId>("\"12\"").is_err());
    }

    #[test]
    fn revisions_print_and_parse_as_flux_writes_them() {
        let branch = CheckoutRef::Branch("feature/x@y".to_owned());
        let named = CheckoutRef::Name("refs/heads/main".to_owned());
        let bare = CheckoutRef::Commit {
            commit: commit(),
            branch: None,
        };
        for (checkout, text) in [
            (branch, format!("feature/x@y@sha1:{HEX}")),
            (named, format!("refs/heads/main@sha1:{HEX}")),
            (bare, format!("sha1:{HEX}")),
        ] {
            let revision = checkout.revision(commit());
            assert_eq!(revision.to_string(), text);
            assert_eq!(text.parse(), Ok(revision));
        }
    }

    #[test]
    fn text_that_is_no_revision_is_refused() {
        for text in [
            "",
            "main",
            "@",
            "main@sha1:12",
            HEX,
            &format!("@sha1:{HEX}"),
            &format!("main@sha256:{HEX}"),
        ] {
            assert_eq!(
                text.parse::<Revision>(),
                Err(GitRefError::Revision(text.to_owned()))
            );
        }
    }

    #[test]
    fn a_branch_is_known_for_branches_and_branch_names_only() {
        let names = [
            (CheckoutRef::Branch("a".to_owned()), Some("a")),
            (CheckoutRef::Name("refs/heads/b/c".to_owned()), Some("b/c")),
            (CheckoutRef::Name("refs/tags/v1".to_owned()), None),
            (CheckoutRef::Tag("v1".to_owned()), None),
            (CheckoutRef::SemVer("*".to_owned()), None),
        ];
        for (checkout, branch) in names {
            assert_eq!(checkout.branch(), branch, "{checkout}");
        }
    }

    #[test]
    fn names_that_git_refuses_are_refused_with_a_reason() {
        for name in [
            "", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a b", "a~1", "a^", "a:b",
            "a?", "a*", "a[b", "a\\b", "a..b", "a@{1}", "a.", "@", "a\u{7f}", "a\nb", "-a", "HEAD",
        ] {
            assert!(check_branch_name(name).is_err(), "`{name}` is accepted");
        }
        for name in [
            "main",
            "feature/x",
            "a@b",
            "ä",
            "v1.2.3",
            "a-b_c",
            "refs/heads/x",
        ] {
            assert_eq!(check_branch_name(name), Ok(()));
        }
        assert!(check_ref_name("main").is_err());
        assert_eq!(check_ref_name("refs/heads/main"), Ok(()));
        assert_eq!(check_ref_name("HEAD"), Ok(()));
        let message = check_branch_name("a b").map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err("`a b` is not a valid branch name: it has a space, a control character or one of `~^:?*[\\`".to_owned())
        );
    }
}
