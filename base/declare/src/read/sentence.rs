//! What the YAML parser says, in words that help.

use saphyr_parser::ScanError;

use crate::{Level, Problem, SourceFile};

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
        Some("quote the whole value, and write \\\" for a quote inside it"),
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
        None,
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
        Some("quote a text that begins with `,`, `]` or `}`"),
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
    let marker = error.marker();
    let column = if info.contains("tab") {
        let before_tab = file.line(marker.line()).split('\t').next();
        before_tab.unwrap_or_default().chars().count()
    } else {
        marker.col()
    };
    let place = file.place(marker.line(), column, Some(column + 1));
    let message = match known {
        Some((_, sentence, _)) => (*sentence).to_owned(),
        None => format!("this is not YAML: {info}"),
    };
    let mut problem = Problem::new(file, place, Level::Error, message);
    problem.maybe_hint(known.and_then(|(_, _, hint)| *hint));
    problem
}
