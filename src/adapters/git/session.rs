//! One conversation with a Git server: a transport, a deadline, and what explains a failure.

use super::error::{GitError, chain};
use super::http::{Backend, Clients};
use super::process::{self, Process};
use super::remote::{Auth, Remote};
use super::ssh::{self, Conversation, Ssh};
use crate::domain::redact::SafeUrl;
use gix::protocol::transport::client::TransportWithoutIO;
use gix::protocol::transport::client::blocking_io::{Transport, http};
use gix::protocol::transport::{Protocol, Service};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The end of the time that an operation may take.
#[derive(Clone, Debug)]
pub(super) struct Deadline {
    at: Instant,
    allowed: Duration,
}

impl Deadline {
    /// `allowed` from now.
    pub(super) fn after(allowed: Duration) -> Self {
        Self {
            at: Instant::now() + allowed,
            allowed,
        }
    }

    /// The time left; `None` when it is over.
    pub(super) fn left(&self) -> Option<Duration> {
        self.at
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
    }

    pub(super) fn allowed(&self) -> Duration {
        self.allowed
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    pub(super) fn timeout(&self, url: &Arc<SafeUrl>) -> GitError {
        GitError::Timeout {
            url: url.clone(),
            after: self.allowed,
        }
    }
}

/// What Git, GitHub and Gitea say of a repository that is not there, beside the protocol.
const NOT_FOUND: &[&str] = &[
    "does not appear to be a git repository",
    "Repository not found",
    "repository does not exist",
];

/// The first thing that went wrong below the protocol, where the reason is known best.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<GitError>>>);

impl Failure {
    /// Notes the reason and returns what the reader above gets to see.
    pub(super) fn set(&self, error: GitError) -> io::Error {
        let shown = io::Error::other(error.to_string());
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(error);
        shown
    }

    fn take(&self) -> Option<GitError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A conversation. Dropping it ends it.
pub(super) struct Session {
    pub(super) transport: Box<dyn Transport>,
    /// Set when the deadline has passed: what computes, such as unpacking, ends then.
    pub(super) interrupt: Arc<AtomicBool>,
    pub(super) deadline: Deadline,
    url: Arc<SafeUrl>,
    failure: Failure,
    peer: Peer,
    _watchdog: Watchdog,
}

/// What runs on the other side of a conversation, where that is more than requests.
enum Peer {
    Requests,
    Process(Process),
    Ssh(Conversation),
}

impl Peer {
    /// Something that ends it from another thread.
    fn killer(&self) -> Option<Box<dyn FnOnce() + Send>> {
        match self {
            Self::Requests => None,
            Self::Process(process) => Some(Box::new(process.killer())),
            Self::Ssh(conversation) => Some(Box::new(conversation.killer())),
        }
    }

    /// What it complained about; empty for nothing.
    fn complaints(&mut self) -> String {
        match self {
            Self::Requests => String::new(),
            Self::Process(process) => process.complaints(),
            Self::Ssh(conversation) => conversation.complaints(),
        }
    }
}

impl Session {
    /// Prepares the conversation; over HTTP nothing is sent yet.
    pub(super) fn open(
        (clients, ssh): (&Clients, &Ssh),
        remote: &Remote,
        service: Service,
        version: Protocol,
    ) -> Result<Self, GitError> {
        let deadline = Deadline::after(remote.timeout);
        let failure = Failure::default();
        let interrupt = Arc::new(AtomicBool::new(false));
        let (transport, peer): (Box<dyn Transport>, Peer) = match remote.url().as_url().scheme() {
            "file" => {
                let (connection, process) = process::start(remote, service, version)?;
                (Box::new(connection), Peer::Process(process))
            }
            "ssh" => {
                let asked = (service, version);
                let (connection, conversation) =
                    ssh::start(ssh, remote, asked, &deadline, &failure)?;
                (Box::new(connection), Peer::Ssh(conversation))
            }
            _ => {
                let (client, limit) = (clients.get(remote)?, remote.limit);
                let backend =
                    Backend::new(client, remote, deadline.clone(), limit, failure.clone());
                (over_http(remote, backend, version)?, Peer::Requests)
            }
        };
        let kill = peer.killer();
        let flag = interrupt.clone();
        let watchdog = Watchdog::start(deadline.at(), move || {
            flag.store(true, Ordering::SeqCst);
            if let Some(kill) = kill {
                kill();
            }
        });
        Ok(Self {
            transport,
            interrupt,
            deadline,
            url: remote.url().clone(),
            failure,
            peer,
            _watchdog: watchdog,
        })
    }

    /// Turns a failure of the protocol code into the reason that is known best.
    pub(super) fn explain(&mut self, error: &gix::Error) -> GitError {
        if let Some(known) = self.failure.take() {
            return known;
        }
        if self.deadline.left().is_none() {
            return self.deadline.timeout(&self.url);
        }
        let complaints = Some(self.peer.complaints());
        let reason = complaints
            .filter(|words| !words.is_empty())
            .unwrap_or_else(|| chain(error));
        let url = self.url.clone();
        if NOT_FOUND.iter().any(|words| reason.contains(words)) {
            return GitError::RepositoryNotFound { url };
        }
        GitError::Protocol { url, reason }
    }
}

fn over_http(
    remote: &Remote,
    backend: Backend,
    version: Protocol,
) -> Result<Box<dyn Transport>, GitError> {
    let wrong = |reason: String| GitError::Configuration {
        url: remote.url().clone(),
        reason,
    };
    let url = gix::url::parse(remote.url().as_url().as_str())
        .map_err(|error| wrong(error.to_string()))?;
    let mut transport = http::connect_http(backend, url, version, false);
    if let Auth::Basic { user, password } = &remote.auth {
        let identity = gix::sec::identity::Account {
            username: user.clone(),
            password: password.expose().clone(),
            oauth_refresh_token: None,
        };
        transport
            .set_identity(identity)
            .map_err(|error| wrong(error.to_string()))?;
    }
    Ok(Box::new(transport))
}

/// Does something when the deadline passes before it is dropped.
struct Watchdog(Arc<(Mutex<bool>, Condvar)>);

impl Watchdog {
    fn start(at: Instant, bark: impl FnOnce() + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let watched = shared.clone();
        std::thread::spawn(move || {
            let (done, changed) = &*watched;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            while !*done {
                let Some(left) = at.checked_duration_since(Instant::now()) else {
                    drop(done);
                    return bark();
                };
                (done, _) = changed
                    .wait_timeout(done, left)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        });
        Self(shared)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_watchdog_barks_at_the_deadline() {
        let (told, heard) = mpsc::channel();
        let _watchdog = Watchdog::start(Instant::now(), move || {
            let _ = told.send(());
        });
        assert_eq!(heard.recv(), Ok(()));
    }

    #[test]
    fn a_watchdog_that_is_dropped_stays_silent() {
        let (told, heard) = mpsc::channel::<()>();
        let later = Instant::now() + Duration::from_secs(600);
        drop(Watchdog::start(later, move || {
            let _ = told.send(());
        }));
        // The sender goes away without having sent.
        assert_eq!(heard.recv(), Err(mpsc::RecvError));
    }

    #[test]
    fn the_first_failure_is_the_one_that_is_told() {
        let url = Arc::new(SafeUrl::parse("https://git.example.com/x").expect("a URL"));
        let failure = Failure::default();
        failure.set(GitError::RepositoryNotFound { url: url.clone() });
        failure.set(GitError::Server { url, status: 500 });
        let told = failure.take().map(|error| error.to_string());
        assert_eq!(
            told.as_deref(),
            Some("repository `https://git.example.com/x` not found")
        );
    }
}
