//! Many entries of each step on many objects, and long texts in each.

use super::{Case, Files, LONG, case, deployments, files, many, one_file, repeated, widget};

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let groups = [labels(), images(), names()];
    groups.into_iter().flatten()
}

fn long() -> String {
    "x".repeat(LONG)
}

fn labels() -> Vec<Case> {
    vec![
        case("many labels", || {
            many(
                5_000,
                format!(
                    "labels:\n{}",
                    repeated(5_000, |number| format!("- pairs: {{l{number}: v}}\n"))
                ),
            )
        }),
        case("many pairs of one label entry", || {
            many(
                5_000,
                format!(
                    "commonLabels:\n{}",
                    repeated(5_000, |number| format!("  l{number}: v\n"))
                ),
            )
        }),
        case("a long label", move || {
            many(20_000, format!("commonLabels: {{l: {}}}\n", long()))
        }),
        case("a long annotation", move || {
            many(20_000, format!("commonAnnotations: {{l: {}}}\n", long()))
        }),
        case("a label in every item of long lists", move || {
            one_file(
                widget(&format!("list:\n{}", "- {a: b}\n".repeat(300_000))),
                "labels:\n- pairs: {someLongerLabel: withSomeLongerValue, another: withSomeLongerValue}\n  fields: [{path: list/labels, create: true}]\n".to_owned(),
            )
        }),
        case("a label with a long path", || {
            one_file(
                widget(""),
                format!(
                    "labels:\n- pairs: {{a: b}}\n  fields: [{{path: {}, create: true}}]\n",
                    "a/".repeat(100_000)
                ),
            )
        }),
        case("many fields of one label entry", || {
            many(
                5_000,
                format!(
                    "labels:\n- pairs: {{a: b}}\n  fields:\n{}",
                    repeated(5_000, |number| format!(
                        "  - {{path: a{number}, create: true}}\n"
                    ))
                ),
            )
        }),
        case("a long prefix", move || {
            many(20_000, format!("namePrefix: {}\n", "x".repeat(4_000)))
        }),
        case("a long namespace", move || {
            many(20_000, format!("namespace: {}\n", long()))
        }),
    ]
}

fn images() -> Vec<Case> {
    vec![
        case("many images", || {
            one_file(
                deployments(3_000),
                format!(
                    "images:\n{}",
                    repeated(5_000, |number| format!(
                        "- {{name: acme/i{number}, newTag: '1'}}\n"
                    ))
                ),
            )
        }),
        case("many images by expression", || {
            one_file(
                deployments(3_000),
                format!(
                    "images:\n{}",
                    repeated(3_000, |number| format!(
                        "- {{name: 'acme/(i|j){number}', newTag: '1'}}\n"
                    ))
                ),
            )
        }),
        case("a long image", move || {
            one_file(
                deployments(5_000),
                format!("images: [{{name: acme/one, newName: {}}}]\n", long()),
            )
        }),
        case("an expensive expression", || {
            one_file(
                deployments(2_000),
                "images: [{name: '(a|b|c)?((x{0,100}){0,100}){0,10}', newTag: '1'}]\n".to_owned(),
            )
        }),
        case("an expression that compiles to much", || {
            one_file(
                deployments(10),
                format!(
                    "images:\n{}",
                    repeated(300, |_| "- {name: '(\\pL{0,100}){0,12}', newTag: '1'}\n"
                        .to_owned())
                ),
            )
        }),
        case("a long expression on long texts", || {
            one_file(
                format!("{}        - {{name: x, image: {}}}\n", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  template:\n    spec:\n      containers:\n".replace("      containers", "        containers"), "a".repeat(1_000_000)),
                format!("images:\n{}", repeated(300, |number| format!("- {{name: '(a?){{90}}(a*)*b{number}', newTag: '1'}}\n"))),
            )
        }),
    ]
}

fn names() -> Vec<Case> {
    vec![
        case("many replicas", || {
            one_file(
                deployments(5_000),
                format!(
                    "replicas:\n{}",
                    repeated(5_000, |number| format!("- {{name: d{number}, count: 2}}\n"))
                ),
            )
        }),
        case("many things at once", || {
            one_file(
                deployments(2_000),
                format!(
                    "namePrefix: a-\nnamespace: b\nlabels:\n{}images:\n{}replicas:\n{}",
                    repeated(100, |number| format!(
                        "- {{pairs: {{l{number}: v}}, includeSelectors: true}}\n"
                    )),
                    repeated(100, |number| format!(
                        "- {{name: acme/i{number}, newTag: '1'}}\n"
                    )),
                    repeated(100, |number| format!("- {{name: d{number}, count: 2}}\n")),
                ),
            )
        }),
        case("many references to a long name", || {
            one_file(
                format!(
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: r}}\nrules:\n- resourceNames:\n{}",
                    "  - a\n".repeat(500_000)
                ),
                format!("namePrefix: {}\n", "x".repeat(4_000)),
            )
        }),
        case("many objects that had one name", || {
            let mut tree = Files::new();
            let mut names = String::new();
            for number in 0..1_500 {
                tree.insert(
                    format!("{number}/kustomization.yaml"),
                    format!("namePrefix: p{number}-\nresources: [../base]\n").into_bytes(),
                );
                names.push_str(&format!("- ./{number}\n"));
            }
            let base = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {volumes: [{configMap: {name: a}}]}\n";
            tree.extend(files([
                (
                    "base/kustomization.yaml",
                    "resources: [objects.yaml]\n".to_owned(),
                ),
                ("base/objects.yaml", base.to_owned()),
                ("kustomization.yaml", format!("resources:\n{names}")),
            ]));
            tree
        }),
    ]
}
