//! Where in a document the events are: the chain of open collections, and the field path it makes.
//!
//! Invariant: mirrors the parser's nesting exactly; an alias is one node, never what it stands for.

use std::borrow::Cow;

/// Longest field path, in bytes: a path is for people, and hostile keys are long.
const PATH_LIMIT: usize = 512;

/// What a node is to the collection around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A mapping's key, or inside one.
    Key,
    /// A mapping's value, a sequence's item or the document itself.
    Value,
}

/// How far one open collection is.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A mapping: its newest key, and whether the next node is a key.
    Map { key: Cow<'a, str>, at_key: bool },
    /// A sequence: the number of items begun.
    Seq { begun: usize },
}

#[derive(Debug)]
struct Level<'a> {
    step: Step<'a>,
    flow: bool,
    /// Inside a key: nothing below is a value.
    key: bool,
}

/// The open collections, outermost first.
#[derive(Debug, Default)]
pub(super) struct Path<'a> {
    levels: Vec<Level<'a>>,
}

impl<'a> Path<'a> {
    /// What the next node is.
    pub(super) fn role(&self) -> Role {
        match self.levels.last() {
            Some(level) if level.key || matches!(level.step, Step::Map { at_key: true, .. }) => {
                Role::Key
            }
            _ => Role::Value,
        }
    }

    /// Whether the innermost collection is written in flow style.
    pub(super) fn in_flow(&self) -> bool {
        self.levels.last().is_some_and(|level| level.flow)
    }

    /// Whether no collection is open.
    pub(super) fn is_root(&self) -> bool {
        self.levels.is_empty()
    }

    /// The newest key of the innermost collection, if that is a mapping.
    pub(super) fn key(&self) -> Option<&str> {
        match &self.levels.last()?.step {
            Step::Map { key, .. } => Some(key),
            Step::Seq { .. } => None,
        }
    }

    /// The steps of the path, outermost first, if it is no longer than that.
    pub(super) fn steps(&self, most: usize) -> Option<Vec<&Step<'a>>> {
        (self.levels.len() <= most).then(|| self.levels.iter().map(|level| &level.step).collect())
    }

    /// Which item of a root sequence, or of a root mapping's `items`, is open.
    pub(super) fn item(&self) -> Option<usize> {
        let nth = |level: Option<&Level<'a>>| match level?.step {
            Step::Seq { begun } => begun.checked_sub(1),
            Step::Map { .. } => None,
        };
        match &self.levels.first()?.step {
            Step::Seq { .. } => nth(self.levels.first()),
            Step::Map { key, .. } if key == "items" => nth(self.levels.get(1)),
            Step::Map { .. } => None,
        }
    }

    /// Passes one scalar or alias; `text` is its text, for the case that it is a key.
    pub(super) fn pass(&mut self, text: Cow<'a, str>) {
        match self.levels.last_mut().map(|level| &mut level.step) {
            Some(Step::Map {
                key,
                at_key: at_key @ true,
            }) => {
                *key = text;
                *at_key = false;
            }
            Some(Step::Map { at_key, .. }) => *at_key = true,
            Some(Step::Seq { begun }) => *begun += 1,
            None => {}
        }
    }

    /// Goes into a collection.
    pub(super) fn enter(&mut self, sequence: bool, flow: bool) {
        let key = self.role() == Role::Key;
        self.pass(Cow::Borrowed("?"));
        let step = if sequence {
            Step::Seq { begun: 0 }
        } else {
            Step::Map {
                key: Cow::Borrowed(""),
                at_key: true,
            }
        };
        self.levels.push(Level { step, flow, key });
    }

    /// Leaves the innermost collection.
    pub(super) fn leave(&mut self) {
        self.levels.pop();
    }

    /// The path of the node that was passed last, such as `spec.containers[0].image`.
    pub(super) fn field(&self) -> String {
        let mut field = String::new();
        for level in &self.levels {
            match &level.step {
                Step::Seq { begun } => field.push_str(&format!("[{}]", begun.saturating_sub(1))),
                Step::Map { key, .. } => push_key(&mut field, key),
            }
        }
        if field.len() > PATH_LIMIT {
            let cut = field.ceil_char_boundary(field.len() - PATH_LIMIT + '…'.len_utf8());
            field.replace_range(..cut, "…");
        }
        field
    }
}

fn push_key(field: &mut String, key: &str) {
    let start = key.floor_char_boundary(key.len().min(PATH_LIMIT));
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '$');
    if !key.is_empty() && key.chars().take(PATH_LIMIT).all(plain) {
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(&key[..start]);
    } else {
        field.push_str(&format!("[{:?}]", &key[..start]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(path: &mut Path<'_>, text: &'static str) {
        path.pass(Cow::Borrowed(text));
    }

    #[test]
    fn a_path_names_keys_and_items() {
        let mut path = Path::default();
        assert_eq!((path.role(), path.is_root()), (Role::Value, true));
        path.enter(false, false);
        assert_eq!(path.role(), Role::Key);
        pass(&mut path, "spec");
        path.enter(true, false);
        pass(&mut path, "x");
        path.enter(false, true);
        pass(&mut path, "image");
        pass(&mut path, "a:1");
        assert_eq!(path.field(), "spec[1].image");
        assert!(path.in_flow());
        path.leave();
        path.leave();
        pass(&mut path, "app.kubernetes.io/version");
        pass(&mut path, "v1");
        assert_eq!(path.field(), "[\"app.kubernetes.io/version\"]");
        pass(&mut path, "last");
        pass(&mut path, "v");
        assert_eq!(path.field(), "last");
    }

    #[test]
    fn what_is_inside_a_key_is_no_value() {
        let mut path = Path::default();
        path.enter(false, false);
        path.enter(true, true);
        assert_eq!(path.role(), Role::Key);
        path.enter(false, true);
        pass(&mut path, "k");
        assert_eq!(path.role(), Role::Key);
        path.leave();
        path.leave();
        assert_eq!(path.role(), Role::Value);
        pass(&mut path, "v");
        assert_eq!(path.field(), "[\"?\"]");
    }

    #[test]
    fn items_are_counted_in_lists_and_root_sequences() {
        let mut path = Path::default();
        path.enter(false, false);
        pass(&mut path, "items");
        path.enter(true, false);
        path.enter(false, false);
        assert_eq!(path.item(), Some(0));
        path.leave();
        path.enter(false, false);
        assert_eq!(path.item(), Some(1));
        let mut path = Path::default();
        path.enter(true, false);
        assert_eq!(path.item(), None);
        path.enter(false, false);
        assert_eq!(path.item(), Some(0));
    }

    #[test]
    fn a_hostile_path_is_cut_at_its_head() {
        let mut path = Path::default();
        for _ in 0..50 {
            path.enter(false, false);
            path.pass(Cow::Owned("é".repeat(5_000)));
        }
        path.enter(false, false);
        pass(&mut path, "image");
        let field = path.field();
        assert!(field.len() <= 512, "{}", field.len());
        assert!(
            field.starts_with('…') && field.ends_with(".image"),
            "{field}"
        );
    }
}
