//! Counts of consecutive spans, packed: which fields follow, calls and durations as differences to the
//! span before. At 10 calls a second a second takes about four bytes and ten seconds five.

use super::bytes::{put_varint, signed, take_varint, unsigned};
use super::cell::{Cell, FIELDS};

/// Cells of spans of `STEP` seconds in order of time, read from the beginning and written anew as a whole.
#[derive(Debug)]
pub(super) struct Run<const STEP: i64> {
    pub(super) start: i64,
    /// The sum of all.
    pub(super) total: Cell,
    packed: Box<[u8]>,
}

impl<const STEP: i64> Run<STEP> {
    /// Packs the spans that begin at these seconds, in order, none before `start`.
    pub(super) fn of(start: i64, cells: &[(i64, Cell)]) -> Self {
        let mut packed = Vec::with_capacity(cells.len() * 8);
        let mut total = Cell::default();
        let (mut next, mut before) = (start, Cell::default());
        for (second, cell) in cells {
            put_cell(&mut packed, (second - next).unsigned_abs(), cell, &before);
            total = total.plus(cell);
            (next, before) = (second + STEP, *cell);
        }
        Run {
            start,
            total,
            // Copied, since an allocator may leave a buffer that shrinks as large as it was.
            packed: packed.as_slice().into(),
        }
    }

    /// Every span with the second it begins at, in order.
    pub(super) fn each(&self, mut visit: impl FnMut(i64, &Cell)) {
        let mut bytes = &*self.packed;
        let (mut next, mut before) = (self.start, Cell::default());
        while let Some((skipped, cell)) = take_cell(&mut bytes, &before) {
            let second = next + skipped as i64;
            visit(second, &cell);
            (next, before) = (second + STEP, cell);
        }
    }

    /// The same as a list.
    pub(super) fn cells(&self) -> Vec<(i64, Cell)> {
        let mut cells = Vec::new();
        self.each(|second, cell| cells.push((second, *cell)));
        cells
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.packed.len()
    }
}

/// A head of one byte as a rule: whether seconds without calls lie before it, and which fields follow.
fn put_cell(bytes: &mut Vec<u8>, skipped: u64, cell: &Cell, before: &Cell) {
    let fields = differences(cell, before);
    let mut head = u64::from(skipped > 0);
    for (bit, field) in fields.iter().enumerate() {
        head |= u64::from(*field != 0) << (bit + 1);
    }
    put_varint(bytes, head);
    if skipped > 0 {
        put_varint(bytes, skipped);
    }
    for field in fields.iter().filter(|field| **field != 0) {
        put_varint(bytes, *field);
    }
}

fn take_cell(bytes: &mut &[u8], before: &Cell) -> Option<(u64, Cell)> {
    let head = take_varint(bytes)?;
    let skipped = if head & 1 == 1 {
        take_varint(bytes)?
    } else {
        0
    };
    let mut fields = [0_u64; FIELDS];
    for (bit, field) in fields.iter_mut().enumerate() {
        if head >> (bit + 1) & 1 == 1 {
            *field = take_varint(bytes)?;
        }
    }
    let [ok, duration_us, ..] = before.fields();
    let [own_ok, own_duration_us, ..] = &mut fields;
    *own_ok = ok.wrapping_add_signed(signed(*own_ok));
    *own_duration_us = duration_us.wrapping_add_signed(signed(*own_duration_us));
    Some((skipped, Cell::of_fields(&fields)))
}

/// What is seldom zero as a difference to the cell before; failures, which often are, as they stand.
fn differences(cell: &Cell, before: &Cell) -> [u64; FIELDS] {
    let [ok, duration_us, ..] = before.fields();
    let mut fields = cell.fields();
    let [own_ok, own_duration_us, ..] = &mut fields;
    *own_ok = unsigned(own_ok.wrapping_sub(ok).cast_signed());
    *own_duration_us = unsigned(own_duration_us.wrapping_sub(duration_us).cast_signed());
    fields
}
