//! What the demo says: numbered steps in the order in which they happen.
//!
//! All of it is what was asked for, so all of it goes to standard output, where a pipe keeps the
//! order. With `-o json` standard output is for the summary alone, and the story becomes talk.

use crate::cli::output::{Colour, Format, Printer};
use std::io;

/// Tells the story.
pub(super) struct Narrator<'a> {
    printer: &'a mut Printer,
    format: Format,
    step: usize,
}

impl<'a> Narrator<'a> {
    pub(super) fn new(printer: &'a mut Printer, format: Format) -> Self {
        Self {
            printer,
            format,
            step: 0,
        }
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) -> io::Result<()> {
        self.step += 1;
        let title = self
            .printer
            .paint(Colour::Bold, &format!("{}. {title}", self.step));
        self.say(&format!("\n{title}"))
    }

    /// One line of a step.
    pub(super) fn note(&mut self, line: &str) -> io::Result<()> {
        self.say(&format!("   {line}"))
    }

    /// One line on its own.
    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        match self.format {
            Format::Text => self.printer.data(&format!("{line}\n")),
            Format::Json => {
                self.printer.talk(line);
                Ok(())
            }
        }
    }

    /// A diff, exactly as it is but for colour on a terminal.
    pub(super) fn diff(&mut self, diff: &str) -> io::Result<()> {
        for line in diff.lines() {
            let colour = match line.as_bytes().first() {
                Some(b'-') => Colour::Red,
                Some(b'+') => Colour::Green,
                _ => Colour::Dim,
            };
            let line = self.printer.paint(colour, line);
            self.say(&line)?;
        }
        Ok(())
    }

    /// The summary, for programs.
    pub(super) fn summary(&mut self, summary: &serde_json::Value) -> io::Result<()> {
        match self.format {
            Format::Text => Ok(()),
            Format::Json => self.printer.data(&format!("{summary:#}\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Stream(Arc<Mutex<Vec<u8>>>);

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn tell(format: Format) -> (String, String) {
        let (data, talk) = (Stream::default(), Stream::default());
        let mut printer = Printer::with_streams(Box::new(data.clone()), Box::new(talk.clone()));
        let mut narrator = Narrator::new(&mut printer, format);
        narrator.step("First").expect("memory can be written");
        narrator.note("a note").expect("memory can be written");
        narrator.diff("-a\n+b\n").expect("memory can be written");
        narrator.step("Second").expect("memory can be written");
        narrator
            .summary(&json!({"a": 1}))
            .expect("memory can be written");
        let text = |stream: Stream| {
            String::from_utf8(stream.0.lock().expect("one thread").clone()).expect("text")
        };
        (text(data), text(talk))
    }

    const STORY: &str = "\n1. First\n   a note\n-a\n+b\n\n2. Second\n";

    #[test]
    fn the_story_is_told_in_order_on_one_stream() {
        assert_eq!(tell(Format::Text), (STORY.to_owned(), String::new()));
    }

    #[test]
    fn with_json_the_data_is_the_summary_alone() {
        assert_eq!(
            tell(Format::Json),
            ("{\n  \"a\": 1\n}\n".to_owned(), STORY.to_owned())
        );
    }
}
