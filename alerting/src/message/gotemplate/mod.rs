//! The templates of an `alertmanager.yml`: the part of Go's text/template that its documentation shows, and
//! the functions Alertmanager adds to it.
//!
//! Text of the template itself is the author's and stands as written. What it takes from alerts is foreign
//! and made inert for the medium before it is put in, so that a hostile label is never markup. A template
//! can run for a bounded number of steps, call others to a bounded depth and write a bounded text; it
//! reads nothing but the facts it is given.

mod evaluate;
mod fields;
mod format;
mod functions;
mod layout;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::Timestamp;

use parser::Node;
pub(crate) use value::{Moment, Text, Value};

/// The templates that Alertmanager brings, by the same names, in Rampart's words.
const BUILT_IN_NAME: &str = "built-in templates";
const BUILT_IN: &str = include_str!("built_in.tmpl");
/// The longest source of one template file or field.
const SOURCE_BYTES_MAX: usize = 256 * 1024;
/// Named templates in all.
const TEMPLATES_MAX: usize = 2_000;

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The file of the template; empty for one that stands in a field.
    pub(crate) source: Arc<str>,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The character's column, from 1.
    pub(crate) column: usize,
    /// What: lower-case, without a full stop.
    pub(crate) message: String,
    /// The way out, where there is one.
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.source.is_empty() {
            write!(f, "{}:", self.source)?;
        }
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// A text that templates are read from.
#[derive(Debug)]
struct Source {
    name: Arc<str>,
    text: String,
}

impl Source {
    /// A mistake at a byte of the text.
    fn mistake(&self, at: usize, message: impl Into<String>) -> Mistake {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line_begin = before.rfind('\n').map_or(0, |end| end + 1);
        Mistake {
            source: Arc::clone(&self.name),
            line: before.matches('\n').count() + 1,
            column: before[line_begin..].chars().count() + 1,
            message: message.into(),
            hint: None,
        }
    }
}

/// A body with the text it was read from.
#[derive(Clone, Debug)]
struct Body {
    source: Arc<Source>,
    nodes: Arc<[Node]>,
}

/// Named templates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Templates {
    named: BTreeMap<String, Body>,
    /// Calls of other templates, for the check that they exist.
    calls: Vec<(String, Arc<Source>, usize)>,
}

impl Templates {
    /// Those that Alertmanager brings.
    pub(crate) fn built_in() -> Templates {
        let mut templates = Templates::default();
        let read = templates.add(BUILT_IN_NAME, BUILT_IN);
        debug_assert!(read.is_ok(), "{read:?}");
        templates
    }

    /// Takes in every `define` of a file; a later one of a name wins.
    pub(crate) fn add(&mut self, name: &str, text: &str) -> Result<(), Mistake> {
        self.read(name, text).map(|_| ())
    }

    /// Calls of templates that nothing defines.
    pub(crate) fn missing(&self) -> Vec<Mistake> {
        let mut told = BTreeSet::new();
        let calls = self.calls.iter();
        let missing = calls.filter(|(name, source, at)| {
            !self.named.contains_key(name) && told.insert((Arc::clone(&source.name), *at))
        });
        missing
            .map(|(name, source, at)| {
                let mut mistake = source.mistake(*at, format!("there is no template `{name}`"));
                let known = self.named.keys().map(String::as_str);
                let near = declare::closest(name, known);
                mistake.hint = near.map(|near| format!("did you mean `{near}`?"));
                mistake
            })
            .collect()
    }

    /// Whether a file defines a template of this name in place of the one that Alertmanager brings.
    pub(crate) fn is_redefined(&self, name: &str) -> bool {
        let found = self.named.get(name);
        found.is_some_and(|body| &*body.source.name != BUILT_IN_NAME)
    }

    /// A template that stands in a field, together with these.
    pub(crate) fn compile(&self, text: &str) -> Result<Template, Mistake> {
        let mut templates = Templates {
            named: self.named.clone(),
            calls: Vec::new(),
        };
        let body = templates.read("", text)?;
        if let Some(missing) = templates.missing().into_iter().next() {
            return Err(missing);
        }
        Ok(Template {
            body,
            named: Arc::new(templates.named),
        })
    }

    fn read(&mut self, name: &str, text: &str) -> Result<Body, Mistake> {
        let source = Arc::new(Source {
            name: name.into(),
            text: text.to_owned(),
        });
        if text.len() > SOURCE_BYTES_MAX {
            let message = format!("the template is longer than {SOURCE_BYTES_MAX} bytes");
            return Err(source.mistake(0, message));
        }
        let parsed = parser::parse(&source)?;
        for (name, nodes) in parsed.defined {
            let body = Body {
                source: Arc::clone(&source),
                nodes: nodes.into(),
            };
            self.named.insert(name, body);
        }
        if self.named.len() > TEMPLATES_MAX {
            return Err(source.mistake(0, format!("more than {TEMPLATES_MAX} templates")));
        }
        let calls = parsed.calls.into_iter();
        self.calls
            .extend(calls.map(|(name, at)| (name, Arc::clone(&source), at)));
        Ok(Body {
            source,
            nodes: parsed.nodes.into(),
        })
    }
}

/// A template that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    body: Body,
    named: Arc<BTreeMap<String, Body>>,
}

/// What a run is for.
#[derive(Clone, Copy)]
pub(crate) struct Medium {
    /// Makes foreign text inert.
    pub(crate) escape: fn(&str) -> String,
    /// Whether it is HTML, where `safeHtml` means something.
    pub(crate) is_html: bool,
    /// What `since` counts to.
    pub(crate) now: Timestamp,
}

impl Template {
    /// The text it makes of `facts`.
    pub(crate) fn run(&self, facts: &Value, medium: Medium) -> Result<String, Mistake> {
        evaluate::run(&self.body, &self.named, facts, medium)
    }
}
