//! What was counted in one second, or in ten, series by series.

use store::Tally;

/// Entries in the order they came; a series may have several.
#[derive(Debug, Default)]
pub(super) struct Column {
    small: Vec<Small>,
    /// What does not fit into eight bytes.
    large: Vec<(u32, Tally)>,
}

/// Most series have few calls in a second.
#[derive(Clone, Copy, Debug)]
struct Small {
    series: u32,
    counted: u16,
    failed: u8,
    /// Calls beyond those counted.
    uncounted: u8,
}

impl Small {
    fn of(series: u32, tally: &Tally) -> Option<Small> {
        Some(Small {
            series,
            counted: u16::try_from(tally.counted).ok()?,
            failed: u8::try_from(tally.failed).ok()?,
            uncounted: u8::try_from(tally.weighted.checked_sub(tally.counted)?).ok()?,
        })
    }

    fn tally(self) -> Tally {
        let counted = u64::from(self.counted);
        Tally {
            counted,
            failed: u64::from(self.failed),
            weighted: counted + u64::from(self.uncounted),
        }
    }
}

impl Column {
    pub(super) fn push(&mut self, series: u32, tally: &Tally) {
        match Small::of(series, tally) {
            Some(small) => self.small.push(small),
            None => self.large.push((series, *tally)),
        }
    }

    pub(super) fn each(&self, mut visit: impl FnMut(u32, Tally)) {
        for small in &self.small {
            visit(small.series, small.tally());
        }
        for (series, tally) in &self.large {
            visit(*series, *tally);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.small.capacity() * size_of::<Small>()
            + self.large.capacity() * size_of::<(u32, Tally)>()
    }
}
