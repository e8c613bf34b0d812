//! Plugins that make objects: config maps, secrets, and the service account of a workload that
//! acts as one of Google's.
//!
//! Invariant: what is made joins the objects as what the kustomization itself generates does.
//! What is absent: charts.

use super::super::accumulate::objects;
use super::super::context::Context;
use super::super::decode::{Fields, Located};
use super::super::error::BuildError;
use super::super::generators::{self, Behavior, Kind};
use super::super::resource::Resource;
use super::config::Config;

/// The kinds of config.
pub(super) const KINDS: [&str; 3] = [
    "ConfigMapGenerator",
    "SecretGenerator",
    "IAMPolicyGenerator",
];

/// What is made.
#[derive(Debug)]
pub(super) enum Generator {
    Content(Located<generators::Generator>),
    ServiceAccount(Located<Resource>),
}

impl Generator {
    pub(super) fn read(context: &Context<'_>, config: &Config) -> Result<Self, BuildError> {
        let content = |kind| {
            let generator = generators::parse_alone(&config.at(), kind)?;
            Ok(Self::Content(config.place(generator)))
        };
        match config.kind.as_str() {
            "ConfigMapGenerator" => content(Kind::ConfigMap),
            "SecretGenerator" => content(Kind::Secret),
            "IAMPolicyGenerator" => service_account(context, config).map(Self::ServiceAccount),
            _ => Err(config.error("it makes nothing; hint: name it under `transformers`")),
        }
    }

    /// Makes it, calls `note` with it, and lets it join `resources`.
    pub(super) fn apply(
        self,
        context: &Context<'_>,
        resources: &mut Vec<Resource>,
        note: impl FnOnce(&mut Resource) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        match self {
            Self::Content(generator) => generators::carry_out(context, resources, &generator, note),
            Self::ServiceAccount(mut made) => {
                note(&mut made.value)?;
                let place = made.place(());
                generators::absorb(context, resources, &place, Behavior::Create, made.value)
            }
        }
    }
}

/// The service account, put together as text and then read, as kustomize does: a name that looks
/// like a number becomes one.
fn service_account(
    context: &Context<'_>,
    config: &Config,
) -> Result<Located<Resource>, BuildError> {
    let fields = config.fields()?;
    let cloud = fields.text("cloud")?;
    if cloud != "gke" {
        return Err(config.error(format!("`cloud` is `{cloud}`, expected `gke`")));
    }
    let (account, service) = (
        inner(&fields, "serviceAccount", ["name", "projectId"])?,
        inner(&fields, "kubernetesService", ["name", "namespace"])?,
    );
    let mut text = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  annotations:\n    iam.gke.io/gcp-service-account: {}@{}.iam.gserviceaccount.com\n  name: {}\n",
        account[0], account[1], service[0]
    );
    if !service[1].is_empty() {
        text.push_str("  namespace: ");
        text.push_str(&service[1]);
        text.push('\n');
    }
    let place = config.place(());
    let mut made = objects(&place.file, text.as_bytes(), context.budget)
        .map_err(|error| place.error(format!("what it makes is no object: {error}")))?;
    made = context.schemas.meet(made);
    if made.is_empty() {
        return Err(place.error("what it makes is no object"));
    }
    let mut made = made.swap_remove(0);
    made.source.line = place.line as usize;
    Ok(place.place(made))
}

fn inner(fields: &Fields<'_>, name: &str, keys: [&str; 2]) -> Result<[String; 2], BuildError> {
    let Some(at) = fields.get(name) else {
        return Ok([String::new(), String::new()]);
    };
    let fields = at.fields()?;
    Ok([fields.text(keys[0])?, fields.text(keys[1])?])
}
