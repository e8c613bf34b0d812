//! Fields: of structs, maps and their methods.

use super::super::functions::Signature;
use super::super::item::Item;
use super::super::parse::Operand;
use super::super::value::Type;
use super::super::{date, versions};
use super::{Machine, Place, Run};

impl<'t> Machine<'t> {
    /// The field at the end of a chain. Only the last one may be called with arguments.
    pub(super) fn chain(
        &mut self,
        dot: &Item,
        receiver: Item,
        names: &'t [String],
        arguments: &'t [Operand],
        last: Option<Item>,
    ) -> Run<Item> {
        let Some((name, before)) = names.split_last() else {
            return Ok(receiver);
        };
        let mut receiver = receiver;
        for name in before {
            receiver = self.field(dot, receiver, name, &[], None)?;
        }
        self.field(dot, receiver, name, arguments, last)
    }

    fn field(
        &mut self,
        dot: &Item,
        receiver: Item,
        name: &str,
        arguments: &'t [Operand],
        last: Option<Item>,
    ) -> Run<Item> {
        self.step()?;
        let has_arguments = !arguments.is_empty() || last.is_some();
        match &receiver {
            Item::Absent => return Ok(Item::Absent),
            Item::Nil => {
                return self.error(format_args!("nil pointer evaluating interface {{}}.{name}"));
            }
            Item::Struct(record) => {
                if let Some(result) = record.method(name) {
                    let given = arguments.len() + usize::from(last.is_some());
                    if given > 0 {
                        return self.error(format_args!(
                            "wrong number of args for {name}: want 0 got {given}"
                        ));
                    }
                    return Ok(result.clone());
                }
                if let Some(value) = record.field(name) {
                    if has_arguments {
                        return self.error(format_args!(
                            "{name} has arguments but cannot be invoked as function"
                        ));
                    }
                    return Ok(value);
                }
            }
            Item::Map(map) if *map.of.key() == Type::Text => {
                if has_arguments {
                    return self.error(format_args!("{name} is not a method but has arguments"));
                }
                return Ok(map.get(&Item::text(name)).unwrap_or(Item::Absent));
            }
            _ => {}
        }
        if let Some(method) = method(&receiver, name) {
            let place = self.place;
            let mut all = vec![receiver];
            all.extend(self.arguments(dot, name, method, arguments, last)?);
            let result = self.call_method(method, &all);
            self.place = place;
            return result.or_else(|fault| self.fault(name, fault));
        }
        let of = receiver.type_name();
        self.error(format_args!("can't evaluate field {name} in type {of}"))
    }

    /// What a chain of fields starts from.
    pub(super) fn chain_start(&mut self, dot: &Item, operand: &'t Operand) -> Run<Item> {
        let start = self.any(dot, operand)?;
        self.place = Place::Operand(operand);
        Ok(start)
    }
}

/// A method of a type that has them, but not the receiver among its parameters.
fn method(receiver: &Item, name: &str) -> Option<&'static Signature> {
    match receiver {
        Item::Time(_) | Item::Int(..) => date::method(receiver, name),
        Item::Version(version) => versions::method(version, name),
        _ => None,
    }
}
