//! The real Gitea over https, with a certificate that nobody trusts by himself, and over ssh: Git and the forge's API are reached in
//! the way that the Secret of the GitRepository says.

use super::proposals::{AUTOMATION, Proposing, assert_opened};
use super::{EAGER, fleet};
use crate::support::fleet::condition;
use crate::support::git_ssh::KeyPair;
use crate::support::gitea::{AUTHORITY, GiteaRepository, gitea, gitea_over_https};
use serde_json::{Value, json};

/// What highwater asked about a repository, by Git and by the API, once all that was asked so far is written down.
async fn asked(proposing: &Proposing, marker: &str) -> Vec<String> {
    let forge = &proposing.forge;
    // Gitea writes its log in order, so that what stands behind this request cannot have come before it.
    let path = format!("branches?marker={marker}");
    forge
        .request(reqwest::Method::GET, &path, &Value::Null)
        .await;
    let log = || forge.server().asked();
    let written = || log().contains(&path);
    proposing.fleet.until("the log is written", written).await;
    let place = format!("/{}/", forge.owner);
    let ours = |line: &&str| line.contains(&place) && line.contains("highwater/");
    log().lines().filter(ours).map(str::to_owned).collect()
}

/// The Secret of the forge's API, which says nothing of authorities.
async fn api_login(proposing: &Proposing) {
    let login = json!({"stringData": {"token": proposing.forge.token}});
    proposing.fleet.apply("Secret", "api", login).await;
}

/// Neither Git nor the API is told who asks, as long as the server may be anybody.
async fn assert_refused(proposing: &Proposing) {
    let fleet = &proposing.fleet;
    let words = "UnknownIssuer";
    fleet
        .not_ready_because("GitRepository", "app", "GitOperationFailed", words)
        .await;
    fleet.publish("app", "1.1.0").await;
    let object = fleet
        .wait(AUTOMATION, "app", words, |object| {
            let ready = condition(object, "Ready");
            let message = ready["message"].as_str().unwrap_or_default();
            ready["status"] == "False" && message.contains(words)
        })
        .await;
    assert_eq!(condition(&object, "Ready")["reason"], "GitOperationFailed");
    assert_eq!(asked(proposing, "refused").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gitea_over_https_is_cloned_pushed_to_and_asked_with_its_authority_alone() {
    let mut fleet = fleet("https").await;
    fleet.start(&EAGER);
    let forge = gitea_over_https().repository("https").await;
    let rule = json!({"secretRef": {"name": "api"}});
    let mut proposing = Proposing::on(fleet, forge, rule).await;
    api_login(&proposing).await;
    assert_refused(&proposing).await;

    let (fleet, forge) = (&proposing.fleet, &proposing.forge);
    let login = json!({"stringData": {
        "username": forge.owner, "password": forge.token, "caFile": AUTHORITY,
    }});
    fleet.apply("Secret", "forge", login).await;
    fleet.request("GitRepository", "app").await;
    fleet.request(AUTOMATION, "app").await;
    fleet.ready("GitRepository", "app").await;
    let open = |pull: &Value| pull["state"] == "Open" && pull["number"].is_number();
    let tracked = proposing.tracked("proposed", open).await;
    assert_opened(&proposing, &tracked).await;
    let number = tracked["number"].as_u64().expect("it has a number");
    let newer = proposing.proposed("1.2.0").await;
    assert_eq!(newer["number"], number);

    let owner = format!(" - {} [", proposing.forge.owner);
    let asked = asked(&proposing, "admitted").await;
    for request in ["git-upload-pack", "git-receive-pack", "POST /api/v1/repos/"] {
        let known = |line: &&String| line.contains(request) && line.contains(&owner);
        assert!(
            asked.iter().any(|line| known(&line)),
            "{request}: {asked:#?}"
        );
    }
    let log = proposing.fleet.log();
    assert!(!log.contains(&proposing.forge.token), "{log}");
    proposing.fleet.assert_no_panic();
}

/// Has the source reach the repository over ssh.
async fn over_ssh(proposing: &Proposing, forge: &GiteaRepository) {
    let key = KeyPair::make(&["-t", "ed25519"], "planted-passphrase");
    forge.add_key(key.public.trim()).await;
    let login = json!({"stringData": {
        "identity": key.private, "password": "planted-passphrase", "known_hosts": forge.server().known_hosts(),
    }});
    proposing.fleet.apply("Secret", "key", login).await;
    let source = json!({"spec": {"url": forge.ssh_url(), "secretRef": {"name": "key"}}});
    proposing.fleet.patch("GitRepository", "app", source).await;
    proposing.fleet.ready("GitRepository", "app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gitea_over_ssh_is_pushed_to_by_key_and_asked_by_a_login_of_its_own() {
    let mut fleet = fleet("over-ssh").await;
    fleet.start(&EAGER);
    let forge = gitea().repository("over-ssh").await;
    let api = format!("{}/api/v1", forge.server().url());
    let rule = json!({"secretRef": {"name": "api"}, "apiURL": api});
    let mut proposing = Proposing::on(fleet, forge, rule).await;
    api_login(&proposing).await;
    over_ssh(&proposing, &proposing.forge).await;
    let tracked = proposing.proposed("1.1.0").await;
    assert_opened(&proposing, &tracked).await;
    let asked = asked(&proposing, "over-ssh").await;
    let by_http = asked
        .iter()
        .filter(|line| line.contains("git-receive-pack"));
    assert_eq!(by_http.count(), 0, "{asked:#?}");
    assert!(!proposing.fleet.log().contains("planted"));
    proposing.fleet.assert_no_panic();
}
