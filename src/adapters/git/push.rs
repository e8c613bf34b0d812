//! Sending commits: a send-pack with compare-and-swap, on `gix`'s transport.
//!
//! The request names the value that the remote reference must still have; the server checks it
//! under its own lock. Invariant: without [`Force::Allowed`] a reference only moves from the value
//! the new commit was built on. Protocol: `gitprotocol-pack`, "Reference Discovery" and on.

use super::cache::GitCache;
use super::error::{GitError, PushError, quoted};
use super::pack;
use super::refs::object_id;
use super::remote::Remote;
use super::session::Session;
use super::snapshot::Snapshot;
use crate::domain::git_ref::{CommitId, check_ref_name};
use gix::ObjectId;
use gix::protocol::transport::client::blocking_io::{ReadlineBufRead, Transport};
use gix::protocol::transport::client::{Capabilities, MessageKind, WriteMode};
use gix::protocol::transport::{Protocol, Service};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::atomic::AtomicBool;

/// Whether a reference may move to a commit that does not follow its present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// No: what is not a fast-forward is a lost race.
    Never,
    /// Yes, from whatever value it has when the push starts. For branches nobody shares.
    Allowed,
}

/// What to push where.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    /// The full name of the remote reference, such as `refs/heads/main`.
    pub reference: &'a str,
    /// The value the reference must have; `None` when it must not exist.
    pub expected: Option<CommitId>,
    /// Whether another value is overwritten.
    pub force: Force,
    /// Push options, sent as `key=value` when the server takes them.
    pub options: &'a BTreeMap<String, String>,
}

/// A push that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The new value of the reference.
    pub commit: CommitId,
    /// How many objects were sent.
    pub objects: usize,
    /// How many bytes the request had.
    pub bytes: usize,
}

impl GitCache {
    /// Pushes the commits that `snapshot` adds to what was fetched. Only their objects are sent.
    /// After success they are in the cache.
    ///
    /// # Errors
    /// [`PushError::Raced`] when the reference has another value than expected;
    /// [`PushError::Rejected`] with the words of a hook; [`PushError::Unknown`] when the answer did
    /// not arrive; [`PushError::Remote`] when nothing was sent.
    pub fn push(
        &self,
        remote: &Remote,
        snapshot: &Snapshot,
        push: &Push<'_>,
    ) -> Result<Pushed, PushError> {
        check_ref_name(push.reference).map_err(|error| GitError::Configuration {
            url: remote.url().clone(),
            reason: error.to_string(),
        })?;
        let mut session = self.session(remote, Service::ReceivePack, Protocol::V1)?;
        let (capabilities, refs) = advertisement(&mut session)?;
        let present = refs.get(push.reference).copied();
        if present == Some(snapshot.commit()) {
            return Ok(Pushed {
                commit: snapshot.commit(),
                objects: 0,
                bytes: 0,
            });
        }
        if push.force == Force::Never && present != push.expected {
            return Err(PushError::Raced {
                reference: push.reference.to_owned(),
                reason: format!(
                    "it is at {} instead of {}",
                    shown(present),
                    shown(push.expected)
                ),
            });
        }
        let packed = pack::encode(&snapshot.unpushed).map_err(GitError::cache("write the pack"))?;
        let body = request(&capabilities, push, present, snapshot.commit(), &packed)?;
        let report = send(&mut session, push.reference, &body)?;
        judge(push.reference, &report)?;
        keep(snapshot, &packed);
        Ok(Pushed {
            commit: snapshot.commit(),
            objects: snapshot.unpushed.len(),
            bytes: body.len(),
        })
    }
}

fn shown(commit: Option<CommitId>) -> String {
    match commit {
        Some(commit) => format!("`{}`", commit.short()),
        None => "no commit".to_owned(),
    }
}

/// Puts what was pushed into the cache, so that the next fetch need not bring it.
fn keep(snapshot: &Snapshot, packed: &[u8]) {
    if snapshot.unpushed.is_empty() {
        return;
    }
    let mut reader = packed;
    let added = snapshot
        .generation
        .add_pack(&mut reader, &AtomicBool::new(false));
    if added.is_ok() && snapshot.generation.looks_whole(snapshot.commit()) {
        // Without it the next fetch only brings a little more.
        let _ = snapshot.generation.learn(snapshot.commit());
    }
}

type Refs = HashMap<String, CommitId>;

fn advertisement(session: &mut Session) -> Result<(Capabilities, Refs), GitError> {
    let read = read_advertisement(session.transport.as_mut());
    read.map_err(|error| session.explain(&error))
}

fn read_advertisement(transport: &mut dyn Transport) -> gix::Result<(Capabilities, Refs)> {
    let response = transport
        .handshake(Service::ReceivePack, &[])
        .map_err(gix::Error::from)?;
    let mut refs = Refs::new();
    if let Some(mut lines) = response.refs {
        while let Some(line) = lines.readline() {
            let line = line.map_err(gix::Error::from_error)??;
            let Some(text) = line.as_text() else { continue };
            let text = String::from_utf8_lossy(text.as_slice());
            if let Some((id, name)) = text.trim_end().split_once(' ')
                && let Ok(id) = id.parse()
            {
                refs.insert(name.to_owned(), id);
            }
        }
    }
    Ok((response.capabilities, refs))
}

/// The whole request: the command, the push options, the pack.
fn request(
    capabilities: &Capabilities,
    push: &Push<'_>,
    present: Option<CommitId>,
    new: CommitId,
    packed: &[u8],
) -> Result<Vec<u8>, GitError> {
    let has = |name: &str| capabilities.contains(name);
    let mut wanted = vec!["report-status"];
    wanted.extend(
        ["side-band-64k", "ofs-delta"]
            .into_iter()
            .filter(|name| has(name)),
    );
    let with_options = !push.options.is_empty() && has("push-options");
    if with_options {
        wanted.push("push-options");
    }
    let old = present.map_or(ObjectId::null(gix::hash::Kind::Sha1), object_id);
    let mut body = Vec::new();
    let command = format!(
        "{old} {new} {}\0 {} agent=highwater/{}",
        push.reference,
        wanted.join(" "),
        env!("CARGO_PKG_VERSION")
    );
    line(&mut body, &command)?;
    body.extend_from_slice(b"0000");
    if with_options {
        for (key, value) in push.options {
            match value.as_str() {
                "" => line(&mut body, key)?,
                value => line(&mut body, &format!("{key}={value}"))?,
            }
        }
        body.extend_from_slice(b"0000");
    }
    body.extend_from_slice(packed);
    Ok(body)
}

/// Appends one packet line.
fn line(body: &mut Vec<u8>, text: &str) -> Result<(), GitError> {
    let wrong = |reason: &str| GitError::Edit {
        path: text.chars().take(80).collect(),
        reason: reason.to_owned(),
    };
    if text.contains('\n') {
        return Err(wrong("a push option has one line"));
    }
    if text.len() > 65_000 {
        return Err(wrong("it is too long for one packet"));
    }
    body.extend_from_slice(format!("{:04x}{text}", text.len() + 4).as_bytes());
    Ok(())
}

/// What the server said: its report, and what hooks printed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    lines: Vec<String>,
    words: Vec<u8>,
}

/// The most bytes of an answer that are kept.
const KEPT: usize = 64 * 1024;

fn send(session: &mut Session, reference: &str, body: &[u8]) -> Result<Report, PushError> {
    let mut report = Report::default();
    let exchanged = exchange(session.transport.as_mut(), body, &mut report);
    match exchanged {
        Ok(()) => Ok(report),
        // The report is the answer; what breaks after it does not matter.
        Err(_) if verdict(reference, &report).is_some() => Ok(report),
        Err(error) => Err(match session.explain(&error) {
            refused @ (GitError::AuthenticationFailed { .. }
            | GitError::RepositoryNotFound { .. }) => PushError::Remote(refused),
            source => PushError::Unknown {
                reference: reference.to_owned(),
                source: Box::new(source),
            },
        }),
    }
}

fn exchange(transport: &mut dyn Transport, body: &[u8], report: &mut Report) -> gix::Result<()> {
    let request = transport
        .request(
            WriteMode::OneLfTerminatedLinePerWriteCall,
            MessageKind::Flush,
            false,
        )
        .map_err(gix::Error::from)?;
    let (mut writer, mut reader) = request.into_parts();
    let written = writer.write_all(body).and_then(|()| writer.flush());
    drop(writer);
    // A server that refuses early stops reading; its reason is in the answer.
    let read = read_report(&mut *reader, report);
    read.and(written.map_err(gix::Error::from_error))
}

fn read_report(reader: &mut dyn ReadlineBufRead, report: &mut Report) -> gix::Result<()> {
    let mut inner = Vec::new();
    let mut read = || -> gix::Result<()> {
        while let Some(line) = reader.readline() {
            let line = line.map_err(gix::Error::from_error)??;
            let Some(bytes) = line.as_slice() else {
                continue;
            };
            match bytes.split_first() {
                Some((1, rest)) => append(&mut inner, rest),
                Some((2 | 3, rest)) => append(&mut report.words, rest),
                // A server without side bands: the lines themselves are the report.
                _ if report.lines.len() < 100 => report.lines.push(quoted(bytes)),
                _ => {}
            }
        }
        Ok(())
    };
    let outcome = read();
    report.lines.extend(packet_lines(&inner));
    outcome
}

fn append(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// The packet lines that the first side band carries.
fn packet_lines(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some((digits, rest)) = bytes.split_at_checked(4) {
        let length = std::str::from_utf8(digits).ok();
        let Some(length) = length.and_then(|digits| usize::from_str_radix(digits, 16).ok()) else {
            break;
        };
        let Some((line, rest)) = rest.split_at_checked(length.saturating_sub(4)) else {
            break;
        };
        if !line.is_empty() {
            lines.push(quoted(line));
        }
        bytes = rest;
    }
    lines
}

/// Reasons that mean that somebody else was faster.
const RACES: &[&str] = &[
    "non-fast-forward",
    "fetch first",
    "stale info",
    "failed to update ref",
    "failed to lock",
    "cannot lock ref",
    "incorrect old value",
    "reference already exists",
    "unable to resolve reference",
];

/// What the report says about the reference: `ok`, or the reason why not.
fn verdict(reference: &str, report: &Report) -> Option<Result<(), String>> {
    report.lines.iter().find_map(|line| {
        let (word, rest) = line.split_once(' ')?;
        let (name, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "ok" if name == reference => Some(Ok(())),
            "ng" if name == reference => Some(Err(reason.to_owned())),
            _ => None,
        }
    })
}

/// Decides from the report whether the reference moved.
fn judge(reference: &str, report: &Report) -> Result<(), PushError> {
    let reference = reference.to_owned();
    let reason = match verdict(&reference, report) {
        Some(Ok(())) => return Ok(()),
        Some(Err(reason)) if RACES.iter().any(|known| reason.contains(known)) => {
            return Err(PushError::Raced { reference, reason });
        }
        Some(Err(reason)) => reason,
        None => {
            let unpack = report.lines.iter().find(|line| line.starts_with("unpack "));
            unpack
                .cloned()
                .unwrap_or_else(|| "the server reported no result".to_owned())
        }
    };
    Err(PushError::Rejected {
        reference,
        reason,
        words: quoted(&report.words),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &str, words: &str) -> Report {
        Report {
            lines: packet_lines(lines.as_bytes()),
            words: words.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_report_decides() {
        let main = "refs/heads/main";
        let good = report("000eunpack ok\n0017ok refs/heads/main\n0000", "");
        assert!(judge(main, &good).is_ok());
        for reason in [
            "non-fast-forward",
            "fetch first",
            "failed to update ref",
            "cannot lock ref 'refs/heads/main'",
        ] {
            let line = format!("ng refs/heads/main {reason}\n");
            let framed = format!("000eunpack ok\n{:04x}{line}0000", line.len() + 4);
            let lost = report(&framed, "");
            assert!(
                matches!(judge(main, &lost), Err(PushError::Raced { .. })),
                "{reason}"
            );
        }
        let refused = report(
            "000eunpack ok\n0031ng refs/heads/main pre-receive hook declined\n0000",
            "no ticket\n",
        );
        match judge(main, &refused) {
            Err(PushError::Rejected { reason, words, .. }) => {
                assert_eq!(reason, "pre-receive hook declined");
                assert_eq!(words, "no ticket");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_without_a_verdict_is_no_success() {
        let broken = report(
            "0024unpack index-pack abnormal exit\n0000",
            "fatal: disk full\n",
        );
        match judge("refs/heads/main", &broken) {
            Err(PushError::Rejected { reason, words, .. }) => {
                assert_eq!(reason, "unpack index-pack abnormal exit");
                assert_eq!(words, "fatal: disk full");
            }
            other => panic!("{other:?}"),
        }
        assert!(judge("refs/heads/main", &Report::default()).is_err());
    }

    #[test]
    fn push_options_are_single_lines() {
        let mut body = Vec::new();
        assert!(line(&mut body, "a\nb").is_err());
        assert!(line(&mut body, "ci.skip").is_ok());
        assert_eq!(body, b"000bci.skip");
    }
}
