//! Hides what SOPS has encrypted, as `flux build` does: the reader has no key for it.
//!
//! Invariant: only Secrets are changed, and only values that SOPS wrote. What is absent: decryption.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What stands in for a value.
const MASK: &str = "**SOPS**";

/// Masks the values of a Secret that SOPS has encrypted.
pub(super) fn mask(object: &mut Value) {
    let Some(secret) = object.as_object_mut() else {
        return;
    };
    if secret.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    let whole = is_encrypted_whole(secret);
    let login =
        secret.get("type").and_then(Value::as_str) == Some("kubernetes.io/dockerconfigjson");
    let shown = match whole && login {
        true => json!({"mask": MASK}).to_string(),
        false => MASK.to_owned(),
    };
    if whole {
        secret.remove("sops");
    }
    for (field, encoded) in [("data", true), ("stringData", false)] {
        let Some(values) = secret.get_mut(field).and_then(Value::as_object_mut) else {
            continue;
        };
        for value in values.values_mut() {
            if whole || is_encrypted(value, encoded) {
                // Of a value that is encrypted alone, Flux's mask is encoded in both places.
                let encodes = encoded || !whole;
                *value = Value::from(match encodes {
                    true => STANDARD.encode(&shown),
                    false => shown.clone(),
                });
            }
        }
    }
}

/// Whether SOPS has encrypted the manifest, and left its own block in it.
fn is_encrypted_whole(secret: &Map<String, Value>) -> bool {
    let block = secret.get("sops").and_then(|block| block.get("mac"));
    let mac = block.and_then(Value::as_str);
    mac.is_some_and(|mac| mac.starts_with("ENC["))
}

/// Whether the value is a file that SOPS has encrypted.
fn is_encrypted(value: &Value, encoded: bool) -> bool {
    let Some(text) = value.as_str() else {
        return false;
    };
    let decoded = match encoded {
        true => STANDARD
            .decode(text.replace(['\n', '\r'], ""))
            .unwrap_or_default(),
        false => text.as_bytes().to_vec(),
    };
    let holds = |part: &str| memchr::memmem::find(&decoded, part.as_bytes()).is_some();
    holds("sops") && holds("ENC[")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(mut object: Value) -> Value {
        mask(&mut object);
        object
    }

    #[test]
    fn an_encrypted_manifest_loses_every_value_and_the_block() {
        let secret = json!({
            "kind": "Secret", "data": {"a": "ENC[x]"}, "stringData": {"b": "ENC[y]"},
            "sops": {"mac": "ENC[AES256]"}
        });
        let expected = json!({"kind": "Secret", "data": {"a": STANDARD.encode(MASK)}, "stringData": {"b": MASK}});
        assert_eq!(masked(secret), expected);
    }

    #[test]
    fn a_login_stays_json() {
        let secret = json!({
            "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": "ENC[x]"}, "sops": {"mac": "ENC[x]"}
        });
        let masked = masked(secret);
        let login = masked["data"][".dockerconfigjson"]
            .as_str()
            .unwrap_or_default();
        assert_eq!(
            STANDARD.decode(login).unwrap_or_default(),
            br#"{"mask":"**SOPS**"}"#
        );
    }

    #[test]
    fn an_encrypted_file_is_masked_and_plain_values_stay() {
        let file = "data: ENC[x]\nsops: {}\n";
        let secret = json!({
            "kind": "Secret", "data": {"file": STANDARD.encode(file), "plain": STANDARD.encode("x")},
            "stringData": {"file": file, "plain": "x"}
        });
        let hidden = STANDARD.encode(MASK);
        let expected = json!({
            "kind": "Secret", "data": {"file": hidden, "plain": STANDARD.encode("x")},
            "stringData": {"file": hidden, "plain": "x"}
        });
        assert_eq!(masked(secret), expected);
        let map = json!({"kind": "ConfigMap", "data": {"file": file}});
        assert_eq!(masked(map.clone()), map);
    }
}
