//! The series of one target: what its answers become, and which series ended. Pure.

use std::collections::HashMap;
use std::time::Duration;

use model::{Labels, Timestamp};
use store::{Batch, Sample, SampleRows};

use super::labelling::merged;
use crate::config::{ScrapeInput, Target};
use crate::exposition::{self, Dialect, Exposed};
use crate::formats::{AHEAD_MAX, Refusal, RefusalCounts, RefusalKind};

/// The value that says that a series has ended, bit for bit as Prometheus has it.
pub const STALE_MARKER_BITS: u64 = 0x7ff0_0000_0000_0002;
/// Refusals kept with their reason.
const REFUSALS_MAX: usize = 100;

/// What a target answered.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) body: Vec<u8>,
    pub(super) dialect: Dialect,
    /// Why there is no answer.
    pub(super) failure: Option<String>,
    /// When it was asked; the time of samples that name none.
    pub(super) at: Timestamp,
    /// How long the answer took.
    pub(super) took: Duration,
}

/// Samples ready to be committed, and what was refused.
#[derive(Debug, Default)]
pub(super) struct Scraped {
    pub(super) batch: Batch,
    pub(super) samples: u64,
    pub(super) bytes: u64,
    pub(super) rejected: RefusalCounts,
    pub(super) refusals: Vec<Refusal>,
    /// Series that ended.
    pub(super) ended: u64,
}

impl Scraped {
    fn refuse(&mut self, kind: RefusalKind, reason: String, text: String) {
        self.rejected.add(kind, 1);
        if self.refusals.len() < REFUSALS_MAX {
            self.refusals.push(Refusal {
                line: 0,
                kind,
                reason,
                text,
            });
        }
    }
}

type Key = (String, Labels);

/// The series that a target had at its last answer.
#[derive(Debug)]
pub(super) struct Series {
    own: Labels,
    honor_labels: bool,
    samples_max: usize,
    /// Each series with the round in which it was last seen.
    known: HashMap<Key, u64>,
    round: u64,
    reported: bool,
}

impl Series {
    pub(super) fn new(input: &ScrapeInput, target: &Target) -> Self {
        let mut own = input.labels.clone();
        own.set("instance", target.instance.clone());
        Series {
            own,
            honor_labels: input.honor_labels,
            samples_max: input.samples_max,
            known: HashMap::new(),
            round: 0,
            reported: false,
        }
    }

    /// Turns one answer, or the lack of one, into samples. Series of the answer before that are not
    /// in this one end.
    pub(super) fn observe(&mut self, fetched: Fetched) -> Scraped {
        let mut rows = SampleRows::new();
        let mut scraped = Scraped::default();
        self.round += 1;
        let at_ms = fetched.at.as_millis();
        let mut whole = true;
        if fetched.failure.is_none() {
            let read = exposition::read(&fetched.body, fetched.dialect, self.samples_max);
            whole = read.complete;
            scraped.bytes = fetched.body.len() as u64;
            scraped.rejected = read.rejected;
            scraped.refusals = read.refusals;
            for sample in &read.samples {
                self.take(sample, fetched.at, &mut rows, &mut scraped);
            }
            if !whole {
                let reason = "the answer was cut off before its end".to_owned();
                scraped.refuse(RefusalKind::Syntax, reason, String::new());
            }
        }
        scraped.samples = rows.len() as u64;
        // Of an answer that was cut off nobody knows what else was in it.
        if whole {
            scraped.ended = self.end_unseen(at_ms, &mut rows);
        }
        let up = fetched.failure.is_none() && whole;
        self.report("up", f64::from(u8::from(up)), at_ms, &mut rows);
        let took = fetched.took.as_secs_f64();
        self.report("scrape_duration_seconds", took, at_ms, &mut rows);
        let count = scraped.samples as f64;
        self.report("scrape_samples_scraped", count, at_ms, &mut rows);
        self.reported = true;
        scraped.batch.samples = Some(rows.finish());
        scraped
    }

    /// Ends every series, as the target is no longer scraped.
    pub(super) fn end(&mut self, at: Timestamp) -> Scraped {
        let mut rows = SampleRows::new();
        self.round += 1;
        let ended = self.end_unseen(at.as_millis(), &mut rows);
        if self.reported {
            let stale = f64::from_bits(STALE_MARKER_BITS);
            for name in ["up", "scrape_duration_seconds", "scrape_samples_scraped"] {
                self.report(name, stale, at.as_millis(), &mut rows);
            }
        }
        let mut scraped = Scraped {
            ended,
            ..Scraped::default()
        };
        scraped.batch.samples = Some(rows.finish());
        scraped
    }

    fn take(
        &mut self,
        sample: &Exposed<'_>,
        at: Timestamp,
        rows: &mut SampleRows,
        scraped: &mut Scraped,
    ) {
        let labels = match merged(&sample.labels, &self.own, self.honor_labels) {
            Ok(labels) => labels,
            Err(error) => {
                let text = sample.name.to_owned();
                return scraped.refuse(RefusalKind::BadField, error.to_string(), text);
            }
        };
        let ts_ms = sample.timestamp_ms.unwrap_or(at.as_millis());
        if ts_ms > (at + AHEAD_MAX).as_millis() {
            let reason = "more than 10 minutes ahead of the clock here".to_owned();
            return scraped.refuse(RefusalKind::BadTime, reason, sample.name.to_owned());
        }
        // A series with times of its own says itself when it ends.
        if sample.timestamp_ms.is_none() {
            let key = (sample.name.to_owned(), labels);
            let seen = self.known.insert(key.clone(), self.round);
            if seen == Some(self.round) {
                let reason = "the same series stands in the answer before".to_owned();
                return scraped.refuse(RefusalKind::BadField, reason, key.0);
            }
            push(rows, ts_ms, &key.0, &key.1, sample.value);
        } else {
            push(rows, ts_ms, sample.name, &labels, sample.value);
        }
    }

    fn end_unseen(&mut self, at_ms: i64, rows: &mut SampleRows) -> u64 {
        let round = self.round;
        let before = self.known.len();
        let stale = f64::from_bits(STALE_MARKER_BITS);
        self.known.retain(|(name, labels), seen| {
            if *seen != round {
                push(rows, at_ms, name, labels, stale);
            }
            *seen == round
        });
        (before - self.known.len()) as u64
    }

    fn report(&self, name: &str, value: f64, ts_ms: i64, rows: &mut SampleRows) {
        push(rows, ts_ms, name, &self.own, value);
    }
}

fn push(rows: &mut SampleRows, ts_ms: i64, name: &str, labels: &Labels, value: f64) {
    rows.push(&Sample {
        ts_ms,
        name,
        labels,
        value,
    });
}

#[cfg(test)]
mod tests;
