//! Which hosts may be spoken to, and over which scheme.
//!
//! Invariant: everything here goes by the URL alone; no name is resolved. The rule for "local" is the one of
//! the registry library that Flux uses, so that registries inside a cluster go on working. What is
//! absent: requests.

use super::error::{AnswerProblem, RegistryError, Words};
use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr};

/// Whether a registry is on this machine or in a private network, going by its name alone: then it may
/// lack TLS without being declared insecure.
pub(super) fn is_local(registry: &str) -> bool {
    let (host, _) = split_port(registry);
    is_loopback(registry)
        || host.ends_with(".local")
        || host
            .parse()
            .is_ok_and(|address: Ipv4Addr| address.is_private())
}

/// Whether a registry is on this machine.
pub(super) fn is_loopback(registry: &str) -> bool {
    let (host, _) = split_port(registry);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn split_port(registry: &str) -> (&str, &str) {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (registry, ""),
    }
}

/// Where a token may be asked for. `http` only when the registry itself is spoken to over http, and
/// then only on its own host.
///
/// # Errors
/// Other schemes, other hosts over http, user information, and addresses inside the machine or the link
/// (cloud metadata) that a registry elsewhere has no business to name.
pub(super) fn token_server(base: &Url, realm: &str) -> Result<Url, RegistryError> {
    let registry = base.host_str().unwrap_or_default();
    let refuse = |reason| RegistryError::UnsafeTokenServer {
        host: registry.to_owned(),
        reason,
    };
    let realm = Url::parse(realm).map_err(|_| refuse("its address is not a URL"))?;
    let host = realm.host_str().unwrap_or_default();
    let same_host = host == registry || (is_loopback(host) && is_loopback(registry));
    if !realm.username().is_empty() || realm.password().is_some() {
        return Err(refuse("its address holds user information"));
    }
    match realm.scheme() {
        "https" => {}
        "http" if base.scheme() == "http" && same_host => {}
        "http" => return Err(refuse("it is on plain http")),
        _ => return Err(refuse("its address is neither https nor http")),
    }
    if !same_host && is_internal(host, is_local(registry)) {
        return Err(refuse("its address is inside this machine or network"));
    }
    Ok(realm)
}

/// Whether a host is an address that only something nearby should name. `from_nearby`: a local registry
/// may well have its token server in the same private network.
fn is_internal(host: &str, from_nearby: bool) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            address.is_link_local()
                || address.is_unspecified()
                || address.is_loopback()
                || (address.is_private() && !from_nearby)
        }
        Ok(IpAddr::V6(address)) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_loopback()
                || (address.is_unique_local() && !from_nearby)
        }
        Err(_) => is_loopback(host),
    }
}

/// The URL of the next page: path and query of the link on our own origin. Scheme and port of the link
/// do not count, because registries behind proxies do not know theirs.
///
/// # Errors
/// [`AnswerProblem::ForeignLink`] when it names another host.
pub(super) fn next_page(base: &Url, current: &Url, link: &str) -> Result<Url, AnswerProblem> {
    let foreign =
        |host: &str| AnswerProblem::ForeignLink(Words::new(host, None).as_str().to_owned());
    let target = current.join(link).map_err(|_| foreign(link))?;
    if target.host_str().is_none() || target.host_str() != current.host_str() {
        return Err(foreign(target.host_str().unwrap_or(link)));
    }
    let mut next = base.clone();
    next.set_path(target.path());
    next.set_query(target.query());
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn local_registries_are_known_by_name() {
        for (registry, local, loopback) in [
            ("localhost:5000", true, true),
            ("localhost", true, true),
            ("127.0.0.1:5000", true, true),
            ("[::1]:5000", true, true),
            ("x.localhost:5000", true, true),
            ("registry.default.svc.cluster.local:5000", true, false),
            ("10.1.2.3:5000", true, false),
            ("172.16.0.1", true, false),
            ("192.168.0.1:80", true, false),
            ("172.32.0.1", false, false),
            ("index.docker.io", false, false),
            ("localhost.example.com", false, false),
            ("10.1.2.3.example.com", false, false),
            ("8.8.8.8:5000", false, false),
        ] {
            assert_eq!(is_local(registry), local, "{registry}");
            assert_eq!(is_loopback(registry), loopback, "{registry}");
        }
    }

    #[test]
    fn credentials_go_only_to_safe_token_servers() {
        for (base, realm, safe) in [
            ("https://r.example/", "https://auth.example/token", true),
            (
                "https://r.example/",
                "https://auth.example:8443/token?x=y",
                true,
            ),
            ("https://r.example/", "http://auth.example/token", false),
            ("https://r.example/", "http://r.example/token", false),
            (
                "http://r.example:5000/",
                "http://r.example:5001/token",
                true,
            ),
            ("http://r.example:5000/", "http://auth.example/token", false),
            ("http://r.example:5000/", "https://auth.example/token", true),
            (
                "http://localhost:5000/",
                "http://127.0.0.1:5001/token",
                true,
            ),
            ("http://10.0.0.1:5000/", "http://10.0.0.2:5001/token", false),
            ("http://10.0.0.1:5000/", "https://10.0.0.2/token", true),
            ("https://r.example/", "https://10.0.0.2/token", false),
            ("https://r.example/", "https://169.254.169.254/token", false),
            ("https://r.example/", "https://[fe80::1]/token", false),
            ("https://r.example/", "https://127.0.0.1/token", false),
            ("https://r.example/", "https://localhost/token", false),
            ("https://r.example/", "https://me:pass@auth.example/", false),
            ("https://r.example/", "file:///etc/passwd", false),
            ("https://r.example/", "ftp://auth.example/", false),
            ("https://r.example/", "/token", false),
            ("https://r.example/", "", false),
        ] {
            let base = Url::parse(base).expect("a base");
            assert_eq!(token_server(&base, realm).is_ok(), safe, "{base} {realm}");
        }
    }

    #[test]
    fn the_next_page_stays_on_our_origin() {
        let base = Url::parse("https://r.example:8443/").expect("a base");
        let current = base.join("/v2/app/tags/list?n=1000").expect("a page");
        for (link, next) in [
            (
                "/v2/app/tags/list?last=x",
                Some("https://r.example:8443/v2/app/tags/list?last=x"),
            ),
            (
                "?last=x",
                Some("https://r.example:8443/v2/app/tags/list?last=x"),
            ),
            (
                "https://r.example:8443/v2/a?c=1",
                Some("https://r.example:8443/v2/a?c=1"),
            ),
            // The port dropped or the inner one shown, by a proxy in front of the registry.
            (
                "https://r.example/v2/a?c=1",
                Some("https://r.example:8443/v2/a?c=1"),
            ),
            (
                "http://r.example:5000/v2/a?c=1",
                Some("https://r.example:8443/v2/a?c=1"),
            ),
            (
                "https://R.EXAMPLE/v2/a",
                Some("https://r.example:8443/v2/a"),
            ),
            (
                "https://me:pass@r.example/v2/a",
                Some("https://r.example:8443/v2/a"),
            ),
            ("https://evil.example/v2/a", None),
            ("//evil.example/v2/a", None),
            ("file:///v2/a", None),
            ("data:x", None),
            ("https://", None),
        ] {
            let found = next_page(&base, &current, link).ok();
            assert_eq!(found.as_ref().map(Url::as_str), next, "{link}");
        }
    }

    proptest! {
        #[test]
        fn no_link_leads_off_our_origin(link in "\\PC{0,40}|(https?:)?//[a-z.:@/?%\\\\\\[\\]0-9]{0,30}|[/?.\\\\]{0,4}[a-z]{0,8}") {
            let base = Url::parse("https://r.example:8443/").expect("a base");
            let current = base.join("/v2/app/tags/list").expect("a page");
            if let Ok(next) = next_page(&base, &current, &link) {
                prop_assert_eq!(next.origin(), base.origin());
                prop_assert!(next.username().is_empty() && next.password().is_none());
            }
        }

        #[test]
        fn no_token_server_is_asked_over_plain_http_for_a_registry_with_tls(
            realm in "[a-z]{0,5}:?/{0,3}[a-z.:@/?%\\\\\\[\\]0-9]{0,30}|\\PC{0,40}",
        ) {
            let base = Url::parse("https://r.example/").expect("a base");
            if let Ok(realm) = token_server(&base, &realm) {
                prop_assert_eq!(realm.scheme(), "https");
            }
        }
    }
}
