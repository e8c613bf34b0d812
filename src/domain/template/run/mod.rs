//! Walks the nodes of a template and writes what they give.
//!
//! Invariant: every node, call and item costs a step, every byte that is made is counted, and nesting is bounded, since each
//! level takes a frame of the stack.

mod budget;
mod call;
mod field;

pub(super) use budget::{Budget, Fault, Outcome};

use super::functions::Signature;
use super::item::{Item, Text};
use super::parse::{Branch, Node, Operand, Pipe};
use super::{Limits, Template, TemplateError, Value, print};
use std::fmt;

/// How deep templates, blocks and parentheses may nest at run time.
const MAX_DEPTH: usize = 250;

type Run<T> = Result<T, TemplateError>;

/// What a node leaves behind: the way on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// What is looked at, for errors.
#[derive(Clone, Copy)]
enum Place<'t> {
    Start,
    Operand(&'t Operand),
    Pipe(&'t Pipe),
    Template(usize, &'t str),
}

pub(super) struct Machine<'t> {
    template: &'t Template,
    /// The template that is running: it, or one that it defines.
    name: &'t str,
    place: Place<'t>,
    variables: Vec<(&'t str, Item)>,
    output: Vec<u8>,
    depth: usize,
    limit: usize,
    budget: Budget,
}

/// Renders a template.
pub(super) fn render(template: &Template, data: &Value, limits: Limits) -> Run<String> {
    let dot = Item::from(data);
    let mut machine = Machine {
        template,
        name: &template.name,
        place: Place::Start,
        variables: vec![("$", dot.clone())],
        output: Vec::new(),
        depth: 0,
        limit: limits.output,
        budget: Budget::new(&limits),
    };
    let root = template.templates.0.get(&template.name);
    let walked = machine.list(&dot, root.map_or(&[], Vec::as_slice));
    machine.budget.release();
    walked?;
    Ok(Text::from(machine.output).to_text().into_owned())
}

impl<'t> Machine<'t> {
    /// An error where the machine stands.
    fn error<T>(&self, message: impl fmt::Display) -> Run<T> {
        Err(TemplateError::Execute(self.located(message)))
    }

    fn located(&self, message: impl fmt::Display) -> String {
        let (at, context) = match self.place {
            Place::Start => {
                return format!("template: {}: {message}", self.template.name);
            }
            Place::Operand(operand) => (operand.at, operand.kind.to_string()),
            Place::Pipe(pipe) => (pipe.at, pipe.to_string()),
            Place::Template(at, name) => (at, format!("{{{{template {name:?}}}}}")),
        };
        let before = &self.template.text[..at];
        let line = 1 + before.matches('\n').count();
        let column = before.rfind('\n').map_or(at, |newline| at - newline - 1);
        let (file, name) = (&self.template.name, self.name);
        format!("template: {file}:{line}:{column}: executing {name:?} at <{context}>: {message}")
    }

    /// What a function says, as an error of the template.
    fn fault<T>(&self, function: &str, fault: Fault) -> Run<T> {
        match fault {
            Fault::Error(message) => {
                self.error(format_args!("error calling {function}: {message}"))
            }
            Fault::Limit(message) => Err(TemplateError::Limit(self.located(message))),
        }
    }

    /// Passes on what is within limits.
    fn within<T>(&self, outcome: Outcome<T>) -> Run<T> {
        outcome.or_else(|fault| match fault {
            Fault::Error(message) => self.error(message),
            Fault::Limit(message) => Err(TemplateError::Limit(self.located(message))),
        })
    }

    fn step(&mut self) -> Run<()> {
        let stepped = self.budget.step(1);
        self.within(stepped)
    }

    /// One level deeper, and back.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        if self.depth >= MAX_DEPTH {
            let message = format!("exceeded maximum template depth ({MAX_DEPTH})");
            return Err(TemplateError::Limit(self.located(message)));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn write(&mut self, bytes: &[u8]) -> Run<()> {
        if self.output.len() + bytes.len() > self.limit {
            let message = format!("the result is longer than {} bytes", self.limit);
            return Err(TemplateError::Limit(self.located(message)));
        }
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    fn list(&mut self, dot: &Item, nodes: &'t [Node]) -> Run<Flow> {
        for node in nodes {
            self.step()?;
            let flow = self.node(dot, node)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, dot: &Item, node: &'t Node) -> Run<Flow> {
        match node {
            Node::Text(text) => self.write(text.as_bytes())?,
            Node::Action(pipe) => {
                let item = self.pipe(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.place = Place::Pipe(pipe);
                    self.print(item)?;
                }
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::If(branch) => return self.branch(dot, branch, false),
            Node::With(branch) => return self.branch(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template { at, name, pipe } => {
                self.call_template(dot, *at, name, pipe.as_ref())?
            }
        }
        Ok(Flow::On)
    }

    fn print(&mut self, item: Item) -> Run<()> {
        if item.is_nil() {
            return self.write(b"<no value>");
        }
        let printed = print::sprint(&mut self.budget, &[item]);
        let text = self.within(printed)?;
        self.write(&text)
    }

    fn branch(&mut self, dot: &Item, branch: &'t Branch, with: bool) -> Run<Flow> {
        let mark = self.variables.len();
        let item = self.pipe(dot, &branch.pipe)?;
        let flow = self.deeper(|machine| match (item.is_true(), &branch.otherwise) {
            (true, _) if with => machine.list(&item, &branch.list),
            (true, _) => machine.list(dot, &branch.list),
            (false, Some(otherwise)) => machine.list(dot, otherwise),
            (false, None) => Ok(Flow::On),
        });
        self.variables.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Item, branch: &'t Branch) -> Run<Flow> {
        let mark = self.variables.len();
        let over = self.pipe(dot, &branch.pipe)?;
        let ran = self.deeper(|machine| machine.iterate(branch, &over));
        let flow = match (ran?, &branch.otherwise) {
            (false, Some(otherwise)) => self.deeper(|machine| machine.list(dot, otherwise))?,
            _ => Flow::On,
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// Runs the loop; whether there was anything to run it for.
    fn iterate(&mut self, branch: &'t Branch, over: &Item) -> Run<bool> {
        let one = branch.pipe.variables.len() < 2;
        match over {
            Item::Absent | Item::Nil => Ok(false),
            Item::Int(..) | Item::Uint(..) if !one => {
                let printed = print::sprint(&mut self.budget, std::slice::from_ref(over));
                let text = self.within(printed)?.to_text().into_owned();
                self.error(format_args!(
                    "can't use {text} to iterate over more than one variable"
                ))
            }
            Item::Int(kind, end) => self.each(
                (0..*end).map(|n| (Item::Absent, Item::Int(*kind, n))),
                branch,
            ),
            Item::Uint(kind, end) => self.each(
                (0..*end).map(|n| (Item::Absent, Item::Uint(*kind, n))),
                branch,
            ),
            Item::List(list) => {
                let mut index = 0;
                let items = std::iter::from_fn(|| {
                    let item = list.get(index)?;
                    index += 1;
                    Some((Item::int(index as i64 - 1), item))
                });
                self.each(items, branch)
            }
            Item::Map(map) => {
                let counted = self.budget.items(map.len());
                self.within(counted)?;
                self.each(map.to_vec().into_iter(), branch)
            }
            other => {
                let printed = print::sprint(&mut self.budget, std::slice::from_ref(other));
                let text = self.within(printed)?.to_text().into_owned();
                self.error(format_args!("range can't iterate over {text}"))
            }
        }
    }

    fn each(&mut self, pairs: impl Iterator<Item = (Item, Item)>, branch: &'t Branch) -> Run<bool> {
        let mark = self.variables.len();
        let names = &branch.pipe.variables;
        let mut ran = false;
        for (index, item) in pairs {
            ran = true;
            self.step()?;
            match names.as_slice() {
                [] => {}
                [name] if branch.pipe.assigns => self.set(name, item.clone())?,
                [first, second, ..] if branch.pipe.assigns => {
                    self.set(first, index)?;
                    self.set(second, item.clone())?;
                }
                [_] => self.variables[mark - 1].1 = item.clone(),
                [_, _, ..] => {
                    self.variables[mark - 1].1 = item.clone();
                    self.variables[mark - 2].1 = index;
                }
            }
            let flow = self.list(&item, &branch.list);
            self.variables.truncate(mark);
            if flow? == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    fn call_template(
        &mut self,
        dot: &Item,
        at: usize,
        name: &'t str,
        pipe: Option<&'t Pipe>,
    ) -> Run<()> {
        self.place = Place::Template(at, name);
        let template = self.template;
        let Some(nodes) = template.templates.0.get(name) else {
            return self.error(format_args!("template {name:?} not defined"));
        };
        let dot = match pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Item::Absent,
        };
        let variables = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let outer = std::mem::replace(&mut self.name, name);
        self.deeper(|machine| machine.list(&dot, nodes))?;
        self.variables = variables;
        self.name = outer;
        Ok(())
    }

    fn set(&mut self, name: &str, item: Item) -> Run<()> {
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == name)
        {
            Some((_, value)) => {
                *value = item;
                Ok(())
            }
            None => self.error(format_args!("undefined variable: {name}")),
        }
    }

    fn variable(&self, name: &str) -> Run<Item> {
        match self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
        {
            Some((_, value)) => Ok(value.clone()),
            None => self.error(format_args!("undefined variable: {name}")),
        }
    }

    fn pipe(&mut self, dot: &Item, pipe: &'t Pipe) -> Run<Item> {
        self.place = Place::Pipe(pipe);
        let mut last: Option<Item> = None;
        for command in &pipe.commands {
            let item = self.deeper(|machine| machine.command(dot, command, last.take()))?;
            // Go takes the value out of the interface here; of a nil one nothing is left.
            last = Some(if item.is_nil() { Item::Absent } else { item });
        }
        let item = last.unwrap_or(Item::Absent);
        for name in &pipe.variables {
            if pipe.assigns {
                self.set(name, item.clone())?;
            } else {
                self.variables.push((name, item.clone()));
            }
        }
        Ok(item)
    }

    fn call_method(&mut self, method: &Signature, arguments: &[Item]) -> Outcome<Item> {
        (method.run)(&mut self.budget, arguments)
    }
}
