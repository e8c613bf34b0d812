//! Defaults, types, paths, times, versions, and what is refused.

use super::super::date::Moment;
use super::super::item::{Item, Text};
use super::super::run::{Budget, Fault, Outcome};
use super::super::versions::OwnedVersion;
use super::Parameter::{Any, Bool, Int, Text as TextParameter, Time};
use super::list::equal;
use super::{Signature, any, made, text};
use crate::domain::duration::{format_duration, parse_duration};
use crate::domain::version::{Version, VersionRange};
use std::rc::Rc;
use std::time::Duration;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::open("all", &[], Any, |_, given| {
        Ok(Item::Bool(!given.iter().any(is_empty)))
    }),
    Signature::open("any", &[], Any, |_, given| {
        Ok(Item::Bool(!given.iter().all(is_empty)))
    }),
    Signature::new("base", &[TextParameter], |_, given| {
        Ok(base(text(given, 0)))
    }),
    Signature::new("clean", &[TextParameter], |budget, given| {
        made(budget, Text::from(clean(text(given, 0))))
    }),
    Signature::open("coalesce", &[], Any, |_, given| {
        let first = given.iter().find(|item| !is_empty(item));
        Ok(first.cloned().unwrap_or(Item::Nil))
    }),
    Signature::new("deepEqual", &[Any, Any], |budget, given| {
        equal(budget, any(given, 0), any(given, 1)).map(Item::Bool)
    }),
    Signature::open("default", &[Any], Any, |_, given| {
        let value = given.get(1).filter(|item| !is_empty(item));
        Ok(value.unwrap_or(any(given, 0)).clone())
    }),
    Signature::new("dir", &[TextParameter], |budget, given| {
        made(budget, Text::from(clean(directory(text(given, 0)))))
    }),
    Signature::new("duration", &[Any], |_, given| {
        let seconds = match any(given, 0) {
            Item::Text(text) => text.to_text().parse().unwrap_or(0),
            Item::Int(super::super::value::IntKind::Int64, value) => *value,
            _ => 0i64,
        };
        Ok(Item::text(span(seconds.wrapping_mul(1_000_000_000))))
    }),
    Signature::new("durationRound", &[Any], duration_round),
    Signature::new("empty", &[Any], |_, given| {
        Ok(Item::Bool(is_empty(any(given, 0))))
    }),
    Signature::new("ext", &[TextParameter], |_, given| {
        Ok(extension(text(given, 0)))
    }),
    Signature::new("fail", &[TextParameter], |_, given| match any(given, 0) {
        Item::Text(text) => Err(text.to_text().into_owned().into()),
        _ => Err("".into()),
    }),
    Signature::new("hello", &[], |_, _| Ok(Item::text("Hello!"))),
    Signature::new("isAbs", &[TextParameter], |_, given| {
        Ok(Item::Bool(text(given, 0).starts_with(b"/")))
    }),
    Signature::new("kindIs", &[TextParameter, Any], |_, given| {
        Ok(Item::Bool(
            text(given, 0) == any(given, 1).kind().as_bytes(),
        ))
    }),
    Signature::new("kindOf", &[Any], |_, given| {
        Ok(Item::text(any(given, 0).kind()))
    }),
    Signature::new("mustDateModify", &[TextParameter, Time], later),
    Signature::new("mustToDate", &[TextParameter; 2], |budget, given| {
        date(budget, given).map(|moment| Item::Time(Rc::new(moment)))
    }),
    Signature::new("must_date_modify", &[TextParameter, Time], later),
    Signature::new("osBase", &[TextParameter], |_, given| {
        Ok(base(text(given, 0)))
    }),
    Signature::new("osClean", &[TextParameter], |budget, given| {
        made(budget, Text::from(clean(text(given, 0))))
    }),
    Signature::new("osDir", &[TextParameter], |budget, given| {
        made(budget, Text::from(clean(directory(text(given, 0)))))
    }),
    Signature::new("osExt", &[TextParameter], |_, given| {
        Ok(extension(text(given, 0)))
    }),
    Signature::new("osIsAbs", &[TextParameter], |_, given| {
        Ok(Item::Bool(text(given, 0).starts_with(b"/")))
    }),
    Signature::new("semver", &[TextParameter], |_, given| {
        let text = Text::from(text(given, 0));
        let version = OwnedVersion::parse(&text.to_text())?;
        Ok(Item::Version(Rc::new(version)))
    }),
    Signature::new("semverCompare", &[TextParameter; 2], |budget, given| {
        budget.step(text(given, 0).len())?;
        let (range, version) = (Text::from(text(given, 0)), Text::from(text(given, 1)));
        let (range, version) = (range.to_text(), version.to_text());
        let range = VersionRange::parse(&range).map_err(|error| error.to_string())?;
        let version = Version::parse(&version).map_err(|error| error.to_string())?;
        Ok(Item::Bool(range.contains(&version)))
    }),
    Signature::new("ternary", &[Any, Any, Bool], |_, given| {
        let which = usize::from(!any(given, 2).is_true());
        Ok(any(given, which).clone())
    }),
    Signature::new("toDate", &[TextParameter; 2], |budget, given| {
        let moment = match date(budget, given) {
            Err(Fault::Error(_)) => Moment::zero(),
            outcome => outcome?,
        };
        Ok(Item::Time(Rc::new(moment)))
    }),
    Signature::new("typeIs", &[TextParameter, Any], |_, given| {
        Ok(Item::Bool(
            text(given, 0) == any(given, 1).type_name().as_bytes(),
        ))
    }),
    Signature::new("typeIsLike", &[TextParameter, Any], |_, given| {
        let name = any(given, 1).type_name();
        let pointer = [b"*", text(given, 0)].concat();
        let like = name.as_bytes() == text(given, 0) || name.as_bytes() == pointer;
        Ok(Item::Bool(like))
    }),
    Signature::new("typeOf", &[Any], |budget, given| {
        made(budget, any(given, 0).type_name())
    }),
    Signature::new("unixEpoch", &[Time], |_, given| match any(given, 0) {
        Item::Time(moment) => Ok(Item::text(moment.seconds.to_string())),
        _ => Ok(Item::Absent),
    }),
    // What Sprig calls hermetic though it is not.
    Signature::new("ago", &[Any], refuse_unsteady),
    Signature::new("bcrypt", &[TextParameter], refuse_unsteady),
    Signature::new("encryptAES", &[TextParameter; 2], refuse_unsteady),
    Signature::open("genCA", &[TextParameter, Int], Any, refuse_unsteady),
    Signature::open("genCAWithKey", &[TextParameter, Int], Any, refuse_unsteady),
    Signature::new("genPrivateKey", &[TextParameter], refuse_unsteady),
    Signature::open("genSelfSignedCert", &[TextParameter], Any, refuse_unsteady),
    Signature::open(
        "genSelfSignedCertWithKey",
        &[TextParameter],
        Any,
        refuse_unsteady,
    ),
    Signature::open("genSignedCert", &[TextParameter], Any, refuse_unsteady),
    Signature::open(
        "genSignedCertWithKey",
        &[TextParameter],
        Any,
        refuse_unsteady,
    ),
    Signature::new("htpasswd", &[TextParameter; 2], refuse_unsteady),
    Signature::new("randInt", &[Int, Int], refuse_unsteady),
    Signature::new("shuffle", &[TextParameter], refuse_unsteady),
    Signature::new("buildCustomCert", &[TextParameter; 2], refuse_secret),
    Signature::new("decryptAES", &[TextParameter; 2], refuse_secret),
    Signature::open("derivePassword", &[Any], Any, refuse_secret),
];

fn refuse_unsteady(_: &mut Budget, _: &[Item]) -> Outcome<Item> {
    Err("its result would be another on every run, so it is refused".into())
}

fn refuse_secret(_: &mut Budget, _: &[Item]) -> Outcome<Item> {
    Err("it handles secrets, so it is refused".into())
}

/// Whether a value is what it would be if nobody had set it.
pub(super) fn is_empty(item: &Item) -> bool {
    match item {
        Item::Struct(_) | Item::Time(_) | Item::Version(_) => false,
        other => !other.is_true(),
    }
}

fn base(path: &[u8]) -> Item {
    let whole = path;
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |at| at + 1);
    let path = &path[..end];
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    match (whole, name) {
        ([], _) => Item::text("."),
        (_, []) => Item::text("/"),
        (_, name) => Item::text(name),
    }
}

fn directory(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/');
    &path[..end.map_or(0, |at| at + 1)]
}

fn extension(path: &[u8]) -> Item {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let dot = name.iter().rposition(|byte| *byte == b'.');
    Item::text(&name[dot.unwrap_or(name.len())..])
}

fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            other => parts.push(other),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

fn date(budget: &mut Budget, given: &[Item]) -> Outcome<Moment> {
    let (layout, written) = (text(given, 0), text(given, 1));
    budget.step((layout.len() + written.len()) * 8)?;
    let (layout, written) = (Text::from(layout), Text::from(written));
    Ok(Moment::parse(&layout.to_text(), &written.to_text())?)
}

/// A span of time in nanoseconds; Go's `ParseDuration`.
fn nanoseconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let unsigned = text.strip_prefix('-');
    if unsigned.is_some_and(|rest| rest.starts_with('+')) {
        return None;
    }
    let span = parse_duration(unsigned.unwrap_or(text)).ok()?;
    let span = i64::try_from(span.as_nanos()).ok()?;
    Some(if unsigned.is_some() { -span } else { span })
}

/// A span of time as Go prints it.
fn span(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let size = Duration::from_nanos(nanoseconds.unsigned_abs());
    format!("{sign}{}", format_duration(size))
}

fn later(_: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let wrong = || {
        format!(
            "time: invalid duration {:?}",
            Text::from(text(given, 0)).to_text()
        )
    };
    let span = nanoseconds(text(given, 0)).ok_or_else(wrong)?;
    match any(given, 1) {
        Item::Time(moment) => Ok(Item::Time(Rc::new(moment.plus(span)))),
        _ => Ok(Item::Absent),
    }
}

fn duration_round(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    const SECOND: u64 = 1_000_000_000;
    let units = [
        (365 * 86_400, "y"),
        (30 * 86_400, "mo"),
        (86_400, "d"),
        (3_600, "h"),
        (60, "m"),
        (1, "s"),
    ];
    let span = match any(given, 0) {
        Item::Text(text) => nanoseconds(text).unwrap_or(0),
        Item::Int(super::super::value::IntKind::Int64, value) => *value,
        Item::Time(_) => return refuse_unsteady(budget, given),
        _ => 0,
    };
    let size = span.unsigned_abs();
    let unit = units.iter().find(|(seconds, _)| size > seconds * SECOND);
    Ok(Item::text(match unit {
        Some((seconds, name)) => format!("{}{name}", size / (seconds * SECOND)),
        None => "0s".to_owned(),
    }))
}
