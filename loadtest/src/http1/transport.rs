//! Bytes to and from a socket, with or without TLS, never waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socket_with};
use rustls::pki_types::ServerName;

/// A socket that never waits.
#[derive(Debug)]
pub(super) struct Transport {
    stream: TcpStream,
    tls: Option<Box<rustls::ClientConnection>>,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// So many bytes; whether there may be more without another notice from the kernel.
    Bytes(usize, bool),
    /// Nothing now.
    Nothing,
    /// The other side will send nothing more.
    End,
}

impl Transport {
    /// Begins to connect.
    pub(super) fn open(
        address: SocketAddr,
        tls: Option<(&Arc<rustls::ClientConfig>, &ServerName<'static>)>,
    ) -> io::Result<Self> {
        let family = if address.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(refused) => return Err(refused.into()),
        }
        let tls = match tls {
            Some((config, name)) => {
                let session = rustls::ClientConnection::new(Arc::clone(config), name.clone());
                Some(Box::new(session.map_err(io::Error::other)?))
            }
            None => None,
        };
        Ok(Transport {
            stream: TcpStream::from(socket),
            tls,
        })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What came of connecting, once the kernel says that the socket is writable.
    pub(super) fn connected(&self) -> io::Result<()> {
        self.stream.take_error()?.map_or(Ok(()), Err)
    }

    /// Goes on with the handshake; true when there is none or it is over.
    pub(super) fn shake_hands(&mut self) -> io::Result<bool> {
        let Some(session) = &mut self.tls else {
            return Ok(true);
        };
        match session.complete_io(&mut self.stream) {
            Ok(_) => Ok(!session.is_handshaking()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(!session.is_handshaking()),
            Err(error) => Err(error),
        }
    }

    /// Reads what is there.
    #[inline]
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let Some(session) = &mut self.tls else {
            let room = buffer.len();
            return match rustix::net::recv(&self.stream, buffer, RecvFlags::empty()) {
                Ok((_, 0)) => Ok(Received::End),
                Ok((_, length)) => Ok(Received::Bytes(length, length == room)),
                Err(Errno::AGAIN) => Ok(Received::Nothing),
                Err(Errno::INTR) => Ok(Received::Bytes(0, true)),
                Err(errno) => Err(errno.into()),
            };
        };
        receive_tls(session, &self.stream, buffer)
    }

    /// Writes what the socket takes and says how much of `bytes` that was.
    #[inline]
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(session) = &mut self.tls else {
            return match rustix::net::send(&self.stream, bytes, SendFlags::NOSIGNAL) {
                Ok(taken) => Ok(taken),
                Err(Errno::AGAIN | Errno::INTR) => Ok(0),
                Err(errno) => Err(errno.into()),
            };
        };
        send_tls(session, &self.stream, bytes)
    }

    /// Whether bytes wait inside the TLS session for the socket.
    pub(super) fn is_behind(&self) -> bool {
        self.tls
            .as_ref()
            .is_some_and(|session| session.wants_write())
    }
}

fn send_tls(
    session: &mut rustls::ClientConnection,
    stream: &TcpStream,
    bytes: &[u8],
) -> io::Result<usize> {
    let taken = session.writer().write(bytes);
    while session.wants_write() {
        match session.write_tls(&mut &*stream) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    match taken {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(0)
        }
        other => other,
    }
}

fn receive_tls(
    session: &mut rustls::ClientConnection,
    stream: &TcpStream,
    buffer: &mut [u8],
) -> io::Result<Received> {
    loop {
        match session.reader().read(buffer) {
            // A clean end: the other side said so within TLS.
            Ok(0) => return Ok(Received::End),
            Ok(length) => return Ok(Received::Bytes(length, true)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // An end without a word within TLS; framing decides whether the answer was whole.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Received::End),
            Err(error) => return Err(error),
        }
        match session.read_tls(&mut &*stream) {
            Ok(0) => {
                session.process_new_packets().map_err(io::Error::other)?;
                return match session.reader().read(buffer) {
                    Ok(length) if length > 0 => Ok(Received::Bytes(length, true)),
                    _ => Ok(Received::End),
                };
            }
            Ok(_) => {
                session.process_new_packets().map_err(io::Error::other)?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
