//! What a question may be: one SELECT over the registered tables.
//!
//! Checked on the parsed text, before anything is planned. Planning would refuse most of it as well;
//! two locks are better than one where the text comes from outside.

use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::error::{QueryError, nearest};
use super::relation::Relation;
use super::{NESTING_MAX, TEXT_BYTES_MAX, TOKENS_MAX};

/// Functions that make much out of little, or reach outside the tables.
const REFUSED_FUNCTIONS: [&str; 19] = [
    "array_pad",
    "array_repeat",
    "array_resize",
    "current_setting",
    "gen_series",
    "generate_series",
    "list_pad",
    "list_repeat",
    "list_resize",
    "lpad",
    "pg_read_file",
    "range",
    "read_csv",
    "read_json",
    "read_parquet",
    "repeat",
    "rpad",
    "set_config",
    "space",
];

/// The statement, if it is one that is answered, and which tables it reads.
pub(super) fn admit(text: &str) -> Result<(Parsed, Vec<Relation>), QueryError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(QueryError::TooLong { bytes: text.len() });
    }
    check_tokens(text)?;
    let statement = parse(text)?;
    let Parsed::Statement(inner) = &statement else {
        return Err(QueryError::NotAllowed(first_word(text)));
    };
    let Statement::Query(_) = inner.as_ref() else {
        return Err(QueryError::NotAllowed(first_word(text)));
    };
    let mut guard = Guard::default();
    if let ControlFlow::Break(reason) = inner.visit(&mut guard) {
        return Err(reason);
    }
    let tables = tables_of(&statement)?;
    Ok((statement, tables))
}

fn parse(text: &str) -> Result<Parsed, QueryError> {
    let engine = |error| QueryError::from_engine(&error, 0);
    let mut parser = DFParserBuilder::new(text)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(NESTING_MAX)
        .build()
        .map_err(engine)?;
    let mut statements = parser.parse_statements().map_err(engine)?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (Some(_), false) => Err(QueryError::NotAllowed("more than one statement".to_owned())),
        (None, _) => Err(QueryError::Syntax("there is no statement".to_owned())),
    }
}

/// Bounds what parser and planner will recurse over.
fn check_tokens(text: &str) -> Result<(), QueryError> {
    let tokens = Tokenizer::new(&GenericDialect {}, text)
        .tokenize()
        .map_err(|error| QueryError::Syntax(error.to_string()))?;
    if tokens.len() > TOKENS_MAX {
        return Err(QueryError::Invalid(format!(
            "it has {} words and signs, more than the {TOKENS_MAX} allowed",
            tokens.len()
        )));
    }
    let mut depth = 0_usize;
    for token in &tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_MAX {
            return Err(too_deep());
        }
    }
    Ok(())
}

fn too_deep() -> QueryError {
    QueryError::Invalid(format!(
        "it nests deeper than the {NESTING_MAX} levels allowed; a long chain of OR is an IN (…)"
    ))
}

fn first_word(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or("this");
    word.chars().take(32).collect::<String>().to_uppercase()
}

/// Which tables are read; any other name is refused here, so that no name ever reaches a catalogue.
fn tables_of(statement: &Parsed) -> Result<Vec<Relation>, QueryError> {
    let (references, _) = datafusion::sql::resolve::resolve_table_references(statement, true)
        .map_err(|error| QueryError::from_engine(&error, 0))?;
    let mut tables = Vec::new();
    for reference in references {
        let bare = reference.schema().is_none() && reference.catalog().is_none();
        let table = Relation::from_name(reference.table()).filter(|_| bare);
        let Some(table) = table else {
            return Err(QueryError::UnknownTable {
                name: reference.to_string(),
                suggestion: nearest(reference.table(), Relation::all().map(Relation::name)),
            });
        };
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    Ok(tables)
}

#[derive(Default)]
struct Guard {
    depth: usize,
}

impl Guard {
    fn deeper(&mut self) -> ControlFlow<QueryError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return ControlFlow::Break(too_deep());
        }
        ControlFlow::Continue(())
    }
}

fn refuse(what: impl Into<String>) -> ControlFlow<QueryError> {
    ControlFlow::Break(QueryError::NotAllowed(what.into()))
}

impl Visitor for Guard {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<QueryError> {
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return refuse("WITH RECURSIVE");
        }
        if !query.locks.is_empty() || query.for_clause.is_some() || query.settings.is_some() {
            return refuse("FOR or SETTINGS after a query");
        }
        if let Some(word) = writes(&query.body) {
            return refuse(word);
        }
        self.deeper()
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<QueryError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<QueryError> {
        if select.into.is_some() {
            return refuse("SELECT INTO");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<QueryError> {
        match factor {
            TableFactor::Table { args: None, .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. } => ControlFlow::Continue(()),
            _ => refuse("a function as a table"),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        if let Expr::Function(function) = expr {
            let name = function.name.to_string().to_lowercase();
            let name = name.trim_matches('"');
            if REFUSED_FUNCTIONS.contains(&name) {
                return refuse(format!("the function {name}"));
            }
        }
        self.deeper()
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<QueryError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<QueryError> {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            other => refuse(first_word(&other.to_string())),
        }
    }
}

/// The word of a statement that writes where a query should stand.
fn writes(body: &SetExpr) -> Option<&'static str> {
    match body {
        SetExpr::Insert(_) => Some("INSERT"),
        SetExpr::Update(_) => Some("UPDATE"),
        SetExpr::Delete(_) => Some("DELETE"),
        SetExpr::Merge(_) => Some("MERGE"),
        SetExpr::SetOperation { left, right, .. } => writes(left).or_else(|| writes(right)),
        _ => None,
    }
}
