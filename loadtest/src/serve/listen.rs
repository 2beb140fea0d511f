//! Listening sockets, alone or sharing a port among the threads of one server.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::ServeError;

/// Connections that may wait to be accepted.
const BACKLOG_MAX: i32 = 4_096;

/// Listens without blocking, as nobody else does at this address.
pub(super) fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    opened(address, false).map_err(|source| ServeError::Listen { address, source })
}

/// So many sockets at one port; each gets its share of the connections, as the kernel deals them out.
pub(super) fn listen_shared(
    address: SocketAddr,
    sockets: usize,
) -> Result<(Vec<TcpListener>, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    // Sharing would join the threads of a second server to those of a first one, so the port must be
    // free to one that shares nothing.
    let (alone, bound) = opened(address, false).map_err(failed)?;
    drop(alone);
    let shared = |_| opened(bound, true).map(|(listener, _)| listener);
    let listeners: std::io::Result<Vec<_>> = (0..sockets).map(shared).collect();
    Ok((listeners.map_err(failed)?, bound))
}

fn opened(address: SocketAddr, is_shared: bool) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::from(open(address, is_shared)?);
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

fn open(address: SocketAddr, is_shared: bool) -> rustix::io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, is_shared)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG_MAX)?;
    Ok(socket)
}
