//! Constants as Go writes them: numbers, characters and strings.

use super::super::item::Text;

/// A number with everything it can stand for.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Number {
    /// As it was written.
    pub(in super::super) text: String,
    pub(in super::super) int: Option<i64>,
    pub(in super::super) uint: Option<u64>,
    pub(in super::super) float: Option<f64>,
    pub(in super::super) complex: Option<(f64, f64)>,
}

impl Number {
    /// A constant like `'a'`.
    pub(in super::super) fn character(text: &str) -> Result<Self, String> {
        let inner = text.get(1..).unwrap_or_default();
        let (code, rest) = unquote_char(inner, b'\'').ok_or("invalid syntax")?;
        if rest != "'" {
            return Err(format!("malformed character constant: {text}"));
        }
        let code = match code {
            Unit::Byte(byte) => u32::from(byte),
            Unit::Char(character) => u32::from(character),
        };
        Ok(Self {
            text: text.to_owned(),
            int: Some(i64::from(code)),
            uint: Some(u64::from(code)),
            float: Some(f64::from(code)),
            complex: None,
        })
    }

    /// A constant like `0x1F`, `1_000`, `2.5e3` or `3i`.
    pub(in super::super) fn parse(text: &str) -> Result<Self, String> {
        let mut number = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        if let Some(imaginary) = text.strip_suffix('i').and_then(parse_float) {
            number.set_complex(0.0, imaginary);
            return Ok(number);
        }
        number.uint = parse_uint(text);
        number.int = parse_int(text);
        if number.int == Some(0) {
            number.uint = Some(0);
        }
        if let Some(int) = number.int {
            number.float = Some(int as f64);
        } else if let Some(uint) = number.uint {
            number.float = Some(uint as f64);
        } else if let Some(float) = parse_float(text) {
            if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {text:?}"));
            }
            number.set_float(float);
        } else {
            return Err(format!("illegal number syntax: {text:?}"));
        }
        Ok(number)
    }

    /// A constant like `1+2i`.
    pub(in super::super) fn complex(text: &str) -> Result<Self, String> {
        let error = || "syntax error scanning complex number".to_owned();
        let body = text.strip_suffix('i').ok_or_else(error)?;
        let sign = |(at, byte): &(usize, u8)| {
            *at > 0
                && matches!(byte, b'+' | b'-')
                && !matches!(body.as_bytes()[at - 1], b'e' | b'E' | b'p' | b'P')
        };
        let (split, _) = body.bytes().enumerate().find(sign).ok_or_else(error)?;
        let (real, imaginary) = (parse_float(&body[..split]), parse_float(&body[split..]));
        let (real, imaginary) = real.zip(imaginary).ok_or_else(error)?;
        let mut number = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        number.set_complex(real, imaginary);
        Ok(number)
    }

    fn set_complex(&mut self, real: f64, imaginary: f64) {
        self.complex = Some((real, imaginary));
        if imaginary == 0.0 {
            self.set_float(real);
        }
    }

    fn set_float(&mut self, float: f64) {
        self.float = Some(float);
        if float.fract() == 0.0 && (-9.3e18..9.2e18).contains(&float) {
            self.int = Some(float as i64);
        }
        if float.fract() == 0.0 && (0.0..1.8e19).contains(&float) {
            self.uint = Some(float as u64);
        }
    }
}

/// `strconv.ParseInt` in the base of its prefix.
pub(in super::super) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    match negative {
        true if magnitude <= 1 << 63 => Some((magnitude as i64).wrapping_neg()),
        true => None,
        false => i64::try_from(magnitude).ok(),
    }
}

/// `strconv.ParseUint` in the base of its prefix.
pub(in super::super) fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits, prefixed) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..], true),
        [b'0', b'b', ..] => (2, &lower[2..], true),
        [b'0', b'o', ..] => (8, &lower[2..], true),
        [b'0', _, ..] => (8, &lower[1..], true),
        _ => (10, lower.as_str(), false),
    };
    if !underscores_are_between_digits(digits, prefixed) {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&digits, radix).ok()
}

fn underscores_are_between_digits(digits: &str, prefixed: bool) -> bool {
    let inner = digits.strip_prefix('_').filter(|_| prefixed);
    let inner = inner.unwrap_or(digits);
    !inner.starts_with('_') && !inner.ends_with('_') && !inner.contains("__")
}

/// `strconv.ParseFloat`.
pub(in super::super) fn parse_float(text: &str) -> Option<f64> {
    let (sign, body) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let lower = body.to_ascii_lowercase();
    if matches!(lower.as_str(), "inf" | "infinity") {
        return Some(sign * f64::INFINITY);
    }
    if lower == "nan" {
        return Some(f64::NAN);
    }
    if let Some(hex) = lower.strip_prefix("0x") {
        return parse_hex_float(hex).map(|value| sign * value);
    }
    let numeric = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-');
    let joined = lower
        .as_bytes()
        .windows(3)
        .all(|part| part[1] != b'_' || (part[0].is_ascii_digit() && part[2].is_ascii_digit()));
    if !joined || lower.starts_with('_') || lower.ends_with('_') {
        return None;
    }
    let lower = lower.replace('_', "");
    if !lower.bytes().all(numeric) || lower.starts_with(['+', '-', 'e']) {
        return None;
    }
    let value: f64 = lower.parse().ok()?;
    value.is_finite().then_some(sign * value)
}

/// The digits of a hexadecimal float behind `0x`; the exponent is mandatory.
fn parse_hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent
        .parse()
        .ok()
        .filter(|n| (-5000..5000).contains(n))?;
    let mantissa = mantissa.replace('_', "");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 16 || digits.starts_with(['+', '-']) {
        return None;
    }
    let value = u64::from_str_radix(&digits, 16).ok()? as f64;
    let shift = exponent - 4 * i32::try_from(fraction.len()).ok()?;
    let (half, rest) = (shift / 2, shift - shift / 2);
    let value = value * 2f64.powi(half) * 2f64.powi(rest);
    value.is_finite().then_some(value)
}

/// What one character of a literal stands for.
enum Unit {
    Byte(u8),
    Char(char),
}

/// `strconv.Unquote` for `"..."` and `` `...` ``.
pub(in super::super) fn unquote(literal: &str) -> Option<Text> {
    let quote = *literal.as_bytes().first()?;
    let inner = literal.get(1..literal.len().checked_sub(1).filter(|end| *end > 0)?)?;
    if quote == b'`' {
        return Some(inner.replace('\r', "").into());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (unit, after) = unquote_char(rest, quote)?;
        match unit {
            Unit::Byte(byte) => bytes.push(byte),
            Unit::Char(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = after;
    }
    Some(bytes.into())
}

/// Reads one character or escape; what is behind it comes second.
fn unquote_char(text: &str, quote: u8) -> Option<(Unit, &str)> {
    let first = text.chars().next()?;
    let rest = &text[first.len_utf8()..];
    if first != '\\' {
        let is_quote = u32::from(first) == u32::from(quote);
        return (!is_quote && first != '\n').then_some((Unit::Char(first), rest));
    }
    let escape = *rest.as_bytes().first()?;
    let simple = |character| Some((Unit::Char(character), rest.get(1..)?));
    let digits = |from: usize, count: usize, radix| {
        let digits = rest.get(from..from + count)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = u32::from_str_radix(digits, radix).ok().filter(|_| plain)?;
        Some((value, &rest[from + count..]))
    };
    match escape {
        b'a' => simple('\x07'),
        b'b' => simple('\x08'),
        b'f' => simple('\x0c'),
        b'n' => simple('\n'),
        b'r' => simple('\r'),
        b't' => simple('\t'),
        b'v' => simple('\x0b'),
        b'\\' => simple('\\'),
        b'\'' | b'"' if escape == quote => simple(char::from(escape)),
        b'x' => digits(1, 2, 16).map(|(value, after)| (Unit::Byte(value as u8), after)),
        b'0'..=b'7' => {
            let (value, after) = digits(0, 3, 8)?;
            Some((Unit::Byte(u8::try_from(value).ok()?), after))
        }
        b'u' | b'U' => {
            let (value, after) = digits(1, if escape == b'u' { 4 } else { 8 }, 16)?;
            Some((Unit::Char(char::from_u32(value)?), after))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_all_that_they_can_be() {
        let all = |text: &str| {
            let number = Number::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            (number.int, number.uint, number.float)
        };
        assert_eq!(all("0x1F"), (Some(31), Some(31), Some(31.0)));
        assert_eq!(all("017"), (Some(15), Some(15), Some(15.0)));
        assert_eq!(all("1_000"), (Some(1000), Some(1000), Some(1000.0)));
        assert_eq!(all("-3"), (Some(-3), None, Some(-3.0)));
        assert_eq!(all("2.5e1"), (Some(25), Some(25), Some(25.0)));
        assert_eq!(all("1.5"), (None, None, Some(1.5)));
        assert_eq!(all("0x1p4"), (Some(16), Some(16), Some(16.0)));
        for wrong in ["1__0", "0x", "08", "99999999999999999999", "1e999", "_1"] {
            assert!(Number::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn literals_are_unquoted_as_in_go() {
        for (literal, expected) in [
            (r#""a\tb\x41\101\u00e9\U0001F600\"""#, "a\tbAAé😀\""),
            ("`a\\n\r`", "a\\n"),
            (r#""""#, ""),
        ] {
            assert_eq!(unquote(literal), Some(expected.into()), "{literal}");
        }
        for wrong in [r#""\'""#, r#""\400""#, r#""\ud800""#, r#""\q""#, "\"\n\""] {
            assert_eq!(unquote(wrong), None, "{wrong}");
        }
    }
}
