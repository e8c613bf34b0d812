//! Go's `fmt`: `Sprint`, `Sprintln`, `Sprintf`.

mod float;
mod integer;
mod quote;
mod value;
mod verbs;

pub(super) use float::{Shape, float};
pub(super) use quote::quote;

use super::item::{Item, Text};
use super::run::{Budget, Outcome};
use value::Printer;

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Operands as they print, with a space between two that are no strings.
pub(super) fn sprint(budget: &mut Budget, items: &[Item]) -> Outcome<Text> {
    let mut printer = Printer::new(budget);
    let mut before_text = false;
    for (index, item) in items.iter().enumerate() {
        let is_text = matches!(item, Item::Text(_));
        if index > 0 && !is_text && !before_text {
            printer.write(b" ")?;
        }
        printer.argument(item, 'v')?;
        before_text = is_text;
    }
    Ok(printer.finish())
}

/// Operands as they print, with spaces between them and a line's end.
pub(super) fn sprintln(budget: &mut Budget, items: &[Item]) -> Outcome<Text> {
    let mut printer = Printer::new(budget);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            printer.write(b" ")?;
        }
        printer.argument(item, 'v')?;
    }
    printer.write(b"\n")?;
    Ok(printer.finish())
}

/// Operands by a format.
pub(super) fn sprintf(budget: &mut Budget, format: &[u8], items: &[Item]) -> Outcome<Text> {
    let mut printer = Printer::new(budget);
    verbs::run(&mut printer, format, items)?;
    Ok(printer.finish())
}
