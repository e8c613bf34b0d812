//! Which repository on which forge a Git URL means.
//!
//! Invariant: user information of the URL goes nowhere. What is absent: asking the host what it is; a
//! host that is not known by name has to be named.

use super::forge::{ForgeKind, Repository};
use thiserror::Error;
use url::Url;

/// The longest URL that is read, in bytes.
const LONGEST: usize = 4096;

/// Why a Git URL names no repository on a forge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForgeUrlError {
    /// It is no URL, or none that leads to a forge.
    #[error("the Git URL is neither of https, http, ssh nor `host:path`, so it leads to no forge")]
    NotAForge,
    /// The host says nothing about its kind.
    #[error(
        "`{host}` is not a forge that is known by name. hint: say in `provider` which one it is: github, gitlab, gitea, forgejo, bitbucket, bitbucketserver or azure"
    )]
    UnknownHost {
        /// The host.
        host: String,
    },
    /// The path names no repository there.
    #[error("the path of the Git URL names no repository on {forge}, such as `{example}`")]
    Path {
        /// The forge.
        forge: &'static str,
        /// What it should look like.
        example: &'static str,
    },
    /// The URL of the API is none.
    #[error("`apiURL` is not an https or http URL: {0}")]
    Api(String),
}

/// What a Git URL says, whichever way it is written.
struct Place {
    /// `https` or `http`: how the host's API is reached.
    scheme: &'static str,
    host: String,
    port: Option<u16>,
    over_ssh: bool,
    segments: Vec<String>,
}

/// The repository on a forge that a Git URL means: of https or http, of ssh, or written as `host:path`.
/// The host tells its kind where it is known; elsewhere `named` must. `api` is where the forge's API
/// begins, where that is another place than usual.
///
/// # Errors
/// [`ForgeUrlError`]
pub fn repository_of(
    git_url: &str,
    named: Option<ForgeKind>,
    api: Option<&str>,
) -> Result<Repository, ForgeUrlError> {
    let place = place(git_url).ok_or(ForgeUrlError::NotAForge)?;
    let kind = named
        .or_else(|| known_by_host(&place.host))
        .ok_or_else(|| ForgeUrlError::UnknownHost {
            host: place.host.clone(),
        })?;
    let api = api.map(api_url).transpose()?;
    let found = match kind {
        ForgeKind::GitHub | ForgeKind::BitbucketCloud => exactly_two(&place),
        ForgeKind::GitLab => gitlab(&place, api.as_ref()),
        ForgeKind::Gitea if place.over_ssh => exactly_two(&place),
        ForgeKind::Gitea => last_two(&place.segments),
        ForgeKind::BitbucketDataCenter => data_center(&place),
        ForgeKind::Azure => azure(&place),
    };
    let (context, path) = found.ok_or(ForgeUrlError::Path {
        forge: name(kind),
        example: example(kind),
    })?;
    let api = match api {
        Some(api) => api,
        None => default_api(kind, &place, &context)?,
    };
    Ok(Repository { kind, api, path })
}

/// Which forge a host is, by its name alone.
pub(super) fn known_by_host(host: &str) -> Option<ForgeKind> {
    match host {
        "github.com" | "www.github.com" | "ssh.github.com" => Some(ForgeKind::GitHub),
        "gitlab.com" | "altssh.gitlab.com" => Some(ForgeKind::GitLab),
        "codeberg.org" => Some(ForgeKind::Gitea),
        "bitbucket.org" | "altssh.bitbucket.org" => Some(ForgeKind::BitbucketCloud),
        "dev.azure.com" | "ssh.dev.azure.com" => Some(ForgeKind::Azure),
        _ if host.ends_with(".visualstudio.com") => Some(ForgeKind::Azure),
        _ if host.ends_with(".ghe.com") => Some(ForgeKind::GitHub),
        _ => None,
    }
}

fn name(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::GitHub => "GitHub",
        ForgeKind::GitLab => "GitLab",
        ForgeKind::Gitea => "Gitea",
        ForgeKind::BitbucketCloud => "Bitbucket Cloud",
        ForgeKind::BitbucketDataCenter => "Bitbucket Data Center",
        ForgeKind::Azure => "Azure DevOps",
    }
}

fn example(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::GitHub | ForgeKind::Gitea => "https://host/owner/name",
        ForgeKind::GitLab => "https://host/group/subgroup/name",
        ForgeKind::BitbucketCloud => "https://bitbucket.org/workspace/name",
        ForgeKind::BitbucketDataCenter => "https://host/scm/PROJECT/name.git",
        ForgeKind::Azure => "https://dev.azure.com/organization/project/_git/name",
    }
}

fn place(text: &str) -> Option<Place> {
    if text.len() > LONGEST {
        return None;
    }
    match text.contains("://") {
        true => written_as_url(&Url::parse(text).ok()?),
        false => written_as_scp(text),
    }
}

fn written_as_url(url: &Url) -> Option<Place> {
    let (scheme, over_ssh) = match url.scheme() {
        "https" => ("https", false),
        "http" => ("http", false),
        "ssh" | "git+ssh" | "ssh+git" => ("https", true),
        _ => return None,
    };
    Some(Place {
        scheme,
        host: host(url.host_str()?)?,
        // The port of ssh says nothing about where the API is.
        port: url.port().filter(|_| !over_ssh),
        over_ssh,
        segments: segments(url.path())?,
    })
}

/// `[user@]host:path`, as ssh programs write it.
fn written_as_scp(text: &str) -> Option<Place> {
    let (before, path) = text.split_once(':')?;
    // `user:password@host/path` and `ext::command` are something else.
    if path.starts_with(':')
        || path.contains(|letter: char| letter == '@' || letter.is_whitespace())
    {
        return None;
    }
    let named = before.rsplit_once('@').map_or(before, |(_, host)| host);
    Some(Place {
        scheme: "https",
        host: host(named)?,
        port: None,
        over_ssh: true,
        segments: segments(path)?,
    })
}

/// A host name or address, in small letters.
fn host(text: &str) -> Option<String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
    let fine = !text.is_empty() && text.chars().all(fits);
    fine.then(|| text.to_ascii_lowercase())
}

/// The parts of a path, decoded, without `.git` at its end.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(decoded)
        .collect::<Option<_>>()?;
    let usable = |part: &String| {
        !matches!(part.as_str(), "." | "..") && !part.contains(|c: char| c == '/' || c.is_control())
    };
    parts.iter().all(usable).then_some(parts)
}

/// A text with its `%41` read.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// What stands before the repository in the path, and the repository.
type Found = (Vec<String>, String);

fn exactly_two(place: &Place) -> Option<Found> {
    match place.segments.as_slice() {
        [_, _] => Some((Vec::new(), place.segments.join("/"))),
        _ => None,
    }
}

fn last_two(segments: &[String]) -> Option<Found> {
    let at = segments.len().checked_sub(2)?;
    let (context, path) = segments.split_at(at);
    Some((context.to_vec(), path.join("/")))
}

/// Groups lie in groups, so a prefix of the path is a place on the host only where the API's says so.
fn gitlab(place: &Place, api: Option<&Url>) -> Option<Found> {
    let under: Vec<String> = api
        .and_then(|api| segments(api.path().strip_suffix("/api/v4")?))
        .unwrap_or_default();
    let path = match place.segments.strip_prefix(under.as_slice()) {
        Some(path) if !place.over_ssh => path,
        _ => &place.segments,
    };
    (path.len() >= 2).then(|| (under, path.join("/")))
}

fn data_center(place: &Place) -> Option<Found> {
    let (mut context, path) = last_two(&place.segments)?;
    if place.over_ssh {
        return context.is_empty().then_some((context, path));
    }
    if context.last().is_some_and(|last| last == "scm") {
        context.pop();
    }
    Some((context, path))
}

fn azure(place: &Place) -> Option<Found> {
    let parts: Vec<&str> = place.segments.iter().map(String::as_str).collect();
    let joined = |parts: [&str; 3]| Some((Vec::new(), parts.join("/")));
    if place.over_ssh {
        return match parts.as_slice() {
            ["v3", organization, project, name] => joined([organization, project, name]),
            _ => None,
        };
    }
    if let Some(organization) = place.host.strip_suffix(".visualstudio.com") {
        let parts = match parts.as_slice() {
            [first, rest @ ..] if first.eq_ignore_ascii_case("DefaultCollection") => rest,
            all => all,
        };
        return match parts {
            [project, "_git", name] => joined([organization, project, name]),
            ["_git", name] => joined([organization, name, name]),
            _ => None,
        };
    }
    // A server of one's own has its collections below a path.
    let (before, project, name) = match parts.as_slice() {
        [before @ .., project, "_git", name] if !before.is_empty() => (before, *project, *name),
        [before @ .., "_git", name] => (before, *name, *name),
        _ => return None,
    };
    let (organization, context) = before.split_last()?;
    let context = context.iter().map(|part| (*part).to_owned()).collect();
    Some((context, [organization, project, name].join("/")))
}

fn api_url(text: &str) -> Result<Url, ForgeUrlError> {
    let refused = |reason: &str| ForgeUrlError::Api(reason.to_owned());
    let mut url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err(refused("the scheme is another"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it holds a login, which belongs in a Secret"));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn default_api(kind: ForgeKind, place: &Place, context: &[String]) -> Result<Url, ForgeUrlError> {
    let host = place.host.as_str();
    let known = known_by_host(host) == Some(kind);
    let fixed = match kind {
        ForgeKind::GitHub if known && !host.ends_with(".ghe.com") => Some("https://api.github.com"),
        ForgeKind::GitLab if known => Some("https://gitlab.com/api/v4"),
        ForgeKind::BitbucketCloud if known => Some("https://api.bitbucket.org/2.0"),
        ForgeKind::Azure if known => Some("https://dev.azure.com"),
        _ => None,
    };
    if let Some(fixed) = fixed {
        return api_url(fixed);
    }
    if kind == ForgeKind::GitHub && known {
        return api_url(&format!("https://api.{host}"));
    }
    let port = place.port.map(|port| format!(":{port}"));
    let mut url = api_url(&format!(
        "{}://{host}{}",
        place.scheme,
        port.unwrap_or_default()
    ))?;
    let below: &[&str] = match kind {
        ForgeKind::GitHub => &["api", "v3"],
        ForgeKind::GitLab => &["api", "v4"],
        ForgeKind::Gitea => &["api", "v1"],
        ForgeKind::BitbucketDataCenter => &["rest"],
        ForgeKind::BitbucketCloud | ForgeKind::Azure => &[],
    };
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(context).extend(below);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ForgeKind::{Azure, BitbucketCloud, BitbucketDataCenter, GitHub, GitLab, Gitea};
    use proptest::prelude::*;

    fn of(url: &str, named: Option<ForgeKind>, api: Option<&str>) -> (ForgeKind, String, String) {
        let found = repository_of(url, named, api).unwrap_or_else(|error| panic!("{url}: {error}"));
        let api = found.api.as_str().trim_end_matches('/').to_owned();
        (found.kind, api, found.path)
    }

    /// Hosts that are known: URL, kind, API, path.
    const KNOWN: [(&str, ForgeKind, &str, &str); 11] = [
        (
            "https://github.com/acme/fleet.git",
            GitHub,
            "https://api.github.com",
            "acme/fleet",
        ),
        (
            "git@github.com:acme/fleet.git",
            GitHub,
            "https://api.github.com",
            "acme/fleet",
        ),
        (
            "ssh://git@ssh.github.com:443/acme/fleet",
            GitHub,
            "https://api.github.com",
            "acme/fleet",
        ),
        (
            "https://acme.ghe.com/acme/fleet",
            GitHub,
            "https://api.acme.ghe.com",
            "acme/fleet",
        ),
        (
            "https://gitlab.com/acme/ops/fleet",
            GitLab,
            "https://gitlab.com/api/v4",
            "acme/ops/fleet",
        ),
        (
            "https://codeberg.org/acme/fleet/",
            Gitea,
            "https://codeberg.org/api/v1",
            "acme/fleet",
        ),
        (
            "https://bot:secret@bitbucket.org/acme/fleet.git",
            BitbucketCloud,
            "https://api.bitbucket.org/2.0",
            "acme/fleet",
        ),
        (
            "https://acme@dev.azure.com/acme/My%20Shop/_git/fleet",
            Azure,
            "https://dev.azure.com",
            "acme/My Shop/fleet",
        ),
        (
            "https://dev.azure.com/acme/_git/fleet",
            Azure,
            "https://dev.azure.com",
            "acme/fleet/fleet",
        ),
        (
            "git@ssh.dev.azure.com:v3/acme/shop/fleet",
            Azure,
            "https://dev.azure.com",
            "acme/shop/fleet",
        ),
        (
            "https://acme.visualstudio.com/DefaultCollection/shop/_git/fleet",
            Azure,
            "https://dev.azure.com",
            "acme/shop/fleet",
        ),
    ];

    #[test]
    fn a_host_that_is_known_needs_no_name() {
        for (url, kind, api, path) in KNOWN {
            assert_eq!(
                of(url, None, None),
                (kind, api.to_owned(), path.to_owned()),
                "{url}"
            );
        }
    }

    /// Other hosts: URL, kind, API as named, API, path.
    const NAMED: [(&str, ForgeKind, Option<&str>, &str, &str); 8] = [
        (
            "https://git.acme.dev:8443/acme/fleet",
            GitHub,
            None,
            "https://git.acme.dev:8443/api/v3",
            "acme/fleet",
        ),
        (
            "ssh://git@git.acme.dev:2222/a/b/fleet.git",
            GitLab,
            None,
            "https://git.acme.dev/api/v4",
            "a/b/fleet",
        ),
        (
            "https://acme.dev/gitlab/a/b/fleet",
            GitLab,
            Some("https://acme.dev/gitlab/api/v4/"),
            "https://acme.dev/gitlab/api/v4",
            "a/b/fleet",
        ),
        (
            "http://127.0.0.1:3000/acme/fleet.git",
            Gitea,
            None,
            "http://127.0.0.1:3000/api/v1",
            "acme/fleet",
        ),
        (
            "https://acme.dev/gitea/acme/fleet",
            Gitea,
            None,
            "https://acme.dev/gitea/api/v1",
            "acme/fleet",
        ),
        (
            "https://acme.dev/bb/scm/SHOP/fleet.git",
            BitbucketDataCenter,
            None,
            "https://acme.dev/bb/rest",
            "SHOP/fleet",
        ),
        (
            "ssh://git@acme.dev:7999/~jane/fleet.git",
            BitbucketDataCenter,
            None,
            "https://acme.dev/rest",
            "~jane/fleet",
        ),
        (
            "https://tfs.acme.dev/tfs/Main/shop/_git/fleet",
            Azure,
            None,
            "https://tfs.acme.dev/tfs",
            "Main/shop/fleet",
        ),
    ];

    #[test]
    fn another_host_is_what_it_is_named() {
        for (url, kind, api, expected, path) in NAMED {
            assert_eq!(
                of(url, Some(kind), api),
                (kind, expected.to_owned(), path.to_owned()),
                "{url}"
            );
        }
    }

    #[test]
    fn what_leads_to_no_repository_is_refused() {
        let unknown = repository_of("https://git.acme.dev/acme/fleet", None, None);
        assert!(
            matches!(&unknown, Err(ForgeUrlError::UnknownHost { host }) if host == "git.acme.dev")
        );
        for url in [
            "file:///srv/fleet",
            "fleet",
            "",
            "https://",
            "ext::sh -c x",
            "https://github.com/a%2/b",
        ] {
            assert_eq!(
                repository_of(url, Some(Gitea), None),
                Err(ForgeUrlError::NotAForge),
                "{url}"
            );
        }
        for (url, kind) in [
            ("https://github.com/acme", GitHub),
            ("https://github.com/acme/fleet/tree", GitHub),
            ("https://gitlab.com/acme", GitLab),
            ("git@ssh.dev.azure.com:acme/shop/fleet", Azure),
        ] {
            let refused = repository_of(url, None, None);
            assert!(
                matches!(refused, Err(ForgeUrlError::Path { .. })),
                "{url} {kind:?}"
            );
        }
        for api in ["ftp://a/b", "no", "https://user:secret@acme.dev/api/v1"] {
            let refused = repository_of("https://acme.dev/a/b", Some(Gitea), Some(api));
            let words = refused.expect_err("it is refused").to_string();
            assert!(
                words.starts_with("`apiURL` is not") && !words.contains("secret"),
                "{words}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_login_survives(url in "(https://|ssh://|)(bot:planted@)?[a-z.]{1,12}(:[0-9]{1,4})?[/:][\\PC]{0,40}") {
            for kind in [GitHub, GitLab, Gitea, BitbucketCloud, BitbucketDataCenter, Azure] {
                if let Ok(found) = repository_of(&url, Some(kind), None) {
                    prop_assert!(!found.api.as_str().contains("planted@"));
                    prop_assert!(found.path.split('/').all(|part| !part.is_empty() && part != ".."));
                }
            }
        }
    }
}
