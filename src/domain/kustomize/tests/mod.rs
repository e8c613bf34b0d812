mod bounds;
mod notes;

use super::*;
use crate::domain::tree::MapTree;
use serde_json::{Value, json};

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: app:1}]}\n";

fn tree(files: &[(&str, &str)]) -> MapTree {
    MapTree::from_texts(files.iter().copied())
}

fn objects(files: &[(&str, &str)], options: &Options) -> Result<Vec<Value>, String> {
    let built = build(&tree(files), "", options).map_err(|error| error.to_string())?;
    Ok(built
        .manifests
        .into_iter()
        .map(|manifest| manifest.object)
        .collect())
}

fn only(files: &[(&str, &str)], options: &Options) -> Value {
    let mut objects = objects(files, options).expect("it builds");
    assert_eq!(objects.len(), 1, "{objects:?}");
    objects.remove(0)
}

#[test]
fn a_folder_without_a_kustomization_is_built_as_flux_builds_it() {
    let other = CONFIG.replace("settings", "other");
    let files = [
        ("b.yaml", POD),
        ("a/settings.yml", CONFIG),
        ("a/readme.md", "no yaml"),
        (
            "a/own/kustomization.yaml",
            "resources: [x.yaml]\nnamespace: own\n",
        ),
        ("a/own/x.yaml", other.as_str()),
        ("a/own/left-out.yaml", POD),
        ("c/empty.yaml", "# nothing\n"),
    ];
    let built = build(&tree(&files), "", &Options::flux()).expect("it builds");
    let places: Vec<String> = built
        .manifests
        .iter()
        .filter_map(|manifest| manifest.source.as_ref().map(ToString::to_string))
        .collect();
    assert_eq!(places, ["a/own/x.yaml:1", "a/settings.yml:1", "b.yaml:1"]);
    assert_eq!(built.manifests[0].object["metadata"]["namespace"], "own");

    let error = build(&tree(&files), "", &Options::kubectl()).expect_err("kubectl refuses");
    assert!(matches!(error, BuildError::NoKustomization { .. }));
}

#[test]
fn a_generated_kustomization_refuses_yaml_that_is_no_object() {
    let files = [("a.yaml", CONFIG), ("values.yaml", "replicas: 3\n")];
    let error = objects(&files, &Options::flux());
    assert_eq!(
        error,
        Err("values.yaml:1: not a Kubernetes object: `apiVersion` is missing".to_owned())
    );
}

#[test]
fn an_empty_folder_and_an_empty_kustomization_build_to_nothing_for_flux() {
    assert_eq!(objects(&[], &Options::flux()), Ok(Vec::new()));
    let files = [("kustomization.yaml", "kind: Kustomization\n")];
    assert_eq!(objects(&files, &Options::flux()), Ok(Vec::new()));
    assert!(objects(&files, &Options::kubectl()).is_err());
}

#[test]
fn a_path_that_is_not_there_is_an_error() {
    let error = build(&tree(&[("a.yaml", CONFIG)]), "nowhere", &Options::flux());
    assert!(matches!(error, Err(BuildError::Root(_))));
    let error = build(&tree(&[("a.yaml", CONFIG)]), "../a", &Options::flux());
    assert!(matches!(error, Err(BuildError::Root(_))));
}

#[test]
fn a_path_inside_the_tree_is_built_with_files_from_elsewhere() {
    let files = [
        ("apps/kustomization.yaml", "resources: [../shared/a.yaml]\n"),
        ("shared/a.yaml", CONFIG),
    ];
    let built = build(&tree(&files), "./apps/", &Options::flux()).expect("Flux reads it");
    assert_eq!(built.manifests.len(), 1);
    assert!(build(&tree(&files), "apps", &Options::kubectl()).is_err());
}

#[test]
fn what_the_object_adds_is_laid_over_the_file() {
    let file = "resources: [a.yaml]\nnamespace: inner\nimages:\n- {name: app, newName: mirror/app, newTag: '2', digest: 'sha256:aa'}\n";
    let options = Options {
        target_namespace: Some("outer".to_owned()),
        images: vec![
            Image {
                name: "app".to_owned(),
                new_tag: "3".to_owned(),
                ..Image::default()
            },
            Image {
                name: "mirror/app".to_owned(),
                new_name: "next/app".to_owned(),
                ..Image::default()
            },
        ],
        patches: vec![Patch {
            patch: "\n- {op: add, path: /spec/hostname, value: web}\n".to_owned(),
            target: Some(PatchTarget {
                kind: "Pod".to_owned(),
                ..PatchTarget::default()
            }),
            ..Patch::default()
        }],
        common_labels: [("team".to_owned(), "red".to_owned())].into(),
        common_annotations: [("note".to_owned(), "1".to_owned())].into(),
        ..Options::flux()
    };
    let object = only(&[("kustomization.yaml", file), ("a.yaml", POD)], &options);
    assert_eq!(object["metadata"]["namespace"], "outer");
    assert_eq!(object["metadata"]["labels"], json!({"team": "red"}));
    assert_eq!(object["metadata"]["annotations"], json!({"note": "1"}));
    assert_eq!(object["spec"]["hostname"], "web");
    // The tag of the object clears the digest of the file, the name stays.
    assert_eq!(object["spec"]["containers"][0]["image"], "next/app:3");
}

#[test]
fn names_and_components_of_the_object_come_on_top_of_the_file() {
    let options = Options {
        name_prefix: Some("a-".to_owned()),
        name_suffix: Some("-z".to_owned()),
        components: vec!["../labels".to_owned(), "../gone".to_owned()],
        ignore_missing_components: true,
        ..Options::flux()
    };
    let component = |rest: &str| {
        format!("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n{rest}")
    };
    let files = [
        (
            "apps/kustomization.yaml",
            "resources: [a.yaml]\nnamePrefix: file-\ncomponents: [../first]\n".to_owned(),
        ),
        ("apps/a.yaml", CONFIG.to_owned()),
        (
            "first/kustomization.yaml",
            component("nameSuffix: -first\n"),
        ),
        (
            "labels/kustomization.yaml",
            component("labels: [{pairs: {team: red}}]\nnameSuffix: -second\n"),
        ),
    ];
    let tree = MapTree::from_texts(files.iter().map(|(path, text)| (*path, text.as_str())));
    let built = build(&tree, "apps", &options).expect("it builds");
    let metadata = &built.manifests[0].object["metadata"];
    assert_eq!(metadata["name"], "a-settings-first-second-z");
    assert_eq!(metadata["labels"]["team"], "red");

    let strict = Options {
        ignore_missing_components: false,
        ..options
    };
    let error = build(&tree, "apps", &strict).expect_err("a component is missing");
    assert_eq!(
        error.to_string(),
        "apps/kustomization.yaml:0: `spec.components[1]`"
    );
}

#[test]
fn a_component_from_elsewhere_is_refused() {
    for component in [
        "https://example.com/x",
        "github.com/acme/x",
        "/etc",
        "../..",
    ] {
        let options = Options {
            components: vec![component.to_owned()],
            ..Options::flux()
        };
        assert!(
            objects(&[("a.yaml", CONFIG)], &options).is_err(),
            "{component}"
        );
    }
}

#[test]
fn every_other_field_is_refused_by_name() {
    for (field, hint) in [
        ("transformer", "; hint: did you mean `transformers`?"),
        ("inventory", ""),
    ] {
        let file = format!("resources: []\n{field}: x\n");
        assert_eq!(
            objects(&[("kustomization.yaml", &file)], &Options::flux()),
            Err(format!(
                "kustomization.yaml:2: unknown field `{field}`{hint}"
            ))
        );
    }
}

#[test]
fn charts_are_refused_with_what_to_do_instead() {
    for field in ["helmCharts", "helmChartInflationGenerator"] {
        let file = format!("resources: []\n{field}:\n- name: web\n");
        let error =
            objects(&[("kustomization.yaml", &file)], &Options::flux()).expect_err("it is refused");
        let start = format!("kustomization.yaml:3: `{field}[0]`: charts are not inflated; hint: ");
        assert!(error.starts_with(&start), "{error}");
    }
    let files = [
        (
            "kustomization.yaml",
            "resources: [a.yaml]\nhelmCharts: []\nhelmGlobals: {chartHome: x}\n",
        ),
        ("a.yaml", CONFIG),
    ];
    only(&files, &Options::flux());
}

#[test]
fn deprecated_fields_work_and_are_told_with_their_place() {
    let files = [
        ("kustomization.yaml", "resources: [a]\nbases: [b]\n"),
        (
            "a/kustomization.yaml",
            "resources: [a.yaml]\nimageTags: []\n",
        ),
        ("a/a.yaml", CONFIG),
        ("b/kustomization.yaml", "resources: [b.yaml]\n"),
        ("b/b.yaml", POD),
    ];
    let built = build(&tree(&files), "", &Options::flux()).expect("it builds");
    assert_eq!(built.manifests.len(), 2);
    assert_eq!(
        built.warnings,
        [
            "kustomization.yaml:2: `bases` is deprecated; hint: use `resources`",
            "a/kustomization.yaml:2: `imageTags` is deprecated; hint: use `images`",
        ]
    );
}

#[test]
fn a_var_that_does_nothing_is_told_with_its_place() {
    let file = "resources: [a.yaml]
vars:
- name: NAME
  objref: {apiVersion: v1, kind: ConfigMap, name: noted}
- name: UNUSED
  objref: {apiVersion: v1, kind: ConfigMap, name: noted}
- name: WHOLE
  objref: {apiVersion: v1, kind: ConfigMap, name: noted}
  fieldref: {fieldPath: metadata}
";
    let noted = "apiVersion: v1
kind: ConfigMap
metadata: {name: noted, annotations: {a: $(NAME), b: $(WHOLE), c: $\u{e9} $(NAME)}}
";
    let files = tree(&[("kustomization.yaml", file), ("a.yaml", noted)]);
    let built = build(&files, "", &Options::flux()).expect("it builds");
    assert_eq!(
        built.warnings,
        [
            "kustomization.yaml:2: `vars` is deprecated; hint: use `replacements`",
            "kustomization.yaml:5: `vars[1]`: `$(UNUSED)` is never used",
            "kustomization.yaml:7: `vars[2]`: `$(WHOLE)` is a list or a mapping, which no text can hold",
        ]
    );
    assert_eq!(
        built.manifests[0].object["metadata"]["annotations"],
        json!({"a": "noted", "b": "$(WHOLE)", "c": "$\u{e9} noted"})
    );
}

#[test]
fn fields_are_found_without_regard_to_case_as_kustomize_finds_them() {
    let file = "Resources: [a.yaml]\nNameSpace: shop\n";
    let object = only(
        &[("kustomization.yaml", file), ("a.yaml", CONFIG)],
        &Options::flux(),
    );
    assert_eq!(object["metadata"]["namespace"], "shop");
}

#[test]
fn the_order_is_flux_or_kubectls() {
    let file = "resources: [pod.yaml, settings.yaml]\n";
    let files = [
        ("kustomization.yaml", file),
        ("pod.yaml", POD),
        ("settings.yaml", CONFIG),
    ];
    let kinds = |options: &Options| -> Vec<String> {
        let objects = objects(&files, options).expect("it builds");
        objects
            .iter()
            .map(|object| object["kind"].to_string())
            .collect()
    };
    assert_eq!(kinds(&Options::flux()), ["\"Pod\"", "\"ConfigMap\""]);
    assert_eq!(kinds(&Options::kubectl()), ["\"ConfigMap\"", "\"Pod\""]);
}

#[test]
fn an_error_in_a_patch_file_names_the_file() {
    let file = "resources: [a.yaml]\npatches:\n- path: broken.yaml\n";
    let files = [
        ("kustomization.yaml", file),
        ("a.yaml", CONFIG),
        ("broken.yaml", "a: [\n"),
    ];
    let error = objects(&files, &Options::flux()).expect_err("it is refused");
    assert!(
        error.starts_with("kustomization.yaml:3: `patches[0]`"),
        "{error}"
    );
    assert!(error.contains("broken.yaml"), "{error}");
}
