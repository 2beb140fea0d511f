//! Places on the network that something may be sent to although they are not public.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A list such as the one under `outbound.allow`: networks (`10.0.0.0/8`), addresses and hosts, these
/// two with or without a port (`hooks.internal`, `127.0.0.1:9000`, `[::1]:9000`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Network { base: IpAddr, prefix: u8 },
    Address { address: IpAddr, port: Option<u16> },
    Host { name: String, port: Option<u16> },
}

/// What is wrong with one entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("allow entry {text:?}: {reason}")]
pub struct AllowError {
    /// Where in the list it stands, counted from 0.
    pub index: usize,
    /// The entry as written.
    pub text: String,
    /// What is wrong and how to write it.
    pub reason: String,
}

impl AllowList {
    /// Reads every entry; all mistakes are reported together.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, Vec<AllowError>> {
        let mut read = Vec::new();
        let mut wrong = Vec::new();
        for (index, text) in entries.iter().map(AsRef::as_ref).enumerate() {
            match parse_entry(text.trim()) {
                Ok(entry) => read.push(entry),
                Err(reason) => wrong.push(AllowError {
                    index,
                    text: text.to_owned(),
                    reason,
                }),
            }
        }
        if wrong.is_empty() {
            Ok(AllowList { entries: read })
        } else {
            Err(wrong)
        }
    }

    /// Whether a host is allowed by name, whatever its addresses are.
    pub fn allows_host(&self, host: &str, on_port: u16) -> bool {
        let host = host.trim_end_matches('.');
        self.entries.iter().any(|entry| match entry {
            Entry::Host { name, port } => {
                name.eq_ignore_ascii_case(host) && port.is_none_or(|port| port == on_port)
            }
            Entry::Network { .. } | Entry::Address { .. } => false,
        })
    }

    /// Whether an address is allowed. A mapped one counts as the IPv4 address that it is.
    pub fn allows_address(&self, found: IpAddr, on_port: u16) -> bool {
        let found = found.to_canonical();
        self.entries.iter().any(|entry| match entry {
            Entry::Network { base, prefix } => network(found, *prefix) == Some(*base),
            Entry::Address { address, port } => {
                *address == found && port.is_none_or(|port| port == on_port)
            }
            Entry::Host { .. } => false,
        })
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, entry) in self.entries.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            match entry {
                Entry::Network { base, prefix } => write!(f, "{base}/{prefix}")?,
                Entry::Address {
                    address,
                    port: None,
                } => write!(f, "{address}")?,
                Entry::Address {
                    address,
                    port: Some(port),
                } => write!(f, "{}", std::net::SocketAddr::new(*address, *port))?,
                Entry::Host { name, port: None } => f.write_str(name)?,
                Entry::Host {
                    name,
                    port: Some(port),
                } => write!(f, "{name}:{port}")?,
            }
        }
        Ok(())
    }
}

fn parse_entry(text: &str) -> Result<Entry, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.contains("://") {
        return Err("write the host alone, without http:// and path".to_owned());
    }
    if let Some((base, prefix)) = text.split_once('/') {
        return parse_network(base, prefix);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Entry::Address {
            address: address.to_canonical(),
            port: None,
        });
    }
    let (host, port) = split_port(text)?;
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address: Ipv6Addr = address
            .parse()
            .map_err(|_| format!("`{address}` is not an IPv6 address"))?;
        return Ok(Entry::Address {
            address: IpAddr::V6(address).to_canonical(),
            port,
        });
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Entry::Address {
            address: address.into(),
            port,
        });
    }
    check_name(host)?;
    Ok(Entry::Host {
        name: host.trim_end_matches('.').to_ascii_lowercase(),
        port,
    })
}

fn parse_network(base: &str, prefix: &str) -> Result<Entry, String> {
    let address: IpAddr = base
        .parse()
        .map_err(|_| format!("`{base}` is not an address; a network looks like 10.0.0.0/8"))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = prefix
        .parse()
        .ok()
        .filter(|prefix| *prefix <= longest)
        .ok_or_else(|| format!("`/{prefix}` is not a prefix length from 0 to {longest}"))?;
    match network(address, prefix) {
        Some(base) if base == address => Ok(Entry::Network { base, prefix }),
        Some(base) => Err(format!(
            "bits are set after the prefix; write {base}/{prefix}"
        )),
        None => Err("the prefix is too long".to_owned()),
    }
}

/// The address with everything after the prefix cleared.
fn network(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let host_bits = 32_u32.checked_sub(prefix.into())?;
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            Some(Ipv4Addr::from(u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let host_bits = 128_u32.checked_sub(prefix.into())?;
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            Some(Ipv6Addr::from(u128::from(address) & mask).into())
        }
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    match text.rsplit_once(':') {
        None => Ok((text, None)),
        // Inside brackets the colons are the address's own.
        Some((_, tail)) if tail.ends_with(']') => Ok((text, None)),
        Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
            Err("an IPv6 address with a port is written [::1]:9000".to_owned())
        }
        Some((host, port)) => match port.parse() {
            Ok(port) if port > 0 => Ok((host, Some(port))),
            _ => Err(format!("`{port}` is not a port")),
        },
    }
}

fn check_name(host: &str) -> Result<(), String> {
    if host.contains('*') {
        return Err("wildcards are not read; write each host, or its network".to_owned());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let labels_fit = name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    // A URL host whose last label is a number is an address, so such a name would never match.
    let ends_in_number = name.rsplit('.').next().is_some_and(|last| {
        last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x")
    });
    if !labels_fit || name.len() > 253 || ends_in_number {
        return Err("it is neither a network, an address nor a host name".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::parse(entries).unwrap()
    }

    fn reason(entry: &str) -> String {
        AllowList::parse(&[entry]).unwrap_err()[0].to_string()
    }

    #[test]
    fn entries_against_places() {
        let allow = list(&[
            "10.0.0.0/8",
            "127.0.0.1:9000",
            "[::1]:9000",
            "fd00::/8",
            "192.168.7.7",
            "Hooks.Internal",
            "chat.internal:8443",
        ]);
        for (address, port, expected) in [
            ("10.255.0.1", 80, true),
            ("11.0.0.1", 80, false),
            ("::ffff:10.1.1.1", 80, true),
            ("127.0.0.1", 9000, true),
            ("127.0.0.1", 9001, false),
            ("::1", 9000, true),
            ("::1", 80, false),
            ("fd12::1", 80, true),
            ("fe80::1", 80, false),
            ("192.168.7.7", 1, true),
            // What is embedded for a translator is not the address itself.
            ("64:ff9b::a00:1", 80, false),
        ] {
            assert_eq!(
                allow.allows_address(address.parse().unwrap(), port),
                expected,
                "{address}:{port}"
            );
        }
        for (host, port, expected) in [
            ("hooks.internal", 1, true),
            ("HOOKS.internal.", 1, true),
            ("x.hooks.internal", 1, false),
            ("chat.internal", 8443, true),
            ("chat.internal", 443, false),
            ("10.0.0.1", 80, false),
        ] {
            assert_eq!(allow.allows_host(host, port), expected, "{host}:{port}");
        }
    }

    #[test]
    fn everything_can_be_allowed() {
        let allow = list(&["0.0.0.0/0", "::/0"]);
        for address in ["127.0.0.1", "::1", "255.255.255.255"] {
            assert!(allow.allows_address(address.parse().unwrap(), 1));
        }
    }

    #[test]
    fn mistakes_name_the_way_out() {
        for (entry, expected) in [
            ("", "empty"),
            ("http://hooks.internal/x", "without http://"),
            ("10.1.2.3/8", "write 10.0.0.0/8"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("fd00::/129", "from 0 to 128"),
            ("office/8", "looks like 10.0.0.0/8"),
            ("10.0.0.0/x", "from 0 to 32"),
            ("*.internal", "wildcards"),
            ("::1:9000:", "[::1]:9000"),
            ("host:port", "`port` is not a port"),
            ("host:0", "`0` is not a port"),
            ("host:70000", "`70000` is not a port"),
            ("[::g]", "not an IPv6"),
            ("300.1.1.1", "neither"),
            ("0x7f000001", "neither"),
            ("two words", "neither"),
        ] {
            assert!(
                reason(entry).contains(expected),
                "{entry}: {}",
                reason(entry)
            );
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let wrong = AllowList::parse(&["10.0.0.0/8", "*.a", "", "b"]).unwrap_err();
        let places: Vec<usize> = wrong.iter().map(|error| error.index).collect();
        assert_eq!(places, [1, 2]);
    }

    #[test]
    fn prints_as_it_is_read() {
        let text = "10.0.0.0/8, 127.0.0.1:9000, [::1]:9000, a.b:1, c";
        let entries: Vec<&str> = text.split(", ").collect();
        assert_eq!(list(&entries).to_string(), text);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            let _ = AllowList::parse(&[text]);
        }

        #[test]
        fn a_network_holds_what_shares_its_prefix(base: u32, other: u32, prefix in 0_u8..=32) {
            let base = network(Ipv4Addr::from(base).into(), prefix).unwrap();
            let allow = list(&[&format!("{base}/{prefix}")]);
            let other = Ipv4Addr::from(other);
            let IpAddr::V4(base) = base else { unreachable!() };
            let same = (0..prefix).all(|bit| {
                (u32::from(base) ^ u32::from(other)) & (1 << (31 - bit)) == 0
            });
            proptest::prop_assert_eq!(allow.allows_address(other.into(), 1), same);
        }
    }
}
