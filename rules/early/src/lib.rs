//! Early detection: whether a function fails, as soon as its counts can prove it.
//!
//! Owns: the sequential test of `detect: early`: likelihoods, bursts, the healthy share of each hour,
//! thresholds from a budget of false pages, recovery, and what a page says of itself.
//! Never: knows a rule, a clock, a store or any other crate; draws a random number.
//! Entry point: [`Detector::look`]; `docs/early.md` derives the formulas, `make bench-faults` measures.

mod baseline;
mod blocks;
mod detector;
mod dispersion;
mod evidence;
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
pub use likelihood::{LogRatio, alternatives, divergence};
pub use record::RecordError;
pub use settings::{DAYS_LEARNING, FAILED_MIN, PAGE_EVERY_DEFAULT, Settings};
