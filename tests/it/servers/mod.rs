//! The support itself: real servers start, answer and end, and nothing is built twice or left behind.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails right there"
)]

mod builds;
mod control_plane;
mod gitea;
mod processes;
mod registry;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::build::go_build;
use crate::support::process::{Supervised, temporary_folder};
use crate::support::programs::control_plane_programs;

/// For what other processes do: far more than it takes, so that only a fault reaches it.
const LIMIT: Duration = Duration::from_secs(60);

/// Names the part that a second test process plays.
const PART: &str = "HIGHWATER_TESTS_STAND_IN";

/// This test program again, to play `part` in [`stand_in_for_another_test_process`] with `shared` as its folder.
fn stand_in(part: &str, shared: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "servers::stand_in_for_another_test_process",
            "--nocapture",
        ])
        .env(PART, part)
        .current_dir(shared)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Does nothing, unless a test above started it.
#[test]
fn stand_in_for_another_test_process() {
    let here = std::env::current_dir().unwrap();
    match std::env::var(PART).as_deref() {
        Ok("kill") => {
            let _supervised = sleeper(&here);
            let folder = temporary_folder("killed");
            fs::write(folder.join("file"), "content").unwrap();
            fs::write("folder", format!("{}\n", folder.display())).unwrap();
            // Until the test kills this process, or is itself gone.
            let _ = std::io::stdin().read_line(&mut String::new());
        }
        Ok("build") => {
            let built = go_build(&here.join("module"), "tiny");
            assert!(built.join("tiny").is_file());
        }
        Ok("programs") => {
            let programs = control_plane_programs().unwrap();
            let used = [
                programs.etcd,
                programs.api_server,
                programs.controller_manager,
                programs.kubectl,
            ];
            fs::write(
                "used",
                used.map(|program| program.display().to_string()).join("\n"),
            )
            .unwrap();
        }
        _ => {}
    }
}

/// A supervised shell with a child of its own; both write their ids to `folder`.
fn sleeper(folder: &Path) -> Supervised {
    let mut command = Command::new("sh");
    command
        .args(["-c", "sleep 1000 & echo $! >child; echo $$ >parent; wait"])
        .current_dir(folder);
    Supervised::start(&command, Stdio::null(), Stdio::null())
}
