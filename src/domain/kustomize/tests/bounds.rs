//! Builds that would not end, and text that is none.

use super::*;
use proptest::prelude::*;

#[test]
fn vars_that_multiply_are_stopped() {
    let long = "x".repeat(100_000);
    let many = "$(A)".repeat(100);
    let noted = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: noted, annotations: {{a: {many}, b: {many}, c: {many}, d: {many}}}}}\ndata: {{long: {long}}}\n"
    );
    let file = "resources: [a.yaml]
vars:
- name: A
  objref: {apiVersion: v1, kind: ConfigMap, name: noted}
  fieldref: {fieldPath: data.long}
";
    let files = [("kustomization.yaml", file), ("a.yaml", noted.as_str())];
    let error = objects(&files, &Options::flux()).expect_err("it is refused");
    assert_eq!(
        error,
        "kustomization.yaml: more than 32000000 bytes of texts with vars in them, which is more than is built at once"
    );
}

#[test]
fn configurations_without_end_are_stopped() {
    let fields: String = (0..3_000)
        .map(|index| format!("- path: spec/{index}\n"))
        .collect();
    let fields = format!("images:\n{fields}");
    let files = [
        (
            "kustomization.yaml",
            "resources: [a.yaml]\nconfigurations: [fields.yaml]\n",
        ),
        ("a.yaml", CONFIG),
        ("fields.yaml", fields.as_str()),
    ];
    assert_eq!(
        objects(&files, &Options::flux()),
        Err(
            "kustomization.yaml:2: `configurations[0]`: fields.yaml: more than 2500 fields"
                .to_owned()
        )
    );
}

#[test]
fn a_long_chain_of_directories_ends() {
    let files: Vec<(String, String)> = (0..200)
        .map(|level| {
            let text = format!("resources: [../d{}]\n", level + 1);
            (format!("d{level}/kustomization.yaml"), text)
        })
        .collect();
    let tree = MapTree::from_texts(
        files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    );
    let error = build(&tree, "d0", &Options::flux()).expect_err("it is too deep");
    assert!(matches!(error, BuildError::TooLarge { .. }), "{error}");
}

#[test]
fn directories_that_multiply_are_stopped() {
    // Each of 30 levels names the next one many times: 10^30 loads if nobody counted.
    let mut files: Vec<(String, String)> = (0..30)
        .map(|level| {
            let again = format!("- ../d{}\n", level + 1).repeat(10);
            (
                format!("d{level}/kustomization.yaml"),
                format!("resources:\n{again}"),
            )
        })
        .collect();
    files.push((
        "d30/kustomization.yaml".to_owned(),
        "resources: []\n".to_owned(),
    ));
    let tree = MapTree::from_texts(
        files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    );
    let error = build(&tree, "d0", &Options::flux()).expect_err("it is too much");
    assert!(
        error.to_string().contains("more than 10000 kustomizations"),
        "{error}"
    );
}

#[test]
fn a_list_too_long_to_match_is_refused() {
    let many: String = (0..10_001)
        .map(|item| format!("{{name: e{item}}},"))
        .collect();
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{containers: [{{name: a, env: [{many}]}}]}}\n"
    );
    let file = "resources: [a.yaml]\npatches:\n- patch: |\n    {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, env: [{name: x}]}]}}\n";
    let error = objects(
        &[("kustomization.yaml", file), ("a.yaml", &pod)],
        &Options::flux(),
    );
    assert!(error.is_err_and(|error| error.contains("steps of work")));
}

#[test]
fn a_value_that_is_copied_into_itself_ends() {
    let entry = |target: &str| {
        format!(
            "- source: {{kind: Pod, fieldPath: spec}}\n  targets: [{{select: {{kind: Pod}}, fieldPaths: [{target}], options: {{create: true}}}}]\n"
        )
    };
    let twice: String = (0..60)
        .map(|index| entry(&format!("spec.a{index}")))
        .collect();
    let deep = entry("spec.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a").repeat(60);
    for (entries, words) in [(twice, "bytes of generated data"), (deep, "levels deep")] {
        let file = format!("resources: [a.yaml]\nreplacements:\n{entries}");
        let files = [("kustomization.yaml", file.as_str()), ("a.yaml", POD)];
        let error = objects(&files, &Options::flux()).expect_err("it is too much");
        assert!(error.contains(words), "{error}");
    }
}

proptest! {
    #[test]
    fn no_kustomization_file_makes_the_build_panic(
        text in "(resources|patches|images|labels|namespace|sortOptions|kind|components|replicas|replacements|configMapGenerator|secretGenerator|namePrefix): [a-z.\\[\\]{}:, \n\"'&*<-]{0,60}",
        object in "[a-zA-Z/.\\[\\]{}:, \n\"'&*<-]{0,60}",
    ) {
        let files = [("kustomization.yaml", text.as_str()), ("a.yaml", object.as_str())];
        let _ = build(&tree(&files), "", &Options::flux());
        let _ = build(&tree(&files[1..]), "", &Options::flux());
    }

    #[test]
    fn no_patch_makes_the_build_panic(
        patch in "[a-z$/.\\[\\]{}:, \n\"'-]{1,60}",
        target in proptest::option::of("[a-z|()*.+?\\[\\]^$]{0,8}"),
    ) {
        let options = Options {
            patches: vec![Patch {
                patch,
                target: target.map(|name| PatchTarget { name, ..PatchTarget::default() }),
                ..Patch::default()
            }],
            ..Options::flux()
        };
        let _ = build(&tree(&[("a.yaml", POD)]), "", &options);
    }
}
