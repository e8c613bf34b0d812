//! What a server says is left of a rate limit: the `RateLimit-*` fields of Docker Hub, of the IETF drafts, and of GitHub's kind.
//!
//! Invariant: no field can announce a wait beyond [`LONGEST_WAIT`]; fields that make no sense are passed over. What is absent:
//! the clock; `now` is an argument.

use super::retry_after::LONGEST_WAIT;
use jiff::Timestamp;
use std::time::Duration;

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many requests are left.
    pub remaining: u64,
    /// How many there are in a whole window, when it is said.
    pub limit: Option<u64>,
    /// How long what is left has to last: until the limit is whole again, or a whole window.
    pub horizon: Option<Duration>,
}

/// Reads the fields; `field` gives the value of one by its lower-case name. `None` when nothing says what is left.
///
/// Understood are `RateLimit-Remaining: 76;w=21600` with `RateLimit-Limit: 100;w=21600` (Docker Hub), `RateLimit-Remaining: 5`
/// with `RateLimit-Reset: 30` (seconds), `RateLimit: "default";r=5;t=30` with `RateLimit-Policy: "default";q=100;w=60`
/// (draft-ietf-httpapi-ratelimit-headers), and `X-RateLimit-Remaining` with `X-RateLimit-Reset` (seconds since 1970).
pub fn parse_rate_limit<'f>(
    field: impl Fn(&str) -> Option<&'f str>,
    now: Timestamp,
) -> Option<RateLimit> {
    if let Some(value) = field("ratelimit") {
        let policy = field("ratelimit-policy").unwrap_or_default();
        return Some(RateLimit {
            remaining: parameter(value, "r")?,
            limit: parameter(policy, "q"),
            horizon: parameter(value, "t")
                .or_else(|| parameter(policy, "w"))
                .map(seconds),
        });
    }
    if let Some(value) = field("ratelimit-remaining") {
        let limit = field("ratelimit-limit").unwrap_or_default();
        let reset = field("ratelimit-reset").and_then(number);
        let window = parameter(value, "w").or_else(|| parameter(limit, "w"));
        return Some(RateLimit {
            remaining: number(value)?,
            limit: number(limit),
            horizon: reset.or(window).map(seconds),
        });
    }
    let remaining = number(field("x-ratelimit-remaining")?)?;
    let reset = field("x-ratelimit-reset").and_then(number);
    Some(RateLimit {
        remaining,
        limit: field("x-ratelimit-limit").and_then(number),
        horizon: reset.map(|reset| until(reset, now)),
    })
}

/// The number a value begins with.
fn number(value: &str) -> Option<u64> {
    let digits = value.split([';', ',']).next().unwrap_or_default().trim();
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// A parameter of the first item of a value: `;name=number`.
fn parameter(value: &str, name: &str) -> Option<u64> {
    let first = value.split(',').next().unwrap_or_default();
    first.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        (key.trim() == name).then(|| number(value)).flatten()
    })
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number).min(LONGEST_WAIT)
}

/// From now to a moment in seconds since 1970; small numbers are seconds from now, as some servers have it.
fn until(reset: u64, now: Timestamp) -> Duration {
    let now = u64::try_from(now.as_second()).unwrap_or_default();
    match reset {
        0..=86_400 => seconds(reset),
        _ => seconds(reset.saturating_sub(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(fields: &[(&str, &str)]) -> Option<(u64, Option<u64>, Option<u64>)> {
        let field = |name: &str| {
            let found = fields.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        };
        let now = Timestamp::from_second(1_700_000_000).expect("a moment");
        let limit = parse_rate_limit(field, now)?;
        let horizon = limit.horizon.map(|horizon| horizon.as_secs());
        Some((limit.remaining, limit.limit, horizon))
    }

    #[test]
    fn all_forms_are_read() {
        for (fields, expected) in [
            (
                // As Docker Hub documents it.
                &[
                    ("ratelimit-limit", "100;w=21600"),
                    ("ratelimit-remaining", "76;w=21600"),
                ][..],
                Some((76, Some(100), Some(21_600))),
            ),
            (
                &[
                    ("ratelimit-limit", "10, 10;w=1"),
                    ("ratelimit-remaining", "5"),
                    ("ratelimit-reset", "50"),
                ],
                Some((5, Some(10), Some(50))),
            ),
            (
                // The examples of the draft.
                &[
                    ("ratelimit", "\"default\";r=50;t=30"),
                    ("ratelimit-policy", "\"default\";q=100;w=10"),
                ],
                Some((50, Some(100), Some(30))),
            ),
            (
                &[
                    ("x-ratelimit-limit", "60"),
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1700000090"),
                ],
                Some((0, Some(60), Some(90))),
            ),
            (
                &[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "30")],
                Some((7, None, Some(30))),
            ),
            (
                &[
                    ("x-ratelimit-remaining", "7"),
                    ("x-ratelimit-reset", "1600000000"),
                ],
                Some((7, None, Some(0))),
            ),
            (&[("ratelimit-remaining", "9")], Some((9, None, None))),
            (&[("ratelimit-remaining", "soon")], None),
            (&[("ratelimit-remaining", "-1")], None),
            (&[("ratelimit", "\"default\";t=3")], None),
            (&[("ratelimit-limit", "100")], None),
            (&[], None),
        ] {
            assert_eq!(parse(fields), expected, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_no_wait_is_longer_than_a_day(
            values in proptest::collection::vec("\\PC{0,24}|[0-9]{1,24}(;[wrtq]=[0-9]{1,24}){0,2}", 3),
        ) {
            for names in [["ratelimit", "ratelimit-policy", "x"], ["ratelimit-remaining", "ratelimit-limit", "ratelimit-reset"],
                ["x-ratelimit-remaining", "x-ratelimit-limit", "x-ratelimit-reset"]] {
                let fields: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
                let horizon = parse(&fields).and_then(|(_, _, horizon)| horizon);
                prop_assert!(horizon.is_none_or(|horizon| horizon <= LONGEST_WAIT.as_secs()));
            }
        }
    }
}
