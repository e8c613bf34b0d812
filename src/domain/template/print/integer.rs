//! Integers in their bases.

use super::super::letters::is_printable;
use super::Flags;

/// An integer by sign and size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Integer {
    magnitude: u64,
    negative: bool,
    signed: bool,
}

impl Integer {
    pub(super) fn signed(value: i64) -> Self {
        Self {
            magnitude: value.unsigned_abs(),
            negative: value < 0,
            signed: true,
        }
    }

    pub(super) fn unsigned(value: u64) -> Self {
        Self {
            magnitude: value,
            negative: false,
            signed: false,
        }
    }

    pub(super) fn is_signed(&self) -> bool {
        self.signed
    }
}

/// The digits with sign, prefix and leading zeros, but not filled up with spaces.
pub(super) fn write(value: &Integer, base: u32, verb: char, flags: &Flags) -> Vec<u8> {
    if flags.precision == Some(0) && value.magnitude == 0 {
        return Vec::new();
    }
    let signed = value.negative || flags.plus || flags.space;
    let zeros = match (flags.precision, flags.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if flags.zero && !flags.minus => {
            width.saturating_sub(usize::from(signed))
        }
        _ => 0,
    };
    let magnitude = value.magnitude;
    let mut digits = match base {
        2 => format!("{magnitude:b}"),
        8 => format!("{magnitude:o}"),
        16 if verb == 'X' => format!("{magnitude:X}"),
        16 => format!("{magnitude:x}"),
        _ => magnitude.to_string(),
    };
    if digits.len() < zeros {
        digits.insert_str(0, &"0".repeat(zeros - digits.len()));
    }
    let prefix = match base {
        2 if flags.sharp => "0b",
        8 if verb == 'O' => "0o",
        8 if flags.sharp && !digits.starts_with('0') => "0",
        16 if flags.sharp && verb == 'X' => "0X",
        16 if flags.sharp => "0x",
        _ => "",
    };
    let prefix = match (verb, flags.sharp && !digits.starts_with('0')) {
        ('O', true) => "0o0",
        _ => prefix,
    };
    let sign = match value.negative {
        true => "-",
        false if flags.plus => "+",
        false if flags.space => " ",
        false => "",
    };
    format!("{sign}{prefix}{digits}").into_bytes()
}

/// The character of a number, if there is one.
pub(super) fn code_point(value: &Integer) -> char {
    let code = u32::try_from(value.magnitude)
        .ok()
        .filter(|_| !value.negative);
    code.and_then(char::from_u32).unwrap_or('\u{fffd}')
}

/// `U+0041`, or `U+0041 'A'`.
pub(super) fn unicode(value: &Integer, flags: &Flags) -> String {
    let code = if value.negative {
        value.magnitude.wrapping_neg()
    } else {
        value.magnitude
    };
    let digits = flags.precision.unwrap_or(4).max(4);
    let written = format!("U+{code:0digits$X}");
    let character = u32::try_from(code).ok().and_then(char::from_u32);
    match character.filter(|character| flags.sharp && is_printable(*character)) {
        Some(character) => format!("{written} '{character}'"),
        None => written,
    }
}
