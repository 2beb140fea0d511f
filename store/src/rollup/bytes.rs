//! Variable-length integers, seven bits a byte, for what is kept long and read seldom, and queues that
//! do not hold twice what they need.

use std::collections::VecDeque;

pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The next integer; `None` at the end.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}

/// A difference so that small ones are short, whatever their sign: 0, -1, 1, -2 become 0, 1, 2, 3.
pub(super) fn unsigned(difference: i64) -> u64 {
    (difference << 1 ^ difference >> 63).cast_unsigned()
}

/// What [`unsigned`] was made from.
pub(super) fn signed(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Makes room for one more, in steps where doubling would leave much of a long queue empty.
pub(super) fn make_room<T>(queue: &mut VecDeque<T>, step: usize) {
    if queue.len() == queue.capacity() && queue.len() >= step {
        queue.reserve_exact(step);
    }
}
