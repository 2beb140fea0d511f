//! Rules: what is declared to be wrong, and whether it is.
//!
//! Owns: conditions, windows, baselines, phases, modes; the tables `rules_*`.
//! Never: sends anything to people (alerts leave through an [`AlertSink`]), reads a clock in its pure
//! part, or learns where calls come from.
//! Entry point: [`RuleSet::parse`], then [`Rules::start`]; the pure core is [`Engine`] over [`Windows`].
//!
//! The way of a verdict: [`Windows`] → [`condition`] → [`Phase::advance`] → [`Change`] → the ledger →
//! the sink.

mod answers;
mod baseline;
mod capacity;
mod chance;
pub mod condition;
mod detection;
mod driver;
mod engine;
mod events;
mod gauges;
mod hand_over;
mod inhibition;
mod layers;
mod ledger;
mod lint;
mod mode;
mod moving;
mod past;
mod phase;
mod portions;
mod prove;
mod read;
mod releases;
mod routes;
mod rule;
mod runtime;
mod scenario;
mod set;
mod sight;
mod sink;
mod spent;
pub mod suspects;
mod tables;
mod text;
mod view;
pub mod wilson;
mod windows;

pub use capacity::{Capacity, CapacitySource, NothingTested, PodsGauge};
pub use detection::{Arrivals, StoredMemory};
pub use driver::chain;
pub use engine::{Change, Engine, Episode, LabelSetView, RuleView, StoredPhase, TICK};
pub use inhibition::Inhibition;
pub use ledger::{LedgerError, MIGRATIONS};
pub use lint::{Expected, Outlook, Unreachable, UsualCalls, times};
pub use mode::{ModeError, ModeStatus, Modes, mode_shape, read_mode};
pub use moving::MovingSums;
pub use past::backtest::backtest;
pub use past::{
    Backtest, BacktestReport, Explained, Fired, Gap, Past, PastError, RuleReport, Told,
};
pub use phase::{Effect, Phase, Timing};
pub use read::shape;
pub use releases::{Release, ReleaseError, Releases, Roles, Stage};
pub use routes::{openapi, routes};
pub use rule::{NoData, Rule, Settings};
pub use runtime::{Options, Rules};
pub use scenario::{Expectation, Outcome, RulesPath, Scenario, UnitTests, run as run_scenario};
pub use set::RuleSet;
pub use sight::{Completeness, Sight};
pub use sink::{AlertSink, Delivery};
pub use view::{latency_of_rollups, sum_rollups};
pub use windows::{
    Against, Answer, Baselines, By, EvaluationError, GroupKey, GroupSums, LagRate, Part, Portion,
    Recent, Recents, Select, Spent, SpentDays, Tally, Windows,
};

/// The rules that watch when none are declared, as a file to copy.
pub const STARTER_YAML: &str = include_str!("starter.yaml");

/// The rules that watch when none are declared: every function, few assumptions.
pub fn starter() -> RuleSet {
    RuleSet::parse("starter.yaml", STARTER_YAML).unwrap_or_default()
}
