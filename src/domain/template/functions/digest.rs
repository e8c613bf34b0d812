//! Checksums.

use super::super::item::Item;
use super::super::run::{Budget, Outcome};
use super::Parameter::Text as TextParameter;
use super::{Signature, made, text};
use sha2::{Digest, Sha256, Sha512};

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("adler32sum", &[TextParameter], |budget, given| {
        budget.bytes(text(given, 0).len())?;
        made(budget, adler32(text(given, 0)).to_string())
    }),
    Signature::new("sha1sum", &[TextParameter], |budget, given| {
        budget.bytes(text(given, 0).len())?;
        let words = sha1(text(given, 0));
        hexadecimal(budget, words.iter().flat_map(|word| word.to_be_bytes()))
    }),
    Signature::new("sha256sum", &[TextParameter], |budget, given| {
        budget.bytes(text(given, 0).len())?;
        hexadecimal(budget, Sha256::digest(text(given, 0)))
    }),
    Signature::new("sha512sum", &[TextParameter], |budget, given| {
        budget.bytes(text(given, 0).len())?;
        hexadecimal(budget, Sha512::digest(text(given, 0)))
    }),
];

fn hexadecimal(budget: &mut Budget, bytes: impl IntoIterator<Item = u8>) -> Outcome<Item> {
    let digits: String = bytes
        .into_iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    made(budget, digits)
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1u32, 0u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    high << 16 | low
}

/// SHA-1 (FIPS 180-4), which protects nothing here.
fn sha1(bytes: &[u8]) -> [u32; 5] {
    let mut message = bytes.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend((bytes.len() as u64 * 8).to_be_bytes());
    let mut state = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in message.chunks_exact(64) {
        let mut words = [0u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for at in 16..80 {
            words[at] =
                (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e]: [u32; 5] = state;
        for (round, word) in words.iter().enumerate() {
            let (mixed, constant) = match round / 20 {
                0 => (b & c | !b & d, 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (word, add) in state.iter_mut().zip([a, b, c, d, e]) {
            *word = word.wrapping_add(add);
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_have_their_sums() {
        let words = sha1(b"abc");
        assert_eq!(
            words,
            [
                0xa999_3e36,
                0x4706_816a,
                0xba3e_2571,
                0x7850_c26c,
                0x9cd0_d89d
            ]
        );
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }
}
