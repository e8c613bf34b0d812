//! Bases in Git repositories.

use super::*;

/// A repository with a base that is another one at each reference.
fn with_references() -> (World, String) {
    let world = World::new();
    let base = "resources: [map.yaml]\nnamePrefix: base-\n";
    let commit = |branch: &str, name: &str| {
        let files = [
            ("deep/base/kustomization.yaml", base),
            ("deep/base/map.yaml", &map(name)),
            ("kustomization.yaml", "resources: [deep/base]\n"),
        ];
        world.origin.commit(branch, name, &files)
    };
    let first = commit("main", "first");
    git(&world.origin.path, &["tag", "v1", "main"]);
    commit("main", "second");
    git(
        &world.origin.path,
        &["tag", "--annotate", "-m", "two", "v2", "main"],
    );
    commit("main", "third");
    commit("v1", "a-branch-with-the-name-of-a-tag");
    commit("feature/x", "feature");
    (world, first)
}

#[test]
fn a_base_is_built_as_it_is_at_its_reference() {
    let (world, first) = with_references();
    let expectations = [
        ("{url}", "base-third"),
        ("{url}?ref=main", "base-third"),
        ("{url}//deep/base?ref=main", "base-third"),
        ("{url}/deep/base?ref=v1", "base-first"),
        ("{url}//deep/base?version=v2", "base-second"),
        ("{url}//deep/base/?ref=v2&version=v1", "base-second"),
        (
            "{url}?ref=refs/heads/v1",
            "base-a-branch-with-the-name-of-a-tag",
        ),
        ("{url}?ref=heads/v1", "base-a-branch-with-the-name-of-a-tag"),
        ("{url}?ref=tags/v1&submodules=false", "base-first"),
        ("{url}?ref=feature/x&timeout=60", "base-feature"),
        ("{url}?ref=feature%2Fx", "base-feature"),
        ("{url}?ref=HEAD", "base-third"),
        ("git::{url}?ref=v2", "base-second"),
    ];
    for (entry, name) in expectations {
        let built = world.same(&world.overlay("resources", &[entry]));
        assert_eq!(names(&built), [name], "{entry}");
    }
    let built = world.same(&world.overlay("resources", &[&format!("{{url}}?ref={first}")]));
    assert_eq!(names(&built), ["base-first"]);
}

#[test]
fn objects_tell_their_repository_as_the_real_program_tells_it() {
    let (world, _) = with_references();
    for entry in [
        "{url}",
        "{url}//deep/base?ref=main",
        "{url}/deep/base/?version=v2&submodules=false",
        "git::{url}?ref=feature%2Fx",
    ] {
        let overlay = world.overlay("resources", &[entry]);
        let built = world.same(&format!("{overlay}nameSuffix: -z\n{NOTES}"));
        let notes = &built[0]["metadata"]["annotations"];
        let origin = notes["config.kubernetes.io/origin"].as_str();
        let repository = format!("repo: {}\n", world.url());
        assert!(
            origin.is_some_and(|origin| origin.contains(&repository)),
            "{notes}"
        );
    }
}

#[test]
fn a_commit_is_found_where_only_references_are_handed_out() {
    let (world, first) = with_references();
    world.server.speak_old_protocol();
    let overlay = world.overlay("resources", &[&format!("{{url}}?ref={first}")]);
    assert_eq!(
        world.ours(&overlay).as_deref().map(names),
        Ok(vec!["base-first"])
    );
}

#[test]
fn bases_components_and_repositories_lead_to_one_another() {
    let world = World::new();
    let other = BareRepository::create(world.folder.path(), "other");
    other.commit(
        "main",
        "seed",
        &[
            ("kustomization.yaml", "resources: [map.yaml]\n"),
            ("map.yaml", &map("other")),
        ],
    );
    let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
    let nested = format!(
        "resources: [../base, \"{}?ref=main\"]\nnameSuffix: -nested\n",
        world.server.url("other")
    );
    world.origin.commit(
        "main",
        "seed",
        &[
            ("apps/nested/kustomization.yaml", &nested),
            ("apps/base/kustomization.yaml", "resources: [map.yaml]\n"),
            ("apps/base/map.yaml", &map("base")),
            (
                "shared/kustomization.yaml",
                &format!("{component}nameSuffix: -shared\nresources: [../more]\n"),
            ),
            ("more/kustomization.yaml", "resources: [map.yaml]\n"),
            ("more/map.yaml", &map("more")),
        ],
    );
    let resources = world.overlay("resources", &["{url}//apps/nested"]);
    let components = world.overlay("components", &["{url}//shared?ref=main"]);
    let built = world.same(&format!("{resources}{components}"));
    assert_eq!(
        names(&built),
        ["base-nested-shared", "more-shared", "other-nested-shared"]
    );
    let noted = world.same(&format!("{resources}{components}{NOTES}"));
    assert_eq!(names(&noted), names(&built));
    let built = world.same(&world.overlay("bases", &["{url}//apps/base"]));
    assert_eq!(names(&built), ["base"]);
}

#[test]
fn the_repository_itself_is_built_when_its_url_is_asked_for() {
    let (world, _) = with_references();
    let repository = RepositoryUrl::parse(&format!("{}//deep/base?ref=v1", world.url()));
    let repository = repository.expect("a repository");
    let remotes = world.bases().for_build(Duration::from_secs(120));
    let built = build_repository(&repository, &Options::kubectl(), &remotes);
    let ours = objects(built.map(|built| built.manifests));
    let theirs = kubectl(Path::new(&repository.raw), world.folder.path(), None);
    assert!(theirs.is_ok(), "{theirs:?}");
    assert_eq!(ours, theirs);
}

#[test]
fn one_build_fetches_each_repository_and_reference_once() {
    let base = ["a", "b", "c"].map(|name| (name, map(name)));
    let files: Vec<(String, String)> = base
        .iter()
        .flat_map(|(name, map)| {
            [
                (
                    format!("{name}/kustomization.yaml"),
                    "resources: [map.yaml]\n".to_owned(),
                ),
                (format!("{name}/map.yaml"), map.clone()),
            ]
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (&**a, &**b)).collect();
    let world = World::seeded(&files);
    let entries = [
        "{url}//a?ref=main",
        "{url}//b?ref=main",
        "{url}//c?ref=main",
    ];
    let overlay = world.overlay("resources", &entries);
    assert_eq!(
        world.ours(&overlay).as_deref().map(names),
        Ok(vec!["a", "b", "c"])
    );
    assert_eq!(world.server.count("GET", "/info/refs"), 1);
}

#[test]
fn what_is_not_there_is_named() {
    let (world, _) = with_references();
    let refused = |entry: &str| {
        let words = world.refused(&world.overlay("resources", &[entry]));
        assert!(
            words.contains("kustomization.yaml:2: `resources[0]`"),
            "{words}"
        );
        words
    };
    let words = refused("{url}?ref=v9");
    assert!(words.contains("reference `v9` not found in"), "{words}");
    let short = world.origin.head("main");
    let words = refused(&format!("{{url}}?ref={}", &short[..12]));
    assert!(words.contains("not found in"), "{words}");
    let words = refused("{url}?ref=0123456789012345678901234567890123456789");
    assert!(words.contains("not found in"), "{words}");
    let words = refused("{url}//deep/nothing");
    assert!(words.contains("`deep/nothing` does not exist"), "{words}");
    let words = refused("{url}//deep/base/map.yaml");
    assert!(
        words.contains("`deep/base/map.yaml` is not a directory"),
        "{words}"
    );
    let words = refused(&world.server.url("nothing"));
    assert!(words.contains("not found"), "{words}");
    let words = world.refused(&world.overlay("resources", &["{url}//deep"]));
    assert!(
        words.contains("fleet.git//deep` has no kustomization file"),
        "{words}"
    );
    let words = world.refused(&world.overlay("components", &["{url}//deep/base"]));
    assert!(words.contains("to be of kind `Component`"), "{words}");
}

#[test]
fn nothing_in_a_repository_leads_out_of_it() {
    let world = World::new();
    world.origin.commit_entries(
        "main",
        "seed",
        &[
            Seed::File("outside/kustomization.yaml", b"resources: [../..]\n"),
            Seed::File("beside/kustomization.yaml", b"resources: [../map.yaml]\n"),
            Seed::File("map.yaml", map("beside").as_bytes()),
            Seed::File("absolute/kustomization.yaml", b"resources: [/etc]\n"),
            Seed::File("linked/kustomization.yaml", b"resources: [map.yaml]\n"),
            Seed::Link("linked/map.yaml", "/etc/hostname"),
            Seed::Link("away", "../../../../../../etc"),
        ],
    );
    for (path, words) in [
        ("outside", "`../..` leads out of the tree"),
        ("beside", "`map.yaml` is not in or below `beside`"),
        ("absolute", "`/etc` leads out of the tree"),
        ("linked", "`linked/map.yaml` leads out of the tree"),
        ("away", "`away` leads out of the tree"),
        ("%2e%2e/x", "`%2e%2e/x` does not exist"),
    ] {
        let refused = world.refused(&world.overlay("resources", &[&format!("{{url}}//{path}")]));
        assert!(refused.contains(words), "{path}: {refused}");
    }
    // One that leaves in its URL is no repository at all.
    let refused = world.refused(&world.overlay("components", &["{url}//../x"]));
    assert!(refused.contains("`components[0]`"), "{refused}");
}

#[test]
fn a_repository_that_leads_back_into_itself_is_a_cycle() {
    let world = World::new();
    let itself = world.overlay("resources", &["{url}?ref=main"]);
    let back = world.overlay("resources", &["{url}//b?ref=main"]);
    let forth = world.overlay("resources", &["{url}//a?ref=main"]);
    world.origin.commit(
        "main",
        "seed",
        &[
            ("kustomization.yaml", &*itself),
            ("a/kustomization.yaml", &*back),
            ("b/kustomization.yaml", &*forth),
        ],
    );
    for entry in ["{url}?ref=main", "{url}//a?ref=main", "{url}"] {
        let words = world.refused(&world.overlay("resources", &[entry]));
        assert!(words.contains("the directory that includes it"), "{words}");
        assert!(words.contains("fleet.git"), "{words}");
    }
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let world = World::seeded(&[("kustomization.yaml", "resources: []\n")]);
    let held = world.server.hold(Point::UploadPack);
    let words = world
        .ours(&world.overlay("components", &["{url}?timeout=300ms"]))
        .expect_err("nobody answers");
    assert!(words.contains("did not answer within 0.3 s"), "{words}");
    drop(held);
    let _held = world.server.hold(Point::UploadPack);
    let overlay = world.overlay("components", &["{url}?timeout=10h"]);
    let hurried = world.bases().for_build(Duration::from_millis(300));
    let words = ours_with(&overlay, &hurried).expect_err("nobody answers");
    assert!(words.contains("did not answer within"), "{words}");
}

#[test]
fn a_repository_that_is_too_large_is_not_fetched() {
    // Random enough not to be packed into less.
    let mut state = 7_u64;
    let noise: String = (0..200_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'a' + (state >> 59) as u8 % 26)
        })
        .collect();
    let world = World::seeded(&[("kustomization.yaml", "resources: []\n"), ("noise", &noise)]);
    let bases = world.bases().with_limits(RemoteLimits {
        repository: 50_000,
        ..RemoteLimits::default()
    });
    let words = ours(&world.overlay("components", &["{url}"]), &bases).expect_err("too large");
    assert!(words.contains("sent more than 50000 bytes"), "{words}");
}

#[test]
fn a_build_without_remotes_asks_nobody() {
    let world = World::seeded(&[("kustomization.yaml", "resources: []\n")]);
    for field in ["resources", "components"] {
        let overlay = world.overlay(field, &["{url}?ref=main"]);
        let tree = MapTree::from_texts([("kustomization.yaml", &*overlay)]);
        let built = build(&tree, "", &Options::kubectl());
        let words = objects(built.map(|built| built.manifests)).expect_err("it is refused");
        let expected = format!(
            "kustomization.yaml:2: `{field}[0]`: `{}` cannot be fetched: remote bases are not allowed here; hint: add it as a source of its own, or keep a copy",
            world.url()
        );
        assert_eq!(words, expected);
    }
    assert_eq!(world.server.seen(), []);
}

#[test]
fn a_repository_of_this_machine_is_read_only_for_who_sits_at_it() {
    let (world, _) = with_references();
    let entry = format!("{}//deep/base?ref=v1", world.origin.url());
    let overlay = world.overlay("resources", &[&entry]);
    let words = world.ours(&overlay).expect_err("it is refused");
    assert!(
        words.contains("repositories of this machine are not read here"),
        "{words}"
    );
    let ours = ours(&overlay, &RemoteBases::by_hand());
    assert_eq!(ours.as_deref().map(names), Ok(vec!["base-first"]));
    assert_eq!(ours, world.theirs(&overlay));
}

#[test]
fn a_password_in_the_url_is_sent_and_never_shown() {
    let world = World::seeded(&[
        ("kustomization.yaml", "resources: [map.yaml]\n"),
        ("map.yaml", &map("private")),
    ]);
    let auth = ServerAuth::Basic("bot".to_owned(), "hunter2".to_owned());
    let server = GitHttp::start(world.folder.path(), auth);
    let url = |user: &str| {
        server
            .url("fleet")
            .replace("http://", &format!("http://{user}@"))
    };
    let overlay = world.overlay("resources", &[&url("bot:hunter2")]);
    assert_eq!(names(&world.same(&overlay)), ["private"]);
    let words = world.refused(&world.overlay("resources", &[&url("bot:hunter3")]));
    assert!(words.contains("authentication failed"), "{words}");
    assert!(
        !words.contains("hunter") && !words.contains("bot"),
        "{words}"
    );
}

/// Commits `files` and, at each path, a commit of another repository.
fn commit_with_submodules(
    repository: &BareRepository,
    files: &[(&str, &str)],
    submodules: &[(&str, &str)],
) -> String {
    let mut stream =
        "commit refs/heads/main\ncommitter Seed <seed@example.com> now\ndata 4\nseed\n".to_owned();
    for (path, text) in files {
        stream.push_str(&format!(
            "M 100644 inline {path}\ndata {}\n{text}\n",
            text.len()
        ));
    }
    for (path, commit) in submodules {
        stream.push_str(&format!("M 160000 {commit} {path}\n"));
    }
    let arguments = ["fast-import", "--quiet", "--date-format=now", "--force"];
    git_with_input(&repository.path, &arguments, stream.as_bytes());
    repository.head("main")
}

#[test]
fn a_base_may_lie_in_a_submodule_of_a_submodule() {
    let world = World::new();
    let create = |name: &str| BareRepository::create(world.folder.path(), name);
    let (inner, middle) = (create("inner"), create("middle"));
    let files = [
        ("maps/kustomization.yaml", "resources: [map.yaml]\n"),
        ("maps/map.yaml", &*map("inner")),
    ];
    let pinned = inner.commit("main", "seed", &files);
    inner.commit("main", "later", &[("maps/map.yaml", &map("later"))]);
    let description = "[submodule \"x\"]\n\tpath = x\n\turl = ../inner.git\n";
    let pinned =
        commit_with_submodules(&middle, &[(".gitmodules", description)], &[("x", &pinned)]);
    let description = format!(
        "[submodule \"middle\"]\n\tpath = libs/middle\n\turl = {}\n",
        world.server.url("middle")
    );
    let kustomization = "resources: [libs/middle/x/maps]\n";
    commit_with_submodules(
        &world.origin,
        &[
            (".gitmodules", &description),
            ("kustomization.yaml", kustomization),
        ],
        &[("libs/middle", &pinned)],
    );
    let built = world.same(&world.overlay("resources", &["{url}?ref=main"]));
    assert_eq!(names(&built), ["inner"]);
    let built = world.same(&world.overlay("resources", &["{url}//libs/middle/x/maps"]));
    assert_eq!(names(&built), ["inner"]);
    let words = world.refused(&world.overlay("resources", &["{url}?submodules=false"]));
    assert!(
        words.contains("`libs/middle/x/maps` does not exist"),
        "{words}"
    );
}

#[test]
fn a_submodule_that_cannot_be_had_fails_the_build() {
    let world = World::seeded(&[]);
    let pinned = world.origin.commit("other", "seed", &[("a", "b")]);
    let refused = |url: &str| {
        let description = format!("[submodule \"x\"]\n\tpath = libs/x\n\turl = {url}\n");
        commit_with_submodules(
            &world.origin,
            &[
                (".gitmodules", &description),
                ("kustomization.yaml", "resources: []\n"),
            ],
            &[("libs/x", &pinned)],
        );
        world.refused(&world.overlay("components", &["{url}"]))
    };
    let words = refused("../nothing.git");
    assert!(
        words.contains("its submodule `libs/x` cannot be fetched: "),
        "{words}"
    );
    assert!(words.contains("not found"), "{words}");
    let words = refused(&world.origin.url());
    assert!(
        words.contains("a submodule is never read from this machine"),
        "{words}"
    );
}
