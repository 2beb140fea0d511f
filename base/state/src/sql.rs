//! A light reading of SQL text: just enough to keep one job from harming its neighbours.
//!
//! Jobs share a transaction, so a statement that ends, widens or escapes it is refused before it
//! is queued. The database parses the text for real; this only sees words, parameters and boundaries.

use crate::statement::Text;
use crate::{StateError, Statement};

/// What a text holds, outside quotes and comments.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    /// Lower-case words of each statement, in order.
    statements: Vec<Vec<String>>,
    /// Highest N of `?N`.
    numbered: usize,
    /// How many plain `?`.
    plain: usize,
}

const WRITING: [&str; 5] = ["insert", "update", "delete", "replace", "with"];
const READING: [&str; 3] = ["select", "with", "values"];
/// What a migration step may begin with. Triggers are left out: they act behind a job's back.
const MIGRATING: [&str; 8] = [
    "create", "alter", "drop", "insert", "update", "delete", "replace", "with",
];

/// Checks a statement of a write job.
pub(crate) fn check_write(statement: &Statement) -> Result<(), StateError> {
    check_single(
        statement,
        &WRITING,
        "a write job holds inserts, updates and deletes",
    )
}

/// Checks a query.
pub(crate) fn check_read(statement: &Statement) -> Result<(), StateError> {
    check_single(
        statement,
        &READING,
        "a query begins with select, with or values",
    )
}

/// Checks the text of a migration step; several statements are fine.
pub(crate) fn check_migration(text: &str) -> Result<(), String> {
    let reading = read(text);
    for words in &reading.statements {
        let verb = words.first().map_or("", String::as_str);
        if !MIGRATING.contains(&verb) {
            return Err(format!("a migration may not begin with `{verb}`"));
        }
        if let Some(word) = words
            .iter()
            .find(|word| matches!(word.as_str(), "trigger" | "deferrable" | "deferred"))
        {
            return Err(format!("`{word}` would reach beyond one job"));
        }
        refuse_rollback(words)?;
    }
    Ok(())
}

fn check_single(statement: &Statement, verbs: &[&str], rule: &str) -> Result<(), StateError> {
    let sql = match &statement.text {
        Text::Plain(sql) => sql,
        // Written here, not by a room.
        Text::Put(..) | Text::Remove(..) if verbs == WRITING => return Ok(()),
        Text::Put(table, _) | Text::Remove(table, _) => {
            return Err(StateError::Statement(format!(
                "a batch for {} is no query",
                table.name
            )));
        }
    };
    let refuse = |why: String| Err(StateError::Statement(format!("{why} in {sql:?}")));
    let reading = read(sql);
    let [words] = reading.statements.as_slice() else {
        return refuse(format!(
            "{} statements instead of one",
            reading.statements.len()
        ));
    };
    let verb = words.first().map_or("", String::as_str);
    if !verbs.contains(&verb) {
        return refuse(format!("`{verb}` ({rule})"));
    }
    if let Err(why) = refuse_rollback(words) {
        return refuse(why);
    }
    if reading.plain > 0 && reading.numbered > 0 {
        return refuse("both `?` and `?1`".to_owned());
    }
    let named = reading.plain.max(reading.numbered);
    if named != statement.values.len() {
        return refuse(format!(
            "{} values for {named} parameters",
            statement.values.len()
        ));
    }
    Ok(())
}

/// `or rollback` undoes the whole transaction, the neighbours' jobs included.
fn refuse_rollback(words: &[String]) -> Result<(), String> {
    let undoes = words.windows(2).any(|pair| {
        matches!(pair, [first, second] if matches!(first.as_str(), "or" | "conflict") && second == "rollback")
    });
    if undoes {
        return Err("`rollback` as a conflict rule".to_owned());
    }
    Ok(())
}

fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut words: Vec<String> = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Word(word) => words.push(word.to_ascii_lowercase()),
            Piece::Parameter(Some(number)) => reading.numbered = reading.numbered.max(number),
            Piece::Parameter(None) => reading.plain += 1,
            Piece::End => reading.end_statement(&mut words),
            Piece::Other(_) => {}
        }
    }
    reading.end_statement(&mut words);
    reading
}

impl Reading {
    fn end_statement(&mut self, words: &mut Vec<String>) {
        if !words.is_empty() {
            self.statements.push(std::mem::take(words));
        }
    }
}

/// A piece of SQL text; all pieces together are the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A word or number outside quotes and comments.
    Word(&'a str),
    /// `?N`, or a plain `?`.
    Parameter(Option<usize>),
    /// `;`
    End,
    /// Signs, white space, quotes and comments.
    Other(&'a str),
}

/// The pieces of a text, in order.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => quoted_length(rest, first),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '?' => 1 + digits_after(rest),
            first if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        found.push(match first {
            '?' => Piece::Parameter(piece.get(1..).and_then(|digits| digits.parse().ok())),
            ';' => Piece::End,
            first if is_word(first) => Piece::Word(piece),
            _ => Piece::Other(piece),
        });
        rest = after;
    }
    found
}

/// How many digits follow a question mark.
fn digits_after(rest: &str) -> usize {
    let after = rest.get(1..).unwrap_or_default();
    after
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(after.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of a quoted piece with its quotes; a doubled quote stands for itself.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c != quote {
            continue;
        }
        match characters.peek() {
            Some((_, next)) if *next == quote => {
                characters.next();
            }
            _ => return at + c.len_utf8(),
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(sql: &'static str, values: usize) -> Result<(), StateError> {
        let statement = (0..values).fold(Statement::new(sql), |statement, _| statement.bind(1));
        check_write(&statement)
    }

    #[test]
    fn statements_that_stay_in_their_job() {
        for (sql, values) in [
            ("insert into t(a, b) values (?1, ?2)", 2),
            ("insert into t values (?, ?, ?)", 3),
            ("update t set a = ?1 where b = ?1", 1),
            ("delete from t where a = 'it''s; commit' -- ; begin\n", 0),
            (
                "with x as (select 1) insert into t select * from x /* ; */ ;",
                0,
            ),
            ("insert or ignore into t values (?1)", 1),
            (
                "insert into t values (?1) on conflict (a) do update set b = 'or rollback'",
                1,
            ),
            ("replace into [odd;name] values (\"?\", `?`, ?1)", 1),
        ] {
            assert_eq!(write(sql, values), Ok(()), "{sql}");
        }
    }

    #[test]
    fn statements_that_would_harm_their_neighbours() {
        for (sql, values, why) in [
            ("commit", 0, "`commit`"),
            ("  /* x */ ROLLBACK", 0, "`rollback`"),
            ("insert into t values (1); commit", 0, "2 statements"),
            ("insert or rollback into t values (1)", 0, "`rollback`"),
            ("INSERT OR\n ROLLBACK INTO t VALUES (1)", 0, "`rollback`"),
            ("pragma synchronous = off", 0, "`pragma`"),
            ("attach 'x' as y", 0, "`attach`"),
            ("", 0, "0 statements"),
            ("delete from t where a = ?1", 0, "0 values for 1 parameters"),
            ("delete from t where a = ?2", 1, "1 values for 2 parameters"),
            ("delete from t", 1, "1 values for 0 parameters"),
            ("delete from t where a = ? and b = ?2", 2, "both"),
        ] {
            let error = write(sql, values).unwrap_err().to_string();
            assert!(error.contains(why), "{sql}: {error}");
        }
    }

    #[test]
    fn queries_only_read() {
        assert!(check_read(&Statement::new("select 1")).is_ok());
        assert!(check_read(&Statement::new("pragma user_version")).is_err());
    }

    #[test]
    fn migrations_are_schema_and_data() {
        assert_eq!(
            check_migration(
                "create table a_x(y); create index a_i on a_x(y); insert into a_x values (1);"
            ),
            Ok(())
        );
        for text in [
            "begin; create table a_x(y); commit",
            "create trigger a_t after insert on a_x begin delete from a_x; end",
            "create table a_x(y references a_z deferrable initially deferred)",
            "create table a_x(y unique on conflict rollback)",
            "vacuum",
        ] {
            assert!(check_migration(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,60}") {
            let _ = check_migration(&text);
            let _ = check_write(&Statement::new(text));
        }
    }
}
