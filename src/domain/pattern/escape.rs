//! The smallest parts of Go's syntax: escapes that stand for one character, and counts in braces.

/// Reads the count at the start of `text`: minimum, maximum if any, length in bytes. Numbers saturate.
pub(super) fn read_count(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let end = text.find('}')?;
    let inner = &text[1..end];
    let (minimum, maximum) = match inner.split_once(',') {
        None => {
            let exact = read_number(inner)?;
            (exact, Some(exact))
        }
        Some((minimum, "")) => (read_number(minimum)?, None),
        Some((minimum, maximum)) => (read_number(minimum)?, Some(read_number(maximum)?)),
    };
    Some((minimum, maximum, end + 1))
}

/// Reads digits without a leading zero.
fn read_number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if !digits || leading_zero {
        None
    } else {
        Some(text.parse().unwrap_or(u32::MAX))
    }
}

/// Reads the escape at the start of `text`: the code point and the length.
///
/// The error is the length of what is wrong, or `None` if there is only a backslash.
pub(super) fn read_escape(text: &str) -> Result<(u32, usize), Option<usize>> {
    let mut characters = text.chars();
    characters.next();
    let letter = characters.next().ok_or(None)?;
    let after = &text[1 + letter.len_utf8()..];
    let octal_follows = after.starts_with(|next: char| next.is_digit(8));
    let simple = |code_point: u32| Ok((code_point, 2));
    match letter {
        'a' => simple(7),
        'f' => simple(12),
        'n' => simple(10),
        'r' => simple(13),
        't' => simple(9),
        'v' => simple(11),
        'x' => read_hexadecimal(text).map_err(Some),
        '0' => Ok(read_octal(text)),
        '1'..='7' if octal_follows => Ok(read_octal(text)),
        punctuation if punctuation.is_ascii() && !punctuation.is_ascii_alphanumeric() => {
            simple(punctuation.into())
        }
        other => Err(Some(1 + other.len_utf8())),
    }
}

/// Reads up to three octal digits after the backslash.
fn read_octal(text: &str) -> (u32, usize) {
    let digits = text
        .bytes()
        .skip(1)
        .take(3)
        .take_while(|byte| (b'0'..=b'7').contains(byte));
    digits.fold((0, 1), |(value, length), digit| {
        (value * 8 + u32::from(digit - b'0'), length + 1)
    })
}

/// Reads `\xHH` or `\x{H..}`. The error is the length up to and with the character that is wrong.
fn read_hexadecimal(text: &str) -> Result<(u32, usize), usize> {
    let braced = text[2..].starts_with('{');
    let mut length = if braced { 3 } else { 2 };
    let start = length;
    let mut value = 0;
    for character in text[start..].chars() {
        let digits = length - start;
        length += character.len_utf8();
        match character.to_digit(16) {
            Some(digit) => value = value * 16 + digit,
            None if braced && character == '}' && digits > 0 => return Ok((value, length)),
            // Without braces Go takes two characters before it looks at them.
            None if !braced && digits == 0 => {
                return Err(length + text[length..].chars().next().map_or(0, char::len_utf8));
            }
            None => return Err(length),
        }
        if value > u32::from(char::MAX) {
            return Err(length);
        }
        if !braced && digits == 1 {
            return Ok((value, length));
        }
    }
    Err(length)
}
