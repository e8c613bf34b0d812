use super::*;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a small number is a time")
}

/// RFC 7515, appendix A.2: the key, and the token it has signed with RS256. Its claims are of `joe`, until 1300819380, for no audience.
fn rfc_7515_a_2() -> (Vec<Key>, String) {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs\
        D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV\
        MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjb\
        KBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6Bf\
        I7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let set = json!({"keys": [{"kty": "oct", "k": "x"}, {"kty": "RSA", "n": n, "e": "AQAB"}]});
    (
        keys(&set),
        format!("eyJhbGciOiJSUzI1NiJ9.{payload}.{signature}"),
    )
}

#[test]
fn the_signature_of_rfc_7515_is_accepted_and_no_other() {
    let (keys, token) = rfc_7515_a_2();
    assert_eq!(keys.len(), 1, "a key that is no public key is passed over");
    // The audience is looked at last, and the token of the RFC has none.
    assert_eq!(
        verify(&token, &keys, "x", at(1_300_819_379)),
        Err(TokenError::Audience)
    );
    assert_eq!(
        verify(&token, &keys, "x", at(1_300_819_380)),
        Err(TokenError::Time)
    );
    let forged = token.replacen("cC4h", "cC5h", 1);
    assert_eq!(
        verify(&forged, &keys, "x", at(1)),
        Err(TokenError::Signature)
    );
    assert_eq!(unverified_issuer(&token), Ok("joe".to_owned()));
}

/// A key pair made for this run, and the set that publishes it.
pub(crate) struct Issuer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .expect("a key can be made");
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
                .expect("the key is whole");
        Self { pair, random }
    }

    fn keys(&self) -> Vec<Key> {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (
            URL_SAFE_NO_PAD.encode(&point[1..33]),
            URL_SAFE_NO_PAD.encode(&point[33..]),
        );
        keys(&json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "x": x, "y": y}]}))
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let code = self
            .pair
            .sign(&self.random, signed.as_bytes())
            .expect("it signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(code.as_ref()))
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "one", "typ": "JWT"})
}

fn claims() -> Value {
    json!({"iss": "https://accounts.google.com", "aud": "me", "exp": 2000, "email": "push@p.iam.gserviceaccount.com", "email_verified": true})
}

#[test]
fn a_token_counts_for_its_audience_while_it_is_valid() {
    let issuer = Issuer::new();
    let keys = issuer.keys();
    let judge =
        |claims: &Value| verify(&issuer.sign(&header(), claims), &keys, "me", at(1000)).map(drop);
    let with = |field: &str, value: Value| {
        let mut claims = claims();
        claims[field] = value;
        claims
    };
    assert_eq!(judge(&claims()), Ok(()));
    assert_eq!(judge(&with("aud", json!(["you", "me"]))), Ok(()));
    assert_eq!(judge(&with("nbf", json!(1060))), Ok(()));
    for (field, value, error) in [
        ("aud", json!("you"), TokenError::Audience),
        ("aud", json!(["you"]), TokenError::Audience),
        ("aud", Value::Null, TokenError::Audience),
        ("exp", json!(1000), TokenError::Time),
        ("exp", Value::Null, TokenError::Time),
        ("exp", json!("9999"), TokenError::Time),
        ("nbf", json!(1061), TokenError::Time),
    ] {
        assert_eq!(
            judge(&with(field, value.clone())),
            Err(error),
            "{field}: {value}"
        );
    }
}

#[test]
fn a_token_that_no_published_key_has_signed_is_refused() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let keys = issuer.keys();
    let judge = |token: &str| verify(token, &keys, "me", at(1000)).map(drop);
    assert_eq!(
        judge(&other.sign(&header(), &claims())),
        Err(TokenError::Signature)
    );
    let mut foreign = header();
    foreign["kid"] = json!("two");
    assert_eq!(
        judge(&issuer.sign(&foreign, &claims())),
        Err(TokenError::UnknownKey)
    );
    // Neither no algorithm nor one that takes the public key for a secret.
    for algorithm in ["none", "HS256", "RS256", ""] {
        let header = json!({"alg": algorithm, "kid": "one"});
        assert_eq!(
            judge(&issuer.sign(&header, &claims())),
            Err(TokenError::UnknownKey),
            "{algorithm}"
        );
    }
    for token in [
        "",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "...",
        "e30.e30.",
        &"x".repeat(20_000),
    ] {
        assert!(judge(token).is_err(), "{token}");
    }
}

#[test]
fn google_must_name_the_account_that_is_expected() {
    let email = "push@p.iam.gserviceaccount.com";
    let judge = |field: &str, value: Value| {
        let mut claims = claims();
        claims[field] = value;
        check_google(claims.as_object().expect("they are an object"), email)
    };
    assert_eq!(judge("iss", json!("accounts.google.com")), Ok(()));
    assert_eq!(
        judge("iss", json!("https://accounts.evil.example")),
        Err(TokenError::Claim("iss"))
    );
    assert_eq!(
        judge("email", json!("other@p.iam.gserviceaccount.com")),
        Err(TokenError::Claim("email"))
    );
    assert_eq!(
        judge("email_verified", json!(false)),
        Err(TokenError::Claim("email_verified"))
    );
    assert_eq!(
        judge("email_verified", json!("true")),
        Err(TokenError::Claim("email_verified"))
    );
}

#[test]
fn a_bearer_is_what_stands_behind_the_word() {
    assert_eq!(bearer("Bearer abc "), Ok("abc"));
    for field in ["", "Bearer", "Bearer  ", "bearer abc", "Basic abc"] {
        assert_eq!(bearer(field), Err(TokenError::Missing), "{field}");
    }
}

proptest! {
    #[test]
    fn any_changed_character_of_a_token_is_refused(place in any::<proptest::sample::Index>(), with in proptest::char::range('0', 'z')) {
        let issuer = Issuer::new();
        let token = issuer.sign(&header(), &claims());
        let mut changed: Vec<char> = token.chars().collect();
        let place = place.index(changed.len());
        // The last character of a part holds bits that mean nothing.
        prop_assume!(changed[place] != with && changed.get(place + 1).is_some_and(|next| *next != '.') && changed[place] != '.');
        changed[place] = with;
        let changed: String = changed.into_iter().collect();
        prop_assert!(verify(&changed, &issuer.keys(), "me", at(1000)).is_err());
    }

    #[test]
    fn text_of_any_kind_is_judged_without_a_panic(token in ".{0,200}") {
        let (keys, _) = rfc_7515_a_2();
        prop_assert!(verify(&token, &keys, "me", at(1000)).is_err());
        let _ = unverified_issuer(&token);
    }
}
