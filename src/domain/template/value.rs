//! The data a template is rendered with, and its types by Go's names.
//!
//! Duty: say of each value what Go's reflection would say of it, since `%T`, `%#v`, comparisons and arguments look at types.
//! Invariant: plain data that is only read, without shared or circular parts. Absent: what a template makes of it
//! ([`super::item`]).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A value to render.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A nil interface.
    Nil,
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// An `int64`.
    Int64(i64),
    /// A `uint64`.
    Uint64(u64),
    /// A `float64`.
    Float(f64),
    /// A `string`.
    Text(String),
    /// A slice.
    List {
        /// The type of its items.
        of: Type,
        /// The items.
        items: Vec<Value>,
    },
    /// A map.
    Map {
        /// What it maps.
        of: MapType,
        /// Its entries; of two with equal keys the later counts.
        entries: Vec<(Value, Value)>,
    },
    /// A struct.
    Struct(Record),
    /// What a type has where nothing was set: a nil map, for one.
    Zero(Type),
}

/// A struct with its fields and with the results of its methods.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its type.
    pub of: Arc<StructType>,
    /// One value for each field of the type.
    pub fields: Vec<Value>,
    /// What its methods without arguments return, by name. `String` makes it print itself.
    pub methods: Vec<(&'static str, Value)>,
}

/// A type of Go. `Display` writes it as Go does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`
    Interface,
    /// `bool`
    Bool,
    /// A signed integer.
    Int(IntKind),
    /// An unsigned integer.
    Uint(UintKind),
    /// `float64`
    Float,
    /// `complex128`
    Complex,
    /// `string`
    Text,
    /// A slice of a type.
    List(Arc<Type>),
    /// A map.
    Map(MapType),
    /// A struct.
    Struct(Arc<StructType>),
    /// `time.Time`
    Time,
    /// `*semver.Version`
    Version,
    /// `semver.Version`, which has fewer methods.
    PlainVersion,
}

/// A map's type: `map[string]interface {}`, or a name for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapType(Arc<(Option<&'static str>, Type, Type)>);

/// A struct's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructType {
    /// With its package: `update.Change`.
    pub name: &'static str,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub of: Type,
    /// Whether its own fields are fields of the outer struct too, and it has no name in JSON.
    pub embedded: bool,
    /// Its name in JSON, where that is another and it is left out when empty.
    pub json: Option<&'static str>,
}

/// The signed integers that templates meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntKind {
    /// `int`
    Int,
    /// `int64`
    Int64,
    /// `time.Month`
    Month,
    /// `time.Weekday`
    Weekday,
}

/// The unsigned integers that templates meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UintKind {
    /// `uint8`, which a byte of a string is.
    Uint8,
    /// `uint64`
    Uint64,
}

impl MapType {
    /// The type of maps from one type to another.
    pub fn new(key: Type, value: Type) -> Self {
        Self(Arc::new((None, key, value)))
    }

    /// The same under a name of its own, with its package.
    pub fn named(name: &'static str, key: Type, value: Type) -> Self {
        Self(Arc::new((Some(name), key, value)))
    }

    /// The type of keys.
    pub fn key(&self) -> &Type {
        &self.0.1
    }

    /// The type of values.
    pub fn value(&self) -> &Type {
        &self.0.2
    }
}

impl Field {
    /// A plain field.
    pub fn new(name: &'static str, of: Type) -> Self {
        Self {
            name,
            of,
            embedded: false,
            json: None,
        }
    }
}

impl Type {
    /// The type of slices of a type.
    pub fn list(of: Type) -> Self {
        Self::List(Arc::new(of))
    }

    /// What Go's `Kind` says of it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Bool => "bool",
            Self::Int(IntKind::Int64) => "int64",
            Self::Int(_) => "int",
            Self::Uint(UintKind::Uint8) => "uint8",
            Self::Uint(UintKind::Uint64) => "uint64",
            Self::Float => "float64",
            Self::Complex => "complex128",
            Self::Text => "string",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Struct(_) | Self::Time | Self::PlainVersion => "struct",
            Self::Version => "ptr",
        }
    }

    /// Whether values of it may be compared and be keys.
    pub fn is_comparable(&self) -> bool {
        match self {
            Self::List(_) | Self::Map(_) => false,
            Self::Struct(of) => of.fields.iter().all(|field| field.of.is_comparable()),
            _ => true,
        }
    }
}

impl fmt::Display for MapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            (Some(name), ..) => f.write_str(name),
            (None, key, value) => write!(f, "map[{key}]{value}"),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface => f.write_str("interface {}"),
            Self::Int(IntKind::Month) => f.write_str("time.Month"),
            Self::Int(IntKind::Weekday) => f.write_str("time.Weekday"),
            Self::List(of) => write!(f, "[]{of}"),
            Self::Map(of) => of.fmt(f),
            Self::Struct(of) => f.write_str(of.name),
            Self::Time => f.write_str("time.Time"),
            Self::Version => f.write_str("*semver.Version"),
            Self::PlainVersion => f.write_str("semver.Version"),
            simple => f.write_str(simple.kind()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A `map[string]string`.
impl From<&BTreeMap<String, String>> for Value {
    fn from(map: &BTreeMap<String, String>) -> Self {
        let entries = map.iter();
        Self::Map {
            of: MapType::new(Type::Text, Type::Text),
            entries: entries
                .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
                .collect(),
        }
    }
}

/// As Go's decoder puts JSON into an `interface {}`: `map[string]interface {}`, `[]interface {}`, `float64`.
impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Float(number.as_f64().unwrap_or_default()),
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(items) => Self::List {
                of: Type::Interface,
                items: items.iter().map(Into::into).collect(),
            },
            serde_json::Value::Object(members) => Self::Map {
                of: MapType::new(Type::Text, Type::Interface),
                entries: members
                    .iter()
                    .map(|(key, value)| (key.as_str().into(), value.into()))
                    .collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_go_writes_them() {
        let change = Arc::new(StructType {
            name: "update.Change",
            fields: vec![Field::new("OldValue", Type::Text)],
        });
        for (of, written, kind) in [
            (Type::list(Type::Interface), "[]interface {}", "slice"),
            (Type::Int(IntKind::Month), "time.Month", "int"),
            (
                Type::Map(MapType::new(Type::Text, Type::list(Type::Float))),
                "map[string][]float64",
                "map",
            ),
            (
                Type::Map(MapType::named("update.Changes", Type::Text, Type::Text)),
                "update.Changes",
                "map",
            ),
            (Type::Struct(change), "update.Change", "struct"),
            (Type::Version, "*semver.Version", "ptr"),
        ] {
            assert_eq!((of.to_string().as_str(), of.kind()), (written, kind));
        }
    }
}
