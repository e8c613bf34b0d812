//! Which images a payload says were pushed, whoever sends it.
//!
//! Duty: tell by its form what a payload is; the type of the receiver says only how a sender proves itself. So an event of ECR, of
//! Artifactory or of the distribution registry is read from every type of receiver. Invariant: every text that goes on is a
//! well-formed repository, tag or digest; at most [`MOST_PUSHES`] are read, and a payload that holds more says so.
//! What is absent: trust. A push is a hint: whoever acts on it asks the registry.

mod envelopes;
mod registries;

use super::Headers;
use crate::domain::image::{ImageName, is_digest};
use crate::domain::tags::is_tag;
use serde_json::Value;

/// Most pushes that are read from one payload.
pub const MOST_PUSHES: usize = 100;
/// Longest repository that is looked at, in bytes: what the distribution specification allows.
const LONGEST_REPOSITORY: usize = 255;

/// What a payload says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Heard {
    /// Its form is not known: anything may have happened.
    #[default]
    Unknown,
    /// It tells what happened in a registry.
    News(News),
}

/// What happened in a registry. Pulls, scans and the like are no news.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Tags that were pushed.
    pub pushes: Vec<Push>,
    /// Whether there was more, such as a deletion, or more pushes than are read.
    pub more: bool,
}

/// A tag that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The registry, when the sender names it: `ghcr.io`.
    pub registry: Option<String>,
    /// The repository, or the end of it where the sender names no more: `acme/app`.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// What it points to, when the sender says.
    pub digest: Option<String>,
}

impl Push {
    /// Reads the parts; `None` when one of them is not well formed.
    fn new(registry: Option<&str>, repository: &str, tag: &str, digest: &str) -> Option<Self> {
        let begins = |part: &str| part.starts_with(|first: char| first.is_ascii_alphanumeric());
        let fits = repository.len() <= LONGEST_REPOSITORY
            && repository.split('/').all(begins)
            && is_tag(tag)
            && !tag.starts_with('.');
        let host = registry.filter(|host| !host.is_empty());
        // The name of a registry has a dot or a port; this one stands in for the one that is not known.
        let whole = format!("{}/{repository}", host.unwrap_or("registry.invalid"));
        let name = ImageName::parse(&whole).ok().filter(|_| fits)?;
        // A host without a dot or a port would be read as a part of the repository.
        let known = host.is_some_and(|host| host == name.registry() || host == "docker.io");
        Some(Self {
            registry: known.then(|| name.registry().to_owned()),
            repository: if known {
                name.repository().to_owned()
            } else {
                repository.to_owned()
            },
            tag: tag.to_owned(),
            digest: is_digest(digest).then(|| digest.to_owned()),
        })
    }

    /// Reads `host/repository:tag`, perhaps with `@digest`.
    fn of_reference(reference: &str) -> Option<Self> {
        let (reference, digest) = reference.split_once('@').unwrap_or((reference, ""));
        let (name, tag) = reference
            .rsplit_once(':')
            .filter(|(_, tag)| !tag.contains('/'))?;
        Self::of_name(name, tag, digest)
    }

    /// Reads `host/repository`, where a name without a host is Docker Hub's.
    fn of_name(name: &str, tag: &str, digest: &str) -> Option<Self> {
        let name = ImageName::parse(name).ok()?;
        Self::new(Some(name.registry()), name.repository(), tag, digest)
    }

    /// Whether this may be a push of `image`: the same repository of the same registry, or, where the registry is not told or
    /// has another name here (a mirror, a service within the cluster), a repository that ends so.
    pub fn may_be_of(&self, image: &ImageName) -> bool {
        if self.registry.as_deref() == Some(image.registry()) {
            return self.repository == image.repository();
        }
        let before = image.repository().strip_suffix(self.repository.as_str());
        before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
    }
}

impl News {
    /// One push, or, when its parts are not well formed or it has no tag, none.
    fn of(push: Option<Push>) -> Self {
        Self {
            pushes: push.into_iter().collect(),
            more: false,
        }
    }

    /// Something else than a push that may change a list of tags.
    fn change() -> Self {
        Self {
            pushes: Vec::new(),
            more: true,
        }
    }

    fn add(&mut self, other: Self) {
        self.more |= other.more;
        for push in other.pushes {
            match self.pushes.len() < MOST_PUSHES {
                true if self.pushes.contains(&push) => {}
                true => self.pushes.push(push),
                false => self.more = true,
            }
        }
    }

    fn all(news: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        news.into_iter().for_each(|one| all.add(one));
        all
    }
}

/// Reads a payload.
pub fn read(headers: &Headers, payload: &[u8]) -> Heard {
    let Ok(value) = serde_json::from_slice::<Value>(payload) else {
        return Heard::Unknown;
    };
    envelopes::read(headers, &value).map_or(Heard::Unknown, Heard::News)
}

/// The sender's own number for a delivery, when it gives one: the same when it is sent again.
pub fn id(headers: &Headers, payload: &[u8]) -> Option<String> {
    const FIELDS: [&str; 5] = [
        "x-github-delivery",
        "x-request-uuid",
        "x-nexus-webhook-delivery",
        "idempotency-key",
        "webhook-id",
    ];
    let given = FIELDS
        .iter()
        .map(|field| headers.get(field))
        .find(|id| !id.is_empty());
    if let Some(id) = given {
        return Some(id.to_owned());
    }
    let value = serde_json::from_slice::<Value>(payload).ok()?;
    envelopes::id(headers, &value)
}

/// The text at a JSON pointer; empty when there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
