//! A `file:` repository, served by the `git` program on the other end of two pipes.
//!
//! This is how Git itself reads a local repository. It is meant for tests, the demo and local
//! mirrors; a container without `git` does not need it.

use super::error::{GitError, quoted};
use super::remote::Remote;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::Service;
use gix::protocol::transport::client::git::{ConnectMode, blocking_io::Connection};
use std::io::Read;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The most bytes of the program's complaints that are kept.
const COMPLAINTS: u64 = 16 * 1024;

/// The running program. Dropping it ends it.
pub(super) struct Process {
    child: Arc<Mutex<Child>>,
    complaints: Option<JoinHandle<Vec<u8>>>,
}

/// Starts the program for `service`.
pub(super) fn start(
    remote: &Remote,
    service: Service,
    version: Protocol,
) -> Result<(Connection<ChildStdout, ChildStdin>, Process), GitError> {
    let url = remote.url();
    let not_found = || GitError::RepositoryNotFound { url: url.clone() };
    let path = url.as_url().to_file_path().map_err(|()| not_found())?;
    if !path.is_dir() {
        return Err(not_found());
    }
    let mut command = Command::new("git");
    command
        .arg(match service {
            Service::UploadPack => "upload-pack",
            Service::ReceivePack => "receive-pack",
        })
        .arg(&path)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if version == Protocol::V2 {
        command.env("GIT_PROTOCOL", "version=2");
    } else {
        command.env_remove("GIT_PROTOCOL");
    }
    let mut child = command.spawn().map_err(GitError::cache(
        "start the program `git`, which serves `file:` URLs",
    ))?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(not_found());
    };
    let connection = Connection::new(
        stdout,
        stdin,
        version,
        path.to_string_lossy().into_owned(),
        None::<(&str, _)>,
        ConnectMode::Process,
        false,
    );
    let process = Process {
        child: Arc::new(Mutex::new(child)),
        complaints: Some(std::thread::spawn(move || collect(stderr))),
    };
    Ok((connection, process))
}

fn collect(mut stderr: ChildStderr) -> Vec<u8> {
    let mut kept = Vec::new();
    // What cannot be read is not worth more than its absence.
    let _ = stderr.by_ref().take(COMPLAINTS).read_to_end(&mut kept);
    let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    kept
}

impl Process {
    /// Something that ends the program from another thread.
    pub(super) fn killer(&self) -> impl FnOnce() + Send + 'static {
        let child = self.child.clone();
        move || kill(&child)
    }

    /// Ends the program and returns what it complained about.
    pub(super) fn complaints(&mut self) -> String {
        kill(&self.child);
        let bytes = self.complaints.take().and_then(|thread| thread.join().ok());
        quoted(&bytes.unwrap_or_default())
    }
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    // A program that has ended already cannot be killed, which is as good.
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Process {
    fn drop(&mut self) {
        kill(&self.child);
    }
}
