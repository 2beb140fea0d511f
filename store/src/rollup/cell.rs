//! Counts in 48 bytes.

use super::counts::Counts;

const OUTCOMES: usize = 7;
/// Outcomes, duration, cold starts, and what weights add to the number of calls.
pub(super) const FIELDS: usize = OUTCOMES + 3;

/// [`Counts`] of a span in which a series has fewer than 2³² calls. Arithmetic wraps, so that cells
/// can also be running totals whose differences are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    outcomes: [u32; OUTCOMES],
    cold_starts: u32,
    weighted: u64,
    duration_us: u64,
}

impl Cell {
    pub(super) fn plus(mut self, other: &Cell) -> Cell {
        for (count, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *count = count.wrapping_add(more);
        }
        self.cold_starts = self.cold_starts.wrapping_add(other.cold_starts);
        self.weighted = self.weighted.wrapping_add(other.weighted);
        self.duration_us = self.duration_us.wrapping_add(other.duration_us);
        self
    }

    pub(super) fn minus(mut self, other: &Cell) -> Cell {
        for (count, less) in self.outcomes.iter_mut().zip(other.outcomes) {
            *count = count.wrapping_sub(less);
        }
        self.cold_starts = self.cold_starts.wrapping_sub(other.cold_starts);
        self.weighted = self.weighted.wrapping_sub(other.weighted);
        self.duration_us = self.duration_us.wrapping_sub(other.duration_us);
        self
    }

    pub(super) fn add_to(&self, counts: &mut Counts) {
        counts.merge(&Counts::from(*self));
    }

    pub(super) fn calls(&self) -> u64 {
        self.outcomes.iter().map(|count| u64::from(*count)).sum()
    }

    /// The cell with these [`Cell::fields`].
    pub(super) fn of_fields(fields: &[u64; FIELDS]) -> Cell {
        let [ok, duration_us, .., cold_starts, extra] = *fields;
        let mut cell = Cell {
            cold_starts: cold_starts as u32,
            duration_us,
            ..Cell::default()
        };
        let counts = [ok].into_iter().chain(fields.iter().copied().skip(2));
        for (count, field) in cell.outcomes.iter_mut().zip(counts) {
            *count = field as u32;
        }
        cell.weighted = extra.wrapping_add(cell.calls());
        cell
    }

    /// What is often not zero first, so that most masks take one byte.
    pub(super) fn fields(&self) -> [u64; FIELDS] {
        let extra = self.weighted.wrapping_sub(self.calls());
        let mut fields = [0; FIELDS];
        let [ok, failed @ ..] = self.outcomes.map(u64::from);
        let counted = [ok, self.duration_us].into_iter().chain(failed);
        let counted = counted.chain([u64::from(self.cold_starts), extra]);
        for (field, value) in fields.iter_mut().zip(counted) {
            *field = value;
        }
        fields
    }
}

impl From<Cell> for Counts {
    fn from(cell: Cell) -> Counts {
        Counts {
            outcomes: cell.outcomes.map(u64::from),
            weighted: cell.weighted,
            cold_starts: u64::from(cell.cold_starts),
            duration_us: cell.duration_us,
        }
    }
}

impl From<&Counts> for Cell {
    fn from(counts: &Counts) -> Cell {
        Cell {
            outcomes: counts.outcomes.map(|count| count as u32),
            cold_starts: counts.cold_starts as u32,
            weighted: counts.weighted,
            duration_us: counts.duration_us,
        }
    }
}
