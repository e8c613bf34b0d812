//! The tree a YAML document becomes: scalars keep their text beside their type.
//!
//! Invariant: a scalar's text is what the document says after unescaping, so `1.10` stays `1.10`
//! until somebody asks for a value; a mapping keeps the order of its keys and has each key once, but where
//! repeated keys were asked for.
//! What is absent: comments, styles and anchors (aliases are already expanded).

use super::merge_key;
use super::scalar::{self, Rules, ScalarError};
use compact_str::CompactString;
use serde_json::map::Entry as MapEntry;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};

/// What a scalar means under the rules it was read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    /// No value.
    Null,
    /// `true` or `false`, in any accepted spelling.
    Bool,
    /// A whole number, in any accepted base.
    Integer,
    /// A number with a fraction, an exponent, or too large for 64 bits.
    Float,
    /// A date or a time.
    Timestamp,
    /// Everything else.
    Text,
    /// What the text looks like by the time its value is asked for. No document has it: steps of a
    /// build make it.
    Untagged,
}

/// One scalar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, unescaped. Short ones, as most are, need no memory of their own.
    pub text: CompactString,
    /// What it means.
    pub kind: ScalarKind,
    /// The line it starts on, counted from 1; 0 when it was made by a program.
    pub line: u32,
    /// Whether the document quotes it, or writes it as a block.
    pub quoted: bool,
    /// Whether the document writes it as a literal block: its lines are lines of the document then.
    pub literal: bool,
    /// Ties scalars of one object together that change as one; 0 for none. Only builds use it.
    pub tie: u32,
}

impl Scalar {
    /// A scalar of its own, without quotes.
    pub fn new(text: impl Into<CompactString>, kind: ScalarKind, line: u32) -> Self {
        Self {
            text: text.into(),
            kind,
            line,
            quoted: false,
            literal: false,
            tie: 0,
        }
    }

    /// A string that no document wrote: quoted where it would not read as a string.
    pub fn string(text: impl Into<CompactString>) -> Self {
        let text = text.into();
        Self {
            quoted: scalar::needs_quotes(&text),
            ..Self::new(text, ScalarKind::Text, 0)
        }
    }

    /// What it means, also when that depends on the text.
    pub fn meaning(&self) -> ScalarKind {
        match self.kind {
            ScalarKind::Untagged if self.quoted => ScalarKind::Text,
            ScalarKind::Untagged => scalar::classify(&self.text, Rules::Kustomize),
            kind => kind,
        }
    }
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key's text.
    pub key: CompactString,
    /// The line of the key, counted from 1; 0 when it was made by a program.
    pub line: u32,
    /// The value.
    pub value: Node,
}

/// Keys and values in document order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The entries. The first of a key is the one that counts.
    pub entries: Vec<Entry>,
}

/// A scalar, a sequence or a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A leaf.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values.
    Mapping(Mapping),
}

impl Node {
    /// A string that no document wrote.
    pub fn text(text: impl Into<CompactString>) -> Self {
        Self::Scalar(Scalar::string(text))
    }

    /// A null that no document wrote.
    pub fn null() -> Self {
        Self::Scalar(Scalar::new("null", ScalarKind::Null, 0))
    }

    /// An empty mapping.
    pub fn mapping() -> Self {
        Self::Mapping(Mapping::default())
    }

    /// Whether this is a null scalar.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(scalar) if scalar.kind == ScalarKind::Null)
    }

    /// Whether this is null, `{}` or `[]`.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(scalar) => scalar.kind == ScalarKind::Null,
            Self::Sequence(items) => items.is_empty(),
            Self::Mapping(mapping) => mapping.entries.is_empty(),
        }
    }

    /// The scalar, if this is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar, whatever its type; `None` for collections.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    /// The text of a scalar; empty for a null, and for collections.
    pub fn text_or_empty(&self) -> &str {
        match self.as_text() {
            Some(text) if !self.is_null() => text,
            _ => "",
        }
    }

    /// The mapping, if this is one.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match self {
            Self::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// The mapping, if this is one, to change it.
    pub fn as_mapping_mut(&mut self) -> Option<&mut Mapping> {
        match self {
            Self::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// The items, if this is a sequence.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        match self {
            Self::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The value at `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_mapping()?.get(key)
    }

    /// The first line this node is known to touch; 0 when it was made by a program.
    pub fn line(&self) -> u32 {
        match self {
            Self::Scalar(scalar) => scalar.line,
            Self::Sequence(items) => items.first().map_or(0, Self::line),
            Self::Mapping(mapping) => mapping.entries.first().map_or(0, |entry| entry.line),
        }
    }

    /// The JSON value, in key order.
    ///
    /// # Errors
    /// [`ScalarError`] for a scalar that JSON cannot hold, such as `.inf`, and a key that occurs twice.
    pub fn to_json(&self) -> Result<Value, ScalarError> {
        match self {
            Self::Scalar(scalar) if scalar.kind == ScalarKind::Text => {
                Ok(Value::String(scalar.text.as_str().to_owned()))
            }
            Self::Scalar(scalar) => scalar::to_json(scalar),
            Self::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Self::Mapping(mapping) => {
                let mut object = Map::with_capacity(mapping.entries.len());
                for entry in &mapping.entries {
                    match object.entry(entry.key.as_str()) {
                        MapEntry::Vacant(place) => place.insert(entry.value.to_json()?),
                        MapEntry::Occupied(place) => {
                            let (key, line) = (place.key().clone(), entry.line);
                            return Err(ScalarError::RepeatedKey { key, line });
                        }
                    };
                }
                Ok(Value::Object(object))
            }
        }
    }

    /// The path of the first scalar or key that has no JSON value, such as `.spec.replicas`.
    pub fn without_json(&self) -> Option<String> {
        match self {
            Self::Scalar(scalar) => scalar::to_json(scalar).err().map(|_| String::new()),
            Self::Sequence(items) => {
                let mut found = items.iter().enumerate();
                found.find_map(|(index, item)| Some(format!("[{index}]{}", item.without_json()?)))
            }
            Self::Mapping(mapping) => {
                let mut seen = BTreeSet::new();
                mapping.entries.iter().find_map(|entry| {
                    let below = match seen.insert(entry.key.as_str()) {
                        true => entry.value.without_json()?,
                        false => String::new(),
                    };
                    Some(format!(".{}{below}", entry.key))
                })
            }
        }
    }

    /// The node of a JSON value. Numbers keep the text JSON prints.
    pub fn from_json(value: &Value) -> Self {
        let scalar = |text: String, kind| Self::Scalar(Scalar::new(text, kind, 0));
        match value {
            Value::Null => Self::null(),
            Value::Bool(flag) => scalar(flag.to_string(), ScalarKind::Bool),
            Value::Number(number) if number.is_f64() => {
                scalar(number.to_string(), ScalarKind::Float)
            }
            Value::Number(number) => scalar(number.to_string(), ScalarKind::Integer),
            Value::String(text) => Self::text(text.clone()),
            Value::Array(items) => Self::Sequence(items.iter().map(Self::from_json).collect()),
            Value::Object(object) => Self::Mapping(Mapping {
                entries: object
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.as_str().into(),
                        line: 0,
                        value: Self::from_json(value),
                    })
                    .collect(),
            }),
        }
    }
}

/// Up to how many keys are compared each with each.
const FEW: usize = 24;

impl Mapping {
    /// Of entries with one key the last one stays.
    pub fn keep_last_of_each_key(&mut self) {
        merge_key::keep_last(&mut self.entries);
    }

    /// Refuses a key that occurs twice.
    pub(super) fn check_keys(&self) -> Result<(), ScalarError> {
        let repeated = match self.entries.len() {
            ..=FEW => (1..self.entries.len()).find(|&index| {
                let (before, this) = (&self.entries[..index], &self.entries[index]);
                before.iter().any(|entry| entry.key == this.key)
            }),
            many => {
                let mut seen = HashSet::with_capacity(many);
                let mut keys = self.entries.iter();
                keys.position(|entry| !seen.insert(entry.key.as_str()))
            }
        };
        match repeated.map(|index| &self.entries[index]) {
            None => Ok(()),
            Some(entry) => Err(ScalarError::RepeatedKey {
                key: entry.key.to_string(),
                line: entry.line,
            }),
        }
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key)
    }

    /// The value at `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.position(key).map(|index| &self.entries[index].value)
    }

    /// The value at `key`, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.position(key)
            .map(|index| &mut self.entries[index].value)
    }

    /// The text of the scalar at `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Node::as_text)
    }

    /// Sets `key`, in its place when it is there, at the end otherwise.
    pub fn set(&mut self, key: &str, value: Node) {
        match self.get_mut(key) {
            Some(old) => *old = value,
            None => self.entries.push(Entry {
                key: key.into(),
                line: 0,
                value,
            }),
        }
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        self.position(key)
            .map(|index| self.entries.remove(index).value)
    }

    /// The value at `key`, made with `default` when it is missing.
    pub fn get_or_insert_with(&mut self, key: &str, default: impl FnOnce() -> Node) -> &mut Node {
        let index = self.position(key).unwrap_or_else(|| {
            self.entries.push(Entry {
                key: key.into(),
                line: 0,
                value: default(),
            });
            self.entries.len() - 1
        });
        &mut self.entries[index].value
    }
}
