use super::*;

fn error(text: &str) -> String {
    match parse("t", text) {
        Ok(_) => panic!("{text} is accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_wrong_is_told_with_the_line() {
    for (text, message) in [
        ("a\n{{.X", "template: t:2: unclosed action"),
        ("{{if 1}}", "template: t:1: unexpected EOF"),
        ("{{end}}", "template: t:1: unexpected {{end}}"),
        ("{{$x}}", "template: t:1: undefined variable \"$x\""),
        (
            "{{nosuch}}",
            "template: t:1: function \"nosuch\" not defined",
        ),
        ("{{break}}", "template: t:1: {{break}} outside {{range}}"),
        (
            "{{1 | 2}}",
            "template: t:1: non executable command in pipeline stage 2",
        ),
        ("{{}}", "template: t:1: missing value for command"),
        (
            "{{\"a\".b}}",
            "template: t:1: unexpected . after term \"\\\"a\\\"\"",
        ),
        (
            "{{$a, $b := 1}}",
            "template: t:1: too many declarations in command",
        ),
    ] {
        assert_eq!(error(text), message, "{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(error(&parens).contains("depth"));
    let blocks = "{{if 1}}".repeat(5000);
    assert!(error(&blocks).contains("depth"));
    let chain = format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(5000));
    assert!(error(&chain).contains("depth"));
}

#[test]
fn a_template_is_defined_once() {
    let text = "{{define \"a\"}}x{{end}}{{define \"a\"}} {{end}}{{define \"a\"}}y{{end}}";
    assert!(error(text).contains("multiple definition of template \"a\""));
}
