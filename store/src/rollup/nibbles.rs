//! The bins of a sketch in half bytes, for sketches that are kept long and read seldom.
//!
//! Neighbouring bins of a series' ten seconds lie one to seven apart and most hold one call, so that four bits
//! tell a bin: its distance to the bin before, and whether a number follows that says how many more than two
//! it holds. A distance of 0 says that a number follows which is the distance. Numbers are three bits a half
//! byte, the lowest first; the fourth says that more follow.

/// The largest distance that needs no number.
const NEAR_MAX: u64 = 7;

/// Writes half bytes, the lower half first.
struct Writer {
    bytes: Vec<u8>,
    /// Whether the last byte has room.
    half: bool,
}

impl Writer {
    fn put(&mut self, nibble: u64) {
        let nibble = nibble as u8 & 0xf;
        match self.bytes.last_mut() {
            Some(last) if self.half => *last |= nibble << 4,
            _ => self.bytes.push(nibble),
        }
        self.half = !self.half;
    }

    fn put_number(&mut self, mut number: u64) {
        while number > 7 {
            self.put(number & 7 | 8);
            number >>= 3;
        }
        self.put(number);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    half: bool,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<u64> {
        let (first, rest) = self.bytes.split_first()?;
        let nibble = if self.half {
            self.bytes = rest;
            first >> 4
        } else {
            first & 0xf
        };
        self.half = !self.half;
        Some(u64::from(nibble))
    }

    fn take_number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let nibble = self.take()?;
            number |= (nibble & 7).checked_shl(shift).unwrap_or(0);
            if nibble & 8 == 0 {
                return Some(number);
            }
            shift += 3;
        }
    }
}

/// Packs sorted bins, each with one call or more. Half a byte that is left over is zero, which begins a bin
/// that does not end.
pub(super) fn pack_bins(bins: impl Iterator<Item = (u16, u64)>) -> Vec<u8> {
    let mut writer = Writer {
        bytes: Vec::with_capacity(64),
        half: false,
    };
    // The distance of the first bin is at least 1, too.
    let mut next = 0;
    for (bin, count) in bins {
        let distance = u64::from(bin).wrapping_sub(next) + 1;
        let many = u64::from(count > 1);
        if distance <= NEAR_MAX {
            writer.put(distance << 1 | many);
        } else {
            writer.put(many);
            writer.put_number(distance);
        }
        if let Some(more) = count.checked_sub(2) {
            writer.put_number(more);
        }
        next = u64::from(bin) + 1;
    }
    writer.bytes
}

/// The bins that [`pack_bins`] packed.
pub(super) fn bins_of(bytes: &[u8]) -> impl Iterator<Item = (u16, u64)> {
    let mut reader = Reader { bytes, half: false };
    let mut next = 0_u64;
    std::iter::from_fn(move || {
        let head = reader.take()?;
        let distance = match head >> 1 {
            0 => reader.take_number()?,
            near => near,
        };
        let count = match head & 1 {
            0 => 1,
            _ => reader.take_number()?.saturating_add(2),
        };
        next = next.wrapping_add(distance);
        Some((next.wrapping_sub(1) as u16, count))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_back(
            near in prop::collection::btree_map(0..60_u16, 1..5_u64, 0..40),
            far in prop::collection::btree_map(any::<u16>(), 1..=u64::MAX, 0..5),
        ) {
            let mut bins: BTreeMap<u16, u64> = near.into_iter().map(|(bin, count)| (bin + 500, count)).collect();
            bins.extend(far);
            let packed = pack_bins(bins.iter().map(|(bin, count)| (*bin, *count)));
            let told: Vec<_> = bins_of(&packed).collect();
            prop_assert_eq!(told, bins.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            prop_assert!(bins_of(&bytes).count() <= 2 * bytes.len());
        }
    }

    #[test]
    fn neighbours_take_half_a_byte() {
        let bins = (400..480).map(|bin| (bin, 1));
        // The first bin lies far from zero, and the whole is filled up to a byte.
        assert_eq!(pack_bins(bins).len(), (1 + 3 + 79_usize).div_ceil(2));
    }
}
