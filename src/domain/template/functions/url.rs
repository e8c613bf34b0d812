//! URLs, taken apart and put together as Go does it.

use super::super::item::{Item, Map, Text};
use super::super::run::{Budget, Outcome};
use super::Parameter::{Dict, Text as TextParameter};
use super::{Signature, dict, made, text};
use std::net::Ipv6Addr;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("urlJoin", &[Dict], join),
    Signature::new("urlParse", &[TextParameter], |budget, given| {
        let url = text(given, 0);
        budget.bytes(url.len().saturating_mul(4))?;
        let parsed = Url::parse(url).map_err(|error| {
            let url = Text::from(url).to_text().into_owned();
            format!("unable to parse url: parse {url:?}: {error}")
        })?;
        let map = Map::dict();
        for (name, part) in [
            ("scheme", parsed.scheme.clone()),
            ("host", parsed.host.clone()),
            ("hostname", hostname(&parsed.host)),
            ("path", parsed.path),
            ("query", parsed.query),
            ("opaque", parsed.opaque),
            ("fragment", parsed.fragment),
            ("userinfo", parsed.user.unwrap_or_default()),
        ] {
            map.insert(Item::text(name), Item::text(part));
        }
        Ok(Item::Map(map))
    }),
];

// What stays as it is in each part, beside letters, digits and `-._~`.
const IN_PATH: &[u8] = b"$&+,/:;=@";
const IN_USER: &[u8] = b"$&+,;=";
const IN_FRAGMENT: &[u8] = b"!$&()*+,/:;=?@";
const IN_HOST: &[u8] = b"!\"$&'()*+,:;<=>[]";

#[derive(Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    /// As it is written, escaped.
    user: Option<Vec<u8>>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    fragment: Vec<u8>,
}

type Parsed<T> = Result<T, String>;

impl Url {
    fn parse(whole: &[u8]) -> Parsed<Self> {
        let (before, fragment) = cut(whole, b'#');
        if before.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self {
            fragment: unescaped(fragment, None)?,
            ..Self::default()
        };
        if before == b"*" {
            url.path = b"*".to_vec();
            return Ok(url);
        }
        let (scheme, rest) = scheme(before)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = cut(rest, b'?');
        url.query = query.to_vec();
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let has_authority = !url.scheme.is_empty() || !rest.starts_with(b"///");
        if let Some(after) = rest.strip_prefix(b"//").filter(|_| has_authority) {
            let end = after.iter().position(|byte| *byte == b'/');
            let (authority, path) = after.split_at(end.unwrap_or(after.len()));
            (url.user, url.host) = authority_of(&url.scheme, authority)?;
            rest = path;
        }
        url.path = unescaped(rest, None)?;
        Ok(url)
    }
}

/// What is before a byte and what is behind it.
fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == at) {
        Some(found) => (&text[..found], &text[found + 1..]),
        None => (text, &[]),
    }
}

fn scheme(url: &[u8]) -> Parsed<(&[u8], &[u8])> {
    for (at, byte) in url.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&url[..at], &url[at + 1..])),
            _ => break,
        }
    }
    Ok((&[], url))
}

fn authority_of(scheme: &[u8], authority: &[u8]) -> Parsed<(Option<Vec<u8>>, Vec<u8>)> {
    let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else {
        return Ok((None, host_of(scheme, authority)?));
    };
    let host = host_of(scheme, &authority[at + 1..])?;
    let user = user_of(&authority[..at])?;
    Ok((Some(user), host))
}

/// The name and the password, unescaped and escaped again.
fn user_of(user: &[u8]) -> Parsed<Vec<u8>> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
    if !user.iter().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let (name, password) = cut(user, b':');
    let mut written = escaped(&unescaped(name, None)?, IN_USER);
    if user.contains(&b':') {
        written.push(b':');
        written.extend(escaped(&unescaped(password, None)?, IN_USER));
    }
    Ok(written)
}

fn host_of(scheme: &[u8], host: &[u8]) -> Parsed<Vec<u8>> {
    let wrong_port = |port: &[u8]| {
        let port = Text::from(port).to_text().into_owned();
        format!("invalid port {port:?} after host")
    };
    match host.iter().rposition(|byte| *byte == b'[') {
        Some(0) => {
            let close = host.iter().rposition(|byte| *byte == b']');
            let close = close.ok_or("missing ']' in host")?;
            let (inside, port) = (&host[1..close], &host[close + 1..]);
            if !is_port(port) {
                return Err(wrong_port(port));
            }
            let address = address_of(inside)?;
            return Ok([b"[", address.as_slice(), b"]", port].concat());
        }
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    let last = host.iter().rposition(|byte| *byte == b':');
    let first = host.iter().position(|byte| *byte == b':');
    let strict = matches!(scheme, b"http" | b"https");
    let port = if strict { first } else { last };
    if let Some(port) = port.map(|at| &host[at..]).filter(|port| !is_port(port)) {
        return Err(wrong_port(port));
    }
    unescaped(host, Some(IN_HOST))
}

/// An address between brackets, with its zone.
fn address_of(inside: &[u8]) -> Parsed<Vec<u8>> {
    let zone = inside.windows(3).position(|part| part == b"%25");
    let (address, zone) = inside.split_at(zone.unwrap_or(inside.len()));
    let address = unescaped(address, Some(IN_HOST))?;
    let text = std::str::from_utf8(&address).unwrap_or_default();
    let zone = unescaped(zone, None)?;
    if text.parse::<Ipv6Addr>().is_err() || zone == b"%" {
        return Err("invalid host: unable to parse IP".to_owned());
    }
    Ok([address, zone].concat())
}

/// Nothing, or a colon and digits.
fn is_port(port: &[u8]) -> bool {
    match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn hostname(host: &[u8]) -> Vec<u8> {
    let colon = host.iter().rposition(|byte| *byte == b':');
    let name = match colon {
        Some(colon) if is_port(&host[colon..]) => &host[..colon],
        _ => host,
    };
    let inside = name
        .strip_prefix(b"[")
        .and_then(|name| name.strip_suffix(b"]"));
    inside.unwrap_or(name).to_vec()
}

fn is_plain(byte: u8, allowed: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || allowed.contains(&byte)
}

/// Turns `%41` into what it stands for. In a host, given what may stand there, only bytes beyond ASCII may be written so.
fn unescaped(text: &[u8], host: Option<&[u8]>) -> Parsed<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte != b'%' {
            if host.is_some_and(|allowed| byte.is_ascii() && !is_plain(*byte, allowed)) {
                let found = char::from(*byte).to_string();
                return Err(format!("invalid character {found:?} in host name"));
            }
            bytes.push(*byte);
            at += 1;
            continue;
        }
        let digits = text.get(at + 1..at + 3);
        let value = digits.and_then(|digits| {
            let plain = digits.iter().all(u8::is_ascii_hexdigit);
            let digits = std::str::from_utf8(digits).ok().filter(|_| plain)?;
            u8::from_str_radix(digits, 16).ok()
        });
        let fits = |value: &u8| host.is_none() || !value.is_ascii() || *value == b'%';
        let Some(value) = value.filter(fits) else {
            let found = Text::from(&text[at..text.len().min(at + 3)]);
            return Err(format!("invalid URL escape {:?}", found.to_text()));
        };
        bytes.push(value);
        at += 3;
    }
    Ok(bytes)
}

fn escaped(text: &[u8], allowed: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len());
    for byte in text {
        if is_plain(*byte, allowed) {
            written.push(*byte);
        } else {
            written.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    written
}

/// A part of a URL in a map; it must be a text.
fn part(map: &Map, name: &str) -> Outcome<Text> {
    match map.get(&Item::text(name)) {
        None => Ok(Text::from("")),
        Some(Item::Text(text)) => Ok(text),
        Some(other) => {
            let kind = other.kind();
            let message =
                format!("unable to parse {name} key, must be of type string, but {kind} found");
            Err(message.into())
        }
    }
}

fn join(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let map = dict(given, 0)?;
    let [scheme, host, path, query, opaque, fragment, user] = [
        part(map, "scheme")?,
        part(map, "host")?,
        part(map, "path")?,
        part(map, "query")?,
        part(map, "opaque")?,
        part(map, "fragment")?,
        part(map, "userinfo")?,
    ];
    let length: usize = [&scheme, &host, &path, &query, &opaque, &fragment, &user]
        .iter()
        .map(|part| part.len())
        .sum();
    budget.bytes(length.saturating_mul(6))?;
    let user = match &*user {
        [] => None,
        user => {
            let url = [b"proto://", user, b"@host"].concat();
            let parsed = Url::parse(&url)
                .map_err(|error| format!("unable to parse userinfo in dict: parse: {error}"))?;
            parsed.user
        }
    };
    let mut written = Vec::new();
    if !scheme.is_empty() {
        written.extend_from_slice(&scheme);
        written.push(b':');
    }
    if opaque.is_empty() {
        hierarchical(&mut written, &scheme, user.as_deref(), &host, &path);
    } else {
        written.extend_from_slice(&opaque);
    }
    if !query.is_empty() {
        written.push(b'?');
        written.extend_from_slice(&query);
    }
    if !fragment.is_empty() {
        written.push(b'#');
        written.extend(escaped(&fragment, IN_FRAGMENT));
    }
    made(budget, Text::from(written))
}

fn hierarchical(
    written: &mut Vec<u8>,
    scheme: &[u8],
    user: Option<&[u8]>,
    host: &[u8],
    path: &[u8],
) {
    let has_host = !host.is_empty() || user.is_some();
    if has_host || (!scheme.is_empty() && !path.is_empty()) {
        written.extend_from_slice(b"//");
    }
    if let Some(user) = user {
        written.extend_from_slice(user);
        written.push(b'@');
    }
    written.extend(escaped(host, IN_HOST));
    let path = match path {
        b"*" => path.to_vec(),
        path => escaped(path, IN_PATH),
    };
    if !path.is_empty() && !path.starts_with(b"/") && !host.is_empty() {
        written.push(b'/');
    }
    if written.is_empty() && cut(&path, b'/').0.contains(&b':') {
        written.extend_from_slice(b"./");
    }
    written.extend(path);
}
