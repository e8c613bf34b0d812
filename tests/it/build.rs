//! The build against the real `kubectl kustomize` (kustomize v5.8.1): stored cases, random
//! overlays, and input that is out to hurt.
//!
//! A case is a folder of `tests/golden/kustomize`: its tree, built at `overlay` or at the root, and
//! `expected.yaml` (the real program's output) or `expected.error` (words of our message, where the
//! real program must refuse too, unless the first line says `ours alone`), or, where the two differ on
//! purpose, `ours.yaml` (what this build gives, and the real program does not). Every run asks the real
//! program again, so a case cannot drift. `HIGHWATER_BLESS=1` writes `expected.yaml` anew.

use highwater::domain::kustomize::remote::NoRemotes;
use highwater::domain::kustomize::{BuildError, Built, Options, build, print_with};
use highwater::domain::manifest::{Manifest, Printed, parse_documents, to_yaml};
use highwater::domain::tree::MapTree;
use proptest::strategy::{Strategy, ValueTree as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kustomize")
}

fn kubectl_kustomize(directory: &Path) -> Result<String, String> {
    let output = Command::new(crate::support::programs::kubectl_program())
        .arg("kustomize")
        .arg(directory)
        .env_clear()
        .output()
        .expect("kubectl starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("kubectl prints text");
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

pub(crate) fn read_tree(root: &Path) -> MapTree {
    fn visit(root: &Path, directory: &Path, tree: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(directory).expect("the case can be listed") {
            let path = entry.expect("the case can be listed").path();
            if path.is_dir() {
                visit(root, &path, tree);
            } else {
                let name = path.strip_prefix(root).expect("it lies below the root");
                let bytes = std::fs::read(&path).expect("the case can be read");
                tree.insert(name.to_str().expect("names are text").to_owned(), bytes);
            }
        }
    }
    let mut tree = BTreeMap::new();
    visit(root, root, &mut tree);
    MapTree(tree)
}

fn values(manifests: &[Manifest]) -> Vec<Value> {
    manifests
        .iter()
        .map(|manifest| manifest.object.clone())
        .collect()
}

fn parsed(text: &str) -> Vec<Value> {
    values(&parse_documents("output", text.as_bytes()).expect("the output is made of objects"))
}

fn show(result: &Result<Vec<Value>, String>) -> String {
    match result {
        Ok(values) => values
            .iter()
            .map(|value| serde_json::to_string_pretty(value).expect("a value prints"))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => format!("error: {error}"),
    }
}

/// What both sides say of one directory: the real output when both build it, `None` when both refuse.
fn compare(root: &Path, path: &str) -> Result<Option<String>, String> {
    let tree = read_tree(root);
    let ours = build(&tree, path, &Options::kubectl());
    let theirs = kubectl_kustomize(&root.join(path));
    check_print(&tree, path, &ours)?;
    let ours = ours
        .map(|built| values(&built.manifests))
        .map_err(|error| error.to_string());
    let text = theirs.clone().ok();
    let theirs = theirs.map(|text| parsed(&text));
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(text),
        (Err(_), Err(_)) => Ok(None),
        // Nothing to compare with: the real program has crashed.
        (Ok(_), Err(theirs)) if theirs.contains("panic: ") => Ok(None),
        _ => Err(format!(
            "--- kubectl\n{}\n--- ours\n{}",
            show(&theirs),
            show(&ours)
        )),
    }
}

/// The print of a build reads as the build, and is the same whether objects are made first or not.
fn check_print(
    tree: &MapTree,
    path: &str,
    built: &Result<Built, BuildError>,
) -> Result<(), String> {
    let printed = print_with(tree, path, &Options::kubectl(), &NoRemotes);
    let (built, printed) = match (built, printed) {
        (Ok(built), Ok(printed)) => (built, printed),
        (Err(one), Err(other)) if one.to_string() == other.to_string() => return Ok(()),
        (one, other) => return Err(format!("one is refused, one not: {one:?}, {other:?}")),
    };
    let objects: Vec<Printed> = built.manifests.iter().map(Printed::from).collect();
    if objects != printed.manifests || built.warnings != printed.warnings {
        return Err(format!("built: {objects:?}\nprinted: {printed:?}"));
    }
    let text = to_yaml(&built.manifests);
    if parsed(&text) == values(&built.manifests) {
        Ok(())
    } else {
        Err(format!("the print reads differently:\n{text}"))
    }
}

/// A stored case as the real program and this build see it now.
fn check_case(case: &Path) -> Result<(), String> {
    let path = if case.join("overlay").is_dir() {
        "overlay"
    } else {
        ""
    };
    let expected_error = case.join("expected.error");
    if let Ok(words) = std::fs::read_to_string(&expected_error) {
        return check_refused(case, path, &words);
    }
    if let Ok(text) = std::fs::read_to_string(case.join("ours.yaml")) {
        return check_differs(case, path, &text);
    }
    let theirs = compare(case, path)?.ok_or("both refuse it")?;
    let expected = case.join("expected.yaml");
    if std::env::var_os("HIGHWATER_BLESS").is_some() {
        std::fs::write(&expected, &theirs).expect("the case can be written");
    }
    let stored = std::fs::read_to_string(&expected).map_err(|error| error.to_string())?;
    if parsed(&stored) == parsed(&theirs) {
        Ok(())
    } else {
        Err("`expected.yaml` is not what kubectl says; HIGHWATER_BLESS=1 renews it".to_owned())
    }
}

/// A difference on purpose is one still, and is as it is written down.
fn check_differs(case: &Path, path: &str, text: &str) -> Result<(), String> {
    let tree = read_tree(case);
    let built = build(&tree, path, &Options::kubectl());
    check_print(&tree, path, &built)?;
    let ours = values(&built.map_err(|error| explain(&error))?.manifests);
    if ours != parsed(text) {
        return Err(format!("this build gives {}", show(&Ok(ours))));
    }
    let theirs = kubectl_kustomize(&case.join(path)).unwrap_or_default();
    // What it prints may not even be objects.
    let theirs = parse_documents("output", theirs.as_bytes());
    match theirs {
        Ok(theirs) if values(&theirs) == ours => Err("there is no difference any more".to_owned()),
        _ => Ok(()),
    }
}

fn check_refused(case: &Path, path: &str, words: &str) -> Result<(), String> {
    let mut words = words.lines().peekable();
    let alone = words.next_if_eq(&"ours alone").is_some();
    let error = match build(&read_tree(case), path, &Options::kubectl()) {
        Ok(_) => return Err("this build accepts it".to_owned()),
        Err(error) => explain(&error),
    };
    for line in words {
        if !error.contains(line) {
            return Err(format!("`{line}` is not in: {error}"));
        }
    }
    let theirs = kubectl_kustomize(&case.join(path));
    if theirs.is_ok() == alone {
        return Ok(());
    }
    Err(format!("kubectl says {theirs:?}"))
}

/// The message with its causes.
fn explain(error: &BuildError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Runs `check` on every item, two at a time, and reports all that fail.
pub(crate) fn check_all<T: Sync>(items: &[T], check: impl Fn(&T) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = check(item) {
                        failures.lock().expect("no check panics").push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no check panics");
    assert!(
        failures.is_empty(),
        "{} of {} fail:\n{}",
        failures.len(),
        items.len(),
        failures.join("\n")
    );
}

#[test]
fn every_stored_case_is_built_as_kubectl_builds_it() {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(golden())
        .expect("the cases can be listed")
        .map(|entry| entry.expect("the cases can be listed").path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 250, "only {} cases", cases.len());
    check_all(&cases, |case| {
        check_case(case).map_err(|failure| format!("=== {}\n{failure}", case.display()))
    });
}

/// A file tree on disk for the real program, gone when it is dropped.
fn on_disk(files: &BTreeMap<String, String>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    }
    folder
}

mod random {
    //! Random overlays out of what the build carries out.

    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn pick(words: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop::sample::select(words).prop_map(str::to_owned)
    }

    fn name() -> impl Strategy<Value = String> {
        pick(&["web", "db", "runner", "web-two"])
    }

    fn namespace() -> impl Strategy<Value = Option<String>> {
        option::weighted(0.3, pick(&["shop", "default", "other"]))
    }

    fn image() -> impl Strategy<Value = String> {
        pick(&[
            "nginx",
            "nginx:1.27",
            "ghcr.io/acme/web:1.0.0",
            "localhost:5000/web:2@sha256:aa",
            "ghcr.io/acme/web@sha256:bb",
        ])
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-5i64..5000).prop_map(Value::from),
            pick(&[
                "yes",
                "0777",
                "1.10",
                "2024-01-01",
                "text",
                "",
                "a: b",
                "null"
            ])
            .prop_map(Value::from),
        ]
    }

    /// Any value that a custom resource may hold.
    fn anything() -> impl Strategy<Value = Value> {
        let key = || pick(&["a", "b", "name", "labels", "containers", "image", "kind"]);
        scalar().prop_recursive(3, 12, 3, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(key(), inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn metadata() -> impl Strategy<Value = Value> {
        let texts = || {
            option::weighted(
                0.4,
                prop::collection::btree_map(
                    pick(&["app", "tier", "example.com/x"]),
                    prop_oneof![3 => pick(&["web", "back", "1"]).prop_map(Value::from), 1 => scalar()],
                    0..3,
                ),
            )
        };
        (name(), namespace(), texts(), texts()).prop_map(
            |(name, namespace, labels, annotations)| {
                let mut metadata = json!({"name": name});
                for (key, value) in [
                    ("namespace", namespace.map(Value::from)),
                    ("labels", labels.map(|labels| json!(labels))),
                    ("annotations", annotations.map(|labels| json!(labels))),
                ] {
                    if let Some(value) = value {
                        metadata[key] = value;
                    }
                }
                metadata
            },
        )
    }

    fn directive() -> impl Strategy<Value = Option<String>> {
        option::weighted(0.15, pick(&["delete", "replace", "merge"]))
    }

    fn with_directive(mut value: Value, directive: Option<String>) -> Value {
        if let Some(directive) = directive {
            value["$patch"] = directive.into();
        }
        value
    }

    fn env(patch: bool) -> impl Strategy<Value = Value> {
        (pick(&["A", "B", "C"]), scalar(), directive()).prop_map(move |(name, value, directive)| {
            with_directive(
                json!({"name": name, "value": value}),
                directive.filter(|_| patch),
            )
        })
    }

    fn port() -> impl Strategy<Value = Value> {
        (
            prop::sample::select(&[80, 443, 8080][..]),
            option::of(pick(&["TCP", "UDP"])),
            option::of(pick(&["http", "tls"])),
        )
            .prop_map(|(number, protocol, name)| {
                let mut port = json!({"containerPort": number});
                if let Some(protocol) = protocol {
                    port["protocol"] = protocol.into();
                }
                if let Some(name) = name {
                    port["name"] = name.into();
                }
                port
            })
    }

    fn container(patch: bool) -> impl Strategy<Value = Value> {
        (
            pick(&["one", "two", "three"]),
            option::weighted(0.8, image()),
            option::of(vec(env(patch), 0..3)),
            option::of(vec(port(), 0..3)),
            option::weighted(0.3, vec(pick(&["-a", "-b"]), 0..3)),
            directive(),
        )
            .prop_map(move |(name, image, env, ports, args, directive)| {
                let mut container = json!({"name": name});
                for (key, value) in [
                    ("image", image.map(Value::from)),
                    ("env", env.map(Value::from)),
                    ("ports", ports.map(Value::from)),
                    ("args", args.map(Value::from)),
                ] {
                    if let Some(value) = value {
                        container[key] = value;
                    }
                }
                with_directive(container, directive.filter(|_| patch))
            })
    }

    fn pod(patch: bool) -> impl Strategy<Value = Value> {
        (
            vec(container(patch), 0..4),
            option::weighted(0.3, vec(container(patch), 0..2)),
            option::weighted(0.4, name()),
            option::weighted(0.3, anything()),
            option::weighted(0.4, (name(), name())),
        )
            .prop_map(|(containers, init, account, extra, volumes)| {
                let mut pod = json!({"containers": containers});
                if let Some((config, secret)) = volumes {
                    pod["volumes"] = json!([
                        {"name": "a", "configMap": {"name": config}},
                        {"name": "b", "secret": {"secretName": secret}},
                    ]);
                }
                if let Some(init) = init {
                    pod["initContainers"] = init.into();
                }
                if let Some(account) = account {
                    pod["serviceAccountName"] = account.into();
                }
                if let Some(extra) = extra {
                    pod["securityContext"] = extra;
                }
                pod
            })
    }

    fn workload(patch: bool) -> impl Strategy<Value = Value> {
        let kind = prop::sample::select(
            &[
                ("apps/v1", "Deployment"),
                ("apps/v1", "StatefulSet"),
                ("batch/v1", "Job"),
            ][..],
        );
        (kind, metadata(), pod(patch)).prop_map(|((version, kind), metadata, pod)| {
            json!({"apiVersion": version, "kind": kind, "metadata": metadata,
                   "spec": {"template": {"spec": pod}}})
        })
    }

    fn plain() -> impl Strategy<Value = Value> {
        let kind = prop::sample::select(
            &[
                ("v1", "ConfigMap"),
                ("v1", "ServiceAccount"),
                ("v1", "Namespace"),
                ("v1", "Service"),
                ("example.com/v1", "Gadget"),
                ("rbac.authorization.k8s.io/v1", "ClusterRole"),
            ][..],
        );
        (kind, metadata(), option::of(anything())).prop_map(|((version, kind), metadata, spec)| {
            let mut object = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
            if let Some(spec) = spec {
                object["spec"] = spec;
            }
            object
        })
    }

    fn binding() -> impl Strategy<Value = Value> {
        let subject = (
            pick(&["ServiceAccount", "User"]),
            prop_oneof![name(), Just("default".to_owned())],
            namespace(),
        )
            .prop_map(|(kind, name, namespace)| {
                let mut subject = json!({"kind": kind, "name": name});
                if let Some(namespace) = namespace {
                    subject["namespace"] = namespace.into();
                }
                subject
            });
        (
            pick(&["RoleBinding", "ClusterRoleBinding"]),
            metadata(),
            vec(subject, 0..3),
            name(),
        )
            .prop_map(|(kind, metadata, subjects, role)| {
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
                       "metadata": metadata, "subjects": subjects,
                       "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
                                   "kind": "ClusterRole", "name": role}})
            })
    }

    fn object() -> impl Strategy<Value = Value> {
        prop_oneof![3 => workload(false), 3 => plain(), 1 => binding()]
    }

    fn target() -> impl Strategy<Value = Value> {
        prop_oneof![
            pick(&["Deployment", "Gadget|ConfigMap", ".*", "Stateful"])
                .prop_map(|kind| json!({"kind": kind})),
            pick(&["web", "web.*", "db|runner"]).prop_map(|name| json!({"name": name})),
            pick(&["default", "shop", "inner"]).prop_map(|space| json!({"namespace": space})),
            pick(&["app", "app=web", "tier notin (back)", "!app"])
                .prop_map(|labels| json!({"labelSelector": labels})),
        ]
    }

    fn operation() -> impl Strategy<Value = Value> {
        let path = pick(&[
            "/metadata/labels/app",
            "/metadata/annotations",
            "/metadata/name",
            "/spec/added",
            "/spec/template/spec/containers/0/image",
            "/spec/template/spec/containers/-",
            "/data",
        ]);
        (
            pick(&["add", "replace", "remove", "test"]),
            path,
            anything(),
        )
            .prop_map(|(op, path, value)| {
                let value = match path.rsplit('/').next() {
                    Some("name") => json!("renamed"),
                    // kustomize reads a list there as keys and values.
                    Some("annotations") => json!({"note": "patched"}),
                    _ => value,
                };
                json!({"op": op, "path": path, "value": value})
            })
    }

    fn patch() -> impl Strategy<Value = Value> {
        let text = |value: &Value| serde_json::to_string_pretty(value).expect("a value prints");
        let overlay = prop_oneof![3 => workload(true), 2 => plain()];
        prop_oneof![
            3 => (overlay, option::of(target()), directive(), any::<bool>()).prop_map(
                move |(overlay, target, directive, rename)| {
                    let overlay = with_directive(overlay, directive);
                    let mut patch = json!({"patch": text(&overlay)});
                    if let Some(target) = target {
                        patch["target"] = target;
                    } else if rename {
                        patch["options"] = json!({"allowNameChange": true});
                    }
                    patch
                }
            ),
            1 => (vec(operation(), 1..3), target()).prop_map(move |(operations, target)| {
                json!({"patch": text(&json!(operations)), "target": target})
            }),
        ]
    }

    fn label() -> impl Strategy<Value = Value> {
        (pick(&["app", "team"]), pick(&["x", "1"]), 0..3).prop_map(|(key, value, how)| {
            json!({"pairs": {key: value}, "includeSelectors": how == 1, "includeTemplates": how == 2})
        })
    }

    fn image_change() -> impl Strategy<Value = Value> {
        (
            pick(&["nginx", "ghcr.io/acme/web", "localhost:5000/web", "moved"]),
            prop::sample::subsequence(&["newName", "newTag", "digest", "tagSuffix"][..], 0..3),
        )
            .prop_map(|(name, fields)| {
                let mut change = json!({"name": name});
                for field in fields {
                    change[field] = match field {
                        "newName" => "moved",
                        "newTag" => "9.9",
                        "digest" => "sha256:cc",
                        _ => "-x",
                    }
                    .into();
                }
                change
            })
    }

    fn generator() -> impl Strategy<Value = Value> {
        let pair = (
            pick(&["a", "b", "c"]),
            pick(&["1", "x=y", "'q'", "", "<&>"]),
        );
        (
            name(),
            option::weighted(0.1, pick(&["shop", "inner"])),
            option::weighted(0.4, pick(&["create", "merge", "merge", "replace"])),
            prop::collection::btree_map(pair.0, pair.1, 0..3),
            option::weighted(0.4, (any::<bool>(), any::<bool>())),
        )
            .prop_map(|(name, namespace, behavior, literals, options)| {
                let literals: Vec<String> = literals
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                let mut generator = json!({"name": name, "literals": literals});
                if let Some(namespace) = namespace {
                    generator["namespace"] = namespace.into();
                }
                if let Some(behavior) = behavior {
                    generator["behavior"] = behavior.into();
                }
                if let Some((plain, noted)) = options {
                    generator["options"] = json!({"disableNameSuffixHash": plain});
                    if noted {
                        generator["options"]["annotations"] = json!({"app": "made"});
                    }
                }
                generator
            })
    }

    fn replacement_source() -> impl Strategy<Value = Value> {
        prop_oneof![
            pick(&["chosen", "8080", "true", "a:b"]).prop_map(|text| json!({"sourceValue": text})),
            (
                pick(&["Deployment", "ConfigMap", "Service"]),
                option::of(name()),
                option::of(pick(&[
                    "metadata.namespace",
                    "kind",
                    "spec.template.spec.containers.0.image",
                    "spec.template.spec.containers.[name=one].ports",
                ])),
            )
                .prop_map(|(kind, name, path)| {
                    let mut source = json!({"kind": kind});
                    if let Some(name) = name {
                        source["name"] = name.into();
                    }
                    if let Some(path) = path {
                        source["fieldPath"] = path.into();
                    }
                    json!({"source": source})
                }),
        ]
    }

    fn replacement() -> impl Strategy<Value = Value> {
        let source = replacement_source();
        let path = pick(&[
            "metadata.labels.app",
            "metadata.annotations.[example.com/x]",
            "metadata.name",
            "spec.template.spec.serviceAccountName",
            "spec.template.spec.containers.*.image",
            "spec.template.spec.containers.[name=t].env.[name=A].value",
            "spec.template.spec.containers.0.args.[=-a]",
            "spec.template.spec.containers.1.ports.0.name",
            "spec.added.deep",
        ]);
        let options = option::weighted(
            0.8,
            (
                prop::bool::weighted(0.8),
                option::weighted(0.2, (pick(&[":", "-"]), -1i64..3)),
            ),
        );
        (
            source,
            target(),
            option::weighted(0.2, target()),
            path,
            options,
        )
            .prop_map(
                |(mut replacement, select, reject, path, options): (
                    Value,
                    _,
                    Option<Value>,
                    _,
                    _,
                )| {
                    let mut target = json!({"select": select, "fieldPaths": [path]});
                    if let Some(reject) = reject {
                        target["reject"] = json!([reject]);
                    }
                    if let Some((create, part)) = options {
                        target["options"] = json!({"create": create});
                        if let Some((delimiter, index)) = part {
                            target["options"]["delimiter"] = json!(delimiter);
                            target["options"]["index"] = json!(index);
                        }
                    }
                    replacement["targets"] = json!([target]);
                    replacement
                },
            )
    }

    fn build_metadata() -> impl Strategy<Value = Value> {
        let words = &[
            "managedByLabel",
            "originAnnotations",
            "transformerAnnotations",
            "x",
        ];
        vec(pick(words), 0..4).prop_map(Value::from)
    }

    /// A step that is named as an object, in fields of its own.
    fn transformer() -> impl Strategy<Value = Value> {
        const TEXTS: [&str; 6] = [
            r#"{"path": "metadata/name"}"#,
            r#"{"path": "metadata/annotations/note"}"#,
            r#"{"path": "metadata/labels/app"}"#,
            r#"{"path": "spec/replicas", "kind": "Deployment"}"#,
            r#"{"path": "spec/type", "kind": "Service"}"#,
            r#"{"path": "spec/made", "create": true, "group": "apps"}"#,
        ];
        const MAPPINGS: [&str; 4] = [
            r#"{"path": "metadata/labels", "create": true}"#,
            r#"{"path": "spec/template/metadata/labels", "create": true, "kind": "Deployment"}"#,
            r#"{"path": "metadata/annotations"}"#,
            r#"{"path": "spec/made", "create": true, "version": "v1"}"#,
        ];
        let specs = |of: &'static [&'static str]| {
            prop::sample::subsequence(of, 0..of.len()).prop_map(|specs| {
                let parsed = |spec: &&str| serde_json::from_str(spec).expect("it is JSON");
                specs.iter().map(parsed).collect::<Vec<Value>>()
            })
        };
        (
            0..8,
            specs(&TEXTS),
            specs(&MAPPINGS),
            pick(&["a-", "b", "x"]),
            any::<bool>(),
        )
            .prop_map(|(kind, texts, mappings, word, flag)| match kind {
                0 => json!({"kind": "PrefixTransformer", "prefix": word, "fieldSpecs": texts}),
                1 => json!({"kind": "SuffixTransformer", "suffix": word, "fieldSpecs": texts}),
                2 => json!({"kind": "LabelTransformer", "labels": {"app": word, "note": 1.5},
                            "fieldSpecs": mappings}),
                3 => json!({"kind": "AnnotationsTransformer", "annotations": {"note": flag},
                            "fieldSpecs": mappings}),
                4 => json!({"kind": "NamespaceTransformer", "metadata": {"namespace": "shop"},
                            "unsetOnly": flag, "setRoleBindingSubjects": "allServiceAccounts"}),
                5 => json!({"kind": "NamespaceTransformer", "metadata": {"namespace": "inner"},
                            "unsetOnly": true, "setRoleBindingSubjects": "none"}),
                6 => json!({"kind": "ValueAddTransformer", "value": word, "targets": [
                            {"fieldPath": "metadata/annotations/note", "filePathPosition": 1}]}),
                _ => json!({"kind": "HashTransformer"}),
            })
    }

    /// The entries of `transformers`, each with a name of its own.
    fn transformers(configs: Vec<Value>) -> Value {
        let text = |(index, mut config): (usize, Value)| {
            config["apiVersion"] = "builtin".into();
            config["metadata"]["name"] = format!("step-{index}").into();
            Value::from(config.to_string())
        };
        configs.into_iter().enumerate().map(text).collect()
    }

    /// The fields that most kustomizations do without.
    fn more() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
        let affix = |words| option::weighted(0.3, pick(words));
        (
            affix(&["a-", "b-", "web-"]),
            affix(&["-z", "-y", "-two"]),
            option::weighted(0.15, vec((name(), 0..5), 1..3)),
            option::weighted(0.2, vec(generator(), 1..3).prop_map(Value::from)),
            option::weighted(0.2, vec(generator(), 1..3).prop_map(Value::from)),
            option::weighted(0.12, vec(replacement(), 1..3).prop_map(Value::from)),
            option::weighted(0.2, build_metadata()),
            option::weighted(0.2, vec(transformer(), 1..3).prop_map(transformers)),
        )
            .prop_map(
                |(prefix, suffix, replicas, configs, secrets, replacements, notes, steps)| {
                    let replicas = replicas.map(|entries| {
                        let entry = |(name, count)| json!({"name": name, "count": count});
                        entries.into_iter().map(entry).collect::<Value>()
                    });
                    [
                        ("replicas", replicas),
                        ("configMapGenerator", configs),
                        ("secretGenerator", secrets),
                        ("replacements", replacements),
                        ("transformers", steps),
                        ("namePrefix", prefix.map(Value::from)),
                        ("nameSuffix", suffix.map(Value::from)),
                        ("buildMetadata", notes),
                    ]
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, value?)))
                    .collect()
                },
            )
    }

    fn kustomization(resources: Vec<String>) -> impl Strategy<Value = Value> {
        (
            option::weighted(0.4, pick(&["shop", "inner", "default"])),
            vec(label(), 0..2),
            vec(image_change(), 0..3),
            vec(patch(), 0..3),
            option::weighted(0.2, pick(&["fifo", "legacy"])),
            any::<bool>(),
            more(),
        )
            .prop_map(move |(namespace, labels, images, patches, order, note, more)| {
                let mut file = json!({"resources": resources, "labels": labels, "images": images,
                                      "patches": patches});
                if let Some(namespace) = namespace {
                    file["namespace"] = namespace.into();
                }
                if let Some(order) = order {
                    file["sortOptions"] = json!({"order": order});
                }
                if note {
                    file["commonAnnotations"] = json!({"note": "1"});
                }
                for (key, value) in more {
                    file[key] = value;
                }
                file
            })
    }

    fn file(objects: &[Value]) -> String {
        objects
            .iter()
            .map(|object| serde_json::to_string_pretty(object).expect("an object prints"))
            .collect::<Vec<_>>()
            .join("\n---\n")
    }

    /// Lets most generators merge with what is there and make what is not.
    fn behave(kustomization: &mut Value, known: &mut Vec<Value>) {
        let key = |kind: &str, object: &Value| {
            let space = object["namespace"].as_str().unwrap_or("default");
            json!([kind, object["name"], space])
        };
        for (field, kind) in [
            ("configMapGenerator", "ConfigMap"),
            ("secretGenerator", "Secret"),
        ] {
            let Some(Value::Array(generators)) = kustomization.get_mut(field) else {
                continue;
            };
            for generator in generators {
                let made = key(kind, generator);
                let there = known.contains(&made);
                let behavior = generator["behavior"].as_str();
                match (there, behavior) {
                    (true, None | Some("create")) => generator["behavior"] = "merge".into(),
                    (false, Some("merge" | "replace")) => generator["behavior"] = "create".into(),
                    _ => {}
                }
                known.push(made);
            }
        }
    }

    fn known(objects: &[Value]) -> Vec<Value> {
        let key = |object: &Value| {
            let metadata = &object["metadata"];
            let space = metadata["namespace"].as_str().unwrap_or("default");
            json!([object["kind"], metadata["name"], space])
        };
        objects.iter().map(key).collect()
    }

    /// Lets most patches without a target, and most replicas, name an object that is there.
    fn aim(mut kustomization: Value, objects: &[Value]) -> Value {
        if let Some(Value::Array(replicas)) = kustomization.get_mut("replicas") {
            let scaled =
                |object: &Value| object["kind"] == "Deployment" || object["kind"] == "StatefulSet";
            replicas.retain(|replica| {
                let mut scaled = objects.iter().filter(|object| scaled(object));
                scaled.any(|object| object["metadata"]["name"] == replica["name"])
            });
        }
        let patches = kustomization["patches"].as_array_mut();
        for (index, patch) in patches.into_iter().flatten().enumerate() {
            let text = patch["patch"].as_str().unwrap_or_default();
            let mut overlay: Value = serde_json::from_str(text).expect("it was printed as JSON");
            let named = &objects[index % objects.len()];
            if patch.get("target").is_some() || named["metadata"]["name"] == "web-two" {
                continue;
            }
            overlay["apiVersion"] = named["apiVersion"].clone();
            overlay["kind"] = named["kind"].clone();
            let metadata = overlay["metadata"].as_object_mut();
            let metadata = metadata.expect("an overlay has metadata");
            metadata.shift_remove("namespace");
            for key in ["name", "namespace"] {
                if let Some(value) = named["metadata"].get(key) {
                    metadata.insert(key.to_owned(), value.clone());
                }
            }
            let text = serde_json::to_string_pretty(&overlay).expect("a value prints");
            patch["patch"] = text.into();
        }
        kustomization
    }

    /// A base, an overlay on it that may take a component or the base twice, and an object of the
    /// overlay's own.
    pub(super) fn tree() -> impl Strategy<Value = BTreeMap<String, String>> {
        (
            vec(object(), 1..4),
            vec(object(), 0..2),
            kustomization(vec!["objects.yaml".to_owned()]),
            kustomization(vec!["../base".to_owned(), "own.yaml".to_owned()]),
            kustomization(Vec::new()),
            kustomization(vec!["../base".to_owned()]),
            0..6,
        )
            .prop_map(|(base, own, below, above, component, again, shape)| {
                let mut below = aim(below, &base);
                let mut again = aim(again, &base);
                let mut above = aim(above, &base);
                let mut component = aim(component, &base);
                component["apiVersion"] = "kustomize.config.k8s.io/v1alpha1".into();
                component["kind"] = "Component".into();
                let mut there = known(&base);
                behave(&mut again, &mut there.clone());
                behave(&mut below, &mut there);
                there.extend(known(&own));
                behave(&mut above, &mut there);
                behave(&mut component, &mut there);
                if shape < 2 {
                    above["components"] = json!(["../component"]);
                }
                if shape == 2 {
                    again["namePrefix"] = "again-".into();
                    above["resources"] = json!(["../base", "own.yaml", "../again"]);
                }
                [
                    ("component/kustomization.yaml", file(&[component])),
                    ("again/kustomization.yaml", file(&[again])),
                    ("base/objects.yaml", file(&base)),
                    ("overlay/own.yaml", file(&own)),
                    ("base/kustomization.yaml", file(&[below])),
                    ("overlay/kustomization.yaml", file(&[above])),
                ]
                .into_iter()
                .map(|(path, text)| (path.to_owned(), text))
                .collect()
            })
    }
}

#[test]
fn random_overlays_are_built_as_kubectl_builds_them() {
    check_random(&random::tree(), 60, 12);
}

/// Builds random trees at `overlay` on both sides, `usual` of them unless the environment says otherwise, and as many again
/// as it takes until `wanted` were more than refusals: how many of a round are is chance, that there are some is not.
pub(crate) fn check_random(
    tree: &impl Strategy<Value = BTreeMap<String, String>>,
    usual: usize,
    wanted: usize,
) {
    const ROUNDS: usize = 6;
    let cases = std::env::var("HIGHWATER_BUILD_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(usual);
    let mut runner = proptest::test_runner::TestRunner::default();
    let built = AtomicUsize::new(0);
    for _ in 0..ROUNDS {
        let trees: Vec<BTreeMap<String, String>> = (0..cases)
            .map(|_| {
                let tree = tree.new_tree(&mut runner);
                tree.expect("a tree can be made up").current()
            })
            .collect();
        check_all(&trees, |files| {
            built.fetch_add(usize::from(is_built(files)?), Ordering::Relaxed);
            Ok(())
        });
        if built.load(Ordering::Relaxed) >= wanted {
            return;
        }
    }
    panic!(
        "only {} of {} are more than refusals",
        built.into_inner(),
        cases * ROUNDS
    );
}

/// Whether both sides build the overlay of a tree to the same objects, rather than both refuse it.
fn is_built(files: &BTreeMap<String, String>) -> Result<bool, String> {
    let folder = on_disk(files);
    let both = compare(folder.path(), "overlay").map_err(|failure| {
        let files: Vec<String> = files
            .iter()
            .map(|(path, text)| format!("##### {path}\n{text}"))
            .collect();
        format!("=== {}\n{failure}\n", files.join("\n"))
    })?;
    Ok(both.is_some())
}

/// A tree with one hostile file, built both as a generated and as a listed resource.
fn refuse(text: &[u8]) -> String {
    let files = |listed: bool| {
        let mut files = BTreeMap::from([("a.yaml".to_owned(), text.to_vec())]);
        if listed {
            let kustomization = b"resources: [a.yaml]\n".to_vec();
            files.insert("kustomization.yaml".to_owned(), kustomization);
        }
        MapTree(files)
    };
    let errors: Vec<String> = [false, true]
        .map(|listed| build(&files(listed), "", &Options::flux()))
        .into_iter()
        .map(|built| explain(&built.expect_err("hostile input is refused")))
        .collect();
    assert_eq!(errors[0], errors[1]);
    errors[0].clone()
}

#[test]
fn a_flow_sequence_ten_thousand_deep_is_refused() {
    for deep in ["[", "{a: ", "- "] {
        let error = refuse(deep.repeat(10_000).as_bytes());
        assert!(error.starts_with("a.yaml:1:"), "{error}");
    }
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb =
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\na0: &a0 [x, x, x, x, x, x, x, x, x]\n"
            .to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(refuse(bomb.as_bytes()).contains("anchors and aliases that copy more than"));
}

#[test]
fn a_hundred_megabytes_of_yaml_are_refused() {
    let line = b"a: 0123456789012345678901234567890123456789\n";
    let error = refuse(&line.repeat(100_000_000 / line.len()));
    assert!(error.contains("more than is read from one file"), "{error}");
}

#[test]
fn text_that_is_none_is_refused() {
    assert_eq!(refuse(b"a: \xff\xfe"), "a.yaml: not UTF-8 at byte 3");
    assert!(refuse(b"\x7fELF\x02\x01\x01\x00\x00").contains("a.yaml:1"));
}
