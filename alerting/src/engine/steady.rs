//! Notices when the wall clock is set, by comparing it with the one that never jumps.

use std::time::Duration;

use model::{SharedClock, Timestamp};

/// A difference beyond this is a clock that was set, not one that drifts.
const JUMP_MIN: Duration = Duration::from_secs(10);

pub(super) struct Steady {
    clock: SharedClock,
    wall: Timestamp,
    elapsed: Duration,
}

impl Steady {
    pub(super) fn new(clock: SharedClock) -> Self {
        Steady {
            wall: clock.now(),
            elapsed: clock.elapsed(),
            clock,
        }
    }

    /// The wall time as last looked at.
    pub(super) fn last(&self) -> Timestamp {
        self.wall
    }

    /// The wall time, and by how many microseconds it was set since the last call.
    pub(super) fn now(&mut self) -> (Timestamp, Option<i64>) {
        let (wall, elapsed) = (self.clock.now(), self.clock.elapsed());
        let expected = self.wall + elapsed.saturating_sub(self.elapsed);
        let difference = wall.as_micros().saturating_sub(expected.as_micros());
        self.wall = wall;
        self.elapsed = elapsed;
        let jumped = difference.unsigned_abs() > JUMP_MIN.as_micros() as u64;
        (wall, jumped.then_some(difference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ManualClock;

    #[test]
    fn tells_setting_from_passing() {
        let clock = ManualClock::at(Timestamp::from_seconds(1_000));
        let mut steady = Steady::new(clock.clone());
        clock.advance(Duration::from_hours(1));
        assert_eq!(steady.now().1, None);
        clock.jump_to(Timestamp::from_seconds(91_000));
        clock.advance(Duration::from_secs(5));
        assert_eq!(
            steady.now(),
            (Timestamp::from_seconds(91_005), Some(86_400_000_000))
        );
        clock.jump_to(Timestamp::from_seconds(91_000));
        assert_eq!(steady.now().1, None, "a few seconds are drift");
        clock.jump_to(Timestamp::from_seconds(1_000));
        assert_eq!(steady.now().1, Some(-90_000_000_000));
    }
}
