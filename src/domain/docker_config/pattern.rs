//! Which images a key of `auths` serves, as the kubelet decides it.
//!
//! Invariant: a pattern matches whole labels of a host name, so `*.example.com` serves neither
//! `example.com` nor `a.b.example.com`; its path is a plain prefix of the image's. What is absent: globs
//! in ports and paths, which the kubelet does not know either.

/// The names under which Docker Hub is known.
const DOCKER_HUB: [&str; 3] = ["index.docker.io", "docker.io", "registry-1.docker.io"];

/// Longest host name of the domain name system, in bytes.
const LONGEST_HOST: usize = 255;

/// A key of `auths`, taken apart.
#[derive(Clone, Debug)]
pub(super) struct ServerPattern {
    /// Host, port and path without scheme: what the order of trying goes by.
    key: String,
    host: String,
    port: String,
    path: String,
}

impl ServerPattern {
    /// Reads `https://index.docker.io/v1/`, `*.example.com:5000`, `ghcr.io/team`.
    pub(super) fn parse(server: &str) -> Result<Self, &'static str> {
        let server = server.trim();
        let bare = server
            .strip_prefix("https://")
            .or_else(|| server.strip_prefix("http://"))
            .unwrap_or(server);
        if bare.contains('@') {
            return Err("the name of a registry must not hold user information");
        }
        let (authority, path) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
        // docker takes `/v1/` and `/v2/` for the registry itself.
        let path = match path.get(..4) {
            Some("/v1/" | "/v2/") => &path[3..],
            _ => path,
        };
        let path = if path == "/" { "" } else { path };
        let (host, port) = split_port(authority);
        if host.is_empty() || host.len() > LONGEST_HOST {
            return Err("the name of a registry must have a host of at most 255 bytes");
        }
        let host = canonical_host(host);
        let key = match port {
            "" => format!("{host}{path}"),
            port => format!("{host}:{port}{path}"),
        };
        Ok(Self {
            key,
            host,
            port: port.to_owned(),
            path: path.to_owned(),
        })
    }

    /// What patterns are ordered by.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether an image (`host:port/path`, no tag) is served.
    pub(super) fn matches(&self, image: &str) -> bool {
        let (authority, path) = image.split_at(image.find('/').unwrap_or(image.len()));
        let (host, port) = split_port(authority);
        port == self.port
            && path.starts_with(&self.path)
            && matches_host(&self.host, &canonical_host(host))
    }
}

/// Whether a key of `credHelpers` means this registry.
pub(super) fn same_registry(server: &str, registry: &str) -> bool {
    ServerPattern::parse(server).is_ok_and(|pattern| {
        let (host, port) = split_port(registry);
        pattern.host == canonical_host(host) && pattern.port == port
    })
}

/// Host and port; the port is empty when there is none. Brackets of an IPv6 address stay.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    }
}

/// Lower case, and one name for Docker Hub.
fn canonical_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if DOCKER_HUB.contains(&host.as_str()) {
        return DOCKER_HUB[0].to_owned();
    }
    host
}

/// Label by label, as many on both sides. Equality first: the brackets of an IPv6 address are no class.
fn matches_host(pattern: &str, host: &str) -> bool {
    if pattern == host {
        return true;
    }
    if host.len() > LONGEST_HOST || pattern.split('.').count() != host.split('.').count() {
        return false;
    }
    pattern
        .split('.')
        .zip(host.split('.'))
        .all(|(pattern, label)| matches_label(pattern.as_bytes(), label.as_bytes()))
}

/// Go's `filepath.Match` on one label: `*`, `?`, `[a-z]`, `[^a-z]`, `\x`. A malformed pattern matches nothing.
///
/// It remembers only the last `*`: giving an earlier one more text never helps. That keeps the
/// work at the product of the two lengths.
fn matches_label(pattern: &[u8], label: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < label.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, read));
            at += 1;
        } else if let Some(length) = matches_one(&pattern[at..], label[read]) {
            at += length;
            read += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (at, read) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// How many bytes of the pattern match this one byte, if its next element does.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [b'[', class @ ..] => matches_class(class, byte).map(|length| length + 1),
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// The inside of `[…]` with its closing bracket: its length if the class holds the byte.
fn matches_class(class: &[u8], byte: u8) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    let mut empty = true;
    while *class.get(at)? != b']' || empty {
        let low = class_byte(class, &mut at)?;
        let high = if class.get(at) == Some(&b'-') {
            at += 1;
            class_byte(class, &mut at)?
        } else {
            low
        };
        found |= (low..=high).contains(&byte);
        empty = false;
    }
    (found != negated).then_some(at + 1)
}

/// One bound of a range. `-` and `]` must be escaped there, as in Go.
fn class_byte(class: &[u8], at: &mut usize) -> Option<u8> {
    let mut byte = *class.get(*at)?;
    if byte == b'-' || byte == b']' {
        return None;
    }
    if byte == b'\\' {
        *at += 1;
        byte = *class.get(*at)?;
    }
    *at += 1;
    Some(byte)
}
