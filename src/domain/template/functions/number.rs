//! Numbers. What is no number counts as zero, as in the library that Sprig uses.

use super::super::item::{Item, List};
use super::super::parse::{parse_float, parse_int};
use super::super::run::{Budget, Outcome};
use super::super::value::{IntKind, Type};
use super::Parameter::{Any, Float, Int, Text as TextParameter};
use super::decimal::Decimal;
use super::{Signature, any, int, made, printed, text};

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::open("add", &[], Any, |_, given| {
        fold(0, given, i64::wrapping_add)
    }),
    Signature::new("add1", &[Any], |_, given| {
        Ok(Item::int64(to_int(any(given, 0)).wrapping_add(1)))
    }),
    Signature::new("add1f", &[Any], |budget, given| {
        let all = [any(given, 0).clone(), Item::int(1)];
        decimals(budget, &all, Decimal::plus)
    }),
    Signature::open("addf", &[], Any, |budget, given| {
        let all = [&[Item::Float(0.0)], given].concat();
        decimals(budget, &all, Decimal::plus)
    }),
    Signature::new("atoi", &[TextParameter], |_, given| {
        Ok(Item::int(to_whole(text(given, 0))))
    }),
    Signature::open("biggest", &[Any], Any, |_, given| most(given, i64::max)),
    Signature::new("ceil", &[Any], |_, given| {
        Ok(Item::Float(to_float(any(given, 0)).ceil()))
    }),
    Signature::new("div", &[Any, Any], |_, given| {
        divided(given, i64::wrapping_div)
    }),
    Signature::open("divf", &[Any], Any, |budget, given| {
        decimals(budget, given, Decimal::divided)
    }),
    Signature::new("float64", &[Any], |_, given| {
        Ok(Item::Float(to_float(any(given, 0))))
    }),
    Signature::new("floor", &[Any], |_, given| {
        Ok(Item::Float(to_float(any(given, 0)).floor()))
    }),
    Signature::new("int", &[Any], |_, given| {
        Ok(Item::int(to_int(any(given, 0))))
    }),
    Signature::new("int64", &[Any], |_, given| {
        Ok(Item::int64(to_int(any(given, 0))))
    }),
    Signature::open("max", &[Any], Any, |_, given| most(given, i64::max)),
    Signature::open("maxf", &[Any], Any, |_, given| {
        most_float(given, f64::INFINITY, |a, b| a > b)
    }),
    Signature::open("min", &[Any], Any, |_, given| most(given, i64::min)),
    Signature::open("minf", &[Any], Any, |_, given| {
        most_float(given, f64::NEG_INFINITY, |a, b| a < b)
    }),
    Signature::new("mod", &[Any, Any], |_, given| {
        divided(given, i64::wrapping_rem)
    }),
    Signature::open("mul", &[Any], Any, |_, given| {
        let first = to_int(any(given, 0));
        fold(first, &given[1..], i64::wrapping_mul)
    }),
    Signature::open("mulf", &[Any], Any, |budget, given| {
        decimals(budget, given, Decimal::times)
    }),
    Signature::open("round", &[Any, Int], Float, round),
    Signature::open("seq", &[], Int, seq),
    Signature::new("sub", &[Any, Any], |_, given| {
        let (left, right) = (to_int(any(given, 0)), to_int(any(given, 1)));
        Ok(Item::int64(left.wrapping_sub(right)))
    }),
    Signature::open("subf", &[Any], Any, |budget, given| {
        decimals(budget, given, Decimal::minus)
    }),
    Signature::new("toDecimal", &[Any], |budget, given| {
        let text = printed(budget, any(given, 0))?.to_text().into_owned();
        let octal = i64::from_str_radix(&text, 8);
        Ok(Item::int64(octal.unwrap_or(0)))
    }),
    Signature::new("until", &[Int], |budget, given| {
        let end = int(given, 0);
        ints(budget, (0, end, end.signum() | 1))
    }),
    Signature::new("untilStep", &[Int, Int, Int], |budget, given| {
        ints(budget, (int(given, 0), int(given, 1), int(given, 2)))
    }),
];

/// Where the integers end.
const TWO_TO_63: f64 = 9.223_372_036_854_776e18;

/// What a value is as an integer.
pub(super) fn to_int(item: &Item) -> i64 {
    match item {
        Item::Bool(value) => i64::from(*value),
        Item::Int(_, value) => *value,
        Item::Uint(_, value) => *value as i64,
        Item::Float(value) if (-TWO_TO_63..TWO_TO_63).contains(value) => *value as i64,
        Item::Float(_) => i64::MIN,
        Item::Text(text) => {
            let text = text.to_text();
            parse_int(without_zero_fraction(&text)).unwrap_or(0)
        }
        _ => 0,
    }
}

/// `3.00` is `3`, and `3.10` stays.
fn without_zero_fraction(text: &str) -> &str {
    let short = text.trim_end_matches('0');
    match short.strip_suffix('.') {
        Some(whole) if short.len() < text.len() => whole,
        _ => text,
    }
}

/// What a value is as a float.
pub(super) fn to_float(item: &Item) -> f64 {
    match item {
        Item::Bool(value) => f64::from(u8::from(*value)),
        Item::Int(_, value) => *value as f64,
        Item::Uint(_, value) => *value as f64,
        Item::Float(value) => *value,
        Item::Text(text) => parse_float(&text.to_text()).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Go's `Atoi`, whose error is passed over: what is too large is the largest.
fn to_whole(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let value = digits.iter().fold(0i128, |value, digit| {
        (value * 10 + i128::from(digit - b'0')).min(1 << 100)
    });
    let value = if negative { -value } else { value };
    value.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn fold(start: i64, given: &[Item], add: fn(i64, i64) -> i64) -> Outcome<Item> {
    Ok(Item::int64(given.iter().map(to_int).fold(start, add)))
}

fn most(given: &[Item], choose: fn(i64, i64) -> i64) -> Outcome<Item> {
    let most = given.iter().map(to_int).reduce(choose);
    Ok(Item::int64(most.unwrap_or(0)))
}

/// Go's `math.Max` and `math.Min`: the extreme beats everything, then what is no number does.
fn most_float(given: &[Item], extreme: f64, is_more: fn(f64, f64) -> bool) -> Outcome<Item> {
    let choose = |a: f64, b: f64| {
        if a == extreme || b == extreme {
            extreme
        } else if a.is_nan() || b.is_nan() {
            f64::NAN
        } else if a == 0.0 && b == 0.0 {
            if a.is_sign_negative() == (extreme < 0.0) {
                a
            } else {
                b
            }
        } else if is_more(a, b) {
            a
        } else {
            b
        }
    };
    let most = given.iter().map(to_float).reduce(choose);
    Ok(Item::Float(most.unwrap_or(0.0)))
}

fn divided(given: &[Item], divide: fn(i64, i64) -> i64) -> Outcome<Item> {
    match to_int(any(given, 1)) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(Item::int64(divide(to_int(any(given, 0)), divisor))),
    }
}

fn decimals(
    budget: &mut Budget,
    given: &[Item],
    operate: fn(&Decimal, &Decimal) -> Outcome<Decimal>,
) -> Outcome<Item> {
    let mut numbers = given.iter().map(|item| Decimal::new(to_float(item)));
    let mut result = numbers.next().unwrap_or_else(|| Decimal::new(0.0))?;
    for number in numbers {
        let number = number?;
        budget.step(result.cost(&number))?;
        result = operate(&result, &number)?;
    }
    Ok(Item::Float(result.to_float()))
}

fn round(_: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let limit = match given.get(2) {
        Some(Item::Float(limit)) => *limit,
        _ => 0.5,
    };
    // As Go's `math.Pow` does with whole exponents: by squaring, exact to 10²².
    let places = int(given, 1).clamp(-1000, 1000);
    let power = 10f64.powi(i32::try_from(places).unwrap_or_default());
    let shifted = power * to_float(any(given, 0));
    let rounded = if shifted.fract() >= limit {
        shifted.ceil()
    } else {
        shifted.floor()
    };
    Ok(Item::Float(rounded / power))
}

/// How many numbers there are from a start to before an end in steps.
fn steps((start, end, step): (i64, i64, i64)) -> usize {
    let distance = i128::from(end) - i128::from(start);
    let step = i128::from(step);
    if step == 0 || distance == 0 || (distance > 0) != (step > 0) {
        return 0;
    }
    let count = (distance.abs() + step.abs() - 1) / step.abs();
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn ints(budget: &mut Budget, range: (i64, i64, i64)) -> Outcome<Item> {
    let count = steps(range);
    budget.items(count)?;
    let items = (0..count as i64).map(|index| Item::int(range.0 + index * range.2));
    let items = List::new(Type::Int(IntKind::Int), items.collect());
    Ok(Item::List(items))
}

/// Numbers with spaces between them, the last one included.
fn seq(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let numbers: Vec<i64> = (0..given.len()).map(|index| int(given, index)).collect();
    let (start, end, step) = match numbers.as_slice() {
        [end] => (1, *end, None),
        [start, end] => (*start, *end, None),
        [start, step, end] => (*start, *end, Some(*step)),
        _ => return made(budget, ""),
    };
    let way = if end < start { -1 } else { 1 };
    if way < 0 && step.is_some_and(|step| step > 0) {
        return made(budget, "");
    }
    let range = (start, end.wrapping_add(way), step.unwrap_or(way));
    let count = steps(range);
    budget.items(count)?;
    let numbers = (0..count as i64).map(|index| (range.0 + index * range.2).to_string());
    made(budget, numbers.collect::<Vec<_>>().join(" "))
}
