//! What a template is made of. `Display` writes it as Go's error messages do.

use super::super::item::Text;
use super::constant::Number;
use std::fmt;

/// A part of a template.
#[derive(Debug)]
pub(in super::super) enum Node {
    Text(String),
    Action(Pipe),
    Break,
    Continue,
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        at: usize,
        name: String,
        pipe: Option<Pipe>,
    },
}

/// A condition or a loop.
#[derive(Debug)]
pub(in super::super) struct Branch {
    pub(in super::super) pipe: Pipe,
    pub(in super::super) list: Vec<Node>,
    pub(in super::super) otherwise: Option<Vec<Node>>,
}

/// Commands, each of which gives the next one its last argument.
#[derive(Debug)]
pub(in super::super) struct Pipe {
    pub(in super::super) at: usize,
    /// Whether the variables are set, not declared.
    pub(in super::super) assigns: bool,
    pub(in super::super) variables: Vec<String>,
    pub(in super::super) commands: Vec<Command>,
}

/// An operand or a call.
#[derive(Debug)]
pub(in super::super) struct Command {
    pub(in super::super) operands: Vec<Operand>,
}

/// A word of a command with its place.
#[derive(Debug)]
pub(in super::super) struct Operand {
    pub(in super::super) at: usize,
    pub(in super::super) kind: OperandKind,
}

#[derive(Debug)]
pub(in super::super) enum OperandKind {
    Bool(bool),
    Chain(Box<Operand>, Vec<String>),
    Dot,
    Field(Vec<String>),
    Identifier(String),
    Nil,
    Number(Number),
    Pipe(Box<Pipe>),
    /// As it was written, and what that stands for.
    Text(String, Text),
    /// With its fields; the variable comes first.
    Variable(Vec<String>),
}

impl fmt::Display for OperandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = |f: &mut fmt::Formatter<'_>, names: &[String]| {
            names.iter().try_for_each(|name| write!(f, ".{name}"))
        };
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Chain(operand, names) => {
                match &operand.kind {
                    OperandKind::Pipe(pipe) => write!(f, "({pipe})")?,
                    other => other.fmt(f)?,
                }
                fields(f, names)
            }
            Self::Dot => f.write_str("."),
            Self::Field(names) => fields(f, names),
            Self::Identifier(name) => f.write_str(name),
            Self::Nil => f.write_str("nil"),
            Self::Number(number) => f.write_str(&number.text),
            Self::Pipe(pipe) => pipe.fmt(f),
            Self::Text(written, _) => f.write_str(written),
            Self::Variable(names) => f.write_str(&names.join(".")),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match &operand.kind {
                OperandKind::Pipe(pipe) => write!(f, "({pipe})")?,
                other => other.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.assigns { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.variables.join(", "))?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}
