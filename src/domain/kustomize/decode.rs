//! Reading fields out of a kustomization file with errors that name file, field and line.
//!
//! Invariant: a field is found by its exact name first and without regard to case second, as
//! kustomize finds it; `null` reads as absent; below a place that is `open`, fields nobody knows
//! pass. What is absent: which fields exist.

use super::error::BuildError;
use crate::domain::manifest::{Mapping, Node, ScalarKind};
use crate::domain::nearest::nearest;
use std::collections::BTreeMap;

/// A mapping of a kustomization file with the path that leads to it.
pub(super) struct Fields<'a> {
    pub(super) file: &'a str,
    pub(super) path: String,
    pub(super) mapping: &'a Mapping,
    /// Whether fields nobody knows pass, as in every file but a kustomization.
    pub(super) open: bool,
}

/// A value with the path and the line it stands at.
#[derive(Clone)]
pub(super) struct At<'a> {
    pub(super) file: &'a str,
    pub(super) field: String,
    pub(super) line: u32,
    pub(super) node: &'a Node,
    /// Whether fields nobody knows pass below it.
    pub(super) open: bool,
}

impl<'a> Fields<'a> {
    /// Refuses every key that is not in `known`, unless unknown ones pass.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), BuildError> {
        let unknown = self.mapping.entries.iter().find(|entry| {
            !self.open
                && !known
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(&entry.key))
        });
        match unknown {
            None => Ok(()),
            Some(entry) => Err(BuildError::UnknownField {
                file: self.file.to_owned(),
                line: entry.line,
                field: join(&self.path, &entry.key),
                nearest: nearest(&entry.key, known),
            }),
        }
    }

    /// The field `name`, unless it is missing or null.
    pub(super) fn get(&self, name: &str) -> Option<At<'a>> {
        let entries = &self.mapping.entries;
        let entry = entries.iter().find(|entry| entry.key == name).or_else(|| {
            entries
                .iter()
                .find(|entry| entry.key.eq_ignore_ascii_case(name))
        })?;
        (!entry.value.is_null()).then(|| At {
            file: self.file,
            field: join(&self.path, name),
            line: entry.line,
            node: &entry.value,
            open: self.open,
        })
    }

    pub(super) fn text(&self, name: &str) -> Result<String, BuildError> {
        self.get(name)
            .map_or_else(|| Ok(String::new()), |at| at.text().map(str::to_owned))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, BuildError> {
        self.get(name).map_or(Ok(false), |at| at.flag())
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<Located<String>>, BuildError> {
        let mut texts = Vec::new();
        for item in self.items(name)? {
            let value = item.text()?.to_owned();
            texts.push(item.locate(value));
        }
        Ok(texts)
    }

    pub(super) fn items(&self, name: &str) -> Result<Vec<At<'a>>, BuildError> {
        self.get(name)
            .map_or_else(|| Ok(Vec::new()), |at| at.items())
    }

    pub(super) fn pairs(&self, name: &str) -> Result<BTreeMap<String, String>, BuildError> {
        let Some(at) = self.get(name) else {
            return Ok(BTreeMap::new());
        };
        let fields = at.fields()?;
        fields
            .mapping
            .entries
            .iter()
            .map(|entry| {
                let at = At {
                    file: self.file,
                    field: join(&fields.path, &entry.key),
                    line: entry.line,
                    node: &entry.value,
                    open: self.open,
                };
                let text = if entry.value.is_null() {
                    ""
                } else {
                    at.text()?
                };
                Ok((entry.key.to_string(), text.to_owned()))
            })
            .collect()
    }
}

/// A value that remembers where a kustomization file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub(super) file: String,
    pub(super) field: String,
    pub(super) line: u32,
    pub(super) value: T,
}

impl<T> Located<T> {
    /// Another value at this place.
    pub(super) fn place<U>(&self, value: U) -> Located<U> {
        Located {
            file: self.file.clone(),
            field: self.field.clone(),
            line: self.line,
            value,
        }
    }

    /// A field error at this place.
    pub(super) fn error(&self, reason: impl Into<String>) -> BuildError {
        BuildError::Field {
            file: self.file.clone(),
            line: self.line,
            field: self.field.clone(),
            reason: reason.into(),
        }
    }

    /// A patch error at this place.
    pub(super) fn patch_error(&self, reason: impl Into<String>) -> BuildError {
        BuildError::Patch {
            file: self.file.clone(),
            line: self.line,
            field: self.field.clone(),
            reason: reason.into(),
        }
    }
}

impl<'a> At<'a> {
    pub(super) fn locate<T>(&self, value: T) -> Located<T> {
        Located {
            file: self.file.to_owned(),
            field: self.field.clone(),
            line: self.line,
            value,
        }
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> BuildError {
        self.locate(()).error(reason)
    }

    fn expected(&self, what: &str) -> BuildError {
        let found = match self.node {
            Node::Sequence(_) => "a list".to_owned(),
            Node::Mapping(_) => "a mapping".to_owned(),
            Node::Scalar(scalar) => match scalar.meaning() {
                ScalarKind::Text => format!("the string `{}`", scalar.text),
                ScalarKind::Bool => format!("the boolean `{}`", scalar.text),
                ScalarKind::Null => "null".to_owned(),
                _ => format!("the number `{}`", scalar.text),
            },
        };
        let quote = match self.node {
            Node::Scalar(scalar) if what == "a string" && scalar.meaning() != ScalarKind::Null => {
                "; hint: quote it"
            }
            _ => "",
        };
        self.error(format!("expected {what}, found {found}{quote}"))
    }

    pub(super) fn text(&self) -> Result<&'a str, BuildError> {
        match self.node {
            Node::Scalar(scalar) if scalar.meaning() == ScalarKind::Text => Ok(&scalar.text),
            _ => Err(self.expected("a string")),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, BuildError> {
        match self.node {
            Node::Scalar(scalar) if scalar.meaning() == ScalarKind::Bool => {
                Ok(self.node.to_json().is_ok_and(|value| value == true))
            }
            _ => Err(self.expected("`true` or `false`")),
        }
    }

    /// A whole number, also one that is written with a fraction of zero.
    pub(super) fn integer(&self) -> Result<i64, BuildError> {
        let value = match self.node {
            Node::Scalar(scalar) if scalar.meaning() != ScalarKind::Text => {
                self.node.to_json().ok()
            }
            _ => None,
        };
        let whole = value.and_then(|value| {
            let fraction = |number: f64| number.to_string().parse().ok();
            value.as_i64().or_else(|| value.as_f64().and_then(fraction))
        });
        whole.ok_or_else(|| self.expected("a whole number"))
    }

    pub(super) fn items(&self) -> Result<Vec<At<'a>>, BuildError> {
        let Node::Sequence(items) = self.node else {
            return Err(self.expected("a list"));
        };
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, node)| At {
                file: self.file,
                field: format!("{}[{index}]", self.field),
                line: match node.line() {
                    0 => self.line,
                    line => line,
                },
                node,
                open: self.open,
            })
            .collect())
    }

    pub(super) fn fields(&self) -> Result<Fields<'a>, BuildError> {
        match self.node {
            Node::Mapping(mapping) => Ok(Fields {
                file: self.file,
                path: self.field.clone(),
                mapping,
                open: self.open,
            }),
            _ => Err(self.expected("a mapping")),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
