//! Making a connection and keeping it going.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::Connection;

use super::carrier::{Carrier, Encryption};
use super::failure::of_stream;
use super::inbox::{Inbox, What};
use super::lane::{Lane, Room};
use super::wire::Wire;
use super::{CONNECTION_WINDOW_BYTES, HEAD_BYTES_MAX, STREAM_WINDOW_BYTES};
use crate::engine::watch::Watch;
use crate::outcome::Failure;

/// Streams that this side reset and whose late frames are still passed over: enough for a target that
/// lets every request run into its timeout.
const RESET_STREAMS_MAX: usize = 16_384;

/// What all connections of a thread need.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Encryption>,
    pub(super) timeout: Duration,
    /// Streams on one connection at most, whatever the peer allows.
    pub(super) streams_cap: usize,
    pub(super) inbox: Rc<Inbox>,
    pub(super) watch: Arc<Watch>,
}

impl Dialer {
    /// Makes a connection, tells of it, and keeps it going until it ends.
    pub(super) async fn dial(self: Rc<Self>) {
        let lane = Rc::new(Lane::new(self.streams_cap));
        let made = tokio::time::timeout(self.timeout, self.connect(&lane)).await;
        match made.unwrap_or(Err(Failure::ConnectTimeout)) {
            Ok(connection) => {
                self.tell(What::Opened(Rc::clone(&lane)));
                self.drive(&lane, connection).await;
                self.tell(What::Leaving(lane));
            }
            Err(failure) => self.tell(What::NotOpened(failure)),
        }
    }

    fn tell(&self, what: What) {
        let now = self.watch.now();
        self.inbox.put(self.watch.happened(now, now), what);
    }

    /// Made is a connection once the peer's settings came: before, nobody knows how many streams it allows.
    async fn connect(&self, lane: &Rc<Lane>) -> Result<Connection<Wire, Bytes>, Failure> {
        let wire = Wire {
            carrier: Carrier::connect(self.address, self.tls.as_ref()).await?,
            stamps: Rc::clone(&lane.stamps),
            inbox: Rc::clone(&self.inbox),
            watch: Arc::clone(&self.watch),
        };
        let (sender, mut connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HEAD_BYTES_MAX)
            .max_concurrent_reset_streams(RESET_STREAMS_MAX)
            .max_local_error_reset_streams(None)
            .enable_push(false)
            .initial_max_send_streams(0)
            .handshake::<_, Bytes>(wire)
            .await
            .map_err(|error| of_stream(&error))?;
        lane.open(sender);
        let settled = poll_fn(|cx| {
            let polled = Pin::new(&mut connection).poll(cx);
            lane.limit(connection.max_concurrent_send_streams());
            match polled {
                Poll::Ready(Err(error)) => Poll::Ready(Err(of_stream(&error))),
                Poll::Ready(Ok(())) => Poll::Ready(Err(Failure::Closed)),
                Poll::Pending if lane.streams_max() > 0 => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        match settled {
            Ok(()) => Ok(connection),
            // Settings come first of all: a peer that hung up after it said something else speaks another
            // protocol.
            Err(Failure::Closed | Failure::Reset) if lane.stamps.has_heard() => {
                Err(Failure::Protocol)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn drive(&self, lane: &Rc<Lane>, mut connection: Connection<Wire, Bytes>) {
        poll_fn(|cx| {
            let polled = Pin::new(&mut connection).poll(cx);
            let was_held_back = lane.is_held_back();
            if lane.is_open() {
                let limited_anew = lane.limit(connection.max_concurrent_send_streams());
                let room = lane.room();
                if room == Room::Gone {
                    self.tell(What::Leaving(Rc::clone(lane)));
                } else if limited_anew || (was_held_back && room == Room::Some) {
                    self.tell(What::Changed(Rc::clone(lane)));
                }
            }
            polled.map(drop)
        })
        .await;
    }
}
