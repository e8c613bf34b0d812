//! Go's orders and equalities.

use super::{Item, Struct};
use std::cmp::Ordering;
use std::rc::Rc;

/// How deep two values are compared.
const MAX_DEPTH: usize = 100;

/// The order of keys of a map, which are all of one type.
pub(super) fn order(left: &Item, right: &Item) -> Ordering {
    match (left, right) {
        (Item::Bool(left), Item::Bool(right)) => left.cmp(right),
        (Item::Int(_, left), Item::Int(_, right)) => left.cmp(right),
        (Item::Uint(_, left), Item::Uint(_, right)) => left.cmp(right),
        (Item::Float(left), Item::Float(right)) => left.total_cmp(right),
        (Item::Text(left), Item::Text(right)) => left.cmp(right),
        (Item::Struct(left), Item::Struct(right)) => {
            let pairs = left.fields.iter().zip(&right.fields);
            pairs
                .map(|(left, right)| order(left, right))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        }
        _ => Ordering::Equal,
    }
}

/// Go's `==` of two values of a type that has it.
pub(in super::super) fn identical(left: &Item, right: &Item) -> bool {
    if left.of() != right.of() {
        return false;
    }
    match (left, right) {
        (Item::Struct(left), Item::Struct(right)) => {
            let mut pairs = left.fields.iter().zip(&right.fields);
            pairs.all(|(left, right)| identical(left, right))
        }
        (Item::Version(left), Item::Version(right)) if left.is_plain() => left == right,
        (Item::Version(left), Item::Version(right)) => Rc::ptr_eq(left, right),
        (Item::Time(left), Item::Time(right)) => left == right,
        (Item::Float(left), Item::Float(right)) => left == right,
        (Item::Complex(a, b), Item::Complex(c, d)) => a == c && b == d,
        _ => left.is_nil() || order(left, right).is_eq(),
    }
}

/// Go's `reflect.DeepEqual`; `None` when that goes too deep or takes more steps than are left.
pub(in super::super) fn deep_equal(left: &Item, right: &Item, steps: &mut u64) -> Option<bool> {
    equal_within(left, right, MAX_DEPTH, steps)
}

fn equal_within(left: &Item, right: &Item, depth: usize, steps: &mut u64) -> Option<bool> {
    let depth = depth.checked_sub(1)?;
    *steps = steps.checked_sub(1)?;
    let mut all = |pairs: &mut dyn Iterator<Item = (Item, Item)>| {
        for (left, right) in pairs {
            if !equal_within(&left, &right, depth, steps)? {
                return Some(false);
            }
        }
        Some(true)
    };
    if left.of() != right.of() {
        return Some(false);
    }
    match (left, right) {
        (Item::List(left), Item::List(right)) => {
            if left.len() != right.len() || left.is_nil != right.is_nil {
                return Some(false);
            }
            all(&mut left.to_vec().into_iter().zip(right.to_vec()))
        }
        (Item::Map(left), Item::Map(right)) => {
            if left.is(right) {
                return Some(true);
            }
            let (left, right) = ((left.is_nil, left.to_vec()), (right.is_nil, right.to_vec()));
            let keys = left.1.iter().zip(&right.1);
            let same = keys
                .into_iter()
                .all(|(left, right)| identical(&left.0, &right.0));
            if !same || left.0 != right.0 || left.1.len() != right.1.len() {
                return Some(false);
            }
            let values = left.1.into_iter().zip(right.1);
            all(&mut values.map(|(left, right)| (left.1, right.1)))
        }
        (Item::Struct(left), Item::Struct(right)) => {
            let fields = |record: &Rc<Struct>| record.fields.clone().into_iter();
            all(&mut fields(left).zip(fields(right)))
        }
        (Item::Version(left), Item::Version(right)) => Some(left == right),
        _ => Some(identical(left, right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_looks_at_types() {
        let list = |items| Item::list(items);
        let (one, other) = (list(vec![Item::int(1)]), list(vec![Item::int64(1)]));
        let equal = |left: &Item, right: &Item| deep_equal(left, right, &mut 100);
        assert_eq!(equal(&one, &one.clone()), Some(true));
        assert_eq!(equal(&one, &other), Some(false));
        assert_eq!(equal(&Item::Nil, &Item::Absent), Some(true));
        assert!(!identical(&Item::Float(f64::NAN), &Item::Float(f64::NAN)));
    }

    #[test]
    fn what_is_too_deep_is_not_compared() {
        let deep = || (0..200).fold(Item::int(1), |inner, _| Item::list(vec![inner]));
        assert_eq!(deep_equal(&deep(), &deep(), &mut 10_000), None);
        let wide = (0..60).fold(Item::int(1), |inner, _| {
            Item::list(vec![inner.clone(), inner])
        });
        assert_eq!(deep_equal(&wide, &wide, &mut 10_000), None);
    }
}
