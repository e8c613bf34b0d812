//! `configurations` and `vars` against the real `kubectl kustomize`: random fields for the steps to
//! change, spread over a base, an overlay and a component, so that entries overlap, give way to one
//! another or disagree.

use crate::build::check_random;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SECTIONS: [&str; 10] = [
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "templateLabels",
    "commonAnnotations",
    "varReference",
    "images",
    "replicas",
];

fn pick(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

/// Which paths make sense for a section; a wrong one is an error on both sides.
fn path(section: &str) -> &'static [&'static str] {
    match section {
        // Not `metadata/annotations`: kustomize keeps its own notes there, so it is never missing.
        "commonLabels" | "labels" | "templateLabels" | "commonAnnotations" => &[
            "metadata/labels",
            "spec/map",
            "spec/list[]/map",
            "spec/template/metadata/labels",
        ],
        "namePrefix" | "nameSuffix" => &["metadata/name", "spec/text", "spec/list/text"],
        "replicas" => &["spec/replicas", "spec/number"],
        "varReference" => &[
            "metadata/annotations",
            "spec/text",
            "spec/map",
            "spec/list/text",
        ],
        _ => &["spec/text", "spec/list/text", "spec/absent/text"],
    }
}

fn entry(section: &'static str) -> impl Strategy<Value = Value> {
    (
        pick(&["", "Widget", "Widget", "Deployment", "Part"]),
        pick(&["", "", "example.com", "apps"]),
        pick(&["", "", "v1"]),
        pick(path(section)),
        prop::bool::weighted(0.25),
    )
        .prop_map(|(kind, group, version, path, create)| {
            let mut entry = json!({"path": path});
            for (key, value) in [("kind", kind), ("group", group), ("version", version)] {
                if !value.is_empty() {
                    entry[key] = value.into();
                }
            }
            if create {
                entry["create"] = true.into();
            }
            entry
        })
}

fn references() -> impl Strategy<Value = Value> {
    (
        pick(&["Part", "ConfigMap", "Widget"]),
        pick(&["", "v1"]),
        vec(entry("images"), 0..3),
    )
        .prop_map(|(kind, version, fields)| {
            json!({"kind": kind, "version": version, "fieldSpecs": fields})
        })
}

fn configuration() -> impl Strategy<Value = Value> {
    let section = prop::sample::select(&SECTIONS[..])
        .prop_flat_map(|section| (Just(section), vec(entry(section), 1..4)));
    (vec(section, 0..3), vec(references(), 0..2)).prop_map(|(sections, references)| {
        let mut file = json!({"nameReference": references});
        for (section, entries) in sections {
            file[section] = entries.into();
        }
        file
    })
}

fn var(name: &'static str) -> impl Strategy<Value = Value> {
    let object = prop::sample::select(
        &[
            ("example.com/v1", "Widget", "wheel"),
            ("example.com/v1", "Part", "part"),
            ("apps/v1", "Deployment", "web"),
            ("v1", "ConfigMap", "part"),
        ][..],
    );
    let path = pick(&[
        "metadata.name",
        "spec.number",
        "spec.map",
        "spec.list[0].text",
        "spec.list.[text=part].text",
        "spec.text",
    ]);
    (object, path).prop_map(move |((version, kind, object), path)| {
        // Only widgets and parts have a specification of all shapes.
        let path = if kind == "Widget" || kind == "Part" {
            path
        } else {
            "metadata.name"
        };
        json!({"name": name, "objref": {"apiVersion": version, "kind": kind, "name": object},
               "fieldref": {"fieldPath": path}})
    })
}

/// A kustomization whose vars are called `name`, and its two configuration files.
fn directory(name: &'static str) -> impl Strategy<Value = (Value, [Value; 2])> {
    let some = prop::option::weighted(0.5, pick(&["shop", "two"]));
    (
        (some, any::<bool>(), any::<bool>(), any::<bool>()),
        prop::option::weighted(0.4, var(name)),
        (configuration(), configuration()),
        0..3,
    )
        .prop_map(
            move |((word, affixed, labelled, counted), var, files, how)| {
                let mut kustomization = json!({"configurations": ["one.yaml", "two.yaml"]});
                if let Some(word) = word {
                    kustomization["namespace"] = word.into();
                    kustomization["commonAnnotations"] = json!({"note": "$(base)"});
                }
                if affixed {
                    kustomization["namePrefix"] = format!("{name}-").into();
                    kustomization["nameSuffix"] = "-z".into();
                }
                if labelled {
                    kustomization["commonLabels"] = json!({"app": "x"});
                    kustomization["labels"] = json!([{"pairs": {"tier": name},
                    "includeSelectors": how == 1, "includeTemplates": how == 2}]);
                }
                if counted {
                    kustomization["replicas"] = json!([{"name": "web", "count": 3}]);
                    kustomization["images"] =
                        json!([{"name": "part", "newTag": "2", "tagSuffix": "-x"}]);
                }
                if let Some(var) = var {
                    kustomization["vars"] = json!([var]);
                }
                (kustomization, [files.0, files.1])
            },
        )
}

const OBJECTS: &str = "apiVersion: example.com/v1
kind: Widget
metadata: {name: wheel, annotations: {note: $(base) $$(overlay), port: $(component)}}
spec:
  text: part
  number: 8080
  map: {a: $(base), b: x-$(overlay)}
  list: [{text: part, map: {}}, {text: $(overlay), map: {a: b}}]
---
apiVersion: example.com/v1
kind: Part
metadata: {name: part}
spec: {text: part, number: 1.5, map: {a: part}, list: [{text: part}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: part, annotations: {note: $(component)}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {text: part, template: {metadata: {annotations: {note: $(base)}}, spec: {containers: [{name: a, image: part, args: [$(base)]}]}}}
";

fn tree() -> impl Strategy<Value = BTreeMap<String, String>> {
    (
        directory("base"),
        directory("overlay"),
        directory("component"),
    )
        .prop_map(|(mut base, mut overlay, mut component)| {
            base.0["resources"] = json!(["objects.yaml"]);
            overlay.0["resources"] = json!(["../base"]);
            overlay.0["components"] = json!(["../component"]);
            component.0["kind"] = "Component".into();
            component.0["apiVersion"] = "kustomize.config.k8s.io/v1alpha1".into();
            let mut files = BTreeMap::from([("base/objects.yaml".to_owned(), OBJECTS.to_owned())]);
            for (name, (kustomization, [one, two])) in [
                ("base", base),
                ("overlay", overlay),
                ("component", component),
            ] {
                for (file, value) in [
                    ("kustomization.yaml", kustomization),
                    ("one.yaml", one),
                    ("two.yaml", two),
                ] {
                    let text = serde_json::to_string_pretty(&value).expect("a value prints");
                    files.insert(format!("{name}/{file}"), text);
                }
            }
            files
        })
}

#[test]
fn random_fields_and_vars_are_built_as_kubectl_builds_them() {
    check_random(&tree(), 40, 5);
}
