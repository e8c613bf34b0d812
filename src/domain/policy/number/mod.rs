//! Numbers as Go's `strconv.ParseFloat(text, 64)` accepts them, but compared by their exact value.
//!
//! Go rounds to a 64-bit float first, so two timestamps of 17 digits can be equal to it; here they are not. The order is total:
//! NaN, then negative infinity, the finite numbers by value, positive infinity. What Go rounds to zero is zero, whatever its
//! sign; what is too large for Go (`1e400`) is no number. Invariant: parsing and comparing decimals allocates nothing.

use super::exact::{Exact, scale};
use std::cmp::Ordering;

/// A number that borrows its text.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    negative: bool,
    magnitude: Magnitude<'a>,
}

/// The absolute value. The order of the variants is the order of values, but for NaN.
#[derive(Debug, Clone, Copy)]
enum Magnitude<'a> {
    NotANumber,
    Zero,
    Finite(Finite<'a>),
    Infinite,
}

#[derive(Debug, Clone, Copy)]
struct Finite<'a> {
    radix: Radix,
    /// The digits from the first that is not 0 to the last, with points and underscores between them.
    digits: &'a str,
    /// How many digits stand before the point when the point is moved by the exponent; negative for zeros after it.
    ///
    /// For hexadecimal numbers this counts digits, and `binary_exponent` is on top of it.
    point: i64,
    binary_exponent: i64,
    /// The value rounded to the nearest float, known for hexadecimal numbers.
    rounded: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Radix {
    Decimal,
    Hexadecimal,
}

impl<'a> Number<'a> {
    /// Reads a number; `None` where Go gives an error.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.eq_ignore_ascii_case("nan") {
            return Some(Number {
                negative: false,
                magnitude: Magnitude::NotANumber,
            });
        }
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
            return Some(Number {
                negative,
                magnitude: Magnitude::Infinite,
            });
        }
        let magnitude = Literal::parse(unsigned)?.magnitude()?;
        Some(Number {
            negative,
            magnitude,
        })
    }

    /// Whether it is Go's NaN.
    pub fn is_nan(&self) -> bool {
        matches!(self.magnitude, Magnitude::NotANumber)
    }

    /// -1 for NaN (which precedes everything), 0 for negative numbers, 1 for zero, 2 for positive ones.
    fn sign_rank(&self) -> i8 {
        match (&self.magnitude, self.negative) {
            (Magnitude::NotANumber, _) => -1,
            (Magnitude::Zero, _) => 1,
            (_, true) => 0,
            (_, false) => 2,
        }
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sign_rank().cmp(&other.sign_rank()).then_with(|| {
            let order = match (&self.magnitude, &other.magnitude) {
                (Magnitude::Finite(one), Magnitude::Finite(other)) => one.compare(other),
                (Magnitude::Infinite, Magnitude::Finite(_)) => Ordering::Greater,
                (Magnitude::Finite(_), Magnitude::Infinite) => Ordering::Less,
                _ => Ordering::Equal,
            };
            if self.negative {
                order.reverse()
            } else {
                order
            }
        })
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number<'_> {}

impl Finite<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        if self.radix == Radix::Decimal && other.radix == Radix::Decimal {
            return self
                .point
                .cmp(&other.point)
                .then_with(|| compare_digits(self.values(), other.values()));
        }
        // Rounding keeps the order, so only equal floats need the exact values; these have small exponents.
        self.rounded()
            .total_cmp(&other.rounded())
            .then_with(|| self.exact().compare(&other.exact()))
    }

    /// The values of the digits.
    fn values(&self) -> impl Iterator<Item = u8> {
        let digits = self
            .digits
            .bytes()
            .filter(|byte| byte.is_ascii_alphanumeric());
        digits.map(|byte| {
            if byte.is_ascii_digit() {
                byte - b'0'
            } else {
                (byte | 0x20) - b'a' + 10
            }
        })
    }

    fn rounded(&self) -> f64 {
        match self.radix {
            Radix::Hexadecimal => self.rounded,
            Radix::Decimal => round_decimal(self.values(), self.point),
        }
    }

    fn exact(&self) -> Exact {
        let count = i64::try_from(self.values().count()).unwrap_or(i64::MAX);
        match self.radix {
            Radix::Decimal => Exact::new(self.values(), 10, self.point - count, self.point - count),
            Radix::Hexadecimal => Exact::new(
                self.values(),
                16,
                4 * (self.point - count) + self.binary_exponent,
                0,
            ),
        }
    }
}

/// Compares digits after the point, of which those that are missing are 0.
fn compare_digits(
    mut one: impl Iterator<Item = u8>,
    mut other: impl Iterator<Item = u8>,
) -> Ordering {
    loop {
        match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => match left.unwrap_or(0).cmp(&right.unwrap_or(0)) {
                Ordering::Equal => {}
                different => return different,
            },
        }
    }
}

/// The float nearest to `0.digits * 10^point`.
fn round_decimal(digits: impl Iterator<Item = u8>, point: i64) -> f64 {
    let mut text: String = "0.".to_owned();
    text.extend(digits.map(|digit| char::from(b'0' + digit)));
    text.push_str(&format!("e{point}"));
    text.parse().unwrap_or(f64::INFINITY)
}

/// The parts of a finite number's text.
struct Literal<'a> {
    radix: Radix,
    /// Digits with at most one point, and underscores.
    significand: &'a str,
    exponent: i64,
}

impl<'a> Literal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let prefixed = text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X"));
        let (radix, base, mark) = if prefixed {
            (Radix::Hexadecimal, 16, b'p')
        } else {
            (Radix::Decimal, 10, b'e')
        };
        let body = if prefixed { &text[2..] } else { text };
        let mut points = 0;
        let length = body
            .bytes()
            .take_while(|byte| {
                points += u8::from(*byte == b'.');
                *byte == b'_' || (*byte == b'.' && points == 1) || char::from(*byte).is_digit(base)
            })
            .count();
        let (significand, rest) = body.split_at(length);
        if !significand
            .bytes()
            .any(|byte| char::from(byte).is_digit(base))
        {
            return None;
        }
        let exponent = match rest.as_bytes().first() {
            None if prefixed => return None,
            None => 0,
            Some(byte) if byte.to_ascii_lowercase() == mark => parse_exponent(&rest[1..])?,
            Some(_) => return None,
        };
        if text.contains('_') && !are_underscores_placed_well(body, prefixed) {
            return None;
        }
        Some(Literal {
            radix,
            significand,
            exponent,
        })
    }

    /// The value, or `None` when Go finds it too large.
    fn magnitude(self) -> Option<Magnitude<'a>> {
        let is_digit = |byte: u8| byte != b'.' && byte != b'_';
        let Some(first) = self
            .significand
            .bytes()
            .position(|byte| is_digit(byte) && byte != b'0')
        else {
            return Some(Magnitude::Zero);
        };
        let count = |text: &str| {
            i64::try_from(text.bytes().filter(|byte| is_digit(*byte)).count()).unwrap_or(i64::MAX)
        };
        let before_point = self.significand.split('.').next().map_or(0, count);
        let leading = count(&self.significand[..first]);
        let mut finite = Finite {
            radix: self.radix,
            digits: &self.significand[first..],
            point: before_point - leading,
            binary_exponent: 0,
            rounded: 0.0,
        };
        match self.radix {
            Radix::Hexadecimal => {
                finite.binary_exponent = self.exponent;
                finite.rounded = scale(finite.values(), 4 * finite.point + self.exponent)?;
            }
            Radix::Decimal => {
                finite.point += self.exponent;
                // Only at the ends of a float's range does it take rounding to decide.
                finite.rounded = match finite.point {
                    ..=-324 => 0.0,
                    -323 | 309 => round_decimal(finite.values(), finite.point),
                    -322..309 => 1.0,
                    310.. => f64::INFINITY,
                };
            }
        }
        match finite.rounded {
            0.0 => Some(Magnitude::Zero),
            f64::INFINITY => None,
            _ => Some(Magnitude::Finite(finite)),
        }
    }
}

/// Reads the exponent after its mark. It saturates where any number is too large or zero.
fn parse_exponent(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let mut value = 0;
    for byte in digits.bytes().filter(|byte| *byte != b'_') {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = (value * 10 + i64::from(byte - b'0')).min(1_000_000);
    }
    Some(if negative { -value } else { value })
}

/// Whether each underscore stands between two digits, or between the prefix and a digit.
fn are_underscores_placed_well(body: &str, prefixed: bool) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (prefixed && byte.is_ascii_hexdigit());
    let mut before = if prefixed { b'0' } else { b'.' };
    for byte in body.bytes() {
        if (byte == b'_' && !is_digit(before)) || (before == b'_' && !is_digit(byte)) {
            return false;
        }
        before = byte;
    }
    before != b'_'
}

#[cfg(test)]
mod tests;
