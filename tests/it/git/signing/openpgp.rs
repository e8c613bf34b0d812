//! OpenPGP: which keys sign, with which of their parts, and what is said of those that do not.

use super::*;
use crate::support::keys::{GnuPg, Recipe};

fn read(bytes: &[u8], passphrase: &str) -> Result<Signer, SigningKeyError> {
    let passphrase = (!passphrase.is_empty()).then_some(passphrase.as_bytes());
    Signer::openpgp(bytes, passphrase, now())
}

fn taken(bytes: &[u8], passphrase: &str) -> Signer {
    match read(bytes, passphrase) {
        Ok(signer) => signer,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn keys_of_every_usual_kind_sign_what_gpg_finds_good() {
    let gpg = GnuPg::new();
    let world = World::seeded(&[("a.yaml", "1\n")]);
    for algorithm in [
        "rsa2048",
        "rsa3072",
        "ed25519",
        "nistp256/ecdsa",
        "nistp384/ecdsa",
        "nistp521/ecdsa",
        "dsa2048",
    ] {
        let key = gpg.make(&Recipe {
            algorithm,
            ..Recipe::default()
        });
        let signer = taken(&gpg.private(&[&key], ""), "");
        assert_eq!(signer.fingerprint(), key, "{algorithm}");
        assert_eq!(format!("{signer:?}"), format!("Signer({key})"));
        let commit = signed(&world, &signer, algorithm);
        assert_eq!(
            gpg.signer_of(&world.origin.path, &commit),
            key,
            "{algorithm}"
        );
    }
    world.origin.fsck();
    let headers = git(&world.origin.path, &["cat-file", "commit", "main"]);
    assert_eq!(
        headers
            .matches("\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n ")
            .count(),
        1
    );
    assert!(
        headers.contains("\n -----END PGP SIGNATURE-----\n\nupdate\n"),
        "{headers}"
    );
}

#[test]
fn what_is_changed_after_it_was_signed_is_found_bad() {
    let gpg = GnuPg::new();
    let world = World::seeded(&[("a.yaml", "1\n")]);
    let key = gpg.make(&Recipe::default());
    let commit = signed(&world, &taken(&gpg.private(&[&key], ""), ""), "2\n");
    let bytes = git(&world.origin.path, &["cat-file", "commit", &commit]);
    let other = bytes.replace("\n\nupdate\n", "\n\nUpdate\n");
    assert_ne!(other, bytes);
    let arguments = ["hash-object", "-t", "commit", "-w", "--stdin"];
    let forged = git_with_input(&world.origin.path, &arguments, other.as_bytes());
    let judged = std::panic::catch_unwind(|| gpg.signer_of(&world.origin.path, forged.trim()));
    assert!(judged.is_err());
}

#[test]
fn a_protected_key_needs_its_passphrase_armored_or_not() {
    let gpg = GnuPg::new();
    let world = World::seeded(&[("a.yaml", "1\n")]);
    let key = gpg.make(&Recipe {
        passphrase: "ebb and flow",
        ..Recipe::default()
    });
    for armor in [true, false] {
        let bytes = gpg.export("--export-secret-keys", armor, &[&key], "ebb and flow");
        let commit = signed(&world, &taken(&bytes, "ebb and flow"), &armor.to_string());
        assert_eq!(gpg.signer_of(&world.origin.path, &commit), key);
        assert_eq!(read(&bytes, "").map(drop), Err(SigningKeyError::Protected));
        let given = ["ebb and", "ebb and flow\n"];
        let secrets = [bytes.as_slice(), given[0].as_bytes()];
        let words = given.map(|given| refused(read(&bytes, given), &secrets));
        assert_eq!(words[0], "the passphrase does not open it");
        assert!(words[1].ends_with("hint: it ends with a line break, which belongs to it"));
    }
}

#[test]
fn the_newest_subkey_for_signing_signs() {
    let gpg = GnuPg::new();
    let world = World::seeded(&[("a.yaml", "1\n")]);
    let made = |made, usage| Recipe {
        made,
        usage,
        ..Recipe::default()
    };
    let primary = gpg.make(&made("20260101T000000", "cert,sign"));
    let old = gpg.add(&primary, &made("20260201T000000", "sign"));
    let recent = Recipe {
        algorithm: "rsa2048",
        ..made("20260301T000000", "sign")
    };
    let recent = gpg.add(&primary, &recent);
    let encrypting = Recipe {
        algorithm: "cv25519",
        ..made("20260401T000000", "encr")
    };
    gpg.add(&primary, &encrypting);
    let whole = gpg.private(&[&primary], "");
    let signer = taken(&whole, "");
    assert_eq!(signer.fingerprint(), primary, "people know the primary key");
    let commit = signed(&world, &signer, "2\n");
    assert_eq!(gpg.signer_of(&world.origin.path, &commit), recent);

    // Without the primary key's secret, as it is advised for machines.
    let subkeys = gpg.export("--export-secret-subkeys", true, &[&primary], "");
    let commit = signed(&world, &taken(&subkeys, ""), "3\n");
    assert_eq!(gpg.signer_of(&world.origin.path, &commit), recent);
    let one = gpg.export("--export-secret-subkeys", true, &[&format!("{old}!")], "");
    let commit = signed(&world, &taken(&one, ""), "4\n");
    assert_eq!(gpg.signer_of(&world.origin.path, &commit), old);

    // A subkey that is taken back leaves its turn to the next one.
    gpg.revoke_subkey(&primary, 2);
    let commit = signed(&world, &taken(&gpg.private(&[&primary], ""), ""), "5\n");
    assert_eq!(gpg.signer_of(&world.origin.path, &commit), old);
    gpg.revoke_subkey(&primary, 1);
    let commit = signed(&world, &taken(&gpg.private(&[&primary], ""), ""), "6\n");
    assert_eq!(gpg.signer_of(&world.origin.path, &commit), primary);
    let none = gpg.export("--export-secret-subkeys", true, &[&primary], "");
    let words = refused(read(&none, ""), &[&none]);
    let (first, second) = (&old[24..], &recent[24..]);
    assert_eq!(
        words,
        format!(
            "key {} cannot sign: subkey {first} is revoked, subkey {second} is revoked, \
             its primary key is not in the file",
            &primary[24..]
        )
    );
}

#[test]
fn protected_subkeys_are_opened_without_the_primary_key() {
    let gpg = GnuPg::new();
    let world = World::seeded(&[("a.yaml", "1\n")]);
    let recipe = |usage| Recipe {
        passphrase: "slack water",
        usage,
        ..Recipe::default()
    };
    let primary = gpg.make(&recipe("cert"));
    let subkey = gpg.add(&primary, &recipe("sign"));
    let export = "--export-secret-subkeys";
    let bytes = gpg.export(export, true, &[&primary], "slack water");
    let commit = signed(&world, &taken(&bytes, "slack water"), "2\n");
    assert_eq!(gpg.signer_of(&world.origin.path, &commit), subkey);
    assert_eq!(read(&bytes, "").map(drop), Err(SigningKeyError::Protected));
}

#[test]
fn a_key_that_has_expired_or_was_revoked_does_not_sign() {
    let gpg = GnuPg::new();
    let expired = gpg.make(&Recipe {
        made: "20260101T000000",
        expires: "1d",
        ..Recipe::default()
    });
    let id = &expired[24..];
    let bytes = gpg.private(&[&expired], "");
    let words = format!("key {id} has expired on 2026-01-02");
    assert_eq!(refused(read(&bytes, ""), &[&bytes]), words);

    // One that was good when it was opened is asked again when it signs.
    let early: Timestamp = "2026-01-01T12:00:00Z".parse().expect("a time");
    let signer = Signer::openpgp(&bytes, None, early).expect("it was good then");
    assert_eq!(signer.check(early), Ok(()));
    assert!(signer.sign(b"payload", early).is_ok());
    let late = SigningKeyError::Unusable(words);
    assert_eq!(signer.check(now()), Err(late.clone()));
    assert_eq!(signer.sign(b"payload", now()), Err(late));
    let before: Timestamp = "2025-12-31T00:00:00Z".parse().expect("a time");
    let error = signer.check(before).expect_err("it was not made yet");
    assert_eq!(
        error.to_string(),
        format!("key {id} was made in the future, on 2026-01-01")
    );

    let revoked = gpg.make(&Recipe::default());
    gpg.revoke(&revoked);
    let bytes = gpg.private(&[&revoked], "");
    let words = format!("key {} is revoked", &revoked[24..]);
    assert_eq!(refused(read(&bytes, ""), &[&bytes]), words);
}

#[test]
fn an_expired_subkey_leaves_signing_to_the_primary_key() {
    let gpg = GnuPg::new();
    let world = World::seeded(&[("a.yaml", "1\n")]);
    let recipe = |usage, expires| Recipe {
        made: "20260101T000000",
        usage,
        expires,
        ..Recipe::default()
    };
    let primary = gpg.make(&recipe("cert,sign", "never"));
    gpg.add(&primary, &recipe("sign", "1d"));
    let commit = signed(&world, &taken(&gpg.private(&[&primary], ""), ""), "2\n");
    assert_eq!(gpg.signer_of(&world.origin.path, &commit), primary);

    let only = gpg.make(&recipe("cert", "never"));
    let subkey = gpg.add(&only, &recipe("sign", "1d"));
    let bytes = gpg.private(&[&only], "");
    assert_eq!(
        refused(read(&bytes, ""), &[&bytes]),
        format!(
            "key {} cannot sign: subkey {} has expired on 2026-01-02, its primary key may not sign",
            &only[24..],
            &subkey[24..]
        )
    );
}

#[test]
fn exactly_one_private_key_is_taken() {
    let gpg = GnuPg::new();
    let [one, two] = [(); 2].map(|()| gpg.make(&Recipe::default()));
    let both = gpg.private(&[&one, &two], "");
    assert_eq!(read(&both, "").map(drop), Err(SigningKeyError::Several(2)));
    let appended = [gpg.private(&[&one], ""), gpg.private(&[&two], "")].concat();
    assert_eq!(
        read(&appended, "").map(drop),
        Err(SigningKeyError::Several(2))
    );
    let public = gpg.export("--export", true, &[&one], "");
    let words = refused(read(&public, ""), &[]);
    assert!(
        words.starts_with("it holds a public key and no private one"),
        "{words}"
    );
    let public = gpg.export("--export", false, &[&one], "");
    assert_eq!(refused(read(&public, ""), &[]), words);
    // The public key beside the private one is no second key.
    let pair = [
        gpg.export("--export", true, &[&one], ""),
        gpg.private(&[&one], ""),
    ]
    .concat();
    assert_eq!(taken(&pair, "").fingerprint(), one);
}

#[test]
fn damaged_and_cut_keys_are_refused_or_sign_well_and_never_panic() {
    let gpg = GnuPg::new();
    let recipe = |usage| Recipe {
        usage,
        ..Recipe::default()
    };
    let key = gpg.make(&recipe("sign"));
    gpg.add(&key, &recipe("sign"));
    let rsa = Recipe {
        algorithm: "rsa2048",
        ..Recipe::default()
    };
    let rsa = gpg.make(&rsa);
    let mut refusals = 0;
    for key in [key, rsa] {
        for armor in [true, false] {
            let bytes = gpg.export("--export-secret-keys", armor, &[&key], "");
            for copy in damaged(&bytes, 120) {
                match read(&copy, "") {
                    Ok(signer) => {
                        // Damage that does no harm, as in the comment of a user ID, is none.
                        let _ = signer.sign(b"payload", now());
                    }
                    Err(_) => refusals += 1,
                }
            }
        }
    }
    assert!(refusals > 600, "{refusals}");
    // Armor tells about its end.
    let key = gpg.make(&Recipe::default());
    let bytes = gpg.private(&[&key], "");
    let end = bytes.len() - "-----END PGP PRIVATE KEY BLOCK-----\n".len();
    for cut in [end, end / 2, end - 1] {
        assert_eq!(
            refused(read(&bytes[..cut], ""), &[&bytes]),
            "its armor has no end"
        );
    }
}
