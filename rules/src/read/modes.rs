//! What a rule declares for a mode and for the time after a release: its own record, and what overrides it.

use std::time::Duration;

use chrono_tz::Tz;
use declare::{Node, Problems, Record, Shape};
use model::{Severity, format_duration};

use super::{adjustable, conditions};
use crate::condition::{self, Condition};
use crate::layers::Layers;
use crate::rule::{AfterRelease, NoData, Settings};
use crate::windows::By;

/// The record with what holds after a release.
pub(super) const AFTER_RELEASE: &str = "after_release";
const WITHIN: &str = "within";
const WITHIN_DEFAULT: Duration = Duration::from_mins(30);
const WITHIN_MAX: Duration = Duration::from_hours(7 * 24);

/// What a rule can be at different times.
#[derive(Default)]
pub(super) struct Modes {
    pub(super) daily: Option<Settings>,
    pub(super) rush: Option<Settings>,
    released_daily: Option<Settings>,
    released_rush: Option<Settings>,
    within: Duration,
}

impl Modes {
    pub(super) fn all(&self) -> [&Option<Settings>; 4] {
        [
            &self.daily,
            &self.rush,
            &self.released_daily,
            &self.released_rush,
        ]
    }

    pub(super) fn after_release(&self) -> Option<AfterRelease> {
        let daily = self.released_daily.clone()?;
        Some(AfterRelease {
            within: self.within,
            rush: self.released_rush.clone().unwrap_or_else(|| daily.clone()),
            daily,
        })
    }
}

/// The shape of what holds after a release.
pub(super) fn after_release() -> Record {
    adjustable(Record::new(
        AFTER_RELEASE,
        "what differs for a while after a release of the function",
    ))
    .field(
        WITHIN,
        Shape::Duration,
        "for how long, 1m to 7d; 30m if left out",
    )
}

/// Reads a rule's own record and what overrides it.
pub(super) fn read(node: &Node, zone: Tz, every: Duration, problems: &mut Problems) -> Modes {
    let plain = Layers::plain(node);
    let mut modes = Modes {
        daily: read_settings(&plain, zone, every, problems),
        ..Modes::default()
    };
    let rush = node.field("rush");
    if let Some(over) = rush {
        modes.rush = read_settings(&plain.and(over), zone, every, problems);
        let (plain, overridden) = (modes.daily.as_ref(), modes.rush.as_ref());
        refuse_other_kind("rush", node, over, plain, overridden, problems);
    }
    if let Some(over) = node.field(AFTER_RELEASE) {
        modes.within = read_within(over, problems);
        modes.released_daily = read_settings(&plain.and(over), zone, every, problems);
        let (plain_settings, overridden) = (modes.daily.as_ref(), modes.released_daily.as_ref());
        refuse_other_kind(
            AFTER_RELEASE,
            node,
            over,
            plain_settings,
            overridden,
            problems,
        );
        refuse_untightened(over, modes.daily.as_ref(), problems);
        if let Some(rush) = rush {
            // Mistakes of both have been shown by then.
            let quiet = &mut Problems::new();
            modes.released_rush = read_settings(&plain.and(rush).and(over), zone, every, quiet);
        }
    }
    modes
}

fn read_within(over: &Node, problems: &mut Problems) -> Duration {
    let declared = over
        .field(WITHIN)
        .and_then(|node| Some((node, node.duration()?)));
    let Some((node, within)) = declared else {
        return WITHIN_DEFAULT;
    };
    if within < Duration::from_mins(1) || within > WITHIN_MAX {
        problems
            .error(
                node,
                format!(
                    "`{WITHIN}: {}` is no time after a release",
                    format_duration(within)
                ),
            )
            .hint("write 1m to 7d");
        return WITHIN_DEFAULT;
    }
    within
}

/// An override changes numbers, never the kind.
fn refuse_other_kind(
    name: &str,
    node: &Node,
    over: &Node,
    plain: Option<&Settings>,
    overridden: Option<&Settings>,
    problems: &mut Problems,
) {
    if let (Some(plain), Some(overridden)) = (plain, overridden)
        && std::mem::discriminant(&plain.condition) != std::mem::discriminant(&overridden.condition)
    {
        problems
            .error(over, format!("`{name}` changes the kind of condition"))
            .hint("override numbers here; write a rule of its own for another condition");
    }
    for other in conditions() {
        if let (Some(stray), None) = (over.field(other), node.field(other)) {
            problems
                .error(
                    stray,
                    format!("the rule itself has no `{other}` to override"),
                )
                .hint("write a rule of its own for another condition");
        }
    }
}

/// What one test or one query decides for all functions cannot differ for some of them.
fn refuse_untightened(over: &Node, plain: Option<&Settings>, problems: &mut Problems) {
    let what = match plain.map(|settings| &settings.condition) {
        Some(Condition::FailsEarly(_) | Condition::FallsEarly(_)) => "detect: early",
        Some(Condition::Sql(_)) => "sql",
        _ => return,
    };
    for field in conditions() {
        if let Some(node) = over.field(field) {
            problems
                .error(node, format!("`{what}` is the same after a release"))
                .hint("override `severity` or `for` here, or write a rule with a window beside it");
        }
    }
}

/// Who was released is told by the function.
pub(super) fn refuse_unnamed_functions(rule: &Node, by: &[By], problems: &mut Problems) {
    if let Some(over) = rule.field(AFTER_RELEASE)
        && !by.contains(&By::Function)
    {
        problems
            .error(
                over,
                "a release is one function's, and `by` does not name functions",
            )
            .hint("write `by: [function]`");
    }
}

fn read_settings(
    rule: &Layers<'_>,
    zone: Tz,
    every: Duration,
    problems: &mut Problems,
) -> Option<Settings> {
    let condition = condition::read(rule, zone, problems);
    let hold = rule.duration("for").unwrap_or_default();
    if !hold.is_zero() && hold < every {
        problems
            .advice(
                rule.place_of("for"),
                format!(
                    "`for: {}` is shorter than `every: {}`",
                    format_duration(hold),
                    format_duration(every)
                ),
            )
            .hint("it fires at the second look, as if `for` were `every`");
    }
    Some(Settings {
        condition: condition?,
        hold,
        keep_firing_for: rule.duration("keep_firing_for").unwrap_or_default(),
        severity: rule
            .text("severity")
            .and_then(Severity::from_word)
            .unwrap_or_default(),
        min_completeness: rule
            .ratio("min_completeness")
            .or_else(|| model::Ratio::new(0.99))?,
        no_data: rule
            .text("no_data")
            .and_then(NoData::from_word)
            .unwrap_or_default(),
    })
}
