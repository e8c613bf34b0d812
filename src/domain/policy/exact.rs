//! The little arithmetic on large integers that exact comparison needs: a hexadecimal number against another that rounds to
//! the same float.

use std::cmp::Ordering;

/// A positive number: an integer times powers of two and five.
pub(super) struct Exact {
    integer: Integer,
    twos: i64,
    fives: i64,
}

impl Exact {
    /// The integer of these digits, times `2^twos * 5^fives`.
    pub(super) fn new(digits: impl Iterator<Item = u8>, base: u32, twos: i64, fives: i64) -> Self {
        let mut integer = Integer::default();
        for digit in digits {
            integer.multiply_add(base, u32::from(digit));
        }
        Exact {
            integer,
            twos,
            fives,
        }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let twos = self.twos.min(other.twos);
        let fives = self.fives.min(other.fives);
        let scaled = |number: &Self| {
            let mut integer = number.integer.clone();
            for _ in fives..number.fives {
                integer.multiply_add(5, 0);
            }
            for _ in twos..number.twos {
                integer.multiply_add(2, 0);
            }
            integer
        };
        scaled(self).compare(&scaled(other))
    }
}

/// A natural number, least significant limb first, without zero limbs at the end.
#[derive(Debug, Clone, Default)]
struct Integer {
    limbs: Vec<u32>,
}

impl Integer {
    fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for limb in &mut self.limbs {
            let sum = u64::from(*limb) * u64::from(factor) + carry;
            [*limb, _] = halves(sum);
            carry = sum >> 32;
        }
        if carry > 0 {
            self.limbs.push(halves(carry)[0]);
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let lengths = self.limbs.len().cmp(&other.limbs.len());
        lengths.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }
}

/// The low and the high half.
fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

/// The float nearest to `0.digits * 2^exponent`, where the digits are hexadecimal and the first is not 0; `None` above all floats.
pub(super) fn scale(digits: impl Iterator<Item = u8>, exponent: i64) -> Option<f64> {
    let mut bits = 0u64;
    let mut rest = false;
    let mut taken = 0;
    for digit in digits {
        if taken < 16 {
            bits = bits << 4 | u64::from(digit);
            taken += 1;
        } else {
            rest |= digit != 0;
        }
    }
    bits <<= 4 * (16 - taken);
    let shift = bits.leading_zeros();
    bits <<= shift;
    // The value is now 1.xxx * 2^exponent, with the 1 in the top bit.
    let exponent = exponent - 1 - i64::from(shift);
    // A subnormal float has fewer than 53 bits.
    let kept = (exponent + 1075).min(53);
    if exponent > 1023 {
        return None;
    }
    if kept < 0 {
        return Some(0.0);
    }
    let dropped = 64 - kept;
    let wide = u128::from(bits);
    let half = 1u128 << (dropped - 1);
    let remainder = wide & ((half << 1) - 1);
    let quotient = wide >> dropped;
    let up = remainder > half || (remainder == half && (rest || quotient & 1 == 1));
    // At most 2^53, so it is exact, and so is the product: it has the bits of a float.
    let rounded = (quotient + u128::from(up)) as f64;
    let power = exponent - 63 + dropped;
    let value = rounded * two_to(power / 2) * two_to(power - power / 2);
    if value.is_infinite() {
        None
    } else {
        Some(value)
    }
}

/// A power of two in the range of normal floats.
fn two_to(power: i64) -> f64 {
    f64::from_bits(u64::try_from(power + 1023).unwrap_or(0) << 52)
}
