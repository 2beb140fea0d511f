//! A URL taken apart: where it leads, and what of it may be shown.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;

use crate::{AllowList, OutboundError, Trust, address};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// A URL that can be requested.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) host: String,
    port: u16,
    /// The address, when the host is written as one in any notation.
    literal: Option<IpAddr>,
}

impl Target {
    /// Reads an absolute `http(s)` URL without credentials.
    pub(crate) fn parse(text: &str) -> Result<Self, OutboundError> {
        let bad = |reason: &str| OutboundError::BadUrl {
            reason: reason.to_owned(),
        };
        // The parser's messages never quote the text, which may hold a token.
        let url = Url::parse(text).map_err(|cause| bad(&cause.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("only http and https are spoken"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("credentials do not belong in a URL; send a header"));
        }
        let (Some(host), Some(port)) = (
            url.host_str().map(str::to_owned),
            url.port_or_known_default(),
        ) else {
            return Err(bad("it names no host"));
        };
        if port == 0 {
            return Err(bad("port 0 cannot be connected to"));
        }
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(&host);
        // The URL parser has already turned decimal, octal and hexadecimal notations into dotted
        // ones, so nothing that an address could hide in is left.
        let literal = bare.parse().ok();
        Ok(Target {
            url,
            host,
            port,
            literal,
        })
    }

    /// Scheme, host and port.
    pub(crate) fn shown(&self) -> String {
        origin(&self.url)
    }

    /// Looks the name up.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, OutboundError> {
        if let Some(address) = self.literal {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let failed = |cause: String| OutboundError::Resolve {
            target: self.shown(),
            cause,
        };
        let found: Vec<SocketAddr> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|cause| failed(cause.to_string()))?
            .take(ADDRESSES_MAX)
            .collect();
        if found.is_empty() {
            return Err(failed("the name has no address".to_owned()));
        }
        Ok(found)
    }

    /// Checks the addresses; one that may not be reached refuses the whole, since a name that mixes
    /// public and private addresses is either a mistake or an attack.
    pub(crate) fn check(
        &self,
        addresses: &[SocketAddr],
        trust: Trust,
        allow: &AllowList,
    ) -> Result<(), OutboundError> {
        if trust == Trust::Configured || allow.allows_host(&self.host, self.port) {
            return Ok(());
        }
        for place in addresses {
            let allowed = allow.allows_address(place.ip(), self.port);
            if let Some(reason) = address::refusal(place.ip()).filter(|_| !allowed) {
                return Err(OutboundError::Refused {
                    target: self.shown(),
                    address: place.ip(),
                    reason,
                });
            }
        }
        Ok(())
    }
}

fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// A URL as it may be printed: chat services keep their tokens in path and query.
pub(crate) fn redacted(text: &str) -> String {
    Url::parse(text).map_or_else(|_| "an unreadable URL".to_owned(), |url| origin(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(url: &str, allow: &[&str]) -> Result<(), OutboundError> {
        let target = Target::parse(url)?;
        let address = target.literal.expect("a literal address");
        target.check(
            &[SocketAddr::new(address, target.port)],
            Trust::Derived,
            &AllowList::parse(allow).unwrap(),
        )
    }

    #[test]
    fn hidden_notations_of_addresses_are_seen_through() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://017700000001/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://①②⑦.⓪.⓪.①/",
            "http://127。0。0。1/",
            "http://%31%32%37.0.0.1/",
            "http:\\\\127.0.0.1\\x",
            "http:127.0.0.1",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://0/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0xa9fea9fe/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
        ] {
            let verdict = verdict(url, &[]);
            assert!(
                matches!(verdict, Err(OutboundError::Refused { .. })),
                "{url}: {verdict:?}"
            );
        }
    }

    #[test]
    fn the_allow_list_opens_exactly_what_it_names() {
        assert_eq!(verdict("http://0x7f.1:9000/", &["127.0.0.1:9000"]), Ok(()));
        assert_eq!(
            verdict("http://[::ffff:10.1.1.1]/", &["10.0.0.0/8"]),
            Ok(())
        );
        assert!(verdict("http://127.0.0.1:9001/", &["127.0.0.1:9000"]).is_err());
        assert!(verdict("http://10.0.0.1/", &["10.1.0.0/16"]).is_err());
    }

    #[test]
    fn a_name_with_one_private_address_is_refused() {
        let target = Target::parse("https://mixed.example/").unwrap();
        let addresses = ["8.8.8.8:443", "10.0.0.1:443"].map(|text| text.parse().unwrap());
        let none = AllowList::default();
        assert!(target.check(&addresses, Trust::Derived, &none).is_err());
        assert!(target.check(&addresses[..1], Trust::Derived, &none).is_ok());
        assert!(target.check(&addresses, Trust::Configured, &none).is_ok());
        let by_name = AllowList::parse(&["mixed.example:443"]).unwrap();
        assert!(target.check(&addresses, Trust::Derived, &by_name).is_ok());
    }

    #[test]
    fn urls_that_are_none() {
        for (url, expected) in [
            ("ftp://example.com/", "only http and https"),
            ("file:///etc/passwd", "only http and https"),
            ("gopher://127.0.0.1:25/", "only http and https"),
            ("http://user:secret@example.com/", "credentials"),
            ("http://user@example.com/", "credentials"),
            ("http://example.com:0/", "port 0"),
            ("example.com/hook", "relative URL"),
            ("http://", "empty host"),
            ("http://1.2.3.4.5/", "IPv4"),
            ("http://256.1.1.1/", "IPv4"),
            ("http://[fe80::1%25eth0]/", "IPv6"),
            ("", "relative URL"),
        ] {
            let error = Target::parse(url).unwrap_err();
            assert!(error.to_string().contains(expected), "{url}: {error}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn only_the_origin_is_ever_shown() {
        for (url, expected) in [
            (
                "https://oapi.dingtalk.com/robot/send?access_token=canary",
                "https://oapi.dingtalk.com",
            ),
            (
                "https://hooks.example:8443/services/T0/canary#canary",
                "https://hooks.example:8443",
            ),
            ("not a url canary", "an unreadable URL"),
        ] {
            assert_eq!(redacted(url), expected);
        }
    }
}
