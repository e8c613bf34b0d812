//! Builds whose remote bases and files stand in a table.

use super::*;
use crate::domain::kustomize::{BuildError, Options, build_repository, build_with};
use crate::domain::outcome::with_causes;
use crate::domain::tree::MapTree;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Repositories by clone URL and reference, files by URL.
#[derive(Default)]
struct Table {
    trees: BTreeMap<String, MapTree>,
    files: BTreeMap<String, String>,
}

impl Remotes for Table {
    fn tree(&self, repository: &RepositoryUrl) -> Result<Arc<dyn FileTree>, RemoteError> {
        let reference = repository.reference.as_deref().unwrap_or("HEAD");
        let key = format!("{} {reference}", repository.clone_url);
        match self.trees.get(&key) {
            Some(tree) => Ok(Arc::new(tree.clone())),
            None => Err(RemoteError::Failed(format!("no repository `{key}`"))),
        }
    }

    fn file(&self, url: &str) -> Result<Vec<u8>, RemoteError> {
        let found = self.files.get(url);
        found
            .map(|text| text.as_bytes().to_vec())
            .ok_or(RemoteError::Status(404))
    }
}

impl Table {
    fn repository(mut self, key: &str, files: &[(&str, &str)]) -> Self {
        let tree = MapTree::from_texts(files.iter().copied());
        self.trees.insert(key.to_owned(), tree);
        self
    }

    fn file(mut self, url: &str, text: &str) -> Self {
        self.files.insert(url.to_owned(), text.to_owned());
        self
    }

    fn build(&self, files: &[(&str, &str)], options: &Options) -> Result<Vec<String>, String> {
        let tree = MapTree::from_texts(files.iter().copied());
        told(build_with(&tree, "", options, self))
    }
}

/// The names of the objects, or the words of the error.
fn told(built: Result<crate::domain::kustomize::Built, BuildError>) -> Result<Vec<String>, String> {
    let name = |manifest: crate::domain::manifest::Manifest| manifest.id().name;
    built
        .map(|built| built.manifests.into_iter().map(name).collect())
        .map_err(|error| with_causes(&error))
}

fn map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

fn base(name: &str) -> Vec<(String, String)> {
    vec![
        (
            "kustomization.yaml".to_owned(),
            "resources: [map.yaml]\n".to_owned(),
        ),
        ("map.yaml".to_owned(), map(name)),
    ]
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(a, b)| (&**a, &**b)).collect()
}

#[test]
fn a_url_is_a_file_first_and_a_repository_second() {
    let table = Table::default()
        .repository("https://host/o/r HEAD", &borrowed(&base("repository")))
        .repository(
            "https://host/o/page HEAD",
            &borrowed(&base("behind-a-page")),
        )
        .repository("https://host/o/file HEAD", &borrowed(&base("hidden")))
        .file("https://host/o/page", "<html>&nbsp;: [</html>")
        .file("https://host/o/file", &map("file"));
    let built = |entry: &str| {
        let text = format!("resources: [\"{entry}\"]\n");
        table.build(&[("kustomization.yaml", &text)], &Options::kubectl())
    };
    assert_eq!(built("https://host/o/r"), Ok(vec!["repository".to_owned()]));
    assert_eq!(
        built("https://host/o/page"),
        Ok(vec!["behind-a-page".to_owned()])
    );
    assert_eq!(built("https://host/o/file"), Ok(vec!["file".to_owned()]));
    let neither = built("https://host/o/nothing").expect_err("nothing is there");
    assert_eq!(
        neither,
        "kustomization.yaml:1: `resources[0]`: `https://host/o/nothing` cannot be fetched: it is no file of objects (the server answered with status 404), and no repository: no repository `https://host/o/nothing HEAD`"
    );
}

#[test]
fn a_file_of_the_tree_comes_before_a_repository_and_a_directory_after_it() {
    let table = Table::default().repository("a@b/c/d HEAD", &borrowed(&base("repository")));
    let files = |name: &'static str| {
        let text = format!("resources: [\"{name}\"]\n");
        [
            ("kustomization.yaml".to_owned(), text),
            (
                "a@b/c/d/kustomization.yaml".to_owned(),
                "nonsense".to_owned(),
            ),
            ("a@b/c.yaml/d".to_owned(), map("file")),
        ]
    };
    let built = |name| table.build(&borrowed(&files(name)), &Options::kubectl());
    assert_eq!(built("a@b/c/d"), Ok(vec!["repository".to_owned()]));
    assert_eq!(built("a@b/c.yaml/d"), Ok(vec!["file".to_owned()]));
}

#[test]
fn a_repository_is_restricted_whatever_the_options_say() {
    let table = Table::default().repository(
        "https://host/o/r HEAD",
        &[
            ("a/kustomization.yaml", "resources: [../map.yaml]\n"),
            ("map.yaml", &map("beside")),
        ],
    );
    let files = [("kustomization.yaml", "resources: [https://host/o/r/a]\n")];
    let error = table.build(&files, &Options::flux());
    let error = error.expect_err("the file lies beside the base");
    assert_eq!(
        error,
        "https://host/o/r//a/kustomization.yaml:1: `resources[0]`: `map.yaml` is not in or below `a`; hint: only directories may lie elsewhere"
    );
}

#[test]
fn the_depth_is_bounded_through_repositories_too() {
    let mut table = Table::default();
    for number in 0..100 {
        let next = format!("resources: [\"https://host/o/{}\"]\n", number + 1);
        let key = format!("https://host/o/{number} HEAD");
        table = table.repository(&key, &[("kustomization.yaml", &next)]);
    }
    let files = [("kustomization.yaml", "resources: [\"https://host/o/0\"]\n")];
    let error = table.build(&files, &Options::kubectl());
    let error = error.expect_err("it is too deep");
    assert!(
        error.contains(": more than 64 directories in a row"),
        "{error}"
    );
}

#[test]
fn a_repository_is_built_as_if_it_were_named() {
    let table = Table::default().repository(
        "https://host/o/r v1",
        &[
            (
                "a/kustomization.yaml",
                "resources: [../b, \"https://host/o/r//a?ref=v1\"]\n",
            ),
            ("b/kustomization.yaml", "resources: [map.yaml]\n"),
            ("b/map.yaml", &map("b")),
        ],
    );
    let built = |entry: &str| {
        let repository = RepositoryUrl::parse(entry).expect("a repository");
        told(build_repository(&repository, &Options::kubectl(), &table))
    };
    assert_eq!(
        built("https://host/o/r//b?ref=v1"),
        Ok(vec!["b".to_owned()])
    );
    let cycle = built("https://host/o/r//a?ref=v1").expect_err("it names itself");
    assert!(cycle.contains("the directory that includes it"), "{cycle}");
    let absent = built("https://host/o/r?ref=v2").expect_err("it is not there");
    assert_eq!(
        absent,
        "`https://host/o/r?ref=v2` cannot be fetched: no repository `https://host/o/r v2`"
    );
}

#[test]
fn components_of_a_flux_object_are_paths() {
    let table = Table::default();
    for component in ["https://host/x", "https://host/o/r", "git@host:o/r"] {
        let options = Options {
            components: vec![component.to_owned()],
            ..Options::flux()
        };
        let error = table.build(&[("map.yaml", &map("a"))], &options);
        let error = error.expect_err("Flux refuses it");
        assert!(
            error.contains("`spec.components[0]`: expected a path"),
            "{error}"
        );
    }
}

/// Answers everything, and remembers what it was asked for.
#[derive(Default)]
struct Everything(Mutex<Vec<String>>);

impl Everything {
    fn note(&self, asked: String) {
        self.0.lock().expect("no panic before").push(asked);
    }
}

impl Remotes for Everything {
    fn tree(&self, repository: &RepositoryUrl) -> Result<Arc<dyn FileTree>, RemoteError> {
        self.note(repository.to_string());
        Ok(Arc::new(MapTree::default()))
    }

    fn file(&self, url: &str) -> Result<Vec<u8>, RemoteError> {
        self.note(url.to_owned());
        Err(RemoteError::Status(404))
    }
}

fn repository(entry: &str) -> RepositoryUrl {
    RepositoryUrl::parse(entry).expect("a repository")
}

#[test]
fn each_repository_and_reference_is_asked_for_once() {
    let everything = Everything::default();
    let fetches = Fetches::new(&everything);
    for entry in [
        "https://host/o/r//a?ref=v1",
        "https://host/o/r//b?ref=v1&timeout=5",
        "https://host/o/r//a?ref=v2",
        "https://host/o/r//a",
    ] {
        assert!(fetches.tree(&repository(entry)).is_ok());
    }
    for _ in 0..2 {
        let answer = fetches.file("https://host/x.yaml");
        assert_eq!(answer, Err(RemoteError::Status(404)));
    }
    assert_eq!(
        *everything.0.lock().expect("no panic before"),
        [
            "https://host/o/r//a?ref=v1",
            "https://host/o/r//a?ref=v2",
            "https://host/o/r//a",
            "https://host/x.yaml"
        ]
    );
}

#[test]
fn one_build_fetches_a_bounded_number() {
    let everything = Everything::default();
    let fetches = Fetches::new(&everything);
    for number in 0..FETCHES {
        let fetched = fetches.tree(&repository(&format!("https://host/o/{number}")));
        assert!(fetched.is_ok());
    }
    let refused = fetches.file("https://host/x.yaml");
    assert_eq!(
        refused.expect_err("it is one too many").to_string(),
        "one build fetches at most 256 repositories and files"
    );
    assert!(fetches.tree(&repository("https://host/o/0")).is_ok());
    assert_eq!(everything.0.lock().expect("no panic before").len(), FETCHES);
}
