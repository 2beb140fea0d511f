//! Instants and spans as people read them at night: absolute, with the offset.

use std::time::Duration;

use chrono::TimeZone;
use chrono_tz::Tz;
use model::Timestamp;

use crate::delivery::Language;

/// `2026-11-11 00:00:05 +08:00`.
pub fn instant(at: Timestamp, zone: Tz) -> String {
    local(at, zone, "%Y-%m-%d %H:%M:%S %:z")
}

/// `00:00`, for media with little room.
pub(super) fn hour_minute(at: Timestamp, zone: Tz) -> String {
    local(at, zone, "%H:%M")
}

/// `00:00:05`, for lines that follow a full instant.
pub(crate) fn clock_time(at: Timestamp, zone: Tz) -> String {
    local(at, zone, "%H:%M:%S")
}

fn local(at: Timestamp, zone: Tz, format: &str) -> String {
    let utc = at.to_utc().naive_utc();
    zone.from_utc_datetime(&utc).format(format).to_string()
}

/// The two largest units: `4 min 12 s`, `2 h 5 min`, `3 d 4 h`.
pub fn span(duration: Duration, language: Language) -> String {
    let seconds = duration.as_secs();
    let units = match language {
        Language::En => ["d", "h", "min", "s"],
        Language::Zh => ["天", "小时", "分", "秒"],
    };
    let counts = [
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ];
    let parts: Vec<String> = counts
        .iter()
        .zip(units)
        .skip_while(|(count, _)| **count == 0)
        .take(2)
        .filter(|(count, _)| **count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if parts.is_empty() {
        return format!("0 {}", units[3]);
    }
    parts.join(" ")
}
