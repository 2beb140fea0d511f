//! Message templates: minijinja without a loader, with limits on work and length, and with errors
//! that name what is wrong and where.

mod escape;
mod filters;
mod names;
mod values;

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde::Serialize;

pub use escape::Escape;

use crate::suggest::did_you_mean;
use names::Use;
use values::{Missing, Watched};

/// The longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 64 << 10;
/// The longest text a template may produce, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// The work one rendering may do, in template instructions.
pub const INSTRUCTIONS_MAX: u64 = 50_000;
/// How deep templates may nest calls.
const RECURSION_LEVELS_MAX: usize = 50;
const NAME: &str = "template";

/// A compiled template. Filters besides minijinja's own: `percent` (0.9234 → `92.34%`), `duration`
/// (seconds → `1m30s`) and `qps` (`12.5 QPS`). A variable that is not there is an error, unless it is
/// only tested or has a `default`.
#[derive(Clone)]
pub struct Template {
    text: Arc<str>,
    environment: Environment<'static>,
}

/// Why a template cannot be used. Lines and columns count from 1 and lie inside the template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column} of the template)")]
pub struct TemplateError {
    message: String,
    hint: Option<String>,
    line: usize,
    column: usize,
}

impl TemplateError {
    fn of_whole(message: String) -> Self {
        TemplateError {
            message,
            hint: None,
            line: 1,
            column: 1,
        }
    }

    fn at(name: &names::Name<'_>, message: String, hint: Option<String>) -> Self {
        TemplateError {
            message,
            hint,
            line: name.line,
            column: name.column,
        }
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The way out, where there is one.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The line inside the template.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column inside that line.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl Template {
    /// Compiles a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > TEMPLATE_BYTES_MAX {
            let message = format!("the template is longer than {TEMPLATE_BYTES_MAX} bytes");
            return Err(TemplateError::of_whole(message));
        }
        let mut environment = new_environment();
        environment
            .add_template_owned(NAME, text.to_owned())
            .map_err(|error| explain(text, &error, None))?;
        let template = Template {
            text: text.into(),
            environment,
        };
        template.check_names()?;
        Ok(template)
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Renders with these values, without escaping.
    pub fn render(&self, values: &impl Serialize) -> Result<String, TemplateError> {
        self.render_escaped(values, Escape::None)
    }

    /// Renders with these values; what they hold is escaped, what the template says is not.
    pub fn render_escaped(
        &self,
        values: &impl Serialize,
        escape: Escape,
    ) -> Result<String, TemplateError> {
        let mut environment = self.environment.clone();
        environment.set_formatter(move |out, _, value| escape::write(escape, out, value));
        let watched = Watched::root(Value::from(Serde(values)));
        let mut output = Limited::default();
        let rendered = environment
            .get_template(NAME)
            .and_then(|template| {
                template.render_captured_to(Value::from_dyn_object(watched.clone()), &mut output)
            })
            .map(drop);
        match rendered {
            Ok(()) => Ok(String::from_utf8_lossy(&output.bytes).into_owned()),
            Err(_) if output.full => Err(TemplateError::of_whole(format!(
                "the text grows beyond {OUTPUT_BYTES_MAX} bytes"
            ))),
            Err(error) => Err(explain(&self.text, &error, Some(&watched))),
        }
    }

    /// The variables it uses, sorted, without those it sets itself.
    pub fn variables(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .environment
            .get_template(NAME)
            .map(|template| template.undeclared_variables(false))
            .unwrap_or_default()
            .into_iter()
            .filter(|name| self.environment.globals().all(|(global, _)| global != name))
            .collect();
        names.sort();
        names
    }

    /// One error for each variable it uses that is not among those known, so that a mistake is found
    /// before the night it would be rendered.
    pub fn unknown_variables(&self, known: &[&str]) -> Vec<TemplateError> {
        let names = names::find(&self.text);
        let unknown = self.variables().into_iter();
        unknown
            .filter(|variable| !known.contains(&variable.as_str()))
            .map(|variable| {
                let message = format!("unknown variable `{variable}`");
                let hint = did_you_mean(&variable, known.iter().copied());
                let place = names.iter().find(|name| {
                    name.text == variable && matches!(name.used, Use::Variable | Use::Call)
                });
                match place {
                    Some(name) => TemplateError::at(name, message, hint),
                    None => TemplateError {
                        hint,
                        ..TemplateError::of_whole(message)
                    },
                }
            })
            .collect()
    }

    /// Refuses filters, tests and functions that do not exist; the engine would say so only when it
    /// reaches them.
    fn check_names(&self) -> Result<(), TemplateError> {
        let variables = self.variables();
        for name in names::find(&self.text) {
            let text = name.text;
            let (what, is_known) = match name.used {
                Use::Filter => ("filter", self.evaluates(&format!("1|{text}"))),
                Use::Test => ("test", self.evaluates(&format!("1 is {text}"))),
                // A value is never a function, so what is called must be one of the engine's.
                Use::Call => (
                    "function",
                    !variables.iter().any(|variable| variable == text),
                ),
                Use::Variable | Use::Attribute => continue,
            };
            if !is_known {
                let hint = (name.used == Use::Filter)
                    .then(|| did_you_mean(text, filters::NAMES.iter().copied()))
                    .flatten();
                return Err(TemplateError::at(
                    &name,
                    format!("unknown {what} `{text}`"),
                    hint,
                ));
            }
        }
        Ok(())
    }

    /// Whether the engine knows the filter or test in an expression, whatever it makes of its input.
    fn evaluates(&self, expression: &str) -> bool {
        let evaluated = self
            .environment
            .compile_expression(expression)
            .and_then(|expression| expression.eval(()));
        !evaluated.is_err_and(|error| {
            matches!(
                error.kind(),
                ErrorKind::UnknownFilter | ErrorKind::UnknownTest
            )
        })
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Template {}

fn new_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(INSTRUCTIONS_MAX));
    environment.set_recursion_limit(RECURSION_LEVELS_MAX);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // Its widths can ask for any amount of memory.
    environment.remove_filter("format");
    filters::add_to(&mut environment);
    environment
}

/// Takes output until it is too long.
#[derive(Default)]
struct Limited {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_BYTES_MAX {
            self.full = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn explain(text: &str, error: &minijinja::Error, watched: Option<&Arc<Watched>>) -> TemplateError {
    let line = error.line().unwrap_or(1);
    let detail = error.detail().unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::UndefinedError => {
            if let Some(missing) = watched.and_then(|watched| watched.last_missing()) {
                return explain_missing(text, line, &missing);
            }
            "a value that is not there is used".to_owned()
        }
        ErrorKind::OutOfFuel => {
            format!("the template does more than {INSTRUCTIONS_MAX} steps")
        }
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {}", detail.replace('"', "`")),
    };
    TemplateError {
        message,
        hint: None,
        line,
        column: tag_column(text, line),
    }
}

fn explain_missing(text: &str, line: usize, missing: &Missing) -> TemplateError {
    let names = names::find(text);
    let place = names
        .iter()
        .find(|name| name.line >= line && name.text == missing.name);
    TemplateError {
        message: format!("unknown variable `{}`", missing.path),
        hint: did_you_mean(&missing.name, missing.known.iter().map(String::as_str)),
        line: place.map_or(line, |name| name.line),
        column: place.map_or_else(|| tag_column(text, line), |name| name.column),
    }
}

/// The engine tells lines, not columns. The tag on this line that is to blame is found by breaking the
/// line before each of its tags: the error moves down exactly for tags at or before it.
fn tag_column(text: &str, line: usize) -> usize {
    let Some(start) = nth_line_start(text, line) else {
        return 1;
    };
    let written = text.get(start..).and_then(|rest| rest.lines().next());
    let written = written.unwrap_or_default();
    let tags: Vec<usize> = ["{{", "{%"]
        .iter()
        .flat_map(|open| written.match_indices(open).map(|(at, _)| at))
        .collect();
    tags.into_iter()
        .filter(|at| {
            let mut broken = text.to_owned();
            broken.insert(start + at, '\n');
            let mut environment = new_environment();
            let moved = environment.add_template_owned(NAME, broken).err();
            moved.and_then(|error| error.line()) == Some(line + 1)
        })
        .max()
        .and_then(|at| written.get(..at))
        .map_or(1, |before| before.chars().count() + 1)
}

fn nth_line_start(text: &str, line: usize) -> Option<usize> {
    match line.checked_sub(2) {
        None => Some(0),
        Some(index) => text.match_indices('\n').nth(index).map(|(at, _)| at + 1),
    }
}

#[cfg(test)]
mod tests;
