//! `highwater update` on folders and checkouts, against the real registry and with the real `git`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::git_http::{BareRepository, git, try_git};
use crate::support::highwater::highwater;
use crate::support::process::temporary_folder;
use crate::support::registry_server::{PASSWORD, RegistryServer, USER, docker_config};

/// What a run of the command came to.
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its data.
    pub stdout: String,
    /// Its talk.
    pub stderr: String,
}

/// Runs `highwater update FOLDER ARGUMENTS`.
pub fn update(folder: &Path, arguments: &[&str]) -> Ran {
    update_as(highwater(), folder, arguments)
}

/// The same with a command that has more variables.
pub fn update_as(mut command: Command, folder: &Path, arguments: &[&str]) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .arg("update")
        .arg(folder)
        .args(arguments)
        .output()
        .expect("highwater runs");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    Ran {
        code: status.code().expect("it ends by itself"),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

impl Ran {
    /// Asserts the exit code, and shows what was said when it is another.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Asserts that words were said.
    pub fn says(&self, words: &str) {
        assert!(
            self.stderr.contains(words),
            "`{words}` is not said:\n{}",
            self.stderr
        );
    }
}

/// A new folder with these files.
pub fn folder(files: &[(&str, &str)]) -> PathBuf {
    let root = temporary_folder("fleet");
    for (path, text) in files {
        write(&root, path, text);
    }
    root
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("it is below the root")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).expect("the file is there")
}

/// A repository and a policy of one name in the namespace `flux-system`.
fn objects(name: &str, image: &str, range: &str) -> String {
    format!(
        "---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: {name}, namespace: flux-system}}
spec: {{image: {image}, interval: 1h}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: {name}, namespace: flux-system}}
spec:
  imageRepositoryRef: {{name: {name}}}
  policy: {{semver: {{range: {range}}}}}
"
    )
}

const AUTOMATION: &str = "---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: fleet, namespace: flux-system}
spec:
  interval: 1h
  sourceRef: {kind: GitRepository, name: fleet}
  git:
    commit: {author: {name: Fleet Robot, email: robot@example.com}}
";

fn marked(image: &str, tag: &str, policy: &str) -> String {
    format!("image: {image}:{tag} # {{\"$imagepolicy\": \"flux-system:{policy}\"}}\n")
}

async fn registry_with_web() -> RegistryServer {
    let registry = RegistryServer::start();
    push(&registry, "acme/web", &["1.0.0", "1.2.0", "2.0.0"]).await;
    registry
}

async fn push(registry: &RegistryServer, repository: &str, tags: &[&str]) {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    registry.push_tags(repository, &tags, "one").await;
}

/// A folder whose `apps/web.yaml` is behind `1.2.0`.
async fn behind() -> (RegistryServer, PathBuf, String) {
    let registry = registry_with_web().await;
    let image = registry.image("acme/web");
    let root = folder(&[
        (
            "cluster/images.yaml",
            &(objects("web", &image, "1.x") + AUTOMATION),
        ),
        ("apps/web.yaml", &marked(&image, "1.0.0", "web")),
    ]);
    (registry, root, image)
}

#[tokio::test]
async fn what_would_change_is_shown_and_nothing_is_touched() {
    let (_registry, root, image) = behind().await;
    let before = read(&root, "apps/web.yaml");
    for arguments in [[].as_slice(), &["--diff"]] {
        let ran = update(&root, arguments).expect(0);
        let line = |tag| marked(&image, tag, "web");
        let diff = format!(
            "--- a/apps/web.yaml\n+++ b/apps/web.yaml\n@@ -1 +1 @@\n-{}+{}",
            line("1.0.0"),
            line("1.2.0")
        );
        assert_eq!(ran.stdout, diff);
        ran.says("flux-system/web\t");
        ran.says("the highest version in `1.x` among 3 tags");
        assert_eq!(read(&root, "apps/web.yaml"), before);
    }
}

#[tokio::test]
async fn the_difference_is_one_that_git_applies() {
    let (_registry, root, image) = behind().await;
    git(&root, &["init", "--quiet"]);
    let diff = update(&root, &[]).expect(0).stdout;
    let applied = try_git(&root, &["apply"], diff.as_bytes());
    assert!(applied.status.success(), "{applied:?}");
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.2.0", "web"));
}

#[tokio::test]
async fn files_are_written_with_their_mode_and_through_links() {
    let (_registry, root, image) = behind().await;
    let file = root.join("apps/web.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("the mode is set");
    fs::create_dir(root.join("linked")).expect("a folder");
    symlink("../apps/web.yaml", root.join("linked/web.yaml")).expect("a link");
    let ran = update(&root, &["--write"]).expect(0);
    ran.says("wrote apps/web.yaml");
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.2.0", "web"));
    assert_eq!(
        fs::metadata(&file)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777,
        0o755
    );
    assert!(root.join("linked/web.yaml").is_symlink());
    let again = update(&root, &["--write"]).expect(0);
    assert_eq!(again.stdout, "");
    again.says("nothing changes");
}

#[tokio::test]
async fn a_file_outside_is_not_written_through_a_link() {
    let (_registry, root, image) = behind().await;
    let outside = folder(&[("web.yaml", &marked(&image, "1.0.0", "web"))]);
    symlink(outside.join("web.yaml"), root.join("apps/outside.yaml")).expect("a link");
    let ran = update(&root, &["--write"]).expect(0);
    ran.says("`apps/outside.yaml` leads out of the tree");
    assert_eq!(read(&outside, "web.yaml"), marked(&image, "1.0.0", "web"));
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.2.0", "web"));
}

#[tokio::test]
async fn the_login_comes_from_dockers_configuration() {
    let registry = RegistryServer::with_password();
    push(&registry, "acme/web", &["1.0.0"]).await;
    let image = registry.image("acme/web");
    let root = folder(&[("all.yaml", &objects("web", &image, "1.x"))]);
    let without = update(&root, &[]).expect(1);
    without.says("failed: ImageRepository/flux-system/web: scan failed");
    without.says("hint: log in with `docker login`");

    let home = folder(&[(".docker/config.json", &docker_config(registry.address()))]);
    let mut command = highwater();
    command.env("HOME", &home);
    update_as(command, &root, &[])
        .expect(0)
        .says("flux-system/web\t");

    let elsewhere = folder(&[("config.json", &docker_config(registry.address()))]);
    let mut command = highwater();
    command.env("DOCKER_CONFIG", &elsewhere);
    update_as(command, &root, &[])
        .expect(0)
        .says("flux-system/web\t");
}

#[tokio::test]
async fn the_login_comes_from_a_credential_helper_that_is_asked_once() {
    let registry = RegistryServer::with_password();
    let images = ["acme/web", "acme/api"].map(|name| registry.image(name));
    for name in ["acme/web", "acme/api"] {
        push(&registry, name, &["1.0.0"]).await;
    }
    let root = folder(&[
        ("web.yaml", &objects("web", &images[0], "1.x")),
        ("api.yaml", &objects("api", &images[1], "1.x")),
    ]);
    let config = format!(
        "{{\"credHelpers\": {{\"{}\": \"fleet\"}}}}",
        registry.address()
    );
    let helper = format!(
        "#!/bin/sh\nread server\necho \"$1 $server\" >> \"$(dirname \"$0\")/asked\"\n\
         printf '{{\"ServerURL\": \"%s\", \"Username\": \"{USER}\", \"Secret\": \"{PASSWORD}\"}}' \"$server\"\n"
    );
    let programs = folder(&[
        ("config.json", &config),
        ("docker-credential-fleet", &helper),
    ]);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(programs.join("docker-credential-fleet"), executable)
        .expect("the mode is set");
    let mut command = highwater();
    let path = std::env::var("PATH").expect("a path");
    command
        .env("DOCKER_CONFIG", &programs)
        .env("PATH", format!("{}:{path}", programs.display()));
    let ran = update_as(command, &root, &[]).expect(0);
    ran.says("flux-system/web\t");
    ran.says("flux-system/api\t");
    assert_eq!(
        read(&programs, "asked"),
        format!("get {}\n", registry.address())
    );
    assert!(!ran.stderr.contains(PASSWORD));
}

#[tokio::test]
async fn a_registry_that_cannot_be_scanned_fails_the_command_after_everything_else_is_done() {
    let (_registry, root, image) = behind().await;
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let gone = format!("{closed}/acme/api");
    write(&root, "cluster/api.yaml", &objects("api", &gone, "1.x"));
    write(&root, "apps/api.yaml", &marked(&gone, "1.0.0", "api"));
    let ran = update(&root, &["--write"]).expect(1);
    ran.says("failed: ImageRepository/flux-system/api: scan failed: ");
    ran.says("error: one thing could not be done; everything else is done");
    assert!(
        !ran.stderr.contains("warning:"),
        "its markers are not told again:\n{}",
        ran.stderr
    );
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.2.0", "web"));
    assert_eq!(read(&root, "apps/api.yaml"), marked(&gone, "1.0.0", "api"));
}

#[tokio::test]
async fn a_registry_that_hangs_has_the_time_it_is_given() {
    let (mut registry, root, _) = behind().await;
    registry.freeze();
    let ran = update(&root, &["--timeout", "2500ms"]).expect(1);
    registry.thaw();
    ran.says("scanning: 0 of 1 repositories are done");
    ran.says("failed: ImageRepository/flux-system/web: scan failed: ");
}

#[tokio::test]
async fn a_repository_that_two_policies_use_is_listed_once() {
    let (registry, root, image) = behind().await;
    let listings = || registry.log().matches("GET /v2/acme/web/tags/list").count();
    update(&root, &[]).expect(0);
    let of_one = listings();
    let objects = objects("next", &image, "2.x").replace("Ref: {name: next}", "Ref: {name: web}");
    let policy = objects.split("---\n").last().expect("a policy");
    write(&root, "cluster/next.yaml", policy);
    update(&root, &[]).expect(0).says("flux-system/next\t");
    assert!(of_one > 0);
    assert_eq!(listings(), 2 * of_one, "{}", registry.log());
}

#[tokio::test]
async fn programs_get_the_report_as_json() {
    let (_registry, root, image) = behind().await;
    write(&root, "apps/lost.yaml", &marked("x", "1", "nope"));
    let ran = update(&root, &["-o", "json", "--write"]).expect(0);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON and nothing else");
    let selection = &report["selections"][0];
    assert_eq!(
        selection["policy"],
        serde_json::json!({"namespace": "flux-system", "name": "web"})
    );
    assert_eq!(
        selection["image"],
        serde_json::json!({"name": image, "tag": "1.2.0"})
    );
    assert_eq!(
        selection["previous"],
        serde_json::json!([format!("{image}:1.0.0")])
    );
    assert_eq!(
        selection["reason"],
        "the highest version in `1.x` among 3 tags"
    );
    let change = &report["changes"][0];
    assert_eq!(
        (&change["file"], &change["line"], &change["field"]),
        (&"apps/web.yaml".into(), &1.into(), &"image".into())
    );
    assert_eq!(report["problems"][0]["file"], "apps/lost.yaml");
    assert_eq!(
        report["problems"][0]["message"],
        "policy `flux-system:nope` is not in this tree"
    );
    assert_eq!(report["written"], serde_json::json!(["apps/web.yaml"]));
    assert_eq!(report["commits"], serde_json::json!([]));
}

#[tokio::test]
async fn a_suspended_policy_holds_its_markers() {
    let (_registry, root, image) = behind().await;
    let text = read(&root, "cluster/images.yaml")
        .replace("  policy: {semver", "  suspend: true\n  policy: {semver");
    write(&root, "cluster/images.yaml", &text);
    let ran = update(&root, &["--write"]).expect(0);
    ran.says("ImagePolicy/flux-system/web: it is suspended: its markers stay as they are");
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.0.0", "web"));
}

#[tokio::test]
async fn a_tag_that_vanished_brings_no_marker_down_until_a_person_says_so() {
    let (registry, root, image) = behind().await;
    update(&root, &["--write"]).expect(0);
    let newest = marked(&image, "1.2.0", "web");
    assert_eq!(read(&root, "apps/web.yaml"), newest);
    registry.delete_tag("acme/web", "1.2.0").await;
    // A marker of the tag alone, and one that is behind what is left.
    let tag = "tag: 1.2.0 # {\"$imagepolicy\": \"flux-system:web:tag\"}\n";
    write(&root, "apps/tag.yaml", tag);
    let ran = update(&root, &["--write"]).expect(0);
    ran.says("ImagePolicy/flux-system/web: the registry no longer lists `1.2.0`, and `1.0.0` is not higher: its markers stay as they are");
    assert_eq!(read(&root, "apps/web.yaml"), newest);
    assert_eq!(read(&root, "apps/tag.yaml"), tag);

    let objects = read(&root, "cluster/images.yaml");
    let accepted = "kind: ImagePolicy\nmetadata: {annotations: {image.highwater.dev/accept-tag: 1.0.0}, name: web";
    let objects = objects.replace("kind: ImagePolicy\nmetadata: {name: web", accepted);
    write(&root, "cluster/images.yaml", &objects);
    update(&root, &["--write"]).expect(0);
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.0.0", "web"));
    // What the policy takes no longer is not held.
    write(&root, "apps/web.yaml", &marked(&image, "3.0.0", "web"));
    write(
        &root,
        "cluster/images.yaml",
        &objects.replace("accept-tag", "other"),
    );
    update(&root, &["--write"]).expect(0);
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.0.0", "web"));
}

#[tokio::test]
async fn calendar_versions_and_the_newest_image_are_written_too() {
    let registry = RegistryServer::start();
    push(
        &registry,
        "acme/web",
        &["2026.01.3", "2026.10.0", "2026.13.0", "latest"],
    )
    .await;
    for (tag, created) in [
        ("main-b", "2026-01-01T00:00:00Z"),
        ("main-a", "2026-02-01T00:00:00Z"),
    ] {
        registry.push_created("acme/api", tag, created).await;
    }
    let (web, api) = (registry.image("acme/web"), registry.image("acme/api"));
    let calendar = objects("web", &web, "1.x")
        .replace("semver: {range: 1.x}", "calver: {layout: YYYY.0M.MICRO}");
    let newest = objects("api", &api, "1.x").replace("semver: {range: 1.x}", "newest: {}");
    let root = folder(&[
        ("images.yaml", &(calendar + &newest + AUTOMATION)),
        ("web.yaml", &marked(&web, "2025.12.0", "web")),
        ("api.yaml", &marked(&api, "main-b", "api")),
    ]);
    let ran = update(&root, &["-o", "json", "--write"]).expect(0);
    assert_eq!(read(&root, "web.yaml"), marked(&web, "2026.10.0", "web"));
    assert_eq!(read(&root, "api.yaml"), marked(&api, "main-a", "api"));
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON and nothing else");
    let reasons = report["selections"].as_array().expect("selections").iter();
    let reasons: Vec<&str> = reasons
        .filter_map(|selection| selection["reason"].as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "the image that was created last among 2 tags",
            "the latest version by `YYYY.0M.MICRO` among 4 tags"
        ]
    );
}

#[tokio::test]
async fn only_the_named_policy_is_considered() {
    let (registry, root, image) = behind().await;
    push(&registry, "acme/api", &["1.1.0"]).await;
    let other = registry.image("acme/api");
    write(&root, "cluster/api.yaml", &objects("api", &other, "1.x"));
    write(&root, "apps/api.yaml", &marked(&other, "1.0.0", "api"));
    let ran = update(&root, &["--write", "--policy", "api"]).expect(0);
    assert!(!ran.stderr.contains("warning:"), "{}", ran.stderr);
    assert_eq!(read(&root, "apps/api.yaml"), marked(&other, "1.1.0", "api"));
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.0.0", "web"));
    assert_eq!(registry.log().matches("acme/web/tags/list").count(), 0);
}

#[test]
fn a_command_that_makes_no_sense_is_told_apart_from_one_that_fails() {
    let empty = folder(&[("a.yaml", "a: b\n")]);
    update(&empty, &["--diff", "--write"]).expect(2);
    update(&empty, &["--timeout", "soon"]).expect(2);
    let nothing = update(&empty, &[]).expect(1);
    nothing.says("error: there is no ImagePolicy below `");
    nothing.says("hint: give the root of a repository");
    update(&empty.join("none"), &[])
        .expect(1)
        .says("error: cannot open the folder `");
}

#[tokio::test]
async fn hostile_files_are_told_and_hold_up_nothing() {
    let (_registry, root, image) = behind().await;
    let good = marked(&image, "1.0.0", "web");
    let aliases: String = (1..30)
        .map(|level| {
            format!(
                "a{level}: &a{level} [{0}, {0}]\n",
                format_args!("*a{}", level - 1)
            )
        })
        .collect();
    let group = "# image.toolkit.fluxcd.io/\n";
    write(
        &root,
        "bad/bomb.yaml",
        &format!("{group}{good}a0: &a0 x\n{aliases}"),
    );
    write(
        &root,
        "bad/deep.yaml",
        &format!("{group}{good}x: {}\n", "[".repeat(10_000)),
    );
    write(&root, "bad/binary.yaml", &format!("{good}\0"));
    write(&root, "bad/marker.yaml", &good.replace("\"}", "\" }}"));
    let large = fs::File::create(root.join("bad/large.yaml")).expect("a file");
    large.set_len(100 << 20).expect("a sparse file");
    fs::write(
        root.join("bad/latin.yaml"),
        [good.as_bytes(), b"\xff\n"].concat(),
    )
    .expect("a file");
    let ran = update(&root, &["--write"]).expect(0);
    for file in ["bomb", "deep", "binary", "marker", "large", "latin"] {
        ran.says(&format!("bad/{file}.yaml"));
    }
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.2.0", "web"));
}

#[tokio::test]
async fn exclusions_selectors_and_namespaces_count_as_in_a_cluster() {
    let registry = registry_with_web().await;
    push(
        &registry,
        "acme/api",
        &["1.0.0", "1.9.0", "1.9.1-broken", "1.9.1"],
    )
    .await;
    let [web, api] = ["acme/web", "acme/api"].map(|name| registry.image(name));
    let excluded = objects("api", &api, "1.x").replace(
        "interval: 1h",
        "interval: 1h, exclusionList: ['^1\\.9\\.1']",
    );
    let of_team = excluded.replace("namespace: flux-system", "namespace: team");
    let selector = "  policySelector: {matchLabels: {follow: 'yes'}}\n";
    let labelled = objects("web", &web, "1.x").replace(
        "system}\nspec:\n  image",
        "system, labels: {follow: 'yes'}}\nspec:\n  image",
    );
    let unlabelled = objects("late", &web, "2.x");
    let automations = AUTOMATION.to_owned() + selector + &AUTOMATION.replace("flux-system", "team");
    let files = format!(
        "{}{}",
        marked(&web, "1.0.0", "web"),
        marked(&web, "1.0.0", "late").replacen("image", "late", 1)
    );
    let of_both = files
        + &marked(&api, "1.0.0", "api")
            .replace("flux-system", "team")
            .replacen("image", "api", 1);
    let root = folder(&[
        (
            "all.yaml",
            &[of_team, labelled, unlabelled, automations].concat(),
        ),
        ("apps.yaml", &of_both),
    ]);
    let ran = update(&root, &["--write"]).expect(0);
    ran.says("apps.yaml:2");
    ran.says("no automation that updates this file selects policy `flux-system:late`");
    let expected = of_both
        .replacen("web:1.0.0", "web:1.2.0", 1)
        .replace("api:1.0.0", "api:1.9.0");
    assert_eq!(read(&root, "apps.yaml"), expected);
}

#[tokio::test]
async fn a_failed_run_still_prints_its_report() {
    let (registry, root, image) = behind().await;
    let text = objects("none", &image, "9.x");
    write(
        &root,
        "cluster/none.yaml",
        text.split("---\n")
            .last()
            .expect("a policy")
            .replace("Ref: {name: none}", "Ref: {name: web}")
            .as_str(),
    );
    let ran = update(&root, &["--output", "json"]).expect(1);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON and nothing else");
    assert_eq!(report["changes"].as_array().map(Vec::len), Some(1));
    let trouble = &report["troubles"][0];
    assert_eq!(
        (&trouble["subject"], &trouble["failed"]),
        (&"ImagePolicy/flux-system/none".into(), &true.into())
    );
    assert!(
        trouble["message"]
            .as_str()
            .is_some_and(|words| words.contains("none is in `9.x`")),
        "{trouble}"
    );
    drop(registry);
}

// ---- checkouts

/// A clone of a bare repository with what [`behind`] has, whose person is `Some Body`.
async fn checkout() -> (RegistryServer, BareRepository, PathBuf, String) {
    let (registry, root, image) = behind().await;
    let bare = BareRepository::create(&temporary_folder("remote"), "fleet");
    git(&root, &["init", "--quiet", "--initial-branch=main"]);
    git(&root, &["config", "user.name", "Some Body"]);
    git(&root, &["config", "user.email", "body@example.com"]);
    git(&root, &["add", "--all"]);
    git(&root, &["commit", "--quiet", "--message=first"]);
    git(&root, &["remote", "add", "origin", &bare.url()]);
    git(
        &root,
        &["push", "--quiet", "--set-upstream", "origin", "main"],
    );
    (registry, bare, root, image)
}

#[tokio::test]
async fn a_commit_holds_the_rewritten_files_and_nothing_that_is_staged() {
    let (_registry, _bare, root, image) = checkout().await;
    write(&root, "notes.txt", "mine\n");
    git(&root, &["add", "notes.txt"]);
    let ran = update(&root, &["--commit"]).expect(0);
    ran.says("committed ");
    let shown = git(
        &root,
        &[
            "show",
            "--no-patch",
            "--format=%an <%ae>|%cn <%ce>|%B",
            "HEAD",
        ],
    );
    let expected = format!(
        "Fleet Robot <robot@example.com>|Some Body <body@example.com>|Update {image} from 1.0.0 to 1.2.0\n\n\
         apps/web.yaml\n  image: {image}:1.0.0 -> {image}:1.2.0"
    );
    assert_eq!(shown.trim_end(), expected);
    assert_eq!(
        git(&root, &["show", "--name-only", "--format=", "HEAD"]),
        "apps/web.yaml\n"
    );
    assert_eq!(git(&root, &["status", "--porcelain"]), "A  notes.txt\n");
    assert_eq!(git(&root, &["rev-list", "--count", "HEAD"]), "2\n");
    update(&root, &["--commit"])
        .expect(0)
        .says("nothing changes");
    assert_eq!(git(&root, &["rev-list", "--count", "HEAD"]), "2\n");
}

#[tokio::test]
async fn a_commit_has_the_message_of_the_automations_template() {
    let (_registry, _bare, root, image) = checkout().await;
    let templated = |template: &str| {
        AUTOMATION.replace(
            "commit: {",
            &format!(
                "commit: {{messageTemplateValues: {{by: hand}}, messageTemplate: '{template}', "
            ),
        )
    };
    let commit = |template: &str| {
        let all = objects("web", &image, "1.x") + &templated(template);
        write(&root, "cluster/images.yaml", &all);
        git(&root, &["add", "cluster/images.yaml"]);
        git(&root, &["commit", "--quiet", "--message=template"]);
    };
    commit("{{ .Updated.Images }}");
    update(&root, &["--commit"])
        .expect(1)
        .says("ImageUpdateAutomation/flux-system/fleet: template uses removed '.Updated' field");
    assert_eq!(git(&root, &["status", "--porcelain"]), "");
    commit(
        "{{ .AutomationObject }} by {{ .Values.by }}:{{ range .Changed.Changes }} {{ .NewValue }}{{ end }}",
    );
    update(&root, &["--commit"]).expect(0);
    let shown = git(&root, &["show", "--no-patch", "--format=%B", "HEAD"]);
    let expected = format!("flux-system/fleet by hand: {image}:1.2.0");
    assert_eq!(shown.trim_end(), expected);
}

#[tokio::test]
async fn a_folder_inside_a_checkout_can_be_committed_too() {
    let (_registry, _bare, root, image) = checkout().await;
    fs::create_dir(root.join("fleet")).expect("a folder");
    git(&root, &["mv", "apps", "cluster", "fleet"]);
    git(&root, &["commit", "--quiet", "--message=second"]);
    update(&root.join("fleet"), &["--commit"]).expect(0);
    assert_eq!(
        git(&root, &["show", "--name-only", "--format=", "HEAD"]),
        "fleet/apps/web.yaml\n"
    );
    assert_eq!(
        read(&root, "fleet/apps/web.yaml"),
        marked(&image, "1.2.0", "web")
    );
}

#[tokio::test]
async fn each_automation_makes_its_own_commit() {
    let (_registry, bare, root, image) = checkout().await;
    let first = read(&root, "cluster/images.yaml").replace(
        "spec:\n  interval: 1h\n  sourceRef",
        "spec:\n  interval: 1h\n  update: {path: apps, strategy: Setters}\n  sourceRef",
    );
    let second = AUTOMATION
        .replace("name: fleet, namespace", "name: late, namespace")
        .replace("Fleet Robot", "Late Robot");
    write(&root, "cluster/images.yaml", &(first + &second));
    write(&root, "more/web.yaml", &marked(&image, "1.0.0", "web"));
    git(&root, &["add", "--all"]);
    git(&root, &["commit", "--quiet", "--message=second"]);
    update(&root, &["--push"]).expect(0);
    let log = git(
        &bare.path,
        &["log", "-2", "--name-only", "--format=%an", "main"],
    );
    assert_eq!(
        log,
        "Late Robot\n\nmore/web.yaml\nFleet Robot\n\napps/web.yaml\n"
    );
}

#[tokio::test]
async fn a_machine_without_an_identity_commits_as_the_automation() {
    let (_registry, _bare, root, _) = checkout().await;
    git(&root, &["config", "--unset", "user.name"]);
    git(&root, &["config", "--unset", "user.email"]);
    git(&root, &["config", "user.useConfigOnly", "true"]);
    update(&root, &["--commit"]).expect(0);
    let who = git(
        &root,
        &["show", "--no-patch", "--format=%an %ae %cn %ce", "HEAD"],
    );
    assert_eq!(
        who,
        "Fleet Robot robot@example.com Fleet Robot robot@example.com\n"
    );
}

#[tokio::test]
async fn a_file_with_changes_of_somebody_else_is_not_committed() {
    let (_registry, _bare, root, image) = checkout().await;
    let edited = marked(&image, "1.0.0", "web") + "mine: true\n";
    write(&root, "apps/web.yaml", &edited);
    let ran = update(&root, &["--commit"]).expect(1);
    ran.says("error: `apps/web.yaml` has changes that are not committed, or is not tracked");
    ran.says("hint: commit or stash them first");
    assert_eq!(read(&root, "apps/web.yaml"), edited);
    assert_eq!(git(&root, &["rev-list", "--count", "HEAD"]), "1\n");
}

#[tokio::test]
async fn a_hook_that_refuses_is_quoted_and_leaves_the_files_as_they_were() {
    let (_registry, _bare, root, image) = checkout().await;
    let hook = root.join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().expect("a folder")).expect("a folder");
    fs::write(
        &hook,
        "#!/bin/sh\necho 'no commits on fridays' >&2\nexit 1\n",
    )
    .expect("a file");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("the mode is set");
    update(&root, &["--commit"])
        .expect(1)
        .says("error: `git commit` failed: no commits on fridays");
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.0.0", "web"));
    assert_eq!(git(&root, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn a_push_goes_to_the_branch_that_is_followed() {
    let (_registry, bare, root, image) = checkout().await;
    let ran = update(&root, &["--push", "-o", "json"]).expect(0);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["commits"][0]["commit"], bare.head("main"));
    assert_eq!(
        report["commits"][0]["pushedTo"],
        "branch `main` of `origin`"
    );
    assert_eq!(
        bare.show("main", "apps/web.yaml"),
        marked(&image, "1.2.0", "web")
    );
    assert_eq!(
        git(&root, &["status", "--porcelain", "--branch"]),
        "## main...origin/main\n"
    );
    bare.fsck();
}

#[tokio::test]
async fn a_branch_that_has_moved_is_not_overwritten() {
    let (_registry, bare, root, _) = checkout().await;
    let theirs = bare.commit("main", "theirs", &[("b.txt", "b\n")]);
    let ran = update(&root, &["--push"]).expect(1);
    ran.says("error: the commit is made, but not pushed: `git push` failed: ");
    ran.says("hint: branch `main` has commits that are not checked out here");
    assert_eq!(bare.head("main"), theirs);
    assert_eq!(git(&root, &["rev-list", "--count", "HEAD"]), "2\n");
}

#[tokio::test]
async fn without_a_branch_to_push_to_no_commit_is_made() {
    let (_registry, _bare, root, image) = checkout().await;
    git(&root, &["checkout", "--quiet", "--detach"]);
    let ran = update(&root, &["--push"]).expect(1);
    ran.says("error: no branch is checked out, so there is none to push to");
    ran.says("hint: check one out, or set `spec.git.push.branch`");
    assert_eq!(git(&root, &["rev-list", "--count", "HEAD"]), "1\n");
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.0.0", "web"));
}

#[tokio::test]
async fn a_file_that_git_ignores_is_named_and_not_committed() {
    let (_registry, _bare, root, image) = checkout().await;
    git(&root, &["rm", "--quiet", "--cached", "apps/web.yaml"]);
    write(&root, ".gitignore", "apps/\n");
    git(&root, &["add", ".gitignore"]);
    git(&root, &["commit", "--quiet", "--message=ignore"]);
    update(&root, &["--commit"])
        .expect(1)
        .says("error: `apps/web.yaml` has changes that are not committed, or is not tracked");
    assert_eq!(git(&root, &["rev-list", "--count", "HEAD"]), "2\n");
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.0.0", "web"));
}

#[tokio::test]
async fn a_hook_of_the_other_side_is_quoted() {
    let (_registry, bare, root, _) = checkout().await;
    bare.hook(
        "pre-receive",
        "#!/bin/sh\necho 'main is frozen' >&2\nexit 1\n",
    );
    update(&root, &["--push"]).expect(1).says("main is frozen");
}

#[tokio::test]
async fn automations_that_push_to_different_branches_are_not_mixed() {
    let (registry, _bare, root, _) = checkout().await;
    push(&registry, "acme/api", &["1.1.0"]).await;
    let other = registry.image("acme/api");
    let automation = AUTOMATION.replace("name: fleet, namespace", "name: review, namespace")
        + "    push: {branch: review}\n";
    let automation = automation.replace(
        "spec:\n",
        "spec:\n  update: {path: review, strategy: Setters}\n",
    );
    write(
        &root,
        "cluster/api.yaml",
        &(objects("api", &other, "1.x") + &automation),
    );
    let first = read(&root, "cluster/images.yaml").replace(
        "interval: 1h\n  sourceRef",
        "interval: 1h\n  update: {path: apps, strategy: Setters}\n  sourceRef",
    );
    write(&root, "cluster/images.yaml", &first);
    write(&root, "review/api.yaml", &marked(&other, "1.0.0", "api"));
    git(&root, &["add", "--all"]);
    git(&root, &["commit", "--quiet", "--message=second"]);
    let ran = update(&root, &["--push"]).expect(1);
    ran.says(
        "the automations push to different branches; hint: choose one with `--automation NAME`",
    );
    assert_eq!(git(&root, &["status", "--porcelain"]), "");
    update(&root, &["--push", "--automation", "review"])
        .expect(0)
        .says("pushed to branch `review` of `origin`");
}

#[tokio::test]
async fn names_of_files_are_neither_options_nor_patterns() {
    let (_registry, _bare, root, image) = checkout().await;
    let names = [
        "--all.yaml",
        ":(top)x.yaml",
        "apps/[w]eb.yaml",
        "apps/ä b.yaml",
    ];
    for name in names {
        write(&root, name, &marked(&image, "1.0.0", "web"));
    }
    git(&root, &["add", "--all"]);
    git(&root, &["commit", "--quiet", "--message=second"]);
    update(&root, &["--commit"]).expect(0);
    let committed = git(&root, &["show", "--name-only", "-z", "--format=", "HEAD"]);
    let mut committed: Vec<&str> = committed
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(str::trim)
        .collect();
    committed.sort_unstable();
    let mut expected = [names.as_slice(), &["apps/web.yaml"]].concat();
    expected.sort_unstable();
    assert_eq!(committed, expected);
}

#[tokio::test]
async fn without_git_or_outside_of_a_checkout_nothing_is_written() {
    let (_registry, root, image) = behind().await;
    let outside = update(&root, &["--commit"]).expect(1);
    outside.says("not a git repository");
    outside.says("hint: `--commit` and `--push` work on a checkout with your own `git`");
    let mut command = highwater();
    command.env("PATH", folder(&[]));
    update_as(command, &root, &["--commit"])
        .expect(1)
        .says("error: the program `git` is not installed");
    assert_eq!(read(&root, "apps/web.yaml"), marked(&image, "1.0.0", "web"));
}
