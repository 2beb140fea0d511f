//! How often one number may be called: providers block those who call more, and count the calls that
//! failed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::Timestamp;

use super::outbox::Address;
use crate::delivery::Quota;

/// When each address was last used, for ways that have quotas.
#[derive(Debug, Default)]
pub(super) struct Used {
    times: BTreeMap<Address, VecDeque<Timestamp>>,
}

impl Used {
    /// No quota reaches farther back.
    pub(super) const REACH: Duration = Duration::from_hours(24);
    /// Addresses beyond this many are looked through for those that are no longer of interest.
    const ADDRESSES_MAX: usize = 10_000;

    /// Remembers a use.
    pub(super) fn note(&mut self, address: &Address, at: Timestamp) {
        if self.times.len() >= Self::ADDRESSES_MAX {
            self.times
                .retain(|_, times| times.back().is_some_and(|last| *last + Self::REACH > at));
        }
        let times = self.times.entry(address.clone()).or_default();
        while times
            .front()
            .is_some_and(|first| *first + Self::REACH <= at)
        {
            times.pop_front();
        }
        times.push_back(at);
    }

    /// The quota that keeps an address from being used now, and when it may be used again.
    pub(super) fn full(
        &self,
        address: &Address,
        quotas: &[Quota],
        now: Timestamp,
    ) -> Option<(Quota, Timestamp)> {
        let times = self.times.get(address)?;
        let free = |quota: &Quota| {
            let oldest = times.len().checked_sub(quota.most as usize)?;
            let free_at = *times.get(oldest)? + quota.per;
            (free_at > now).then_some((*quota, free_at))
        };
        quotas.iter().filter_map(free).max_by_key(|(_, at)| *at)
    }

    pub(super) fn shift(&mut self, moved: impl Fn(Timestamp) -> Timestamp) {
        for times in self.times.values_mut() {
            for at in times {
                *at = moved(*at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTAS: [Quota; 2] = [
        Quota {
            most: 1,
            per: Duration::from_mins(1),
        },
        Quota {
            most: 5,
            per: Duration::from_hours(1),
        },
    ];

    #[test]
    fn every_window_holds_at_every_moment() {
        let address = |person: &str| Address {
            endpoint: "channels.phone".into(),
            person: Some(person.into()),
        };
        let mut used = Used::default();
        let mut calls: Vec<i64> = Vec::new();
        for second in 0..3 * 3_600 {
            let now = Timestamp::from_seconds(second);
            if used.full(&address("ann"), &QUOTAS, now).is_none() {
                used.note(&address("ann"), now);
                calls.push(second);
            }
        }
        assert_eq!(calls.len(), 15, "five an hour: {calls:?}");
        for (most, per) in [(1, 60), (5, 3_600)] {
            for at in &calls {
                let within = calls.iter().filter(|call| (*at..*at + per).contains(call));
                assert!(within.count() <= most, "{most} in {per} s: {calls:?}");
            }
        }
        let now = Timestamp::from_seconds(calls[14]);
        let (quota, free_at) = used.full(&address("ann"), &QUOTAS, now).unwrap();
        assert_eq!((quota.most, free_at.as_seconds()), (5, calls[10] + 3_600));
        assert!(
            used.full(&address("ben"), &QUOTAS, now).is_none(),
            "each number for itself"
        );
    }
}
