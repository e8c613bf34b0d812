//! Which objects are woken when expressions choose, and who may call when a token's claims do.

use super::google::{Issuer, publish};
use super::{TOKEN, call, path, requested, serving};
use crate::support::fleet::Fleet;
use serde_json::{Value, json};

async fn sources(fleet: &Fleet, names: &[&str]) {
    for name in names {
        let mut object = fleet.git_repository();
        object["metadata"] = json!({"labels": {"team": "a", "called": name}});
        fleet.apply("GitRepository", name, object).await;
    }
}

/// Which of these were asked to reconcile.
async fn woken<'a>(fleet: &Fleet, names: &[&'a str]) -> Vec<&'a str> {
    let mut woken = Vec::new();
    for name in names {
        if !requested(fleet, "GitRepository", name).await.is_empty() {
            woken.push(*name);
        }
    }
    woken
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions_choose_among_the_objects() {
    let (mut fleet, url) = serving("hook-filter", &[]).await;
    let names = ["app", "web", "worker"];
    sources(&fleet, &names).await;
    let spec = json!({
        "type": "generic", "secretRef": {"name": "receiver"},
        "resourceFilter": "req.tag.split('/').last().value().split(':').first().value().startsWith(res.metadata.name)",
        "resources": [
            {"kind": "GitRepository", "name": "*", "matchLabels": {"team": "a"}, "filter": "res.metadata.labels['called'] != 'worker'"}
        ],
    });
    fleet
        .apply("Receiver", "filtered", json!({"spec": spec}))
        .await;
    let hook = format!("{url}{}", path(&fleet, "filtered").await);
    let event = |image: &str| {
        json!({"action": "INSERT", "tag": format!("ghcr.io/acme/{image}:1.1")}).to_string()
    };
    assert_eq!(call(&hook, &[], &event("nothing")).await.0, 200);
    assert_eq!(call(&hook, &[], &event("worker")).await.0, 200);
    assert_eq!(woken(&fleet, &names).await, [""; 0]);
    assert_eq!(call(&hook, &[], &event("web")).await.0, 200);
    assert_eq!(woken(&fleet, &names).await, ["web"]);
    // As in Flux: what cannot be evaluated is a failure.
    assert_eq!(call(&hook, &[], r#"{"other": "payload"}"#).await.0, 500);
    assert_eq!(call(&hook, &[], "no JSON").await.0, 500);

    fleet
        .patch(
            "Receiver",
            "filtered",
            json!({"spec": {"resourceFilter": "req.tag =="}}),
        )
        .await;
    let words = fleet
        .not_ready("Receiver", "filtered", "InvalidCELExpression")
        .await;
    assert!(words.starts_with("Reconciliation failed terminally due to configuration error: invalid resourceFilter expression: "), "{words}");
    assert_eq!(call(&hook, &[], &event("app")).await.0, 503);
    fleet.assert_no_panic();
}

/// A Receiver for jobs of one organisation, whose filter cannot be compiled.
fn jobs(issuer_url: &str) -> Value {
    json!({
        "type": "generic-oidc",
        "oidcProviders": [{
            "issuerURL": issuer_url,
            "variables": [{"name": "owner", "expression": "claims.repository_owner"}],
            "validations": [
                {"expression": "vars.owner == 'acme'", "message": "wrong org"},
                {"expression": "claims.ref == 'refs/heads/main'", "message": "must be main branch"},
            ],
        }],
        "resourceFilter": "claims.repository == vars_of(res)",
        "resources": [{"kind": "GitRepository", "name": "app"}, {"kind": "GitRepository", "name": "web"}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_calls_with_the_token_of_its_forge() {
    let (mut fleet, url) = serving("hook-oidc", &[]).await;
    sources(&fleet, &["app", "web"]).await;
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let (issuer_url, stranger_url) = (publish(&issuer).await, publish(&stranger).await);
    let spec = jobs(&issuer_url);
    fleet.apply("Receiver", "jobs", json!({"spec": spec})).await;
    let words = fleet
        .not_ready("Receiver", "jobs", "InvalidCELExpression")
        .await;
    assert!(
        words.contains("undeclared reference to 'vars_of'"),
        "{words}"
    );
    let filter = "claims.repository == 'acme/' + res.metadata.name";
    fleet
        .patch(
            "Receiver",
            "jobs",
            json!({"spec": {"resourceFilter": filter}}),
        )
        .await;
    let hook = format!("{url}{}", path(&fleet, "jobs").await);

    let later = jiff::Timestamp::now().as_second() + 600;
    let claims = |field: &str, value: &str| {
        let mut claims = json!({
            "iss": issuer_url, "aud": "notification-controller", "exp": later, "repository_owner": "acme",
            "repository": "acme/web", "ref": "refs/heads/main",
        });
        claims[field] = Value::from(value);
        claims
    };
    for (what, token) in [
        ("another audience", issuer.token(&claims("aud", "somebody"))),
        (
            "another owner",
            issuer.token(&claims("repository_owner", "other")),
        ),
        (
            "another branch",
            issuer.token(&claims("ref", "refs/heads/x")),
        ),
        (
            "another issuer",
            stranger.token(&claims("iss", &stranger_url)),
        ),
        ("a stranger's signature", stranger.token(&claims("x", "y"))),
        ("the token of other types", TOKEN.to_owned()),
        ("nothing", String::new()),
    ] {
        assert_eq!(
            call(&hook, &[("authorization", &token)], "{}").await.0,
            400,
            "{what}"
        );
    }
    assert_eq!(woken(&fleet, &["app", "web"]).await, [""; 0]);
    let token = issuer.token(&claims("x", "y"));
    assert_eq!(call(&hook, &[("authorization", &token)], "{}").await.0, 200);
    assert_eq!(woken(&fleet, &["app", "web"]).await, ["web"]);
    fleet.assert_no_panic();
}
