//! Groups: `(..)`, `(?P<name>..)`, `(?flags)` and `(?flags:..)`.

use super::translate::{Frame, Translator, fault};
use super::{Fault, MAX_DEPTH, PatternError};

impl Translator<'_> {
    pub(super) fn open(&mut self, translation: &str) -> Result<(), PatternError> {
        if self.frames.len() > MAX_DEPTH {
            return Err(fault(Fault::TooDeep, self.whole));
        }
        let start = self.out.len();
        self.out.push_str(translation);
        self.frames.push(Frame {
            outer: self.flags,
            start,
            last: None,
            heaviest: 1,
        });
        Ok(())
    }

    pub(super) fn close(&mut self) -> Result<(), PatternError> {
        if self.frames.len() == 1 {
            return Err(fault(Fault::UnexpectedParenthesis, self.whole));
        }
        let Some(mut frame) = self.frames.pop() else {
            return Ok(());
        };
        frame.settle();
        self.skip(1);
        self.out.push(')');
        self.flags = frame.outer;
        self.item(frame.start, frame.heaviest);
        Ok(())
    }

    /// Reads what starts with `(?`: a named group, a group without capture, or flags.
    pub(super) fn extension(&mut self) -> Result<(), PatternError> {
        let text = self.rest;
        let name_start = if text.starts_with("(?P<") && text.len() > 4 {
            Some(4)
        } else if text.starts_with("(?<") && text.len() > 3 {
            Some(3)
        } else {
            None
        };
        match name_start {
            Some(start) => self.named_group(start),
            None => self.flag_group(),
        }
    }

    fn named_group(&mut self, name_start: usize) -> Result<(), PatternError> {
        let Some(end) = self.rest.find('>') else {
            return Err(fault(Fault::NamedCapture, self.rest));
        };
        let name = &self.rest[name_start..end];
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err(fault(Fault::NamedCapture, &self.rest[..=end]));
        }
        self.names.push(name.to_owned());
        self.open("(")?;
        self.skip(end + 1);
        Ok(())
    }

    fn flag_group(&mut self) -> Result<(), PatternError> {
        let text = self.rest;
        let mut flags = self.flags;
        let mut set = true;
        let mut seen = false;
        for (index, flag) in text.char_indices().skip(2) {
            match flag {
                'i' => flags.fold_case = set,
                'm' => flags.multi_line = set,
                's' => flags.dot_all = set,
                'U' => flags.ungreedy = set,
                '-' if set => {
                    set = false;
                    seen = false;
                    continue;
                }
                ':' | ')' if set || seen => {
                    if flag == ':' {
                        self.open("(?:")?;
                    }
                    self.flags = flags;
                    self.skip(index + 1);
                    return Ok(());
                }
                other => return Err(fault(Fault::PerlSyntax, &text[..index + other.len_utf8()])),
            }
            seen = true;
        }
        Err(fault(Fault::PerlSyntax, text))
    }
}
