//! Which functions a source names, remembered so that a name is looked at closely only once.

use model::{FunctionId, Glob};
use store::{CodeTable, hash_seed, hash_text};

use super::draft::is_function;

/// Functions remembered before the memory starts over.
const FUNCTIONS_MAX: usize = 65_536;

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
    /// Where in `known` a name is.
    table: CodeTable,
    seed: u64,
    chunk: u64,
    seen: Vec<FunctionId>,
}

impl Functions {
    pub(crate) fn new() -> Self {
        Functions {
            known: Vec::new(),
            table: CodeTable::default(),
            seed: hash_seed(),
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
        let hash = hash_text(hash_text(self.seed, namespace), name);
        let known = &self.known;
        let found = self.table.find(hash, |at| {
            known
                .get(at as usize)
                .is_some_and(|known| *known.name == *name && *known.namespace == *namespace)
        });
        let Some(known) = found.and_then(|at| self.known.get_mut(at as usize)) else {
            return self.learn(hash, namespace, name, only);
        };
        let standing = known.standing;
        if known.chunk != self.chunk {
            known.chunk = self.chunk;
            self.note(namespace, name, standing);
        }
        standing
    }

    fn note(&mut self, namespace: &str, name: &str, standing: Standing) {
        if standing == Standing::Taken
            && let Ok(id) = FunctionId::new(namespace, name)
        {
            self.seen.push(id);
        }
    }

    #[cold]
    fn learn(&mut self, hash: u64, namespace: &str, name: &str, only: &[Glob]) -> Standing {
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
            self.table.clear();
        }
        self.table.insert(hash, self.known.len() as u32);
        self.known.push(Known {
            namespace: namespace.into(),
            name: name.into(),
            standing,
            chunk: self.chunk,
        });
        self.note(namespace, name, standing);
        standing
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
