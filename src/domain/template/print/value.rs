//! Prints values by a verb.

use super::super::item::{Item, List, Map, Struct, Text};
use super::super::run::{Budget, Fault, Outcome};
use super::super::value::Type;
use super::super::{date, versions};
use super::Flags;
use super::integer::{Integer, code_point};
use super::quote::{can_backquote, quote, quote_character};
use super::{float, integer};

/// How deep values are printed.
const MAX_DEPTH: usize = 100;

pub(super) struct Printer<'b> {
    budget: &'b mut Budget,
    out: Vec<u8>,
    pub(super) flags: Flags,
    depth: usize,
    /// Whether a verb is being complained about, when methods are left alone.
    complaining: bool,
}

impl<'b> Printer<'b> {
    pub(super) fn new(budget: &'b mut Budget) -> Self {
        Self {
            budget,
            out: Vec::new(),
            flags: Flags::default(),
            depth: 0,
            complaining: false,
        }
    }

    pub(super) fn finish(self) -> Text {
        self.out.into()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.budget.bytes(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes bytes, filled up to the width.
    fn pad(&mut self, bytes: &[u8]) -> Outcome<()> {
        let width = self.flags.width.unwrap_or(0);
        let length = super::super::item::runes(bytes).count();
        let fill = vec![
            if self.flags.zero && !self.flags.minus {
                b'0'
            } else {
                b' '
            };
            width.saturating_sub(length)
        ];
        if self.flags.minus {
            self.write(bytes)?;
            self.write(&fill)
        } else {
            self.write(&fill)?;
            self.write(bytes)
        }
    }

    /// The same with spaces, for what has its zeros already.
    fn pad_with_spaces(&mut self, bytes: &[u8]) -> Outcome<()> {
        let zero = std::mem::take(&mut self.flags.zero);
        let padded = self.pad(bytes);
        self.flags.zero = zero;
        padded
    }

    /// Prints an operand.
    pub(super) fn argument(&mut self, item: &Item, verb: char) -> Outcome<()> {
        match verb {
            _ if item.is_nil() => match verb {
                'T' | 'v' => self.pad(b"<nil>"),
                _ => self.bad_verb(item, verb),
            },
            'T' => {
                let name = item.type_name();
                self.text(name.as_bytes())
            }
            'p' => Err("addresses are not the same on every run, so `%p` is refused".into()),
            'w' => self.bad_verb(item, verb),
            _ => self.value(item, verb),
        }
    }

    fn value(&mut self, item: &Item, verb: char) -> Outcome<()> {
        self.budget.step(1)?;
        if self.depth >= MAX_DEPTH {
            return Err(Fault::Limit("the value is nested too deeply".to_owned()));
        }
        if let Some(text) = self.own_text(item, verb)? {
            return self.plain_text(&text, verb);
        }
        match item {
            Item::Absent | Item::Nil if self.flags.sharp_v => self.write(b"interface {}(nil)"),
            Item::Absent | Item::Nil => self.write(b"<nil>"),
            Item::Bool(value) if matches!(verb, 't' | 'v') => {
                self.pad(value.to_string().as_bytes())
            }
            Item::Int(_, value) => self.integer(item, Integer::signed(*value), verb),
            Item::Uint(_, value) => self.integer(item, Integer::unsigned(*value), verb),
            Item::Float(value) => self.float(item, *value, verb),
            Item::Complex(real, imaginary) => self.complex(item, (*real, *imaginary), verb),
            Item::Text(text) => self.string(item, text, verb),
            Item::List(list) => self.list(list, verb),
            Item::Map(map) => self.map(map, verb),
            Item::Struct(record) => self.record(record, verb),
            Item::Version(version) => {
                self.write(if version.is_plain() { b"" } else { b"&" })?;
                self.record(&version.record(), verb)
            }
            Item::Time(_) | Item::Bool(_) => self.bad_verb(item, verb),
        }
    }

    /// What a value with a `String` method says of itself.
    fn own_text(&mut self, item: &Item, verb: char) -> Outcome<Option<Text>> {
        let prints = matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') && !self.flags.sharp_v;
        if self.complaining {
            return Ok(None);
        }
        if let (true, Item::Time(time)) = (self.flags.sharp_v, item) {
            return Ok(Some(time.go_string().into()));
        }
        Ok(match item {
            _ if !prints => None,
            Item::Struct(record) => match record.method("String") {
                Some(Item::Text(text)) => Some(text.clone()),
                _ => None,
            },
            Item::Time(time) => Some(time.to_string().into()),
            Item::Version(version) => Some(versions::text(version)),
            Item::Int(kind, value) => date::name(*kind, *value).map(Text::from),
            _ => None,
        })
    }

    /// The text of a value that prints itself. `%#v` of one is not quoted.
    fn plain_text(&mut self, text: &Text, verb: char) -> Outcome<()> {
        if self.flags.sharp_v {
            return self.text(text);
        }
        let item = Item::Text(text.clone());
        self.string(&item, text, verb)
    }

    /// `%!d(string=x)`
    fn bad_verb(&mut self, item: &Item, verb: char) -> Outcome<()> {
        let outer = std::mem::replace(&mut self.complaining, true);
        self.write(format!("%!{verb}(").as_bytes())?;
        if item.is_nil() {
            self.write(b"<nil>")?;
        } else {
            self.write(format!("{}=", item.type_name()).as_bytes())?;
            self.value(item, 'v')?;
        }
        self.complaining = outer;
        self.write(b")")
    }

    fn text(&mut self, text: &[u8]) -> Outcome<()> {
        let text = self.cut(text).to_vec();
        self.pad(&text)
    }

    /// A text cut to the precision.
    fn cut<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else {
            return text;
        };
        let end = super::super::item::runes(text).nth(precision);
        &text[..end.map_or(text.len(), |(at, ..)| at)]
    }

    fn string(&mut self, item: &Item, text: &Text, verb: char) -> Outcome<()> {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.text(text),
            'x' | 'X' => self.hexadecimal(text, verb == 'X'),
            'q' => self.quoted(text),
            _ => self.bad_verb(item, verb),
        }
    }

    fn quoted(&mut self, text: &[u8]) -> Outcome<()> {
        let text = self.cut(text);
        let quoted = if self.flags.sharp && can_backquote(text) {
            [b"`", text, b"`"].concat()
        } else {
            self.budget.bytes(text.len() * 4)?;
            quote(text, self.flags.plus).into_bytes()
        };
        self.pad(&quoted)
    }

    fn hexadecimal(&mut self, text: &[u8], upper: bool) -> Outcome<()> {
        let length = self.flags.precision.unwrap_or(text.len()).min(text.len());
        self.budget.bytes(length * 5)?;
        let prefix = match (self.flags.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let mut written = String::new();
        for (index, byte) in text[..length].iter().enumerate() {
            if index == 0 || self.flags.space {
                written.push_str(if index > 0 { " " } else { "" });
                written.push_str(prefix);
            }
            written += &if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            };
        }
        self.pad(written.as_bytes())
    }

    fn integer(&mut self, item: &Item, value: Integer, verb: char) -> Outcome<()> {
        let flags = self.flags;
        let (base, verb) = match verb {
            'v' if flags.sharp_v && !value.is_signed() => {
                let outer = std::mem::replace(&mut self.flags.sharp, true);
                let written = integer::write(&value, 16, 'x', &self.flags);
                self.flags.sharp = outer;
                return self.pad_with_spaces(&written);
            }
            'v' | 'd' => (10, verb),
            'b' => (2, verb),
            'o' | 'O' => (8, verb),
            'x' | 'X' => (16, verb),
            'c' => {
                let character = code_point(&value);
                return self.pad(character.to_string().as_bytes());
            }
            'q' => {
                let quoted = quote_character(code_point(&value), flags.plus);
                return self.pad(quoted.as_bytes());
            }
            'U' => {
                let written = integer::unicode(&value, &flags);
                return self.pad_with_spaces(written.as_bytes());
            }
            _ => return self.bad_verb(item, verb),
        };
        self.budget
            .bytes(flags.precision.unwrap_or(0) + flags.width.unwrap_or(0))?;
        let written = integer::write(&value, base, verb, &flags);
        self.pad_with_spaces(&written)
    }

    fn float(&mut self, item: &Item, value: f64, verb: char) -> Outcome<()> {
        let (shape, precision) = match verb {
            'v' => ('g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb, None),
            'f' | 'e' | 'E' => (verb, Some(6)),
            'F' => ('f', Some(6)),
            _ => return self.bad_verb(item, verb),
        };
        let precision = self.flags.precision.or(precision);
        self.budget.bytes(precision.unwrap_or(0) + 400)?;
        let number = float::formatted(value, shape, precision, &self.flags);
        if !value.is_finite() {
            return self.pad_with_spaces(number.as_bytes());
        }
        let (sign, digits) = match number.as_bytes().first() {
            Some(b'+' | b'-' | b' ') => number.split_at(1),
            _ => ("", number.as_str()),
        };
        let width = self.flags.width.unwrap_or(0);
        if !sign.is_empty() && self.flags.zero && !self.flags.minus && width > number.len() {
            let zeros = "0".repeat(width - number.len());
            return self.write(format!("{sign}{zeros}{digits}").as_bytes());
        }
        self.pad(number.as_bytes())
    }

    fn complex(&mut self, item: &Item, (real, imaginary): (f64, f64), verb: char) -> Outcome<()> {
        if !matches!(
            verb,
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E'
        ) {
            return self.bad_verb(item, verb);
        }
        self.write(b"(")?;
        self.float(item, real, verb)?;
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(item, imaginary, verb)?;
        self.flags.plus = plus;
        self.write(b"i)")
    }

    /// The parts of a value between brackets, one level deeper.
    fn parts<T>(
        &mut self,
        name: &str,
        brackets: [&str; 2],
        parts: Vec<T>,
        mut print: impl FnMut(&mut Self, T) -> Outcome<()>,
    ) -> Outcome<()> {
        let sharp = self.flags.sharp_v;
        self.write(if sharp { name } else { "" }.as_bytes())?;
        self.write(if sharp { "{" } else { brackets[0] }.as_bytes())?;
        self.depth += 1;
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                self.write(if sharp { b", " } else { b" " })?;
            }
            print(self, part)?;
        }
        self.depth -= 1;
        self.write(if sharp { "}" } else { brackets[1] }.as_bytes())
    }

    fn list(&mut self, list: &List, verb: char) -> Outcome<()> {
        let name = Type::list(list.of().clone()).to_string();
        if self.flags.sharp_v && list.is_nil {
            return self.write(format!("{name}(nil)").as_bytes());
        }
        self.budget.items(list.len())?;
        self.parts(&name, ["[", "]"], list.to_vec(), |printer, item| {
            printer.value(&item, verb)
        })
    }

    fn map(&mut self, map: &Map, verb: char) -> Outcome<()> {
        let name = map.of.to_string();
        if self.flags.sharp_v && map.is_nil {
            return self.write(format!("{name}(nil)").as_bytes());
        }
        self.budget.items(map.len())?;
        self.parts(
            &name,
            ["map[", "]"],
            map.to_vec(),
            |printer, (key, item)| {
                printer.value(&key, verb)?;
                printer.write(b":")?;
                printer.value(&item, verb)
            },
        )
    }

    fn record(&mut self, record: &Struct, verb: char) -> Outcome<()> {
        let named = self.flags.plus_v || self.flags.sharp_v;
        let fields = record.of.fields.iter().zip(&record.fields).collect();
        self.parts(
            record.of.name,
            ["{", "}"],
            fields,
            |printer, (field, item)| {
                if named {
                    printer.write(format!("{}:", field.name).as_bytes())?;
                }
                printer.value(item, verb)
            },
        )
    }
}
