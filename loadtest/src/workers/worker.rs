//! A worker: listens for leaders and works for one at a time.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use model::AllowList;

use super::desk::{self, REPORTS_QUEUED_MAX};
use super::line::Outbox;
use super::messages::Report;
use super::{Token, WorkersError, greeting, wire};
use crate::engine::{LOOK_FOR_STOP, RunClock, Stop};

/// Connections at once: one leader at work, and some that prove themselves or are told that it is busy.
const CONNECTIONS_MAX: usize = 16;

/// How a worker is run.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where it sends at all, whatever plans allow.
    pub allow: AllowList,
    /// The secret that its leaders share. Without one it listens on the loopback only.
    pub token: Token,
    /// Verifies permissions for production targets.
    pub permission_key: Option<Vec<u8>>,
}

/// Works for leaders until `stop` is raised. Tells `ready` the address with the port that the kernel
/// chose, and `note` a line whenever a leader comes or goes.
pub fn serve(
    settings: WorkerSettings,
    stop: &Arc<Stop>,
    ready: impl FnOnce(SocketAddr),
    note: &(dyn Fn(&str) + Sync),
) -> Result<(), WorkersError> {
    let address = settings.listen;
    if !address.ip().is_loopback() && settings.token.is_none() {
        return Err(WorkersError::NoToken(address));
    }
    let refuse = |cause| WorkersError::Listen { address, cause };
    let listener = TcpListener::bind(address).map_err(refuse)?;
    listener.set_nonblocking(true).map_err(refuse)?;
    ready(listener.local_addr().map_err(refuse)?);
    let place = Place {
        settings: Arc::new(settings),
        clock: RunClock::start(),
        taken: AtomicBool::new(false),
        connections: AtomicUsize::new(0),
        stop: Arc::clone(stop),
        note,
    };
    std::thread::scope(|scope| {
        while !stop.is_raised() {
            match listener.accept() {
                Ok((stream, from)) => place.welcome(scope, stream, from),
                Err(_) => std::thread::sleep(LOOK_FOR_STOP),
            }
        }
    });
    Ok(())
}

/// What all connections of a worker have in common.
struct Place<'a> {
    settings: Arc<WorkerSettings>,
    clock: RunClock,
    /// Whether a leader is being worked for.
    taken: AtomicBool,
    connections: AtomicUsize,
    stop: Arc<Stop>,
    note: &'a (dyn Fn(&str) + Sync),
}

impl Place<'_> {
    /// Hears a caller on a thread of its own; one too many is closed at once.
    fn welcome<'scope, 'env>(
        &'env self,
        scope: &'scope std::thread::Scope<'scope, 'env>,
        stream: TcpStream,
        from: SocketAddr,
    ) {
        if self.connections.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
            self.connections.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        let thread = std::thread::Builder::new()
            .name("leader".to_owned())
            .spawn_scoped(scope, move || {
                let line = match self.hear(stream) {
                    Ok(why) => format!("{from} no longer leads: {why}"),
                    Err(why) => format!("{from} was not taken: {why}"),
                };
                (self.note)(&wire::printable(&line));
                self.connections.fetch_sub(1, Ordering::SeqCst);
            });
        if thread.is_err() {
            self.connections.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Works for a caller that proves itself and gives the reason why that ended; the error says why it
    /// was not taken.
    fn hear(&self, stream: TcpStream) -> Result<String, String> {
        let broken = |error: io::Error| error.to_string();
        let (mut reader, mut writer) = wire::split(stream).map_err(broken)?;
        let token = &self.settings.token;
        let seat = greeting::receive(&mut reader, &mut writer, token, &self.clock, || {
            Seat::take(&self.taken)
        })?;
        let outbox = Outbox::open(writer, REPORTS_QUEUED_MAX, || Report::Alive).map_err(broken)?;
        let why = desk::work(reader, outbox, &self.settings, &self.clock, &self.stop);
        drop(seat);
        Ok(why)
    }
}

/// The one leader's place, as long as this is kept.
struct Seat<'a>(&'a AtomicBool);

impl<'a> Seat<'a> {
    fn take(taken: &'a AtomicBool) -> Option<Self> {
        // Made only when it is free: a seat that is dropped is given back.
        (!taken.swap(true, Ordering::SeqCst)).then(|| Seat(taken))
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// A worker on a thread of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Worker {
    address: SocketAddr,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<Result<(), WorkersError>>>,
}

/// Starts a worker and returns once it listens.
pub fn spawn(settings: WorkerSettings) -> Result<Worker, WorkersError> {
    let listen = settings.listen;
    let stop = Stop::new();
    let (ready, listening) = sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("worker".to_owned())
        .spawn({
            let stop = Arc::clone(&stop);
            move || {
                let tell = |address| {
                    // The other side waits for exactly this.
                    let _ = ready.send(address);
                };
                serve(settings, &stop, tell, &|_| {})
            }
        })
        .map_err(|cause| WorkersError::Listen {
            address: listen,
            cause,
        })?;
    match listening.recv() {
        Ok(address) => Ok(Worker {
            address,
            stop,
            thread: Some(thread),
        }),
        // It ended before it listened, and its end says why.
        Err(_) => Err(match thread.join() {
            Ok(Err(error)) => error,
            _ => WorkersError::Listen {
                address: listen,
                cause: io::Error::other("the worker ended before it listened"),
            },
        }),
    }
}

impl Worker {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.raise("the worker is stopped");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
