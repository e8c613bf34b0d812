use super::super::{BuildError, Built, Options, build};
use crate::domain::tree::MapTree;
use proptest::prelude::*;
use serde_json::json;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata: {a: b}\n";

fn built(files: &[(&str, &str)]) -> Result<Built, BuildError> {
    build(
        &MapTree::from_texts(files.iter().copied()),
        "",
        &Options::flux(),
    )
}

/// What a kustomization of one object with these fields is refused with.
fn refused(fields: &str) -> String {
    let file = format!("resources: [a.yaml]\n{fields}");
    let files = [("kustomization.yaml", file.as_str()), ("a.yaml", CONFIG)];
    built(&files).expect_err("it is refused").to_string()
}

#[test]
fn an_error_in_a_config_in_place_names_the_line_of_the_kustomization() {
    let error = refused(
        "transformers:\n- |\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata: {name: a}\n  labels: {a: b}\n  fieldSpecs:\n  - path: [x]\n",
    );
    assert_eq!(
        error,
        "kustomization.yaml:9: `LabelTransformer.fieldSpecs[0].path`: expected a string, found a list"
    );
}

#[test]
fn an_error_in_a_file_of_a_directory_names_the_file() {
    let files = [
        ("kustomization.yaml", "transformers: [steps]\n"),
        ("steps/kustomization.yaml", "resources: [step.yaml]\n"),
        (
            "steps/step.yaml",
            "apiVersion: builtin\nkind: ReplicaCountTransformer\nmetadata: {name: a}\nreplica: {count: x}\n",
        ),
    ];
    let error = built(&files).expect_err("it is refused").to_string();
    assert_eq!(
        error,
        "steps/step.yaml:4: `ReplicaCountTransformer.replica.count`: expected a whole number, found the string `x`"
    );
}

#[test]
fn what_would_start_a_program_is_refused_with_what_to_do_instead() {
    for (config, words) in [
        (
            "{apiVersion: example.com/v1, kind: Stamp, metadata: {name: a}}",
            "`Stamp`: `apiVersion: example.com/v1` names a program, and a build starts none; hint: use one of kustomize's own plugins (`apiVersion: builtin`), or commit what the program prints",
        ),
        (
            "{apiVersion: example.com/v1, kind: Stamp, metadata: {name: a, annotations: {config.kubernetes.io/function: x}}}",
            "`apiVersion: example.com/v1` names a function (a container, a program or Starlark)",
        ),
        (
            "{apiVersion: builtin, kind: HelmChartInflationGenerator, metadata: {name: a}}",
            "`HelmChartInflationGenerator`: charts are not inflated; hint: ",
        ),
    ] {
        for field in ["generators", "transformers", "validators"] {
            let error = refused(&format!("{field}:\n- \"{config}\"\n"));
            assert!(error.contains(words), "{error}");
        }
    }
}

#[test]
fn every_kind_of_plugin_is_told_apart_by_its_field() {
    for kind in super::generators::KINDS {
        let config = format!("\"{{apiVersion: builtin, kind: {kind}, metadata: {{name: a}}}}\"");
        let error = refused(&format!("transformers: [{config}]\n"));
        assert!(
            error.ends_with("hint: name it under `generators`"),
            "{error}"
        );
    }
    for kind in super::transformers::KINDS {
        let config = format!("\"{{apiVersion: builtin, kind: {kind}, metadata: {{name: a}}}}\"");
        let error = refused(&format!("generators: [{config}]\n"));
        assert!(
            error.ends_with("hint: name it under `transformers`"),
            "{error}"
        );
    }
}

#[test]
fn warnings_of_a_directory_of_configs_are_told() {
    let files = [
        ("kustomization.yaml", "generators: [steps]\n"),
        ("steps/kustomization.yaml", "bases: [step.yaml]\n"),
        (
            "steps/step.yaml",
            "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: a}\nliterals: [b=c]\n",
        ),
    ];
    let built = built(&files).expect("it builds");
    assert_eq!(built.manifests[0].object["data"], json!({"b": "c"}));
    assert_eq!(built.warnings.len(), 1, "{:?}", built.warnings);
}

#[test]
fn a_directory_of_configs_is_not_one_that_leads_to_it() {
    let files = [
        ("a/kustomization.yaml", "transformers: [../b]\n"),
        ("b/kustomization.yaml", "transformers: [../a]\n"),
    ];
    let tree = MapTree::from_texts(files.iter().copied());
    let error = build(&tree, "a", &Options::flux()).expect_err("it is refused");
    assert!(matches!(error, BuildError::Cycle { .. }), "{error}");
}

#[test]
fn steps_in_many_fields_of_many_objects_are_bounded() {
    let specs = "{path: metadata/labels},".repeat(30_000);
    let step = format!(
        "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {{name: a}}\nlabels: {{a: b}}\nfieldSpecs: [{specs}]\n"
    );
    let objects: String = (0..1_000)
        .map(|index| {
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: o{index}}}\n---\n")
        })
        .collect();
    let files = [
        (
            "kustomization.yaml",
            "resources: [a.yaml]\ntransformers: [step.yaml]\n",
        ),
        ("a.yaml", objects.as_str()),
        ("step.yaml", step.as_str()),
    ];
    let error = built(&files).expect_err("it is too much");
    assert!(matches!(error, BuildError::TooLarge { .. }), "{error}");
}

proptest! {
    #[test]
    fn no_config_makes_the_build_panic(
        kind in proptest::sample::select(
            super::transformers::KINDS
                .into_iter()
                .chain(super::generators::KINDS)
                .collect::<Vec<_>>(),
        ),
        body in "(fieldSpecs|labels|prefix|imageTag|replica|targets|value|patch|paths|replacements|literals|target): [a-z.\\[\\]{}:, \n\"'&*<0-9-]{0,60}",
    ) {
        let config = format!("apiVersion: builtin\nkind: {kind}\nmetadata: {{name: a}}\n{body}\n");
        for field in ["generators", "transformers", "validators"] {
            let file = format!("resources: [a.yaml]\n{field}: [step.yaml]\n");
            let files = [
                ("kustomization.yaml", file.as_str()),
                ("a.yaml", CONFIG),
                ("step.yaml", config.as_str()),
            ];
            let _ = built(&files);
        }
    }
}
