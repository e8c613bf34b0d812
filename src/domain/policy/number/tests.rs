use super::*;

fn number(text: &str) -> Number<'_> {
    Number::parse(text).unwrap_or_else(|| panic!("`{text}` is a number"))
}

#[test]
fn what_go_parses_as_a_float_is_a_number() {
    for text in [
        "0",
        "1e3",
        "+5",
        "-5",
        ".5",
        "5.",
        "1_000",
        "0x1p-2",
        "0X_1.8P1",
        "Inf",
        "-infinity",
        "+inf",
        "NaN",
        "00012",
        "1e-99999999999",
        "20251123010203999",
        "1.7976931348623158e308",
        "0e99999",
    ] {
        assert!(Number::parse(text).is_some(), "{text}");
    }
    for text in [
        "",
        " 5",
        "5 ",
        "0x10",
        "1.2.3",
        "v1",
        "_1",
        "1_",
        "1__0",
        "1_.5",
        "1e",
        "e1",
        "+",
        ".",
        "-nan",
        "+nan",
        "infin",
        "0x",
        "0xp1",
        "1e400",
        "-1e309",
        "1.7976931348623159e308",
        "0x1p1024",
        "1p5",
        "0x1e5",
        "é",
        "1é",
    ] {
        assert!(Number::parse(text).is_none(), "{text}");
    }
}

#[test]
fn numbers_are_totally_ordered() {
    let ascending = [
        "nan",
        "-inf",
        "-1e308",
        "-2",
        "-1.5",
        "-0x1p-1000",
        "0",
        "4.9e-324",
        "0x1p-1000",
        "0.001",
        "1",
        "1.5",
        "0x1.8p1",
        "10",
        "9007199254740992",
        "9007199254740993",
        "0x20000000000002p0",
        "20251123010203998",
        "20251123010203999",
        "1e308",
        "inf",
    ];
    for (index, one) in ascending.iter().enumerate() {
        for (other_index, other) in ascending.iter().enumerate() {
            assert_eq!(
                number(one).cmp(&number(other)),
                index.cmp(&other_index),
                "{one} and {other}"
            );
        }
    }
}

#[test]
fn equal_values_are_equal_however_they_are_written() {
    for (one, other) in [
        ("1", "1.000"),
        ("1", "01"),
        ("1e3", "1_000"),
        ("0x1p4", "16"),
        ("0x.8p1", "1e0"),
        ("0", "-0"),
        ("0", "1e-400"),
        ("-0", "0x1p-5000"),
        ("NaN", "nan"),
        ("inf", "+Infinity"),
        ("100", "1e2"),
        ("0.5", "0x1p-1"),
        ("12345678901234567890", "1234567890123456789e1"),
    ] {
        assert_eq!(number(one), number(other), "{one} and {other}");
    }
    assert!(number("nan").is_nan() && !number("0").is_nan());
}

#[test]
fn numbers_that_round_to_one_float_are_told_apart() {
    let tie = 1u64 << 60;
    for (smaller, larger) in [
        (format!("{tie}"), format!("{}", tie + 1)),
        (format!("0x{tie:x}p0"), format!("{}", tie + 1)),
        (format!("{tie}"), format!("0x{:x}p0", tie + 1)),
        ("0.1".to_owned(), "0x1.999999999999ap-4".to_owned()),
        ("0x1.99999999999999p-4".to_owned(), "0.1".to_owned()),
        (
            format!("1{}", "0".repeat(100)),
            format!("1{}1", "0".repeat(99)),
        ),
    ] {
        assert_eq!(
            number(&smaller).cmp(&number(&larger)),
            Ordering::Less,
            "{smaller} < {larger}"
        );
        assert_eq!(
            number(&larger).cmp(&number(&smaller)),
            Ordering::Greater,
            "{larger} > {smaller}"
        );
    }
}
