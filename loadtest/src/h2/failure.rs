//! Which failure an error of a connection or a stream is.

use std::io::{self, ErrorKind};

use rustix::io::Errno;

use crate::outcome::Failure;

/// Why a connection could not be made.
pub(super) fn of_connecting(error: &io::Error) -> Failure {
    let ours = [
        Errno::ADDRNOTAVAIL,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
    ];
    if ours
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    {
        return Failure::OutOfPorts;
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Failure::Refused,
        ErrorKind::TimedOut => Failure::ConnectTimeout,
        _ => Failure::Connect,
    }
}

/// Why a stream or its connection broke.
pub(super) fn of_stream(error: &h2::Error) -> Failure {
    if let Some(io) = error.get_io() {
        return of_session(io);
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

fn of_session(error: &io::Error) -> Failure {
    if error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>())
    {
        return Failure::Tls;
    }
    match error.kind() {
        // The library says that the pipe is broken when the peer closed.
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => Failure::Closed,
        ErrorKind::TimedOut => Failure::Timeout,
        ErrorKind::InvalidData => Failure::Protocol,
        _ => Failure::Reset,
    }
}
