//! The real Gitea: it takes pushes over http and ssh, and calls back.

use super::LIMIT;
use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::git_http::git;
use crate::support::gitea::gitea;
use crate::support::process::{poll, temporary_folder};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

#[tokio::test]
async fn gitea_takes_pushes_over_http_and_ssh() {
    let repository = gitea().repository("pusher").await;
    let folder = temporary_folder("gitea-pusher");
    let (key, known) = (folder.join("key"), folder.join("known_hosts"));
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success(), "ssh-keygen makes a key");
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    repository.add_key(public.trim()).await;
    fs::write(&known, gitea().known_hosts()).unwrap();
    let ssh = format!(
        "ssh -F none -i {} -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile={}",
        key.display(),
        known.display()
    );
    let with_token = repository.git_url().replace(
        "://",
        &format!("://{}:{}@", repository.owner, repository.token),
    );
    for (name, url) in [("http", with_token), ("ssh", repository.ssh_url())] {
        let work = folder.join(name);
        let clone = ["clone", "--quiet", &url, work.to_str().unwrap()];
        reach(&folder, &ssh, &clone);
        fs::write(work.join(name), "x").unwrap();
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "--quiet", "--message", name]);
        let push = ["push", "--quiet", "origin", "HEAD:refs/heads/pushed"];
        reach(&work, &ssh, &push);
        let head = git(&work, &["rev-parse", "HEAD"]);
        assert_eq!(
            repository.tip("pushed").await.as_deref(),
            Some(head.trim()),
            "{name}"
        );
        repository.delete_branch("pushed").await;
    }
}

/// Runs `git` by way of this ssh.
fn reach(folder: &Path, ssh: &str, arguments: &[&str]) {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_SSH_COMMAND", ssh)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

#[tokio::test]
async fn gitea_calls_back() {
    let repository = gitea().repository("caller").await;
    let receiver = FakeRegistry::start(|_| Reply::new(200, "")).await;
    let url = format!("http://{}/hook", receiver.address());
    let hook = json!({"type": "gitea", "active": true, "events": ["pull_request"],
        "config": {"url": url, "content_type": "json", "secret": "shared"}});
    repository.request(Method::POST, "hooks", &hook).await;
    repository.commit("updates", "a.yaml", "1").await;
    let pull = json!({"head": "updates", "base": "main", "title": "Update"});
    repository.request(Method::POST, "pulls", &pull).await;
    let told = tokio::task::spawn_blocking(move || poll(LIMIT, || receiver.seen("/hook").pop()));
    let told = told.await.unwrap().expect("it calls back");
    assert_eq!(told.header("x-gitea-event"), "pull_request");
    assert_eq!(
        told.header("x-hub-signature-256").len(),
        "sha256=".len() + 64
    );
    let body: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(
        (&body["action"], &body["number"]),
        (&json!("opened"), &json!(1))
    );
}
