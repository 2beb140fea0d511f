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
        let listen_error = |source| DemoError::Listen {
            what: what.to_owned(),
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(listen_error)?;
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
