//! The sections of Amazon's files `credentials` and `config`.
//!
//! Invariant: a name counts in `config` only with the word before it that says what it is, but for `default`; of what stands
//! twice the later counts, and `credentials` over `config`. What is absent: the meaning of fields.

use std::collections::BTreeMap;

/// The fields of one section.
pub(super) type Fields<'a> = BTreeMap<&'a str, &'a str>;

/// All profiles and sessions of both files. It can not be printed, since it holds keys.
pub struct Profiles<'a> {
    profiles: BTreeMap<&'a str, Fields<'a>>,
    sessions: BTreeMap<&'a str, Fields<'a>>,
}

/// What a header opens.
enum Header<'a> {
    Profile(&'a str),
    Session(&'a str),
    Other,
}

impl<'a> Profiles<'a> {
    /// Reads the content of `credentials` and of `config`; each may be empty.
    pub fn parse(credentials: &'a str, config: &'a str) -> Self {
        let mut all = Self {
            profiles: BTreeMap::new(),
            sessions: BTreeMap::new(),
        };
        all.read(config, |header| {
            if header == "default" {
                return Header::Profile(header);
            }
            match header.split_once([' ', '\t']) {
                Some(("profile", name)) => Header::Profile(name.trim()),
                Some(("sso-session", name)) => Header::Session(name.trim()),
                _ => Header::Other,
            }
        });
        all.read(credentials, Header::Profile);
        all
    }

    pub(super) fn profile(&self, name: &str) -> Option<&Fields<'a>> {
        self.profiles.get(name)
    }

    pub(super) fn session(&self, name: &str) -> Option<&Fields<'a>> {
        self.sessions.get(name)
    }

    fn read(&mut self, text: &'a str, opens: impl Fn(&'a str) -> Header<'a>) {
        let mut open = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(header) = trimmed.strip_prefix('[') {
                let header = header.split(']').next().unwrap_or_default();
                open = match opens(header.trim()) {
                    Header::Profile(name) => Some(self.profiles.entry(name).or_default()),
                    Header::Session(name) => Some(self.sessions.entry(name).or_default()),
                    Header::Other => None,
                };
            } else if let Some((name, value)) = trimmed.split_once('=')
                && let Some(fields) = &mut open
                // What is indented belongs to the field above.
                && !line.starts_with([' ', '\t'])
            {
                let value = without_comment(value).trim();
                if !value.is_empty() {
                    fields.insert(name.trim(), value);
                }
            }
        }
    }
}

/// A value up to a comment, which needs a space before it.
fn without_comment(value: &str) -> &str {
    let comments = [" #", " ;", "\t#", "\t;"];
    let ends = comments.iter().filter_map(|start| value.find(start));
    &value[..ends.min().unwrap_or(value.len())]
}
