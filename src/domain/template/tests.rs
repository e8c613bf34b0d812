use super::*;

fn render(text: &str, data: &Value) -> Result<String, TemplateError> {
    Template::parse("t", text)?.render(data)
}

#[test]
fn a_template_is_rendered() {
    let text = "{{range $i, $x := splitList \",\" .list}}{{$i}}={{$x | upper}};{{else}}none{{end}}";
    let data = serde_json::json!({"list": "a,b"});
    assert_eq!(render(text, &(&data).into()), Ok("0=A;1=B;".to_owned()));
}

#[test]
fn errors_say_where_as_go_does() {
    let error = render(
        "a\n  {{ .x | upper }}",
        &Value::from(&serde_json::json!({})),
    );
    let message = "template: t:2:10: executing \"t\" at <upper>: invalid value; expected string";
    assert_eq!(error, Err(TemplateError::Execute(message.to_owned())));
}

#[test]
fn what_is_out_to_hurt_is_refused_in_time() {
    for text in [
        "{{range 1000000000}}{{.}}{{end}}",
        "{{range until 1000000000}}{{end}}",
        "{{repeat 1000000000 \"x\"}}",
        "{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}",
        "{{$d := dict}}{{$_ := set $d \"d\" $d}}{{$d}}",
        "{{$d := dict}}{{$_ := set $d \"d\" $d}}{{toJson $d}}",
        "{{$d := dict}}{{$_ := set $d \"d\" $d}}{{$d | deepCopy}}",
        "{{$l := list 1}}{{range until 40}}{{$l = list $l $l}}{{end}}{{$l}}",
        "{{$l := list 1}}{{range until 40}}{{$l = list $l $l}}{{end}}{{deepEqual $l (deepCopy $l)}}",
        "{{$s := \"x\"}}{{range until 60}}{{$s = print $s $s}}{{end}}",
        "{{printf \"%1000000d%1000000d\" 1 2}}",
        "{{range until 100000}}{{printf \"%999999d\" 1}}{{end}}",
        "{{range until 1000}}{{regexMatch (printf \"a{500}%d\" .) \"a\"}}{{end}}",
        "{{seq 0 1 999999999}}",
        "{{range $i := until 100000}}{{range until 100000}}{{end}}{{end}}",
        "{{indent 999999999 \"\\n\\n\"}}",
        "{{replace \"\" (repeat 10000 \"x\") (repeat 100000 \"y\")}}",
        "{{range until 200000}}{{sha256sum (repeat 10000 \"x\")}}{{end}}",
    ] {
        let refused = render(text, &Value::Nil);
        assert!(
            matches!(
                refused,
                Err(TemplateError::Limit(_) | TemplateError::Execute(_))
            ),
            "{text}: {refused:?}"
        );
    }
}

#[test]
fn what_differs_from_run_to_run_is_refused() {
    for text in [
        "{{shuffle \"abc\"}}",
        "{{genCA \"a\" 1}}",
        "{{ago 0}}",
        "{{randInt 0 9}}",
        "{{decryptAES \"a\" \"b\"}}",
        "{{derivePassword 1 \"long\" \"a\" \"b\" \"c\"}}",
    ] {
        let refused = render(text, &Value::Nil);
        assert!(
            matches!(&refused, Err(TemplateError::Execute(message)) if message.contains("refused")),
            "{refused:?}"
        );
    }
    let keys = "{{keys (dict \"b\" 1 \"a\" 2 \"c\" 3)}} {{values (dict \"b\" 1 \"a\" 2)}}";
    assert_eq!(render(keys, &Value::Nil), Ok("[a b c] [2 1]".to_owned()));
}
