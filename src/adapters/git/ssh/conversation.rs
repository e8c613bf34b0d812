//! One conversation: run the program, move bytes, note how it ended.
//!
//! Invariant: what the server sends is bounded, on both of its streams; the end that blocks above sees
//! the end of the stream only after all that explains it is written down. What is absent: time; who
//! started the task ends it.

use super::known_hosts::HostKeys;
use super::meeting::{Parting, broken, open};
use super::place::Place;
use crate::adapters::git::error::{GitError, quoted};
use crate::adapters::git::remote::Proxy;
use crate::adapters::git::session::Failure;
use crate::domain::redact::SafeUrl;
use russh::client;
use russh::keys::PrivateKey;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect, Preferred};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as Blocking;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// The most bytes of the program's complaints that are kept.
const WORDS: usize = 16 * 1024;
/// How long the status and the last complaints may take after the end of the stream.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// How many bytes travel at once.
const CHUNK: usize = 32 * 1024;

/// What is asked of whom.
pub(super) struct Request {
    pub(super) url: Arc<SafeUrl>,
    pub(super) place: Place,
    pub(super) preferred: Preferred,
    pub(super) trusted: Arc<HostKeys>,
    pub(super) keys: Vec<Arc<PrivateKey>>,
    pub(super) proxy: Option<Proxy>,
    pub(super) command: String,
    /// Whether to ask for version 2 of Git's protocol.
    pub(super) second_version: bool,
    /// The most bytes that the server may send.
    pub(super) limit: u64,
}

/// How the server's program ended, where that explains anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// Well, or not known.
    #[default]
    None,
    /// It was never started.
    Refused,
    /// With this status.
    Status(u32),
    /// By this signal.
    Signal(String),
}

/// What a server told beside its answers.
#[derive(Default)]
pub(super) struct Told(Mutex<(Vec<u8>, Ending)>);

impl Told {
    /// The first of the program's complaints.
    pub(super) fn words(&self) -> Vec<u8> {
        self.lock().0.clone()
    }

    /// How the program ended.
    pub(super) fn ending(&self) -> Ending {
        self.lock().1.clone()
    }

    fn complain(&self, bytes: &[u8]) {
        let words = &mut self.lock().0;
        let room = WORDS.saturating_sub(words.len());
        words.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end(&self, ending: Ending) {
        self.lock().1 = ending;
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, Ending)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a conversation to its end. `started` hears whether it began.
pub(super) async fn run(
    request: Request,
    end: Blocking,
    told: Arc<Told>,
    failure: Failure,
    started: SyncSender<Result<(), GitError>>,
) {
    let parting = Parting::default();
    let opened = open(&request, &parting).await;
    let ends = opened.and_then(|opened| Ok((opened, split(&end)?)));
    let (opened, (upward, downward)) = match ends {
        Ok(ends) => ends,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(()));
    let (read, write) = opened.channel.split();
    let up = async {
        send(upward, &write).await;
        std::future::pending::<()>().await;
    };
    let receiving = Receiving {
        request: &request,
        told: &told,
        failure: &failure,
    };
    tokio::select! {
        complete = receiving.all(read, downward) => {
            if !complete {
                let reason = parting.take().unwrap_or_else(|| "the server went away".to_owned());
                failure.set(broken(&request.url, &reason));
            }
        }
        () = up => {}
    }
    let _ = end.shutdown(Shutdown::Both);
    let goodbye = opened.handle.disconnect(Disconnect::ByApplication, "", "");
    let _ = goodbye.await;
    drop(opened.line);
}

fn split(end: &Blocking) -> Result<(OwnedReadHalf, OwnedWriteHalf), GitError> {
    let stream = || {
        let end = end.try_clone()?;
        end.set_nonblocking(true)?;
        UnixStream::from_std(end)
    };
    let stream = stream().map_err(GitError::cache("start a conversation over ssh"))?;
    Ok(stream.into_split())
}

/// Moves what is written above to the server.
async fn send(mut from: OwnedReadHalf, to: &ChannelWriteHalf<client::Msg>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            let _ = to.eof().await;
            return;
        }
        if to.data_bytes(buffer[..count].to_vec()).await.is_err() {
            return;
        }
    }
}

/// What comes from the server.
struct Receiving<'a> {
    request: &'a Request,
    told: &'a Told,
    failure: &'a Failure,
}

impl Receiving<'_> {
    /// Moves it until its end; `false` when the connection broke before.
    async fn all(&self, mut from: ChannelReadHalf, mut to: OwnedWriteHalf) -> bool {
        let mut seen: u64 = 0;
        loop {
            match from.wait().await {
                None => return false,
                Some(ChannelMsg::Data { data }) => {
                    seen += data.len() as u64;
                    if seen > self.request.limit {
                        self.failure.set(GitError::TooLarge {
                            url: self.request.url.clone(),
                            limit: self.request.limit,
                        });
                        return true;
                    }
                    if to.write_all(&data).await.is_err() {
                        return true;
                    }
                }
                Some(ChannelMsg::Eof) => break,
                Some(other) => {
                    if self.hear(&other) {
                        return true;
                    }
                }
            }
        }
        let afterwards = async {
            while let Some(message) = from.wait().await {
                if self.hear(&message) {
                    return;
                }
            }
        };
        // The stream is whole; a server that keeps the rest to itself only says less.
        let _ = tokio::time::timeout(AFTERWARDS, afterwards).await;
        true
    }

    /// Notes what is not part of the stream; `true` when nothing more will come.
    fn hear(&self, message: &ChannelMsg) -> bool {
        match message {
            ChannelMsg::ExtendedData { data, .. } => self.told.complain(data),
            ChannelMsg::ExitStatus { exit_status } if *exit_status != 0 => {
                self.told.end(Ending::Status(*exit_status));
            }
            ChannelMsg::ExitSignal { signal_name, .. } => {
                let name = quoted(format!("{signal_name:?}").as_bytes());
                self.told.end(Ending::Signal(name));
            }
            ChannelMsg::Failure => {
                self.told.end(Ending::Refused);
                return true;
            }
            ChannelMsg::Close => return true,
            _ => {}
        }
        false
    }
}
