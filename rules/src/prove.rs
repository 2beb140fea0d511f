//! Whether the queries of `sql` rules can be answered: asked of tables without rows, so that a wrong name is
//! found before anything runs.

use std::time::Duration;

use declare::{Level, Node, Place, Problem, Problems};
use store::{QueryEngine, QueryError, QueryLimits, Snapshot};

use crate::answers;
use crate::condition::{Condition, VALUE};
use crate::rule::{Rule, Settings};
use crate::set::RuleSet;

const LIMITS: QueryLimits = QueryLimits {
    rows_max: 1,
    deadline: Duration::from_secs(10),
};
/// Functions that are meant most often by one that is not there.
const FUNCTIONS: [&str; 12] = [
    "avg",
    "count",
    "date_part",
    "max",
    "merge_sketches",
    "min",
    "now",
    "quantile",
    "sketch_quantile",
    "success_rate",
    "sum",
    "time_bucket",
];
/// Types of an answer that are numbers.
const NUMBERS: [&str; 2] = ["number", "integer"];

impl RuleSet {
    /// Whether any rule asks a query.
    pub fn has_queries(&self) -> bool {
        let asks = |settings: &Settings| matches!(settings.condition, Condition::Sql(_));
        self.rules()
            .iter()
            .any(|rule| asks(&rule.daily) || rule.rush.as_ref().is_some_and(asks))
    }

    /// Asks every query of tables without rows. What cannot be answered is a problem at the word that is
    /// wrong, where the query stands as it is written.
    pub async fn prove_queries(&self, engine: &QueryEngine, problems: &mut Problems) {
        for rule in self.rules() {
            let Some(place) = &rule.place else { continue };
            let rush = place.field("rush");
            let in_rush = rule
                .rush
                .as_ref()
                .zip(rush.and_then(|rush| rush.field("sql")));
            let daily = Some(&rule.daily).zip(place.field("sql"));
            for (settings, node) in [daily, in_rush].into_iter().flatten() {
                if let Condition::Sql(condition) = &settings.condition {
                    prove(rule, &condition.text, node, engine, problems).await;
                }
            }
        }
    }
}

async fn prove(rule: &Rule, sql: &str, node: &Node, engine: &QueryEngine, problems: &mut Problems) {
    let answer = match engine.query(Snapshot::default(), sql, &LIMITS).await {
        Ok(answer) => answer,
        Err(error) => {
            problems.push(refused(&error, node));
            return;
        }
    };
    if let Err(missing) = answers::groups(&answer, &rule.select.by) {
        problems.error(node, missing).hint(format!(
            "select a column `{VALUE}` and one for each dimension of `by`"
        ));
        return;
    }
    let columns = answer.to_json()["columns"].clone();
    let value = columns
        .as_array()
        .and_then(|columns| columns.iter().find(|column| column["name"] == VALUE));
    let kind = value
        .and_then(|column| column["type"].as_str())
        .unwrap_or("");
    if !NUMBERS.contains(&kind) {
        problems
            .error(
                node,
                format!("the column `{VALUE}` is {kind}, not a number"),
            )
            .hint("count, add up or cast what is measured: count(*) AS value");
    }
}

/// The engine's reason as a problem: message, place and way out.
fn refused(error: &QueryError, node: &Node) -> Problem {
    let (word, message, hint) = match error {
        QueryError::UnknownColumn {
            name,
            suggestion,
            known,
        } => (
            Some(name.as_str()),
            format!("there is no column `{name}`"),
            did_you_mean(suggestion.as_deref(), "the columns are", known.join(", ")),
        ),
        QueryError::UnknownTable { name, suggestion } => (
            Some(name.as_str()),
            format!("there is no table `{name}`"),
            did_you_mean(
                suggestion.as_deref(),
                "the tables are",
                store::Table::ALL.map(store::Table::name).join(", "),
            ),
        ),
        other => return refused_otherwise(&other.to_string(), node),
    };
    at_word(node, word, message, hint)
}

fn did_you_mean(suggestion: Option<&str>, are: &str, known: String) -> String {
    suggestion.map_or_else(
        || format!("{are} {known}"),
        |near| format!("did you mean `{near}`?"),
    )
}

/// What the engine says in words alone: of a function that is not there, or where it stopped reading.
fn refused_otherwise(text: &str, node: &Node) -> Problem {
    let unknown = text
        .split_once("Invalid function '")
        .and_then(|(_, rest)| rest.split_once('\''));
    if let Some((name, _)) = unknown {
        let near = declare::closest(name, FUNCTIONS).map_or_else(
            || "docs/sql.md lists those that Rampart adds".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return at_word(
            node,
            Some(name),
            format!("there is no function `{name}`"),
            near,
        );
    }
    let hint = "`rampart query` asks it of a running server".to_owned();
    let Some((message, line, column)) = stopped_at(text) else {
        return at_word(node, None, text.to_owned(), hint);
    };
    let place = node.place_within(line, column).unwrap_or(node.place());
    let mut problem = Problem::new(node.file(), place, Level::Error, message);
    problem.hint(hint);
    problem
}

/// `… at Line: 1, Column: 41` taken apart.
fn stopped_at(text: &str) -> Option<(&str, usize, usize)> {
    let (message, place) = text.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some((message, line.parse().ok()?, column.trim().parse().ok()?))
}

/// A problem at the first place below `node` where a word stands as it is written, else at `node`.
fn at_word(node: &Node, word: Option<&str>, message: String, hint: String) -> Problem {
    let place = word
        .and_then(|word| find(node, word))
        .unwrap_or(node.place());
    let mut problem = Problem::new(node.file(), place, Level::Error, message);
    problem.hint(hint);
    problem
}

fn find(node: &Node, word: &str) -> Option<Place> {
    let file = node.file();
    let first = node.place().line;
    let is_part = |sign: char| sign.is_alphanumeric() || sign == '_';
    // A query has so many lines at most as its text, folded or not, can be spread over.
    for line in first..=file.line_count() {
        let written: Vec<char> = file.line(line).to_lowercase().chars().collect();
        let wanted: Vec<char> = word.to_lowercase().chars().collect();
        let from = if line == first {
            node.place().column - 1
        } else {
            0
        };
        for (at, window) in written.windows(wanted.len()).enumerate().skip(from) {
            let before = at.checked_sub(1).and_then(|before| written.get(before));
            let after = written.get(at + wanted.len());
            let whole = ![before, after]
                .into_iter()
                .flatten()
                .any(|sign| is_part(*sign));
            if whole && window == wanted {
                return Some(Place {
                    line,
                    column: at + 1,
                    width: wanted.len(),
                });
            }
        }
    }
    None
}
