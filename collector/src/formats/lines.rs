//! Where one record ends and the next begins.

use memchr::memchr;

/// Lines of a chunk without their line ends; the last one may lack its newline.
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(crate) fn of(chunk: &'a [u8]) -> Self {
        Lines { rest: chunk }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.rest);
        let (line, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Whether a body that calls itself JSON is one document (a list, or an object over several
/// lines) and not lines of JSON.
pub(crate) fn is_document(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    match body.first() {
        Some(b'[') => true,
        Some(b'{') => {
            let first = Lines::of(body).next().unwrap_or(body);
            let whole = Elements::of(first).next();
            whole.is_none_or(|element| element.trim_ascii_end().last() != Some(&b'}'))
        }
        _ => false,
    }
}

/// The elements of a JSON list, or values standing one after another, told apart by counting
/// brackets outside of strings. What lies inside is for the decoder to judge.
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(crate) fn of(body: &'a [u8]) -> Self {
        let body = body.trim_ascii();
        let inner = body
            .strip_prefix(b"[")
            .map(|body| body.strip_suffix(b"]").unwrap_or(body));
        Elements {
            rest: inner.unwrap_or(body),
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self
            .rest
            .iter()
            .position(|byte| !byte.is_ascii_whitespace() && *byte != b',')?;
        let (_, body) = self.rest.split_at_checked(start)?;
        let end = element_end(body);
        let (element, rest) = body.split_at_checked(end)?;
        self.rest = rest;
        Some(element.trim_ascii_end())
    }
}

/// The length of the value that begins `body`: to its closing bracket, or to the next comma.
fn element_end(body: &[u8]) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in body.iter().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' if depth == 0 => return at,
            _ => {}
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<&'a str> {
        parts
            .map(|part| std::str::from_utf8(part).unwrap())
            .collect()
    }

    #[test]
    fn lines() {
        assert_eq!(texts(Lines::of(b"a\r\nb\n\nc")), ["a", "b", "", "c"]);
        assert_eq!(texts(Lines::of(b"a\n")), ["a"]);
        assert_eq!(texts(Lines::of(b"")), [""; 0]);
    }

    #[test]
    fn elements() {
        for (body, expected) in [
            (
                r#"[{"a":"}]\""}, {"b":[1,2]}]"#,
                vec![r#"{"a":"}]\""}"#, r#"{"b":[1,2]}"#],
            ),
            (
                "{\n \"a\": 1\n}\n{\"b\":2}",
                vec!["{\n \"a\": 1\n}", r#"{"b":2}"#],
            ),
            ("[]", vec![]),
            ("[1, x]", vec!["1", "x"]),
            (r#"[{"a":1"#, vec![r#"{"a":1"#]),
        ] {
            assert_eq!(texts(Elements::of(body.as_bytes())), expected, "{body}");
        }
    }

    #[test]
    fn documents() {
        for (body, expected) in [
            (" [", true),
            ("{\"a\":1}\n{\"a\":2}", false),
            ("{\n\"a\":1}", true),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(is_document(body.as_bytes()), expected, "{body}");
        }
    }
}
