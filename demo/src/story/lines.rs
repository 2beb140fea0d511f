//! The lines of the story: seconds since the start, who, what.

use std::io::Write;
use std::time::Duration;

/// The longest text of a line, in characters.
const TEXT_CHARS_MAX: usize = 140;

/// Writes lines.
pub(super) struct Teller {
    out: Box<dyn Write + Send>,
}

impl Teller {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Teller { out }
    }

    /// One line, visible at once.
    pub(super) fn line(&mut self, at: Duration, who: &str, what: &str) -> std::io::Result<()> {
        writeln!(self.out, "{:>7.1}s  {who:<9} {what}", at.as_secs_f64())?;
        self.out.flush()
    }

    /// What else a message says, below its headline.
    pub(super) fn quote(&mut self, text: &str) -> std::io::Result<()> {
        let below = text.lines().filter(|line| !line.trim().is_empty()).skip(1);
        for line in below.take(QUOTED_LINES_MAX) {
            writeln!(self.out, "{:>20}| {}", "", headline(line))?;
        }
        self.out.flush()
    }
}

/// The most lines of one message that are told; the demo's page shows all of it.
const QUOTED_LINES_MAX: usize = 2;

/// A message's first line without Markdown's signs, not endless.
pub(super) fn headline(text: &str) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let mut plain = String::new();
    let mut chars = first
        .unwrap_or("(an empty message)")
        .trim_start_matches(['#', ' ', '*'])
        .chars();
    while let Some(c) = chars.next() {
        match c {
            // An escaped sign stands for itself.
            '\\' => plain.extend(chars.next()),
            '*' | '`' => {}
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    if plain.chars().count() > TEXT_CHARS_MAX {
        plain = plain.chars().take(TEXT_CHARS_MAX).chain(['…']).collect();
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sheet(Arc<Mutex<Vec<u8>>>);

    impl Write for Sheet {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn messages_are_quoted_below_their_headline() {
        let sheet = Sheet::default();
        let mut teller = Teller::new(Box::new(sheet.clone()));
        teller
            .quote("### **Critical** x\n\n- Where: unit b\n")
            .unwrap();
        let text = String::from_utf8(sheet.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "                    | - Where: unit b\n");
    }

    #[test]
    fn lines_are_aligned() {
        let sheet = Sheet::default();
        let mut teller = Teller::new(Box::new(sheet.clone()));
        teller
            .line(Duration::from_millis(33_240), "chat", "x")
            .unwrap();
        teller
            .line(Duration::from_secs(1_234), "incident", "y")
            .unwrap();
        let text = String::from_utf8(sheet.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "   33.2s  chat      x\n 1234.0s  incident  y\n");
    }

    #[test]
    fn headlines_are_plain_and_short() {
        for (text, expected) in [
            (
                "### [Critical] guide/wow\\_feed **down**\n\nmore",
                "[Critical] guide/wow_feed down",
            ),
            ("\n\nplain", "plain"),
            ("a\u{1b}[31mb", "a [31mb"),
            ("", "(an empty message)"),
        ] {
            assert_eq!(headline(text), expected);
        }
        assert_eq!(
            headline(&"x".repeat(500)).chars().count(),
            TEXT_CHARS_MAX + 1
        );
    }
}
