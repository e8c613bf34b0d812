//! How an entry is taken apart, asked of the real program: a stand-in for `git` notes what it is
//! called with.

use super::*;
use highwater::domain::tree::join;
use proptest::strategy::{Strategy as _, ValueTree as _};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the real program hands to `git`: clone URL, reference, whether submodules are wanted, and
/// the path it then looks for. `None` when it calls nobody.
type Parts = Option<(String, String, bool, String)>;

/// A folder with a program `git` that only notes its arguments.
fn stand_in() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let script = "#!/bin/sh\nprintf '%s\\n' \"$1\" \"$2\" \"$3\" \"$4\" >> \"$CALLS\"\n";
    let program = folder.path().join("git");
    std::fs::write(&program, script).expect("the folder is ours");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    folder
}

/// Takes apart what the real program does with a component of this name.
fn theirs(entry: &str, programs: &Path) -> Parts {
    let folder = tempfile::tempdir().expect("a folder");
    let entry = serde_json::to_string(entry).expect("a text");
    let kustomization = format!("components: [{entry}]\n");
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).expect("ours");
    let words =
        kubectl(folder.path(), folder.path(), Some(programs)).expect_err("nothing is there");
    let calls = std::fs::read_to_string(folder.path().join("calls")).ok()?;
    let calls: Vec<&str> = calls.lines().collect();
    let calls: Vec<&[&str]> = calls.chunks(4).collect();
    let fetch = calls.iter().find(|call| call[0] == "fetch")?;
    let submodules = calls.iter().any(|call| call[0] == "submodule");
    Some((
        fetch[2].to_owned(),
        fetch[3].to_owned(),
        submodules,
        looked_for(&words, folder.path()),
    ))
}

/// The path in the clone that a message names.
fn looked_for(words: &str, folder: &Path) -> String {
    let start = format!("{}/", folder.display());
    let Some((_, rest)) = words.split_once(&start) else {
        panic!("no path in: {words}");
    };
    let path = rest.split('\'').next().unwrap_or_default();
    // The first part is the clone itself; a path that has left it shows no clone.
    match path.split_once('/') {
        Some((_, path)) => path.to_owned(),
        None => String::new(),
    }
}

fn ours(entry: &str) -> Parts {
    let url = RepositoryUrl::parse(entry)?;
    let path = join("", url.path.trim_start_matches('/')).expect("no path here leaves");
    Some((
        url.clone_url,
        url.reference.unwrap_or_else(|| "HEAD".to_owned()),
        url.submodules,
        path,
    ))
}

fn check_all(entries: &[String]) {
    let programs = stand_in();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert_eq!(ours(entry), theirs(entry, programs.path()), "{entry}");
                }
            });
        }
    });
}

/// Every form that the documentation names, and every trap found in what the real program does.
const ENTRIES: [&str; 78] = [
    "https://github.com/org/repo",
    "https://github.com/org/repo/",
    "https://github.com/org/repo/path/to",
    "https://github.com/org/repo//path/to?ref=v1",
    "https://github.com/org/repo.git//path/to?ref=v1&timeout=90",
    "https://github.com/org/repo.git/path/to",
    "https://github.com/org/repo?version=v1",
    "https://github.com/org/repo?version=v1&ref=v2",
    "https://github.com/org/repo?ref=&version=v1",
    "https://github.com/org/repo?ref=a&ref=b",
    "https://github.com/org/repo?ref=feature%2Fx",
    "https://github.com/org/repo?ref=a;b",
    "https://github.com/org/repo?ref=%zz&version=v1",
    "https://github.com/org/repo?ref=v1?ref=v2",
    "https://github.com/org/repo?submodules=false",
    "https://github.com/org/repo?submodules=0",
    "https://github.com/org/repo?submodules=no",
    "https://github.com/org/repo?submodules=F&ref=x",
    "https://github.com/org/repo?submodules=true",
    "https://github.com/org/repo?REF=v1",
    "https://github.com/org",
    "https://github.com/",
    "https://github.com",
    "HTTPS://GitHub.com/org/repo",
    "http://github.com/org/repo/x",
    "github.com/org/repo/path?ref=v1",
    "GitHub.com/org/repo",
    "github.com:org/repo",
    "github.com:org/repo//path",
    "github.com:22/org/repo",
    "github.com/org",
    "git@github.com:org/repo.git//path?ref=v1",
    "git@github.com/org/repo",
    "https://git@github.com/org/repo/path",
    "ssh://git@github.com/org/repo.git",
    "ssh://github.com/org/repo",
    "ssh://git@github.com:22/org/repo",
    "git::https://github.com/org/repo",
    "git::git@host:org/repo",
    "GIT::ssh://host/org/repo",
    "git::git::https://host/org/repo",
    "https://host/org/repo/path",
    "https://host:8443/org/repo/path",
    "https://host/org/group/repo.git/path",
    "https://host/org/group/repo//path",
    "https://host/org/repo.github/path",
    "https://host.git/org/repo/path",
    "https://host/a.git/b.git/c",
    "https://host/repo.git",
    "https://host//repo/path",
    "https://host/x.yaml",
    "https://host/org/x.yaml",
    "https://user@host/org/repo",
    "https://user:secret@host/org/repo",
    "https://us_er@host/org/repo",
    "https://dev.azure.com/org/project/_git/repo",
    "https://dev.azure.com/org/project/_git/repo/path/to?version=GBx",
    "https://dev.azure.com/org/project/_git/repo//path",
    "https://user@dev.azure.com/org/_git/",
    "git@ssh.dev.azure.com:v3/org/project/repo",
    "git@host:org/repo/path",
    "git@host:/abs/path/repo.git",
    "git@host/org/repo",
    "git@host",
    "git@:org/repo",
    "9git@host:org/repo",
    "ssh://git@host:7999/org/repo//path",
    "ssh://host",
    "file:///srv/repo",
    "file:///srv/repo.git/path",
    "file:///srv/repo//path?ref=v1",
    "file://user@srv/repo",
    "ftp://host/org/repo",
    "s3::https://host/org/repo",
    "gitlab.com/org/repo",
    "https://host/org/repo//./a/../b/",
    "https://host/org/repo//a/../../b",
    "user@folder/org/repo",
];

#[test]
fn every_form_is_taken_apart_as_the_real_program_takes_it_apart() {
    let entries: Vec<String> = ENTRIES.iter().map(|entry| (*entry).to_owned()).collect();
    check_all(&entries);
}

#[test]
fn random_entries_are_taken_apart_as_the_real_program_takes_them_apart() {
    let piece = proptest::sample::select(vec![
        "https://",
        "http://",
        "ssh://",
        "file://",
        "git::",
        "git@",
        "me-2@",
        "github.com",
        "host",
        ":",
        "/",
        "/",
        "//",
        "org",
        "repo",
        ".git",
        "_git/",
        "a",
        "..",
        ".",
        "?",
        "ref=",
        "v1",
        "&",
        "version=",
        "submodules=",
        "false",
        "%2F",
        "+",
        "@",
        ":22",
    ]);
    let entry = proptest::collection::vec(piece, 1..9).prop_map(|pieces| pieces.concat());
    let mut runner = proptest::test_runner::TestRunner::default();
    let mut entries = Vec::new();
    while entries.len() < 60 {
        let tree = entry.new_tree(&mut runner).expect("entries are made");
        let entry = tree.current();
        match RepositoryUrl::parse(&entry) {
            // One that leaves the repository shows no path to compare.
            Some(url) if url.path.starts_with('/') && url.path.contains("..") => {}
            // Most of what is no repository on either side is of no interest.
            None if entries.len() % 4 != 0 => {}
            _ => entries.push(entry),
        }
    }
    check_all(&entries);
}

#[test]
fn a_timeout_is_read_as_the_real_program_reads_it() {
    let programs = tempfile::tempdir().expect("a folder");
    let slow = programs.path().join("git");
    std::fs::write(&slow, "#!/bin/sh\nexec sleep 30\n").expect("the folder is ours");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    for (text, shown) in [
        ("20ms", "20ms"),
        ("0.02s", "20ms"),
        ("%2B1500us", "1.5ms"),
        ("1", "1s"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let entry = format!("https://host/org/repo?timeout={text}");
        let kustomization = format!("components: [\"{entry}\"]\n");
        std::fs::write(folder.path().join("kustomization.yaml"), kustomization).expect("ours");
        let words = kubectl(folder.path(), folder.path(), Some(programs.path()));
        let words = words.expect_err("the program is too slow");
        assert!(
            words.contains(&format!("hit {shown} timeout")),
            "{text}: {words}"
        );
        let ours = RepositoryUrl::parse(&entry).expect("a repository").timeout;
        assert_eq!(highwater::domain::duration::format_duration(ours), shown);
    }
}
