//! Maps of anything by text.

use super::super::item::{Item, List, Map};
use super::super::run::{Budget, Fault, Outcome};
use super::Parameter::{Any, Dict, Text as TextParameter};
use super::merge::{merge, merge_over};
use super::{Signature, any, dict, made_list, made_texts, printed, text};

/// How deep values are copied.
const MAX_DEPTH: usize = 100;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("deepCopy", &[Any], deep_copy),
    Signature::open("dict", &[], Any, new),
    Signature::open("dig", &[], Any, dig),
    Signature::new("get", &[Dict, TextParameter], |_, given| {
        let value = dict(given, 0)?.get(any(given, 1));
        Ok(value.unwrap_or_else(|| Item::text("")))
    }),
    Signature::new("hasKey", &[Dict, TextParameter], |_, given| {
        Ok(Item::Bool(dict(given, 0)?.get(any(given, 1)).is_some()))
    }),
    Signature::open("keys", &[], Dict, |budget, given| {
        let mut keys = Vec::new();
        for index in 0..given.len() {
            let entries = dict(given, index)?.to_vec().into_iter();
            keys.extend(entries.filter_map(|(key, _)| match key {
                Item::Text(text) => Some(text),
                _ => None,
            }));
        }
        made_texts(budget, keys)
    }),
    Signature::open("merge", &[Dict], Dict, merge),
    Signature::open("mergeOverwrite", &[Dict], Dict, merge_over),
    Signature::new("mustDeepCopy", &[Any], deep_copy),
    Signature::open("mustMerge", &[Dict], Dict, merge),
    Signature::open("mustMergeOverwrite", &[Dict], Dict, merge_over),
    Signature::open("omit", &[Dict], TextParameter, |budget, given| {
        let keys: Vec<&[u8]> = (1..given.len()).map(|index| text(given, index)).collect();
        budget.step(keys.len() * dict(given, 0)?.len())?;
        kept(budget, given, |key| !keys.contains(&key))
    }),
    Signature::open("pick", &[Dict], TextParameter, |budget, given| {
        let keys: Vec<&[u8]> = (1..given.len()).map(|index| text(given, index)).collect();
        budget.step(keys.len() * dict(given, 0)?.len())?;
        kept(budget, given, |key| keys.contains(&key))
    }),
    Signature::open("pluck", &[TextParameter], Dict, |budget, given| {
        let mut values = Vec::new();
        for index in 1..given.len() {
            values.extend(dict(given, index)?.get(any(given, 0)));
        }
        made_list(budget, values)
    }),
    Signature::new("set", &[Dict, TextParameter, Any], |budget, given| {
        let (key, value) = (any(given, 1).clone(), any(given, 2).clone());
        budget.insert(dict(given, 0)?, key, value)?;
        Ok(any(given, 0).clone())
    }),
    Signature::new("unset", &[Dict, TextParameter], |_, given| {
        dict(given, 0)?.remove(any(given, 1));
        Ok(any(given, 0).clone())
    }),
    Signature::new("values", &[Dict], |budget, given| {
        let values = dict(given, 0)?.to_vec().into_iter();
        made_list(budget, values.map(|(_, value)| value).collect())
    }),
];

fn new(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    budget.items(given.len() * 2)?;
    let map = Map::dict();
    for pair in given.chunks(2) {
        let key = printed(budget, &pair[0])?;
        let value = pair.get(1).cloned();
        map.insert(Item::Text(key), value.unwrap_or_else(|| Item::text("")));
    }
    Ok(Item::Map(map))
}

/// The entries whose keys are wanted, in a map of their own.
fn kept(budget: &mut Budget, given: &[Item], wanted: impl Fn(&[u8]) -> bool) -> Outcome<Item> {
    let entries = dict(given, 0)?.to_vec();
    budget.items(entries.len() * 2)?;
    let map = Map::dict();
    for (key, value) in entries {
        if matches!(&key, Item::Text(text) if wanted(text)) {
            map.insert(key, value);
        }
    }
    Ok(Item::Map(map))
}

fn dig(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let [keys @ .., default, last] = given else {
        return Err("dig needs at least three arguments".into());
    };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let wrong = |item: &Item, wanted: &str| {
        let of = item.type_name();
        Fault::from(format!(
            "interface conversion: interface {{}} is {of}, not {wanted}"
        ))
    };
    if let Some(other) = keys.iter().find(|key| !matches!(key, Item::Text(_))) {
        return Err(wrong(other, "string"));
    }
    let mut found = last.clone();
    for key in keys {
        budget.step(1)?;
        let next = match &found {
            Item::Map(map) if map.is_dict() => map.get(key),
            other => return Err(wrong(other, "map[string]interface {}")),
        };
        match next {
            Some(next) => found = next,
            None => return Ok(default.clone()),
        }
    }
    Ok(found)
}

fn deep_copy(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    match any(given, 0) {
        Item::Nil | Item::Absent => Err("reflect: call of reflect.Value.Type on zero Value".into()),
        item => copied(budget, item, MAX_DEPTH),
    }
}

/// A value whose lists and maps nobody else holds.
fn copied(budget: &mut Budget, item: &Item, depth: usize) -> Outcome<Item> {
    let too_deep = || Fault::Limit("the value is nested too deeply".to_owned());
    let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
    match item {
        Item::List(list) if !list.is_nil => {
            budget.items(list.len())?;
            let items = list.to_vec();
            let items: Outcome<Vec<Item>> = items
                .iter()
                .map(|item| copied(budget, item, depth))
                .collect();
            Ok(Item::List(List::new(list.of().clone(), items?)))
        }
        Item::Map(map) if !map.is_nil => {
            budget.items(map.len() * 2)?;
            let copy = Map::new(map.of.clone());
            for (key, value) in map.to_vec() {
                copy.insert(key, copied(budget, &value, depth)?);
            }
            Ok(Item::Map(copy))
        }
        other => Ok(other.clone()),
    }
}
