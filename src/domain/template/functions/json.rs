//! JSON as Go writes and reads it.

use super::super::item::{Item, Map, Struct, Text, runes};
use super::super::print::{Shape, float};
use super::super::run::{Budget, Fault, Outcome};
use super::super::value::Value;
use super::super::versions;
use super::Parameter::{Any, Text as TextParameter};
use super::{Signature, any, made, text};

/// How deep values are written.
const MAX_DEPTH: usize = 100;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("fromJson", &[TextParameter], |budget, given| {
        or_else(read(budget, text(given, 0)), Item::Nil)
    }),
    Signature::new("mustFromJson", &[TextParameter], |budget, given| {
        read(budget, text(given, 0))
    }),
    Signature::new("mustToJson", &[Any], |budget, given| {
        written(budget, any(given, 0), Style::PLAIN)
    }),
    Signature::new("mustToPrettyJson", &[Any], |budget, given| {
        written(budget, any(given, 0), Style::PRETTY)
    }),
    Signature::new("mustToRawJson", &[Any], |budget, given| {
        written(budget, any(given, 0), Style::RAW)
    }),
    Signature::new("toJson", &[Any], |budget, given| {
        or_else(written(budget, any(given, 0), Style::PLAIN), Item::text(""))
    }),
    Signature::new("toPrettyJson", &[Any], |budget, given| {
        or_else(
            written(budget, any(given, 0), Style::PRETTY),
            Item::text(""),
        )
    }),
    Signature::new("toRawJson", &[Any], |budget, given| {
        written(budget, any(given, 0), Style::RAW)
    }),
];

/// Passes over an error, as the functions without `must` do.
fn or_else(outcome: Outcome<Item>, other: Item) -> Outcome<Item> {
    match outcome {
        Err(Fault::Error(_)) => Ok(other),
        outcome => outcome,
    }
}

fn read(budget: &mut Budget, json: &[u8]) -> Outcome<Item> {
    budget.bytes(json.len().saturating_mul(4))?;
    budget.step(json.len())?;
    let text = Text::from(json);
    let value: serde_json::Value =
        serde_json::from_str(&text.to_text()).map_err(|error| error.to_string())?;
    Ok(Item::from(&Value::from(&value)))
}

#[derive(Clone, Copy)]
struct Style {
    /// Whether what means something in HTML is escaped.
    html: bool,
    indents: bool,
}

impl Style {
    const PLAIN: Self = Self {
        html: true,
        indents: false,
    };
    const PRETTY: Self = Self {
        html: true,
        indents: true,
    };
    const RAW: Self = Self {
        html: false,
        indents: false,
    };
}

fn written(budget: &mut Budget, item: &Item, style: Style) -> Outcome<Item> {
    let mut writer = Writer {
        budget,
        out: String::new(),
        style,
        depth: 0,
    };
    writer.value(item)?;
    let out = writer.out;
    made(budget, out)
}

struct Writer<'b> {
    budget: &'b mut Budget,
    out: String,
    style: Style,
    depth: usize,
}

impl Writer<'_> {
    fn write(&mut self, text: &str) -> Outcome<()> {
        self.budget.bytes(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn value(&mut self, item: &Item) -> Outcome<()> {
        self.budget.step(1)?;
        if self.depth >= MAX_DEPTH {
            return Err(Fault::Limit("the value is nested too deeply".to_owned()));
        }
        match item {
            Item::Absent | Item::Nil => self.write("null"),
            Item::Bool(value) => self.write(if *value { "true" } else { "false" }),
            Item::Int(_, value) => self.write(&value.to_string()),
            Item::Uint(_, value) => self.write(&value.to_string()),
            Item::Float(value) => self.float(*value),
            Item::Complex(..) => Err("json: unsupported type: complex128".into()),
            Item::Text(text) => self.text(text),
            Item::List(list) if list.is_nil => self.write("null"),
            Item::List(list) => {
                self.budget.items(list.len())?;
                self.group(["[", "]"], list.to_vec(), |writer, item| {
                    writer.value(&item)
                })
            }
            Item::Map(map) if map.is_nil => self.write("null"),
            Item::Map(map) => self.map(map),
            Item::Struct(record) => {
                let mut members = Vec::new();
                members_of(record, &mut members);
                self.group(["{", "}"], members, |writer, (name, value)| {
                    writer.member(name.as_bytes(), &value)
                })
            }
            Item::Time(time) => {
                let text = time.format("2006-01-02T15:04:05.999999999Z07:00");
                self.text(text.as_bytes())
            }
            Item::Version(version) => self.text(&versions::text(version)),
        }
    }

    fn map(&mut self, map: &Map) -> Outcome<()> {
        self.budget.items(map.len())?;
        let mut members = Vec::new();
        for (key, value) in map.to_vec() {
            let name = match key {
                Item::Text(text) => text,
                Item::Int(_, value) => value.to_string().into(),
                Item::Uint(_, value) => value.to_string().into(),
                _ => return Err(format!("json: unsupported type: {}", map.of).into()),
            };
            members.push((name, value));
        }
        members.sort_by(|left, right| left.0.cmp(&right.0));
        self.group(["{", "}"], members, |writer, (name, value)| {
            writer.member(&name, &value)
        })
    }

    fn member(&mut self, name: &[u8], value: &Item) -> Outcome<()> {
        self.text(name)?;
        self.write(if self.style.indents { ": " } else { ":" })?;
        self.value(value)
    }

    fn group<T>(
        &mut self,
        brackets: [&str; 2],
        parts: Vec<T>,
        mut write: impl FnMut(&mut Self, T) -> Outcome<()>,
    ) -> Outcome<()> {
        self.write(brackets[0])?;
        let is_empty = parts.is_empty();
        self.depth += 1;
        for (index, part) in parts.into_iter().enumerate() {
            self.write(if index > 0 { "," } else { "" })?;
            self.line()?;
            write(self, part)?;
        }
        self.depth -= 1;
        if !is_empty {
            self.line()?;
        }
        self.write(brackets[1])
    }

    fn line(&mut self) -> Outcome<()> {
        if !self.style.indents {
            return Ok(());
        }
        let indent = "  ".repeat(self.depth);
        self.write("\n")?;
        self.write(&indent)
    }

    fn float(&mut self, value: f64) -> Outcome<()> {
        if !value.is_finite() {
            let text = float(value, 'g', None);
            return Err(format!("json: unsupported value: {text}").into());
        }
        let point = Shape::new(value, None).point;
        if value == 0.0 || (-5..22).contains(&point) {
            return self.write(&float(value, 'f', None));
        }
        let text = float(value, 'e', None).replace("e-0", "e-");
        self.write(&text)
    }

    fn text(&mut self, text: &[u8]) -> Outcome<()> {
        self.budget.bytes(text.len())?;
        self.out.push('"');
        for (_, character, width) in runes(text) {
            let code = u32::from(character);
            let short = match character {
                '"' | '\\' => Some(character),
                '\n' => Some('n'),
                '\r' => Some('r'),
                '\t' => Some('t'),
                '\x08' => Some('b'),
                '\x0c' => Some('f'),
                _ => None,
            };
            let escapes = code < 0x20
                || self.style.html && matches!(character, '<' | '>' | '&')
                || matches!(character, '\u{2028}' | '\u{2029}')
                || character == '\u{fffd}' && width == 1;
            if let Some(short) = short {
                self.out.extend(['\\', short]);
            } else if escapes {
                self.write(&format!("\\u{code:04x}"))?;
            } else {
                self.out.push(character);
            }
        }
        self.write("\"")
    }
}

/// The members that a struct has in JSON; those of embedded structs are its own.
fn members_of(record: &Struct, members: &mut Vec<(&'static str, Item)>) {
    for (field, value) in record.of.fields.iter().zip(&record.fields) {
        match (value, field.json) {
            (Item::Struct(inner), _) if field.embedded => members_of(inner, members),
            (Item::Text(text), Some(_)) if text.is_empty() => {}
            (_, json) => members.push((json.unwrap_or(field.name), value.clone())),
        }
    }
}
