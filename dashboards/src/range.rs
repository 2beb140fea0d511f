//! The stretch of time a question is about.

use std::time::Duration;

use inbound::ProblemDocument;
use model::{Timestamp, parse_duration};

/// How far back the counts per second reach.
pub(crate) const SECONDS_KEPT: Duration = Duration::from_mins(15);
/// The longest stretch one answer covers.
pub(crate) const LONGEST: Duration = Duration::from_hours(31 * 24);

/// Reads a length such as `5m`; `otherwise` when nothing is said.
pub(crate) fn length(
    text: Option<&str>,
    field: &str,
    otherwise: Duration,
    longest: Duration,
) -> Result<Duration, ProblemDocument> {
    let Some(text) = text else {
        return Ok(otherwise);
    };
    let length = parse_duration(text)
        .map_err(|error| ProblemDocument::bad_request(error.to_string()).field(field))?;
    if length < Duration::from_secs(1) || length > longest {
        let most = model::format_duration(longest);
        return Err(ProblemDocument::bad_request(format!(
            "`{field}` must lie between 1s and {most}"
        ))
        .field(field));
    }
    Ok(length)
}

/// Reads an instant, RFC 3339 or Unix seconds; `otherwise` when nothing is said.
pub(crate) fn instant(
    text: Option<&str>,
    field: &str,
    otherwise: Timestamp,
) -> Result<Timestamp, ProblemDocument> {
    match text {
        None => Ok(otherwise),
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            let number = text.parse().unwrap_or(i64::MAX);
            Ok(Timestamp::from_epoch_number(number))
        }
        Some(text) => text.parse().map_err(|error: model::TimestampError| {
            ProblemDocument::bad_request(error.to_string()).field(field)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_bounds() {
        let five = Duration::from_mins(5);
        assert_eq!(length(None, "range", five, LONGEST).unwrap(), five);
        assert_eq!(
            length(Some("10s"), "range", five, LONGEST).unwrap(),
            Duration::from_secs(10)
        );
        for text in ["0s", "10", "99w", "soon"] {
            assert_eq!(
                length(Some(text), "range", five, LONGEST)
                    .unwrap_err()
                    .status(),
                400,
                "{text}"
            );
        }
    }
}
