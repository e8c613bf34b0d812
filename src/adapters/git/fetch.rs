//! Fetching one commit into a cache: depth 1, one round trip, only what is not known yet.
//!
//! The conversation is shorter than Git's: the commits whose whole trees are here are announced
//! together with the one that is wanted, and the server answers with the difference of the trees.

use super::error::GitError;
use super::refs::{self, Resolved, object_id};
use super::remote::Remote;
use super::session::Session;
use super::store::Generation;
use crate::domain::git_ref::{CheckoutRef, CommitId};
use gix::ObjectId;
use gix::protocol::Handshake;
use gix::protocol::fetch::negotiate::one_round::State;
use gix::protocol::fetch::negotiate::{Action, Round};
use gix::protocol::fetch::{Arguments, Context, Negotiate, Options, Response, Shallow, Tags};
use gix::protocol::transport::Protocol;
use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::num::NonZeroU32;
use std::path::Path;

/// Wants one commit and announces what is known, in a single round.
struct OneRound {
    want: ObjectId,
    known: Vec<ObjectId>,
}

impl Negotiate for OneRound {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<Action> {
        Ok(Action::MustNegotiate {
            remote_ref_target_known: Vec::new(),
        })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        arguments.want(self.want);
        true
    }

    fn one_round(
        &mut self,
        _state: &mut State,
        arguments: &mut Arguments,
        _previous: Option<&Response>,
    ) -> gix::Result<(Round, bool)> {
        for known in &self.known {
            arguments.have(known);
        }
        let round = Round {
            haves_sent: self.known.len(),
            in_vain: 0,
            haves_to_send: self.known.len(),
            previous_response_had_at_least_one_in_common: false,
        };
        Ok((round, true))
    }
}

/// Makes sure that the whole tree of `resolved` is in the cache.
pub(super) fn complete(
    session: &mut Session,
    handshake: &mut Handshake,
    generation: &Generation,
    remote: &Remote,
    checkout: &CheckoutRef,
    resolved: &Resolved,
) -> Result<(), GitError> {
    let commit = resolved.commit;
    if generation.known().contains(&commit) {
        return learn(generation, commit);
    }
    let depth = if remote.whole_history {
        Depth::All
    } else {
        Depth::One
    };
    let got = download(session, handshake, generation, remote, commit, &depth);
    if let Err(GitError::Protocol { reason, .. }) = &got
        && reason.contains("not our ref")
        && let CheckoutRef::Commit { branch, .. } = checkout
    {
        return Err(GitError::RefNotFound {
            url: remote.url().clone(),
            reference: match branch {
                Some(branch) => format!("{checkout} of branch `{branch}`"),
                None => checkout.to_string(),
            },
        });
    }
    got.map(|_| ())?;
    if !is_commit(generation, commit) {
        return Err(GitError::NotACommit {
            url: remote.url().clone(),
            reference: checkout.to_string(),
        });
    }
    learn(generation, commit)
}

/// Fetches the whole history of a branch, for servers that hand out only what is advertised, and
/// then expects `commit` in it.
pub(super) fn by_history(
    session: &mut Session,
    handshake: &mut Handshake,
    generation: &Generation,
    remote: &Remote,
    commit: CommitId,
    branch: Option<&str>,
) -> Result<(), GitError> {
    let name = match branch {
        Some(branch) => format!("refs/heads/{branch}"),
        None => "HEAD".to_owned(),
    };
    let listed = refs::list(session, handshake, std::slice::from_ref(&name))?;
    let absent = || GitError::RefNotFound {
        url: remote.url().clone(),
        reference: format!("commit `{commit}`"),
    };
    let tip = listed
        .into_iter()
        .find(|found| found.name == name)
        .ok_or_else(absent)?;
    history(session, handshake, generation, remote, tip.commit)?;
    if !generation.looks_whole(commit) {
        return Err(absent());
    }
    learn(generation, commit)
}

/// Fetches a commit with all of its history.
pub(super) fn history(
    session: &mut Session,
    handshake: &mut Handshake,
    generation: &Generation,
    remote: &Remote,
    commit: CommitId,
) -> Result<(), GitError> {
    download(session, handshake, generation, remote, commit, &Depth::All).map(|_| ())
}

/// Whether a server can leave out the history of a reference.
pub(super) fn can_leave_out(handshake: &Handshake) -> bool {
    let capabilities = &handshake.capabilities;
    match handshake.server_protocol_version {
        Protocol::V2 => capabilities
            .capability("fetch")
            .and_then(|fetch| fetch.supports("shallow"))
            .unwrap_or(false),
        _ => capabilities.contains("deepen-not"),
    }
}

/// Fetches the commits of `tip` without those that the reference `name` has. The commits returned are
/// those whose parents were left out; among them may be others of the cache.
pub(super) fn without(
    session: &mut Session,
    handshake: &mut Handshake,
    generation: &Generation,
    remote: &Remote,
    (tip, name): (CommitId, &str),
) -> Result<HashSet<CommitId>, GitError> {
    let depth = Depth::Without(name.to_owned());
    download(session, handshake, generation, remote, tip, &depth)
}

/// How much history a fetch brings.
enum Depth {
    /// One commit.
    One,
    /// All of it.
    All,
    /// What the reference of this name has not.
    Without(String),
}

impl Depth {
    fn shallow(&self, remote: &Remote) -> Result<Shallow, GitError> {
        Ok(match self {
            Self::One => Shallow::DepthAtRemote(NonZeroU32::MIN),
            Self::All => Shallow::NoChange,
            Self::Without(name) => {
                let name = gix::refs::PartialName::try_from(name.as_str()).map_err(|error| {
                    GitError::Configuration {
                        url: remote.url().clone(),
                        reason: format!("`{name}` is no reference: {error}"),
                    }
                })?;
                Shallow::Exclude {
                    remote_refs: vec![name],
                    since_cutoff: None,
                }
            }
        })
    }
}

fn learn(generation: &Generation, commit: CommitId) -> Result<(), GitError> {
    if generation.looks_whole(commit) {
        return generation.learn(commit);
    }
    generation.mark_damaged();
    Err(GitError::corrupt(format!(
        "commit `{commit}` or its tree is missing"
    )))
}

fn is_commit(generation: &Generation, commit: CommitId) -> bool {
    use gix::objs::FindExt;
    let mut buffer = Vec::new();
    match generation.objects().find(&object_id(commit), &mut buffer) {
        Ok(object) => object.kind == gix::objs::Kind::Commit,
        // That it cannot be read at all is another error, found by the caller's next step.
        Err(_) => true,
    }
}

fn download(
    session: &mut Session,
    handshake: &mut Handshake,
    generation: &Generation,
    remote: &Remote,
    commit: CommitId,
    depth: &Depth,
) -> Result<HashSet<CommitId>, GitError> {
    let boundary = generation.boundary_file()?;
    // What is known is cut off behind its commits, unless all of the cache is whole. For a whole
    // history nothing of the first kind is announced, so that the server leaves nothing out.
    let cut_off = !matches!(depth, Depth::All);
    let known = if cut_off || remote.whole_history {
        generation.known()
    } else {
        Vec::new()
    };
    let shallow_file = boundary.path().join(if cut_off && !remote.whole_history {
        "shallow"
    } else {
        "none"
    });
    let shallow = depth.shallow(remote)?;
    let mut negotiate = OneRound {
        want: object_id(commit),
        known: known.into_iter().map(object_id).collect(),
    };
    let options = Options {
        shallow_file: shallow_file.clone(),
        shallow: &shallow,
        tags: Tags::None,
        reject_shallow_remote: false,
    };
    let interrupt = session.interrupt.clone();
    let mut large = false;
    let fetched = gix::protocol::fetch(
        &mut negotiate,
        |reader, _progress, interrupt| {
            let mut pack = BufReader::new(Limited::new(reader, remote.limit));
            let added = generation.add_pack(&mut pack, interrupt);
            large = pack.get_ref().exceeded;
            added.map(|()| true)
        },
        gix::progress::Discard,
        &interrupt,
        Context {
            handshake,
            transport: &mut session.transport,
            user_agent: refs::agent(),
            trace_packetlines: false,
        },
        options,
    );
    match fetched {
        Ok(_) => Ok(read_boundary(&shallow_file)),
        Err(_) if large => Err(GitError::TooLarge {
            url: remote.url().clone(),
            limit: remote.limit,
        }),
        Err(error) => Err(session.explain(&error)),
    }
}

fn read_boundary(file: &Path) -> HashSet<CommitId> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Fails when a pack is larger than accepted.
struct Limited<'a> {
    inner: &'a mut dyn BufRead,
    left: u64,
    exceeded: bool,
}

impl<'a> Limited<'a> {
    fn new(inner: &'a mut dyn BufRead, limit: u64) -> Self {
        Self {
            inner,
            left: limit,
            exceeded: false,
        }
    }
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                self.exceeded = true;
                return Err(io::Error::other("the pack is too large"));
            }
        }
        Ok(read)
    }
}
