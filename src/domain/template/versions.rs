//! Semantic versions that templates hold: Masterminds' `*semver.Version`.

use super::functions::Parameter::Version as VersionParameter;
use super::functions::Signature;
use super::item::{Item, Struct, Text};
use super::run::Outcome;
use super::value::{Field, StructType, Type, UintKind};
use crate::domain::version::Version;
use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

/// A version with its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedVersion {
    numbers: [u64; 3],
    prerelease: String,
    metadata: String,
    original: String,
    /// Whether it is no pointer.
    plain: bool,
}

const METHODS: &[Signature] = &[
    Signature::new("Compare", &[VersionParameter], |_, given| {
        Ok(Item::int(precedence(given) as i64))
    }),
    Signature::new("Equal", &[VersionParameter], |_, given| {
        Ok(Item::Bool(precedence(given).is_eq()))
    }),
    Signature::new("GreaterThan", &[VersionParameter], |_, given| {
        Ok(Item::Bool(precedence(given).is_gt()))
    }),
    Signature::new("GreaterThanEqual", &[VersionParameter], |_, given| {
        Ok(Item::Bool(precedence(given).is_ge()))
    }),
    Signature::new("IncMajor", &[], |_, given| increased(given, 0)),
    Signature::new("IncMinor", &[], |_, given| increased(given, 1)),
    Signature::new("IncPatch", &[], |_, given| increased(given, 2)),
    Signature::new("LessThan", &[VersionParameter], |_, given| {
        Ok(Item::Bool(precedence(given).is_lt()))
    }),
    Signature::new("LessThanEqual", &[VersionParameter], |_, given| {
        Ok(Item::Bool(precedence(given).is_le()))
    }),
    Signature::new("Major", &[], |_, given| number(given, 0)),
    Signature::new("Metadata", &[], |_, given| {
        Ok(Item::text(
            receiver(given).map_or("", |version| &version.metadata),
        ))
    }),
    Signature::new("Minor", &[], |_, given| number(given, 1)),
    Signature::new("Original", &[], |_, given| {
        Ok(Item::text(
            receiver(given).map_or("", |version| &version.original),
        ))
    }),
    Signature::new("Patch", &[], |_, given| number(given, 2)),
    Signature::new("Prerelease", &[], |_, given| {
        Ok(Item::text(
            receiver(given).map_or("", |version| &version.prerelease),
        ))
    }),
    Signature::new("String", &[], |_, given| {
        Ok(receiver(given).map_or(Item::Absent, |version| Item::Text(text(version))))
    }),
];

/// What only a pointer to a version can do.
const OF_POINTERS: [&str; 7] = [
    "Compare",
    "Equal",
    "GreaterThan",
    "GreaterThanEqual",
    "LessThan",
    "LessThanEqual",
    "Original",
];

/// A method by name; the receiver is its first argument.
pub(super) fn method(version: &OwnedVersion, name: &str) -> Option<&'static Signature> {
    if version.plain && OF_POINTERS.contains(&name) {
        return None;
    }
    METHODS.iter().find(|method| method.name == name)
}

/// How a version prints: without what was left out or added loosely.
pub(super) fn text(version: &OwnedVersion) -> Text {
    version.normal().into()
}

fn receiver(given: &[Item]) -> Option<&OwnedVersion> {
    match given.first() {
        Some(Item::Version(version)) => Some(version),
        _ => None,
    }
}

fn number(given: &[Item], index: usize) -> Outcome<Item> {
    let number = receiver(given).map_or(0, |version| version.numbers[index]);
    Ok(Item::Uint(UintKind::Uint64, number))
}

fn precedence(given: &[Item]) -> Ordering {
    match given {
        [Item::Version(left), Item::Version(right)] => {
            match (
                Version::parse(&left.normal()),
                Version::parse(&right.normal()),
            ) {
                (Ok(left), Ok(right)) => left.precedence(&right),
                _ => Ordering::Equal,
            }
        }
        _ => Ordering::Equal,
    }
}

fn increased(given: &[Item], index: usize) -> Outcome<Item> {
    let Some(version) = receiver(given) else {
        return Ok(Item::Absent);
    };
    let mut next = version.clone();
    // A prerelease comes before the patch that it is for.
    let released = index == 2 && !version.prerelease.is_empty();
    if !released {
        next.numbers[index] = version.numbers[index].wrapping_add(1);
        next.numbers[index + 1..].fill(0);
    }
    next.plain = true;
    next.prerelease.clear();
    next.metadata.clear();
    let v = if version.original.starts_with('v') {
        "v"
    } else {
        ""
    };
    next.original = format!("{v}{}", next.normal());
    Ok(Item::Version(Rc::new(next)))
}

impl OwnedVersion {
    /// Reads a version loosely.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let version = Version::parse(text).map_err(|error| error.to_string())?;
        Ok(Self {
            numbers: [version.major(), version.minor(), version.patch()],
            prerelease: version.prerelease().to_owned(),
            metadata: version.build().to_owned(),
            original: text.to_owned(),
            plain: false,
        })
    }

    /// Whether it is no pointer.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    fn normal(&self) -> String {
        let [major, minor, patch] = self.numbers;
        let mut normal = format!("{major}.{minor}.{patch}");
        for (sign, part) in [('-', &self.prerelease), ('+', &self.metadata)] {
            if !part.is_empty() {
                normal.push(sign);
                normal.push_str(part);
            }
        }
        normal
    }

    /// The struct that Go has for it.
    pub(super) fn record(&self) -> Struct {
        static TYPE: LazyLock<Arc<StructType>> = LazyLock::new(|| {
            let number = |name| Field::new(name, Type::Uint(UintKind::Uint64));
            let text = |name| Field::new(name, Type::Text);
            Arc::new(StructType {
                name: "semver.Version",
                fields: vec![
                    number("major"),
                    number("minor"),
                    number("patch"),
                    text("pre"),
                    text("metadata"),
                    text("original"),
                ],
            })
        });
        let numbers = self
            .numbers
            .map(|number| Item::Uint(UintKind::Uint64, number));
        let texts = [&self.prerelease, &self.metadata, &self.original];
        let texts = texts.map(|text| Item::text(text.as_str()));
        Struct {
            of: TYPE.clone(),
            fields: numbers.into_iter().chain(texts).collect(),
            methods: Vec::new(),
        }
    }
}
