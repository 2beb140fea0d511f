//! What a page says of itself.

use std::fmt;
use std::time::Duration;

/// The numbers behind a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Calls since the excursion began, and failures among them.
    pub calls: u64,
    /// Failures among them.
    pub failed: u64,
    /// How long that was.
    pub took: Duration,
    /// The share of failing calls that counts as healthy at this hour.
    pub healthy: f64,
    /// The alternative that was proven first.
    pub alternative: f64,
    /// Evidence, as a natural logarithm of odds. Already divided while learning.
    pub log_odds: f64,
    /// What it had to pass.
    pub threshold: f64,
    /// Whether too few clean days are known yet.
    pub learning: bool,
    /// Whether the function usually fails more than five times what its objective allows, so that the
    /// healthy share was capped.
    pub capped: bool,
    /// The time in which one false page is accepted.
    pub page_every: Duration,
}

impl fmt::Display for Evidence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(out, "{} of {} calls failed in ", self.failed, self.calls)?;
        if seconds < 99.5 {
            write!(out, "{seconds:.1} s")?;
        } else {
            write!(out, "{:.0} min", seconds / 60.0)?;
        }
        write!(
            out,
            "; healthy is {}; {}; budget one false page in {}",
            Percent(self.healthy),
            Odds(self.log_odds),
            Span(self.page_every)
        )?;
        if self.capped {
            write!(out, "; it usually fails more than the objective allows")?;
        }
        if self.learning {
            write!(out, "; still learning")?;
        }
        Ok(())
    }
}

/// `odds 10^11 : 1`, out of a natural logarithm.
pub(crate) struct Odds(pub(crate) f64);

impl fmt::Display for Odds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decades = (self.0 / std::f64::consts::LN_10).floor().max(0.0);
        write!(out, "odds 10^{decades:.0} : 1")
    }
}

struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        // Two digits that count: 0.1, 0.015, 12.
        let places = (1.0 - percent.max(1e-9).log10().floor()).clamp(0.0, 6.0) as usize;
        let text = format!("{percent:.places$}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        write!(out, "{text} %")
    }
}

pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.as_secs_f64() / 86_400.0;
        let (count, one) = if days >= 365.0 {
            (days / 365.0, "year")
        } else if days >= 1.0 {
            (days, "day")
        } else {
            (days * 24.0, "hour")
        };
        let count = (count * 10.0).round() / 10.0;
        if (count - 1.0).abs() < 1e-9 {
            write!(out, "a {one}")
        } else {
            write!(out, "{count} {one}s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        Evidence {
            calls: 402,
            failed: 43,
            took: Duration::from_millis(4_100),
            healthy: 0.001,
            alternative: 0.125,
            log_odds: 26.5,
            threshold: 20.0,
            learning: false,
            capped: false,
            page_every: crate::settings::PAGE_EVERY_DEFAULT,
        }
    }

    #[test]
    fn reads_like_a_sentence() {
        assert_eq!(
            evidence().to_string(),
            "43 of 402 calls failed in 4.1 s; healthy is 0.1 %; odds 10^11 : 1; budget one false page in 3 years"
        );
    }

    #[test]
    fn says_when_it_is_less_sure() {
        let unsure = Evidence {
            healthy: 0.004_96,
            learning: true,
            capped: true,
            took: Duration::from_mins(12),
            page_every: Duration::from_hours(24),
            ..evidence()
        };
        assert_eq!(
            unsure.to_string(),
            "43 of 402 calls failed in 12 min; healthy is 0.5 %; odds 10^11 : 1; budget one false page in a day; it usually fails more than the objective allows; still learning"
        );
    }
}
