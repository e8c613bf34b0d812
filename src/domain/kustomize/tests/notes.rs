//! What a build notes on objects: where they come from, and what changed them.

use super::*;

fn notes(object: &Value) -> Value {
    object["metadata"]["annotations"].clone()
}

#[test]
fn flux_notes_origins_where_a_file_lists_no_resources() {
    let generator = "configMapGenerator:\n- name: made\n  options: {disableNameSuffixHash: true}\n";
    let origin = |by: &str| json!({"config.kubernetes.io/origin": by});
    let made = "configuredIn: kustomization.yaml\nconfiguredBy:\n  apiVersion: builtin\n  kind: ConfigMapGenerator\n";
    let asks = format!("{generator}buildMetadata: [managedByLabel]\n");
    for file in [generator, &asks] {
        let object = only(&[("kustomization.yaml", file)], &Options::flux());
        assert_eq!(notes(&object), origin(made), "{file}");
        assert_eq!(object["metadata"]["labels"], Value::Null, "{file}");
        let object = only(&[("kustomization.yaml", file)], &Options::kubectl());
        assert_eq!(notes(&object), Value::Null, "{file}");
    }
    let base = [
        ("apps/kustomization.yaml", "bases: [../base]\n"),
        ("base/kustomization.yaml", "resources: [a.yaml]\n"),
        ("base/a.yaml", CONFIG),
    ];
    let built = build(&tree(&base), "apps", &Options::flux()).expect("it builds");
    assert_eq!(
        notes(&built.manifests[0].object),
        origin("path: ../base/a.yaml\n")
    );
    for listed in [
        &[
            ("kustomization.yaml", "resources: [a.yaml]\n"),
            ("a.yaml", CONFIG),
        ][..],
        &[("a.yaml", CONFIG)],
    ] {
        assert_eq!(notes(&only(listed, &Options::flux())), Value::Null);
    }
}

#[test]
fn what_the_object_wants_noted_replaces_what_the_file_wants() {
    let options = Options {
        build_metadata: vec![
            "originAnnotations".to_owned(),
            "transformerAnnotations".to_owned(),
        ],
        target_namespace: Some("shop".to_owned()),
        ..Options::flux()
    };
    let step = "- configuredIn: kustomization.yaml\n  configuredBy:\n    apiVersion: builtin\n    kind: NamespaceTransformer\n";
    let expected = json!({
        "config.kubernetes.io/origin": "path: a/b.yaml\n",
        "alpha.config.kubernetes.io/transformations": step,
    });
    let file = "resources: [a/b.yaml]\nbuildMetadata: [managedByLabel]\n";
    for files in [
        &[("kustomization.yaml", file), ("a/b.yaml", CONFIG)][..],
        &[("a/b.yaml", CONFIG)],
    ] {
        let object = only(files, &options);
        assert_eq!(notes(&object), expected);
        assert_eq!(object["metadata"]["labels"], Value::Null);
    }
}

#[test]
fn what_the_object_wants_on_every_object_is_seen_by_no_step_and_noted_by_none() {
    let options = Options {
        build_metadata: vec!["transformerAnnotations".to_owned()],
        common_annotations: [("config.kubernetes.io/origin".to_owned(), "mine".to_owned())].into(),
        ..Options::flux()
    };
    let files = [("a.yaml", CONFIG)];
    assert_eq!(
        notes(&only(&files, &options)),
        json!({"config.kubernetes.io/origin": "mine"})
    );
}

#[test]
fn notes_that_multiply_are_stopped() {
    let images = "- name: x\n".repeat(3000);
    let file = format!("resources: [a.yaml]\nbuildMetadata: [x]\nimages:\n{images}");
    let many: String = (0..200)
        .map(|index| format!("---\n{}", CONFIG.replace("settings", &format!("c{index}"))))
        .collect();
    let files = [("kustomization.yaml", file.as_str()), ("a.yaml", &many)];
    let error = objects(&files, &Options::flux()).expect_err("it is too much");
    assert!(
        error.contains("notes, which is more than is built at once"),
        "{error}"
    );
}
