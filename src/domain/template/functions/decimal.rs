//! Decimal numbers of any length, for sums that floats get wrong.
//!
//! Numbers stay below some thousand digits, since every one comes from a float; so plain long arithmetic does.

use super::super::print::{Shape, float};
use super::super::run::{Fault, Outcome};
use std::cmp::Ordering;

/// Digits behind the point of a quotient.
const DIVISION_DIGITS: i64 = 16;

/// `digits` times ten to the power of `exponent`.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    negative: bool,
    /// From the highest on, without zeros before; empty for zero.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    pub(super) fn new(value: f64) -> Outcome<Self> {
        if !value.is_finite() {
            let text = float(value, 'g', None);
            return Err(format!("Cannot create a Decimal from {text}").into());
        }
        let shape = Shape::new(value, None);
        let digits: Vec<u8> = shape.digits.bytes().map(|digit| digit - b'0').collect();
        Ok(Self {
            negative: value < 0.0,
            exponent: i64::from(shape.point) - digits.len() as i64,
            digits,
        })
    }

    pub(super) fn to_float(&self) -> f64 {
        if self.digits.is_empty() {
            return 0.0;
        }
        let digits: String = self
            .digits
            .iter()
            .map(|digit| char::from(b'0' + digit))
            .collect();
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{digits}e{}", self.exponent)
            .parse()
            .unwrap_or(0.0)
    }

    /// About how many digits an operation looks at.
    pub(super) fn cost(&self, other: &Self) -> usize {
        let apart = usize::try_from((self.exponent - other.exponent).abs()).unwrap_or(usize::MAX);
        let length = (self.digits.len() + other.digits.len()).saturating_add(apart);
        length.saturating_mul(length) / 64 + 1
    }

    /// The digits with zeros behind them, for a lower exponent.
    fn scaled(&self, exponent: i64) -> Vec<u8> {
        let mut digits = self.digits.clone();
        if !digits.is_empty() {
            let zeros = usize::try_from(self.exponent - exponent).unwrap_or(0);
            digits.resize(digits.len() + zeros, 0);
        }
        digits
    }

    pub(super) fn plus(&self, other: &Self) -> Outcome<Self> {
        let exponent = self.exponent.min(other.exponent);
        let (left, right) = (self.scaled(exponent), other.scaled(exponent));
        let (negative, digits) = if self.negative == other.negative {
            (self.negative, sum(&left, &right))
        } else if compare(&left, &right).is_ge() {
            (self.negative, difference(&left, &right))
        } else {
            (other.negative, difference(&right, &left))
        };
        Ok(Self {
            negative,
            digits,
            exponent,
        })
    }

    pub(super) fn minus(&self, other: &Self) -> Outcome<Self> {
        self.plus(&Self {
            negative: !other.negative,
            ..other.clone()
        })
    }

    pub(super) fn times(&self, other: &Self) -> Outcome<Self> {
        let mut columns = vec![0u32; self.digits.len() + other.digits.len()];
        for (row, left) in self.digits.iter().enumerate() {
            for (column, right) in other.digits.iter().enumerate() {
                columns[row + column + 1] += u32::from(*left) * u32::from(*right);
            }
        }
        let mut carry = 0;
        for column in columns.iter_mut().rev() {
            carry += *column;
            *column = carry % 10;
            carry /= 10;
        }
        let digits = columns.into_iter().map(|digit| digit as u8).collect();
        Ok(Self {
            negative: self.negative != other.negative,
            digits: normal(digits),
            exponent: self.exponent + other.exponent,
        })
    }

    /// Rounded to 16 digits behind the point, away from zero in the middle.
    pub(super) fn divided(&self, other: &Self) -> Outcome<Self> {
        if other.digits.is_empty() {
            return Err(Fault::from("decimal division by 0"));
        }
        let shift = self.exponent - other.exponent + DIVISION_DIGITS;
        let (numerator, denominator) = match shift {
            shift if shift < 0 => (self.digits.clone(), {
                let zeros = usize::try_from(-shift).unwrap_or(0);
                [other.digits.as_slice(), &vec![0; zeros]].concat()
            }),
            shift => {
                let zeros = usize::try_from(shift).unwrap_or(0);
                let numerator = [self.digits.as_slice(), &vec![0; zeros]].concat();
                (normal(numerator), other.digits.clone())
            }
        };
        let (mut quotient, rest) = quotient(&numerator, &denominator);
        if compare(&sum(&rest, &rest), &denominator).is_ge() {
            quotient = sum(&quotient, &[1]);
        }
        Ok(Self {
            negative: self.negative != other.negative,
            digits: quotient,
            exponent: -DIVISION_DIGITS,
        })
    }
}

fn normal(digits: Vec<u8>) -> Vec<u8> {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits[zeros..].to_vec()
}

fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let length = left.len().max(right.len()) + 1;
    let mut digits = vec![0; length];
    let mut carry = 0;
    let digit = |of: &[u8], at: usize| of.len().checked_sub(at).map_or(0, |index| of[index]);
    for at in 1..=length {
        let column = digit(left, at) + digit(right, at) + carry;
        digits[length - at] = column % 10;
        carry = column / 10;
    }
    normal(digits)
}

/// What is left of the larger number.
fn difference(larger: &[u8], smaller: &[u8]) -> Vec<u8> {
    let mut digits = larger.to_vec();
    let mut borrow = 0;
    for at in 1..=digits.len() {
        let taken = borrow
            + smaller
                .len()
                .checked_sub(at)
                .map_or(0, |index| smaller[index]);
        let index = digits.len() - at;
        borrow = u8::from(digits[index] < taken);
        digits[index] = digits[index] + 10 * borrow - taken;
    }
    normal(digits)
}

/// The whole quotient, and the rest.
fn quotient(numerator: &[u8], denominator: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut rest: Vec<u8> = Vec::new();
    let mut digits = Vec::with_capacity(numerator.len());
    for digit in numerator {
        rest.push(*digit);
        rest = normal(rest);
        let mut count = 0;
        while compare(&rest, denominator).is_ge() {
            rest = difference(&rest, denominator);
            count += 1;
        }
        digits.push(count);
    }
    (normal(digits), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        let of = |value| Decimal::new(value).expect("it is finite");
        let float = |outcome: Outcome<Decimal>| outcome.expect("it works").to_float();
        assert_eq!(float(of(0.1).plus(&of(0.2))), 0.3);
        assert_eq!(float(of(0.3).minus(&of(0.1))), 0.2);
        assert_eq!(float(of(1.1).times(&of(-1.1))), -1.21);
        assert_eq!(float(of(2.0).divided(&of(3.0))), 0.666_666_666_666_666_7);
        assert_eq!(float(of(-1.0).divided(&of(8.0))), -0.125);
        assert_eq!(float(of(1e300).plus(&of(-1e300))), 0.0);
        assert!(of(1.0).divided(&of(0.0)).is_err());
        assert!(Decimal::new(f64::NAN).is_err());
    }
}
