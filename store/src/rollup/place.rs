//! Where the calls of a batch are counted: their series and function, and from when on not at all.

use std::sync::Arc;

use model::{FunctionId, Traffic};

use super::calls::{Codes, layer_of};
use super::directory::{Directory, Function, Series};
use super::instances::Instances;
use super::latency::Latencies;
use super::layers::{Counting, Layer};
use super::seconds::Seconds;
use super::tens::Tens;
use super::top::Top;
use super::{Applied, SeriesKey};
use crate::rows::intern::{hash_text, mix};

/// The place of one key of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// None when no call of it is counted.
    series: Option<u32>,
    /// None when it is not known, or nobody's in particular.
    function: Option<u32>,
    /// Calls that completed at this second or later are an outer layer's to count.
    until: i64,
    live: bool,
}

impl Place {
    const NONE: Place = Place {
        series: None,
        function: None,
        until: i64::MIN,
        live: false,
    };

    /// The series in which calls that completed at a second are counted.
    pub(super) fn series_at(&self, second: i64) -> Option<u32> {
        self.series.filter(|_| second < self.until)
    }

    /// The function, if it is live traffic.
    pub(super) fn live_function(&self) -> Option<u32> {
        self.function.filter(|_| self.live)
    }
}

impl Directory {
    /// The places of a batch's keys. Outer layers come first, so that what they tell holds for the
    /// inner ones of the same batch.
    pub(super) fn places(&mut self, applied: &Applied<'_>) -> Vec<Place> {
        let keys = &applied.gathering.keys;
        let mut firsts = vec![i64::MAX; keys.len()];
        for cell in &applied.gathering.cells {
            if let Some(first) = firsts.get_mut(cell.key as usize) {
                *first = (*first).min(cell.bucket);
            }
        }
        let mut places = vec![Place::NONE; keys.len()];
        let inwards = Layer::ALL.into_iter().rev().map(Some);
        for layer in std::iter::once(None).chain(inwards) {
            let of_layer = keys.iter().zip(&firsts).zip(&mut places);
            for ((codes, first), place) in
                of_layer.filter(|((codes, _), _)| layer_of(codes) == layer)
            {
                *place = self.place(applied, codes, *first);
            }
        }
        places
    }

    /// The place of a key whose first call completed at a second.
    fn place(&mut self, applied: &Applied<'_>, codes: &Codes, first: i64) -> Place {
        let (texts, traffic) = applied.calls.texts(codes);
        let live = traffic == Traffic::Live;
        let layer = layer_of(codes);
        let (known, counting) = match layer {
            None => (None, Counting::NEW),
            Some(_) => self.counting(texts),
        };
        let until = counting.until(layer);
        if first >= until {
            return Place {
                series: None,
                function: known,
                until,
                live,
            };
        }
        let at = self.series_for(texts, traffic);
        let own = self.series.get(at);
        let own = own.filter(|series| series.key.namespace != FunctionId::OTHER);
        let function = own.map(|series| series.function);
        if let Some(layer) = layer
            && let Some(function) = function.and_then(|at| self.functions.get_mut(at))
        {
            function.counting.see(layer, first);
        }
        Place {
            series: Some(at),
            function,
            until,
            live,
        }
    }

    /// Which layers of a function count, known or not.
    pub(super) fn counting(&self, [namespace, name, ..]: [&str; 5]) -> (Option<u32>, Counting) {
        let id = FunctionId {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let at = self.by_id.get(&id).copied();
        match at.and_then(|at| self.functions.get(at)) {
            Some(function) => (at, function.counting),
            None => (None, self.layers.counting(&id.to_string())),
        }
    }

    /// The series of these texts, made when there is none and room for one.
    fn series_for(&mut self, texts: [&str; 5], traffic: Traffic) -> u32 {
        let hash = self.hash(texts, traffic);
        if let Some(at) = self.find(hash, texts, traffic) {
            return at;
        }
        if self.series.len() < self.series_max {
            return self.add(hash, texts, traffic);
        }
        let texts = [FunctionId::OTHER, FunctionId::OTHER, "", "", ""];
        let hash = self.hash(texts, traffic);
        self.find(hash, texts, traffic)
            .unwrap_or_else(|| self.add(hash, texts, traffic))
    }

    fn hash(&self, texts: [&str; 5], traffic: Traffic) -> u64 {
        let start = traffic as u64;
        texts
            .iter()
            .fold(start, |hash, text| mix(hash, hash_text(self.seed, text)))
    }

    fn find(&self, hash: u64, texts: [&str; 5], traffic: Traffic) -> Option<u32> {
        let [namespace, function, version, unit, zone] = texts;
        self.by_key.find(hash, |at| {
            self.series.get(at).is_some_and(|series| {
                let key = &series.key;
                key.function == function
                    && key.namespace == namespace
                    && key.version == version
                    && key.unit == unit
                    && key.zone == zone
                    && key.traffic == traffic
            })
        })
    }

    fn add(&mut self, hash: u64, texts: [&str; 5], traffic: Traffic) -> u32 {
        let [namespace, function, version, unit, zone] = texts.map(str::to_owned);
        let key = Arc::new(SeriesKey {
            namespace,
            function,
            version,
            unit,
            zone,
            traffic,
        });
        let owner = self.function_for(&key);
        let at = self.series.put(Series {
            key,
            hash,
            function: owner,
            counted_at: self.now,
            seconds: Seconds::new(),
            tens: Tens::default(),
            latencies: Latencies::default(),
        });
        self.by_key.insert(hash, at);
        if let Some(series) = self.series.get(at) {
            self.followers.tell_born(at, &series.key);
        }
        if let Some(function) = self.functions.get_mut(owner) {
            function.series.push(at);
        }
        at
    }

    fn function_for(&mut self, key: &SeriesKey) -> u32 {
        let id = key.function_id();
        if let Some(at) = self.by_id.get(&id) {
            return *at;
        }
        let text = id.to_string();
        let at = self.functions.put(Function {
            id: id.clone(),
            series: Vec::new(),
            first_seen: i64::MAX,
            last_seen: i64::MIN,
            instances: Instances::default(),
            counting: self.layers.counting(&text),
            tops: std::array::from_fn(|_| Top::default()),
            text,
        });
        self.by_id.insert(id, at);
        at
    }
}
