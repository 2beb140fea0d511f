//! The null server: answers every request at once with 200 and 13 bytes, and does nothing else.
//!
//! What the generator reaches against it is what this machine can generate; targets are loaded with
//! less than that, or slow generation would pass for a slow pod.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use slab::Slab;

use super::framing::{Refused, Step};
use super::listen::listen_shared;
use super::wire::{READ_BYTES_MAX, Read, Wire, Write};
use super::{ServeError, Serving};
use crate::engine::{LOOK_FOR_STOP, Stop};

/// Connections of one thread; more are closed as soon as they come.
const CONNECTIONS_MAX: usize = 65_536;
/// Threads of one server.
const THREADS_MAX: usize = 64;
/// Ready connections that are taken from the kernel at once.
const EVENTS_MAX: usize = 512;
/// The listener's name among the connections.
const LISTENER: u64 = u64::MAX;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"ok\": true}\n";
const ANSWER_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 13\r\n\r\n{\"ok\": true}\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Serves on the calling thread and `threads - 1` others until `stop` is raised. Tells `ready` the
/// address, with the port that the kernel chose for port 0. Each thread has a listener and a loop of its
/// own and shares nothing.
pub fn run(
    address: SocketAddr,
    threads: usize,
    stop: Arc<Stop>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let (listeners, address) = listen_shared(address, threads.clamp(1, THREADS_MAX))?;
    let mut others = listeners
        .into_iter()
        .map(Loop::new)
        .collect::<Result<Vec<_>, _>>()?;
    let Some(mut own) = others.pop() else {
        return Ok(());
    };
    ready(address);
    let stop = &*stop;
    std::thread::scope(|scope| {
        let mut handles = Vec::new();
        for mut one in others {
            let handle = std::thread::Builder::new()
                .name("null".to_owned())
                .spawn_scoped(scope, move || one.run(stop));
            match handle {
                Ok(handle) => handles.push(handle),
                Err(error) => {
                    stop.raise("the null server cannot start its threads");
                    return Err(ServeError::Thread(format!("cannot be started: {error}")));
                }
            }
        }
        let mut result = own.run(stop);
        for handle in handles {
            let other = handle
                .join()
                .unwrap_or_else(|_| Err(ServeError::Thread("panicked".to_owned())));
            result = result.and(other);
        }
        result
    })
}

/// Serves on a free port of the loopback until the handle is dropped.
pub fn spawn(threads: usize) -> Result<Serving, ServeError> {
    Serving::start("null", move |stop, ready| {
        run(([127, 0, 0, 1], 0).into(), threads, stop, |address| {
            // The other side waits for exactly this.
            let _ = ready.send(address);
        })
    })
}

struct Loop {
    epoll: OwnedFd,
    listener: TcpListener,
    /// Not accepting while no file can be opened.
    paused: bool,
    connections: Slab<Connection>,
    buffer: Vec<u8>,
    answers: Vec<u8>,
}

struct Connection {
    wire: Wire,
    /// The request at hand is a HEAD: its answer has no body.
    head_only: bool,
    /// The caller wants the connection closed after the answer.
    close: bool,
    /// It wanted so of a request that is whole: nothing more is read.
    closing: bool,
    /// The kernel holds as much as it will; nothing is read until the caller took some.
    writing: bool,
}

impl Loop {
    fn new(listener: TcpListener) -> Result<Self, ServeError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let this = Loop {
            epoll,
            listener,
            paused: false,
            connections: Slab::with_capacity(1_024),
            buffer: vec![0; READ_BYTES_MAX],
            answers: Vec::with_capacity(READ_BYTES_MAX),
        };
        this.listen()?;
        Ok(this)
    }

    fn listen(&self) -> rustix::io::Result<()> {
        let name = epoll::EventData::new_u64(LISTENER);
        epoll::add(&self.epoll, &self.listener, name, epoll::EventFlags::IN)
    }

    fn run(&mut self, stop: &Stop) -> Result<(), ServeError> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: LOOK_FOR_STOP.subsec_nanos().into(),
        };
        while !stop.is_raised() {
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&timeout),
            ) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    // A connection's name is its place, so it fits.
                    name => self.attend(name as usize),
                }
            }
            if self.paused && events.is_empty() {
                self.paused = false;
                self.listen()?;
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), ServeError> {
        loop {
            match Wire::accept(self.listener.as_fd()) {
                Ok(wire) if self.connections.len() < CONNECTIONS_MAX => {
                    let entry = self.connections.vacant_entry();
                    let name = epoll::EventData::new_u64(entry.key() as u64);
                    if epoll::add(&self.epoll, &wire, name, epoll::EventFlags::IN).is_ok() {
                        entry.insert(Connection {
                            wire,
                            head_only: false,
                            close: false,
                            closing: false,
                            writing: false,
                        });
                    }
                }
                // Dropped, and so closed.
                Ok(_) | Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                // Out of files or memory: try again when there was nothing to do for a while.
                Err(_) => {
                    self.paused = true;
                    return Ok(epoll::delete(&self.epoll, &self.listener)?);
                }
            }
        }
    }

    #[inline]
    fn attend(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        self.answers.clear();
        let writing = connection.writing;
        let mut open = connection.attend(&mut self.buffer, &mut self.answers);
        if open && connection.writing != writing {
            let flags = if connection.writing {
                epoll::EventFlags::OUT
            } else {
                epoll::EventFlags::IN
            };
            let name = epoll::EventData::new_u64(place as u64);
            open = epoll::modify(&self.epoll, &connection.wire, name, flags).is_ok();
        }
        if !open {
            self.connections.remove(place);
        }
    }
}

impl Connection {
    /// One read and one write. Whether the connection stays open.
    #[inline]
    fn attend(&mut self, buffer: &mut [u8], answers: &mut Vec<u8>) -> bool {
        let written = if self.writing {
            self.wire.write_unsent()
        } else {
            let filled = match self.wire.read(buffer) {
                Read::Bytes(filled) => filled,
                Read::Nothing => return true,
                Read::Gone => return false,
            };
            self.answer(buffer.get(..filled).unwrap_or_default(), answers);
            if answers.is_empty() {
                return true;
            }
            self.wire.write(answers)
        };
        self.writing = written == Write::Some;
        match written {
            Write::All => !self.closing,
            Write::Some => true,
            Write::Gone => false,
        }
    }

    /// Appends the answers to every whole request among the bytes and keeps the rest. What one read
    /// gives bounds the answers: the shortest request is a fifth of an answer.
    #[inline]
    fn answer(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) {
        loop {
            match self.wire.reader.next(bytes) {
                Ok((used, step)) => {
                    bytes = bytes.get(used..).unwrap_or_default();
                    match step {
                        Step::Wanting => break self.wire.hold(bytes),
                        Step::Head(head) => {
                            self.head_only = head.method == "HEAD";
                            self.close = head.close;
                            if head.expects_continue {
                                answers.extend_from_slice(CONTINUE);
                            }
                        }
                        Step::Whole => {
                            let whole = if self.close { ANSWER_CLOSE } else { ANSWER };
                            let cut = if self.head_only { super::BODY.len() } else { 0 };
                            answers
                                .extend_from_slice(whole.get(..whole.len() - cut).unwrap_or(whole));
                            if self.close {
                                self.closing = true;
                                return;
                            }
                        }
                    }
                }
                Err(Refused(status)) => {
                    self.closing = true;
                    let text = format!(
                        "HTTP/1.1 {status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                    );
                    return answers.extend_from_slice(text.as_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::serve::BODY;

    /// What comes back until the server closes; every stream here ends with a closing request.
    fn talk(address: SocketAddr, pieces: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        for piece in pieces {
            stream.write_all(piece).unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    const LAST: &[u8] = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n";

    #[test]
    fn answers_carry_the_body() {
        for answer in [ANSWER, ANSWER_CLOSE] {
            assert!(answer.ends_with(BODY));
        }
        assert_eq!(BODY.len(), 13);
        let body: serde_json::Value = serde_json::from_slice(BODY).unwrap();
        assert_eq!(body["ok"], true);
    }

    #[test]
    fn requests_of_every_framing_are_answered_in_order() {
        let server = spawn(1).unwrap();
        let get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice();
        let head = b"HEAD / HTTP/1.1\r\n\r\n".as_slice();
        let post = b"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello";
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let all = [get, head, post, chunked, LAST].concat();
        let halves = all.split_at(all.len() / 2);
        for pieces in [vec![all.as_slice()], vec![halves.0, halves.1]] {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let without_body = text(&ANSWER[..ANSWER.len() - BODY.len()]);
            let expected = text(ANSWER)
                + &without_body
                + &text(CONTINUE)
                + &text(ANSWER)
                + &text(ANSWER)
                + &text(ANSWER_CLOSE);
            assert_eq!(talk(server.address(), &pieces), expected);
        }
        server.end().unwrap();
    }

    #[test]
    fn a_caller_who_does_not_read_is_waited_for() {
        let server = spawn(1).unwrap();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let requests = b"GET / HTTP/1.1\r\n\r\n".repeat(400_000);
        let mut writer = stream.try_clone().unwrap();
        let (full, was_full) = std::sync::mpsc::sync_channel(1);
        let writing = std::thread::spawn(move || {
            // Until the kernel takes no more: the server reads no more, because nobody reads its answers.
            writer.set_nonblocking(true).unwrap();
            let mut written = 0;
            while written < requests.len()
                && let Ok(count) = writer.write(&requests[written..])
            {
                written += count;
            }
            writer.set_nonblocking(false).unwrap();
            full.send(()).unwrap();
            writer.write_all(&requests[written..]).unwrap();
            writer.write_all(LAST).unwrap();
        });
        was_full.recv().unwrap();
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).unwrap();
        writing.join().unwrap();
        assert_eq!(answers.len(), 400_000 * ANSWER.len() + ANSWER_CLOSE.len());
    }

    #[test]
    fn a_port_is_shared_by_threads_and_refused_requests_are_told_why() {
        let server = spawn(3).unwrap();
        for _ in 0..40 {
            let answer = talk(server.address(), &[LAST]);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
        let answer = talk(server.address(), &[b"\0\r\n\r\n"]);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }

    #[test]
    fn it_ends_with_callers_connected_and_says_why_it_cannot_start() {
        let stop = Stop::new();
        let (ready, listening) = std::sync::mpsc::sync_channel(1);
        let thread = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                run(([127, 0, 0, 1], 0).into(), 2, stop, |address| {
                    ready.send(address).unwrap();
                })
            })
        };
        let address = listening.recv().unwrap();
        let second = run(address, 2, Stop::new(), |_| {}).unwrap_err();
        assert!(
            second.to_string().starts_with("cannot listen on"),
            "{second}"
        );
        let mut idle = TcpStream::connect(address).unwrap();
        idle.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stop.raise("test");
        thread.join().unwrap().unwrap();
        assert!(matches!(idle.read(&mut [0]), Ok(0) | Err(_)));
        let error = run(([203, 0, 113, 1], 1).into(), 1, Stop::new(), |_| {}).unwrap_err();
        assert!(error.to_string().contains("203.0.113.1:1"), "{error}");
    }
}
