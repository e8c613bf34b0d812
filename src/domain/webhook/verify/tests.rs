use super::*;
use proptest::prelude::*;

const TOKEN: &[u8] = b"It's a Secret to Everybody";

fn delivery(fields: &[(&str, &str)], body: &[u8]) -> Delivery {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Delivery {
        headers: super::super::Headers::new(fields),
        body: body.to_vec(),
    }
}

fn verdict(sender: Sender, fields: &[(&str, &str)], body: &[u8]) -> Result<bool, String> {
    verdict_of_event(sender, fields, body, &[])
}

/// Whether it is signed, or why it is refused.
fn verdict_of_event(
    sender: Sender,
    fields: &[(&str, &str)],
    body: &[u8],
    events: &[&str],
) -> Result<bool, String> {
    let events: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
    let delivery = delivery(fields, body);
    verify(sender, &delivery, TOKEN, &events)
        .map(|verified| verified.signed)
        .map_err(|refusal| refusal.to_string())
}

/// GitHub's documentation gives this secret, body and code; the others are `openssl dgst -hmac` of the same.
const BODY: &[u8] = b"Hello, World!";
const SHA256: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[test]
fn the_signature_of_githubs_documentation_is_accepted() {
    let json = ("Content-Type", "application/json");
    let signature = format!("sha256={SHA256}");
    assert_eq!(
        verdict(
            Sender::GitHub,
            &[json, ("X-Hub-Signature-256", &signature)],
            BODY
        ),
        Ok(true)
    );
    assert_eq!(
        verdict(
            Sender::Bitbucket,
            &[json, ("X-Hub-Signature", &signature)],
            BODY
        ),
        Ok(true)
    );
    assert_eq!(
        verdict(Sender::GenericHmac, &[("X-Signature", &signature)], BODY),
        Ok(true)
    );
    assert_eq!(
        verdict(Sender::GenericHmac, &[("X-JFrog-Event-Auth", SHA256)], BODY),
        Ok(true)
    );
    // The stronger one counts when both are there.
    let both = [
        json,
        ("X-Hub-Signature-256", "sha256=00"),
        ("X-Hub-Signature", &signature),
    ];
    assert!(verdict(Sender::GitHub, &both, BODY).is_err());
}

#[test]
fn every_hash_that_flux_takes_is_taken() {
    // RFC 2202 and RFC 4231, test case 2: the key `Jefe`.
    let body = b"what do ya want for nothing?";
    for signature in [
        "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "sha512=164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ] {
        let delivery = delivery(&[("X-Signature", signature)], body);
        assert!(
            verify(Sender::GenericHmac, &delivery, b"Jefe", &[]).is_ok(),
            "{signature}"
        );
        assert!(
            verify(Sender::GenericHmac, &delivery, b"Jefa", &[]).is_err(),
            "{signature}"
        );
    }
    let nexus = delivery(
        &[(
            "X-Nexus-Webhook-Signature",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        )],
        body,
    );
    assert_eq!(
        verify(Sender::Nexus, &nexus, b"Jefe", &[]),
        Err(Refusal::Payload("it is not JSON"))
    );
}

#[test]
fn a_delivery_that_proves_nothing_is_refused() {
    let missing = |header: &str| format!("the `{header}` header is missing");
    let wrong = |header: &str| format!("the signature in `{header}` is not of this body and token");
    let other =
        |header: &str| format!("the `{header}` header value does not match the receiver token");
    let form = "the payload cannot be read: the content type is neither JSON nor a form".to_owned();
    let (nothing, json) = (("x", "y"), ("content-type", "application/json"));
    for (sender, field, words) in [
        (Sender::GenericHmac, nothing, missing("X-Signature")),
        (
            Sender::GenericHmac,
            ("x-signature", SHA256),
            wrong("X-Signature"),
        ),
        (
            Sender::GenericHmac,
            ("x-signature", "md5=00"),
            wrong("X-Signature"),
        ),
        (
            Sender::GenericHmac,
            ("x-signature", "sha256="),
            wrong("X-Signature"),
        ),
        (
            Sender::GenericHmac,
            ("x-signature", "sha256=ä"),
            wrong("X-Signature"),
        ),
        (
            Sender::GenericHmac,
            ("x-jfrog-event-auth", "00"),
            wrong("X-JFrog-Event-Auth"),
        ),
        (Sender::GitHub, json, missing("X-Hub-Signature")),
        (Sender::GitHub, ("x-hub-signature", "sha1=00"), form),
        (Sender::GitLab, nothing, other("X-Gitlab-Token")),
        (
            Sender::GitLab,
            ("x-gitlab-token", "it's a secret to everybody"),
            other("X-Gitlab-Token"),
        ),
        (
            Sender::Harbor,
            ("authorization", "Bearer x"),
            other("Authorization"),
        ),
        (Sender::Nexus, nothing, missing("X-Nexus-Webhook-Signature")),
    ] {
        assert_eq!(verdict(sender, &[field], BODY), Err(words), "{sender:?}");
    }
}

#[test]
fn an_empty_token_verifies_nothing() {
    // `printf 'x' | openssl dgst -sha256 -mac HMAC -macopt hexkey:` of the empty key.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"");
    let code: String = hmac::sign(&key, b"x")
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let delivery = delivery(&[("x-signature", &format!("sha256={code}"))], b"x");
    assert_eq!(
        verify(Sender::GenericHmac, &delivery, b"", &[]),
        Err(Refusal::Signature("X-Signature"))
    );
}

#[test]
fn tokens_in_headers_are_accepted() {
    let token = std::str::from_utf8(TOKEN).expect("it is text");
    assert_eq!(
        verdict(Sender::GitLab, &[("X-Gitlab-Token", token)], b"anything"),
        Ok(false)
    );
    assert_eq!(
        verdict(Sender::Harbor, &[("Authorization", token)], b""),
        Ok(false)
    );
    assert_eq!(verdict(Sender::Generic, &[], b""), Ok(false));
}

#[test]
fn only_events_that_are_listened_to_pass_whatever_their_case() {
    let token = std::str::from_utf8(TOKEN).expect("it is text");
    let gitlab = |event: &str, events: &[&str]| {
        verdict_of_event(
            Sender::GitLab,
            &[("X-Gitlab-Token", token), ("X-Gitlab-Event", event)],
            b"",
            events,
        )
    };
    assert_eq!(
        gitlab("Push Hook", &["Tag Push Hook", "push hook"]),
        Ok(false)
    );
    assert_eq!(gitlab("Push Hook", &[]), Ok(false));
    assert_eq!(
        gitlab("Job Hook", &["Push Hook"]),
        Err("the event `Job Hook` is not authorised".to_owned())
    );
    let signature = format!("sha256={SHA256}");
    let hub = |sender, header: &str| {
        let fields = [
            ("content-type", "application/json"),
            ("x-hub-signature-256", signature.as_str()),
            (header, "ping"),
        ];
        verdict_of_event(sender, &fields, BODY, &["push"])
    };
    assert_eq!(
        hub(Sender::GitHub, "x-github-event"),
        Err("the event `ping` is not authorised".to_owned())
    );
    assert_eq!(
        hub(Sender::Bitbucket, "x-event-key"),
        Err("the event `ping` is not authorised".to_owned())
    );
}

#[test]
fn the_payload_of_a_form_is_its_field() {
    let body = b"payload=%7B%22a%22%3A1%7D";
    let key = hmac::Key::new(hmac::HMAC_SHA256, TOKEN);
    let code: String = hmac::sign(&key, body)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let signature = format!("sha256={code}");
    let delivery = delivery(
        &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-hub-signature-256", &signature),
        ],
        body,
    );
    let verified = verify(Sender::GitHub, &delivery, TOKEN, &[]).expect("it is signed");
    assert_eq!(verified.payload.as_ref(), br#"{"a":1}"#);
}

#[test]
fn senders_that_prove_nothing_must_at_least_send_their_form() {
    for (sender, body, fits) in [
        (
            Sender::Quay,
            r#"{"docker_url":"quay.io/a/b","updated_tags":["1"]}"#,
            true,
        ),
        (Sender::Quay, "{}", true),
        (Sender::Quay, r#"{"updated_tags":"1"}"#, false),
        (Sender::Quay, "not json", false),
        (
            Sender::DockerHub,
            r#"{"push_data":{"tag":"1"},"repository":{"repo_url":"x"}}"#,
            true,
        ),
        (Sender::DockerHub, r#"{"push_data":{"tag":1}}"#, false),
        (Sender::DockerHub, "", false),
        (
            Sender::Acr,
            r#"{"action":"push","target":{"repository":"a","tag":"1"}}"#,
            true,
        ),
        (Sender::Acr, r#"{"target":{"repository":1}}"#, false),
        (Sender::Acr, "[]", false),
        (Sender::CdEvents, "{}", false),
    ] {
        assert_eq!(
            verdict(sender, &[], body.as_bytes()).is_ok(),
            fits,
            "{sender:?} {body}"
        );
    }
}

#[test]
fn a_cd_event_must_have_what_its_specification_asks() {
    let event = json!({
        "context": {"version": "0.4.1", "id": "1", "source": "/s", "type": "dev.cdevents.change.merged.0.2.0", "timestamp": "2023-03-20T14:27:05Z"},
        "subject": {"id": "mySubject123", "type": "change", "content": {}}
    });
    let verdict = |event: &Value, kind: &str, events: &[&str]| {
        verdict_of_event(
            Sender::CdEvents,
            &[("Ce-Type", kind)],
            event.to_string().as_bytes(),
            events,
        )
    };
    let merged = "dev.cdevents.change.merged.0.2.0";
    assert_eq!(verdict(&event, merged, &[merged]), Ok(false));
    assert_eq!(
        verdict(&event, merged, &["cd.change.merged.v1"]),
        Err(format!("the event `{merged}` is not authorised"))
    );
    for pointer in [
        "/context/version",
        "/context/id",
        "/context/source",
        "/context/type",
        "/context/timestamp",
        "/subject/id",
    ] {
        let mut without = event.clone();
        *without.pointer_mut(pointer).expect("it is there") = json!("");
        assert!(verdict(&without, merged, &[]).is_err(), "{pointer}");
    }
    let mut other = event;
    other["context"]["type"] = json!("com.example.thing.0.1.0");
    assert!(verdict(&other, merged, &[]).is_err());
}

#[test]
fn of_a_message_of_pub_sub_only_the_event_goes_on() {
    let event = json!({"action": "INSERT", "tag": "gcr.io/p/a:1", "digest": "gcr.io/p/a@sha256:0", "more": "x"});
    let wrap = |data: &str| json!({"message": {"data": STANDARD.encode(data)}}).to_string();
    let delivery_of = |body: String| delivery(&[], body.as_bytes());
    let whole = delivery_of(wrap(&event.to_string()));
    let verified = verify(Sender::Gcr, &whole, TOKEN, &[]).expect("it has the form");
    let payload: Value = serde_json::from_slice(&verified.payload).expect("it is JSON");
    assert_eq!(
        payload,
        json!({"action": "INSERT", "tag": "gcr.io/p/a:1", "digest": "gcr.io/p/a@sha256:0"})
    );
    for body in [
        wrap("nonsense"),
        wrap("[]"),
        "{}".to_owned(),
        r#"{"message":{"data":"***"}}"#.to_owned(),
    ] {
        assert!(
            verify(Sender::Gcr, &delivery_of(body.clone()), TOKEN, &[]).is_err(),
            "{body}"
        );
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    /// A signed body passes; with any byte of the body, of the code or of the token changed it does not.
    #[test]
    fn any_changed_byte_is_refused(
        body in proptest::collection::vec(any::<u8>(), 1..200),
        token in proptest::collection::vec(any::<u8>(), 1..100),
        place in any::<proptest::sample::Index>(),
        change in 1_u8..,
        hash in 0_usize..3,
    ) {
        let (name, algorithm) = [("sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY), ("sha256", hmac::HMAC_SHA256), ("sha512", hmac::HMAC_SHA512)][hash];
        let code = hmac::sign(&hmac::Key::new(algorithm, &token), &body).as_ref().to_vec();
        let changed = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let place = place.index(bytes.len());
            bytes[place] ^= change;
            bytes
        };
        let passes = |body: &[u8], code: &[u8], token: &[u8]| {
            let signature = format!("{name}={}", hexadecimal(code));
            let delivery = delivery(&[("x-signature", &signature)], body);
            verify(Sender::GenericHmac, &delivery, token, &[]).is_ok()
        };
        prop_assert!(passes(&body, &code, &token));
        prop_assert!(!passes(&changed(&body), &code, &token));
        prop_assert!(!passes(&body, &changed(&code), &token));
        prop_assert!(!passes(&body, &code[1..], &token));
        // A shorter key is filled up with zeros: that one change makes no other key.
        let other = changed(&token);
        prop_assert!(!passes(&body, &code, &other));
    }

    #[test]
    fn headers_and_bodies_of_any_kind_are_judged_without_a_panic(
        which in 0_usize..13,
        value in ".{0,60}",
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let sender = [
            Sender::Generic, Sender::GenericHmac, Sender::GenericOidc, Sender::GitHub, Sender::GitLab, Sender::Bitbucket, Sender::Harbor,
            Sender::DockerHub, Sender::Quay, Sender::Gcr, Sender::Nexus, Sender::Acr, Sender::CdEvents,
        ][which];
        let names = ["x-signature", "x-hub-signature", "x-hub-signature-256", "x-gitlab-token", "authorization", "x-nexus-webhook-signature", "x-jfrog-event-auth"];
        let fields: Vec<(&str, &str)> = names.iter().map(|name| (*name, value.as_str())).chain([("content-type", "application/json")]).collect();
        let passed = verify(sender, &delivery(&fields, &body), TOKEN, &[]).is_ok();
        let proves = matches!(sender, Sender::GenericHmac | Sender::GitHub | Sender::GitLab | Sender::Bitbucket | Sender::Harbor | Sender::Nexus);
        prop_assert!(!(passed && proves));
    }
}
