//! What a stream can tell.

use std::time::Duration;

use alerting::{AlertingError, IncidentList};
use inbound::ProblemDocument;
use model::Timestamp;

use crate::Sources;
use crate::range::SECONDS_KEPT;
use crate::series::Grid;

/// The most incidents told.
const INCIDENTS_MAX: usize = 100;
/// Seconds are sent again for this long, since late rows still change them.
const CHANGING: Duration = Duration::from_secs(15);

/// Which of them are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // a set of words
pub(super) struct Topics {
    pub(super) functions: bool,
    pub(super) incidents: bool,
    pub(super) function: bool,
    pub(super) series: bool,
}

impl Topics {
    /// Reads `functions,incidents`; none is a stream of ticks.
    pub(super) fn read(text: Option<&str>) -> Result<Topics, ProblemDocument> {
        let mut topics = Topics::default();
        let words = text.unwrap_or_default().split(',').map(str::trim);
        for word in words.filter(|word| !word.is_empty()) {
            match word {
                "functions" => topics.functions = true,
                "incidents" => topics.incidents = true,
                "function" => topics.function = true,
                "series" => topics.series = true,
                other => {
                    return Err(ProblemDocument::bad_request(format!(
                        "there is no topic {other:?}"
                    ))
                    .field("topics")
                    .hint("use some of functions, incidents, function, series"));
                }
            }
        }
        Ok(topics)
    }
}

/// The newest incidents, as `GET /api/v1/incidents` answers them.
pub(super) async fn incidents(sources: &Sources) -> Result<String, AlertingError> {
    let incidents = sources.alerting.incidents(None, INCIDENTS_MAX).await?;
    // Numbers and texts: writing them cannot fail.
    Ok(serde_json::to_string(&IncidentList::new(incidents)).unwrap_or_default())
}

/// The seconds a client does not know yet or that may have changed: what it missed since `seen`, as
/// far back as seconds are kept.
pub(super) fn newest(seen: Option<Timestamp>, now: Timestamp) -> Grid {
    let from = seen.unwrap_or(now).min(now) - CHANGING;
    let from = from.max(now - SECONDS_KEPT);
    Grid::over(from, now, Duration::from_secs(1), now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_comes_back_gets_what_it_missed() {
        let now = Timestamp::from_seconds(1_762_819_205);
        let seconds = |seen: Option<Timestamp>| newest(seen, now).len();
        assert_eq!(seconds(None), 15);
        assert_eq!(seconds(Some(now - Duration::from_secs(45))), 60);
        assert_eq!(seconds(Some(Timestamp::EPOCH)), 900);
        // An id from the future, after the clock was set back.
        assert_eq!(seconds(Some(now + Duration::from_hours(1))), 15);
        assert!(newest(Some(Timestamp::EPOCH), now).seconds);
    }
}
