//! Answers whole, in pieces, broken and endless.

use proptest::prelude::*;

use super::*;

/// Status, body, reusable, bytes left over; or the failure.
type Read = Result<(u16, String, bool, usize), Failure>;

const KEEP: Want = Want {
    to_head: false,
    headers: true,
    body: true,
};

/// Feeds the pieces one after another and then closes when that was asked for.
fn read(pieces: &[&[u8]], want: Want, closes: bool) -> Read {
    let mut answer = Answer::default();
    let mut left = 0;
    for piece in pieces {
        let taken = if answer.is_done() {
            0
        } else {
            answer.feed(piece, want)?
        };
        left += piece.len() - taken;
    }
    if closes && !answer.is_done() {
        answer.close()?;
    }
    if !answer.is_done() {
        return Err(Failure::Timeout); // stands for: it waits for more
    }
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    Ok((answer.status(), body, answer.is_reusable(), left))
}

#[test]
fn answers_by_how_they_end() {
    let whole = |status, body: &str, reusable, left| Ok((status, body.to_owned(), reusable, left));
    let head = Want {
        to_head: true,
        ..KEEP
    };
    for (text, want, closes, expected) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            KEEP,
            false,
            whole(200, "hello", true, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            KEEP,
            false,
            whole(200, "", true, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\nhello",
            KEEP,
            false,
            whole(200, "hello", false, 0),
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            KEEP,
            false,
            whole(200, "ok", false, 0),
        ),
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
            KEEP,
            false,
            whole(200, "ok", true, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            KEEP,
            true,
            whole(200, "until the end", false, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            KEEP,
            false,
            Err(Failure::Timeout),
        ),
        (
            "HTTP/1.1 204 No Content\r\n\r\n",
            KEEP,
            false,
            whole(204, "", true, 0),
        ),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            KEEP,
            false,
            whole(304, "", true, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
            head,
            false,
            whole(200, "", true, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
            KEEP,
            true,
            Err(Failure::Closed),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200",
            KEEP,
            false,
            whole(200, "ok", true, 12),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\n\r\n",
            KEEP,
            false,
            whole(200, "hello world", true, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nexpires: never\r\nx: y\r\n\r\n",
            KEEP,
            false,
            whole(200, "ok", true, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
            KEEP,
            false,
            whole(200, "0123456789", true, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nzipped",
            KEEP,
            true,
            whole(200, "zipped", false, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            KEEP,
            false,
            whole(200, "ok", false, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
            KEEP,
            false,
            whole(200, "ok", true, 0),
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            KEEP,
            false,
            whole(200, "ok", true, 0),
        ),
        (
            "HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\n\r\n",
            KEEP,
            false,
            whole(429, "", true, 0),
        ),
        (
            "HTTP/1.1 101 Switching\r\n\r\n",
            KEEP,
            false,
            Err(Failure::Protocol),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
            KEEP,
            false,
            Err(Failure::Protocol),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            KEEP,
            false,
            Err(Failure::Protocol),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            KEEP,
            false,
            Err(Failure::Protocol),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            KEEP,
            false,
            Err(Failure::Protocol),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n",
            KEEP,
            false,
            Err(Failure::Protocol),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokok",
            KEEP,
            false,
            Err(Failure::Protocol),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            KEEP,
            false,
            Err(Failure::Protocol),
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            KEEP,
            false,
            Err(Failure::Protocol),
        ),
        ("HTTP/1.1 200 OK\r\n", KEEP, true, Err(Failure::Closed)),
    ] {
        assert_eq!(read(&[text.as_bytes()], want, closes), expected, "{text:?}");
        // Byte by byte it must read the same.
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(
            read(&bytes, want, closes),
            expected,
            "byte by byte: {text:?}"
        );
    }
}

#[test]
fn answers_without_a_body_have_none_whatever_they_say() {
    let head = Want {
        to_head: true,
        ..KEEP
    };
    for (status, framing, want) in [
        ("200 OK", "transfer-encoding: chunked", head),
        ("200 OK", "x: neither", head),
        ("404 Not Found", "content-length: 9", head),
        ("204 No Content", "content-length: 9", KEEP),
        ("204 No Content", "transfer-encoding: chunked", KEEP),
        ("304 Not Modified", "transfer-encoding: chunked", KEEP),
        ("304 Not Modified", "x: neither", KEEP),
    ] {
        let text = format!("HTTP/1.1 {status}\r\n{framing}\r\n\r\n");
        let (_, body, reusable, left) = read(&[text.as_bytes()], want, false).unwrap();
        assert_eq!((body.as_str(), reusable, left), ("", true, 0), "{text:?}");
    }
}

#[test]
fn what_has_no_end_is_cut() {
    let long = format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
        "y".repeat(HEAD_BYTES_MAX)
    );
    assert_eq!(
        read(&[long.as_bytes()], KEEP, false),
        Err(Failure::HeadTooLarge)
    );
    let pieces: Vec<&[u8]> = long.as_bytes().chunks(1_000).collect();
    assert_eq!(read(&pieces, KEEP, false), Err(Failure::HeadTooLarge));
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "x: y\r\n".repeat(HEADERS_MAX + 1)
    );
    assert_eq!(
        read(&[many.as_bytes()], KEEP, false),
        Err(Failure::HeadTooLarge)
    );
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(INFORMATIONAL_MAX as usize + 1);
    assert_eq!(
        read(&[hints.as_bytes()], KEEP, false),
        Err(Failure::Protocol)
    );
    let extension = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;{}",
        "z".repeat(LINE_BYTES_MAX)
    );
    assert_eq!(
        read(&[extension.as_bytes()], KEEP, false),
        Err(Failure::Protocol)
    );
}

#[test]
fn a_large_body_is_read_whole_and_kept_in_part() {
    let length = BODY_KEPT_BYTES_MAX + 5_000;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let body = vec![b'a'; length];
    let mut answer = Answer::default();
    answer.feed(head.as_bytes(), KEEP).unwrap();
    for piece in body.chunks(65_536) {
        assert_eq!(answer.feed(piece, KEEP), Ok(piece.len()));
    }
    assert!(answer.is_done());
    assert_eq!(answer.body().len(), BODY_KEPT_BYTES_MAX);
}

#[test]
fn headers_are_kept_when_wanted() {
    let text = b"HTTP/1.1 103 Early\r\nx-a: early\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\ncontent-length: 0\r\n\r\n";
    for size in 1..text.len() {
        let mut answer = Answer::default();
        for piece in text.chunks(size) {
            answer.feed(piece, KEEP).unwrap();
        }
        assert_eq!(answer.header("x-a"), Some(&b"1"[..]), "pieces of {size}");
        assert_eq!(answer.header("x-b"), None);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, cut in 1_usize..64) {
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        let _ = read(&pieces, KEEP, true);
    }

    #[test]
    fn anything_after_a_good_head_is_safe(bytes: Vec<u8>, cut in 1_usize..64, chunked: bool) {
        let mut text = b"HTTP/1.1 200 OK\r\n".to_vec();
        text.extend_from_slice(if chunked { b"transfer-encoding: chunked\r\n\r\n" } else { b"content-length: 9\r\n\r\n" });
        text.extend_from_slice(&bytes);
        let pieces: Vec<&[u8]> = text.chunks(cut).collect();
        // However it is cut, it reads the same.
        prop_assert_eq!(read(&pieces, KEEP, true), read(&[&text], KEEP, true));
    }

    #[test]
    fn a_body_comes_out_as_it_went_in(body: Vec<u8>, sizes in prop::collection::vec(1_usize..40, 1..20), cut in 1_usize..64) {
        let mut text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        let mut rest = body.as_slice();
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break; }
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
            rest = after;
        }
        text.extend_from_slice(b"0\r\n\r\n");
        let mut answer = Answer::default();
        for piece in text.chunks(cut) {
            prop_assert_eq!(answer.feed(piece, KEEP), Ok(piece.len()));
        }
        prop_assert!(answer.is_done());
        prop_assert_eq!(answer.body(), body.as_slice());
    }
}
