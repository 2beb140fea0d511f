//! Where a redirect leads: followed within the target, refused anywhere else.

use crate::request::Envelope;

/// Where a `Location` leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To this path of the target itself.
    Within(Box<str>),
    /// To another host, port or scheme: nothing is sent there.
    Elsewhere,
}

/// Reads a `Location` that came as the answer to a request for `asked`, path and query as they were sent:
/// a reference that is resolved against it (RFC 9110, section 10.2.2).
pub(crate) fn follow(location: &[u8], asked: &str, envelope: &Envelope) -> Leads {
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
    // A colon before any other delimiter ends a scheme (RFC 3986, section 4.2).
    if let Some((scheme, rest)) = location.split_once(':')
        && !scheme.contains(['/', '?'])
    {
        return match rest.strip_prefix("//") {
            Some(rest) if scheme.eq_ignore_ascii_case(envelope.scheme) => within(rest, envelope),
            _ => Leads::Elsewhere,
        };
    }
    Leads::Within(without_dots(&beside(asked, location)).into())
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
    let slash = if path.starts_with('/') { "" } else { "/" };
    Leads::Within(without_dots(&format!("{slash}{path}")).into())
}

/// A reference without scheme and host, against the path that was asked (RFC 3986, section 5.2.2).
fn beside(asked: &str, reference: &str) -> String {
    let path = asked.split('?').next().unwrap_or_default();
    match reference.chars().next() {
        None => asked.to_owned(),
        Some('/') => reference.to_owned(),
        Some('?') => format!("{path}{reference}"),
        Some(_) => {
            let folder = path.rfind('/').and_then(|slash| path.get(..=slash));
            format!("{}{reference}", folder.unwrap_or("/"))
        }
    }
}

/// Takes `.` and `..` out of a path (RFC 3986, section 5.2.4); the query stays as it is.
fn without_dots(path: &str) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("/{}{query}", kept.join("/"))
}

/// Path and query of a request as it was sent.
pub(super) fn asked(request: &[u8]) -> &str {
    let target = request.split(|byte| *byte == b' ').nth(1);
    target
        .and_then(|target| std::str::from_utf8(target).ok())
        .unwrap_or("/")
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
            ("?page=2", Some("/a/b?page=2")),
            ("", Some("/a/b?c/d")),
            ("#part", Some("/a/b?c/d")),
            ("../../x/./y/..", Some("/x/")),
            ("/x/../../y", Some("/y")),
            (
                "next?to=http://evil.test/",
                Some("/a/next?to=http://evil.test/"),
            ),
            ("./a:b", Some("/a/a:b")),
            ("http://feed.test:8080/new", Some("/new")),
            ("HTTP://FEED.test:8080", Some("/")),
            ("http://feed.test:8080?x", Some("/?x")),
            ("//feed.test:8080/x", Some("/x")),
            ("https://feed.test:8080/new", None),
            ("http://feed.test/new", None),
            ("http://feed.test:8080@evil.test/", None),
            ("//evil.test/", None),
            ("http:///x", None),
            ("ftp://feed.test:8080/", None),
            ("javascript:alert(1)", None),
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

    #[test]
    fn a_request_says_what_it_asked_for() {
        assert_eq!(
            asked(b"GET /v1/feed?x=1 HTTP/1.1\r\nhost: a b\r\n\r\n"),
            "/v1/feed?x=1"
        );
        assert_eq!(asked(b""), "/");
    }

    proptest::proptest! {
        #[test]
        fn no_location_leads_out_of_the_target(location in "(//?|https?://|[a-z.:@?#/]|\\PC|\r|\n|feed\\.test){0,12}") {
            let envelope = Envelope {
                authority: "feed.test".to_owned(),
                scheme: "http",
                base_path: "/v1".to_owned(),
                run_id: "r".to_owned(),
                keep_alive: true,
            };
            if let Leads::Within(path) = follow(location.as_bytes(), "/v1/a", &envelope) {
                proptest::prop_assert!(path.starts_with('/'), "{:?}", path);
                proptest::prop_assert!(!path.bytes().any(|byte| byte <= b' '), "{:?}", path);
            }
        }
    }
}
