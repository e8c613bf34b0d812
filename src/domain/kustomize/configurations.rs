//! The `configurations` field: files that name more fields for the steps to change.
//!
//! Invariant: what a file names counts for this directory, its components and every directory that
//! includes it; entries that disagree are an error. What is absent: the tables they are added to.

use super::context::{Context, shown};
use super::decode::{At, Fields, Located};
use super::error::BuildError;
use super::field_spec::{FieldList, FieldSpec};
use super::reference_fields::{Reference, Target};
use super::tables::{FieldTables, Tables};
use crate::domain::manifest::{Rules, documents};

/// What a file can hold.
const KNOWN: [&str; 11] = [
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "templateLabels",
    "commonAnnotations",
    "nameReference",
    "varReference",
    "images",
    "replicas",
];

/// Merges kustomize's own tables and what the files `names` add to them into `tables`.
pub(super) fn apply(
    context: &Context<'_>,
    names: &[Located<String>],
    tables: &mut Tables,
) -> Result<(), BuildError> {
    let mut custom = FieldTables::default();
    for name in names {
        let (file, bytes) = context.read(name)?;
        let read = parse(&file, &bytes)?;
        context.budget.work(read.len() * (80 + custom.len()))?;
        custom
            .add(&read)
            .map_err(|reason| name.error(format!("{file}: {reason}")))?;
    }
    context.budget.work(40 * tables.added())?;
    tables.configure(&custom).map_err(|reason| {
        names
            .last()
            .map_or_else(|| at_directory(context), Located::clone)
            .error(reason)
    })
}

/// Stands for the place where bases disagree.
fn at_directory(context: &Context<'_>) -> Located<String> {
    Located {
        file: shown(&context.directory),
        field: "resources".to_owned(),
        line: 0,
        value: String::new(),
    }
}

/// Reads one file.
fn parse(file: &str, bytes: &[u8]) -> Result<FieldTables, BuildError> {
    let documents = documents(file, bytes, Rules::Kubernetes)?;
    let Some(document) = documents
        .first()
        .filter(|document| !document.root.is_null())
    else {
        return Ok(FieldTables::default());
    };
    let at = At {
        file,
        field: String::new(),
        line: document.line,
        node: &document.root,
        open: false,
    };
    let fields = at.fields().map_err(|_| BuildError::Field {
        file: file.to_owned(),
        line: document.line,
        field: ".".to_owned(),
        reason: "expected a mapping of fields".to_owned(),
    })?;
    fields.only(&KNOWN)?;
    let specs = |name| specs(&fields, name);
    let mut tables = FieldTables {
        name_prefix: specs("namePrefix")?,
        name_suffix: specs("nameSuffix")?,
        namespace: specs("namespace")?,
        common_labels: specs("commonLabels")?,
        labels: specs("labels")?,
        template_labels: specs("templateLabels")?,
        common_annotations: specs("commonAnnotations")?,
        name_references: fields
            .items("nameReference")?
            .iter()
            .map(reference)
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        var_references: specs("varReference")?,
        images: specs("images")?,
        replicas: specs("replicas")?,
    };
    tables.sort();
    Ok(tables)
}

fn specs(fields: &Fields<'_>, name: &str) -> Result<FieldList, BuildError> {
    let items = fields.items(name)?;
    let specs: Result<Vec<_>, _> = items.iter().map(FieldSpec::parse).collect();
    Ok(specs?.into())
}

/// Which fields name objects of one kind.
fn reference(at: &At<'_>) -> Result<Reference, BuildError> {
    let fields = at.fields()?;
    fields.only(&["group", "version", "kind", "fieldSpecs"])?;
    Ok(Reference {
        target: Target {
            group: fields.text("group")?.into(),
            version: fields.text("version")?.into(),
            kind: fields.text("kind")?.into(),
        },
        fields: specs(&fields, "fieldSpecs")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = parse("fields.yaml", text.as_bytes()).expect_err("it is refused");
        error.to_string()
    }

    #[test]
    fn every_table_is_read() {
        let sections: String = KNOWN
            .iter()
            .filter(|name| **name != "nameReference")
            .map(|name| format!("{name}:\n- {{kind: Widget, path: spec/{name}, create: true}}\n"))
            .collect();
        let reference = "nameReference:\n- kind: Part\n  fieldSpecs:\n  - {kind: Widget, path: spec/part}\n- kind: Screw\n";
        let tables = parse("fields.yaml", (sections + reference).as_bytes()).expect("it parses");
        assert_eq!(tables.len(), 10 + 3);
        let widget = |path| vec![FieldSpec::new("", "", "Widget", path, true)];
        assert_eq!(tables.template_labels, widget("spec/templateLabels"));
        assert_eq!(tables.var_references, widget("spec/varReference"));
        assert_eq!(tables.name_references[0].target.kind, "Part");
        assert!(tables.name_references[1].fields.is_empty());
    }

    #[test]
    fn a_file_without_a_word_adds_nothing() {
        for text in ["", "# nothing\n", "---\n", "images:\n", "images: []\n"] {
            let tables = parse("fields.yaml", text.as_bytes()).expect("it parses");
            assert_eq!(tables.len(), 0, "{text:?}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_the_nearest_name() {
        assert_eq!(
            error("images:\n- path: spec/image\nnameprefixes:\n- path: x\n"),
            "fields.yaml:3: unknown field `nameprefixes`; hint: did you mean `namePrefix`?"
        );
        assert_eq!(
            error("images:\n- path: spec/image\n  knd: Widget\n"),
            "fields.yaml:3: unknown field `images[0].knd`; hint: did you mean `kind`?"
        );
        assert_eq!(
            error("nameReference:\n- kind: Part\n  fieldSpec: []\n"),
            "fields.yaml:3: unknown field `nameReference[0].fieldSpec`; hint: did you mean `fieldSpecs`?"
        );
        assert_eq!(
            error("replicas:\n- path: spec/count\n  create: \"yes\"\n"),
            "fields.yaml:3: `replicas[0].create`: expected `true` or `false`, found the string `yes`"
        );
        assert_eq!(
            error("- path: spec/count\n"),
            "fields.yaml:1: `.`: expected a mapping of fields"
        );
    }
}
