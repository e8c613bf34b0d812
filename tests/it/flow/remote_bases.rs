//! Bases in repositories that are no source of the cluster.

use super::{EAGER, fleet};
use crate::support::git_http::{BareRepository, GitHttp, ServerAuth};

const MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tides}\ndata: {depth: \"1\"}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_base_is_applied_unless_the_switch_forbids_it() {
    let mut fleet = fleet("remote").await;
    let elsewhere = GitHttp::start(&fleet.repositories, ServerAuth::Open);
    let base = BareRepository::create(&fleet.repositories, "base");
    let files = [
        ("maps/kustomization.yaml", "resources: [map.yaml]\n"),
        ("maps/map.yaml", MAP),
    ];
    base.commit("main", "Begin", &files);
    let overlay = format!(
        "resources: [\"{}//maps?ref=main\"]\n",
        elsewhere.url("base")
    );
    fleet.commit("Use it", &[("apps/kustomization.yaml", &overlay)]);
    fleet.start(&[&EAGER[..], &["--no-remote-bases"]].concat());
    let (source, target) = (fleet.git_repository(), fleet.kustomization("app", "apps"));
    fleet.apply("GitRepository", "app", source).await;
    fleet.apply("Kustomization", "app", target).await;
    let words = fleet.not_ready("Kustomization", "app", "BuildFailed").await;
    assert!(
        words.contains("apps/kustomization.yaml:1: `resources[0]`"),
        "{words}"
    );
    assert!(
        words.contains("remote bases are not allowed here"),
        "{words}"
    );
    assert_eq!(elsewhere.seen(), []);

    fleet.kill();
    fleet.start(&EAGER);
    fleet.ready("Kustomization", "app").await;
    let map = fleet.get("ConfigMap", "tides").await.unwrap_or_default();
    assert_eq!(map["data"]["depth"], "1");

    base.commit(
        "main",
        "Change",
        &[("maps/map.yaml", &MAP.replace("\"1\"", "\"2\""))],
    );
    fleet.reconcile("Kustomization", "app").await;
    let map = fleet.get("ConfigMap", "tides").await.unwrap_or_default();
    assert_eq!(map["data"]["depth"], "2");
}
