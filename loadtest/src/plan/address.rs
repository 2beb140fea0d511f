//! Where load may go: names are resolved once, and every address is held against the allow list.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use model::AllowList;

use super::Target;
use crate::request::check_path_text;

/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 64;
/// The longest redirect that is followed.
const LOCATION_BYTES_MAX: usize = 8 << 10;

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
    /// A redirect leads nowhere.
    #[error("the redirect to `{location}` cannot be followed: {why}")]
    Redirect {
        /// Where it leads, as the target wrote it; cut when it is long.
        location: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Where a redirect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Scheme, host and port are the target's own: its connection can be used.
    pub same_origin: bool,
    /// Whether the scheme is https.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// For `Host` and `:authority`.
    pub authority: String,
    /// Path and query; the target's own path is not put before it again.
    pub path: String,
    /// Allowed addresses; empty for the same origin, whose addresses are known.
    pub addresses: Vec<SocketAddr>,
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

/// Where a redirect leads and whether it may be followed. `location` is what the answer's header says,
/// `base` the target, `path` the path and query that was asked (with the target's own path). Another
/// host is resolved, blocking, and held against the list as the target was.
pub fn may_follow(
    location: &str,
    base: &Target,
    path: &str,
    allow: &AllowList,
) -> Result<Redirect, TargetError> {
    let refuse = |why: &str| TargetError::Redirect {
        location: location
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
        why: why.to_owned(),
    };
    if location.len() > LOCATION_BYTES_MAX {
        return Err(refuse("it is too long"));
    }
    let location = location.split('#').next().unwrap_or_default();
    let (origin, path) = if let Some(rest) = location.strip_prefix("//") {
        let (authority, path) = split_authority(rest);
        (Some(format!("{}://{authority}", base.scheme())), path)
    } else if let Some((scheme, rest)) = location
        .split_once("://")
        .filter(|(scheme, _)| is_scheme(scheme))
    {
        let (authority, path) = split_authority(rest);
        (
            Some(format!("{}://{authority}", scheme.to_ascii_lowercase())),
            path,
        )
    } else if location
        .split(['/', '?'])
        .next()
        .is_some_and(|first| first.contains(':'))
    {
        return Err(refuse("it leads away from HTTP"));
    } else {
        (None, beside(path, location))
    };
    let path = without_dots(&path);
    check_path_text(path.as_bytes()).map_err(|error| refuse(&error.message))?;
    let there = match &origin {
        Some(origin) => Target::parse(origin).map_err(|error| refuse(&error.message))?,
        None => base.clone(),
    };
    if base.tls && !there.tls {
        return Err(refuse("it leads from https to http"));
    }
    let same_origin = there.origin() == base.origin();
    if base.production && !same_origin {
        return Err(refuse("the permission is for the target alone"));
    }
    Ok(Redirect {
        same_origin,
        tls: there.tls,
        authority: there.authority(),
        path,
        addresses: if same_origin {
            Vec::new()
        } else {
            resolve(&there, allow)?
        },
        host: there.host,
        port: there.port,
    })
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Authority and path of what follows `//`.
fn split_authority(rest: &str) -> (&str, String) {
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let slash = if path.starts_with('/') { "" } else { "/" };
    (authority, format!("{slash}{path}"))
}

/// A relative reference, resolved against the path that was asked (RFC 3986, 5.2.2).
fn beside(path: &str, reference: &str) -> String {
    let asked = path.split('?').next().unwrap_or_default();
    match reference.chars().next() {
        None => path.to_owned(),
        Some('/') => reference.to_owned(),
        Some('?') => format!("{asked}{reference}"),
        Some(_) => {
            let folder = asked.rfind('/').and_then(|slash| asked.get(..=slash));
            format!("{}{reference}", folder.unwrap_or("/"))
        }
    }
}

/// Takes `.` and `..` out of a path (RFC 3986, 5.2.4); the query stays as it is.
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

    #[test]
    fn redirects_stay_where_load_is_allowed() {
        let allow = list(&["127.0.0.1:9700", "127.0.0.1:9701"]);
        let base = target("http://127.0.0.1:9700/v1");
        for (location, same_origin, authority, path) in [
            ("/login?x=1", true, "127.0.0.1:9700", "/login?x=1"),
            ("next", true, "127.0.0.1:9700", "/v1/feed/next"),
            ("../../../a/./b/..", true, "127.0.0.1:9700", "/a/"),
            ("?page=2", true, "127.0.0.1:9700", "/v1/feed/list?page=2"),
            ("", true, "127.0.0.1:9700", "/v1/feed/list?page=1"),
            ("http://127.0.0.1:9700/x#top", true, "127.0.0.1:9700", "/x"),
            ("//127.0.0.1:9701", false, "127.0.0.1:9701", "/"),
            (
                "HTTP://127.0.0.1:9701?to=http://evil",
                false,
                "127.0.0.1:9701",
                "/?to=http://evil",
            ),
        ] {
            let found = may_follow(location, &base, "/v1/feed/list?page=1", &allow).unwrap();
            assert_eq!(
                (
                    found.same_origin,
                    found.authority.as_str(),
                    found.path.as_str()
                ),
                (same_origin, authority, path),
                "{location}"
            );
            assert_eq!(found.addresses.is_empty(), same_origin, "{location}");
        }
        for (location, why) in [
            ("http://127.0.0.2:9700/", "127.0.0.2:9700 is not allowed"),
            (
                "//169.254.169.254/latest",
                "169.254.169.254:80 is not allowed",
            ),
            (
                "http://127.0.0.1:9700@169.254.169.254/",
                "no user or password",
            ),
            ("ftp://127.0.0.1/", "neither with http"),
            ("javascript:alert(1)", "away from HTTP"),
            ("/a b", "space"),
            ("/a\r\nx: y", "line break"),
            ("http:///x", "`http://`"),
        ] {
            let refused = may_follow(location, &base, "/v1", &allow)
                .unwrap_err()
                .to_string();
            assert!(refused.contains(why), "{location}: {refused}");
            assert!(!refused.contains(['\r', '\n']), "{refused:?}");
        }
        let safe = target("https://127.0.0.1:9700");
        let refused = may_follow("http://127.0.0.1:9700/", &safe, "/", &allow).unwrap_err();
        let production = Target {
            production: true,
            ..base.clone()
        };
        assert!(may_follow("/x", &production, "/", &allow).is_ok());
        let elsewhere = may_follow("//127.0.0.1:9701/", &production, "/", &allow).unwrap_err();
        assert!(elsewhere.to_string().contains("permission"), "{elsewhere}");
        assert!(
            refused.to_string().contains("from https to http"),
            "{refused}"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_location_leads_past_the_list(location in "(//?|https?://|[a-z.:@?#/]|\\PC|\r|\n|127\\.0\\.0\\.1){0,12}") {
            // Only literal addresses are asked for: a name would ask the network.
            let host = location.trim_start_matches(|c: char| c != '/').trim_start_matches('/');
            let literal = host.is_empty() || !location.contains("//") || host.starts_with("127.0.0.1/");
            if literal && let Ok(found) = may_follow(&location, &target("http://127.0.0.1:9700"), "/a", &AllowList::default()) {
                proptest::prop_assert!(found.same_origin, "{:?}", found);
                proptest::prop_assert!(found.path.starts_with('/'));
            }
        }
    }
}
