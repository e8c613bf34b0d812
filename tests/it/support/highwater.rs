//! Runs the highwater program as a person or a Pod would, in an environment of its own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::process::{Supervised, temporary_folder};

/// A command for the built `highwater` that sees none of the developer's settings: no HOME, no git, docker or kube configuration.
///
/// Its HOME and its temporary folder are new, and are removed when the test process is gone.
pub fn highwater() -> Command {
    let home = temporary_folder("home");
    let temporary = home.join("tmp");
    std::fs::create_dir(&temporary).expect("the folder is ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command
        .env_clear()
        .env("HOME", &home)
        .env("TMPDIR", temporary)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("RUST_BACKTRACE", "1")
        .current_dir(&home)
        .stdin(Stdio::null());
    command
}

/// A running program whose output is read as it comes; it is killed when the value is dropped.
pub struct Running {
    process: Supervised,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
}

/// What the program has written so far.
#[derive(Default)]
struct Output {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    stdout: Vec<String>,
    stderr: Vec<String>,
    open: usize,
}

impl Running {
    /// Starts `command` (see [`highwater`]); of the environment it gets what the command names.
    pub fn start(command: &Command) -> Self {
        let mut process = Supervised::start(command, Stdio::piped(), Stdio::piped());
        let (stdout, stderr) = process.take_outputs();
        let output = Arc::new(Output::default());
        output.lock().open = 2;
        let readers = vec![
            read(
                stdout.expect("asked for a pipe"),
                Arc::clone(&output),
                |lines| &mut lines.stdout,
            ),
            read(
                stderr.expect("asked for a pipe"),
                Arc::clone(&output),
                |lines| &mut lines.stderr,
            ),
        ];
        Self {
            process,
            output,
            readers,
        }
    }

    /// Waits for a line that contains `part`, on standard error or standard output, and returns the first such line.
    ///
    /// Panics with all output when `limit` is over or the program has ended without it.
    pub fn wait_for_line(&self, part: &str, limit: Duration) -> String {
        let since = Instant::now();
        let mut lines = self.output.lock();
        loop {
            if let Some(line) = lines
                .stderr
                .iter()
                .chain(&lines.stdout)
                .find(|line| line.contains(part))
            {
                return line.clone();
            }
            let left = limit.saturating_sub(since.elapsed());
            assert!(
                !left.is_zero() && lines.open > 0,
                "no line with `{part}`\n--- standard output:\n{}\n--- standard error:\n{}",
                lines.stdout.join("\n"),
                lines.stderr.join("\n")
            );
            lines = self
                .output
                .more
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        self.output.lock().stdout.join("\n")
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        self.output.lock().stderr.join("\n")
    }

    /// Sends `TERM`, `INT`, `HUP`, `STOP`, `CONT` or `KILL` to the program.
    pub fn signal(&mut self, name: &str) {
        self.process.signal(name);
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.exited().is_none()
    }

    /// Waits until the program ends by itself and all its output is read; panics with the output after `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let Some(status) = self.process.wait(limit) else {
            panic!(
                "still running after {} s\n{}",
                limit.as_secs(),
                self.stderr()
            );
        };
        self.finish_reading();
        status
    }

    /// Asks the program to end (SIGTERM), and waits; panics with the output after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.signal("TERM");
        self.wait(limit)
    }

    /// Ends the program at once (SIGKILL); returns when it is gone and all its output is read.
    pub fn kill(&mut self) {
        self.process.kill();
        self.finish_reading();
    }

    fn finish_reading(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(
    pipe: impl Read + Send + 'static,
    output: Arc<Output>,
    kept: fn(&mut Lines) -> &mut Vec<String>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            kept(&mut output.lock()).push(text);
            output.more.notify_all();
            line.clear();
        }
        output.lock().open -= 1;
        output.more.notify_all();
    })
}
