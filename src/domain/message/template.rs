//! Commit messages by a template of the automation, over the data that Flux gives to them.

use super::default_message;
use crate::domain::change::{Change, ChangeReport};
use crate::domain::object::{ObjectId, ObjectKey};
use crate::domain::template::{
    Field, MapType, Record, StructType, Template, TemplateError, Type, Value,
};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use thiserror::Error;

/// What errors call the template.
const NAME: &str = "commit message";

/// A template of commit messages.
#[derive(Debug)]
pub struct MessageTemplate(Template);

/// Why a template gives no message; the words are Flux's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageTemplateError {
    /// It is not written as templates are.
    #[error("unable to create commit message template from spec: {0}")]
    Written(TemplateError),
    /// It does what cannot be done, or too much.
    #[error("failed to run template from spec: {0}")]
    Failed(TemplateError),
    /// It asks for what Flux once had.
    #[error(
        "template uses removed '{field}' field. Please use {instead} instead. See: https://fluxcd.io/flux/components/image/imageupdateautomations/#message-template"
    )]
    Removed {
        /// The field.
        field: &'static str,
        /// What there is today.
        instead: &'static str,
    },
}

/// What was removed: the end of Go's message, the field, and what to use.
const REMOVED: [(&str, &str, &str); 2] = [
    (
        "can't evaluate field Updated in type source.TemplateData",
        ".Updated",
        "'.Changed'",
    ),
    (
        "can't evaluate field ImageResult in type update.Result",
        ".Changed.ImageResult",
        "'.Changed.FileChanges' or '.Changed.Objects'",
    ),
];

/// The message for what an automation changed: by its template, or highwater's own words.
///
/// # Errors
/// [`MessageTemplateError`]
pub fn message(
    template: Option<&str>,
    automation: &ObjectKey,
    report: &ChangeReport,
    values: &BTreeMap<String, String>,
) -> Result<String, MessageTemplateError> {
    match template.filter(|text| !text.is_empty()) {
        Some(text) => MessageTemplate::parse(text)?.message(automation, report, values),
        None => Ok(default_message(report)),
    }
}

impl MessageTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// [`MessageTemplateError::Written`]
    pub fn parse(text: &str) -> Result<Self, MessageTemplateError> {
        Template::parse(NAME, text)
            .map(Self)
            .map_err(MessageTemplateError::Written)
    }

    /// The message for what an automation changed.
    ///
    /// # Errors
    /// [`MessageTemplateError::Failed`], or [`MessageTemplateError::Removed`]
    pub fn message(
        &self,
        automation: &ObjectKey,
        report: &ChangeReport,
        values: &BTreeMap<String, String>,
    ) -> Result<String, MessageTemplateError> {
        let data = template_data(automation, report, values);
        self.0.render(&data).map_err(|error| {
            let message = error.to_string();
            let removed = REMOVED.iter().find(|(words, ..)| message.contains(words));
            match removed {
                Some((_, field, instead)) => MessageTemplateError::Removed { field, instead },
                None => MessageTemplateError::Failed(error),
            }
        })
    }
}

/// Flux's types by Go's names.
struct Types {
    data: Arc<StructType>,
    automation: Arc<StructType>,
    result: Arc<StructType>,
    objects: MapType,
    object: Arc<StructType>,
    resource: Arc<StructType>,
    version: Arc<StructType>,
    name: Arc<StructType>,
    change: Arc<StructType>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let of = |name, fields| Arc::new(StructType { name, fields });
    let text = |name| Field::new(name, Type::Text);
    let written = |name, json| Field {
        json: Some(json),
        ..text(name)
    };
    let embedded = |name, of: &Arc<StructType>| Field {
        embedded: true,
        ..Field::new(name, Type::Struct(of.clone()))
    };
    let change = of(
        "update.Change",
        vec![text("OldValue"), text("NewValue"), text("Setter")],
    );
    let version = of(
        "yaml.TypeMeta",
        vec![written("APIVersion", "apiVersion"), written("Kind", "kind")],
    );
    let name = of(
        "yaml.NameMeta",
        vec![written("Name", "name"), written("Namespace", "namespace")],
    );
    let resource = of(
        "yaml.ResourceIdentifier",
        vec![embedded("TypeMeta", &version), embedded("NameMeta", &name)],
    );
    let object = of(
        "update.ObjectIdentifier",
        vec![embedded("ResourceIdentifier", &resource)],
    );
    let objects = MapType::named(
        "update.ObjectChanges",
        Type::Struct(object.clone()),
        Type::list(Type::Struct(change.clone())),
    );
    let files = MapType::new(Type::Text, Type::Map(objects.clone()));
    let result = of(
        "update.Result",
        vec![Field::new("FileChanges", Type::Map(files))],
    );
    let automation = of(
        "types.NamespacedName",
        vec![text("Namespace"), text("Name")],
    );
    let values = MapType::new(Type::Text, Type::Text);
    let data = of(
        "source.TemplateData",
        vec![
            Field::new("AutomationObject", Type::Struct(automation.clone())),
            Field::new("Changed", Type::Struct(result.clone())),
            Field::new("Values", Type::Map(values)),
        ],
    );
    Types {
        data,
        automation,
        result,
        objects,
        object,
        resource,
        version,
        name,
        change,
    }
});

/// The data that Flux gives to templates of commit messages. Where Flux's order is random, this one is sorted.
pub fn template_data(
    automation: &ObjectKey,
    report: &ChangeReport,
    values: &BTreeMap<String, String>,
) -> Value {
    let values = if values.is_empty() {
        Value::Zero(Type::Map(MapType::new(Type::Text, Type::Text)))
    } else {
        Value::from(values)
    };
    let name = Record {
        of: TYPES.automation.clone(),
        fields: vec![
            automation.namespace.as_str().into(),
            automation.name.as_str().into(),
        ],
        methods: vec![("String", automation.to_string().into())],
    };
    let data = vec![Value::Struct(name), changed(report), values];
    record(&TYPES.data, data)
}

fn record(of: &Arc<StructType>, fields: Vec<Value>) -> Value {
    Value::Struct(Record {
        of: of.clone(),
        fields,
        methods: Vec::new(),
    })
}

/// `.Changed`: the changes by file and object, and its methods.
fn changed(report: &ChangeReport) -> Value {
    let files = report.by_file();
    let mut all: BTreeMap<Option<&ObjectId>, Vec<Value>> = BTreeMap::new();
    let mut entries = Vec::new();
    for file in files {
        let mut objects: BTreeMap<Option<&ObjectId>, Vec<Value>> = BTreeMap::new();
        for (object, changes) in file.objects {
            let changes: Vec<Value> = changes.into_iter().map(change).collect();
            all.entry(object).or_default().extend(changes.clone());
            objects.entry(object).or_default().extend(changes);
        }
        entries.push((file.file.into(), by_object(objects)));
    }
    let distinct = report.distinct().into_iter();
    let distinct = distinct.map(|change| changed_value(change.old, change.new, change.setter));
    let files = Value::Map {
        of: MapType::new(Type::Text, Type::Map(TYPES.objects.clone())),
        entries,
    };
    Value::Struct(Record {
        of: TYPES.result.clone(),
        fields: vec![files],
        methods: vec![
            ("Changes", changes(distinct.collect())),
            ("Objects", by_object(all)),
        ],
    })
}

fn by_object(objects: BTreeMap<Option<&ObjectId>, Vec<Value>>) -> Value {
    let entries = objects.into_iter();
    Value::Map {
        of: TYPES.objects.clone(),
        entries: entries
            .map(|(id, list)| (identifier(id), changes(list)))
            .collect(),
    }
}

fn changes(items: Vec<Value>) -> Value {
    let of = Type::Struct(TYPES.change.clone());
    Value::List { of, items }
}

fn change(change: &Change) -> Value {
    changed_value(&change.old, &change.new, &change.setter)
}

fn changed_value(old: &str, new: &str, setter: &str) -> Value {
    record(&TYPES.change, vec![old.into(), new.into(), setter.into()])
}

/// What names an object; without one, nothing does.
fn identifier(id: Option<&ObjectId>) -> Value {
    let text = |text: Option<&str>| Value::from(text.unwrap_or_default());
    let version = vec![
        text(id.map(|id| id.api_version.as_str())),
        text(id.map(|id| id.kind.as_str())),
    ];
    let name = vec![
        text(id.map(|id| id.name.as_str())),
        text(id.and_then(|id| id.namespace.as_deref())),
    ];
    let version = record(&TYPES.version, version);
    let name = record(&TYPES.name, name);
    record(
        &TYPES.object,
        vec![record(&TYPES.resource, vec![version, name])],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ChangeReport {
        let change = Change {
            file: "apps/web.yaml".to_owned(),
            line: 7,
            object: None,
            field: "spec.image".to_owned(),
            setter: "shop:web:tag".to_owned(),
            old: "1.0.0".to_owned(),
            new: "1.1.0".to_owned(),
        };
        ChangeReport {
            changes: vec![change],
            problems: Vec::new(),
        }
    }

    fn message(text: &str) -> Result<String, MessageTemplateError> {
        let values = BTreeMap::from([("cluster".to_owned(), "prod".to_owned())]);
        let automation = ObjectKey::new("flux-system", "fleet");
        MessageTemplate::parse(text)?.message(&automation, &report(), &values)
    }

    #[test]
    fn the_data_is_fluxs() {
        let text = "{{.AutomationObject}} {{.Values.cluster}}{{range .Changed.Changes}} {{.}}{{end}} {{.Changed}}";
        assert_eq!(
            message(text).as_deref(),
            Ok(
                "flux-system/fleet prod {1.0.0 1.1.0 shop:web:tag} {map[apps/web.yaml:map[{{{ } { }}}:[{1.0.0 1.1.0 shop:web:tag}]]]}"
            )
        );
    }

    #[test]
    fn removed_fields_are_told_in_the_words_of_flux() {
        for (text, words) in [
            (
                "{{range .Updated.Images}}{{.}}{{end}}",
                "template uses removed '.Updated' field. Please use '.Changed' instead. See: https://fluxcd.io/flux/components/image/imageupdateautomations/#message-template",
            ),
            (
                "{{range .Changed.ImageResult.Images}}{{.}}{{end}}",
                "template uses removed '.Changed.ImageResult' field. Please use '.Changed.FileChanges' or '.Changed.Objects' instead. See: https://fluxcd.io/flux/components/image/imageupdateautomations/#message-template",
            ),
            (
                "{{.Nothing}}",
                "failed to run template from spec: template: commit message:1:2: executing \"commit message\" at <.Nothing>: can't evaluate field Nothing in type source.TemplateData",
            ),
            (
                "{{",
                "unable to create commit message template from spec: template: commit message:1: unclosed action",
            ),
        ] {
            let error = message(text).expect_err("it is refused");
            assert_eq!(error.to_string(), words);
        }
    }
}
