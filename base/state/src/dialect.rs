//! The two databases' ways to say the same. Rooms write one text; it is turned into either here and
//! nowhere else.
//!
//! | one text | SQLite | PostgreSQL |
//! |---|---|---|
//! | `?1` | as it is | `$1` with the type of its value, `null` for nothing |
//! | a list in place of `?1` | `json_each` | `unnest` |
//! | many rows | statements of up to 64 rows each | one statement, an array a column |
//! | `now_us()` | `julianday` | `clock_timestamp` |
//! | `integer`, `text`, `real`, `blob` in a migration | as they are | `bigint`, `text collate "C"`, `double precision`, `bytea` |
//! | `autoincrement`, `strict`, `without rowid` | as they are | an identity, nothing, nothing |

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use crate::batch::{Kind, Table};
use crate::sql::{Piece, pieces};
use crate::statement::Text;
use crate::{StateError, Statement, Value};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A statement as one database takes it.
#[derive(Debug, PartialEq)]
pub(crate) struct Rendered {
    pub(crate) sql: Cow<'static, str>,
    pub(crate) bound: Vec<Bound>,
}

/// A value as one database takes it.
#[derive(Debug, PartialEq)]
pub(crate) enum Bound {
    One(Value),
    Integers(Vec<Option<i64>>),
    Reals(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
}

/// Rows of one statement at most. Fewer go by powers of two, so that the same few statements are prepared once and
/// used again and again.
const SQLITE_ROWS_MAX: usize = 64;
const SQLITE_NOW_US: &str = "cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)";
const POSTGRES_NOW_US: &str = "(extract(epoch from clock_timestamp()) * 1000000)::int8";

impl Dialect {
    /// A query.
    pub(crate) fn render_query(self, query: Statement) -> Result<Rendered, StateError> {
        match query.text {
            Text::Plain(sql) => Ok(self.plain(sql, query.values)),
            Text::Put(..) | Text::Remove(..) => {
                Err(StateError::Statement("a batch is no query".to_owned()))
            }
        }
    }

    fn plain(self, sql: Cow<'static, str>, values: Vec<Value>) -> Rendered {
        match self {
            Dialect::Sqlite => plain_sqlite(sql, values),
            Dialect::Postgres => plain_postgres(&sql, values),
        }
    }

    /// A statement of a job, as those to run one after the other.
    pub(crate) fn render(self, statement: Statement) -> Result<Vec<Rendered>, StateError> {
        match (self, statement.text) {
            (_, Text::Plain(sql)) => Ok(vec![self.plain(sql, statement.values)]),
            (Dialect::Sqlite, Text::Put(table, rows)) => {
                let names = names(table.columns);
                let into = format!("insert or replace into {}({names}) values ", table.name);
                batches_sqlite(table, table.columns.len(), rows, |rows| {
                    format!("{into}{rows}")
                })
            }
            (Dialect::Sqlite, Text::Remove(table, keys)) => {
                let columns = table.key_columns();
                let from = format!("delete from {} where ({})", table.name, names(columns));
                batches_sqlite(table, columns.len(), keys, |keys| {
                    format!("{from} in (values {keys})")
                })
            }
            (Dialect::Postgres, Text::Put(table, rows)) => Ok(vec![put_postgres(table, rows)?]),
            (Dialect::Postgres, Text::Remove(table, keys)) => {
                let columns = table.key_columns();
                let (arrays, bound) = arrays(table, columns, keys)?;
                let sql = format!(
                    "delete from {} where ({}) in (select * from unnest({arrays}))",
                    table.name,
                    names(columns)
                );
                let sql = sql.into();
                Ok(vec![Rendered { sql, bound }])
            }
        }
    }

    /// A migration step.
    pub(crate) fn render_migration(self, step: &'static str) -> Cow<'static, str> {
        match self {
            Dialect::Sqlite => step.into(),
            Dialect::Postgres => migration_postgres(step).into(),
        }
    }
}

fn plain_sqlite(sql: Cow<'static, str>, values: Vec<Value>) -> Rendered {
    let is_list = |value: &Value| matches!(value, Value::Integers(_) | Value::Texts(_));
    let plain = !values.iter().any(is_list) && !sql.contains("now_us");
    let sql = if plain {
        sql
    } else {
        let mut asked = 0;
        let said = |number: usize| match values.get(number.wrapping_sub(1)) {
            Some(list) if is_list(list) => format!("(select value from json_each(?{number}))"),
            _ => format!("?{number}"),
        };
        rewrite(&sql, SQLITE_NOW_US, |number| {
            asked += 1;
            said(number.unwrap_or(asked))
        })
        .into()
    };
    let bound = values.into_iter().map(|value| {
        Bound::One(match value {
            Value::Integers(list) => Value::Text(json(&list)),
            Value::Texts(list) => Value::Text(json(&list)),
            other => other,
        })
    });
    Rendered {
        bound: bound.collect(),
        sql,
    }
}

fn plain_postgres(sql: &str, values: Vec<Value>) -> Rendered {
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    let mut asked = 0;
    let sql = rewrite(sql, POSTGRES_NOW_US, |number| {
        asked += 1;
        let number = number.unwrap_or(asked);
        let kind = match values.get(number.wrapping_sub(1)) {
            // Nothing has no type, and a parameter needs one.
            None | Some(Value::Null) => return "null".to_owned(),
            Some(Value::Integer(_)) => "int8",
            Some(Value::Real(_)) => "float8",
            Some(Value::Text(_)) => "text",
            Some(Value::Blob(_)) => "bytea",
            Some(Value::Integers(_)) => "int8[]",
            Some(Value::Texts(_)) => "text[]",
        };
        let next = numbers.len() + 1;
        let number = *numbers.entry(number).or_insert(next);
        if kind.ends_with(']') {
            format!("(select unnest(${number}::{kind}))")
        } else {
            format!("${number}::{kind}")
        }
    });
    let mut bound: Vec<(usize, Bound)> = (1..)
        .zip(values)
        .filter_map(|(number, value)| Some((*numbers.get(&number)?, bound_postgres(value))))
        .collect();
    bound.sort_by_key(|(number, _)| *number);
    Rendered {
        sql: sql.into(),
        bound: bound.into_iter().map(|(_, bound)| bound).collect(),
    }
}

fn bound_postgres(value: Value) -> Bound {
    match value {
        Value::Text(text) => Bound::One(Value::Text(without_nul(text))),
        Value::Integers(list) => Bound::Integers(list.into_iter().map(Some).collect()),
        Value::Texts(list) => Bound::Texts(list.into_iter().map(without_nul).map(Some).collect()),
        other => Bound::One(other),
    }
}

/// PostgreSQL keeps no NUL in a text; losing a page over one would be worse than losing the NUL.
fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

fn put_postgres(table: &Table, rows: Vec<Vec<Value>>) -> Result<Rendered, StateError> {
    let (arrays, bound) = arrays(table, table.columns, rows)?;
    let updates: Vec<String> = table
        .other_columns()
        .iter()
        .map(|(name, _)| format!("{name} = excluded.{name}"))
        .collect();
    let conflict = if updates.is_empty() {
        "do nothing".to_owned()
    } else {
        format!("do update set {}", updates.join(", "))
    };
    let sql = format!(
        "insert into {}({}) select * from unnest({arrays}) on conflict ({}) {conflict}",
        table.name,
        names(table.columns),
        names(table.key_columns()),
    );
    let sql = sql.into();
    Ok(Rendered { sql, bound })
}

/// `$1::int8[], $2::text[]` and what they hold: one array a column.
fn arrays(
    table: &Table,
    columns: &[(&'static str, Kind)],
    rows: Vec<Vec<Value>>,
) -> Result<(String, Vec<Bound>), StateError> {
    let mut bound: Vec<Bound> = columns
        .iter()
        .map(|(_, kind)| match kind {
            Kind::Integer => Bound::Integers(Vec::with_capacity(rows.len())),
            Kind::Real => Bound::Reals(Vec::with_capacity(rows.len())),
            Kind::Text => Bound::Texts(Vec::with_capacity(rows.len())),
        })
        .collect();
    for row in rows {
        fits(table, columns.len(), &row)?;
        for (array, value) in bound.iter_mut().zip(row) {
            push(array, value).map_err(|found| {
                StateError::Statement(format!("{found} in a column of {}", table.name))
            })?;
        }
    }
    let mut said = String::new();
    for (number, (_, kind)) in (1..).zip(columns) {
        let kind = match kind {
            Kind::Integer => "int8",
            Kind::Real => "float8",
            Kind::Text => "text",
        };
        let comma = if number > 1 { ", " } else { "" };
        let _ = write!(said, "{comma}${number}::{kind}[]"); // a String takes everything
    }
    Ok((said, bound))
}

/// Whether a row has a value for each of so many columns.
fn fits(table: &Table, wanted: usize, row: &[Value]) -> Result<(), StateError> {
    if row.len() == wanted {
        return Ok(());
    }
    let (found, name) = (row.len(), table.name);
    Err(StateError::Statement(format!(
        "{found} values for {wanted} columns of {name}"
    )))
}

fn push(array: &mut Bound, value: Value) -> Result<(), &'static str> {
    match (array, value) {
        (Bound::Integers(list), Value::Null) => list.push(None),
        (Bound::Integers(list), Value::Integer(value)) => list.push(Some(value)),
        (Bound::Reals(list), Value::Null) => list.push(None),
        (Bound::Reals(list), Value::Real(value)) => list.push(Some(value)),
        (Bound::Texts(list), Value::Null) => list.push(None),
        (Bound::Texts(list), Value::Text(value)) => list.push(Some(without_nul(value))),
        (_, other) => return Err(other.kind()),
    }
    Ok(())
}

fn names(columns: &[(&'static str, Kind)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// Rows as statements, whose text is made of `(?, ?), (?, ?)`.
fn batches_sqlite(
    table: &Table,
    columns: usize,
    rows: Vec<Vec<Value>>,
    text: impl Fn(&str) -> String,
) -> Result<Vec<Rendered>, StateError> {
    let row = format!("({})", vec!["?"; columns].join(", "));
    let mut statements = Vec::new();
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let count = 1 << rows.len().min(SQLITE_ROWS_MAX).ilog2();
        let mut bound = Vec::with_capacity(count * columns);
        for row in rows.by_ref().take(count) {
            fits(table, columns, &row)?;
            bound.extend(row.into_iter().map(Bound::One));
        }
        statements.push(Rendered {
            sql: text(&vec![row.as_str(); count].join(", ")).into(),
            bound,
        });
    }
    Ok(statements)
}

fn json(value: &impl serde::Serialize) -> String {
    // Lists of numbers and texts always serialize.
    serde_json::to_string(value).unwrap_or_default()
}

/// The text with its parameters and `now_us()` as they are said.
fn rewrite(sql: &str, now_us: &str, mut parameter: impl FnMut(Option<usize>) -> String) -> String {
    let mut said = String::with_capacity(sql.len() + 32);
    let mut pieces = pieces(sql).into_iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Word("now_us") => {
                said.push_str(now_us);
                // `()` belongs to it.
                pieces.next_if(|next| *next == Piece::Other("("));
                pieces.next_if(|next| *next == Piece::Other(")"));
            }
            Piece::Word(text) | Piece::Other(text) => said.push_str(text),
            Piece::Parameter(number) => said.push_str(&parameter(number)),
            Piece::End => said.push(';'),
        }
    }
    said
}

fn migration_postgres(step: &str) -> String {
    let mut said = String::with_capacity(step.len() * 2);
    for piece in pieces(step) {
        match piece {
            Piece::Word(word) => match word.to_ascii_lowercase().as_str() {
                "integer" => said.push_str("bigint"),
                // Compared byte by byte, as SQLite does.
                "text" => said.push_str("text collate \"C\""),
                "real" => said.push_str("double precision"),
                "blob" => said.push_str("bytea"),
                "autoincrement" => said.push_str("generated by default as identity"),
                "strict" | "without" | "rowid" => {
                    let kept = said.trim_end().trim_end_matches(',').len();
                    said.truncate(kept);
                }
                _ => said.push_str(word),
            },
            Piece::Other(text) => said.push_str(text),
            Piece::Parameter(_) => said.push('?'),
            Piece::End => said.push(';'),
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(dialect: Dialect, statement: Statement) -> (String, Vec<Bound>) {
        let mut rendered = dialect.render(statement).unwrap();
        let rendered = rendered.pop().unwrap();
        (rendered.sql.into_owned(), rendered.bound)
    }

    #[test]
    fn parameters_get_the_types_of_their_values_and_nothing_is_null() {
        let statement =
            Statement::new("update t set a = ?2, b = ?1, c = '?3' where d = ?2 or e = ?3")
                .bind("x\0y")
                .bind(None::<i64>)
                .bind(7);
        assert_eq!(
            rendered(Dialect::Postgres, statement.clone()),
            (
                "update t set a = null, b = $1::text, c = '?3' where d = null or e = $2::int8"
                    .into(),
                vec![Bound::One("x\u{fffd}y".into()), Bound::One(7.into())]
            )
        );
        let (sql, bound) = rendered(Dialect::Sqlite, statement);
        assert!(sql.contains("a = ?2, b = ?1"), "{sql}");
        assert_eq!(bound.len(), 3);
    }

    #[test]
    fn lists_and_the_clock() {
        let statement = Statement::new("select now_us() from t where id not in ?1 and a < ?2")
            .bind(vec![1_i64, 2])
            .bind(0.5);
        assert_eq!(
            rendered(Dialect::Postgres, statement.clone()),
            (
                format!(
                    "select {POSTGRES_NOW_US} from t where id not in (select unnest($1::int8[])) and a < $2::float8"
                ),
                vec![
                    Bound::Integers(vec![Some(1), Some(2)]),
                    Bound::One(0.5.into())
                ]
            )
        );
        assert_eq!(
            rendered(Dialect::Sqlite, statement).0,
            format!(
                "select {SQLITE_NOW_US} from t where id not in (select value from json_each(?1)) and a < ?2"
            )
        );
    }

    #[test]
    fn batches() {
        static TABLE: Table = Table {
            name: "a_t",
            columns: &[
                ("id", Kind::Integer),
                ("name", Kind::Text),
                ("x", Kind::Real),
            ],
            key: 2,
        };
        let rows = vec![vec![1.into(), "n".into(), Value::Null]];
        assert_eq!(
            rendered(Dialect::Postgres, TABLE.put(rows.clone())),
            (
                "insert into a_t(id, name, x) select * from unnest($1::int8[], $2::text[], $3::float8[]) \
                 on conflict (id, name) do update set x = excluded.x"
                    .into(),
                vec![
                    Bound::Integers(vec![Some(1)]),
                    Bound::Texts(vec![Some("n".into())]),
                    Bound::Reals(vec![None])
                ]
            )
        );
        let (sql, bound) = rendered(Dialect::Sqlite, TABLE.put(rows));
        assert_eq!(
            sql,
            "insert or replace into a_t(id, name, x) values (?, ?, ?)"
        );
        let values = [1.into(), "n".into(), Value::Null];
        assert_eq!(bound, values.map(Bound::One));
        let keys: Vec<Vec<Value>> = (0..131).map(|n| vec![n.into(), "n".into()]).collect();
        let removed = Dialect::Sqlite.render(TABLE.remove(keys)).unwrap();
        let counts: Vec<usize> = removed.iter().map(|one| one.bound.len() / 2).collect();
        assert_eq!(counts, [64, 64, 2, 1]);
        assert_eq!(
            removed[2].sql,
            "delete from a_t where (id, name) in (values (?, ?), (?, ?))"
        );
        assert_eq!(removed[3].bound[0], Bound::One(130.into()));
        let wrong = TABLE.put(vec![vec!["text".into(), "n".into(), Value::Null]]);
        assert!(Dialect::Postgres.render(wrong).is_err());
        let short = TABLE.remove(vec![vec![1.into()]]);
        assert!(Dialect::Sqlite.render(short.clone()).is_err());
        assert!(Dialect::Postgres.render(short).is_err());
        assert!(
            Dialect::Sqlite
                .render(TABLE.put(Vec::new()))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn migrations() {
        let step = "create table a_t(id integer primary key autoincrement, name text not null, bytes blob, x real default 1.5) strict, without rowid;
create index a_i on a_t(id) where name in ('integer');";
        assert_eq!(
            Dialect::Postgres.render_migration(step),
            "create table a_t(id bigint primary key generated by default as identity, name text collate \"C\" not null, bytes bytea, x double precision default 1.5);
create index a_i on a_t(id) where name in ('integer');"
        );
        assert_eq!(Dialect::Sqlite.render_migration(step), step);
    }
}
