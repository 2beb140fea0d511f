//! The texts of one column of several batches, once and in order.
//!
//! Arrow merges dictionaries anew for every few rows that are gathered from many batches, which takes longer the
//! more batches there are; here that is done once for all rows of a file.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray,
};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

/// A column of words: what all batches' dictionaries hold, sorted, and each batch's own codes for it.
pub(crate) struct Lexicon<'a> {
    texts: Arc<StringArray>,
    columns: Vec<Words<'a>>,
    /// Whether every row has the only text there is.
    same: bool,
}

struct Words<'a> {
    words: &'a DictionaryArray<Int32Type>,
    /// By code of the batch, the place among all texts.
    places: Vec<i32>,
}

impl<'a> Lexicon<'a> {
    /// `None` where the column is not one of words in every batch, or has more text than one array can hold.
    pub(crate) fn of(batches: &[&'a RecordBatch], column: usize) -> Option<Lexicon<'a>> {
        let columns = batches.iter().map(|batch| {
            batch
                .columns()
                .get(column)?
                .as_dictionary_opt::<Int32Type>()
        });
        let columns = columns.collect::<Option<Vec<_>>>()?;
        let values = columns
            .iter()
            .map(|words| words.values().as_string_opt::<i32>());
        let values = values.collect::<Option<Vec<_>>>()?;
        let every = || {
            values
                .iter()
                .copied()
                .flatten()
                .map(|text| text.unwrap_or(""))
        };
        let mut places: HashMap<&str, i32> = every().map(|text| (text, 0)).collect();
        let mut texts: Vec<&str> = places.keys().copied().collect();
        i32::try_from(texts.iter().map(|text| text.len()).sum::<usize>()).ok()?;
        texts.sort_unstable();
        for (place, text) in texts.iter().enumerate() {
            places.insert(text, i32::try_from(place).ok()?);
        }
        let place_of = |text: Option<&str>| places.get(text.unwrap_or("")).copied();
        let own = values
            .iter()
            .map(|values| values.iter().map(place_of).collect::<Option<Vec<_>>>());
        let own = own.collect::<Option<Vec<_>>>()?;
        let nulls: usize = columns.iter().copied().map(Array::null_count).sum();
        let columns = columns.into_iter().zip(own);
        Some(Lexicon {
            same: texts.len() == 1 && nulls == 0,
            texts: Arc::new(StringArray::from(texts)),
            columns: columns
                .map(|(words, places)| Words { words, places })
                .collect(),
        })
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let codes = self.columns.iter().map(|column| column.places.len());
        self.texts.get_array_memory_size() + codes.sum::<usize>() * size_of::<i32>()
    }

    /// Whether there is no text at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Where a row's text lies among all texts; `None` for a row without one.
    #[inline]
    pub(crate) fn place(&self, batch: usize, row: usize) -> Option<i32> {
        let Words { words, places } = self.columns.get(batch)?;
        places.get(words.key(row)?).copied()
    }

    /// The words of these rows, each given as batch and row.
    pub(crate) fn gather(&self, rows: &[(usize, usize)]) -> Result<ArrayRef, ArrowError> {
        let codes: Int32Array = if self.same {
            vec![0; rows.len()].into()
        } else {
            let places = rows.iter().map(|(batch, row)| self.place(*batch, *row));
            places.collect()
        };
        let texts = Arc::clone(&self.texts);
        Ok(Arc::new(DictionaryArray::try_new(codes, texts)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::{Invocation, InvocationRows};

    proptest! {
        #[test]
        fn rows_keep_their_words(
            batches in prop::collection::vec(prop::collection::vec("[a-cé]{0,2}", 1..9), 1..4),
            picked in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..30),
        ) {
            let made: Vec<RecordBatch> = batches.iter().map(|versions| {
                let mut rows = InvocationRows::new();
                for version in versions {
                    rows.push(&Invocation { version, function: "f", ..Invocation::default() });
                }
                rows.finish()
            }).collect();
            let made: Vec<_> = made.iter().collect();
            let schema = made[0].schema();
            let at = |name| schema.index_of(name).unwrap();
            prop_assert!(Lexicon::of(&made, at("ts")).is_none());
            prop_assert!(Lexicon::of(&made, at("request_id")).is_none());
            let lexicon = Lexicon::of(&made, at("version")).unwrap();
            let rows: Vec<(usize, usize)> = picked.iter().map(|(batch, row)| {
                let batch = batch.index(batches.len());
                (batch, row.index(batches[batch].len()))
            }).collect();
            let gathered = lexicon.gather(&rows).unwrap();
            let words = gathered.as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
            for ((batch, row), told) in rows.iter().zip(words) {
                prop_assert_eq!(told.unwrap_or(""), &batches[*batch][*row]);
            }
            let texts = words.values().iter().flatten();
            prop_assert!(texts.is_sorted_by(|one, other| one < other));
        }
    }
}
