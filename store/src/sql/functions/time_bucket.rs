//! `time_bucket(width, ts [, origin])`: where the bucket begins that a time lies in.
//!
//! Buckets are counted from 2000-01-03T00:00:00Z, a Monday, so that weeks begin on Mondays, or from
//! `origin`. Widths of whole months begin on the first of a month, UTC; a day always has 24 hours.

use std::sync::Arc;

use arrow::array::{Array, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// 2000-01-03T00:00:00Z in microseconds.
const MONDAY: i64 = 946_857_600_000_000;
const DAY: i64 = 86_400_000_000;

/// How long the units of a width in words are, in microseconds. A final s may be added.
const UNITS: [(&str, i64); 18] = [
    ("us", 1),
    ("µs", 1),
    ("microsecond", 1),
    ("ms", 1_000),
    ("millisecond", 1_000),
    ("s", 1_000_000),
    ("sec", 1_000_000),
    ("second", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("minute", 60_000_000),
    ("h", 3_600_000_000),
    ("hour", 3_600_000_000),
    ("d", DAY),
    ("day", DAY),
    ("w", 7 * DAY),
    ("week", 7 * DAY),
    ("hr", 3_600_000_000),
];
/// The same of those that differ in length, in months.
const MONTHS: [(&str, i64); 3] = [("month", 1), ("quarter", 3), ("year", 12)];

/// The function.
pub(super) fn time_bucket() -> ScalarUDF {
    ScalarUDF::new_from_impl(TimeBucket {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

/// How wide buckets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Micros(i64),
    Months(i64),
}

impl Width {
    /// Of an INTERVAL or of words such as `10s`, `5 minutes` and `1 hour 30 minutes`; `None` of null.
    fn of(width: &ScalarValue) -> Result<Option<Width>> {
        match width {
            ScalarValue::IntervalMonthDayNano(Some(width)) => {
                let nanos = width.nanoseconds;
                let days = i64::from(width.days).checked_mul(DAY);
                let micros = days.and_then(|days| days.checked_add(nanos / 1_000));
                match micros {
                    Some(micros) if nanos % 1_000 == 0 => {
                        Width::checked(micros, i64::from(width.months)).map(Some)
                    }
                    _ => plan_err!("the width of time_bucket has to be whole microseconds"),
                }
            }
            other if other.is_null() => Ok(None),
            other => {
                let Some(text) = other.try_as_str().flatten() else {
                    return plan_err!(
                        "the width of time_bucket is an interval or a text such as '1m'"
                    );
                };
                Width::parse(text).map(Some)
            }
        }
    }

    fn parse(text: &str) -> Result<Width> {
        let refused = || {
            plan_err!(
                "{text:?} is no width of time_bucket; write a number and a unit, such as '10s', '5 minutes' or '1 month'"
            )
        };
        let (mut micros, mut months) = (0_i64, 0_i64);
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = rest.find(|sign: char| !sign.is_ascii_digit());
            let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
            let after = after.trim_start();
            let end = after.find(|sign: char| !sign.is_alphabetic());
            let (unit, after) = after.split_at(end.unwrap_or(after.len()));
            let unit = unit.to_lowercase();
            let one = unit.strip_suffix('s').unwrap_or(&unit);
            let length = |units: &[(&str, i64)]| {
                let exact = units.iter().find(|(name, _)| *name == unit);
                let (_, length) = exact.or_else(|| units.iter().find(|(name, _)| *name == one))?;
                number.parse::<i64>().ok()?.checked_mul(*length)
            };
            let sum = match (length(&UNITS), length(&MONTHS)) {
                (Some(length), _) => micros.checked_add(length).map(|sum| (sum, months)),
                (_, Some(length)) => months.checked_add(length).map(|sum| (micros, sum)),
                _ => None,
            };
            let Some(sum) = sum else {
                return refused();
            };
            (micros, months) = sum;
            rest = after.trim_start();
        }
        Width::checked(micros, months)
    }

    fn checked(micros: i64, months: i64) -> Result<Width> {
        match (micros, months) {
            (1.., 0) => Ok(Width::Micros(micros)),
            (0, 1..) => Ok(Width::Months(months)),
            (0, 0) => plan_err!("the width of time_bucket is nothing"),
            (_, 0) | (0, _) => plan_err!("the width of time_bucket is negative"),
            _ => plan_err!("the width of time_bucket mixes months with shorter units"),
        }
    }

    /// The bucket (first microsecond, first after it) that an instant lies in; `None` beyond what
    /// instants can say.
    fn bucket(self, at: i64, origin: i64) -> Option<(i64, i64)> {
        match self {
            Width::Micros(width) => {
                let into = at.checked_sub(origin)?.rem_euclid(width);
                let begin = at.checked_sub(into)?;
                Some((begin, begin.saturating_add(width)))
            }
            Width::Months(width) => {
                let origin = months_of(origin)?;
                let begin = (months_of(at)? - origin).div_euclid(width) * width + origin;
                Some((begin_of_month(begin)?, begin_of_month(begin + width)?))
            }
        }
    }
}

/// Months since the year 0.
fn months_of(micros: i64) -> Option<i64> {
    let date = DateTime::from_timestamp_micros(micros)?;
    Some(i64::from(date.year()) * 12 + i64::from(date.month0()))
}

fn begin_of_month(months: i64) -> Option<i64> {
    let year = i32::try_from(months.div_euclid(12)).ok()?;
    let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
    let date = NaiveDate::from_ymd_opt(year, month, 1)?.and_hms_opt(0, 0, 0)?;
    Some(date.and_utc().timestamp_micros())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeBucket {
    signature: Signature,
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &'static str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let (width, at, origin) = match given {
            [width, at] => (width, at, None),
            [width, at, origin] => (width, at, Some(origin)),
            _ => return plan_err!("time_bucket takes a width, a time and perhaps an origin"),
        };
        let width = match width {
            DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            text if text.is_string() || text.is_null() => DataType::Utf8,
            _ => {
                return plan_err!("the width of time_bucket is an interval or a text such as '1m'");
            }
        };
        let zone = match at {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => Some("UTC".into()),
        };
        let time = DataType::Timestamp(TimeUnit::Microsecond, zone);
        for given in [Some(at), origin].into_iter().flatten() {
            let is_time = matches!(
                given,
                DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Null
            );
            if !is_time && !given.is_string() {
                return plan_err!("time_bucket takes times such as the column ts, not {given}");
            }
        }
        let mut types = vec![width, time.clone()];
        types.extend(origin.map(|_| time));
        Ok(types)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let Some(time) = given.get(1) else {
            return plan_err!("time_bucket takes a width and a time");
        };
        Ok(time.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let (width, at, origin) = match args.args.as_slice() {
            [ColumnarValue::Scalar(width), at] => (width, at, None),
            [ColumnarValue::Scalar(width), at, origin] => (width, at, Some(origin)),
            _ => return exec_err!("the width of time_bucket has to be a constant"),
        };
        let zone = match args.return_field.data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let at = at.to_array(rows)?;
        let at = at.as_primitive::<TimestampMicrosecondType>();
        let origin = origin.map(|origin| origin.to_array(rows)).transpose()?;
        let origin = origin.as_ref().map(AsArray::as_primitive);
        let begins = match Width::of(width)? {
            Some(width) => begins(width, at, origin),
            None => TimestampMicrosecondArray::new_null(at.len()),
        };
        Ok(ColumnarValue::Array(Arc::new(
            begins.with_timezone_opt(zone),
        )))
    }

    /// A comparison with the begin of a bucket says which times are meant, so that files and row
    /// groups outside of them are left out.
    fn preimage(
        &self,
        args: &[Expr],
        literal: &Expr,
        _: &SimplifyContext,
    ) -> Result<PreimageResult> {
        let (width, at, origin) = match args {
            [Expr::Literal(width, _), at] => (width, at, MONDAY),
            [
                Expr::Literal(width, _),
                at,
                Expr::Literal(ScalarValue::TimestampMicrosecond(Some(origin), _), _),
            ] => (width, at, *origin),
            _ => return Ok(PreimageResult::None),
        };
        let (Some(width), Expr::Literal(ScalarValue::TimestampMicrosecond(Some(begin), zone), _)) =
            (Width::of(width)?, literal)
        else {
            return Ok(PreimageResult::None);
        };
        match width.bucket(*begin, origin) {
            Some((first, end)) if first == *begin => {
                let time = |at| ScalarValue::TimestampMicrosecond(Some(at), zone.clone());
                Ok(PreimageResult::Range {
                    expr: at.clone(),
                    interval: Box::new(Interval::try_new(time(first), time(end))?),
                })
            }
            _ => Ok(PreimageResult::None),
        }
    }
}

/// The begin of each time's bucket. Neighbours often share one.
fn begins(
    width: Width,
    at: &TimestampMicrosecondArray,
    origin: Option<&TimestampMicrosecondArray>,
) -> TimestampMicrosecondArray {
    let (mut last, mut counted_from) = (0..0, MONDAY);
    let begin = |row: usize| {
        if at.is_null(row) {
            return None;
        }
        let from = match origin {
            None => MONDAY,
            Some(origin) if origin.is_null(row) => return None,
            Some(origin) => origin.value(row),
        };
        let instant = at.value(row);
        if from != counted_from || !last.contains(&instant) {
            let (begin, end) = width.bucket(instant, from)?;
            (last, counted_from) = (begin..end, from);
        }
        Some(last.start)
    };
    (0..at.len()).map(begin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn width(text: &str) -> Width {
        Width::parse(text).unwrap()
    }

    fn micros(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_micros()
    }

    #[test]
    fn widths_in_words() {
        for (text, expected) in [
            ("10s", Width::Micros(10_000_000)),
            ("1m", Width::Micros(60_000_000)),
            ("5 minutes", Width::Micros(300_000_000)),
            (" 1 hour 30 MINUTES ", Width::Micros(5_400_000_000)),
            ("1h30m", Width::Micros(5_400_000_000)),
            ("250ms", Width::Micros(250_000)),
            ("2 weeks", Width::Micros(14 * DAY)),
            ("1 month", Width::Months(1)),
            ("1 year 1 quarter", Width::Months(15)),
        ] {
            assert_eq!(width(text), expected, "{text}");
        }
        for text in [
            "",
            "1",
            "m",
            "-1m",
            "1.5h",
            "0s",
            "1 fortnight",
            "1 month 1 day",
            "99999999999999999999s",
            "9999999999999 weeks",
            "1m,",
        ] {
            assert!(Width::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn buckets_of_weeks_and_months_begin_where_people_expect() {
        for (text, at, begin, end) in [
            (
                "1 week",
                "2026-11-21T12:00:00Z",
                "2026-11-16T00:00:00Z",
                "2026-11-23T00:00:00Z",
            ),
            (
                "1 month",
                "2026-02-28T23:59:59Z",
                "2026-02-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                "1 quarter",
                "2026-11-21T00:00:00Z",
                "2026-10-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
            ),
            (
                "1 month",
                "1969-12-31T23:59:59.999999Z",
                "1969-12-01T00:00:00Z",
                "1970-01-01T00:00:00Z",
            ),
            (
                "1 day",
                "1969-12-31T23:59:59.999999Z",
                "1969-12-31T00:00:00Z",
                "1970-01-01T00:00:00Z",
            ),
        ] {
            let bucket = width(text).bucket(micros(at), MONDAY);
            assert_eq!(bucket, Some((micros(begin), micros(end))), "{text} {at}");
        }
        assert_eq!(width("1s").bucket(i64::MIN, MONDAY), None);
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_time_and_tiles(
            at in -10_i64.pow(17)..10_i64.pow(17),
            origin in -10_i64.pow(16)..10_i64.pow(16),
            size in 1..10_i64.pow(13),
            months in 1..40_i64,
        ) {
            for width in [Width::Micros(size), Width::Months(months)] {
                let (begin, end) = width.bucket(at, origin).unwrap();
                prop_assert!(begin <= at && at < end);
                prop_assert_eq!(width.bucket(end, origin).unwrap().0, end);
                prop_assert_eq!(width.bucket(begin - 1, origin).unwrap().1, begin);
                if let Width::Micros(size) = width {
                    prop_assert_eq!((begin - origin) % size, 0);
                }
            }
        }
    }
}
