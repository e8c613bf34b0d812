//! `highwater demo`: what it says is what `git` and the API server say, and nothing is left behind.
//!
//! Oracles: the real `git` on the repository that is kept, and the real API server.

use crate::support::control_plane::control_plane;
use crate::support::git_http::git;
use crate::support::highwater::{Running, highwater};
use crate::support::process::temporary_folder;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// For what the demo does in less than a second.
const LIMIT: Duration = Duration::from_secs(60);

fn demo(arguments: &[&OsStr]) -> Command {
    let mut command = highwater();
    command.arg("demo").args(arguments);
    command
}

fn words(arguments: &[&str]) -> Command {
    demo(&arguments.iter().map(OsStr::new).collect::<Vec<_>>())
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the demo prints text")
}

/// The summary of a run that must succeed.
fn summary(command: &mut Command) -> Value {
    let output = run(command);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON value")
}

fn temporary_folder_of(command: &Command) -> PathBuf {
    let set = command
        .get_envs()
        .find(|(name, _)| *name == "TMPDIR")
        .and_then(|(_, value)| value);
    PathBuf::from(set.expect("the support sets TMPDIR"))
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

/// The lines of a diff from its first file name on, without what git guesses behind `@@`.
fn hunks(diff: &str) -> Vec<String> {
    let from = diff.lines().skip_while(|line| !line.starts_with("--- "));
    from.map(|line| match line.split_once(" @@") {
        Some((ranges, _)) if line.starts_with("@@ ") => format!("{ranges} @@"),
        _ => line.to_owned(),
    })
    .collect()
}

/// A repository that was kept, and the summary of the run that made it.
fn kept(name: &str) -> (PathBuf, Value) {
    let folder = temporary_folder("demo").join(name);
    let keep = [
        OsStr::new("-o"),
        OsStr::new("json"),
        OsStr::new("--keep"),
        folder.as_os_str(),
    ];
    let summary = summary(&mut demo(&keep));
    (folder, summary)
}

#[test]
fn the_story_is_told_in_steps_and_its_diff_changes_one_line() {
    let output = run(&mut words(&[]));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "all of the demo is data");
    let story = text(&output.stdout);
    for (number, word) in [
        "registry",
        "Git",
        "Scan",
        "Select",
        "Rewrite",
        "Commit",
        "Build",
        "newer",
        "once more",
    ]
    .into_iter()
    .enumerate()
    {
        let start = format!("{}. ", number + 1);
        let step = story
            .lines()
            .find(|line| line.starts_with(&start))
            .unwrap_or_default();
        assert!(step.contains(word), "step {}: `{step}`", number + 1);
    }
    assert!(
        !story.contains('\u{1b}'),
        "there is no terminal, so there is no colour"
    );
    let added: Vec<&str> = story
        .lines()
        .filter(|line| line.starts_with('+') && !line.starts_with("+++"))
        .collect();
    let tags = [
        ":1.4.2 # {\"$imagepolicy\": \"shop:storefront\"}",
        ":1.4.3 # {\"$imagepolicy\": \"shop:storefront\"}",
    ];
    assert_eq!(added.len(), 2, "one line for each of the two updates");
    assert!(
        added[0].ends_with(tags[0]) && added[1].ends_with(tags[1]),
        "{added:?}"
    );
}

#[test]
fn git_confirms_commits_and_diffs() {
    let (folder, summary) = kept("new");
    let bare = folder.join("fleet.git");
    git(&bare, &["fsck", "--strict", "--full"]);
    let (first, next) = (&summary["commit"], &summary["next"]["commit"]);
    assert_eq!(git(&bare, &["rev-parse", "main"]).trim(), next["id"]);
    assert_eq!(git(&bare, &["rev-parse", "main~1"]).trim(), first["id"]);
    assert_eq!(git(&bare, &["rev-parse", "main~2"]).trim(), first["parent"]);
    assert_eq!(
        git(&bare, &["rev-list", "--count", "main"]).trim(),
        "3",
        "the repeated run made no commit"
    );
    for (round, revision) in [(&summary, "main~1"), (&summary["next"], "main")] {
        let shown = git(&bare, &["log", "-p", "-1", revision]);
        let diff = round["diff"].as_str().expect("a diff");
        assert_eq!(hunks(diff), hunks(&shown));
        let changed = git(
            &bare,
            &["diff", "--numstat", &format!("{revision}~1"), revision],
        );
        assert_eq!(changed, "1\t1\tapps/storefront.yaml\n");
        assert_eq!(
            git(&bare, &["log", "-1", "--format=%s", revision]).trim(),
            round["commit"]["subject"]
        );
        let author = git(&bare, &["log", "-1", "--format=%an <%ae>", revision]);
        assert_eq!(
            author.trim(),
            "highwater <highwater@example.com>",
            "as the fleet's automation says"
        );
    }
}

#[test]
fn the_summary_says_what_was_selected_and_what_would_be_applied() {
    let summary = summary(&mut words(&["-o", "json"]));
    let selection = &summary["selection"];
    let image = selection["name"].as_str().expect("an image");
    assert!(
        image.starts_with("127.0.0.1:") && image.ends_with("/acme/storefront"),
        "{image}"
    );
    assert_eq!(selection["tag"], "1.4.2");
    assert_eq!(selection["runnerUp"], "1.4.1");
    // Eleven releases below 2.0.0, and 1.5.0-rc.1, 2.0.0, latest and a signature.
    assert_eq!(
        (&selection["scanned"]["tags"], &selection["candidates"]),
        (&15.into(), &11.into())
    );
    assert!(
        selection["scanned"]["pages"].as_u64() > Some(1),
        "the list is paged"
    );
    assert_eq!(summary["next"]["selection"]["tag"], "1.4.3");
    assert_eq!(summary["repeat"]["commit"], Value::Null);
    let objects = summary["objects"].as_array().expect("a list");
    let kinds: Vec<&str> = objects
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "Namespace",
            "Service",
            "Deployment",
            "Deployment",
            "CronJob"
        ]
    );
    assert_eq!(
        (&objects[0]["stage"], &objects[1]["stage"]),
        (&1.into(), &2.into())
    );
    assert_eq!(objects[2]["images"][0], format!("{image}:1.4.2"));
    assert_eq!(
        summary["next"]["objects"][2]["images"][0],
        format!("{image}:1.4.3")
    );
}

#[test]
fn without_keep_nothing_is_left_behind_and_no_git_program_is_needed() {
    let mut command = words(&[]);
    command.env("PATH", "/nonexistent");
    let output = run(&mut command);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        entries(&temporary_folder_of(&command)),
        Vec::<String>::new()
    );
    let home = command
        .get_current_dir()
        .expect("the support sets it")
        .to_owned();
    assert_eq!(
        entries(&home),
        ["tmp"],
        "nothing is written to the home folder"
    );
}

#[test]
fn a_proxy_of_the_environment_is_not_asked() {
    let mut command = words(&[]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:1");
    }
    let output = run(&mut command);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn with_keep_only_the_named_folder_is_left() {
    let folder = temporary_folder("demo").join("a/new folder");
    let mut command = demo(&[OsStr::new("--keep"), folder.as_os_str()]);
    let output = run(&mut command);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut left = entries(&folder);
    left.sort();
    assert_eq!(left, ["fleet.git", "objects.yaml"]);
    assert_eq!(
        entries(&temporary_folder_of(&command)),
        Vec::<String>::new()
    );
    let built = fs::read_to_string(folder.join("objects.yaml")).expect("it is kept");
    assert!(built.contains("/acme/storefront:1.4.3"), "{built}");
    // The command that the demo names works as it stands.
    let story = text(&output.stdout);
    let advice = story
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("git -C "))
        .expect("the demo says how to look");
    let shell = Command::new("sh")
        .args(["-c", advice])
        .env("GIT_PAGER", "cat")
        .output()
        .expect("a shell");
    assert!(shell.status.success(), "{advice}: {}", text(&shell.stderr));
    assert_eq!(text(&shell.stdout).matches("\ncommit ").count() + 1, 3);
}

#[test]
fn a_folder_that_holds_something_is_not_touched() {
    let folder = temporary_folder("demo");
    fs::write(folder.join("thesis.txt"), "years of work").expect("the folder is ours");
    let mut command = demo(&[OsStr::new("--keep"), folder.as_os_str()]);
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("is not empty"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(entries(&folder), ["thesis.txt"]);
    assert_eq!(
        entries(&temporary_folder_of(&command)),
        Vec::<String>::new()
    );
}

/// A kubeconfig for whatever listens at an address.
fn kubeconfig(folder: &Path, server: &str) -> PathBuf {
    let path = folder.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n"
    );
    fs::write(&path, text).expect("the folder is ours");
    path
}

#[test]
fn a_cluster_that_is_not_there_is_said_and_nothing_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let file = kubeconfig(&temporary_folder("demo"), &format!("http://{address}"));
    let mut command = demo(&[OsStr::new("--kubeconfig"), file.as_os_str()]);
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("onnect"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(
        entries(&temporary_folder_of(&command)),
        Vec::<String>::new()
    );
}

#[test]
fn an_interrupt_ends_the_demo_and_nothing_is_left() {
    for signal in ["INT", "TERM"] {
        // A cluster that takes the question and never answers holds the demo up.
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("an address");
        let file = kubeconfig(&temporary_folder("demo"), &format!("http://{address}"));
        let command = demo(&[OsStr::new("--kubeconfig"), file.as_os_str()]);
        let mut running = Running::start(&command);
        let (mut asked, _) = listener.accept().expect("the demo asks the cluster");
        assert!(asked.read(&mut [0; 1]).expect("a question") > 0);
        let temporary = temporary_folder_of(&command);
        assert_eq!(entries(&temporary).len(), 1, "it is at work");
        running.signal(signal);
        let status = running.wait(LIMIT);
        assert_eq!(status.code(), Some(1), "{}", running.stderr());
        assert!(
            running.stderr().contains("interrupted"),
            "{}",
            running.stderr()
        );
        assert_eq!(entries(&temporary), Vec::<String>::new());
    }
}

#[test]
fn a_cluster_gets_the_objects_in_a_namespace_of_their_own_which_goes_away() {
    let plane = control_plane();
    let file = plane.kubeconfig_path();
    let before = plane.kubectl_ok(&["get", "namespaces", "-o", "name"]);
    let arguments = [
        OsStr::new("-o"),
        OsStr::new("json"),
        OsStr::new("--kubeconfig"),
        file.as_os_str(),
    ];
    let mut command = demo(&arguments);
    let summary = summary(&mut command);
    let namespace = summary["namespace"]
        .as_str()
        .expect("the namespace is named")
        .to_owned();
    assert!(namespace.starts_with("highwater-demo-"), "{namespace}");
    let objects = summary["next"]["objects"].as_array().expect("a list");
    for object in &objects[1..] {
        assert_eq!(object["namespace"], namespace.as_str(), "{object}");
    }
    assert_eq!(
        objects[0]["name"],
        namespace.as_str(),
        "the fleet's own namespace takes the name"
    );
    assert!(
        ["", "Terminating"].contains(&phase(&namespace).as_str()),
        "the namespace {namespace} stays"
    );
    let after = plane.kubectl_ok(&["get", "namespaces", "-o", "name"]);
    let own = |line: &&str| line.contains("shop") && !before.contains(*line);
    assert_eq!(
        after.lines().find(own),
        None,
        "the fleet's namespace `shop` is not made"
    );
    assert_eq!(
        entries(&temporary_folder_of(&command)),
        Vec::<String>::new()
    );
}

#[test]
fn the_live_deployment_carries_the_new_image_before_the_namespace_goes() {
    let plane = control_plane();
    let mut watch = Command::new(crate::support::programs::kubectl_program());
    watch
        .env_clear()
        .env("KUBECONFIG", plane.kubeconfig_path())
        .env("HOME", temporary_folder("home"));
    let columns = "custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,IMAGE:.spec.template.spec.containers[0].image";
    watch.args([
        "get",
        "deployments",
        "--all-namespaces",
        "--watch",
        "--no-headers",
        "-o",
        columns,
    ]);
    let mut watching = Running::start(&watch);
    // The watch has begun when it shows an object that is there for it.
    let marker = plane.namespace("demo-watch");
    let deployment = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: begun, namespace: {marker}}}\nspec:\n  replicas: 0\n  \
         selector: {{matchLabels: {{a: b}}}}\n  template:\n    metadata: {{labels: {{a: b}}}}\n    \
         spec: {{containers: [{{name: a, image: 'example.com/begun:1'}}]}}\n"
    );
    plane.apply(&deployment);
    watching.wait_for_line(&marker, LIMIT);
    let file = plane.kubeconfig_path();
    let arguments = [
        OsStr::new("-o"),
        OsStr::new("json"),
        OsStr::new("--kubeconfig"),
        file.as_os_str(),
    ];
    let summary = summary(&mut demo(&arguments));
    let image = summary["selection"]["name"].as_str().expect("an image");
    for tag in ["1.4.2", "1.4.3"] {
        let line = watching.wait_for_line(&format!("{image}:{tag}"), LIMIT);
        assert!(
            line.starts_with(summary["namespace"].as_str().expect("a namespace")),
            "{line}"
        );
    }
    watching.kill();
}

/// Stands between the demo and the API server, passes everything on, and never answers a question
/// about a Deployment.
struct Holding {
    client: reqwest::Client,
    held: mpsc::Sender<String>,
}

async fn pass_on(State(holding): State<Arc<Holding>>, request: Request) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    if method == "GET" && uri.path().contains("/deployments/") {
        let _ = holding.held.send(uri.path().to_owned());
        std::future::pending::<()>().await;
    }
    let plane = control_plane();
    let url = format!("{}{uri}", plane.url());
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .expect("a small body");
    let mut onward = holding
        .client
        .request(method, url)
        .bearer_auth(plane.token())
        .body(body);
    if let Some(kind) = kind {
        onward = onward.header(CONTENT_TYPE, kind);
    }
    let answer = onward.send().await.expect("the API server answers");
    let (status, kind) = (answer.status(), answer.headers().get(CONTENT_TYPE).cloned());
    let mut response = (status, answer.bytes().await.expect("a body")).into_response();
    response
        .headers_mut()
        .extend(kind.map(|kind| (CONTENT_TYPE, kind)));
    response
}

#[test]
fn an_interrupt_while_objects_are_applied_removes_the_namespace() {
    highwater::adapters::tls::install_provider();
    let plane = control_plane();
    let certificate =
        reqwest::Certificate::from_pem(plane.ca_pem().as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([certificate])
        .build()
        .expect("a client");
    let (held, heard) = mpsc::channel();
    let router = Router::new()
        .fallback(pass_on)
        .with_state(Arc::new(Holding { client, held }));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("loopback");
    let address = listener.local_addr().expect("an address");
    runtime.spawn(async move { axum::serve(listener, router).await });

    let file = kubeconfig(&temporary_folder("demo"), &format!("http://{address}"));
    let command = demo(&[OsStr::new("--kubeconfig"), file.as_os_str()]);
    let mut running = Running::start(&command);
    let path = heard
        .recv_timeout(LIMIT)
        .expect("the demo looks at the Deployment it applied");
    let namespace = path
        .split('/')
        .nth(5)
        .expect("/apis/apps/v1/namespaces/<name>/..")
        .to_owned();
    assert!(namespace.starts_with("highwater-demo-"), "{path}");
    assert_eq!(phase(&namespace), "Active");
    running.signal("INT");
    assert_eq!(running.wait(LIMIT).code(), Some(1), "{}", running.stderr());
    assert!(
        ["", "Terminating"].contains(&phase(&namespace).as_str()),
        "{}",
        running.stderr()
    );
    assert_eq!(
        entries(&temporary_folder_of(&command)),
        Vec::<String>::new()
    );
    runtime.shutdown_background();
}

/// The phase of a namespace; empty when it is gone.
fn phase(namespace: &str) -> String {
    text(
        &control_plane()
            .kubectl(&[
                "get",
                "namespace",
                namespace,
                "-o",
                "jsonpath={.status.phase}",
            ])
            .stdout,
    )
}
