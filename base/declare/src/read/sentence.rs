//! What the YAML parser says, in words that help.

use saphyr_parser::ScanError;

use crate::{Level, Place, Problem, SourceFile};

/// A piece of the parser's message, what to say instead, and the way out.
const SENTENCES: &[(&str, &str, Option<&str>)] = &[
    (
        "tab",
        "a tab is used as indentation",
        Some("indent with spaces"),
    ),
    (
        "mapping values are not allowed",
        "a `:` is not expected here",
        Some("quote a text that contains `: `, or check the indentation of this line"),
    ),
    ("':' must be followed", "a space is missing after `:`", None),
    (
        "illegal placement of ':'",
        "a `:` is not expected here",
        Some("quote a text that contains `:`, or close the `[` or `{` before it"),
    ),
    (
        "mapping keys are not allowed",
        "a key is not expected here",
        Some("check the indentation of this line"),
    ),
    (
        "did not find expected key",
        "this line fits neither the record above nor a new one",
        Some("check its indentation against the lines above"),
    ),
    (
        "did not find expected '-'",
        "this line is not an item of the list above",
        Some("begin it with `- `, or check its indentation"),
    ),
    (
        "block sequence entries are not allowed",
        "a list item is not expected here",
        Some("put the list on lines of its own below its key"),
    ),
    ("'-' must be followed", "a space is missing after `-`", None),
    (
        "expected ',' or ']'",
        "this list is not closed",
        Some("a `,` or `]` is expected here"),
    ),
    (
        "expected ',' or '}'",
        "this record is not closed",
        Some("a `,` or `}` is expected here"),
    ),
    (
        "misplaced bracket",
        "a bracket is closed that was not opened, or opened and not closed",
        None,
    ),
    (
        "invalid indentation in flow",
        "a line inside brackets must be indented deeper than its key",
        None,
    ),
    (
        "simple key expect",
        "a `:` is missing after this key",
        Some("write `key: value`"),
    ),
    (
        "simple key expected",
        "a `key: value` is expected here",
        Some("check the indentation of this line"),
    ),
    (
        "invalid indentation in quoted",
        "this text's quotes are not closed, or its next line is not indented",
        None,
    ),
    (
        "unexpected end of stream",
        "this text's quotes are not closed",
        None,
    ),
    (
        "invalid trailing content after double-quoted",
        "something follows the closing quote",
        Some(
            "quote the whole value; a quote inside it is '' in single quotes, \\\" in double quotes",
        ),
    ),
    (
        "unknown escape character",
        "an unknown escape in a double-quoted text",
        Some("use single quotes for texts with backslashes, such as regular expressions"),
    ),
    (
        "hexadecimal number",
        "an escape in a double-quoted text lacks hexadecimal digits",
        Some("use single quotes for texts with backslashes"),
    ),
    (
        "invalid Unicode character escape",
        "an escape in a double-quoted text names no character",
        None,
    ),
    (
        "unexpected document indicator",
        "a quoted text runs into the end of the document",
        Some("close its quotes"),
    ),
    (
        "unknown anchor",
        "this alias refers to an anchor that does not exist",
        Some("quote a text that begins with `*`"),
    ),
    (
        "scanning an anchor or alias",
        "a name is expected after `&` or `*`",
        Some("quote a text that begins with `&` or `*`"),
    ),
    (
        "wrongly indented line in block scalar",
        "a line of this block is indented less than its first line",
        None,
    ),
    (
        "block scalar",
        "the `|` or `>` of a block must end its line",
        Some("quote the whole value if it is not meant as a block"),
    ),
    (
        "unexpected character",
        "a text cannot begin with this character",
        Some("quote the text"),
    ),
    (
        "plain scalar cannot start",
        "a text cannot begin with this character",
        Some("quote the text"),
    ),
    (
        "comment intercepting",
        "a comment interrupts this text",
        Some("move the comment to a line before it"),
    ),
    (
        "invalid content after document end",
        "something follows the end of the document",
        None,
    ),
    (
        "document start",
        "a second document or directive begins here, a file holds one",
        None,
    ),
    (
        "expected node content",
        "a value is expected here",
        Some("close open brackets; quote a text that begins with `,`, `]` or `}`"),
    ),
    ("recursion limit", "brackets are nested too deep", None),
    (
        "tag",
        "a text that begins with `!` is a tag, which is not supported",
        Some("quote the text"),
    ),
    (
        "handle",
        "a text that begins with `!` is a tag, which is not supported",
        Some("quote the text"),
    ),
    (
        "directive",
        "directives (lines that begin with `%`) are not supported",
        Some("quote a text that begins with `%`"),
    ),
    (
        "byte order mark",
        "a byte order mark stands inside the text",
        Some("save the file as UTF-8 without one"),
    ),
    (
        "unprintable character",
        "an unprintable character",
        Some("save the file as UTF-8 text"),
    ),
    (
        "indentation",
        "this line's indentation fits nothing above it",
        Some("indent all entries of one record or list alike"),
    ),
    ("eof", "the file ends in the middle of a value", None),
];

pub(super) fn syntax_problem(file: &SourceFile, error: &ScanError) -> Problem {
    let info = error.info();
    let known = SENTENCES.iter().find(|(piece, ..)| info.contains(piece));
    let (message, hint) = match known {
        Some((_, sentence, hint)) => ((*sentence).to_owned(), *hint),
        None => (format!("this is not YAML: {info}"), None),
    };
    let line = error.marker().line();
    let place = if info.contains("tab") {
        tab_from(file, line)
    } else {
        None
    };
    let place = place
        .or_else(|| end_of_text(file, line))
        .unwrap_or_else(|| {
            let column = error.marker().col();
            file.place(line, column, Some(column + 1))
        });
    let mut problem = Problem::new(file, place, Level::Error, message);
    problem.maybe_hint(missing_space(file, line, info).or(hint));
    problem
}

/// The tab that indents this line or the next: the parser stops on either.
fn tab_from(file: &SourceFile, line: usize) -> Option<Place> {
    (line..=line + 1).find_map(|line| {
        let written = file.line(line);
        let indent = written.len() - written.trim_start().len();
        let column = written.get(..indent)?.find('\t')?;
        Some(file.place(line, column, Some(column + 1)))
    })
}

/// What ends too early is shown after the last line that says something.
fn end_of_text(file: &SourceFile, line: usize) -> Option<Place> {
    let is_blank = |line: usize| file.line(line).trim().is_empty();
    if !(line..=file.line_count()).all(is_blank) {
        return None;
    }
    let last = (1..line).rev().find(|line| !is_blank(*line))?;
    let end = file.line(last).trim_end().chars().count();
    Some(file.place(last, end, Some(end)))
}

/// `a:1` is a text that runs on into the next line, where the parser then meets a `:`.
fn missing_space(file: &SourceFile, line: usize, info: &str) -> Option<&'static str> {
    let above = file.line(line.checked_sub(1)?).trim();
    let (key, value) = above.split_once(':')?;
    let joined =
        !value.is_empty() && !value.starts_with([' ', '/']) && !key.contains([' ', '"', '\'']);
    (joined && info.contains("mapping values are not allowed"))
        .then_some("put a space after the `:` of the line above")
}
