//! What an evaluation could cost at most, from the expression and the values it is about to be evaluated over.
//!
//! Duty: bound the steps that are taken and the memory that is made. Invariant: a bound may be far too high and is never too low; it
//! saturates and never fails. A bound inside a loop is linear in
//! the weight of the loop's element, so that a loop over a list's lists costs what the list weighs and not its square.
//! What is absent: names and types ([`check`](super::check)).

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};
use serde_json::Value;

/// `per` for each unit of the weight of the innermost loop's element, and `fixed`.
#[derive(Clone, Copy, Debug, Default)]
struct Bound {
    per: f64,
    fixed: f64,
}

impl Bound {
    fn fixed(fixed: f64) -> Self {
        Self { per: 0.0, fixed }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            per: self.per + other.per,
            fixed: self.fixed + other.fixed,
        }
    }

    fn times(self, number: f64) -> Self {
        Self {
            per: self.per * number,
            fixed: self.fixed * number,
        }
    }

    /// Its number, for the heaviest element that there is.
    fn at(self, heaviest: f64) -> f64 {
        if self.per == 0.0 {
            self.fixed
        } else {
            self.per * heaviest + self.fixed
        }
    }

    /// The product, which is linear too when one of them is made a number.
    fn product(self, other: Self, heaviest: f64) -> Self {
        if self.per == 0.0 {
            other.times(self.fixed)
        } else {
            self.times(other.at(heaviest))
        }
    }
}

/// What is known of a value.
#[derive(Clone, Copy, Debug)]
enum Thing<'a> {
    /// It is a place in a document.
    Known(&'a Value),
    /// It weighs no more than this.
    Weighs(Bound),
    /// It is a list of no more than so many elements, that weigh no more than this together.
    List { weight: Bound, count: Bound },
}

impl Thing<'_> {
    fn weight(self) -> Bound {
        match self {
            Thing::Known(value) => Bound::fixed(weight(value)),
            Thing::Weighs(weight) | Thing::List { weight, .. } => weight,
        }
    }

    /// The same seen from inside a loop, for which an element of the loop around is as heavy as it can be.
    fn outside(self, heaviest: f64) -> Self {
        let number = |bound: Bound| Bound::fixed(bound.at(heaviest));
        match self {
            Thing::Known(_) => self,
            Thing::Weighs(weight) => Thing::Weighs(number(weight)),
            Thing::List { weight, count } => {
                let (weight, count) = (number(weight), number(count));
                Thing::List { weight, count }
            }
        }
    }
}

/// A number, a word, or nothing.
const SMALL: f64 = 16.0;

/// One round of a loop, in steps: what it gathers takes memory.
const ROUND: f64 = 8.0;
/// How many bytes of text are made in a step.
const MADE: f64 = 1.0 / 8.0;
/// How many bytes are looked at in a step.
const SEEN: f64 = 1.0 / 64.0;

/// The bytes of a document, and the places in it.
fn weight(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.len() as f64 + 1.0,
        Value::Array(items) => items.iter().map(weight).sum::<f64>() + 1.0,
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| name.len() as f64 + 1.0 + weight(value));
            fields.sum::<f64>() + 1.0
        }
        _ => SMALL,
    }
}

/// The variables in scope, and the weight of the heaviest element of the innermost loop.
#[derive(Clone)]
struct Scope<'a> {
    names: Vec<(String, Thing<'a>)>,
    heaviest: f64,
}

/// The most that `expression` could cost over these values.
pub(super) fn cost(expression: &Expr, values: &[(&str, &Value)]) -> f64 {
    let names = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Thing::Known(value)));
    let scope = Scope {
        names: names.collect(),
        heaviest: 0.0,
    };
    let (value, work) = scope.judge(expression);
    // A place in a document is copied only when it is the value.
    work.plus(value.weight()).at(0.0)
}

impl<'a> Scope<'a> {
    /// The value of an expression, and what it takes to come to it.
    fn judge(&self, expression: &Expr) -> (Thing<'a>, Bound) {
        let small = |work| (Thing::Weighs(Bound::fixed(SMALL)), work);
        match expression {
            Expr::Unspecified | Expr::Struct(_) => small(Bound::fixed(1.0)),
            Expr::Literal(literal) => (
                Thing::Weighs(Bound::fixed(literal_weight(literal))),
                Bound::fixed(1.0),
            ),
            Expr::Ident(name) => {
                let found = self.names.iter().rev().find(|(known, _)| known == name);
                let thing = found.map_or(Thing::Weighs(Bound::fixed(SMALL)), |(_, thing)| *thing);
                (thing, Bound::fixed(1.0))
            }
            Expr::Select(select) => {
                let (operand, work) = self.judge(&select.operand.expr);
                let work = work.plus(Bound::fixed(1.0));
                if select.test {
                    small(work)
                } else {
                    (field(operand, &select.field), work)
                }
            }
            Expr::List(list) => self.gathered(list.elements.iter().map(|element| &element.expr)),
            Expr::Map(map) => {
                self.gathered(map.entries.iter().flat_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => vec![&entry.key.expr, &entry.value.expr],
                    EntryExpr::StructField(field) => vec![&field.value.expr],
                }))
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn gathered<'e>(&self, expressions: impl Iterator<Item = &'e Expr>) -> (Thing<'a>, Bound) {
        let (mut weight, mut work, mut count) = (Bound::fixed(1.0), Bound::fixed(1.0), 0.0);
        for expression in expressions {
            let (thing, more) = self.judge(expression);
            weight = weight.plus(thing.weight()).plus(Bound::fixed(1.0));
            work = work.plus(more);
            count += 1.0;
        }
        let count = Bound::fixed(count);
        (Thing::List { weight, count }, work.plus(weight))
    }

    fn call(&self, call: &CallExpr) -> (Thing<'a>, Bound) {
        let target = call.target.iter().map(|target| &target.expr);
        let parts: Vec<&Expr> = target
            .chain(call.args.iter().map(|argument| &argument.expr))
            .collect();
        let judged: Vec<(Thing<'a>, Bound)> = parts.iter().map(|part| self.judge(part)).collect();
        let sum = judged
            .iter()
            .fold(Bound::default(), |sum, (thing, _)| sum.plus(thing.weight()));
        let work = judged
            .iter()
            .fold(Bound::fixed(1.0), |work, (_, more)| work.plus(*more));
        let at = |index: usize| {
            judged
                .get(index)
                .map_or(Bound::fixed(SMALL), |(thing, _)| thing.weight())
        };
        let made = |weight: Bound| (Thing::Weighs(weight), work.plus(weight.times(MADE)));
        let one = Bound::fixed(1.0);
        match call.func_name.rsplit('.').next().unwrap_or_default() {
            "_[_]" | "_[?_]" | "_?._" => {
                let target = judged
                    .first()
                    .map_or(Thing::Weighs(sum), |(thing, _)| *thing);
                (child(target, parts.get(1).copied()), work)
            }
            // One of them is the value, and none is copied.
            "_?_:_" | "first" | "last" | "value" | "or" | "orValue" | "of" | "ofNonZeroValue" => {
                (Thing::Weighs(sum), work)
            }
            "_+_" => made(sum),
            "replace" => made(at(0).plus(one).product(at(2).plus(one), self.heaviest)),
            "join" => made(at(0).product(at(1).plus(one), self.heaviest)),
            "split" => {
                // Each byte may become an element, which takes memory of its own.
                let elements = at(0).times(2.0).plus(Bound::fixed(2.0));
                (
                    Thing::Weighs(elements),
                    work.plus(elements.times(ROUND / 4.0)),
                )
            }
            "lowerAscii" | "upperAscii" | "trim" | "substring" | "reverse" | "charAt" => {
                made(at(0))
            }
            "string" | "quote" | "encode" | "decode" | "bytes" => {
                made(sum.times(4.0).plus(Bound::fixed(SMALL)))
            }
            "matches" => {
                // The pattern is compiled each time, and one that is not written down may be any.
                let pattern = parts.last().and_then(|pattern| literal_text(pattern));
                let compiling =
                    pattern.map_or(100_000.0, |pattern| 2_000.0 + 100.0 * pattern.len() as f64);
                (
                    Thing::Weighs(Bound::fixed(SMALL)),
                    work.plus(sum).plus(Bound::fixed(compiling)),
                )
            }
            _ => (
                Thing::Weighs(Bound::fixed(SMALL)),
                work.plus(sum.times(SEEN)),
            ),
        }
    }

    fn comprehension(&self, loops: &ComprehensionExpr) -> (Thing<'a>, Bound) {
        if matches!(&loops.iter_range.expr, Expr::List(list) if list.elements.is_empty()) {
            // A name for a value, and no loop.
            let (bound, work) = self.judge(&loops.accu_init.expr);
            let mut scope = self.clone();
            scope.names.push((loops.accu_var.clone(), bound));
            let (value, more) = scope.judge(&loops.result.expr);
            return (value, work.plus(more));
        }
        let (range, work) = self.judge(&loops.iter_range.expr);
        let (whole, rounds, heaviest) = match range {
            Thing::Known(Value::Array(items)) => {
                let heaviest = items.iter().map(weight).fold(0.0, f64::max);
                (range.weight(), Bound::fixed(items.len() as f64), heaviest)
            }
            Thing::List { weight, count } => (weight, count, weight.at(self.heaviest)),
            // Each element weighs something.
            _ => (
                range.weight(),
                range.weight(),
                range.weight().at(self.heaviest),
            ),
        };
        let outer = self.names.iter();
        let outer = outer.map(|(name, thing)| (name.clone(), thing.outside(self.heaviest)));
        let mut inner = Scope {
            names: outer.collect(),
            heaviest,
        };
        let element = Thing::Weighs(Bound {
            per: 1.0,
            fixed: 0.0,
        });
        inner
            .names
            .push((loops.accu_var.clone(), Thing::Weighs(Bound::fixed(0.0))));
        inner.names.push((loops.iter_var.clone(), element));
        inner
            .names
            .extend(loops.iter_var2.clone().map(|name| (name, element)));
        let (_, condition) = inner.judge(&loops.loop_cond.expr);
        let (found, step) = inner.judge(&loops.loop_step.expr);
        let all = |each: Bound| whole.times(each.per).plus(rounds.times(each.fixed));
        let work = work.plus(all(condition.plus(step).plus(Bound::fixed(ROUND))));
        let gathers = matches!(&loops.accu_init.expr, Expr::List(_) | Expr::Map(_));
        let value = if gathers {
            let weight = all(found.weight()).plus(Bound::fixed(1.0));
            let count = rounds;
            Thing::List { weight, count }
        } else {
            Thing::Weighs(Bound::fixed(SMALL))
        };
        (value, work)
    }
}

/// A field; as heavy as all of them when it is not known what they are.
fn field<'a>(parent: Thing<'a>, name: &str) -> Thing<'a> {
    match parent {
        Thing::Known(Value::Object(fields)) => {
            let missing = Thing::Weighs(Bound::fixed(SMALL));
            fields.get(name).map_or(missing, Thing::Known)
        }
        other => Thing::Weighs(other.weight()),
    }
}

/// What stands at an index or a key.
fn child<'a>(parent: Thing<'a>, key: Option<&Expr>) -> Thing<'a> {
    match (parent, key) {
        (Thing::Known(Value::Array(items)), Some(Expr::Literal(LiteralValue::Int(index)))) => {
            let index = usize::try_from(*index.inner()).unwrap_or(usize::MAX);
            let missing = Thing::Weighs(Bound::fixed(SMALL));
            items.get(index).map_or(missing, Thing::Known)
        }
        (parent, Some(key)) => {
            literal_text(key).map_or(Thing::Weighs(parent.weight()), |name| field(parent, name))
        }
        (parent, None) => Thing::Weighs(parent.weight()),
    }
}

fn literal_text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn literal_weight(literal: &LiteralValue) -> f64 {
    match literal {
        LiteralValue::String(text) => text.inner().len() as f64 + 1.0,
        LiteralValue::Bytes(bytes) => bytes.inner().len() as f64 + 1.0,
        _ => SMALL,
    }
}
