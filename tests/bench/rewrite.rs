//! Rewriting marked files in memory: 1,000, 10,000 and 50,000 Deployments of about 1 kB, of which all, one or none change.
//!
//! Each file is parsed; each edited file is parsed again to see that nothing else changed. Peak resident memory includes the
//! files, the new texts and the changes, all kept. The budget for 10,000 files is 1 s and 150 MB.
#![expect(clippy::print_stdout, reason = "a benchmark's table is its output")]

use highwater::domain::image::ImageRef;
use highwater::domain::marker::PolicyKey;
use highwater::domain::rewrite::{Rewritten, Selections, rewrite};
use std::fs;
use std::hint::black_box;
use std::time::Instant;

/// One Deployment with a marker; `tag` is its image's tag.
fn file(number: usize, tag: &str) -> Vec<u8> {
    format!(
        r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  namespace: apps
  labels:
    app.kubernetes.io/name: app-{number}
    app.kubernetes.io/part-of: fleet
spec:
  replicas: 3
  # Spread over nodes; see the runbook before changing this.
  selector:
    matchLabels:
      app.kubernetes.io/name: app-{number}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: app-{number}
    spec:
      containers:
        - name: app
          image: ghcr.io/acme/app:{tag} # {{"$imagepolicy": "flux-system:app"}}
          args: ["--port=8080", '--verbose']
          ports:
            - containerPort: 8080
              name: http
          env:
            - name: LOG_LEVEL
              value: info
          readinessProbe:
            httpGet: {{path: /readyz, port: http}}
            periodSeconds: 5
          resources:
            requests:
              cpu: 100m
              memory: 128Mi
            limits:
              memory: 256Mi
"#
    )
    .into_bytes()
}

/// Peak resident memory in megabytes since it was last reset.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1000.0
}

fn measure(count: usize, name: &str, changes: impl Fn(usize) -> bool, selections: &Selections) {
    let tag = |number| if changes(number) { "1.0.0" } else { "1.1.0" };
    let files: Vec<Vec<u8>> = (0..count).map(|number| file(number, tag(number))).collect();
    let megabytes = files.iter().map(Vec::len).sum::<usize>() as f64 / 1e6;
    // Where the system allows it, the peak starts anew for each line of the table.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let start = Instant::now();
    let rewritten: Vec<Rewritten> = files
        .iter()
        .enumerate()
        .map(|(number, bytes)| rewrite(&format!("apps/{number}.yaml"), bytes, selections))
        .collect();
    let seconds = start.elapsed().as_secs_f64();
    let changed = black_box(&rewritten)
        .iter()
        .filter(|file| file.text.is_some())
        .count();
    assert_eq!(
        changed,
        (0..count).filter(|number| changes(*number)).count()
    );
    println!(
        "{count:>7} {name:<5} {megabytes:>7.1} {seconds:>8.3} {:>7.1} {:>7.1}",
        megabytes / seconds,
        peak()
    );
}

fn main() {
    let mut selections = Selections::new("flux-system");
    let image = ImageRef {
        name: "ghcr.io/acme/app".to_owned(),
        tag: "1.1.0".to_owned(),
        digest: None,
    };
    selections.insert(PolicyKey::new("flux-system", "app"), image);
    println!("  files change     MB        s    MB/s peak MB");
    for count in [1_000, 10_000, 50_000] {
        measure(count, "none", |_| false, &selections);
        measure(count, "one", |number| number == count / 2, &selections);
        measure(count, "all", |_| true, &selections);
    }
}
