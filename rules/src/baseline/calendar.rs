//! The same local time on an earlier day, across changes to and from summer time.

use chrono::Days;
use chrono_tz::Tz;
use model::{DatedEvent, Timestamp};

/// The instant at which clocks in `zone` showed, `days` ago, what they show at `now`. A time that was
/// skipped means the first valid one after it, a time that came twice the first.
pub(crate) fn same_local_time(now: Timestamp, days: u32, zone: Tz) -> Timestamp {
    let local = now.to_utc().with_timezone(&zone).naive_local();
    local
        .checked_sub_days(Days::new(u64::from(days)))
        .map_or(Timestamp::EPOCH, |earlier| {
            DatedEvent::local_instant(earlier, zone)
        })
}
