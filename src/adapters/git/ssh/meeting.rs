//! How a conversation begins: connect, check the server, log in, ask for the program.
//!
//! Invariant: nobody is shown a key before the server is known. What is absent: what follows.

use super::conversation::Request;
use super::known_hosts::HostKeys;
use super::trust::{Distrust, shown};
use super::tunnel;
use crate::adapters::git::error::{GitError, quoted};
use crate::domain::redact::SafeUrl;
use russh::AlgorithmKind;
use russh::client::{self, AuthResult, DisconnectReason};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// How a server said goodbye, in words.
#[derive(Clone, Default)]
pub(super) struct Parting(Arc<Mutex<Option<String>>>);

impl Parting {
    /// The first of its words.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, words: String) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(words);
    }
}

/// A connection that broke.
pub(super) fn broken(url: &Arc<SafeUrl>, reason: &str) -> GitError {
    GitError::Unreachable {
        url: url.clone(),
        reason: format!("the connection broke: {reason}"),
    }
}

/// A conversation that has begun.
pub(super) struct Opened {
    pub(super) handle: client::Handle<Gatekeeper>,
    pub(super) channel: russh::Channel<client::Msg>,
    pub(super) line: Line,
}

/// The connection below a conversation. Dropping it closes the connection, also when the other side
/// reads no more and something waits to be written to it.
pub(super) struct Line(TcpStream);

impl Line {
    /// Holds a connection.
    fn of(stream: tokio::net::TcpStream) -> io::Result<(tokio::net::TcpStream, Self)> {
        let stream = stream.into_std()?;
        let line = Self(stream.try_clone()?);
        Ok((tokio::net::TcpStream::from_std(stream)?, line))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // What is closed already cannot be closed, which is as good.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Connects, checks the server, logs in and starts the program.
pub(super) async fn open(request: &Request, parting: &Parting) -> Result<Opened, GitError> {
    let place = &request.place;
    let stream = tunnel::connect(&place.host, place.port, request.proxy.as_ref()).await;
    let stream = stream.map_err(|error| GitError::Unreachable {
        url: request.url.clone(),
        reason: error.to_string(),
    })?;
    let held = Line::of(stream).map_err(GitError::cache("hold a connection of ssh"));
    let (stream, line) = held?;
    let config = client::Config {
        client_id: russh::SshId::Standard(
            concat!("SSH-2.0-highwater_", env!("CARGO_PKG_VERSION")).into(),
        ),
        preferred: request.preferred.clone(),
        ..client::Config::default()
    };
    let refusal = Arc::<Mutex<Option<Distrust>>>::default();
    let gatekeeper = Gatekeeper {
        host: place.host.clone(),
        trusted: request.trusted.clone(),
        refusal: refusal.clone(),
        parting: parting.clone(),
    };
    let met = client::connect_stream(Arc::new(config), stream, gatekeeper).await;
    let mut handle = met.map_err(|error| {
        let refusal = refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match refusal {
            Some(distrust) => untrusted(request, distrust.to_string()),
            None => unmet(request, &error, parting),
        }
    })?;
    log_in(request, &mut handle).await?;
    let failed = |error: russh::Error| unmet(request, &error, parting);
    let channel = handle.channel_open_session().await.map_err(failed)?;
    if request.second_version {
        // A server that does not take it answers in the first version, which is spoken too.
        let set = channel.set_env(false, "GIT_PROTOCOL", "version=2").await;
        set.map_err(failed)?;
    }
    channel
        .exec(true, request.command.as_bytes())
        .await
        .map_err(failed)?;
    Ok(Opened {
        handle,
        channel,
        line,
    })
}

fn untrusted(request: &Request, reason: String) -> GitError {
    GitError::HostKey {
        url: request.url.clone(),
        host: request.place.server(),
        reason,
    }
}

/// Why a server was not met, in words.
fn unmet(request: &Request, error: &russh::Error, parting: &Parting) -> GitError {
    let list = |names: &[String]| quoted(names.join(", ").as_bytes());
    if let russh::Error::NoCommonAlgo { kind, ours, theirs } = error {
        let (ours, theirs) = (list(ours), list(theirs));
        if matches!(kind, AlgorithmKind::Key) {
            return untrusted(
                request,
                format!("it shows only keys of the kinds {theirs}, and wanted are {ours}"),
            );
        }
        let what = match kind {
            AlgorithmKind::Kex => "key exchange",
            AlgorithmKind::Cipher => "cipher",
            AlgorithmKind::Mac => "message authentication",
            _ => "compression",
        };
        return GitError::Configuration {
            url: request.url.clone(),
            reason: format!("no {what} in common: offered are {ours}, the server has {theirs}"),
        };
    }
    let reason = match (parting.take(), error) {
        (Some(words), _) => words,
        (None, russh::Error::HUP | russh::Error::Disconnect | russh::Error::SendError) => {
            "the server went away".to_owned()
        }
        (None, error) => quoted(error.to_string().as_bytes()),
    };
    GitError::Unreachable {
        url: request.url.clone(),
        reason: format!("ssh: {reason}"),
    }
}

/// Shows the keys, each in all the ways that it can sign.
async fn log_in(
    request: &Request,
    handle: &mut client::Handle<Gatekeeper>,
) -> Result<(), GitError> {
    let refused = |why: &str| {
        let keys = request.keys.iter();
        let keys: Vec<String> = keys.map(|key| shown(key.public_key().key_data())).collect();
        GitError::LoginRefused {
            url: request.url.clone(),
            reason: format!(
                "the server does not accept the key `{}` of the user `{}`{why}",
                keys.join("`, `"),
                request.place.user
            ),
        }
    };
    for key in &request.keys {
        for way in ways(key, handle).await {
            let key = PrivateKeyWithHashAlg::new(key.clone(), way);
            let shown = handle.authenticate_publickey(&request.place.user, key);
            match shown.await {
                Ok(AuthResult::Success) => return Ok(()),
                Ok(AuthResult::Failure {
                    partial_success: true,
                    ..
                }) => return Err(refused(" alone: it wants something else too")),
                Ok(AuthResult::Failure { .. }) => {}
                // Some servers hang up instead of saying no.
                Err(_) => return Err(refused(": it hung up")),
            }
        }
    }
    Err(refused(""))
}

/// The ways in which a key may sign, the best first.
async fn ways(key: &PrivateKey, handle: &client::Handle<Gatekeeper>) -> Vec<Option<HashAlg>> {
    if !key.algorithm().is_rsa() {
        return vec![None];
    }
    match handle.best_supported_rsa_hash().await {
        Ok(Some(best)) => vec![best],
        // It did not say.
        _ => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256), None],
    }
}

/// Looks at who the server is, and remembers how it said goodbye.
pub(super) struct Gatekeeper {
    host: String,
    trusted: Arc<HostKeys>,
    refusal: Arc<Mutex<Option<Distrust>>>,
    parting: Parting,
}

impl client::Handler for Gatekeeper {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shows: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let judged = self.trusted.judge(&self.host, shows, now);
        let good = judged.is_ok();
        if let Err(distrust) = judged {
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(distrust);
        }
        Ok(good)
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<Self::Error>,
    ) -> Result<(), Self::Error> {
        let (words, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let words = quoted(info.message.as_bytes());
                (format!("the server hung up: {words}"), Ok(()))
            }
            DisconnectReason::Error(error) => {
                let words = match &error {
                    russh::Error::HUP | russh::Error::Disconnect => None,
                    other => Some(quoted(other.to_string().as_bytes())),
                };
                let words = words.unwrap_or_else(|| "the server went away".to_owned());
                (words, Err(error))
            }
        };
        self.parting.set(words);
        result
    }
}
