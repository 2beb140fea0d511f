//! What an evaluation tells. Nearly all label sets are well and were well before: of those it tells how many
//! they are, because nothing moves by them.

use std::collections::HashMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::series::Series;
use crate::condition::{Verdict, Why};
use crate::windows::GroupKey;

/// Whose verdicts are wanted one by one.
#[derive(Clone, Copy)]
pub(crate) struct Sieve<'a> {
    /// Label sets that every verdict may move; `None` when all of them are wanted.
    pub(super) active: Option<&'a HashMap<GroupKey, Series>>,
    /// Whether no data may begin an episode.
    pub(super) unknown_matters: bool,
}

impl<'a> Sieve<'a> {
    /// Everything.
    pub(super) const OPEN: Sieve<'static> = Sieve {
        active: None,
        unknown_matters: true,
    };

    /// Whether every verdict is wanted.
    pub(crate) fn is_open(self) -> bool {
        self.active.is_none()
    }

    /// The label sets that every verdict may move.
    pub(crate) fn active(self) -> impl Iterator<Item = &'a GroupKey> {
        self.active.into_iter().flat_map(HashMap::keys)
    }

    /// Takes verdicts of groups that stand in order of their keys.
    pub(super) fn sift<'k>(
        self,
        groups: usize,
        key_at: impl Fn(usize) -> Option<&'k GroupKey>,
    ) -> Sifting<'a> {
        let mut places: Vec<usize> = self
            .active()
            .filter_map(|key| place_of(key, groups, &key_at))
            .collect();
        places.sort_unstable();
        Sifting {
            sieve: self,
            places: places.into_iter().peekable(),
            found: Found::default(),
        }
    }

    /// Takes verdicts that were made one by one anyway.
    pub(crate) fn pour(self, verdicts: Vec<(GroupKey, Verdict)>) -> Found {
        let mut found = Found::default();
        for (key, verdict) in verdicts {
            let active = self.active.is_some_and(|active| active.contains_key(&key));
            found.count(&key, &verdict);
            if active || self.tells(&verdict) {
                found.told.push((key, verdict));
            }
        }
        found
    }

    /// Whether a verdict is wanted for itself, whoever it is about.
    pub(crate) fn tells(self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Breach { .. } => true,
            Verdict::Unknown { .. } => self.unknown_matters,
            Verdict::Ok { .. } => self.is_open(),
        }
    }
}

fn place_of<'k>(
    key: &GroupKey,
    groups: usize,
    key_at: &impl Fn(usize) -> Option<&'k GroupKey>,
) -> Option<usize> {
    let (mut low, mut high) = (0, groups);
    while low < high {
        let middle = low.midpoint(high);
        if key_at(middle)? < key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (key_at(low)? == key).then_some(low)
}

/// Verdicts on their way through a sieve.
pub(super) struct Sifting<'a> {
    sieve: Sieve<'a>,
    /// Where active label sets stand.
    places: Peekable<IntoIter<usize>>,
    found: Found,
}

impl Sifting<'_> {
    /// Whether the group at this place is wanted in any case. Places are asked for in order, none twice.
    #[inline]
    pub(super) fn wants(&mut self, at: usize) -> bool {
        while self.places.next_if(|place| *place < at).is_some() {}
        self.sieve.is_open() || self.places.peek() == Some(&at)
    }

    /// Takes a verdict.
    #[inline]
    pub(super) fn take(&mut self, wanted: bool, key: &GroupKey, verdict: Verdict) {
        self.found.count(key, &verdict);
        if wanted || self.sieve.tells(&verdict) {
            self.found.told.push((key.clone(), verdict));
        }
    }

    /// Takes note of a label set that is well and was well.
    #[inline]
    pub(super) fn pass(&mut self) {
        self.found.met += 1;
    }

    pub(super) fn end(self) -> Found {
        self.found
    }
}

/// What an evaluation found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Verdicts that may move something.
    pub(crate) told: Vec<(GroupKey, Verdict)>,
    /// How many label sets were met.
    pub(crate) met: usize,
    /// How many of them nothing could be said about.
    pub(crate) unknown: usize,
    /// The first of those.
    pub(crate) first_unknown: Option<(GroupKey, Why)>,
}

impl Found {
    /// Counts a verdict.
    #[inline]
    pub(crate) fn count(&mut self, key: &GroupKey, verdict: &Verdict) {
        self.met += 1;
        if let Verdict::Unknown { why } = verdict {
            self.unknown += 1;
            if self.first_unknown.is_none() {
                self.first_unknown = Some((key.clone(), why.clone()));
            }
        }
    }
}
