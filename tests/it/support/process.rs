//! Child processes and folders that never outlive the test process, also when it is killed.
//!
//! libtest has no hook at the end of a run, and a killed process could not run one. Each child therefore runs under the supervisor of
//! `tests/servers/supervisor`, which holds the other end of a pipe of ours and ends the child when the pipe closes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::programs::supervisor_program;

/// Far more than a signal takes, so that only a fault reaches it.
const SIGNAL_LIMIT: Duration = Duration::from_secs(60);

/// The signals that the supervisor sends.
const SIGNALS: [&str; 6] = ["TERM", "INT", "HUP", "STOP", "CONT", "KILL"];

/// A child process that ends with this value, and with the test process.
pub struct Supervised {
    supervisor: Child,
    lifeline: Option<ChildStdin>,
}

impl Supervised {
    /// Starts `command`: its program, arguments, folder, and of the environment PATH and what it names itself. Standard input is empty.
    pub fn start(command: &Command, stdout: Stdio, stderr: Stdio) -> Self {
        let mut wrapped = Command::new(supervisor_program());
        wrapped
            .arg("attend")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        let mut supervisor = wrapped
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .expect("the supervisor starts");
        let lifeline = supervisor.stdin.take();
        Self {
            supervisor,
            lifeline,
        }
    }

    /// [`Supervised::start`] with both outputs in one log file.
    pub fn start_logged(command: &Command, log: &Path) -> Self {
        let file = fs::File::create(log).expect("a log file can be created");
        let copy = file.try_clone().expect("a file can be opened twice");
        Self::start(command, file.into(), copy.into())
    }

    /// Sends a signal to the program itself: `TERM`, `INT`, `HUP`, `STOP`, `CONT` or `KILL`. Returns when it is sent, or the program has ended.
    pub fn signal(&mut self, name: &str) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        assert!(
            SIGNALS.contains(&name),
            "the supervisor knows no signal `{name}`"
        );
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let sent = kept_folder().join(format!("signal-{number}"));
        if let Some(lifeline) = &mut self.lifeline {
            // A program that is already gone needs no signal.
            let _ = writeln!(lifeline, "{name} {}", sent.display());
        }
        let over = poll(SIGNAL_LIMIT, || {
            (sent.exists() || self.exited().is_some()).then_some(())
        });
        assert!(over.is_some(), "the supervisor does not send {name}");
        let _ = fs::remove_file(sent);
    }

    /// How the program ended, `None` while it runs. A program that was killed by signal N has the exit code 128+N.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.supervisor
            .try_wait()
            .expect("the supervisor is our child")
    }

    /// Waits until the program ends by itself; `None` when it has not within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        poll(limit, || self.exited())
    }

    /// SIGKILL to the program and its children; returns when they are gone.
    pub fn kill(&mut self) -> ExitStatus {
        drop(self.lifeline.take());
        self.supervisor.wait().expect("the supervisor is our child")
    }

    /// The program's standard output and standard error, where `Stdio::piped()` was asked for.
    pub fn take_outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.supervisor.stdout.take(), self.supervisor.stderr.take())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.supervisor.wait();
    }
}

/// Asks `question` again and again until it has an answer or `limit` is over. For states of other processes that nothing announces.
pub fn poll<T>(limit: Duration, mut question: impl FnMut() -> Option<T>) -> Option<T> {
    let since = Instant::now();
    loop {
        if let Some(answer) = question() {
            return Some(answer);
        }
        if since.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A new, empty folder that is removed with all its content when the test process is gone.
pub fn temporary_folder(prefix: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = kept_folder().join(format!(
        "{prefix}-{}",
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    fs::create_dir(&folder).expect("a folder can be created in a folder of ours");
    folder
}

fn kept_folder() -> &'static Path {
    static KEEPER: OnceLock<(PathBuf, Child)> = OnceLock::new();
    &KEEPER
        .get_or_init(|| {
            let mut keeper = Command::new(supervisor_program())
                .args(["folder", "highwater-tests-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("the supervisor starts");
            let mut line = String::new();
            let output = keeper.stdout.take().expect("asked for a pipe");
            BufReader::new(output)
                .read_line(&mut line)
                .expect("the supervisor names its folder");
            assert!(
                !line.is_empty(),
                "the supervisor could not make a temporary folder"
            );
            (PathBuf::from(line.trim_end()), keeper)
        })
        .0
}
