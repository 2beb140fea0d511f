//! Hosts and ports as they stand in `Host` and `Origin` headers and in the external URL.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header, uri};

/// A host, lower case and without brackets or a final dot, with the port when one is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// Reads `host`, `host:port` or `[v6]:port`; userinfo is not taken.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.contains('@') {
            return None;
        }
        Some(Self::of(&text.parse().ok()?))
    }

    pub(crate) fn of(authority: &uri::Authority) -> Self {
        let host = authority.host().trim_end_matches('.');
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        Authority {
            host: bare.to_ascii_lowercase(),
            port: authority.port_u16(),
        }
    }

    /// The host that a request addresses: the target's own authority (HTTP/2, absolute form) or the
    /// one `Host` header. Two different ones are nobody's.
    pub(crate) fn addressed(target: &Uri, headers: &HeaderMap) -> Option<Self> {
        let mut named = headers
            .get_all(header::HOST)
            .into_iter()
            .map(|value| value.to_str().ok().and_then(Self::parse))
            .chain(
                target
                    .authority()
                    .map(|authority| Some(Self::of(authority))),
            );
        let first = named.next()??;
        named
            .all(|other| other.as_ref() == Some(&first))
            .then_some(first)
    }

    /// Whether the name can only mean this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.host == "localhost"
            || self
                .address()
                .is_some_and(|address| address.to_canonical().is_loopback())
    }

    /// The address, when the host is written as one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether both mean the same place when ports left out are those of `scheme`.
    pub(crate) fn same_place(&self, other: &Authority, scheme: &str) -> bool {
        let standard = match scheme {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        };
        self.host == other.host && self.port.or(standard) == other.port.or(standard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_written() {
        let table = [
            ("localhost", Some(("localhost", None))),
            ("LocalHost.:9650", Some(("localhost", Some(9650)))),
            ("[::1]:9650", Some(("::1", Some(9650)))),
            ("127.0.0.1", Some(("127.0.0.1", None))),
            ("a@localhost", None),
            ("", None),
            ("two words", None),
        ];
        for (text, expected) in table {
            let read = Authority::parse(text);
            assert_eq!(
                read.as_ref().map(|read| (read.host.as_str(), read.port)),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn only_names_of_this_machine_are_local() {
        for local in [
            "localhost",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(Authority::parse(local).unwrap().is_local(), "{local}");
        }
        for foreign in [
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "10.0.0.1",
            "0x7f.1",
        ] {
            assert!(!Authority::parse(foreign).unwrap().is_local(), "{foreign}");
        }
    }
}
