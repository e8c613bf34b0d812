//! Directories that include one another.

use super::{Case, Files, case, config_maps, deployments, files, many};

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let groups = [cycles(), repetition(), layers(), bases()];
    groups.into_iter().flatten()
}

fn include(files: &mut Files, path: &str, text: String) {
    files.insert(format!("{path}/kustomization.yaml"), text.into_bytes());
}

fn cycles() -> Vec<Case> {
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
    ]
}

fn repetition() -> Vec<Case> {
    vec![
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
    ]
}

fn layers() -> Vec<Case> {
    vec![
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
    ]
}

fn bases() -> Vec<Case> {
    vec![
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
