//! An HTTP/2 server in this process that follows a script.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What all connections of a peer saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) connections: AtomicUsize,
    pub(super) requests: AtomicUsize,
    at_once: AtomicUsize,
    pub(super) at_once_max: AtomicUsize,
    /// Resets that the client sent.
    pub(super) resets: Mutex<Vec<Reason>>,
    /// Path, headers and body of each request.
    pub(super) heads: Mutex<Vec<(String, HeaderMap)>>,
    pub(super) bodies: Mutex<Vec<Bytes>>,
}

/// How a connection ends before its client wants it to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leave {
    Never,
    /// GOAWAY after so many requests; what was accepted is answered.
    Gracefully(usize),
    /// GOAWAY with an error after so many requests, and closed.
    Abruptly(usize),
}

/// The script.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) streams_max: Option<u32>,
    pub(super) leave: Leave,
    pub(super) tls: Option<TlsAcceptor>,
}

/// A running peer; it ends with this value.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Seen>,
    _runtime: tokio::runtime::Runtime,
}

/// One request with what is needed to answer it.
pub(super) struct Asked {
    /// From 0, over all connections.
    pub(super) number: usize,
    pub(super) request: Request<()>,
    pub(super) respond: SendResponse<Bytes>,
    resets: Arc<Seen>,
}

impl Asked {
    /// Never answers; notes the reset with which the client gives up.
    pub(super) async fn stay_silent(mut self) {
        if let Ok(reason) = std::future::poll_fn(|cx| self.respond.poll_reset(cx)).await {
            self.resets.resets.lock().unwrap().push(reason);
        }
    }
}

impl Peer {
    pub(super) fn plain() -> Self {
        Peer {
            streams_max: None,
            leave: Leave::Never,
            tls: None,
        }
    }

    /// Starts it; `answer` is called for each request.
    pub(super) fn start<F, A>(self, answer: F) -> Running
    where
        F: Fn(Asked) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (peer, witness) = (self, Arc::clone(&seen));
        runtime.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                witness.connections.fetch_add(1, Ordering::SeqCst);
                let (peer, seen, answer) = (peer.clone(), Arc::clone(&witness), answer.clone());
                tokio::spawn(async move {
                    match peer.tls.clone() {
                        None => peer.serve(tcp, seen, answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                peer.serve(stream, seen, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Running {
            address,
            seen,
            _runtime: runtime,
        }
    }

    async fn serve<T, F, A>(self, io: T, seen: Arc<Seen>, answer: F)
    where
        T: AsyncRead + AsyncWrite + Unpin,
        F: Fn(Asked) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let mut builder = h2::server::Builder::new();
        if let Some(streams_max) = self.streams_max {
            builder.max_concurrent_streams(streams_max);
        }
        let Ok(mut connection): Result<Connection<T, Bytes>, _> = builder.handshake(io).await
        else {
            return;
        };
        let mut accepted = 0;
        while let Some(Ok((request, respond))) = connection.accept().await {
            accepted += 1;
            let (seen, answer) = (Arc::clone(&seen), answer.clone());
            tokio::spawn(handle(seen, answer, request, respond));
            match self.leave {
                Leave::Gracefully(after) if accepted == after => connection.graceful_shutdown(),
                Leave::Abruptly(after) if accepted == after => {
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                }
                _ => {}
            }
        }
    }
}

async fn handle<F, A>(
    seen: Arc<Seen>,
    answer: F,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) where
    F: Fn(Asked) -> A,
    A: Future<Output = ()>,
{
    let number = seen.requests.fetch_add(1, Ordering::SeqCst);
    let at_once = seen.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    seen.at_once_max.fetch_max(at_once, Ordering::SeqCst);
    let (head, mut stream) = request.into_parts();
    let path = head.uri.to_string();
    seen.heads
        .lock()
        .unwrap()
        .push((path, head.headers.clone()));
    let mut body = Vec::new();
    while let Some(Ok(piece)) = stream.data().await {
        let _ = stream.flow_control().release_capacity(piece.len());
        body.extend_from_slice(&piece);
    }
    seen.bodies.lock().unwrap().push(body.into());
    let asked = Asked {
        number,
        request: Request::from_parts(head, ()),
        respond,
        resets: Arc::clone(&seen),
    };
    answer(asked).await;
    seen.at_once.fetch_sub(1, Ordering::SeqCst);
}

/// An answer with a body, at once.
pub(super) fn reply(mut asked: Asked, status: u16, body: &'static [u8]) {
    let response = Response::builder().status(status).body(()).unwrap();
    let empty = body.is_empty();
    if let Ok(mut stream) = asked.respond.send_response(response, empty)
        && !empty
    {
        let _ = stream.send_data(Bytes::from_static(body), true);
    }
}

/// Answers with 200 after a while.
pub(super) async fn reply_after(asked: Asked, wait: Duration) {
    tokio::time::sleep(wait).await;
    reply(asked, 200, b"ok");
}
