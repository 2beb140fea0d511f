//! `GET /api/v1/functions/{namespace}/{function}/series`: curves, as columns.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use inbound::{Json, Path, ProblemDocument, Query};
use model::{FunctionId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Counts, Dimension, Selection};

use crate::Sources;
use crate::range::{self, LONGEST, SECONDS_KEPT};

/// The most steps in one answer.
const STEPS_MAX: u64 = 2_000;

/// What may be asked. `compare` gives the same stretch that much earlier.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    from: Option<String>,
    to: Option<String>,
    step: Option<String>,
    by: Option<String>,
    compare: Option<String>,
}

/// One curve; `values` stand under the same places of `time`.
#[derive(Debug, Serialize)]
pub(crate) struct Curve {
    labels: BTreeMap<&'static str, String>,
    measure: &'static str,
    values: Vec<Option<f64>>,
}

/// Curves over common times, in seconds since the epoch.
#[derive(Debug, Serialize)]
pub(crate) struct Curves {
    time: Vec<i64>,
    step_seconds: u64,
    series: Vec<Curve>,
}

struct Stretch {
    from: Timestamp,
    to: Timestamp,
    step: Duration,
}

/// QPS and success rate of one function over a stretch of time.
pub(crate) async fn show(
    State(sources): State<Sources>,
    Path((namespace, function)): Path<(String, String)>,
    Query(question): Query<Question>,
) -> Result<Json<Curves>, ProblemDocument> {
    let id = FunctionId::new(&namespace, &function)
        .map_err(|error| ProblemDocument::not_found(error.to_string()))?;
    let now = sources.clock.now();
    let stretch = stretch(&question, now)?;
    let by = dimension(question.by.as_deref())?;
    let steps = steps_of(&stretch);
    let mut series = Vec::new();
    for (labels, line) in lines(&sources, &id, by, &stretch, now).await? {
        series.extend(curves(labels, &line, &stretch));
    }
    if let Some(text) = question.compare.as_deref() {
        let back = range::length(Some(text), "compare", Duration::ZERO, LONGEST)?;
        let earlier = Stretch {
            from: stretch.from - back,
            to: stretch.to - back,
            step: stretch.step,
        };
        for (mut labels, line) in lines(&sources, &id, by, &earlier, now).await? {
            labels.insert("compare", text.to_owned());
            series.extend(curves(labels, &line, &earlier));
        }
    }
    if series.is_empty() && sources.store.rollups().function(&id).is_none() {
        return Err(
            ProblemDocument::not_found(format!("no call of the function {id} is known"))
                .hint("GET /api/v1/functions lists those that are"),
        );
    }
    Ok(Json(Curves {
        time: steps,
        step_seconds: stretch.step.as_secs(),
        series,
    }))
}

fn stretch(question: &Question, now: Timestamp) -> Result<Stretch, ProblemDocument> {
    let to = range::instant(question.to.as_deref(), "to", now)?;
    let from = range::instant(question.from.as_deref(), "from", to - SECONDS_KEPT)?;
    let length = to.since(from);
    if length.is_zero() || length > LONGEST {
        return Err(ProblemDocument::bad_request(
            "`from` must lie before `to`, by at most 31 days",
        )
        .field("from"));
    }
    let finest = if now.since(from) > SECONDS_KEPT {
        Duration::from_mins(1)
    } else {
        Duration::from_secs(1)
    };
    let fitting = Duration::from_secs(length.as_secs().div_ceil(STEPS_MAX)).max(finest);
    let mut step = range::length(
        question.step.as_deref(),
        "step",
        fitting,
        Duration::from_hours(24),
    )?
    .max(fitting);
    if finest.as_secs() == 60 {
        step = Duration::from_secs(step.as_secs().div_ceil(60) * 60);
    }
    Ok(Stretch {
        from: from.floor_to(step),
        to,
        step,
    })
}

fn dimension(by: Option<&str>) -> Result<Option<Dimension>, ProblemDocument> {
    let Some(word) = by else { return Ok(None) };
    match Dimension::from_word(word) {
        Some(dimension @ (Dimension::Version | Dimension::Unit | Dimension::Zone)) => {
            Ok(Some(dimension))
        }
        _ => Err(
            ProblemDocument::bad_request(format!("cannot split by {word:?}"))
                .field("by")
                .hint("use version, unit or zone"),
        ),
    }
}

fn steps_of(stretch: &Stretch) -> Vec<i64> {
    let mut steps = Vec::new();
    let mut at = stretch.from;
    while at < stretch.to {
        steps.push(at.as_seconds());
        at = at + stretch.step;
    }
    steps
}

type Line = (BTreeMap<&'static str, String>, Vec<Counts>);

/// Counts per step: from the counts per second while they reach back far enough, else from those per
/// minute.
async fn lines(
    sources: &Sources,
    id: &FunctionId,
    by: Option<Dimension>,
    stretch: &Stretch,
    now: Timestamp,
) -> Result<Vec<Line>, ProblemDocument> {
    let by: Vec<Dimension> = by.into_iter().collect();
    let step = i64::try_from(stretch.step.as_secs()).unwrap_or(i64::MAX);
    if now.since(stretch.from) <= SECONDS_KEPT {
        let select = Selection::function(id.clone());
        let groups = sources.store.rollups().timeline(
            &select,
            &by,
            stretch.from.as_seconds(),
            stretch.to.as_seconds(),
            step,
        );
        return Ok(groups
            .into_iter()
            .map(|(group, line)| {
                (
                    group
                        .iter()
                        .map(|(name, value)| (name, value.to_owned()))
                        .collect(),
                    line,
                )
            })
            .collect());
    }
    let minutes = sources
        .store
        .minutes_of(id, stretch.from, stretch.to)
        .await
        .map_err(ProblemDocument::internal)?;
    let points = steps_of(stretch).len();
    let select = Selection::function(id.clone());
    let mut lines: BTreeMap<BTreeMap<&'static str, String>, Vec<Counts>> = BTreeMap::new();
    for (key, minute, counts) in minutes {
        let at =
            usize::try_from((minute * 60 - stretch.from.as_seconds()) / step).unwrap_or(usize::MAX);
        if at < points && select.takes(&key) {
            let labels = by
                .iter()
                .map(|dimension| (dimension.as_str(), key.get(*dimension).to_owned()))
                .collect();
            lines
                .entry(labels)
                .or_insert_with(|| vec![Counts::ZERO; points])[at]
                .merge(&counts);
        }
    }
    Ok(lines.into_iter().collect())
}

fn curves(
    labels: BTreeMap<&'static str, String>,
    line: &[Counts],
    stretch: &Stretch,
) -> [Curve; 2] {
    let seconds = stretch.step.as_secs_f64();
    let qps = line
        .iter()
        .map(|counts| Some(counts.weighted as f64 / seconds))
        .collect();
    let success = line.iter().map(Counts::success_rate).collect();
    [
        Curve {
            labels: labels.clone(),
            measure: "qps",
            values: qps,
        },
        Curve {
            labels,
            measure: "success_rate",
            values: success,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(from: &str, step: Option<&str>) -> Question {
        Question {
            from: Some(from.to_owned()),
            to: None,
            step: step.map(str::to_owned),
            by: None,
            compare: None,
        }
    }

    #[test]
    fn steps_fit_what_is_kept_and_what_may_be_answered() {
        let now: Timestamp = "2026-11-11T12:00:30Z".parse().unwrap();
        let near = stretch(&ask("2026-11-11T11:59:30Z", None), now).unwrap();
        assert_eq!((near.step.as_secs(), steps_of(&near).len()), (1, 60));
        let day = stretch(&ask("2026-11-10T12:00:00Z", Some("1s")), now).unwrap();
        assert_eq!((day.step.as_secs(), steps_of(&day).len()), (60, 1_441));
        let month = stretch(&ask("2026-10-12T12:00:00Z", None), now).unwrap();
        assert!(
            month.step.as_secs().is_multiple_of(60)
                && steps_of(&month).len() as u64 <= STEPS_MAX + 1
        );
        assert!(stretch(&ask("2026-11-12T12:00:00Z", None), now).is_err());
        assert!(stretch(&ask("2020-11-12T12:00:00Z", None), now).is_err());
    }

    #[test]
    fn only_dimensions_of_a_deployment_split_a_curve() {
        assert_eq!(dimension(Some("unit")).unwrap(), Some(Dimension::Unit));
        assert_eq!(dimension(Some("function")).unwrap_err().status(), 400);
    }
}
