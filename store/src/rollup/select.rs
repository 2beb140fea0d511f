//! Which series, and how their sums are grouped.

use std::fmt;

use model::{FunctionId, Functions, Traffic};
use serde::{Serialize, Serializer};

/// What a series is counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The function's namespace.
    pub namespace: String,
    /// The function's name.
    pub function: String,
    /// Deployed version; empty when unknown.
    pub version: String,
    /// Cell of the deployment; empty when unknown.
    pub unit: String,
    /// Data centre; empty when unknown.
    pub zone: String,
    /// Whose calls.
    pub traffic: Traffic,
}

impl SeriesKey {
    /// The value of a dimension.
    pub fn get(&self, dimension: Dimension) -> &str {
        match dimension {
            Dimension::Namespace => &self.namespace,
            Dimension::Function => &self.function,
            Dimension::Version => &self.version,
            Dimension::Unit => &self.unit,
            Dimension::Zone => &self.zone,
            Dimension::Traffic => self.traffic.as_str(),
        }
    }

    /// Which function it belongs to.
    pub fn function_id(&self) -> FunctionId {
        FunctionId {
            namespace: self.namespace.clone(),
            name: self.function.clone(),
        }
    }
}

/// One part of a [`SeriesKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The function's namespace.
    Namespace,
    /// The function's name; as a grouping it implies the namespace.
    Function,
    /// Deployed version.
    Version,
    /// Cell of the deployment.
    Unit,
    /// Data centre.
    Zone,
    /// Whose calls.
    Traffic,
}

impl Dimension {
    /// Every dimension, in the order of [`SeriesKey`]'s fields.
    pub const ALL: [Dimension; 6] = [
        Dimension::Namespace,
        Dimension::Function,
        Dimension::Version,
        Dimension::Unit,
        Dimension::Zone,
        Dimension::Traffic,
    ];

    /// The word in rules, labels and columns.
    pub const fn as_str(self) -> &'static str {
        match self {
            Dimension::Namespace => "namespace",
            Dimension::Function => "function",
            Dimension::Version => "version",
            Dimension::Unit => "unit",
            Dimension::Zone => "zone",
            Dimension::Traffic => "traffic",
        }
    }

    /// The dimension with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Dimension::ALL
            .into_iter()
            .find(|dimension| dimension.as_str() == word)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The values a sum is for, in the order asked; a function's namespace stands before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub Vec<(Dimension, String)>);

impl Group {
    /// The value of a dimension, when it was grouped by.
    pub fn get(&self, dimension: Dimension) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, _)| *own == dimension)
            .map(|(_, value)| value.as_str())
    }

    /// Which function, when it was grouped by function.
    pub fn function_id(&self) -> Option<FunctionId> {
        Some(FunctionId {
            namespace: self.get(Dimension::Namespace)?.to_owned(),
            name: self.get(Dimension::Function)?.to_owned(),
        })
    }

    /// Pairs of a dimension's word and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0
            .iter()
            .map(|(dimension, value)| (dimension.as_str(), value.as_str()))
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Which series are meant. The default is all live traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Which functions.
    pub functions: Functions,
    /// One function and no other, found without looking at the rest.
    pub exact: Option<FunctionId>,
    /// Whose traffic; none named means all of it.
    pub traffic: Vec<Traffic>,
    /// Values that dimensions must have. A dimension named several times may have any of its values.
    pub equals: Vec<(Dimension, String)>,
}

impl Default for Selection {
    fn default() -> Self {
        Selection {
            functions: Functions::default(),
            exact: None,
            traffic: vec![Traffic::Live],
            equals: Vec::new(),
        }
    }
}

impl Selection {
    /// Live traffic of one function.
    pub fn function(id: FunctionId) -> Self {
        Selection {
            exact: Some(id),
            ..Selection::default()
        }
    }

    /// Live traffic of some functions.
    pub fn of(functions: Functions) -> Self {
        Selection {
            functions,
            ..Selection::default()
        }
    }

    /// The same, of this traffic instead; none named means all of it.
    pub fn with_traffic(mut self, traffic: &[Traffic]) -> Self {
        self.traffic = traffic.to_vec();
        self
    }

    /// The same, only where a dimension has this value.
    pub fn where_is(mut self, dimension: Dimension, value: impl Into<String>) -> Self {
        self.equals.push((dimension, value.into()));
        self
    }

    /// Whether a series is meant.
    pub fn takes(&self, key: &SeriesKey) -> bool {
        let id = format!("{}/{}", key.namespace, key.function);
        self.takes_function(&key.namespace, &key.function, &id) && self.takes_series(key)
    }

    pub(super) fn takes_function(&self, namespace: &str, name: &str, id: &str) -> bool {
        let exact = self.exact.as_ref();
        exact.is_none_or(|exact| exact.namespace == namespace && exact.name == name)
            && self.functions.takes(id)
    }

    pub(super) fn takes_series(&self, key: &SeriesKey) -> bool {
        (self.traffic.is_empty() || self.traffic.contains(&key.traffic))
            && self.equals.iter().all(|(dimension, _)| {
                let own = key.get(*dimension);
                let mut wanted = self.equals.iter().filter(|(named, _)| named == dimension);
                wanted.any(|(_, value)| value == own)
            })
    }
}

/// The dimensions groups are made of: `by` without repetitions, the namespace before the function.
pub(super) fn grouping(by: &[Dimension]) -> Vec<Dimension> {
    let mut dimensions = Vec::with_capacity(by.len() + 1);
    for dimension in by {
        if *dimension == Dimension::Function && !dimensions.contains(&Dimension::Namespace) {
            dimensions.push(Dimension::Namespace);
        }
        if !dimensions.contains(dimension) {
            dimensions.push(*dimension);
        }
    }
    dimensions
}
