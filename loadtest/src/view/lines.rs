//! Plain lines, for logs and pipes.

use std::io::Write;
use std::time::Duration;

use crate::report::escape::plain;
use crate::report::words;
use crate::result::{Second, Subject, TrialResult};
use crate::run::Observer;
use crate::tally::Tally;

/// A line every second for so long, while a person is still looking.
const EVERY_SECOND_FOR: Duration = Duration::from_secs(10);
/// Afterwards one in so many seconds.
const LATER_EVERY: usize = 10;

/// Figures of less than this tell no rate: the last answers of a trial come in after its last request.
const RATE_SECONDS_MIN: f64 = 0.9;

/// Writes one line a second at first, one every ten seconds later. A line of several seconds holds the
/// mean of rates, the sum of failures, and the highest of each latency: a percentile of a longer span
/// cannot be had from those of shorter ones, so the worst is shown.
#[derive(Debug)]
pub struct Lines<W, T> {
    out: W,
    elapsed: T,
    began: Duration,
    planned: Duration,
    since_last: Vec<Piece>,
    /// How much time the sum held that was told last, in nanoseconds.
    told_nanos: u64,
}

/// Figures of a second, or of what was left of one.
#[derive(Clone, Copy, Debug)]
struct Piece {
    second: Second,
    /// Its length.
    seconds: f64,
}

impl<W: Write, T: Fn() -> Duration> Lines<W, T> {
    /// Lines to `out`. What cannot be written is lost: a closed pipe must not stop a run. `elapsed` tells
    /// the time since some instant; the seconds of a search's trials do not, for they rest in between.
    pub fn new(out: W, elapsed: T) -> Self {
        Lines {
            out,
            elapsed,
            began: Duration::ZERO,
            planned: Duration::ZERO,
            since_last: Vec::new(),
            told_nanos: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn into_out(self) -> W {
        self.out
    }

    fn say(&mut self, line: &str) {
        let _ = writeln!(self.out, "{}", plain(line));
    }

    fn passed(&self) -> Duration {
        (self.elapsed)().saturating_sub(self.began)
    }

    fn flush_seconds(&mut self) {
        let line = line(&self.since_last, self.planned.saturating_sub(self.passed()));
        self.since_last.clear();
        if let Some(line) = line {
            self.say(&line);
        }
    }
}

impl<W: Write, T: Fn() -> Duration> Observer for Lines<W, T> {
    fn begun(&mut self, subject: &Subject, load: &str, planned: Duration) {
        self.since_last.clear();
        self.told_nanos = 0;
        self.planned = planned;
        self.began = (self.elapsed)();
        let line = format!(
            "{load} to {}, {} in all, run {}",
            subject.target,
            words::span(planned.as_secs_f64()),
            subject.id
        );
        self.say(&line);
    }

    fn second(&mut self, second: &Second, so_far: &Tally) {
        let told = std::mem::replace(&mut self.told_nanos, so_far.span_nanos);
        let nanos = match so_far.span_nanos.checked_sub(told) {
            // Of a warm-up, or left out of the sum: those are whole.
            Some(0) => 1_000_000_000,
            Some(nanos) => nanos,
            // The sum of another trial.
            None => so_far.span_nanos,
        };
        self.since_last.push(Piece {
            second: *second,
            seconds: nanos as f64 / 1e9,
        });
        if self.passed() <= EVERY_SECOND_FOR || self.since_last.len() >= LATER_EVERY {
            self.flush_seconds();
        }
    }

    fn trial(&mut self, trial: &TrialResult) {
        self.flush_seconds();
        self.told_nanos = 0;
        let line = format!(
            "{} at {} QPS: {}, {}",
            trial.purpose,
            words::rate(trial.rate),
            trial.class,
            trial.why
        );
        self.say(&line);
    }

    fn note(&mut self, line: &str) {
        // In order: what came before the note is said before it.
        self.flush_seconds();
        self.say(line);
    }

    fn ended(&mut self) {
        self.flush_seconds();
        let _ = self.out.flush();
    }
}

fn line(pieces: &[Piece], left: Duration) -> Option<String> {
    let last = pieces.last()?.second;
    let count = |of: fn(&Second) -> f64| -> f64 {
        let counts = pieces
            .iter()
            .map(|piece| of(&piece.second) * piece.seconds.max(1.0));
        counts.sum::<f64>().round()
    };
    let highest = |of: fn(&Second) -> f64| -> f64 {
        let figures = pieces.iter().map(|piece| of(&piece.second));
        figures.fold(0.0, f64::max)
    };
    let limited = count(|second| second.limited);
    let limited = if limited > 0.0 {
        format!(", {} limited", words::rate(limited))
    } else {
        String::new()
    };
    Some(format!(
        "{:>6} left  {}  {} failed{limited}  {} in flight  p50 {}  p99 {}  max {}  lag {}{}",
        words::span(left.as_secs_f64().round()),
        rates(pieces).unwrap_or_else(|| format!("{} ok", words::rate(count(|second| second.ok)))),
        words::rate(count(|second| second.failed)),
        words::number(last.in_flight),
        words::ms(highest(|second| second.p50_ms)),
        words::ms(highest(|second| second.p99_ms)),
        words::ms(highest(|second| second.max_ms)),
        words::ms(highest(|second| second.lag_p99_ms)),
        if last.warm_up { "  warm-up" } else { "" },
    ))
}

/// Requests and successes per second, over what is long enough to tell.
fn rates(pieces: &[Piece]) -> Option<String> {
    let long: Vec<&Second> = pieces
        .iter()
        .filter(|piece| piece.seconds >= RATE_SECONDS_MIN)
        .map(|piece| &piece.second)
        .collect();
    let mean = |of: fn(&Second) -> f64| {
        long.iter().map(|second| of(second)).sum::<f64>() / long.len() as f64
    };
    (!long.is_empty()).then(|| {
        format!(
            "{:>6}/s sent  {:>6}/s ok",
            words::rate(mean(|second| second.sent)),
            words::rate(mean(|second| second.ok)),
        )
    })
}
