//! Which failure a socket's error is.

use std::io::{self, ErrorKind};

use rustix::io::Errno;

use crate::outcome::Failure;

/// Why a connection could not be made.
pub(crate) fn of_connecting(error: &io::Error) -> Failure {
    if is_exhaustion(error) {
        return Failure::OutOfPorts;
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Failure::Refused,
        ErrorKind::TimedOut => Failure::ConnectTimeout,
        _ => Failure::Connect,
    }
}

/// Why a connection that was made broke.
pub(crate) fn of_session(error: &io::Error) -> Failure {
    if error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
    {
        return Failure::Tls;
    }
    match error.kind() {
        ErrorKind::UnexpectedEof => Failure::Closed,
        ErrorKind::TimedOut => Failure::Timeout,
        _ => Failure::Reset,
    }
}

/// This machine is out of ports, files or memory for sockets.
fn is_exhaustion(error: &io::Error) -> bool {
    [
        Errno::ADDRNOTAVAIL,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
    ]
    .iter()
    .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhaustion_is_ours_and_the_rest_is_theirs() {
        let raw = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        for (error, expected) in [
            (raw(Errno::ADDRNOTAVAIL), Failure::OutOfPorts),
            (raw(Errno::MFILE), Failure::OutOfPorts),
            (raw(Errno::CONNREFUSED), Failure::Refused),
            (raw(Errno::TIMEDOUT), Failure::ConnectTimeout),
            (raw(Errno::HOSTUNREACH), Failure::Connect),
        ] {
            assert_eq!(of_connecting(&error), expected, "{error}");
        }
        for (error, expected) in [
            (raw(Errno::CONNRESET), Failure::Reset),
            (raw(Errno::PIPE), Failure::Reset),
            (io::Error::other(rustls::Error::DecryptError), Failure::Tls),
        ] {
            assert_eq!(of_session(&error), expected, "{error}");
        }
    }
}
