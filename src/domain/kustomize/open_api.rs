//! An OpenAPI document: which kinds it defines, how their lists merge, which kinds have a namespace.
//!
//! Invariant: a [`Document`] is well formed as far as it is asked; references are followed one at a
//! time when a place is asked for, so definitions may refer to themselves. What is absent: types of
//! fields, and everything else that validates.

use crate::domain::manifest::{Rules, documents};
use serde_json::{Map, Value};
use std::collections::HashMap;

const KIND: &str = "x-kubernetes-group-version-kind";
const STRATEGY: &str = "x-kubernetes-patch-strategy";
const KEY: &str = "x-kubernetes-patch-merge-key";
const KEYS: &str = "x-kubernetes-list-map-keys";

/// `apiVersion` and `kind`.
pub(super) type TypeName = (String, String);

/// A parsed document.
#[derive(Debug, Default)]
pub(super) struct Document {
    definitions: Map<String, Value>,
    /// The definition of each kind, by its name.
    kinds: HashMap<TypeName, String>,
    /// Whether a kind has a namespace, for the kinds that `paths` names.
    pub(super) namespaced: HashMap<TypeName, bool>,
}

impl Document {
    /// Parses JSON, or YAML where the text does not begin with a brace.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self, String> {
        let mut root = match read(file, bytes)? {
            Value::Object(root) => root,
            Value::Null => Map::new(),
            _ => return Err("expected a mapping with `definitions`".to_owned()),
        };
        let mut document = Self::default();
        match root.remove("definitions") {
            None | Some(Value::Null) => {}
            Some(Value::Object(definitions)) => document.definitions = definitions,
            Some(_) => return Err("`definitions`: expected a mapping".to_owned()),
        }
        for (name, definition) in &document.definitions {
            let at = |reason: String| format!("`definitions.{name}`: {reason}");
            check(definition).map_err(at)?;
            for kind in definition
                .get(KIND)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                if let Some(kind) = type_name(kind).map_err(at)? {
                    document.kinds.insert(kind, name.clone());
                }
            }
        }
        document.namespaced = namespaced(root.get("paths"))?;
        Ok(document)
    }

    /// The definition of a kind.
    pub(super) fn kind(&self, api_version: &str, kind: &str) -> Option<&Value> {
        let name = self.kinds.get(&(api_version.to_owned(), kind.to_owned()))?;
        self.definitions.get(name)
    }

    /// What a reference such as `#/definitions/NAME` leads to.
    pub(super) fn find(&self, tokens: &[String]) -> Option<&Value> {
        let (name, rest) = tokens.split_first()?;
        rest.chunks(2)
            .try_fold(self.definitions.get(name)?, |schema, step| match step {
                [fields, name] if fields == "properties" => schema.get(fields)?.get(name),
                _ => None,
            })
            .filter(|schema| schema.is_object())
    }
}

/// The reference that stands in for a schema, if it is one.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .filter(|reference| !reference.is_empty())
}

/// The tokens of a reference behind `definitions`.
pub(super) fn tokens(reference: &str) -> Option<Vec<String>> {
    let (_, pointer) = reference.split_once('#')?;
    let rest = pointer.strip_prefix("/definitions/")?;
    rest.split('/')
        .map(|token| {
            let text = percent_decoded(token)?;
            Some(text.replace("~1", "/").replace("~0", "~"))
        })
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let digits = std::str::from_utf8(after.get(..2)?).ok()?;
                rest = &after[2..];
                u8::from_str_radix(digits, 16).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The schema of the field `name`.
pub(super) fn field<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let properties = schema.get("properties").and_then(|all| all.get(name));
    properties.or_else(|| {
        schema
            .get("additionalProperties")
            .filter(|values| values.is_object())
    })
}

/// The schema of the items of a list.
pub(super) fn items(schema: &Value) -> Option<&Value> {
    let list = match schema.get("type") {
        Some(Value::String(text)) => text == "array",
        Some(Value::Array(types)) => {
            matches!(types.as_slice(), [Value::String(text)] if text == "array")
        }
        _ => false,
    };
    schema
        .get("items")
        .filter(|items| list && items.is_object())
}

/// The merge keys of a list, if it merges; none at all for a list of plain values.
pub(super) fn merge_keys(schema: &Value) -> Option<Vec<&str>> {
    let strategy = schema.get(STRATEGY)?.as_str()?;
    if !strategy.split(',').any(|strategy| strategy == "merge") {
        return None;
    }
    if let Some(Value::Array(keys)) = schema.get(KEYS) {
        return Some(keys.iter().filter_map(Value::as_str).collect());
    }
    Some(
        schema
            .get(KEY)
            .and_then(Value::as_str)
            .into_iter()
            .collect(),
    )
}

/// A file of JSON, or of YAML where it does not begin with a brace.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Value, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if bytes.starts_with(b"{") {
        return serde_json::from_slice(bytes).map_err(|error| error.to_string());
    }
    let documents = documents(file, bytes, Rules::Kubernetes).map_err(|error| error.to_string())?;
    documents.first().map_or(Ok(Value::Null), |document| {
        document.root.to_json().map_err(|error| error.to_string())
    })
}

/// `apiVersion` and `kind` of an entry of [`KIND`]; `None` if it is none.
fn type_name(entry: &Value) -> Result<Option<TypeName>, String> {
    let Value::Object(entry) = entry else {
        return Ok(None);
    };
    let text = |name: &str| {
        let text = entry.get(name).and_then(Value::as_str);
        text.ok_or_else(|| format!("`{KIND}`: expected a `{name}`"))
    };
    let (version, kind) = (text("version")?, text("kind")?);
    let api_version = match entry.get("group").and_then(Value::as_str) {
        None | Some("") => version.to_owned(),
        Some(group) => format!("{group}/{version}"),
    };
    Ok(Some((api_version, kind.to_owned())))
}

/// A kind has a namespace when one of its paths does.
fn namespaced(paths: Option<&Value>) -> Result<HashMap<TypeName, bool>, String> {
    let mut namespaced = HashMap::new();
    let paths = match paths {
        None | Some(Value::Null) => return Ok(namespaced),
        Some(Value::Object(paths)) => paths,
        Some(_) => return Err("`paths`: expected a mapping".to_owned()),
    };
    for (path, methods) in paths.iter().filter(|(path, _)| path.starts_with('/')) {
        if !methods.is_object() && !methods.is_null() {
            return Err(format!("`paths.{path}`: expected a mapping"));
        }
        let Some(entry) = methods.get("get").and_then(|get| get.get(KIND)) else {
            continue;
        };
        let kind = type_name(entry).map_err(|reason| format!("`paths.{path}`: {reason}"))?;
        if let Some(kind) = kind {
            *namespaced.entry(kind).or_insert(false) |= path.contains("namespaces/{namespace}");
        }
    }
    Ok(namespaced)
}

const TEXTS: &[&str] = &[
    "id",
    "description",
    "format",
    "title",
    "pattern",
    "discriminator",
];
const FLAGS: &[&str] = &[
    "nullable",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "uniqueItems",
    "readOnly",
];
const NUMBERS: &[&str] = &["maximum", "minimum", "multipleOf"];
const COUNTS: &[&str] = &[
    "maxLength",
    "minLength",
    "maxItems",
    "minItems",
    "maxProperties",
    "minProperties",
];

/// Refuses a schema whose fields are not of their types.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    let Value::Object(schema) = schema else {
        return if schema.is_null() {
            Ok(())
        } else {
            Err("expected a mapping".to_owned())
        };
    };
    for (name, value) in schema {
        let is = |names: &[&str]| names.contains(&name.as_str());
        let name = name.as_str();
        let fits = match name {
            // What the real program crashes at when it gets there.
            STRATEGY | KEY => value.is_string(),
            KEYS => value
                .as_array()
                .is_some_and(|keys| keys.iter().all(Value::is_string)),
            _ if value.is_null() => true,
            _ if is(TEXTS) => value.is_string(),
            _ if is(FLAGS) => value.is_boolean(),
            _ if is(NUMBERS) => value.is_number(),
            _ if is(COUNTS) => value.is_i64(),
            "enum" => value.is_array(),
            "required" => texts(value),
            "type" => value.is_string() || texts(value),
            "additionalProperties" | "additionalItems" => value.is_boolean() || value.is_object(),
            "allOf" | "oneOf" | "anyOf" => value.is_array(),
            "properties" | "patternProperties" | "definitions" | "not" => value.is_object(),
            _ => true,
        };
        if !fits {
            return Err(format!("`{name}` is not what an OpenAPI schema has there"));
        }
        check_below(name, value).map_err(|reason| format!("{name}: {reason}"))?;
    }
    Ok(())
}

/// Whether it is a list of texts.
pub(super) fn texts(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|texts| texts.iter().all(Value::is_string))
}

fn check_below(name: &str, value: &Value) -> Result<(), String> {
    match (name, value) {
        ("properties" | "patternProperties" | "definitions", Value::Object(fields)) => {
            fields.iter().try_for_each(|(name, schema)| {
                check(schema).map_err(|reason| format!("{name}: {reason}"))
            })
        }
        ("allOf" | "oneOf" | "anyOf" | "items", Value::Array(schemas)) => {
            schemas.iter().try_for_each(check)
        }
        ("additionalProperties" | "additionalItems" | "items" | "not", Value::Object(_)) => {
            check(value)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Result<Document, String> {
        Document::parse("schema.json", text.as_bytes())
    }

    const ROTA: &str = r##"{"definitions": {
        "rota": {"properties": {"spec": {"$ref": "#/definitions/spec"}},
            "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Rota"}]},
        "spec": {"properties": {"shifts": {"type": "array", "items": {"$ref": "#/definitions/spec"},
            "x-kubernetes-patch-strategy": "retainKeys,merge", "x-kubernetes-patch-merge-key": "name"}}}}}"##;

    #[test]
    fn a_kind_leads_to_its_lists_and_a_definition_to_itself() {
        let document = document(ROTA).expect("it is a document");
        assert!(document.kind("example.com/v2", "Rota").is_none());
        let rota = document
            .kind("example.com/v1", "Rota")
            .expect("it is there");
        let spec = field(rota, "spec").and_then(reference).expect("it refers");
        let spec = document
            .find(&tokens(spec).expect("it is local"))
            .expect("it is there");
        let shifts = field(spec, "shifts").expect("it is there");
        assert_eq!(merge_keys(shifts), Some(vec!["name"]));
        let item = items(shifts).and_then(reference).and_then(tokens);
        assert_eq!(item.and_then(|tokens| document.find(&tokens)), Some(spec));
        assert_eq!(field(spec, "other"), None);
    }

    #[test]
    fn references_are_read_as_pointers() {
        let read = |text| tokens(text).map(|tokens| tokens.join("|"));
        assert_eq!(read("#/definitions/a~1b%20c").as_deref(), Some("a/b c"));
        assert_eq!(
            read("x.json#/definitions/a/properties/b").as_deref(),
            Some("a|properties|b")
        );
        for elsewhere in [
            "",
            "a",
            "#/parameters/a",
            "#/definitions/%zz",
            "#/definitions/%e",
        ] {
            assert_eq!(read(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_kind_with_one_path_in_a_namespace_is_namespaced() {
        let kind = r#""x-kubernetes-group-version-kind": {"version": "v1", "kind": "Rota"}"#;
        let text = format!(
            r#"{{"paths": {{"/a/namespaces/{{namespace}}/b": {{"get": {{{kind}}}}}, "/a/b": {{"get": {{{kind}}}}}}}}}"#
        );
        let document = document(&text).expect("it is a document");
        let name = ("v1".to_owned(), "Rota".to_owned());
        assert_eq!(document.namespaced.get(&name), Some(&true));
    }

    #[test]
    fn what_is_no_document_is_refused_in_words() {
        for (text, words) in [
            ("", "the file is empty"),
            ("[]", "expected a mapping with `definitions`"),
            ("{", "EOF"),
            (
                r#"{"definitions": []}"#,
                "`definitions`: expected a mapping",
            ),
            (
                r#"{"definitions": {"a": 5}}"#,
                "`definitions.a`: expected a mapping",
            ),
            (
                r#"{"definitions": {"a": {"properties": {"b": {"required": "c"}}}}}"#,
                "`definitions.a`: properties: b: `required` is not what",
            ),
            (
                r#"{"definitions": {"a": {"x-kubernetes-group-version-kind": [{"kind": "A"}]}}}"#,
                "expected a `version`",
            ),
            (r#"{"paths": []}"#, "`paths`: expected a mapping"),
            ("a: [", "schema.json"),
        ] {
            let error = document(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(document(&"{\"definitions\":".repeat(1000)).is_err());
        assert!(document("null").is_ok_and(|document| document.kinds.is_empty()));
    }
}
