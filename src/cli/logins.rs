//! Registry logins of whoever runs the command: docker's `config.json` and its credential helpers.
//!
//! Invariant: a helper is asked once for each registry, and one that fails costs only its own login:
//! what is public can still be read. What is absent: Secrets, which are in the cluster.

use super::output::Printer;
use crate::adapters::cloud::{CloudLogins, Who};
use crate::adapters::registry::{Access, CredentialHelper};
use crate::domain::cloud::Provider;
use crate::domain::docker_config::{Credentials, DockerConfig, LARGEST};
use crate::domain::image::ImageName;
use futures::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many helpers run at once.
const HELPERS: usize = 4;

/// The logins.
#[derive(Debug, Default)]
pub(super) struct Logins {
    config: DockerConfig,
    answers: BTreeMap<String, Credentials>,
}

/// A login that could not be read.
#[derive(Debug)]
pub(super) struct NoLogin {
    /// The registry or the file.
    pub(super) place: String,
    /// Why not, in words.
    pub(super) message: String,
}

/// Where docker keeps its configuration, given `$DOCKER_CONFIG` and `$HOME`.
fn config_path(docker_config: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let given = |path: &PathBuf| !path.as_os_str().is_empty();
    let folder = docker_config.filter(given);
    let folder = folder.or_else(|| home.filter(given).map(|home| home.join(".docker")))?;
    Some(folder.join("config.json"))
}

impl Logins {
    /// Reads docker's configuration, and asks its helpers for the registries.
    pub(super) async fn gather(
        registries: BTreeSet<&str>,
        timeout: Duration,
    ) -> (Self, Vec<NoLogin>) {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let Some(path) = config_path(variable("DOCKER_CONFIG"), variable("HOME")) else {
            return Default::default();
        };
        let config = match read(&path) {
            Ok(config) => config,
            Err(message) => {
                return (
                    Self::default(),
                    vec![NoLogin {
                        place: path.display().to_string(),
                        message,
                    }],
                );
            }
        };
        let mut logins = Self {
            config,
            answers: BTreeMap::new(),
        };
        let troubles = logins.ask_helpers(registries, timeout).await;
        (logins, troubles)
    }

    async fn ask_helpers(&mut self, registries: BTreeSet<&str>, timeout: Duration) -> Vec<NoLogin> {
        let questions: Vec<(String, String)> = registries
            .into_iter()
            .filter_map(|registry| {
                Some((
                    registry.to_owned(),
                    self.config.helper_for(registry)?.to_owned(),
                ))
            })
            .collect();
        let answers = stream::iter(questions).map(|(registry, helper)| async move {
            let answer = match CredentialHelper::new(&helper) {
                Ok(helper) => helper.ask(&registry, timeout).await,
                Err(error) => Err(error),
            };
            (registry, answer)
        });
        let mut troubles = Vec::new();
        for (registry, answer) in answers.buffered(HELPERS).collect::<Vec<_>>().await {
            match answer {
                Ok(credentials) => _ = self.answers.insert(registry, credentials),
                Err(error) => {
                    let message = crate::cli::failure::Failure::from(error).message;
                    troubles.push(NoLogin {
                        place: registry,
                        message: format!("no login: {message}"),
                    });
                }
            }
        }
        troubles
    }

    /// How to reach the registry of an image with docker's login; what cannot be read is told.
    pub(super) async fn access_to(
        image: &ImageName,
        insecure: bool,
        timeout: Duration,
        printer: &mut Printer,
    ) -> Access {
        let (logins, missing) = Self::gather(BTreeSet::from([image.registry()]), timeout).await;
        for login in missing {
            printer.talk(&format!("{}: {}", login.place, login.message));
        }
        Access {
            insecure,
            credentials: logins.of(image),
            ..Access::anonymous(timeout)
        }
    }

    /// The login for an image: the helper's, as docker has it, or that of the file.
    pub(super) fn of(&self, image: &ImageName) -> Credentials {
        match self.answers.get(image.registry()) {
            Some(answer) if *answer != Credentials::Anonymous => answer.clone(),
            _ => self.config.credentials_for(image.canonical()),
        }
    }
}

/// Logins that clouds give to whoever runs the command, for images that docker has none for.
pub(super) struct CloudLogin {
    logins: CloudLogins,
    silent: Vec<Provider>,
}

impl CloudLogin {
    /// Of whoever these clouds know.
    pub(super) fn new(logins: CloudLogins) -> Self {
        Self {
            logins,
            silent: Vec::new(),
        }
    }

    /// The login for an image, or why there is none. A cloud that gave none is not asked again.
    pub(super) async fn of(
        &mut self,
        provider: Provider,
        image: &ImageName,
        timeout: Duration,
    ) -> Result<Credentials, String> {
        if self.silent.contains(&provider) {
            return Ok(Credentials::Anonymous);
        }
        let registry = self.logins.registry(provider, image.registry()).await;
        let registry = registry.map_err(|error| error.to_string())?;
        let asked = self.logins.login(&registry, Who::Process, None);
        let login = match tokio::time::timeout(timeout, asked).await {
            Ok(login) => login.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no login from {provider} within {timeout:?}")),
        };
        if login.is_err() {
            self.silent.push(provider);
        }
        login
    }
}

/// Reads the file; one that is not there has no logins.
fn read(path: &Path) -> Result<DockerConfig, String> {
    let mut bytes = Vec::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(DockerConfig::default()),
        Err(error) => return Err(error.to_string()),
    };
    let read = file.take(LARGEST as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    DockerConfig::parse(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_where_docker_has_it() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            config_path(path("/etc/docker"), path("/home/me")),
            path("/etc/docker/config.json")
        );
        assert_eq!(
            config_path(None, path("/home/me")),
            path("/home/me/.docker/config.json")
        );
        assert_eq!(
            config_path(path(""), path("/home/me")),
            path("/home/me/.docker/config.json")
        );
        assert_eq!(config_path(None, None), None);
    }

    #[test]
    fn a_missing_file_has_no_logins_and_a_broken_one_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.json");
        assert!(read(&path).is_ok_and(|config| config.is_empty()));
        std::fs::write(&path, "{planted-secret").expect("a file");
        let error = read(&path).expect_err("it is not JSON");
        assert!(!error.contains("planted"), "{error}");
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_leaves_the_login_of_the_file() {
        let config = r#"{"credsStore": "highwater-no-such-helper", "auths": {"r.example.com": {"username": "u", "password": "p"}}}"#;
        let config = DockerConfig::parse(config.as_bytes()).expect("a configuration");
        let mut logins = Logins {
            config,
            answers: BTreeMap::new(),
        };
        let troubles = logins
            .ask_helpers(BTreeSet::from(["r.example.com"]), Duration::from_secs(10))
            .await;
        assert_eq!(troubles.len(), 1);
        assert!(
            troubles[0]
                .message
                .contains("docker-credential-highwater-no-such-helper")
        );
        let image = ImageName::parse("r.example.com/web").expect("an image");
        assert!(
            matches!(logins.of(&image), Credentials::Basic { username, .. } if username == "u")
        );
    }
}
