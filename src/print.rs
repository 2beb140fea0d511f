//! How answers are printed: aligned columns for people, CSV for spreadsheets.

use std::fmt::Write as _;
use std::io::{self, Write};

/// A table of text cells.
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and no rows.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Table {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells stay empty.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Aligned columns under a header.
    pub fn write_aligned(&self, out: &mut impl Write) -> io::Result<()> {
        let width = |column: usize| {
            let cells = self
                .rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells
                .chain([self.columns[column].chars().count()])
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                // A line break inside a cell would break the table.
                let cell: String = cell
                    .chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .collect();
                // Writing to a String cannot fail.
                let _ = write!(line, "{cell:<width$}  ");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// RFC 4180.
    pub fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
            write!(out, "{}\r\n", cells.join(","))?;
        }
        Ok(())
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes() {
        let mut table = Table::new(["function", "calls"]);
        table.row(["guide/feed", "12"]);
        table.row(["a,\"b\"\n", "3"]);
        let (mut aligned, mut csv) = (Vec::new(), Vec::new());
        table.write_aligned(&mut aligned).unwrap();
        table.write_csv(&mut csv).unwrap();
        assert_eq!(
            String::from_utf8(aligned).unwrap(),
            "function    calls\nguide/feed  12\na,\"b\"       3\n"
        );
        assert_eq!(
            String::from_utf8(csv).unwrap(),
            "function,calls\r\nguide/feed,12\r\n\"a,\"\"b\"\"\n\",3\r\n"
        );
    }
}
