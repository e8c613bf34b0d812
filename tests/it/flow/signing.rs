//! Signed commits, from the Secret to Git: which key signs, what is said when none can, and that nothing
//! of a key is told anywhere. The example `signed` is run as its README says.

use super::{EAGER, fleet};
use crate::examples::{copy_replacing, original};
use crate::support::fleet::{Fleet, GIT_PASSWORD, GIT_USER, KINDS, PATIENCE};
use crate::support::git_http::git;
use crate::support::keys::{GnuPg, Recipe, SshKey};
use crate::support::process::temporary_folder;
use crate::support::programs::kubectl_program;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const KIND: &str = "ImageUpdateAutomation";

/// Names the key that signs.
async fn sign_with(fleet: &Fleet, kind: &str, secret: &str) {
    let key = json!({"type": kind, "secretRef": {"name": secret}});
    let spec = json!({"spec": {"git": {"commit": {"signingKey": key}}}});
    fleet.patch(KIND, "app", spec).await;
}

/// A Secret with these values and no others.
async fn secret(fleet: &Fleet, name: &str, values: &[(&str, &[u8])]) {
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD;
    let data: serde_json::Map<String, Value> = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(base64.encode(value))))
        .collect();
    fleet.apply("Secret", name, json!({"data": data})).await;
}

/// Publishes a tag, and waits for the commit that writes it.
async fn released(fleet: &Fleet, tag: &str) -> String {
    fleet.publish("app", tag).await;
    fleet.deployed("app", tag).await;
    fleet.ready(KIND, "app").await;
    fleet.repository.head("main")
}

/// A fleet whose program says all it can say.
async fn talkative(prefix: &str) -> Fleet {
    let mut fleet = fleet(prefix).await;
    fleet.start(&[EAGER[0], EAGER[1], "--log-level=trace"]);
    fleet.settled_application("app").await;
    fleet
}

/// Asserts that none of these secrets is in a log, an object or an event. Of armored keys, each line counts.
async fn assert_untold(mut fleet: Fleet, secrets: &[&[u8]]) {
    let mut told = Vec::new();
    for kind in KINDS.into_iter().chain(["Event"]) {
        told.push((kind, json!(fleet.list(kind).await).to_string()));
    }
    fleet.process().terminate(PATIENCE);
    told.push(("log", fleet.log()));
    for (place, text) in told {
        assert!(text.len() > 2, "{place} is empty");
        for secret in secrets {
            let secret = String::from_utf8_lossy(secret).into_owned();
            let lines = secret.lines().filter(|line| line.len() > 10);
            for line in lines.filter(|line| !line.contains("-----")) {
                assert!(!text.contains(line), "`{line}` in {place}:\n{text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_signed_with_the_openpgp_key_that_the_secret_holds_now() {
    let gpg = GnuPg::new();
    let protected = Recipe {
        passphrase: "between wind and water",
        ..Recipe::default()
    };
    let [old, new] = [protected, Recipe::default()].map(|recipe| gpg.make(&recipe));
    let old_bytes = gpg.private(&[&old], "between wind and water");
    let new_bytes = gpg.private(&[&new], "");
    let fleet = talkative("openpgp").await;
    let passphrase = b"between wind and water".as_slice();
    let values = [
        ("git.asc", old_bytes.as_slice()),
        ("passphrase", passphrase),
    ];
    secret(&fleet, "signing-key", &values).await;
    // Without a type, it is an OpenPGP key.
    let key = json!({"secretRef": {"name": "signing-key"}});
    let spec = json!({"spec": {"git": {"commit": {"signingKey": key}}}});
    fleet.patch(KIND, "app", spec).await;
    for tag in ["1.1.0", "1.2.0"] {
        let commit = released(&fleet, tag).await;
        assert_eq!(gpg.signer_of(&fleet.repository.path, &commit), old, "{tag}");
    }

    secret(&fleet, "signing-key", &[("git.asc", &new_bytes)]).await;
    let commit = released(&fleet, "1.3.0").await;
    assert_eq!(gpg.signer_of(&fleet.repository.path, &commit), new);
    let author = git(
        &fleet.repository.path,
        &["log", "-1", "--format=%an|%ae|%cn|%ce", "main"],
    );
    assert_eq!(author, "Tide|tide@example.com|Tide|tide@example.com\n");

    // No key is asked for any more.
    let spec = json!({"spec": {"git": {"commit": {"signingKey": null}}}});
    fleet.patch(KIND, "app", spec).await;
    let commit = released(&fleet, "1.4.0").await;
    let bytes = git(&fleet.repository.path, &["cat-file", "commit", &commit]);
    assert!(!bytes.contains("gpgsig"), "{bytes}");
    fleet.repository.fsck();
    assert_untold(fleet, &[&old_bytes, &new_bytes, passphrase]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_signed_with_the_ssh_key_that_the_secret_holds_now() {
    let old = SshKey::make(&["-tecdsa", "-b256"], "high and dry");
    let new = SshKey::make(&["-ted25519"], "");
    let fleet = talkative("ssh-signed").await;
    let password = b"high and dry".as_slice();
    let values = [("identity", old.private.as_slice()), ("password", password)];
    secret(&fleet, "signing-key", &values).await;
    sign_with(&fleet, "ssh", "signing-key").await;
    let commit = released(&fleet, "1.1.0").await;
    old.assert_signed(&fleet.repository.path, &commit);

    secret(&fleet, "signing-key", &[("identity", &new.private)]).await;
    let commit = released(&fleet, "1.2.0").await;
    new.assert_signed(&fleet.repository.path, &commit);
    fleet.repository.fsck();
    assert_untold(fleet, &[&old.private, &new.private, password]).await;
}

/// Waits until the automation tells exactly this.
async fn not_ready(fleet: &Fleet, words: &str) {
    let words = format!("failed configuring source manager: {words}");
    let reason = "SourceManagerFailed";
    let message = fleet.not_ready_because(KIND, "app", reason, &words).await;
    assert_eq!(message, words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_sign_is_told_in_the_words_of_flux_and_nothing_is_pushed() {
    let fleet = talkative("unsigned").await;
    let gpg = GnuPg::new();
    let recipe = |passphrase, expires, made| Recipe {
        passphrase,
        expires,
        made,
        ..Recipe::default()
    };
    let locked = gpg.make(&recipe("slack water", "never", ""));
    let expired = gpg.make(&recipe("", "1d", "20260101T000000"));
    let locked = gpg.private(&[&locked], "slack water");
    let old = gpg.private(&[&expired], "");
    sign_with(&fleet, "gpg", "k").await;
    fleet.publish("app", "1.1.0").await;
    not_ready(
        &fleet,
        "could not find signing key secret 'k': secrets \"k\" not found",
    )
    .await;

    // The object stays as it is from here on: only the Secret changes.
    let wrong = b"neap tide rising".as_slice();
    let both = [locked.as_slice(), &old].concat();
    let expired = format!(
        "could not read signing key from secret 'k': key {} has expired on 2026-01-02",
        &expired[24..]
    );
    for (values, words) in [
        (
            vec![("identity", wrong)],
            "signing key secret 'k' does not contain a 'git.asc' key",
        ),
        (
            vec![("git.asc", locked.as_slice())],
            "can not use passphrase protected signing key without 'passphrase' field present in secret k",
        ),
        (
            vec![("git.asc", locked.as_slice()), ("passphrase", wrong)],
            "could not decrypt private key of the signing key present in secret k: the passphrase does not open it",
        ),
        (
            vec![("git.asc", both.as_slice())],
            "multiple entities read from secret 'k', could not determine which signing key to use",
        ),
        (vec![("git.asc", old.as_slice())], expired.as_str()),
    ] {
        secret(&fleet, "k", &values).await;
        not_ready(&fleet, words).await;
    }
    assert_eq!(fleet.repository.log("main"), ["Add app"]);
    assert_untold(fleet, &[&locked, &old, wrong, b"slack water"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ssh_key_that_cannot_sign_is_told_until_it_can() {
    let fleet = talkative("ssh-unsigned").await;
    let key = SshKey::make(&["-ted25519"], "slack water");
    let wrong = b"neap tide rising".as_slice();
    secret(&fleet, "k", &[("git.asc", wrong)]).await;
    sign_with(&fleet, "ssh", "k").await;
    fleet.publish("app", "1.1.0").await;
    not_ready(
        &fleet,
        "signing key secret 'k' does not contain an 'identity' key",
    )
    .await;
    for (values, words) in [
        (
            vec![("identity", key.private.as_slice())],
            "can not use passphrase protected signing key without 'password' field present in secret k",
        ),
        (
            vec![("identity", key.private.as_slice()), ("password", wrong)],
            "could not parse SSH signing key from secret 'k': the password does not open it",
        ),
        (
            vec![("identity", wrong)],
            "could not parse SSH signing key from secret 'k': the private key cannot be read: \
             it is none of RSA, ECDSA or Ed25519 in the form of OpenSSH, PKCS#1, PKCS#8 or SEC1",
        ),
    ] {
        secret(&fleet, "k", &values).await;
        not_ready(&fleet, words).await;
    }
    assert_eq!(fleet.repository.log("main"), ["Add app"]);

    let values = [
        ("identity", key.private.as_slice()),
        ("password", b"slack water"),
    ];
    secret(&fleet, "k", &values).await;
    fleet.deployed("app", "1.1.0").await;
    fleet.ready(KIND, "app").await;
    key.assert_signed(&fleet.repository.path, &fleet.repository.head("main"));
    assert_untold(fleet, &[&key.private, wrong, b"slack water"]).await;
}

/// The commands of a README, block by block.
fn commands(readme: &str) -> Vec<Vec<String>> {
    let blocks = readme.split("```console\n").skip(1);
    let block = |text: &str| {
        let text = text.split("```").next().unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("$ "));
        lines.map(str::to_owned).collect()
    };
    blocks.map(block).collect()
}

/// Runs commands as a person would in `folder`, and returns what they print.
fn typed(lines: &[String], folder: &Path, home: &Path, kubeconfig: &Path) -> String {
    let tools = home.join("tools");
    std::fs::create_dir_all(&tools).expect("the folder is ours");
    let kubectl = tools.join("kubectl");
    if !kubectl.exists() {
        std::os::unix::fs::symlink(kubectl_program(), kubectl).expect("the folder is ours");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .current_dir(folder)
        .env("HOME", home)
        .env("PATH", format!("{}:{path}", tools.display()))
        .env("KUBECONFIG", kubeconfig)
        .env("LC_ALL", "C")
        .args(["-e", "-c", &format!("exec 2>&1\n{}", lines.join("\n"))])
        .output()
        .expect("a shell runs");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{lines:#?}\n{words}");
    words
}

/// Puts the example into the fleet's repository and cluster as its owner would; a checkout of it.
async fn checkout_of_the_example(fleet: &Fleet) -> PathBuf {
    let seed = temporary_folder("signed");
    let texts = [
        ("registry.example.com", fleet.registry.address()),
        (
            "https://git.example.com/acme/fleet.git",
            &fleet.git.url("fleet"),
        ),
        ("flux-system", &fleet.namespace),
    ];
    copy_replacing(&original("signed"), &seed, &texts);
    git(&seed, &["init", "--quiet", "--initial-branch=main"]);
    git(&seed, &["add", "--all"]);
    git(&seed, &["commit", "--quiet", "--message=first"]);
    git(&seed, &["push", "--quiet", &fleet.repository.url(), "main"]);
    let checkout = temporary_folder("checkout");
    let url = fleet.git.url("fleet");
    let url = url.replace("://", &format!("://{GIT_USER}:{GIT_PASSWORD}@"));
    git(&checkout, &["clone", "--quiet", &url, "."]);

    let login = json!({"stringData": {"username": GIT_USER, "password": GIT_PASSWORD}});
    fleet.apply("Secret", "fleet-login", login).await;
    for name in ["acme/web", "acme/worker"] {
        for tag in ["1.0.0", "1.0.1"] {
            fleet.registry.push(name, tag, tag).await;
        }
    }
    checkout
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_signs_as_its_readme_says() {
    let mut fleet = fleet("example").await;
    let checkout = checkout_of_the_example(&fleet).await;
    // A home with a short path: the socket of gpg's agent is in it.
    let home = temporary_folder("home");
    let kubeconfig = crate::crds::installed().kubeconfig_path();
    let readme = std::fs::read_to_string(checkout.join("README.md")).expect("it is there");
    let steps = commands(&readme);
    let [keys, apply, check] = steps.as_slice() else {
        panic!("{steps:#?}")
    };
    typed(keys, &checkout, &home, &kubeconfig);
    typed(apply, &checkout, &home, &kubeconfig);
    for name in ["web", "worker"] {
        // The test's registry wants a login and speaks plain http.
        let access = json!({"spec": {"insecure": true, "secretRef": {"name": "registry"}}});
        fleet.patch("ImageRepository", name, access).await;
    }
    fleet.start(&EAGER);
    let heads = || fleet.repository.log("main").len();
    fleet.until("both are updated", || heads() == 3).await;
    for name in ["web", "worker"] {
        fleet.ready(KIND, name).await;
        let manifest = fleet
            .repository
            .show("main", &format!("apps/{name}/deployment.yaml"));
        assert!(
            manifest.contains(&format!("acme/{name}:1.0.1 ")),
            "{manifest}"
        );
    }
    let words = typed(check, &checkout, &home, &kubeconfig);
    let openpgp = "gpg: Good signature from \"highwater <highwater@example.com>\"";
    let ssh = "Good \"git\" signature for highwater@example.com with ED25519 key ";
    for good in [openpgp, ssh] {
        assert_eq!(words.matches(good).count(), 1, "{words}");
    }
    let stop = ["gpgconf --kill all".to_owned()];
    typed(&stop, &checkout, &home, &kubeconfig);
    fleet.assert_no_panic();
}
