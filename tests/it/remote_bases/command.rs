//! `highwater build` on what is not here.

use super::*;
use crate::support::highwater::highwater;

/// Runs `highwater build` with these arguments. Gives the objects, or what was said.
fn build_command(arguments: &[&str]) -> Answer {
    let output = highwater()
        .arg("build")
        .args(arguments)
        .output()
        .expect("highwater runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let manifests = parse_documents("output", &output.stdout).expect("objects");
    Ok(manifests.into_iter().map(|found| found.object).collect())
}

#[test]
fn a_folder_with_a_remote_base_is_built_as_by_kubectl_unless_that_is_forbidden() {
    let world = World::seeded(&[
        ("kustomization.yaml", "resources: [map.yaml]\n"),
        ("map.yaml", &map("far")),
    ]);
    let overlay = world.overlay("resources", &["{url}?ref=main"]) + "namePrefix: near-\n";
    let folder = tempfile::tempdir_in(world.folder.path()).expect("a folder");
    std::fs::write(folder.path().join("kustomization.yaml"), &overlay).expect("a file");
    let path = folder.path().to_str().expect("a path of text");
    let built = build_command(&[path]);
    assert_eq!(built, world.theirs(&overlay));
    assert_eq!(names(&built.expect("it is built")), ["near-far"]);
    let words = build_command(&[path, "--no-remote-bases"]).expect_err("it is forbidden");
    assert!(words.contains("`resources[0]`"), "{words}");
}

#[test]
fn a_base_over_ssh_is_fetched_with_the_keys_of_whoever_builds() {
    use crate::support::git_ssh::{GitSsh, KeyPair};
    let world = World::seeded(&[
        ("kustomization.yaml", "resources: [map.yaml]\n"),
        ("map.yaml", &map("far")),
    ]);
    let (unknown, own) = (
        KeyPair::usual(),
        KeyPair::make(&["-t", "rsa", "-b", "2048"], ""),
    );
    let server = GitSsh::start(world.folder.path(), &[&own]);
    let home = tempfile::tempdir_in(world.folder.path()).expect("a folder");
    let build = || {
        let output = highwater()
            .args(["build", &format!("{}?ref=main", server.url("fleet"))])
            .env("HOME", home.path())
            .output()
            .expect("highwater runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (good, _, words) = build();
    assert!(
        !good && words.contains("no private key without a passphrase in `~/.ssh`"),
        "{words}"
    );
    let folder = home.path().join(".ssh");
    std::fs::create_dir(&folder).expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    write("id_ed25519", &unknown.private);
    write("known_hosts", &server.known_hosts());
    let (good, _, words) = build();
    assert!(
        !good && words.contains("the server does not accept the key"),
        "{words}"
    );
    write("id_rsa", &own.private);
    let (good, objects, words) = build();
    assert!(good, "{words}");
    let manifests = parse_documents("output", objects.as_bytes()).expect("objects");
    let objects: Vec<Value> = manifests.into_iter().map(|found| found.object).collect();
    assert_eq!(names(&objects), ["far"]);
}

#[test]
fn a_url_is_built_as_by_kubectl() {
    let world = World::seeded(&[
        (
            "apps/web/kustomization.yaml",
            "resources: [../../base]\nnameSuffix: -z\n",
        ),
        ("base/kustomization.yaml", "resources: [map.yaml]\n"),
        ("base/map.yaml", &map("web")),
    ]);
    let url = format!("{}//apps/web?ref=main", world.url());
    let built = build_command(&[&url]);
    assert_eq!(built, kubectl(Path::new(&url), world.folder.path(), None));
    assert_eq!(names(&built.expect("it is built")), ["web-z"]);
    let words = build_command(&[&format!("{}?ref=nowhere", world.url())]);
    let words = words.expect_err("there is no such reference");
    assert!(words.contains("nowhere"), "{words}");
}
