//! The folders under `examples/`: each is run as its README says, on a real registry, and what it holds
//! is built by the real kustomize and accepted by the real API server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::crds::installed;
use crate::support::git_http::{BareRepository, git};
use crate::support::process::temporary_folder;
use crate::support::programs::kubectl_program;
use crate::support::registry_server::RegistryServer;
use crate::update::update;

/// The host that the examples name.
const HOST: &str = "registry.example.com";

/// The folder of an example, as it is.
pub fn original(example: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(example)
}

/// Asserts that a file of an example is this text. With `HIGHWATER_BLESS=1` it is written anew.
pub fn assert_stored(example: &str, file: &str, text: &str) {
    let path = original(example).join(file);
    if std::env::var_os("HIGHWATER_BLESS").is_some() {
        fs::write(&path, text).expect("the file can be written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "`examples/{example}/{file}` is not what there is now; HIGHWATER_BLESS=1 renews it:\n{text}"
    );
}

/// A copy of an example that names another registry.
fn copy(example: &str, host: &str) -> PathBuf {
    let target = temporary_folder(example);
    copy_folder(&original(example), &target, host);
    target
}

fn copy_folder(from: &Path, to: &Path, host: &str) {
    copy_replacing(from, to, &[(HOST, host)]);
}

/// Copies the files of an example with other texts in place of some.
pub fn copy_replacing(from: &Path, to: &Path, texts: &[(&str, &str)]) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the example is there") {
        let path = entry.expect("it can be listed").path();
        let to = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy_replacing(&path, &to, texts);
        } else {
            let mut text = fs::read_to_string(&path).expect("examples are text");
            for (old, new) in texts {
                text = text.replace(old, new);
            }
            fs::write(to, text).expect("a file");
        }
    }
}

async fn push(registry: &RegistryServer, repository: &str, tags: &[&str]) -> String {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    registry.push_tags(repository, &tags, "content").await
}

/// Asserts that a file is that of the example with these texts replaced.
fn assert_file(root: &Path, example: &str, file: &str, host: &str, replaced: &[(&str, &str)]) {
    let mut expected = fs::read_to_string(original(example).join(file))
        .expect("it is there")
        .replace(HOST, host);
    for (old, new) in replaced {
        assert!(expected.contains(old), "{file} has no `{old}`");
        expected = expected.replace(old, new);
    }
    let found = fs::read_to_string(root.join(file)).expect("it is there");
    assert_eq!(found, expected, "{file}");
}

#[tokio::test]
async fn quickstart_follows_the_newest_release() {
    let registry = RegistryServer::start();
    push(
        &registry,
        "acme/web",
        &["1.0.0", "1.4.2", "1.5.0-rc.1", "2.0.0", "latest"],
    )
    .await;
    push(&registry, "acme/worker", &["1.0.0", "1.0.10", "1.0.9"]).await;
    let host = registry.address();
    let root = copy("quickstart", host);
    let ran = update(&root, &["--write"]).expect(0);
    assert!(!ran.stderr.contains("warning:"), "{}", ran.stderr);
    assert_file(
        &root,
        "quickstart",
        "apps/web/deployment.yaml",
        host,
        &[("acme/web:1.0.0", "acme/web:1.4.2")],
    );
    assert_file(
        &root,
        "quickstart",
        "apps/worker/kustomization.yaml",
        host,
        &[("newTag: 1.0.0", "newTag: 1.0.10")],
    );
    assert_eq!(ran.stderr.matches("wrote ").count(), 2, "{}", ran.stderr);
    assert_eq!(
        update(&root, &[]).expect(0).stdout,
        "",
        "there is nothing left to do"
    );
}

#[tokio::test]
async fn digest_pin_writes_what_the_tag_points_to() {
    let registry = RegistryServer::start();
    push(
        &registry,
        "acme/cache",
        &["2026-01-05-0f1e2d3", "2025-12-31-ffffff", "latest"],
    )
    .await;
    let digest = registry
        .push("acme/cache", "2026-03-01-a1b2c3d", "new")
        .await;
    let host = registry.address();
    let root = copy("digest-pin", host);
    let ran = update(&root, &["--write"]).expect(0);
    assert!(!ran.stderr.contains("warning:"), "{}", ran.stderr);
    let pinned = format!("acme/cache:2026-03-01-a1b2c3d@{digest}");
    assert_file(
        &root,
        "digest-pin",
        "apps/cache/deployment.yaml",
        host,
        &[("acme/cache:2026-01-05-0f1e2d3", &pinned)],
    );
    let zeros = format!("sha256:{}", "0".repeat(64));
    assert_file(
        &root,
        "digest-pin",
        "apps/cache/kustomization.yaml",
        host,
        &[(&zeros, &digest)],
    );

    // The tag is moved: only the digest changes.
    let moved = registry
        .push("acme/cache", "2026-03-01-a1b2c3d", "newer")
        .await;
    assert_ne!(moved, digest);
    let diff = update(&root, &["--write"]).expect(0).stdout;
    assert!(
        diff.contains(&format!(
            "+          image: {host}/acme/cache:2026-03-01-a1b2c3d@{moved} #"
        )),
        "{diff}"
    );
}

#[tokio::test]
async fn branch_push_leaves_main_to_people() {
    let registry = RegistryServer::start();
    push(
        &registry,
        "acme/api",
        &["main-8", "main-9", "main-10", "feature-99"],
    )
    .await;
    let host = registry.address();
    let root = copy("branch-push", host);
    let bare = BareRepository::create(&temporary_folder("remote"), "fleet");
    git(&root, &["init", "--quiet", "--initial-branch=main"]);
    git(&root, &["add", "--all"]);
    git(&root, &["commit", "--quiet", "--message=first"]);
    git(&root, &["remote", "add", "origin", &bare.url()]);
    git(
        &root,
        &["push", "--quiet", "--set-upstream", "origin", "main"],
    );
    let main = bare.head("main");
    update(&root, &["--push"]).expect(0);
    assert_eq!(bare.head("main"), main);
    let subject = format!("Update {host}/acme/api from main-8 to main-10");
    assert_eq!(
        bare.log("image-updates").first().map(String::as_str),
        Some(subject.as_str())
    );
    let author = git(
        &bare.path,
        &["show", "--no-patch", "--format=%an <%ae>", "image-updates"],
    );
    assert_eq!(author, "highwater <highwater@example.com>\n");
    assert_file(
        &root,
        "branch-push",
        "apps/deployment.yaml",
        host,
        &[("acme/api:main-8", "acme/api:main-10")],
    );
    assert_file(
        &root,
        "branch-push",
        "apps/values.yaml",
        host,
        &[("tag: main-8", "tag: main-10")],
    );
    assert_eq!(
        bare.show("image-updates", "apps/values.yaml"),
        fs::read_to_string(root.join("apps/values.yaml")).expect("it is there")
    );
    bare.fsck();
}

#[tokio::test]
async fn pull_requests_are_shown_on_a_checkout_and_never_pushed_past_people() {
    let registry = RegistryServer::start();
    for image in ["acme/web", "acme/worker", "acme/cache"] {
        push(&registry, image, &["1.0.0", "1.1.0", "2.0.0"]).await;
    }
    let host = registry.address();
    let root = copy("pull-requests", host);
    let shown = update(&root, &[]).expect(0).stdout;
    for image in ["web", "worker", "cache"] {
        assert!(shown.contains(&format!("acme/{image}:1.1.0")), "{shown}");
    }
    git(&root, &["init", "--quiet", "--initial-branch=main"]);
    git(&root, &["add", "--all"]);
    git(&root, &["commit", "--quiet", "--message=first"]);
    let refused = update(&root, &["--push"]).expect(1);
    assert!(
        refused.stderr.contains("`spec.git.pullRequest`"),
        "{}",
        refused.stderr
    );
    assert_eq!(git(&root, &["log", "--format=%s"]), "first\n");
}

/// What the real kustomize makes of a folder.
fn built(folder: &Path) -> String {
    let output = Command::new(kubectl_program())
        .arg("kustomize")
        .arg(folder)
        .output()
        .expect("kubectl runs");
    assert!(
        output.status.success(),
        "{}: {}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn every_object_of_every_example_is_accepted_by_the_api_server() {
    let plane = installed();
    let namespace = plane.namespace("examples");
    for (example, folders) in [
        ("quickstart", ["clusters/demo", "apps"]),
        ("digest-pin", ["clusters/demo", "apps/cache"]),
        ("branch-push", ["clusters/demo", "apps"]),
        ("signed", ["clusters/demo", "apps"]),
        ("pull-requests", ["clusters/demo", "apps"]),
    ] {
        for folder in folders {
            let manifests = built(&original(example).join(folder));
            // A dry run makes no namespace, so that what is in it needs one that exists.
            let manifests: Vec<String> = manifests
                .split("---\n")
                .filter(|document| !document.contains("kind: Namespace\n"))
                .map(|document| in_namespace(document, &namespace))
                .collect();
            let accepted = dry_run(&manifests.join("---\n"), &namespace);
            assert_eq!(accepted, manifests.len(), "{example}/{folder}");
        }
    }
}

fn in_namespace(document: &str, namespace: &str) -> String {
    let own = |name: &str| format!("\n  namespace: {name}\n");
    document
        .replace(&own("flux-system"), &own(namespace))
        .replace(&own("shop"), &own(namespace))
}

/// How many objects the API server accepts, with every field known to it.
fn dry_run(manifests: &str, namespace: &str) -> usize {
    let plane = installed();
    let mut child = Command::new(kubectl_program())
        .env("KUBECONFIG", plane.kubeconfig_path())
        .args([
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "--namespace",
            namespace,
            "-f",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl runs");
    let mut input = child.stdin.take().expect("asked for a pipe");
    std::io::Write::write_all(&mut input, manifests.as_bytes()).expect("kubectl reads its input");
    drop(input);
    let output = child.wait_with_output().expect("kubectl ends");
    assert!(
        output.status.success(),
        "{}\n{manifests}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.ends_with("serverside-applied (server dry run)"))
        .count()
}
