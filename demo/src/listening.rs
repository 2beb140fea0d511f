//! An HTTP server on a free loopback port that ends with its handle.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::DemoError;

/// A running server. Dropping it stops it: no new connections, calls under way are finished.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    _running: watch::Sender<()>,
}

impl Listening {
    pub(crate) async fn start(what: &str, router: Router) -> Result<Self, DemoError> {
        Self::start_near(what, 0, router).await
    }

    /// The same on this port if nobody has it, so that a link stays good from one run to the next.
    pub(crate) async fn start_near(
        what: &str,
        port: u16,
        router: Router,
    ) -> Result<Self, DemoError> {
        let listen_error = |source| DemoError::Listen {
            what: what.to_owned(),
            source,
        };
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => listener,
            Err(_) if port != 0 => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .map_err(listen_error)?,
            Err(error) => return Err(listen_error(error)),
        };
        let address = listener.local_addr().map_err(listen_error)?;
        let (running, mut stopped) = watch::channel(());
        let stop = async move {
            // Ends with an error when the sender is dropped, which is the signal.
            while stopped.changed().await.is_ok() {}
        };
        tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stop)
                .await
        });
        Ok(Listening {
            address,
            _running: running,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
