//! What to make of a Receiver, and what it wakes. Pure.

use super::fetch::TokenError;
use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::objects::SecretData;
use crate::api::Receiver;
use crate::api::receiver::{
    ReceiverKind, ReceiverResource, ReceiverSpec, ReceiverStatus, ReceiverType,
};
use crate::controllers::expressions::TERMINAL;
use crate::controllers::report::Report;
use crate::domain::image::ImageName;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::redact::Secret;
use crate::domain::webhook::path;
use crate::domain::webhook::payload::{Heard, Push};
use crate::domain::webhook::verify::Sender;
use kube::core::{ApiResource, GroupVersionKind};
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;

/// Reads the specification: the interval, or why nothing can come of it.
pub(super) fn judge(spec: &ReceiverSpec) -> Result<Duration, Outcome> {
    let oidc = spec.kind == ReceiverType::GenericOidc;
    let fault = match () {
        () if oidc && spec.oidc_providers.is_empty() => {
            "generic-oidc receiver requires at least one oidcProvider"
        }
        () if !oidc && !spec.oidc_providers.is_empty() => {
            "oidcProviders can only be set when type is generic-oidc"
        }
        () if oidc && spec.secret_ref.is_some() => {
            "secretRef cannot be set when type is generic-oidc"
        }
        () if !oidc && spec.secret_ref.is_none() => {
            "secretRef is required when type is not generic-oidc"
        }
        () => "",
    };
    if !fault.is_empty() {
        return Err(Outcome::stalled(
            reason::VALIDATION_FAILED,
            format!("{TERMINAL}: {fault}"),
        ));
    }
    if sender(&spec.kind).is_none() {
        let words = format!("{TERMINAL}: receiver type '{}' not supported", spec.kind);
        return Err(Outcome::stalled(reason::UNSUPPORTED_FIELD, words));
    }
    provider_fault(spec).map_or(Ok(()), |fault| {
        let words = format!("{TERMINAL}: {fault}");
        Err(Outcome::stalled(reason::VALIDATION_FAILED, words))
    })?;
    spec.interval()
        .map_err(|error| Outcome::stalled(reason::FAILURE, error))
}

/// What is wrong with the providers of tokens, whatever the API server let through.
fn provider_fault(spec: &ReceiverSpec) -> Option<String> {
    let mut seen = Vec::new();
    for (index, provider) in spec.oidc_providers.iter().enumerate() {
        let url = provider.issuer_url.as_str();
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Some(format!(
                "oidcProviders[{index}]: issuerURL \"{url}\" must start with http:// or https://"
            ));
        }
        if seen.contains(&url) {
            return Some(format!(
                "oidcProviders[{index}]: duplicate issuerURL \"{url}\""
            ));
        }
        if provider.validations.is_empty() {
            return Some(format!(
                "oidcProviders[{index}] (issuerURL=\"{url}\"): at least one validation is required; without validations any caller able to obtain a token from this issuer can trigger the Receiver"
            ));
        }
        seen.push(url);
    }
    None
}

/// The report with the path that the token makes, or without one.
pub(super) fn report(
    object: &Receiver,
    interval: Duration,
    token: Result<(Secret<Vec<u8>>, SecretData), TokenError>,
) -> Report<ReceiverStatus> {
    let (webhook_path, outcome) = match token {
        Ok((token, _)) => {
            let path = path_of(object, token.expose());
            let message = format!("Receiver initialized for path: {path}");
            let next = Some(interval);
            (
                Some(path),
                Outcome::Ready {
                    reason: reason::SUCCEEDED,
                    message,
                    next,
                },
            )
        }
        Err(error) => (None, Outcome::failed(reason::TOKEN_NOT_FOUND, error)),
    };
    Report::new(
        ReceiverStatus {
            webhook_path,
            ..object.status.clone()
        },
        outcome,
    )
}

/// The path of a Receiver with this token.
pub(super) fn path_of(object: &Receiver, token: &[u8]) -> String {
    let metadata = &object.metadata;
    let [name, namespace] =
        [&metadata.name, &metadata.namespace].map(|text| text.as_deref().unwrap_or_default());
    path(token, name, namespace)
}

/// Who sends to a receiver of this type; `None` for a type of the future.
pub(super) fn sender(kind: &ReceiverType) -> Option<Sender> {
    Some(match kind {
        ReceiverType::Generic => Sender::Generic,
        ReceiverType::GenericHmac => Sender::GenericHmac,
        ReceiverType::GenericOidc => Sender::GenericOidc,
        ReceiverType::GitHub => Sender::GitHub,
        ReceiverType::GitLab => Sender::GitLab,
        ReceiverType::Bitbucket => Sender::Bitbucket,
        ReceiverType::Harbor => Sender::Harbor,
        ReceiverType::DockerHub => Sender::DockerHub,
        ReceiverType::Quay => Sender::Quay,
        ReceiverType::Gcr => Sender::Gcr,
        ReceiverType::Nexus => Sender::Nexus,
        ReceiverType::Acr => Sender::Acr,
        ReceiverType::CdEvents => Sender::CdEvents,
        ReceiverType::Other(_) => return None,
    })
}

/// Why objects could not be woken. The words are Flux's where Flux has some.
#[derive(Debug, Error)]
pub(super) enum WakeError {
    #[error("cross-namespace references are not allowed")]
    CrossNamespace,
    #[error("apiVersion must be specified for kind \"{0}\"")]
    NoApiVersion(String),
    #[error("matchLabels field not set when using wildcard '*' as name")]
    NoLabels,
    /// It would lead to another place of the API.
    #[error("`{field}` is malformed: `{value}`")]
    Malformed { field: &'static str, value: String },
    /// A filter has no value, or none that is true or false.
    #[error("{0}")]
    Filter(String),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Objects to be woken.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    pub(super) resource: ApiResource,
    pub(super) namespace: String,
    pub(super) which: Which,
}

/// Which of a namespace's objects.
#[derive(Debug, PartialEq)]
pub(super) enum Which {
    One(String),
    Labelled(BTreeMap<String, String>),
}

/// The objects that a resource of a Receiver in the namespace `own` means.
pub(super) fn target(
    resource: &ReceiverResource,
    own: &str,
    no_cross_namespace_refs: bool,
) -> Result<Target, WakeError> {
    let namespace = resource.namespace.as_deref().unwrap_or(own);
    if no_cross_namespace_refs && namespace != own {
        return Err(WakeError::CrossNamespace);
    }
    let kind = resource.kind.as_str();
    let given = resource
        .api_version
        .as_deref()
        .or_else(|| default_version(&resource.kind));
    let version = given.ok_or_else(|| WakeError::NoApiVersion(kind.to_owned()))?;
    let malformed = |field, value: &str| WakeError::Malformed {
        field,
        value: value.chars().take(300).collect(),
    };
    let (group, version) = version
        .split_once('/')
        .filter(|(group, version)| is_name(group) && is_name(version))
        .ok_or_else(|| malformed("apiVersion", version))?;
    if !kind.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(malformed("kind", kind));
    }
    if !is_name(namespace) {
        return Err(malformed("namespace", namespace));
    }
    let which = match (resource.name.as_str(), &resource.match_labels) {
        ("*", Some(labels)) => Which::Labelled(labels.clone()),
        ("*", None) => return Err(WakeError::NoLabels),
        (name, _) if is_name(name) => Which::One(name.to_owned()),
        (name, _) => return Err(malformed("name", name)),
    };
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(group, version, kind),
        &plural(kind),
    );
    Ok(Target {
        resource,
        namespace: namespace.to_owned(),
        which,
    })
}

/// A DNS name in lower case, which cannot lead out of a path.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    let outer = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && bytes.iter().all(|byte| inner(*byte))
        && outer(bytes.first())
        && outer(bytes.last())
        && !text.contains("..")
}

fn plural(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    lower
        .strip_suffix('y')
        .map_or_else(|| format!("{lower}s"), |stem| format!("{stem}ies"))
}

/// The group and version that Flux takes when none is given: it knows those of sources and of ImageRepository alone.
fn default_version(kind: &ReceiverKind) -> Option<&'static str> {
    Some(match kind {
        ReceiverKind::Bucket
        | ReceiverKind::HelmChart
        | ReceiverKind::HelmRepository
        | ReceiverKind::GitRepository
        | ReceiverKind::OciRepository => "source.toolkit.fluxcd.io/v1",
        ReceiverKind::ImageRepository => "image.toolkit.fluxcd.io/v1",
        ReceiverKind::ArtifactGenerator => "source.extensions.fluxcd.io/v1beta1",
        _ => return None,
    })
}

/// What a payload asks of the image repositories that it may wake.
#[derive(Debug, PartialEq)]
pub(super) enum Asked<'a> {
    /// Scan them all, as Flux does.
    ScanAll,
    /// Look for these tags, and leave the other repositories alone.
    LookFor(Vec<(&'a ObjectKey, Vec<&'a str>)>),
}

/// What to ask of `repositories`. A payload that says what was pushed wakes those of these images alone; one that names none of
/// them may know them by another name, so all are scanned.
pub(super) fn asked<'a>(heard: &'a Heard, repositories: &'a [(ObjectKey, ImageName)]) -> Asked<'a> {
    let Heard::News(news) = heard else {
        return Asked::ScanAll;
    };
    if news.more {
        return Asked::ScanAll;
    }
    let tags_of = |image: &ImageName| -> Vec<&'a str> {
        let pushes = news
            .pushes
            .iter()
            .filter(|push: &&Push| push.may_be_of(image));
        pushes.map(|push| push.tag.as_str()).collect()
    };
    let tags = repositories
        .iter()
        .map(|(key, image)| (key, tags_of(image)));
    let meant: Vec<_> = tags.filter(|(_, tags)| !tags.is_empty()).collect();
    match meant.is_empty() && !news.pushes.is_empty() {
        true => Asked::ScanAll,
        false => Asked::LookFor(meant),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CustomObject;
    use crate::domain::webhook::Headers;
    use crate::domain::webhook::payload::read;
    use serde_json::{Value, json};

    fn receiver(spec: Value) -> Receiver {
        let spec = serde_json::from_value(spec).expect("Flux takes it");
        Receiver::new("default", "apps", spec)
    }

    fn resource(value: Value) -> ReceiverResource {
        serde_json::from_value(value).expect("Flux takes it")
    }

    #[test]
    fn a_receiver_is_reported_in_the_words_of_flux() {
        let object =
            receiver(json!({"type": "github", "secretRef": {"name": "t"}, "resources": []}));
        let interval = judge(&object.spec).expect("it is whole");
        let token = Secret::new(b"token".to_vec());
        let report = report(&object, interval, Ok((token, SecretData::default())));
        // The SHA-256 of `tokenappsdefault`.
        let path = "/hook/96aa741ea433795b92edf55db24a9f1786cc9bc8758e97b6476c2aec08933585";
        assert_eq!(report.status.webhook_path.as_deref(), Some(path));
        assert_eq!(
            report.outcome.message(),
            format!("Receiver initialized for path: {path}")
        );
        assert_eq!(report.outcome.reason(), "Succeeded");
    }

    #[test]
    fn without_a_token_there_is_no_path() {
        let mut object =
            receiver(json!({"type": "github", "secretRef": {"name": "t"}, "resources": []}));
        object.status.webhook_path = Some("/hook/old".to_owned());
        let missing = TokenError::Missing(ObjectKey::new("default", "t"));
        let report = report(&object, Duration::from_secs(1), Err(missing));
        assert_eq!(report.status.webhook_path, None);
        assert_eq!(report.outcome.reason(), "TokenNotFound");
        assert_eq!(
            report.outcome.message(),
            "invalid 'default/t' secret data: required fields 'token'"
        );
    }

    #[test]
    fn what_cannot_be_judged_stalls_with_words() {
        let secret = json!({"name": "t"});
        let provider = json!([{"issuerURL": "https://x", "validations": [{"expression": "true", "message": "m"}]}]);
        for (spec, reason, words) in [
            (
                json!({"type": "generic", "resources": []}),
                "ValidationFailed",
                "secretRef is required when type is not generic-oidc",
            ),
            (
                json!({"type": "generic-oidc", "resources": []}),
                "ValidationFailed",
                "generic-oidc receiver requires at least one oidcProvider",
            ),
            (
                json!({"type": "generic", "secretRef": secret, "oidcProviders": provider, "resources": []}),
                "ValidationFailed",
                "oidcProviders can only be set when type is generic-oidc",
            ),
            (
                json!({"type": "generic-oidc", "secretRef": secret, "oidcProviders": provider, "resources": []}),
                "ValidationFailed",
                "secretRef cannot be set when type is generic-oidc",
            ),
            (
                json!({"type": "fax", "secretRef": secret, "resources": []}),
                "UnsupportedField",
                "receiver type 'fax' not supported",
            ),
            (
                json!({"type": "generic-oidc", "resources": [], "oidcProviders": [{"issuerURL": "https://x", "validations": []}]}),
                "ValidationFailed",
                "oidcProviders[0] (issuerURL=\"https://x\"): at least one validation is required",
            ),
            (
                json!({"type": "generic-oidc", "resources": [], "oidcProviders": [provider[0], provider[0]]}),
                "ValidationFailed",
                "oidcProviders[1]: duplicate issuerURL \"https://x\"",
            ),
            (
                json!({"type": "generic-oidc", "resources": [], "oidcProviders": [{"issuerURL": "file:///x", "validations": provider[0]["validations"]}]}),
                "ValidationFailed",
                "oidcProviders[0]: issuerURL \"file:///x\" must start with http:// or https://",
            ),
        ] {
            let outcome = judge(&receiver(spec).spec).expect_err("it is refused");
            assert!(matches!(outcome, Outcome::Stalled { .. }), "{outcome:?}");
            assert_eq!(outcome.reason(), reason, "{words}");
            assert!(outcome.message().contains(words), "{}", outcome.message());
        }
    }

    #[test]
    fn resources_are_found_where_flux_finds_them() {
        for (value, version, plural, namespace) in [
            (
                json!({"kind": "GitRepository", "name": "a"}),
                "source.toolkit.fluxcd.io/v1",
                "gitrepositories",
                "default",
            ),
            (
                json!({"kind": "OCIRepository", "name": "a", "namespace": "b"}),
                "source.toolkit.fluxcd.io/v1",
                "ocirepositories",
                "b",
            ),
            (
                json!({"kind": "ImageRepository", "name": "a"}),
                "image.toolkit.fluxcd.io/v1",
                "imagerepositories",
                "default",
            ),
            (
                json!({"kind": "ImagePolicy", "apiVersion": "image.toolkit.fluxcd.io/v1", "name": "a"}),
                "image.toolkit.fluxcd.io/v1",
                "imagepolicies",
                "default",
            ),
            (
                json!({"kind": "Kustomization", "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "name": "a"}),
                "kustomize.toolkit.fluxcd.io/v1",
                "kustomizations",
                "default",
            ),
            (
                json!({"kind": "HelmRelease", "apiVersion": "helm.toolkit.fluxcd.io/v2", "name": "a"}),
                "helm.toolkit.fluxcd.io/v2",
                "helmreleases",
                "default",
            ),
        ] {
            let found = target(&resource(value), "default", false).expect("it is named");
            assert_eq!(
                (
                    found.resource.api_version.as_str(),
                    found.resource.plural.as_str(),
                    found.namespace.as_str(),
                    found.which
                ),
                (version, plural, namespace, Which::One("a".to_owned()))
            );
        }
    }

    #[test]
    fn resources_that_flux_refuses_are_refused() {
        let refused = |value: Value, strict: bool| {
            target(&resource(value), "default", strict)
                .expect_err("it is refused")
                .to_string()
        };
        let all = json!({"kind": "ImageRepository", "name": "*"});
        assert_eq!(
            refused(all.clone(), false),
            "matchLabels field not set when using wildcard '*' as name"
        );
        let foreign = json!({"kind": "ImageRepository", "name": "a", "namespace": "other"});
        assert_eq!(
            refused(foreign.clone(), true),
            "cross-namespace references are not allowed"
        );
        assert!(target(&resource(foreign), "default", false).is_ok());
        let own = json!({"kind": "ImageRepository", "name": "a", "namespace": "default"});
        assert!(target(&resource(own), "default", true).is_ok());
        assert_eq!(
            refused(json!({"kind": "Kustomization", "name": "a"}), false),
            "apiVersion must be specified for kind \"Kustomization\""
        );
        let mut labelled = all;
        labelled["matchLabels"] = json!({});
        assert_eq!(
            target(&resource(labelled), "default", false)
                .expect("it is named")
                .which,
            Which::Labelled(BTreeMap::new())
        );
    }

    #[test]
    fn no_name_leads_to_another_place_of_the_api() {
        let base = json!({"kind": "GitRepository", "apiVersion": "source.toolkit.fluxcd.io/v1", "name": "a", "namespace": "b"});
        for (field, value) in [
            ("name", "../../secrets/x"),
            ("name", "a/status"),
            ("name", "a?dryRun=All"),
            ("name", "a..b"),
            ("name", "%2e%2e"),
            ("namespace", "b/secrets/x"),
            ("namespace", ".."),
            ("apiVersion", "v1"),
            ("apiVersion", "apps/v1/namespaces/x"),
            ("apiVersion", "../../api/v1"),
            ("kind", "Secret/../x"),
        ] {
            let mut value_of = base.clone();
            value_of[field] = json!(value);
            let error = target(&resource(value_of), "default", false).expect_err("it is refused");
            assert!(
                matches!(error, WakeError::Malformed { .. }),
                "{field} {value}: {error}"
            );
        }
    }

    #[test]
    fn a_payload_wakes_the_repositories_of_its_images_alone() {
        let name = |image: &str| ImageName::parse(image).expect("it is a name");
        let (app, web) = (ObjectKey::new("a", "app"), ObjectKey::new("a", "web"));
        let repositories = [
            (app.clone(), name("ghcr.io/acme/app")),
            (web, name("ghcr.io/acme/web")),
        ];
        let heard = |payload: Value| read(&Headers::default(), payload.to_string().as_bytes());
        let quay =
            |image: &str, tags: &[&str]| heard(json!({"docker_url": image, "updated_tags": tags}));

        let of_app = quay("ghcr.io/acme/app", &["1", "2"]);
        assert_eq!(
            asked(&of_app, &repositories),
            Asked::LookFor(vec![(&app, vec!["1", "2"])])
        );
        // By another name here, or not at all: that cannot be told apart.
        assert_eq!(
            asked(&quay("quay.io/other/thing", &["1"]), &repositories),
            Asked::ScanAll
        );
        assert_eq!(
            asked(&heard(json!({"ref": "refs/heads/main"})), &repositories),
            Asked::ScanAll
        );
        assert_eq!(
            asked(
                &heard(json!({"type": "DELETE_ARTIFACT", "event_data": {}})),
                &repositories
            ),
            Asked::ScanAll
        );
        // A pull: looking for a tag is one too, and must not ask for the next look.
        assert_eq!(
            asked(
                &heard(json!({"type": "PULL_ARTIFACT", "event_data": {}})),
                &repositories
            ),
            Asked::LookFor(vec![])
        );
    }
}
