//! Nothing outlives the test process, however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{LIMIT, sleeper, stand_in};
use crate::support::highwater::{Running, highwater};
use crate::support::process::{Supervised, poll};

#[test]
fn a_supervised_program_ends_with_its_value_and_takes_its_children_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let supervised = sleeper(folder.path());
    let processes = process_ids(folder.path());
    assert_eq!(processes.len(), 2);
    assert!(processes.iter().all(|id| is_alive(id)));
    drop(supervised);
    assert!(
        poll(LIMIT, || processes
            .iter()
            .all(|id| !is_alive(id))
            .then_some(()))
        .is_some()
    );
}

#[test]
fn what_a_killed_test_process_started_ends_and_its_folders_go() {
    let shared = tempfile::tempdir().unwrap();
    let mut killed = stand_in("kill", shared.path()).spawn().unwrap();
    let processes = process_ids(shared.path());
    let folder =
        PathBuf::from(poll(LIMIT, || complete_line(&shared.path().join("folder"))).unwrap());
    assert!(folder.is_dir());
    assert!(processes.iter().all(|id| is_alive(id)));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(
        poll(LIMIT, || processes
            .iter()
            .all(|id| !is_alive(id))
            .then_some(()))
        .is_some()
    );
    assert!(poll(LIMIT, || (!folder.exists()).then_some(())).is_some());
}

#[test]
fn a_supervised_program_ends_when_the_supervisor_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    // The shell becomes the sleeper, so that it is the supervisor's own child.
    command
        .args([
            "-c",
            "echo $PPID >supervisor; echo $$ >program; exec sleep 1000",
        ])
        .current_dir(folder.path());
    let mut supervised = Supervised::start(&command, Stdio::null(), Stdio::null());
    let program = poll(LIMIT, || complete_line(&folder.path().join("program"))).unwrap();
    let supervisor = complete_line(&folder.path().join("supervisor")).unwrap();
    assert!(
        Command::new("sh")
            .args(["-c", &format!("kill -9 {supervisor}")])
            .status()
            .unwrap()
            .success()
    );
    assert!(supervised.wait(LIMIT).is_some());
    // Only Linux has a parent-death signal; elsewhere nothing can be done for a supervisor that is killed itself.
    if cfg!(target_os = "linux") {
        assert!(poll(LIMIT, || (!is_alive(&program)).then_some(())).is_some());
    }
}

#[test]
fn a_supervised_program_ends_as_it_would_have_alone() {
    let mut command = Command::new("sh");
    command.args(["-c", "exit 7"]);
    let status = Supervised::start(&command, Stdio::null(), Stdio::null())
        .wait(LIMIT)
        .unwrap();
    assert_eq!(status.code(), Some(7));
    command = Command::new("sh");
    command.args(["-c", "kill -9 $$"]);
    let status = Supervised::start(&command, Stdio::null(), Stdio::null())
        .wait(LIMIT)
        .unwrap();
    assert_eq!(status.code(), Some(128 + 9));
}

#[test]
fn output_is_there_line_by_line_while_the_program_runs() {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap 'echo bye; exit 3' TERM; echo ready >&2; while :; do sleep 0.05; done",
    ]);
    let mut running = Running::start(&command);
    assert_eq!(running.wait_for_line("rea", LIMIT), "ready");
    assert!(running.is_running());
    assert_eq!(running.terminate(LIMIT).code(), Some(3));
    assert_eq!(
        (running.stdout().as_str(), running.stderr().as_str()),
        ("bye", "ready")
    );
}

#[test]
fn waiting_for_a_line_that_never_comes_ends_with_the_program_and_shows_its_output() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo something else"]);
    let running = Running::start(&command);
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        running.wait_for_line("ready", LIMIT)
    }));
    let words = *waited.unwrap_err().downcast::<String>().unwrap();
    assert!(
        words.contains("no line with `ready`") && words.contains("something else"),
        "{words}"
    );
}

#[test]
fn a_killed_program_keeps_what_it_wrote_before() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo ready; exec sleep 1000"]);
    let mut running = Running::start(&command);
    running.wait_for_line("ready", LIMIT);
    running.kill();
    assert!(!running.is_running());
    assert_eq!(running.stdout(), "ready");
}

#[test]
fn highwater_runs_with_a_home_of_its_own() {
    let mut command = highwater();
    let home = command
        .get_envs()
        .find(|(name, _)| *name == "HOME")
        .unwrap()
        .1
        .unwrap()
        .to_owned();
    assert_ne!(Some(&home), std::env::var_os("HOME").as_ref());
    let output = command.arg("version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(env!("CARGO_PKG_VERSION")),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn process_ids(folder: &Path) -> Vec<String> {
    ["child", "parent"]
        .iter()
        .map(|file| poll(LIMIT, || complete_line(&folder.join(file))).unwrap())
        .collect()
}

/// The first line of a file that another process writes, once all of it is there.
fn complete_line(file: &Path) -> Option<String> {
    Some(
        fs::read_to_string(file)
            .ok()?
            .split_once('\n')?
            .0
            .to_owned(),
    )
}

/// Whether a process with this id exists and has not ended. What ended counts as gone though nobody has reaped it: that is its new parent's duty.
fn is_alive(id: &str) -> bool {
    if Path::new("/proc/self/stat").exists() {
        let state = fs::read_to_string(format!("/proc/{id}/stat"));
        return state.is_ok_and(|text| {
            text.rsplit_once(") ")
                .is_some_and(|(_, rest)| !rest.starts_with('Z'))
        });
    }
    Command::new("sh")
        .args(["-c", &format!("kill -0 {id} 2>&-")])
        .status()
        .unwrap()
        .success()
}
