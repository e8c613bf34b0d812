use super::*;

fn expand(pattern: &str, template: &str, text: &str) -> Option<String> {
    let pattern = Pattern::new(pattern).unwrap();
    let template = Template::new(template, &pattern);
    let mut value = String::from("old");
    pattern
        .expansion(&template)
        .expand(text, &mut value)
        .then_some(value)
}

#[test]
fn a_match_may_start_anywhere_and_the_first_alternative_wins() {
    assert_eq!(expand("b", "$0", "abc").as_deref(), Some("b"));
    assert_eq!(expand("a|ab", "<$0>", "ab").as_deref(), Some("<a>"));
    assert_eq!(expand("^b", "$0", "abc"), None);
    assert!(Pattern::new("").unwrap().matches(""));
}

#[test]
fn templates_follow_the_rules_of_expand() {
    let pattern = "^main-(?P<hash>[0-9a-f]+)-(?P<ts>[0-9]+)(-dirty)?";
    let text = "main-abc-17";
    for (template, value) in [
        ("$ts", "17"),
        ("${ts}", "17"),
        ("$2", "17"),
        ("$2.$1", "17.abc"),
        ("$2x", ""),
        ("${2}x", "17x"),
        ("$ts_", ""),
        ("$3", ""),
        ("$9", ""),
        ("$02", ""),
        ("$$", "$"),
        ("$$$2", "$17"),
        ("$", "$"),
        ("$-", "$-"),
        ("${ts", "${ts"),
        ("${}", "${}"),
        ("$é", ""),
        ("$1é", ""),
        ("x", "x"),
        ("", ""),
        ("$0", "main-abc-17"),
    ] {
        assert_eq!(
            expand(pattern, template, text).as_deref(),
            Some(value),
            "{template}"
        );
    }
}

#[test]
fn of_groups_with_one_name_the_first_that_took_part_counts() {
    assert_eq!(expand("(?P<n>a)|(?<n>b)", "$n", "b").as_deref(), Some("b"));
    assert_eq!(expand("(?P<1x>a)", "$1x", "a").as_deref(), Some("a"));
}

#[test]
fn escapes_and_classes_are_ascii_as_in_go() {
    let matches = |pattern: &str, text: &str| Pattern::new(pattern).unwrap().matches(text);
    assert!(!matches(r"^\d$", "٣") && !matches(r"^\w$", "é") && !matches(r"^\s$", "\u{a0}"));
    assert!(!matches(r"\s", "\u{b}") && matches(r"[[:space:]]", "\u{b}"));
    assert!(matches(r"\bé", "aé") && !matches(r"\bb", "éxb"));
    assert!(matches(r"^\Qa.b\E+$", "a.bb") && !matches(r"^\Qa.b\E$", "axb"));
    assert!(matches(r"^[[:word:]]+\z", "a_1") && matches(r"^\pN\p{Greek}$", "1α"));
    assert!(matches(r"^[a&&b]+$", "a&b") && matches(r"^[[a]$", "[") && matches(r"^\101$", "A"));
    assert!(matches("(?i)^straSSe$", "STRAſSE") && matches("^a{,2}$", "a{,2}"));
    assert!(
        !matches("a.b", "a\nb")
            && matches("(?s)a.b", "a\nb")
            && matches("(?m)^b$", "a\nb\nc")
            && !matches("b$", "b\n")
    );
}

#[test]
fn flags_swap_greediness_and_end_with_their_group() {
    assert_eq!(expand("(?U)a+", "$0", "aaa").as_deref(), Some("a"));
    assert_eq!(expand("(?U)a+?", "$0", "aaa").as_deref(), Some("aaa"));
    assert_eq!(expand("((?i)a)b", "$0", "Ab").as_deref(), Some("Ab"));
    assert_eq!(expand("((?i)a)b", "$0", "AB"), None);
    assert_eq!(expand("a(?i)b|c", "$0", "C").as_deref(), Some("C"));
}

#[test]
fn a_repetition_reaches_over_what_matches_nothing_as_in_go() {
    assert_eq!(expand("^a(?i)*$", "$0", "aaa").as_deref(), Some("aaa"));
    assert_eq!(expand(r"^a+\Q\E*$", "$0", "").as_deref(), Some(""));
}

/// The messages are those that Go 1.26 prints.
#[test]
fn what_go_refuses_is_refused_in_its_words() {
    for (pattern, message) in [
        (r"\C", r"invalid escape sequence: `\C`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"\18", r"invalid escape sequence: `\1`"),
        (r"[a-\d]", r"invalid escape sequence: `\d`"),
        (r"\x{110000}", r"invalid escape sequence: `\x{110000`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("x{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(a{40}){30}", "invalid repeat count: `{30}`"),
        (")", "unexpected ): `)`"),
        ("a(b", "missing closing ): `a(b`"),
        ("a[b", "missing closing ]: `[b`"),
        ("[]", "missing closing ]: `[]`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        (r"\pX", r"invalid character class range: `\pX`"),
        (r"\p{Latn}", r"invalid character class range: `\p{Latn}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<!a)", "invalid named capture: `(?<!a)`"),
        ("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`"),
        ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
    ] {
        let error = Pattern::new(pattern).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("error parsing regexp: {message}"),
            "{pattern}"
        );
    }
}

#[test]
fn huge_patterns_are_refused() {
    let fault = |pattern: &str| Pattern::new(pattern).unwrap_err().fault;
    assert_eq!(fault(&"a".repeat(MAX_PATTERN_LENGTH + 1)), Fault::TooLarge);
    assert_eq!(fault(r"(\pL{500}){2}\pL{1000}\pL{1000}"), Fault::TooLarge);
    assert_eq!(fault(r"(?<m>[---\pL]{30}1-){30}"), Fault::TooLarge);
    assert_eq!(
        fault(&format!("{}a{}", "(".repeat(300), ")".repeat(300))),
        Fault::TooDeep
    );
    assert_eq!(
        fault(&format!("a{}", r"*\Q\E".repeat(1000))),
        Fault::TooDeep
    );
    assert!(
        Pattern::new(&format!(
            "{}a{}",
            "(".repeat(MAX_DEPTH),
            ")".repeat(MAX_DEPTH)
        ))
        .is_ok()
    );
}

#[test]
fn a_script_name_with_an_underscore_works() {
    assert!(Pattern::new(r"^\p{Old_Italic}$").unwrap().matches("𐌀"));
}

/// The answer is Go's: the empty match of `\B` lies inside the character, so the class matches all of it.
#[test]
fn an_empty_match_inside_a_character_hides_no_longer_one() {
    assert!(Pattern::new(r"\B|\W").unwrap().matches("_ſb"));
    assert_eq!(expand(r"\B|\W", "<$0>", "_ſb").as_deref(), Some("<ſ>"));
}
