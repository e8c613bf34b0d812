//! Reads what is in an action: pipelines, commands, operands.

use super::super::functions::is_function;
use super::constant::{Number, unquote};
use super::lex::Kind;
use super::{Command, Operand, OperandKind, Parsed, Parser, Pipe};

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let mut pipe = Pipe {
            at: self.peek_after_space().at,
            assigns: false,
            variables: Vec::new(),
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_after_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.at -= 1;
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.error(&format!("missing value for {context}"));
        }
        for (stage, command) in pipe.commands.iter().enumerate().skip(1) {
            if is_constant(&command.operands[0].kind) {
                let stage = stage + 1;
                return self.error(&format!("non executable command in pipeline stage {stage}"));
            }
        }
        Ok(pipe)
    }

    /// `$x :=`, `$x =` or, in a range, `$i, $x :=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        while self.peek_after_space().kind == Kind::Variable {
            let start = self.at;
            let variable = self.next().text;
            let sign = self.peek_after_space();
            let comma = sign.kind == Kind::Char && sign.text == ",";
            if !comma && !matches!(sign.kind, Kind::Assign | Kind::Declare) {
                self.at = start;
                return Ok(());
            }
            let sign = self.next_after_space().kind;
            pipe.variables.push(variable.clone());
            self.variables.push(variable);
            if !comma {
                pipe.assigns = sign == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipe.variables.len() >= 2 {
                return self.error(&format!("too many declarations in {context}"));
            }
            let next = self.peek_after_space().kind;
            if !matches!(
                next,
                Kind::Variable | Kind::RightDelimiter | Kind::RightParen
            ) {
                return self.error("range can only initialize variables");
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut operands = Vec::new();
        loop {
            self.peek_after_space();
            operands.extend(self.operand()?);
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelimiter | Kind::RightParen => self.at -= 1,
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if operands.is_empty() {
            return self.error("empty command");
        }
        Ok(Command { operands })
    }

    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(mut operand) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != Kind::Field {
            return Ok(Some(operand));
        }
        let at = self.peek().at;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.next().text[1..].to_owned());
        }
        match &mut operand.kind {
            OperandKind::Field(fields) | OperandKind::Variable(fields) => fields.extend(names),
            constant if is_constant(constant) => {
                let message = format!("unexpected . after term {:?}", constant.to_string());
                return self.error(&message);
            }
            _ => {
                operand = Operand {
                    at,
                    kind: OperandKind::Chain(Box::new(operand), names),
                };
            }
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.next_after_space();
        let kind = match token.kind {
            Kind::Identifier if !is_function(&token.text) => {
                return self.error(&format!("function {:?} not defined", token.text));
            }
            Kind::Identifier => OperandKind::Identifier(token.text),
            Kind::Dot => OperandKind::Dot,
            Kind::Nil => OperandKind::Nil,
            Kind::Variable if !self.variables.contains(&token.text) => {
                return self.error(&format!("undefined variable {:?}", token.text));
            }
            Kind::Variable => OperandKind::Variable(vec![token.text]),
            Kind::Field => OperandKind::Field(vec![token.text[1..].to_owned()]),
            Kind::Bool => OperandKind::Bool(token.text == "true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                let number = match token.kind {
                    Kind::CharConstant => Number::character(&token.text),
                    Kind::Complex => Number::complex(&token.text),
                    _ => Number::parse(&token.text),
                };
                match number {
                    Ok(number) => OperandKind::Number(number),
                    Err(message) => return self.error(&message),
                }
            }
            Kind::LeftParen => {
                self.enter()?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                OperandKind::Pipe(Box::new(pipe))
            }
            Kind::String | Kind::RawString => match unquote(&token.text) {
                Some(text) => OperandKind::Text(token.text, text),
                None => return self.error("invalid syntax"),
            },
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Operand { at: token.at, kind }))
    }
}

fn is_constant(kind: &OperandKind) -> bool {
    matches!(
        kind,
        OperandKind::Bool(_)
            | OperandKind::Dot
            | OperandKind::Nil
            | OperandKind::Number(_)
            | OperandKind::Text(..)
    )
}
