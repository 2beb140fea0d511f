//! What came of one request.

use serde::{Deserialize, Serialize};

/// What came of one request, as the load test counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered as its plan expects.
    Ok {
        /// The status it was answered with.
        status: u16,
    },
    /// Refused by a flow limit (429). Counted apart: the target is protecting itself.
    Limited,
    /// Answered, but not as expected: another status, header or body.
    Unexpected {
        /// The status it was answered with.
        status: u16,
    },
    /// Not answered.
    Failed(Failure),
}

impl Outcome {
    /// Whether the call counts as a success.
    pub fn is_ok(self) -> bool {
        matches!(self, Outcome::Ok { .. })
    }

    /// The status, when there was an answer.
    pub fn status(self) -> Option<u16> {
        match self {
            Outcome::Ok { status } | Outcome::Unexpected { status } => Some(status),
            Outcome::Limited => Some(429),
            Outcome::Failed(_) => None,
        }
    }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Nobody listens there.
    Refused,
    /// The connection could not be made for another reason.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// No full answer in time.
    Timeout,
    /// The other side reset the connection.
    Reset,
    /// The other side closed before the answer was whole.
    Closed,
    /// The TLS handshake or session failed.
    Tls,
    /// What came is not the protocol.
    Protocol,
    /// The answer's head is larger than is read.
    HeadTooLarge,
    /// An HTTP/2 stream was reset or refused by the other side.
    StreamReset,
    /// Sent on to a place that is not the target.
    Redirect,
    /// This machine has no port or file left: the generator's fault, never the target's.
    OutOfPorts,
}

impl Failure {
    /// Every failure, in the order of its place in a [`crate::tally::Tally`].
    pub const ALL: [Failure; 12] = [
        Failure::Refused,
        Failure::Connect,
        Failure::ConnectTimeout,
        Failure::Timeout,
        Failure::Reset,
        Failure::Closed,
        Failure::Tls,
        Failure::Protocol,
        Failure::HeadTooLarge,
        Failure::StreamReset,
        Failure::Redirect,
        Failure::OutOfPorts,
    ];

    /// The word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            Failure::Refused => "refused",
            Failure::Connect => "connect",
            Failure::ConnectTimeout => "connect_timeout",
            Failure::Timeout => "timeout",
            Failure::Reset => "reset",
            Failure::Closed => "closed",
            Failure::Tls => "tls",
            Failure::Protocol => "protocol",
            Failure::HeadTooLarge => "head_too_large",
            Failure::StreamReset => "stream_reset",
            Failure::Redirect => "redirect",
            Failure::OutOfPorts => "out_of_ports",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_json_says_and_places_are_in_order() {
        for (place, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, place);
            assert_eq!(serde_json::to_value(failure).unwrap(), failure.word());
        }
    }
}
