//! Taking pushes: one branch, moved by compare-and-swap (`gitprotocol-pack`, "Pushing Data To a
//! Server").

use super::upload::reachable;
use super::{RepositoryError, branches, move_reference, packet};
use gix::odb::pack;
use gix::protocol::transport::packetline::PacketLineRef;
use gix::{ObjectId, Repository};
use std::sync::atomic::AtomicBool;

/// What there is, and what this side can do.
pub(super) fn advertisement(repository: &Repository) -> Result<Vec<u8>, RepositoryError> {
    let mut out = Vec::new();
    packet::line(&mut out, "# service=git-receive-pack");
    packet::flush(&mut out);
    let mut capabilities = "\0report-status ofs-delta object-format=sha1 agent=highwater-demo";
    let branches = branches(repository)?;
    if branches.is_empty() {
        let none = ObjectId::null(gix::hash::Kind::Sha1);
        packet::line(&mut out, &format!("{none} capabilities^{{}}{capabilities}"));
    }
    for (name, id) in branches {
        packet::line(&mut out, &format!("{id} {name}{capabilities}"));
        capabilities = "";
    }
    packet::flush(&mut out);
    Ok(out)
}

/// One branch from one value to another.
#[derive(Debug, PartialEq, Eq)]
struct Command<'a> {
    old: Option<ObjectId>,
    new: ObjectId,
    reference: &'a str,
}

/// Carries out a push and reports.
pub(super) fn answer(repository: &Repository, mut body: &[u8]) -> Result<Vec<u8>, RepositoryError> {
    let first = packet::next(&mut body)?;
    let command = packet::text(&first).and_then(parse);
    let command = command.ok_or(RepositoryError::Malformed("a command"))?;
    if packet::next(&mut body)? != PacketLineRef::Flush {
        return Err(RepositoryError::Malformed("a push of more than one branch"));
    }
    let mut out = Vec::new();
    match unpack(repository, body) {
        Ok(()) => packet::line(&mut out, "unpack ok"),
        Err(error) => packet::line(&mut out, &format!("unpack {error}")),
    }
    let moved = reachable(repository, command.new, Some(1))
        .and_then(|_| move_reference(repository, command.reference, command.old, command.new));
    let verdict = match moved {
        Ok(()) => format!("ok {}", command.reference),
        Err(error) => format!("ng {} failed to update ref: {error}", command.reference),
    };
    packet::line(&mut out, &verdict);
    packet::flush(&mut out);
    Ok(out)
}

/// `<old> <new> <reference>`, and capabilities behind a zero byte.
fn parse(line: &str) -> Option<Command<'_>> {
    let command = line.split('\0').next()?;
    let mut parts = command.splitn(3, ' ');
    let mut id = || ObjectId::from_hex(parts.next()?.as_bytes()).ok();
    let (old, new) = (id()?, id()?);
    let reference = parts
        .next()
        .filter(|name| name.starts_with("refs/heads/"))?;
    let old = (!old.is_null()).then_some(old);
    (!new.is_null()).then_some(Command {
        old,
        new,
        reference,
    })
}

fn unpack(repository: &Repository, mut bytes: &[u8]) -> Result<(), RepositoryError> {
    let failed = RepositoryError::failed("unpack");
    let folder = repository.objects.store_ref().path().join("pack");
    let options = pack::bundle::write::Options {
        thread_limit: Some(1),
        alloc_limit_bytes: Some(super::serve::LARGEST),
        ..pack::bundle::write::Options::default()
    };
    let outcome = pack::Bundle::write_to_directory(
        &mut bytes,
        Some(&folder),
        &mut gix::progress::Discard,
        &AtomicBool::new(false),
        Some(&repository.objects),
        gix::hash::Kind::Sha1,
        options,
    );
    if let Some(keep) = outcome.map_err(failed)?.keep_path {
        // It protects the pack until a branch needs it, which is in a moment.
        let _ = std::fs::remove_file(keep);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn a_command_names_a_branch_and_both_its_values() {
        let line = format!("{ZERO} {A} refs/heads/main\0 report-status");
        let command = parse(&line).expect("a command");
        assert_eq!((command.old, command.reference), (None, "refs/heads/main"));
        assert_eq!(command.new.to_string(), A);
    }

    #[test]
    fn deleting_tagging_and_nonsense_are_no_commands() {
        for line in [
            format!("{A} {ZERO} refs/heads/main"),
            format!("{ZERO} {A} refs/tags/v1"),
            format!("{ZERO} {A}"),
            "x y refs/heads/main".to_owned(),
            String::new(),
        ] {
            assert_eq!(parse(&line), None, "{line}");
        }
    }
}
