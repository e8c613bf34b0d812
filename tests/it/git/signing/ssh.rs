//! SSH: which keys sign, and what is said of those that do not.

use super::*;
use crate::support::keys::SshKey;

fn read(key: &SshKey, password: &str) -> Result<Signer, SigningKeyError> {
    Signer::ssh(&key.private, Some(password.as_bytes()))
}

fn taken(key: &SshKey, password: &str) -> Signer {
    match read(key, password) {
        Ok(signer) => signer,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn keys_of_every_kind_that_flux_takes_sign_what_git_finds_good() {
    let world = World::seeded(&[("a.yaml", "1\n")]);
    for kind in [
        "-ted25519",
        "-tecdsa -b256",
        "-tecdsa -b384",
        "-tecdsa -b521",
        "-trsa -b2048",
        "-trsa -b3072",
    ] {
        let arguments: Vec<&str> = kind.split(' ').collect();
        let key = SshKey::make(&arguments, "");
        let signer = taken(&key, "");
        assert_eq!(signer.fingerprint(), key.fingerprint(), "{kind}");
        let commit = signed(&world, &signer, kind);
        key.assert_signed(&world.origin.path, &commit);
    }
    world.origin.fsck();
    let headers = git(&world.origin.path, &["cat-file", "commit", "main"]);
    assert_eq!(
        headers
            .matches("\ngpgsig -----BEGIN SSH SIGNATURE-----\n ")
            .count(),
        1
    );
}

#[test]
fn a_protected_key_needs_its_password() {
    let world = World::seeded(&[("a.yaml", "1\n")]);
    for more in [
        "-a16",
        "-Zaes256-gcm@openssh.com",
        "-Zchacha20-poly1305@openssh.com",
    ] {
        let key = SshKey::make(&["-ted25519", more], "spring tide");
        let commit = signed(&world, &taken(&key, "spring tide"), more);
        key.assert_signed(&world.origin.path, &commit);
        let secrets = [key.private.as_slice(), b"spring tide"];
        let wrong = refused(read(&key, "neap tide"), &secrets);
        assert_eq!(wrong, "the password does not open it", "{more}");
        for nothing in [None, Some(b"".as_slice())] {
            let read = Signer::ssh(&key.private, nothing).map(drop);
            assert_eq!(read, Err(SigningKeyError::Protected), "{more}");
        }
    }
}

#[test]
fn keys_that_openssh_would_not_verify_are_refused() {
    let short = SshKey::make(&["-trsa", "-b1024"], "");
    assert_eq!(
        refused(read(&short, ""), &[&short.private]),
        "RSA key size 1024 bits is below the minimum supported by NewSSHSigner; must be at least 2048"
    );
    let old = SshKey::make(&["-tdsa"], "");
    assert_eq!(
        refused(read(&old, ""), &[&old.private]),
        "unsupported SSH signing key algorithm: ssh-dss"
    );
    let costly = SshKey::make(&["-ted25519", "-a1"], "x");
    let rounds = |key: &[u8]| raise_rounds(key, 1, 4_000_000_000);
    let read = Signer::ssh(&rounds(&costly.private), Some(b"x"));
    assert_eq!(
        refused(read, &[&costly.private]),
        "the private key cannot be read: opening it with its passphrase would take too long"
    );
}

/// The same key with another number of rounds; `openssh-key-v1` stores it behind a salt of 16 bytes.
fn raise_rounds(armored: &[u8], old: u32, new: u32) -> Vec<u8> {
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD;
    let text = std::str::from_utf8(armored).expect("armor is text");
    let lines = text.lines().filter(|line| !line.starts_with('-'));
    let mut bytes = base64.decode(lines.collect::<String>()).expect("base64");
    let name = b"bcrypt";
    let found = bytes.windows(name.len()).position(|window| window == name);
    let at = found.expect("it is protected") + name.len() + 4 + 4 + 16;
    assert_eq!(bytes[at..at + 4], old.to_be_bytes());
    bytes[at..at + 4].copy_from_slice(&new.to_be_bytes());
    let label = "OPENSSH PRIVATE KEY-----";
    let body = base64.encode(bytes);
    format!("-----BEGIN {label}\n{body}\n-----END {label}\n").into_bytes()
}

#[test]
fn keys_in_older_formats_sign_too_and_public_keys_are_no_keys() {
    let world = World::seeded(&[("a.yaml", "1\n")]);
    for (arguments, password) in [
        (["-trsa", "-b2048", "-mPEM"], ""),
        (["-trsa", "-b2048", "-mPKCS8"], "spring tide"),
        (["-tecdsa", "-b384", "-mPKCS8"], ""),
    ] {
        let key = SshKey::make(&arguments, password);
        let commit = signed(&world, &taken(&key, password), &arguments.join(" "));
        key.assert_signed(&world.origin.path, &commit);
        if !password.is_empty() {
            let wrong = refused(read(&key, "neap tide"), &[&key.private]);
            assert_eq!(wrong, "the password does not open it");
        }
    }
    let public = Signer::ssh(b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA bot", None);
    let words = refused(public, &[]);
    assert!(
        words.starts_with("the private key cannot be read: "),
        "{words}"
    );
}

#[test]
fn keys_are_taken_however_they_were_pasted() {
    let key = SshKey::make(&["-ted25519"], "");
    let text = String::from_utf8(key.private.clone()).expect("armor is text");
    let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
    for pasted in [
        text.trim_end().to_owned(),
        text.replace('\n', "\r\n"),
        indented,
        format!("\n\n{text}\n\n"),
    ] {
        let signer = Signer::ssh(pasted.as_bytes(), None).expect("it is the same key");
        assert_eq!(signer.fingerprint(), key.fingerprint());
    }
}

#[test]
fn damaged_and_cut_keys_are_refused_or_sign_well_and_never_panic() {
    for (kind, password) in [
        ("-ted25519", ""),
        ("-tecdsa -b256", ""),
        ("-trsa -b2048", ""),
        ("-ted25519 -a1", "x"),
    ] {
        let arguments: Vec<&str> = kind.split(' ').collect();
        let key = SshKey::make(&arguments, password);
        let (mut refusals, copies) = (0, damaged(&key.private, 100));
        for copy in &copies {
            match Signer::ssh(copy, Some(password.as_bytes())) {
                // The comment is not covered by anything.
                Ok(signer) => drop(signer.sign(b"payload", now())),
                Err(_) => refusals += 1,
            }
        }
        assert!(
            refusals * 10 > copies.len() * 8,
            "{kind}: {refusals} of {}",
            copies.len()
        );
    }
}
