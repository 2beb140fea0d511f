//! What a query's conditions say before any file is opened: the span of time, and one function's parts.

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator, lit};
use model::Timestamp;

use super::table::SnapshotTable;
use crate::schema::FUNCTION_ID;

/// An inclusive span of time in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
    /// Whether it says all that the conditions said, so that whatever lies within it meets them.
    pub(super) exact: bool,
}

impl Span {
    const ALWAYS: Span = Span {
        from: i64::MIN,
        to: i64::MAX,
        exact: true,
    };
    /// Of a condition that is not understood.
    const UNKNOWN: Span = Span {
        exact: false,
        ..Span::ALWAYS
    };

    /// Whether it leaves out nothing.
    pub(super) fn is_always(self) -> bool {
        self.from == i64::MIN && self.to == i64::MAX
    }

    /// Whether anything between `from` and `to` (inclusive) may be wanted.
    pub(super) fn meets(self, from: Timestamp, to: Timestamp) -> bool {
        from.as_micros() <= self.to && self.from <= to.as_micros()
    }

    /// Whether everything between `from` and `to` (inclusive) meets the conditions.
    pub(super) fn holds(self, from: Timestamp, to: Timestamp) -> bool {
        self.exact && self.from <= from.as_micros() && to.as_micros() <= self.to
    }

    fn narrow(self, other: Span) -> Span {
        Span {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
            exact: self.exact && other.exact,
        }
    }

    /// The span that all of these conditions leave. What is not understood leaves everything.
    pub(super) fn of(conditions: &[Expr], column: &str) -> Span {
        conditions.iter().fold(Span::ALWAYS, |span, condition| {
            span.narrow(Span::of_one(condition, column))
        })
    }

    fn of_one(condition: &Expr, column: &str) -> Span {
        match condition {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And,
                right,
            }) => Span::of_one(left, column).narrow(Span::of_one(right, column)),
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Or,
                right,
            }) => {
                let (one, other) = (Span::of_one(left, column), Span::of_one(right, column));
                Span {
                    from: one.from.min(other.from),
                    to: one.to.max(other.to),
                    exact: false,
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if is_column(left, column)
                    && let Some(at) = micros(right)
                {
                    return Span::of_comparison(*op, at);
                }
                match (op.swap(), micros(left)) {
                    (Some(op), Some(at)) if is_column(right, column) => Span::of_comparison(op, at),
                    _ => Span::UNKNOWN,
                }
            }
            Expr::Between(Between {
                expr,
                negated: false,
                low,
                high,
            }) if is_column(expr, column) => {
                let at_least = |at| Span::of_comparison(Operator::GtEq, at);
                let at_most = |at| Span::of_comparison(Operator::LtEq, at);
                let low = micros(low).map_or(Span::UNKNOWN, at_least);
                low.narrow(micros(high).map_or(Span::UNKNOWN, at_most))
            }
            _ => Span::UNKNOWN,
        }
    }

    /// `at` is rounded down and up, so that a span is never too narrow.
    fn of_comparison(operator: Operator, at: (i64, i64)) -> Span {
        let (from, to) = match operator {
            Operator::Eq => at,
            Operator::Gt => (at.0.saturating_add(1), i64::MAX),
            Operator::GtEq => (at.0, i64::MAX),
            Operator::Lt => (i64::MIN, at.1.saturating_sub(1)),
            Operator::LtEq => (i64::MIN, at.1),
            _ => return Span::UNKNOWN,
        };
        Span {
            from,
            to,
            // Beyond the last instant there is none, but spans are inclusive.
            exact: at.0 == at.1 && i64::MIN < at.0 && at.0 < i64::MAX,
        }
    }
}

fn is_column(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Column(column) if column.name == name)
}

/// A literal instant in microseconds, rounded down and up.
fn micros(expr: &Expr) -> Option<(i64, i64)> {
    let Expr::Literal(literal, _) = expr else {
        return None;
    };
    let scaled = |value: i64, by: i64| value.checked_mul(by).map(|at| (at, at));
    match literal {
        ScalarValue::TimestampSecond(Some(at), _) => scaled(*at, 1_000_000),
        ScalarValue::TimestampMillisecond(Some(at), _) => scaled(*at, 1_000),
        ScalarValue::TimestampMicrosecond(Some(at), _) => Some((*at, *at)),
        ScalarValue::TimestampNanosecond(Some(at), _) => {
            let down = at.div_euclid(1_000);
            Some((down, down + i64::from(at.rem_euclid(1_000) > 0)))
        }
        _ => None,
    }
}

/// What conditions on `function_id` mean for the stored columns: Parquet statistics know those.
pub(super) fn function_parts(conditions: &[Expr]) -> Option<Expr> {
    conditions.iter().filter_map(parts_of).reduce(Expr::and)
}

fn parts_of(condition: &Expr) -> Option<Expr> {
    match condition {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) => {
            let (column, literal) = if is_column(left, FUNCTION_ID) {
                (left, right)
            } else {
                (right, left)
            };
            is_column(column, FUNCTION_ID).then(|| text(literal).map(is_function))?
        }
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) if is_column(expr, FUNCTION_ID) => {
            let ids: Option<Vec<Expr>> = list.iter().map(|id| text(id).map(is_function)).collect();
            ids?.into_iter().reduce(Expr::or)
        }
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And,
            right,
        }) => match (parts_of(left), parts_of(right)) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        },
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => Some(parts_of(left)?.or(parts_of(right)?)),
        _ => None,
    }
}

fn is_function(id: &str) -> Expr {
    match id.split_once('/') {
        Some((namespace, function)) => {
            named("namespace", namespace).and(named("function", function))
        }
        None => lit(false),
    }
}

fn named(column: &str, value: &str) -> Expr {
    let value = ScalarValue::Utf8View(Some(value.to_owned()));
    Expr::Column(Column::from_name(column)).eq(Expr::Literal(value, None))
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(literal, _) => literal.try_as_str().flatten(),
        _ => None,
    }
}

impl SnapshotTable {
    /// The span that conditions leave of this table's time column.
    pub(super) fn span(&self, conditions: &[Expr]) -> Span {
        Span::of(conditions, self.table.time_column())
    }
}
