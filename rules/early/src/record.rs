//! A detector's memory as bytes, about 1.5 KB, so that a restart forgets nothing. The first byte is
//! the version; numbers are little-endian. Settings are declared, not stored.

use crate::baseline::Hour;
use crate::blocks::Grid;
use crate::detector::{Detector, Running, Start};
use crate::dispersion::{Dispersion, Fit, MULTIPLES, Stretch, Total};
use crate::learned::Learned;
use crate::likelihood::ALTERNATIVES_MAX;
use crate::peaks::{BINS, Peaks};
use crate::recovery::Failing;
use crate::settings::Settings;

const VERSION: u8 = 1;

/// Why a record is not taken up; the detector then learns anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Another version wrote it.
    Version(u8),
    /// It ends too early, goes on too long or holds a number that cannot be.
    Damaged,
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RecordError::Version(found) => write!(
                out,
                "the detector's record has version {found}, which this Rampart does not read; it learns anew"
            ),
            RecordError::Damaged => write!(out, "the detector's record is damaged; it learns anew"),
        }
    }
}

impl std::error::Error for RecordError {}

impl Detector {
    /// Everything that is not declared, as bytes.
    pub fn to_record(&self) -> Vec<u8> {
        let mut record = Record(vec![VERSION]);
        record.learned(&self.learned);
        record.running(&self.running);
        record.0
    }

    /// Takes up a record under the settings declared now.
    pub fn from_record(settings: Settings, bytes: &[u8]) -> Result<Detector, RecordError> {
        let (version, rest) = bytes.split_first().ok_or(RecordError::Damaged)?;
        if *version != VERSION {
            return Err(RecordError::Version(*version));
        }
        let mut reader = Reader(rest);
        let read = (|| Some((reader.learned()?, reader.running()?)))();
        let (learned, running) = read.ok_or(RecordError::Damaged)?;
        if !reader.0.is_empty() {
            return Err(RecordError::Damaged);
        }
        Ok(Detector::with(settings, learned, running))
    }
}

/// Bytes being written.
pub(crate) struct Record(pub(crate) Vec<u8>);

impl Record {
    pub(crate) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn whole(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    pub(crate) fn number(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    fn learned(&mut self, learned: &Learned) {
        self.whole(learned.grid.base_ms);
        self.whole(learned.grid.multiple);
        self.whole(learned.baseline.clean_hours);
        self.whole(learned.fitted_at);
        self.whole(learned.peaks_from);
        self.number(learned.blocks);
        for hour in &learned.baseline.hours {
            for value in [
                hour.days,
                hour.calls,
                hour.failed,
                hour.logs,
                hour.squares,
                hour.noise,
            ] {
                self.0.extend(value.to_le_bytes());
            }
        }
        self.dispersion(&learned.dispersion);
        self.byte(u8::from(learned.fit.is_some()));
        if let Some(fit) = learned.fit {
            self.whole(fit.multiple);
            self.number(fit.correlation);
            self.number(fit.calls_learned);
        }
        for peaks in &learned.peaks {
            self.peaks(peaks);
        }
    }

    pub(crate) fn peaks(&mut self, peaks: &Peaks) {
        self.number(peaks.largest);
        let used = peaks.bins.iter().rposition(|count| *count > 0);
        let used = used.map_or(0, |last| last + 1);
        self.byte(used as u8);
        for count in peaks.bins.iter().take(used) {
            self.0.extend(count.to_le_bytes());
        }
    }

    fn dispersion(&mut self, dispersion: &Dispersion) {
        for (block, calls, failed) in dispersion.filling {
            for value in [block, calls, failed] {
                self.whole(value);
            }
        }
        for stretch in dispersion.stretches {
            for value in [
                stretch.blocks,
                stretch.calls,
                stretch.failed,
                stretch.squares,
            ] {
                self.number(value);
            }
        }
        for total in dispersion.totals {
            for value in [total.blocks, total.excess, total.pairs] {
                self.number(value);
            }
        }
    }

    fn running(&mut self, running: &Running) {
        for value in [
            running.base,
            running.base_calls,
            running.base_failed,
            running.calls,
            running.failed,
            running.hour_calls,
            running.hour_failed,
            running.newest_ms,
        ] {
            self.whole(value);
        }
        self.byte(u8::from(running.hour_dirty));
        self.number(running.level);
        self.number(running.weighed_level);
        // Most of the time no sum is over zero: only those that are take room.
        for ((sum, peak), start) in running.sums.iter().zip(&running.peaks).zip(&running.starts) {
            let open = *sum > 0.0 || *peak > 0.0;
            self.byte(u8::from(open));
            if open {
                self.number(*sum);
                self.number(*peak);
                for value in [start.at_ms, start.calls, start.failed] {
                    self.whole(value);
                }
            }
        }
        self.byte(u8::from(running.failing.is_some()));
        if let Some(failing) = running.failing {
            for value in [failing.since_ms, failing.breached_ms, failing.longest_ms] {
                self.whole(value);
            }
            self.number(failing.peak);
            self.number(failing.health);
        }
    }
}

/// Bytes being read.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.take::<1>()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn whole(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// A count, a length or an instant: small enough that sums of them stay whole numbers.
    pub(crate) fn count(&mut self) -> Option<u64> {
        self.whole().filter(|value| *value < 1 << 53)
    }

    pub(crate) fn number(&mut self) -> Option<f64> {
        self.take()
            .map(f64::from_le_bytes)
            .filter(|value| value.is_finite())
    }

    pub(crate) fn single(&mut self) -> Option<f32> {
        self.take()
            .map(f32::from_le_bytes)
            .filter(|value| value.is_finite())
    }

    fn learned(&mut self) -> Option<Learned> {
        let mut learned = Learned {
            grid: Grid {
                base_ms: self.count().filter(|base| *base > 0)?,
                multiple: self.multiple()?,
            },
            ..Learned::default()
        };
        learned.baseline.clean_hours = self.count()?;
        learned.fitted_at = self.count()?;
        learned.peaks_from = self.count()?;
        learned.blocks = self.number()?;
        for hour in &mut learned.baseline.hours {
            *hour = Hour {
                days: self.single()?,
                calls: self.single()?,
                failed: self.single()?,
                logs: self.single()?,
                squares: self.single()?,
                noise: self.single()?,
            };
        }
        learned.dispersion = self.dispersion()?;
        if self.flag()? {
            learned.fit = Some(Fit {
                multiple: self.multiple()?,
                correlation: self.number()?.clamp(0.0, 0.9),
                calls_learned: self.number()?,
            });
        }
        for peaks in &mut learned.peaks {
            *peaks = self.peaks()?;
        }
        Some(learned)
    }

    fn multiple(&mut self) -> Option<u64> {
        self.whole().filter(|multiple| MULTIPLES.contains(multiple))
    }

    pub(crate) fn peaks(&mut self) -> Option<Peaks> {
        let mut peaks = Peaks {
            largest: self.number()?,
            ..Peaks::default()
        };
        let [used] = self.take::<1>()?;
        if usize::from(used) > BINS {
            return None;
        }
        for count in peaks.bins.iter_mut().take(usize::from(used)) {
            *count = u16::from_le_bytes(self.take()?);
        }
        Some(peaks)
    }

    fn dispersion(&mut self) -> Option<Dispersion> {
        let mut dispersion = Dispersion::default();
        for filling in &mut dispersion.filling {
            *filling = (self.count()?, self.count()?, self.count()?);
        }
        for stretch in &mut dispersion.stretches {
            *stretch = Stretch {
                blocks: self.number()?,
                calls: self.number()?,
                failed: self.number()?,
                squares: self.number()?,
            };
        }
        for total in &mut dispersion.totals {
            *total = Total {
                blocks: self.number()?,
                excess: self.number()?,
                pairs: self.number()?,
            };
        }
        Some(dispersion)
    }

    fn running(&mut self) -> Option<Running> {
        let mut running = Running {
            base: self.count()?,
            base_calls: self.count()?,
            base_failed: self.count()?,
            calls: self.count()?,
            failed: self.count()?,
            hour_calls: self.count()?,
            hour_failed: self.count()?,
            newest_ms: self.count()?,
            hour_dirty: self.flag()?,
            level: self.number()?,
            weighed_level: self.number()?,
            ..Running::default()
        };
        for alternative in 0..ALTERNATIVES_MAX {
            if self.flag()? {
                *running.sums.get_mut(alternative)? = self.number()?;
                *running.peaks.get_mut(alternative)? = self.number()?;
                *running.starts.get_mut(alternative)? = Start {
                    at_ms: self.count()?,
                    calls: self.count()?,
                    failed: self.count()?,
                };
            }
        }
        if self.flag()? {
            running.failing = Some(Failing {
                since_ms: self.count()?,
                breached_ms: self.count()?,
                longest_ms: self.count()?,
                peak: self.number()?,
                health: self.number()?,
            });
        }
        Some(running)
    }
}
