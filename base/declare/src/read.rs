//! YAML in, a tree with places out. Everything a file can do to hurt has a named limit.

mod builder;
mod sentence;

use std::sync::Arc;

use saphyr_parser::{Event, Parser};

use crate::tree::Content;
use crate::{Level, Node, Place, Problem, Problems, SourceFile};
use builder::{Builder, Stop};

/// The largest file read.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The deepest nesting read.
pub const DEPTH_LEVELS_MAX: usize = 64;
/// The most values in a file; what an alias stands for counts wherever it is used.
pub const NODES_MAX: usize = 100_000;

/// Reads one YAML document. An empty file is an empty record.
///
/// Refused, with the place: broken syntax, a second document, duplicate keys, merge keys, tags other
/// than `!!str`, keys that are not scalars, and whatever goes beyond [`FILE_BYTES_MAX`],
/// [`DEPTH_LEVELS_MAX`] or [`NODES_MAX`]. Anchors and aliases are fine within these limits.
pub fn read(file_name: &str, text: &str) -> Result<Node, Problems> {
    if text.len() > FILE_BYTES_MAX {
        return Err(too_large(file_name, text.len()));
    }
    let file = Arc::new(SourceFile::new(file_name, text));
    let mut builder = Builder::new(&file);
    let mut parser = Parser::new_from_str(&file.text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => {
                if let Err(Stop) = builder.take(event, span) {
                    break;
                }
            }
            Err(error) => {
                builder
                    .problems
                    .push(sentence::syntax_problem(&file, &error));
                break;
            }
        }
    }
    if builder.problems.has_errors() {
        return Err(builder.problems);
    }
    Ok(builder
        .root
        .filter(|root| !root.is_null())
        .unwrap_or_else(|| {
            let start = file.place(1, 0, Some(0));
            Node::new(&file, start, Content::Record(Arc::from([])))
        }))
}

fn too_large(file_name: &str, bytes: usize) -> Problems {
    let start = Place {
        line: 1,
        column: 1,
        width: 0,
    };
    let message = format!("the file has {bytes} bytes, the limit is {FILE_BYTES_MAX}");
    let mut problems = Problems::new();
    problems
        .push(Problem::new(
            &SourceFile::new(file_name, ""),
            start,
            Level::Error,
            message,
        ))
        .hint("split it into several files");
    problems
}

#[cfg(test)]
mod tests;
