//! Who may call, what is answered, and what is woken that is no image repository.

use super::{TOKEN, call, path, receiver, requested, serving, signature};
use crate::support::fleet::Fleet;
use serde_json::{Value, json};

/// A source that nobody needs to be able to fetch.
async fn source(fleet: &Fleet, name: &str, labels: Value) {
    let mut object = fleet.git_repository();
    object["metadata"] = json!({"labels": labels});
    fleet.apply("GitRepository", name, object).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_call_wakes_and_others_get_the_status_of_flux() {
    let (mut fleet, url) = serving("hook-calls", &[]).await;
    source(&fleet, "fleet", json!({})).await;
    let resources = json!([{"kind": "GitRepository", "name": "fleet"}]);
    let path = receiver(&fleet, "github", "github", resources).await;
    let hook = format!("{url}{path}");
    let body = r#"{"ref": "refs/heads/main", "after": "1"}"#;
    let (other, nobodys) = (signature("other"), format!("/hook/{}", "0".repeat(64)));
    for (what, path, proof, expected) in [
        ("nobody's path", nobodys.as_str(), other.as_str(), 404),
        ("no path", "/", other.as_str(), 404),
        ("no signature", path.as_str(), "", 400),
        ("another signature", path.as_str(), other.as_str(), 400),
        ("a token for a signature", path.as_str(), TOKEN, 400),
    ] {
        let answer = call(
            &format!("{url}{path}"),
            &[("x-hub-signature-256", proof)],
            body,
        )
        .await;
        assert_eq!(answer, (expected, String::new()), "{what}");
    }
    let long = "x".repeat(3 * 1024 * 1024 + 1);
    assert_eq!(call(&hook, &[], &long).await.0, 413);
    assert_eq!(requested(&fleet, "GitRepository", "fleet").await, "");

    let push = async |body: &str| {
        let proof = signature(body);
        call(
            &hook,
            &[("x-hub-signature-256", &proof), ("x-github-event", "push")],
            body,
        )
        .await
    };
    assert_eq!(push(body).await, (200, String::new()));
    let asked = requested(&fleet, "GitRepository", "fleet").await;
    let handled = |object: &Value| object["status"]["lastHandledReconcileAt"] == *asked;
    fleet
        .wait("GitRepository", "fleet", "the request is handled", handled)
        .await;
    assert!(
        !asked.is_empty() && !fleet.log().contains(TOKEN),
        "a secret is in the log"
    );

    fleet
        .patch("Receiver", "github", json!({"spec": {"events": ["ping"]}}))
        .await;
    fleet.ready("Receiver", "github").await;
    assert_eq!(push(&body.replace('1', "2")).await.0, 400);
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_delivery_again_has_no_effect() {
    let (fleet, url) = serving("hook-again", &[]).await;
    source(&fleet, "fleet", json!({})).await;
    let resources = json!([{"kind": "GitRepository", "name": "fleet"}]);
    let github = format!(
        "{url}{}",
        receiver(&fleet, "github", "github", resources.clone()).await
    );
    let hmac = format!(
        "{url}{}",
        receiver(&fleet, "hmac", "generic-hmac", resources).await
    );
    let body = |number: &str| format!(r#"{{"after": "{number}"}}"#);
    let send = async |hook: &str, header: &str, id: &str, body: &str| {
        let proof = signature(body);
        call(hook, &[(header, &proof), ("x-github-delivery", id)], body).await
    };
    let hub = "x-hub-signature-256";
    assert_eq!(send(&github, hub, "one", &body("1")).await.0, 200);
    let first = requested(&fleet, "GitRepository", "fleet").await;
    assert_ne!(first, "");
    // The number is not signed: another one makes no other delivery, and neither does another body under it.
    for (id, number) in [("one", "1"), ("two", "1"), ("one", "2")] {
        assert_eq!(
            send(&github, hub, id, &body(number)).await,
            (200, String::new()),
            "{id} {number}"
        );
        assert_eq!(
            requested(&fleet, "GitRepository", "fleet").await,
            first,
            "{id} {number}"
        );
    }
    assert_eq!(send(&github, hub, "three", &body("3")).await.0, 200);
    assert_ne!(requested(&fleet, "GitRepository", "fleet").await, first);

    assert_eq!(
        send(&hmac, "x-signature", "", &body("1")).await.0,
        200,
        "each Receiver remembers its own"
    );
    let (status, words) = send(&hmac, "x-signature", "", &body("1")).await;
    assert!(
        status == 409 && words.contains("hint: "),
        "{status} {words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_by_what_came_of_them() {
    let (mut fleet, url) = serving("hook-counted", &[]).await;
    source(&fleet, "fleet", json!({})).await;
    let resources = json!([{"kind": "GitRepository", "name": "fleet"}]);
    let hook = format!(
        "{url}{}",
        receiver(&fleet, "harbor", "harbor", resources).await
    );
    let body =
        json!({"id": "1", "action": "push", "target": {"repository": "a", "tag": "1"}}).to_string();
    for (token, expected) in [("wrong", 400), (TOKEN, 200), (TOKEN, 200)] {
        assert_eq!(
            call(&hook, &[("authorization", token)], &body).await.0,
            expected
        );
    }
    assert_eq!(call(&format!("{url}/hook/nobody"), &[], "").await.0, 404);
    let line = fleet
        .process()
        .wait_for_line("serving metrics", crate::support::fleet::PATIENCE);
    let line: Value = serde_json::from_str(&line).expect("log lines are JSON");
    let address = line["address"]
        .as_str()
        .expect("the line tells the address");
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a plain client");
    let answer = client
        .get(format!("http://{address}/metrics"))
        .send()
        .await
        .expect("the program answers");
    let text = answer.text().await.expect("it is text");
    for result in ["accepted", "refused", "replayed", "unknown"] {
        let series = format!("highwater_webhooks_total{{result=\"{result}\"}} 1");
        assert!(text.contains(&series), "{series}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_told_to_wait() {
    let (fleet, url) = serving("hook-flood", &[]).await;
    source(&fleet, "fleet", json!({})).await;
    let resources = json!([{"kind": "GitRepository", "name": "fleet"}]);
    let hook = format!(
        "{url}{}",
        receiver(&fleet, "generic", "generic", resources).await
    );
    let calls = (0..200).map(|_| call(&hook, &[], ""));
    let statuses: Vec<u16> = futures::future::join_all(calls)
        .await
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    assert!(
        statuses.contains(&200) && statuses.contains(&429),
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_suspended_or_gone_or_has_no_token_takes_no_calls() {
    let (fleet, url) = serving("hook-off", &["--max-retry-delay=1s"]).await;
    source(&fleet, "fleet", json!({})).await;
    let resources = json!([{"kind": "GitRepository", "name": "fleet"}]);
    let old = receiver(&fleet, "generic", "generic", resources).await;
    let hook = format!("{url}{old}");
    let answers = async |hook: &str, expected: u16| {
        let since = std::time::Instant::now();
        while call(hook, &[], "").await.0 != expected {
            assert!(
                since.elapsed() < crate::support::fleet::PATIENCE,
                "{expected} is never answered"
            );
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    answers(&hook, 200).await;
    fleet
        .patch("Receiver", "generic", json!({"spec": {"suspend": true}}))
        .await;
    answers(&hook, 503).await;
    fleet
        .patch("Receiver", "generic", json!({"spec": {"suspend": false}}))
        .await;
    answers(&hook, 200).await;

    // With another token the old path is dead at once, and the new one is there as soon as somebody has called.
    fleet
        .patch(
            "Secret",
            "receiver",
            json!({"stringData": {"token": "another"}}),
        )
        .await;
    answers(&hook, 404).await;
    fleet
        .wait("Receiver", "generic", "a new path", |object| {
            object["status"]["webhookPath"]
                .as_str()
                .is_some_and(|path| path != old)
        })
        .await;
    let hook = format!("{url}{}", path(&fleet, "generic").await);
    answers(&hook, 200).await;

    fleet.delete("Secret", "receiver").await;
    fleet.request("Receiver", "generic").await;
    let words = fleet
        .not_ready("Receiver", "generic", "TokenNotFound")
        .await;
    assert!(
        words.starts_with(&format!(
            "unable to read token from secret '{}/receiver' error: ",
            fleet.namespace
        )),
        "{words}"
    );
    answers(&hook, 404).await;
    fleet.delete("Receiver", "generic").await;
    fleet.gone("Receiver", "generic").await;
}

/// Failures are tried again after an hour only, and nobody calls: nothing but the watch can be the reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_labelled_token_that_comes_or_changes_counts_at_once() {
    let (fleet, _) = serving(
        "hook-token",
        &["--min-retry-delay=1h", "--max-retry-delay=1h"],
    )
    .await;
    source(&fleet, "fleet", json!({})).await;
    let resources = json!([{"kind": "GitRepository", "name": "fleet"}]);
    let spec = json!({"type": "generic", "secretRef": {"name": "later"}, "resources": resources});
    fleet
        .apply("Receiver", "generic", json!({ "spec": spec }))
        .await;
    fleet
        .not_ready("Receiver", "generic", "TokenNotFound")
        .await;
    let labels = json!({"reconcile.fluxcd.io/watch": "Enabled"});
    let secret = json!({"metadata": {"labels": labels}, "stringData": {"token": "one"}});
    fleet.apply("Secret", "later", secret).await;
    let old = path(&fleet, "generic").await;
    let change = json!({"stringData": {"token": "two"}});
    fleet.patch("Secret", "later", change).await;
    fleet
        .wait("Receiver", "generic", "a new path", |object| {
            object["status"]["webhookPath"]
                .as_str()
                .is_some_and(|path| path != old)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_choose_among_the_objects_of_a_namespace() {
    let (fleet, url) = serving("hook-labels", &[]).await;
    source(&fleet, "one", json!({"team": "a"})).await;
    source(&fleet, "two", json!({"team": "a"})).await;
    source(&fleet, "three", json!({"team": "b"})).await;
    let by_label = json!([{"kind": "GitRepository", "name": "*", "matchLabels": {"team": "a"}}]);
    let hook = format!(
        "{url}{}",
        receiver(&fleet, "labelled", "generic", by_label).await
    );
    assert_eq!(call(&hook, &[], "").await.0, 200);
    for (name, woken) in [("one", true), ("two", true), ("three", false)] {
        assert_eq!(
            !requested(&fleet, "GitRepository", name).await.is_empty(),
            woken,
            "{name}"
        );
    }
    // As in Flux: labels that nothing has are no error; a name that nothing has, and `*` without labels, are.
    for (name, resource, expected) in [
        (
            "none",
            json!({"kind": "GitRepository", "name": "*", "matchLabels": {"team": "c"}}),
            200,
        ),
        (
            "gone",
            json!({"kind": "GitRepository", "name": "gone"}),
            500,
        ),
        ("all", json!({"kind": "GitRepository", "name": "*"}), 500),
        (
            "unversioned",
            json!({"kind": "Kustomization", "name": "app"}),
            500,
        ),
    ] {
        // What else stands there is woken all the same.
        let before = requested(&fleet, "GitRepository", "three").await;
        let resources = json!([resource, {"kind": "GitRepository", "name": "three"}]);
        let hook = format!(
            "{url}{}",
            receiver(&fleet, name, "generic", resources).await
        );
        assert_eq!(call(&hook, &[], "").await.0, expected, "{name}");
        assert_ne!(
            requested(&fleet, "GitRepository", "three").await,
            before,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_namespaces_are_out_of_reach_when_told_so() {
    for (flag, expected) in [
        ("--no-cross-namespace-refs=true", 500),
        ("--no-cross-namespace-refs=false", 200),
    ] {
        let (fleet, url) = serving("hook-across", &[flag]).await;
        let other = Fleet::new(crate::crds::installed(), "hook-across-other").await;
        source(&other, "theirs", json!({})).await;
        let resources =
            json!([{"kind": "GitRepository", "name": "theirs", "namespace": other.namespace}]);
        let hook = format!(
            "{url}{}",
            receiver(&fleet, "generic", "generic", resources).await
        );
        assert_eq!(call(&hook, &[], "").await.0, expected, "{flag}");
        assert_eq!(
            requested(&other, "GitRepository", "theirs")
                .await
                .is_empty(),
            expected == 500,
            "{flag}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_other_controllers_are_asked_by_annotation() {
    let (fleet, url) = serving("hook-others", &["--controllers=kustomize"]).await;
    fleet
        .apply(
            "ImageRepository",
            "app",
            json!({"spec": {"image": "ghcr.io/acme/app", "interval": "1h"}}),
        )
        .await;
    let resources = json!([{"kind": "ImageRepository", "name": "app"}]);
    let hook = format!(
        "{url}{}",
        receiver(&fleet, "generic", "generic", resources).await
    );
    let body = json!({"image": "ghcr.io/acme/app:1.0.0"}).to_string();
    assert_eq!(call(&hook, &[], &body).await.0, 200);
    assert_ne!(requested(&fleet, "ImageRepository", "app").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_switch_receivers_are_left_alone() {
    let mut fleet = Fleet::running(crate::crds::installed(), "hook-none").await;
    let spec = json!({"type": "generic", "secretRef": {"name": "receiver"}, "resources": []});
    fleet
        .apply("Receiver", "theirs", json!({"spec": spec}))
        .await;
    source(&fleet, "fleet", json!({})).await;
    fleet
        .wait("GitRepository", "fleet", "it is looked after", |object| {
            object["metadata"]["finalizers"].is_array()
        })
        .await;
    let object = fleet.get("Receiver", "theirs").await.unwrap_or_default();
    assert_eq!(object["status"], json!({"observedGeneration": -1}));
    assert!(
        object["metadata"]["finalizers"].is_null() && !fleet.log().contains("serving webhooks")
    );
    fleet.assert_no_panic();
}
