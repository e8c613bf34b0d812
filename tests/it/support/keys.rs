//! Keys that sign commits, made by the real `gpg` and `ssh-keygen`, and real Git as the judge of what
//! they signed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::process::temporary_folder;

/// Who all keys are of.
pub const OWNER: &str = "Bot <bot@example.com>";
/// The address of [`OWNER`].
pub const ADDRESS: &str = "bot@example.com";

/// A GnuPG folder of its own, with its own agent.
pub struct GnuPg {
    home: PathBuf,
}

/// How a key is made; `..Default::default()` for what does not matter.
pub struct Recipe<'a> {
    /// The algorithm, as `ed25519`, `rsa2048`, `nistp256/ecdsa`.
    pub algorithm: &'a str,
    /// What the primary key is for: `sign`, `cert`.
    pub usage: &'a str,
    /// For how long: `never`, `1d`.
    pub expires: &'a str,
    /// Its passphrase; empty for none.
    pub passphrase: &'a str,
    /// When it is made, as `20260101T000000`; empty for now.
    pub made: &'a str,
}

impl Default for Recipe<'_> {
    fn default() -> Self {
        Self {
            algorithm: "ed25519",
            usage: "sign",
            expires: "never",
            passphrase: "",
            made: "",
        }
    }
}

impl GnuPg {
    /// An empty folder.
    pub fn new() -> Self {
        let home = temporary_folder("gnupg");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(&home, private).expect("the folder is ours");
        }
        Self { home }
    }

    /// Runs `gpg`, and panics when it fails.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command
            .env("GNUPGHOME", &self.home)
            .args(["--quiet", "--no-tty", "--pinentry-mode=loopback"])
            .args(arguments);
        let output = answer(command, input);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {words}");
        output.stdout
    }

    /// Makes a key, and tells its fingerprint.
    pub fn make(&self, recipe: &Recipe<'_>) -> String {
        let before = self.fingerprints("sec");
        let time = faked(recipe.made);
        let mut arguments = vec!["--batch", "--yes", "--passphrase", recipe.passphrase];
        arguments.extend(time.iter().map(String::as_str));
        arguments.extend(["--quick-generate-key", OWNER]);
        arguments.extend([recipe.algorithm, recipe.usage, recipe.expires]);
        self.run(&arguments, b"");
        let mut made = self.fingerprints("sec");
        made.retain(|fingerprint| !before.contains(fingerprint));
        made.pop().expect("a key was made")
    }

    /// Adds a subkey, and tells its fingerprint.
    pub fn add(&self, primary: &str, recipe: &Recipe<'_>) -> String {
        let before = self.fingerprints("ssb");
        let time = faked(recipe.made);
        let mut arguments = vec!["--batch", "--passphrase", recipe.passphrase];
        arguments.extend(time.iter().map(String::as_str));
        arguments.extend(["--quick-add-key", primary]);
        arguments.extend([recipe.algorithm, recipe.usage, recipe.expires]);
        self.run(&arguments, b"");
        let mut made = self.fingerprints("ssb");
        made.retain(|fingerprint| !before.contains(fingerprint));
        made.pop().expect("a subkey was made")
    }

    /// The fingerprints of the primary keys (`sec`) or of the subkeys (`ssb`).
    fn fingerprints(&self, kind: &str) -> Vec<String> {
        let listed = self.run(&["--batch", "--with-colons", "--list-secret-keys"], b"");
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let mut found = Vec::new();
        let mut inside = false;
        for line in listed.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            match fields[0] {
                "sec" | "ssb" => inside = fields[0] == kind,
                "fpr" if inside => {
                    found.push(fields[9].to_owned());
                    inside = false;
                }
                _ => {}
            }
        }
        found
    }

    /// The private key in its armor, as a Secret holds it.
    pub fn private(&self, keys: &[&str], passphrase: &str) -> Vec<u8> {
        self.export("--export-secret-keys", true, keys, passphrase)
    }

    /// What one of gpg's exports prints.
    pub fn export(&self, how: &str, armor: bool, keys: &[&str], passphrase: &str) -> Vec<u8> {
        let mut arguments = vec!["--batch", "--passphrase", passphrase];
        arguments.extend(armor.then_some("--armor"));
        arguments.push(how);
        arguments.extend(keys);
        self.run(&arguments, b"")
    }

    /// Takes back a whole key, by the certificate that gpg made with it.
    pub fn revoke(&self, primary: &str) {
        let certificate = format!("openpgp-revocs.d/{primary}.rev");
        let text = fs::read_to_string(self.home.join(certificate)).expect("gpg keeps it");
        // The colon is there so that nobody takes a key back by mistake.
        let text = text.replace(":-----BEGIN", "-----BEGIN");
        self.run(&["--batch", "--import"], text.as_bytes());
    }

    /// Takes back the subkey of this number, from 1 on.
    pub fn revoke_subkey(&self, primary: &str, number: usize) {
        let dialogue = format!("key {number}\nrevkey\ny\n0\n\ny\nsave\n");
        let arguments = ["--passphrase=", "--command-fd=0", "--edit-key", primary];
        self.run(&arguments, dialogue.as_bytes());
    }

    /// The fingerprint of the key, or subkey, with which Git finds the commit to be signed well.
    pub fn signer_of(&self, repository: &Path, commit: &str) -> String {
        let mut command = Command::new("git");
        command
            .current_dir(repository)
            .env("GNUPGHOME", &self.home)
            .args(["-c", "gpg.format=openpgp", "verify-commit", "--raw", commit]);
        let words = judged(command);
        let valid = words
            .lines()
            .find_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG "));
        assert!(words.contains("[GNUPG:] GOODSIG "), "{words}");
        let valid = valid.unwrap_or_else(|| panic!("no valid signature: {words}"));
        valid.split(' ').next().unwrap_or_default().to_owned()
    }
}

impl Drop for GnuPg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", &self.home)
            .args(["--kill", "all"])
            .output();
    }
}

fn faked(time: &str) -> Option<String> {
    (!time.is_empty()).then(|| format!("--faked-system-time={time}!"))
}

/// An SSH key pair.
pub struct SshKey {
    /// The private key's file, as a Secret holds it.
    pub private: Vec<u8>,
    folder: PathBuf,
}

impl SshKey {
    /// Makes one with `ssh-keygen` and these arguments, as `-t ed25519`.
    pub fn make(arguments: &[&str], passphrase: &str) -> Self {
        let folder = temporary_folder("ssh");
        let file = folder.join("key");
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-C", "bot", "-N", passphrase, "-f"])
            .arg(&file)
            .args(arguments);
        let output = answer(command, b"");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ssh-keygen {arguments:?}: {words}");
        let private = fs::read(&file).expect("it was made");
        let public = fs::read_to_string(folder.join("key.pub")).expect("it was made");
        fs::write(folder.join("allowed"), format!("{ADDRESS} {public}")).expect("a file");
        Self { private, folder }
    }

    /// The fingerprint, as `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        let mut command = Command::new("ssh-keygen");
        command.arg("-lf").arg(self.folder.join("key.pub"));
        let words = String::from_utf8_lossy(&answer(command, b"").stdout).into_owned();
        words.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Asserts that Git finds the commit to be signed well with this key.
    pub fn assert_signed(&self, repository: &Path, commit: &str) {
        let allowed = self.folder.join("allowed");
        let allowed = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
        let mut command = Command::new("git");
        command
            .current_dir(repository)
            .args(["-c", "gpg.format=ssh", "-c", &allowed])
            .args(["verify-commit", "--raw", commit]);
        let words = judged(command);
        let good = format!("Good \"git\" signature for {ADDRESS} with ");
        assert!(words.contains(&good), "{words}");
        assert!(words.contains(&self.fingerprint()), "{words}");
    }
}

/// What Git says of a signature, good or bad.
fn judged(mut command: Command) -> String {
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("LC_ALL", "C");
    let output = answer(command, b"");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    words + &String::from_utf8_lossy(&output.stdout)
}

fn answer(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests need `git`, `gpg` and `ssh-keygen`");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("it runs");
    writer.join().expect("the writer ends");
    output
}
