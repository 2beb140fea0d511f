//! The section `collector:` as typed values, and every mistake in it at once.

mod shape;
mod source;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use declare::{Node, Problems};
use model::Labels;

use crate::formats::{Format, Meaning};
pub use shape::shape;

/// Targets of one scrape source.
pub(crate) const TARGETS_MAX: usize = 1_000;
/// Sources of one configuration.
const SOURCES_MAX: usize = 256;
/// The source that takes pushes nobody declared.
pub const PUSH: &str = "push";

/// Where calls and metrics come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The sources in the order written.
    pub sources: Vec<SourceConfig>,
}

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// Its name, unique.
    pub name: String,
    /// The way in.
    pub input: Input,
    /// How its lines are written; of no meaning for a scrape.
    pub format: Format,
    /// What its lines mean.
    pub meaning: Arc<Meaning>,
}

/// The way in.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Files on this machine.
    File(FileInput),
    /// Prometheus targets.
    Scrape(ScrapeInput),
    /// Pushes.
    Http(HttpInput),
}

impl Input {
    /// The word in configuration and answers.
    pub fn kind(&self) -> &'static str {
        match self {
            Input::File(_) => "file",
            Input::Scrape(_) => "scrape",
            Input::Http(_) => "http",
        }
    }
}

/// Lines appended to files.
#[derive(Clone, Debug, PartialEq)]
pub struct FileInput {
    /// The file, or a pattern in its last part.
    pub path: String,
    /// How long the writer may hold a line back.
    pub flush_delay: Duration,
    /// Whether a file never read before is read from its beginning.
    pub from_beginning: bool,
}

/// Metrics fetched from targets.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeInput {
    /// Where to fetch from.
    pub targets: Vec<Target>,
    /// How often.
    pub every: Duration,
    /// How long one fetch may take.
    pub timeout: Duration,
    /// Whether scraped labels win over those of the source.
    pub honor_labels: bool,
    /// The largest answer.
    pub body_bytes_max: usize,
    /// The most samples of one target.
    pub samples_max: usize,
    /// `job` and the source's other labels.
    pub labels: Labels,
}

/// One place to scrape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The whole URL.
    pub url: String,
    /// `host:port`, its label `instance`.
    pub instance: String,
}

/// Pushed lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpInput {
    /// A batch comes at least this often.
    pub expect_every: Option<Duration>,
}

impl Config {
    /// Reads the section after [`declare::check`] with [`shape`]. Every mistake goes to `problems`
    /// with its place; `None` when there is one, so that nothing half-understood is ever started.
    pub fn read(node: &Node, problems: &mut Problems) -> Option<Config> {
        let before = problems.len();
        if let Some(grpc) = node.field("otlp_grpc")
            && !matches!(grpc.as_text(), Some("off" | "false" | "no"))
        {
            problems
                .error(grpc, "OTLP over gRPC is not available in this version")
                .hint("write off, or leave the line out");
        }
        let items = node.items_of("sources");
        if let Some(beyond) = items.get(SOURCES_MAX) {
            problems.error(beyond, format!("more than {SOURCES_MAX} sources"));
        }
        report_duplicates(items, problems);
        let sources: Vec<SourceConfig> = items
            .iter()
            .filter_map(|item| source::read(item, problems))
            .collect();
        (problems.len() == before).then_some(Config { sources })
    }

    /// Reads an absent section.
    pub fn empty() -> Config {
        Config::default()
    }
}

fn report_duplicates(items: &[Node], problems: &mut Problems) {
    let mut first_lines: HashMap<&str, usize> = HashMap::new();
    for name in items.iter().filter_map(|item| item.field("name")) {
        let Some(text) = name.as_text() else {
            continue;
        };
        match first_lines.get(text) {
            Some(line) => {
                problems
                    .error(
                        name,
                        format!("source {text:?} is already declared in line {line}"),
                    )
                    .hint("give every source its own name");
            }
            None => {
                first_lines.insert(text, name.place().line);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
