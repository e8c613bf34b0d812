//! How a Kustomization makes objects out of files: its specification as options of a build, and what
//! is done to the objects after it. The command line builds with the same recipe.
//!
//! Invariant: after the build come variables, then common metadata, as in Flux; a value of a Secret
//! is told to nobody. What is absent: applying.

use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::objects::{config_map, secret};
use crate::api::kustomization::{
    CommonMetadata, KustomizationSpec, ObjectSelector, PostBuild, SubstituteKind,
    SubstituteReference, SubstituteStrategy,
};
use crate::domain::kustomize::{Image, Options, Patch, PatchTarget};
use crate::domain::manifest::Manifest;
use crate::domain::object::ObjectKey;
use crate::domain::stage;
use crate::domain::substitute::{Habits, ObjectError, Variables, post_build};
use kube::Client;
use thiserror::Error;

/// How objects are made.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What the build adds to the files.
    pub options: Options,
    /// What is done with variables; `None` for nothing.
    pub post_build: Option<PostBuild>,
    common_metadata: CommonMetadata,
}

/// Why there are no variables.
#[derive(Debug, Error)]
pub enum VariablesError {
    /// An object with variables cannot be read.
    #[error("substitute from '{kind}/{name}' error")]
    Read {
        /// Its kind.
        kind: SubstituteKind,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: ClusterError,
    },
    /// Objects of that kind hold no variables.
    #[error("substitute from '{0}': the kind must be ConfigMap or Secret")]
    Kind(SubstituteKind),
}

impl Recipe {
    /// Reads the specification.
    pub fn new(spec: &KustomizationSpec) -> Self {
        Self {
            options: options(spec),
            post_build: spec.post_build.clone(),
            common_metadata: spec.common_metadata.clone().unwrap_or_default(),
        }
    }

    /// Does to the built objects what comes after the build.
    ///
    /// # Errors
    /// [`ObjectError`] for an object whose variables cannot be substituted.
    pub fn finish(
        &self,
        manifests: &mut [Manifest],
        variables: &Variables,
        strict: bool,
    ) -> Result<(), ObjectError> {
        if let Some(written) = &self.post_build {
            let always = written.substitute_strategy == SubstituteStrategy::Always;
            post_build(manifests, variables, Habits { strict, always })?;
        }
        let CommonMetadata {
            labels,
            annotations,
        } = &self.common_metadata;
        for manifest in manifests {
            stage::set_metadata(&mut manifest.object, labels, annotations);
        }
        Ok(())
    }
}

/// The variables of `post_build`, in whose objects a `namespace` is meant; with no client, only those
/// that are written there. A value that is no text is left out, as if it were not set.
///
/// # Errors
/// [`VariablesError`] for an object that cannot be read, unless it may be missing and is.
pub async fn variables(
    post_build: &PostBuild,
    client: Option<&Client>,
    namespace: &str,
) -> Result<Variables, VariablesError> {
    let mut variables = Variables::default();
    if let Some(client) = client {
        for reference in &post_build.substitute_from {
            let key = ObjectKey::new(namespace, &reference.name);
            read(client, reference, &key, &mut variables).await?;
        }
    }
    for (name, value) in &post_build.substitute {
        variables.set(name, value);
    }
    Ok(variables)
}

async fn read(
    client: &Client,
    reference: &SubstituteReference,
    key: &ObjectKey,
    variables: &mut Variables,
) -> Result<(), VariablesError> {
    let read = match &reference.kind {
        SubstituteKind::ConfigMap => config_map(client, key).await.map(|data| {
            for (name, value) in data {
                variables.set(name, &value);
            }
        }),
        SubstituteKind::Secret => secret(client, key).await.map(|data| {
            for name in data.keys() {
                if let Some(value) = data.text(name) {
                    variables.set(name, value.expose());
                }
            }
        }),
        other => return Err(VariablesError::Kind(other.clone())),
    };
    match read {
        Err(error) if reference.optional && error.is_not_found() => Ok(()),
        read => read.map_err(|source| VariablesError::Read {
            kind: reference.kind.clone(),
            name: reference.name.clone(),
            source,
        }),
    }
}

fn options(spec: &KustomizationSpec) -> Options {
    let text = |written: &Option<String>| written.clone().unwrap_or_default();
    let images = spec.images.iter().map(|image| Image {
        name: image.name.clone(),
        new_name: text(&image.new_name),
        new_tag: text(&image.new_tag),
        digest: text(&image.digest),
        tag_suffix: String::new(),
    });
    let patches = spec.patches.iter().map(|written| Patch {
        patch: written.patch.clone(),
        target: written.target.as_ref().map(patch_target),
        ..Patch::default()
    });
    Options {
        target_namespace: spec.target_namespace.clone(),
        name_prefix: spec.name_prefix.clone(),
        name_suffix: spec.name_suffix.clone(),
        components: spec.components.clone(),
        ignore_missing_components: spec.ignore_missing_components,
        images: images.collect(),
        patches: patches.collect(),
        build_metadata: spec
            .build_metadata
            .iter()
            .map(|word| word.as_str().to_owned())
            .collect(),
        ..Options::flux()
    }
}

fn patch_target(selector: &ObjectSelector) -> PatchTarget {
    let text = |written: &Option<String>| written.clone().unwrap_or_default();
    PatchTarget {
        group: text(&selector.group),
        version: text(&selector.version),
        kind: text(&selector.kind),
        name: text(&selector.name),
        namespace: text(&selector.namespace),
        label_selector: text(&selector.label_selector),
        annotation_selector: text(&selector.annotation_selector),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn recipe(field: &str, value: Value) -> Recipe {
        let mut written = json!({"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "x"}});
        written[field] = value;
        let spec: KustomizationSpec = serde_json::from_value(written).expect("Flux takes it");
        Recipe::new(&spec)
    }

    fn map(data: &str) -> Manifest {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": data}});
        Manifest::new(object, None).expect("it is an object")
    }

    #[tokio::test]
    async fn variables_come_before_common_metadata() {
        let mut with_both = recipe("postBuild", json!({"substitute": {"x": "1"}}));
        with_both.common_metadata = CommonMetadata {
            labels: [("kept".to_owned(), "${x}".to_owned())].into(),
            ..CommonMetadata::default()
        };
        let written = with_both.post_build.clone().expect("it is set");
        let set = variables(&written, None, "apps")
            .await
            .expect("none is read");
        let mut manifests = [map("${x}")];
        with_both
            .finish(&mut manifests, &set, true)
            .expect("all is set");
        let object = &manifests[0].object;
        assert_eq!(object["data"]["x"], 1);
        assert_eq!(object["metadata"]["labels"]["kept"], "${x}");
    }

    #[test]
    fn without_a_post_build_nothing_is_substituted() {
        let plain = recipe("path", json!("x"));
        let mut manifests = [map("${x}")];
        let mut set = Variables::default();
        set.set("x", "1");
        plain
            .finish(&mut manifests, &set, true)
            .expect("nothing is done");
        assert_eq!(manifests[0].object["data"]["x"], "${x}");
    }
}
