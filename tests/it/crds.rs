//! Our custom resource definitions against Flux's contract, and in a real API server.
//!
//! `tests/golden/crds/<kind>.txt` states the contract as facts, one line for each: names, columns, and for every path of the schema its
//! type, default, bounds and rules. The tests state our definitions in the same way. With `FLUX_CRDS` naming a
//! folder of Flux's own definitions, they first make the contract anew from those.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets something else has failed, and says where"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;

use highwater::api::image_repository::ImageRepositorySpec;
use highwater::api::{CustomObject, GitRepository, ImagePolicy, ImageRepository};
use highwater::api::{ImageUpdateAutomation, Kustomization, Receiver, crds_yaml, read};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::support::control_plane::{ControlPlane, control_plane};

// ---- the contract

/// Makes the contract of one kind anew from Flux's definitions, one file each in `folder`.
fn renew_contract(kind: &str, folder: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut definition: Value = serde_saphyr::from_str(&text).unwrap();
        if let Some(annotations) = definition["metadata"]["annotations"].as_object_mut() {
            annotations.retain(|name, _| !name.starts_with("controller-gen."));
        }
        if definition["spec"]["names"]["singular"] == kind {
            std::fs::write(contract_file(kind), facts(&definition)).unwrap();
        }
    }
}

/// What ours have beyond the contract, by kind. The annotation keeps variable substitution off, as Flux's other definitions do.
const ADDITIONS: [(&str, &[&str]); 3] = [
    (
        "imagepolicy",
        &[
            "annotation kustomize.toolkit.fluxcd.io/substitute=disabled",
            ".spec.policy rule {\"message\":\"exactly one of semver, alphabetical, numerical, calver or newest must be specified\",\"rule\":\"!(has(self.calver) || has(self.newest)) || [has(self.semver), has(self.alphabetical), has(self.numerical), has(self.calver), has(self.newest)].exists_one(given, given)\"}",
            ".spec.policy.calver object",
            ".spec.policy.calver.layout string required",
            ".spec.policy.newest object",
            ".spec.policy.newest.by string default=\"created\" enum=[\"created\",\"pushed\"]",
            ".spec.policy.newest.limit integer default=100 maximum=1000 minimum=1",
            ".status.selection object",
            ".status.selection.next string",
            ".status.selection.policy string required",
            ".status.selection.revision string required",
            ".status.selection.time string",
            ".status.selection.why string required",
        ],
    ),
    (
        "imagerepository",
        &[
            "annotation kustomize.toolkit.fluxcd.io/substitute=disabled",
            ".status.spent object",
            ".status.spent.bytes integer default=0",
            ".status.spent.limit integer",
            ".status.spent.limitRemaining integer",
            ".status.spent.nextScanTime string format=\"date-time\"",
            ".status.spent.notModified integer",
            ".status.spent.pages integer default=0",
            ".status.spent.pausedUntil string format=\"date-time\"",
            ".status.spent.requests integer default=0",
            ".status.spent.resumedAtPage integer",
            ".status.spent.shared boolean",
            ".status.spent.tags integer default=0",
        ],
    ),
    (
        "imageupdateautomation",
        &[
            ".spec.git rule {\"message\":\"push.branch and push.refspec cannot be set together with pullRequest, which has branches of its own\",\"rule\":\"!has(self.pullRequest) || !has(self.push) || (!has(self.push.branch) && !has(self.push.refspec))\"}",
            r#".spec.git.commit.collect string pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$""#,
            r#".spec.git.commit.collectAtMost string pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$""#,
            r#".spec.git.commit.per string enum=["automation","policy","push"]"#,
            r#".spec.git.commit.via string enum=["git","github"]"#,
            ".spec.git.pullRequest object",
            ".spec.git.pullRequest.apiURL string pattern=\"^(http|https)://.*$\"",
            ".spec.git.pullRequest.assignees array maxItems=50",
            ".spec.git.pullRequest.assignees[] string",
            ".spec.git.pullRequest.autoMerge object",
            ".spec.git.pullRequest.autoMerge rule {\"message\":\"autoMerge.after is needed with autoMerge.when 'after'\",\"rule\":\"!has(self.when) || self.when != 'after' || has(self.after)\"}",
            ".spec.git.pullRequest.autoMerge.after string pattern=\"^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$\"",
            ".spec.git.pullRequest.autoMerge.method string enum=[\"merge\",\"squash\",\"rebase\"]",
            ".spec.git.pullRequest.autoMerge.when string default=\"none\" enum=[\"none\",\"checksPass\",\"after\"]",
            ".spec.git.pullRequest.baseBranch string",
            ".spec.git.pullRequest.body string",
            ".spec.git.pullRequest.branch string",
            ".spec.git.pullRequest.draft boolean",
            ".spec.git.pullRequest.grouping string enum=[\"policy\",\"bundle\",\"automation\"]",
            ".spec.git.pullRequest.labels array maxItems=50",
            ".spec.git.pullRequest.labels[] string",
            ".spec.git.pullRequest.milestone string",
            ".spec.git.pullRequest.provider string enum=[\"github\",\"gitlab\",\"gitea\",\"forgejo\",\"bitbucket\",\"bitbucketserver\",\"azure\"]",
            ".spec.git.pullRequest.rebuild string enum=[\"behind\",\"conflicting\"]",
            ".spec.git.pullRequest.reviewers array maxItems=50",
            ".spec.git.pullRequest.reviewers[] string",
            ".spec.git.pullRequest.secretRef object",
            ".spec.git.pullRequest.secretRef.name string required",
            ".spec.git.pullRequest.title string",
            ".status.pendingChanges object",
            r#".status.pendingChanges.changed string required format="date-time""#,
            r#".status.pendingChanges.count integer required format="int64""#,
            r#".status.pendingChanges.due string required format="date-time""#,
            ".status.pendingChanges.policies object",
            ".status.pendingChanges.policies{} object",
            ".status.pendingChanges.policies{}.digest string",
            ".status.pendingChanges.policies{}.name string required",
            ".status.pendingChanges.policies{}.tag string required",
            r#".status.pendingChanges.since string required format="date-time""#,
            ".status.pullRequests array",
            ".status.pullRequests[] object",
            ".status.pullRequests[].baseCommit string",
            ".status.pullRequests[].branch string required",
            ".status.pullRequests[].closedBy string",
            ".status.pullRequests[].commit string",
            ".status.pullRequests[].group string required",
            ".status.pullRequests[].images object",
            ".status.pullRequests[].images{} string",
            ".status.pullRequests[].lastTransitionTime string format=\"date-time\"",
            ".status.pullRequests[].message string",
            ".status.pullRequests[].number integer format=\"int64\"",
            ".status.pullRequests[].state string required enum=[\"Open\",\"Skipped\",\"Kept\",\"Failed\"]",
            ".status.pullRequests[].url string",
            ".status.pullRequests[].version string",
        ],
    ),
];

#[test]
fn a_git_repository_is_defined_as_flux_defines_it() {
    assert_contract(&GitRepository::definition());
}

#[test]
fn an_image_policy_is_defined_as_flux_defines_it() {
    assert_contract(&ImagePolicy::definition());
}

#[test]
fn an_image_repository_is_defined_as_flux_defines_it() {
    assert_contract(&ImageRepository::definition());
}

#[test]
fn an_image_update_automation_is_defined_as_flux_defines_it() {
    assert_contract(&ImageUpdateAutomation::definition());
}

#[test]
fn a_kustomization_is_defined_as_flux_defines_it() {
    assert_contract(&Kustomization::definition());
}

#[test]
fn a_receiver_is_defined_as_flux_defines_it() {
    assert_contract(&Receiver::definition());
}

fn contract_file(kind: &str) -> String {
    format!(
        "{}/tests/golden/crds/{kind}.txt",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn contract(kind: &str) -> String {
    std::fs::read_to_string(contract_file(kind)).unwrap()
}

fn assert_contract(definition: &CustomResourceDefinition) {
    let kind = definition.spec.names.singular.as_deref().unwrap();
    if let Ok(folder) = std::env::var("FLUX_CRDS") {
        renew_contract(kind, &folder);
    }
    let contract = contract(kind);
    let ours = facts(&serde_json::to_value(definition).unwrap());
    let additions = ADDITIONS
        .iter()
        .find(|(of, _)| *of == kind)
        .map_or(&[][..], |(_, lines)| lines);

    let (added, kept): (Vec<&str>, Vec<&str>) =
        ours.lines().partition(|line| additions.contains(line));
    assert_eq!(added, additions, "an addition to {kind} is gone");
    let mut problems = String::new();
    for line in contract.lines().filter(|line| !kept.contains(line)) {
        let _ = writeln!(problems, "Flux has, and ours has not: {line}");
    }
    for line in kept
        .iter()
        .filter(|line| !contract.lines().any(|other| other == **line))
    {
        let _ = writeln!(problems, "ours has, and Flux has not: {line}");
    }
    assert!(problems.is_empty(), "{kind}:\n{problems}");
    assert_eq!(
        kept,
        contract.lines().collect::<Vec<_>>(),
        "the order of {kind} differs"
    );
}

/// A definition as facts, one line for each; descriptions are no facts.
fn facts(definition: &Value) -> String {
    let mut lines = Vec::new();
    let (metadata, spec) = (&definition["metadata"], &definition["spec"]);
    let names = &spec["names"];
    lines.push(format!("name {}", text(&metadata["name"])));
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        lines.push(format!("annotation {key}={}", text(value)));
    }
    for key in ["group", "scope"] {
        lines.push(format!("{key} {}", text(&spec[key])));
    }
    for key in ["kind", "listKind", "plural", "singular"] {
        lines.push(format!("{key} {}", text(&names[key])));
    }
    for key in ["shortNames", "categories"] {
        let words: Vec<&str> = names[key]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        lines.push(format!("{key} {}", words.join(" ")));
    }
    for version in spec["versions"].as_array().unwrap() {
        version_facts(version, &mut lines);
    }
    lines.join("\n") + "\n"
}

fn version_facts(version: &Value, lines: &mut Vec<String>) {
    lines.push(format!(
        "version {} served={} storage={} subresources={}",
        text(&version["name"]),
        version["served"],
        version["storage"],
        canonical(&version["subresources"]),
    ));
    for column in version["additionalPrinterColumns"].as_array().unwrap() {
        lines.push(format!(
            "column {} {} {} priority={}",
            column["name"],
            text(&column["type"]),
            text(&column["jsonPath"]),
            column.get("priority").unwrap_or(&json!(0)),
        ));
    }
    schema_facts("", &version["schema"]["openAPIV3Schema"], false, lines);
}

/// The facts of one place of a schema, then those of the places below it.
fn schema_facts(path: &str, schema: &Value, required: bool, lines: &mut Vec<String>) {
    const STRUCTURE: [&str; 7] = [
        "description",
        "properties",
        "items",
        "additionalProperties",
        "required",
        "type",
        "x-kubernetes-validations",
    ];
    let here = if path.is_empty() { "." } else { path };
    let mut line = format!("{here} {}", schema["type"].as_str().unwrap_or("any"));
    if required {
        line += " required";
    }
    let keywords: BTreeMap<_, _> = schema.as_object().unwrap().iter().collect();
    for (keyword, value) in keywords {
        if !STRUCTURE.contains(&keyword.as_str()) {
            let _ = write!(line, " {keyword}={}", canonical(value));
        }
    }
    lines.push(line);
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        lines.push(format!("{here} rule {}", canonical(rule)));
    }
    let properties: BTreeMap<_, _> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .collect();
    for (name, property) in properties {
        let required = schema["required"]
            .as_array()
            .is_some_and(|names| names.contains(&json!(name)));
        schema_facts(&format!("{path}.{name}"), property, required, lines);
    }
    if let Some(items) = schema.get("items") {
        schema_facts(&format!("{path}[]"), items, false, lines);
    }
    if let Some(values) = schema.get("additionalProperties") {
        schema_facts(&format!("{path}{{}}"), values, false, lines);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// JSON with the keys in order and without the point that the client library gives to every number.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().collect();
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}:{}", json!(key), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(canonical).collect::<Vec<_>>().join(",")
        ),
        Value::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
        _ => value.to_string(),
    }
}

// ---- objects made from the contract

/// One place of a schema, as a line of the contract states it.
struct Place {
    /// `spec`, `images`, `[]`, `name`.
    steps: Vec<String>,
    kind: String,
    required: bool,
    keywords: BTreeMap<String, Value>,
}

impl Place {
    fn all(kind: &str) -> Vec<Self> {
        let contract = contract(kind);
        let schema = contract
            .lines()
            .filter(|line| line.starts_with(".spec") || line.starts_with(".status"));
        schema
            .filter(|line| !line.contains(" rule {"))
            .map(Self::parse)
            .collect()
    }

    fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let path = words
            .next()
            .unwrap()
            .replace("[]", ".[]")
            .replace("{}", ".{}");
        let kind = words.next().unwrap().to_owned();
        let (mut required, mut keywords) = (false, BTreeMap::new());
        for word in words {
            match word.split_once('=') {
                Some((keyword, value)) => {
                    keywords.insert(keyword.to_owned(), serde_json::from_str(value).unwrap());
                }
                None => required = word == "required",
            }
        }
        let steps = path.split('.').skip(1).map(str::to_owned).collect();
        Self {
            steps,
            kind,
            required,
            keywords,
        }
    }

    /// Where the place is in an object made by [`sample`].
    fn pointer(&self) -> String {
        let steps = self.steps.iter().map(|step| match step.as_str() {
            "[]" => "/0".to_owned(),
            "{}" => "/key".to_owned(),
            name => format!("/{name}"),
        });
        steps.collect()
    }

    /// How the API server names the place in a message.
    fn named(&self) -> String {
        let steps = self.steps.iter().map(|step| match step.as_str() {
            "[]" => "[0]".to_owned(),
            "{}" => ".key".to_owned(),
            name => format!(".{name}"),
        });
        steps.collect::<String>().trim_start_matches('.').to_owned()
    }

    /// A value that fits, and that is no default where there is a choice.
    fn value(&self) -> Value {
        if let Some(words) = self.keywords.get("enum") {
            return words.as_array().unwrap().last().unwrap().clone();
        }
        if self.keywords.get("format") == Some(&json!("date-time")) {
            return json!("2026-11-01T10:20:30Z");
        }
        let pattern = self.keywords.get("pattern").map_or("", text);
        match self.kind.as_str() {
            "object" => json!({}),
            "array" => json!([]),
            "boolean" => json!(true),
            "integer" => json!(7),
            _ if pattern.contains("ms|s|m") => json!("1m30s"),
            _ if pattern.starts_with("^(http|https|ssh)") => json!("ssh://git@git.example/fleet"),
            _ if pattern == "^https?://" => json!("https://issuer.example"),
            _ if pattern.contains("[.+_-]") => json!("sha256:0123456789abcdef"),
            _ => json!("Text"),
        }
    }
}

/// Spec and status of a kind with every field of the contract set.
fn sample(kind: &str) -> Value {
    let mut object = json!({});
    for place in Place::all(kind) {
        let pointer = place.pointer();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match object.pointer_mut(parent).unwrap() {
            Value::Array(items) => items.push(place.value()),
            fields => fields[key] = place.value(),
        }
    }
    object
}

const KINDS: [&str; 6] = [
    "gitrepository",
    "imagepolicy",
    "imagerepository",
    "imageupdateautomation",
    "kustomization",
    "receiver",
];

fn survives<K: CustomObject>(kind: &str) {
    let mut object = sample(kind);
    object["metadata"] = json!({"name": "sample"});
    let written = serde_json::to_value(read::<K>(object.clone()).unwrap()).unwrap();
    assert_eq!(written["spec"], object["spec"], "the spec of {kind}");
    assert_eq!(written["status"], object["status"], "the status of {kind}");
}

#[test]
fn every_field_of_the_contract_survives_reading_and_writing() {
    survives::<GitRepository>("gitrepository");
    survives::<ImagePolicy>("imagepolicy");
    survives::<ImageRepository>("imagerepository");
    survives::<ImageUpdateAutomation>("imageupdateautomation");
    survives::<Kustomization>("kustomization");
    survives::<Receiver>("receiver");
}

fn reads_without<K: CustomObject>(kind: &str) {
    let sample = sample(kind);
    for place in Place::all(kind) {
        // What has a default is required of the stored object, not of what a user writes.
        let optional = !place.required || place.keywords.contains_key("default");
        if optional && !place.steps.last().unwrap().starts_with(['[', '{']) {
            for value in [None, Some(Value::Null)] {
                let mut object = spoilt(&sample, &place, value);
                object["metadata"] = json!({"name": "sample"});
                if let Err(error) = read::<K>(object) {
                    panic!("{kind} does not read without {}: {error}", place.named());
                }
            }
        }
    }
}

#[test]
fn an_object_reads_without_any_one_of_its_optional_fields() {
    reads_without::<GitRepository>("gitrepository");
    reads_without::<ImagePolicy>("imagepolicy");
    reads_without::<ImageRepository>("imagerepository");
    reads_without::<ImageUpdateAutomation>("imageupdateautomation");
    reads_without::<Kustomization>("kustomization");
    reads_without::<Receiver>("receiver");
}

// ---- a real API server

/// The control plane with our definitions installed.
pub fn installed() -> &'static ControlPlane {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let plane = control_plane();
    INSTALLED.get_or_init(|| {
        plane.apply(&crds_yaml());
        plane.kubectl_ok(&[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd/gitrepositories.source.toolkit.fluxcd.io",
            "crd/imagepolicies.image.toolkit.fluxcd.io",
            "crd/imagerepositories.image.toolkit.fluxcd.io",
            "crd/imageupdateautomations.image.toolkit.fluxcd.io",
            "crd/kustomizations.kustomize.toolkit.fluxcd.io",
            "crd/receivers.notification.toolkit.fluxcd.io",
        ]);
    });
    plane
}

/// A client of the control plane's administrator.
async fn client(plane: &ControlPlane) -> Client {
    // A second test of this process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig_path()).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

/// Group, version and names of a kind, as its definition has them.
fn api_resource(kind: &str) -> ApiResource {
    let definitions = highwater::api::crds();
    let mut specs = definitions.into_iter().map(|definition| definition.spec);
    let spec = specs
        .find(|spec| spec.names.singular.as_deref() == Some(kind))
        .unwrap();
    ApiResource {
        api_version: format!("{}/v1", spec.group),
        group: spec.group,
        version: "v1".to_owned(),
        kind: spec.names.kind,
        plural: spec.names.plural,
    }
}

/// The objects of one kind in one namespace of the API server.
struct Shelf {
    api: Api<DynamicObject>,
    resource: ApiResource,
}

impl Shelf {
    fn of(client: &Client, namespace: &str, kind: &str) -> Self {
        let resource = api_resource(kind);
        Self {
            api: Api::namespaced_with(client.clone(), namespace, &resource),
            resource,
        }
    }

    fn object(&self, name: &str, content: &Value) -> DynamicObject {
        let mut object = DynamicObject::new(name, &self.resource);
        object.data = content.clone();
        object
    }

    async fn create(&self, name: &str, content: &Value) -> Result<DynamicObject, kube::Error> {
        self.api
            .create(&PostParams::default(), &self.object(name, content))
            .await
    }

    /// The words with which the API server refuses a new object; empty when it would take it.
    async fn refusal(&self, content: &Value) -> String {
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        refused(
            self.api
                .create(&parameters, &self.object("refused", content))
                .await,
        )
    }

    /// The same for a new status of an object that exists.
    async fn status_refusal(&self, existing: &DynamicObject, content: &Value) -> String {
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let mut object = existing.clone();
        object.data["status"] = content["status"].clone();
        let name = object.metadata.name.clone().unwrap();
        refused(self.api.replace_status(&name, &parameters, &object).await)
    }
}

fn refused(answer: Result<DynamicObject, kube::Error>) -> String {
    match answer {
        Ok(_) => String::new(),
        Err(kube::Error::Api(status)) => status.message,
        Err(error) => panic!("no answer: {error}"),
    }
}

/// A sample that satisfies the rules over several fields too.
fn valid_sample(kind: &str) -> Value {
    let mut object = sample(kind);
    match kind {
        "gitrepository" => object["spec"]["provider"] = json!("aws"),
        "imagepolicy" => object["spec"]["digestReflectionPolicy"] = json!("Always"),
        "receiver" => {
            object["spec"]["type"] = json!("generic-oidc");
            object["spec"].as_object_mut().unwrap().remove("secretRef");
        }
        "kustomization" => {
            object["spec"]["kubeConfig"]
                .as_object_mut()
                .unwrap()
                .remove("configMapRef");
        }
        _ => {}
    }
    object
}

#[tokio::test]
async fn an_object_with_every_field_is_stored_as_it_was_sent() {
    let plane = installed();
    let client = client(plane).await;
    let namespace = plane.namespace("crds-full");
    for kind in KINDS {
        let shelf = Shelf::of(&client, &namespace, kind);
        let content = valid_sample(kind);
        let mut stored = shelf.create("full", &content).await.unwrap();
        assert_eq!(stored.data["spec"], content["spec"], "the spec of {kind}");
        stored.data["status"] = content["status"].clone();
        let stored = shelf
            .api
            .replace_status("full", &PostParams::default(), &stored)
            .await
            .unwrap();
        assert_eq!(
            stored.data["status"], content["status"],
            "the status of {kind}"
        );
    }
}

#[tokio::test]
async fn what_is_left_out_comes_back_as_flux_defaults_it() {
    let reference = json!({"name": "app"});
    let cases = [
        (
            "gitrepository",
            json!({"url": "https://git.example/fleet", "interval": "1m",
                   "verify": {"secretRef": {"name": "keys"}}}),
            json!({"timeout": "60s", "verify": {"mode": "HEAD", "secretRef": {"name": "keys"}}}),
        ),
        (
            "imagepolicy",
            json!({"imageRepositoryRef": reference, "policy": {"numerical": {}, "alphabetical": null}}),
            json!({"digestReflectionPolicy": "Never", "policy": {"numerical": {"order": "asc"}}}),
        ),
        (
            "imagerepository",
            json!({"image": "app", "interval": "1m", "provider": null}),
            json!({"exclusionList": ["^.*\\.sig$"], "provider": "generic"}),
        ),
        (
            "imageupdateautomation",
            json!({"sourceRef": reference, "interval": "1m"}),
            json!({"sourceRef": {"kind": "GitRepository", "name": "app"}, "update": {"strategy": "Setters"}}),
        ),
        (
            "kustomization",
            json!({"sourceRef": {"kind": "GitRepository", "name": "app"}, "interval": "1m", "prune": true,
                   "postBuild": {"substituteFrom": [{"kind": "Secret", "name": "a"}]}}),
            json!({"force": false,
                   "postBuild": {"substituteFrom": [{"kind": "Secret", "name": "a", "optional": false}]}}),
        ),
        (
            "receiver",
            json!({"type": "github", "secretRef": {"name": "token"}, "resources": []}),
            json!({"interval": "10m"}),
        ),
    ];
    let plane = installed();
    let client = client(plane).await;
    let namespace = plane.namespace("crds-default");
    for (kind, spec, defaults) in cases {
        let shelf = Shelf::of(&client, &namespace, kind);
        let stored = shelf.create("least", &json!({"spec": spec})).await.unwrap();
        let mut expected = spec;
        expected
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        for (field, value) in defaults.as_object().unwrap() {
            expected[field] = value.clone();
        }
        assert_eq!(stored.data["spec"], expected, "the spec of {kind}");
        assert_eq!(
            stored.data["status"],
            json!({"observedGeneration": -1}),
            "the status of {kind}"
        );
    }
}

#[tokio::test]
async fn an_object_without_a_spec_is_accepted_and_does_not_break_the_list() {
    let plane = installed();
    let client = client(plane).await;
    let namespace = plane.namespace("crds-bare");
    let shelf = Shelf::of(&client, &namespace, "imagerepository");
    shelf.create("bare", &json!({})).await.unwrap();
    shelf
        .create("full", &valid_sample("imagerepository"))
        .await
        .unwrap();
    let listed = Api::<ImageRepository>::namespaced(client, &namespace)
        .list(&Default::default())
        .await;
    let images: Vec<String> = listed
        .unwrap()
        .items
        .into_iter()
        .map(|object| object.spec.image)
        .collect();
    assert_eq!(images, ["", "Text"]);
}

/// What can be wrong with a place of a sample, and the API server's words for it.
fn mistakes(place: &Place) -> Vec<(Option<Value>, String)> {
    let time = place.keywords.get("format") == Some(&json!("date-time"));
    let kind = if time { "date-time" } else { &place.kind };
    let other = if place.kind == "string" {
        json!(7)
    } else {
        json!("x")
    };
    let mut mistakes = vec![(Some(other), format!("in body must be of type {kind}"))];
    if time {
        mistakes.push((
            Some(json!("yesterday")),
            "in body must be of type date-time".to_owned(),
        ));
    }
    if place.required && !place.keywords.contains_key("default") {
        mistakes.push((None, "Required value".to_owned()));
    }
    for (keyword, bound) in &place.keywords {
        let length = bound.as_u64().unwrap_or_default() as usize;
        mistakes.push(match keyword.as_str() {
            "pattern" => (
                Some(json!("!")),
                format!("in body should match '{}'", text(bound)),
            ),
            "enum" => (
                Some(json!("neither")),
                "Unsupported value: \"neither\"".to_owned(),
            ),
            "maxLength" => (Some(json!("x".repeat(length + 1))), "Too long".to_owned()),
            "minLength" => (
                Some(json!("")),
                format!("in body should be at least {length} chars long"),
            ),
            "maxItems" => (Some(json!(vec!["x"; length + 1])), "Too many".to_owned()),
            "minimum" => (
                Some(json!(-1)),
                "in body should be greater than or equal to 0".to_owned(),
            ),
            _ => continue,
        });
    }
    mistakes
}

/// The sample with one place exchanged, or removed.
fn spoilt(sample: &Value, place: &Place, value: Option<Value>) -> Value {
    let mut object = sample.clone();
    let pointer = place.pointer();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match (object.pointer_mut(parent).unwrap(), value) {
        (Value::Array(items), Some(value)) => items[0] = value,
        (fields, Some(value)) => fields[key] = value,
        (fields, None) => {
            fields.as_object_mut().unwrap().remove(key);
        }
    }
    object
}

#[tokio::test]
async fn every_type_bound_pattern_and_word_of_the_contract_is_enforced() {
    let plane = installed();
    let client = client(plane).await;
    let namespace = plane.namespace("crds-refused");
    let (mut checked, mut problems) = (0, String::new());
    for kind in KINDS {
        let shelf = Shelf::of(&client, &namespace, kind);
        let valid = valid_sample(kind);
        let existing = shelf
            .create("existing", &json!({"spec": valid["spec"]}))
            .await
            .unwrap();
        for place in Place::all(kind) {
            if valid.pointer(&place.pointer()).is_none() {
                continue;
            }
            for (value, expected) in mistakes(&place) {
                let object = spoilt(&valid, &place, value);
                let words = if place.steps[0] == "spec" {
                    shelf.refusal(&object).await
                } else {
                    shelf.status_refusal(&existing, &object).await
                };
                checked += 1;
                let named = place.named();
                if !words.contains(&format!("{named}: ")) || !words.contains(&expected) {
                    let _ = writeln!(
                        problems,
                        "{kind} {named}: expected `{expected}`, got `{words}`"
                    );
                }
            }
        }
    }
    assert!(problems.is_empty(), "{problems}");
    assert!(checked > 400, "only {checked} mistakes were tried");
}

/// A kind, changes to the spec of a sample, and the rule that speaks against it, if one does.
fn rules() -> Vec<(&'static str, Value, &'static str)> {
    let only_always =
        "spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'";
    let always_needs =
        "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'";
    let account = "serviceAccountName can only be set when provider is 'azure' or 'aws'";
    let one = "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified";
    let both = json!({"secretRef": {"name": "a"}, "configMapRef": {"name": "b"}});
    vec![
        (
            "imagepolicy",
            json!({"interval": "5m", "digestReflectionPolicy": "Always"}),
            "",
        ),
        (
            "imagepolicy",
            json!({"interval": null, "digestReflectionPolicy": "IfNotPresent"}),
            "",
        ),
        (
            "imagepolicy",
            json!({"interval": "5m", "digestReflectionPolicy": "IfNotPresent"}),
            only_always,
        ),
        (
            "imagepolicy",
            json!({"interval": "5m", "digestReflectionPolicy": null}),
            only_always,
        ),
        (
            "imagepolicy",
            json!({"interval": null, "digestReflectionPolicy": "Always"}),
            always_needs,
        ),
        (
            "gitrepository",
            json!({"serviceAccountName": "a", "provider": "azure"}),
            "",
        ),
        (
            "gitrepository",
            json!({"serviceAccountName": "a", "provider": "github"}),
            account,
        ),
        (
            "gitrepository",
            json!({"serviceAccountName": "a", "provider": null}),
            account,
        ),
        (
            "kustomization",
            json!({"kubeConfig": {"configMapRef": {"name": "a"}}}),
            "",
        ),
        ("kustomization", json!({"kubeConfig": {}}), one),
        ("kustomization", json!({"kubeConfig": both}), one),
    ]
}

/// The same for the choices that Flux has not.
fn choice_rules() -> Vec<(&'static str, Value, &'static str)> {
    let one_choice =
        "exactly one of semver, alphabetical, numerical, calver or newest must be specified";
    vec![
        (
            "imagepolicy",
            json!({"policy": {"alphabetical": {}, "numerical": {}}}),
            "",
        ),
        ("imagepolicy", json!({"policy": {}}), ""),
        (
            "imagepolicy",
            json!({"policy": {"calver": {"layout": "YYYY.0M.MICRO"}}}),
            "",
        ),
        ("imagepolicy", json!({"policy": {"newest": {}}}), ""),
        (
            "imagepolicy",
            json!({"policy": {"newest": {}, "calver": {"layout": "YYYY"}}}),
            one_choice,
        ),
        (
            "imagepolicy",
            json!({"policy": {"newest": {}, "semver": {"range": "*"}}}),
            one_choice,
        ),
        (
            "imagepolicy",
            json!({"policy": {"newest": {"limit": 1001}}}),
            "spec.policy.newest.limit",
        ),
        (
            "imagepolicy",
            json!({"policy": {"newest": {"by": "heard"}}}),
            "spec.policy.newest.by",
        ),
    ]
}

/// The same of Receiver.
fn receiver_rules() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("receiver", json!({}), ""),
        (
            "receiver",
            json!({"type": "github", "oidcProviders": null, "secretRef": {"name": "a"}}),
            "",
        ),
        (
            "receiver",
            json!({"oidcProviders": null}),
            "generic-oidc receivers must define at least one oidcProvider",
        ),
        (
            "receiver",
            json!({"type": "github", "secretRef": {"name": "a"}}),
            "oidcProviders can only be set when type is generic-oidc",
        ),
        (
            "receiver",
            json!({"secretRef": {"name": "a"}}),
            "secretRef cannot be set when type is generic-oidc",
        ),
        (
            "receiver",
            json!({"type": "github", "oidcProviders": null}),
            "secretRef is required when type is not generic-oidc",
        ),
    ]
}

/// The same for pull requests.
fn proposal_rules() -> Vec<(&'static str, Value, &'static str)> {
    let git = |push: Value, pull_request: Value| {
        let commit = json!({"author": {"email": "bot@example.com"}});
        json!({"git": {"commit": commit, "push": push, "pullRequest": pull_request}})
    };
    let branches = "push.branch and push.refspec cannot be set together with pullRequest";
    let after = "autoMerge.after is needed with autoMerge.when 'after'";
    [
        (git(json!({}), json!({"provider": "gitea"})), ""),
        (git(json!({"options": {"a": "b"}}), json!({})), ""),
        (git(json!({"branch": "updates"}), json!({})), branches),
        (git(json!({"refspec": "a:b"}), json!({})), branches),
        (
            git(json!({}), json!({"provider": "sourceforge"})),
            "spec.git.pullRequest.provider",
        ),
        (
            git(json!({}), json!({"autoMerge": {"when": "after"}})),
            after,
        ),
        (
            git(
                json!({}),
                json!({"autoMerge": {"when": "after", "after": "24h"}}),
            ),
            "",
        ),
        (
            git(json!({}), json!({"autoMerge": {"after": "soon"}})),
            "spec.git.pullRequest.autoMerge.after",
        ),
    ]
    .into_iter()
    .map(|(changes, expected)| ("imageupdateautomation", changes, expected))
    .collect()
}

#[tokio::test]
async fn rules_over_several_fields_are_enforced_in_fluxs_words() {
    let plane = installed();
    let client = client(plane).await;
    let namespace = plane.namespace("crds-rules");
    let rules = rules()
        .into_iter()
        .chain(choice_rules())
        .chain(proposal_rules());
    for (kind, changes, expected) in rules.chain(receiver_rules()) {
        let mut object = json!({"spec": valid_sample(kind)["spec"]});
        for (field, value) in changes.as_object().unwrap() {
            object["spec"][field] = value.clone();
        }
        let words = Shelf::of(&client, &namespace, kind).refusal(&object).await;
        assert_eq!(
            words.is_empty(),
            expected.is_empty(),
            "{kind} {changes}: {words}"
        );
        assert!(words.contains(expected), "{kind} {changes}: {words}");
    }
}

#[tokio::test]
async fn a_typed_client_creates_and_reports_without_touching_the_spec() {
    let plane = installed();
    let namespace = plane.namespace("crds-typed");
    let api = Api::<ImageRepository>::namespaced(client(plane).await, &namespace);
    let spec = ImageRepositorySpec {
        image: "ghcr.io/org/app".to_owned(),
        interval: "5m".to_owned(),
        ..ImageRepositorySpec::default()
    };
    let wanted = ImageRepository::new(&namespace, "app", spec.clone());
    let created = api.create(&PostParams::default(), &wanted).await.unwrap();
    assert_eq!((&created.spec, created.observed_generation()), (&spec, -1));

    let mut status = created.status.clone();
    status.observed_generation = 1;
    status.canonical_image_name = Some("ghcr.io/org/app".to_owned());
    let patch = Patch::Merge(json!({"status": status, "spec": {"image": "elsewhere"}}));
    api.patch_status("app", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let read = api.get("app").await.unwrap();
    assert_eq!((read.spec, read.status), (spec, status));
}

#[test]
fn kubectl_knows_the_short_names_and_prints_fluxs_columns() {
    let plane = installed();
    let namespace = plane.namespace("crds-columns");
    let cases = [
        ("gitrepo", "NAME URL AGE READY STATUS"),
        ("imgpol", "NAME IMAGE TAG READY STATUS AGE"),
        ("imagepol", "NAME IMAGE TAG READY STATUS AGE"),
        ("imgrepo", "NAME IMAGE TAGS READY STATUS LAST SCAN AGE"),
        ("imagerepo", "NAME IMAGE TAGS READY STATUS LAST SCAN AGE"),
        ("iua", "NAME READY STATUS LAST RUN AGE"),
        ("imgupd", "NAME READY STATUS LAST RUN AGE"),
        ("imgauto", "NAME READY STATUS LAST RUN AGE"),
        ("ks", "NAME AGE READY STATUS"),
        ("receivers", "NAME AGE READY STATUS"),
    ];
    for kind in KINDS {
        let resource = api_resource(kind);
        let object = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": "one", "namespace": namespace},
            "spec": valid_sample(kind)["spec"],
        });
        plane.apply(&object.to_string());
    }
    for (short, expected) in cases {
        let printed = plane.kubectl_ok(&["-n", &namespace, "get", short, "-o", "wide"]);
        let heading: Vec<&str> = printed.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(heading.join(" "), expected, "{short}");
    }
    let all = plane.kubectl_ok(&["-n", &namespace, "get", "fluxcd", "-o", "name"]);
    assert_eq!(all.lines().count(), KINDS.len(), "{all}");
}
