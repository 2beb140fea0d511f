//! The engine: rules over windows → verdicts → phases → changes. Pure: it is given the time and what
//! to look at, and says what changed.

mod carry;
mod evaluate;
mod found;
mod guard;
mod joins;
mod overview;
mod released;
mod remember;
mod series;
mod silence;
mod steps;
mod sums;
mod wider;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{FunctionId, Mode, Timestamp};

use crate::condition::{Condition, Verdict, Why};
use crate::detection::{Detection, Moment};
use crate::events;
use crate::phase::Phase;
use crate::releases::Releases;
use crate::rule::{NoData, Rule};
use crate::set::RuleSet;
use crate::windows::{EvaluationError, GroupKey, Windows};

pub use carry::StoredPhase;
pub(crate) use found::{Found, Sieve};
pub use overview::{LabelSetView, RuleView};
pub use series::{Change, Episode};
pub(crate) use steps::Steps;

use evaluate::{Seen, Span};
use guard::guarded;
use joins::Joins;
use series::{Advance, Series, Turn};
use sums::Sums;

/// How often the engine is meant to tick.
pub const TICK: Duration = Duration::from_secs(1);
/// A longer gap between ticks, or a step back, is time that nobody watched.
const GAP_MAX: Duration = Duration::from_secs(30);
/// Clocks are slewed by this much without anything being wrong.
const STEP_BACK_MAX: Duration = Duration::from_secs(2);
/// The most functions one look between ticks takes; the rest waits for the tick.
pub(crate) const LOOK_FUNCTIONS_MAX: usize = 1_000;

/// Rules and where each of their label sets stands.
pub struct Engine {
    rules: Vec<RuleState>,
    mode: Mode,
    releases: Arc<Releases>,
    external_url: String,
    last_tick: Option<Timestamp>,
    watched_since: Option<Timestamp>,
    ticks_missed: u64,
    /// Whether everything that should have arrived lately has.
    sees_all: bool,
    joins: Joins,
}

/// One rule at work.
struct RuleState {
    rule: Arc<Rule>,
    /// Label sets that are not inactive. Healthy ones cost no memory.
    active: HashMap<GroupKey, Series>,
    status: Status,
    /// The latest end (Unix seconds) of a settled window; windows never go back before it.
    judged_to: i64,
    /// The memories of a sequential test.
    detection: Option<Detection>,
}

/// What the last evaluation of a rule saw.
#[derive(Clone, Debug, Default)]
struct Status {
    evaluated_at: Option<Timestamp>,
    label_sets: usize,
    unknown: usize,
    /// Of a label set, or of all of them.
    last_unknown: Option<(Option<GroupKey>, Why)>,
    beyond_limit: usize,
    error: Option<String>,
}

impl Engine {
    /// An engine with these rules, in daily mode, all phases inactive.
    pub fn new(set: &RuleSet, external_url: &str) -> Self {
        Engine {
            rules: set.rules().iter().cloned().map(RuleState::new).collect(),
            mode: Mode::Daily,
            releases: Arc::default(),
            external_url: external_url.to_owned(),
            last_tick: None,
            watched_since: None,
            ticks_missed: 0,
            sees_all: true,
            joins: Joins::default(),
        }
    }

    /// Changes which settings are in force. Episodes go on with the labels they began with.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Changes which versions are gray and base, and who was released a moment ago.
    pub fn set_releases(&mut self, releases: Arc<Releases>) {
        self.releases = releases;
    }

    /// Which settings are in force.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules in force.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter().map(|state| &state.rule)
    }

    /// How many ticks were missed so far.
    pub fn ticks_missed(&self) -> u64 {
        self.ticks_missed
    }

    /// How many alerts fire.
    pub fn firing(&self) -> usize {
        self.rules
            .iter()
            .flat_map(|state| state.active.values())
            .filter(|series| series.phase.episode_since().is_some())
            .count()
    }

    /// Label sets met and label sets unknown in the newest evaluation of every rule.
    pub fn last_counts(&self) -> (u64, u64) {
        self.rules.iter().fold((0, 0), |(met, unknown), state| {
            (
                met + state.status.label_sets as u64,
                unknown + state.status.unknown as u64,
            )
        })
    }

    /// How many label sets breach beyond their rules' limits and are not followed.
    pub fn beyond_limit(&self) -> usize {
        let beyond = self.rules.iter().map(|state| state.status.beyond_limit);
        beyond.sum()
    }

    /// Evaluates every rule that is due. The order of changes is that of rules and label sets.
    pub fn tick(&mut self, view: &dyn Windows, now: Timestamp) -> Vec<Change> {
        let previous = self.last_tick.replace(now);
        self.notice_gap(previous, now);
        let watched_since = *self.watched_since.get_or_insert(now);
        self.note_sight(view, now);
        let turn = Turn {
            mode: self.mode,
            releases: &self.releases,
            external_url: &self.external_url,
            now,
        };
        let troubled = self.troubled();
        let moment = Moment {
            now,
            everyday: self.mode == Mode::Daily && self.sees_all && !troubled.everything,
            in_episode: &troubled.functions,
        };
        let mut sums = Sums::new(view, std::mem::take(&mut self.joins));
        let mut changes = Vec::new();
        for state in &mut self.rules {
            if !state.is_due(previous, now) {
                continue;
            }
            let judged_to = Cell::new(state.judged_to);
            let span = Span {
                now,
                watched_since,
                judged_to: &judged_to,
                releases: &self.releases,
            };
            let advanced = state.advance_detection(&mut sums, span, turn, moment);
            match advanced {
                Ok(()) => state.evaluate(None, &mut sums, span, turn, &mut changes),
                Err(error) => state.take_in(Err(error), true, turn, &mut changes),
            }
            state.judged_to = judged_to.get();
        }
        self.joins = sums.into_joins();
        changes
    }

    /// Looks at functions whose failures have just been committed, between ticks: what was seen is a
    /// fact, whatever else is still on its way. Only rules about the success rate can gain from it.
    pub fn look(
        &mut self,
        view: &dyn Windows,
        functions: &[FunctionId],
        now: Timestamp,
    ) -> Vec<Change> {
        let watched_since = self.watched_since.unwrap_or(now);
        let turn = Turn {
            mode: self.mode,
            releases: &self.releases,
            external_url: &self.external_url,
            now,
        };
        let mut sums = Sums::new(view, Joins::default());
        let mut changes = Vec::new();
        let names: Vec<String> = functions
            .iter()
            .take(LOOK_FUNCTIONS_MAX)
            .map(ToString::to_string)
            .collect();
        for state in &mut self.rules {
            if !state.gains_from_a_look(self.mode) {
                continue;
            }
            for (function, name) in functions.iter().zip(&names) {
                if !state.rule.select.takes(name) {
                    continue;
                }
                let span = Span {
                    now,
                    watched_since,
                    judged_to: &Cell::new(state.judged_to),
                    releases: &self.releases,
                };
                state.evaluate(Some(function), &mut sums, span, turn, &mut changes);
            }
        }
        changes
    }

    /// Counts missed ticks; after a real gap, timers go on from now and windows that reach back into
    /// it prove nothing about missing calls.
    fn notice_gap(&mut self, previous: Option<Timestamp>, now: Timestamp) {
        let Some(previous) = previous else { return };
        let (ahead, back) = (now.since(previous), previous.since(now));
        if ahead > GAP_MAX || back > STEP_BACK_MAX {
            events::time_jumped(now.as_seconds() - previous.as_seconds());
            self.watched_since = Some(now);
            for state in &mut self.rules {
                state.judged_to = i64::MIN;
            }
            for detection in self.rules.iter_mut().filter_map(|r| r.detection.as_mut()) {
                detection.interrupt();
            }
            for series in self.rules.iter_mut().flat_map(|r| r.active.values_mut()) {
                series.phase = series.phase.resume(now);
            }
        }
        let missed = (ahead.as_millis() + 500) / TICK.as_millis();
        if let Some(missed) = u64::try_from(missed).ok().and_then(|m| m.checked_sub(1))
            && missed > 0
        {
            self.ticks_missed += missed;
            events::ticks_missed(missed);
        }
    }
}

impl RuleState {
    fn new(rule: Arc<Rule>) -> Self {
        RuleState {
            active: HashMap::new(),
            status: Status::default(),
            judged_to: i64::MIN,
            detection: Detection::of(&rule.daily.condition),
            rule,
        }
    }

    /// Due when a multiple of `every` lies between the previous tick and this one.
    fn is_due(&self, previous: Option<Timestamp>, now: Timestamp) -> bool {
        previous.is_none_or(|previous| {
            now.floor_to(self.rule.every) != previous.floor_to(self.rule.every)
        })
    }

    fn gains_from_a_look(&self, mode: Mode) -> bool {
        matches!(
            self.rule.settings(mode).condition,
            Condition::SuccessRate(_) | Condition::FailsEarly(_)
        ) && self.rule.select.by.contains(&crate::windows::By::Function)
    }

    /// Lets the memories of a sequential test move.
    fn advance_detection(
        &mut self,
        sums: &mut Sums<'_>,
        span: Span<'_>,
        turn: Turn<'_>,
        moment: Moment<'_>,
    ) -> Result<(), EvaluationError> {
        let Some(detection) = &mut self.detection else {
            return Ok(());
        };
        let settings = self.rule.settings(turn.mode);
        detection.declare(&settings.condition);
        let mut steps = Steps {
            sums,
            now: span.now,
            watched_since: span.watched_since,
        };
        let select = &self.rule.select;
        guarded(|| detection.advance(select, settings.min_completeness, &mut steps, moment))?
    }

    /// Evaluates the rule, as a whole or for one function, and moves its phases. A panic ends this
    /// evaluation only.
    fn evaluate(
        &mut self,
        only: Option<&FunctionId>,
        sums: &mut Sums<'_>,
        span: Span<'_>,
        turn: Turn<'_>,
        changes: &mut Vec<Change>,
    ) {
        let whole = only.is_none();
        let done = guarded(|| {
            let settings = self.rule.settings(turn.mode);
            let detection = self.detection.as_ref();
            let sieve = Sieve {
                active: Some(&self.active),
                // Settings after a release may differ from the usual ones.
                unknown_matters: settings.no_data == NoData::Alert
                    || self.rule.after_release.is_some(),
            };
            let seen = evaluate::evaluate(&self.rule, settings, detection, sums, span, only, sieve)
                .and_then(|mut seen| {
                    self.judge_released(&mut seen, only, sums, span, turn)?;
                    Ok(seen)
                });
            if whole {
                silence::note(&self.rule, self.active.iter_mut(), &seen, sums, span, turn);
            }
            self.take_in(seen, whole, turn, changes);
        });
        if let Err(error) = done {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &EvaluationError) {
        events::evaluation_failed(&self.rule.name, error);
        self.status.error = Some(error.to_string());
    }

    /// Takes what an evaluation saw into the phases. An evaluation that failed changes nothing but
    /// the rule's status.
    fn take_in(&mut self, seen: Seen, whole: bool, turn: Turn<'_>, changes: &mut Vec<Change>) {
        let seen = match seen {
            Ok(seen) => seen,
            Err(EvaluationError::HistoryUnread) => {
                self.hold(&Why::HistoryUnread, turn, changes);
                return;
            }
            Err(error) => {
                self.fail(&error);
                return;
            }
        };
        let first_change = changes.len();
        let fresh = self.advance_seen(seen, turn, changes);
        if whole {
            self.advance_unseen(turn, changes);
            if fresh.beyond_limit > 0 && fresh.beyond_limit != self.status.beyond_limit {
                events::limit_exceeded(&self.rule.name, self.rule.limit, fresh.beyond_limit);
            }
            self.status = fresh;
        }
        self.active
            .retain(|_, series| series.phase != Phase::Inactive);
        if let Some(added) = changes.get_mut(first_change..) {
            added.sort_by(|left, right| left.labels.cmp(&right.labels));
        }
    }

    /// Moves the label sets that the evaluation met. Beyond the limit, new ones are counted and not
    /// followed; those that are active already go on.
    fn advance_seen(&mut self, seen: Found, turn: Turn<'_>, changes: &mut Vec<Change>) -> Status {
        let first_unknown = seen.first_unknown.map(|(key, why)| (Some(key), why));
        let mut fresh = Status {
            evaluated_at: Some(turn.now),
            label_sets: seen.met,
            unknown: seen.unknown,
            last_unknown: first_unknown,
            ..Status::default()
        };
        let mut advance = Advance {
            rule: &self.rule,
            turn,
            changes,
        };
        for (key, verdict) in seen.told {
            let no_data = turn.settings(&self.rule, &key).no_data;
            let verdict = map_no_data(verdict, no_data);
            let full = self.active.len() >= self.rule.limit;
            match self.active.get_mut(&key) {
                Some(series) => advance.step(&key, series, verdict),
                None if !matches!(verdict, Verdict::Breach { .. }) => {}
                None if full => fresh.beyond_limit += 1,
                None => {
                    let mut series = Series::new(turn.now);
                    advance.step(&key, &mut series, verdict);
                    self.active.insert(key, series);
                }
            }
        }
        fresh
    }

    /// Nothing is known about any label set.
    fn hold(&mut self, why: &Why, turn: Turn<'_>, changes: &mut Vec<Change>) {
        let mut advance = Advance {
            rule: &self.rule,
            turn,
            changes,
        };
        for (key, series) in &mut self.active {
            advance.step(key, series, Verdict::Unknown { why: why.clone() });
        }
        self.status = Status {
            evaluated_at: Some(turn.now),
            label_sets: self.active.len(),
            unknown: self.active.len(),
            last_unknown: Some((None, why.clone())),
            ..Status::default()
        };
    }

    /// Moves the active label sets that the evaluation did not meet: there is no data about them.
    fn advance_unseen(&mut self, turn: Turn<'_>, changes: &mut Vec<Change>) {
        let mut advance = Advance {
            rule: &self.rule,
            turn,
            changes,
        };
        for (key, series) in &mut self.active {
            if series.seen_at == turn.now {
                continue;
            }
            if series.is_abandoned() {
                advance.abandon(key, series);
                continue;
            }
            // A query tells every group that is ill; the others are well.
            let well = matches!(self.rule.settings(turn.mode).condition, Condition::Sql(_));
            let verdict = if well {
                Verdict::Ok {
                    value: 0.0,
                    recovered: true,
                }
            } else if series.is_forgotten(turn.now) {
                Verdict::Ok {
                    value: 0.0,
                    recovered: false,
                }
            } else {
                let no_data = turn.settings(&self.rule, key).no_data;
                map_no_data(Verdict::Unknown { why: Why::NoCalls }, no_data)
            };
            advance.step(key, series, verdict);
        }
    }
}

/// What no data means is decided before the phase sees it. Blindness is not "no data": it holds.
fn map_no_data(verdict: Verdict, no_data: NoData) -> Verdict {
    match (&verdict, no_data) {
        (Verdict::Unknown { why }, NoData::Ok) if why.is_no_data() => Verdict::Ok {
            value: 0.0,
            recovered: true,
        },
        (Verdict::Unknown { why }, NoData::Alert) if why.is_no_data() => Verdict::Breach {
            value: 0.0,
            evidence: crate::condition::Evidence::default(),
        },
        _ => verdict,
    }
}
