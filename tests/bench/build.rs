//! The build beside the real `kubectl kustomize` (v5.8.1), as cold processes; then in process, where the controller builds.
//!
//! `cargo bench --bench build`. Budgets: at least 20 times faster than the real program on each cold case, 5,000 builds of ten
//! objects a second on 2 cores, cost linear in objects. Both programs build the same folder in turn, and what they print must be
//! the same objects. A time is the median of a new process each, from its start to its end; a peak is the largest resident set
//! that the kernel saw of it. "200 bases" is a tree five levels deep: each directory includes the next three, and adds a
//! Deployment, its Service, a name prefix and a label; "60 in a row" is the same with one next directory each.
#![allow(
    clippy::print_stdout,
    dead_code,
    missing_docs,
    reason = "a benchmark prints its table, and uses a part of what tests stand on"
)]

#[path = "../it/support"]
mod support {
    pub mod build;
    pub mod process;
    pub mod programs;
}

use highwater::domain::kustomize::{Options, build};
use highwater::domain::manifest::parse_documents;
use highwater::domain::tree::MapTree;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::programs::{kubectl_program, supervisor_program};

/// How often each program is started for one row, at most.
const RUNS: usize = 41;
/// How long both programs may run for one row, before fewer runs have to do.
const ENOUGH: Duration = Duration::from_secs(15);
/// How much faster than the real program every cold case has to be.
const RATIO: f64 = 20.0;
/// How many small builds a second two cores have to do.
const RATE: f64 = 5_000.0;

type Files = BTreeMap<String, String>;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("linear") => return linear(arguments[2].parse().expect("a number of objects")),
        _ => println!(
            "kubectl kustomize and highwater build, a cold process each (budget: {RATIO} times faster)"
        ),
    }
    println!(
        "{:<32} {:>8} {:>10} {:>10} {:>7} {:>10} {:>10}",
        "", "objects", "kubectl", "highwater", "ratio", "kubectl", "highwater"
    );
    for (name, files) in [
        ("overlay of 10 objects", overlay(&[])),
        ("the same and 5 merge patches", overlay(&PATCHES)),
        ("4,000 resources in 1.4 MB", many(4_000)),
        ("tree of 200 bases", nested(200, 3)),
        ("60 bases in a row", nested(60, 1)),
    ] {
        side_by_side(name, &files);
    }
    println!("\nin process, 2 threads (budget: {RATE} a second)");
    println!("{:<32} {:>8}", "", "builds/s");
    small_builds("overlay of 10 objects", &overlay(&[]));
    small_builds("the same and 5 merge patches", &overlay(&PATCHES));
    println!("\nin process, 1 thread (budget: linear)");
    println!(
        "{:>9} {:>8} {:>9} {:>10} {:>9}",
        "resources", "MB", "ms", "objects/s", "peak MB"
    );
    for count in [1_000, 4_000, 16_000] {
        let program = std::env::current_exe().expect("the path of this program");
        let status = Command::new(program)
            .args(["linear", &count.to_string()])
            .status();
        assert!(status.expect("this program can be started again").success());
    }
}

/// One row: both programs on one folder, and whether they agree.
fn side_by_side(name: &str, files: &Files) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("ours");
        std::fs::write(path, text).expect("ours");
    }
    let overlay = folder.path().join("overlay");
    let ours = Path::new(env!("CARGO_BIN_EXE_highwater"));
    let mut theirs = Program::new(&kubectl_program(), "kustomize", folder.path(), &overlay);
    let mut ours = Program::new(ours, "build", folder.path(), &overlay);
    let since = Instant::now();
    while theirs.times.is_empty() || (theirs.times.len() < RUNS && since.elapsed() < ENOUGH) {
        theirs.run();
        ours.run();
    }
    let objects = objects(&ours.output);
    assert!(
        objects == self::objects(&theirs.output),
        "{name}: the programs print different objects"
    );
    let ratio = theirs.seconds() / ours.seconds();
    println!(
        "{name:<32} {:>8} {:>7.1} ms {:>7.2} ms {ratio:>7.0} {:>7.1} MB {:>7.1} MB{}",
        objects.len(),
        theirs.seconds() * 1e3,
        ours.seconds() * 1e3,
        theirs.megabytes(),
        ours.megabytes(),
        verdict(ratio >= RATIO)
    );
}

fn verdict(kept: bool) -> &'static str {
    if kept { "" } else { "  BUDGET BROKEN" }
}

fn objects(output: &str) -> Vec<Value> {
    let manifests = parse_documents("output", output.as_bytes()).expect("programs print objects");
    manifests
        .into_iter()
        .map(|manifest| manifest.object)
        .collect()
}

/// One of the programs, about to build a folder.
struct Program {
    path: PathBuf,
    verb: &'static str,
    folder: PathBuf,
    times: Vec<f64>,
    output: String,
}

impl Program {
    /// The program as it is when it was installed: copied in one go. What a linker wrote piece by piece lies in the kernel's
    /// cache in single pages, and each start maps those one by one.
    fn new(built: &Path, verb: &'static str, installed: &Path, folder: &Path) -> Self {
        let path = installed.join(built.file_name().expect("a program has a name"));
        std::fs::copy(built, &path).expect("the program can be copied");
        Self {
            path,
            verb,
            folder: folder.to_owned(),
            times: Vec::new(),
            output: String::new(),
        }
    }

    /// Runs it once, and notes how long it took from its start until it has ended and all it printed is read.
    fn run(&mut self) {
        let mut command = Command::new(&self.path);
        command.arg(self.verb).arg(&self.folder).env_clear();
        let since = Instant::now();
        let output = command.output().expect("the program starts");
        self.times.push(since.elapsed().as_secs_f64());
        self.output = self.checked(output);
    }

    /// Its largest resident set in megabytes. The supervisor starts it, for it is told by the kernel what its child took.
    fn megabytes(&self) -> f64 {
        let report = tempfile::NamedTempFile::new().expect("a file can be made");
        let output = Command::new(supervisor_program())
            .arg("measure")
            .arg(report.path())
            .arg(&self.path)
            .arg(self.verb)
            .arg(&self.folder)
            .env_clear()
            .output();
        self.checked(output.expect("the supervisor starts"));
        let report = std::fs::read_to_string(report.path()).expect("the supervisor has written it");
        let bytes = report.split_whitespace().nth(1).map(str::parse::<f64>);
        bytes.and_then(Result::ok).expect("two numbers") / 1e6
    }

    fn seconds(&self) -> f64 {
        median(self.times.clone())
    }

    fn checked(&self, output: Output) -> String {
        assert!(
            output.status.success(),
            "{} {}: {}",
            self.path.display(),
            self.verb,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("programs print text")
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn in_memory(files: &Files) -> MapTree {
    MapTree::from_texts(
        files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    )
}

/// One row: how many builds of a small tree two threads do in a second.
fn small_builds(name: &str, files: &Files) {
    let tree = in_memory(files);
    let over = AtomicBool::new(false);
    let built = AtomicUsize::new(0);
    let since = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    black_box(build(&tree, "overlay", &Options::flux()).expect("it builds"));
                    built.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_secs(3));
        over.store(true, Ordering::Relaxed);
    });
    let rate = built.into_inner() as f64 / since.elapsed().as_secs_f64();
    println!("{name:<32} {rate:>8.0}{}", verdict(rate >= RATE));
}

/// One row, in a process of its own: a build of many objects.
fn linear(count: usize) {
    let files = many(count);
    let bytes: usize = files.values().map(String::len).sum();
    let tree = in_memory(&files);
    drop(files);
    let times = (0..7).map(|_| {
        let since = Instant::now();
        let built = build(&tree, "overlay", &Options::flux()).expect("it builds");
        let seconds = since.elapsed().as_secs_f64();
        assert_eq!(black_box(built).manifests.len(), count);
        seconds
    });
    let seconds = median(times.collect());
    println!(
        "{count:>9} {:>8.1} {:>9.1} {:>10.0} {:>9.1}",
        bytes as f64 / 1e6,
        seconds * 1e3,
        count as f64 / seconds,
        peak()
    );
}

/// Peak resident memory of this process in megabytes.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kibibytes.map_or(f64::NAN, |kibibytes: f64| kibibytes * 1024.0 / 1e6)
}

/// A Deployment with two containers.
fn deployment(name: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      serviceAccountName: runner
      containers:
      - name: main
        image: ghcr.io/acme/{name}:1.0.0
        args: [\"--port=8080\", \"--verbose\"]
        ports: [{{containerPort: 8080, name: http}}]
        envFrom: [{{configMapRef: {{name: settings}}}}]
        env:
        - name: TOKEN
          valueFrom: {{secretKeyRef: {{name: login, key: token}}}}
      - name: proxy
        image: envoyproxy/envoy:v1.30.0
        resources: {{requests: {{cpu: 100m, memory: 64Mi}}}}
"
    )
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"
    )
}

/// Five strategic merge patches.
const PATCHES: [&str; 5] = [
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 5}}",
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: main, env: [{name: LEVEL, value: info}]}]}}}}",
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: api}, spec: {template: {spec: {containers: [{name: proxy, $patch: delete}]}}}}",
    "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80, name: http, protocol: TCP}, {port: 443, name: tls}]}}",
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {level: debug, color: null}}",
];

/// A base of ten objects, and an overlay that moves, renames, labels and updates them.
fn overlay(patches: &[&str]) -> Files {
    let objects = [
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n".to_owned(),
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: runner}}\n".to_owned(),
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {level: info, color: red}}\n".to_owned(),
        "{apiVersion: v1, kind: Secret, metadata: {name: login}, stringData: {token: x}}\n".to_owned(),
        deployment("web"),
        service("web"),
        deployment("api"),
        service("api"),
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}
"
        .to_owned(),
        "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {minReplicas: 1, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
"
        .to_owned(),
    ];
    let mut top = "namespace: shop
namePrefix: blue-
resources: [../base]
labels: [{pairs: {tier: front}, includeTemplates: true}]
images: [{name: ghcr.io/acme/web, newTag: 1.2.0}, {name: ghcr.io/acme/api, newTag: 2.0.0}]
"
    .to_owned();
    if !patches.is_empty() {
        top.push_str("patches:\n");
    }
    for patch in patches {
        let _ = writeln!(top, "- patch: '{patch}'");
    }
    Files::from([
        (
            "base/kustomization.yaml".to_owned(),
            "resources: [objects.yaml]\n".to_owned(),
        ),
        ("base/objects.yaml".to_owned(), objects.join("---\n")),
        ("overlay/kustomization.yaml".to_owned(), top),
    ])
}

/// `count` resources of four kinds in files of a hundred, and an overlay that moves and labels them.
fn many(count: usize) -> Files {
    let mut files = Files::new();
    let mut base = "resources:\n".to_owned();
    for first in (0..count).step_by(100) {
        let resources: Vec<String> = (first..count.min(first + 100)).map(resource).collect();
        let _ = writeln!(base, "- {first}.yaml");
        files.insert(format!("base/{first}.yaml"), resources.join("---\n"));
    }
    files.insert("base/kustomization.yaml".to_owned(), base);
    let top = "namespace: shop\nresources: [../base]\nlabels: [{pairs: {tier: front}}]\n";
    files.insert("overlay/kustomization.yaml".to_owned(), top.to_owned());
    files
}

fn resource(number: usize) -> String {
    let name = format!("app-{number}");
    match number % 4 {
        0 => deployment(&name),
        1 => service(&name),
        2 => format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data:
  level: info
  address: {name}.example.com
  settings: |
    cache: true
    workers: {number}
    # What follows is the same everywhere, and read by those who run the application by hand.
    endpoints: [https://one.example.com/api/v1, https://two.example.com/api/v1]
    timeouts: {{connect: 5s, read: 30s, write: 30s, idle: 120s}}
    features: {{search: true, payments: true, recommendations: false}}
"
        ),
        _ => format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}, annotations: {{owner: team-{number}}}}}}}\n"
        ),
    }
}

/// `count` directories, each with objects of its own and the next `width` directories as bases.
fn nested(count: usize, width: usize) -> Files {
    let directory = |number: usize| match number {
        0 => "overlay".to_owned(),
        number => format!("base-{number}"),
    };
    let mut files = Files::new();
    for number in 0..count {
        let mut text = format!(
            "namePrefix: n{number}-\nlabels: [{{pairs: {{level-{number}: here}}}}]\nresources:\n- objects.yaml\n"
        );
        for next in (number * width + 1..=number * width + width).filter(|next| *next < count) {
            let _ = writeln!(text, "- ../{}", directory(next));
        }
        let name = format!("app-{number}");
        let objects = format!("{}---\n{}", deployment(&name), service(&name));
        files.insert(format!("{}/kustomization.yaml", directory(number)), text);
        files.insert(format!("{}/objects.yaml", directory(number)), objects);
    }
    files
}
