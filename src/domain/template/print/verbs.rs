//! Reads the formats of `Sprintf`.

use super::super::item::{Item, runes};
use super::super::run::Outcome;
use super::Flags;
use super::value::Printer;

/// The widest width and precision; Go's.
const WIDEST: usize = 1_000_000;

struct Format<'f> {
    text: &'f [u8],
    at: usize,
    items: &'f [Item],
    next: usize,
    reordered: bool,
    /// Whether the index of the verb that is read makes sense.
    good: bool,
    after_index: bool,
}

pub(super) fn run(printer: &mut Printer<'_>, text: &[u8], items: &[Item]) -> Outcome<()> {
    let mut format = Format {
        text,
        at: 0,
        items,
        next: 0,
        reordered: false,
        good: true,
        after_index: false,
    };
    while format.at < text.len() {
        let rest = &text[format.at..];
        let plain = rest
            .iter()
            .position(|byte| *byte == b'%')
            .unwrap_or(rest.len());
        printer.write(&rest[..plain])?;
        format.at += plain;
        if format.at < text.len() {
            format.at += 1;
            printer.flags = Flags::default();
            format.verb(printer)?;
        }
    }
    if !format.reordered && format.next < items.len() {
        printer.flags = Flags::default();
        printer.write(b"%!(EXTRA ")?;
        for (index, item) in items[format.next..].iter().enumerate() {
            if index > 0 {
                printer.write(b", ")?;
            }
            if item.is_nil() {
                printer.write(b"<nil>")?;
            } else {
                printer.write(format!("{}=", item.type_name()).as_bytes())?;
                printer.argument(item, 'v')?;
            }
        }
        printer.write(b")")?;
    }
    Ok(())
}

impl Format<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn verb(&mut self, printer: &mut Printer<'_>) -> Outcome<()> {
        self.good = true;
        self.after_index = false;
        while let Some(flag) = self.peek() {
            match flag {
                b'#' => printer.flags.sharp = true,
                b'0' => printer.flags.zero = true,
                b'+' => printer.flags.plus = true,
                b'-' => printer.flags.minus = true,
                b' ' => printer.flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        self.index();
        self.width(printer)?;
        self.precision(printer)?;
        if !self.after_index {
            self.index();
        }
        let Some((_, verb, width)) = runes(&self.text[self.at..]).next() else {
            return printer.write(b"%!(NOVERB)");
        };
        self.at += width;
        match self.items.get(self.next) {
            _ if verb == '%' => printer.write(b"%"),
            _ if !self.good => printer.write(format!("%!{verb}(BADINDEX)").as_bytes()),
            None => printer.write(format!("%!{verb}(MISSING)").as_bytes()),
            Some(item) => {
                self.next += 1;
                if matches!(verb, 'v' | 'w') {
                    let flags = &mut printer.flags;
                    (flags.sharp_v, flags.plus_v) = (flags.sharp, flags.plus);
                    (flags.sharp, flags.plus) = (false, false);
                }
                printer.argument(item, verb)
            }
        }
    }

    fn width(&mut self, printer: &mut Printer<'_>) -> Outcome<()> {
        if self.peek() == Some(b'*') {
            self.at += 1;
            let width = self.int_operand();
            match width {
                Some(width) => {
                    printer.flags.width = Some(width.unsigned_abs() as usize);
                    if width < 0 {
                        printer.flags.minus = true;
                        printer.flags.zero = false;
                    }
                }
                None => printer.write(b"%!(BADWIDTH)")?,
            }
            self.after_index = false;
        } else {
            printer.flags.width = self.number();
            if self.after_index && printer.flags.width.is_some() {
                self.good = false;
            }
        }
        Ok(())
    }

    fn precision(&mut self, printer: &mut Printer<'_>) -> Outcome<()> {
        if self.peek() != Some(b'.') || self.at + 1 >= self.text.len() {
            return Ok(());
        }
        self.at += 1;
        if self.after_index {
            self.good = false;
        }
        self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            let precision = self.int_operand();
            let precision = precision.and_then(|value| usize::try_from(value).ok());
            printer.flags.precision = precision;
            if precision.is_none() {
                printer.write(b"%!(BADPREC)")?;
            }
            self.after_index = false;
        } else {
            printer.flags.precision = Some(self.number().unwrap_or(0));
        }
        Ok(())
    }

    /// The operand that a `*` stands for.
    fn int_operand(&mut self) -> Option<i64> {
        let value = match self.items.get(self.next)? {
            Item::Int(_, value) => Some(*value),
            Item::Uint(_, value) => i64::try_from(*value).ok(),
            _ => None,
        };
        self.next += 1;
        value.filter(|value| value.unsigned_abs() <= WIDEST as u64)
    }

    fn number(&mut self) -> Option<usize> {
        let start = self.at;
        let mut value = 0;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if value > WIDEST {
                return None;
            }
            value = value * 10 + usize::from(digit - b'0');
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }

    /// `[3]`, which names the operand.
    fn index(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.text[self.at..];
        let close = rest.iter().position(|byte| *byte == b']');
        let Some(close) = close.filter(|_| rest.len() >= 3) else {
            self.good = false;
            self.at += 1;
            return;
        };
        let digits = std::str::from_utf8(&rest[1..close]).unwrap_or_default();
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse::<usize>().ok().filter(|_| plain);
        let number = number.filter(|number| *number <= WIDEST * 10);
        self.at += close + 1;
        self.after_index = number.is_some();
        match number.and_then(|number| number.checked_sub(1)) {
            Some(index) if index < self.items.len() => self.next = index,
            _ => self.good = false,
        }
    }
}
