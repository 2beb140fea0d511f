//! The text a declaration was written in, and places in it.

use std::ops::Range;

/// A file's name and text, with its lines found once.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As it was named to [`crate::read`]; problems begin with it.
    pub name: String,
    /// The whole text, without a byte order mark.
    pub text: String,
    lines: Vec<Range<usize>>,
}

/// A run of characters on one line. Lines and columns count from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The first character's column.
    pub column: usize,
    /// How many characters; 0 where something is missing.
    pub width: usize,
}

impl SourceFile {
    /// Takes a text and finds its lines, which end in LF, CR LF or CR as in YAML.
    pub fn new(name: &str, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        SourceFile {
            name: name.to_owned(),
            text: text.to_owned(),
            lines: find_lines(text),
        }
    }

    /// A line without its end; empty when there is no such line.
    pub fn line(&self, line: usize) -> &str {
        line.checked_sub(1)
            .and_then(|index| self.lines.get(index))
            .and_then(|range| self.text.get(range.clone()))
            .unwrap_or("")
    }

    /// How many lines there are; at least 1.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// A place from zero-based character columns, cut to what really stands on the line. A run that
    /// goes on below ends with its first line.
    pub(crate) fn place(&self, line: usize, from: usize, to: Option<usize>) -> Place {
        let line = line.clamp(1, self.line_count());
        let written = self.line(line);
        let length = written.chars().count();
        let end = to.unwrap_or_else(|| written.trim_end().chars().count());
        let from = from.min(length);
        Place {
            line,
            column: from + 1,
            width: end.min(length).saturating_sub(from),
        }
    }
}

fn find_lines(text: &str) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let after = match byte {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => at + 2,
            b'\r' | b'\n' => at + 1,
            _ => {
                at += 1;
                continue;
            }
        };
        lines.push(start..at);
        start = after;
        at = after;
    }
    lines.push(start..text.len());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_in_yaml() {
        let file = SourceFile::new("f", "\u{feff}a\nb\r\nc\rd");
        let lines: Vec<_> = (0..=5).map(|line| file.line(line)).collect();
        assert_eq!(lines, ["", "a", "b", "c", "d", ""]);
        assert_eq!(file.line_count(), 4);
    }

    #[test]
    fn places_stay_on_their_line() {
        let file = SourceFile::new("f", "导航: x  \n");
        assert_eq!(
            file.place(1, 0, None),
            Place {
                line: 1,
                column: 1,
                width: 5
            }
        );
        assert_eq!(
            file.place(9, 40, Some(50)),
            Place {
                line: 2,
                column: 1,
                width: 0
            }
        );
    }
}
