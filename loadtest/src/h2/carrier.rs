//! A stream of bytes to the target, encrypted or not.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::http1::failure::of_connecting;
use crate::outcome::Failure;

/// How a connection is encrypted: the settings and the name that the certificate must hold.
pub(crate) type Encryption = (Arc<rustls::ClientConfig>, ServerName<'static>);

/// A stream of bytes, encrypted or not.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// As it is.
    Plain(TcpStream),
    /// Through TLS.
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Carrier {
    /// Connects, and agrees on HTTP/2 when the connection is encrypted.
    pub(crate) async fn connect(
        address: SocketAddr,
        encryption: Option<&Encryption>,
    ) -> Result<Self, Failure> {
        let tcp = TcpStream::connect(address)
            .await
            .map_err(|error| of_connecting(&error))?;
        tcp.set_nodelay(true)
            .map_err(|error| of_connecting(&error))?;
        let Some((config, name)) = encryption else {
            return Ok(Carrier::Plain(tcp));
        };
        let tls = TlsConnector::from(Arc::clone(config))
            .connect(name.clone(), tcp)
            .await
            .map_err(|_| Failure::Tls)?;
        if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(Failure::Protocol);
        }
        Ok(Carrier::Encrypted(Box::new(tls)))
    }
}

impl AsyncRead for Carrier {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Carrier::Plain(tcp) => tcp.is_write_vectored(),
            Carrier::Encrypted(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Carrier::Encrypted(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
