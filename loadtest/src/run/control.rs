//! The kill endpoint: `POST /stop` on a loopback address ends the run.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::engine::{LOOK_FOR_STOP, Stop};

/// Largest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 4 * 1024;
/// A caller that does not send its request in this time is given up.
const READ_WAIT: Duration = Duration::from_millis(500);

/// Why there is no kill endpoint.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Anybody on the network could end the run.
    #[error("the control address {0} is not a loopback address; use 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on the control address {address}: {cause}")]
    Listen {
        /// The address as wanted.
        address: SocketAddr,
        /// What the kernel said.
        cause: io::Error,
    },
}

/// The endpoint, as long as this is kept.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Listens; `POST /stop` raises `stop`, anything else says whether it is raised.
    pub fn open(address: SocketAddr, stop: Arc<Stop>) -> Result<Self, ControlError> {
        if !address.ip().is_loopback() {
            return Err(ControlError::NotLoopback(address));
        }
        let refuse = |cause| ControlError::Listen { address, cause };
        let listener = TcpListener::bind(address).map_err(refuse)?;
        listener.set_nonblocking(true).map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        let over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn({
                let over = Arc::clone(&over);
                move || listen(&listener, &stop, &over)
            })
            .map_err(refuse)?;
        Ok(Control {
            address,
            over,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(listener: &TcpListener, stop: &Stop, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        match listener.accept() {
            // A caller that goes away while it is answered has had its effect already.
            Ok((caller, _)) => drop(answer(caller, stop)),
            Err(_) => std::thread::sleep(LOOK_FOR_STOP),
        }
    }
}

fn answer(mut caller: TcpStream, stop: &Stop) -> io::Result<()> {
    caller.set_nonblocking(false)?;
    caller.set_read_timeout(Some(READ_WAIT))?;
    caller.set_write_timeout(Some(READ_WAIT))?;
    let mut request = [0; REQUEST_BYTES_MAX];
    let mut length = 0;
    while !request
        .get(..length)
        .unwrap_or_default()
        .windows(4)
        .any(|end| end == b"\r\n\r\n")
    {
        let room = request.get_mut(length..).unwrap_or_default();
        match caller.read(room)? {
            0 => break,
            read => length += read,
        }
    }
    let line = request
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let (status, body) = if line.starts_with(b"POST /stop ") {
        stop.raise("asked to stop at the control address");
        ("200 OK", "{\"state\":\"stopping\"}\n")
    } else if line.starts_with(b"GET / ") {
        let state = if stop.is_raised() {
            "{\"state\":\"stopping\"}\n"
        } else {
            "{\"state\":\"running\"}\n"
        };
        ("200 OK", state)
    } else {
        (
            "404 Not Found",
            "{\"title\":\"Not Found\",\"status\":404,\"detail\":\"POST /stop ends the run; GET / says whether it runs\"}\n",
        )
    };
    let length = body.len();
    write!(
        caller,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut caller = TcpStream::connect(address).unwrap();
        caller.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        caller.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_post_ends_the_run_and_nothing_else_does() {
        let stop = Stop::new();
        let control = Control::open("127.0.0.1:0".parse().unwrap(), Arc::clone(&stop)).unwrap();
        let address = control.address();
        assert!(ask(address, "GET / HTTP/1.1\r\n\r\n").contains("running"));
        assert!(ask(address, "GET /stop HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(!stop.is_raised());
        assert!(ask(address, "POST /stop HTTP/1.1\r\nhost: x\r\n\r\n").starts_with("HTTP/1.1 200"));
        assert_eq!(
            stop.reason().as_deref(),
            Some("asked to stop at the control address")
        );
        drop(control);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn strangers_cannot_end_a_run() {
        let refused = Control::open("0.0.0.0:0".parse().unwrap(), Stop::new()).unwrap_err();
        assert!(refused.to_string().contains("not a loopback"), "{refused}");
    }
}
