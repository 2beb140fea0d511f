//! Frames: a length of four bytes, so much JSON, and under a seal its signature of 32 bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::secret::{CODE_BYTES, Seal};

/// Largest frame before the other side has proved itself, in bytes.
pub(super) const GREETING_BYTES_MAX: usize = 2 << 10;
/// Largest frame afterwards. A second's five histograms take a tenth, the largest plan a quarter.
pub(super) const FRAME_BYTES_MAX: usize = 4 << 20;
/// Read from the socket at once, in bytes.
const READ_BYTES_MAX: usize = 64 << 10;

/// Why the other side is not understood any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the connection was closed")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("a message of {bytes} bytes, the limit is {bytes_max}")]
    TooLong { bytes: usize, bytes_max: usize },
    #[error("a message whose signature is not right")]
    BadSignature,
    #[error("a message that is not understood: {0}")]
    Unreadable(serde_json::Error),
}

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct Reader<S> {
    stream: S,
    held: Vec<u8>,
    chunk: Box<[u8]>,
    bytes_max: usize,
    seal: Option<Seal>,
}

impl<S: Read> Reader<S> {
    /// Reads greetings, which are short and not signed.
    pub(super) fn new(stream: S) -> Self {
        Reader {
            stream,
            held: Vec::new(),
            chunk: vec![0; READ_BYTES_MAX].into_boxed_slice(),
            bytes_max: GREETING_BYTES_MAX,
            seal: None,
        }
    }

    /// From here on frames are signed, and may be long.
    pub(super) fn seal(&mut self, seal: Seal) {
        self.seal = Some(seal);
        self.bytes_max = FRAME_BYTES_MAX;
    }

    /// The next message; `None` when the socket's wait is over before it is whole. Nothing is set aside
    /// for a length that is only claimed.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, WireError> {
        loop {
            if let Some(payload) = self.take()? {
                return serde_json::from_slice(&payload)
                    .map(Some)
                    .map_err(WireError::Unreadable);
            }
            match self.stream.read(&mut self.chunk) {
                Ok(0) => return Err(WireError::Closed),
                Ok(read) => self
                    .held
                    .extend_from_slice(self.chunk.get(..read).unwrap_or_default()),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(None),
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                        return Err(WireError::Closed);
                    }
                    _ => return Err(WireError::Broken(error)),
                },
            }
        }
    }

    /// Takes the first frame out of what is held, when it is whole.
    fn take(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        let Some((length, rest)) = self.held.split_first_chunk() else {
            return Ok(None);
        };
        let bytes = u32::from_be_bytes(*length) as usize;
        if bytes > self.bytes_max {
            return Err(WireError::TooLong {
                bytes,
                bytes_max: self.bytes_max,
            });
        }
        let signature_bytes = if self.seal.is_some() { CODE_BYTES } else { 0 };
        let Some((payload, rest)) = rest.split_at_checked(bytes) else {
            return Ok(None);
        };
        let Some((signature, _)) = rest.split_at_checked(signature_bytes) else {
            return Ok(None);
        };
        if let Some(seal) = &mut self.seal
            && !seal.verify(payload, signature)
        {
            return Err(WireError::BadSignature);
        }
        let payload = payload.to_vec();
        self.held.drain(..4 + bytes + signature_bytes);
        Ok(Some(payload))
    }
}

/// The writing half of a connection.
#[derive(Debug)]
pub(super) struct Writer<S> {
    stream: S,
    seal: Option<Seal>,
}

impl<S: Write> Writer<S> {
    /// Writes greetings, which are not signed.
    pub(super) fn new(stream: S) -> Self {
        Writer { stream, seal: None }
    }

    /// From here on frames are signed.
    pub(super) fn seal(&mut self, seal: Seal) {
        self.seal = Some(seal);
    }

    /// Writes one message.
    pub(super) fn write(&mut self, message: &impl Serialize) -> Result<(), WireError> {
        let mut frame = vec![0; 4];
        serde_json::to_writer(&mut frame, message).map_err(WireError::Unreadable)?;
        let bytes = frame.len() - 4;
        let length = u32::try_from(bytes)
            .ok()
            .filter(|_| bytes <= FRAME_BYTES_MAX);
        let Some(length) = length else {
            return Err(WireError::TooLong {
                bytes,
                bytes_max: FRAME_BYTES_MAX,
            });
        };
        if let Some(seal) = &mut self.seal {
            let signature = seal.sign(frame.get(4..).unwrap_or_default());
            frame.extend_from_slice(&signature);
        }
        if let Some(place) = frame.first_chunk_mut() {
            *place = length.to_be_bytes();
        }
        self.stream
            .write_all(&frame)
            .and_then(|()| self.stream.flush())
            .map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => WireError::Closed,
                _ => WireError::Broken(error),
            })
    }
}

/// Both halves of a connection, with waits that end.
pub(super) fn split(stream: TcpStream) -> io::Result<(Reader<TcpStream>, Writer<TcpStream>)> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(super::LOOK_EVERY))?;
    stream.set_write_timeout(Some(super::WRITE_WAIT))?;
    let writing = stream.try_clone()?;
    Ok((Reader::new(stream), Writer::new(writing)))
}

/// What another machine says, in a form that can be shown: one line of printable characters.
pub(super) fn printable(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 1_000;
    text.chars()
        .map(|c| if c == '\n' { ' ' } else { c })
        .filter(|c| !c.is_control())
        .take(SHOWN_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::secret::{Nonces, Role, Token, nonce};
    use super::*;

    fn seal() -> Seal {
        let nonces = Nonces {
            worker: [1; 32],
            leader: [2; 32],
        };
        Seal::new(&Token::default(), Role::LeaderSigns, &nonces)
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(payload);
        frame
    }

    /// Gives a byte at a time, and nothing in between.
    struct Drops<'a>(&'a [u8], bool);

    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let read = self.0.len().min(1);
            into[..read].copy_from_slice(&self.0[..read]);
            self.0 = &self.0[read..];
            Ok(read)
        }
    }

    #[test]
    fn messages_come_as_they_went_however_they_are_cut() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.write(&"hello").unwrap();
        writer.seal(seal());
        writer.write(&[1, 2, 3]).unwrap();
        writer.write(&"x".repeat(100_000)).unwrap();
        let mut reader = Reader::new(Drops(&bytes, false));
        let mut whole = |waits: &mut u32| loop {
            if let Some(message) = reader.next::<serde_json::Value>().unwrap() {
                if message == "hello" {
                    reader.seal(seal());
                }
                return message;
            }
            *waits += 1;
        };
        let mut waits = 0;
        assert_eq!(whole(&mut waits), "hello");
        assert_eq!(whole(&mut waits), serde_json::json!([1, 2, 3]));
        assert_eq!(whole(&mut waits).as_str().map(str::len), Some(100_000));
        assert!(waits > 100_000);
        assert!(matches!(loop_until_error(&mut reader), WireError::Closed));
    }

    fn loop_until_error(reader: &mut Reader<impl Read>) -> WireError {
        loop {
            if let Err(error) = reader.next::<serde_json::Value>() {
                return error;
            }
        }
    }

    #[test]
    fn hostile_bytes_end_the_connection() {
        let refused = |bytes: &[u8]| loop_until_error(&mut Reader::new(bytes));
        assert!(matches!(
            refused(&[0xff; 8]),
            WireError::TooLong {
                bytes: 0xffff_ffff,
                bytes_max: GREETING_BYTES_MAX
            }
        ));
        assert!(matches!(
            refused(b"GET / HTTP/1.1\r\n\r\n"),
            WireError::TooLong { .. }
        ));
        assert!(matches!(refused(&frame(b"")), WireError::Unreadable(_)));
        assert!(matches!(
            refused(&frame(b"{\"a\":")),
            WireError::Unreadable(_)
        ));
        assert!(matches!(
            refused(&frame(b"\xff\xfe")),
            WireError::Unreadable(_)
        ));
        assert!(matches!(refused(&frame(b"7")[..3]), WireError::Closed));
        let deep = "[".repeat(GREETING_BYTES_MAX - 1);
        assert!(matches!(
            refused(&frame(deep.as_bytes())),
            WireError::Unreadable(_)
        ));

        // A claim alone takes no memory.
        let mut reader = Reader::new(&[0x00, 0x3f, 0xff, 0xff][..]);
        reader.seal(seal());
        assert!(matches!(loop_until_error(&mut reader), WireError::Closed));
        assert!(reader.held.capacity() < 100_000);
    }

    #[test]
    fn what_is_not_signed_is_not_read() {
        let mut signed = Vec::new();
        let mut writer = Writer::new(&mut signed);
        writer.seal(seal());
        writer.write(&"stop").unwrap();
        let sealed = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            reader.seal(seal());
            reader.next::<String>()
        };
        assert_eq!(sealed(&signed).unwrap().as_deref(), Some("stop"));
        let mut changed = signed.clone();
        changed[6] ^= 1;
        assert!(matches!(sealed(&changed), Err(WireError::BadSignature)));
        let mut bare = frame(b"\"stop\"");
        bare.extend_from_slice(&nonce());
        assert!(matches!(sealed(&bare), Err(WireError::BadSignature)));
    }

    #[test]
    fn nothing_longer_than_the_limit_is_written() {
        let mut bytes = Vec::new();
        let refused = Writer::new(&mut bytes).write(&"x".repeat(FRAME_BYTES_MAX));
        assert!(matches!(refused, Err(WireError::TooLong { .. })));
        assert!(bytes.is_empty());
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a[2Jb c");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), is_sealed in proptest::bool::ANY) {
            let mut reader = Reader::new(&bytes[..]);
            if is_sealed {
                reader.seal(seal());
            }
            loop_until_error(&mut reader);
        }
    }
}
