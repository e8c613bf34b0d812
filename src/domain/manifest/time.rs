//! YAML timestamps as kustomize reads and prints them.
//!
//! Invariant: [`to_rfc3339`] answers for exactly the four layouts the reader tries: date alone,
//! date and time with `T` or `t` and a zone, date and time with a space and no zone.
//! What is absent: every other layout of the YAML specification.

/// The RFC 3339 text of a timestamp; `None` when `text` is none.
pub fn to_rfc3339(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes.get(4) != Some(&b'-') || !bytes[..4].iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((bytes[at], &text[at + 1..]))),
        None => (text, None),
    };
    let day = parse_date(date)?;
    let Some((separator, time)) = rest else {
        return Some(format!("{day}T00:00:00Z"));
    };
    let (clock, zone) = if separator == b' ' {
        (time, "Z")
    } else {
        let at = time.find(['Z', '+', '-'])?;
        (&time[..at], parse_zone(&time[at..])?)
    };
    Some(format!("{day}T{}{zone}", parse_clock(clock)?))
}

fn number(text: &str, width: std::ops::RangeInclusive<usize>) -> Option<u32> {
    (width.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn parse_date(date: &str) -> Option<String> {
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4..=4)?;
    let month = number(parts.next()?, 1..=2)?;
    let day = number(parts.next()?, 1..=2)?;
    if parts.next().is_some()
        || !(1..=12).contains(&month)
        || !(1..=days(year, month)).contains(&day)
    {
        return None;
    }
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn parse_clock(clock: &str) -> Option<String> {
    let (whole, fraction) = match clock.find(['.', ',']) {
        Some(at) => (&clock[..at], &clock[at + 1..]),
        None => (clock, ""),
    };
    if clock.len() > whole.len() && fraction.is_empty() {
        return None;
    }
    let mut parts = whole.split(':');
    let hour = number(parts.next()?, 1..=2)?;
    let minute = number(parts.next()?, 1..=2)?;
    let second = number(parts.next()?, 1..=2)?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = fraction[..fraction.len().min(9)].trim_end_matches('0');
    let point = if nanoseconds.is_empty() { "" } else { "." };
    Some(format!(
        "{hour:02}:{minute:02}:{second:02}{point}{nanoseconds}"
    ))
}

fn parse_zone(zone: &str) -> Option<&str> {
    if zone == "Z" {
        return Some(zone);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let fits = number(hours, 2..=2)? <= 24 && number(minutes, 2..=2)? <= 60;
    match fits {
        true if hours == "00" && minutes == "00" => Some("Z"),
        true => Some(zone),
        false => None,
    }
}
