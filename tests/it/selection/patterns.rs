//! Patterns and templates against Go's regexp.

use super::random::Random;
use crate::support::oracle::ask;
use highwater::domain::pattern::{Fault, Pattern, Template};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct PatternAnswer {
    error: Option<String>,
    values: Option<Vec<Option<String>>>,
}

const MEMBERS: &[&str] = &[
    "a",
    "b-d",
    "0-9",
    ".",
    "-",
    "_",
    r"\d",
    r"\W",
    r"\s",
    "[:alpha:]",
    "[:^word:]",
    "[:foo:]",
    r"\pL",
    r"\PN",
    r"\p{Greek}",
    r"\p{^Lu}",
    "[",
    "&&",
    "~~",
    "--",
    "^",
    r"\]",
    r"\x41",
    r"\x{10FFFF}",
    r"\x{D800}",
    "é",
    r"\n",
    r"\b",
    "z-a",
    "]",
    r"\p{Old_Foo}",
    "A-Z",
    r"\Q",
    "|",
];

fn class_case(random: &mut Random) -> String {
    let negated = if random.one_in(4) { "^" } else { "" };
    format!("[{negated}{}]", random.join(MEMBERS, 1, 4))
}

const ATOMS: &[&str] = &[
    "a",
    "b",
    "1",
    "v",
    "-",
    "rc",
    r"\.",
    ".",
    r"\d",
    r"\w",
    r"\s",
    r"\D",
    r"\W",
    r"\S",
    "^",
    "$",
    r"\b",
    r"\B",
    r"\A",
    r"\z",
    r"\Z",
    r"\C",
    r"\pN",
    r"\p{Lu}",
    r"\PL",
    r"\p{Greek}",
    r"\p{letter}",
    r"\p{Nope}",
    r"\Qa.b\E",
    r"\Q",
    r"\E",
    r"\Q\E",
    r"\x61",
    r"\x{62}",
    r"\x6",
    r"\x{}",
    r"\101",
    r"\1",
    r"\08",
    r"\_",
    r"\-",
    r"\é",
    "é",
    "K",
    "k",
    "ſ",
    "s",
    "{",
    "}",
    "{,2}",
    "]",
    "&",
    "~",
    "#",
    " ",
    r"\",
    "(?i)",
    "(?s)",
    "(?U)",
    "(?m)",
    "(?-i)",
    "(?)",
    "(?i-s)",
    "(?x)",
    "(?<=a)",
    "(?=a)",
    "(?P=a)",
    "(?#a)",
    "\n",
    r"\a",
    r"\v",
    r"\h",
    r"\p",
    r"\pé",
    r"\p{^Greek}",
    r"\x{110000}",
    r"\x{D800}",
];

fn atom_case(random: &mut Random, depth: usize) -> String {
    match random.below(12) {
        0 => class_case(random),
        1 | 2 if depth > 0 => {
            let open = random.pick(&[
                "(", "(", "(?:", "(?P<n>", "(?<m>", "(?P<1x>", "(?P<n>", "(?i:", "(?U:", "(?s-m:",
                "(?P<>", "(?<n", "(?-:", "(?P<a-b>",
            ]);
            format!("{open}{})", expression_case(random, depth - 1))
        }
        3..=6 => random.pick(&ATOMS[..12]).to_owned(),
        _ => random.pick(ATOMS).to_owned(),
    }
}

const REPEATS: &[&str] = &[
    "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0}", "{2,}", "{1,2}?", "{0,}", "{01}",
    "{1001}", "{3,2}", "**", "{30}", "{40}", "{,3}",
];

fn expression_case(random: &mut Random, depth: usize) -> String {
    let mut text = String::new();
    for _ in 0..random.below(5) {
        text += &atom_case(random, depth);
        if random.one_in(3) {
            let common = if random.one_in(5) { REPEATS.len() } else { 9 };
            text += REPEATS[random.below(common)];
        }
        if random.one_in(8) {
            text.push('|');
        }
    }
    text
}

fn pattern_request(random: &mut Random) -> serde_json::Value {
    let mut pattern = expression_case(random, 3);
    if random.one_in(30) {
        random.damage(
            &mut pattern,
            &["(", ")", "[", "]", "\\", "*", "?", "{", "|"],
        );
    }
    let pieces = [
        "$1",
        "$0",
        "$2",
        "${1}",
        "$n",
        "${n}",
        "${m}",
        "$m.",
        "$1x",
        "${1x}",
        "$$",
        "$",
        "-",
        "x",
        "${",
        "${1",
        "$é",
        "$01",
        "$100000000",
        "$1$2",
        "{}",
        "$_",
    ];
    let characters = [
        "a", "b", "1", "v", "-", ".", "rc", "A", "K", "k", "\u{212A}", "ſ", "s", "é", "α", " ",
        "\n", "_", "a.b", "2", "{", "]",
    ];
    let texts: Vec<String> = random.cases(6, |random| random.join(&characters, 0, 7));
    json!({ "pattern": pattern, "template": random.join(&pieces, 1, 4), "texts": texts })
}

/// How often something in a pattern is repeated at most: its counts, multiplied.
fn unfolded(pattern: &str) -> u64 {
    let braces = pattern
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    let counts = braces.filter_map(|counts| counts.split(',').next_back()?.parse::<u64>().ok());
    counts.fold(1, |product, count| product.saturating_mul(count.max(1)))
}

#[test]
fn patterns_match_and_expand_as_in_go() {
    let mut random = Random::new();
    let requests = random.cases(12_000, pattern_request);
    let answers: Vec<PatternAnswer> = ask("pattern", &requests);
    let mut valid = 0;
    for (request, answer) in requests.iter().zip(answers) {
        let (pattern, template) = (
            request["pattern"].as_str().unwrap(),
            request["template"].as_str().unwrap(),
        );
        let context = format!("{request} (seed {})", random.seed);
        match (Pattern::new(pattern), answer.error, answer.values) {
            (Ok(pattern), None, Some(values)) => {
                valid += 1;
                let template = Template::new(template, &pattern);
                let mut expansion = pattern.expansion(&template);
                for (text, value) in request["texts"].as_array().unwrap().iter().zip(values) {
                    let text = text.as_str().unwrap();
                    let mut ours = String::new();
                    let ours = expansion.expand(text, &mut ours).then_some(ours);
                    assert_eq!(ours, value, "{text:?} in {context}");
                    assert_eq!(
                        pattern.matches(text),
                        ours.is_some(),
                        "{text:?} in {context}"
                    );
                }
            }
            (Err(ours), Some(error), _) => assert_eq!(ours.to_string(), error, "{context}"),
            // The known difference: what repeats of repeats unfold to is bounded here.
            (Err(ours), None, _) if ours.fault == Fault::TooLarge => {
                assert!(unfolded(pattern) >= 500, "{context}: {ours}");
            }
            (ours, error, _) => panic!("{context}: {ours:?}, but Go: {error:?}"),
        }
    }
    assert!(valid > 3000, "only {valid} patterns were valid");
}

/// Every class name that the table of the pattern module has works on both sides, unless Go lost it.
#[test]
fn names_of_unicode_classes_are_those_of_go() {
    let names = "L Lu LC Lc lu Nd Zs Cs Co Cn Cc Any any Assigned ASCII ascii Letter Lowercase_Letter lowercaseletter Cased_Letter Mark Combining_Mark \
                 Decimal_Number digit punct cntrl Surrogate Private_Use Unassigned Other Greek greek Han Latin Latn Hani Cyrillic Thai Lao Yi Nko \
                 Vai Modi Kawi Toto Newa Common Inherited Unknown Zzzz X Xx LU ^Lu ^^Lu White_Space Alphabetic Emoji L& gc=L sc=Greek Greek_";
    let texts = [
        "a", "A", "1", "α", "中", "-", " ", "\u{7}", "\u{e000}", "\u{378}", "ก", "é",
    ];
    let requests: Vec<_> = names
        .split_whitespace()
        .flat_map(|name| {
            [
                format!(r"\p{{{name}}}"),
                format!(r"[^\P{{{name}}}x]"),
                format!(r"(?i)\P{{{name}}}"),
            ]
        })
        .map(|pattern| json!({ "pattern": pattern, "template": "$0", "texts": texts }))
        .collect();
    let answers: Vec<PatternAnswer> = ask("pattern", &requests);
    for (request, answer) in requests.iter().zip(answers) {
        let pattern = Pattern::new(request["pattern"].as_str().expect("a string"));
        let ours = pattern
            .as_ref()
            .map(|pattern| texts.map(|text| pattern.matches(text)));
        let real: Vec<bool> = answer
            .values
            .into_iter()
            .flatten()
            .map(|value| value.is_some())
            .collect();
        match ours {
            Ok(matches) => assert_eq!(matches.to_vec(), real, "{request}"),
            Err(error) => assert_eq!(Some(error.to_string()), answer.error, "{request}"),
        }
    }
}

/// Every construct of Go's syntax page (`go doc regexp/syntax`), what other dialects have beside it, and bounds.
const CONSTRUCTS: &[&str] = &[
    // Single characters.
    ".",
    "[xyz]",
    "[^xyz]",
    r"\d",
    r"\D",
    "[[:alpha:]]",
    "[[:^alpha:]]",
    r"\pN",
    r"\p{Greek}",
    r"\PN",
    r"\P{Greek}",
    // Composites and repetitions.
    "ab",
    "a|b",
    "a*",
    "a+",
    "a?",
    "a{1,2}",
    "a{1,}",
    "a{2}",
    "a*?",
    "a+?",
    "a??",
    "a{1,2}?",
    "a{1,}?",
    "a{2}?",
    "a{,2}",
    "a{}",
    "a{x}",
    "a{1",
    "a{-1}",
    "a{1000}",
    "a{0,1000}",
    "a{1001}",
    "a{0,1001}",
    "a{2,1}",
    "(a{10}){100}",
    "(a{10}){101}",
    "((a{10}){10}){10}",
    "((a{10}){10}){11}",
    "(a{0}){1000}",
    "(?:a{31}){32}",
    "(?:a{32}){32}",
    "a**",
    "a*+",
    "a++",
    "a?+",
    "a{2}+",
    "(a*)*",
    "(a+)+",
    "(|a)+",
    "(a|)*",
    "(?:)*",
    "*",
    "+a",
    "|*",
    "(*)",
    "^*",
    "$+",
    r"\b?",
    "()",
    "|",
    "a||b",
    // Groups.
    "(a)",
    "(?P<n>a)",
    "(?<n>a)",
    "(?:a)",
    "(?i)a",
    "(?i:a)",
    "(?P<n>a)(?P<n>b)",
    "(?<n>a)|(?<n>b)",
    "(?P<n",
    "(?P<>a)",
    "(?P<1>a)",
    "(?P<n-m>a)",
    "(?P<é>a)",
    "(?P=n)",
    "(?P>n)",
    "(?'n'a)",
    "(?>a)",
    "(?|a)",
    "(?=a)",
    "(?!a)",
    "(?<=a)",
    "(?<!a)",
    "(?#a)",
    "(?(1)a|b)",
    "(?R)",
    "(?1)",
    "(?&n)",
    "(?",
    "(?P",
    "(?i",
    "(?x)a b",
    "(?n)a",
    "(?u)a",
    // Flags.
    "(?s).",
    "(?m)^a$",
    "(?U)a+",
    "(?U)a+?",
    "(?i-s).",
    "(?-i)a",
    "(?is-mU:a.)",
    "(?imsU)a",
    "(?i)(?-i)a",
    "(?--i)a",
    "(?i-)a",
    "(?-)a",
    "(?ii)a",
    "(?-:a)",
    "(?i)[[:upper:]]",
    "(?i)\u{17f}",
    "(?i)k",
    "(?i)[^k]",
    "(?i)[a-z]+",
    "(?i)ß",
    "(?i)\\x4B",
    "(?i)\\QaB\\E",
    "(?i)\\pL",
    "(?s:.)a.",
    "((?i)a)b",
    "a(?i)b|c",
    // Empty strings.
    "^",
    "$",
    r"\A",
    r"\b",
    r"\B",
    r"\z",
    r"\Z",
    r"\G",
    r"\`",
    r"\'",
    r"\<",
    r"\>",
    // Escapes.
    r"\a",
    r"\f",
    r"\t",
    r"\n",
    r"\r",
    r"\v",
    r"\*",
    r"\123",
    r"\101",
    r"\777",
    r"\0",
    r"\07",
    r"\08",
    r"\00",
    r"\1",
    r"\8",
    r"\18",
    r"\x7F",
    r"\x7",
    r"\x",
    r"\xG0",
    r"\x{10FFFF}",
    r"\x{110000}",
    r"\x{41",
    r"\x{}",
    r"\x{0000041}",
    r"\Q*.\E",
    r"\Q*.",
    r"\Q\E",
    r"\E",
    r"\Qa\Eb*",
    r"\Qab\E*",
    r"\Q\\E",
    r"\Q\",
    r"a\Q\E*",
    r"\C",
    r"\K",
    r"\N",
    r"\R",
    r"\X",
    r"\h",
    r"\H",
    r"\V",
    r"\y",
    r"\_",
    r"\-",
    r"\/",
    r"\é",
    r"\ ",
    r"\u0041",
    r"\cA",
    r"\e",
    r"\k<n>",
    r"\g1",
    r"\",
    r"a\",
    // Classes.
    r"[\d]",
    r"[^\d]",
    r"[\D]",
    r"[^\D]",
    "[[:digit:]]",
    "[^[:digit:]]",
    "[[:^digit:]]",
    r"[\pN]",
    r"[^\PN]",
    "[a-d]",
    "[d-a]",
    "[]a]",
    "[^]a]",
    "[]",
    "[^]",
    "[a",
    "[a-",
    "[-a]",
    "[a-]",
    "[a-b-c]",
    "[--a]",
    r"[a-\d]",
    r"[\d-z]",
    r"[\]]",
    r"[\Qa]",
    r"[\E]",
    r"[\b]",
    r"[\A]",
    r"[\C]",
    r"[\x41-\x43]",
    r"[\101-\103]",
    r"[\n]",
    "[[:foo:]]",
    "[[:alpha:",
    "[[:alpha]]",
    "[:alpha:]",
    "[[.a.]]",
    "[[=a=]]",
    "[a&&b]",
    "[a--b]",
    "[a~~b]",
    "[[a]]",
    "[^\\x{0}-\\x{10FFFF}]",
    "[\\x{0}-\\x{10FFFF}]",
    r"[^\D\d]",
    "[é-ü]",
    "[[:word:]-]",
    "[[:ascii:]]",
    "[[:alnum:][:punct:]]",
    "[[:cntrl:][:graph:][:print:][:space:][:xdigit:][:blank:][:lower:][:upper:]]",
    // Unicode classes.
    r"\p{L}",
    r"\p{Lu}",
    r"\p{^Lu}",
    r"\P{^Lu}",
    r"\pé",
    r"\p",
    r"\p{",
    r"\p{}",
    r"\p{^}",
    r"\pL{2}",
    r"\p{Any}",
    r"\p{Latin}\p{Nd}",
    r"\p{script=Greek}",
    r"\pLu",
    // Parentheses.
    "(",
    ")",
    "(a",
    "a)",
    "((a)",
    "[(]",
    r"\(",
    "((((((((((a))))))))))",
];

#[test]
fn every_construct_of_gos_syntax_is_taken_or_refused_as_go_does() {
    let texts = vec![
        "", "a", "b", "ab", "aa", "aaa", "A", "k", "K", "\u{212A}", "s", "ſ", "1", "12", "-", "_",
        ".", "*.", "a.b", "a\nb", "é", "ß", "α", "{", "a{,2}", "\\", "]", " ", "\t", "\u{7}", "S",
        "x", "xyz", ":", "&",
    ];
    let requests: Vec<_> = CONSTRUCTS
        .iter()
        .flat_map(|construct| {
            [
                (*construct).to_owned(),
                format!("^(?:{construct})$"),
                format!("x?{construct}|(y)"),
            ]
        })
        .map(|pattern| json!({ "pattern": pattern, "template": "<$0|$1|$n|$2>", "texts": texts }))
        .collect();
    let answers: Vec<PatternAnswer> = ask("pattern", &requests);
    for (request, answer) in requests.iter().zip(answers) {
        let pattern = Pattern::new(request["pattern"].as_str().expect("a string"));
        match (pattern, answer.error, answer.values) {
            (Ok(pattern), None, Some(values)) => {
                let template = Template::new("<$0|$1|$n|$2>", &pattern);
                let mut expansion = pattern.expansion(&template);
                for (text, value) in texts.iter().zip(values) {
                    let mut ours = String::new();
                    let ours = expansion.expand(text, &mut ours).then_some(ours);
                    assert_eq!(ours, value, "{text:?} in {request}");
                }
            }
            (Err(ours), Some(error), _) => assert_eq!(ours.to_string(), error, "{request}"),
            (ours, error, _) => panic!("{request}: {ours:?}, but Go: {error:?}"),
        }
    }
}
