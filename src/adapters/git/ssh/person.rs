//! The keys and known hosts of whoever runs a command, where OpenSSH keeps them.
//!
//! What is absent: agents, keys with a passphrase, and the configuration of OpenSSH's own client.

use super::known_hosts::KnownHosts;
use super::login::{LARGEST, SshLogin, SshLoginError, private_key};
use crate::domain::redact::Secret;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The names of keys below `~/.ssh`, in the order in which OpenSSH tries them.
const KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];
/// The names of files with known hosts.
const KNOWN_HOSTS: [&str; 2] = ["known_hosts", "known_hosts2"];
/// The known hosts of everybody on a machine.
const SHARED: &str = "/etc/ssh/ssh_known_hosts";

impl SshLogin {
    /// Reads the keys that have no passphrase and the known hosts of a person with this home folder.
    ///
    /// # Errors
    /// [`SshLoginError`] when there are no keys, or no known hosts.
    pub fn of_person(home: &Path) -> Result<Self, SshLoginError> {
        let folder = home.join(".ssh");
        let keys: Vec<_> = KEYS
            .iter()
            .filter_map(|name| read(&folder.join(name), LARGEST))
            .filter_map(|bytes| private_key(&Secret::new(bytes), None).ok())
            .map(Arc::new)
            .collect();
        if keys.is_empty() {
            return Err(SshLoginError::NoKeys);
        }
        let files = KNOWN_HOSTS.iter().map(|name| folder.join(name));
        let known: Vec<Vec<u8>> = files
            .chain([PathBuf::from(SHARED)])
            .filter_map(|file| read(&file, super::known_hosts::LARGEST))
            .collect();
        Ok(Self {
            keys,
            hosts: Arc::new(KnownHosts::parse(&known.join(&b'\n'))?),
        })
    }
}

/// The start of a file; `None` for one that cannot be read.
fn read(path: &Path, most: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(most as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_without_keys_or_known_hosts_is_told_which() {
        let home = tempfile::tempdir().expect("a folder");
        let told = SshLogin::of_person(home.path()).expect_err("there is nothing");
        assert_eq!(told, SshLoginError::NoKeys);
    }
}
