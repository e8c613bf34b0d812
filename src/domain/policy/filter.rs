//! `filterTags`, compiled: which tags count, and what of them is ordered.

use super::{MAX_EXTRACT_LENGTH, PolicyError, TagFilter};
use crate::domain::pattern::{Pattern, Template};
use crate::domain::tags::TagSet;
use std::ops::ControlFlow;

#[derive(Debug, Clone)]
pub(super) struct Filter {
    pattern: Pattern,
    /// `None` orders whole tags.
    extract: Option<Template>,
}

impl Filter {
    pub(super) fn new(filter: &TagFilter) -> Result<Self, PolicyError> {
        if filter.extract.len() > MAX_EXTRACT_LENGTH {
            return Err(PolicyError::ExtractTooLong);
        }
        let pattern = Pattern::new(&filter.pattern).map_err(|reason| PolicyError::Pattern {
            pattern: filter.pattern.clone(),
            reason,
        })?;
        let extract =
            (!filter.extract.is_empty()).then(|| Template::new(&filter.extract, &pattern));
        Ok(Filter { pattern, extract })
    }

    pub(super) fn pattern(&self) -> &str {
        self.pattern.text()
    }

    /// Whether several tags may have one value.
    pub(super) fn extracts(&self) -> bool {
        self.extract.is_some()
    }

    /// Visits the tags that match, in the order of the set, with their values.
    pub(super) fn candidates<'t, B>(
        &self,
        tags: &'t TagSet,
        mut visit: impl FnMut(&'t str, &str) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let Some(template) = &self.extract else {
            return tags
                .iter()
                .filter(|tag| self.pattern.matches(tag))
                .try_for_each(|tag| visit(tag, tag));
        };
        let mut expansion = self.pattern.expansion(template);
        let mut value = String::new();
        for tag in tags.iter() {
            if expansion.expand(tag, &mut value) {
                visit(tag, &value)?;
            }
        }
        ControlFlow::Continue(())
    }
}
