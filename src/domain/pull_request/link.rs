//! Links to where an image was built from.
//!
//! Invariant: what labels of an image say becomes a link only when it is an ordinary web address, so a
//! hostile image puts no script, no login and no Markdown into a pull request.

use super::address::{known_by_host, repository_of};
use super::forge::{ForgeKind, Repository};
use url::Url;

/// The longest address that is shown, in bytes.
const LONGEST: usize = 500;
/// The longest revision that is shown, in bytes.
const LONGEST_REVISION: usize = 100;

/// Where an image was built from, as its labels `org.opencontainers.image.source` and `.revision` say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The page of the repository, without a slash at its end.
    pub page: Url,
    /// The revision: a commit, mostly.
    pub revision: Option<String>,
}

impl Source {
    /// Reads the labels; `None` when the first is no web address.
    pub fn of(source: &str, revision: Option<&str>) -> Option<Self> {
        if source.len() > LONGEST {
            return None;
        }
        let mut page = Url::parse(source.trim()).ok()?;
        let web = matches!(page.scheme(), "https" | "http") && page.host_str().is_some();
        if !web || !page.username().is_empty() || page.password().is_some() {
            return None;
        }
        page.set_query(None);
        page.set_fragment(None);
        let path = page.path().trim_end_matches('/');
        let mut path = path.strip_suffix(".git").unwrap_or(path).to_owned();
        if known_by_host(page.host_str()?) == Some(ForgeKind::GitHub) {
            // Labels like to name a folder of the repository.
            path = path.split('/').take(3).collect::<Vec<_>>().join("/");
        }
        page.set_path(&path);
        let revision = revision.map(str::trim).filter(|text| is_revision(text));
        Some(Self {
            page,
            revision: revision.map(str::to_owned),
        })
    }

    /// The repository on the forge `ours` is on; `None` when it is elsewhere.
    pub fn on(&self, ours: &Repository) -> Option<Repository> {
        let there = repository_of(self.page.as_str(), Some(ours.kind), None).ok()?;
        // An API at a place of its own cannot be compared by its address.
        let same = there.api == ours.api
            || self.page.host_str() == ours.api.host_str() && self.kind().is_none();
        same.then(|| Repository {
            api: ours.api.clone(),
            ..there
        })
    }

    fn kind(&self) -> Option<ForgeKind> {
        self.page.host_str().and_then(known_by_host)
    }
}

fn is_revision(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    !text.is_empty()
        && text.len() <= LONGEST_REVISION
        && text.bytes().all(fits)
        && !text.contains("..")
        && !text.starts_with(['-', '.'])
}

/// The page that compares two revisions of one repository; `None` where the kind of its forge is not
/// known, or where there is nothing to compare. `ours` is the forge that the pull request is on.
pub fn compare_page(from: &Source, to: &Source, ours: &Repository) -> Option<Url> {
    let (old, new) = (from.revision.as_ref()?, to.revision.as_ref()?);
    if from.page != to.page || old == new {
        return None;
    }
    let kind = to
        .kind()
        .or_else(|| to.on(ours).map(|repository| repository.kind))?;
    let mut page = to.page.clone();
    let pair = format!("{old}...{new}");
    {
        let mut path = page.path_segments_mut().ok()?;
        match kind {
            ForgeKind::GitHub | ForgeKind::Gitea => path.extend(["compare", &pair]),
            ForgeKind::GitLab => path.extend(["-", "compare", &pair]),
            // Below, since a carriage return gets into a path only when it is written as such.
            ForgeKind::BitbucketCloud => path.extend(["branches", "compare"]),
            ForgeKind::Azure => path.extend(["branchCompare"]),
            ForgeKind::BitbucketDataCenter => path.extend(["compare", "commits"]),
        };
    }
    let query = match kind {
        ForgeKind::Azure => [
            ("baseVersion", format!("GC{old}")),
            ("targetVersion", format!("GC{new}")),
        ],
        ForgeKind::BitbucketDataCenter => {
            [("sourceBranch", new.clone()), ("targetBranch", old.clone())]
        }
        ForgeKind::BitbucketCloud => {
            let path = format!("{}/{new}%0D{old}", page.path());
            page.set_path(&path);
            return Some(page);
        }
        _ => return Some(page),
    };
    page.query_pairs_mut().extend_pairs(query);
    Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";

    fn pair(source: &str) -> (Source, Source) {
        let of = |revision| Source::of(source, Some(revision)).expect("it is a web address");
        (of(OLD), of(NEW))
    }

    fn gitea() -> Repository {
        let url = "https://git.acme.dev/acme/fleet";
        repository_of(url, Some(ForgeKind::Gitea), None).expect("it names a repository")
    }

    #[test]
    fn two_revisions_are_compared_where_their_forge_shows_it() {
        for (source, expected) in [
            (
                "https://github.com/acme/app",
                format!("https://github.com/acme/app/compare/{OLD}...{NEW}"),
            ),
            (
                "https://github.com/acme/app/tree/main/web",
                format!("https://github.com/acme/app/compare/{OLD}...{NEW}"),
            ),
            (
                "https://github.com/acme/app.git",
                format!("https://github.com/acme/app/compare/{OLD}...{NEW}"),
            ),
            (
                "https://gitlab.com/a/b/app",
                format!("https://gitlab.com/a/b/app/-/compare/{OLD}...{NEW}"),
            ),
            (
                "https://git.acme.dev/acme/app",
                format!("https://git.acme.dev/acme/app/compare/{OLD}...{NEW}"),
            ),
            (
                "https://bitbucket.org/acme/app",
                format!("https://bitbucket.org/acme/app/branches/compare/{NEW}%0D{OLD}"),
            ),
            (
                "https://dev.azure.com/o/p/_git/app",
                format!(
                    "https://dev.azure.com/o/p/_git/app/branchCompare?baseVersion=GC{OLD}&targetVersion=GC{NEW}"
                ),
            ),
        ] {
            let (from, to) = pair(source);
            let page = compare_page(&from, &to, &gitea()).map(String::from);
            assert_eq!(page, Some(expected));
        }
        let (from, to) = pair("https://unknown.example/acme/app");
        assert_eq!(compare_page(&from, &to, &gitea()), None);
        let (from, _) = pair("https://github.com/acme/app");
        assert_eq!(
            compare_page(&from, &from, &gitea()),
            None,
            "there is nothing to compare"
        );
    }

    #[test]
    fn what_is_no_ordinary_address_or_revision_is_left_out() {
        for source in [
            "javascript:alert(1)",
            "data:text/html,x",
            "https://bot:secret@github.com/a/b",
            "not a url",
            "file:///etc/passwd",
            &format!("https://github.com/{}", "a".repeat(600)),
        ] {
            assert_eq!(Source::of(source, None), None, "{source}");
        }
        for revision in ["../../x", "a b", "`x`", "", "-f", "a..b", &"1".repeat(101)] {
            let source = Source::of("https://github.com/a/b?x#y", Some(revision));
            let source = source.expect("the address is one");
            assert_eq!(
                (source.page.as_str(), source.revision),
                ("https://github.com/a/b", None)
            );
        }
    }

    #[test]
    fn a_source_on_the_same_forge_can_be_asked_there() {
        let (_, to) = pair("https://git.acme.dev/acme/app");
        let there = to.on(&gitea()).expect("it is on the same forge");
        assert_eq!(
            (there.path.as_str(), &there.api),
            ("acme/app", &gitea().api)
        );
        let (_, elsewhere) = pair("https://github.com/acme/app");
        assert_eq!(
            elsewhere.on(&gitea()),
            None,
            "a credential goes only to its own forge"
        );
    }
}
