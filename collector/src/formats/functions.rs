//! Which functions a source names, remembered so that a name is looked at closely only once.

use std::hash::{BuildHasher, RandomState};

use model::{FunctionId, Glob};

use super::draft::is_function;

/// Functions remembered before the memory starts over.
const FUNCTIONS_MAX: usize = 65_536;
const FREE: u32 = u32::MAX;

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Rows of it are taken.
    Taken,
    /// The source's `only` leaves it out.
    LeftOut,
    /// Not a possible name.
    Impossible,
}

#[derive(Debug)]
struct Known {
    namespace: Box<str>,
    name: Box<str>,
    standing: Standing,
    /// The chunk in which it was last seen.
    chunk: u64,
}

/// Names met so far, and those of the current chunk.
#[derive(Debug)]
pub(crate) struct Functions {
    known: Vec<Known>,
    /// Open addressing over `known`; the length is a power of two.
    slots: Vec<u32>,
    hashing: RandomState,
    chunk: u64,
    seen: Vec<FunctionId>,
}

impl Functions {
    pub(crate) fn new() -> Self {
        Functions {
            known: Vec::new(),
            slots: vec![FREE; 64],
            hashing: RandomState::new(),
            chunk: 0,
            seen: Vec::new(),
        }
    }

    /// Begins a chunk: functions count as not seen yet.
    pub(crate) fn begin(&mut self) {
        self.chunk += 1;
        self.seen.clear();
    }

    /// The functions of which rows were taken in this chunk.
    pub(crate) fn take_seen(&mut self) -> Vec<FunctionId> {
        std::mem::take(&mut self.seen)
    }

    /// What to do with a row of this function.
    #[inline]
    pub(crate) fn look_up(&mut self, namespace: &str, name: &str, only: &[Glob]) -> Standing {
        let mask = self.slots.len() - 1;
        let mut at = self.hash(namespace, name) & mask;
        while let Some(&index) = self.slots.get(at).filter(|index| **index != FREE) {
            if let Some(known) = self.known.get_mut(index as usize)
                && *known.name == *name
                && *known.namespace == *namespace
            {
                let standing = known.standing;
                if known.chunk != self.chunk {
                    known.chunk = self.chunk;
                    self.note(namespace, name, standing);
                }
                return standing;
            }
            at = (at + 1) & mask;
        }
        self.learn(namespace, name, only)
    }

    fn hash(&self, namespace: &str, name: &str) -> usize {
        self.hashing.hash_one((namespace, name)) as usize
    }

    fn note(&mut self, namespace: &str, name: &str, standing: Standing) {
        if standing == Standing::Taken
            && let Ok(id) = FunctionId::new(namespace, name)
        {
            self.seen.push(id);
        }
    }

    #[cold]
    fn learn(&mut self, namespace: &str, name: &str, only: &[Glob]) -> Standing {
        if !is_function(namespace, name) {
            // Not remembered: there is no end of impossible names.
            return Standing::Impossible;
        }
        let standing = if is_wanted(namespace, name, only) {
            Standing::Taken
        } else {
            Standing::LeftOut
        };
        if self.known.len() >= FUNCTIONS_MAX {
            self.known.clear();
            self.slots.fill(FREE);
        }
        self.known.push(Known {
            namespace: namespace.into(),
            name: name.into(),
            standing,
            chunk: self.chunk,
        });
        if self.known.len() * 2 > self.slots.len() {
            self.grow();
        } else {
            self.place(self.known.len() - 1);
        }
        self.note(namespace, name, standing);
        standing
    }

    fn grow(&mut self) {
        self.slots = vec![FREE; self.slots.len() * 2];
        for index in 0..self.known.len() {
            self.place(index);
        }
    }

    fn place(&mut self, index: usize) {
        let Some(known) = self.known.get(index) else {
            return;
        };
        let mask = self.slots.len() - 1;
        let mut at = self.hash(&known.namespace, &known.name) & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == FREE {
                *slot = index as u32;
                return;
            }
            at = (at + 1) & mask;
        }
    }
}

fn is_wanted(namespace: &str, name: &str, only: &[Glob]) -> bool {
    if only.is_empty() {
        return true;
    }
    let id = format!("{namespace}/{name}");
    only.iter().any(|glob| glob.matches(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_more_names_than_it_begins_with_and_tells_them_once_a_chunk() {
        let mut functions = Functions::new();
        let only = [Glob::new("guide/*").unwrap()];
        for _ in 0..2 {
            functions.begin();
            for round in 0..3 {
                for index in 0..500 {
                    let name = format!("f{index}");
                    assert_eq!(
                        functions.look_up("guide", &name, &only),
                        Standing::Taken,
                        "{round}"
                    );
                    assert_eq!(functions.look_up("travel", &name, &only), Standing::LeftOut);
                }
            }
            assert_eq!(functions.take_seen().len(), 500);
        }
        assert_eq!(functions.look_up("a/b", "c", &[]), Standing::Impossible);
        assert_eq!(functions.look_up("a", "", &[]), Standing::Impossible);
    }

    #[test]
    fn starts_over_at_its_limit() {
        let mut functions = Functions::new();
        functions.begin();
        for index in 0..FUNCTIONS_MAX + 10 {
            functions.look_up("n", &index.to_string(), &[]);
        }
        assert!(functions.known.len() <= FUNCTIONS_MAX);
        assert_eq!(functions.look_up("n", "3", &[]), Standing::Taken);
    }
}
