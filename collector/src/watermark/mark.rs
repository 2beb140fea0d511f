//! How far one source is, and whether it keeps to its schedule. Pure: the time is an argument.

use std::time::Duration;

use model::Timestamp;

/// How late anything may be beyond what its schedule allows.
pub(crate) const LATE_GRACE: Duration = Duration::from_secs(2);
/// How often a source that promises no batches is expected to send a heartbeat once it has begun to.
pub(crate) const HEARTBEAT_EVERY: Duration = Duration::from_mins(1);

/// How a source shows how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Files that are read to their end all the time.
    Tailed {
        /// How long their writer may hold a line back.
        flush_delay: Duration,
    },
    /// Targets that are fetched on a schedule. They give metrics, and never calls of a function.
    Scraped {
        /// How often.
        every: Duration,
        /// How long one fetch may take.
        timeout: Duration,
    },
    /// It is pushed: by heartbeats, and by batches of which one comes at least this often.
    Pushed {
        /// `expect_every`; without it and without heartbeats, silence says nothing.
        expect_every: Option<Duration>,
    },
}

/// What a pusher said about itself, and when.
#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    until: Timestamp,
    at: Timestamp,
}

/// What is known of one source.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    promise: Promise,
    /// Stands in feeds instead of the name.
    pub(super) number: u32,
    /// When the source was declared as it is.
    since: Timestamp,
    /// Up to when what was read or pushed shows it complete.
    until: Option<Timestamp>,
    heartbeat: Option<Heartbeat>,
    /// When anything came from it last.
    sign_of_life: Option<Timestamp>,
}

impl Mark {
    pub(super) fn new(promise: Promise, number: u32, now: Timestamp) -> Self {
        Mark {
            promise,
            number,
            since: now,
            until: None,
            heartbeat: None,
            sign_of_life: None,
        }
    }

    /// Takes another promise; it is judged by that from now on.
    pub(super) fn declare(&mut self, promise: Promise, now: Timestamp) {
        if self.promise != promise {
            self.promise = promise;
            self.since = now;
        }
    }

    /// What is read here was read up to `until`.
    pub(super) fn advance(&mut self, until: Timestamp) {
        self.until = self.until.max(Some(until));
    }

    /// Something came that says nothing about how far the source is.
    pub(super) fn alive(&mut self, now: Timestamp) {
        self.sign_of_life = self.sign_of_life.max(Some(now));
    }

    /// A batch arrived whose newest call was complete at `newest`; an empty one has none.
    pub(super) fn batch(&mut self, newest: Option<Timestamp>, arrived: Timestamp) {
        self.alive(arrived);
        let Promise::Pushed { .. } = self.promise else {
            return;
        };
        // A sender that works off a backlog is only as far as its calls are; one whose clock is
        // ahead is no further than now.
        self.advance(newest.map_or(arrived, |newest| newest.min(arrived)));
        if let Some(heartbeat) = self.heartbeat
            && arrived > heartbeat.at + self.expected_every()
        {
            // Batches go on without heartbeats. What the last one said still holds.
            self.advance(heartbeat.until.min(heartbeat.at));
            self.heartbeat = None;
        }
    }

    /// A pusher says how far it is. An older word than the newest is only a sign of life.
    pub(super) fn beat(&mut self, until: Timestamp, now: Timestamp) {
        self.alive(now);
        let until = self.heartbeat.map_or(until, |last| last.until.max(until));
        self.heartbeat = Some(Heartbeat { until, at: now });
    }

    /// Up to when the source is complete.
    pub(super) fn watermark(&self) -> Option<Timestamp> {
        match (self.promise, self.heartbeat) {
            (Promise::Pushed { .. }, Some(heartbeat)) => Some(heartbeat.until),
            (Promise::Pushed { expect_every: None }, None) => None,
            _ => self.until,
        }
    }

    /// Whether its silence says nothing, as nothing was promised.
    pub(super) fn promises_nothing(&self) -> bool {
        self.promise == Promise::Pushed { expect_every: None } && self.heartbeat.is_none()
    }

    pub(super) fn has_delivered(&self) -> bool {
        self.sign_of_life.is_some()
    }

    /// Whether it may deliver calls of functions.
    pub(super) fn gives_calls(&self) -> bool {
        !matches!(self.promise, Promise::Scraped { .. })
    }

    /// Whether it keeps to its schedule: it shows life as often as it should, and is no further
    /// behind than the schedule explains. What was just declared has its first term before it.
    pub(super) fn is_on_time(&self, now: Timestamp) -> bool {
        let reached = self.watermark().max(Some(self.since));
        !self.is_overdue(now) && reached.is_some_and(|reached| reached + self.allowance() >= now)
    }

    /// Whether a pusher has been silent for longer than it promised.
    fn is_overdue(&self, now: Timestamp) -> bool {
        let last = self.sign_of_life.max(Some(self.since));
        matches!(self.promise, Promise::Pushed { .. })
            && last.is_some_and(|last| last + self.expected_every() + LATE_GRACE < now)
    }

    fn expected_every(&self) -> Duration {
        match self.promise {
            Promise::Pushed { expect_every } => expect_every.unwrap_or(HEARTBEAT_EVERY),
            Promise::Scraped { every, .. } => every,
            Promise::Tailed { flush_delay } => flush_delay,
        }
    }

    /// How far behind it may be while all is well.
    fn allowance(&self) -> Duration {
        LATE_GRACE
            + match self.promise {
                Promise::Tailed { flush_delay } => flush_delay,
                Promise::Scraped { every, timeout } => every + timeout,
                // A call just after one batch is sent with the next, and is the newest known until
                // the one after that.
                Promise::Pushed { .. } => self.expected_every() * 2,
            }
    }
}
