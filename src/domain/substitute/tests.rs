use super::*;
use serde_json::json;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    let mut variables = Variables::default();
    for (name, value) in pairs {
        variables.set(*name, value);
    }
    variables
}

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

const STRICT: Habits = Habits {
    strict: true,
    always: false,
};

#[test]
fn expressions_are_expanded_and_plain_dollars_stay() {
    let set = variables(&[("a", "1"), ("b", "two")]);
    for (text, expected) in [
        ("$a ${a} $${a} $$", "$a 1 ${a} $"),
        ("${c:-${b^^}-${a}}", "TWO-1"),
        ("${b/${c:+tw}/x}", "xo"),
        ("${b:=x}${c:=x}", "twox"),
    ] {
        assert_eq!(expand(text, &set, true).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_variable_that_is_not_set_is_an_error_only_when_strict() {
    let set = variables(&[]);
    let error = expand("${missing}", &set, true).expect_err("it is not set");
    assert_eq!(
        error.to_string(),
        "variable not set (strict mode): \"missing\""
    );
    assert_eq!(expand("x${missing}y", &set, false).as_deref(), Ok("xy"));
    assert_eq!(expand("${missing:-}", &set, true).as_deref(), Ok(""));
    assert!(expand("${#missing}", &set, true).is_err());
}

#[test]
fn types_change_with_the_text_unless_it_is_quoted() {
    let set = variables(&[("X", "123")]);
    let object =
        map(&json!({"plain": "${X}", "with": "a ${X}", "quoted": "\"${X}\"", "line": "${X}\nb"}));
    let changed = substitute(&object, &set, STRICT)
        .expect("all is set")
        .expect("there is a variable");
    assert_eq!(
        changed["data"],
        json!({"line": "123\nb", "plain": 123, "quoted": "\"123\"", "with": "a 123"})
    );
}

#[test]
fn an_object_can_be_left_alone() {
    let set = variables(&[("X", "1")]);
    for field in ["labels", "annotations"] {
        let mut object = map(&json!({"a": "${X}"}));
        object["metadata"][field] = json!({SWITCH: "disabled"});
        assert_eq!(substitute(&object, &set, STRICT), Ok(None), "{field}");
    }
    let always = Habits {
        always: true,
        ..STRICT
    };
    let object = map(&json!({"a": "${X:-dog}"}));
    assert_eq!(substitute(&object, &Variables::default(), STRICT), Ok(None));
    let changed = substitute(&object, &Variables::default(), always).expect("it has a default");
    assert_eq!(changed.expect("always means always")["data"]["a"], "dog");
}

#[test]
fn an_object_without_a_dollar_is_as_it_was() {
    let set = variables(&[("X", "1")]);
    assert_eq!(
        substitute(&map(&json!({"a": "{X}"})), &set, STRICT),
        Ok(None)
    );
    let keyed = substitute(&map(&json!({"${X}": "a"})), &set, STRICT);
    let keyed = keyed.expect("all is set").expect("there is a variable");
    assert_eq!(keyed["data"], json!({"1": "a"}));
}

#[test]
fn a_value_is_never_told() {
    let set = variables(&[("X", "planted: secret: {")]);
    let error = substitute(&map(&json!({"a": "${X}"})), &set, STRICT).expect_err("it is no YAML");
    assert!(!error.to_string().contains("planted"), "{error}");
}

#[test]
fn a_name_that_no_expression_can_have_is_refused() {
    let error = substitute(&map(&json!({})), &variables(&[("a-b", "")]), STRICT);
    assert!(matches!(error, Err(SubstituteError::Name(name)) if name == "a-b"));
}

#[test]
fn two_objects_that_become_one_are_refused() {
    let object = |name: &str| {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        Manifest::new(object, None).expect("it is an object")
    };
    let mut manifests = [object("web"), object("${X}")];
    let error = post_build(&mut manifests, &variables(&[("X", "web")]), STRICT);
    let error = error.expect_err("there are two");
    let words = crate::domain::outcome::with_causes(&error);
    assert_eq!(
        words,
        "post build failed for '${X}': UnmarshalJSON: `ConfigMap/web` is there twice after substitution"
    );
}

#[test]
fn templates_that_explode_are_refused() {
    let set = variables(&[("a", &"a".repeat(1000))]);
    let mut text = "${a}".to_owned();
    for _ in 0..6 {
        text = format!("${{a//a/{text}}}");
    }
    assert_eq!(expand(&text, &set, true), Err(functions::too_large()));
}
