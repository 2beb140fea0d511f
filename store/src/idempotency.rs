//! Senders' keys: a batch that is sent again after a lost answer gets the same answer, and counts once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Timestamp;
use tokio::sync::watch;

use crate::batch::Idempotency;
use crate::manifest::KeptKey;

/// How many keys are kept, how long, and how much they may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) window: Duration,
    pub(crate) keys_max: usize,
    pub(crate) bytes_max: usize,
}

#[derive(Debug)]
struct Answered {
    answer: String,
    sequence: u64,
    at: Timestamp,
    /// Monotonic, so that a clock that is set does not forget keys early.
    forget_at: Duration,
}

#[derive(Debug, Default)]
struct Keys {
    answered: HashMap<String, Answered>,
    /// Keys by age, oldest first.
    order: VecDeque<String>,
    in_flight: HashSet<String>,
    bytes: usize,
}

/// What the ledger knows about a key.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Answered { answer: String, sequence: u64 },
    InFlight,
    New,
}

impl Keys {
    fn look(&mut self, key: &str, elapsed: Duration) -> Known {
        self.forget(elapsed);
        if self.in_flight.contains(key) {
            return Known::InFlight;
        }
        if let Some(answered) = self.answered.get(key) {
            return Known::Answered {
                answer: answered.answer.clone(),
                sequence: answered.sequence,
            };
        }
        self.in_flight.insert(key.to_owned());
        Known::New
    }

    fn insert(&mut self, key: KeptKey, forget_at: Duration, limits: &Limits) {
        let answered = Answered {
            answer: key.answer,
            sequence: key.sequence,
            at: key.at,
            forget_at,
        };
        self.bytes += key.key.len() + answered.answer.len();
        if let Some(before) = self.answered.insert(key.key.clone(), answered) {
            self.bytes -= key.key.len() + before.answer.len();
        } else {
            self.order.push_back(key.key);
        }
        while self.answered.len() > limits.keys_max || self.bytes > limits.bytes_max {
            if !self.forget_oldest() {
                break;
            }
        }
    }

    fn forget(&mut self, elapsed: Duration) {
        while let Some(oldest) = self.order.front().and_then(|key| self.answered.get(key)) {
            if oldest.forget_at > elapsed {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(key) = self.order.pop_front() else {
            return false;
        };
        if let Some(answered) = self.answered.remove(&key) {
            self.bytes -= key.len() + answered.answer.len();
        }
        true
    }
}

/// The keys seen, and those whose batch is being committed.
#[derive(Debug)]
pub(crate) struct Ledger {
    keys: Mutex<Keys>,
    settled: watch::Sender<()>,
    limits: Limits,
}

/// How a commit with a key begins.
#[derive(Debug)]
pub(crate) enum Begin {
    /// Nobody has committed this key; the reservation keeps others waiting.
    New(Reservation),
    /// It was committed, with this answer.
    Repeated { answer: String, sequence: u64 },
}

impl Ledger {
    pub(crate) fn new(limits: Limits) -> Self {
        Ledger {
            keys: Mutex::default(),
            settled: watch::Sender::new(()),
            limits,
        }
    }

    /// Looks a key up; waits while another commit has it in flight.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        key: &str,
        elapsed: impl Fn() -> Duration,
    ) -> Begin {
        let mut settled = self.settled.subscribe();
        loop {
            settled.borrow_and_update();
            let known = self.lock().look(key, elapsed());
            match known {
                Known::New => {
                    return Begin::New(Reservation {
                        ledger: Arc::clone(self),
                        key: key.to_owned(),
                    });
                }
                Known::Answered { answer, sequence } => {
                    return Begin::Repeated { answer, sequence };
                }
                // The sender lives in `self`, so waiting cannot fail.
                Known::InFlight => drop(settled.changed().await),
            }
        }
    }

    /// Notes a durable key. Whoever waits for it still waits until its reservation is dropped.
    pub(crate) fn insert(
        &self,
        idempotency: &Idempotency,
        sequence: u64,
        at: Timestamp,
        elapsed: Duration,
    ) {
        let key = KeptKey {
            key: idempotency.key.clone(),
            answer: idempotency.answer.clone(),
            sequence,
            at,
        };
        let forget_at = elapsed + self.limits.window;
        self.lock().insert(key, forget_at, &self.limits);
    }

    /// Puts back a key that was kept across a restart, unless its time has passed.
    pub(crate) fn restore(&self, key: KeptKey, now: Timestamp, elapsed: Duration) {
        let age = now.since(key.at);
        if age < self.limits.window {
            let forget_at = elapsed + (self.limits.window.saturating_sub(age));
            self.lock().insert(key, forget_at, &self.limits);
        }
    }

    /// The keys of commits after one sequence number up to another.
    pub(crate) fn between(&self, after: u64, through: u64) -> Vec<KeptKey> {
        let keys = self.lock();
        let kept = keys.order.iter().rev().filter_map(|key| {
            let answered = keys.answered.get(key)?;
            Some((key, answered))
        });
        let mut between: Vec<_> = kept
            .filter(|(_, answered)| answered.sequence > after && answered.sequence <= through)
            .map(|(key, answered)| KeptKey {
                key: key.clone(),
                answer: answered.answer.clone(),
                sequence: answered.sequence,
                at: answered.at,
            })
            .collect();
        between.reverse();
        between
    }

    /// What keys and answers take, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes as u64
    }

    /// How long a key is kept.
    pub(crate) fn window(&self) -> Duration {
        self.limits.window
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key whose batch is being committed. Dropping it lets those who wait look again: they find the
/// answer if the commit became durable, and may try themselves if it did not.
#[derive(Debug)]
pub(crate) struct Reservation {
    ledger: Arc<Ledger>,
    key: String,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.ledger.lock().in_flight.remove(&self.key);
        self.ledger.settled.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        window: Duration::from_mins(10),
        keys_max: 3,
        bytes_max: 1000,
    };

    fn key(name: &str, sequence: u64) -> KeptKey {
        KeptKey {
            key: name.to_owned(),
            answer: format!("answer {name}"),
            sequence,
            at: Timestamp::EPOCH,
        }
    }

    fn known(keys: &mut Keys, name: &str, at: u64) -> &'static str {
        match keys.look(name, Duration::from_secs(at)) {
            Known::New => "new",
            Known::InFlight => "in flight",
            Known::Answered { .. } => "answered",
        }
    }

    #[test]
    fn a_key_is_new_in_flight_answered_and_forgotten() {
        let mut keys = Keys::default();
        assert_eq!(known(&mut keys, "a", 0), "new");
        assert_eq!(known(&mut keys, "a", 1), "in flight");
        keys.insert(key("a", 1), Duration::from_mins(10), &LIMITS);
        keys.in_flight.remove("a");
        assert_eq!(known(&mut keys, "a", 599), "answered");
        assert_eq!(known(&mut keys, "a", 600), "new");
    }

    #[test]
    fn the_oldest_give_way_by_count_and_by_bytes() {
        let mut keys = Keys::default();
        for (sequence, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            keys.insert(key(name, sequence as u64), Duration::from_mins(10), &LIMITS);
        }
        assert_eq!(known(&mut keys, "a", 0), "new");
        assert_eq!(known(&mut keys, "b", 0), "answered");
        let mut large = key("e", 9);
        large.answer = "x".repeat(995);
        keys.insert(large, Duration::from_mins(10), &LIMITS);
        assert_eq!((keys.answered.len(), keys.bytes), (1, 996));
    }

    #[test]
    fn a_restart_shortens_the_time_left_and_drops_what_is_over() {
        let ledger = Ledger::new(LIMITS);
        let now = Timestamp::from_seconds(500);
        ledger.restore(key("kept", 7), now, Duration::ZERO);
        let mut old = key("old", 3);
        old.at = Timestamp::from_seconds(-200);
        ledger.restore(old, now, Duration::ZERO);
        assert_eq!(ledger.between(0, 100), [key("kept", 7)]);
        assert_eq!(ledger.between(7, 100), []);
        assert_eq!(known(&mut ledger.lock(), "kept", 99), "answered");
        assert_eq!(known(&mut ledger.lock(), "kept", 100), "new");
    }

    #[tokio::test]
    async fn who_waits_for_a_key_gets_its_answer_or_its_turn() {
        let ledger = Arc::new(Ledger::new(LIMITS));
        let Begin::New(first) = ledger.begin("k", || Duration::ZERO).await else {
            panic!("a new key")
        };
        let other = Arc::clone(&ledger);
        let waiting = tokio::spawn(async move { other.begin("k", || Duration::ZERO).await });
        tokio::task::yield_now().await;
        drop(first);
        let Begin::New(second) = waiting.await.unwrap() else {
            panic!("its turn, since the first did not commit")
        };
        let other = Arc::clone(&ledger);
        let waiting = tokio::spawn(async move { other.begin("k", || Duration::ZERO).await });
        tokio::task::yield_now().await;
        let idempotency = Idempotency {
            key: "k".to_owned(),
            answer: "done".to_owned(),
        };
        ledger.insert(&idempotency, 5, Timestamp::EPOCH, Duration::ZERO);
        drop(second);
        let Begin::Repeated { answer, sequence } = waiting.await.unwrap() else {
            panic!("the answer")
        };
        assert_eq!((answer.as_str(), sequence), ("done", 5));
    }
}
