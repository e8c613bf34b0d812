//! The build against bytes that are out to hurt: no panic, no hang, no more than 200 MB.
//!
//! Each group of trees is built in a child process, the same test program again, which stops its
//! own processor time and reads its own peak of resident memory, so that an overflow of the stack
//! and a process out of memory are failures like others. The project promises a second
//! on an idle machine; this test, which shares its processors with others, allows two, and an
//! unoptimised build ten times as much. Random trees differ in every run: a failure prints the number that
//! `HIGHWATER_HOSTILE_SEED` repeats; `HIGHWATER_HOSTILE_CASES` makes more of them.

use crate::support::highwater::Running;
use highwater::domain::kustomize::{Options, build};
use highwater::domain::tree::MapTree;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What the child builds: the large tree of that number, or all that are `mutated`.
const GROUP: &str = "HIGHWATER_HOSTILE_GROUP";
const SEED: &str = "HIGHWATER_HOSTILE_SEED";
const CASES: &str = "HIGHWATER_HOSTILE_CASES";

/// How long one build may take.
const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });
/// How much memory the whole process may hold at its peak, its input included, in bytes.
const MEMORY: u64 = 200_000_000;

type Files = BTreeMap<String, Vec<u8>>;

/// One tree, made when it is its turn.
struct Case {
    name: String,
    make: Box<dyn Fn() -> Files>,
}

fn case(name: impl Into<String>, make: impl Fn() -> Files + 'static) -> Case {
    Case {
        name: name.into(),
        make: Box::new(make),
    }
}

/// Runs a group in a process of its own.
fn survive(group: &str) {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command
        .args([
            "--exact",
            "build_hostile::child",
            "--nocapture",
            "--include-ignored",
        ])
        .env(GROUP, group)
        .env("RUST_BACKTRACE", "0");
    for name in [SEED, CASES] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let mut running = Running::start(&command);
    let status = running.wait(Duration::from_secs(900));
    assert!(
        status.success(),
        "the last tree that is named here is to blame:\n{}\n{}",
        running.stdout(),
        running.stderr()
    );
}

#[test]
#[ignore = "only the other tests start it"]
fn child() {
    let Ok(group) = std::env::var(GROUP) else {
        return;
    };
    let cases = match group.parse::<usize>() {
        Ok(one) => large().into_iter().skip(one).take(1).collect(),
        Err(_) => mutated(),
    };
    let mut failures = String::new();
    for case in cases {
        println!("=== {}", case.name);
        let tree = MapTree((case.make)());
        for options in [Options::kubectl(), Options::flux()] {
            if let Err(failure) = attempt(&tree, &options) {
                println!("FAILS: {failure}");
                failures.push_str(&format!("{}: {failure}\n", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Builds once, and checks time and memory.
fn attempt(tree: &MapTree, options: &Options) -> Result<(), String> {
    let path = if tree.0.keys().any(|path| path.starts_with("overlay/")) {
        "overlay"
    } else {
        ""
    };
    // Where the system allows it, each peak starts anew.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (since, before) = (Instant::now(), processor_time());
    let built = build(tree, path, options);
    let took = match (before, processor_time()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => since.elapsed(),
    };
    let words = match &built {
        Ok(built) => format!("{} objects", built.manifests.len()),
        Err(error) => format!("refused: {error}").chars().take(160).collect(),
    };
    println!(
        "{:>6} ms, {:>4} MB: {words}",
        took.as_millis(),
        peak() / 1_000_000
    );
    if took >= LIMIT {
        return Err(format!("it takes {took:?}"));
    }
    if peak() >= MEMORY {
        return Err(format!("it takes {} bytes", peak()));
    }
    Ok(())
}

/// How long processors have worked for this process, in steps of ten milliseconds: what else the
/// machine does is no fault of a build. `None` where there is no `/proc`.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let user = times.next()?.ok()?;
    let system = times.next()?.ok()?;
    Some(Duration::from_millis((user + system) * 10))
}

/// The largest resident set of this process, in bytes; 0 where there is no `/proc`.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kibibytes.map_or(0, |kibibytes: u64| kibibytes * 1024)
}

#[test]
fn large_input_is_built_or_refused_in_time_and_within_memory() {
    // What one build leaves behind in the allocator would count for the next.
    for one in 0..large().len() {
        survive(&one.to_string());
    }
}

#[test]
fn mutated_input_is_built_or_refused_in_time_and_within_memory() {
    survive("mutated");
}

fn files<const N: usize>(files: [(&str, String); N]) -> Files {
    files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.into_bytes()))
        .collect()
}

/// Objects in one file, and a kustomization that says `text` besides.
fn one_file(objects: String, text: String) -> Files {
    files([
        ("objects.yaml", objects),
        (
            "kustomization.yaml",
            format!("resources: [objects.yaml]\n{text}"),
        ),
    ])
}

/// Small objects, and a kustomization that says `text` besides.
fn many(count: usize, text: String) -> Files {
    one_file(config_maps(count), text)
}

fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn config_maps(count: usize) -> String {
    repeated(count, |number| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{number}}}\ndata: {{a: b}}\n---\n"
        )
    })
}

fn deployments(count: usize) -> String {
    repeated(count, |number| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d{number}}}\nspec:\n  template:\n    spec:\n      containers:\n      - {{name: one, image: 'acme/one:1'}}\n      - {{name: two, image: 'acme/two:1'}}\n---\n"
        )
    })
}

/// One object with `text` as its fields.
fn widget(text: &str) -> String {
    format!("apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w}}\n{text}\n")
}

const LONG: usize = 100_000;

fn large() -> Vec<Case> {
    let mut cases = documents();
    cases.extend(steps());
    cases.extend(patches());
    cases.extend(copies());
    cases.extend(directories());
    cases
}

/// What one file can hold.
fn documents() -> Vec<Case> {
    let one = |text: String| one_file(text, String::new());
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

/// Many entries of each step, on many objects; long texts in each step, on many objects.
fn steps() -> Vec<Case> {
    let long = || "x".repeat(LONG);
    let mut cases = vec![
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
    ];
    cases.push(case("many references to a long name", || {
        one_file(
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: r}}\nrules:\n- resourceNames:\n{}",
                "  - a\n".repeat(500_000)
            ),
            format!("namePrefix: {}\n", "x".repeat(4_000)),
        )
    }));
    cases.push(case("many objects that had one name", || {
        let mut tree = Files::new();
        let mut names = String::new();
        for number in 0..1_500 {
            tree.insert(format!("{number}/kustomization.yaml"), format!("namePrefix: p{number}-\nresources: [../base]\n").into_bytes());
            names.push_str(&format!("- ./{number}\n"));
        }
        let base = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {volumes: [{configMap: {name: a}}]}\n";
        tree.extend(files([
            ("base/kustomization.yaml", "resources: [objects.yaml]\n".to_owned()),
            ("base/objects.yaml", base.to_owned()),
            ("kustomization.yaml", format!("resources:\n{names}")),
        ]));
        tree
    }));
    cases
}

fn patches() -> Vec<Case> {
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

/// Steps that copy: generators and replacements.
fn copies() -> Vec<Case> {
    let copy = |target: &str| {
        format!(
            "replacements:\n- source: {{kind: Widget, name: w, fieldPath: data}}\n  targets:\n{target}"
        )
    };
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

/// Directories that include one another.
fn directories() -> Vec<Case> {
    let include = |files: &mut Files, path: &str, text: String| {
        files.insert(format!("{path}/kustomization.yaml"), text.into_bytes());
    };
    vec![
        case("itself", || {
            files([(
                "overlay/kustomization.yaml",
                "resources: [../overlay]\n".to_owned(),
            )])
        }),
        case("itself by the root", || {
            files([
                ("overlay/kustomization.yaml", "resources: [..]\n".to_owned()),
                ("kustomization.yaml", "resources: [overlay]\n".to_owned()),
            ])
        }),
        case("each other", || {
            files([
            ("overlay/kustomization.yaml", "components: [../a]\n".to_owned()),
            ("a/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../overlay]\n".to_owned()),
        ])
        }),
        case("a chain without an end", move || {
            let mut files = Files::new();
            include(&mut files, "overlay", "resources: [../a0]\n".to_owned());
            for number in 0..20_000 {
                include(
                    &mut files,
                    &format!("a{number}"),
                    format!("resources: [../a{}]\n", number + 1),
                );
            }
            files
        }),
        case("each includes the next twice", move || {
            let mut files = Files::new();
            include(&mut files, "overlay", "resources: [../a0]\n".to_owned());
            for number in 0..40 {
                include(
                    &mut files,
                    &format!("a{number}"),
                    format!("resources: [../a{0}, ../b{0}]\n", number + 1),
                );
                include(
                    &mut files,
                    &format!("b{number}"),
                    format!("namePrefix: b-\nresources: [../a{}]\n", number + 1),
                );
            }
            files
        }),
        case("each includes an empty next one many times", move || {
            let mut files = Files::new();
            include(&mut files, "overlay", "resources: [../a0]\n".to_owned());
            for number in 0..60 {
                include(
                    &mut files,
                    &format!("a{number}"),
                    format!(
                        "resources:\n{}",
                        format!("- ../a{}\n", number + 1).repeat(200)
                    ),
                );
            }
            include(&mut files, "a60", "labels: []\n".to_owned());
            files
        }),
        case("each component includes the next twice", move || {
            let mut files = Files::new();
            include(&mut files, "overlay", "components: [../a0]\n".to_owned());
            for number in 0..40 {
                include(
                    &mut files,
                    &format!("a{number}"),
                    format!(
                        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../a{0}, ../a{0}]\n",
                        number + 1
                    ),
                );
            }
            files
        }),
        case("many components on many objects", move || {
            let mut files = many(5_000, String::new());
            let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {a: b}}]\n";
            include(&mut files, "component", component.to_owned());
            files.insert(
                "kustomization.yaml".to_owned(),
                format!(
                    "resources: [objects.yaml]\ncomponents:\n{}",
                    "- component\n".repeat(5_000)
                )
                .into_bytes(),
            );
            files
        }),
        case("long prefixes through layers", move || {
            let mut files = Files::new();
            include(&mut files, "overlay", "resources: [../a0]\n".to_owned());
            for number in 0..60 {
                include(
                    &mut files,
                    &format!("a{number}"),
                    format!(
                        "namePrefix: {}-\nresources: [../a{}]\n",
                        "x".repeat(60),
                        number + 1
                    ),
                );
            }
            include(&mut files, "a60", "resources: [objects.yaml]\n".to_owned());
            files.insert(
                "a60/objects.yaml".to_owned(),
                config_maps(5_000).into_bytes(),
            );
            files
        }),
        case("labels through layers", move || {
            let mut files = Files::new();
            include(&mut files, "overlay", "resources: [../a0]\n".to_owned());
            for number in 0..60 {
                include(
                    &mut files,
                    &format!("a{number}"),
                    format!(
                        "commonLabels: {{l{number}: v}}\nresources: [../a{}]\n",
                        number + 1
                    ),
                );
            }
            include(&mut files, "a60", "resources: [objects.yaml]\n".to_owned());
            files.insert(
                "a60/objects.yaml".to_owned(),
                deployments(5_000).into_bytes(),
            );
            files
        }),
        case("a base that is included by many", move || {
            let mut files = Files::new();
            let mut names = String::new();
            for number in 0..2_000 {
                include(
                    &mut files,
                    &format!("a{number}"),
                    format!("namePrefix: a{number}-\nresources: [../base]\n"),
                );
                names.push_str(&format!("- ../a{number}\n"));
            }
            include(&mut files, "overlay", format!("resources:\n{names}"));
            include(&mut files, "base", "resources: [objects.yaml]\n".to_owned());
            files.insert(
                "base/objects.yaml".to_owned(),
                config_maps(500).into_bytes(),
            );
            files
        }),
        case("a deep directory without a kustomization", || {
            files([(&*format!("{}a.yaml", "a/".repeat(5_000)), config_maps(1))])
        }),
    ]
}

/// Numbers from a seed: the same seed gives the same trees.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("a size fits 64 bits");
        usize::try_from(self.roll() % bound).expect("it is below a size")
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

/// What means something in YAML, in a kustomization, or in one of its expressions.
const PIECES: &[&[u8]] = &[
    b"- ",
    b"? ",
    b": ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"!!str ",
    b"!!binary ",
    b"|\n",
    b">-\n",
    b"'",
    b"\"",
    b"#",
    b"%YAML 1.1\n",
    b"---\n",
    b"...\n",
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc2\x85",
    b"~",
    b"null",
    b"0777",
    b"1e999",
    b".inf",
    b"2024-01-01",
    b"$patch: delete\n",
    b"$patch: replace\n",
    b"$retainKeys",
    b"$(A)",
    b"(a*)*",
    b"[^",
    b".*",
    b"../",
    b"/",
    b"resources: [.]\n",
    b"components: [..]\n",
    b"namePrefix: x\n",
    b"namespace: y\n",
    b"kind: List\nitems:\n",
    b"metadata: {name: a}\n",
    b"name: ",
    b"create: true",
    b"index: -1",
    b"delimiter: ''",
    b"\\u0000",
    b"\xf0\x9f\x98\x80",
];

/// The stored cases, damaged, and noise.
fn mutated() -> Vec<Case> {
    let seed = number(SEED).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |since| u64::from(since.subsec_nanos()) | 1)
    });
    let count = number(CASES).unwrap_or(1_500);
    println!("{SEED}={seed}");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kustomize");
    let mut folders: Vec<_> = std::fs::read_dir(golden)
        .expect("the cases can be listed")
        .map(|entry| entry.expect("the cases can be listed").path())
        .collect();
    folders.sort();
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..count)
        .map(|_| {
            let folder = folders[dice.below(folders.len())].clone();
            let seed = dice.roll() | 1;
            let name = format!(
                "{} {seed}",
                folder.file_name().unwrap_or_default().display()
            );
            case(name, move || damaged(&folder, &mut Dice(seed)))
        })
        .collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn damaged(folder: &Path, dice: &mut Dice) -> Files {
    let mut tree = crate::build::read_tree(folder).0;
    tree.retain(|path, _| !path.starts_with("expected."));
    let paths: Vec<String> = tree.keys().cloned().collect();
    for _ in 0..=dice.below(4) {
        let path = &paths[dice.below(paths.len())];
        let other = tree[&paths[dice.below(paths.len())]].clone();
        let bytes = tree.get_mut(path).expect("it is one of them");
        damage(bytes, &other, dice);
    }
    tree
}

fn damage(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    match dice.below(9) {
        0 => bytes.truncate(at),
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        2 => {
            bytes.splice(at..at, dice.pick(PIECES).iter().copied());
        }
        3 => {
            let pieces = dice.pick(PIECES).repeat(1 + dice.below(2_000));
            bytes.splice(at..at, pieces);
        }
        4 => {
            let end = at + dice.below(bytes.len() - at + 1);
            let chunk = bytes[at..end].repeat(1 + dice.below(20));
            bytes.splice(at..at, chunk);
        }
        5 => {
            let end = at + dice.below(bytes.len() - at + 1);
            bytes.drain(at..end);
        }
        6 => {
            let from = dice.below(other.len() + 1);
            bytes.splice(at..at, other[from..].iter().copied());
        }
        7 => {
            let noise: Vec<u8> = (0..dice.below(400))
                .map(|_| dice.roll().to_le_bytes()[0])
                .collect();
            bytes.splice(at..at, noise);
        }
        _ => {
            // Two lines change places, so that fields come to objects they do not belong to.
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            if lines.len() > 1 {
                let (one, two) = (dice.below(lines.len()), dice.below(lines.len()));
                lines.swap(one, two);
                *bytes = lines.concat();
            }
        }
    }
}
