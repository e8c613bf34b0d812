//! Git over ssh, in this process: no `ssh` program, no files, no agent.
//!
//! ```text
//! gix ── socket pair ── conversation (own runtime) ── russh ── git-upload-pack on the server
//! ```
//!
//! Everything above blocks and reads and writes one end of a socket pair; a task of this module's own
//! runtime moves bytes between the other end and the channel. Invariant: nothing is sent before the
//! server's key is known, and what ends a conversation is told in words that hold no secret. What is
//! absent: keeping a connection for the next conversation.

mod algorithms;
mod conversation;
mod cost;
mod known_hosts;
mod login;
mod meeting;
mod person;
mod place;
mod short_number;
mod trust;
mod tunnel;

pub use algorithms::{SshAlgorithms, UnknownAlgorithms};
pub use known_hosts::KnownHostsError;
pub(super) use login::private_key;
pub use login::{SshLogin, SshLoginError};

use super::error::{GitError, quoted};
use super::remote::{Auth, Remote};
use super::session::{Deadline, Failure};
use conversation::{Request, Told};
use gix::protocol::transport::client::git::{ConnectMode, blocking_io::Connection};
use gix::protocol::transport::{Protocol, Service};
use place::{Place, program};
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

/// What all conversations of a process share: the algorithms, and the threads that they run on.
pub(super) struct Ssh {
    algorithms: SshAlgorithms,
    runtime: Mutex<Option<Runtime>>,
}

impl Ssh {
    pub(super) fn new(algorithms: SshAlgorithms) -> Self {
        Self {
            algorithms,
            runtime: Mutex::default(),
        }
    }

    /// The runtime, made at the first use.
    fn handle(&self) -> io::Result<Handle> {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = runtime.as_ref() {
            return Ok(runtime.handle().clone());
        }
        let built = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("ssh")
            .enable_all()
            .build()?;
        let handle = built.handle().clone();
        *runtime = Some(built);
        Ok(handle)
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        let runtime = self
            .runtime
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = runtime.take() {
            // Waiting is forbidden where this may be dropped: in an asynchronous task.
            runtime.shutdown_background();
        }
    }
}

/// A conversation under way. Dropping it ends it.
pub(super) struct Conversation {
    end: UnixStream,
    task: AbortHandle,
    told: Arc<Told>,
    service: Service,
}

/// The end of the socket pair that `gix` reads and writes.
type Transport = Connection<UnixStream, UnixStream>;

/// Connects, logs in and starts the server's program for `service`.
pub(super) fn start(
    ssh: &Ssh,
    remote: &Remote,
    (service, version): (Service, Protocol),
    deadline: &Deadline,
    failure: &Failure,
) -> Result<(Transport, Conversation), GitError> {
    let request = request(ssh, remote, (service, version))?;
    let unable = GitError::cache("start a conversation over ssh");
    let prepared = || -> io::Result<_> {
        let (near, far) = UnixStream::pair()?;
        let ends = (near.try_clone()?, near.try_clone()?);
        Ok((ssh.handle()?, near, far, ends))
    };
    let (handle, end, far, (reader, writer)) = prepared().map_err(unable)?;
    let told = Arc::<Told>::default();
    let (started, starting) = sync_channel(1);
    let run = conversation::run(request, far, told.clone(), failure.clone(), started);
    let conversation = Conversation {
        end,
        task: handle.spawn(run).abort_handle(),
        told,
        service,
    };
    let timeout = || deadline.timeout(remote.url());
    match starting.recv_timeout(deadline.left().ok_or_else(timeout)?) {
        Ok(answer) => answer?,
        Err(RecvTimeoutError::Timeout) => return Err(timeout()),
        Err(RecvTimeoutError::Disconnected) => {
            return Err(meeting::broken(remote.url(), "it ended by itself"));
        }
    }
    let connection = Connection::new(
        reader,
        writer,
        version,
        remote.url().as_url().path(),
        None::<(&str, _)>,
        ConnectMode::Process,
        false,
    );
    Ok((connection, conversation))
}

/// What is asked of whom. A server of which nothing is known is not asked at all.
fn request(
    ssh: &Ssh,
    remote: &Remote,
    (service, version): (Service, Protocol),
) -> Result<Request, GitError> {
    let Auth::Ssh(login) = &remote.auth else {
        return Err(GitError::Configuration {
            url: remote.url().clone(),
            reason: "ssh needs a private key and known hosts".to_owned(),
        });
    };
    let place = Place::of(remote)?;
    let trusted = login.hosts.of(&place.host, place.port);
    if trusted.is_empty() {
        let reason = format!("{}{}", trust::Distrust::Unknown, login.hosts.complaint());
        return Err(untrusted(remote, &place, reason));
    }
    Ok(Request {
        url: remote.url().clone(),
        preferred: ssh.algorithms.preferred(&trusted),
        trusted: Arc::new(trusted),
        keys: login.keys.clone(),
        proxy: remote.proxy.clone(),
        command: place.command(service),
        second_version: version == Protocol::V2,
        limit: remote.limit,
        place,
    })
}

fn untrusted(remote: &Remote, place: &Place, reason: String) -> GitError {
    GitError::HostKey {
        url: remote.url().clone(),
        host: place.server(),
        reason,
    }
}

impl Conversation {
    /// Something that ends the conversation from another thread.
    pub(super) fn killer(&self) -> impl FnOnce() + Send + 'static {
        let (end, task) = (self.end.try_clone(), self.task.clone());
        move || {
            task.abort();
            if let Ok(end) = end {
                // What has ended already cannot be ended, which is as good.
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }

    /// Ends the conversation, and says what the server's program complained about; empty for nothing.
    pub(super) fn complaints(&mut self) -> String {
        self.end_now();
        let words = quoted(&self.told.words());
        if !words.is_empty() {
            return words;
        }
        let program = program(self.service);
        match self.told.ending() {
            conversation::Ending::Refused => format!("the server refuses to run `{program}`"),
            conversation::Ending::Status(status) => {
                format!("`{program}` ended with status {status} on the server and said nothing")
            }
            conversation::Ending::Signal(signal) => {
                format!("`{program}` was ended by the signal `{signal}` on the server")
            }
            conversation::Ending::None => String::new(),
        }
    }

    fn end_now(&self) {
        self.task.abort();
        let _ = self.end.shutdown(Shutdown::Both);
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.end_now();
    }
}
