//! Which rows are calls: when gateway, sidecar and function all log one call, only one layer counts.
//!
//! Unless a layer is configured, it is the outermost seen. It is decided per function and stays: from
//! the completion of the first row of an outer layer on, rows of inner ones are not counted; those
//! that completed before were calls nobody else told of. A row without a layer always counts.

use model::Glob;

/// Who wrote the record of a call, the innermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The function itself.
    Function,
    /// The proxy beside it.
    Sidecar,
    /// The gateway before it.
    Gateway,
}

impl Layer {
    /// Every layer, the innermost first.
    pub const ALL: [Layer; 3] = [Layer::Function, Layer::Sidecar, Layer::Gateway];

    /// The word in the column `layer` and in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Layer::Function => "function",
            Layer::Sidecar => "sidecar",
            Layer::Gateway => "gateway",
        }
    }

    /// The layer with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Layer::ALL.into_iter().find(|layer| layer.as_str() == word)
    }
}

/// Which layers of one function count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Only this one, because somebody said so.
    Only(Layer),
    /// The outermost seen: from this second on, [`Layer::Function`] and [`Layer::Sidecar`] are inner.
    Outermost([i64; 2]),
}

impl Counting {
    /// Nothing was seen yet.
    pub(crate) const NEW: Counting = Counting::Outermost([i64::MAX; 2]);

    /// The second of completion from which on rows of a layer are not counted.
    pub(crate) fn until(&self, layer: Option<Layer>) -> i64 {
        match (self, layer) {
            (_, None) => i64::MAX,
            (Counting::Only(only), Some(layer)) if *only == layer => i64::MAX,
            (Counting::Only(_), Some(_)) => i64::MIN,
            (Counting::Outermost(inner), Some(layer)) => {
                inner.get(layer as usize).copied().unwrap_or(i64::MAX)
            }
        }
    }

    /// Notes that a layer's first row completed at a second. What was decided stays.
    pub(super) fn see(&mut self, layer: Layer, second: i64) {
        if let Counting::Outermost(inner) = self {
            for since in inner.iter_mut().take(layer as usize) {
                if *since == i64::MAX {
                    *since = second;
                }
            }
        }
    }
}

/// The layers that are configured, by pattern of functions; the first that matches counts.
#[derive(Clone, Debug, Default)]
pub struct CountedLayers(Vec<(Glob, Layer)>);

impl CountedLayers {
    /// These patterns in this order.
    pub fn new(patterns: Vec<(Glob, Layer)>) -> Self {
        CountedLayers(patterns)
    }

    /// How a function begins, given its `namespace/name`.
    pub(super) fn counting(&self, function: &str) -> Counting {
        let configured = self.0.iter().find(|(glob, _)| glob.matches(function));
        configured.map_or(Counting::NEW, |(_, layer)| Counting::Only(*layer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_layers_count_until_an_outer_one_is_seen() {
        let mut counting = Counting::NEW;
        let until = |counting: &Counting| {
            let layers = [
                None,
                Some(Layer::Function),
                Some(Layer::Sidecar),
                Some(Layer::Gateway),
            ];
            layers.map(|layer| counting.until(layer))
        };
        assert_eq!(until(&counting), [i64::MAX; 4]);
        counting.see(Layer::Function, 5);
        assert_eq!(until(&counting), [i64::MAX; 4]);
        counting.see(Layer::Sidecar, 10);
        assert_eq!(until(&counting), [i64::MAX, 10, i64::MAX, i64::MAX]);
        counting.see(Layer::Gateway, 20);
        counting.see(Layer::Gateway, 15);
        assert_eq!(until(&counting), [i64::MAX, 10, 20, i64::MAX]);
    }

    #[test]
    fn what_is_configured_is_not_moved_by_what_is_seen() {
        let glob = |text: &str| Glob::new(text).unwrap();
        let layers = CountedLayers::new(vec![
            (glob("guide/*"), Layer::Sidecar),
            (glob("*/feed"), Layer::Function),
        ]);
        let mut counting = layers.counting("guide/feed");
        counting.see(Layer::Gateway, 5);
        assert_eq!(counting, Counting::Only(Layer::Sidecar));
        assert_eq!(counting.until(Some(Layer::Gateway)), i64::MIN);
        assert_eq!(counting.until(Some(Layer::Sidecar)), i64::MAX);
        assert_eq!(counting.until(None), i64::MAX);
        assert_eq!(
            layers.counting("other/feed"),
            Counting::Only(Layer::Function)
        );
        assert_eq!(layers.counting("other/home"), Counting::NEW);
        assert_eq!(Layer::from_word("gateway"), Some(Layer::Gateway));
        assert_eq!(Layer::from_word("mesh"), None);
    }
}
