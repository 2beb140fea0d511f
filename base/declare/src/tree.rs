//! A YAML value that knows where it was written.

use std::sync::Arc;

use crate::{Level, Place, Problem, SourceFile};

/// What a node is, before anyone asks what its text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// A text, number or boolean; which of them is for the reader to say.
    Scalar,
    /// `[a, b]` or lines that begin with `-`.
    List,
    /// `{a: 1}` or lines of `a: 1`.
    Record,
}

/// One YAML value with its place. Cloning is cheap: text and children are shared.
#[derive(Clone, Debug)]
pub struct Node {
    file: Arc<SourceFile>,
    place: Place,
    content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Null,
    Scalar(Arc<Scalar>),
    List(Arc<[Node]>),
    Record(Arc<[(Node, Node)]>),
}

/// A scalar's text, after quotes and escapes, and whether it was quoted (or a block).
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

impl Node {
    pub(crate) fn new(file: &Arc<SourceFile>, place: Place, content: Content) -> Self {
        Node {
            file: Arc::clone(file),
            place,
            content,
        }
    }

    /// The same node elsewhere, as an alias is.
    pub(crate) fn moved_to(&self, place: Place) -> Self {
        Node {
            place,
            ..self.clone()
        }
    }

    pub(crate) fn with_content(&self, content: Content) -> Self {
        Node {
            file: Arc::clone(&self.file),
            place: self.place,
            content,
        }
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.content {
            Content::Null => Kind::Null,
            Content::Scalar(_) => Kind::Scalar,
            Content::List(_) => Kind::List,
            Content::Record(_) => Kind::Record,
        }
    }

    /// Whether it is nothing, `~` or `null`.
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// A list's items; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// A record's keys and values in the order written; none for anything else.
    pub fn fields(&self) -> impl Iterator<Item = (&Node, &Node)> {
        let fields: &[(Node, Node)] = match &self.content {
            Content::Record(fields) => fields,
            _ => &[],
        };
        fields.iter().map(|(key, value)| (key, value))
    }

    /// A field's value; `None` when it is absent or explicitly null.
    pub fn field(&self, name: &str) -> Option<&Node> {
        self.entry(name)
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// A field's key, to point at; `None` when the field is absent.
    pub fn key(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(key, _)| key)
    }

    fn entry(&self, name: &str) -> Option<(&Node, &Node)> {
        self.fields().find(|(key, _)| key.as_text() == Some(name))
    }

    /// A scalar's text as written, without quotes and with escapes resolved.
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The text of a key; the same as [`Node::as_text`], and empty never happens for keys.
    pub fn key_text(&self) -> Option<&str> {
        self.as_text()
    }

    /// Whether a scalar was written in quotes or as a block, so that it can only be meant as text.
    pub fn is_quoted(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.quoted)
    }

    /// The file it was written in.
    pub fn file(&self) -> &SourceFile {
        &self.file
    }

    /// Where it was written.
    pub fn place(&self) -> Place {
        self.place
    }

    /// A problem at this node, not yet on any list.
    pub fn problem(&self, level: Level, message: impl Into<String>) -> Problem {
        Problem::new(&self.file, self.place, level, message)
    }

    /// The place of a line and column (from 1) inside this scalar's text, when the text stands in
    /// the file as it reads: without escapes, folding or expanded variables.
    pub fn place_within(&self, line: usize, column: usize) -> Option<Place> {
        let text = self.as_text()?;
        let wanted = text.lines().nth(line.checked_sub(1)?)?;
        let offset = column.checked_sub(1)?;
        let is_block = self
            .file
            .line(self.place.line)
            .chars()
            .nth(self.place.column - 1)
            .is_some_and(|c| matches!(c, '|' | '>'));
        // A block's text begins on the line below its sign; a quoted one after its quote.
        let file_line = self.place.line + line - usize::from(!is_block);
        let written = self.file.line(file_line);
        let from = if is_block || line > 1 {
            0
        } else {
            self.place.column - 1
        };
        let searched: String = written.chars().skip(from).collect();
        let indent = searched.find(wanted)?;
        let before = searched.get(..indent)?.chars().count();
        let start = from + before + offset;
        let width = word_width(written.chars().skip(start));
        Some(self.file.place(file_line, start, Some(start + width)))
    }
}

/// The characters of the word or sign that stands first.
fn word_width(mut chars: impl Iterator<Item = char>) -> usize {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    match chars.next() {
        Some(first) if is_part(first) => 1 + chars.take_while(|c| is_part(*c)).count(),
        Some(first) => 1 + chars.take_while(|c| *c == first).count(),
        None => 0,
    }
}
