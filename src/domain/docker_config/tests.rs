//! Expected values: the kubelet's documentation of `imagePullSecrets` matching and docker's format.

use super::pattern::ServerPattern;
use super::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde_json::json;

fn parsed(config: serde_json::Value) -> DockerConfig {
    DockerConfig::parse(config.to_string().as_bytes()).expect("a valid docker config")
}

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic {
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
    }
}

#[test]
fn every_kind_of_login_is_read() {
    let config = parsed(json!({"auths": {
        "a.example": {"auth": BASE64_STANDARD.encode("alice:pa:ss")},
        "b.example": {"username": "bob", "password": "secret"},
        "c.example": {"auth": BASE64_STANDARD.encode("<token>:"), "identitytoken": "refresh"},
        "d.example": {"registrytoken": "bearer"},
        "e.example": {"auth": BASE64_STANDARD.encode("eve:x").trim_end_matches('=')},
        "f.example": {"username": "ignored", "password": "ignored", "auth": BASE64_STANDARD.encode("fred:y")},
        "g.example": {"username": "<token>", "password": "refresh2"},
        "h.example": {"auth": format!("{}\n", BASE64_STANDARD.encode("hal:z\0\0"))},
        "i.example": {},
        "j.example": {"auth": null, "email": "x@example.com"},
    }}));
    for (image, expected) in [
        ("a.example/x", basic("alice", "pa:ss")),
        ("b.example/x", basic("bob", "secret")),
        (
            "c.example/x",
            Credentials::IdentityToken(Secret::new("refresh".to_owned())),
        ),
        (
            "d.example/x",
            Credentials::RegistryToken(Secret::new("bearer".to_owned())),
        ),
        ("e.example/x", basic("eve", "x")),
        ("f.example/x", basic("fred", "y")),
        (
            "g.example/x",
            Credentials::IdentityToken(Secret::new("refresh2".to_owned())),
        ),
        ("h.example/x", basic("hal", "z")),
        ("i.example/x", Credentials::Anonymous),
        ("j.example/x", Credentials::Anonymous),
        ("k.example/x", Credentials::Anonymous),
    ] {
        assert_eq!(config.credentials_for(image), expected, "{image}");
    }
    assert_eq!(config.len(), 8);
}

#[test]
fn the_legacy_form_has_nothing_around_its_entries() {
    let text = json!({"https://r.example/v1/": {"username": "u", "password": "p"}}).to_string();
    let config = DockerConfig::parse_legacy(text.as_bytes()).expect("a valid dockercfg");
    assert_eq!(config.credentials_for("r.example/app"), basic("u", "p"));
    assert!(
        DockerConfig::parse(text.as_bytes())
            .expect("no auths is no error")
            .is_empty()
    );
}

#[test]
fn empty_input_has_no_logins() {
    for bytes in ["", "  \n", "{}", r#"{"auths": null}"#, r#"{"auths": {}}"#] {
        assert!(
            DockerConfig::parse(bytes.as_bytes())
                .expect(bytes)
                .is_empty()
        );
    }
    assert!(DockerConfig::parse_legacy(b"").expect("empty").is_empty());
}

/// A key of `auths`, an image, and whether the one serves the other.
const MATCHES: &[(&str, &str, bool)] = &[
    // From the Kubernetes documentation on images, "Interpretation of config.json".
    ("*.kubernetes.io", "abc.kubernetes.io/x", true),
    ("*.kubernetes.io", "kubernetes.io/x", false),
    ("*.*.kubernetes.io", "abc.def.kubernetes.io/x", true),
    ("*.*.kubernetes.io", "abc.kubernetes.io/x", false),
    ("prefix.*.io", "prefix.kubernetes.io/x", true),
    ("*-good.kubernetes.io", "prefix-good.kubernetes.io/x", true),
    ("my-registry.io/images", "my-registry.io/images", true),
    (
        "my-registry.io/images",
        "my-registry.io/images/my-image",
        true,
    ),
    (
        "my-registry.io/images",
        "my-registry.io/images/another-image",
        true,
    ),
    (
        "*.my-registry.io/images",
        "sub.my-registry.io/images/my-image",
        true,
    ),
    (
        "*.my-registry.io/images",
        "a.sub.my-registry.io/images/my-image",
        false,
    ),
    (
        "*.my-registry.io/images",
        "a.b.sub.my-registry.io/images/my-image",
        false,
    ),
    // A path is a plain prefix there, whole segments or not.
    ("r.example/team", "r.example/teamwork/app", true),
    ("r.example/team/", "r.example/teamwork/app", false),
    // Ports are compared as written.
    ("r.example:5000", "r.example:5000/app", true),
    ("r.example:5000", "r.example/app", false),
    ("r.example", "r.example:5000/app", false),
    ("http://r.example:5000", "r.example:5000/app", true),
    ("https://r.example/v2/", "r.example/app", true),
    ("https://r.example/v2/team", "r.example/team/app", true),
    ("https://r.example/v2/team", "r.example/other/app", false),
    ("R.Example", "r.example/app", true),
    ("[::1]:5000", "[::1]:5000/app", true),
    // Docker Hub has several names.
    (
        "https://index.docker.io/v1/",
        "index.docker.io/library/alpine",
        true,
    ),
    ("docker.io", "index.docker.io/library/alpine", true),
    (
        "registry-1.docker.io",
        "index.docker.io/library/alpine",
        true,
    ),
    ("docker.io/team", "index.docker.io/team/app", true),
    ("docker.io/team", "index.docker.io/library/alpine", false),
    ("*.docker.io", "index.docker.io/library/alpine", true),
    ("hub.docker.io", "index.docker.io/library/alpine", false),
    // Go's filepath.Match within a label.
    ("r?.example", "r1.example/x", true),
    ("r?.example", "r.example/x", false),
    ("r[0-9].example", "r7.example/x", true),
    ("r[^0-9].example", "r7.example/x", false),
    ("r[0-9.example", "r7.example/x", false),
    ("a*b*c.example", "aXbXbXc.example/x", true),
    ("a*b*c.example", "aXbXbX.example/x", false),
    ("**.example", "x.example/x", true),
    ("*", "x.example/x", false),
    ("*", "localhost/x", true),
];

#[test]
fn matching_is_the_kubelets() {
    for (server, image, matches) in MATCHES {
        let pattern = ServerPattern::parse(server).expect(server);
        assert_eq!(pattern.matches(image), *matches, "{server} on {image}");
    }
}

#[test]
fn the_most_specific_login_comes_first() {
    let login = |user: &str| json!({"username": user, "password": "p"});
    let config = parsed(json!({"auths": {
        "*.example": login("glob"),
        "r.example": login("host"),
        "r.example/team": login("team"),
        "r.example/team/app": login("app"),
        "other.example": login("other"),
    }}));
    let users: Vec<_> = config
        .candidates("r.example/team/app")
        .map(|credentials| match credentials {
            Credentials::Basic { username, .. } => username.as_str(),
            _ => "?",
        })
        .collect();
    assert_eq!(users, ["app", "team", "host", "glob"]);
    assert_eq!(config.credentials_for("r.example/x"), basic("host", "p"));
    assert_eq!(config.credentials_for("s.example/x"), basic("glob", "p"));
}

#[test]
fn of_two_configs_the_first_wins_for_equal_keys() {
    let mut first = parsed(json!({"auths": {"r.example": {"username": "a", "password": "1"}}}));
    first.merge(parsed(json!({"auths": {
        "https://r.example": {"username": "b", "password": "2"},
        "r.example/deep": {"username": "c", "password": "3"},
    }})));
    assert_eq!(first.credentials_for("r.example/x"), basic("a", "1"));
    assert_eq!(first.credentials_for("r.example/deep/x"), basic("c", "3"));
}

#[test]
fn helpers_are_found_by_registry_then_by_store() {
    let config = parsed(json!({
        "credsStore": "desktop",
        "credHelpers": {"123.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login", "https://gcr.io": "gcloud"},
    }));
    assert_eq!(config.helper_for("gcr.io"), Some("gcloud"));
    assert_eq!(
        config.helper_for("123.dkr.ecr.eu-west-1.amazonaws.com"),
        Some("ecr-login")
    );
    assert_eq!(config.helper_for("ghcr.io"), Some("desktop"));
    assert_eq!(
        parsed(json!({"credsStore": ""})).helper_for("ghcr.io"),
        None
    );
}

#[test]
fn errors_name_the_key_and_never_the_content() {
    let not_colon = BASE64_STANDARD.encode("hunter2");
    let not_text = BASE64_STANDARD.encode([0xff, 0xfe, 0x3a]);
    for (config, message) in [
        (
            "{\"auths\": hunter2}".to_owned(),
            "the docker config is not JSON (line 1, column 11)",
        ),
        (
            r#"{"auths": "hunter2"}"#.to_owned(),
            "`auths` in the docker config must be an object",
        ),
        (
            r#"["hunter2"]"#.to_owned(),
            "`the root` in the docker config must be an object",
        ),
        (
            r#"{"credsStore": 7}"#.to_owned(),
            "`credsStore` in the docker config must be a string",
        ),
        (
            r#"{"auths": {"r.example": "hunter2"}}"#.to_owned(),
            "the entry `r.example` in the docker config is invalid: it must be an object",
        ),
        (
            r#"{"auths": {"r.example": {"auth": "hunter2!"}}}"#.to_owned(),
            "the entry `r.example` in the docker config is invalid: `auth` is not valid base64",
        ),
        (
            format!(r#"{{"auths": {{"r.example": {{"auth": "{not_colon}"}}}}}}"#),
            "the entry `r.example` in the docker config is invalid: `auth` must be the base64 form of `username:password`",
        ),
        (
            format!(r#"{{"auths": {{"r.example": {{"auth": "{not_text}"}}}}}}"#),
            "the entry `r.example` in the docker config is invalid: `auth` does not decode to UTF-8",
        ),
        (
            r#"{"auths": {"r.example": {"password": ["hunter2"]}}}"#.to_owned(),
            "the entry `r.example` in the docker config is invalid: `password` must be a string",
        ),
        (
            r#"{"auths": {"https://me:hunter2@r.example": {}}}"#.to_owned(),
            "the entry `r.example` in the docker config is invalid: the name of a registry must not hold user information",
        ),
        (
            r#"{"auths": {"https:///x": {}}}"#.to_owned(),
            "the entry `https:///x` in the docker config is invalid: the name of a registry must have a host of at most 255 bytes",
        ),
    ] {
        let error = DockerConfig::parse(config.as_bytes()).expect_err(&config);
        assert_eq!(error.to_string(), message);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    let huge = vec![b' '; LARGEST + 1];
    assert_eq!(
        DockerConfig::parse(&huge).map(|_| ()),
        Err(DockerConfigError::TooLarge { size: LARGEST + 1 })
    );
}

#[test]
fn logins_do_not_print() {
    let config = parsed(json!({"auths": {
        "r.example": {"username": "u", "password": "hunter2"},
        "s.example": {"identitytoken": "hunter2"},
    }}));
    assert!(!format!("{config:?}").contains("hunter2"));
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(text in "\\PC*|[{}\":,a-z]{0,60}") {
        let _ = DockerConfig::parse(text.as_bytes());
        let _ = DockerConfig::parse_legacy(text.as_bytes());
    }

    #[test]
    fn no_pattern_is_too_much(server in "[a*?\\[\\]^\\\\./:-]{0,40}", image in "[a./:-]{0,40}") {
        if let Ok(pattern) = ServerPattern::parse(&server) {
            pattern.matches(&image);
        }
    }

    #[test]
    fn a_host_without_globs_matches_only_itself(host in "[a-z]{1,5}(\\.[a-z]{1,5}){1,2}", other in "[a-z]{1,5}(\\.[a-z]{1,5}){1,2}") {
        let pattern = ServerPattern::parse(&host).expect("a host");
        prop_assert_eq!(pattern.matches(&format!("{other}/x")), host == other);
    }
}
