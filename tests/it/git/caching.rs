//! What the local cache saves, and what it survives.

use super::*;

#[test]
fn a_second_fetch_brings_only_what_changed() {
    let world = world();
    let mut noise = Vec::new();
    for seed in 0..50_000_u64 {
        noise.extend_from_slice(&seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    }
    world.origin.commit_entries(
        "main",
        "seed",
        &[
            Seed::File("noise.bin", &noise),
            Seed::File("a.yaml", b"1\n"),
        ],
    );
    let remote = world.file();
    world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    let before = cached_bytes(&world);
    assert!(before > 100_000, "{before}");
    world.origin.commit("main", "second", &[("a.yaml", "2\n")]);
    let second = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    assert_eq!(second.snapshot.read("noise.bin"), Ok(noise));
    assert_eq!(second.snapshot.read("a.yaml"), Ok(b"2\n".to_vec()));
    let grown = cached_bytes(&world) - before;
    assert!(grown < 10_000, "{grown} bytes more");
}

fn cached_bytes(world: &World) -> u64 {
    fn of(path: &std::path::Path) -> u64 {
        std::fs::read_dir(path)
            .expect("a folder")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| match entry.file_type().expect("a type").is_dir() {
                true => of(&entry.path()),
                false => entry.metadata().expect("a size").len(),
            })
            .sum()
    }
    of(&world.folder.path().join("cache"))
}

#[test]
fn a_revert_to_content_from_before_the_cache_is_complete() {
    // The server must not believe that the history behind a shallow commit is known here.
    let world = World::seeded(&[("a.yaml", "old\n"), ("b/c.yaml", "old c\n")]);
    world.origin.commit(
        "main",
        "new",
        &[("a.yaml", "new\n"), ("b/c.yaml", "new c\n")],
    );
    let remote = world.file();
    world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    world.origin.commit(
        "main",
        "revert",
        &[("a.yaml", "old\n"), ("b/c.yaml", "old c\n")],
    );
    let reverted = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    assert_eq!(reverted.snapshot.read("a.yaml"), Ok(b"old\n".to_vec()));
    assert_eq!(reverted.snapshot.read("b/c.yaml"), Ok(b"old c\n".to_vec()));
}

#[test]
fn an_unchanged_branch_downloads_nothing() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    let before = server.count("POST", "/git-upload-pack");
    world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    // One listing, no download.
    assert_eq!(server.count("POST", "/git-upload-pack"), before + 1);
}

#[test]
fn the_cache_survives_a_restart_and_is_owned_by_one_process() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let server = world.serve(ServerAuth::Open);
    let remote = remote(&server.url("fleet"));
    let folder = world.folder.path().join("cache");
    world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    let error = GitCache::open(&folder)
        .map(drop)
        .expect_err("the other one is alive");
    assert!(matches!(error, GitError::CacheInUse { .. }), "{error:?}");
    drop(world.cache);
    let again = GitCache::open(&folder).expect("it is free");
    let before = server.count("POST", "/git-upload-pack");
    let fetched = again
        .fetch(&remote, &branch("main"))
        .expect("it is fetched");
    assert_eq!(fetched.snapshot.read("a.yaml"), Ok(b"a\n".to_vec()));
    assert_eq!(server.count("POST", "/git-upload-pack"), before + 1);
}

#[test]
fn a_damaged_cache_is_fetched_anew() {
    for damage in [
        truncate_packs,
        overwrite_packs,
        remove_packs,
        overwrite_indexes,
    ] {
        let world = World::seeded(&[("apps/a.yaml", "a\n"), ("b.yaml", "b\n")]);
        let remote = world.file();
        let first = world
            .cache
            .fetch(&remote, &branch("main"))
            .expect("it is fetched");
        drop(first);
        let folder = world.folder.path().join("cache");
        drop(world.cache);
        damage(&folder);
        let cache = GitCache::open(&folder).expect("it opens");
        let fetched = cache
            .fetch(&remote, &branch("main"))
            .expect("it is fetched anew");
        // The damage may show only when a file is read; then the next fetch mends it.
        let read = fetched.snapshot.read("apps/a.yaml").or_else(|_| {
            let again = cache
                .fetch(&remote, &branch("main"))
                .expect("it is fetched anew");
            again.snapshot.read("apps/a.yaml")
        });
        assert_eq!(read, Ok(b"a\n".to_vec()));
    }
}

fn cache_files(folder: &std::path::Path, extension: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn rewrite(path: &std::path::Path, bytes: &[u8]) {
    std::fs::remove_file(path).expect("it can be removed");
    std::fs::write(path, bytes).expect("it can be written");
}

fn truncate_packs(folder: &std::path::Path) {
    for path in cache_files(folder, "pack") {
        let bytes = std::fs::read(&path).expect("a pack");
        rewrite(&path, &bytes[..bytes.len() / 2]);
    }
}

fn overwrite_packs(folder: &std::path::Path) {
    for path in cache_files(folder, "pack") {
        let mut bytes = std::fs::read(&path).expect("a pack");
        let end = bytes.len() - 20;
        bytes[12..end].fill(0x55);
        rewrite(&path, &bytes);
    }
}

fn remove_packs(folder: &std::path::Path) {
    for path in cache_files(folder, "pack") {
        std::fs::remove_file(path).expect("it can be removed");
    }
}

fn overwrite_indexes(folder: &std::path::Path) {
    for path in cache_files(folder, "idx") {
        rewrite(&path, b"nonsense");
    }
}

#[test]
fn a_whole_history_is_fetched_where_it_is_asked_for_and_then_only_what_is_new() {
    let world = World::seeded(&[("a.yaml", "1\n")]);
    let seed = world.origin.head("main");
    world.origin.commit("main", "second", &[("a.yaml", "2\n")]);
    let holds = |commit: &str| {
        let folders = std::fs::read_dir(world.folder.path().join("cache")).expect("a folder");
        let mut generations = folders
            .map(|entry| entry.expect("an entry").path().join("1"))
            .filter(|path| path.is_dir());
        generations.any(|path| {
            let arguments = ["cat-file", "-e", commit];
            crate::support::git_http::try_git(&path, &arguments, b"")
                .status
                .success()
        })
    };
    let main = branch("main");
    world
        .cache
        .fetch(&world.file(), &main)
        .expect("it is fetched");
    assert!(!holds(&seed), "one commit is fetched and no more");
    let server = world.serve(ServerAuth::Open);
    let whole = remote(&server.url("fleet")).with_whole_history(true);
    world.cache.fetch(&whole, &main).expect("it is fetched");
    assert!(holds(&seed));
    for line in ["third", "fourth"] {
        let commit = world.origin.commit("main", line, &[("a.yaml", line)]);
        let fetched = world.cache.fetch(&whole, &main).expect("it is fetched");
        assert_eq!(fetched.commit, id(&commit));
        assert_eq!(
            fetched.snapshot.read("a.yaml"),
            Ok(line.as_bytes().to_vec())
        );
    }
    let outcome = set(&world, &whole, &[("a.yaml", "mine")]).expect("it is pushed");
    assert_eq!(pushed(&outcome), id(&world.origin.head("main")));
}
