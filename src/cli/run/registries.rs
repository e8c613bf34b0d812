//! How much each registry is asked: the flags, and the file they name.

use super::Flags;
use crate::cli::failure::Failure;
use crate::domain::pace::Rate;
use crate::domain::registry_settings::{LARGEST, RegistryLimits, RegistrySettings};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads flags and file.
pub(super) fn settings(flags: &Flags) -> Result<RegistrySettings, Failure> {
    let all = RegistryLimits {
        at_once: flags.registry_max_requests,
        rate: Rate::per_second(flags.registry_qps),
        ..RegistryLimits::default()
    };
    let Some(path) = &flags.registry_config else {
        return Ok(RegistrySettings::new(all));
    };
    let shown = path.display().to_string();
    let text = read(path).map_err(|error| {
        Failure::new(format!("{shown}: {error}"))
            .with_hint("name a readable file with `--registry-config`")
    })?;
    RegistrySettings::parse(&shown, &text, all).map_err(Failure::new)
}

/// The file, or so much of it that it is seen to be too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    File::open(path)?.take(most + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::io::Write;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: Flags,
    }

    fn settings_of(arguments: &[&str]) -> Result<RegistrySettings, Failure> {
        let command = Command::try_parse_from([&["run"], arguments].concat());
        settings(&command.expect("the flags are known").flags)
    }

    fn refusal(arguments: &[&str]) -> Failure {
        settings_of(arguments).expect_err("it is refused")
    }

    #[test]
    fn the_file_goes_before_the_flags() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"registries:\n- {host: ghcr.io, maxRequests: 3}\n")
            .expect("it is written");
        let path = file.path().display().to_string();
        let flags = [
            "--registry-max-requests=9",
            "--registry-qps=2",
            "--registry-config",
            &path,
        ];
        let settings = settings_of(&flags).expect("both are understood");
        assert_eq!(settings.of("ghcr.io").at_once, 3);
        assert_eq!(settings.of("ghcr.io").rate, Rate::per_second(2.0));
        assert_eq!(settings.of("quay.io").at_once, 9);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let failure = refusal(&["--registry-config", "/nowhere/r.yaml"]);
        assert!(
            failure.message.starts_with("/nowhere/r.yaml: "),
            "{}",
            failure.message
        );
        assert!(
            failure
                .hint
                .is_some_and(|hint| hint.contains("`--registry-config`"))
        );
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"registries:\n- {host: a, pagesize: 1}\n")
            .expect("it is written");
        let path = file.path().display().to_string();
        let failure = refusal(&["--registry-config", &path]);
        let words = ":2: unknown field `registries[0].pagesize`; hint: did you mean `pageSize`?";
        assert_eq!(failure.message, format!("{path}{words}"));
        file.write_all(&vec![b'#'; LARGEST]).expect("it is written");
        let failure = refusal(&["--registry-config", &path]);
        assert!(
            failure.message.contains("at most 1048576 bytes"),
            "{}",
            failure.message
        );
    }
}
