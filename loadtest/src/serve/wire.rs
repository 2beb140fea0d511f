//! One caller's connection: bytes in, bytes out, without blocking.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, sockopt};

use super::framing::{HEAD_BYTES_MAX, RequestReader};

/// Bytes that one thread reads at once, whichever connection they come from.
pub(super) const READ_BYTES_MAX: usize = 4 * HEAD_BYTES_MAX;

/// A connection with what is left over between two reads and two writes.
#[derive(Debug)]
pub(super) struct Wire {
    socket: OwnedFd,
    /// Bytes that are not yet a whole head; at most [`HEAD_BYTES_MAX`] unless requests are pipelined.
    held: Vec<u8>,
    /// Bytes that the kernel would not take yet.
    unsent: Vec<u8>,
    pub(super) reader: RequestReader,
}

/// What reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// So many bytes lie in the buffer, those held from before included.
    Bytes(usize),
    /// Nothing has come.
    Nothing,
    /// The caller is gone.
    Gone,
}

/// How far writing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// All of it is with the kernel.
    All,
    /// The rest is kept; write again when the connection takes bytes.
    Some,
    /// The caller is gone.
    Gone,
}

impl Wire {
    pub(super) fn accept(listener: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::accept_with(listener, flags)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        Ok(Wire {
            socket,
            held: Vec::new(),
            unsent: Vec::new(),
            reader: RequestReader::default(),
        })
    }

    /// Reads once, behind what was held.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Read {
        let before = self.held.len();
        let Some((front, room)) = buffer.split_at_mut_checked(before) else {
            return Read::Gone;
        };
        front.copy_from_slice(&self.held);
        self.held.clear();
        match rustix::net::recv(&self.socket, room, RecvFlags::empty()) {
            Ok((0, _)) => Read::Gone,
            Ok((count, _)) => Read::Bytes(before + count),
            Err(Errno::AGAIN | Errno::INTR) => {
                self.held.extend_from_slice(front);
                Read::Nothing
            }
            Err(_) => Read::Gone,
        }
    }

    /// Keeps bytes for the next read.
    #[inline]
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// How many bytes wait that were read and not used.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Whether bytes wait that the kernel would not take.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes out the bytes that wait to be used.
    pub(super) fn take_held(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Writes at once; what the kernel does not take is kept.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> Write {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return self.write_unsent();
        }
        match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(count) if count == bytes.len() => Write::All,
            Ok(count) => {
                self.unsent
                    .extend_from_slice(bytes.get(count..).unwrap_or_default());
                Write::Some
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                self.unsent.extend_from_slice(bytes);
                Write::Some
            }
            Err(_) => Write::Gone,
        }
    }

    /// Writes what was kept.
    pub(super) fn write_unsent(&mut self) -> Write {
        while !self.unsent.is_empty() {
            match rustix::net::send(&self.socket, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(count) => {
                    self.unsent.drain(..count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Write::Some,
                Err(_) => return Write::Gone,
            }
        }
        Write::All
    }

    /// Ends with a reset instead of an orderly close, once it is dropped.
    pub(super) fn reset_on_close(&self) {
        let _ = sockopt::set_socket_linger(&self.socket, Some(std::time::Duration::ZERO));
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
