//! What one rendering may still do, and why a function fails.

use super::super::Limits;
use super::super::item::{Item, Key, Map, Text};
use crate::domain::pattern::Pattern;
use std::collections::HashMap;

/// Why a function fails: in its own words, or for going too far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Fault {
    Error(String),
    Limit(String),
}

pub(in super::super) type Outcome<T> = Result<T, Fault>;

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Self::Error(message.to_owned())
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Error(message)
    }
}

/// What functions share: how much may still be done, and what was prepared for them.
pub(in super::super) struct Budget {
    pub(in super::super) steps: u64,
    memory: u64,
    pub(in super::super) patterns: HashMap<Text, Pattern>,
    /// Maps that were changed, to be emptied in the end.
    changed: HashMap<usize, Map>,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            steps: limits.steps,
            memory: limits.memory,
            patterns: HashMap::new(),
            changed: HashMap::new(),
        }
    }

    /// Empties what may hold itself.
    pub(super) fn release(&mut self) {
        for map in self.changed.values() {
            map.entries.take();
        }
    }

    /// Counts steps.
    pub(in super::super) fn step(&mut self, count: usize) -> Outcome<()> {
        self.steps = self
            .steps
            .checked_sub(count as u64)
            .ok_or_else(|| Fault::Limit("the template takes too many steps".to_owned()))?;
        Ok(())
    }

    /// Counts bytes before they are made.
    pub(in super::super) fn bytes(&mut self, count: usize) -> Outcome<()> {
        self.step(count / 64)?;
        self.memory = self
            .memory
            .checked_sub(count as u64)
            .ok_or_else(|| Fault::Limit("the template needs too much memory".to_owned()))?;
        Ok(())
    }

    /// Counts items of a list or map before they are made.
    pub(in super::super) fn items(&mut self, count: usize) -> Outcome<()> {
        self.step(count)?;
        self.bytes(count.saturating_mul(size_of::<Item>()))
    }

    /// Puts a value into a map.
    pub(in super::super) fn insert(&mut self, map: &Map, key: Item, value: Item) -> Outcome<()> {
        if map.is_nil {
            return Err("assignment to entry in nil map".into());
        }
        self.bytes(size_of::<(Key, Item)>() * 2)?;
        self.changed
            .entry(map.entries.as_ptr() as usize)
            .or_insert_with(|| map.clone());
        map.insert(key, value);
        Ok(())
    }
}
