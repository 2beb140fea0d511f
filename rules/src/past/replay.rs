//! Stored seconds through the engine, one after the other.

use std::sync::Arc;

use model::{Glob, Timestamp};
use store::{Completed, QueryLimits, Rollups};

use super::fired::Episodes;
use super::{Gap, Hindsight, Past, PastError};
use crate::answers::Answers;
use crate::detection::Arrivals;
use crate::engine::Engine;
use crate::gauges::Gauges;
use crate::moving::MovingSums;
use crate::rule::Rule;
use crate::set::RuleSet;
use crate::spent::SpentBudgets;
use crate::suspects;
use crate::tables::Tables;
use crate::view::StoreView;

/// Calls that are read at once at most.
const ROWS_MAX: usize = 250_000;
/// What reading them may take.
const LIMITS: QueryLimits = QueryLimits {
    rows_max: ROWS_MAX,
    deadline: std::time::Duration::from_mins(1),
};
/// Seconds that are read at once at most.
const PIECE_SECONDS_MAX: i64 = 300;
/// A stretch without any call at all is told from this length on.
const GAP_SECONDS_MIN: i64 = 60;
const GAPS_MAX: usize = 100;
const MINUTE: i64 = 60;

/// An engine in the past.
pub(super) struct Replay {
    past: Past,
    rules: Vec<Arc<Rule>>,
    functions: Glob,
    /// Seconds before this one have been lived through.
    at: i64,
    piece: i64,
    tables: Tables,
    /// Away while its step runs on a thread for work that takes long.
    stage: Option<Stage>,
}

/// What a step moves.
pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) view: StoreView,
    pub(super) episodes: Episodes,
    /// All calls, for estimates.
    pub(super) met: Arrivals,
    pub(super) calls: u64,
    pub(super) gaps: Vec<Gap>,
    /// The end of the last second with calls.
    last_call: i64,
    /// From when on calls are counted and gaps told.
    counted_from: i64,
}

impl Replay {
    /// An engine that has seen nothing yet, at the second `begin`. Calls from `counted_from` on are
    /// counted.
    pub(super) fn new(
        past: Past,
        set: &RuleSet,
        functions: Glob,
        begin: i64,
        counted_from: i64,
    ) -> Replay {
        let tables = Tables::of_the_past();
        let rollups: Rollups = past.store.rollups().anew();
        let view = StoreView {
            rollups: Arc::new(rollups),
            moving: MovingSums::default(),
            tables: tables.clone(),
            sight: Arc::new(Hindsight),
            tested: Arc::clone(&past.tested),
            gauges: Gauges::default(),
            answers: Answers::default(),
            spent: SpentBudgets::default(),
        };
        Replay {
            rules: set.rules().to_vec(),
            past,
            functions,
            at: begin,
            piece: PIECE_SECONDS_MAX,
            tables,
            stage: Some(Stage {
                engine: Engine::new(set, ""),
                view,
                episodes: Episodes::default(),
                met: Arrivals::default(),
                calls: 0,
                gaps: Vec::new(),
                last_call: counted_from,
                counted_from,
            }),
        }
    }

    /// Lives through the seconds before `to` and gives what came of it.
    pub(super) async fn live(mut self, to: i64) -> Result<Stage, PastError> {
        while self.at < to {
            let (mut completed, end) = self.read(to).await?;
            while self.at < end {
                let now = Timestamp::from_seconds(self.at);
                let rushes = self.past.rushes.clone();
                self.tables
                    .refresh(&self.past.store, &self.rules, rushes, now)
                    .await;
                let until = ((self.at.div_euclid(MINUTE) + 1) * MINUTE).min(end);
                completed = self.step(completed, until).await?;
            }
        }
        let mut stage = self.stage.ok_or_else(lost)?;
        stage.note_gap(to);
        Ok(stage)
    }

    /// Reads on, as far as fits.
    async fn read(&mut self, to: i64) -> Result<(Completed, i64), PastError> {
        loop {
            let end = (self.at + self.piece).min(to);
            let asked = self
                .past
                .store
                .completed(&self.functions, self.at, end, &LIMITS);
            let completed = Box::pin(asked).await?;
            if !completed.truncated {
                if completed.rows() < ROWS_MAX / 4 {
                    self.piece = (self.piece * 2).min(PIECE_SECONDS_MAX);
                }
                return Ok((completed, end));
            }
            if self.piece == 1 {
                return Err(PastError::Crowded {
                    at: Timestamp::from_seconds(self.at),
                    rows: ROWS_MAX,
                });
            }
            self.piece = (self.piece / 2).max(1);
        }
    }

    /// Lives through what was read, up to the second `until`.
    async fn step(&mut self, mut completed: Completed, until: i64) -> Result<Completed, PastError> {
        let mut stage = self.stage.take().ok_or_else(lost)?;
        let (from, past) = (self.at, self.past.clone());
        let stepped = tokio::task::spawn_blocking(move || {
            for second in from..until {
                stage.tick(&mut completed, second, &past);
            }
            (stage, completed)
        });
        let (stage, completed) = stepped
            .await
            .map_err(|error| PastError::Broken(error.to_string()))?;
        self.stage = Some(stage);
        self.at = until;
        Ok(completed)
    }
}

fn lost() -> PastError {
    PastError::Broken("an earlier step broke off".to_owned())
}

impl Stage {
    /// Every rule that is due looks at a second and what was complete in it, as scenarios do.
    fn tick(&mut self, completed: &mut Completed, second: i64, past: &Past) {
        let now = Timestamp::from_seconds(second);
        let deltas = completed.give(&self.view.rollups, second + 1);
        let mut arrivals = Arrivals::default();
        for delta in &deltas {
            arrivals.add(&delta.series, &delta.counts);
            if second >= self.counted_from {
                self.met.add(&delta.series, &delta.counts);
                self.calls += delta.counts.calls();
            }
        }
        if !deltas.is_empty() {
            self.note_gap(second);
            self.last_call = second + 1;
        }
        self.engine.set_mode(past.mode_at(now));
        self.engine.set_releases(Arc::clone(&past.releases));
        self.engine.arrive(&arrivals, now);
        let mut changes = self.engine.tick(&self.view, now);
        for wanted in suspects::wanted(&self.engine, &changes) {
            if let Some(sentence) = wanted.find(&self.view, now) {
                wanted.say(sentence, &mut self.engine, &mut changes);
            }
        }
        for change in changes {
            self.view
                .tables
                .remember(change.ended.iter().cloned().collect());
            self.episodes.take(&change);
        }
    }

    /// Notes that nothing was complete between the last call and this second, if that is long.
    fn note_gap(&mut self, second: i64) {
        let from = self.last_call.max(self.counted_from);
        if second - from >= GAP_SECONDS_MIN && self.gaps.len() < GAPS_MAX {
            self.gaps.push(Gap {
                from: Timestamp::from_seconds(from),
                to: Timestamp::from_seconds(second),
            });
        }
    }
}
