//! Steps that copy: generators and replacements.

use super::{Case, LONG, case, config_maps, files, many, one_file, repeated, widget};

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let groups = [generators(), literals(), values(), paths()];
    groups.into_iter().flatten()
}

/// One replacement of the field `data` of the widget, with targets.
fn copy(targets: &str) -> String {
    format!(
        "replacements:\n- source: {{kind: Widget, name: w, fieldPath: data}}\n  targets:\n{targets}"
    )
}

fn generators() -> Vec<Case> {
    vec![
        case("a generator of large files", || {
            let mut tree = files([(
                "kustomization.yaml",
                format!(
                    "configMapGenerator:\n- name: a\n  files:\n{}",
                    repeated(20, |number| format!("  - k{number}=large\n"))
                ),
            )]);
            tree.insert("large".to_owned(), vec![b'x'; 3_000_000]);
            tree
        }),
        case("a generator of large files that are not text", || {
            let mut tree = files([(
                "kustomization.yaml",
                format!(
                    "secretGenerator:\n- name: a\n  files:\n{}",
                    repeated(9, |number| format!("  - k{number}=large\n"))
                ),
            )]);
            tree.insert("large".to_owned(), vec![0xff; 3_000_000]);
            tree
        }),
        case("many generators", || {
            files([(
                "kustomization.yaml",
                format!(
                    "configMapGenerator:\n{}",
                    repeated(20_000, |number| format!(
                        "- {{name: g{number}, literals: [a=b]}}\n"
                    ))
                ),
            )])
        }),
        case("many generators that merge", || {
            many(
                1,
                format!(
                    "configMapGenerator:\n{}",
                    repeated(20_000, |number| format!(
                        "- {{name: m0, behavior: merge, literals: [a{number}=b]}}\n"
                    ))
                ),
            )
        }),
    ]
}

fn literals() -> Vec<Case> {
    vec![
        case("a generator of many literals", || {
            files([(
                "kustomization.yaml",
                format!(
                    "configMapGenerator:\n- name: g\n  literals:\n{}",
                    repeated(300_000, |number| format!("  - a{number}=b\n"))
                ),
            )])
        }),
        case("a generator of many lines", || {
            files([
                (
                    "kustomization.yaml",
                    "configMapGenerator:\n- name: g\n  envs: [env]\n".to_owned(),
                ),
                ("env", repeated(500_000, |number| format!("a{number}=b\n"))),
            ])
        }),
        case("generators with the same large labels", || {
            files([(
                "kustomization.yaml",
                format!(
                    "generatorOptions: {{labels: {{a: {}}}}}\nconfigMapGenerator:\n{}",
                    "x".repeat(LONG),
                    repeated(5_000, |number| format!("- {{name: g{number}}}\n"))
                ),
            )])
        }),
    ]
}

fn values() -> Vec<Case> {
    vec![
        case("a large value copied to many fields", move || {
            one_file(
                format!(
                    "{}---\n{}",
                    widget(&format!("data: {}", "x".repeat(LONG))),
                    config_maps(10_000)
                ),
                copy("  - {select: {kind: ConfigMap}, fieldPaths: [data.a]}\n"),
            )
        }),
        case("a tree copied into itself", move || {
            one_file(widget("data: {a: b}"), format!("replacements:\n{}", "- source: {kind: Widget, name: w, fieldPath: data}\n  targets:\n  - {select: {kind: Widget}, fieldPaths: [data.x], options: {create: true}}\n".repeat(300)))
        }),
        case("wildcards over long lists", move || {
            one_file(
                widget(&format!("data: x\nlist:\n{}", "- {a: b}\n".repeat(200_000))),
                copy(&"  - {select: {kind: Widget}, fieldPaths: [list.*.a]}\n".repeat(200)),
            )
        }),
        case("expressions over long lists", move || {
            one_file(
                widget(&format!("data: x\nlist:\n{}", "- {a: b}\n".repeat(100_000))),
                copy(&repeated(200, |number| {
                    format!(
                        "  - {{select: {{kind: Widget}}, fieldPaths: ['list.[a=(b|c){{1,{}}}].a']}}\n",
                        number + 1
                    )
                })),
            )
        }),
        case("many replacements on many objects", move || {
            one_file(
                format!("{}---\n{}", widget("data: x"), config_maps(5_000)),
                copy(&repeated(5_000, |number| {
                    format!("  - {{select: {{name: m{number}}}, fieldPaths: [data.a]}}\n")
                })),
            )
        }),
        case("many replacements that reject", move || {
            one_file(
                format!("{}---\n{}", widget("data: x"), config_maps(3_000)),
                copy(&format!(
                    "  - select: {{kind: ConfigMap}}\n    fieldPaths: [data.a]\n    reject:\n{}",
                    repeated(3_000, |number| format!("    - {{name: x{number}}}\n"))
                )),
            )
        }),
    ]
}

fn paths() -> Vec<Case> {
    vec![
        case("an expression in a path into many objects", move || {
            let lists = repeated(4_000, |number| {
                format!(
                    "---\n{}",
                    widget("list: [{a: b}]").replace("name: w", &format!("name: w{number}"))
                )
            });
            one_file(
                format!("{}{lists}", widget("data: x")),
                copy(&"  - {select: {kind: Widget, name: w.+}, fieldPaths: ['list.[a=.{0,170}].a']}\n".repeat(10)),
            )
        }),
        case("a long path of a replacement", move || {
            one_file(
                widget("data: x"),
                copy(&format!(
                    "  - {{select: {{kind: Widget}}, fieldPaths: ['{}'], options: {{create: true}}}}\n",
                    "a.".repeat(300_000)
                )),
            )
        }),
        case("a part far away", move || {
            one_file(
                widget("data: x\nb: 'a'"),
                copy(
                    "  - {select: {kind: Widget}, fieldPaths: [b], options: {delimiter: '-', index: 9223372036854775807}}\n",
                ),
            )
        }),
        case("a part that grows", move || {
            one_file(widget("data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nb: 'a'"), copy(&"  - {select: {kind: Widget}, fieldPaths: [b], options: {delimiter: '-', index: 99999}}\n".repeat(20_000)))
        }),
        case("a part of a long text", move || {
            one_file(widget(&format!("data: x\nb: {}", "-".repeat(2_000_000))), copy(&"  - {select: {kind: Widget}, fieldPaths: [b], options: {delimiter: '-', index: 3}}\n".repeat(50)))
        }),
    ]
}
