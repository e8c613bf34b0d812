//! Where an object comes from and what changed it, as kustomize writes it into annotations.
//!
//! Invariant: the text is kustomize's, byte for byte, for every path of printable characters;
//! reading it takes whatever kustomize takes. What is absent: when it is written.

use super::decode::Fields;
use super::go_yaml;
use super::remote::RepositoryUrl;
use super::resource::Resource;
use crate::domain::manifest::{Mapping, Node, Rules, ScalarKind, documents};

/// A file, or a step that is configured in a file. Empty texts are not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The file, from the directory that is built, or from the root of the repository.
    pub(super) path: String,
    /// The repository, unless it is the one that is built.
    pub(super) repo: String,
    /// The branch, tag or commit of the repository.
    pub(super) reference: String,
    /// The file that configures the step.
    configured_in: String,
    /// The step, as an object.
    configured_by: Step,
}

/// What identifies the object that configures a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Step {
    api_version: String,
    kind: String,
    name: String,
    namespace: String,
}

impl Origin {
    /// What `name` leads to from the directory this is the origin of.
    pub(super) fn append(&self, name: &str) -> Self {
        if let Some(repository) = RepositoryUrl::parse(name) {
            return self.of_repository(&repository);
        }
        Self {
            path: clean(&format!("{}/{name}", or_here(&self.path))),
            ..self.clone()
        }
    }

    /// A directory of another repository.
    fn of_repository(&self, repository: &RepositoryUrl) -> Self {
        let path = repository.path.trim_start_matches('/');
        Self {
            // kustomize cuts the name of its clone's folder off; of a root there is nothing to cut it from.
            path: clean(if path.is_empty() { "notCloned" } else { path }),
            repo: repository.clone_url.clone(),
            reference: repository.reference.clone().unwrap_or_default(),
            ..self.clone()
        }
    }

    /// The builtin step `kind` that `file` configures, in the directory this is the origin of.
    pub(super) fn of_builtin(&self, file: &str, kind: &str) -> Self {
        Self {
            path: String::new(),
            configured_in: self.append(file).path,
            configured_by: Step {
                api_version: "builtin".to_owned(),
                kind: kind.to_owned(),
                ..Step::default()
            },
            ..self.clone()
        }
    }

    /// The step that the object `config`, which has this origin, configures.
    pub(super) fn of_plugin(self, config: &Resource) -> Self {
        Self {
            path: String::new(),
            configured_in: self.path,
            configured_by: Step {
                api_version: config.text("apiVersion").to_owned(),
                kind: config.text("kind").to_owned(),
                name: config.name().to_owned(),
                namespace: config.namespace().to_owned(),
            },
            ..self
        }
    }

    /// Reads the text of one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match &root(text)? {
            node if node.is_null() => Ok(Self::default()),
            Node::Mapping(mapping) => Self::read(mapping),
            _ => Err("expected a mapping".to_owned()),
        }
    }

    fn read(mapping: &Mapping) -> Result<Self, String> {
        let text = |name| text(mapping, name, Loose::Yes);
        let configured_by = match fields(mapping).get("configuredBy").map(|at| at.node) {
            None => Step::default(),
            Some(Node::Mapping(step)) => Step::read(step)?,
            Some(_) => return Err("`configuredBy`: expected a mapping".to_owned()),
        };
        Ok(Self {
            path: text("path")?,
            repo: text("repo")?,
            reference: text("ref")?,
            configured_in: text("configuredIn")?,
            configured_by,
        })
    }

    /// The text of the annotation.
    pub(super) fn to_text(&self) -> String {
        let mut text = self.lines().join("\n");
        text.push('\n');
        text
    }

    /// The text of one item of a list.
    pub(super) fn to_item(&self) -> String {
        let mut text = format!("- {}", self.lines().join("\n  "));
        text.push('\n');
        text
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = written([
            ("path", &self.path),
            ("repo", &self.repo),
            ("ref", &self.reference),
            ("configuredIn", &self.configured_in),
        ]);
        let step = written([
            ("  apiVersion", &self.configured_by.api_version),
            ("  kind", &self.configured_by.kind),
            ("  name", &self.configured_by.name),
            ("  namespace", &self.configured_by.namespace),
        ]);
        if !step.is_empty() {
            lines.push("configuredBy:".to_owned());
            lines.extend(step);
        }
        if lines.is_empty() {
            lines.push("{}".to_owned());
        }
        lines
    }
}

impl Step {
    fn read(mapping: &Mapping) -> Result<Self, String> {
        let text = |name| text(mapping, name, Loose::No);
        Ok(Self {
            api_version: text("apiVersion")?,
            kind: text("kind")?,
            name: text("name")?,
            namespace: text("namespace")?,
        })
    }
}

fn written(fields: [(&str, &String); 4]) -> Vec<String> {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}: {}", go_yaml::scalar(value)))
        .collect()
}

/// Reads the text of a list of steps and writes it as kustomize does.
pub(super) fn parse_steps(text: &str) -> Result<String, String> {
    let items = match root(text)? {
        node if node.is_null() => return Ok(String::new()),
        Node::Sequence(items) => items,
        _ => return Err("expected a list".to_owned()),
    };
    let item = |node: &Node| match node {
        Node::Mapping(mapping) => Ok(Origin::read(mapping)?.to_item()),
        node if node.is_null() => Ok("- null\n".to_owned()),
        _ => Err("expected a list of mappings".to_owned()),
    };
    items.iter().map(item).collect()
}

fn root(text: &str) -> Result<Node, String> {
    let documents = documents("annotation", text.as_bytes(), Rules::Kubernetes)
        .map_err(|error| error.to_string())?;
    let first = documents.into_iter().next();
    Ok(first.map_or_else(Node::null, |document| document.root))
}

fn fields(mapping: &Mapping) -> Fields<'_> {
    Fields {
        file: "",
        path: String::new(),
        mapping,
        open: false,
    }
}

/// Whether a number or a boolean reads as its text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loose {
    Yes,
    No,
}

/// The text of a field.
fn text(mapping: &Mapping, name: &str, loose: Loose) -> Result<String, String> {
    match fields(mapping).get(name).map(|at| at.node) {
        None => Ok(String::new()),
        Some(Node::Scalar(scalar)) if scalar.kind == ScalarKind::Text => {
            Ok(scalar.text.to_string())
        }
        Some(node @ Node::Scalar(_)) if loose == Loose::Yes => {
            let value = node.to_json().map_err(|error| error.to_string())?;
            Ok(value.to_string())
        }
        Some(_) => Err(format!("`{name}`: expected a string")),
    }
}

fn or_here(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

/// The shortest path that leads to the same, as Go's `path.Clean` gives it.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    or_here(&parts.join("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::Source;

    fn base() -> Origin {
        Origin::default().append("../base")
    }

    #[test]
    fn paths_are_told_from_the_directory_that_is_built() {
        for (directory, name, path) in [
            ("", "a.yaml", "a.yaml"),
            ("", "./a/../b.yaml", "b.yaml"),
            ("../base", "a.yaml", "../base/a.yaml"),
            ("../base", "../../c//d.yaml", "../../c/d.yaml"),
            ("apps", "../apps/", "apps"),
            ("apps", "..", "."),
        ] {
            let origin = Origin::default().append(directory).append(name);
            assert_eq!(origin.path, path);
            assert_eq!(origin.to_text(), format!("path: {path}\n"));
        }
    }

    #[test]
    fn what_lies_in_a_repository_is_told_from_its_root() {
        let base = base().append("https://example.com/org/repo//apps/./web/?ref=v1");
        let text =
            |path: &str| format!("path: {path}\nrepo: https://example.com/org/repo\nref: v1\n");
        assert_eq!(base.to_text(), text("apps/web"));
        assert_eq!(base.append("../a.yaml").to_text(), text("apps/a.yaml"));
        let root = base.append("https://example.com/org/other");
        assert_eq!(
            root.append("a.yaml").to_text(),
            "path: notCloned/a.yaml\nrepo: https://example.com/org/other\n"
        );
    }

    #[test]
    fn a_step_tells_where_it_is_configured() {
        let step = base().of_builtin("kustomization.yaml", "PatchTransformer");
        let text = "configuredIn: ../base/kustomization.yaml\nconfiguredBy:\n  apiVersion: builtin\n  kind: PatchTransformer\n";
        assert_eq!(step.to_text(), text);
        assert_eq!(Origin::parse(text), Ok(step.clone()));
        let item = "- configuredIn: ../base/kustomization.yaml\n  configuredBy:\n    apiVersion: builtin\n    kind: PatchTransformer\n";
        assert_eq!(step.to_item(), item);
        assert_eq!(parse_steps(&item.repeat(3)), Ok(item.repeat(3)));
    }

    #[test]
    fn a_plugin_is_told_by_the_object_that_configures_it() {
        let text = "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: front, namespace: shop}\n";
        let mut read = documents("p.yaml", text.as_bytes(), Rules::Kustomize).expect("it parses");
        let source = Source {
            file: "p.yaml".to_owned(),
            line: 1,
        };
        let config = Resource::new(read.remove(0).root, source);
        let origin = Origin {
            repo: "https://example.com/r".to_owned(),
            reference: "main".to_owned(),
            ..base().append("p.yaml")
        };
        assert_eq!(
            origin.of_plugin(&config).to_text(),
            "repo: https://example.com/r\nref: main\nconfiguredIn: ../base/p.yaml\nconfiguredBy:\n  apiVersion: builtin\n  kind: PrefixTransformer\n  name: front\n  namespace: shop\n"
        );
    }

    #[test]
    fn what_others_wrote_is_read_as_kustomize_reads_it() {
        let odd = "{PATH: 5, ref: true, more: [1], configuredby: {Kind: X, name: null}}";
        assert_eq!(
            Origin::parse(odd).map(|origin| origin.to_text()),
            Ok("path: \"5\"\nref: \"true\"\nconfiguredBy:\n  kind: X\n".to_owned())
        );
        assert_eq!(
            Origin::parse("").map(|origin| origin.to_text()),
            Ok("{}\n".to_owned())
        );
        assert_eq!(
            parse_steps("[{path: a}, null, {}]"),
            Ok("- path: a\n- null\n- {}\n".to_owned())
        );
        assert_eq!(parse_steps("# none\n"), Ok(String::new()));
        for refused in [
            "own",
            "[]",
            "path: []",
            "configuredBy: x",
            "path: {",
            "5",
            "configuredBy: {name: 5}",
        ] {
            assert!(Origin::parse(refused).is_err(), "{refused}");
        }
        for refused in ["own", "path: a", "[own]", "[{path: []}]"] {
            assert!(parse_steps(refused).is_err(), "{refused}");
        }
    }
}
