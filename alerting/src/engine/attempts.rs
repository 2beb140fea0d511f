//! How often somebody may type a wrong code: few times from one address, and not often in all, so
//! that guessing a code of 30 bits takes longer than a code is good.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use model::Timestamp;

/// Why a code opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeRefusal {
    /// It is none, or no longer.
    Wrong,
    /// Too many wrong ones came, from this address or in all.
    TooMany,
    /// It could not be looked up.
    Failed,
}

/// The wrong codes of the recent past.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: Mutex<VecDeque<(Timestamp, IpAddr)>>,
}

impl Attempts {
    /// Wrong codes from one address…
    const PER_ADDRESS_MAX: usize = 5;
    /// …and from all of them…
    const IN_ALL_MAX: usize = 100;
    /// …within this long.
    const WITHIN: Duration = Duration::from_mins(10);

    /// Whether somebody at this address may try now.
    pub(super) fn allow(&self, from: IpAddr, now: Timestamp) -> Result<(), CodeRefusal> {
        let mut failed = self.failed.lock().map_err(|_| CodeRefusal::Failed)?;
        // A clock that was set back keeps nobody out for longer.
        failed.retain(|(at, _)| *at <= now && now < *at + Self::WITHIN);
        let of_address = failed
            .iter()
            .filter(|(_, address)| *address == from)
            .count();
        if of_address >= Self::PER_ADDRESS_MAX || failed.len() >= Self::IN_ALL_MAX {
            return Err(CodeRefusal::TooMany);
        }
        Ok(())
    }

    /// A code was wrong.
    pub(super) fn failed(&self, from: IpAddr, now: Timestamp) {
        if let Ok(mut failed) = self.failed.lock() {
            failed.push_back((now, from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_ends_for_an_address_and_for_all_and_time_forgives() {
        let attempts = Attempts::default();
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let now = Timestamp::from_seconds(1_000_000);
        for _ in 0..Attempts::PER_ADDRESS_MAX {
            assert_eq!(attempts.allow(address(1), now), Ok(()));
            attempts.failed(address(1), now);
        }
        assert_eq!(attempts.allow(address(1), now), Err(CodeRefusal::TooMany));
        assert_eq!(attempts.allow(address(2), now), Ok(()));
        for n in 0..95 {
            attempts.failed(address(100 + n), now);
        }
        assert_eq!(
            attempts.allow(address(2), now),
            Err(CodeRefusal::TooMany),
            "in all"
        );
        assert_eq!(attempts.allow(address(1), now + Attempts::WITHIN), Ok(()));
    }
}
