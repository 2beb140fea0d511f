//! What is wrong with a declaration, where, and how to put it right.

use std::fmt;

use serde::Serialize;

use crate::picture;
use crate::{Node, Place, SourceFile};

/// Whether a problem stops the declaration from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It cannot be used.
    Error,
    /// It can, but should be looked at.
    Advice,
}

/// One mistake at one place. Its `Display` is the picture a person sees: place and message, the line
/// as written, carets under the part that is meant, and the hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The first character's column, from 1.
    pub column: usize,
    /// How many characters are meant; at least 1.
    pub width: usize,
    /// What is wrong: lower-case, without a full stop, names in backticks.
    pub message: String,
    /// The way out, where there is one.
    pub hint: Option<String>,
    /// The line as written; of a very long line the part around the place.
    pub source_line: String,
    /// How many characters of the line were left out before `source_line`.
    pub source_line_skipped: usize,
    /// Error or advice.
    pub level: Level,
}

impl Problem {
    /// The longest part of a source line that is kept, in characters.
    pub const SOURCE_LINE_CHARS_MAX: usize = 400;

    /// A problem at a place of a file.
    pub fn new(file: &SourceFile, place: Place, level: Level, message: impl Into<String>) -> Self {
        let skipped = place
            .column
            .saturating_sub(1 + Self::SOURCE_LINE_CHARS_MAX / 2);
        Problem {
            file: file.name.clone(),
            line: place.line,
            column: place.column,
            width: place.width.max(1),
            message: message.into(),
            hint: None,
            source_line: file
                .line(place.line)
                .chars()
                .skip(skipped)
                .take(Self::SOURCE_LINE_CHARS_MAX)
                .collect(),
            source_line_skipped: skipped,
            level,
        }
    }

    /// Adds the way out.
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Problem {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the way out when there is one.
    pub fn maybe_hint(&mut self, hint: Option<impl Into<String>>) -> &mut Problem {
        if let Some(hint) = hint {
            self.hint = Some(hint.into());
        }
        self
    }

    fn is_same_as(&self, other: &Problem) -> bool {
        (self.line, self.column) == (other.line, other.column)
            && self.message == other.message
            && self.file == other.file
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        picture::draw(self, f)
    }
}

/// Every problem found so far, in the order found. The same problem at the same place counts once
/// (a YAML alias is read wherever it is used). Beyond [`Problems::COUNT_MAX`] problems are only
/// counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    kept: Vec<Problem>,
    left_out: usize,
    left_out_errors: usize,
    spare: Option<Box<Problem>>,
}

impl Problems {
    /// The most problems kept; nobody reads more at once.
    pub const COUNT_MAX: usize = 500;

    /// No problems.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an error at a node.
    pub fn error(&mut self, at: &Node, message: impl Into<String>) -> &mut Problem {
        self.push(at.problem(Level::Error, message))
    }

    /// Adds advice at a node.
    pub fn advice(&mut self, at: &Node, message: impl Into<String>) -> &mut Problem {
        self.push(at.problem(Level::Advice, message))
    }

    /// Adds an error at a line and column (from 1) inside a scalar's text, as a template or an
    /// expression parser reports them. Where the text cannot be found as written, the whole scalar
    /// is meant.
    pub fn error_within(
        &mut self,
        at: &Node,
        line: usize,
        column: usize,
        message: impl Into<String>,
    ) -> &mut Problem {
        let place = at.place_within(line, column).unwrap_or(at.place());
        self.push(Problem::new(at.file(), place, Level::Error, message))
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) -> &mut Problem {
        let known = self.kept.iter().position(|kept| kept.is_same_as(&problem));
        match known {
            Some(index) => &mut self.kept[index],
            None if self.kept.len() < Self::COUNT_MAX => {
                self.kept.push(problem);
                let last = self.kept.len() - 1;
                &mut self.kept[last]
            }
            None => {
                self.left_out += 1;
                self.left_out_errors += usize::from(problem.level == Level::Error);
                self.spare.insert(Box::new(problem))
            }
        }
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many were found, those that were only counted included.
    pub fn len(&self) -> usize {
        self.kept.len() + self.left_out
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.left_out_errors > 0 || self.kept.iter().any(|kept| kept.level == Level::Error)
    }

    /// Those kept, in the order found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.kept.iter()
    }

    /// Those kept, in the order found.
    pub fn into_vec(self) -> Vec<Problem> {
        self.kept
    }

    /// Puts those kept into the order of the text; problems of one line and column stay as found.
    pub(crate) fn sort_by_place(&mut self) {
        self.kept.sort_by_key(|kept| (kept.line, kept.column));
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Problems) {
        for problem in other.kept {
            self.push(problem);
        }
        self.left_out += other.left_out;
        self.left_out_errors += other.left_out_errors;
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.kept.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{problem}")?;
        }
        if self.left_out > 0 {
            writeln!(f, "\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
