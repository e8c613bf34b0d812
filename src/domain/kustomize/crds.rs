//! `crds`: files of definitions that say which fields of custom resources hold labels, annotations,
//! names, and references to other objects.
//!
//! Invariant: no field is ever made; a type that leads to itself is an error, because its fields
//! have no end. What is absent: merge keys and validation, for which nobody reads these files.

use super::context::Context;
use super::decode::Located;
use super::error::BuildError;
use super::field_spec::FieldSpec;
use super::open_api;
use super::reference_fields::{Reference, Target};
use super::tables::{FieldTables, Tables};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const ANNOTATION: &str = "x-kubernetes-annotation";
const LABEL_SELECTOR: &str = "x-kubernetes-label-selector";
const IDENTITY: &str = "x-kubernetes-identity";
const VERSION: &str = "x-kubernetes-object-ref-api-version";
const KIND: &str = "x-kubernetes-object-ref-kind";
const NAME_KEY: &str = "x-kubernetes-object-ref-name-key";

/// How many properties one file may lead to.
const PROPERTIES: usize = 100_000;

impl Context<'_> {
    /// Adds what the files of `crds` say.
    pub(super) fn add_crds(
        &self,
        crds: &[Located<String>],
        tables: &mut Tables,
    ) -> Result<(), BuildError> {
        for name in crds {
            let (file, bytes) = self.read(name)?;
            let found =
                fields(&file, &bytes).map_err(|reason| name.error(format!("{file}: {reason}")))?;
            tables.add(&found).map_err(|reason| name.error(reason))?;
        }
        Ok(())
    }
}

/// The fields that a file of definitions names.
fn fields(file: &str, bytes: &[u8]) -> Result<FieldTables, String> {
    let types = match open_api::read(file, bytes)? {
        Value::Null => Map::new(),
        Value::Object(types) => types,
        _ => return Err("expected a mapping of types".to_owned()),
    };
    let mut schemas = BTreeMap::new();
    for (name, definition) in &types {
        let at = |reason: String| format!("`{name}`: {reason}");
        if !definition.is_object() && !definition.is_null() {
            return Err(at("expected a mapping with a `Schema`".to_owned()));
        }
        let field = |name: &str| {
            let mut fields = definition.as_object().into_iter().flatten();
            fields
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        if !field("dependencies").is_none_or(|names| names.is_null() || open_api::texts(names)) {
            return Err(at("`Dependencies`: expected a list of texts".to_owned()));
        }
        let schema = field("schema");
        if let Some(schema) = schema {
            open_api::check(schema).map_err(at)?;
            if let Some(Value::Object(properties)) = schema.get("properties") {
                schemas.insert(name.as_str(), properties);
            }
        }
    }
    let mut walk = Walk {
        schemas,
        kind: "",
        path: Vec::new(),
        above: Vec::new(),
        left: PROPERTIES,
        found: FieldTables::default(),
    };
    let names: Vec<&str> = walk.schemas.keys().copied().collect();
    for name in names {
        let is_object = ["kind", "apiVersion", "metadata"]
            .iter()
            .all(|field| walk.schemas[name].contains_key(*field));
        if is_object {
            walk.kind = name.rsplit('.').next().unwrap_or(name);
            walk.visit(name)
                .map_err(|reason| format!("`{name}`: {reason}"))?;
        }
    }
    Ok(walk.found)
}

/// A walk from a kind into the types its fields have.
struct Walk<'a> {
    schemas: BTreeMap<&'a str, &'a Map<String, Value>>,
    kind: &'a str,
    path: Vec<&'a str>,
    /// The types on the way here.
    above: Vec<&'a str>,
    left: usize,
    found: FieldTables,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, name: &'a str) -> Result<(), String> {
        let Some(properties) = self.schemas.get(name).copied() else {
            return Ok(());
        };
        if self.above.contains(&name) {
            return Err(format!(
                "the type `{name}` leads to itself; hint: leave the `$ref` out"
            ));
        }
        self.above.push(name);
        for (field, property) in properties {
            self.left = self
                .left
                .checked_sub(1)
                .ok_or_else(|| format!("its types have more than {PROPERTIES} fields"))?;
            self.path.push(field);
            self.note(property);
            if let Some(next) = property.get("$ref").and_then(Value::as_str) {
                self.visit(next)?;
            }
            self.path.pop();
        }
        self.above.pop();
        Ok(())
    }

    fn note(&mut self, property: &Value) {
        let text = |key: &str| property.get(key).and_then(Value::as_str);
        let spec = self.spec(None);
        for (key, fields) in [
            (ANNOTATION, &mut self.found.common_annotations),
            (LABEL_SELECTOR, &mut self.found.common_labels),
            (IDENTITY, &mut self.found.name_prefix),
        ] {
            if text(key).is_some() {
                fields.to_mut().push(spec.clone());
            }
        }
        let (Some(version), Some(kind)) = (text(VERSION), text(KIND)) else {
            return;
        };
        let reference = Reference {
            target: Target {
                group: "".into(),
                version: version.to_owned().into(),
                kind: kind.to_owned().into(),
            },
            fields: vec![self.spec(Some(text(NAME_KEY).unwrap_or("name")))].into(),
        };
        self.found.name_references.to_mut().push(reference);
    }

    fn spec(&self, last: Option<&str>) -> FieldSpec {
        let path: Vec<&str> = self.path.iter().copied().chain(last).collect();
        FieldSpec {
            kind: self.kind.to_owned().into(),
            path: path.join("/").into(),
            ..FieldSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn types(types: &[(&str, &str)]) -> Result<FieldTables, String> {
        let mut text = String::from("{");
        for (index, (name, properties)) in types.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(
                text,
                r#"{comma}"{name}": {{"Schema": {{"properties": {properties}}}}}"#
            )
            .expect("a text can be written to");
        }
        text.push('}');
        fields("crd.json", text.as_bytes())
    }

    const KIND_OF: &str =
        r#"{"kind": {}, "apiVersion": {}, "metadata": {}, "spec": {"$ref": "a"}}"#;

    #[test]
    fn each_mark_goes_into_its_table() {
        let spec = r#"{"id": {"x-kubernetes-identity": ""}, "labels": {"x-kubernetes-label-selector": ""},
            "notes": {"x-kubernetes-annotation": ""},
            "ref": {"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "Secret"}}"#;
        let found = types(&[("example.com/v1.Rota", KIND_OF), ("a", spec)]).expect("it is fine");
        let field = |path| vec![FieldSpec::new("", "", "Rota", path, false)];
        assert_eq!(found.name_prefix, field("spec/id"));
        assert_eq!(found.common_labels, field("spec/labels"));
        assert_eq!(found.common_annotations, field("spec/notes"));
        assert_eq!(found.name_references.len(), 1);
        assert_eq!(found.name_references[0].fields, field("spec/ref/name"));
        assert_eq!(found.name_references[0].target.kind, "Secret");
    }

    #[test]
    fn a_type_that_no_kind_leads_to_is_not_walked() {
        let found = types(&[(
            "a",
            r#"{"id": {"x-kubernetes-identity": ""}, "a": {"$ref": "a"}}"#,
        )]);
        assert!(found.expect("it is fine").name_prefix.is_empty());
    }

    #[test]
    fn a_cycle_and_a_growth_without_end_are_refused() {
        let cycle = types(&[
            ("Rota", KIND_OF),
            ("a", r#"{"b": {"$ref": "b"}}"#),
            ("b", r#"{"a": {"$ref": "a"}}"#),
        ]);
        let error = cycle.expect_err("it has no end");
        assert!(error.contains("the type `a` leads to itself"), "{error}");
        let names: Vec<String> = std::iter::once("a".to_owned())
            .chain((0..40).map(|index| format!("t{index}")))
            .collect();
        let twice: Vec<String> = (0..40)
            .map(|index| format!(r#"{{"x": {{"$ref": "t{index}"}}, "y": {{"$ref": "t{index}"}}}}"#))
            .collect();
        let mut all = vec![("Rota", KIND_OF)];
        all.extend(
            names
                .iter()
                .map(String::as_str)
                .zip(twice.iter().map(String::as_str)),
        );
        let error = types(&all).expect_err("it doubles forty times");
        assert!(error.contains("more than 100000 fields"), "{error}");
    }
}
