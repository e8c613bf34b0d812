//! What can be said of an expression without any value: which names it uses, how deep it is, and sometimes its type.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};
use cel::parser::Expression;

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

/// Functions of the language, besides operators. `format` is left out: a width in it makes a text of any length.
const FUNCTIONS: [&str; 36] = [
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

/// Looks at every name; at those of variables only when they are known.
///
/// # Errors
/// Words for a variable or a function that is not there.
pub(super) fn check(expression: &Expression, variables: Option<&[&str]>) -> Result<(), String> {
    let known = variables.unwrap_or_default().iter();
    let mut walk = Walk {
        known: known.map(|name| (*name).to_owned()).collect(),
        any: variables.is_none(),
    };
    walk.visit(&expression.expr, 0)
}

struct Walk {
    /// Variables in scope.
    known: Vec<String>,
    /// Whether there may be others.
    any: bool,
}

impl Walk {
    fn visit(&mut self, expression: &Expr, nested: usize) -> Result<(), String> {
        if nested > DEEPEST {
            return Err("it is nested too deeply".to_owned());
        }
        let nested = nested + 1;
        match expression {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.visit(&select.operand.expr, nested),
            Expr::Call(call) => self.call(call, nested),
            Expr::List(list) => {
                let mut elements = list.elements.iter();
                elements.try_for_each(|element| self.visit(&element.expr, nested))
            }
            Expr::Map(map) => {
                let mut entries = map.entries.iter();
                entries.try_for_each(|entry| self.entry(&entry.expr, nested))
            }
            Expr::Struct(_) => Err("messages cannot be made".to_owned()),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, nested),
        }
    }

    fn entry(&mut self, entry: &EntryExpr, nested: usize) -> Result<(), String> {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value.expr, nested),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key.expr, nested)?;
                self.visit(&entry.value.expr, nested)
            }
        }
    }

    fn name(&self, name: &str) -> Result<(), String> {
        let known = self.any
            || name.starts_with('@')
            || KNOWN_NAMES.contains(&name)
            || self.known.iter().any(|known| known == name);
        if known {
            Ok(())
        } else {
            Err(format!("undeclared reference to '{name}'"))
        }
    }

    fn call(&mut self, call: &CallExpr, nested: usize) -> Result<(), String> {
        let name = call.func_name.as_str();
        let last = name.rsplit('.').next().unwrap_or_default();
        let operator = !name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !operator && !FUNCTIONS.contains(&last) {
            return Err(format!("undeclared reference to '{name}'"));
        }
        if let Some(target) = &call.target {
            self.visit(&target.expr, nested)?;
        }
        let mut arguments = call.args.iter();
        arguments.try_for_each(|argument| self.visit(&argument.expr, nested))
    }

    fn comprehension(&mut self, loops: &ComprehensionExpr, nested: usize) -> Result<(), String> {
        self.visit(&loops.iter_range.expr, nested)?;
        self.visit(&loops.accu_init.expr, nested)?;
        let before = self.known.len();
        self.known.push(loops.accu_var.clone());
        self.known.push(loops.iter_var.clone());
        self.known.extend(loops.iter_var2.clone());
        for part in [&loops.loop_cond, &loops.loop_step, &loops.result] {
            self.visit(&part.expr, nested)?;
        }
        self.known.truncate(before);
        Ok(())
    }
}

/// The type of an expression's value, where it shows without knowing any value; `dyn` is that of a place in a document, which
/// cel-go takes for no condition.
pub(super) fn certain_type(expression: &Expression) -> Option<&'static str> {
    match &expression.expr {
        Expr::Literal(literal) => Some(literal_type(literal)),
        Expr::List(_) => Some("list"),
        Expr::Map(_) => Some("map"),
        Expr::Select(select) => Some(if select.test { "bool" } else { "dyn" }),
        Expr::Ident(_) => Some("dyn"),
        Expr::Call(call) => call_type(call),
        Expr::Comprehension(comprehension) => comprehension_type(comprehension),
        Expr::Unspecified | Expr::Struct(_) => None,
    }
}

fn literal_type(literal: &LiteralValue) -> &'static str {
    match literal {
        LiteralValue::Boolean(_) => "bool",
        LiteralValue::Int(_) => "int",
        LiteralValue::UInt(_) => "uint",
        LiteralValue::Double(_) => "double",
        LiteralValue::String(_) => "string",
        LiteralValue::Bytes(_) => "bytes",
        LiteralValue::Null => "null_type",
    }
}

fn call_type(call: &CallExpr) -> Option<&'static str> {
    let argument = |index: usize| call.args.get(index).and_then(certain_type);
    Some(match call.func_name.as_str() {
        "_[_]" => "dyn",
        "_?_:_" => match (argument(1), argument(2)) {
            (Some("dyn"), _) | (_, Some("dyn")) => "dyn",
            (one, other) if one == other => return one,
            _ => return None,
        },
        "size" | "indexOf" | "lastIndexOf" | "int" => "int",
        "string" | "charAt" | "join" | "lowerAscii" | "upperAscii" | "replace" | "substring"
        | "trim" | "format" => "string",
        "split" => "list",
        _ => return None,
    })
}

fn comprehension_type(comprehension: &ComprehensionExpr) -> Option<&'static str> {
    let bound =
        matches!(&comprehension.iter_range.expr, Expr::List(list) if list.elements.is_empty());
    match &comprehension.result.expr {
        Expr::Ident(name) if !bound && *name == comprehension.accu_var => {
            certain_type(&comprehension.accu_init)
        }
        _ => None,
    }
}
