//! Packet lines, the frames of Git's protocol (`gitprotocol-common`, "pkt-line Format").

use super::RepositoryError;
use gix::protocol::transport::packetline::PacketLineRef;
use gix::protocol::transport::packetline::decode::{Stream, streaming};

/// The most bytes that one line of a side band carries.
const BAND: usize = 65_000;

/// Takes the next line off the front of `bytes`.
pub(super) fn next<'a>(bytes: &mut &'a [u8]) -> Result<PacketLineRef<'a>, RepositoryError> {
    match streaming(bytes) {
        Ok(Stream::Complete {
            line,
            bytes_consumed,
        }) => {
            *bytes = &bytes[bytes_consumed..];
            Ok(line)
        }
        _ => Err(RepositoryError::Malformed("a packet line")),
    }
}

/// The text of a line without its end; `None` for one that is a mark.
pub(super) fn text<'a>(line: &PacketLineRef<'a>) -> Option<&'a str> {
    let bytes = line.as_slice()?;
    std::str::from_utf8(bytes).ok().map(str::trim_end)
}

/// Appends a line.
pub(super) fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(format!("{:04x}{text}\n", text.len() + 5).as_bytes());
}

/// Appends the mark that ends a message.
pub(super) fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Appends the mark between two sections.
pub(super) fn delimiter(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// Appends bytes on the first side band, in as many lines as it takes.
pub(super) fn band(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(BAND) {
        out.extend_from_slice(format!("{:04x}\u{1}", chunk.len() + 5).as_bytes());
        out.extend_from_slice(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_framed_as_in_the_examples_of_the_format() {
        let mut out = Vec::new();
        line(&mut out, "foobar");
        flush(&mut out);
        delimiter(&mut out);
        band(&mut out, b"x");
        assert_eq!(
            out,
            b"000bfoobar\n00000001 0006\x01x"
                .iter()
                .copied()
                .filter(|byte| *byte != b' ')
                .collect::<Vec<_>>()
        );
        let mut rest = out.as_slice();
        assert_eq!(text(&next(&mut rest).expect("a line")), Some("foobar"));
        assert_eq!(next(&mut rest).expect("a mark"), PacketLineRef::Flush);
        assert_eq!(next(&mut rest).expect("a mark"), PacketLineRef::Delimiter);
    }

    #[test]
    fn what_is_cut_off_or_no_length_is_an_error() {
        for bytes in [&b""[..], b"00", b"zzzz", b"0008ab"] {
            let mut rest = bytes;
            assert!(next(&mut rest).is_err(), "{bytes:?}");
        }
    }
}
