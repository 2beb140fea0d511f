//! `${NAME}` in values, so that secrets and addresses can stay out of files.

use std::sync::Arc;

use crate::leaf::quote;
use crate::tree::{Content, Scalar};
use crate::{Node, Problems};

/// The longest value one variable may have.
pub const VARIABLE_BYTES_MAX: usize = 64 << 10;

/// A tree in which every `${NAME}` in a scalar value is replaced by what `lookup` gives, and `$${` by
/// a literal `${`. Keys are left alone. A value that held a variable counts as unquoted, so that
/// `"${PORT}"` can be a number. Unknown variables and broken references are problems.
pub fn expand_variables(
    node: &Node,
    lookup: impl Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> Node {
    expand(node, &lookup, problems)
}

fn expand(node: &Node, lookup: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) -> Node {
    match node.content() {
        Content::Null => node.clone(),
        Content::Scalar(scalar) if !scalar.text.contains("${") => node.clone(),
        Content::Scalar(scalar) => {
            let (text, replaced) = expand_text(&scalar.text, node, lookup, problems);
            let quoted = scalar.quoted && !replaced;
            node.with_content(Content::Scalar(Arc::new(Scalar { text, quoted })))
        }
        Content::List(items) => node.with_content(Content::List(
            items
                .iter()
                .map(|item| expand(item, lookup, problems))
                .collect(),
        )),
        Content::Record(fields) => node.with_content(Content::Record(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), expand(value, lookup, problems)))
                .collect(),
        )),
    }
}

/// The text with its variables replaced, and whether there were any.
fn expand_text(
    text: &str,
    node: &Node,
    lookup: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> (String, bool) {
    let mut expanded = String::with_capacity(text.len());
    let mut replaced = false;
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(literal) = before.strip_suffix('$') {
            expanded.push_str(literal);
            expanded.push_str("${");
            rest = &reference[2..];
            continue;
        }
        expanded.push_str(before);
        let consumed = text.len() - reference.len();
        let (line, column) = line_and_column(text, consumed);
        match read_reference(reference, lookup) {
            Ok((value, after)) => {
                expanded.push_str(&value);
                replaced = true;
                rest = after;
            }
            Err((message, hint)) => {
                problems
                    .error_within(node, line, column, message)
                    .hint(hint);
                expanded.push_str("${");
                rest = &reference[2..];
            }
        }
    }
    expanded.push_str(rest);
    (expanded, replaced)
}

type Mistake = (String, &'static str);

/// Reads `${NAME}` at the start; gives the value and what follows.
fn read_reference<'a>(
    reference: &'a str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(String, &'a str), Mistake> {
    let inner = &reference[2..];
    let Some((name, after)) = inner.split_once('}') else {
        return Err((
            "`${` is not closed".to_owned(),
            "write ${NAME}, or $${ for a literal ${",
        ));
    };
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !is_name {
        return Err((
            format!(
                "{} does not name a variable",
                quote(&format!("${{{name}}}"))
            ),
            "write ${NAME} with letters, digits and _, or $${ for a literal ${",
        ));
    }
    let value = lookup(name).ok_or_else(|| {
        (
            format!("the variable `{name}` is not set"),
            "set it in the environment, or write $${ for a literal ${",
        )
    })?;
    if value.len() > VARIABLE_BYTES_MAX {
        return Err((
            format!("the variable `{name}` is longer than {VARIABLE_BYTES_MAX} bytes"),
            "put long texts into a file of their own",
        ));
    }
    Ok((value, after))
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    (before.matches('\n').count() + 1, column + 1)
}
