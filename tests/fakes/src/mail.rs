//! A mail as a person's program would show it: unfolded, decoded headers and decoded parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A mail the sink took.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Header names as written, values unfolded and decoded.
    pub headers: Vec<(String, String)>,
    /// The leaves of the body.
    pub parts: Vec<Part>,
    /// What came after DATA, dot-unstuffed.
    pub raw: String,
}

/// One leaf of a mail's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Such as `text/plain; charset=utf-8`.
    pub content_type: String,
    /// Decoded text.
    pub text: String,
}

impl Mail {
    /// Reads what came after DATA.
    pub(crate) fn read(from: String, to: Vec<String>, raw: String) -> Mail {
        let (headers, body) = split_head(&raw);
        let mut parts = Vec::new();
        collect_parts(&headers, body, &mut parts, 0);
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), decode_words(value)))
            .collect();
        Mail {
            from,
            to,
            headers,
            parts,
            raw,
        }
    }

    /// The first header of this name, decoded.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The text of the first part whose type begins so.
    pub fn part(&self, content_type: &str) -> Option<&str> {
        let found = self
            .parts
            .iter()
            .find(|part| part.content_type.starts_with(content_type));
        found.map(|part| part.text.as_str())
    }
}

type Headers = Vec<(String, String)>;

/// Headers unfolded, and the body.
fn split_head(text: &str) -> (Headers, &str) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let headers = unfolded
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    (headers, body)
}

fn header<'a>(headers: &'a Headers, name: &str) -> &'a str {
    let found = headers
        .iter()
        .find(|(header, _)| header.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value.as_str())
}

fn collect_parts(headers: &Headers, body: &str, parts: &mut Vec<Part>, depth: usize) {
    const DEPTH_MAX: usize = 8;
    let content_type = header(headers, "content-type");
    let boundary = content_type
        .split_once("boundary=")
        .map(|(_, rest)| rest.split(';').next().unwrap_or(rest).trim_matches('"'));
    if let (Some(boundary), true) = (boundary, depth < DEPTH_MAX) {
        let separator = format!("--{boundary}");
        for piece in body.split(separator.as_str()).skip(1) {
            if piece.starts_with("--") {
                break;
            }
            let (headers, body) = split_head(piece.trim_start_matches("\r\n"));
            collect_parts(&headers, body, parts, depth + 1);
        }
        return;
    }
    let text = match header(headers, "content-transfer-encoding") {
        encoding if encoding.eq_ignore_ascii_case("base64") => {
            let compact: String = body.split_whitespace().collect();
            let bytes = STANDARD.decode(compact).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        encoding if encoding.eq_ignore_ascii_case("quoted-printable") => {
            String::from_utf8_lossy(&unquote(&body.replace("=\r\n", ""), false)).into_owned()
        }
        _ => body.to_owned(),
    };
    parts.push(Part {
        content_type: content_type.to_owned(),
        text: text.replace("\r\n", "\n").trim_end().to_owned(),
    });
}

/// Quoted-printable, or RFC 2047's `Q` where `_` is a space.
fn unquote(text: &str, underscore_is_space: bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, digits) {
            (b'=', Some(value)) => {
                decoded.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'_', _) if underscore_is_space => decoded.push(b' '),
            _ => decoded.push(byte),
        }
    }
    decoded
}

/// RFC 2047 encoded words; white space between two of them is not text.
fn decode_words(value: &str) -> String {
    let mut bytes: Vec<u8> = Vec::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some((before, word, after)) = next_word(rest) {
        if !(after_word && before.trim().is_empty()) {
            bytes.extend_from_slice(before.as_bytes());
        }
        bytes.extend_from_slice(&word);
        rest = after;
        after_word = true;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text before the first encoded word, the word decoded, text after it.
fn next_word(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let (before, rest) = text.split_once("=?")?;
    let (_charset, rest) = rest.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (encoded, after) = rest.split_once("?=")?;
    let word = if encoding.eq_ignore_ascii_case("b") {
        STANDARD.decode(encoded).ok()?
    } else {
        unquote(encoded, true)
    };
    Some((before, word, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_folded_encoded_multipart_mail() {
        let raw = "Subject: =?utf-8?b?5ZGK6K2m?=\r\n =?utf-8?q?_=E5=91=8A?= end\r\n\
                   Content-Type: multipart/alternative;\r\n boundary=\"b1\"\r\n\r\n\
                   --b1\r\nContent-Type: text/plain; charset=utf-8\r\n\
                   Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db =E5=91=8A so=\r\nft\r\n\
                   --b1\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\n--b1--\r\n";
        let mail = Mail::read("a@x".into(), vec!["b@x".into()], raw.into());
        assert_eq!(mail.header("subject"), Some("告警 告 end"));
        assert_eq!(mail.part("text/plain"), Some("a=b 告 soft"));
        assert_eq!(mail.part("text/html"), Some("<b>"));
    }
}
