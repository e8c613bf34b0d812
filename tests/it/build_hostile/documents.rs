//! What one file can hold, and how many files there can be.

use super::{Case, Files, case, config_maps, many, one_file, repeated, widget};

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let groups = [
        counts(),
        long_texts(),
        anchors(),
        nesting(),
        kustomizations(),
    ];
    groups.into_iter().flatten()
}

fn one(text: String) -> Files {
    one_file(text, String::new())
}

fn counts() -> Vec<Case> {
    vec![
        case("many keys", move || {
            one(widget(&repeated(700_000, |number| {
                format!("k{number}: v\n")
            })))
        }),
        case("many items", move || {
            one(widget(&format!("list:\n{}", "- x\n".repeat(2_500_000))))
        }),
        case("many small lists", move || {
            one(widget(&format!("list: [{}]", "[], ".repeat(1_500_000))))
        }),
        case("many small mappings", move || {
            one(widget(&format!("list:\n{}", "- {a: b}\n".repeat(900_000))))
        }),
        case("many objects", move || one(config_maps(60_000))),
        case("many lists of objects", move || {
            one(format!(
                "apiVersion: v1\nkind: List\nitems: [{}]\n",
                "{apiVersion: v1, kind: List, items: []}, ".repeat(200_000)
            ))
        }),
        case("a list of objects that are the same", move || {
            one(format!(
                "apiVersion: v1\nkind: List\nitems:\n- &a {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{a: b}}}}\n{}",
                "- *a\n".repeat(49_000)
            ))
        }),
    ]
}

fn long_texts() -> Vec<Case> {
    vec![
        case("a huge scalar", move || {
            one(widget(&format!("a: '{}'", "x".repeat(30_000_000))))
        }),
        case("a huge scalar that needs escapes", move || {
            one(widget(&format!("a: \"{}\"", "\\u0001".repeat(5_000_000))))
        }),
        case("a huge block", move || {
            one(widget(&format!("a: |\n{}", "  x\n".repeat(7_000_000))))
        }),
        case("a huge folded text", move || {
            one(widget(&format!("a:\n{}", "  x\n\n".repeat(5_000_000))))
        }),
        case("a huge key", move || {
            one(widget(&format!("? {}\n: a", "x".repeat(20_000_000))))
        }),
        case("a huge name", move || {
            one(format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}",
                "x".repeat(20_000_000)
            ))
        }),
        case("a huge number", move || {
            one(widget(&format!("a: {}", "9".repeat(20_000_000))))
        }),
        case("a huge fraction", move || {
            one(widget(&format!("a: 0.{}", "9".repeat(20_000_000))))
        }),
        case("a huge comment", move || {
            one(widget(&format!("# {}\na: b", "x".repeat(30_000_000))))
        }),
        case("many comments", move || {
            one(widget(&"# x\n".repeat(7_000_000)))
        }),
        case("many blank lines", move || {
            one(widget(&"\n".repeat(30_000_000)))
        }),
        case("many spaces", move || {
            one(widget(&format!("a: {}b", " ".repeat(30_000_000))))
        }),
    ]
}

fn anchors() -> Vec<Case> {
    vec![
        case("many documents", move || one("---\n".repeat(8_000_000))),
        case("many documents with nothing", move || {
            one("--- ~\n".repeat(5_000_000))
        }),
        case("many anchors", move || {
            one(widget(&repeated(250_000, |number| {
                format!("k{number}: &a{number} v\n")
            })))
        }),
        case("many aliases", move || {
            one(widget(&format!(
                "a: &a [x, x, x, x, x, x, x]\nlist:\n{}",
                "- *a\n".repeat(60_000)
            )))
        }),
        case("aliases of a large text", move || {
            one(widget(&format!(
                "a: &a {}\nlist:\n{}",
                "x".repeat(1_000_000),
                "- *a\n".repeat(1_000)
            )))
        }),
        case("an alias bomb of merge keys", move || {
            let levels = repeated(40, |level| {
                format!(
                    "m{}: &m{} {{<<: [*m{level}, *m{level}], k{level}: x}}\n",
                    level + 1,
                    level + 1
                )
            });
            one(widget(&format!("m0: &m0 {{a: b}}\n{levels}")))
        }),
        case("many merge keys", move || {
            one(widget(&format!(
                "a: &a {{{}}}\nlist:\n{}",
                repeated(500, |number| format!("k{number}: v, ")),
                "- {<<: *a}\n".repeat(900)
            )))
        }),
    ]
}

fn nesting() -> Vec<Case> {
    vec![
        case("deep flow lists", move || {
            one(widget(&format!("a: {}", "[".repeat(1_000_000))))
        }),
        case("deep flow mappings", move || {
            one(widget(&format!("a: {}", "{a: ".repeat(1_000_000))))
        }),
        case("deep block lists", move || {
            one(widget(&format!("a:\n  {}x", "- ".repeat(1_000_000))))
        }),
        case("deep explicit keys", move || {
            one(widget(&format!("a:\n  {}x", "? ".repeat(1_000_000))))
        }),
        case("as deep as is allowed", move || {
            one(widget(&format!(
                "a: {}{}",
                "[".repeat(298),
                "]".repeat(298)
            )))
        }),
        case("many directives", move || {
            one(format!(
                "{}---\n{}",
                "%TAG !a! b\n".repeat(1_000_000),
                widget("")
            ))
        }),
        case("many tags", move || {
            one(widget(&format!(
                "list:\n{}",
                "- !!str x\n".repeat(1_000_000)
            )))
        }),
        case("a long tag", move || {
            one(widget(&format!("a: !<{}> x", "x".repeat(10_000_000))))
        }),
        case("many quotes", move || {
            one(widget(&format!("list: [{}]", "\"\", ".repeat(1_900_000))))
        }),
        case("many question marks", move || {
            one(widget(&"? ".repeat(5_000_000)))
        }),
        case("many colons", move || {
            one(widget(&format!("a: {}", ": ".repeat(5_000_000))))
        }),
    ]
}

fn kustomizations() -> Vec<Case> {
    vec![
        case("many files", || {
            let mut tree = Files::new();
            for number in 0..30_000 {
                let object =
                    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m{number}}}}}");
                tree.insert(format!("{number}.yaml"), object.into_bytes());
            }
            tree
        }),
        case("files that are all as large as is allowed", || {
            let mut tree = Files::new();
            for number in 0..8 {
                let text = format!(
                    "kind: A\napiVersion: v1\nmetadata: {{name: m{number}}}\nlist:\n{}",
                    "- x\n".repeat(900_000)
                );
                tree.insert(format!("{number}.yaml"), text.into_bytes());
            }
            tree
        }),
        case("one file that is named many times", || {
            let mut tree = many(5_000, String::new());
            let names = "- ../objects.yaml\n".repeat(5_000);
            tree.insert(
                "kustomization.yaml".to_owned(),
                format!("resources:\n{names}").into_bytes(),
            );
            tree
        }),
        case("a kustomization file of many unknown fields", || {
            one_file(
                String::new(),
                repeated(500_000, |number| format!("resource{number}: x\n")),
            )
        }),
        case("a kustomization file of one long unknown field", || {
            one_file(
                String::new(),
                format!("? {}\n: x\n", "resources".repeat(1_000_000)),
            )
        }),
    ]
}
