//! Where words go: data to standard output, talk to standard error.
//!
//! Invariants: standard output holds nothing but what was asked for; colour appears only on a
//! terminal that wants it; a closed pipe is no error. What is absent: logs, which `telemetry` writes.

use std::io::{self, IsTerminal, Write};

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table, or text for people.
    #[default]
    Text,
    /// JSON for programs.
    Json,
}

/// The two streams of a command.
pub struct Printer {
    data: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
    colour: bool,
}

/// A colour of the talk.
#[derive(Clone, Copy, Debug)]
pub enum Colour {
    /// Something good.
    Green,
    /// Something bad.
    Red,
    /// Something to notice.
    Bold,
    /// Something to pass over.
    Dim,
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Printer")
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

impl Printer {
    /// Prints to the streams of the process.
    pub fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let colour = wanted && io::stderr().is_terminal() && io::stdout().is_terminal();
        Self {
            data: Box::new(io::stdout()),
            talk: Box::new(io::stderr()),
            colour,
        }
    }

    /// Prints to the given streams, without colour.
    pub fn with_streams(data: Box<dyn Write + Send>, talk: Box<dyn Write + Send>) -> Self {
        Self {
            data,
            talk,
            colour: false,
        }
    }

    /// Data, as it is.
    ///
    /// # Errors
    /// What the stream says, but not that its reader has gone: then there is nobody to tell.
    pub fn data(&mut self, text: &str) -> io::Result<()> {
        let written = self
            .data
            .write_all(text.as_bytes())
            .and_then(|()| self.data.flush());
        written.or_else(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Ok(())
            } else {
                let words = format!("cannot write to standard output: {error}");
                Err(io::Error::new(error.kind(), words))
            }
        })
    }

    /// One line of talk.
    pub fn talk(&mut self, line: &str) {
        // Nobody can be told that telling fails.
        let _ = writeln!(self.talk, "{line}");
    }

    /// `text` in a colour, where colours are shown.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Green => "32",
            Colour::Red => "31",
            Colour::Bold => "1",
            Colour::Dim => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

impl Default for Printer {
    fn default() -> Self {
        Self::new()
    }
}

/// A table as Flux prints one: upper-case headings, columns padded with spaces and tab stops.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .map(|row| row.get(column).map_or(0, |cell| cell.chars().count()));
        cells
            .chain([headings[column].chars().count()])
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("\t").trim_end().to_owned() + "\n"
    };
    let headings: Vec<String> = headings
        .iter()
        .map(|heading| (*heading).to_owned())
        .collect();
    std::iter::once(&headings)
        .chain(rows)
        .map(|row| line(row))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_table_line_up() {
        let rows = [
            vec!["app".to_owned(), "True".to_owned()],
            vec!["a-longer-name".to_owned(), "False".to_owned()],
        ];
        assert_eq!(
            table(&["NAME", "READY"], &rows),
            "NAME         \tREADY\napp          \tTrue\na-longer-name\tFalse\n"
        );
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut printer = Printer::with_streams(Box::new(Closed), Box::new(Closed));
        assert!(printer.data("x").is_ok());
        printer.talk("x");
    }

    #[test]
    fn output_that_cannot_be_written_is_named() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut printer = Printer::with_streams(Box::new(Full), Box::new(io::sink()));
        let error = printer.data("x").expect_err("there is no room");
        assert_eq!(
            error.to_string(),
            "cannot write to standard output: no storage space"
        );
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn without_a_terminal_there_is_no_colour() {
        let printer = Printer::with_streams(Box::new(io::sink()), Box::new(io::sink()));
        assert_eq!(printer.paint(Colour::Red, "no"), "no");
    }
}
