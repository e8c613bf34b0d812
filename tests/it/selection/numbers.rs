//! Numbers against Go's strconv.ParseFloat and math/big.

use super::random::Random;
use crate::support::oracle::ask;
use highwater::domain::policy::Number;
use serde::Deserialize;

#[derive(Deserialize)]
struct NumberAnswer {
    accepted: bool,
    zero: bool,
}

const WORDS: &[&str] = &[
    "inf",
    "Inf",
    "+INF",
    "-infinity",
    "Infinity",
    "infin",
    "nan",
    "NaN",
    "-nan",
    "+nan",
    "nans",
    "",
    "+",
    "-",
    ".",
    "_",
    "e5",
    "0x",
    "0xp1",
    "1_000",
];

const EXPONENTS: &[&str] = &[
    "0",
    "1",
    "5",
    "17",
    "300",
    "308",
    "309",
    "324",
    "345",
    "1000",
    "1023",
    "1024",
    "1074",
    "1075",
    "1100",
    "00",
    "99999",
    "1_0",
    "9999999999",
    "",
];

fn float_case(random: &mut Random) -> String {
    if random.one_in(20) {
        return random.pick(WORDS).to_owned();
    }
    let hexadecimal = random.one_in(4);
    let digits: &[&str] = if hexadecimal {
        &["0", "1", "7", "a", "F", "00", "8"]
    } else {
        &["0", "1", "9", "5", "00", "20251123", "999"]
    };
    let underscored = if random.one_in(6) { "_" } else { "" };
    let sign = random.pick(&["", "", "", "", "+", "-"]);
    let prefix = if hexadecimal {
        random.pick(&["0x", "0X"])
    } else {
        ""
    };
    let mut text = format!(
        "{sign}{prefix}{}{underscored}{}",
        random.join(digits, 0, 5),
        random.join(digits, 0, 4)
    );
    if random.one_in(2) {
        text = text + "." + &random.join(digits, 0, 5);
    }
    if hexadecimal || random.one_in(3) {
        let mark = if hexadecimal {
            random.pick(&["p", "P", "p", "e"])
        } else {
            random.pick(&["e", "E", "e", "p"])
        };
        text = text + mark + random.pick(&["", "-", "+", "-"]) + random.pick(EXPONENTS);
    }
    if random.one_in(12) {
        random.damage(
            &mut text,
            &["_", ".", "e", "x", "p", "-", " ", "0", "__", "é"],
        );
    }
    text
}

#[test]
fn numbers_are_those_that_go_parses_as_floats() {
    let mut random = Random::new();
    let mut texts = random.cases(10_000, float_case);
    texts.extend(edge_numbers());
    let answers: Vec<NumberAnswer> = ask("number", &texts);
    let zero = Number::parse("0").unwrap();
    let mut accepted = 0;
    for (text, answer) in texts.iter().zip(answers) {
        let ours = Number::parse(text);
        assert_eq!(
            ours.is_some(),
            answer.accepted,
            "`{text}` (seed {})",
            random.seed
        );
        assert_eq!(
            ours.is_some_and(|number| number == zero),
            answer.zero,
            "`{text}` (seed {})",
            random.seed
        );
        accepted += usize::from(answer.accepted);
    }
    assert!(accepted > 3000, "only {accepted} numbers were accepted");
}

/// The ends of the range of 64-bit floats, in both notations, and their neighbours.
fn edge_numbers() -> Vec<String> {
    let texts = [
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "17976931348623158079e289",
        "17976931348623159077e289",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.5e-324",
        "0.00024e-320",
        "1e-323",
        "9.99e-324",
        "1e309",
        "1e310",
        "0x1.fffffffffffffp1023",
        "0x1.fffffffffffff7p1023",
        "0x1.fffffffffffff8p1023",
        "0x1.fffffffffffff7ffffffp1023",
        "0x1p1024",
        "0x1p-1074",
        "0x1p-1075",
        "0x1.0000000000000000001p-1075",
        "0x1.8p-1075",
        "0x0.8p-1074",
        "0x1p-1076",
        "0x1.fffp-1076",
        "0x1p-2000",
        "0x10000000000000000p959",
        "0x10000000000000000p960",
        "0x0.00000000000000000001p0",
        "0x.8p1",
        "0x8.p1",
        "0x_1p1",
        "0x1_p1",
        "0_x1p1",
        "1_.5",
        "1._5",
        "1e_5",
        "1e5_",
        "1__0",
    ];
    texts.map(str::to_owned).to_vec()
}

#[test]
fn numbers_are_ordered_by_their_exact_values() {
    let mut random = Random::new();
    let mut texts = random.cases(4000, float_case);
    // Neighbours that are equal as floats, in both notations: 2^53, 2^53 + 1 and the like.
    for base in [
        9_007_199_254_740_992_u64,
        20_251_123_010_203_999,
        1 << 60,
        123_456_789_012_345_678,
    ] {
        for offset in 0..4 {
            let value = base + offset;
            texts.extend([
                format!("{value}"),
                format!("{value}.000"),
                format!("0x{value:x}p0"),
                format!("{value}e-1"),
                format!("0x{value:x}p-5"),
                format!("{value}.5"),
            ]);
        }
    }
    let zero = Number::parse("0").unwrap();
    let finite = |text: &&String| {
        Number::parse(text).is_some_and(|number| {
            number != zero && !number.is_nan() && text.to_lowercase().find("inf").is_none()
        })
    };
    let texts: Vec<&String> = texts.iter().filter(finite).collect();
    let recent = texts.len().min(96);
    let pairs: Vec<(&str, &str)> = (0..8000)
        .map(|_| {
            let pool = if random.one_in(2) {
                &texts[texts.len() - recent..]
            } else {
                &texts[..]
            };
            (
                pool[random.below(pool.len())].as_str(),
                pool[random.below(pool.len())].as_str(),
            )
        })
        .collect();
    let answers: Vec<i32> = ask("number-order", &pairs);
    for ((one, other), answer) in pairs.iter().zip(answers) {
        let ours = Number::parse(one)
            .unwrap()
            .cmp(&Number::parse(other).unwrap());
        assert_eq!(
            ours,
            answer.cmp(&0),
            "`{one}` and `{other}` (seed {})",
            random.seed
        );
    }
}
