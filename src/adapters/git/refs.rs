//! The references of a remote, and what a [`CheckoutRef`] means there.

use super::error::GitError;
use super::remote::Remote;
use super::session::Session;
use crate::domain::git_ref::{CheckoutRef, CommitId, Revision};
use crate::domain::version::{Version, VersionRange};
use gix::ObjectId;
use gix::protocol::handshake::Ref;
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::transport::Service;
use gix::protocol::{Handshake, LsRefsCommand};

/// One reference of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRef {
    /// The full name, such as `refs/tags/v1.0.0`.
    pub name: String,
    /// What it points to; for an annotated tag the object the tag is about.
    pub commit: CommitId,
}

/// What a reference to check out means right now.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) commit: CommitId,
    pub(super) revision: Revision,
}

/// Says hello for reading. Refuses object formats other than SHA-1.
pub(super) fn handshake(session: &mut Session, remote: &Remote) -> Result<Handshake, GitError> {
    let handshake = gix::protocol::handshake(
        &mut session.transport,
        Service::UploadPack,
        |_| Ok(None),
        Vec::new(),
        &mut gix::progress::Discard,
    )
    .map_err(|error| session.explain(&error))?;
    let format = handshake
        .capabilities
        .capability("object-format")
        .and_then(|capability| capability.value().map(ToString::to_string));
    match format {
        Some(format) if format != "sha1" => Err(GitError::UnsupportedObjectFormat {
            url: remote.url().clone(),
            format,
        }),
        _ => Ok(handshake),
    }
}

/// Lists the references whose names start with one of `prefixes`; all of them for no prefix.
pub(super) fn list(
    session: &mut Session,
    handshake: &Handshake,
    prefixes: &[String],
) -> Result<Vec<RemoteRef>, GitError> {
    let refs = match &handshake.refs {
        Some(refs) => refs.clone(),
        None => {
            let mut wanted = RefPrefixes::new();
            wanted.extend(prefixes.iter().map(|prefix| prefix.as_str().into()));
            LsRefsCommand::new(Some(wanted), &handshake.capabilities, agent())
                .invoke_blocking(&mut session.transport, &mut gix::progress::Discard, false)
                .map_err(|error| session.explain(&error))?
        }
    };
    let wanted =
        |name: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix));
    Ok(refs
        .iter()
        .filter_map(known)
        .filter(|found| wanted(&found.name))
        .collect())
}

fn known(found: &Ref) -> Option<RemoteRef> {
    let (name, target, peeled) = found.unpack();
    // For an annotated tag the first id is the tag object's, the second what it is about.
    let id = peeled.or(target)?;
    Some(RemoteRef {
        name: std::str::from_utf8(name).ok()?.to_owned(),
        commit: commit_id(id)?,
    })
}

pub(super) fn agent() -> (&'static str, Option<String>) {
    let version = concat!("highwater/", env!("CARGO_PKG_VERSION"));
    ("agent", Some(version.to_owned()))
}

pub(super) fn commit_id(id: &gix::oid) -> Option<CommitId> {
    id.as_bytes().try_into().ok().map(CommitId::from_bytes)
}

pub(super) fn object_id(commit: CommitId) -> ObjectId {
    ObjectId::Sha1(*commit.as_bytes())
}

/// Finds what each of `checkouts` means, in one listing. `None` for one that does not exist, which
/// is an error of the caller's choosing: see [`absent`].
pub(super) fn resolve(
    session: &mut Session,
    handshake: &Handshake,
    checkouts: &[&CheckoutRef],
) -> Result<Vec<Option<Resolved>>, GitError> {
    let prefixes: Vec<String> = checkouts
        .iter()
        .filter_map(|checkout| match checkout {
            CheckoutRef::SemVer(_) => Some("refs/tags/".to_owned()),
            _ => checkout.full_name(),
        })
        .collect();
    let refs = if prefixes.is_empty() {
        Vec::new()
    } else {
        list(session, handshake, &prefixes)?
    };
    Ok(checkouts
        .iter()
        .map(|checkout| meaning(checkout, &refs))
        .collect())
}

fn meaning(checkout: &CheckoutRef, refs: &[RemoteRef]) -> Option<Resolved> {
    let at = |commit| Resolved {
        commit,
        revision: checkout.revision(commit),
    };
    match checkout {
        CheckoutRef::Commit { commit, .. } => Some(at(*commit)),
        CheckoutRef::SemVer(range) => {
            let found = highest(range, refs)?;
            let name = found.name.strip_prefix("refs/tags/")?;
            Some(Resolved {
                commit: found.commit,
                revision: Revision::named(name, found.commit),
            })
        }
        _ => {
            let name = checkout.full_name()?;
            let found = refs.iter().find(|found| found.name == name)?;
            Some(at(found.commit))
        }
    }
}

/// The tag with the highest version in a range. Of equal versions the last name in byte order wins.
fn highest<'a>(range: &str, refs: &'a [RemoteRef]) -> Option<&'a RemoteRef> {
    let range = VersionRange::parse(range).ok()?;
    let versions = refs.iter().filter_map(|found| {
        let tag = found.name.strip_prefix("refs/tags/")?;
        let version = Version::parse_tag(tag).ok()?;
        range.contains(&version).then_some((version, found))
    });
    versions
        .max_by(|(a, first), (b, second)| {
            a.precedence(b).then_with(|| first.name.cmp(&second.name))
        })
        .map(|(_, found)| found)
}

/// The error for a reference that was not found: an empty repository says so.
pub(super) fn absent(
    session: &mut Session,
    handshake: &Handshake,
    remote: &Remote,
    checkout: &CheckoutRef,
) -> GitError {
    let url = remote.url().clone();
    match list(session, handshake, &[]) {
        Ok(refs) if refs.is_empty() => GitError::EmptyRepository { url },
        Ok(_) => GitError::RefNotFound {
            url,
            reference: checkout.to_string(),
        },
        Err(error) => error,
    }
}
