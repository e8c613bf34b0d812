//! Payloads as each vendor's documentation shows them, written down anew.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

const DIGEST: &str = "sha256:6ec128e26cd5ab4bd1e9d1a3ba1ac8c5c7dfcd0a5a6b6f3a3d1f1a0e0b1c2d3e";

fn heard(payload: &Value) -> Heard {
    read(&Headers::default(), payload.to_string().as_bytes())
}

fn news(payload: &Value) -> News {
    match heard(payload) {
        Heard::News(news) => news,
        Heard::Unknown => panic!("the form is not known: {payload}"),
    }
}

/// What a payload says, in short: `registry/repository:tag`, `-` for a registry that is not told, `+` for more.
fn told(payload: &Value) -> Vec<String> {
    shorten(&news(payload))
}

fn shorten(news: &News) -> Vec<String> {
    let pushes = news.pushes.iter().map(|push| {
        let registry = push.registry.as_deref().unwrap_or("-");
        format!("{registry}/{}:{}", push.repository, push.tag)
    });
    pushes.chain(news.more.then(|| "+".to_owned())).collect()
}

fn docker_hub() -> Value {
    json!({
        "callback_url": "https://registry.hub.docker.com/u/svendowideit/testhook/hook/2141b5bi5i5b02bec211i4eeih0242eg11000a/",
        "push_data": {"pushed_at": 1417566161, "pusher": "trustedbuilder", "tag": "1.4.0"},
        "repository": {
            "name": "testhook", "namespace": "svendowideit", "owner": "svendowideit", "repo_name": "svendowideit/testhook",
            "repo_url": "https://registry.hub.docker.com/u/svendowideit/testhook/", "status": "Active"
        }
    })
}

fn quay() -> Value {
    json!({
        "name": "repository", "repository": "mynamespace/repository", "namespace": "mynamespace",
        "docker_url": "quay.io/mynamespace/repository", "homepage": "https://quay.io/repository/mynamespace/repository",
        "updated_tags": ["1.0.1", "latest"]
    })
}

fn harbor(kind: &str) -> Value {
    json!({
        "type": kind, "occur_at": 1680501893, "operator": "harbor-jobservice",
        "event_data": {
            "resources": [{"digest": DIGEST, "tag": "2.0.0", "resource_url": "hub.harbor.com/library/debian:2.0.0"}],
            "repository": {"date_created": 1586922308, "name": "debian", "namespace": "library", "repo_full_name": "library/debian", "repo_type": "public"}
        }
    })
}

fn acr(action: &str) -> Value {
    json!({
        "id": "cb8c3971-9adc-488b-xxxx-43cbb4974ff5", "timestamp": "2017-11-17T16:52:01.343145347Z", "action": action,
        "target": {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "size": 524, "digest": DIGEST, "length": 524,
            "repository": "hello-world", "tag": "v1"
        },
        "request": {"id": "3cbb6949", "host": "myregistry.azurecr.io", "method": "PUT", "useragent": "docker/17.09.0-ce"}
    })
}

fn google() -> Value {
    json!({
        "action": "INSERT",
        "digest": format!("us-east1-docker.pkg.dev/my-project/my-repo/hello-world@{DIGEST}"),
        "tag": "us-east1-docker.pkg.dev/my-project/my-repo/hello-world:1.1"
    })
}

fn pub_sub(event: &Value) -> Value {
    json!({
        "message": {"data": STANDARD.encode(event.to_string()), "messageId": "2070443601311540", "publishTime": "2021-02-26T19:13:55.749Z"},
        "subscription": "projects/myproject/subscriptions/mysubscription"
    })
}

fn ecr(action: &str, result: &str) -> Value {
    json!({
        "version": "0", "id": "13cde686-328b-6117-af20-0e5566167482", "detail-type": "ECR Image Action", "source": "aws.ecr",
        "account": "123456789012", "time": "2019-11-16T01:54:34Z", "region": "us-west-2", "resources": [],
        "detail": {
            "result": result, "repository-name": "my-repository-name", "image-digest": DIGEST,
            "action-type": action, "image-tag": "latest"
        }
    })
}

fn github(event: &str, action: &str, kind: &str) -> Value {
    json!({
        "action": action,
        event: {
            "id": 10696, "name": "hello-docker", "namespace": "Codertocat", "ecosystem": "CONTAINER", "package_type": kind,
            "package_version": {
                "id": 37373, "package_url": "ghcr.io/codertocat/hello-docker:1.2.3", "version": DIGEST,
                "container_metadata": {"tag": {"name": "1.2.3", "digest": DIGEST}, "labels": {}, "manifest": {}}
            }
        },
        "repository": {"full_name": "Codertocat/hello-docker"}
    })
}

fn artifactory(event: &str) -> Value {
    json!({
        "domain": "docker", "event_type": event,
        "data": {
            "repo_key": "docker-local", "path": "acme/app/1.1.0/manifest.json", "name": "manifest.json", "sha256": &DIGEST[7..],
            "size": 1581, "image_name": "acme/app", "tag": "1.1.0", "platforms": []
        },
        "subscription_key": "test", "jpd_origin": "https://acme.jfrog.io/", "source": "jfrog/user@acme.com"
    })
}

fn distribution(action: &str, tag: Option<&str>) -> Value {
    json!({
        "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7", "timestamp": "2016-03-09T14:44:26.402973972-08:00", "action": action,
        "target": {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "size": 708, "digest": DIGEST, "length": 708,
            "repository": "hello-world", "url": "http://192.168.100.227:5000/v2/hello-world/manifests/x", "tag": tag
        },
        "request": {"id": "6df24a34", "addr": "192.168.64.11:42961", "host": "192.168.100.227:5000", "method": "PUT", "useragent": "curl/7.38.0"},
        "actor": {}, "source": {"addr": "xtal.local:5000", "instanceID": "a53db899"}
    })
}

fn nexus(action: &str, format: &str) -> Value {
    json!({
        "timestamp": "2016-11-14T19:32:13.515+0000", "nodeId": "7FFA7361-6ED33978-36997BD4-47095CC4-331356BE", "initiator": "anonymous/127.0.0.1",
        "repositoryName": "docker-hosted", "action": action,
        "component": {"id": "08909bf0c86cf6c9600aade89e1c5e25", "format": format, "name": "acme/app", "group": "", "version": "3.0"}
    })
}

#[test]
fn the_events_of_every_registry_are_read() {
    let cases = [
        (docker_hub(), "index.docker.io/svendowideit/testhook:1.4.0"),
        (
            quay(),
            "quay.io/mynamespace/repository:1.0.1 quay.io/mynamespace/repository:latest",
        ),
        (
            harbor("PUSH_ARTIFACT"),
            "hub.harbor.com/library/debian:2.0.0",
        ),
        (acr("push"), "myregistry.azurecr.io/hello-world:v1"),
        (
            google(),
            "us-east1-docker.pkg.dev/my-project/my-repo/hello-world:1.1",
        ),
        (
            ecr("PUSH", "SUCCESS"),
            "123456789012.dkr.ecr.us-west-2.amazonaws.com/my-repository-name:latest",
        ),
        (
            github("registry_package", "published", "CONTAINER"),
            "ghcr.io/codertocat/hello-docker:1.2.3",
        ),
        (
            github("package", "updated", "container"),
            "ghcr.io/codertocat/hello-docker:1.2.3",
        ),
        (artifactory("pushed"), "-/acme/app:1.1.0"),
        (
            json!({"events": [distribution("push", Some("latest"))]}),
            "192.168.100.227:5000/hello-world:latest",
        ),
        (nexus("UPDATED", "docker"), "-/acme/app:3.0"),
        (
            json!({"image": "ghcr.io/acme/app:1.2.3"}),
            "ghcr.io/acme/app:1.2.3",
        ),
        (
            json!({"image": "localhost:5000/app", "tag": "7"}),
            "localhost:5000/app:7",
        ),
        (
            json!({"images": ["alpine:3", "ghcr.io/a/b:1"]}),
            "index.docker.io/library/alpine:3 ghcr.io/a/b:1",
        ),
    ];
    for (payload, expected) in cases {
        assert_eq!(told(&payload).join(" "), expected, "{payload}");
    }
}

#[test]
fn digests_come_along_where_they_are_told() {
    for payload in [
        harbor("PUSH_ARTIFACT"),
        acr("push"),
        google(),
        ecr("PUSH", "SUCCESS"),
        distribution("push", Some("1")),
    ] {
        assert_eq!(
            news(&payload).pushes[0].digest.as_deref(),
            Some(DIGEST),
            "{payload}"
        );
    }
}

#[test]
fn a_deletion_is_news_without_a_push() {
    for payload in [
        harbor("DELETE_ARTIFACT"),
        acr("delete"),
        ecr("DELETE", "SUCCESS"),
        artifactory("deleted"),
        distribution("delete", None),
        nexus("DELETED", "docker"),
        json!({"action": "DELETE", "tag": "gcr.io/my-project/hello-world:1.1"}),
    ] {
        assert_eq!(told(&payload), ["+"], "{payload}");
    }
}

#[test]
fn what_changes_no_tag_is_no_news() {
    for payload in [
        harbor("PULL_ARTIFACT"),
        harbor("SCANNING_COMPLETED"),
        acr("quarantine"),
        ecr("PUSH", "FAILURE"),
        distribution("pull", Some("latest")),
        // A blob, and a manifest that was pushed by its digest.
        distribution("push", None),
        json!({"events": []}),
        nexus("CREATED", "npm"),
        github("package", "published", "npm"),
        github("registry_package", "deleted", "CONTAINER"),
        json!({"docker_url": "quay.io/a/b", "event_data": {"vulnerability": {}}}),
    ] {
        assert_eq!(told(&payload), [""; 0], "{payload}");
    }
}

#[test]
fn other_payloads_are_not_known() {
    for payload in [
        json!({"ref": "refs/heads/main", "commits": []}),
        json!({"object_kind": "push", "event_name": "push"}),
        json!({"image": {"name": "x"}}),
        json!({"image": "no-tag"}),
        json!({"events": [{"kind": "x"}]}),
        json!({"message": {"data": "bm90IGpzb24="}}),
        json!([]),
        json!([1, 2]),
        json!("text"),
        json!(null),
    ] {
        assert_eq!(heard(&payload), Heard::Unknown, "{payload}");
    }
    assert_eq!(read(&Headers::default(), b"\xff not json"), Heard::Unknown);
}

#[test]
fn envelopes_are_opened() {
    let google_told = "us-east1-docker.pkg.dev/my-project/my-repo/hello-world:1.1";
    let acr_told = "myregistry.azurecr.io/hello-world:v1";
    let harbor_cloud = json!({
        "specversion": "1.0", "id": "4b2f89a6", "requestid": "9e7dff09", "source": "/projects/2/webhook/policies/15",
        "type": "harbor.artifact.pushed", "datacontenttype": "application/json", "time": "2023-04-03T06:31:42Z",
        "data": harbor("")["event_data"], "operator": "robot"
    });
    let event_grid = json!([{
        "id": "831e1650", "topic": "/subscriptions/s/x", "subject": "hello-world:v1", "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "eventTime": "2018-04-25T21:39:47.6549614Z", "data": acr("push"), "dataVersion": "1.0", "metadataVersion": "1"
    }]);
    let acr_cloud = json!({
        "specversion": "1.0", "id": "831e1650", "source": "/subscriptions/s", "type": "Microsoft.ContainerRegistry.ImagePushed", "data": acr("push")
    });
    let google_cloud = json!({
        "specversion": "1.0", "id": "2070443601311540", "source": "//pubsub.googleapis.com/projects/p/topics/gcr",
        "type": "google.cloud.pubsub.topic.v1.messagePublished", "data": pub_sub(&google())
    });
    let encoded = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": STANDARD.encode(acr("push").to_string())});
    let text = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": acr("push").to_string()});
    for (payload, expected) in [
        (pub_sub(&google()), google_told),
        (google_cloud, google_told),
        (harbor_cloud, "hub.harbor.com/library/debian:2.0.0"),
        (event_grid, acr_told),
        (
            json!([acr_cloud, {"specversion": "1.0", "type": "x", "data": {}}]),
            acr_told,
        ),
        (acr_cloud_alone(), acr_told),
        (encoded, acr_told),
        (text, acr_told),
    ] {
        assert_eq!(told(&payload), [expected], "{payload}");
    }
}

fn acr_cloud_alone() -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "s", "type": "Microsoft.ContainerRegistry.ImagePushed", "data": acr("push")})
}

#[test]
fn in_binary_mode_the_body_is_the_data() {
    let fields = [
        ("ce-specversion", "1.0"),
        ("ce-type", "harbor.artifact.pushed"),
        ("ce-id", "7"),
        ("ce-source", "/harbor"),
    ];
    let headers = Headers::new(fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let body = harbor("")["event_data"].to_string();
    let Heard::News(news) = read(&headers, body.as_bytes()) else {
        panic!("the form is known");
    };
    assert_eq!(shorten(&news), ["hub.harbor.com/library/debian:2.0.0"]);
    assert_eq!(id(&headers, body.as_bytes()).as_deref(), Some("/harbor 7"));
}

#[test]
fn a_cd_event_names_its_artifact_by_a_package_url() {
    let event = |kind: &str, id: &str| {
        json!({
            "context": {"version": "0.4.1", "id": "271069a8", "source": "/event/source/123", "type": kind, "timestamp": "2023-03-20T14:27:05.315384Z"},
            "subject": {"id": id, "source": "/event/source/123", "type": "artifact", "content": {}}
        })
    };
    let published = "dev.cdevents.artifact.published.0.2.0";
    for (id, expected) in [
        (
            "pkg:oci/myapp@sha256%3A0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427?repository_url=ghcr.io/acme/myapp&tag=v1",
            "ghcr.io/acme/myapp:v1",
        ),
        (
            "pkg:oci/myapp@1.0?repository_url=ghcr.io/acme",
            "ghcr.io/acme/myapp:1.0",
        ),
        ("pkg:docker/app?tag=3", "-/app:3"),
    ] {
        assert_eq!(told(&event(published, id)), [expected], "{id}");
    }
    for id in [
        "pkg:golang/mygit.com/myorg/myapp@234fd47e07d1004f0aed9c",
        "pkg:oci/x@sha256%3A00?repository_url=%2F%2F..",
        "",
    ] {
        assert_eq!(told(&event(published, id)), [""; 0], "{id}");
    }
    assert_eq!(
        told(&event("dev.cdevents.artifact.deleted.0.1.0", "x")),
        ["+"]
    );
    assert_eq!(
        told(&event("dev.cdevents.build.started.0.1.0", "x")),
        [""; 0]
    );
}

#[test]
fn what_is_not_well_formed_is_not_passed_on() {
    let long = "a".repeat(300);
    for (image, tag) in [
        ("ghcr.io/acme/app", "../../../etc"),
        ("ghcr.io/acme/app", ".."),
        ("ghcr.io/acme/app", long.as_str()),
        ("ghcr.io/acme/app", "a b"),
        ("ghcr.io/acme/app", "1?x=y"),
        ("ghcr.io/../app", "1"),
        ("ghcr.io/acme//app", "1"),
        ("ghcr.io/acme/app\r\nx: y", "1"),
        ("https://ghcr.io/acme/app", "1"),
        ("user@ghcr.io/acme/app", "1"),
        (long.as_str(), "1"),
    ] {
        let event = json!({"docker_url": image, "updated_tags": [tag]});
        assert_eq!(told(&event), [""; 0], "{image} {tag}");
        let event = json!({"action": "push", "target": {"repository": image, "tag": tag}, "request": {"host": "x"}});
        assert_eq!(told(&event), [""; 0], "{image} {tag}");
    }
}

#[test]
fn more_pushes_than_are_read_are_told_as_more() {
    let tags: Vec<String> = (0..500).map(|number| format!("1.{number}")).collect();
    let heard = news(&json!({"docker_url": "quay.io/a/b", "updated_tags": tags}));
    assert_eq!((heard.pushes.len(), heard.more), (MOST_PUSHES, true));
    let same = news(&json!({"docker_url": "quay.io/a/b", "updated_tags": vec!["1"; 500]}));
    assert_eq!((same.pushes.len(), same.more), (1, false));
}

#[test]
fn a_push_concerns_the_image_it_names() {
    let push = |registry: Option<&str>, repository: &str| {
        Push::new(registry, repository, "1", "").expect("it is well formed")
    };
    let may =
        |push: &Push, image: &str| push.may_be_of(&ImageName::parse(image).expect("it is a name"));
    let named = push(Some("ghcr.io"), "acme/app");
    assert!(may(&named, "ghcr.io/acme/app"));
    // The same registry is taken at its word; another name of it may be a mirror.
    assert!(!may(&named, "ghcr.io/mirror/acme/app"));
    assert!(may(&named, "mirror.example/ghcr/acme/app"));
    assert!(!may(&named, "mirror.example/ghcr/evilacme/app"));
    assert!(!may(&named, "ghcr.io/acme/app2"));
    let unnamed = push(None, "acme/app");
    assert!(
        may(&unnamed, "nexus.example:8443/acme/app")
            && may(&unnamed, "nexus.example/docker-hosted/acme/app")
    );
    assert!(!may(&unnamed, "nexus.example/app"));
    assert!(may(&push(Some("docker.io"), "alpine"), "alpine"));
}

#[test]
fn a_delivery_has_the_number_its_sender_gave_it() {
    let of = |fields: &[(&str, &str)], payload: &Value| {
        let headers = Headers::new(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        id(&headers, payload.to_string().as_bytes())
    };
    let two = json!({"events": [distribution("push", None), distribution("pull", None)]});
    assert_eq!(
        of(&[("X-GitHub-Delivery", "72d3162e")], &json!({})).as_deref(),
        Some("72d3162e")
    );
    assert_eq!(
        of(&[], &pub_sub(&google())).as_deref(),
        Some(" 2070443601311540")
    );
    assert_eq!(
        of(&[], &ecr("PUSH", "SUCCESS")).as_deref(),
        Some("aws.ecr 13cde686-328b-6117-af20-0e5566167482")
    );
    assert_eq!(
        of(&[], &acr("push")).as_deref(),
        Some(" cb8c3971-9adc-488b-xxxx-43cbb4974ff5")
    );
    assert!(of(&[], &two).is_some_and(|id| id.lines().count() == 2));
    // Whatever else has an `id` may mean something else by it.
    for payload in [
        json!({"id": 7}),
        json!({"id": "project"}),
        docker_hub(),
        json!({}),
        json!([]),
    ] {
        assert_eq!(of(&[], &payload), None, "{payload}");
    }
}

/// The fields that the forms look for.
const FIELDS: &str = "\
    events action target repository tag request host push_data repo_name docker_url updated_tags \
    event_data resources resource_url type source detail result message data specversion eventType \
    package registry_package package_type package_version component repositoryName asset format domain \
    event_type context subject id image images digest name";

/// JSON of any shape out of the words that the forms look for.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("push".to_owned()),
        Just("INSERT".to_owned()),
        Just("aws.ecr".to_owned()),
        Just("docker".to_owned()),
        Just("1.0".to_owned()),
        Just("ghcr.io/a/b".to_owned()),
        Just("eyJhIjoxfQ==".to_owned()),
        Just("PUSH_ARTIFACT".to_owned()),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        word.prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from)
    ];
    let fields: Vec<&str> = FIELDS.split_whitespace().collect();
    let field = proptest::sample::select(fields);
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(field.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every text that is passed on is well formed, whatever came in.
fn assert_sound(heard: &Heard) -> Result<(), TestCaseError> {
    let Heard::News(news) = heard else {
        return Ok(());
    };
    prop_assert!(news.pushes.len() <= MOST_PUSHES);
    for push in &news.pushes {
        let whole = format!(
            "{}/{}",
            push.registry.as_deref().unwrap_or("registry.invalid"),
            push.repository
        );
        prop_assert!(ImageName::parse(&whole).is_ok(), "{}", whole);
        prop_assert!(is_tag(&push.tag) && !push.tag.starts_with('.'));
        prop_assert!(push.digest.as_deref().is_none_or(is_digest));
    }
    Ok(())
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        assert_sound(&read(&Headers::default(), &bytes))?;
        id(&Headers::default(), &bytes);
    }

    #[test]
    fn json_of_any_shape_is_read_without_a_panic(value in any_json(), kind in ".{0,20}") {
        let body = value.to_string();
        assert_sound(&read(&Headers::default(), body.as_bytes()))?;
        let binary = Headers::new([("ce-specversion".to_owned(), "1.0".to_owned()), ("ce-type".to_owned(), kind)]);
        assert_sound(&read(&binary, body.as_bytes()))?;
        id(&binary, body.as_bytes());
    }

    /// A real event with one place exchanged for anything at all.
    #[test]
    fn events_with_a_strange_place_are_read_without_a_panic(which in 0_usize..9, place in any::<proptest::sample::Index>(), strange in any_json()) {
        let mut event = [
            docker_hub(), quay(), harbor("PUSH_ARTIFACT"), acr("push"), pub_sub(&google()), ecr("PUSH", "SUCCESS"),
            github("package", "published", "container"), json!({"events": [distribution("push", Some("1"))]}), nexus("CREATED", "docker"),
        ][which].clone();
        let mut places = Vec::new();
        pointers(&event, String::new(), &mut places);
        *event.pointer_mut(&places[place.index(places.len())]).expect("it is there") = strange;
        assert_sound(&heard(&event))?;
    }
}

fn pointers(value: &Value, here: String, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| pointers(value, format!("{here}/{name}"), all)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| pointers(value, format!("{here}/{index}"), all)),
        _ => {}
    }
    all.push(here);
}
