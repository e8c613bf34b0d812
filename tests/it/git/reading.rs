//! Reading files and finding the marked ones.

use super::*;

#[test]
fn links_are_read_inside_the_tree_and_refused_outside() {
    let world = world();
    world.origin.commit_entries(
        "main",
        "seed",
        &[
            Seed::File("base/app.yaml", b"app\n"),
            Seed::Executable("bin/run.sh", b"#!/bin/sh\n"),
            Seed::Link("app.yaml", "base/app.yaml"),
            Seed::Link("dir", "base"),
            Seed::Link("base/up.yaml", "../bin/run.sh"),
            Seed::Link("passwd", "/etc/passwd"),
            Seed::Link("out", "../outside"),
            Seed::Link("loop", "loop"),
            Seed::Link("none", "missing.yaml"),
        ],
    );
    let tree = world
        .cache
        .fetch(&world.file(), &branch("main"))
        .expect("it is fetched")
        .snapshot;
    assert_eq!(tree.read("app.yaml"), Ok(b"app\n".to_vec()));
    assert_eq!(tree.read("dir/app.yaml"), Ok(b"app\n".to_vec()));
    assert_eq!(tree.read("base/up.yaml"), Ok(b"#!/bin/sh\n".to_vec()));
    assert_eq!(
        tree.read("passwd"),
        Err(TreeError::OutsideTree("passwd".into()))
    );
    assert_eq!(tree.read("out"), Err(TreeError::OutsideTree("out".into())));
    assert!(matches!(
        tree.read("loop"),
        Err(TreeError::Unreadable { .. })
    ));
    assert_eq!(tree.read("none"), Err(TreeError::NotFound("none".into())));
    assert_eq!(tree.read("base"), Err(TreeError::NotAFile("base".into())));
    assert_eq!(tree.kind("app.yaml"), Some(EntryKind::Link));
    assert_eq!(tree.kind("bin/run.sh"), Some(EntryKind::Executable));
    let entries = tree.entries("base").expect("a folder");
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["app.yaml", "up.yaml"]);
    assert_eq!(
        tree.entries("app.yaml"),
        Err(TreeError::NotADirectory("app.yaml".into()))
    );
}

#[test]
fn a_name_that_is_no_text_is_left_alone() {
    let world = World::seeded(&[("a.yaml", "$imagepolicy\n")]);
    // The octal escape is how Git writes a byte that is no UTF-8.
    let blob = git(&world.origin.path, &["rev-parse", "main:a.yaml"]);
    let stream = format!(
        "commit refs/heads/main\ncommitter A <a@b> now\ndata 1\nx\nfrom refs/heads/main^0\nM 100644 {} \"b\\377.yaml\"\n",
        blob.trim()
    );
    git_with_input(
        &world.origin.path,
        &["fast-import", "--quiet", "--date-format=now"],
        stream.as_bytes(),
    );
    let tip = world
        .cache
        .fetch(&world.file(), &branch("main"))
        .expect("it is fetched")
        .snapshot;
    let found = tip
        .candidates("", b"$imagepolicy", |_| true)
        .expect("they are found");
    assert_eq!(found.files.len(), 1);
    pushed(&set(&world, &world.file(), &[("a.yaml", "new\n")]).expect("it is pushed"));
    assert_eq!(
        git(&world.origin.path, &["ls-tree", "--name-only", "main"]),
        "a.yaml\n\"b\\377.yaml\"\n"
    );
    world.origin.fsck();
}

#[test]
fn candidates_are_the_marked_files_under_the_path_each_once() {
    let marked = "image: a:1 # {\"$imagepolicy\": \"ns:a\"}\n";
    let world = world();
    let large = vec![b'#'; 33 << 20];
    world.origin.commit_entries(
        "main",
        "seed",
        &[
            Seed::File("apps/a.yaml", marked.as_bytes()),
            Seed::File("apps/plain.yaml", b"image: a:1\n"),
            Seed::File("apps/note.txt", marked.as_bytes()),
            Seed::File("apps-other/b.yaml", marked.as_bytes()),
            Seed::File("shared/c.yaml", marked.as_bytes()),
            Seed::Link("apps/link.yaml", "a.yaml"),
            Seed::Link("apps/shared.yaml", "../shared/c.yaml"),
            Seed::Link("apps/out.yaml", "/etc/hosts.yaml"),
            Seed::File("apps/large.yaml", &large),
        ],
    );
    let tree = world
        .cache
        .fetch(&world.file(), &branch("main"))
        .expect("it is fetched")
        .snapshot;
    let yaml = |path: &str| path.ends_with(".yaml");
    let found = tree
        .candidates("apps", b"$imagepolicy", yaml)
        .expect("they are found");
    let paths: Vec<_> = found.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["apps/a.yaml", "shared/c.yaml"]);
    assert_eq!(found.files[0].size, marked.len() as u64);
    let skipped: Vec<_> = found
        .skipped
        .iter()
        .map(|file| (file.path.as_str(), file.reason.clone()))
        .collect();
    let size = large.len() as u64;
    assert_eq!(
        skipped,
        [
            ("apps/large.yaml", SkipReason::TooLarge { size }),
            ("apps/out.yaml", SkipReason::Link)
        ]
    );
    let all = tree
        .candidates("", b"$imagepolicy", yaml)
        .expect("they are found");
    assert_eq!(all.files.len(), 3);
    assert_eq!(
        tree.candidates("./apps/", b"$imagepolicy", yaml)
            .expect("they are found"),
        found
    );
    let error = tree
        .candidates("nowhere", b"x", yaml)
        .expect_err("no such folder");
    assert!(
        error
            .to_string()
            .starts_with("path `nowhere` does not exist in commit")
    );
}
