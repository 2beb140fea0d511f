//! The columns rows are built from. An absent (empty) text is null.
//!
//! Arrow's own builders hash every dictionary text of every row and panic when a text column
//! passes 2 GiB; these leave out what cannot be addressed. Most columns of most rows say what the row
//! before said: such a column only counts how often, and writes when something else comes.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, MapArray, NullBufferBuilder, PrimitiveArray, StringArray,
    StructArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Int32Type};
use arrow::error::ArrowError;

use super::intern::{CodeTable, hash_seed, hash_text};
use crate::schema::map_type;

const NULL: i32 = -1;

/// Texts one after another, addressed by 32-bit offsets as Arrow's `Utf8` is.
#[derive(Debug)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<i32>,
}

impl Texts {
    fn new() -> Self {
        Texts {
            bytes: Vec::new(),
            ends: vec![0],
        }
    }

    /// Adds a text; `false`, with an empty text in its place, when it is beyond what offsets reach.
    fn push(&mut self, text: &str) -> bool {
        let fits = i32::try_from(self.bytes.len() + text.len());
        if fits.is_ok() {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        let end = fits.unwrap_or_else(|_| self.ends.last().copied().unwrap_or(0));
        self.ends.push(end);
        fits.is_ok()
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        let start = *self.ends.get(index)?;
        let end = *self.ends.get(index + 1)?;
        self.bytes.get(start as usize..end as usize)
    }

    fn len(&self) -> usize {
        self.ends.len() - 1
    }

    fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<StringArray, ArrowError> {
        let Texts { bytes, ends } = std::mem::replace(self, Texts::new());
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls)
    }
}

/// A text column with mostly distinct values.
#[derive(Debug)]
pub(crate) struct TextColumn {
    texts: Texts,
}

impl TextColumn {
    pub(crate) fn new() -> Self {
        TextColumn {
            texts: Texts::new(),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, text: &str) {
        self.texts.push(text);
    }

    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let ends = &self.texts.ends;
        let lengths = ends.iter().zip(ends.iter().skip(1));
        let there: NullBuffer = lengths.map(|(from, to)| from < to).collect();
        let nulls = (there.null_count() > 0).then_some(there);
        Ok(Arc::new(self.texts.finish(nulls)?))
    }
}

/// A text column with few distinct values.
#[derive(Debug)]
pub(crate) struct WordColumn {
    codes: Vec<i32>,
    words: Texts,
    table: CodeTable,
    seed: u64,
    /// The code of the last rows, and how many of them are not among the codes yet.
    last: i32,
    run: usize,
    /// Whether any row has none.
    are_nulls: bool,
}

impl WordColumn {
    pub(crate) fn new() -> Self {
        WordColumn {
            codes: Vec::new(),
            words: Texts::new(),
            table: CodeTable::default(),
            seed: hash_seed(),
            last: NULL,
            run: 0,
            are_nulls: false,
        }
    }

    /// Adds a word; an empty one is null.
    #[inline]
    pub(crate) fn push(&mut self, word: &str) {
        if !word.is_empty() {
            return self.push_required(word);
        }
        if self.last != NULL {
            self.write_run();
            self.last = NULL;
        }
        self.are_nulls = true;
        self.run += 1;
    }

    /// Adds a word of a column that has no nulls.
    #[inline]
    pub(crate) fn push_required(&mut self, word: &str) {
        let is_last = self.last >= 0 && self.words.get(self.last as usize) == Some(word.as_bytes());
        if !is_last {
            self.write_run();
            self.last = self.code_of(word);
        }
        self.run += 1;
    }

    #[inline]
    fn write_run(&mut self) {
        let rows = self.codes.len() + std::mem::take(&mut self.run);
        self.codes.resize(rows, self.last);
    }

    #[inline]
    fn code_of(&mut self, word: &str) -> i32 {
        let hash = hash_text(self.seed, word);
        let words = &self.words;
        let found = self.table.find(hash, |code| {
            words.get(code as usize) == Some(word.as_bytes())
        });
        match found {
            Some(code) => code as i32,
            None => self.add(hash, word),
        }
    }

    #[cold]
    fn add(&mut self, hash: u64, word: &str) -> i32 {
        let code = self.words.len() as u32;
        self.words.push(word);
        self.table.insert(hash, code);
        code as i32
    }

    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.write_run();
        let codes = std::mem::take(&mut self.codes);
        self.table.clear();
        self.last = NULL;
        let values = Arc::new(self.words.finish(None)?);
        coded(codes, std::mem::take(&mut self.are_nulls), values)
    }
}

/// A column of a closed vocabulary whose codes are known beforehand.
#[derive(Debug, Default)]
pub(crate) struct CodeColumn(Vec<i32>);

impl CodeColumn {
    #[inline]
    pub(crate) fn push(&mut self, code: usize) {
        self.0.push(code as i32);
    }

    pub(crate) fn finish(
        &mut self,
        words: impl Iterator<Item = &'static str>,
    ) -> Result<ArrayRef, ArrowError> {
        let values = Arc::new(StringArray::from_iter_values(words));
        coded(std::mem::take(&mut self.0), false, values)
    }
}

/// Codes and what they stand for; [`NULL`] only where there `are_nulls`.
fn coded(
    mut codes: Vec<i32>,
    are_nulls: bool,
    values: Arc<StringArray>,
) -> Result<ArrayRef, ArrowError> {
    let nulls = are_nulls.then(|| {
        let there: NullBuffer = codes.iter().map(|code| *code != NULL).collect();
        for code in &mut codes {
            *code = (*code).max(0);
        }
        there
    });
    let keys = PrimitiveArray::<Int32Type>::try_new(codes.into(), nulls)?;
    Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
}

/// Numbers that differ from row to row.
#[derive(Debug)]
pub(crate) struct NumberColumn<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    data_type: DataType,
}

impl<T: ArrowPrimitiveType> NumberColumn<T> {
    pub(crate) fn new() -> Self {
        Self::of_type(T::DATA_TYPE)
    }

    /// For types that carry more than their width, such as a time zone.
    pub(crate) fn of_type(data_type: DataType) -> Self {
        NumberColumn {
            values: Vec::new(),
            data_type,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: T::Native) {
        self.values.push(value);
    }

    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = std::mem::take(&mut self.values);
        let array = PrimitiveArray::<T>::try_new(values.into(), None)?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }
}

/// Numbers that are often absent, or the same for many rows.
#[derive(Debug)]
pub(crate) struct RunColumn<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
    /// The value of the last rows, and how many of them are not among the values yet.
    last: Option<T::Native>,
    run: usize,
    data_type: DataType,
}

impl<T: ArrowPrimitiveType> RunColumn<T> {
    pub(crate) fn new() -> Self {
        Self::of_type(T::DATA_TYPE)
    }

    /// For types that carry more than their width, such as a time zone.
    pub(crate) fn of_type(data_type: DataType) -> Self {
        RunColumn {
            values: Vec::new(),
            nulls: NullBufferBuilder::new(0),
            last: None,
            run: 0,
            data_type,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: Option<T::Native>) {
        if value != self.last {
            self.write_run();
            self.last = value;
        }
        self.run += 1;
    }

    fn write_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        // Nothing is not told: it would make room for nulls where there are none.
        if run == 0 {
            return;
        }
        let rows = self.values.len() + run;
        self.values.resize(rows, self.last.unwrap_or_default());
        match self.last {
            Some(_) => self.nulls.append_n_non_nulls(run),
            None => self.nulls.append_n_nulls(run),
        }
    }

    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.write_run();
        let values = std::mem::take(&mut self.values);
        let array = PrimitiveArray::<T>::try_new(values.into(), self.nulls.finish())?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }
}

/// Maps from text to text; an empty map is null.
#[derive(Debug)]
pub(crate) struct MapColumn {
    keys: Texts,
    values: Texts,
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
    /// How many empty maps came last that are not among the ends yet.
    run: usize,
}

impl MapColumn {
    pub(crate) fn new() -> Self {
        MapColumn {
            keys: Texts::new(),
            values: Texts::new(),
            ends: vec![0],
            nulls: NullBufferBuilder::new(0),
            run: 0,
        }
    }

    #[inline]
    pub(crate) fn push<'a>(&mut self, entries: impl Iterator<Item = (&'a str, &'a str)>) {
        let before = self.keys.len();
        for (key, value) in entries {
            self.keys.push(key);
            self.values.push(value);
        }
        if self.keys.len() == before {
            self.run += 1;
            return;
        }
        self.write_run(before);
        self.ends.push(self.keys.len() as i32);
        self.nulls.append_non_null();
    }

    fn write_run(&mut self, entries: usize) {
        let run = std::mem::take(&mut self.run);
        if run == 0 {
            return;
        }
        self.ends.resize(self.ends.len() + run, entries as i32);
        self.nulls.append_n_nulls(run);
    }

    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let DataType::Map(entries, sorted) = map_type() else {
            return Err(ArrowError::SchemaError("maps are not maps".to_owned()));
        };
        let DataType::Struct(fields) = entries.data_type().clone() else {
            return Err(ArrowError::SchemaError(
                "map entries are not a struct".to_owned(),
            ));
        };
        self.write_run(self.keys.len());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.keys.finish(None)?),
            Arc::new(self.values.finish(None)?),
        ];
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let pairs = StructArray::try_new(fields, columns, None)?;
        let map = MapArray::try_new(entries, offsets, pairs, self.nulls.finish(), sorted)?;
        Ok(Arc::new(map))
    }
}
