//! Early detection: whether a function fails, as soon as its counts can prove it.
//!
//! Owns: the sequential test of `detect: early`: likelihoods, bursts, the healthy share of each hour,
//! thresholds from a budget of false pages, recovery, calls that stop coming, and what a page says.
//! Never: knows a rule, a clock, a store or any other crate; draws a random number.
//! Entry point: [`Detector::look`], [`Falls::step`]; `docs/early.md` derives the formulas, `make bench-faults` measures.

mod baseline;
mod blocks;
mod detector;
mod dispersion;
mod evidence;
mod falls;
mod gamma;
mod learned;
mod likelihood;
mod peaks;
mod record;
mod recovery;
mod settings;
mod threshold;
mod weights;

pub use detector::{Change, Detector, Look};
pub use evidence::Evidence;
pub use falls::{FallChange, FallEvidence, FallSettings, Falls, STEP, Step};
pub use likelihood::{LogRatio, alternatives, divergence};
pub use record::RecordError;
pub use settings::{DAYS_LEARNING, FAILED_MIN, PAGE_EVERY_DEFAULT, Settings};
