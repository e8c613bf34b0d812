//! What a reference means, and what is fetched for it.

use super::*;

#[test]
fn a_branch_is_fetched_with_subject_author_and_files() {
    let world = World::seeded(&[("apps/web.yaml", "image: web:1\n"), ("README.md", "hi\n")]);
    let fetched = world
        .cache
        .fetch(&world.file(), &branch("main"))
        .expect("it is fetched");
    assert_eq!(fetched.commit, id(&world.origin.head("main")));
    assert_eq!(
        fetched.revision.to_string(),
        format!("main@sha1:{}", world.origin.head("main"))
    );
    assert_eq!(fetched.subject, "seed");
    assert_eq!(fetched.author, "Seed <seed@example.com>");
    assert_eq!(
        fetched.snapshot.read("apps/web.yaml"),
        Ok(b"image: web:1\n".to_vec())
    );
    assert_eq!(fetched.snapshot.kind("apps"), Some(EntryKind::Directory));
    assert_eq!(
        fetched.snapshot.read("apps/db.yaml"),
        Err(TreeError::NotFound("apps/db.yaml".to_owned()))
    );
    assert_eq!(
        fetched.snapshot.read("../fleet.git/HEAD"),
        Err(TreeError::OutsideTree("../fleet.git/HEAD".to_owned()))
    );
}

#[test]
fn an_empty_repository_says_so() {
    let world = world();
    let server = world.serve(ServerAuth::Open);
    for remote in [world.file(), remote(&server.url("fleet"))] {
        let error = world
            .cache
            .fetch(&remote, &branch("main"))
            .expect_err("it is empty");
        assert!(
            matches!(error, GitError::EmptyRepository { .. }),
            "{error:?}"
        );
        let error = set(&world, &remote, &[("a", "b")]).expect_err("it is empty");
        let empty = matches!(
            error,
            TransactionError::Git(GitError::EmptyRepository { .. })
        );
        assert!(empty, "{error:?}");
    }
}

#[test]
fn an_absent_branch_tag_or_commit_is_named() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let remote = world.file();
    let unknown = CheckoutRef::Commit {
        commit: id("0123456789012345678901234567890123456789"),
        branch: None,
    };
    for (checkout, words) in [
        (branch("dev"), "branch `dev` not found"),
        (CheckoutRef::Tag("v9".into()), "tag `v9` not found"),
        (
            CheckoutRef::Name("refs/pull/7/head".into()),
            "reference `refs/pull/7/head` not found",
        ),
        (
            unknown,
            "commit `0123456789012345678901234567890123456789` not found",
        ),
    ] {
        let error = world
            .cache
            .fetch(&remote, &checkout)
            .expect_err("it does not exist");
        assert!(matches!(error, GitError::RefNotFound { .. }), "{error:?}");
        assert!(error.to_string().starts_with(words), "{error}");
    }
    // A prefix of a name is another name.
    world.origin.commit("development", "other", &[("a", "b")]);
    assert!(world.cache.fetch(&remote, &branch("dev")).is_err());
}

#[test]
fn tags_are_peeled_and_references_found_by_full_name() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    let first = world.origin.head("main");
    git(&world.origin.path, &["tag", "light", "main"]);
    git(
        &world.origin.path,
        &["tag", "-m", "release", "v1.0.0", "main"],
    );
    git(
        &world.origin.path,
        &["tag", "-m", "of a tag", "v1.0.1", "v1.0.0"],
    );
    git(
        &world.origin.path,
        &["update-ref", "refs/pull/1/head", "main"],
    );
    world.origin.commit("main", "second", &[("a.yaml", "b\n")]);
    let server = world.serve(ServerAuth::Open);
    for remote in [world.file(), remote(&server.url("fleet"))] {
        for (checkout, revision) in [
            (CheckoutRef::Tag("light".into()), "light"),
            (CheckoutRef::Tag("v1.0.0".into()), "v1.0.0"),
            (CheckoutRef::Tag("v1.0.1".into()), "v1.0.1"),
            (
                CheckoutRef::Name("refs/pull/1/head".into()),
                "refs/pull/1/head",
            ),
            (
                CheckoutRef::Name("refs/tags/v1.0.0".into()),
                "refs/tags/v1.0.0",
            ),
        ] {
            let expected = format!("{revision}@sha1:{first}");
            let head = world
                .cache
                .remote_revision(&remote, &checkout)
                .expect("it exists");
            assert_eq!(head.to_string(), expected);
            let fetched = world.cache.fetch(&remote, &checkout).expect("it exists");
            assert_eq!(fetched.revision.to_string(), expected);
            assert_eq!(fetched.snapshot.read("a.yaml"), Ok(b"a\n".to_vec()));
        }
    }
}

#[test]
fn a_range_of_versions_takes_the_highest_tag_in_it() {
    let world = World::seeded(&[("a.yaml", "0\n")]);
    for tag in [
        "v1.0.0",
        "v1.2.0",
        "1.10.0",
        "v2.0.0-rc.1",
        "v3.0.0",
        "nightly",
    ] {
        world.origin.commit("main", tag, &[("a.yaml", tag)]);
        git(&world.origin.path, &["tag", "-m", tag, tag, "main"]);
    }
    let range = |text: &str| CheckoutRef::SemVer(text.to_owned());
    let fetched = world
        .cache
        .fetch(&world.file(), &range("^1.0"))
        .expect("it is fetched");
    assert_eq!(fetched.snapshot.read("a.yaml"), Ok(b"1.10.0".to_vec()));
    assert_eq!(
        fetched.revision.to_string(),
        format!("1.10.0@sha1:{}", fetched.commit)
    );
    let error = world
        .cache
        .fetch(&world.file(), &range(">=4"))
        .expect_err("no such tag");
    assert!(
        error
            .to_string()
            .starts_with("semver range `>=4` not found"),
        "{error}"
    );
}

#[test]
fn a_tag_of_a_file_is_no_commit() {
    let world = World::seeded(&[("a.yaml", "a\n")]);
    git(&world.origin.path, &["tag", "blob", "main:a.yaml"]);
    let error = world
        .cache
        .fetch(&world.file(), &CheckoutRef::Tag("blob".into()))
        .expect_err("a blob");
    assert!(matches!(error, GitError::NotACommit { .. }), "{error:?}");
    assert!(world.cache.fetch(&world.file(), &branch("main")).is_ok());
}

#[test]
fn an_old_commit_is_fetched_also_from_a_server_that_hands_out_only_heads() {
    let world = World::seeded(&[("a.yaml", "1\n")]);
    let first = world.origin.head("main");
    for text in ["2\n", "3\n", "4\n"] {
        world
            .origin
            .commit("main", text.trim(), &[("a.yaml", text)]);
    }
    let server = world.serve(ServerAuth::Open);
    let checkout = |name: Option<&str>| CheckoutRef::Commit {
        commit: id(&first),
        branch: name.map(str::to_owned),
    };
    let modern = world
        .cache
        .fetch(&world.file(), &checkout(None))
        .expect("it exists");
    assert_eq!(modern.snapshot.read("a.yaml"), Ok(b"1\n".to_vec()));
    assert_eq!(modern.revision.to_string(), format!("sha1:{first}"));
    server.speak_old_protocol();
    let remote = remote(&server.url("fleet"));
    let old = world
        .cache
        .fetch(&remote, &checkout(Some("main")))
        .expect("it is on the branch");
    assert_eq!(old.snapshot.read("a.yaml"), Ok(b"1\n".to_vec()));
    assert_eq!(old.revision.to_string(), format!("main@sha1:{first}"));
    let tip = world
        .cache
        .fetch(&remote, &branch("main"))
        .expect("the old protocol works");
    assert_eq!(tip.snapshot.read("a.yaml"), Ok(b"4\n".to_vec()));
}
