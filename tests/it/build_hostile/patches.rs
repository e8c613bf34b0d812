//! Patches: many, large, deep, and costly to merge.

use super::{Case, LONG, case, many, one_file, repeated, widget};

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let groups = [counts(), operations(), sizes(), lists(), repeated_lists()];
    groups.into_iter().flatten()
}

fn counts() -> Vec<Case> {
    vec![
        case("many patches", || {
            many(
                3_000,
                format!(
                    "patches:\n{}",
                    repeated(3_000, |number| {
                        format!(
                            "- patch: '{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m{number}}}, data: {{b: c}}}}'\n"
                        )
                    })
                ),
            )
        }),
        case("many patches that select all", || {
            many(
                3_000,
                format!(
                    "patches:\n{}",
                    repeated(3_000, |number| {
                        format!(
                            "- target: {{kind: ConfigMap}}\n  patch: '{{apiVersion: v1, kind: ConfigMap, metadata: {{name: x}}, data: {{b{number}: c}}}}'\n"
                        )
                    })
                ),
            )
        }),
        case("many JSON patches that select all", || {
            many(3_000, format!("patches:\n{}", "- target: {kind: ConfigMap}\n  patch: '- {op: add, path: /data/x, value: z}'\n".repeat(3_000)))
        }),
        case("many expressions of targets", || {
            many(
                5_000,
                format!(
                    "patches:\n{}",
                    repeated(2_000, |number| {
                        format!(
                            "- target: {{name: '(a|b)*{number}.*', namespace: '[a-z]{{0,50}}'}}\n  patch: '- {{op: add, path: /data/x, value: y}}'\n"
                        )
                    })
                ),
            )
        }),
    ]
}

fn operations() -> Vec<Case> {
    vec![
        case("a patch of many operations", || {
            many(
                1,
                format!(
                    "patches:\n- target: {{kind: ConfigMap}}\n  patch: |\n{}",
                    "    - {op: add, path: /data/x, value: y}\n".repeat(100_000)
                ),
            )
        }),
        case("a JSON patch that doubles", || {
            many(
                1,
                format!(
                    "patches:\n- target: {{kind: ConfigMap}}\n  patch: |\n{}",
                    "    - {op: copy, from: /data, path: /data/x}\n".repeat(64)
                ),
            )
        }),
        case("a JSON patch that copies a long text", || {
            one_file(
                widget(&format!("data: {{a: {}}}", "x".repeat(1_000_000))),
                format!(
                    "patches:\n- target: {{kind: Widget}}\n  patch: |\n{}",
                    repeated(1_000, |number| format!(
                        "    - {{op: copy, from: /data/a, path: /data/x{number}}}\n"
                    ))
                ),
            )
        }),
        case("a JSON patch that fills a list from its front", || {
            one_file(
                widget(&format!("list:\n{}", "- x\n".repeat(300_000))),
                format!(
                    "patches:\n- target: {{kind: Widget}}\n  patch: |\n{}",
                    "    - {op: add, path: /list/0, value: y}\n".repeat(20_000)
                ),
            )
        }),
        case("a JSON patch that nests", || {
            many(
                1,
                format!(
                    "patches:\n- target: {{kind: ConfigMap}}\n  patch: |\n{}",
                    repeated(2_000, |number| format!(
                        "    - {{op: add, path: {}, value: {{}}}}\n",
                        "/data".repeat(number + 1)
                    ))
                ),
            )
        }),
    ]
}

fn sizes() -> Vec<Case> {
    vec![
        case("a large merge patch on many objects", || {
            many(
                10_000,
                format!(
                    "patches:\n- target: {{kind: ConfigMap}}\n  patch: '{{apiVersion: v1, kind: ConfigMap, metadata: {{name: x}}, data: {{b: {}}}}}'\n",
                    "x".repeat(LONG)
                ),
            )
        }),
        case("a merge patch of many keys on many objects", || {
            many(
                5_000,
                format!(
                    "patches:\n- target: {{kind: ConfigMap}}\n  patch: '{{apiVersion: v1, kind: ConfigMap, metadata: {{name: x}}, data: {{{}}}}}'\n",
                    repeated(5_000, |number| format!("b{number}: c, "))
                ),
            )
        }),
        case("a large JSON patch on many objects", || {
            many(
                10_000,
                format!(
                    "patches:\n- target: {{kind: ConfigMap}}\n  patch: '- {{op: add, path: /data/x, value: {}}}'\n",
                    "x".repeat(LONG)
                ),
            )
        }),
        case("a label selector of many values", || {
            many(
                5_000,
                format!(
                    "patches:\n- target: {{labelSelector: 'a in ({})'}}\n  patch: '- {{op: add, path: /data/x, value: y}}'\n",
                    repeated(100_000, |number| format!("v{number},"))
                ),
            )
        }),
    ]
}

fn lists() -> Vec<Case> {
    vec![
        case("a merge of long lists by key", || {
            let containers = |image: &str| {
                repeated(9_000, |number| {
                    format!("      - {{name: c{number}, image: {image}}}\n")
                })
            };
            let object = |image| {
                format!(
                    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec:\n  template:\n    spec:\n      containers:\n{}",
                    containers(image)
                )
            };
            let mut tree = one_file(object("one"), "patches: [{path: patch.yaml}]\n".to_owned());
            tree.insert("patch.yaml".to_owned(), object("two").into_bytes());
            tree
        }),
        case("a merge of long lists by two keys", || {
            let ports = |name: &str| {
                repeated(4_500, |number| {
                    format!("  - {{port: {number}, protocol: TCP, name: {name}{number}}}\n")
                })
            };
            let object = |name| {
                format!(
                    "apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec:\n  ports:\n{}",
                    ports(name)
                )
            };
            let mut tree = one_file(object("one"), "patches: [{path: patch.yaml}]\n".to_owned());
            tree.insert("patch.yaml".to_owned(), object("two").into_bytes());
            tree
        }),
    ]
}

fn repeated_lists() -> Vec<Case> {
    vec![
        case("many merges of lists by key", || {
            let containers = repeated(900, |number| {
                format!("      - {{name: c{number}, image: one}}\n")
            });
            let object = format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec:\n  template:\n    spec:\n      containers:\n{containers}"
            );
            let mut tree = one_file(
                object.clone(),
                format!("patches:\n{}", "- path: patch.yaml\n".repeat(500)),
            );
            tree.insert("patch.yaml".to_owned(), object.into_bytes());
            tree
        }),
        case("a merge of lists in lists by key", || {
            let list = |text: String| format!("[{text}]");
            let env = list(repeated(300, |number| {
                format!("{{name: e{number}, value: x}}, ")
            }));
            let containers = repeated(300, |number| {
                format!("      - {{name: c{number}, env: {env}}}\n")
            });
            let object = format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec:\n  template:\n    spec:\n      containers:\n{containers}"
            );
            let mut tree = one_file(object.clone(), "patches: [{path: patch.yaml}]\n".to_owned());
            tree.insert("patch.yaml".to_owned(), object.into_bytes());
            tree
        }),
    ]
}
