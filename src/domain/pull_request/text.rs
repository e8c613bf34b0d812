//! What pull requests say by templates of the automation, and their titles.
//!
//! Invariant: the data is that of commit messages with `.Policy` and `.Bundle` (empty where there is
//! none), and for bodies `.Body`, highwater's own; a title is one line that every forge takes.

use super::group::{Group, hexadecimal};
use crate::domain::change::{ChangeReport, one_line};
use crate::domain::message;
use crate::domain::object::ObjectKey;
use crate::domain::template::{Field, StructType, Template, TemplateError, Type, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// The longest title, in characters: the least of what forges take.
const LONGEST_TITLE: usize = 250;

/// A template of a title, a body or a branch, which was found to be one.
#[derive(Clone, Debug)]
pub struct TextTemplate {
    field: &'static str,
    text: String,
}

/// Why a template gives no text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TextTemplateError {
    /// It is not written as templates are.
    #[error("`{field}` is not a template: {source}")]
    Written {
        /// The field of the specification.
        field: &'static str,
        /// What is wrong.
        source: TemplateError,
    },
    /// It does what cannot be done, or too much.
    #[error("failed to run the template in `{field}`: {source}")]
    Failed {
        /// The field of the specification.
        field: &'static str,
        /// What is wrong.
        source: TemplateError,
    },
}

impl TextTemplate {
    /// Reads the template in a field of the specification.
    ///
    /// # Errors
    /// [`TextTemplateError::Written`]
    pub fn parse(field: &'static str, text: &str) -> Result<Self, TextTemplateError> {
        read(field, text)?;
        Ok(Self {
            field,
            text: text.to_owned(),
        })
    }

    /// The text for some data.
    ///
    /// # Errors
    /// [`TextTemplateError::Failed`]
    pub fn render(&self, data: &Value) -> Result<String, TextTemplateError> {
        // A template that was read stays in its thread, so it is read again: that takes microseconds.
        let field = self.field;
        read(field, &self.text)?
            .render(data)
            .map_err(|source| TextTemplateError::Failed { field, source })
    }
}

fn read(field: &'static str, text: &str) -> Result<Template, TextTemplateError> {
    Template::parse(field, text).map_err(|source| TextTemplateError::Written { field, source })
}

/// The data for the templates of a group: that of commit messages, and a little more.
pub fn template_data(
    automation: &ObjectKey,
    report: &ChangeReport,
    values: &BTreeMap<String, String>,
    group: &Group,
    body: Option<&str>,
) -> Value {
    let mut data = message::template_data(automation, report, values);
    if let Value::Struct(record) = &mut data {
        let policy = ("Policy", group.policy().unwrap_or_default());
        let bundle = ("Bundle", group.bundle().unwrap_or_default());
        let more = [Some(policy), Some(bundle), body.map(|body| ("Body", body))];
        let mut fields = record.of.fields.clone();
        for (name, text) in more.into_iter().flatten() {
            fields.push(Field::new(name, Type::Text));
            record.fields.push(text.into());
        }
        let name = record.of.name;
        record.of = Arc::new(StructType { name, fields });
    }
    data
}

/// highwater's own title: the subject of its commit message.
pub fn default_title(report: &ChangeReport) -> String {
    let message = message::default_message(report);
    title(message.lines().next().unwrap_or_default())
}

/// A title as every forge takes it: one line, not empty, not too long.
pub fn title(text: &str) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = one_line(first.unwrap_or("Update images"));
    match line.char_indices().nth(LONGEST_TITLE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The fingerprint of what a pull request says: equal texts, equal fingerprint. 16 hexadecimal digits.
pub fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hexadecimal(&hash.finalize(), 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Change;

    fn report() -> ChangeReport {
        ChangeReport {
            changes: vec![Change {
                file: "apps/web.yaml".to_owned(),
                line: 7,
                object: None,
                field: "image".to_owned(),
                setter: "apps:app".to_owned(),
                old: "ghcr.io/acme/app:1.0.0".to_owned(),
                new: "ghcr.io/acme/app:1.1.0".to_owned(),
            }],
            problems: Vec::new(),
        }
    }

    fn render(text: &str, group: &Group) -> Result<String, String> {
        let automation = ObjectKey::new("apps", "fleet");
        let values = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        let data = template_data(&automation, &report(), &values, group, None);
        let template = TextTemplate::parse("title", text).map_err(|error| error.to_string())?;
        template.render(&data).map_err(|error| error.to_string())
    }

    #[test]
    fn templates_have_the_data_of_commit_messages_and_the_group() {
        let policy = Group::Policy("app".to_owned());
        let text = "{{ .AutomationObject.Name }} {{ .Policy }}{{ .Bundle }} {{ .Values.team }} \
                    {{ range .Changed.Changes }}{{ .OldValue }} -> {{ .NewValue }}{{ end }}";
        assert_eq!(
            render(text, &policy).as_deref(),
            Ok("fleet app shop ghcr.io/acme/app:1.0.0 -> ghcr.io/acme/app:1.1.0")
        );
        let bundle = Group::Bundle("shop".to_owned());
        assert_eq!(
            render("{{ .Policy }}{{ .Bundle }}", &bundle).as_deref(),
            Ok("shop")
        );
    }

    #[test]
    fn a_template_that_fails_names_its_field() {
        let group = Group::Automation;
        let written = render("{{ .Policy", &group).expect_err("it is not whole");
        assert!(
            written.starts_with("`title` is not a template: "),
            "{written}"
        );
        let failed = render("{{ .Nothing }}", &group).expect_err("there is no such field");
        assert!(
            failed.starts_with("failed to run the template in `title`: "),
            "{failed}"
        );
    }

    #[test]
    fn a_title_is_one_line_that_forges_take() {
        assert_eq!(
            default_title(&report()),
            "Update ghcr.io/acme/app from 1.0.0 to 1.1.0"
        );
        assert_eq!(title("\n  two\nlines"), "two");
        assert_eq!(title(" \n"), "Update images");
        assert_eq!(title(&"é".repeat(300)).chars().count(), LONGEST_TITLE + 1);
    }

    #[test]
    fn texts_that_differ_have_other_fingerprints() {
        assert_eq!(fingerprint(&["a", "b"]), fingerprint(&["a", "b"]));
        assert_ne!(fingerprint(&["a", "b"]), fingerprint(&["ab", ""]));
        assert_ne!(fingerprint(&["a"]), fingerprint(&["a", ""]));
    }
}
