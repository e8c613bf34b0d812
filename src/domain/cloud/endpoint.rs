//! Where Amazon's services listen, by region, after the endpoint tables that AWS publishes.
//!
//! Invariant: a region's partition follows from its first letters. What is absent: overrides, which the
//! environment names.

use super::registry::CloudRegistry;

/// The region of the public gallery's API, by its documentation.
const PUBLIC_REGION: &str = "us-east-1";

/// First letters of regions, with the domain of their partition and that of its dual-stack endpoints.
/// Longer beginnings stand before shorter ones.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("", "amazonaws.com", "api.aws"),
];

/// The kind of endpoint that is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Variant {
    /// With cryptography certified by FIPS 140.
    pub fips: bool,
    /// With IPv6 beside IPv4.
    pub dual_stack: bool,
}

fn domain(region: &str, dual_stack: bool) -> &'static str {
    let partition = PARTITIONS
        .iter()
        .find(|(start, ..)| region.starts_with(start));
    let (_, plain, dual) = partition.unwrap_or(&PARTITIONS[PARTITIONS.len() - 1]);
    if dual_stack { dual } else { plain }
}

/// Whether a text can be the name of a region, so that no host but Amazon's comes of it.
pub fn is_region(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&text.len()) && text.bytes().all(letter)
}

/// The endpoint of the Security Token Service in a region.
pub fn sts(region: &str, variant: Variant) -> String {
    regional("sts", region, variant)
}

/// Where IAM Identity Center gives the keys of a role.
pub fn single_sign_on(region: &str, variant: Variant) -> String {
    regional("portal.sso", region, variant)
}

/// Where IAM Identity Center renews tokens.
pub fn single_sign_on_tokens(region: &str, variant: Variant) -> String {
    regional("oidc", region, variant)
}

fn regional(service: &str, region: &str, variant: Variant) -> String {
    // GovCloud's plain endpoints are certified, and have no other name.
    let fips = variant.fips && !region.starts_with("us-gov-");
    let certified = if fips { "-fips" } else { "" };
    format!(
        "https://{service}{certified}.{region}.{}",
        domain(region, variant.dual_stack)
    )
}

/// The region to sign for and the endpoint that gives out logins of a registry; `None` for registries
/// that are not Amazon's.
pub fn ecr(registry: &CloudRegistry, variant: Variant) -> Option<(String, String)> {
    match registry {
        CloudRegistry::Ecr {
            region,
            fips,
            dual_stack,
        } => {
            let dual_stack = *dual_stack || variant.dual_stack;
            let service = match (*fips || variant.fips, dual_stack) {
                (true, _) => "ecr-fips",
                (false, true) => "ecr",
                (false, false) => "api.ecr",
            };
            let url = format!("https://{service}.{region}.{}", domain(region, dual_stack));
            Some((region.clone(), url))
        }
        CloudRegistry::EcrPublic => {
            let url = if variant.dual_stack {
                format!("https://ecr-public.{PUBLIC_REGION}.api.aws")
            } else {
                format!("https://api.ecr-public.{PUBLIC_REGION}.amazonaws.com")
            };
            Some((PUBLIC_REGION.to_owned(), url))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cloud::Provider;

    const PLAIN: Variant = Variant {
        fips: false,
        dual_stack: false,
    };
    const FIPS: Variant = Variant {
        fips: true,
        dual_stack: false,
    };
    const DUAL: Variant = Variant {
        fips: false,
        dual_stack: true,
    };

    #[test]
    fn the_security_token_service_is_in_the_partition_of_the_region() {
        for (region, variant, expected) in [
            ("eu-west-1", PLAIN, "https://sts.eu-west-1.amazonaws.com"),
            (
                "us-east-1",
                FIPS,
                "https://sts-fips.us-east-1.amazonaws.com",
            ),
            ("us-east-1", DUAL, "https://sts.us-east-1.api.aws"),
            (
                "us-gov-west-1",
                FIPS,
                "https://sts.us-gov-west-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                PLAIN,
                "https://sts.cn-north-1.amazonaws.com.cn",
            ),
            (
                "us-isob-east-1",
                PLAIN,
                "https://sts.us-isob-east-1.sc2s.sgov.gov",
            ),
            (
                "us-iso-east-1",
                PLAIN,
                "https://sts.us-iso-east-1.c2s.ic.gov",
            ),
        ] {
            assert_eq!(sts(region, variant), expected);
        }
    }

    #[test]
    fn identity_center_is_in_the_partition_of_its_region() {
        for (region, variant, keys, tokens) in [
            (
                "eu-west-1",
                PLAIN,
                "https://portal.sso.eu-west-1.amazonaws.com",
                "https://oidc.eu-west-1.amazonaws.com",
            ),
            (
                "us-east-1",
                FIPS,
                "https://portal.sso-fips.us-east-1.amazonaws.com",
                "https://oidc-fips.us-east-1.amazonaws.com",
            ),
            (
                "us-gov-west-1",
                FIPS,
                "https://portal.sso.us-gov-west-1.amazonaws.com",
                "https://oidc.us-gov-west-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                PLAIN,
                "https://portal.sso.cn-north-1.amazonaws.com.cn",
                "https://oidc.cn-north-1.amazonaws.com.cn",
            ),
            (
                "us-east-1",
                DUAL,
                "https://portal.sso.us-east-1.api.aws",
                "https://oidc.us-east-1.api.aws",
            ),
        ] {
            assert_eq!(single_sign_on(region, variant), keys);
            assert_eq!(single_sign_on_tokens(region, variant), tokens);
        }
    }

    #[test]
    fn what_could_lead_to_another_host_is_no_region() {
        for region in ["eu-west-1", "us-isob-east-1", "mx-central-1"] {
            assert!(is_region(region), "{region}");
        }
        for region in [
            "",
            "eu-west-1.example",
            "x/",
            "x@y",
            "EU-WEST-1",
            &"a".repeat(41),
        ] {
            assert!(!is_region(region), "{region}");
        }
    }

    #[test]
    fn the_registrys_name_decides_which_endpoint_gives_the_login() {
        for (host, variant, region, url) in [
            (
                "1.dkr.ecr.eu-west-1.amazonaws.com",
                PLAIN,
                "eu-west-1",
                "https://api.ecr.eu-west-1.amazonaws.com",
            ),
            (
                "1.dkr.ecr.cn-north-1.amazonaws.com.cn",
                PLAIN,
                "cn-north-1",
                "https://api.ecr.cn-north-1.amazonaws.com.cn",
            ),
            (
                "1.dkr.ecr-fips.us-east-1.amazonaws.com",
                PLAIN,
                "us-east-1",
                "https://ecr-fips.us-east-1.amazonaws.com",
            ),
            (
                "1.dkr.ecr.us-east-1.amazonaws.com",
                FIPS,
                "us-east-1",
                "https://ecr-fips.us-east-1.amazonaws.com",
            ),
            (
                "1.dkr-ecr.us-east-1.on.aws",
                PLAIN,
                "us-east-1",
                "https://ecr.us-east-1.api.aws",
            ),
            (
                "1.dkr-ecr-fips.us-east-1.on.aws",
                PLAIN,
                "us-east-1",
                "https://ecr-fips.us-east-1.api.aws",
            ),
            (
                "public.ecr.aws",
                PLAIN,
                "us-east-1",
                "https://api.ecr-public.us-east-1.amazonaws.com",
            ),
            (
                "public.ecr.aws",
                DUAL,
                "us-east-1",
                "https://ecr-public.us-east-1.api.aws",
            ),
        ] {
            let registry = CloudRegistry::parse(Provider::Aws, host, None).expect("Amazon's");
            let expected = Some((region.to_owned(), url.to_owned()));
            assert_eq!(ecr(&registry, variant), expected, "{host}");
        }
        assert_eq!(ecr(&CloudRegistry::Google, PLAIN), None);
    }
}
