//! Commands: operands, calls, and what they take as arguments.

use super::super::functions::{Parameter, Signature, find};
use super::super::item::{Item, Map};
use super::super::parse::{Command, Operand, OperandKind};
use super::super::value::{MapType, Type};
use super::{Machine, Place, Run};

impl<'t> Machine<'t> {
    pub(super) fn command(
        &mut self,
        dot: &Item,
        command: &'t Command,
        last: Option<Item>,
    ) -> Run<Item> {
        self.step()?;
        let (first, arguments) = match command.operands.split_first() {
            Some(split) => split,
            None => return Ok(Item::Absent),
        };
        if !matches!(first.kind, OperandKind::Pipe(_)) {
            self.place = Place::Operand(first);
        }
        let no_function = !arguments.is_empty() || last.is_some();
        match &first.kind {
            OperandKind::Field(names) => self.chain(dot, dot.clone(), names, arguments, last),
            OperandKind::Chain(start, names) => {
                let start = self.chain_operand(dot, start)?;
                self.place = Place::Operand(first);
                self.chain(dot, start, names, arguments, last)
            }
            OperandKind::Variable(names) if names.len() > 1 => {
                let value = self.variable(&names[0])?;
                self.chain(dot, value, &names[1..], arguments, last)
            }
            OperandKind::Identifier(name) => self.call(dot, name, first, arguments, last),
            other if no_function => {
                self.error(format_args!("can't give argument to non-function {other}"))
            }
            OperandKind::Variable(names) => self.variable(&names[0]),
            OperandKind::Pipe(pipe) => self.pipe(dot, pipe),
            OperandKind::Nil => self.error("nil is not a command"),
            _ => self.constant(dot, first),
        }
    }

    fn chain_operand(&mut self, dot: &Item, start: &'t Operand) -> Run<Item> {
        if matches!(start.kind, OperandKind::Nil) {
            return self.error(format_args!(
                "indirection through explicit nil in {}",
                start.kind
            ));
        }
        self.chain_start(dot, start)
    }

    /// A constant, or dot.
    fn constant(&mut self, dot: &Item, operand: &'t Operand) -> Run<Item> {
        self.place = Place::Operand(operand);
        Ok(match &operand.kind {
            OperandKind::Bool(value) => Item::Bool(*value),
            OperandKind::Dot => dot.clone(),
            OperandKind::Text(_, text) => Item::Text(text.clone()),
            OperandKind::Number(number) => {
                let text = number.text.as_str();
                let is_hexadecimal = (text.starts_with("0x") || text.starts_with("0X"))
                    && !text.contains(['p', 'P']);
                let looks_float = text.contains(['.', 'e', 'E', 'p', 'P'])
                    && !is_hexadecimal
                    && !text.starts_with('\'');
                match (
                    number.complex,
                    number.float.filter(|_| looks_float),
                    number.int,
                ) {
                    (Some((real, imaginary)), ..) => Item::Complex(real, imaginary),
                    (None, Some(float), _) => Item::Float(float),
                    (None, None, Some(int)) => Item::int(int),
                    _ => return self.error(format_args!("{text} overflows int")),
                }
            }
            other => return self.error(format_args!("can't evaluate command {other}")),
        })
    }

    fn call(
        &mut self,
        dot: &Item,
        name: &str,
        function: &'t Operand,
        arguments: &'t [Operand],
        last: Option<Item>,
    ) -> Run<Item> {
        let Some(signature) = find(name) else {
            return self.error(format_args!("{name:?} is not a defined function"));
        };
        if matches!(name, "and" | "or") {
            return self.short_circuit(dot, name, arguments, last);
        }
        let items = self.arguments(dot, name, signature, arguments, last)?;
        let result = self.call_method(signature, &items);
        self.place = Place::Operand(function);
        result.or_else(|fault| self.fault(name, fault))
    }

    fn short_circuit(
        &mut self,
        dot: &Item,
        name: &str,
        arguments: &'t [Operand],
        last: Option<Item>,
    ) -> Run<Item> {
        if arguments.is_empty() && last.is_none() {
            return self.error(format_args!(
                "wrong number of args for {name}: want at least 1 got 0"
            ));
        }
        let mut item = Item::Absent;
        for argument in arguments {
            item = self.argument(dot, Parameter::Reflect, argument)?;
            if item.is_true() == (name == "or") {
                return Ok(item);
            }
        }
        Ok(last.unwrap_or(item))
    }

    /// The arguments of a call, each as its parameter wants it. What comes through the pipe is the last.
    pub(super) fn arguments(
        &mut self,
        dot: &Item,
        name: &str,
        signature: &Signature,
        arguments: &'t [Operand],
        last: Option<Item>,
    ) -> Run<Vec<Item>> {
        let fixed = signature.parameters.len();
        let given = arguments.len() + usize::from(last.is_some());
        if signature.rest.is_some() && given < fixed {
            return self.error(format_args!(
                "wrong number of args for {name}: want at least {fixed} got {}",
                arguments.len()
            ));
        }
        if signature.rest.is_none() && given != fixed {
            return self.error(format_args!(
                "wrong number of args for {name}: want {fixed} got {given}"
            ));
        }
        let parameter = |index: usize| {
            let parameter = signature.parameters.get(index).copied();
            parameter.or(signature.rest).unwrap_or(Parameter::Any)
        };
        let mut items = Vec::with_capacity(given);
        for (index, argument) in arguments.iter().enumerate() {
            items.push(self.argument(dot, parameter(index), argument)?);
        }
        if let Some(last) = last {
            items.push(self.fit(last, parameter(given - 1))?);
        }
        Ok(items)
    }

    fn argument(&mut self, dot: &Item, parameter: Parameter, operand: &'t Operand) -> Run<Item> {
        self.place = Place::Operand(operand);
        let wrong = |wanted: &str| format!("expected {wanted}; found {}", operand.kind);
        match (&operand.kind, parameter) {
            (OperandKind::Nil, _) => match parameter {
                Parameter::Any => Ok(Item::Nil),
                Parameter::Reflect => Ok(Item::Absent),
                Parameter::Dict => Ok(nil_dict()),
                other => self.error(format_args!("cannot assign nil to {}", other.name())),
            },
            (OperandKind::Bool(_) | OperandKind::Number(_) | OperandKind::Text(..), _) => {
                let number = match &operand.kind {
                    OperandKind::Number(number) => Some(number),
                    _ => None,
                };
                match (parameter, &operand.kind) {
                    (Parameter::Any | Parameter::Reflect, _) => self.constant(dot, operand),
                    (Parameter::Bool, OperandKind::Bool(value)) => Ok(Item::Bool(*value)),
                    (Parameter::Bool, _) => self.error(wrong("bool")),
                    (Parameter::Text, OperandKind::Text(_, text)) => Ok(Item::Text(text.clone())),
                    (Parameter::Text, _) => self.error(wrong("string")),
                    (Parameter::Int, _) => match number.and_then(|number| number.int) {
                        Some(int) => Ok(Item::int(int)),
                        None => self.error(wrong("integer")),
                    },
                    (Parameter::Float, _) => match number.and_then(|number| number.float) {
                        Some(float) => Ok(Item::Float(float)),
                        None => self.error(wrong("float")),
                    },
                    (other, kind) => self.error(format_args!(
                        "can't handle {kind} for arg of type {}",
                        other.name()
                    )),
                }
            }
            _ => {
                let item = self.any(dot, operand)?;
                self.place = Place::Operand(operand);
                self.fit(item, parameter)
            }
        }
    }

    /// An operand that is not nil.
    pub(super) fn any(&mut self, dot: &Item, operand: &'t Operand) -> Run<Item> {
        self.place = Place::Operand(operand);
        match &operand.kind {
            OperandKind::Pipe(pipe) => self.pipe(dot, pipe),
            OperandKind::Field(names) => self.chain(dot, dot.clone(), names, &[], None),
            OperandKind::Variable(names) => {
                let value = self.variable(&names[0])?;
                self.chain(dot, value, &names[1..], &[], None)
            }
            OperandKind::Identifier(name) => self.call(dot, name, operand, &[], None),
            OperandKind::Chain(start, names) => {
                let start = self.chain_operand(dot, start)?;
                self.place = Place::Operand(operand);
                self.chain(dot, start, names, &[], None)
            }
            _ => self.constant(dot, operand),
        }
    }

    /// A value as a parameter wants it, if it can be.
    fn fit(&mut self, item: Item, parameter: Parameter) -> Run<Item> {
        let wanted = parameter.name();
        let fits = match (parameter, &item) {
            (Parameter::Reflect, _) => true,
            (Parameter::Any, _) => {
                return Ok(if item.is_nil() { Item::Nil } else { item });
            }
            (Parameter::Dict, Item::Absent) => return Ok(nil_dict()),
            (_, Item::Absent) => {
                return self.error(format_args!("invalid value; expected {wanted}"));
            }
            (Parameter::Dict, Item::Map(map)) => {
                (map.of.key(), map.of.value()) == (&Type::Text, &Type::Interface)
            }
            (Parameter::Text, Item::Text(_))
            | (Parameter::Bool, Item::Bool(_))
            | (Parameter::Float, Item::Float(_))
            | (Parameter::Time, Item::Time(_)) => true,
            (Parameter::Version, Item::Version(version)) => !version.is_plain(),
            (Parameter::Int, Item::Int(kind, _)) => {
                matches!(kind, super::super::value::IntKind::Int)
            }
            _ => false,
        };
        if fits {
            return Ok(item);
        }
        let of = item.of().map_or(Type::Interface, |of| of);
        self.error(format_args!(
            "wrong type for value; expected {wanted}; got {of}"
        ))
    }
}

fn nil_dict() -> Item {
    Item::zero(&Type::Map(MapType::new(Type::Text, Type::Interface)))
}

impl Map {
    /// Whether it is a `map[string]interface {}`.
    pub(in super::super) fn is_dict(&self) -> bool {
        (self.of.key(), self.of.value()) == (&Type::Text, &Type::Interface)
    }
}
