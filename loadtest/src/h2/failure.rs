//! Which failure an error of a connection or a stream is.

use std::io::ErrorKind;

use crate::http1::failure::of_session;
use crate::outcome::Failure;

/// Why a stream or its connection broke.
pub(super) fn of_stream(error: &h2::Error) -> Failure {
    if let Some(io) = error.get_io() {
        return match io.kind() {
            // The library says that the pipe is broken when the peer closed.
            ErrorKind::BrokenPipe => Failure::Closed,
            ErrorKind::InvalidData => Failure::Protocol,
            _ => of_session(io),
        };
    }
    if error.is_library() {
        // This side saw that the peer broke the protocol.
        return Failure::Protocol;
    }
    if error.is_reset() || error.is_go_away() {
        return Failure::StreamReset;
    }
    Failure::Protocol
}
