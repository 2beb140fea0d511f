//! The text of a scenario file. Every mistake is shown at its place.

use declare::{Level, Place, Problem, Problems, SourceFile};
use model::{FunctionId, Mode, Ratio, format_duration, parse_duration};

use crate::releases::{Release, Stage};

/// A scenario, proven.
#[derive(Debug)]
pub struct Scenario {
    /// Where it was written.
    pub file: SourceFile,
    /// Rule files, relative to the scenario's own folder.
    pub rules: Vec<RulesPath>,
    /// The mode that holds all along.
    pub mode: Mode,
    /// What must be true when.
    pub expectations: Vec<Expectation>,
    pub(super) loads: Vec<Load>,
    /// Seconds and the share of data that arrives; `None` when nobody knows.
    pub(super) dim: Vec<(i64, i64, Option<f64>)>,
    pub(super) restarts: Vec<(i64, i64)>,
    pub(super) releases: Vec<Release>,
}

/// A rule file that a scenario names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesPath {
    /// As written.
    pub path: String,
    /// Where.
    pub place: Place,
}

/// What must be true at a time.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Seconds since the beginning.
    pub at: i64,
    /// As written.
    pub text: String,
    /// Where.
    pub place: Place,
    /// `None` for `nothing`.
    pub(super) alert: Option<Expected>,
}

#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) rule: String,
    pub(super) labels: Vec<(String, String)>,
    pub(super) phase: &'static str,
}

/// One stretch of steady traffic of one series.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) series: Series,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) qps: f64,
    pub(super) success: f64,
    pub(super) slow: f64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) function: Option<FunctionId>,
    pub(super) unit: String,
    pub(super) version: String,
    pub(super) zone: String,
    pub(super) served_by: String,
}

const PHASES: [&str; 4] = ["firing", "pending", "clearing", "inactive"];
/// The furthest time of a scenario, either way.
const TIME_MAX_SECONDS: i64 = 40 * 86_400;
/// How long a scenario may be.
pub(super) const LENGTH_MAX_SECONDS: i64 = 7 * 86_400;

/// A word and the column it begins at.
type Word<'a> = (usize, &'a str);

/// A mistake in a line: which column, how wide, what, and the way out.
struct Mistake {
    column: usize,
    width: usize,
    message: String,
    hint: String,
}

fn mistake(word: Word<'_>, message: String, hint: &str) -> Mistake {
    Mistake {
        column: word.0,
        width: word.1.chars().count(),
        message,
        hint: hint.to_owned(),
    }
}

impl Scenario {
    /// Reads a scenario. `Err` holds every mistake.
    pub fn parse(name: &str, text: &str) -> Result<Scenario, Problems> {
        let mut scenario = Scenario {
            file: SourceFile::new(name, text),
            rules: Vec::new(),
            mode: Mode::Daily,
            expectations: Vec::new(),
            loads: Vec::new(),
            dim: Vec::new(),
            restarts: Vec::new(),
            releases: Vec::new(),
        };
        let mut problems = Problems::new();
        let mut series = Series::default();
        for line in 1..=scenario.file.line_count() {
            let text = scenario.file.line(line).to_owned();
            let words = words_of(&text);
            let Some(first) = words.first() else { continue };
            if let Err(found) = scenario.read_line(line, &text, &words, &mut series) {
                let place = Place {
                    line,
                    column: found.column.max(first.0),
                    width: found.width,
                };
                let mut problem = Problem::new(&scenario.file, place, Level::Error, found.message);
                problem.hint(found.hint);
                problems.push(problem);
            }
        }
        if problems.is_empty() && scenario.expectations.is_empty() {
            let place = Place {
                line: 1,
                column: 1,
                width: 0,
            };
            let mut problem = Problem::new(
                &scenario.file,
                place,
                Level::Error,
                "the scenario expects nothing",
            );
            problem.hint("end with what must hold: `at 10m expect nothing`");
            problems.push(problem);
        }
        if problems.is_empty() {
            Ok(scenario)
        } else {
            Err(problems)
        }
    }

    pub(super) fn is_down(&self, second: i64) -> bool {
        let down = |(from, to): &(i64, i64)| (*from..*to).contains(&second);
        self.restarts.iter().any(down)
    }

    fn read_line(
        &mut self,
        line: usize,
        text: &str,
        words: &[Word<'_>],
        series: &mut Series,
    ) -> Result<(), Mistake> {
        match words {
            [(_, "rules"), path] => self.rules.push(RulesPath {
                path: path.1.to_owned(),
                place: place(line, *path),
            }),
            [(_, "mode"), mode] => {
                self.mode = match mode.1 {
                    "daily" => Mode::Daily,
                    "rush" => Mode::Rush,
                    other => {
                        let message = format!("`{other}` is no mode");
                        return Err(mistake(*mode, message, "write daily or rush"));
                    }
                }
            }
            [(_, "load"), (_, "function"), id, labels @ ..] => *series = read_series(*id, labels)?,
            [(_, "late"), when, share] => {
                let (from, to) = range(*when)?;
                self.dim.push((from, to, Some(ratio(*share)?)));
            }
            [(_, "blind"), when] => {
                let (from, to) = range(*when)?;
                self.dim.push((from, to, None));
            }
            [(_, "restart"), when] => self.restarts.push(range(*when)?),
            [(_, "release"), when, id, labels @ ..] => {
                self.releases.push(read_release(*when, *id, labels)?);
            }
            [(_, "at"), when, (_, "expect"), rest @ ..] => {
                let expectation = read_expectation(line, text, *when, rest)?;
                self.expectations.push(expectation);
            }
            [when, traffic @ ..] if when.1.contains("..") => {
                let load = read_load(*when, traffic, series)?;
                self.loads.push(load);
            }
            [first, ..] => {
                let known = [
                    "rules", "mode", "load", "late", "blind", "restart", "release", "at",
                ];
                let hint = declare::closest(first.1, known).map_or_else(
                    || {
                        format!(
                            "a line begins with {} or a stretch such as 0s..10m",
                            known.join(", ")
                        )
                    },
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("`{text}` says nothing", text = text.trim());
                return Err(mistake(*first, message, &hint));
            }
            [] => {}
        }
        Ok(())
    }
}

fn read_function(id: Word<'_>) -> Result<FunctionId, Mistake> {
    id.1.parse::<FunctionId>().map_err(|_| {
        let message = format!("`{}` is not a function", id.1);
        mistake(id, message, "write namespace/name, such as guide/feed")
    })
}

fn read_series(id: Word<'_>, labels: &[Word<'_>]) -> Result<Series, Mistake> {
    let mut series = Series {
        function: Some(read_function(id)?),
        ..Series::default()
    };
    for label in labels {
        let (name, value) = label.1.split_once('=').unwrap_or((label.1, ""));
        let slot = match name {
            "unit" => &mut series.unit,
            "version" => &mut series.version,
            "zone" => &mut series.zone,
            "served_by" => &mut series.served_by,
            _ => {
                let message = format!("`{}` is no label of traffic", label.1);
                return Err(mistake(
                    *label,
                    message,
                    "write unit=, version=, zone= or served_by=",
                ));
            }
        };
        value.clone_into(slot);
    }
    Ok(series)
}

/// `release 10m guide/feed version=7 stage=gray`.
fn read_release(when: Word<'_>, id: Word<'_>, labels: &[Word<'_>]) -> Result<Release, Mistake> {
    let at = seconds(when.1).ok_or_else(|| {
        let message = format!("`{}` is not a time of the scenario", when.1);
        mistake(when, message, "write 0s to 7d, such as 10m40s")
    })?;
    let mut release = Release {
        function: read_function(id)?,
        version: String::new(),
        stage: Stage::Full,
        percent: None,
        unit: None,
        at: super::instant(at),
        by: "scenario".to_owned(),
    };
    for label in labels {
        match label.1.split_once('=') {
            Some(("version", version)) => version.clone_into(&mut release.version),
            Some(("unit", unit)) => release.unit = Some(unit.to_owned()),
            Some(("stage", stage)) => {
                release.stage = Stage::from_word(stage).ok_or_else(|| {
                    let message = format!("`{stage}` is no stage of a release");
                    let hint = format!("write one of {}", Stage::WORDS.join(", "));
                    mistake(*label, message, &hint)
                })?;
            }
            _ => {
                let message = format!("`{}` says nothing of a release", label.1);
                return Err(mistake(*label, message, "write version=, stage= or unit="));
            }
        }
    }
    if release.version.is_empty() {
        let message = "the release names no version".to_owned();
        return Err(mistake(when, message, "write version=7"));
    }
    Ok(release)
}

fn read_load(when: Word<'_>, traffic: &[Word<'_>], series: &Series) -> Result<Load, Mistake> {
    if series.function.is_none() {
        let message = "traffic of no function".to_owned();
        return Err(mistake(
            when,
            message,
            "write `load function guide/feed` above it",
        ));
    }
    let (from, to) = range(when)?;
    let mut load = Load {
        series: series.clone(),
        from,
        to,
        qps: 0.0,
        success: 1.0,
        slow: 0.0,
    };
    let mut named_qps = false;
    for pair in traffic.chunks(2) {
        let [word, value] = pair else {
            let word = pair.first().copied().unwrap_or(when);
            let message = format!("`{}` has no value", word.1);
            return Err(mistake(
                word,
                message,
                "write qps 200, success 99.9% or slow 5%",
            ));
        };
        match word.1 {
            "qps" => {
                named_qps = true;
                load.qps = value
                    .1
                    .parse::<f64>()
                    .ok()
                    .filter(|qps| *qps >= 0.0 && qps.is_finite())
                    .ok_or_else(|| {
                        let message = format!("`{}` is not a number of calls per second", value.1);
                        mistake(*value, message, "write it without a unit: qps 200")
                    })?;
            }
            "success" => load.success = ratio(*value)?,
            "slow" => load.slow = ratio(*value)?,
            other => {
                let hint = declare::closest(other, ["qps", "success", "slow"]).map_or_else(
                    || "write qps, success or slow".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("traffic has no `{other}`");
                return Err(mistake(*word, message, &hint));
            }
        }
    }
    if !named_qps {
        let message = "the traffic does not say how much".to_owned();
        return Err(mistake(when, message, "write calls per second: qps 200"));
    }
    Ok(load)
}

fn read_expectation(
    line: usize,
    text: &str,
    when: Word<'_>,
    rest: &[Word<'_>],
) -> Result<Expectation, Mistake> {
    let at = seconds(when.1).filter(|at| (0..=LENGTH_MAX_SECONDS).contains(at));
    let at = at.ok_or_else(|| {
        let message = format!("`{}` is not a time of the scenario", when.1);
        mistake(when, message, "write 0s to 7d, such as 10m40s")
    })?;
    let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
        let message = "the line does not say what is expected".to_owned();
        return Err(mistake(
            when,
            message,
            "write `nothing`, or an alert and its phase",
        ));
    };
    let said: String = text.chars().skip(first.0 - 1).collect();
    let expectation = |alert| Expectation {
        at,
        text: said.trim().to_owned(),
        place: place(line, (first.0, said.trim())),
        alert,
    };
    if rest.len() == 1 && first.1 == "nothing" {
        return Ok(expectation(None));
    }
    let phase = PHASES.into_iter().find(|phase| *phase == last.1);
    let Some(phase) = phase.filter(|_| rest.len() > 1) else {
        let hint = declare::closest(last.1, PHASES).map_or_else(
            || format!("end with one of {}", PHASES.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("`{}` is no phase", last.1);
        return Err(mistake(*last, message, &hint));
    };
    let named = said.trim().trim_end_matches(phase).trim();
    let (rule, labels) = match named.split_once('{') {
        Some((rule, labels)) => (rule, read_labels(labels, *first)?),
        None => (named, Vec::new()),
    };
    Ok(expectation(Some(Expected {
        rule: rule.trim().to_owned(),
        labels,
        phase,
    })))
}

/// `unit="a", zone="b"}`.
fn read_labels(text: &str, word: Word<'_>) -> Result<Vec<(String, String)>, Mistake> {
    let refuse = || {
        let message = format!("`{{{text}` is no label set");
        mistake(word, message, "write it as {unit=\"a\", zone=\"b\"}")
    };
    let inner = text.trim().strip_suffix('}').ok_or_else(refuse)?;
    let pairs = inner
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
            Some((name.trim().to_owned(), value.to_owned()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(refuse)
}

/// Words with the columns they begin at; `#` begins a comment.
fn words_of(line: &str) -> Vec<Word<'_>> {
    let line = line.split('#').next().unwrap_or("");
    let mut words = Vec::new();
    let mut column = 1;
    let mut rest = line;
    while !rest.is_empty() {
        let blank = rest.len() - rest.trim_start().len();
        column += rest.get(..blank).map_or(0, |blank| blank.chars().count());
        rest = rest.get(blank..).unwrap_or("");
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if !word.is_empty() {
            words.push((column, word));
        }
        column += word.chars().count();
        rest = after;
    }
    words
}

fn place(line: usize, word: Word<'_>) -> Place {
    Place {
        line,
        column: word.0,
        width: word.1.chars().count(),
    }
}

fn ratio(word: Word<'_>) -> Result<f64, Mistake> {
    Ratio::parse(word.1)
        .map(Ratio::get)
        .map_err(|error| mistake(word, error.to_string(), "write a share, such as 99.9%"))
}

fn range(word: Word<'_>) -> Result<(i64, i64), Mistake> {
    let ends = word
        .1
        .split_once("..")
        .and_then(|(from, to)| Some((seconds(from)?, seconds(to)?)))
        .filter(|(from, to)| from < to);
    ends.ok_or_else(|| {
        let message = format!("`{}` is not a stretch of time", word.1);
        mistake(word, message, "write from..to, such as 10m..12m or -7d..0s")
    })
}

/// `10m40s`, or `-7d` before the beginning.
fn seconds(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let duration = parse_duration(text).ok()?;
    let seconds = i64::try_from(duration.as_secs()).ok()?;
    (duration.subsec_nanos() == 0 && seconds <= TIME_MAX_SECONDS).then_some(sign * seconds)
}

/// A time as it is written.
pub(super) fn time(second: i64) -> String {
    let duration = std::time::Duration::from_secs(second.unsigned_abs());
    let sign = if second < 0 { "-" } else { "" };
    format!("{sign}{}", format_duration(duration))
}
