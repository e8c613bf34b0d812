//! Builds: once for each content of a module folder, whoever asks, and whole or not at all.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use super::stand_in;
use crate::support::build::try_go_build;

#[test]
fn two_test_processes_that_start_together_build_once() {
    let shared = tempfile::tempdir().unwrap();
    write_module(
        &shared.path().join("module"),
        "package main\n\nfunc main() { println(\"tiny\") }\n",
    );
    let together: Vec<Child> = (0..2)
        .map(|_| {
            stand_in("build", shared.path())
                .env("HIGHWATER_CACHE", shared.path().join("cache"))
                .spawn()
                .unwrap()
        })
        .collect();
    let mut said = String::new();
    for child in together {
        let output = child.wait_with_output().unwrap();
        said += &String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
    }
    assert_eq!(said.matches("building tiny with Go").count(), 1, "{said}");
    let kept: Vec<_> = listing(&shared.path().join("cache/servers"));
    assert!(
        matches!(&kept[..], [build, lock] if build.starts_with("tiny-") && lock == "tiny.lock"),
        "{kept:?}"
    );
}

#[test]
fn a_change_to_any_file_of_a_module_makes_a_new_build() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, module) = (folder.path().join("cache"), folder.path().join("module"));
    write_module(&module, "package main\n\nfunc main() {}\n");
    let first = try_go_build(&cache, &module, "tiny", "").unwrap();
    assert_eq!(try_go_build(&cache, &module, "tiny", "").unwrap(), first);
    fs::write(
        module.join("main.go"),
        "package main\n\nfunc main() { println(1) }\n",
    )
    .unwrap();
    let second = try_go_build(&cache, &module, "tiny", "").unwrap();
    assert_ne!(second, first);
    let output = Command::new(second.join("tiny")).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "1\n");
}

#[test]
fn a_build_that_fails_says_what_go_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, module) = (folder.path().join("cache"), folder.path().join("module"));
    write_module(&module, "package main\n\nfunc main() { missing() }\n");
    // What a test process left that was killed while it built.
    let abandoned = cache.join("servers/.building-tiny-abandoned");
    fs::create_dir_all(&abandoned).unwrap();
    let problem = try_go_build(&cache, &module, "tiny", "").unwrap_err();
    assert!(problem.contains("undefined: missing"), "{problem}");
    assert_eq!(listing(&cache.join("servers")), ["tiny.lock"]);
}

#[test]
fn a_machine_without_go_is_told_what_to_install() {
    let shared = tempfile::tempdir().unwrap();
    write_module(
        &shared.path().join("module"),
        "package main\n\nfunc main() {}\n",
    );
    let output = stand_in("build", shared.path())
        .env("PATH", shared.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("hint: install Go"), "{said}");
}

#[test]
fn the_developers_own_control_plane_is_used_where_there_is_one() {
    let shared = tempfile::tempdir().unwrap();
    let names = [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kubectl",
    ];
    let programs = names.map(|name| shared.path().join(name));
    for program in &programs {
        fs::write(program, "").unwrap();
    }
    let output = stand_in("programs", shared.path())
        .env("KUBEBUILDER_ASSETS", shared.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    let used = fs::read_to_string(shared.path().join("used")).unwrap();
    assert_eq!(
        used,
        programs
            .map(|program| program.display().to_string())
            .join("\n")
    );
}

fn write_module(folder: &Path, program: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(
        folder.join("go.mod"),
        "module example.org/tiny\n\ngo 1.21\n",
    )
    .unwrap();
    fs::write(folder.join("main.go"), program).unwrap();
}

fn listing(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
