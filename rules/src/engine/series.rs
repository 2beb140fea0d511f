//! One label set of one rule at work, and what a step changes about it.

use std::time::Duration;

use model::{Alert, AlertStatus, FunctionId, Labels, Mode, Severity, Timestamp};

use crate::condition::{About, Evidence, Verdict};
use crate::phase::{Effect, Phase};
use crate::releases::Releases;
use crate::rule::Rule;
use crate::text::{self, Occasion};
use crate::windows::{GroupKey, Recent};

use super::silence::{NO_CALLS, SILENCE_MAX};

/// A label set that is not inactive.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) phase: Phase,
    /// What was told when the episode began; its labels stay the same until the end.
    pub(super) alert: Option<Alert>,
    pub(super) verdict: Option<Verdict>,
    pub(super) seen_at: Timestamp,
    /// How much of `held` is on disk.
    pub(super) held_stored: Duration,
    /// How long it was certainly without a call.
    pub(super) silent: Duration,
}

impl Series {
    pub(super) fn new(now: Timestamp) -> Self {
        Series {
            phase: Phase::Inactive,
            alert: None,
            verdict: None,
            seen_at: now,
            held_stored: Duration::ZERO,
            silent: Duration::ZERO,
        }
    }

    /// An episode about calls that are gone for good.
    pub(super) fn is_abandoned(&self) -> bool {
        self.phase.episode_since().is_some() && self.silent >= SILENCE_MAX
    }

    /// A breach that did not become an alert is let go when nothing was seen of it for hours; else
    /// label sets that are gone for good would fill the rule's limit.
    pub(super) fn is_forgotten(&self, now: Timestamp) -> bool {
        matches!(self.phase, Phase::Pending { last_seen, .. } if now.since(last_seen) > Recent::MEMORY)
    }
}

/// What has to be written and told about one label set.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The rule.
    pub rule: String,
    /// The label set, as `by` tells it apart.
    pub labels: Labels,
    /// The phase now; an inactive one need not be kept.
    pub phase: Phase,
    /// The alert of the episode, while there is one.
    pub episode: Option<Alert>,
    /// The alert to tell.
    pub tell: Option<Alert>,
    /// The episode that has just ended, if baselines should leave it out.
    pub ended: Option<Episode>,
}

/// A stretch of time in which something was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Of which function; `None` for everything.
    pub function: Option<FunctionId>,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
}

/// The circumstances of a whole tick or look.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) mode: Mode,
    pub(super) releases: &'a Releases,
    pub(super) external_url: &'a str,
    pub(super) now: Timestamp,
}

/// The circumstances of a step.
pub(super) struct Advance<'a> {
    pub(super) rule: &'a Rule,
    pub(super) turn: Turn<'a>,
    pub(super) changes: &'a mut Vec<Change>,
}

impl Advance<'_> {
    /// Moves one label set by one verdict and notes what changed.
    pub(super) fn step(&mut self, key: &GroupKey, series: &mut Series, verdict: Verdict) {
        let timing = self.rule.timing(self.turn.settings(self.rule, key));
        if matches!(verdict, Verdict::Unknown { .. }) {
            let unseen = self.turn.now.since(series.seen_at);
            series.phase = series.phase.hold_still(unseen, self.turn.now);
        }
        series.seen_at = self.turn.now;
        let (phase, effects) = series.phase.advance(&verdict, &timing, self.turn.now);
        let mut tell = None;
        let mut ended = None;
        for effect in effects {
            match effect {
                Effect::Fire { since } => tell = Some(self.begin(key, series, &verdict, since)),
                Effect::Resolve { since, at } => {
                    ended = self.episode(key, series.alert.as_ref(), since, at);
                    tell = series.alert.take().map(|alert| resolved(alert, at, None));
                }
            }
        }
        let moved = std::mem::discriminant(&phase) != std::mem::discriminant(&series.phase);
        series.phase = phase;
        series.verdict = Some(verdict);
        if moved || tell.is_some() || held_grew(series, timing.hold) {
            if let Phase::Pending { held, .. } = phase {
                series.held_stored = held;
            }
            self.note(key, series, tell, ended);
        }
    }

    /// Ends an episode that nothing will ever be seen of again.
    pub(super) fn abandon(&mut self, key: &GroupKey, series: &mut Series) {
        let Some(since) = series.phase.episode_since() else {
            return;
        };
        let now = self.turn.now;
        // What came after the last call spoils no baseline.
        let ended = self.episode(key, series.alert.as_ref(), since, now - series.silent);
        let alert = series.alert.take();
        let tell = alert.map(|alert| resolved(alert, now, Some(NO_CALLS)));
        series.phase = Phase::Inactive;
        self.note(key, series, tell, ended);
    }

    fn note(
        &mut self,
        key: &GroupKey,
        series: &Series,
        tell: Option<Alert>,
        ended: Option<Episode>,
    ) {
        self.changes.push(Change {
            rule: self.rule.name.clone(),
            labels: key.labels(&self.rule.select.by),
            phase: series.phase,
            episode: series.alert.clone(),
            tell,
            ended,
        });
    }

    fn begin(
        &self,
        key: &GroupKey,
        series: &mut Series,
        verdict: &Verdict,
        since: Timestamp,
    ) -> Alert {
        let (value, evidence) = match verdict {
            Verdict::Breach { value, evidence } => (*value, evidence.clone()),
            Verdict::Ok { value, .. } => (*value, Evidence::default()),
            Verdict::Unknown { .. } => (0.0, Evidence::default()),
        };
        let alert = text::alert_of(&Occasion {
            rule: self.rule,
            mode: self.turn.mode,
            settings: self.turn.settings(self.rule, key),
            key,
            value,
            evidence,
            since,
            external_url: self.turn.external_url,
        });
        series.alert = Some(alert.clone());
        alert
    }

    /// Traffic during an outage is no baseline: critical episodes and those about traffic itself.
    fn episode(
        &self,
        key: &GroupKey,
        alert: Option<&Alert>,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<Episode> {
        let condition = &self.rule.settings(self.turn.mode).condition;
        let spoils = match condition.kind().about() {
            About::Traffic | About::Sight => true,
            About::Outcomes => alert.is_some_and(|alert| alert.severity() == Severity::Critical),
            About::Anything => false,
        };
        spoils.then(|| Episode {
            function: key.function_id(&self.rule.select.by),
            from,
            to,
        })
    }
}

/// `held` is written in steps of a tenth of `for`, so that a crash loses little of it and a steady
/// breach does not write every second.
fn held_grew(series: &Series, hold: Duration) -> bool {
    match series.phase {
        Phase::Pending { held, .. } => {
            held.saturating_sub(series.held_stored) >= (hold / 10).max(Duration::from_secs(1))
        }
        _ => false,
    }
}

/// The alert that ends an episode.
pub(super) fn resolved(alert: Alert, at: Timestamp, reason: Option<&str>) -> Alert {
    let mut alert = Alert {
        status: AlertStatus::Resolved,
        ends_at: Some(at),
        ..alert
    };
    if let Some(reason) = reason {
        alert
            .annotations
            .insert("reason".to_owned(), reason.to_owned());
    }
    alert
}
