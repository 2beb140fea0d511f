//! A built-in target on threads of its own, for as long as its handle is kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::ServeError;
use crate::engine::Stop;

/// A target that is being served. Dropping it ends it.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Serving {
    /// Runs `serve` on a thread of this name and returns once it says where it listens. `serve` is given
    /// what tells it to stop, and where to say its address.
    pub(super) fn start(
        name: &str,
        serve: impl FnOnce(Arc<Stop>, SyncSender<SocketAddr>) -> Result<(), ServeError> + Send + 'static,
    ) -> Result<Self, ServeError> {
        let stop = Stop::new();
        let (ready, listening) = sync_channel(1);
        let thread = {
            let stop = Arc::clone(&stop);
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || serve(stop, ready))
                .map_err(|error| ServeError::Thread(format!("cannot be started: {error}")))?
        };
        match listening.recv() {
            Ok(address) => Ok(Serving {
                address,
                stop,
                thread: Some(thread),
            }),
            // The sender is gone without a word: the thread ended, and its end says why.
            Err(_) => match thread.join() {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) | Err(_) => Err(ServeError::Thread("ended before it listened".into())),
            },
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it and says how it went.
    pub fn end(mut self) -> Result<(), ServeError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), ServeError> {
        self.stop.raise("no longer needed");
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(ServeError::Thread("panicked".to_owned())),
            None => Ok(()),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Whoever wants to know how it went calls `end`.
        let _ = self.join();
    }
}
