//! Reads a template: the tree of its nodes, and of the templates it defines.
//!
//! Invariant: depth and number of nodes are bounded, so that evaluation may recurse.

mod constant;
mod lex;
mod node;
mod pipeline;

pub(super) use constant::{parse_float, parse_int};
pub(super) use node::{Branch, Command, Node, Operand, OperandKind, Pipe};

use super::TemplateError;
use constant::unquote;
use lex::{Kind, Token, lex};
use std::collections::HashMap;

/// The longest text of a template, in bytes.
pub(super) const MAX_LENGTH: usize = 1 << 20;
/// The deepest nesting of parentheses and blocks.
const MAX_DEPTH: usize = 100;

/// A template and those it defines, by name.
#[derive(Debug)]
pub(super) struct Templates(pub(super) HashMap<String, Vec<Node>>);

type Parsed<T> = Result<T, TemplateError>;

struct Parser<'t> {
    name: &'t str,
    tokens: Vec<Token>,
    at: usize,
    variables: Vec<String>,
    action_line: usize,
    ranges: usize,
    depth: usize,
    templates: HashMap<String, Vec<Node>>,
}

/// How a list of nodes ended.
enum Ending {
    End,
    /// The token behind `else`: `if`, `with` or the end of the action.
    Else(String),
}

/// Reads a template.
pub(super) fn parse(name: &str, text: &str) -> Parsed<Templates> {
    if text.len() > MAX_LENGTH {
        let message = format!("template: {name}:1: longer than {MAX_LENGTH} bytes");
        return Err(TemplateError::Limit(message));
    }
    let mut parser = Parser {
        name,
        tokens: lex(text),
        at: 0,
        variables: vec!["$".to_owned()],
        action_line: 0,
        ranges: 0,
        depth: 0,
        templates: HashMap::new(),
    };
    let root = parser.root()?;
    parser.add(name.to_owned(), root)?;
    Ok(Templates(parser.templates))
}

/// Whether a list holds nothing but space, so that another of its name may take its place.
fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text(text) => text.trim().is_empty(),
        _ => false,
    })
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn peek_after_space(&mut self) -> &Token {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
        self.peek()
    }

    fn next_after_space(&mut self) -> Token {
        self.peek_after_space();
        self.next()
    }

    /// An error at the token that was read last.
    fn error<T>(&self, message: &str) -> Parsed<T> {
        let last = &self.tokens[self.at.saturating_sub(1).min(self.tokens.len() - 1)];
        let (name, line) = (self.name, last.line);
        Err(TemplateError::Parse(format!(
            "template: {name}:{line}: {message}"
        )))
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        if token.kind != Kind::Error {
            return self.error(&format!("unexpected {} in {context}", describe(token)));
        }
        let mut message = token.text.clone();
        if self.action_line != 0 && self.action_line != token.line {
            let action = if message.ends_with(" action") {
                ""
            } else {
                " in action"
            };
            message += &format!("{action} started at {}:{}", self.name, self.action_line);
        }
        self.error(&message)
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.next_after_space();
        if token.kind == kind {
            return Ok(token);
        }
        self.unexpected(&token, context)
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error("max expression depth exceeded");
        }
        Ok(())
    }

    fn add(&mut self, name: String, nodes: Vec<Node>) -> Parsed<()> {
        let known = self.templates.get(&name);
        if known.is_none_or(|known| is_empty(known)) {
            self.templates.insert(name, nodes);
        } else if !is_empty(&nodes) {
            return self.error(&format!(
                "template: multiple definition of template {name:?}"
            ));
        }
        Ok(())
    }

    fn root(&mut self) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            if self.peek().kind == Kind::LeftDelimiter {
                let start = self.at;
                self.next();
                let word = self.next_after_space();
                if word.kind == Kind::Keyword && word.text == "define" {
                    self.definition()?;
                    continue;
                }
                self.at = start;
            }
            match self.text_or_action()? {
                Ok(node) => nodes.push(node),
                Err(Ending::End) => return self.error("unexpected {{end}}"),
                Err(Ending::Else(_)) => return self.error("unexpected {{else}}"),
            }
        }
        Ok(nodes)
    }

    fn definition(&mut self) -> Parsed<()> {
        let token = self.next_after_space();
        let name = self.template_name(&token, "define clause")?;
        self.expect(Kind::RightDelimiter, "define clause")?;
        let nodes = self.body("define clause")?;
        self.add(name, nodes)
    }

    /// The nodes of a template of its own, which sees no variables and no loop around it.
    fn body(&mut self, context: &str) -> Parsed<Vec<Node>> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (nodes, ending) = self.list()?;
        self.variables = variables;
        self.ranges = ranges;
        match ending {
            Ending::End => Ok(nodes),
            Ending::Else(_) => self.error(&format!("unexpected {{{{else}}}} in {context}")),
        }
    }

    fn list(&mut self) -> Parsed<(Vec<Node>, Ending)> {
        self.enter()?;
        let mut nodes = Vec::new();
        while self.peek_after_space().kind != Kind::End {
            match self.text_or_action()? {
                Ok(node) => nodes.push(node),
                Err(ending) => {
                    self.depth -= 1;
                    return Ok((nodes, ending));
                }
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Result<Node, Ending>> {
        let token = self.next_after_space();
        match token.kind {
            Kind::Text => Ok(Ok(Node::Text(token.text))),
            Kind::LeftDelimiter => {
                self.action_line = token.line;
                let node = self.action()?;
                self.action_line = 0;
                Ok(node)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Result<Node, Ending>> {
        let token = self.next_after_space();
        if token.kind == Kind::Keyword {
            return match token.text.as_str() {
                "block" => self.block().map(Ok),
                "break" => self.leave(Node::Break, "{{break}}").map(Ok),
                "continue" => self.leave(Node::Continue, "{{continue}}").map(Ok),
                "else" => self.otherwise().map(Err),
                "end" => {
                    self.expect(Kind::RightDelimiter, "end")?;
                    Ok(Err(Ending::End))
                }
                "if" => self.control("if").map(|branch| Ok(Node::If(branch))),
                "range" => self.control("range").map(|branch| Ok(Node::Range(branch))),
                "template" => self.template().map(Ok),
                "with" => self.control("with").map(|branch| Ok(Node::With(branch))),
                _ => self.unexpected(&token, "command"),
            };
        }
        self.at -= 1;
        let pipe = self.pipeline("command", Kind::RightDelimiter)?;
        Ok(Ok(Node::Action(pipe)))
    }

    fn leave(&mut self, node: Node, name: &str) -> Parsed<Node> {
        let token = self.next_after_space();
        if token.kind != Kind::RightDelimiter {
            return self.unexpected(&token, name);
        }
        if self.ranges == 0 {
            return self.error(&format!("{name} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn otherwise(&mut self) -> Parsed<Ending> {
        let next = self.peek_after_space();
        if next.kind == Kind::Keyword && matches!(next.text.as_str(), "if" | "with") {
            return Ok(Ending::Else(next.text.clone()));
        }
        self.expect(Kind::RightDelimiter, "else")?;
        Ok(Ending::Else(String::new()))
    }

    fn control(&mut self, context: &str) -> Parsed<Branch> {
        let outer = self.variables.len();
        let pipe = self.pipeline(context, Kind::RightDelimiter)?;
        let loops = usize::from(context == "range");
        self.ranges += loops;
        let (list, ending) = self.list()?;
        self.ranges -= loops;
        let otherwise = match ending {
            Ending::End => None,
            Ending::Else(word) if !word.is_empty() && word == context => {
                self.next();
                self.enter()?;
                let nested = self.control(context)?;
                self.depth -= 1;
                Some(vec![match context {
                    "if" => Node::If(nested),
                    _ => Node::With(nested),
                }])
            }
            Ending::Else(_) => match self.list()? {
                (nodes, Ending::End) => Some(nodes),
                _ => return self.error("expected end; found {{else}}"),
            },
        };
        self.variables.truncate(outer);
        Ok(Branch {
            pipe,
            list,
            otherwise,
        })
    }

    fn block(&mut self) -> Parsed<Node> {
        let token = self.next_after_space();
        let name = self.template_name(&token, "block clause")?;
        let pipe = self.pipeline("block clause", Kind::RightDelimiter)?;
        let nodes = self.body("block clause")?;
        self.add(name.clone(), nodes)?;
        Ok(Node::Template {
            at: token.at,
            name,
            pipe: Some(pipe),
        })
    }

    fn template(&mut self) -> Parsed<Node> {
        let token = self.next_after_space();
        let name = self.template_name(&token, "template clause")?;
        let mut pipe = None;
        if self.next_after_space().kind != Kind::RightDelimiter {
            self.at -= 1;
            pipe = Some(self.pipeline("template clause", Kind::RightDelimiter)?);
        }
        Ok(Node::Template {
            at: token.at,
            name,
            pipe,
        })
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Parsed<String> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(token, context);
        }
        match unquote(&token.text) {
            Some(name) => Ok(name.to_text().into_owned()),
            None => self.error("invalid syntax"),
        }
    }
}

/// A token in an error message, as Go writes it.
fn describe(token: &Token) -> String {
    match token.kind {
        Kind::End => "EOF".to_owned(),
        Kind::Keyword | Kind::Nil | Kind::Dot => format!("<{}>", token.text),
        _ if token.text.len() > 10 => {
            let start: String = token.text.chars().take(10).collect();
            format!("{start:?}...")
        }
        _ => format!("{:?}", token.text),
    }
}

#[cfg(test)]
mod tests;
