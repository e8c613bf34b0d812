//! Base 64 and base 32, with the words of Go's errors, which Sprig returns as the result.

use super::super::item::{Item, Text};
use super::super::run::{Budget, Outcome};
use super::Parameter::Text as TextParameter;
use super::{Signature, made, text};

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("b32dec", &[TextParameter], |budget, given| {
        decoded(budget, text(given, 0), decode_32, "base32")
    }),
    Signature::new("b32enc", &[TextParameter], |budget, given| {
        encoded(budget, text(given, 0), ALPHABET_32, 5)
    }),
    Signature::new("b64dec", &[TextParameter], |budget, given| {
        decoded(budget, text(given, 0), decode_64, "base64")
    }),
    Signature::new("b64enc", &[TextParameter], |budget, given| {
        encoded(budget, text(given, 0), ALPHABET_64, 6)
    }),
];

const ALPHABET_64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ALPHABET_32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The index of the byte that is wrong.
type Decoded = Result<Vec<u8>, usize>;

fn decoded(
    budget: &mut Budget,
    input: &[u8],
    decode: fn(&[u8]) -> Decoded,
    name: &str,
) -> Outcome<Item> {
    budget.bytes(input.len())?;
    match decode(input) {
        Ok(bytes) => made(budget, Text::from(bytes)),
        Err(at) => made(budget, format!("illegal {name} data at input byte {at}")),
    }
}

fn encoded(budget: &mut Budget, input: &[u8], alphabet: &[u8], bits: u32) -> Outcome<Item> {
    budget.bytes(input.len() * 2)?;
    let mut written = Vec::with_capacity(input.len() * 2);
    let (mut held, mut count) = (0u32, 0);
    for byte in input {
        held = held << 8 | u32::from(*byte);
        count += 8;
        while count >= bits {
            count -= bits;
            written.push(alphabet[(held >> count) as usize & ((1 << bits) - 1)]);
        }
        held &= (1 << count) - 1;
    }
    if count > 0 {
        written.push(alphabet[(held << (bits - count)) as usize & ((1 << bits) - 1)]);
    }
    let group = if bits == 6 { 4 } else { 8 };
    while written.len() % group != 0 {
        written.push(b'=');
    }
    made(budget, Text::from(written))
}

fn value(alphabet: &[u8], byte: u8) -> Option<u32> {
    let at = alphabet.iter().position(|known| *known == byte)?;
    u32::try_from(at).ok()
}

/// Gathers bits into bytes; what is left over goes.
fn gather(values: &[u32], bits: u32) -> Vec<u8> {
    let (mut held, mut count) = (0u32, 0);
    let mut bytes = Vec::new();
    for value in values {
        held = held << bits | value;
        count += bits;
        if count >= 8 {
            count -= 8;
            bytes.push((held >> count) as u8);
            held &= (1 << count) - 1;
        }
    }
    bytes
}

fn decode_64(input: &[u8]) -> Decoded {
    let mut values = Vec::with_capacity(input.len());
    let mut at = 0;
    let skip_lines = |mut at: usize| {
        while matches!(input.get(at), Some(b'\n' | b'\r')) {
            at += 1;
        }
        at
    };
    loop {
        at = skip_lines(at);
        let place = values.len() % 4;
        let Some(byte) = input.get(at) else {
            return match place {
                0 => Ok(gather(&values, 6)),
                _ => Err(at - place),
            };
        };
        at += 1;
        if let Some(value) = value(ALPHABET_64, *byte) {
            values.push(value);
            continue;
        }
        if *byte != b'=' || place < 2 {
            return Err(at - 1);
        }
        if place == 2 {
            at = skip_lines(at);
            match input.get(at) {
                None => return Err(input.len()),
                Some(b'=') => at += 1,
                Some(_) => return Err(at - 1),
            }
        }
        at = skip_lines(at);
        return if at < input.len() {
            Err(at)
        } else {
            Ok(gather(&values, 6))
        };
    }
}

fn decode_32(input: &[u8]) -> Decoded {
    let lines = |byte: &u8| !matches!(byte, b'\n' | b'\r');
    let input: Vec<u8> = input.iter().copied().filter(lines).collect();
    let mut values = Vec::with_capacity(input.len());
    let mut at = 0;
    while at < input.len() || values.len() % 8 != 0 {
        let place = values.len() % 8;
        let Some(byte) = input.get(at) else {
            return Err(at - place);
        };
        at += 1;
        let left = input.len() - at;
        if *byte == b'=' && place >= 2 && left < 8 {
            if left + place < 7 {
                return Err(input.len());
            }
            let padding = input[at..].iter().take(7 - place);
            if let Some(wrong) = padding.into_iter().position(|byte| *byte != b'=') {
                return Err((at + wrong).saturating_sub(1));
            }
            if matches!(place, 3 | 6) {
                return Err(at - 1);
            }
            break;
        }
        match value(ALPHABET_32, *byte) {
            Some(value) => values.push(value),
            None => return Err(at - 1),
        }
    }
    Ok(gather(&values, 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_by_its_byte() {
        assert_eq!(decode_64(b"YWI\n=\n"), Ok(b"ab".to_vec()));
        assert_eq!(decode_64(b"YWI"), Err(0));
        assert_eq!(decode_64(b"YWJj!"), Err(4));
        assert_eq!(decode_64(b"YQ="), Err(3));
        assert_eq!(decode_64(b"YQ==x"), Err(4));
        assert_eq!(decode_32(b"MFRGG==="), Ok(b"abc".to_vec()));
        assert_eq!(decode_32(b"MFRG1"), Err(4));
    }
}
