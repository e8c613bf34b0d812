//! Bracket expressions: `[..]` with ranges, named classes and escapes in it.

use super::class::{self, Members};
use super::translate::{Translator, fault};
use super::{Fault, PatternError};

impl<'a> Translator<'a> {
    pub(super) fn bracket(&mut self) -> Result<(), PatternError> {
        let whole = self.rest;
        let mut members = Members::default();
        self.skip(1);
        let negated = self.rest.starts_with('^');
        if negated {
            self.skip(1);
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if let Some(class) = self.posix_class()? {
                members.class(class);
            } else if let Some(class) = self.escaped_class()? {
                members.class(&class);
            } else {
                let (low, high) = self.range(whole)?;
                members.range(low, high);
            }
        }
        self.skip(1);
        let start = self.out.len();
        self.push_folded(&members.finish(negated));
        self.item(start, 1);
        Ok(())
    }

    fn posix_class(&mut self) -> Result<Option<&'a str>, PatternError> {
        let text = self.rest;
        let Some(length) = text.strip_prefix("[:").and_then(|rest| rest.find(":]")) else {
            return Ok(None);
        };
        let class = &text[..length + 4];
        if !class::is_posix(class) {
            return Err(fault(Fault::CharacterRange, class));
        }
        self.skip(class.len());
        Ok(Some(class))
    }

    fn range(&mut self, whole: &str) -> Result<(u32, u32), PatternError> {
        let text = self.rest;
        let low = self.class_character(whole)?;
        if self.rest.len() < 2 || !self.rest.starts_with('-') || self.rest.starts_with("-]") {
            return Ok((low, low));
        }
        self.skip(1);
        let high = self.class_character(whole)?;
        if high < low {
            return Err(fault(
                Fault::CharacterRange,
                &text[..text.len() - self.rest.len()],
            ));
        }
        Ok((low, high))
    }

    fn class_character(&mut self, whole: &str) -> Result<u32, PatternError> {
        match self.rest.chars().next() {
            None => Err(fault(Fault::MissingBracket, whole)),
            Some('\\') => self.escaped_character(),
            Some(other) => {
                self.skip(other.len_utf8());
                Ok(other.into())
            }
        }
    }
}
