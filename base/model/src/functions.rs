//! Which functions are meant: by patterns over `namespace/name`, and by labels that an operator gave them.

use std::sync::Arc;

use crate::{Glob, Labels};

/// Which functions are meant: those that match any of the patterns and have all the labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Functions {
    patterns: Vec<Glob>,
    labels: Arc<[Wanted]>,
}

/// A label that a function must have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Wanted {
    name: String,
    value: Glob,
    /// The patterns that give this label, in order, and whether with a value as wanted.
    deciding: Vec<(Glob, bool)>,
}

impl Functions {
    /// Those that match any of these patterns; without a pattern none.
    pub fn matching(patterns: Vec<Glob>) -> Functions {
        Functions {
            patterns,
            labels: Arc::default(),
        }
    }

    /// The same, only those that have these labels with values that match. Nobody has a label before
    /// [`Functions::known_by`] says who.
    pub fn with_labels(self, wanted: impl IntoIterator<Item = (String, Glob)>) -> Functions {
        let wanted = wanted.into_iter().map(|(name, value)| Wanted {
            name,
            value,
            deciding: Vec::new(),
        });
        Functions {
            labels: wanted.collect(),
            ..self
        }
    }

    /// The same, as these labels have it.
    pub fn known_by(&self, known: &FunctionLabels) -> Functions {
        let wanted = self.labels.iter().map(|wanted| {
            let deciding = known.giving(&wanted.name).map(|(pattern, value)| {
                let is_wanted = wanted.value.matches(value);
                (pattern.clone(), is_wanted)
            });
            let mut deciding: Vec<_> = deciding.collect();
            // Those that come last and are not wanted decide nothing: two selections that mean the same are equal.
            while let Some((_, false)) = deciding.last() {
                deciding.pop();
            }
            Wanted {
                deciding,
                ..wanted.clone()
            }
        });
        Functions {
            patterns: self.patterns.clone(),
            labels: wanted.collect(),
        }
    }

    /// The patterns, any of which may match.
    pub fn patterns(&self) -> &[Glob] {
        &self.patterns
    }

    /// The labels asked for: names, and patterns of their values.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &Glob)> {
        self.labels
            .iter()
            .map(|wanted| (wanted.name.as_str(), &wanted.value))
    }

    /// Whether no function at all is meant.
    pub fn is_none(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether the function of this id, `namespace/name`, is meant.
    pub fn takes(&self, id: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(id))
            && self.labels.iter().all(|wanted| {
                let mut deciding = wanted.deciding.iter();
                deciding
                    .find(|(pattern, _)| pattern.matches(id))
                    .is_some_and(|(_, is_wanted)| *is_wanted)
            })
    }
}

impl Default for Functions {
    /// All of them.
    fn default() -> Self {
        Functions::matching(vec![Glob::any()])
    }
}

/// The labels of functions, by pattern. Of each label the first pattern that matches a function and gives it
/// decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionLabels(Vec<(Glob, Labels)>);

impl FunctionLabels {
    /// The labels that patterns give, in order.
    pub fn new(given: Vec<(Glob, Labels)>) -> FunctionLabels {
        FunctionLabels(given)
    }

    /// Adds what stands further down or in a later file.
    pub fn extend(&mut self, later: FunctionLabels) {
        self.0.extend(later.0);
    }

    /// Who gives a label, and which value.
    pub fn giving<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Glob, &'a str)> {
        self.0
            .iter()
            .filter_map(move |(pattern, labels)| Some((pattern, labels.get(name)?)))
    }

    /// The names of all labels, with repetitions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .flat_map(|(_, labels)| labels.iter().map(|(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::new(text).unwrap()
    }

    fn known() -> FunctionLabels {
        let given = [
            ("guide/feed", vec![("tier", "silver")]),
            ("guide/*", vec![("tier", "gold"), ("language", "java")]),
            ("*", vec![("language", "go")]),
        ];
        let given = given.map(|(pattern, labels)| (glob(pattern), Labels::from_pairs(labels)));
        FunctionLabels::new(given.into())
    }

    #[test]
    fn every_label_must_be_there_and_the_first_pattern_that_gives_it_decides() {
        let taken = |patterns: &[&str], labels: &[(&str, &str)]| -> Vec<&str> {
            let patterns = patterns.iter().map(|text| glob(text)).collect();
            let labels = labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), glob(value)));
            let functions = Functions::matching(patterns)
                .with_labels(labels)
                .known_by(&known());
            let ids = ["guide/feed", "guide/video", "store/coupon"];
            ids.into_iter().filter(|id| functions.takes(id)).collect()
        };
        assert_eq!(taken(&["*"], &[("tier", "gold")]), ["guide/video"]);
        assert_eq!(taken(&["*"], &[("tier", "silver")]), ["guide/feed"]);
        assert_eq!(
            taken(&["*"], &[("tier", "*")]),
            ["guide/feed", "guide/video"]
        );
        assert_eq!(taken(&["*"], &[("language", "go")]), ["store/coupon"]);
        let both = [("tier", "silver"), ("language", "java")];
        assert_eq!(taken(&["*"], &both), ["guide/feed"]);
        assert_eq!(taken(&["store/*"], &both), [""; 0]);
        assert_eq!(taken(&["*"], &[("team", "*")]), [""; 0], "nobody has it");
        assert_eq!(taken(&[], &[]), [""; 0], "no pattern, no function");
    }

    #[test]
    fn labels_of_others_change_nothing() {
        let gold = Functions::default().with_labels([("tier".to_owned(), glob("gold"))]);
        let mut more = known();
        let bronze = Labels::from_pairs([("tier", "bronze")]);
        more.extend(FunctionLabels::new(vec![(glob("pay/*"), bronze)]));
        assert_eq!(gold.known_by(&known()), gold.known_by(&more));
    }

    #[test]
    fn nobody_has_a_label_before_it_is_known_who_has() {
        let wanted = [("tier".to_owned(), glob("*"))];
        let functions = Functions::default().with_labels(wanted);
        assert!(!functions.takes("guide/feed") && functions.known_by(&known()).takes("guide/feed"));
        assert!(Functions::default().takes("guide/feed"));
    }
}
