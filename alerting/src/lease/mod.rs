//! Who leads, when several nodes share one database.
//!
//! One row is held for a while by the database's clock, and renewed within a third of that time. Each
//! new holder gets the next epoch, and everything a leader writes carries its epoch, so that whoever
//! lost the lease without noticing writes nothing any more. This machine only decides what to ask the
//! database and when; it does no I/O and reads no clock. Its times are those of the node's own clock
//! that never jumps.

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

/// How long things take, from the length of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// How long the lease is held without being renewed.
    pub lease: Duration,
}

impl Timing {
    /// How often the holder renews it.
    pub(crate) fn renew_every(self) -> Duration {
        self.lease / 3
    }

    /// How often others look at it.
    pub(crate) fn look_every(self) -> Duration {
        (self.lease / 8).min(Duration::from_secs(1))
    }

    /// How soon the database is asked again when it did not answer: sooner than others look, so that
    /// a database that comes back finds the leader it had.
    pub(crate) fn retry_every(self) -> Duration {
        (self.lease / 30).max(Duration::from_millis(50))
    }

    /// How long after it was asked for a lease is surely held: clocks do not go equally fast.
    pub(crate) fn sure_for(self) -> Duration {
        self.lease * 9 / 10
    }

    /// How long a leader whose database does not answer keeps messages back. After that nobody else
    /// may be there to send them, and being told twice is better than not at all.
    pub(crate) fn hold_back(self) -> Duration {
        self.lease * 3 / 2
    }
}

/// The row as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The process that holds it; empty when it was given up.
    pub holder: String,
    /// The name that people know it by.
    pub name: String,
    /// How often it changed hands.
    pub epoch: u64,
    /// Until when, by the database's clock.
    pub until_us: i64,
    /// Whether that is over.
    pub lapsed: bool,
    /// How often the holders wrote.
    pub changes: i64,
}

/// What the database is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Who holds it?
    Look,
    /// To be given it, if it is still free and at this epoch.
    Take {
        /// The epoch that was seen.
        epoch: u64,
    },
    /// To hold it longer, if it is still ours.
    Renew {
        /// Our epoch.
        epoch: u64,
    },
}

/// What the database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The row.
    Row(Held),
    /// It is so.
    Done,
    /// Somebody else was first.
    Beaten,
    /// Nothing; it may have happened or not.
    Away,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// This node leads from now on.
    Lead {
        /// In this epoch.
        epoch: u64,
    },
    /// It does not any more.
    Follow,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Somebody else leads, or nobody.
    Following,
    /// This node leads.
    Leading {
        /// In this epoch.
        epoch: u64,
        /// Nobody else does before this.
        sure_until: Duration,
    },
}

/// One node's view of the lease.
#[derive(Debug)]
pub(crate) struct Lease {
    me: String,
    timing: Timing,
    standing: Standing,
    /// The last row seen, and since when it has not changed while the database answered.
    watched: Option<(u64, i64, Duration)>,
    /// The epoch to be taken, once there is nobody to hold it.
    free: Option<u64>,
    due: Duration,
}

impl Lease {
    /// A node that has seen nothing yet.
    pub(crate) fn new(me: String, timing: Timing) -> Self {
        Lease {
            me,
            timing,
            standing: Standing::Following,
            watched: None,
            free: None,
            due: Duration::ZERO,
        }
    }

    /// Where this node stands.
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// When the database is to be asked next.
    pub(crate) fn due(&self) -> Duration {
        self.due
    }

    /// What it is to be asked then.
    pub(crate) fn ask(&self) -> Ask {
        match (self.standing, self.free) {
            (Standing::Leading { epoch, .. }, _) => Ask::Renew { epoch },
            (Standing::Following, Some(epoch)) => Ask::Take { epoch },
            (Standing::Following, None) => Ask::Look,
        }
    }

    /// Takes in an answer; `asked_at` is when the question left.
    pub(crate) fn hear(
        &mut self,
        asked: Ask,
        answer: Answer,
        asked_at: Duration,
        now: Duration,
    ) -> Option<Effect> {
        match (asked, answer) {
            (_, Answer::Away) => {
                // A row that nobody could renew is not one that nobody renews.
                self.watched = None;
                self.free = None;
                self.due = now + self.timing.retry_every();
                None
            }
            (Ask::Look, Answer::Row(held)) => {
                self.see(&held, now);
                None
            }
            (Ask::Take { epoch }, Answer::Done) => {
                let epoch = epoch + 1;
                self.lead(epoch, asked_at, now);
                Some(Effect::Lead { epoch })
            }
            (Ask::Renew { epoch }, Answer::Done) => {
                self.lead(epoch, asked_at, now);
                None
            }
            (Ask::Renew { .. }, _) => {
                self.stand_back(now);
                Some(Effect::Follow)
            }
            (Ask::Take { .. } | Ask::Look, _) => {
                self.stand_back(now);
                None
            }
        }
    }

    /// Whoever does not lead: is the row free, or has it been left alone for a whole lease?
    fn see(&mut self, held: &Held, now: Duration) {
        let seen = (held.epoch, held.until_us);
        let since = match self.watched {
            Some((epoch, until, since)) if (epoch, until) == seen => since,
            _ => now,
        };
        self.watched = Some((seen.0, seen.1, since));
        let left_alone = held.lapsed && now.saturating_sub(since) >= self.timing.lease;
        if held.holder.is_empty() || held.holder == self.me || left_alone {
            self.free = Some(held.epoch);
            self.due = now;
        } else {
            self.due = now + self.timing.look_every();
        }
    }

    fn lead(&mut self, epoch: u64, asked_at: Duration, now: Duration) {
        self.free = None;
        self.watched = None;
        self.standing = Standing::Leading {
            epoch,
            sure_until: asked_at + self.timing.sure_for(),
        };
        self.due = now + self.timing.renew_every();
    }

    fn stand_back(&mut self, now: Duration) {
        self.standing = Standing::Following;
        self.free = None;
        self.watched = None;
        self.due = now;
    }
}
