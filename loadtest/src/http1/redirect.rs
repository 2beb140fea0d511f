//! Where a redirect leads: followed within the target, refused anywhere else.

use crate::request::Envelope;

/// Where a `Location` leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// To this path of the target itself.
    Within(Box<str>),
    /// To another host, port or scheme: nothing is sent there.
    Elsewhere,
}

/// Reads a `Location` that came as the answer to a request for `path`.
pub(super) fn follow(location: &[u8], path: &str, envelope: &Envelope) -> Leads {
    let Ok(location) = std::str::from_utf8(location) else {
        return Leads::Elsewhere;
    };
    let location = location.trim();
    let location = location
        .split_once('#')
        .map_or(location, |(before, _)| before);
    if location.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Leads::Elsewhere;
    }
    if let Some(rest) = location.strip_prefix("//") {
        return within(rest, envelope);
    }
    if location.starts_with('/') {
        return Leads::Within(location.into());
    }
    if let Some((scheme, rest)) = location.split_once("://") {
        return if scheme.eq_ignore_ascii_case(envelope.scheme) {
            within(rest, envelope)
        } else {
            Leads::Elsewhere
        };
    }
    // Relative to the last `/` of where it came from (RFC 3986, section 5.2.3).
    let base = path.split(['?', '#']).next().unwrap_or_default();
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    Leads::Within(format!("{folder}/{location}").into())
}

fn within(rest: &str, envelope: &Envelope) -> Leads {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let default_port = if envelope.scheme == "https" {
        ":443"
    } else {
        ":80"
    };
    let plain = authority.strip_suffix(default_port).unwrap_or(authority);
    if !plain.eq_ignore_ascii_case(&envelope.authority) {
        return Leads::Elsewhere;
    }
    match path.chars().next() {
        Some('/') => Leads::Within(path.into()),
        _ => Leads::Within(format!("/{path}").into()),
    }
}

/// The GET that follows a redirect.
pub(super) fn write(path: &str, envelope: &Envelope, out: &mut Vec<u8>) {
    let close = if envelope.keep_alive {
        ""
    } else {
        "connection: close\r\n"
    };
    out.extend_from_slice(
        format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: rampart\r\nx-rampart-test: {}\r\nx-rampart-traffic: stress\r\n{close}\r\n",
            envelope.authority, envelope.run_id
        )
        .as_bytes(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_location_leads() {
        let envelope = Envelope {
            authority: "feed.test:8080".to_owned(),
            scheme: "http",
            base_path: String::new(),
            run_id: "r".to_owned(),
            keep_alive: true,
        };
        for (location, expected) in [
            ("/new?x=1", Some("/new?x=1")),
            ("/new#part", Some("/new")),
            ("next", Some("/a/next")),
            ("?page=2", Some("/a/?page=2")),
            ("http://feed.test:8080/new", Some("/new")),
            ("HTTP://FEED.test:8080", Some("/")),
            ("http://feed.test:8080?x", Some("/?x")),
            ("//feed.test:8080/x", Some("/x")),
            ("https://feed.test:8080/new", None),
            ("http://feed.test/new", None),
            ("http://feed.test:8080@evil.test/", None),
            ("//evil.test/", None),
            ("/a b", None),
            ("/a\r\nx: y", None),
        ] {
            let expected = expected.map_or(Leads::Elsewhere, |path| Leads::Within(path.into()));
            assert_eq!(
                follow(location.as_bytes(), "/a/b?c/d", &envelope),
                expected,
                "{location}"
            );
        }
        assert_eq!(follow(&[0xff], "/", &envelope), Leads::Elsewhere);
    }
}
