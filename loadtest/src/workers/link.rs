//! A leader's connection to one worker.

use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::line::Outbox;
use super::messages::{Order, Report};
use super::secret::Token;
use super::wire::{self, Reader};
use super::{CONNECT_WAIT, SILENCE_MAX, WorkersError, greeting};
use crate::engine::{RunClock, Stop};
use crate::timing::Nanos;

/// Orders that wait to be written; pieces of files are the only ones that come in numbers.
const ORDERS_QUEUED_MAX: usize = 4;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// What came from a worker.
#[derive(Debug)]
pub(super) enum Heard {
    /// What it says, and when that was here.
    Report(Report, Nanos),
    /// It is gone; nothing more comes.
    Lost(String),
}

/// Where all links of a leader put what they hear, each with the worker's number.
pub(super) type Ear = SyncSender<(usize, Heard)>;

/// What a link tells its worker to stop for.
type Watched = Arc<Mutex<Option<Arc<Stop>>>>;

/// A worker that has proved itself.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    outbox: Option<Outbox<Order>>,
    watched: Watched,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Connects to worker number `index` and listens to it from then on.
    pub(super) fn open(
        index: usize,
        address: &str,
        token: &Token,
        clock: &RunClock,
        ear: Ear,
    ) -> Result<Self, WorkersError> {
        let refused = |why: String| WorkersError::Refused {
            address: address.to_owned(),
            why,
        };
        let thread_error = |cause| WorkersError::Thread {
            address: address.to_owned(),
            cause,
        };
        let stream = connect(address)?;
        let copy = stream.try_clone().map_err(thread_error)?;
        let (mut reader, mut writer) = wire::split(copy).map_err(thread_error)?;
        greeting::introduce(&mut reader, &mut writer, token, clock).map_err(refused)?;
        let outbox =
            Outbox::open(writer, ORDERS_QUEUED_MAX, || Order::Alive).map_err(thread_error)?;
        let watched = Watched::default();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn({
                let (clock, watched, orders) = (clock.clone(), watched.clone(), outbox.sender());
                move || {
                    let why = listen(reader, index, &ear, &clock, || {
                        pass_stop_on(&watched, orders.as_ref());
                    });
                    if let Some(why) = why {
                        let _ = ear.send((index, Heard::Lost(why)));
                    }
                }
            })
            .map_err(thread_error)?;
        Ok(Link {
            stream,
            outbox: Some(outbox),
            watched,
            thread: Some(thread),
        })
    }

    /// Tells the worker what to do.
    pub(super) fn order(&self, order: Order) {
        if let Some(outbox) = &self.outbox {
            outbox.put(order);
        }
    }

    /// From now on the worker is told to stop as soon as this is raised, whatever the leader is busy
    /// with; `None` when it has nothing to stop.
    pub(super) fn watch(&self, stop: Option<&Arc<Stop>>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        *watched = stop.map(Arc::clone);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The reading thread holds a sender of the outbox, so it ends first.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.outbox = None;
    }
}

fn connect(address: &str) -> Result<TcpStream, WorkersError> {
    let unreached = |cause: String| WorkersError::Unreached {
        address: address.to_owned(),
        cause,
    };
    let addresses = address
        .to_socket_addrs()
        .map_err(|error| unreached(error.to_string()))?;
    let mut last = "it has no address".to_owned();
    for address in addresses.take(ADDRESSES_MAX) {
        match TcpStream::connect_timeout(&address, CONNECT_WAIT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.to_string(),
        }
    }
    Err(unreached(last))
}

/// Hears a worker until it is lost, and says how; `None` when nobody wants to know any more.
fn listen(
    mut reader: Reader<TcpStream>,
    index: usize,
    ear: &Ear,
    clock: &RunClock,
    mut between: impl FnMut(),
) -> Option<String> {
    let mut last = clock.now();
    loop {
        between();
        match reader.next() {
            Ok(Some(Report::Alive)) => last = clock.now(),
            Ok(Some(report)) => {
                let heard = Heard::Report(report, clock.now());
                ear.send((index, heard)).ok()?;
                last = clock.now();
            }
            Ok(None) if clock.now().since(last) > SILENCE_MAX.as_nanos() as u64 => {
                let span = model::format_duration(SILENCE_MAX);
                return Some(format!("nothing was heard of it for {span}"));
            }
            Ok(None) => {}
            Err(error) => return Some(error.to_string()),
        }
    }
}

fn pass_stop_on(watched: &Watched, orders: Option<&SyncSender<Order>>) {
    let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
    if watched.as_ref().is_some_and(|stop| stop.is_raised())
        && orders.is_none_or(|orders| orders.try_send(Order::Stop).is_ok())
    {
        *watched = None;
    }
}
