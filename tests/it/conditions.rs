//! CEL expressions against cel-go with the options of Flux's controllers.

use crate::selection::random::Random;
use crate::support::oracle::ask;
use highwater::domain::cel::{CelError, Expression, STACK, as_go_reads};
use serde::Deserialize;
use serde_json::{Value, json};

/// What cel-go makes of an expression.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    invalid: String,
    #[serde(default)]
    failed: String,
    value: Option<Value>,
}

fn documents() -> [(&'static str, Value); 2] {
    let req = json!({
        "tag": "us.pkg.dev/p/hello-world:1.1", "n": 3, "f": 2.5, "yes": true, "nothing": null, "list": ["a", "b", "hello-world"],
        "numbers": [1, 2.5, -3], "map": {"k": "v", "deep": {"x": 1}}, "empty": [], "commits": [{"modified": ["a/b.yaml"]}, {"modified": []}],
    });
    let res = json!({"kind": "ImageRepository", "metadata": {"name": "hello-world", "labels": {"env": "production"}, "generation": 3}});
    [("req", req), ("res", res)]
}

/// What we make of it: the value, or why it has none.
fn ours(text: &str, condition: bool) -> Result<Value, CelError> {
    let documents = documents().map(|(name, value)| (name, as_go_reads(value)));
    let names: Vec<&str> = documents.iter().map(|(name, _)| *name).collect();
    let values: Vec<(&str, &Value)> = documents
        .iter()
        .map(|(name, value)| (*name, value))
        .collect();
    let compile = if condition {
        Expression::compile_condition
    } else {
        Expression::compile
    };
    compile(text, &names).and_then(|compiled| compiled.value(&values))
}

fn on_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
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

/// Asks both sides, and tells where they differ. What cel-go refuses because of types, we may refuse only when it is evaluated.
fn differences(expressions: &[String], condition: bool) -> Vec<String> {
    let values: serde_json::Map<String, Value> = documents()
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
    let question =
        |text: &String| json!({"expression": text, "values": values, "condition": condition});
    let questions: Vec<Value> = expressions.iter().map(question).collect();
    let theirs: Vec<Answer> = ask("cel", &questions);
    let judged = expressions.iter().zip(theirs).filter_map(|(text, theirs)| {
        let ours = on_stack(|| ours(text, condition));
        let same = match (&theirs.value, &ours) {
            (Some(value), Ok(ours)) => as_go_reads(value.clone()) == as_go_reads(ours.clone()),
            (Some(_), Err(_)) => false,
            // A value that has no counterpart in JSON is one all the same.
            (None, Ok(_)) => {
                theirs.failed.starts_with("no JSON") || (!condition && !theirs.invalid.is_empty())
            }
            (None, Err(_)) => true,
        };
        (!same).then(|| format!("{text}\n  cel-go: {theirs:?}\n  ours: {ours:?}"))
    });
    judged.collect()
}

const EXPRESSIONS: [&str; 55] = [
    "req.tag.split('/').last().value().split(':').first().value() == res.metadata.name",
    "has(req.tag) && !has(req.absent) && has(req.map.k) && !has(req.map.deep.y)",
    "req.n == 3 && req.n == 3.0 && req.n > 2 && req.f < 3 && req.n in [1, 2, 3]",
    "req.n + 1",
    "req.n + 1.0",
    "req.n / 2.0",
    "int(req.n) % 2",
    "string(req.n)",
    "string(req.f)",
    "req.numbers[0] + req.numbers[1]",
    "req.list[5]",
    "req.list[-1]",
    "req.?absent.orValue('x')",
    "req.?map.?k.value()",
    "req[?'absent'].hasValue()",
    "optional.of(1).or(optional.none()).value()",
    "req.empty.first().hasValue()",
    "req.nothing == null",
    "req.map == {'k': 'v', 'deep': {'x': 1.0}}",
    "req.list == ['a', 'b', 'hello-world']",
    "size(req.list) + size('äöü') + size(req.map)",
    "'hello'.substring(1, 3) + 'x'.upperAscii() + ' y '.trim() + 'abc'.charAt(1)",
    "'a,b,c'.split(',', 2)",
    "['a', 'b'].join('-')",
    "'abcabc'.replace('b', 'x', 1)",
    "'abcabc'.lastIndexOf('b')",
    "'%s is %d'.format(['x', 3])",
    "base64.encode(b'hello')",
    "req.commits.exists(c, c.modified.exists(f, f.startsWith('a/')))",
    "req.commits.all(c, size(c.modified) > 0)",
    "req.list.exists_one(x, x == 'a')",
    "req.list.filter(x, x != 'a').map(x, x + '!')",
    "req.map.map(k, k).exists(k, k == 'deep')",
    "'k' in req.map && !('z' in req.map)",
    "req.tag.matches('^us\\\\..*:[0-9.]+$')",
    "req.absent || true",
    "true || req.absent",
    "false && req.absent",
    "req.yes ? 'a' : 'b'",
    "type(req.n) == double",
    "1 / 0",
    "9223372036854775807 + 1",
    "req.n == '3'",
    "req.tag < 'v' && b'a' < b'b'",
    "-req.n",
    "!req.tag",
    "1u + 2u",
    "[1, 'a']",
    "{'a': 1, 'a': 2}",
    "req.missing.missing",
    "dyn(1) == 1.0",
    "double('1.5') + double(2)",
    "bool('true')",
    "timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')",
    "sets.contains([1, 2], [1])",
];

#[test]
fn expressions_have_the_value_that_cel_go_gives_them() {
    let texts: Vec<String> = EXPRESSIONS.map(str::to_owned).into();
    let found = differences(&texts, false);
    // Times and sets are of little use to a filter of JSON, `format` can make a text of any length, and a key that comes twice is a
    // mistake by the language's specification: each is refused.
    let refused = [
        "timestamp(",
        "sets.",
        "'%s is %d'.format(",
        "{'a': 1, 'a': 2}",
    ];
    let is_known = |text: &String| refused.iter().any(|known| text.starts_with(known));
    let (known, other): (Vec<_>, Vec<_>) = found.into_iter().partition(is_known);
    assert!(other.is_empty(), "{}", other.join("\n"));
    assert_eq!(known.len(), refused.len(), "{known:?}");
}

#[test]
fn what_cel_go_takes_for_no_condition_is_none() {
    let texts = [
        "req.tag",
        "req['yes']",
        "req.yes",
        "'text'",
        "1",
        "req.list",
        "size(req.list)",
        "req.list.map(x, x)",
        "null",
        "true ? req.yes : false",
    ];
    let texts: Vec<String> = texts.map(str::to_owned).into();
    let found = differences(&texts, true);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn text(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return random
            .pick(&[
                "req.tag",
                "res.metadata.name",
                "'a'",
                "'-'",
                "''",
                "'Hello'",
                "req.map.k",
                "res.metadata.labels['env']",
                "req.list[0]",
            ])
            .to_owned();
    }
    let (one, other) = (text(random, depth - 1), text(random, depth - 1));
    match random.below(9) {
        0 => format!("{one}.lowerAscii()"),
        1 => format!("{one}.replace({other}, 'x')"),
        2 => format!("({one} + {other})"),
        3 => format!("{one}.split({other})[0]"),
        4 => format!("{one}.split({other}).last().orValue('none')"),
        5 => format!("{}.join({other})", list(random, depth - 1)),
        6 => format!("{one}.substring({})", random.below(4)),
        7 => format!("({} ? {one} : {other})", condition(random, depth - 1)),
        _ => format!("{one}.trim()"),
    }
}

fn number(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return random
            .pick(&[
                "req.n",
                "req.f",
                "2.0",
                "0.5",
                "res.metadata.generation",
                "req.numbers[1]",
            ])
            .to_owned();
    }
    let (one, other) = (number(random, depth - 1), number(random, depth - 1));
    match random.below(4) {
        0 => format!("({one} + {other})"),
        1 => format!("({one} * {other})"),
        2 => format!("({one} - {other})"),
        _ => format!("double(size({}))", text(random, depth - 1)),
    }
}

fn list(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return random
            .pick(&["req.list", "['a', 'b']", "[req.tag]", "req.empty"])
            .to_owned();
    }
    let inner = list(random, depth - 1);
    match random.below(3) {
        0 => format!("{inner}.filter(x, x != {})", text(random, depth - 1)),
        1 => format!("{inner}.map(x, x + {})", text(random, depth - 1)),
        _ => format!("{}.split({})", text(random, depth - 1), text(random, 0)),
    }
}

fn condition(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return random
            .pick(&[
                "has(req.tag)",
                "has(req.absent)",
                "req.yes == true",
                "true",
                "req.nothing == null",
                "has(res.metadata.labels)",
            ])
            .to_owned();
    }
    let inner = depth - 1;
    match random.below(11) {
        0 => format!("{} == {}", text(random, inner), text(random, inner)),
        1 => format!("{}.contains({})", text(random, inner), text(random, inner)),
        2 => format!(
            "{}.startsWith({})",
            text(random, inner),
            text(random, inner)
        ),
        3 => format!("{}.endsWith({})", text(random, inner), text(random, inner)),
        4 => format!(
            "{} {} {}",
            number(random, inner),
            random.pick(&["<", "<=", "==", ">", "!="]),
            number(random, inner)
        ),
        5 => format!(
            "({} && {})",
            condition(random, inner),
            condition(random, inner)
        ),
        6 => format!(
            "({} || {})",
            condition(random, inner),
            condition(random, inner)
        ),
        7 => format!("!({})", condition(random, inner)),
        8 => format!("{} in {}", text(random, inner), list(random, inner)),
        9 => format!(
            "{}.exists(x, x == {})",
            list(random, inner),
            text(random, inner)
        ),
        _ => format!(
            "{}.all(x, x.startsWith({}))",
            list(random, inner),
            text(random, inner)
        ),
    }
}

/// The bound on costs is a rough one: this many of a thousand small expressions may be refused for it.
const TOO_COSTLY: usize = 5;

#[test]
fn random_conditions_hold_where_they_do_in_cel_go() {
    let mut random = Random::new();
    let seed = random.seed;
    let cases = random.cases(1500, |random| {
        let depth = 1 + random.below(3);
        condition(random, depth)
    });
    let cases: Vec<String> = cases.into_iter().filter(|text| text.len() < 1000).collect();
    let found = differences(&cases, true);
    let (costly, found): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|text| text.contains("TooCostly"));
    assert!(
        costly.len() * 1000 <= TOO_COSTLY * cases.len(),
        "{}",
        costly.join("\n")
    );
    assert!(
        found.is_empty(),
        "HIGHWATER_TEST_SEED={seed}\n{}",
        found[..found.len().min(10)].join("\n")
    );
}
