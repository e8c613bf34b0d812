//! Reading fields of an object that may be anything.
//!
//! Invariant: a missing field and one of another type read alike. What is absent: writing.

use serde_json::Value;

/// An object of the cluster.
#[derive(Clone, Copy)]
pub(super) struct Object<'a>(pub(super) &'a Value);

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    True,
    False,
    Unknown,
    Other,
}

/// One entry of `status.conditions`.
#[derive(Clone, Copy)]
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: Status,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

impl<'a> Object<'a> {
    /// The string at a JSON pointer, or the empty one.
    pub(super) fn text(self, pointer: &str) -> &'a str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The whole number at a JSON pointer.
    pub(super) fn number(self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer).and_then(Value::as_i64)
    }

    pub(super) fn number_or(self, pointer: &str, default: i64) -> i64 {
        self.number(pointer).unwrap_or(default)
    }

    pub(super) fn conditions(self) -> impl Iterator<Item = Condition<'a>> {
        let conditions = self
            .0
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        conditions.into_iter().flatten().map(|condition| {
            let text = |key| {
                condition
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            Condition {
                kind: text("type"),
                status: match text("status") {
                    "True" => Status::True,
                    "False" => Status::False,
                    "Unknown" => Status::Unknown,
                    _ => Status::Other,
                },
                reason: text("reason"),
                message: text("message"),
            }
        })
    }

    /// Whether the condition `kind` is true.
    pub(super) fn has(self, kind: &str) -> bool {
        self.conditions()
            .any(|condition| condition.kind == kind && condition.status == Status::True)
    }
}
