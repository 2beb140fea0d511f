//! One GET over plain HTTP, with a deadline and a limit on what is read.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use model::AllowList;

use super::PodError;
use crate::engine::RunClock;
use crate::timing::Nanos;

/// Time for connecting, asking and reading together.
const FETCH_TIME_MAX: Duration = Duration::from_secs(2);
/// Bytes of a whole answer.
const ANSWER_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Headers of an answer.
const HEADERS_MAX: usize = 64;

/// A page at an address that is allowed.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) url: String,
    address: SocketAddr,
    request: String,
    clock: RunClock,
}

impl Page {
    /// Resolves the host once and takes the first address that is allowed.
    pub(super) fn open(url: &str, allow: &AllowList) -> Result<Self, PodError> {
        let refuse = |why: &str| PodError::Url {
            url: url.to_owned(),
            why: why.to_owned(),
        };
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| refuse("only http:// is read"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(refuse("a user name has no place in it"));
        }
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(refuse("it contains a space or a control character"));
        }
        let (host, port) =
            host_and_port(authority).ok_or_else(|| refuse("it has no host and port"))?;
        let address = resolve(url, host, port, allow)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Page {
            url: url.to_owned(),
            address,
            request: format!(
                "GET {slash}{path} HTTP/1.1\r\nHost: {authority}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
            ),
            clock: RunClock::start(),
        })
    }

    /// The body of a 200. Redirects are not followed.
    pub(super) fn fetch(&self) -> Result<String, PodError> {
        let failed = |why: String| PodError::Fetch {
            url: self.url.clone(),
            why,
        };
        let answer = self.exchange().map_err(|error| {
            failed(match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                    format!("no answer within {FETCH_TIME_MAX:?}")
                }
                _ => error.to_string(),
            })
        })?;
        let body = body(&answer).map_err(failed)?;
        String::from_utf8(body).map_err(|_| failed("the answer is not UTF-8".to_owned()))
    }

    /// Everything that is answered until the other side closes.
    fn exchange(&self) -> std::io::Result<Vec<u8>> {
        let deadline = self
            .clock
            .now()
            .plus(Nanos::from_duration(FETCH_TIME_MAX).0);
        let left = || match deadline.since(self.clock.now()) {
            0 => Err(std::io::Error::from(ErrorKind::TimedOut)),
            left => Ok(Duration::from_nanos(left)),
        };
        let mut stream = TcpStream::connect_timeout(&self.address, left()?)?;
        stream.set_write_timeout(Some(left()?))?;
        stream.write_all(self.request.as_bytes())?;
        let mut answer = Vec::new();
        let mut piece = [0; 16 * 1_024];
        loop {
            stream.set_read_timeout(Some(left()?))?;
            let count = stream.read(&mut piece)?;
            if count == 0 {
                return Ok(answer);
            }
            answer.extend_from_slice(piece.get(..count).unwrap_or_default());
            if answer.len() > ANSWER_BYTES_MAX {
                let why = format!("the answer is larger than {ANSWER_BYTES_MAX} bytes");
                return Err(std::io::Error::other(why));
            }
        }
    }
}

fn resolve(url: &str, host: &str, port: u16, allow: &AllowList) -> Result<SocketAddr, PodError> {
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| PodError::Fetch {
            url: url.to_owned(),
            why: format!("{host} cannot be resolved: {error}"),
        })?;
    let mut refused = None;
    for address in addresses {
        if allow.allows_address(address.ip(), port) || allow.allows_host(host, port) {
            return Ok(address);
        }
        refused = Some(address);
    }
    Err(match refused {
        Some(address) => PodError::NotAllowed {
            host: host.to_owned(),
            address,
        },
        None => PodError::Fetch {
            url: url.to_owned(),
            why: format!("{host} has no address"),
        },
    })
}

/// Host without brackets, and port; 80 unless written.
fn host_and_port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (
                host,
                if port.is_empty() {
                    "80"
                } else {
                    port.strip_prefix(':')?
                },
            )
        }
        None => authority.split_once(':').unwrap_or((authority, "80")),
    };
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then_some((host, port))
}

/// The body of an answer that was read to its end; the error says why there is none.
fn body(answer: &[u8]) -> Result<Vec<u8>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(answer) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Err("it closed before it answered".to_owned()),
        Err(error) => return Err(format!("the answer is not HTTP/1.1: {error}")),
    };
    let status = response.code.unwrap_or(0);
    if status != 200 {
        return Err(format!("the answer is {status}, not 200"));
    }
    let header = |name: &str| {
        response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    };
    let rest = answer.get(head..).unwrap_or_default();
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return joined(rest).ok_or_else(|| "the answer's chunks are cut off".to_owned());
    }
    match header("content-length") {
        None => Ok(rest.to_vec()),
        Some(length) => length
            .parse()
            .ok()
            .and_then(|length| rest.get(..length))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| "the answer is cut off".to_owned()),
    }
}

/// The chunks in one piece (RFC 9112, section 7.1); `None` when they do not end.
fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = memchr::memchr(b'\n', chunks)?;
        let line = std::str::from_utf8(chunks.get(..end)?).ok()?;
        let size = line.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let chunk = chunks.get(end + 1..)?;
        whole.extend_from_slice(chunk.get(..size)?);
        chunks = chunk.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for (authority, expected) in [
            ("a.b:9100", Some(("a.b", 9100))),
            ("a.b", Some(("a.b", 80))),
            ("[::1]:9100", Some(("::1", 9100))),
            ("[::1]", Some(("::1", 80))),
            ("", None),
            (":80", None),
            ("a:0", None),
            ("a:70000", None),
            ("[::1", None),
        ] {
            assert_eq!(host_and_port(authority), expected, "{authority}");
        }
    }

    #[test]
    fn bodies_of_every_framing() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nabc", Ok("abc")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", Ok("ab")),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
                Err("cut off"),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n01\r\nd\r\n0\r\n\r\n",
                Ok("abcd"),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                Err("cut off"),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n",
                Err("cut off"),
            ),
            ("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", Err("302")),
            ("HTTP/1.1 200", Err("closed")),
            ("SSH-2.0", Err("not HTTP")),
        ] {
            match (body(answer.as_bytes()), expected) {
                (Ok(body), Ok(expected)) => assert_eq!(body, expected.as_bytes(), "{answer}"),
                (Err(why), Err(word)) => assert!(why.contains(word), "{answer}: {why}"),
                (got, _) => panic!("{answer}: {got:?}"),
            }
        }
    }
}
