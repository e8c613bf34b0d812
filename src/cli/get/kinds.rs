//! The kinds that can be listed, and which cells each has, after its name.
//!
//! The cells are read from the object as it came, so that one that breaks its schema is still listed.

use super::show::{condition, shorten, status_of};
use crate::api::pull_request::PullRequestState;
use crate::api::{
    GitRepository, ImagePolicy, ImageRepository, ImageUpdateAutomation, Kustomization, Receiver,
};
use kube::core::{ApiResource, DynamicObject};
use serde_json::Value;

/// One kind.
pub(super) struct Kind {
    /// Its name, as in manifests.
    pub(super) name: &'static str,
    /// How the API server calls it.
    pub(super) resource: fn() -> ApiResource,
    /// The headings after `NAME`.
    pub(super) headings: &'static [&'static str],
    /// The cells after the name.
    pub(super) cells: fn(&DynamicObject) -> Vec<String>,
    /// The headings that `-o wide` adds.
    pub(super) wide_headings: &'static [&'static str],
    /// Their cells.
    pub(super) wide_cells: fn(&DynamicObject) -> Vec<String>,
}

/// A kind without more to show.
fn nothing(_: &DynamicObject) -> Vec<String> {
    Vec::new()
}

/// ImageRepository.
pub(super) const IMAGE_REPOSITORY: Kind = Kind {
    name: "ImageRepository",
    resource: || ApiResource::erase::<ImageRepository>(&()),
    headings: &["LAST SCAN", "SUSPENDED", "READY", "MESSAGE"],
    cells: |object| {
        let [ready, message] = condition(object);
        let last_scan = text(object, "/status/lastScanResult/scanTime");
        vec![last_scan, suspended(object), ready, message]
    },
    wide_headings: &["REQUESTS", "PAGES", "TAGS", "LIMIT", "NEXT SCAN"],
    wide_cells: |object| {
        let number = |field: &str| number(object, &format!("/status/spent/{field}"));
        let limit = match (number("limitRemaining"), number("limit")) {
            (remaining, limit) if limit.is_empty() => remaining,
            (remaining, limit) => format!("{remaining}/{limit}"),
        };
        let next = match text(object, "/status/spent/pausedUntil") {
            paused if paused.is_empty() => text(object, "/status/spent/nextScanTime"),
            paused => format!("paused until {paused}"),
        };
        let [requests, pages, tags] = ["requests", "pages", "tags"].map(number);
        vec![requests, pages, tags, limit, next]
    },
};

/// ImagePolicy.
pub(super) const IMAGE_POLICY: Kind = Kind {
    name: "ImagePolicy",
    resource: || ApiResource::erase::<ImagePolicy>(&()),
    headings: &["IMAGE", "TAG", "READY", "MESSAGE"],
    cells: |object| {
        let [ready, message] = condition(object);
        let image = text(object, "/status/latestRef/name");
        let tag = text(object, "/status/latestRef/tag");
        vec![image, tag, ready, message]
    },
    wide_headings: &["PROPOSED"],
    wide_cells: |object| vec![status_of(object, "Proposed")],
};

/// ImageUpdateAutomation.
pub(super) const IMAGE_UPDATE: Kind = Kind {
    name: "ImageUpdateAutomation",
    resource: || ApiResource::erase::<ImageUpdateAutomation>(&()),
    headings: &["LAST RUN", "SUSPENDED", "READY", "MESSAGE"],
    cells: |object| {
        let [ready, message] = condition(object);
        let last_run = text(object, "/status/lastAutomationRunTime");
        vec![last_run, suspended(object), ready, message]
    },
    wide_headings: &["LAST COMMIT", "PUSHED", "PENDING", "DUE", "PULL REQUESTS"],
    wide_cells: |object| {
        let commit = shorten(&text(object, "/status/lastPushCommit"));
        let pushed = text(object, "/status/lastPushTime");
        let pending = number(object, "/status/pendingChanges/count");
        let due = text(object, "/status/pendingChanges/due");
        vec![commit, pushed, pending, due, open_pull_requests(object)]
    },
};

/// GitRepository.
pub(super) const GIT_REPOSITORY: Kind = Kind {
    name: "GitRepository",
    resource: || ApiResource::erase::<GitRepository>(&()),
    headings: &["REVISION", "SUSPENDED", "READY", "MESSAGE"],
    cells: |object| revision_cells(object, "/status/artifact/revision"),
    wide_headings: &[],
    wide_cells: nothing,
};

/// Kustomization.
pub(super) const KUSTOMIZATION: Kind = Kind {
    name: "Kustomization",
    resource: || ApiResource::erase::<Kustomization>(&()),
    headings: &["REVISION", "SUSPENDED", "READY", "MESSAGE"],
    cells: |object| revision_cells(object, "/status/lastAppliedRevision"),
    wide_headings: &[],
    wide_cells: nothing,
};

/// Receiver.
pub(super) const RECEIVER: Kind = Kind {
    name: "Receiver",
    resource: || ApiResource::erase::<Receiver>(&()),
    headings: &["SUSPENDED", "READY", "MESSAGE"],
    cells: |object| {
        let [ready, message] = condition(object);
        vec![suspended(object), ready, message]
    },
    wide_headings: &["PATH"],
    wide_cells: |object| vec![text(object, "/status/webhookPath")],
};

/// The numbers of the pull requests that are open: `#7, #9`.
fn open_pull_requests(object: &DynamicObject) -> String {
    let all = object.data.pointer("/status/pullRequests");
    let all = all.and_then(Value::as_array).into_iter().flatten();
    // Those of every other state are open, also when they are left alone or could not be mended.
    let open = all.filter(|pull| pull["state"] != PullRequestState::Skipped.as_str());
    let numbers = open.filter_map(|pull| Some(format!("#{}", pull["number"].as_i64()?)));
    numbers.collect::<Vec<_>>().join(", ")
}

fn revision_cells(object: &DynamicObject, path: &str) -> Vec<String> {
    let [ready, message] = condition(object);
    let revision = shorten(&text(object, path));
    vec![revision, suspended(object), ready, shorten(&message)]
}

/// The text at a JSON pointer; empty when there is none.
pub(super) fn text(object: &DynamicObject, path: &str) -> String {
    let value = object.data.pointer(path).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

/// The number at a JSON pointer; empty when there is none.
fn number(object: &DynamicObject, path: &str) -> String {
    let value = object.data.pointer(path).and_then(Value::as_i64);
    value.map(|number| number.to_string()).unwrap_or_default()
}

fn suspended(object: &DynamicObject) -> String {
    let suspended = object
        .data
        .pointer("/spec/suspend")
        .and_then(Value::as_bool);
    let word = if suspended == Some(true) {
        "True"
    } else {
        "False"
    };
    word.to_owned()
}

/// `Kind/namespace/name` of what a Kustomization takes its manifests from.
pub(super) fn source(object: &DynamicObject) -> String {
    let namespace = match text(object, "/spec/sourceRef/namespace") {
        empty if empty.is_empty() => object.metadata.namespace.clone().unwrap_or_default(),
        other => other,
    };
    let kind = text(object, "/spec/sourceRef/kind");
    let name = text(object, "/spec/sourceRef/name");
    format!("{kind}/{namespace}/{name}")
}
