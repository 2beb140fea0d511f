//! Adds up what threads saw, second by second, and gives each second once it is whole.

use std::collections::BTreeMap;

use crate::engine::SecondTally;
use crate::tally::Tally;

/// Seconds that are not whole yet.
#[derive(Debug)]
pub(crate) struct Gather {
    open: BTreeMap<u32, Tally>,
    /// By thread: the last second that it handed over; `None` before its first.
    reached: Vec<Option<u32>>,
    first_thread: u64,
}

impl Gather {
    /// For so many threads, numbered from `first_thread` on.
    pub(crate) fn new(first_thread: u64, threads: usize) -> Self {
        Gather {
            open: BTreeMap::new(),
            reached: vec![None; threads],
            first_thread,
        }
    }

    /// Takes one thread's second and gives those that every thread has passed, in order.
    pub(crate) fn add(&mut self, second: &SecondTally) -> Vec<(u32, Tally)> {
        let open = self.open.entry(second.second).or_default();
        open.add_beside(&second.tally);
        let place = usize::try_from(second.thread.saturating_sub(self.first_thread));
        if let Some(reached) = place.ok().and_then(|place| self.reached.get_mut(place)) {
            *reached = Some(second.second);
        }
        let Some(whole) = self.reached.iter().copied().min().flatten() else {
            return Vec::new();
        };
        let later = self.open.split_off(&whole.saturating_add(1));
        std::mem::replace(&mut self.open, later)
            .into_iter()
            .collect()
    }

    /// What is left when every thread has ended.
    pub(crate) fn rest(self) -> Vec<(u32, Tally)> {
        self.open.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u32, thread: u64, sent: u64) -> SecondTally {
        let mut tally = Box::<Tally>::default();
        tally.counts.sent = sent;
        tally.threads = 1;
        SecondTally {
            second,
            thread,
            tally,
        }
    }

    fn sent(seconds: Vec<(u32, Tally)>) -> Vec<(u32, u64, u32)> {
        seconds
            .into_iter()
            .map(|(at, tally)| (at, tally.counts.sent, tally.threads))
            .collect()
    }

    #[test]
    fn a_second_is_given_once_every_thread_has_passed_it() {
        let mut gather = Gather::new(4, 2);
        assert_eq!(sent(gather.add(&second(0, 4, 10))), []);
        assert_eq!(sent(gather.add(&second(1, 4, 11))), []);
        assert_eq!(sent(gather.add(&second(0, 5, 20))), [(0, 30, 2)]);
        // The other thread was away for two seconds and hands over all at once.
        assert_eq!(sent(gather.add(&second(3, 5, 60))), [(1, 11, 1)]);
        assert_eq!(sent(gather.add(&second(2, 4, 12))), [(2, 12, 1)]);
        assert_eq!(sent(gather.rest()), [(3, 60, 1)]);
    }
}
