//! Whose registry a host is, and what follows from its name.
//!
//! Invariant: the whole host is matched, from its first letter to its last. Flux's pattern for AWS is
//! found anywhere, so that `1.dkr.ecr.eu-west-1.amazonaws.com.example.org` would be given a login.
//! What is absent: asking the host.

use super::Provider;
use super::azure::{AzureCloud, AzureEnvironment};
use regex::Regex;
use std::sync::LazyLock;
use thiserror::Error;

/// Amazon's registries: account, FIPS, region, partition. After the credential helper for ECR, with
/// China's dual-stack names.
const ECR: &str = r"^[0-9]+\.dkr[.-]ecr(-fips)?\.([a-z0-9-]{1,40})\.(amazonaws\.com(?:\.cn)?|amazonaws\.eu|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|on\.aws|on\.amazonwebservices\.com\.cn)$";
/// Azure's registries, sovereign clouds among them.
const ACR: &str = r"^.+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)$";
/// Google's registries, and that of its French sovereign cloud.
const GOOGLE: &str = r"^(((.+\.)?gcr\.io)|(.+-docker\.pkg\.dev)|(docker\.s3nsregistry\.fr))$";
/// Amazon's one public registry.
const ECR_PUBLIC: &str = "public.ecr.aws";

/// A registry of a cloud.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CloudRegistry {
    /// A private registry of Amazon's.
    Ecr {
        /// Where it is, such as `eu-west-1`.
        region: String,
        /// Whether its name asks for FIPS endpoints.
        fips: bool,
        /// Whether its name asks for endpoints with IPv6.
        dual_stack: bool,
    },
    /// Amazon's public gallery.
    EcrPublic,
    /// A registry of Azure's.
    Acr {
        /// Its host.
        host: String,
        /// The cloud that vouches for whoever asks.
        cloud: AzureCloud,
    },
    /// A registry of Google's; its login does not depend on which.
    Google,
}

/// A host that belongs to somebody else. The words are Flux's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HostError {
    /// It has not the form of the cloud's hosts.
    #[error("invalid {cloud} registry: '{host}'. must match {pattern}")]
    Pattern {
        /// The cloud, as Flux names it.
        cloud: &'static str,
        /// The host.
        host: String,
        /// What it should look like.
        pattern: &'static str,
    },
    /// It is not of the cloud that the environment describes.
    #[error("invalid Azure registry: '{host}'. must end with {suffix}")]
    Suffix {
        /// The host.
        host: String,
        /// Its cloud's.
        suffix: String,
    },
}

impl CloudRegistry {
    /// Reads a registry's host for a provider; `custom` is the Azure cloud that the environment
    /// describes, if it does.
    ///
    /// # Errors
    /// [`HostError`] when the host is not the provider's.
    pub fn parse(
        provider: Provider,
        host: &str,
        custom: Option<&AzureEnvironment>,
    ) -> Result<Self, HostError> {
        match provider {
            Provider::Aws => ecr(host),
            Provider::Azure => acr(host, custom),
            Provider::Gcp => google(host),
        }
    }

    /// Whose it is.
    pub fn provider(&self) -> Provider {
        match self {
            Self::Ecr { .. } | Self::EcrPublic => Provider::Aws,
            Self::Acr { .. } => Provider::Azure,
            Self::Google => Provider::Gcp,
        }
    }
}

fn compiled(pattern: &'static str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant that the tests compile")
}

fn refused(cloud: &'static str, host: &str, pattern: &'static str) -> HostError {
    HostError::Pattern {
        cloud,
        host: host.to_owned(),
        pattern,
    }
}

fn ecr(host: &str) -> Result<CloudRegistry, HostError> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(ECR));
    if host == ECR_PUBLIC {
        return Ok(CloudRegistry::EcrPublic);
    }
    let parts = PATTERN
        .captures(host)
        .ok_or_else(|| refused("AWS", host, ECR))?;
    Ok(CloudRegistry::Ecr {
        region: parts[2].to_owned(),
        fips: parts.get(1).is_some(),
        dual_stack: parts[3].starts_with("on."),
    })
}

fn acr(host: &str, custom: Option<&AzureEnvironment>) -> Result<CloudRegistry, HostError> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(ACR));
    let known = PATTERN.is_match(host);
    let cloud = match custom {
        Some(environment) if known || environment.holds(host) => {
            AzureCloud::Custom(environment.resource_manager.clone())
        }
        Some(environment) => {
            return Err(HostError::Suffix {
                host: host.to_owned(),
                suffix: environment.registry_suffix.clone(),
            });
        }
        None if !known => return Err(refused("Azure", host, ACR)),
        None if host.ends_with(".azurecr.cn") => AzureCloud::China,
        None if host.ends_with(".azurecr.us") => AzureCloud::Government,
        None => AzureCloud::Public,
    };
    Ok(CloudRegistry::Acr {
        host: host.to_owned(),
        cloud,
    })
}

fn google(host: &str) -> Result<CloudRegistry, HostError> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(GOOGLE));
    if !PATTERN.is_match(host) {
        return Err(refused("GCP", host, GOOGLE));
    }
    Ok(CloudRegistry::Google)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(host: &str) -> Option<(String, bool, bool)> {
        match CloudRegistry::parse(Provider::Aws, host, None).ok()? {
            CloudRegistry::Ecr {
                region,
                fips,
                dual_stack,
            } => Some((region, fips, dual_stack)),
            _ => None,
        }
    }

    #[test]
    fn amazons_hosts_tell_region_fips_and_dual_stack() {
        for (host, expected, fips, dual_stack) in [
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                "eu-west-1",
                false,
                false,
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
                false,
                false,
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "us-gov-west-1",
                true,
                false,
            ),
            (
                "123456789012.dkr-ecr.us-east-1.on.aws",
                "us-east-1",
                false,
                true,
            ),
            (
                "123456789012.dkr-ecr-fips.us-east-1.on.aws",
                "us-east-1",
                true,
                true,
            ),
            (
                "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
                "cn-north-1",
                false,
                true,
            ),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                "eusc-de-east-1",
                false,
                false,
            ),
            (
                "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
                "us-iso-east-1",
                false,
                false,
            ),
        ] {
            let expected = Some((expected.to_owned(), fips, dual_stack));
            assert_eq!(region(host), expected, "{host}");
        }
        assert_eq!(
            CloudRegistry::parse(Provider::Aws, "public.ecr.aws", None),
            Ok(CloudRegistry::EcrPublic)
        );
    }

    #[test]
    fn a_host_that_only_contains_one_of_a_clouds_is_refused() {
        for (provider, host) in [
            (
                Provider::Aws,
                "1.dkr.ecr.eu-west-1.amazonaws.com.example.org",
            ),
            (Provider::Aws, "evil.1.dkr.ecr.eu-west-1.amazonaws.com"),
            (Provider::Aws, "1.dkr.ecr.eu_west.amazonaws.com"),
            (Provider::Aws, "1.dkr.ecr.eu-west-1.amazonaws.com:5000"),
            (Provider::Aws, "public.ecr.aws.example.org"),
            (Provider::Aws, "index.docker.io"),
            (Provider::Azure, "acme.azurecr.io.example.org"),
            (Provider::Azure, "azurecr.io"),
            (Provider::Gcp, "gcr.io.example.org"),
            (Provider::Gcp, "notgcr.io"),
            (Provider::Gcp, "docker.pkg.dev"),
        ] {
            assert!(
                CloudRegistry::parse(provider, host, None).is_err(),
                "{host}"
            );
        }
        let error = CloudRegistry::parse(Provider::Aws, "ghcr.io", None).expect_err("GitHub's");
        let words = error.to_string();
        assert!(
            words.starts_with("invalid AWS registry: 'ghcr.io'. must match ^[0-9]+"),
            "{words}"
        );
    }

    #[test]
    fn azures_hosts_tell_the_sovereign_cloud() {
        for (host, expected) in [
            ("acme.azurecr.io", AzureCloud::Public),
            ("acme.azurecr.de", AzureCloud::Public),
            ("acme.azurecr.cn", AzureCloud::China),
            ("acme.azurecr.us", AzureCloud::Government),
        ] {
            let found = CloudRegistry::parse(Provider::Azure, host, None);
            let expected = CloudRegistry::Acr {
                host: host.to_owned(),
                cloud: expected,
            };
            assert_eq!(found, Ok(expected));
        }
        let own = AzureEnvironment {
            registry_suffix: ".registry.stack.example".to_owned(),
            resource_manager: "https://management.stack.example".to_owned(),
        };
        let parse = |host| CloudRegistry::parse(Provider::Azure, host, Some(&own));
        assert!(parse("acme.registry.stack.example").is_ok() && parse("acme.azurecr.io").is_ok());
        let error = parse("acme.example").expect_err("of no cloud");
        assert_eq!(
            error.to_string(),
            "invalid Azure registry: 'acme.example'. must end with .registry.stack.example"
        );
    }

    #[test]
    fn googles_hosts_are_known() {
        for host in [
            "gcr.io",
            "eu.gcr.io",
            "europe-west1-docker.pkg.dev",
            "docker.s3nsregistry.fr",
        ] {
            let found = CloudRegistry::parse(Provider::Gcp, host, None);
            assert_eq!(found, Ok(CloudRegistry::Google), "{host}");
        }
    }
}
