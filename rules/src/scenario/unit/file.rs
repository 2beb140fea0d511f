//! The text of a file of unit tests, as promtool reads it. Every mistake is shown at its place.

use std::collections::BTreeMap;
use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::{Alert, Labels, format_duration};

use super::series;
use crate::scenario::file::{LENGTH_MAX_SECONDS, Load};
use crate::set::in_order;

const INTERVAL_DEFAULT: Duration = Duration::from_mins(1);
/// The most series of one test.
const SERIES_MAX: usize = 1_000;
/// The most tests of one file, checks of one test and alerts of one check.
const LIST_MAX: usize = 1_000;

/// A file of unit tests, proven.
#[derive(Debug)]
pub struct UnitTests {
    /// What `rule_files` names: paths or patterns, relative to the file's own folder, with their places.
    pub rule_files: Vec<Node>,
    pub(super) tests: Vec<UnitTest>,
}

#[derive(Debug)]
pub(super) struct UnitTest {
    pub(super) name: Option<String>,
    pub(super) loads: Vec<Load>,
    pub(super) checks: Vec<Check>,
}

/// What must fire at a time.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) place: Node,
    pub(super) at: i64,
    pub(super) alert: String,
    pub(super) alert_place: Node,
    pub(super) expected: Vec<Expected>,
}

#[derive(Debug)]
pub(super) struct Expected {
    pub(super) labels: Labels,
    pub(super) annotations: BTreeMap<String, String>,
}

fn list(item: Shape, min: usize, max: usize) -> Shape {
    Shape::List {
        item: Box::new(item),
        min,
        max,
    }
}

fn shape() -> Shape {
    let test = Record::new("test", "traffic and what must fire")
        .field("name", Shape::Text, "the test's name")
        .field("interval", Shape::Duration, "the time between two samples")
        .field(
            "input_series",
            list(Shape::Record(input_series()), 0, SERIES_MAX),
            "counters of calls",
        )
        .field(
            "alert_rule_test",
            list(Shape::Record(alert_rule_test()), 0, LIST_MAX),
            "what must fire when",
        )
        .field(
            "promql_expr_test",
            Shape::Any,
            "not available in this version",
        )
        .field(
            "external_labels",
            Shape::Any,
            "not available in this version",
        )
        .field("external_url", Shape::Text, "has no effect");
    Shape::Record(
        Record::new("unit tests", "tests of alerts in promtool's format")
            .required(
                "rule_files",
                list(Shape::Text, 1, LIST_MAX),
                "files of native rules",
            )
            .field(
                "evaluation_interval",
                Shape::Duration,
                "the default of `interval`",
            )
            .field("group_eval_order", Shape::Any, "has no effect")
            .field("fuzzy_compare", Shape::Bool, "has no effect")
            .required("tests", list(Shape::Record(test), 1, LIST_MAX), "the tests"),
    )
}

fn input_series() -> Record {
    Record::new("series", "a counter of calls")
        .required("series", Shape::Text, "its name and labels")
        .required("values", Shape::Text, "its samples, such as 0+60x10")
}

fn alert_rule_test() -> Record {
    let expected = Record::new("expected alert", "one alert that fires")
        .field(
            "exp_labels",
            Shape::map("label", Shape::Text),
            "all its labels but alertname",
        )
        .field(
            "exp_annotations",
            Shape::map("annotation", Shape::Text),
            "those of its annotations that are compared",
        );
    Record::new("check", "what must fire at a time")
        .required("eval_time", Shape::Duration, "when")
        .required("alertname", Shape::Text, "the alert")
        .field(
            "exp_alerts",
            list(Shape::Record(expected), 0, LIST_MAX),
            "everything of that name that fires; nothing if left out",
        )
}

impl UnitTests {
    /// Whether a text seems to be a file of unit tests rather than a scenario.
    pub fn is_one(name: &str, text: &str) -> bool {
        let named = [".yaml", ".yml"].iter().any(|end| name.ends_with(end));
        named || declare::read(name, text).is_ok_and(|root| root.field("tests").is_some())
    }

    /// Reads a file. `Err` holds every mistake.
    pub fn parse(name: &str, text: &str) -> Result<UnitTests, Problems> {
        let root = declare::read(name, text)?;
        let mut problems = Problems::new();
        declare::check(&root, &shape(), &mut problems);
        let interval = root
            .duration_of("evaluation_interval")
            .unwrap_or(INTERVAL_DEFAULT);
        let tests = root.items_of("tests").iter();
        let tests = tests
            .map(|test| read_test(test, interval, &mut problems))
            .collect();
        if problems.has_errors() {
            let mut ordered = Problems::new();
            for problem in in_order(problems) {
                ordered.push(problem);
            }
            return Err(ordered);
        }
        Ok(UnitTests {
            rule_files: root.items_of("rule_files").to_vec(),
            tests,
        })
    }
}

fn read_test(test: &Node, interval: Duration, problems: &mut Problems) -> UnitTest {
    if let Some(stray) = test.key("promql_expr_test") {
        problems
            .error(
                stray,
                "`promql_expr_test` asks PromQL, which this version does not evaluate",
            )
            .hint("test what fires by `alert_rule_test`");
    }
    if let Some(stray) = test.key("external_labels") {
        problems
            .error(stray, "`external_labels` are not known to native rules")
            .hint("write `labels` at the rule or its group");
    }
    let interval = read_interval(test, interval, problems);
    let mut loads = Vec::new();
    for input in test.items_of("input_series") {
        let (Some(name), Some(values)) = (input.field("series"), input.field("values")) else {
            continue;
        };
        let series = series::read_name(name.text().unwrap_or_default());
        let samples = series::read_values(values.text().unwrap_or_default());
        match (series, samples) {
            (Ok((series, failed)), Ok(samples)) => {
                loads.extend(series::loads(&series, failed, &samples, interval));
            }
            (series, samples) => {
                for (place, refused) in [(name, series.err()), (values, samples.err())] {
                    if let Some((message, hint)) = refused {
                        problems.error(place, message).hint(hint);
                    }
                }
            }
        }
    }
    let checks = test.items_of("alert_rule_test").iter();
    let checks: Vec<Check> = checks
        .filter_map(|check| read_check(check, problems))
        .collect();
    if checks.is_empty() && test.field("promql_expr_test").is_none() && !problems.has_errors() {
        problems
            .error(test, "the test expects nothing")
            .hint("add `alert_rule_test` with `eval_time` and `alertname`");
    }
    UnitTest {
        name: test.text_of("name").map(str::to_owned),
        loads,
        checks,
    }
}

/// Whole seconds.
fn read_interval(test: &Node, default: Duration, problems: &mut Problems) -> i64 {
    let interval = test.duration_of("interval").unwrap_or(default);
    if interval.subsec_nanos() != 0 || interval.is_zero() {
        let place = test.field("interval").unwrap_or(test);
        problems
            .error(
                place,
                format!("`interval: {}` cannot be kept", format_duration(interval)),
            )
            .hint("write whole seconds, such as 15s");
        return 1;
    }
    i64::try_from(interval.as_secs()).unwrap_or(LENGTH_MAX_SECONDS)
}

fn read_check(check: &Node, problems: &mut Problems) -> Option<Check> {
    let place = check.field("eval_time")?;
    let time = place.duration()?;
    let at = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let written = place.text().unwrap_or_default();
    if time.subsec_nanos() != 0 || at > LENGTH_MAX_SECONDS {
        problems
            .error(place, format!("`eval_time: {written}` is out of reach"))
            .hint("write whole seconds up to 7d");
        return None;
    }
    let alert = check.text_of("alertname")?.to_owned();
    let expected = check.items_of("exp_alerts").iter();
    Some(Check {
        place: place.clone(),
        at,
        expected: expected.map(|own| read_expected(own, &alert)).collect(),
        alert_place: check.field("alertname")?.clone(),
        alert,
    })
}

fn read_expected(expected: &Node, alert: &str) -> Expected {
    let pairs = |name: &str| {
        let record = expected.field(name);
        let fields = record.into_iter().flat_map(Node::fields);
        let text = |(key, value): (&Node, &Node)| {
            Some((key.key_text()?.to_owned(), value.text()?.to_owned()))
        };
        fields.filter_map(text).collect::<Vec<_>>()
    };
    let mut labels = Labels::new();
    // promtool adds the name as well.
    labels.set(Alert::NAME_LABEL, alert);
    for (name, value) in pairs("exp_labels") {
        labels.set(&name, &value);
    }
    Expected {
        labels,
        annotations: pairs("exp_annotations").into_iter().collect(),
    }
}
