//! Listening sockets that several threads can share a port with.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::ServeError;

/// Connections that may wait to be accepted.
const BACKLOG_MAX: i32 = 4_096;

/// Listens without blocking. Every socket of one port made here gets its share of the connections, as
/// the kernel deals them out.
pub(super) fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let opened = || -> std::io::Result<(TcpListener, SocketAddr)> {
        let socket = open(address)?;
        let listener = TcpListener::from(socket);
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    opened().map_err(|source| ServeError::Listen { address, source })
}

fn open(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG_MAX)?;
    Ok(socket)
}
