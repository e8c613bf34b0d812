//! Data for both sides: JSON, in which whole numbers are `int` and an object with `$` is of the kind that it names.

use highwater::domain::change::{Change, ChangeReport};
use highwater::domain::message::template_data;
use highwater::domain::object::{ObjectId, ObjectKey};
use highwater::domain::template::{MapType, Type, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// What the templates of the corpus are rendered with.
pub(super) fn standard() -> Json {
    json!({
        "name": "World",
        "empty": "",
        "wide": "Grüße, 世界 😀",
        "lines": "one\ntwo\n\nthree",
        "quoted": "a \"b\" 'c' <d> & \\e\t`f`",
        "path": "/apps/web/deployment.yaml",
        "words": "the quick-brown foxJumps over_HTTPServer2 lazy",
        "count": 3,
        "zero": 0,
        "negative": -7,
        "large": 9_007_199_254_740_993i64,
        "float": 2.5,
        "tiny": 0.000_000_125,
        "huge": 1.5e+30,
        "yes": true,
        "no": false,
        "nothing": null,
        "list": ["b", "a", "c", "a"],
        "mixed": [1, "two", 3.5, true, null, ["x"], {"k": "v"}],
        "none": [],
        "map": {"b": 2, "a": 1, "nested": {"deep": {"key": "found"}}, "nil": null},
        "bare": {},
        "i64": {"$": "int64", "v": 64},
        "u64": {"$": "uint64", "v": 18},
        "strings": {"$": "strings", "v": ["z", "y", "x"]},
        "texts": {"$": "texts", "v": {"k2": "v2", "k1": "v1"}},
        "flux": flux(),
    })
}

/// Flux's data: three changes in two files.
pub(super) fn flux() -> Json {
    let change = |file: &str, kind: &str, name: &str, old: &str, new: &str, setter: &str| {
        json!({
            "file": file, "apiVersion": "apps/v1", "kind": kind, "namespace": "shop", "name": name,
            "old": old, "new": new, "setter": setter,
        })
    };
    json!({"$": "flux", "v": {
        "namespace": "flux-system",
        "name": "fleet",
        "changes": [
            change("apps/web.yaml", "Deployment", "web", "ghcr.io/acme/web:1.0.0", "ghcr.io/acme/web:1.1.0", "shop:web"),
            change("apps/web.yaml", "CronJob", "sweep", "1.0.0", "1.1.0", "shop:web:tag"),
            change("jobs/all.yaml", "CronJob", "sweep", "5.0.2", "5.0.3", "shop:sweep:tag"),
            change("jobs/all.yaml", "CronJob", "sweep", "1.0.0", "1.1.0", "shop:web:tag"),
        ],
        "values": {"cluster": "prod", "team": "tide"},
    }})
}

/// The value that the oracle makes of the same JSON.
pub(super) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List {
            of: Type::Interface,
            items: items.iter().map(value).collect(),
        },
        Json::Object(members) => match members.get("$").and_then(Json::as_str) {
            Some(kind) => of_kind(kind, &members["v"]),
            None => Value::Map {
                of: MapType::new(Type::Text, Type::Interface),
                entries: members
                    .iter()
                    .map(|(key, member)| (key.as_str().into(), value(member)))
                    .collect(),
            },
        },
    }
}

fn of_kind(kind: &str, json: &Json) -> Value {
    match kind {
        "int64" => Value::Int64(json.as_i64().expect("a whole number")),
        "uint64" => Value::Uint64(json.as_u64().expect("a whole number")),
        "strings" => Value::List {
            of: Type::Text,
            items: json.as_array().expect("a list").iter().map(value).collect(),
        },
        "texts" => Value::from(&texts(json)),
        "flux" => flux_data(json),
        other => panic!("unknown kind `{other}`"),
    }
}

fn texts(json: &Json) -> BTreeMap<String, String> {
    serde_json::from_value(json.clone()).expect("a map of texts")
}

fn flux_data(json: &Json) -> Value {
    let text = |json: &Json, name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let changes = json["changes"].as_array().expect("a list").iter();
    let changes = changes.enumerate().map(|(line, change)| Change {
        file: text(change, "file"),
        line,
        object: Some(ObjectId {
            api_version: text(change, "apiVersion"),
            kind: text(change, "kind"),
            namespace: Some(text(change, "namespace")),
            name: text(change, "name"),
        }),
        field: String::new(),
        setter: text(change, "setter"),
        old: text(change, "old"),
        new: text(change, "new"),
    });
    let report = ChangeReport {
        changes: changes.collect(),
        problems: Vec::new(),
    };
    let automation = ObjectKey::new(text(json, "namespace"), text(json, "name"));
    let values = json["values"].as_object().map(|_| texts(&json["values"]));
    template_data(&automation, &report, &values.unwrap_or_default())
}
