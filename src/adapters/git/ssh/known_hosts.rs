//! Whose host keys are trusted: the file `known_hosts`, as OpenSSH writes it and Flux reads it.
//!
//! Invariant: a host of which no line speaks is trusted with no key at all; a revoked key is refused
//! for every host; a line without a port speaks of port 22 alone. What is absent: learning keys, and
//! names that a host has besides the one that was asked for.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;
use std::collections::BTreeSet;
use thiserror::Error;

/// The most bytes that are read. A Secret has no more.
pub(super) const LARGEST: usize = 1 << 20;

/// Why a `known_hosts` file is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KnownHostsError {
    /// It is too large.
    #[error("`known_hosts` has more than {LARGEST} bytes")]
    TooLarge,
    /// There is no line in it that can be used.
    #[error(
        "`known_hosts` has no line of the form `host type key`{}",
        unreadable(lines)
    )]
    Empty {
        /// The numbers of lines that cannot be read.
        lines: Vec<usize>,
    },
}

/// The lines of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownHosts {
    entries: Vec<Entry>,
    unreadable: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    marker: Marker,
    hosts: Hosts,
    key: KeyData,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    None,
    Authority,
    Revoked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// Patterns in lower case; with `true` those that must not match.
    Patterns(Vec<(bool, String)>),
    /// A salt, and the HMAC of the one name that is meant.
    Hashed(Vec<u8>, Vec<u8>),
}

/// What is known of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostKeys {
    /// Its keys.
    pub(super) keys: Vec<KeyData>,
    /// The keys of those who sign certificates for it.
    pub(super) authorities: Vec<KeyData>,
    /// Keys that nobody may use.
    pub(super) revoked: Vec<KeyData>,
}

impl KnownHosts {
    /// Reads a file. Lines that cannot be read are passed over, as OpenSSH does.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KnownHostsError> {
        if bytes.len() > LARGEST {
            return Err(KnownHostsError::TooLarge);
        }
        let text = String::from_utf8_lossy(bytes);
        let mut known = Self {
            entries: Vec::new(),
            unreadable: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match entry(line) {
                Some(entry) => known.entries.push(entry),
                None => known.unreadable.push(index + 1),
            }
        }
        match known.entries.is_empty() {
            true => Err(KnownHostsError::Empty {
                lines: known.unreadable,
            }),
            false => Ok(known),
        }
    }

    /// What is known of a host, by the name and the port that it is asked at.
    pub(super) fn of(&self, host: &str, port: u16) -> HostKeys {
        let names = names(host, port);
        let mut found = HostKeys::default();
        for entry in &self.entries {
            let list = match entry.marker {
                Marker::Revoked => &mut found.revoked,
                _ if !entry.hosts.speak_of(&names, port) => continue,
                Marker::Authority => &mut found.authorities,
                Marker::None => &mut found.keys,
            };
            list.push(entry.key.clone());
        }
        found
    }

    /// Words for the lines that cannot be read; empty when all can.
    pub(super) fn complaint(&self) -> String {
        unreadable(&self.unreadable)
    }
}

fn unreadable(lines: &[usize]) -> String {
    match lines {
        [] => String::new(),
        [line] => format!(" (line {line} cannot be read)"),
        [first, ..] => format!(
            " ({} lines cannot be read, such as line {first})",
            lines.len()
        ),
    }
}

/// The names under which a file may speak of a host.
fn names(host: &str, port: u16) -> BTreeSet<String> {
    let host = host.to_ascii_lowercase();
    let with_port = format!("[{host}]:{port}");
    match port {
        22 if host.contains(':') => BTreeSet::from([format!("[{host}]"), host, with_port]),
        22 => BTreeSet::from([host, with_port]),
        _ => BTreeSet::from([with_port]),
    }
}

fn entry(line: &str) -> Option<Entry> {
    let mut words = line.split_ascii_whitespace();
    let mut first = words.next()?;
    let marker = match first {
        "@cert-authority" => Marker::Authority,
        "@revoked" => Marker::Revoked,
        other if other.starts_with('@') => return None,
        _ => Marker::None,
    };
    if marker != Marker::None {
        first = words.next()?;
    }
    let hosts = hosts(first)?;
    let key = format!("{} {}", words.next()?, words.next()?);
    let key = PublicKey::from_openssh(&key).ok()?.key_data().clone();
    Some(Entry { marker, hosts, key })
}

fn hosts(word: &str) -> Option<Hosts> {
    if let Some(hashed) = word.strip_prefix("|1|") {
        let (salt, hash) = hashed.split_once('|')?;
        let decode = |text| BASE64_STANDARD.decode(text).ok();
        return Some(Hosts::Hashed(decode(salt)?, decode(hash)?));
    }
    if word.starts_with('|') {
        return None;
    }
    let patterns = word.split(',').filter(|pattern| !pattern.is_empty());
    let patterns = patterns.map(|pattern| match pattern.strip_prefix('!') {
        Some(rest) => (true, rest.to_ascii_lowercase()),
        None => (false, pattern.to_ascii_lowercase()),
    });
    Some(Hosts::Patterns(patterns.collect()))
}

impl Hosts {
    /// Whether a line speaks of the host with these names.
    fn speak_of(&self, names: &BTreeSet<String>, port: u16) -> bool {
        match self {
            Self::Hashed(salt, hash) => {
                let salt = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                names
                    .iter()
                    .any(|name| hmac::verify(&salt, name.as_bytes(), hash).is_ok())
            }
            Self::Patterns(patterns) => {
                let matches = |pattern: &str| {
                    let meant = port == 22 || pattern.starts_with('[');
                    meant && names.iter().any(|name| glob(pattern, name))
                };
                let mut found = false;
                for (negated, pattern) in patterns {
                    if matches(pattern) {
                        if *negated {
                            return false;
                        }
                        found = true;
                    }
                }
                found
            }
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for any letters and `?` for one.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where to go on when what follows the last `*` does not fit here.
    let mut retry: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match retry {
                Some((star, begun)) => {
                    retry = Some((star, begun + 1));
                    at = star + 1;
                    from = begun + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Made with `ssh-keygen -t ed25519`; what is hashed, with `ssh-keygen -H`.
    const A: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEVmnHBC8OWGCdadhv52UivN8dDyT1aR7F7c3JnEwhss";
    const B: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII6mMKRy8OjX6DDuZKK2eiDtG3DIsEriSzuTBYrH5JJW";
    const HASHED: &str = "|1|3Yv7we8jDKkxTKW14tUdYk8P4kY=|R1gAzT5x8ZF58LQUEPQBWiO7v5Q= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEVmnHBC8OWGCdadhv52UivN8dDyT1aR7F7c3JnEwhss";
    const HASHED_PORT: &str = "|1|nauEgrx38MfZCfGqFf0w9/fTmWs=|+jNKEDkrxrkP540NLPmijKx5WNY= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII6mMKRy8OjX6DDuZKK2eiDtG3DIsEriSzuTBYrH5JJW";

    fn key(text: &str) -> KeyData {
        let key = PublicKey::from_openssh(text).expect("a public key");
        key.key_data().clone()
    }

    fn known(text: &str) -> KnownHosts {
        KnownHosts::parse(text.as_bytes()).expect("there are lines")
    }

    #[test]
    fn lines_speak_of_hosts_by_name_pattern_port_and_hash() {
        let file = format!(
            "# comment\n\n\
             git.example.com,192.0.2.1 {A} somebody\n\
             *.example.org,!secret.example.org {A}\n\
             [git.example.com]:2222 {B}\n\
             2001:db8::1 {A}\n\
             [2001:db8::2]:22 {A}\n\
             host?.example.net {A}\n\
             [*.example.net]:2222 {A}\n\
             {HASHED}\n{HASHED_PORT}\n"
        );
        let known = known(&file);
        for (host, port, keys) in [
            ("git.example.com", 22, vec![key(A)]),
            ("GIT.Example.Com", 22, vec![key(A)]),
            ("192.0.2.1", 22, vec![key(A)]),
            ("git.example.com", 2222, vec![key(B)]),
            ("192.0.2.1", 2222, vec![]),
            ("a.example.org", 22, vec![key(A)]),
            ("a.example.org", 2222, vec![]),
            ("secret.example.org", 22, vec![]),
            ("2001:db8::1", 22, vec![key(A)]),
            ("2001:db8::2", 22, vec![key(A)]),
            ("host1.example.net", 22, vec![key(A)]),
            ("host12.example.net", 22, vec![]),
            ("host1.example.net", 2222, vec![key(A)]),
            ("hashed.example.com", 22, vec![key(A)]),
            ("hashed.example.com", 2222, vec![key(B)]),
            ("example.com", 22, vec![]),
        ] {
            assert_eq!(known.of(host, port).keys, keys, "{host}:{port}");
        }
    }

    #[test]
    fn a_host_may_have_several_keys_authorities_and_revoked_keys() {
        let file = format!(
            "git.example.com {A}\ngit.example.com {B}\n@cert-authority *.example.com {B}\n@revoked elsewhere.example.com {A}\n"
        );
        let found = known(&file).of("git.example.com", 22);
        assert_eq!(found.keys, [key(A), key(B)]);
        assert_eq!(found.authorities, [key(B)]);
        assert_eq!(found.revoked, [key(A)]);
    }

    #[test]
    fn lines_that_cannot_be_read_are_passed_over_and_counted() {
        let known = known(&format!("nonsense\ngit.example.com {A}\n@other x {A}\n"));
        assert_eq!(known.of("git.example.com", 22).keys, [key(A)]);
        assert_eq!(
            known.complaint(),
            " (2 lines cannot be read, such as line 1)"
        );
        let error = KnownHosts::parse(b"# nothing\nplanted-secret\n").expect_err("no line");
        assert_eq!(
            error.to_string(),
            "`known_hosts` has no line of the form `host type key` (line 2 cannot be read)"
        );
        let large = vec![b'#'; LARGEST + 1];
        assert_eq!(KnownHosts::parse(&large), Err(KnownHostsError::TooLarge));
    }

    proptest! {
        #[test]
        fn a_pattern_matches_as_its_expression_does(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let expression = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
            let expression = regex::Regex::new(&expression).expect("an expression");
            prop_assert_eq!(glob(&pattern, &text), expression.is_match(&text));
        }

        #[test]
        fn nothing_in_a_file_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(known) = KnownHosts::parse(&bytes) {
                let _ = known.of("git.example.com", 22);
            }
        }
    }
}
