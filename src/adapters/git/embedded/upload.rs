//! Answering fetches: protocol version 2, `ls-refs` and `fetch` (`gitprotocol-v2`).
//!
//! The repository is small, so an answer always holds the whole of what was asked for, whatever the
//! other side has already.

use super::{MOST_OBJECTS, RepositoryError, branches, packet};
use gix::protocol::transport::packetline::PacketLineRef;
use gix::{ObjectId, Repository};
use std::collections::BTreeSet;

/// What this side can do.
pub(super) fn capabilities() -> Vec<u8> {
    let mut out = Vec::new();
    packet::line(&mut out, "# service=git-upload-pack");
    packet::flush(&mut out);
    for text in [
        "version 2",
        "agent=highwater-demo",
        "ls-refs",
        "fetch=shallow",
        "object-format=sha1",
    ] {
        packet::line(&mut out, text);
    }
    packet::flush(&mut out);
    out
}

/// Carries out the command of one request.
pub(super) fn answer(repository: &Repository, mut body: &[u8]) -> Result<Vec<u8>, RepositoryError> {
    let mut command = String::new();
    let mut arguments = Vec::new();
    let mut behind = false;
    loop {
        let line = packet::next(&mut body)?;
        match (packet::text(&line), line) {
            (Some(text), _) if behind => arguments.push(text),
            (Some(text), _) => match text.strip_prefix("command=") {
                Some(name) => name.clone_into(&mut command),
                None => continue,
            },
            (None, PacketLineRef::Delimiter) => behind = true,
            (None, PacketLineRef::Flush) => break,
            (None, _) => return Err(RepositoryError::Malformed("a request")),
        }
    }
    match command.as_str() {
        "ls-refs" => references(repository, &arguments),
        "fetch" => fetch(repository, &arguments),
        _ => Err(RepositoryError::Malformed("a command")),
    }
}

fn references(repository: &Repository, arguments: &[&str]) -> Result<Vec<u8>, RepositoryError> {
    let prefixes: Vec<&str> = arguments
        .iter()
        .filter_map(|text| text.strip_prefix("ref-prefix "))
        .collect();
    let wanted =
        |name: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix));
    let mut out = Vec::new();
    if wanted("HEAD")
        && let Ok(head) = repository.head_id()
        && let Ok(Some(name)) = repository.head_name()
    {
        let target = match arguments.contains(&"symrefs") {
            true => format!(" symref-target:{}", name.as_bstr()),
            false => String::new(),
        };
        packet::line(&mut out, &format!("{head} HEAD{target}"));
    }
    for (name, id) in branches(repository)?
        .iter()
        .filter(|(name, _)| wanted(name))
    {
        packet::line(&mut out, &format!("{id} {name}"));
    }
    packet::flush(&mut out);
    Ok(out)
}

fn fetch(repository: &Repository, arguments: &[&str]) -> Result<Vec<u8>, RepositoryError> {
    let value = |name: &str| arguments.iter().find_map(|text| text.strip_prefix(name));
    let want = value("want ").and_then(|text| ObjectId::from_hex(text.as_bytes()).ok());
    let want = want.ok_or(RepositoryError::Malformed("what is wanted"))?;
    let depth = value("deepen ").map(|text| text.parse()).transpose();
    let depth = depth.map_err(|_| RepositoryError::Malformed("a depth"))?;
    if !branches(repository)?.iter().any(|(_, id)| *id == want) {
        let mut out = Vec::new();
        packet::line(&mut out, &format!("ERR upload-pack: not our ref {want}"));
        return Ok(out);
    }
    let found = reachable(repository, want, depth)?;
    let mut out = Vec::new();
    if !arguments.contains(&"done") {
        packet::line(&mut out, "acknowledgments");
        packet::line(&mut out, "NAK");
        packet::line(&mut out, "ready");
        packet::delimiter(&mut out);
    }
    if depth.is_some() {
        packet::line(&mut out, "shallow-info");
        for id in &found.cut {
            packet::line(&mut out, &format!("shallow {id}"));
        }
        packet::delimiter(&mut out);
    }
    packet::line(&mut out, "packfile");
    packet::band(&mut out, &pack(repository, &found.objects)?);
    packet::flush(&mut out);
    Ok(out)
}

/// What hangs on a commit.
#[derive(Debug, Default)]
pub(super) struct Reachable {
    objects: BTreeSet<ObjectId>,
    /// Commits whose parents were left out.
    cut: Vec<ObjectId>,
}

/// Everything that hangs on a commit, with `depth` commits in a row at most.
pub(super) fn reachable(
    repository: &Repository,
    commit: ObjectId,
    depth: Option<usize>,
) -> Result<Reachable, RepositoryError> {
    let failed = RepositoryError::failed("read a commit");
    let mut found = Reachable::default();
    let mut row = vec![commit];
    let mut level = 1;
    while !row.is_empty() {
        let mut parents = Vec::new();
        for id in row {
            if !found.objects.insert(id) {
                continue;
            }
            let commit = repository.find_commit(id).map_err(&failed)?;
            let tree = commit.tree_id().map_err(&failed)?.detach();
            add_tree(repository, tree, &mut found.objects)?;
            let before = parents.len();
            parents.extend(commit.parent_ids().map(gix::Id::detach));
            if depth == Some(level) && parents.len() > before {
                found.cut.push(id);
            }
        }
        row = if depth == Some(level) {
            Vec::new()
        } else {
            parents
        };
        level += 1;
    }
    Ok(found)
}

fn add_tree(
    repository: &Repository,
    root: ObjectId,
    objects: &mut BTreeSet<ObjectId>,
) -> Result<(), RepositoryError> {
    let failed = RepositoryError::failed("read a tree");
    let mut trees = vec![root];
    while let Some(id) = trees.pop() {
        if !objects.insert(id) {
            continue;
        }
        if objects.len() > MOST_OBJECTS {
            return Err(RepositoryError::TooMany);
        }
        let tree = repository.find_tree(id).map_err(&failed)?;
        for entry in tree.iter() {
            let entry = entry.map_err(&failed)?;
            let mode = entry.mode();
            if mode.is_tree() {
                trees.push(entry.object_id());
            } else if !mode.is_commit() {
                let blob = entry.object_id();
                if !repository.has_object(blob) {
                    let reason = format!("blob `{blob}` is missing");
                    return Err(RepositoryError::Failed {
                        action: "read a blob",
                        reason,
                    });
                }
                objects.insert(blob);
            }
        }
    }
    Ok(())
}

/// A pack of whole objects (`gitformat-pack`, version 2).
fn pack(repository: &Repository, objects: &BTreeSet<ObjectId>) -> Result<Vec<u8>, RepositoryError> {
    let failed = RepositoryError::failed("pack its objects");
    let found = objects
        .iter()
        .map(|id| repository.find_object(*id).map_err(&failed));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    let whole: Vec<_> = found
        .iter()
        .map(|object| (object.kind, object.data.as_slice()))
        .collect();
    super::super::pack::write(&whole).map_err(RepositoryError::failed("pack its objects"))
}
