//! What is done to objects of Kubernetes' own kinds before they are applied, as Flux does it.
//!
//! Invariant: the API server would make the same of the object; only who owns which field differs.
//! What is absent: defaults, which the API server fills in.

use super::manifest::Manifest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Moves the texts of a Secret's `stringData` into its `data`. Left to the API server, a key that later
/// goes from `stringData` would stay in the cluster: it copies the texts, and nobody owns the copies.
///
/// What holds anything but texts is left as it is, for the API server to refuse.
pub fn own_texts(object: &mut Value) {
    if !is_secret(object) {
        return;
    }
    let Some(root) = object.as_object_mut() else {
        return;
    };
    let texts = root.get("stringData").and_then(Value::as_object);
    let Some(encoded) = texts.and_then(encoded) else {
        return;
    };
    let data = root
        .entry("data")
        .or_insert_with(|| Value::Object(Map::new()));
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    if let Some(data) = data.as_object_mut() {
        data.extend(encoded);
        root.remove("stringData");
    }
}

/// The texts as `data` has them; `None` when one of them is none.
fn encoded(texts: &Map<String, Value>) -> Option<Map<String, Value>> {
    let encode = |(key, text): (&String, &Value)| {
        let encoded = STANDARD.encode(text.as_str()?);
        Some((key.clone(), Value::String(encoded)))
    };
    texts.iter().map(encode).collect()
}

/// The first Secret that SOPS has encrypted. Applied, it would be of no use to anybody.
pub fn encrypted(manifests: &[Manifest]) -> Option<&Manifest> {
    manifests
        .iter()
        .find(|manifest| is_secret(&manifest.object) && manifest.object.get("sops").is_some())
}

fn is_secret(object: &Value) -> bool {
    object.get("apiVersion").and_then(Value::as_str) == Some("v1")
        && object.get("kind").and_then(Value::as_str) == Some("Secret")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(fields: &Value) -> Value {
        let mut object =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}});
        for (key, value) in fields.as_object().expect("fields are a mapping") {
            object[key] = value.clone();
        }
        object
    }

    fn owned(mut object: Value) -> Value {
        own_texts(&mut object);
        object
    }

    #[test]
    fn texts_of_a_secret_become_data_and_win_over_it() {
        let before =
            json!({"data": {"a": "b2xk", "b": "Yg=="}, "stringData": {"a": "new", "c": "é\n"}});
        let after = json!({"data": {"a": "bmV3", "b": "Yg==", "c": "w6kK"}});
        assert_eq!(owned(secret(&before)), secret(&after));
        for before in [
            json!({"stringData": {"a": "new"}}),
            json!({"data": null, "stringData": {"a": "new"}}),
        ] {
            let after = json!({"data": {"a": "bmV3"}});
            assert_eq!(owned(secret(&before)), secret(&after));
        }
        let empty = owned(secret(&json!({"stringData": {}})));
        assert_eq!(empty, secret(&json!({"data": {}})));
    }

    #[test]
    fn what_is_no_secret_of_texts_is_left_alone() {
        for object in [
            secret(&json!({"data": {"a": "YQ=="}})),
            secret(&json!({"stringData": null})),
            secret(&json!({"stringData": {"a": "x", "b": 5}})),
            secret(&json!({"stringData": ["x"]})),
            secret(&json!({"data": "x", "stringData": {"a": "x"}})),
            secret(&json!({"apiVersion": "example.com/v1", "stringData": {"a": "x"}})),
            secret(&json!({"kind": "Vault", "stringData": {"a": "x"}})),
            json!(["no object"]),
        ] {
            assert_eq!(owned(object.clone()), object);
        }
    }

    #[test]
    fn a_secret_that_sops_has_encrypted_is_found() {
        let manifests = |objects: &[Value]| -> Vec<Manifest> {
            let made = objects
                .iter()
                .cloned()
                .map(|object| Manifest::new(object, None));
            made.collect::<Result<_, _>>().expect("they are objects")
        };
        let plain = secret(&json!({"data": {"a": "YQ=="}}));
        let locked = secret(&json!({"data": {"a": "ENC[..]"}, "sops": {"mac": "x"}}));
        let other = secret(&json!({"kind": "Vault", "sops": {}}));
        let found = manifests(&[plain.clone(), other.clone(), locked.clone()]);
        assert_eq!(encrypted(&found).map(|found| &found.object), Some(&locked));
        assert_eq!(encrypted(&manifests(&[plain, other])), None);
    }
}
