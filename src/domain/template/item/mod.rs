//! What a template computes with: Go's values at run time.
//!
//! Invariant: a map that a template changes is changed for everyone who holds it, as in Go. Every map that was changed is
//! emptied in the end, so that none that holds itself outlives the rendering.

mod compare;
mod text;

pub(super) use compare::{deep_equal, identical};
pub(super) use text::{Text, runes};

use super::date::Moment;
use super::value::{IntKind, MapType, Record, StructType, Type, UintKind, Value};
use super::versions::OwnedVersion;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// Nothing, not even nil: what a missing key gives. Prints `<no value>`.
    Absent,
    /// A nil interface.
    Nil,
    Bool(bool),
    Int(IntKind, i64),
    Uint(UintKind, u64),
    Float(f64),
    Complex(f64, f64),
    Text(Text),
    List(List),
    Map(Map),
    Struct(Rc<Struct>),
    Time(Rc<Moment>),
    Version(Rc<OwnedVersion>),
}

/// A slice: a window on items.
#[derive(Clone, Debug)]
pub(super) struct List {
    of: Type,
    items: Rc<RefCell<Vec<Item>>>,
    start: usize,
    length: usize,
    /// Whether it is nil, which only JSON and `%#v` tell from an empty one.
    pub(super) is_nil: bool,
}

/// A map.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) of: MapType,
    pub(super) entries: Rc<RefCell<BTreeMap<Key, Item>>>,
    /// Whether it is nil, to which nothing can be added.
    pub(super) is_nil: bool,
}

/// A key of a map, in Go's order.
#[derive(Clone, Debug)]
pub(super) struct Key(pub(super) Item);

/// A struct.
#[derive(Debug)]
pub(super) struct Struct {
    pub(super) of: Arc<StructType>,
    pub(super) fields: Vec<Item>,
    pub(super) methods: Vec<(&'static str, Item)>,
}

impl List {
    /// A slice of items of one type.
    pub(super) fn new(of: Type, items: Vec<Item>) -> Self {
        Self {
            of,
            start: 0,
            length: items.len(),
            items: Rc::new(RefCell::new(items)),
            is_nil: false,
        }
    }

    /// A nil slice.
    pub(super) fn nil(of: Type) -> Self {
        Self {
            is_nil: true,
            ..Self::new(of, Vec::new())
        }
    }

    pub(super) fn of(&self) -> &Type {
        &self.of
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn get(&self, index: usize) -> Option<Item> {
        let items = self.items.borrow();
        let inside = (index < self.length).then_some(self.start + index)?;
        items.get(inside).cloned()
    }

    pub(super) fn to_vec(&self) -> Vec<Item> {
        let items = self.items.borrow();
        items[self.start..self.start + self.length].to_vec()
    }

    /// The items from one index to before another, shared.
    pub(super) fn slice(&self, from: usize, to: usize) -> Option<Self> {
        let capacity = self.items.borrow().len() - self.start;
        (from <= to && to <= capacity).then(|| Self {
            start: self.start + from,
            length: to - from,
            is_nil: false,
            ..self.clone()
        })
    }

    /// Sorts the texts in it where they are, for everyone who shares them.
    pub(super) fn sort_texts(&self) {
        let mut items = self.items.borrow_mut();
        items[self.start..self.start + self.length].sort_by(compare::order);
    }
}

impl Map {
    /// An empty map.
    pub(super) fn new(of: MapType) -> Self {
        Self {
            of,
            entries: Rc::default(),
            is_nil: false,
        }
    }

    /// An empty `map[string]interface {}`.
    pub(super) fn dict() -> Self {
        Self::new(MapType::new(Type::Text, Type::Interface))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    pub(super) fn get(&self, key: &Item) -> Option<Item> {
        self.entries.borrow().get(&Key(key.clone())).cloned()
    }

    pub(super) fn insert(&self, key: Item, value: Item) {
        self.entries.borrow_mut().insert(Key(key), value);
    }

    pub(super) fn remove(&self, key: &Item) {
        self.entries.borrow_mut().remove(&Key(key.clone()));
    }

    /// Its entries in Go's order of keys, as they are now.
    pub(super) fn to_vec(&self) -> Vec<(Item, Item)> {
        let entries = self.entries.borrow();
        let pairs = entries.iter();
        pairs
            .map(|(key, value)| (key.0.clone(), value.clone()))
            .collect()
    }

    /// Whether both are the same map.
    pub(super) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }
}

impl Struct {
    /// A field by name, looking into embedded structs.
    pub(super) fn field(&self, name: &str) -> Option<Item> {
        let fields = || self.of.fields.iter().zip(&self.fields);
        if let Some((_, value)) = fields().find(|(field, _)| field.name == name) {
            return Some(value.clone());
        }
        let mut embedded = fields().filter(|(field, _)| field.embedded);
        embedded.find_map(|(_, value)| match value {
            Item::Struct(inner) => inner.field(name),
            _ => None,
        })
    }

    pub(super) fn method(&self, name: &str) -> Option<&Item> {
        let mut methods = self.methods.iter();
        methods.find_map(|(known, result)| (*known == name).then_some(result))
    }
}

impl Item {
    pub(super) fn int(value: i64) -> Self {
        Self::Int(IntKind::Int, value)
    }

    pub(super) fn int64(value: i64) -> Self {
        Self::Int(IntKind::Int64, value)
    }

    pub(super) fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A `[]interface {}`.
    pub(super) fn list(items: Vec<Item>) -> Self {
        Self::List(List::new(Type::Interface, items))
    }

    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Self::Absent | Self::Nil)
    }

    /// Its type; `None` for nil.
    pub(super) fn of(&self) -> Option<Type> {
        Some(match self {
            Self::Absent | Self::Nil => return None,
            Self::Bool(_) => Type::Bool,
            Self::Int(kind, _) => Type::Int(*kind),
            Self::Uint(kind, _) => Type::Uint(*kind),
            Self::Float(_) => Type::Float,
            Self::Complex(..) => Type::Complex,
            Self::Text(_) => Type::Text,
            Self::List(list) => Type::list(list.of.clone()),
            Self::Map(map) => Type::Map(map.of.clone()),
            Self::Struct(record) => Type::Struct(record.of.clone()),
            Self::Time(_) => Type::Time,
            Self::Version(version) if version.is_plain() => Type::PlainVersion,
            Self::Version(_) => Type::Version,
        })
    }

    /// Its type in a message.
    pub(super) fn type_name(&self) -> String {
        self.of()
            .map_or_else(|| "<nil>".to_owned(), |of| of.to_string())
    }

    /// What Go's `Kind` says of it.
    pub(super) fn kind(&self) -> &'static str {
        self.of().map_or("invalid", |of| of.kind())
    }

    /// Whether conditions hold for it.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Absent | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(_, value) => *value != 0,
            Self::Uint(_, value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => list.len() > 0,
            Self::Map(map) => map.len() > 0,
            Self::Struct(_) | Self::Time(_) | Self::Version(_) => true,
        }
    }

    /// The zero value of a type.
    pub(super) fn zero(of: &Type) -> Self {
        match of {
            Type::Interface | Type::Version | Type::PlainVersion => Self::Nil,
            Type::Bool => Self::Bool(false),
            Type::Int(kind) => Self::Int(*kind, 0),
            Type::Uint(kind) => Self::Uint(*kind, 0),
            Type::Float => Self::Float(0.0),
            Type::Complex => Self::Complex(0.0, 0.0),
            Type::Text => Self::text(""),
            Type::List(of) => Self::List(List::nil((**of).clone())),
            Type::Map(of) => Self::Map(Map {
                is_nil: true,
                ..Map::new(of.clone())
            }),
            Type::Struct(of) => Self::Struct(Rc::new(Struct {
                of: of.clone(),
                fields: of
                    .fields
                    .iter()
                    .map(|field| Self::zero(&field.of))
                    .collect(),
                methods: Vec::new(),
            })),
            Type::Time => Self::Time(Rc::new(Moment::zero())),
        }
    }
}

impl From<&Value> for Item {
    fn from(value: &Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::int(*value),
            Value::Int64(value) => Self::int64(*value),
            Value::Uint64(value) => Self::Uint(UintKind::Uint64, *value),
            Value::Float(value) => Self::Float(*value),
            Value::Text(text) => Self::text(text.as_str()),
            Value::List { of, items } => {
                let items = items.iter().map(Into::into).collect();
                Self::List(List::new(of.clone(), items))
            }
            Value::Map { of, entries } => {
                let map = Map::new(of.clone());
                for (key, value) in entries {
                    map.insert(key.into(), value.into());
                }
                Self::Map(map)
            }
            Value::Struct(record) => Self::Struct(Rc::new(record.into())),
            Value::Zero(of) => Self::zero(of),
        }
    }
}

impl From<&Record> for Struct {
    fn from(record: &Record) -> Self {
        let methods = record.methods.iter();
        Self {
            of: record.of.clone(),
            fields: record.fields.iter().map(Into::into).collect(),
            methods: methods.map(|(name, value)| (*name, value.into())).collect(),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        compare::order(&self.0, &other.0)
    }
}
