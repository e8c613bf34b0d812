//! The events of each registry, told apart by their form. Each is read as its vendor documents it.
//!
//! Invariant: an event that is none of a registry's is `None`; one that is, and tells of nothing that changes a list of tags, is no
//! news. What is absent: envelopes.

use super::{News, Push, text};
use serde_json::Value;

/// What an event says; `None` when its form is not known.
pub(super) fn read(event: &Value) -> Option<News> {
    let has = |field: &str| event.get(field).is_some_and(|value| !value.is_null());
    if !event.is_object() {
        return None;
    }
    let text_of = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default();
    let form: Option<fn(&Value) -> News> = match () {
        () if text_of("source") == "aws.ecr" && has("detail") => Some(ecr),
        () if event.get("events").is_some_and(Value::is_array) => return distribution(event),
        () if has("push_data") && has("repository") => Some(docker_hub),
        () if has("docker_url") => Some(quay),
        () if has("event_data") && has("type") => Some(harbor),
        () if has("action") && has("target") => Some(distribution_event),
        () if has("repositoryName") && (has("component") || has("asset")) => Some(nexus),
        () if has("registry_package") || has("package") && has("action") => Some(github),
        () if has("event_type") && text_of("domain") == "docker" => Some(artifactory),
        () if has("context") && has("subject") => Some(cd_event),
        () if ["INSERT", "DELETE"].contains(&text_of("action")) => Some(google),
        () if has("image") || has("images") => return plain(event),
        () => None,
    };
    form.map(|form| form(event))
}

/// Amazon ECR through EventBridge: an event `ECR Image Action`.
fn ecr(event: &Value) -> News {
    if text(event, "/detail/result") != "SUCCESS" {
        return News::default();
    }
    let (account, region) = (text(event, "/account"), text(event, "/region"));
    // Partitions other than the first have other domains, and their repositories are found by their path.
    let host = format!("{account}.dkr.ecr.{region}.amazonaws.com");
    let host = (!account.is_empty() && !region.is_empty()).then_some(host.as_str());
    match text(event, "/detail/action-type") {
        "PUSH" => News::of(Push::new(
            host,
            text(event, "/detail/repository-name"),
            text(event, "/detail/image-tag"),
            text(event, "/detail/image-digest"),
        )),
        "DELETE" => News::change(),
        _ => News::default(),
    }
}

/// The distribution registry, and GitLab's: an envelope of events.
fn distribution(envelope: &Value) -> Option<News> {
    let events = envelope["events"].as_array()?;
    let known = events
        .iter()
        .all(|event| event.get("action").is_some() && event.get("target").is_some());
    known.then(|| News::all(events.iter().map(distribution_event)))
}

/// One event of the distribution registry; Azure's registry sends the same by itself. Blobs are pushed too, and have no tag.
fn distribution_event(event: &Value) -> News {
    let target = |field: &str| event["target"][field].as_str().unwrap_or_default();
    match text(event, "/action") {
        "push" => {
            let host = text(event, "/request/host");
            let host = (!host.is_empty()).then_some(host);
            News::of(Push::new(
                host,
                target("repository"),
                target("tag"),
                target("digest"),
            ))
        }
        "delete" => News::change(),
        _ => News::default(),
    }
}

/// Docker Hub.
fn docker_hub(event: &Value) -> News {
    News::of(Push::of_name(
        text(event, "/repository/repo_name"),
        text(event, "/push_data/tag"),
        "",
    ))
}

/// Quay: a push of one or several tags. Its other notifications have no `updated_tags`.
fn quay(event: &Value) -> News {
    let name = text(event, "/docker_url");
    let tags = event["updated_tags"].as_array().into_iter().flatten();
    News::all(
        tags.filter_map(Value::as_str)
            .map(|tag| News::of(Push::of_name(name, tag, ""))),
    )
}

/// Harbor's own form.
fn harbor(event: &Value) -> News {
    match text(event, "/type") {
        "PUSH_ARTIFACT" | "REPLICATION" if event["event_data"]["resources"].is_array() => {
            harbor_resources(&event["event_data"])
        }
        "DELETE_ARTIFACT" | "REPLICATION" => News::change(),
        _ => News::default(),
    }
}

/// Harbor's events as CloudEvents: `harbor.artifact.pushed` and others.
pub(super) fn harbor_cloud_event(done: &str, data: &Value) -> Option<News> {
    Some(match done {
        "artifact.pushed" => harbor_resources(data),
        "artifact.deleted" | "replication.status.changed" => News::change(),
        _ => News::default(),
    })
}

fn harbor_resources(data: &Value) -> News {
    let resources = data["resources"].as_array().into_iter().flatten();
    News::all(resources.map(|resource| {
        let (tag, digest) = (text(resource, "/tag"), text(resource, "/digest"));
        // A URL with a tag, or with a digest when the push had none.
        let name = text(resource, "/resource_url");
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        let name = name
            .strip_suffix(tag)
            .and_then(|name| name.strip_suffix(':'))
            .unwrap_or(name);
        let full = text(data, "/repository/repo_full_name");
        News::of(Push::of_name(name, tag, digest).or_else(|| Push::new(None, full, tag, digest)))
    }))
}

/// Nexus: a component of a docker repository, or one of its assets, which is called `v2/<name>/manifests/<tag>`. The registry's
/// address is not told.
fn nexus(event: &Value) -> News {
    let of = |pointer: &str| text(event, pointer);
    let kinds = [of("/component/format"), of("/asset/format")];
    if !kinds.contains(&"docker") {
        return News::default();
    }
    match of("/action") {
        "CREATED" | "UPDATED" if !of("/component/name").is_empty() => News::of(Push::new(
            None,
            of("/component/name"),
            of("/component/version"),
            "",
        )),
        "CREATED" | "UPDATED" => {
            let name = of("/asset/name")
                .trim_start_matches('/')
                .trim_start_matches("v2/");
            let parts = name.split_once("/manifests/").unwrap_or_default();
            News::of(Push::new(None, parts.0, parts.1, ""))
        }
        "DELETED" | "PURGED" => News::change(),
        _ => News::default(),
    }
}

/// GitHub's container registry: the events `registry_package` and `package`.
fn github(event: &Value) -> News {
    let package = ["registry_package", "package"]
        .into_iter()
        .map(|field| &event[field]);
    let Some(package) = package.into_iter().find(|package| package.is_object()) else {
        return News::default();
    };
    let kind = text(package, "/package_type");
    let published = ["published", "updated"].contains(&text(event, "/action"));
    if !published || !kind.eq_ignore_ascii_case("container") && !kind.eq_ignore_ascii_case("docker")
    {
        return News::default();
    }
    let tag = text(package, "/package_version/container_metadata/tag/name");
    let digest = text(package, "/package_version/container_metadata/tag/digest");
    let url = text(package, "/package_version/package_url");
    let url = url
        .strip_suffix(tag)
        .and_then(|url| url.strip_suffix(':'))
        .unwrap_or(url);
    let (namespace, name) = (text(package, "/namespace"), text(package, "/name"));
    // Names of accounts may have capitals, names of images may not.
    let path = format!("{namespace}/{name}").to_ascii_lowercase();
    let named = (url.contains('/'))
        .then(|| Push::of_name(url, tag, digest))
        .flatten();
    News::of(named.or_else(|| Push::new(Some("ghcr.io"), &path, tag, digest)))
}

/// Artifactory, domain `docker`. The image's name in its repository is told, not where the repository is reached.
fn artifactory(event: &Value) -> News {
    match text(event, "/event_type") {
        "pushed" | "promoted" => News::of(Push::new(
            None,
            text(event, "/data/image_name"),
            text(event, "/data/tag"),
            "",
        )),
        "deleted" => News::change(),
        _ => News::default(),
    }
}

/// A CDEvent about an artifact, whose subject is a package URL: `pkg:oci/app@sha256%3A…?repository_url=…&tag=…`.
fn cd_event(event: &Value) -> News {
    let kind = text(event, "/context/type");
    let done = kind
        .strip_prefix("dev.cdevents.artifact.")
        .unwrap_or_default();
    if done.starts_with("deleted.") {
        return News::change();
    }
    if !done.starts_with("published.") && !done.starts_with("packaged.") {
        return News::default();
    }
    News::of(package_url(text(event, "/subject/id")))
}

fn package_url(url: &str) -> Option<Push> {
    let rest = url
        .strip_prefix("pkg:oci/")
        .or_else(|| url.strip_prefix("pkg:docker/"))?;
    let (path, query) = rest.split_once('?')?;
    let (name, version) = path.split_once('@').unwrap_or((path, ""));
    // The part is percent-encoded like a form field.
    let decoded = |text: &str| {
        url::form_urlencoded::parse(format!("x={text}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    let (name, version) = (decoded(name)?, decoded(version)?);
    let (mut repository, mut tag) = (None, None);
    for (field, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match field.as_ref() {
            "repository_url" => repository = Some(value.into_owned()),
            "tag" => tag = Some(value.into_owned()),
            _ => {}
        }
    }
    let tag = tag.or_else(|| (!version.contains(':')).then(|| version.clone()))?;
    let repository = repository.unwrap_or_default();
    let last = repository.rsplit('/').next().unwrap_or_default();
    let whole = if last == name {
        repository.clone()
    } else {
        format!("{repository}/{name}")
    };
    match repository.is_empty() {
        true => Push::new(None, &name, &tag, &version),
        false => Push::of_name(&whole, &tag, &version),
    }
}

/// Google's registries: `tag` is a whole reference.
fn google(event: &Value) -> News {
    match text(event, "/action") {
        "INSERT" => {
            let digest = text(event, "/digest")
                .split_once('@')
                .map_or("", |(_, digest)| digest);
            let push = Push::of_reference(text(event, "/tag"));
            News::of(push.map(|push| Push {
                digest: crate::domain::image::is_digest(digest).then(|| digest.to_owned()),
                ..push
            }))
        }
        _ => News::change(),
    }
}

/// For jobs that tell of their own push: `{"image": "ghcr.io/acme/app:1.2.3"}`, `{"image": "ghcr.io/acme/app", "tag": "1.2.3"}`
/// or `{"images": [..]}`. An object with an `image` that is no text is somebody else's.
fn plain(event: &Value) -> Option<News> {
    let one = |image: &Value| {
        let image = image.as_str()?;
        let tag = text(event, "/tag");
        Some(News::of(match tag {
            "" => Push::of_reference(image),
            tag => Push::of_name(image, tag, text(event, "/digest")),
        }))
    };
    match (event.get("image"), event.get("images")) {
        (Some(image), _) => one(image).filter(|news| !news.pushes.is_empty()),
        (None, Some(Value::Array(images))) => {
            let news: Option<Vec<News>> = images
                .iter()
                .take(super::MOST_PUSHES + 1)
                .map(one)
                .collect();
            news.map(News::all).filter(|news| !news.pushes.is_empty())
        }
        _ => None,
    }
}
