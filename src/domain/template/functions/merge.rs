//! Merging of maps as the library that Sprig uses does it, its habits with lists included.

use super::super::item::{Item, List, Map};
use super::super::run::{Budget, Fault, Outcome};
use super::dict;
use super::general::is_empty;

/// How deep maps are merged.
const MAX_DEPTH: usize = 100;

/// What the first map lacks is taken from the others.
pub(super) fn merge(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    merge_all(budget, given, false)
}

/// What the others have takes the place of what is in the first map.
pub(super) fn merge_over(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    merge_all(budget, given, true)
}

fn merge_all(budget: &mut Budget, given: &[Item], over: bool) -> Outcome<Item> {
    let mut result = dict(given, 0)?.clone();
    for index in 1..given.len() {
        let from = dict(given, index)?;
        if result.is_nil && !from.is_nil {
            result = Map::dict();
        }
        merge_one(budget, &result, from, over, MAX_DEPTH)?;
    }
    Ok(Item::Map(result))
}

fn merge_one(budget: &mut Budget, into: &Map, from: &Map, over: bool, depth: usize) -> Outcome<()> {
    let too_deep = || Fault::Limit("the maps are nested too deeply".to_owned());
    let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
    budget.items(from.len())?;
    for (key, value) in from.to_vec() {
        let known = into.get(&key);
        match &value {
            Item::Nil | Item::Absent => {
                if over {
                    budget.insert(into, key, value)?;
                }
                continue;
            }
            Item::Map(inner) => {
                if let Some(Item::Map(known)) = &known {
                    merge_one(budget, known, inner, over, depth)?;
                }
            }
            Item::List(list) => {
                let whole = over || into.len() == 0;
                let new = match &known {
                    _ if whole => value.clone(),
                    None | Some(Item::Nil) => Item::List(List::new(list.of().clone(), Vec::new())),
                    Some(known) => known.clone(),
                };
                budget.insert(into, key.clone(), new)?;
            }
            _ => {}
        }
        let known_is_full = known.as_ref().is_some_and(|known| !is_empty(known));
        let is_merged = matches!(
            (&value, &known),
            (Item::List(_), _) | (Item::Map(_), Some(Item::Map(_)))
        );
        if known_is_full && (is_merged || !over) {
            continue;
        }
        budget.insert(into, key, value)?;
    }
    Ok(())
}
