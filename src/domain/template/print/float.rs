//! Floats as Go's `strconv.FormatFloat` writes them.

use super::Flags;

/// A float's digits and where its point is: 0.`digits` times ten to the power of `point`.
pub(in super::super) struct Shape {
    pub(in super::super) digits: String,
    pub(in super::super) point: i32,
}

impl Shape {
    /// The digits of a finite number: as few as tell it from others, or so many, rounded.
    pub(in super::super) fn new(value: f64, digits: Option<usize>) -> Self {
        let written = match digits {
            Some(count) => format!("{:.*e}", count.max(1) - 1, value.abs()),
            None => format!("{:e}", value.abs()),
        };
        let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        let digits = mantissa.replace('.', "");
        let digits = digits.trim_end_matches('0').to_owned();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let point = if digits.is_empty() { 0 } else { exponent + 1 };
        Self { digits, point }
    }
}

/// A float in one of Go's formats; without a precision, with as few digits as tell it from others.
pub(in super::super) fn float(value: f64, format: char, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return format!("{}Inf", if sign.is_empty() { "+" } else { sign });
    }
    let body = match format {
        'b' => return binary(value),
        'x' | 'X' => {
            let written = hexadecimal(value.abs(), precision);
            if format == 'X' {
                written.to_uppercase()
            } else {
                written
            }
        }
        'e' | 'E' => exponential(value, format, precision),
        'f' => match precision {
            Some(precision) => format!("{:.*}", precision, value.abs()),
            None => value.abs().to_string(),
        },
        _ => general(value, format, precision),
    };
    format!("{sign}{body}")
}

fn exponential(value: f64, letter: char, precision: Option<usize>) -> String {
    let written = match precision {
        Some(precision) => format!("{:.*e}", precision, value.abs()),
        None => format!("{:e}", value.abs()),
    };
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let letter = if letter.is_uppercase() { 'E' } else { 'e' };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{letter}{sign}{:02}", exponent.abs())
}

fn general(value: f64, letter: char, precision: Option<usize>) -> String {
    let precision = precision.map(|precision| precision.max(1));
    let shape = Shape::new(value, precision);
    let count = shape.digits.len() as i32;
    let mut limit = precision.map_or(6, |precision| precision as i32);
    if precision.is_some() && limit > count && count >= shape.point {
        limit = count;
    }
    let exponent = shape.point - 1;
    if exponent < -4 || exponent >= limit {
        let digits = shape.digits.len().max(1) - 1;
        return exponential(value, letter, Some(digits));
    }
    format!("{:.*}", (count - shape.point).max(0) as usize, value.abs())
}

/// `-8388608p-23`
fn binary(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}{mantissa}p{exponent:+}")
}

/// The integer mantissa and the power of two.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    match exponent {
        0 => (fraction, 1 - 1075),
        _ => (fraction | 1 << 52, exponent - 1075),
    }
}

/// `0x1.8p+01` of a positive number.
fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        exponent += 52;
        while mantissa & (1 << 52) == 0 {
            mantissa <<= 1;
            exponent -= 1;
        }
    }
    // One bit before the point, 13 digits behind it.
    if let Some(precision) = precision.filter(|precision| *precision < 13) {
        let shift = 4 * (13 - precision) as u32;
        let (half, rest) = (1u64 << (shift - 1), mantissa & ((1 << shift) - 1));
        mantissa >>= shift;
        let up = rest > half || (rest == half && mantissa & 1 == 1);
        mantissa = (mantissa + u64::from(up)) << shift;
        if mantissa >> 53 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let digits = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(precision) if precision <= 13 => digits[..precision].to_owned(),
        Some(precision) => format!("{digits:0<precision$}"),
    };
    let point = if digits.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!(
        "0x{}{point}{digits}p{sign}{:02}",
        mantissa >> 52,
        exponent.abs()
    )
}

/// A float with the sign and the zeros that flags ask for.
pub(super) fn formatted(
    value: f64,
    format: char,
    precision: Option<usize>,
    flags: &Flags,
) -> String {
    let mut number = float(value, format, precision);
    if !number.starts_with(['+', '-']) {
        number.insert(0, '+');
    }
    if !value.is_finite() {
        if value.is_nan() && !flags.space && !flags.plus {
            number.remove(0);
        } else if flags.space && !flags.plus && number.starts_with('+') {
            number.replace_range(..1, " ");
        }
        return number;
    }
    if flags.sharp && format != 'b' {
        number = with_point(&number, format, precision);
    }
    match number.starts_with('+') {
        true if flags.plus => {}
        true if flags.space => number.replace_range(..1, " "),
        true => {
            number.remove(0);
        }
        false => {}
    }
    number
}

/// `%#g`: the point stays, and so do zeros behind it.
fn with_point(number: &str, format: char, precision: Option<usize>) -> String {
    let hexadecimal = matches!(format, 'x' | 'X');
    let tail = number.find(|character| match character {
        'p' | 'P' => true,
        'e' | 'E' => !hexadecimal,
        _ => false,
    });
    let (body, tail) = number.split_at(tail.unwrap_or(number.len()));
    let mut digits = match format {
        'g' | 'G' | 'x' => precision.map_or(6, |precision| precision as i64),
        _ => 0,
    };
    let significant = body[1..].trim_start_matches(['0', '.']);
    let counted = significant.chars().filter(|character| *character != '.');
    digits -= counted.count() as i64;
    let mut body = body.to_owned();
    if !body.contains('.') {
        if body.len() == 2 && body.ends_with('0') {
            digits -= 1;
        }
        body.push('.');
    }
    body.push_str(&"0".repeat(usize::try_from(digits).unwrap_or(0)));
    body + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_in_go() {
        for (value, format, precision, written) in [
            (1e6, 'g', None, "1e+06"),
            (123_456.0, 'g', None, "123456"),
            (1e-5, 'g', None, "1e-05"),
            (0.1, 'g', None, "0.1"),
            (100.0, 'g', Some(3), "100"),
            (1234.5678, 'e', Some(2), "1.23e+03"),
            (2.5, 'f', Some(0), "2"),
            (1.0, 'x', None, "0x1p+00"),
            (1.5, 'b', None, "6755399441055744p-52"),
            (-0.0, 'g', None, "-0"),
            (f64::NEG_INFINITY, 'g', None, "-Inf"),
        ] {
            assert_eq!(float(value, format, precision), written);
        }
    }
}
