//! What an ssh URL says: the server, the user, and the repository there.
//!
//! Invariant: a path reaches the server as one word of its shell, whatever is in it. What is absent:
//! `host:path`, which [`Remote::scp`] takes apart.

use crate::adapters::git::error::GitError;
use crate::adapters::git::remote::Remote;
use gix::protocol::transport::Service;
use std::borrow::Cow;

/// Where ssh servers listen.
const PORT: u16 = 22;

/// A repository on an ssh server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The name or the address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// The path as the server's shell takes it, not quoted.
    path: String,
}

impl Place {
    pub(super) fn of(remote: &Remote) -> Result<Self, GitError> {
        let url = remote.url().as_url();
        let wrong = |reason: &str| GitError::Configuration {
            url: remote.url().clone(),
            reason: reason.to_owned(),
        };
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("the URL names no host"));
        }
        let decoded = match remote.ssh_path() {
            Some(path) => Cow::Borrowed(path),
            None => decoded(url.path()),
        };
        if decoded.contains(['\0', '\n']) {
            return Err(wrong("the path holds a character that no path has"));
        }
        // As Git has it: `/~user/x` is below that user's home.
        let path = match decoded.strip_prefix('/') {
            Some(rest) if rest.starts_with('~') => rest.to_owned(),
            _ => decoded.into_owned(),
        };
        if path.trim_matches('/').is_empty() {
            return Err(wrong("the URL names no repository"));
        }
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port: url.port().unwrap_or(PORT),
            user: remote.ssh_user().to_owned(),
            path,
        })
    }

    /// The command that serves the repository.
    pub(super) fn command(&self, service: Service) -> String {
        format!("{} {}", program(service), quoted(&self.path))
    }

    /// How messages name the server.
    pub(super) fn server(&self) -> String {
        match self.port {
            PORT => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }
}

/// The program that a server runs.
pub(super) fn program(service: Service) -> &'static str {
    match service {
        Service::UploadPack => "git-upload-pack",
        Service::ReceivePack => "git-receive-pack",
    }
}

/// Takes percent-encoding off, as Git does with ssh URLs.
pub(in crate::adapters::git) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2)));
        match (bytes[at], pair) {
            (b'%', (Some(high), Some(low))) => {
                // Two hexadecimal digits are a byte.
                plain.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// One word for a shell, as Git quotes it.
fn quoted(text: &str) -> String {
    let mut word = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' | '!' => word.extend(["'\\", letter.encode_utf8(&mut [0; 4]), "'"]),
            other => word.push(other),
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::redact::SafeUrl;

    fn place(url: &str) -> Result<Place, String> {
        let url = SafeUrl::parse(url).expect("a URL");
        let remote = Remote::new(&url).map_err(|error| error.to_string())?;
        Place::of(&remote).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_says_who_where_and_what() {
        for (url, host, port, user, command) in [
            (
                "ssh://git@git.example.com/o/r.git",
                "git.example.com",
                22,
                "git",
                "git-upload-pack '/o/r.git'",
            ),
            (
                "ssh://Git.Example.com:2222/o/r",
                "git.example.com",
                2222,
                "git",
                "git-upload-pack '/o/r'",
            ),
            (
                "ssh://me%40x:pass@[::1]:22/~me/r",
                "::1",
                22,
                "me@x",
                "git-upload-pack '~me/r'",
            ),
            (
                "ssh://h/a%20b'c!d",
                "h",
                22,
                "git",
                r"git-upload-pack '/a b'\''c'\!'d'",
            ),
            (
                "ssh://h/%7Eme/100%25",
                "h",
                22,
                "git",
                "git-upload-pack '~me/100%'",
            ),
        ] {
            let place = place(url).expect(url);
            assert_eq!(
                (place.host.as_str(), place.port, place.user.as_str()),
                (host, port, user)
            );
            assert_eq!(place.command(Service::UploadPack), command);
        }
    }

    #[test]
    fn a_path_after_a_colon_begins_at_the_users_home() {
        for (location, server, user, command) in [
            (
                "git@github.com:o/r.git",
                "github.com",
                "git",
                "git-upload-pack 'o/r.git'",
            ),
            (
                "h:/srv/100%25.git",
                "h",
                "git",
                "git-upload-pack '/srv/100%25.git'",
            ),
            ("me@h:~/r", "h", "me", "git-upload-pack '~/r'"),
        ] {
            let remote = Remote::scp(location).expect(location);
            let place = Place::of(&remote).expect(location);
            assert_eq!(
                (place.server().as_str(), place.user.as_str()),
                (server, user)
            );
            assert_eq!(place.command(Service::UploadPack), command);
        }
        for wrong in ["h", ":r", "h:", "-x:r", "a b:r", "me@:r"] {
            assert!(Remote::scp(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_url_without_host_or_repository_is_refused() {
        for (url, words) in [
            ("ssh:///o/r", "the URL names no host"),
            ("ssh://h", "the URL names no repository"),
            ("ssh://h/", "the URL names no repository"),
            (
                "ssh://h/a%0Ab",
                "the path holds a character that no path has",
            ),
        ] {
            let error = place(url).expect_err(url);
            assert!(error.ends_with(words), "{error}");
        }
    }

    #[test]
    fn a_server_is_named_with_its_port_when_that_is_not_the_usual_one() {
        let server = |url: &str| place(url).expect(url).server();
        assert_eq!(server("ssh://h:22/r"), "h");
        assert_eq!(server("ssh://h:7999/r"), "h:7999");
    }
}
