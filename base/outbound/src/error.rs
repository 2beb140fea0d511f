//! Why a request brought no answer, and whether it may have taken effect.

use std::net::IpAddr;
use std::time::Duration;

/// Why a request brought no answer. URLs appear without path and query, which may hold tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The URL cannot be used.
    #[error("bad URL: {reason}")]
    BadUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// The method or a header cannot be sent, or the body is over a limit.
    #[error("bad request to {target}: {reason}")]
    BadRequest {
        /// Scheme, host and port.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host leads to an address that data may not name.
    #[error(
        "{target} leads to {address}, {reason}; list it under outbound.allow if that is intended"
    )]
    Refused {
        /// Scheme, host and port.
        target: String,
        /// The address behind it.
        address: IpAddr,
        /// What kind of address it is.
        reason: &'static str,
    },
    /// The host's name has no address.
    #[error("cannot resolve {target}: {cause}")]
    Resolve {
        /// Scheme, host and port.
        target: String,
        /// What the resolver said.
        cause: String,
    },
    /// No connection, or no TLS session on it: the request was surely not sent.
    #[error("cannot connect to {target}: {cause}")]
    Connect {
        /// Scheme, host and port.
        target: String,
        /// What went wrong.
        cause: String,
    },
    /// The deadline passed.
    #[error("{target} did not answer within {deadline:?}{}", if *sent { "; the request may have been carried out" } else { ", no connection was made" })]
    Timeout {
        /// Scheme, host and port.
        target: String,
        /// The deadline.
        deadline: Duration,
        /// Whether there was a connection, so that the request may have been read.
        sent: bool,
    },
    /// The connection broke after the request may have been read.
    #[error("{target} broke off: {cause}; the request may have been carried out")]
    Interrupted {
        /// Scheme, host and port.
        target: String,
        /// What went wrong.
        cause: String,
    },
    /// The answer's body is over the cap; the request was carried out.
    #[error("{target} answered {status} with more than {bytes_max} bytes")]
    AnswerTooLarge {
        /// Scheme, host and port.
        target: String,
        /// The answer's status.
        status: u16,
        /// The cap.
        bytes_max: usize,
    },
}

impl OutboundError {
    /// Whether the request may have taken effect although no answer says so. Only what is harmless
    /// twice may be sent again then.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            OutboundError::Timeout { sent, .. } => *sent,
            OutboundError::Interrupted { .. } | OutboundError::AnswerTooLarge { .. } => true,
            OutboundError::BadUrl { .. }
            | OutboundError::BadRequest { .. }
            | OutboundError::Refused { .. }
            | OutboundError::Resolve { .. }
            | OutboundError::Connect { .. } => false,
        }
    }

    /// One word for counters and delivery records.
    pub fn kind(&self) -> &'static str {
        match self {
            OutboundError::BadUrl { .. } => "bad_url",
            OutboundError::BadRequest { .. } => "bad_request",
            OutboundError::Refused { .. } => "refused",
            OutboundError::Resolve { .. } => "resolve",
            OutboundError::Connect { .. } => "connect",
            OutboundError::Timeout { .. } => "timeout",
            OutboundError::Interrupted { .. } => "interrupted",
            OutboundError::AnswerTooLarge { .. } => "answer_too_large",
        }
    }
}
