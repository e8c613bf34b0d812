//! Receiver: who may wake which objects by a webhook.
//!
//! Invariant: fields, defaults, bounds and rules are Flux's, the types among them, so that a Receiver goes from one to the other
//! unchanged. What a registry sends is told by its form, not by the type: no further type is needed for it.
//! What is absent: judging deliveries.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Condition, DURATION, LocalObjectReference, is_false, is_zero, optional, text};
use super::resource::{AGE, READY, STATUS, custom_resource};
use super::schema;
use super::words::words;
use crate::domain::duration::DurationError;

custom_resource! {
    /// Wakes objects when a webhook is called.
    Receiver { ReceiverSpec, ReceiverStatus }
    group: "notification.toolkit.fluxcd.io",
    plural: "receivers",
    singular: "receiver",
    short: [],
    category: "fluxcd-notifications",
    columns: [AGE, READY, STATUS],
    about: "Wakes objects when a webhook is called.",
}

words! {
    /// How a sender proves itself.
    ReceiverType {
        /// By knowing the path.
        #[default]
        Generic = "generic",
        /// By a signature in `X-Signature`.
        GenericHmac = "generic-hmac",
        /// By a token of one of `oidcProviders`.
        GenericOidc = "generic-oidc",
        /// As GitHub and Gitea do, by a signature in `X-Hub-Signature-256`.
        GitHub = "github",
        /// As GitLab does, by the token in `X-Gitlab-Token`.
        GitLab = "gitlab",
        /// As Bitbucket does, by a signature in `X-Hub-Signature`.
        Bitbucket = "bitbucket",
        /// As Harbor does, by the token in `Authorization`.
        Harbor = "harbor",
        /// As Docker Hub does, by knowing the path.
        DockerHub = "dockerhub",
        /// As Quay does, by knowing the path.
        Quay = "quay",
        /// As Google does, by a token for the Secret's `email` and `audience`.
        Gcr = "gcr",
        /// As Nexus does, by a signature in `X-Nexus-Webhook-Signature`.
        Nexus = "nexus",
        /// As Azure's registry does, by knowing the path.
        Acr = "acr",
        /// By sending a CDEvent to the path.
        CdEvents = "cdevents",
    }
}

words! {
    /// The kinds that a Receiver can wake.
    ReceiverKind {
        /// A bucket.
        Bucket = "Bucket",
        /// A Git repository.
        #[default]
        GitRepository = "GitRepository",
        /// A Kustomization.
        Kustomization = "Kustomization",
        /// A Helm release.
        HelmRelease = "HelmRelease",
        /// A Helm chart.
        HelmChart = "HelmChart",
        /// A Helm repository.
        HelmRepository = "HelmRepository",
        /// The tags of an image.
        ImageRepository = "ImageRepository",
        /// A selection of tags.
        ImagePolicy = "ImagePolicy",
        /// An automation that writes selections to Git.
        ImageUpdateAutomation = "ImageUpdateAutomation",
        /// A repository of OCI artifacts.
        OciRepository = "OCIRepository",
        /// A generator of artifacts.
        ArtifactGenerator = "ArtifactGenerator",
        /// An artifact made elsewhere.
        ExternalArtifact = "ExternalArtifact",
    }
}

/// Who may call, and what is woken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
        "message": "generic-oidc receivers must define at least one oidcProvider",
    },
    {
        "rule": "self.type == 'generic-oidc' || !has(self.oidcProviders) || size(self.oidcProviders) == 0",
        "message": "oidcProviders can only be set when type is generic-oidc",
    },
    {
        "rule": "self.type != 'generic-oidc' || !has(self.secretRef)",
        "message": "secretRef cannot be set when type is generic-oidc",
    },
    {
        "rule": "self.type == 'generic-oidc' || has(self.secretRef)",
        "message": "secretRef is required when type is not generic-oidc",
    },
]))]
pub struct ReceiverSpec {
    /// How a sender proves itself.
    #[serde(rename = "type")]
    pub kind: ReceiverType,
    /// How often the Secret is looked at again.
    #[schemars(regex(pattern = DURATION))]
    #[serde(default = "default_interval")]
    pub interval: String,
    /// The events that are listened to, such as `push` of GitHub or `Push Hook` of GitLab; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// What is woken.
    pub resources: Vec<ReceiverResource>,
    /// A CEL expression over `res`, the metadata of an object, and `req`, the payload: only objects for which it is true are woken.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub resource_filter: Option<String>,
    /// A Secret with the key `token`; for the type `gcr` also `email` and `audience`. Every type but `generic-oidc` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Whose tokens the type `generic-oidc` takes.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["issuerURL"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oidc_providers: Vec<OidcProvider>,
    /// Whether to refuse deliveries.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

fn default_interval() -> String {
    "10m".to_owned()
}

/// Objects that are woken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverResource {
    /// Group and version; absent means those of Flux, for sources and image repositories.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub api_version: Option<String>,
    /// The kind.
    pub kind: ReceiverKind,
    /// The name, or `*` for all that `matchLabels` selects.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace; absent means the Receiver's own.
    #[schemars(length(min = 1, max = 253))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub namespace: Option<String>,
    /// Labels that the objects have; it goes with the name `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// A CEL expression as `resourceFilter`, for these objects alone.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub filter: Option<String>,
}

/// An issuer of tokens, and which of its tokens may call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OidcProvider {
    /// The issuer, which must be the token's claim `iss`.
    #[schemars(regex(pattern = "^https?://"))]
    #[serde(rename = "issuerURL")]
    pub issuer_url: String,
    /// The token's claim `aud`; absent means `notification-controller`.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub audience: Option<String>,
    /// Values that the validations share, as `vars.<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<OidcVariable>,
    /// What must hold of the claims: a signature alone proves only who issued the token.
    #[schemars(length(min = 1))]
    pub validations: Vec<OidcValidation>,
}

/// A value by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OidcVariable {
    /// The name.
    pub name: String,
    /// A CEL expression over `claims` and the variables before.
    pub expression: String,
}

/// What must hold of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OidcValidation {
    /// A CEL expression over `claims` and `vars` that must be true.
    pub expression: String,
    /// What to say when it is not.
    pub message: String,
}

/// What was made of a Receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverStatus {
    /// The state in conditions, `Ready` first of all.
    #[schemars(schema_with = "schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was reconciled last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// The path to call: `/hook/` and the SHA-256 of token, name and namespace.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub webhook_path: Option<String>,
    /// The value of the reconcile request that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

impl ReceiverSpec {
    /// How often the Secret is looked at again; ten minutes unless told otherwise.
    ///
    /// # Errors
    /// When the text is no duration.
    pub fn interval(&self) -> Result<Duration, DurationError> {
        let given = Some(&self.interval).filter(|text| !text.is_empty());
        optional(given).map(|interval| interval.unwrap_or(Duration::from_secs(600)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CustomObject;
    use serde_json::json;

    #[test]
    fn a_receiver_of_fluxs_documentation_reads() {
        let object: Receiver = serde_json::from_value(json!({
            "metadata": {"name": "github-receiver", "namespace": "flux-system"},
            "spec": {
                "type": "github", "events": ["ping", "push"], "secretRef": {"name": "receiver-token"},
                "resources": [{"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "name": "flux-system"}],
            },
        }))
        .unwrap();
        assert_eq!(object.spec.kind, ReceiverType::GitHub);
        assert_eq!(object.spec.interval(), Ok(Duration::from_secs(600)));
        assert_eq!(object.spec.resources[0].kind, ReceiverKind::GitRepository);
        assert_eq!(object.spec.resources[0].match_labels, None);
        assert!(!object.suspended());
    }

    #[test]
    fn labels_that_are_there_and_empty_are_not_absent() {
        let resource = json!({"kind": "ImageRepository", "name": "*", "matchLabels": {}});
        let read: ReceiverResource = serde_json::from_value(resource.clone()).unwrap();
        assert_eq!(read.match_labels, Some(BTreeMap::new()));
        assert_eq!(serde_json::to_value(&read).unwrap(), resource);
    }

    #[test]
    fn an_object_without_a_spec_has_the_interval_of_flux() {
        assert_eq!(
            ReceiverSpec::default().interval(),
            Ok(Duration::from_secs(600))
        );
    }
}
