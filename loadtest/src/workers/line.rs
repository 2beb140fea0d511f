//! The writing half of a connection, on a thread of its own: whoever has something to say never waits
//! for the network, and the other side hears every second that we are there.

use std::io;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;

use serde::Serialize;

use super::BEAT_EVERY;
use super::wire::Writer;

/// What waits to be written, in order.
#[derive(Debug)]
pub(super) struct Outbox<T> {
    queue: Option<SyncSender<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Serialize + Send + 'static> Outbox<T> {
    /// Starts the thread; `alive` is what it says when there is nothing else.
    pub(super) fn open(
        writer: Writer<TcpStream>,
        queued_max: usize,
        alive: fn() -> T,
    ) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(queued_max);
        let thread = std::thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || write_all(writer, &waiting, alive))?;
        Ok(Outbox {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Says something, after waiting for room. Nothing happens when the connection is broken: the reading
    /// half notices that too, and ends what there is to end.
    pub(super) fn put(&self, message: T) {
        if let Some(queue) = &self.queue {
            let _ = queue.send(message);
        }
    }

    /// For another thread that has something to say. The outbox ends after the last of these.
    pub(super) fn sender(&self) -> Option<SyncSender<T>> {
        self.queue.clone()
    }

    /// Whether nothing can be written any more.
    pub(super) fn is_broken(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl<T> Drop for Outbox<T> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all<T: Serialize>(mut writer: Writer<TcpStream>, waiting: &Receiver<T>, alive: fn() -> T) {
    loop {
        let message = match waiting.recv_timeout(BEAT_EVERY) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => alive(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if writer.write(&message).is_err() {
            return;
        }
    }
}
