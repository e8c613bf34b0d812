//! How much one build may do, so that a small hostile tree is not a large amount of work.
//!
//! Invariant: what is spent only grows. What is absent: what a single file may cost; parsing
//! bounds that. The bounds together keep a build within a second and 200 MB.

use super::PatchTarget;
use super::error::BuildError;
use super::expression::is_plain;
use super::resource::Resource;
use crate::domain::manifest::{Document, Node};
use std::cell::Cell;

/// What a build has done so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    kustomizations: Cell<usize>,
    work: Cell<usize>,
    kept: Cell<usize>,
    read: Cell<usize>,
    generated: Cell<usize>,
    noted: Cell<usize>,
    copied: Cell<usize>,
}

impl Budget {
    /// What looking at one object costs, next to looking at one node.
    const OBJECT: usize = 20;
    /// What making a node of text costs.
    const PARSED: usize = 60;

    /// Counts one more kustomization.
    pub(super) fn load(&self) -> Result<(), BuildError> {
        spend(&self.kustomizations, 1, 10_000, "kustomizations")
    }

    /// Counts nodes that are looked at: about ten nanoseconds each.
    pub(super) fn work(&self, nodes: usize) -> Result<(), BuildError> {
        spend(&self.work, nodes, 100_000_000, "steps of work")
    }

    /// Counts objects that each of `entries` of a kustomization looks at.
    pub(super) fn look(&self, entries: usize, resources: &[Resource]) -> Result<(), BuildError> {
        let each = resources.len().saturating_mul(Self::OBJECT);
        self.work(entries.saturating_mul(each))
    }

    /// The same for entries that look at every node of every object.
    pub(super) fn walk(&self, entries: usize, resources: &[Resource]) -> Result<(), BuildError> {
        if entries == 0 {
            return Ok(());
        }
        let all = resources.iter().map(|resource| nodes(&resource.root)).sum();
        self.work(entries.saturating_mul(all))
    }

    /// Counts bytes that objects take in memory from now on.
    pub(super) fn keep(&self, bytes: usize) -> Result<(), BuildError> {
        spend(&self.kept, bytes, 80_000_000, "bytes of objects")
    }

    /// Counts an expression that is compiled: some may become large.
    pub(super) fn compile(&self, text: &str) -> Result<(), BuildError> {
        self.work(match text {
            plain if is_plain(plain) => 3_000,
            long if long.len() > 200 || long.contains('{') => 800_000,
            _ => 150_000,
        })
    }

    /// Counts the expressions of a target.
    pub(super) fn select(&self, target: &PatchTarget) -> Result<(), BuildError> {
        let texts = [
            &target.group,
            &target.version,
            &target.kind,
            &target.name,
            &target.namespace,
        ];
        let mut compiled = texts.into_iter().filter(|text| !is_plain(text));
        compiled.try_for_each(|text| self.compile(text))
    }

    /// Counts the names that objects remember when they get another one, and what `text` adds.
    pub(super) fn rename(&self, resources: &[Resource], text: &str) -> Result<(), BuildError> {
        const NAME: usize = 150;
        let names = resources.iter().map(|resource| {
            let known = resource.name().len() + resource.namespace().len();
            NAME + known + resource.text("kind").len() + text.len()
        });
        self.keep(names.sum())
    }

    /// Counts an entry that a mapping gets.
    pub(super) fn add_entry(&self, node: &Node, key: &str, value: &str) -> Result<(), BuildError> {
        const ENTRY: usize = 150;
        let neighbours = node.as_mapping().map_or(0, |mapping| mapping.entries.len());
        self.work(30 + neighbours)?;
        // The first one brings room for others.
        let room = if neighbours == 0 { 3 } else { 1 };
        self.keep(ENTRY * room + key.len() + value.len())
    }

    /// Counts a file, or what stands for one.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<(), BuildError> {
        self.text(bytes.len())?;
        spend(&self.read, bytes.len(), 64_000_000, "bytes of files")
    }

    /// Counts a text that is made nodes of.
    pub(super) fn text(&self, bytes: usize) -> Result<(), BuildError> {
        self.work(bytes.saturating_mul(2))
    }

    /// Counts what has been made of a text.
    pub(super) fn parse(&self, documents: &[Document]) -> Result<(), BuildError> {
        let all: usize = documents.iter().map(|document| nodes(&document.root)).sum();
        self.work(all.saturating_mul(Self::PARSED))
    }

    /// Counts bytes of files that go into generated objects.
    pub(super) fn generate(&self, bytes: usize) -> Result<(), BuildError> {
        spend(
            &self.generated,
            bytes,
            16_000_000,
            "bytes of generated data",
        )
    }

    /// Counts bytes that notes about objects grow by, and those that are copied for it.
    pub(super) fn note(&self, grown: usize, copied: usize) -> Result<(), BuildError> {
        self.keep(grown)?;
        spend(&self.noted, grown, 64_000_000, "bytes of notes")?;
        spend(&self.copied, copied, 2_000_000_000, "bytes of copied notes")
    }
}

fn spend(spent: &Cell<usize>, amount: usize, limit: usize, what: &str) -> Result<(), BuildError> {
    spent.set(spent.get().saturating_add(amount));
    if spent.get() > limit {
        return Err(BuildError::too_large(format!("more than {limit} {what}")));
    }
    Ok(())
}

/// How many nodes a tree has.
pub(super) fn nodes(node: &Node) -> usize {
    match node {
        Node::Scalar(_) => 1,
        Node::Sequence(items) => items.iter().map(nodes).sum::<usize>() + 1,
        Node::Mapping(mapping) => {
            let entries = mapping.entries.iter();
            entries.map(|entry| nodes(&entry.value)).sum::<usize>() + 1
        }
    }
}

/// About how many bytes a tree takes in memory.
pub(super) fn bytes(node: &Node) -> usize {
    const NODE: usize = 64;
    NODE + match node {
        Node::Scalar(scalar) => scalar.text.len(),
        Node::Sequence(items) => items.iter().map(bytes).sum(),
        Node::Mapping(mapping) => {
            let entries = mapping.entries.iter();
            entries
                .map(|entry| NODE + entry.key.len() + bytes(&entry.value))
                .sum()
        }
    }
}

/// What merging a tree by keys may cost: in every list, each item is looked for among the others.
pub(super) fn pairs(node: &Node) -> usize {
    match node {
        Node::Scalar(_) => 1,
        Node::Sequence(items) => {
            let below = items.iter().map(pairs);
            let own = items.len().saturating_mul(items.len()).saturating_mul(8);
            below.fold(own, usize::saturating_add)
        }
        Node::Mapping(mapping) => {
            let below = mapping.entries.iter().map(|entry| pairs(&entry.value));
            below.fold(1, usize::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_allowed_one_is_allowed() {
        let budget = Budget::default();
        assert!((0..10_000).all(|_| budget.load().is_ok()));
        let error = budget.load().expect_err("it is one too many");
        assert!(
            error
                .to_string()
                .starts_with("more than 10000 kustomizations")
        );
        assert!(budget.work(100_000_000).is_ok());
        assert!(budget.work(usize::MAX).is_err());
        assert!(budget.generate(16_000_001).is_err());
        assert!(Budget::default().keep(80_000_001).is_err());
        assert!(Budget::default().read(b"some text").is_ok());
        assert!(budget.note(64_000_000, 0).is_ok());
        assert!(budget.note(1, 0).is_err());
        assert!(Budget::default().note(0, 2_000_000_001).is_err());
    }
}
