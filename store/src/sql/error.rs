//! Why a question in SQL got no answer, in words for whoever asked.

use std::time::Duration;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::relation::Relation;
use super::{CONCURRENT_MAX, TEXT_BYTES_MAX};

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is not SQL.
    #[error("the query is not valid SQL: {0}")]
    Syntax(String),
    /// It is SQL that is not answered here.
    #[error(
        "{0} is not allowed; write one SELECT (WITH is fine) over the tables {tables}",
        tables = Relation::names()
    )]
    NotAllowed(String),
    /// A table that is not there.
    #[error("there is no table {name:?}{}; the tables are {}", suggest(suggestion.as_deref()), Relation::names())]
    UnknownTable {
        /// The table asked for.
        name: String,
        /// The one that may have been meant.
        suggestion: Option<String>,
    },
    /// A column that is not there.
    #[error("there is no column {name:?}{}; the columns are {}", suggest(suggestion.as_deref()), known.join(", "))]
    UnknownColumn {
        /// The column asked for.
        name: String,
        /// The one that may have been meant.
        suggestion: Option<String>,
        /// Those that are there.
        known: Vec<String>,
    },
    /// Valid SQL that makes no sense over these tables, such as a wrong type.
    #[error("the query cannot be answered: {0}")]
    Invalid(String),
    /// The text is longer than allowed.
    #[error("the query is {bytes} bytes long, more than the {max} allowed", max = TEXT_BYTES_MAX)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It did not end in time.
    #[error("the query took longer than {}; narrow it, for example with ts >= now() - interval '1 hour'", model::format_duration(*.0))]
    Deadline(Duration),
    /// It needed more memory than queries may have.
    #[error(
        "the query needs more than the {memory_bytes} bytes of memory that queries may use; narrow it or group by less"
    )]
    Memory {
        /// What all queries together may use.
        memory_bytes: usize,
    },
    /// Too many at once.
    #[error("{max} queries are running already; try again", max = CONCURRENT_MAX)]
    Busy,
    /// Reading failed; not the asker's fault.
    #[error("the query failed: {0}")]
    Failed(String),
}

impl QueryError {
    /// Whether asking differently helps; otherwise it may help to ask again later.
    pub fn is_mistake(&self) -> bool {
        !matches!(self, QueryError::Busy | QueryError::Failed(_))
    }

    /// What DataFusion says, sorted and in our words.
    pub(super) fn from_engine(error: &DataFusionError, memory_bytes: usize) -> QueryError {
        match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                Self::from_engine(inner, memory_bytes)
            }
            DataFusionError::Shared(inner) => Self::from_engine(inner, memory_bytes),
            DataFusionError::Collection(all) => match all.first() {
                Some(first) => Self::from_engine(first, memory_bytes),
                None => QueryError::Failed("no reason was given".to_owned()),
            },
            DataFusionError::SQL(inner, _) => QueryError::Syntax(readable(&inner.to_string())),
            DataFusionError::SchemaError(inner, _) => Self::from_schema(inner),
            DataFusionError::ResourcesExhausted(_) => QueryError::Memory { memory_bytes },
            DataFusionError::Plan(text)
            | DataFusionError::NotImplemented(text)
            | DataFusionError::Execution(text)
            | DataFusionError::Configuration(text) => QueryError::Invalid(readable(text)),
            DataFusionError::ArrowError(inner, _) => {
                QueryError::Invalid(readable(&inner.to_string()))
            }
            other => QueryError::Failed(readable(&other.strip_backtrace())),
        }
    }

    fn from_schema(error: &SchemaError) -> QueryError {
        match error {
            SchemaError::FieldNotFound {
                field,
                valid_fields,
            } => {
                let mut known: Vec<String> = Vec::new();
                for field in valid_fields {
                    if !known.contains(&field.name) {
                        known.push(field.name.clone());
                    }
                }
                QueryError::UnknownColumn {
                    suggestion: nearest(&field.name, known.iter().map(String::as_str)),
                    name: field.name.clone(),
                    known,
                }
            }
            other => QueryError::Invalid(readable(&other.to_string())),
        }
    }
}

fn suggest(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!(", did you mean {name:?}"))
}

/// The first line, without the engine's own prefixes and at a bearable length.
fn readable(text: &str) -> String {
    let line = text.lines().next().unwrap_or("").trim();
    let line = line
        .trim_start_matches("Error during planning: ")
        .trim_start_matches("Execution error: ")
        .trim_start_matches("sql parser error: ");
    line.chars().take(400).collect()
}

/// The known name closest to the one written, if it is close at all.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    let near = known.map(|word| (distance(&name, word), word)).min()?;
    (near.0 <= (name.chars().count() / 3).max(1)).then(|| near.1.to_owned())
}

/// How many letters have to be added, removed or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (at, own) in other.iter().enumerate() {
            let changed = diagonal + usize::from(*own != letter);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
