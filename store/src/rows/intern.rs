//! A small open-addressing table from hashes to codes, and a quick hash of texts.
//!
//! The builders and rollups look up a code several times per row, which is why they do not use the
//! standard map: the caller keeps keys and values in its own vectors, the table holds only
//! `(hash, code)`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

const EMPTY: u32 = u32::MAX;

/// Hashes to codes; the caller decides whether a code with the same hash is the wanted one.
#[derive(Clone, Debug, Default)]
pub struct CodeTable {
    /// `(hash, code)`; the length is zero or a power of two.
    slots: Vec<(u64, u32)>,
    len: usize,
}

impl CodeTable {
    /// The code with this hash that `is_it` accepts.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let (found, code) = *self.slots.get(at)?;
            if code == EMPTY {
                return None;
            }
            if found == hash && is_it(code) {
                return Some(code);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a code that [`CodeTable::find`] did not find.
    pub fn insert(&mut self, hash: u64, code: u32) {
        if (self.len + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.place(hash, code);
        self.len += 1;
    }

    /// Forgets everything and keeps the allocation.
    pub fn clear(&mut self) {
        if self.len > 0 {
            self.slots.fill((0, EMPTY));
            self.len = 0;
        }
    }

    fn place(&mut self, hash: u64, code: u32) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.1 == EMPTY {
                *slot = (hash, code);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let bigger = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![(0, EMPTY); bigger]);
        for (hash, code) in old {
            if code != EMPTY {
                self.place(hash, code);
            }
        }
    }
}

/// Per process, so that nobody outside can prepare texts that collide.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish() | 1);

/// The seed to hand to [`hash_text`], the same as long as the process lives; fetched once per builder, not once per row.
pub fn hash_seed() -> u64 {
    *SEED
}

/// Mixes two words through a 128-bit product, the folded multiply of wyhash and its relatives.
#[inline]
pub(crate) fn mix(left: u64, right: u64) -> u64 {
    let product =
        u128::from(left ^ 0x9e37_79b9_7f4a_7c15) * u128::from(right ^ 0xd6e8_feb8_6659_fd93);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A quick hash of a text, eight bytes a step.
#[inline]
pub fn hash_text(seed: u64, text: &str) -> u64 {
    let mut hash = mix(seed, text.len() as u64);
    let mut chunks = text.as_bytes().chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word) ^ seed);
    }
    if chunks.remainder().is_empty() {
        return hash;
    }
    let bytes = text.as_bytes();
    // The length is part of the hash already, so the last bytes may be looked at twice.
    let last = match (bytes.last_chunk(), bytes.first_chunk(), bytes.last_chunk()) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    mix(hash, last ^ seed)
}
