//! Random templates: what one side renders, the other renders too, to the same bytes.

use super::data::standard;
use super::{Rendering, assert_same};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

/// How many are asked in a run.
const COUNT: usize = 3_000;
/// How deep calls nest.
const DEPTH: usize = 3;

/// Operands by kind: `t`exts, `i`nts, `f`loats, `b`ooleans, `s`mall numbers, `l`ists, `d`icts, `n`ew ones, `o`ther things. What makes lists and
/// texts of a length takes numbers that are written down, since Go makes whatever it is asked for; and only a new dict is changed,
/// since Go dies of one that holds itself.
const OPERANDS: &[(char, &str)] = &[
    (
        't',
        ".name .empty .wide .lines .quoted .words .path .texts.k1 .flux.Values.team $t",
    ),
    (
        't',
        r#""a" "b,c" "" "é\n" `r\w` "1.2.3" "12" "3.50" "," "_" "%d" "a-b_c" "[a-z]+" "2006""#,
    ),
    ('i', ".count .zero .negative $i 0 1 2 7 -3 0x1F 'a' 12"),
    ('f', ".float .tiny 2.5 1e3 -0.125"),
    ('b', ".yes .no true false"),
    ('s', ".count 0 1 2 5 -3"),
    (
        'n',
        "(dict) (deepCopy~.map) (dict~\"a\"~1) (dict~\"nested\"~(dict~\"x\"~1))",
    ),
    ('l', ".list .mixed .none .strings .flux.Changed.Changes $l"),
    ('d', ".map .bare .map.nested .map.nested.deep"),
    (
        'o',
        ". .nothing .missing .missing.x .i64 .u64 .texts .flux .flux.AutomationObject .flux.Changed",
    ),
    (
        'o',
        ".flux.Changed.Objects .flux.Changed.FileChanges .flux.Values nil 1i $o",
    ),
];

/// Functions that give the same on every run, by the kind of their result: names with the kinds of their arguments, `a` for
/// anything.
const FUNCTIONS: &[(char, &str)] = &[
    (
        't',
        "upper:t lower:t title:t untitle:t trim:t trunc:it substr:iit trimAll:tt trimPrefix:tt trimSuffix:tt nospace:t",
    ),
    (
        't',
        "initials:t swapcase:t snakecase:t camelcase:t kebabcase:t wrap:st wrapWith:stt quote:a quote:aaa squote:aa cat:aaa",
    ),
    (
        't',
        "indent:st nindent:st replace:ttt plural:tti sha256sum:t sha1sum:t adler32sum:t toString:a join:tl join:ta toJson:a",
    ),
    (
        't',
        "toPrettyJson:a toRawJson:a typeOf:a kindOf:a base:t dir:t clean:t ext:t b64enc:t b64dec:t b32enc:t b32dec:t",
    ),
    (
        't',
        "regexFind:tt regexReplaceAll:ttt regexReplaceAllLiteral:ttt regexQuoteMeta:t abbrev:it abbrevboth:iit duration:a",
    ),
    (
        't',
        "durationRound:t seq:ss print:aa println:aaa html:a js:a urlquery:a repeat:st get:dt",
    ),
    (
        'i',
        "len:t len:l len:d atoi:t int:a add:ii sub:aa mul:ia add1:a max:ia min:ia toDecimal:a",
    ),
    (
        'f',
        "float64:a ceil:a floor:a round:fs addf:ff subf:fa mulf:ff maxf:fa minf:fa divf:ff",
    ),
    (
        'b',
        "not:a eq:aa ne:aa eq:tt eq:ii lt:ii lt:tt le:ff gt:ii ge:tt contains:tt hasPrefix:tt hasSuffix:tt empty:a",
    ),
    (
        'b',
        "deepEqual:aa has:al hasKey:dt kindIs:ta typeIs:ta regexMatch:tt all:aa any:aa semverCompare:tt",
    ),
    (
        'l',
        "list:aaa splitList:tt append:la prepend:la rest:l initial:l reverse:l uniq:l compact:l without:laa concat:ll",
    ),
    (
        'l',
        "sortAlpha:l sortAlpha:a toStrings:l chunk:il regexFindAll:tti regexSplit:tti until:s untilStep:sss slice:li pluck:td",
    ),
    (
        'd',
        "dict:tata dict:ta set:nta unset:nt merge:nd mergeOverwrite:nd pick:dt omit:dt deepCopy:d urlParse:t",
    ),
    (
        'o',
        "split:tt splitn:tit default:aa coalesce:aa ternary:aab and:aa or:aa first:l last:l index:li index:dt fromJson:t",
    ),
    (
        'o',
        "deepCopy:a dig:ttad semver:t merge:nd div:ii mod:ii tuple:aa",
    ),
];

type Expressions = BTreeMap<char, BoxedStrategy<String>>;

/// Verbs with their flags.
fn format() -> impl Strategy<Value = String> {
    let flags = proptest::collection::vec(select(vec!["#", "+", "-", " ", "0"]), 0..3);
    let width = select(vec!["", "", "", "3", "12", "*", "[1]", "[2]"]);
    let precision = select(vec!["", "", "", ".0", ".3", ".*", "."]);
    let verbs = "v v d s q x X t T f e g G c U b o O z %"
        .split(' ')
        .collect::<Vec<_>>();
    let one =
        (flags, width, precision, select(verbs)).prop_map(|(flags, width, precision, verb)| {
            format!("%{}{width}{precision}{verb}", flags.concat())
        });
    let text = proptest::collection::vec(one, 1..4);
    text.prop_map(|parts| format!("\"{}\"", parts.join("|")))
}

fn with_anything(mut kinds: Expressions) -> Expressions {
    let all = proptest::strategy::Union::new(kinds.values().cloned().collect::<Vec<_>>()).boxed();
    kinds.insert('a', all);
    kinds
}

fn operands() -> Expressions {
    let mut words: BTreeMap<char, Vec<String>> = BTreeMap::new();
    for (kind, list) in OPERANDS {
        let list = list.split(' ').map(|word| word.replace('~', " "));
        words.entry(*kind).or_default().extend(list);
    }
    let kinds = words.into_iter();
    with_anything(
        kinds
            .map(|(kind, words)| (kind, select(words).boxed()))
            .collect(),
    )
}

/// Calls of functions on what there is, now and then with an argument of another kind, or through a pipe. In place of a new dict
/// comes a text and never another dict, which could end up inside of itself.
fn calls(inner: &Expressions) -> Expressions {
    let mut kinds: BTreeMap<char, Vec<(u32, BoxedStrategy<String>)>> = BTreeMap::new();
    for (kind, operands) in inner.iter().filter(|(kind, _)| **kind != 'a') {
        kinds.entry(*kind).or_default().push((60, operands.clone()));
    }
    for (kind, list) in FUNCTIONS {
        for function in list.split(' ') {
            let (name, arguments) = function.split_once(':').expect("name and kinds");
            let argument = |kind: char| {
                let other = if kind == 'n' { 't' } else { 'a' };
                prop_oneof![39 => inner[&kind].clone(), 1 => inner[&other].clone()]
            };
            let arguments: Vec<_> = arguments.chars().map(argument).collect();
            let call = (arguments, any::<bool>()).prop_map(move |(mut arguments, piped)| {
                let last = arguments.pop().filter(|_| piped);
                match last {
                    Some(last) => format!("({last} | {name} {})", arguments.join(" ")),
                    None => format!("({name} {})", arguments.join(" ")),
                }
            });
            kinds.entry(*kind).or_default().push((1, call.boxed()));
        }
    }
    let values = proptest::collection::vec(inner[&'a'].clone(), 0..4);
    let printf = (format(), values)
        .prop_map(|(format, values)| format!("(printf {format} {})", values.join(" ")));
    kinds.entry('t').or_default().push((8, printf.boxed()));
    let kinds = kinds.into_iter();
    let kinds =
        kinds.map(|(kind, list)| (kind, proptest::strategy::Union::new_weighted(list).boxed()));
    with_anything(kinds.collect())
}

fn template() -> impl Strategy<Value = String> {
    let levels = (0..DEPTH).fold(operands(), |inner, _| calls(&inner));
    let expression = move |kind: char| levels[&kind].clone();
    let text = select(vec!["", " ", "a\n", "\n\t"]).prop_map(str::to_owned);
    let open = select(vec!["{{", "{{- "]);
    let close = select(vec!["}}", " -}}"]);
    let action = (open, expression('a'), close)
        .prop_map(|(open, body, close)| format!("{open} {body} {close}"));
    let set = select(vec!['t', 'i', 'l', 'o']);
    let values = ['t', 'i', 'l', 'o'].map(|kind| expression(if kind == 'o' { 'a' } else { kind }));
    let set = (set, select(vec![":=", "="]), values).prop_map(|(kind, sign, [t, i, l, o])| {
        let value = match kind {
            't' => t,
            'i' => i,
            'l' => l,
            _ => o,
        };
        format!("{{{{ ${kind} {sign} {value} }}}}")
    });
    let leaf = prop_oneof![1 => text, 4 => action, 1 => set];
    let node = leaf.prop_recursive(2, 6, 2, move |inner| {
        let body = || proptest::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.concat());
        let range = select(vec!["", "$o := ", "$i, $o := ", "$o = "]);
        let leave = select(vec!["", "{{break}}", "{{continue}}"]);
        let over = prop_oneof![3 => expression('l'), 2 => expression('d'), 1 => expression('i'), 1 => expression('o')];
        prop_oneof![
            (expression('a'), body(), body()).prop_map(|(of, yes, no)| {
                format!("{{{{if {of}}}}}{yes}{{{{else}}}}{no}{{{{end}}}}")
            }),
            (expression('a'), body(), body()).prop_map(|(of, yes, no)| {
                format!("{{{{with $o := {of}}}}}{{{{with $}}}}{yes}{{{{end}}}}{{{{else}}}}{no}{{{{end}}}}")
            }),
            (range, over, body(), leave).prop_map(|(names, of, body, leave)| {
                format!("{{{{range {names}{of}}}}}{{{{.}}}}{{{{with $}}}}{body}{{{{end}}}}{leave}{{{{else}}}}none{{{{end}}}}")
            }),
        ]
    });
    let nodes = proptest::collection::vec(node, 1..3);
    nodes.prop_map(|nodes| {
        let start = "{{$t := .name}}{{$i := .count}}{{$l := .list}}{{$o := .flux}}";
        format!("{start}{}", nodes.concat())
    })
}

#[test]
fn random_templates_render_as_in_go() {
    let data = standard();
    let mut runner = TestRunner::default();
    let strategy = template();
    let renderings: Vec<Rendering> = (0..COUNT)
        .map(|_| {
            let tree = strategy.new_tree(&mut runner).expect("it makes one");
            Rendering {
                text: tree.current(),
                data: data.clone(),
            }
        })
        .collect();
    let rendered = assert_same(&renderings);
    assert!(rendered > COUNT / 4, "only {rendered} are rendered");
}
