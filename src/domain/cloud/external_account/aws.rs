//! Tokens that are requests to Amazon: who may sign `GetCallerIdentity` is who it says.
//!
//! Invariant: nothing else is ever signed, and for nobody but Amazon's Security Token Service, since what is signed is given to
//! somebody else. What is absent: the keys.

use crate::domain::cloud::answer::{AnswerError, text};
use crate::domain::cloud::endpoint::is_region;
use crate::domain::cloud::signature::{AccessKeys, Scope, SignedRequest, encoded, signed_headers};
use crate::domain::redact::Secret;
use jiff::Timestamp;
use serde_json::{Value, json as object};
use url::Url;

/// What is signed when the file says nothing.
const USUAL: &str =
    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
/// How the hosts of the Security Token Service end, after its name and perhaps a region.
const DOMAINS: [&str; 4] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
];

/// Where Amazon's keys and region come from, when the environment has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSource {
    /// Who tells the region.
    pub region_url: Option<String>,
    /// Who gives the keys.
    pub keys_url: Option<String>,
    /// Who gives a token for both, where that is wanted.
    pub session_url: Option<String>,
    /// What is signed, with `{region}` for the region.
    verification_url: String,
}

impl AwsSource {
    pub(super) fn parse(source: &Value) -> Result<Self, AnswerError> {
        if source["environment_id"] != "aws1" {
            return Err(AnswerError::Missing("credential_source.environment_id"));
        }
        let owned = |field| text(source, field).ok().map(str::to_owned);
        let found = Self {
            region_url: owned("region_url"),
            keys_url: owned("url"),
            session_url: owned("imdsv2_session_token_url"),
            verification_url: owned("regional_cred_verification_url")
                .unwrap_or_else(|| USUAL.to_owned()),
        };
        found.verification("us-east-1").map(|_| found.clone())
    }

    /// The URL that is signed.
    fn verification(&self, region: &str) -> Result<Url, AnswerError> {
        let missing = AnswerError::Missing("credential_source.regional_cred_verification_url");
        let url = Url::parse(&self.verification_url.replacen("{region}", region, 1));
        let url = url.map_err(|_| missing.clone())?;
        let host = url.host_str().unwrap_or_default();
        let asks = |(name, value): (_, _)| name == "Action" && value == "GetCallerIdentity";
        let good = url.scheme() == "https"
            && url.port().is_none()
            && (host.starts_with("sts.") || host.starts_with("sts-fips."))
            && DOMAINS.iter().any(|domain| host.ends_with(domain))
            && url
                .query_pairs()
                .filter(|(name, _)| name == "Action")
                .count()
                == 1
            && url.query_pairs().any(asks);
        if good { Ok(url) } else { Err(missing) }
    }

    /// The token: the signed request, written down as Google wants it.
    ///
    /// # Errors
    /// [`AnswerError`] when the region is none.
    pub fn token(
        &self,
        audience: &str,
        region: &str,
        keys: &AccessKeys,
        at: Timestamp,
    ) -> Result<Secret, AnswerError> {
        if !is_region(region) {
            return Err(AnswerError::Missing("region"));
        }
        let url = self.verification(region)?;
        let host = url.host_str().unwrap_or_default();
        let query: Vec<_> = url.query_pairs().collect();
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let headers = [("host", host), ("x-goog-cloud-target-resource", audience)];
        let request = SignedRequest {
            method: "POST",
            path: url.path(),
            query: &query,
            headers: &headers,
            body: b"",
        };
        let service = host.split('.').next().unwrap_or_default();
        let scope = Scope {
            region,
            service,
            at,
        };
        let signed = signed_headers(keys, request, scope);
        let given = headers.map(|(key, value)| object!({"key": key, "value": value}));
        let added = signed
            .iter()
            .map(|(key, value)| object!({"key": key, "value": value.expose()}));
        let all: Vec<Value> = given.into_iter().chain(added).collect();
        let request = object!({"url": url.as_str(), "method": "POST", "headers": all});
        Ok(Secret::new(encoded(&request.to_string(), false)))
    }
}

/// The region of a zone, as the metadata of an instance name it: `eu-west-1b` without its last letter.
///
/// # Errors
/// [`AnswerError`] when there is none.
pub fn region_of_zone(zone: &[u8]) -> Result<String, AnswerError> {
    let zone = String::from_utf8_lossy(zone).trim().to_owned();
    let region = zone.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    let whole = zone.len() == region.len() + 1 && is_region(region);
    match whole {
        true => Ok(region.to_owned()),
        false => Err(AnswerError::Missing("zone")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::form_urlencoded;

    const POOL: &str =
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";

    fn source(url: Option<&str>) -> Result<AwsSource, AnswerError> {
        let mut source = object!({"environment_id": "aws1"});
        if let Some(url) = url {
            source["regional_cred_verification_url"] = object!(url);
        }
        AwsSource::parse(&source)
    }

    #[test]
    fn the_token_is_the_signed_request_written_down() {
        let keys = AccessKeys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: Some(Secret::new("session/token==".to_owned())),
        };
        let at = "2020-08-11T06:55:22Z".parse().expect("a timestamp");
        let documented =
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
        let source = source(Some(documented)).expect("it is Amazon's");
        let token = source
            .token(POOL, "us-east-2", &keys, at)
            .expect("it is signed");
        assert!(!token.expose().contains(['+', ' ', '{']), "it is encoded");
        let form = format!("x={}", token.expose());
        let (_, text) = form_urlencoded::parse(form.as_bytes())
            .next()
            .expect("one field");
        let found: Value = serde_json::from_str(&text).expect("JSON");
        // The signature was computed by Python's hmac and hashlib after Amazon's description.
        let expected = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20200811/us-east-2/sts/aws4_request, \
            SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource, \
            Signature=2bcb0576997ff796045513e41ddbbaf12fa36ee6911e4284baf9527d1c92c09d";
        assert_eq!(
            found,
            object!({
                "url": "https://sts.us-east-2.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
                "method": "POST",
                "headers": [
                    {"key": "host", "value": "sts.us-east-2.amazonaws.com"},
                    {"key": "x-goog-cloud-target-resource", "value": POOL},
                    {"key": "x-amz-date", "value": "20200811T065522Z"},
                    {"key": "x-amz-security-token", "value": "session/token=="},
                    {"key": "authorization", "value": expected},
                ],
            })
        );
        for region in ["", "x.example/", "US-EAST-2"] {
            let found = source.token(POOL, region, &keys, at);
            assert_eq!(found, Err(AnswerError::Missing("region")));
        }
    }

    #[test]
    fn nothing_but_the_question_who_one_is_is_signed_and_only_for_amazon() {
        let asks = "?Action=GetCallerIdentity&Version=2011-06-15";
        for good in [
            "sts.{region}.amazonaws.com",
            "sts-fips.{region}.amazonaws.com",
            "sts.{region}.amazonaws.com.cn",
        ] {
            assert!(
                source(Some(&format!("https://{good}{asks}"))).is_ok(),
                "{good}"
            );
        }
        assert!(source(None).is_ok());
        for bad in [
            format!("http://sts.us-east-1.amazonaws.com{asks}"),
            format!("https://iam.amazonaws.com{asks}"),
            format!("https://sts.example.org{asks}"),
            format!("https://sts.x.amazonaws.com.example.org{asks}"),
            format!("https://sts.us-east-1.amazonaws.com:8443{asks}"),
            "https://sts.us-east-1.amazonaws.com?Action=AssumeRole&RoleArn=x".to_owned(),
            format!("https://sts.us-east-1.amazonaws.com{asks}&Action=AssumeRole"),
            "https://sts.us-east-1.amazonaws.com".to_owned(),
            "sts".to_owned(),
        ] {
            let problem = "credential_source.regional_cred_verification_url";
            assert_eq!(
                source(Some(&bad)),
                Err(AnswerError::Missing(problem)),
                "{bad}"
            );
        }
        let other = AwsSource::parse(&object!({"environment_id": "aws2"}));
        assert_eq!(
            other,
            Err(AnswerError::Missing("credential_source.environment_id"))
        );
    }

    #[test]
    fn a_zone_without_its_last_letter_is_a_region() {
        assert_eq!(region_of_zone(b"us-east-2b\n"), Ok("us-east-2".to_owned()));
        for zone in [&b""[..], b"us-east-2", b"B", b"us-east-2bb", b"<html>b"] {
            assert_eq!(region_of_zone(zone), Err(AnswerError::Missing("zone")));
        }
    }
}
