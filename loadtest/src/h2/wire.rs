//! The bytes of a connection: counted, and the instant noted at which requests are handed to the kernel.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::carrier::Carrier;
use super::inbox::Inbox;
use crate::engine::watch::Watch;
use crate::timing::Nanos;

/// The instant at which one request was handed to the kernel; zero before.
pub(super) type Stamp = Rc<Cell<Nanos>>;

/// What the bytes of one connection tell.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// Requests that wait to be handed to the kernel.
    queued: RefCell<Vec<Stamp>>,
    /// Whether the peer ever sent anything.
    heard: Cell<bool>,
}

impl Stamps {
    /// A request was queued: the next write of its connection carries it.
    pub(super) fn queue(&self) -> Stamp {
        let stamp = Stamp::default();
        self.queued.borrow_mut().push(Rc::clone(&stamp));
        stamp
    }

    /// Whether the peer ever sent anything.
    pub(super) fn has_heard(&self) -> bool {
        self.heard.get()
    }

    /// What was queued is offered to the kernel. A kernel that takes nothing because the peer reads
    /// nothing makes no difference: that wait is the target's.
    #[inline]
    fn hand_over(&self, watch: &Watch) {
        let mut queued = self.queued.borrow_mut();
        if queued.is_empty() {
            return;
        }
        let now = watch.now();
        for stamp in queued.drain(..) {
            stamp.set(now);
        }
    }
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
        let polled = Pin::new(&mut this.carrier).poll_read(cx, buffer);
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            this.stamps.heard.set(true);
            this.inbox.count_in(bytes);
        }
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
        let polled = Pin::new(&mut this.carrier).poll_write(cx, bytes);
        this.count(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.stamps.hand_over(&this.watch);
        let polled = Pin::new(&mut this.carrier).poll_write_vectored(cx, slices);
        this.count(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.carrier.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().carrier).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().carrier).poll_shutdown(cx)
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
