//! The `images` step: names, tags and digests of container images.
//!
//! Invariant: an image is changed where its name without tag and digest is the entry's `name`;
//! custom resource definitions are left alone. As in kustomize v5.8.1 the places of built-in kinds
//! are gone through twice, so a `tagSuffix` is added twice there. What is absent: a registry.

use super::Image;
use super::budget::Budget;
use super::decode::{At, Located};
use super::error::BuildError;
use super::expression::{behind, compile, is_plain};
use super::field_path::made;
use super::field_spec::{Create, FieldSpec};
use super::resource::Resource;
use super::ties;
use crate::domain::manifest::Node;
use crate::domain::pattern::{Pattern, PatternError};

const STEP: &str = "images";

/// The fields of the built-in kinds.
pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::new("", "", "", "spec/containers[]/image", true),
    FieldSpec::new("", "", "", "spec/initContainers[]/image", true),
    FieldSpec::new("", "", "", "spec/volumes[]/image/reference", true),
    FieldSpec::new("", "", "", "spec/template/spec/containers[]/image", true),
    FieldSpec::new(
        "",
        "",
        "",
        "spec/template/spec/initContainers[]/image",
        true,
    ),
    FieldSpec::new(
        "",
        "",
        "",
        "spec/template/spec/volumes[]/image/reference",
        true,
    ),
];

/// Reads one entry of `images`.
pub(super) fn parse(at: &At<'_>) -> Result<Image, BuildError> {
    let fields = at.fields()?;
    fields.only(&["name", "newName", "newTag", "tagSuffix", "digest"])?;
    Ok(Image {
        name: fields.text("name")?,
        new_name: fields.text("newName")?,
        new_tag: fields.text("newTag")?,
        tag_suffix: fields.text("tagSuffix")?,
        digest: fields.text("digest")?,
    })
}

/// Carries out one entry of `images`.
pub(super) fn apply(
    resources: &mut [Resource],
    image: &Located<Image>,
    specs: &[FieldSpec],
    budget: &Budget,
) -> Result<(), BuildError> {
    if !is_plain(&image.value.name) {
        budget.compile(&image.value.name)?;
    }
    let pattern = References::new(&image.value.name)
        .map_err(|error| image.error(format!("`name` is not an expression: {error}")))?;
    let change = Change {
        image: &image.value,
        pattern,
        budget,
    };
    for resource in resources.iter_mut() {
        if resource.text("kind") == "CustomResourceDefinition" {
            continue;
        }
        change
            .anywhere(&mut resource.root)
            .map_err(|reason| resource.error(STEP, "containers", reason))?;
    }
    for resource in resources.iter_mut() {
        if resource.text("kind") == "CustomResourceDefinition" {
            continue;
        }
        let gvk = resource.gvk();
        for spec in specs.iter().filter(|spec| spec.fits(&gvk)) {
            spec.visit(&mut resource.root, Create::Nothing, &mut |node| {
                change.set(node)
            })
            .map_err(|reason| resource.error(STEP, &spec.path, reason))?;
        }
    }
    Ok(())
}

/// Which references an entry is for: its `name` is an expression, and a tag and a digest may follow.
enum References<'a> {
    /// A name in which only `.` means anything; compiling the expression would cost more than a build.
    Plain(&'a str),
    Expression(Pattern),
}

impl<'a> References<'a> {
    fn new(name: &'a str) -> Result<Self, PatternError> {
        if is_plain(name) {
            return Ok(Self::Plain(name));
        }
        let text = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
        compile(&text).map(Self::Expression)
    }

    /// What comparing costs, next to looking at one node.
    fn cost(&self, reference: &str) -> usize {
        match self {
            Self::Plain(_) => reference.len() / 16,
            Self::Expression(_) => reference.len(),
        }
    }

    fn fits(&self, reference: &str) -> bool {
        match self {
            Self::Plain(name) => behind(name, reference).is_some_and(is_version),
            Self::Expression(pattern) => pattern.matches(reference),
        }
    }
}

/// Whether a text is a tag and a digest, or one of them, or nothing.
fn is_version(text: &str) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.{}-".contains(byte);
    let after = |text: &str| text.bytes().take_while(allowed).count();
    let digest = match text.strip_prefix(':') {
        Some(tag) => &tag[after(tag)..],
        None => text,
    };
    let letters = digest.strip_prefix("@sha256:");
    digest.is_empty() || letters.is_some_and(|letters| after(letters) == letters.len())
}

struct Change<'a> {
    image: &'a Image,
    pattern: References<'a>,
    budget: &'a Budget,
}

impl Change<'_> {
    /// Goes through every `containers` and `initContainers`, wherever they are.
    fn anywhere(&self, node: &mut Node) -> Result<(), String> {
        match node {
            Node::Sequence(items) => items.iter_mut().try_for_each(|item| self.anywhere(item)),
            Node::Mapping(mapping) => mapping.entries.iter_mut().try_for_each(|entry| {
                self.anywhere(&mut entry.value)?;
                match (&mut entry.value, entry.key.as_str()) {
                    (Node::Sequence(items), "containers" | "initContainers") => {
                        items.iter_mut().try_for_each(|item| self.container(item))
                    }
                    _ => Ok(()),
                }
            }),
            Node::Scalar(_) => Ok(()),
        }
    }

    fn container(&self, container: &mut Node) -> Result<(), String> {
        match container {
            Node::Mapping(container) => container
                .get_mut("image")
                .map_or(Ok(()), |image| self.set(image)),
            node if node.is_null() => Ok(()),
            _ => Err("expected every container to be a mapping".to_owned()),
        }
    }

    fn set(&self, node: &mut Node) -> Result<(), String> {
        let Some(scalar) = node.as_scalar() else {
            return Err("expected an image reference".to_owned());
        };
        let spent = self.budget.work(1 + self.pattern.cost(&scalar.text));
        spent.map_err(|error| error.to_string())?;
        if self.pattern.fits(&scalar.text) {
            let text = self.renamed(&scalar.text);
            let kept = self.budget.keep(text.len());
            kept.map_err(|error| error.to_string())?;
            *node = Node::Scalar(ties::replace(scalar, made(text)));
        }
        Ok(())
    }

    fn renamed(&self, reference: &str) -> String {
        let (name, mut tag, mut digest) = split(reference);
        let image = self.image;
        let name = match image.new_name.as_str() {
            "" => name,
            new => new,
        };
        let suffixed = format!("{tag}{}", image.tag_suffix);
        if !image.new_tag.is_empty() || !image.digest.is_empty() {
            (tag, digest) = (&image.new_tag, &image.digest);
        } else if !image.tag_suffix.is_empty() {
            (tag, digest) = (&suffixed, "");
        }
        let part = |mark: &str, text: &str| match text {
            "" => String::new(),
            text => format!("{mark}{text}"),
        };
        format!("{name}{}{}", part(":", tag), part("@", digest))
    }
}

/// Name, tag and digest; a port of the registry belongs to the name.
fn split(reference: &str) -> (&str, &str, &str) {
    let path = match reference.find('/') {
        Some(at) if at > 0 => at,
        _ => 0,
    };
    let find = |mark: char| reference[path..].find(mark).map(|at| at + path);
    match (find(':'), find('@')) {
        (None, None) => (reference, "", ""),
        (Some(colon), None) => (&reference[..colon], &reference[colon + 1..], ""),
        (Some(colon), Some(at)) if colon < at => (
            &reference[..colon],
            &reference[colon + 1..at],
            &reference[at + 1..],
        ),
        (_, Some(at)) => (&reference[..at], "", &reference[at + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::{References, compile, split};
    use proptest::prelude::*;

    fn pieces(words: &'static [&'static str]) -> impl Strategy<Value = String> {
        proptest::collection::vec(prop::sample::select(words), 0..4)
            .prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn a_plain_name_fits_what_it_fits_as_an_expression(
            name in pieces(&["a", "ghcr.io", "/", ".", ":", "-", "@", "x_y"]),
            reference in pieces(&["a", "ghcr.io", "ghcrxio", "/", "é", "\n", "x_y", ":1", "@"]),
            version in pieces(&[":", "1.0", "@sha256:", "{}", "ab", "@", "é"]),
        ) {
            let plain = References::new(&name).expect("it has no special characters");
            prop_assert!(matches!(plain, References::Plain(_)));
            let text = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
            let expression = compile(&text).expect("it is an expression");
            for reference in [format!("{name}{version}"), format!("{reference}{version}")] {
                prop_assert_eq!(plain.fits(&reference), expression.matches(&reference), "{}", reference);
            }
        }
    }

    #[test]
    fn a_port_of_the_registry_is_not_a_tag() {
        for (reference, parts) in [
            ("nginx", ("nginx", "", "")),
            ("nginx:1.27", ("nginx", "1.27", "")),
            ("localhost:5000/nginx", ("localhost:5000/nginx", "", "")),
            (
                "localhost:5000/nginx:1@sha256:ab",
                ("localhost:5000/nginx", "1", "sha256:ab"),
            ),
            ("nginx@sha256:ab", ("nginx", "", "sha256:ab")),
        ] {
            assert_eq!(split(reference), parts, "{reference}");
        }
    }
}
