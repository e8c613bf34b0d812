//! Writing a pack of whole objects: what a push sends.
//!
//! The new objects of an edit are few and small, so nothing is gained by deltas. Format:
//! `gitformat-pack`, version 2.

use super::snapshot::Unpushed;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix::objs::Kind;
use std::io::{self, Write};

/// A pack with these objects.
pub(super) fn encode(objects: &Unpushed) -> io::Result<Vec<u8>> {
    let mut sorted: Vec<_> = objects.iter().collect();
    sorted.sort_by_key(|(id, _)| **id);
    let whole = sorted
        .iter()
        .map(|(_, object)| (object.kind, object.bytes.as_ref()));
    write(&whole.collect::<Vec<_>>())
}

/// A pack with these objects, in this order.
pub(super) fn write(objects: &[(Kind, &[u8])]) -> io::Result<Vec<u8>> {
    let count = u32::try_from(objects.len()).map_err(io::Error::other)?;
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&count.to_be_bytes());
    for (kind, bytes) in objects {
        header(&mut pack, *kind, bytes.len() as u64);
        let mut encoder = ZlibEncoder::new(&mut pack, Compression::fast());
        encoder.write_all(bytes)?;
        encoder.finish()?;
    }
    let mut hash = gix::hash::hasher(gix::hash::Kind::Sha1);
    hash.update(&pack);
    let trailer = hash.try_finalize().map_err(io::Error::other)?;
    pack.extend_from_slice(trailer.as_bytes());
    Ok(pack)
}

/// Kind and size: three bits and four bits in the first byte, then seven bits a byte, the lowest
/// first.
fn header(pack: &mut Vec<u8>, kind: Kind, size: u64) {
    let code: u8 = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let mut byte = code << 4 | (size & 0x0f) as u8;
    let mut rest = size >> 4;
    while rest > 0 {
        pack.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    pack.push(byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_the_format_says() {
        // Worked out by hand from the description of the format.
        for (size, bytes) in [
            (0, vec![0x30]),
            (15, vec![0x3f]),
            (16, vec![0xb0, 0x01]),
            (2_047, vec![0xbf, 0x7f]),
            (2_048, vec![0xb0, 0x80, 0x01]),
        ] {
            let mut pack = Vec::new();
            header(&mut pack, Kind::Blob, size);
            assert_eq!(pack, bytes, "size {size}");
        }
    }

    #[test]
    fn an_empty_pack_is_a_header_and_its_hash() {
        let pack = encode(&Unpushed::new()).expect("memory can be written");
        assert_eq!(pack.len(), 32);
        assert_eq!(&pack[..12], b"PACK\0\0\0\x02\0\0\0\0");
    }
}
