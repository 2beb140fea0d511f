//! The bytes of a connection: counted, and the instant noted at which requests are handed to the kernel.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::inbox::Inbox;
use super::watch::Watch;
use crate::timing::Nanos;

/// The instant at which one request was handed to the kernel; zero before.
pub(super) type Stamp = Rc<Cell<Nanos>>;

/// Requests of one connection that wait to be handed to the kernel.
#[derive(Debug, Default)]
pub(super) struct Stamps(RefCell<Vec<Stamp>>);

impl Stamps {
    /// A request was queued: the next write of its connection carries it.
    pub(super) fn queue(&self) -> Stamp {
        let stamp = Stamp::default();
        self.0.borrow_mut().push(Rc::clone(&stamp));
        stamp
    }

    /// What was queued is offered to the kernel. A kernel that takes nothing because the peer reads
    /// nothing makes no difference: that wait is the target's.
    #[inline]
    fn hand_over(&self, watch: &Watch) {
        let mut queued = self.0.borrow_mut();
        if queued.is_empty() {
            return;
        }
        let now = watch.now();
        for stamp in queued.drain(..) {
            stamp.set(now);
        }
    }
}

/// A stream of bytes, encrypted or not.
#[derive(Debug)]
pub(super) enum Carrier {
    /// As it is.
    Plain(TcpStream),
    /// Through TLS.
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// A connection's bytes, watched.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) carrier: Carrier,
    pub(super) stamps: Rc<Stamps>,
    pub(super) inbox: Rc<Inbox>,
    pub(super) watch: Arc<Watch>,
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = match &mut this.carrier {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_read(cx, buffer),
        };
        this.inbox.count_in(buffer.filled().len() - before);
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.stamps.hand_over(&this.watch);
        let polled = match &mut this.carrier {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_write(cx, bytes),
        };
        this.count(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.stamps.hand_over(&this.watch);
        let polled = match &mut this.carrier {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        };
        this.count(polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.carrier {
            Carrier::Plain(tcp) => tcp.is_write_vectored(),
            Carrier::Encrypted(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().carrier {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().carrier {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl Wire {
    fn count(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = polled {
            self.inbox.count_out(bytes);
        }
        polled
    }
}
