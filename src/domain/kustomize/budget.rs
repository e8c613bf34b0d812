//! How much one build may do, so that a small hostile tree is not a large amount of work.
//!
//! Invariant: what is spent only grows. What is absent: what a single file may cost; parsing
//! bounds that.

use super::error::BuildError;
use std::cell::Cell;

/// What a build has done so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    kustomizations: Cell<usize>,
    changes: Cell<usize>,
    generated: Cell<usize>,
    noted: Cell<usize>,
    copied: Cell<usize>,
}

impl Budget {
    /// Counts one more kustomization.
    pub(super) fn load(&self) -> Result<(), BuildError> {
        spend(&self.kustomizations, 1, 10_000, "kustomizations")
    }

    /// Counts objects that the steps of a kustomization go through.
    pub(super) fn change(&self, objects: usize) -> Result<(), BuildError> {
        spend(&self.changes, objects, 20_000_000, "changes of objects")
    }

    /// Counts bytes of files that go into generated objects.
    pub(super) fn generate(&self, bytes: usize) -> Result<(), BuildError> {
        spend(
            &self.generated,
            bytes,
            32_000_000,
            "bytes of generated data",
        )
    }

    /// Counts bytes that notes about objects grow by, and those that are copied for it.
    pub(super) fn note(&self, grown: usize, copied: usize) -> Result<(), BuildError> {
        spend(&self.noted, grown, 64_000_000, "bytes of notes")?;
        spend(&self.copied, copied, 2_000_000_000, "bytes of copied notes")
    }
}

fn spend(spent: &Cell<usize>, amount: usize, limit: usize, what: &str) -> Result<(), BuildError> {
    spent.set(spent.get().saturating_add(amount));
    if spent.get() > limit {
        return Err(BuildError::TooLarge {
            what: format!("more than {limit} {what}"),
        });
    }
    Ok(())
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
        assert!(budget.change(20_000_000).is_ok());
        assert!(budget.change(usize::MAX).is_err());
        assert!(budget.generate(32_000_001).is_err());
        assert!(budget.note(64_000_000, 0).is_ok());
        assert!(budget.note(1, 0).is_err());
        assert!(Budget::default().note(0, 2_000_000_001).is_err());
    }
}
