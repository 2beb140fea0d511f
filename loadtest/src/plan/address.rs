//! Where load may go: names are resolved once, and every address is held against the allow list.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use model::AllowList;

use super::Target;

/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 64;

/// Why a target is not sent to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    /// The name is not known.
    #[error("cannot find the addresses of {host}: {cause}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver says.
        cause: String,
    },
    /// The name has no address.
    #[error("{host} has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// The name has more addresses than any target has.
    #[error("{host} has more than {ADDRESSES_MAX} addresses: name one of them in `url`")]
    TooMany {
        /// The name.
        host: String,
    },
    /// An address is not on the list.
    #[error("sending to {address}{named} is not allowed: write into the plan: {line}")]
    NotAllowed {
        /// The address.
        address: SocketAddr,
        /// ` (the name)` when the target is named.
        named: String,
        /// The whole line that would allow it.
        line: String,
    },
}

/// The addresses of a target, in the resolver's order. All of them must be allowed: by their network
/// or address, or by the name written in the plan. Resolves once and blocks for it; engines connect to
/// what it gave and never ask again.
pub fn resolve(target: &Target, allow: &AllowList) -> Result<Vec<SocketAddr>, TargetError> {
    let host = target.host.as_str();
    let found = (host, target.port)
        .to_socket_addrs()
        .map_err(|error| TargetError::Unresolved {
            host: host.to_owned(),
            cause: error.to_string(),
        })?
        .take(ADDRESSES_MAX + 1)
        .collect();
    admit(host, target.port, found, allow)
}

/// The addresses found, when every one of them is allowed.
fn admit(
    host: &str,
    port: u16,
    found: Vec<SocketAddr>,
    allow: &AllowList,
) -> Result<Vec<SocketAddr>, TargetError> {
    let host = host.to_owned();
    if found.is_empty() {
        return Err(TargetError::NoAddress { host });
    }
    if found.len() > ADDRESSES_MAX {
        return Err(TargetError::TooMany { host });
    }
    if allow.allows_host(&host, port) {
        return Ok(found);
    }
    let refused = found
        .iter()
        .find(|address| !allow.allows_address(address.ip(), port));
    match refused {
        None => Ok(found),
        Some(address) => {
            let address = SocketAddr::new(address.ip().to_canonical(), port);
            let is_named = host.parse::<IpAddr>().is_err();
            Err(TargetError::NotAllowed {
                address,
                named: if is_named {
                    format!(" ({host})")
                } else {
                    String::new()
                },
                line: line_with(allow, &address.to_string()),
            })
        }
    }
}

/// The `allow` line of a plan with one entry more.
fn line_with(allow: &AllowList, further: &str) -> String {
    let written = allow.to_string();
    let entries: Vec<String> = written
        .split(", ")
        .filter(|entry| !entry.is_empty())
        .chain([further])
        .map(|entry| format!("{entry:?}"))
        .collect();
    format!("allow: [{}]", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::parse(entries).unwrap()
    }

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    #[test]
    fn nothing_is_allowed_that_is_not_written() {
        let refused = resolve(&target("http://127.0.0.1:9700"), &AllowList::default()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "sending to 127.0.0.1:9700 is not allowed: write into the plan: allow: [\"127.0.0.1:9700\"]"
        );
        let refused = resolve(
            &target("http://[::1]"),
            &list(&["127.0.0.0/8", "feed.internal:80"]),
        )
        .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "sending to [::1]:80 is not allowed: write into the plan: \
             allow: [\"127.0.0.0/8\", \"feed.internal:80\", \"[::1]:80\"]"
        );
        for entries in [&["127.0.0.0/8"], &["127.0.0.1"], &["127.0.0.1:9700"]] {
            let found = resolve(&target("http://127.0.0.1:9700"), &list(entries));
            assert_eq!(found.unwrap(), ["127.0.0.1:9700".parse().unwrap()]);
        }
        assert!(resolve(&target("http://127.0.0.1:9701"), &list(&["127.0.0.1:9700"])).is_err());
    }

    #[test]
    fn every_address_of_a_name_must_be_allowed() {
        let found: Vec<SocketAddr> = vec![
            "10.0.0.1:80".parse().unwrap(),
            "[::ffff:169.254.169.254]:80".parse().unwrap(),
        ];
        let asked = |entries: &[&str]| admit("feed.internal", 80, found.clone(), &list(entries));
        let refused = asked(&["10.0.0.0/8"]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "sending to 169.254.169.254:80 (feed.internal) is not allowed: write into the plan: \
             allow: [\"10.0.0.0/8\", \"169.254.169.254:80\"]"
        );
        assert_eq!(asked(&["10.0.0.0/8", "169.254.169.254"]).unwrap(), found);
        assert_eq!(asked(&["feed.internal:80"]).unwrap(), found);
        assert!(asked(&["feed.internal:81"]).is_err() && asked(&["other.internal"]).is_err());
        assert!(admit("x", 80, Vec::new(), &list(&["x"])).is_err());
        assert!(admit("x", 80, vec![found[0]; 65], &list(&["x"])).is_err());
    }

    #[test]
    fn names_are_resolved() {
        let loopback = list(&["127.0.0.0/8", "::1"]);
        let found = resolve(&target("http://localhost:9700"), &loopback).unwrap();
        assert!(
            found
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 9_700)
        );
        let unknown = resolve(&target("http://no-such-host.invalid"), &loopback).unwrap_err();
        assert!(
            unknown
                .to_string()
                .starts_with("cannot find the addresses of no-such-host.invalid"),
            "{unknown}"
        );
    }
}
