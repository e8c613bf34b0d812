//! How much each registry is asked: what the flags say for all of them, and what the file of `--registry-config` says for some.
//!
//! ```yaml
//! registries:
//!   - host: docker.io        # exact, or a pattern such as "*.azurecr.io"; "*" is every registry
//!     maxRequests: 2         # in progress at once
//!     qps: 1.5               # requests a second; 0 for no bound
//!     pageSize: 100          # tags asked for in one page
//!     maxTags: 200000        # most tags kept of one list; a longer one fails, and is never cut off
//!     readManifests: true    # for a registry that gives no digest without a GET, which many count as a pull
//! ```
//!
//! Invariant: a file is taken as a whole or refused with file, line and field; of several entries that match, the first counts,
//! and what it leaves out is as the flags say. What is absent: reading the file.

use super::docker_config::HostPattern;
use super::manifest::{Entry, ManifestError, Mapping, Node, Rules, documents};
use super::nearest::nearest;
use super::pace::Rate;
use std::collections::BTreeSet;
use thiserror::Error;

/// Largest file that is read, in bytes.
pub const LARGEST: usize = 1024 * 1024;
/// Most entries.
const MOST_ENTRIES: usize = 1000;
/// The fields of an entry.
const FIELDS: [&str; 6] = [
    "host",
    "maxRequests",
    "qps",
    "pageSize",
    "maxTags",
    "readManifests",
];

/// How much one registry is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegistryLimits {
    /// Most requests in progress at once; at least 1.
    pub at_once: usize,
    /// Most requests a second, with a second's worth of burst; `None` for no bound.
    pub rate: Option<Rate>,
    /// How many tags one page is asked to hold.
    pub page_size: usize,
    /// Most tags kept of one list. A longer list is an error, never a part.
    pub tags: usize,
    /// Whether a manifest may be read where HEAD tells no digest.
    pub read_manifests: bool,
}

impl Default for RegistryLimits {
    fn default() -> Self {
        Self {
            at_once: 16,
            rate: None,
            page_size: 1000,
            tags: 5_000_000,
            read_manifests: false,
        }
    }
}

/// The limits of every registry.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    others: RegistryLimits,
    entries: Vec<(HostPattern, RegistryLimits)>,
}

/// Why a file of settings is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// Not YAML, or too much of it.
    #[error(transparent)]
    Yaml(#[from] ManifestError),
    /// A value that cannot be.
    #[error("{file}:{line}: `{field}` must be {expected}")]
    Value {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u32,
        /// The field's path, such as `registries[0].qps`.
        field: String,
        /// What it must be.
        expected: String,
    },
    /// A field nobody knows.
    #[error("{file}:{line}: unknown field `{field}`{}", meant(.nearest.as_deref()))]
    UnknownField {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u32,
        /// The field's path.
        field: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// Two entries for one host.
    #[error("{file}:{line}: `{host}` has an entry already")]
    Twice {
        /// The file.
        file: String,
        /// The line of the second, from 1.
        line: u32,
        /// The host as it is written.
        host: String,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| {
        format!("; hint: did you mean `{name}`?")
    })
}

impl RegistrySettings {
    /// The same limits for every registry.
    pub fn new(all: RegistryLimits) -> Self {
        Self {
            others: all,
            entries: Vec::new(),
        }
    }

    /// Reads a file whose entries go before `others`.
    ///
    /// # Errors
    /// [`SettingsError`] for the first thing that is not understood.
    pub fn parse(file: &str, text: &[u8], others: RegistryLimits) -> Result<Self, SettingsError> {
        let reader = Reader { file };
        if text.len() > LARGEST {
            let expected = format!("at most {LARGEST} bytes long");
            return Err(reader.value(1, "the file", expected));
        }
        let documents = documents(file, text, Rules::Kubernetes)?;
        let root = match documents.as_slice() {
            [] => return Ok(Self::new(others)),
            [document] => &document.root,
            [_, second, ..] => {
                return Err(reader.value(second.line, "the file", "one document".to_owned()));
            }
        };
        let fields = reader.mapping(root, "the file")?;
        reader.only(fields, "", &["registries"])?;
        let list = match fields.get("registries") {
            None => &[][..],
            Some(list) if list.is_null() => &[][..],
            Some(list) => list.as_sequence().ok_or_else(|| {
                reader.value(list.line(), "registries", "a list of entries".to_owned())
            })?,
        };
        if list.len() > MOST_ENTRIES {
            let expected = format!("at most {MOST_ENTRIES} entries long");
            return Err(reader.value(root.line(), "registries", expected));
        }
        let mut entries = Vec::new();
        let mut hosts = BTreeSet::new();
        for (index, node) in list.iter().enumerate() {
            let path = format!("registries[{index}]");
            let fields = reader.mapping(node, &path)?;
            let (host, pattern) = reader.host(fields, node.line(), &path)?;
            if !hosts.insert(host.to_ascii_lowercase()) {
                return Err(SettingsError::Twice {
                    file: file.to_owned(),
                    line: node.line(),
                    host: host.to_owned(),
                });
            }
            entries.push((pattern, reader.limits(fields, &path, others)?));
        }
        Ok(Self { others, entries })
    }

    /// The limits of a registry, `host` or `host:port`.
    pub fn of(&self, registry: &str) -> RegistryLimits {
        let entry = self.entries.iter().find(|(host, _)| host.matches(registry));
        entry.map_or(self.others, |(_, limits)| *limits)
    }
}

/// Reads nodes with errors that name the file.
struct Reader<'a> {
    file: &'a str,
}

impl Reader<'_> {
    fn value(&self, line: u32, field: &str, expected: String) -> SettingsError {
        SettingsError::Value {
            file: self.file.to_owned(),
            line,
            field: field.to_owned(),
            expected,
        }
    }

    fn mapping<'n>(&self, node: &'n Node, field: &str) -> Result<&'n Mapping, SettingsError> {
        let mapping = node.as_mapping();
        mapping.ok_or_else(|| self.value(node.line(), field, "a mapping of fields".to_owned()))
    }

    fn only(&self, fields: &Mapping, path: &str, known: &[&str]) -> Result<(), SettingsError> {
        let is_known = |entry: &&Entry| !known.contains(&entry.key.as_str());
        match fields.entries.iter().find(is_known) {
            None => Ok(()),
            Some(entry) => Err(SettingsError::UnknownField {
                file: self.file.to_owned(),
                line: entry.line,
                field: match path {
                    "" => entry.key.to_string(),
                    path => format!("{path}.{}", entry.key),
                },
                nearest: nearest(&entry.key, known),
            }),
        }
    }

    fn host<'n>(
        &self,
        fields: &'n Mapping,
        line: u32,
        path: &str,
    ) -> Result<(&'n str, HostPattern), SettingsError> {
        self.only(fields, path, &FIELDS)?;
        let host = fields.text("host").unwrap_or_default();
        let field = format!("{path}.host");
        let expected = "a host with an optional port, or a pattern for one".to_owned();
        let pattern = HostPattern::parse(host);
        let pattern = pattern.ok_or_else(|| self.value(line, &field, expected))?;
        Ok((host, pattern))
    }

    fn limits(
        &self,
        fields: &Mapping,
        path: &str,
        others: RegistryLimits,
    ) -> Result<RegistryLimits, SettingsError> {
        let mut limits = others;
        if let Some(number) = self.whole(fields, path, "maxRequests", 1000)? {
            limits.at_once = number;
        }
        if let Some(number) = self.whole(fields, path, "pageSize", 100_000)? {
            limits.page_size = number;
        }
        if let Some(number) = self.whole(fields, path, "maxTags", 100_000_000)? {
            limits.tags = number;
        }
        if let Some((line, text)) = scalar(fields, "qps") {
            limits.rate = match text.map(str::parse::<f64>) {
                Some(Ok(0.0)) => None,
                Some(Ok(number)) if Rate::per_second(number).is_some() => Rate::per_second(number),
                _ => {
                    let expected = "0, or a number from 0.001 to 1000000".to_owned();
                    return Err(self.value(line, &format!("{path}.qps"), expected));
                }
            };
        }
        if let Some((line, text)) = scalar(fields, "readManifests") {
            limits.read_manifests = match text {
                Some("true") => true,
                Some("false") => false,
                _ => {
                    let expected = "`true` or `false`".to_owned();
                    return Err(self.value(line, &format!("{path}.readManifests"), expected));
                }
            };
        }
        Ok(limits)
    }

    fn whole(
        &self,
        fields: &Mapping,
        path: &str,
        name: &str,
        most: usize,
    ) -> Result<Option<usize>, SettingsError> {
        let Some((line, text)) = scalar(fields, name) else {
            return Ok(None);
        };
        let number = text.and_then(|text| text.parse().ok());
        match number.filter(|number| (1..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let expected = format!("a whole number from 1 to {most}");
                Err(self.value(line, &format!("{path}.{name}"), expected))
            }
        }
    }
}

/// The line and the text of a field that is there and not null; no text when it is no scalar.
fn scalar<'n>(fields: &'n Mapping, name: &str) -> Option<(u32, Option<&'n str>)> {
    let entry = fields.entries.iter().find(|entry| entry.key == name)?;
    let text = entry.value.as_scalar().map(|scalar| scalar.text.as_str());
    (!entry.value.is_null()).then_some((entry.line, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<RegistrySettings, SettingsError> {
        RegistrySettings::parse("r.yaml", text.as_bytes(), RegistryLimits::default())
    }

    fn refusal(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn the_first_entry_that_matches_counts_and_the_flags_say_the_rest() {
        let flags = RegistryLimits {
            at_once: 7,
            rate: Rate::per_second(3.0),
            ..RegistryLimits::default()
        };
        let text = b"registries:\n\
            - {host: docker.io, maxRequests: 2, qps: 1.5, pageSize: 100, maxTags: 10}\n\
            - host: 'harbor.example:8443'\n  qps: 0\n\
            - {host: '*.azurecr.io', readManifests: true}\n\
            - {host: '*.AZURECR.io', maxRequests: 1}\n\
            - {host: '127.0.0.1:5000', maxTags: 9}\n";
        let error = RegistrySettings::parse("r.yaml", text, flags).expect_err("one host twice");
        assert_eq!(
            error.to_string(),
            "r.yaml:6: `*.AZURECR.io` has an entry already"
        );
        let text = String::from_utf8_lossy(text).replace("*.AZURECR.io", "*");
        let text = text.replace("- {host: '127", "- {host: '[::1]:5000'}\n- {host: '127");
        let settings = RegistrySettings::parse("r.yaml", text.as_bytes(), flags).expect("a file");
        let hub = RegistryLimits {
            at_once: 2,
            rate: Rate::per_second(1.5),
            page_size: 100,
            tags: 10,
            ..flags
        };
        let harbor = RegistryLimits {
            rate: None,
            ..flags
        };
        let azure = RegistryLimits {
            read_manifests: true,
            ..flags
        };
        let any = RegistryLimits {
            at_once: 1,
            ..flags
        };
        for (registry, limits) in [
            ("index.docker.io", hub),
            ("docker.io", hub),
            ("harbor.example:8443", harbor),
            ("team.azurecr.io", azure),
            // A pattern stands for one label, as in the kubelet, and says nothing of ports it does not name.
            ("a.b.azurecr.io", any),
            ("harbor.example", any),
            ("ghcr.io", any),
            ("127.0.0.1:5000", any),
        ] {
            assert_eq!(settings.of(registry), limits, "{registry}");
        }
    }

    #[test]
    fn a_file_without_entries_changes_nothing() {
        for text in ["", "# nothing\n", "registries:\n", "registries: []\n", "{}"] {
            let settings = parse(text).expect(text);
            assert_eq!(settings.of("ghcr.io"), RegistryLimits::default(), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line_and_the_nearest_name() {
        for (text, words) in [
            (
                "registry: []",
                "r.yaml:1: unknown field `registry`; hint: did you mean `registries`?",
            ),
            (
                "registries:\n- host: a\n  maxRequest: 1",
                "r.yaml:3: unknown field `registries[0].maxRequest`; hint: did you mean `maxRequests`?",
            ),
            (
                "registries:\n- host: a\n  colour: red",
                "r.yaml:3: unknown field `registries[0].colour`",
            ),
            (
                "registries:\n- host: a\n- maxTags: 3",
                "r.yaml:3: `registries[1].host` must be a host with an optional port, or a pattern for one",
            ),
            (
                "registries: [{host: 'a/b'}]",
                "r.yaml:1: `registries[0].host` must be a host with an optional port, or a pattern for one",
            ),
            (
                "registries: [{host: a, maxRequests: 0}]",
                "r.yaml:1: `registries[0].maxRequests` must be a whole number from 1 to 1000",
            ),
            (
                "registries: [{host: a, maxTags: [1]}]",
                "r.yaml:1: `registries[0].maxTags` must be a whole number from 1 to 100000000",
            ),
            (
                "registries: [{host: a, qps: -1}]",
                "r.yaml:1: `registries[0].qps` must be 0, or a number from 0.001 to 1000000",
            ),
            (
                "registries: [{host: a, readManifests: maybe}]",
                "r.yaml:1: `registries[0].readManifests` must be `true` or `false`",
            ),
            (
                "registries: {host: a}",
                "r.yaml:1: `registries` must be a list of entries",
            ),
            ("- a", "r.yaml:1: `the file` must be a mapping of fields"),
            (
                "registries: [\n",
                "r.yaml:2:1: not valid YAML: while parsing a flow sequence, expected ',' or ']'",
            ),
        ] {
            let found = refusal(text);
            if words.contains("not valid YAML") {
                assert!(found.contains("not valid YAML"), "{found}");
                continue;
            }
            assert_eq!(found, words, "{text}");
        }
        let two = refusal("registries: []\n---\nregistries: []\n");
        assert!(two.contains("`the file` must be one document"), "{two}");
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "\\PC{0,80}|(registries:\\n)?(- host: [a-z.*\\[:]{0,9}\\n  (qps|maxTags): [0-9.e-]{0,9}\\n){0,3}") {
            if let Ok(settings) = parse(&text) {
                let limits = settings.of("a.b:1");
                prop_assert!(limits.at_once >= 1 && limits.page_size >= 1 && limits.tags >= 1);
            }
        }
    }
}
