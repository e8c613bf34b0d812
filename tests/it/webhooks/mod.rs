//! Webhooks, called in the running program: by the real registry, and as each sender calls.

mod calls;
mod filters;
mod google;
mod registries;

use crate::support::fleet::{Fleet, PATIENCE};
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};

pub(crate) const TOKEN: &str = "receiver-token-4711";

/// A fleet whose program serves webhooks, and the URL of its server.
pub(crate) async fn serving(prefix: &str, flags: &[&str]) -> (Fleet, String) {
    let mut fleet = Fleet::new(crate::crds::installed(), prefix).await;
    let all = [&["--receivers", "--receiver-addr=127.0.0.1:0"], flags].concat();
    fleet.start(&all);
    let line = fleet
        .process()
        .wait_for_line("\"serving webhooks\"", PATIENCE);
    let line: Value = serde_json::from_str(&line).expect("log lines are JSON");
    let address = line["address"]
        .as_str()
        .expect("the line tells the address");
    let url = format!("http://{address}");
    let secret = json!({"stringData": {"token": TOKEN}});
    fleet.apply("Secret", "receiver", secret).await;
    (fleet, url)
}

/// Writes a Receiver and waits for the path it is called at.
pub(crate) async fn receiver(fleet: &Fleet, name: &str, kind: &str, resources: Value) -> String {
    let spec = json!({"type": kind, "secretRef": {"name": "receiver"}, "resources": resources});
    fleet.apply("Receiver", name, json!({"spec": spec})).await;
    path(fleet, name).await
}

async fn path(fleet: &Fleet, name: &str) -> String {
    let object = fleet.ready("Receiver", name).await;
    let path = object["status"]["webhookPath"].as_str();
    path.expect("a ready Receiver has a path").to_owned()
}

/// Calls a webhook; the status, and what was said.
async fn call(url: &str, fields: &[(&str, &str)], body: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build();
    let mut request = client
        .expect("a plain client")
        .request(Method::POST, url)
        .header("content-type", "application/json")
        .body(body.to_owned());
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("the program answers");
    let status = answer.status().as_u16();
    (status, answer.text().await.unwrap_or_default())
}

/// `sha256=` and the code of a body.
fn signature(body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, TOKEN.as_bytes());
    let code = hmac::sign(&key, body.as_bytes());
    let digits: String = code
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256={digits}")
}

/// The request that an object was last asked by; empty when there was none.
async fn requested(fleet: &Fleet, kind: &str, name: &str) -> String {
    let object = fleet.get(kind, name).await.unwrap_or_default();
    let annotation = object.pointer("/metadata/annotations/reconcile.fluxcd.io~1requestedAt");
    annotation
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
