//! `highwater build` beside the real `kubectl kustomize`, and with a Flux Kustomization.

use crate::support::highwater::highwater;
use crate::support::programs::kubectl_program;
use highwater::domain::manifest::parse_documents;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Exit code, data and talk.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (
        status.code().expect("it ends by itself"),
        text(stdout),
        text(stderr),
    )
}

fn build(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    run(highwater().current_dir(folder).arg("build").args(arguments))
}

fn kubectl(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    run(Command::new(kubectl_program())
        .env_clear()
        .current_dir(folder)
        .arg("kustomize")
        .args(arguments))
}

fn objects(text: &str) -> Vec<Value> {
    let manifests = parse_documents("output", text.as_bytes()).expect("it is made of objects");
    manifests
        .into_iter()
        .map(|manifest| manifest.object)
        .collect()
}

/// A folder with these files; no Git work tree.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

/// The stored cases: each a folder with what it builds at `overlay`, or at its root.
fn stored_cases() -> Vec<PathBuf> {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kustomize");
    let cases = fs::read_dir(stored).expect("there are cases");
    let cases = cases.map(|case| case.expect("it can be listed").path());
    let mut cases: Vec<PathBuf> = cases
        .filter(|case| case.join("expected.yaml").is_file())
        .collect();
    cases.sort();
    cases
}

#[test]
fn a_folder_of_a_work_tree_is_built_as_by_kubectl() {
    let cases = stored_cases();
    assert!(cases.len() > 20, "{}", cases.len());
    for case in cases.iter().step_by(cases.len() / 12) {
        let at = match case.join("overlay").is_dir() {
            true => "overlay",
            false => ".",
        };
        let (code, ours, talk) = build(case, &[at]);
        assert_eq!(code, 0, "{}: {talk}", case.display());
        let (_, theirs, _) = kubectl(case, &[at]);
        assert_eq!(objects(&ours), objects(&theirs), "{}", case.display());
    }
}

const APP: &[(&str, &str)] = &[
    (
        "base/kustomization.yaml",
        "resources: [web.yaml, extra.yaml]\n",
    ),
    (
        "base/web.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n",
    ),
    (
        "base/extra.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: other}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    ),
    (
        "overlays/prod/kustomization.yaml",
        "namePrefix: prod-\nresources: [../../base]\nreplicas:\n- {name: web, count: 3}\n",
    ),
];

#[test]
fn bases_above_the_folder_are_found_without_a_work_tree() {
    let app = folder(APP);
    let overlay = app.path().join("overlays/prod");
    let (code, ours, talk) = build(&overlay, &[]);
    assert_eq!((code, talk.as_str()), (0, ""));
    let (_, theirs, _) = kubectl(&overlay, &[]);
    assert_eq!(objects(&ours), objects(&theirs));
    assert_eq!(objects(&ours).len(), 3);
}

#[test]
fn bases_behind_a_link_and_in_a_repository_inside_are_built_as_by_kubectl() {
    let app = folder(APP);
    let inside = app.path().join("vendor");
    fs::create_dir(&inside).expect("a folder");
    fs::rename(app.path().join("base"), inside.join("base")).expect("it moves");
    for repository in [app.path(), &inside.join("base")] {
        fs::create_dir(repository.join(".git")).expect("a folder");
    }
    std::os::unix::fs::symlink("vendor/base", app.path().join("base")).expect("a link");
    let (code, ours, talk) = build(app.path(), &["overlays/prod"]);
    assert_eq!((code, talk.as_str()), (0, ""));
    let (_, theirs, _) = kubectl(app.path(), &["overlays/prod"]);
    assert_eq!(objects(&ours), objects(&theirs));
}

#[test]
fn deprecated_fields_are_said_beside_the_objects() {
    let app = folder(&[
        APP[0],
        APP[1],
        APP[2],
        ("kustomization.yaml", "bases: [base]\n"),
    ]);
    let (code, ours, talk) = build(app.path(), &[]);
    assert_eq!(code, 0, "{talk}");
    assert!(
        talk.starts_with("warning: kustomization.yaml:1: "),
        "{talk}"
    );
    assert_eq!(objects(&ours), objects(&kubectl(app.path(), &["."]).1));
}

#[test]
fn output_goes_to_a_file_or_to_one_file_for_each_object_named_as_by_kubectl() {
    let app = folder(APP);
    for program in ["ours", "theirs"] {
        fs::create_dir(app.path().join(program)).expect("a folder");
    }
    for (program, (ours, theirs)) in [("ours", (true, false)), ("theirs", (false, true))] {
        for output in [program.to_owned(), format!("{program}.yaml")] {
            let arguments = ["overlays/prod", "-o", &output];
            if ours {
                assert_eq!(
                    build(app.path(), &arguments),
                    (0, String::new(), String::new())
                );
            }
            if theirs {
                assert_eq!(
                    kubectl(app.path(), &arguments),
                    (0, String::new(), String::new())
                );
            }
        }
    }
    let files = |program: &str| -> BTreeMap<String, Vec<Value>> {
        let entries = fs::read_dir(app.path().join(program)).expect("a folder");
        let entries = entries.map(|entry| entry.expect("it can be listed"));
        let read = |path: PathBuf| objects(&fs::read_to_string(path).expect("it is text"));
        entries
            .map(|entry| {
                (
                    entry.file_name().into_string().expect("a name"),
                    read(entry.path()),
                )
            })
            .collect()
    };
    assert_eq!(files("ours"), files("theirs"));
    assert_eq!(files("ours").len(), 3);
    let whole = |program: &str| {
        let path = app.path().join(format!("{program}.yaml"));
        objects(&fs::read_to_string(path).expect("it is text"))
    };
    assert_eq!(whole("ours"), whole("theirs"));
}

#[test]
fn a_flag_that_starts_other_programs_is_refused_with_what_to_do_instead() {
    let app = folder(APP);
    for flag in [
        "--enable-helm",
        "--enable-alpha-plugins",
        "--network",
        "--mount=x",
        "-eA=B",
    ] {
        let (code, data, talk) = build(app.path(), &["base", flag]);
        assert_eq!((code, data.as_str()), (1, ""), "{flag}");
        assert!(
            talk.contains("is refused: a build starts no other program"),
            "{talk}"
        );
        assert!(talk.contains("\nhint: "), "{talk}");
    }
    let (code, _, talk) = build(app.path(), &["base", "--enable-magic"]);
    assert_eq!(code, 2, "{talk}");
}

#[test]
fn files_outside_are_read_only_when_that_is_allowed_and_links_never_widen_the_tree() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let app = folder(&[
        ("map.yaml", map),
        ("app/kustomization.yaml", "resources: [../map.yaml]\n"),
        ("linked/kustomization.yaml", "resources: [link.yaml]\n"),
    ]);
    let (code, _, talk) = build(app.path(), &["app"]);
    assert_eq!(code, 1);
    assert!(
        talk.contains("kustomization.yaml:1: ") && talk.contains("is not in or below"),
        "{talk}"
    );
    assert_ne!(kubectl(app.path(), &["app"]).0, 0);
    let allowed = ["app", "--load-restrictor", "LoadRestrictionsNone"];
    let (code, ours, _) = build(app.path(), &allowed);
    assert_eq!(code, 0);
    assert_eq!(objects(&ours), objects(&kubectl(app.path(), &allowed).1));
    std::os::unix::fs::symlink("../map.yaml", app.path().join("linked/link.yaml")).expect("a link");
    let (code, _, talk) = build(app.path(), &["linked"]);
    assert_eq!(code, 1);
    assert!(talk.contains("leads out of the tree"), "{talk}");
    assert_ne!(kubectl(app.path(), &["linked"]).0, 0);
}

/// What kubectl builds from such paths depends on where the folder lies.
#[test]
fn absolute_paths_and_links_that_leave_the_folder_are_refused_though_kubectl_follows_them() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
    let app = folder(&[
        ("base/kustomization.yaml", "resources: [map.yaml]\n"),
        ("base/map.yaml", map),
        ("linked/kustomization.yaml", "resources: [base]\n"),
        ("absolute/map.yaml", map),
    ]);
    std::os::unix::fs::symlink("../base", app.path().join("linked/base")).expect("a link");
    let absolute = app.path().join("absolute/map.yaml");
    let named = format!("resources: [{}]\n", absolute.display());
    fs::write(app.path().join("absolute/kustomization.yaml"), named).expect("a file");
    for path in ["linked", "absolute"] {
        assert_eq!(kubectl(app.path(), &[path]).0, 0, "{path}");
        let (code, _, talk) = build(app.path(), &[path]);
        assert_ne!(code, 0, "{path}");
        assert!(talk.contains("leads out of the tree"), "{path}: {talk}");
    }
}

#[test]
fn an_error_names_the_file_the_line_and_where_paths_begin() {
    let app = folder(&[
        (".git/HEAD", ""),
        (
            "apps/web/kustomization.yaml",
            "resources:\n- missing.yaml\n",
        ),
        (
            "apps/api/kustomization.yaml",
            "resources: []\nnamePrefx: x\n",
        ),
        ("empty/readme.md", ""),
    ]);
    let (code, data, talk) = build(app.path(), &["apps/web"]);
    assert_eq!((code, data.as_str()), (1, ""));
    assert!(
        talk.starts_with("error: apps/web/kustomization.yaml:2: "),
        "{talk}"
    );
    let (_, _, talk) = build(&app.path().join("apps"), &["api"]);
    assert!(
        talk.starts_with("error: apps/api/kustomization.yaml:2: unknown field `namePrefx`"),
        "{talk}"
    );
    assert!(talk.contains("hint: paths are relative to `"), "{talk}");
    let (code, _, talk) = build(app.path(), &["empty"]);
    assert_eq!(code, 1);
    assert!(talk.contains("has no kustomization file"), "{talk}");
    let (code, _, talk) = build(app.path(), &["nowhere"]);
    assert_eq!(code, 1);
    assert!(
        talk.starts_with("error: cannot open the folder `nowhere`: "),
        "{talk}"
    );
    let url = "https://git.example.com/fleet";
    let (code, _, talk) = build(app.path(), &[url, "--no-remote-bases"]);
    assert_eq!(code, 1);
    assert!(talk.contains(url), "{talk}");
}

const KUSTOMIZATION: &str = "apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: apps, namespace: flux-system}
spec: {url: https://git.example.com/fleet, interval: 1m}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  interval: 1m
  prune: true
  path: ./elsewhere
  sourceRef: {kind: GitRepository, name: apps}
  targetNamespace: shop
  namePrefix: eu-
  commonMetadata: {labels: {team: '${keep}'}}
  postBuild:
    substitute: {cluster: west, replicas: '3'}
";

const FLUX_APP: &[(&str, &str)] = &[
    ("apps.yaml", KUSTOMIZATION),
    (
        "deploy/web.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: '${replicas}'}\n",
    ),
    (
        "deploy/more/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\ndata: {cluster: 'in ${cluster:-none}', region: '${region:-eu}', plain: '$${x}'}\n",
    ),
    (
        "deploy/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: 'ENC[x]'}\nsops: {mac: 'ENC[y]'}\n",
    ),
];

fn build_kustomization(folder: &Path, more: &[&str]) -> (i32, String, String) {
    let fixed = [
        "kustomization",
        "apps",
        "--path",
        "deploy",
        "--kustomization-file",
        "apps.yaml",
    ];
    build(folder, &[&fixed, more].concat())
}

#[test]
fn a_flux_kustomization_is_built_from_its_file_with_variables_labels_and_masked_secrets() {
    let app = folder(FLUX_APP);
    let (code, data, talk) = build_kustomization(app.path(), &[]);
    assert_eq!((code, talk.as_str()), (0, ""));
    let objects = objects(&data);
    let labels = json!({
        "team": "${keep}", "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system"
    });
    let metadata = |name: &str| json!({"name": name, "namespace": "shop", "labels": labels});
    let expected = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("eu-map"),
            "data": {"cluster": "in west", "region": "eu", "plain": "${x}"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("eu-login"),
            "stringData": {"password": "**SOPS**"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("eu-web"),
            "spec": {"replicas": 3}}),
    ];
    assert_eq!(objects, expected);
}

#[test]
fn variables_that_are_not_set_fail_only_when_that_is_asked_for() {
    let app = folder(FLUX_APP);
    let more =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: 'x${missing}'}\n";
    fs::write(app.path().join("deploy/z.yaml"), more).expect("a file");
    let (code, data, _) = build_kustomization(app.path(), &[]);
    assert_eq!(code, 0);
    assert!(
        objects(&data)
            .iter()
            .any(|object| object["data"]["a"] == "x"),
        "{data}"
    );
    let (code, data, talk) = build_kustomization(app.path(), &["--strict-substitute"]);
    assert_eq!((code, data.as_str()), (1, ""));
    let words = "error: post build failed for 'eu-more': envsubst error: variable substitution failed: variable not set (strict mode): \"missing\"\n";
    assert_eq!(talk, words);
}

#[test]
fn ignored_files_are_left_out_of_a_made_up_kustomization() {
    let app = folder(FLUX_APP);
    fs::write(app.path().join("deploy/.sourceignore"), "/secret.yaml\n").expect("a file");
    let (code, data, talk) =
        build_kustomization(app.path(), &["--ignore-paths", "more/**,nothing.yaml"]);
    assert_eq!((code, talk.as_str()), (0, ""));
    let kinds: Vec<_> = objects(&data)
        .iter()
        .map(|object| object["kind"].clone())
        .collect();
    assert_eq!(kinds, ["Deployment"]);
}

#[test]
fn a_dry_run_says_which_variables_it_does_not_read_and_asks_no_cluster() {
    let app = folder(FLUX_APP);
    let from = "    substituteFrom:\n    - {kind: ConfigMap, name: vars}\n    - {kind: Secret, name: secrets, optional: true}\n";
    fs::write(
        app.path().join("apps.yaml"),
        format!("{KUSTOMIZATION}{from}"),
    )
    .expect("a file");
    let (code, data, talk) = build_kustomization(app.path(), &["--dry-run"]);
    assert_eq!(code, 0);
    assert_eq!(
        talk,
        "note: a dry run reads no variables of ConfigMap/vars, Secret/secrets\n"
    );
    assert_eq!(objects(&data).len(), 3);
    let (code, _, talk) = build_kustomization(app.path(), &[]);
    assert_eq!(code, 1);
    assert!(talk.contains("hint: name a kubeconfig file"), "{talk}");
}

#[test]
fn what_is_not_carried_out_or_not_there_is_refused() {
    let app = folder(FLUX_APP);
    for flags in [
        &["--recursive"][..],
        &["-r"],
        &["--local-sources", "GitRepository/a/b=."],
    ] {
        let (code, _, talk) = build_kustomization(app.path(), flags);
        assert_eq!(code, 1);
        assert!(
            talk.contains("are refused: one Kustomization is built at a time"),
            "{talk}"
        );
    }
    let (code, _, talk) = build_kustomization(app.path(), &["-n", "other"]);
    assert_eq!(code, 1);
    assert!(
        talk.contains("`apps.yaml` holds no Kustomization `other/apps`"),
        "{talk}"
    );
    let (code, _, talk) = build(app.path(), &["ks", "apps", "--path", "deploy", "--dry-run"]);
    assert_eq!(code, 2);
    assert!(
        talk.contains("`--dry-run` needs `--kustomization-file`"),
        "{talk}"
    );
    let wrong = KUSTOMIZATION.replace("prune: true", "prune: often");
    fs::write(app.path().join("apps.yaml"), wrong).expect("a file");
    let (code, _, talk) = build_kustomization(app.path(), &[]);
    assert_eq!(code, 1);
    assert!(
        talk.starts_with("error: apps.yaml:6: not a Kustomization: "),
        "{talk}"
    );
}

#[test]
fn a_kustomization_and_its_variables_come_from_the_cluster_when_no_file_is_named() {
    let plane = crate::crds::installed();
    let namespace = plane.namespace("build");
    let from =
        "    substituteFrom: [{kind: ConfigMap, name: vars}, {kind: Secret, name: secrets}]\n";
    let object = format!("{KUSTOMIZATION}{from}")
        .replace("namespace: flux-system", &format!("namespace: {namespace}"));
    let variables = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars}\ndata: {cluster: other, region: us}\n---\n\
        apiVersion: v1\nkind: Secret\nmetadata: {name: secrets}\nstringData: {unused: '1'}\n";
    let app = folder(FLUX_APP);
    for text in [object.as_str(), variables] {
        fs::write(app.path().join("objects.yaml"), text).expect("a file");
        let file = app.path().join("objects.yaml");
        let file = file.to_str().expect("a path");
        plane.kubectl_ok(&["apply", "--namespace", &namespace, "-f", file]);
    }
    let kubeconfig = plane.kubeconfig_path();
    let kubeconfig = kubeconfig.to_str().expect("a path");
    let cluster = ["--namespace", &namespace, "--kubeconfig", kubeconfig];
    let ask = |name: &str| {
        build(
            app.path(),
            &[&["kustomization", name, "--path", "deploy"], &cluster[..]].concat(),
        )
    };
    let (code, data, talk) = ask("apps");
    assert_eq!((code, talk.as_str()), (0, ""));
    let map = objects(&data)
        .into_iter()
        .find(|object| object["kind"] == "ConfigMap");
    let expected = json!({"cluster": "in west", "region": "us", "plain": "${x}"});
    assert_eq!(map.expect("it is built")["data"], expected);
    let (code, data, talk) = ask("nothing");
    assert_eq!((code, data.as_str()), (1, ""));
    assert!(talk.contains("not found"), "{talk}");
}

/// Its start is most of a small build, and a movable program's start takes half as long again. Byte 16 of an ELF file is its
/// type: 2 lies at a fixed address, 3 anywhere.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn the_program_lies_at_a_fixed_address_unless_asked_to_be_movable() {
    let program = fs::read(env!("CARGO_BIN_EXE_highwater")).expect("it was built");
    let expected = match option_env!("HIGHWATER_PIE") {
        Some("1") => 3,
        _ => 2,
    };
    assert_eq!((&program[..4], program[16]), (&b"\x7fELF"[..], expected));
}

/// Most of `src/build/order.ld` has to be the names that the compiler gives: the functions have 300 kB and more then.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#[test]
fn the_functions_of_a_small_build_lie_together() {
    // A linker that somebody chose is left alone.
    if option_env!("HIGHWATER_ORDERED").is_none() {
        return;
    }
    let program = fs::read(env!("CARGO_BIN_EXE_highwater")).expect("it was built");
    let size = section_size(&program, ".text.build").expect("there is such a section");
    assert!(size > 300_000, "{size} bytes");
}

/// The size of a section of a 64-bit ELF file, as elf(5) describes it.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn section_size(program: &[u8], name: &str) -> Option<u64> {
    let number = |at: usize, bytes: usize| {
        let mut little = [0; 8];
        little[..bytes].copy_from_slice(&program[at..at + bytes]);
        usize::try_from(u64::from_le_bytes(little)).expect("it fits")
    };
    let (headers, size) = (number(0x28, 8), number(0x3a, 2));
    let (count, names) = (number(0x3c, 2), number(0x3e, 2));
    let names = number(headers + names * size + 0x18, 8);
    let header = (0..count).map(|index| headers + index * size).find(|at| {
        let text = &program[names + number(*at, 4)..];
        text.strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"\0"))
    })?;
    Some(number(header + 0x20, 8) as u64)
}
