use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Runs on the stack that the module asks for.
pub(in crate::domain) fn on_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work);
        thread
            .expect("a thread starts")
            .join()
            .expect("nothing panics")
    })
}

fn holds(text: &str, req: &Value, res: &Value) -> Result<bool, String> {
    on_stack(|| judge(text, req, res))
}

fn judge(text: &str, req: &Value, res: &Value) -> Result<bool, String> {
    let compiled =
        Expression::compile_condition(text, &["req", "res"]).map_err(|error| error.to_string())?;
    compiled
        .holds(&[("req", req), ("res", res)])
        .map_err(|error| error.to_string())
}

fn google() -> Value {
    json!({
        "action": "INSERT",
        "digest": "us-east1-docker.pkg.dev/my-project/my-repo/hello-world@sha256:6ec128e26cd5",
        "tag": "us-east1-docker.pkg.dev/my-project/my-repo/hello-world:1.1"
    })
}

fn repository() -> Value {
    json!({"apiVersion": "image.toolkit.fluxcd.io/v1", "kind": "ImageRepository", "metadata": {
        "name": "hello-world", "namespace": "apps", "labels": {"environment": "production"}, "annotations": {"update-image": "hello-world"}
    }})
}

#[test]
fn the_expressions_of_fluxs_documentation_hold() {
    for text in [
        "req.tag.contains(res.metadata.name)",
        "has(res.metadata.annotations) && req.tag.split('/').last().value().split(\":\").first().value() == res.metadata.annotations['update-image']",
        "res.metadata.labels['environment'] == 'production'",
        "res.metadata.name in ['hello-world', 'other']",
        "!has(req.missing)",
        "req.?missing.orValue('x') == 'x'",
        "size(req.tag) > 10 && req.tag.matches('^us-east1-.*:[0-9.]+$')",
        "['a', 'b'].exists(x, req.digest.startsWith(x)) == false",
        "base64.decode('aGVsbG8=') == b'hello'",
        "[].first().hasValue() == false",
    ] {
        assert_eq!(holds(text, &google(), &repository()), Ok(true), "{text}");
    }
    assert_eq!(
        holds("req.tag.contains('other')", &google(), &repository()),
        Ok(false)
    );
}

#[test]
fn what_is_wrong_is_said_when_it_is_compiled() {
    for (text, words) in [
        ("", "failed to parse"),
        ("req.tag ==", "failed to parse"),
        ("req.tag == 'x' &&", "failed to parse"),
        (
            "claims.repository == 'x'",
            "undeclared reference to 'claims'",
        ),
        ("[1].exists(x, y == 1)", "undeclared reference to 'y'"),
        ("fetch(req.url) == 'x'", "undeclared reference to 'fetch'"),
        ("req.tag.explode()", "undeclared reference to 'explode'"),
        (
            "google.rpc.Status{code: 1} == req",
            "messages cannot be made",
        ),
        ("'text'", "expected bool, got string"),
        ("size(req.tag)", "expected bool, got int"),
        ("req.tag.split('/')", "expected bool, got list"),
        ("req.tag", "expected bool, got dyn"),
        ("req['tag']", "expected bool, got dyn"),
        ("true ? req.tag : false", "expected bool, got dyn"),
        ("req.list.map(x, x)", "expected bool, got list"),
    ] {
        let error = holds(text, &google(), &repository()).expect_err(text);
        assert!(error.contains(words), "{text}: {error}");
    }
    assert_eq!(
        Expression::compile(&"(".repeat(LONGEST + 1), &[]).err(),
        Some(CelError::TooLong)
    );
    let error = holds(&"(".repeat(33), &google(), &repository()).expect_err("it is too deep");
    assert!(error.contains("more than 32 brackets"), "{error}");
}

#[test]
fn a_value_that_is_not_there_or_not_boolean_is_an_error() {
    let error = holds("req.absent == 'x'", &google(), &repository()).expect_err("it is not there");
    assert!(
        error.starts_with("failed to evaluate the CEL expression 'req.absent == 'x'': "),
        "{error}"
    );
    let text = "req.?tag.value()";
    let error = holds(text, &google(), &repository()).expect_err("it is a text");
    assert_eq!(
        error,
        format!("failed to evaluate CEL expression as boolean: '{text}'")
    );
}

#[test]
fn numbers_are_those_that_go_reads() {
    let payload = as_go_reads(
        json!({"count": 3, "list": [1, 2.5, {"deep": -7}], "big": 9_007_199_254_740_993_i64}),
    );
    for text in [
        "req.count == 3",
        "req.count > 2 && req.count < 4 && req.count in [1, 2, 3]",
        "req.count / 2.0 == 1.5",
        "type(req.count) == double",
        "int(req.count) % 2 == 1",
        "req.list[2].deep == -7",
        "req.list.exists(x, type(x) == double && x == 2.5)",
        "req.big == 9007199254740992.0",
    ] {
        assert_eq!(holds(text, &payload, &json!({})), Ok(true), "{text}");
    }
}

#[test]
fn values_come_back_as_json() {
    let value = |text: &str| {
        on_stack(|| {
            let compiled = Expression::compile(text, &["claims", "vars"]).expect(text);
            let (claims, vars) = (json!({"owner": "me", "n": 3}), json!({"a": "b"}));
            compiled.value(&[("claims", &claims), ("vars", &vars)])
        })
    };
    assert_eq!(
        value("[claims.owner + '/repo', vars.a]"),
        Ok(json!(["me/repo", "b"]))
    );
    assert_eq!(value("{'x': claims.n > 2}"), Ok(json!({"x": true})));
    assert_eq!(value("null"), Ok(Value::Null));
}

#[test]
fn what_could_cost_too_much_is_refused_before_it_begins() {
    let large = json!({"text": "x".repeat(1_000_000), "list": vec![1; 20_000]});
    let small = json!({"text": "a/b", "list": [1, 2]});
    for text in [
        // Texts as long as the payload, as often as it has bytes.
        "req.text.split('').map(c, req.text.replace('x', 'xy')).join('') == ''",
        "req.text.split('').map(c, req.text + c).size() == 0",
        "req.list.all(a, req.list.all(b, req.list.all(c, a == b)))",
        "req.list.map(a, req.list.map(b, req.list)).size() == 0",
    ] {
        let error = holds(text, &large, &json!({})).expect_err(text);
        assert!(
            error.contains("could cost too much") && error.contains("hint: "),
            "{error}"
        );
        assert!(holds(text, &small, &json!({})).is_ok(), "{text}");
    }
    for text in [
        "req.text.replace('x', req.text).replace('x', req.text)",
        "req.list.exists(x, req.text.matches(string(x) + '.*'))",
        "req.list.map(x, req.text.split('')).size() == 0",
        "['a', 'b'].map(x, req.text + x).map(x, x.replace('x', req.text)).size() == 0",
    ] {
        let error = holds(&format!("{text} == null"), &large, &json!({})).expect_err(text);
        assert!(error.contains("could cost too much"), "{text}: {error}");
    }
    // What people write of real payloads is let through.
    let files: Vec<String> = (0..100)
        .map(|number| format!("apps/file-{number}.yaml"))
        .collect();
    let push = json!({"ref": "refs/heads/main", "commits": vec![json!({"modified": files, "message": "x".repeat(500)}); 10]});
    let text = "req.ref == 'refs/heads/main' && req.commits.exists(c, c.modified.exists(f, f.startsWith('apps/file-9')))";
    assert_eq!(holds(text, &push, &repository()), Ok(true));
    assert_eq!(
        holds("req.list.exists(x, x == 2)", &large, &json!({})),
        Ok(false)
    );
    assert!(holds("req.text.contains('y')", &large, &json!({})) == Ok(false));
}

#[test]
fn deep_and_odd_expressions_stay_within_the_stack() {
    let repeated = |before: &str, middle: &str, after: &str| {
        let times = (LONGEST - middle.len()) / (before.len() + after.len());
        let nested = if before.contains(['(', '[', '{']) {
            times.min(MOST_NESTED)
        } else {
            times
        };
        format!("{}{middle}{}", before.repeat(nested), after.repeat(nested))
    };
    for text in [
        repeated("(", "", ""),
        repeated("[", "", ""),
        repeated("{1:", "", ""),
        repeated("f(", "", ""),
        repeated("(", "1", ")"),
        repeated("[", "1", "]"),
        repeated("{1:", "1", "}"),
        repeated("-(", "1", ")"),
        repeated("!(", "true", ")"),
        repeated("req[", "1", "]"),
        repeated("req.map(x, ", "x", ")"),
        repeated("-", "1", ""),
        repeated("!", "true", ""),
        repeated("a?b:", "c", ""),
        repeated("", "req", ".a"),
        repeated("", "req", "[0]"),
        repeated("", "req", ".size()"),
        repeated("", "1", "+1"),
        repeated("", "1", "==1"),
        repeated("", "true", "&&true"),
        repeated("", "true", " ? true : true"),
    ] {
        // Whatever it is, it is refused or has a value.
        let _ = holds(&text, &json!({}), &json!({}));
    }
}

proptest! {
    #[test]
    fn text_of_any_kind_is_compiled_without_a_panic(text in ".{0,120}") {
        let _ = holds(&text, &json!({}), &json!({}));
    }

    #[test]
    fn pieces_of_the_language_are_compiled_and_evaluated_without_a_panic(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "req", "res", ".a", ".?b", "[0]", "['k']", "(", ")", "==", "&&", "||", "!", "?", ":", "+", "-", "/", "%", "1", "0", "'x'", "true",
                "null", "[", "]", "{", "}", ",", "has(", ".split('')", ".last()", ".value()", ".exists(x, ", ".map(x, ", "x", "size(", " in ",
                ".substring(", ".replace('', ", "9223372036854775807", "-9223372036854775808", "1u", "1.5", "b'x'", ".matches('(')", ".format([",
            ]),
            1..14,
        ),
    ) {
        let text: String = pieces.concat();
        let _ = holds(&text, &json!({"a": [1, "x", {"b": null}], "k": "text"}), &json!({"a": "b"}));
    }
}
