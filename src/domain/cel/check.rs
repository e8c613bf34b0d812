//! What can be said of an expression without evaluating it: which names it uses, what it could cost, and sometimes its type.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};
use cel::parser::Expression;
use serde_json::Value;

/// Names of types and of groups of functions, which stand where variables do.
const KNOWN_NAMES: [&str; 15] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "optional_type",
    "optional",
    "strings",
    "base64",
    "dyn",
];

/// Functions of the language, besides operators.
const FUNCTIONS: [&str; 37] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "type",
    "dyn",
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "join",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "substring",
    "trim",
    "reverse",
    "format",
    "quote",
    "encode",
    "decode",
    "of",
    "ofNonZeroValue",
    "none",
    "value",
    "hasValue",
    "or",
    "orValue",
    "first",
    "last",
];

/// Functions that make a text or a list out of others: in a loop they multiply what is there.
const MAKERS: [&str; 15] = [
    "join",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "substring",
    "trim",
    "reverse",
    "format",
    "quote",
    "encode",
    "decode",
    "string",
    "bytes",
    "_+_",
];

/// Deepest expression: each level takes a byte of text at least.
const DEEPEST: usize = super::LONGEST;

/// How many brackets stand within each other at most, those in texts included.
pub(super) fn nesting(text: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// The loops of an expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// How many loops stand in each other at most.
    depth: u32,
    /// How many there are.
    loops: u32,
    /// Whether a loop gathers what it finds, as `map` and `filter` do.
    gathers: bool,
    /// Whether a text or a list is made anywhere else.
    makes: bool,
}

impl Shape {
    /// The most that an evaluation over so many bytes and values could touch or make.
    pub(super) fn cost(self, bytes: usize, nodes: usize) -> u128 {
        let (bytes, nodes) = (bytes.max(1) as u128, nodes.max(1) as u128);
        match (self.makes, self.loops) {
            // What is gathered takes memory, where what is only looked at takes time.
            (false, _) if self.gathers && self.depth > 1 => {
                nodes.saturating_pow(self.depth).saturating_mul(8)
            }
            (false, _) => nodes.saturating_pow(self.depth),
            (true, 0) => bytes,
            (true, loops) => bytes.saturating_pow(loops.saturating_add(1)),
        }
    }
}

/// The bytes and the number of values in a document.
pub(super) fn size(value: &Value) -> (usize, usize) {
    match value {
        Value::String(text) => (text.len() + 1, 1),
        Value::Array(items) => items.iter().map(size).fold((1, 1), super::add),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| super::add((name.len() + 1, 0), size(value)));
            fields.fold((1, 1), super::add)
        }
        _ => (8, 1),
    }
}

/// Looks at every name.
///
/// # Errors
/// Words for a variable or a function that is not there.
pub(super) fn check(expression: &Expression, variables: &[&str]) -> Result<Shape, String> {
    let mut walk = Walk {
        known: variables.iter().map(|name| (*name).to_owned()).collect(),
        shape: Shape::default(),
    };
    walk.visit(&expression.expr, 0, 0)?;
    Ok(walk.shape)
}

struct Walk {
    /// Variables in scope.
    known: Vec<String>,
    shape: Shape,
}

impl Walk {
    fn visit(&mut self, expression: &Expr, nested: usize, loops: u32) -> Result<(), String> {
        if nested > DEEPEST {
            return Err("it is nested too deeply".to_owned());
        }
        let nested = nested + 1;
        match expression {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.visit(&select.operand.expr, nested, loops),
            Expr::Call(call) => self.call(call, nested, loops),
            Expr::List(list) => list
                .elements
                .iter()
                .try_for_each(|element| self.visit(&element.expr, nested, loops)),
            Expr::Map(map) => map
                .entries
                .iter()
                .try_for_each(|entry| self.entry(&entry.expr, nested, loops)),
            Expr::Struct(_) => Err("messages cannot be made".to_owned()),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, nested, loops),
        }
    }

    fn entry(&mut self, entry: &EntryExpr, nested: usize, loops: u32) -> Result<(), String> {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value.expr, nested, loops),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key.expr, nested, loops)?;
                self.visit(&entry.value.expr, nested, loops)
            }
        }
    }

    fn name(&self, name: &str) -> Result<(), String> {
        let known = name.starts_with('@')
            || KNOWN_NAMES.contains(&name)
            || self.known.iter().any(|known| known == name);
        if known {
            Ok(())
        } else {
            Err(format!("undeclared reference to '{name}'"))
        }
    }

    fn call(&mut self, call: &CallExpr, nested: usize, loops: u32) -> Result<(), String> {
        let name = call.func_name.as_str();
        let last = name.rsplit('.').next().unwrap_or_default();
        let operator = !name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !operator && !FUNCTIONS.contains(&last) {
            return Err(format!("undeclared reference to '{name}'"));
        }
        self.shape.makes |= MAKERS.contains(&last);
        if let Some(target) = &call.target {
            self.visit(&target.expr, nested, loops)?;
        }
        call.args
            .iter()
            .try_for_each(|argument| self.visit(&argument.expr, nested, loops))
    }

    fn comprehension(
        &mut self,
        comprehension: &ComprehensionExpr,
        nested: usize,
        loops: u32,
    ) -> Result<(), String> {
        self.visit(&comprehension.iter_range.expr, nested, loops)?;
        self.visit(&comprehension.accu_init.expr, nested, loops)?;
        let before = self.known.len();
        self.known.push(comprehension.accu_var.clone());
        self.known.push(comprehension.iter_var.clone());
        self.known.extend(comprehension.iter_var2.clone());
        // `optMap` and the like bind a name, and go round at most once.
        let round =
            !matches!(&comprehension.iter_range.expr, Expr::List(list) if list.elements.is_empty());
        let loops = loops + u32::from(round);
        self.shape.loops += u32::from(round);
        self.shape.depth = self.shape.depth.max(loops);
        self.shape.gathers |= matches!(&comprehension.accu_init.expr, Expr::List(_) | Expr::Map(_));
        // How a loop goes on and gathers is written in operators, `+` among them: only what people wrote makes anything.
        let made = self.shape.makes;
        self.visit(&comprehension.loop_cond.expr, nested, loops)?;
        self.visit(&comprehension.loop_step.expr, nested, loops)?;
        if !made {
            self.shape.makes =
                makes_in_step(&comprehension.loop_step.expr, &comprehension.accu_var, 0);
        }
        self.visit(&comprehension.result.expr, nested, loops)?;
        self.known.truncate(before);
        Ok(())
    }
}

/// Whether a step of a loop makes something besides gathering: `@result + [x]` is how `map` and `filter` gather.
fn makes_in_step(expression: &Expr, gathered: &str, nested: usize) -> bool {
    if nested > DEEPEST {
        return true;
    }
    let inner = |expression: &Expr| makes_in_step(expression, gathered, nested + 1);
    match expression {
        Expr::Call(call) => {
            let last = call.func_name.rsplit('.').next().unwrap_or_default();
            let gathers = last == "_+_"
                && matches!(call.args.first().map(|argument| &argument.expr), Some(Expr::Ident(name)) if name == gathered);
            MAKERS.contains(&last) && !gathers
                || call
                    .target
                    .as_ref()
                    .is_some_and(|target| inner(&target.expr))
                || call.args.iter().any(|argument| inner(&argument.expr))
        }
        Expr::Select(select) => inner(&select.operand.expr),
        Expr::List(list) => list.elements.iter().any(|element| inner(&element.expr)),
        Expr::Map(map) => map.entries.iter().any(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => inner(&entry.key.expr) || inner(&entry.value.expr),
            EntryExpr::StructField(field) => inner(&field.value.expr),
        }),
        Expr::Comprehension(comprehension) => {
            inner(&comprehension.iter_range.expr)
                || makes_in_step(
                    &comprehension.loop_step.expr,
                    &comprehension.accu_var,
                    nested + 1,
                )
                || inner(&comprehension.result.expr)
        }
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => false,
    }
}

/// The type of an expression's value, where it shows without knowing any value.
pub(super) fn certain_type(expression: &Expression) -> Option<&'static str> {
    match &expression.expr {
        Expr::Literal(literal) => Some(match literal {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Int(_) => "int",
            LiteralValue::UInt(_) => "uint",
            LiteralValue::Double(_) => "double",
            LiteralValue::String(_) => "string",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Null => "null_type",
        }),
        Expr::List(_) => Some("list"),
        Expr::Map(_) => Some("map"),
        Expr::Select(select) => select.test.then_some("bool"),
        Expr::Call(call) => match call.func_name.as_str() {
            "size" | "indexOf" | "lastIndexOf" | "int" => Some("int"),
            "string" | "charAt" | "join" | "lowerAscii" | "upperAscii" | "replace"
            | "substring" | "trim" | "format" => Some("string"),
            "split" => Some("list"),
            _ => None,
        },
        _ => None,
    }
}
