//! From Rust types to a CustomResourceDefinition.
//!
//! Invariant: a schema says what Flux's says. Above all nothing is `nullable`: the API server then
//! drops a null and fills in the default, where it would keep a nullable null and leave the default
//! out. What is absent: any one kind.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion, CustomResourceSubresourceStatus, CustomResourceSubresources,
    CustomResourceValidation,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::common::SUBSTITUTE;
use super::resource::{Column, Names};

pub(super) use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// The schema of a type as the API server takes it: one self-contained tree, nothing nullable.
pub(super) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    tidy(&mut schema);
    schema
}

/// Undoes what JSON Schema says about optional values and a structural schema must not.
fn tidy(schema: &mut Value) {
    let Value::Object(keywords) = schema else {
        return;
    };
    keywords.remove("title");
    if let Some(Value::String(description)) = keywords.get_mut("description") {
        // Where a doc comment is wrapped says nothing to the reader of a definition.
        *description = description.replace('\n', " ");
    }
    if let Some(Value::Array(choices)) = keywords.remove("anyOf") {
        let value = choices.into_iter().find(|choice| choice["type"] != "null");
        for (keyword, fact) in value
            .as_ref()
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            keywords.entry(keyword).or_insert_with(|| fact.clone());
        }
    }
    if let Some(Value::Array(types)) = keywords.get("type") {
        let value = types.iter().find(|name| *name != "null").cloned();
        keywords.insert("type".to_owned(), value.unwrap_or(Value::Null));
    }
    if let Some(Value::Object(properties)) = keywords.get_mut("properties") {
        properties.values_mut().for_each(tidy);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = keywords.get_mut(keyword) {
            tidy(inner);
        }
    }
}

/// The definition of a kind from its names and the schemas of spec and status.
pub(super) fn definition(names: &Names, spec: Value, status: Value) -> CustomResourceDefinition {
    CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{}.{}", names.plural, names.group)),
            annotations: Some([(SUBSTITUTE.to_owned(), "disabled".to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: names.group.to_owned(),
            names: CustomResourceDefinitionNames {
                categories: Some(owned(&["all", "fluxcd", names.category])),
                kind: names.kind.to_owned(),
                list_kind: Some(format!("{}List", names.kind)),
                plural: names.plural.to_owned(),
                short_names: (!names.short.is_empty()).then(|| owned(names.short)),
                singular: Some(names.singular.to_owned()),
            },
            scope: "Namespaced".to_owned(),
            versions: vec![version(names, root(names.about, spec, status))],
            ..CustomResourceDefinitionSpec::default()
        },
        ..CustomResourceDefinition::default()
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn version(names: &Names, root: Value) -> CustomResourceDefinitionVersion {
    let schema = serde_json::from_value(root).expect("a tidied schema has only known keywords");
    CustomResourceDefinitionVersion {
        additional_printer_columns: Some(names.columns.iter().map(printed).collect()),
        name: "v1".to_owned(),
        schema: Some(CustomResourceValidation {
            open_api_v3_schema: Some(schema),
        }),
        served: true,
        storage: true,
        subresources: Some(CustomResourceSubresources {
            status: Some(CustomResourceSubresourceStatus(json!({}))),
            ..CustomResourceSubresources::default()
        }),
        ..CustomResourceDefinitionVersion::default()
    }
}

fn printed(column: &Column) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: column.name.to_owned(),
        type_: column.kind.to_owned(),
        json_path: column.path.to_owned(),
        priority: (column.priority != 0).then_some(column.priority),
        ..CustomResourceColumnDefinition::default()
    }
}

/// The whole object: Flux requires neither `spec` nor `status` of it.
fn root(about: &str, spec: Value, mut status: Value) -> Value {
    status["default"] = json!({"observedGeneration": -1});
    json!({
        "description": about,
        "type": "object",
        "properties": {
            "apiVersion": {
                "description": "The group and version of this object's schema.",
                "type": "string",
            },
            "kind": {"description": "The kind of this object.", "type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    })
}

/// An integer without a format, as Flux declares Go's plain `int`.
pub(super) fn integer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer"})
}

/// The conditions of a status with the bounds that Kubernetes asks of new kinds; the type that comes
/// with the client library has none of them.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    let prefix = r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?";
    let name = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])";
    json_schema!({"type": "array", "items": {
        "description": "One aspect of the object's state.",
        "type": "object",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": {
                "description": "When `status` last changed.",
                "type": "string",
                "format": "date-time",
            },
            "message": {
                "description": "What a person should know about it.",
                "type": "string",
                "maxLength": 32768,
            },
            "observedGeneration": {
                "description": "The generation of the object that this condition speaks of.",
                "type": "integer",
                "format": "int64",
                "minimum": 0,
            },
            "reason": {
                "description": "Why, in one word for programs.",
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            "status": {
                "description": "Whether the condition holds.",
                "type": "string",
                "enum": ["True", "False", "Unknown"],
            },
            "type": {
                "description": "The condition's name.",
                "type": "string",
                "maxLength": 316,
                "pattern": format!("^{prefix}{name}$"),
            },
        },
    }})
}

/// A label selector with the merge behaviour that Kubernetes gives its own.
pub(super) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    let text = || json!({"type": "string"});
    let requirement = json!({
        "description": "One condition on one label.",
        "type": "object",
        "required": ["key", "operator"],
        "properties": {
            "key": {"description": "The label.", "type": "string"},
            "operator": {
                "description": "`In`, `NotIn`, `Exists` or `DoesNotExist`.",
                "type": "string",
            },
            "values": {
                "description": "The values that `In` and `NotIn` compare with.",
                "type": "array",
                "items": text(),
                "x-kubernetes-list-type": "atomic",
            },
        },
    });
    let mut selector = Map::new();
    selector.insert("type".to_owned(), json!("object"));
    selector.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
    let properties = json!({
        "matchExpressions": {
            "description": "Conditions that must all hold.",
            "type": "array",
            "items": requirement,
            "x-kubernetes-list-type": "atomic",
        },
        "matchLabels": {
            "description": "Labels that must all have these values.",
            "type": "object",
            "additionalProperties": text(),
        },
    });
    selector.insert("properties".to_owned(), properties);
    Schema::from(selector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// About the part.
    #[derive(JsonSchema, Deserialize)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Part {
        number: i64,
    }

    /// About the whole.
    #[derive(JsonSchema, Deserialize)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Whole {
        /// The field's
        /// own words.
        part: Option<Part>,
        #[schemars(length(max = 3))]
        text: Option<String>,
        parts: Vec<Option<Part>>,
    }

    #[test]
    fn an_optional_value_has_its_own_schema_and_is_not_nullable() {
        let part = |words: &str| {
            json!({"type": "object", "description": words, "required": ["number"],
                   "properties": {"number": {"type": "integer", "format": "int64"}}})
        };
        let expected = json!({
            "description": "About the whole.",
            "type": "object",
            "required": ["parts"],
            "properties": {
                "part": part("The field's own words."),
                "text": {"type": "string", "maxLength": 3},
                "parts": {"type": "array", "items": part("About the part.")},
            },
        });
        assert_eq!(of::<Whole>(), expected);
    }
}
