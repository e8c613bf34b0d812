//! Taking keys out of their armor: `-----BEGIN label-----`, headers, base64, `-----END label-----`.
//!
//! Lenient where people's editors and YAML files are: blanks around lines, line ends of any kind,
//! text before and after. Strict where damage shows: the end, the alphabet, the checksum.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What of a text is armor.
#[derive(PartialEq, Eq)]
pub(super) struct Block {
    /// What it says it is, such as `PGP PRIVATE KEY BLOCK`.
    pub(super) label: String,
    /// What was inside.
    pub(super) bytes: Vec<u8>,
}

/// Padding is often lost on the way, and its absence hides nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// All blocks of a text, in order.
///
/// # Errors
/// In words, when a block is damaged.
pub(super) fn blocks(text: &str) -> Result<Vec<Block>, &'static str> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(label) = mark(line, "-----BEGIN ") {
            blocks.push(block(label, &mut lines)?);
        }
    }
    Ok(blocks)
}

/// The label of a line that begins or ends a block.
fn mark<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix("-----")
}

fn block<'a>(
    label: &str,
    lines: &mut impl Iterator<Item = &'a str>,
) -> Result<Block, &'static str> {
    let mut text = String::new();
    let mut checksum = None;
    for line in lines.by_ref() {
        if let Some(end) = mark(line, "-----END ") {
            if end != label {
                return Err("its armor ends as something else than it began");
            }
            let bytes = BASE64
                .decode(&text)
                .map_err(|_| "its armor is damaged: it is not base64")?;
            if checksum.is_some_and(|checksum| checksum != crc24(&bytes)) {
                return Err("its armor is damaged: the checksum is another");
            }
            let label = label.to_owned();
            return Ok(Block { label, bytes });
        }
        match line.strip_prefix('=') {
            Some(encoded) if encoded.len() == 4 => checksum = Some(read_checksum(encoded)?),
            // Headers, as `Comment: …`; no base64 has a colon.
            _ if line.contains(':') => {}
            _ => text.push_str(line),
        }
    }
    Err("its armor has no end")
}

fn read_checksum(encoded: &str) -> Result<u32, &'static str> {
    let bytes = BASE64.decode(encoded).unwrap_or_default();
    match bytes.as_slice() {
        [high, middle, low] => Ok(u32::from_be_bytes([0, *high, *middle, *low])),
        _ => Err("its armor is damaged: the checksum cannot be read"),
    }
}

/// The checksum of OpenPGP's armor: RFC 9580, section 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let mixed = crc ^ (u32::from(*byte) << 16);
        (0..8).fold(mixed, |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 == 0 {
                shifted
            } else {
                shifted ^ 0x0186_4cfb
            }
        })
    };
    bytes.iter().fold(0x00b7_04ce, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Vec<u8>, &'static str> {
        blocks(text).map(|blocks| {
            let [block] = blocks.as_slice() else {
                panic!("{} blocks", blocks.len())
            };
            assert_eq!(block.label, "X KEY");
            block.bytes.clone()
        })
    }

    #[test]
    fn armor_is_read_however_it_was_pasted() {
        for text in [
            "-----BEGIN X KEY-----\n\naGVsbG8=\n-----END X KEY-----\n",
            "-----BEGIN X KEY-----\r\nVersion: 1\r\n\r\naGVs\r\nbG8=\r\n-----END X KEY-----",
            "a bag\n  -----BEGIN X KEY-----  \n  aGVs  \n\n  bG8\n  -----END X KEY-----\n more\n",
            "-----BEGIN X KEY-----\nComment: a: b\n\naGVsbG8=\n=R/WK\n-----END X KEY-----",
        ] {
            assert_eq!(one(text), Ok(b"hello".to_vec()), "{text}");
        }
    }

    #[test]
    fn damage_is_told() {
        for (text, words) in [
            ("-----BEGIN X KEY-----\naGVsbG8=\n", "its armor has no end"),
            (
                "-----BEGIN X KEY-----\naGVsbG8=\n-----END Y KEY-----",
                "its armor ends as something else than it began",
            ),
            (
                "-----BEGIN X KEY-----\naGV*bG8=\n-----END X KEY-----",
                "its armor is damaged: it is not base64",
            ),
            (
                "-----BEGIN X KEY-----\naGVsbG9=\n=R/WX\n-----END X KEY-----",
                "its armor is damaged: it is not base64",
            ),
            (
                "-----BEGIN X KEY-----\naGVsbG8=\n=R/WX\n-----END X KEY-----",
                "its armor is damaged: the checksum is another",
            ),
        ] {
            assert_eq!(one(text), Err(words), "{text}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        // The check value that catalogues of checksums give for CRC-24/OPENPGP.
        assert_eq!(crc24(b"123456789"), 0x0021_cf02);
        assert_eq!(crc24(b""), 0x00b7_04ce);
    }

    proptest::proptest! {
        #[test]
        fn what_was_armored_comes_back(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), width in 1usize..80) {
            let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
            let lines: Vec<&str> = encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).expect("ascii")).collect();
            // A line of its own that begins with `=` and has four more characters would be the checksum.
            proptest::prop_assume!(lines.iter().all(|line| !line.starts_with('=')));
            let text = format!("-----BEGIN X KEY-----\n\n{}\n-----END X KEY-----\n", lines.join("\n"));
            assert_eq!(one(&text), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in "(-----(BEGIN|END) [XY] KEY-----|[a-zA-Z0-9+/=:]{0,8}|\n| |\\PC){0,30}") {
            let _ = blocks(&text);
        }
    }
}
