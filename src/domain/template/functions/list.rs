//! Lists.

use super::super::item::{Item, List, deep_equal};
use super::super::run::{Budget, Fault, Outcome};
use super::super::value::Type;
use super::Parameter::{Any, Int};
use super::general::is_empty;
use super::number::to_int;
use super::{Signature, any, int, list, made_list};

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("append", &[Any, Any], push),
    Signature::new("chunk", &[Int, Any], chunk),
    Signature::new("compact", &[Any], compact),
    Signature::open("concat", &[], Any, |budget, given| {
        let mut all = Vec::new();
        for index in 0..given.len() {
            all.extend(list(budget, given, index, "concat")?.to_vec());
        }
        if all.is_empty() {
            return Ok(Item::List(List::nil(Type::Interface)));
        }
        made_list(budget, all)
    }),
    Signature::new("first", &[Any], first),
    Signature::new("has", &[Any, Any], has),
    Signature::new("initial", &[Any], initial),
    Signature::new("last", &[Any], last),
    Signature::open("list", &[], Any, new),
    Signature::new("mustAppend", &[Any, Any], push),
    Signature::new("mustChunk", &[Int, Any], chunk),
    Signature::new("mustCompact", &[Any], compact),
    Signature::new("mustFirst", &[Any], first),
    Signature::new("mustHas", &[Any, Any], has),
    Signature::new("mustInitial", &[Any], initial),
    Signature::new("mustLast", &[Any], last),
    Signature::new("mustPrepend", &[Any, Any], prepend),
    Signature::new("mustPush", &[Any, Any], push),
    Signature::new("mustRest", &[Any], rest),
    Signature::new("mustReverse", &[Any], reverse),
    Signature::open("mustSlice", &[Any], Any, slice),
    Signature::new("mustUniq", &[Any], uniq),
    Signature::open("mustWithout", &[Any], Any, without),
    Signature::new("prepend", &[Any, Any], prepend),
    Signature::new("push", &[Any, Any], push),
    Signature::new("rest", &[Any], rest),
    Signature::new("reverse", &[Any], reverse),
    Signature::open("slice", &[Any], Any, slice),
    Signature::open("tuple", &[], Any, new),
    Signature::new("uniq", &[Any], uniq),
    Signature::open("without", &[Any], Any, without),
];

fn new(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    made_list(budget, given.to_vec())
}

fn push(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let mut items = list(budget, given, 0, "push on")?.to_vec();
    items.push(any(given, 1).clone());
    made_list(budget, items)
}

fn prepend(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let mut items = list(budget, given, 0, "prepend on")?.to_vec();
    items.insert(0, any(given, 1).clone());
    made_list(budget, items)
}

fn chunk(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let items = list(budget, given, 1, "chunk")?.to_vec();
    let size = int(given, 0);
    let chunks = match usize::try_from(size) {
        Ok(1..) => items.chunks(size as usize).map(<[Item]>::to_vec).collect(),
        // What the arithmetic of the library comes to.
        Err(_) if items.len() == 1 => vec![items],
        Err(_) if items.len() > 1 && items.len() as u64 - 1 <= size.unsigned_abs() => Vec::new(),
        _ => return Err("runtime error: makeslice: len out of range".into()),
    };
    budget.items(chunks.iter().map(|chunk: &Vec<Item>| chunk.len() + 1).sum())?;
    let chunks = chunks.into_iter().map(Item::list).collect();
    Ok(Item::List(List::new(Type::list(Type::Interface), chunks)))
}

fn first(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let list = list(budget, given, 0, "find first on")?;
    Ok(list.get(0).unwrap_or(Item::Nil))
}

fn last(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let list = list(budget, given, 0, "find last on")?;
    let last = list.len().checked_sub(1);
    Ok(last.and_then(|last| list.get(last)).unwrap_or(Item::Nil))
}

fn rest(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    part(budget, given, "find rest on", |items| &items[1..])
}

fn initial(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    part(budget, given, "find initial on", |items| {
        &items[..items.len() - 1]
    })
}

fn part(
    budget: &mut Budget,
    given: &[Item],
    verb: &str,
    part: fn(&[Item]) -> &[Item],
) -> Outcome<Item> {
    let items = list(budget, given, 0, verb)?.to_vec();
    if items.is_empty() {
        return Ok(Item::List(List::nil(Type::Interface)));
    }
    made_list(budget, part(&items).to_vec())
}

fn reverse(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let mut items = list(budget, given, 0, "find reverse on")?.to_vec();
    items.reverse();
    made_list(budget, items)
}

fn compact(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let mut items = list(budget, given, 0, "compact on")?.to_vec();
    items.retain(|item| !is_empty(item));
    made_list(budget, items)
}

/// Whether an item is among others.
fn is_in(budget: &mut Budget, items: &[Item], item: &Item) -> Outcome<bool> {
    for other in items {
        if equal(budget, item, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Go's `reflect.DeepEqual`.
pub(super) fn equal(budget: &mut Budget, left: &Item, right: &Item) -> Outcome<bool> {
    let equal = deep_equal(left, right, &mut budget.steps);
    equal.ok_or_else(|| Fault::Limit("the values are too large to be compared".to_owned()))
}

fn uniq(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let items = list(budget, given, 0, "find uniq on")?.to_vec();
    let mut kept = Vec::new();
    for item in items {
        if !is_in(budget, &kept, &item)? {
            kept.push(item);
        }
    }
    made_list(budget, kept)
}

fn without(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let items = list(budget, given, 0, "find without on")?.to_vec();
    let mut kept = Vec::new();
    for item in items {
        if !is_in(budget, &given[1..], &item)? {
            kept.push(item);
        }
    }
    made_list(budget, kept)
}

fn has(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    if any(given, 1).is_nil() {
        return Ok(Item::Bool(false));
    }
    let items = list(budget, given, 1, "find has on")?.to_vec();
    is_in(budget, &items, any(given, 0)).map(Item::Bool)
}

fn slice(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let Item::List(list) = any(given, 0) else {
        let kind = any(given, 0).kind();
        return Err(format!("list should be type of slice or array but {kind}").into());
    };
    budget.step(1)?;
    if list.len() == 0 {
        return Ok(Item::Nil);
    }
    let from = given.get(1).map_or(0, to_int);
    let to = given.get(2).map_or(list.len() as i64, to_int);
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    let part = range.and_then(|(from, to)| list.slice(from, to));
    let part = part.ok_or("reflect.Value.Slice: slice index out of bounds")?;
    Ok(Item::List(part))
}
