//! The published vectors: AWS's signing test suite (version 4, signatures in the header) and RFC 4231.

use super::*;

const SESSION: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
const FORM: &str = "application/x-www-form-urlencoded";
const FORM_DIGEST: &str = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";

/// One case of the suite: `host` is always `example.amazonaws.com`, the time 2015-08-30T12:36:00Z.
struct Case {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    query: &'static [(&'static str, &'static str)],
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    session: Option<&'static str>,
    signature: &'static str,
}

const VANILLA: Case = Case {
    name: "get-vanilla",
    method: "GET",
    path: "/",
    query: &[],
    headers: &[],
    body: "",
    session: None,
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
};

const SUITE: [Case; 14] = [
    VANILLA,
    Case {
        name: "get-vanilla-query-order-key-case",
        query: &[("Param2", "value2"), ("Param1", "value1")],
        signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ..VANILLA
    },
    Case {
        name: "get-vanilla-empty-query-key",
        query: &[("Param1", "value1")],
        signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ..VANILLA
    },
    Case {
        name: "get-vanilla-utf8-query",
        query: &[("ሴ", "bar")],
        signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ..VANILLA
    },
    Case {
        name: "get-utf8",
        path: "/ሴ",
        signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ..VANILLA
    },
    Case {
        name: "get-unreserved",
        path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ..VANILLA
    },
    Case {
        name: "get-header-value-trim",
        headers: &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
        signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ..VANILLA
    },
    Case {
        name: "get-header-key-duplicate",
        headers: &[
            ("My-Header1", "value2"),
            ("My-Header1", "value2"),
            ("My-Header1", "value1"),
        ],
        signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ..VANILLA
    },
    Case {
        name: "get-vanilla-with-session-token",
        session: Some(SESSION),
        signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        ..VANILLA
    },
    Case {
        name: "post-vanilla",
        method: "POST",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ..VANILLA
    },
    Case {
        name: "post-header-key-sort",
        method: "POST",
        headers: &[("My-Header1", "value1")],
        signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ..VANILLA
    },
    Case {
        name: "post-sts-header-before",
        method: "POST",
        session: Some(
            "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==",
        ),
        signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ..VANILLA
    },
    Case {
        name: "post-x-www-form-urlencoded",
        method: "POST",
        headers: &[
            ("Content-Type", FORM),
            ("Content-Length", "13"),
            ("X-Amz-Content-Sha256", FORM_DIGEST),
        ],
        body: "Param1=value1",
        signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        ..VANILLA
    },
    Case {
        name: "post-x-www-form-urlencoded-parameters",
        method: "POST",
        headers: &[
            (
                "Content-Type",
                "application/x-www-form-urlencoded; charset=utf-8",
            ),
            ("Content-Length", "13"),
            ("X-Amz-Content-Sha256", FORM_DIGEST),
        ],
        body: "Param1=value1",
        signature: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
        ..VANILLA
    },
];

fn keys(session: Option<&str>) -> AccessKeys {
    AccessKeys {
        id: "AKIDEXAMPLE".to_owned(),
        secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        session_token: session.map(|token| Secret::new(token.to_owned())),
    }
}

fn authorization(case: &Case) -> String {
    let headers = [&[("host", "example.amazonaws.com")], case.headers].concat();
    let request = SignedRequest {
        method: case.method,
        path: case.path,
        query: case.query,
        headers: &headers,
        body: case.body.as_bytes(),
    };
    let scope = Scope {
        region: "us-east-1",
        service: "service",
        at: "2015-08-30T12:36:00Z".parse().expect("a timestamp"),
    };
    let signed = signed_headers(&keys(case.session), request, scope);
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names.contains(&"x-amz-security-token"),
        case.session.is_some()
    );
    assert!(!format!("{signed:?}").contains("Signature="));
    let (_, value) = signed.last().expect("there is a signature");
    value.expose().clone()
}

#[test]
fn signatures_are_those_of_the_published_suite() {
    for case in &SUITE {
        let value = authorization(case);
        let expected = format!("Signature={}", case.signature);
        assert!(value.ends_with(&expected), "{}: {value}", case.name);
    }
    assert_eq!(
        authorization(&VANILLA),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
}

#[test]
fn hashed_message_codes_are_those_of_rfc_4231() {
    for (key, message, expected) in [
        (
            vec![0x0b; 20],
            b"Hi There".to_vec(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            vec![0xaa; 20],
            vec![0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ] {
        assert_eq!(hex(&hmac_sha256(&key, &message)), expected);
    }
}
