//! The address of a webhook: an https URL that leads to a public host, and not to this service.
//!
//! The service makes requests for whoever sets a webhook, so the address must not lead to what only the service can
//! reach (server-side request forgery). It is written as browsers write it, so that an IP address has one notation and
//! no two texts mean the same host. Not here: what a name resolves to, which only the platform's network knows; and
//! where a redirect leads, which is never followed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::wake::{check_host, check_text};

/// The least port besides the usual one: those below belong to other protocols.
const FIRST_PORT: u16 = 1_024;

/// Names of the local machine or network, with all names below them (RFC 6761, RFC 6762, RFC 8375, and ICANN's
/// reservation of `internal`).
const LOCAL_NAMES: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// An address that was checked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

/// The service that an address is checked for.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// Origins of this service.
    pub own: [&'a str; 2],
    /// Whether http is allowed, and the local machine: only for a service that runs on one's own.
    pub is_local: bool,
}

/// A host with its port.
struct Host<'a> {
    name: &'a str,
    port: u16,
}

impl Address {
    /// Checks an address.
    ///
    /// # Errors
    /// What is wrong, without any part of it.
    pub fn read(url: String, service: Service<'_>) -> Result<Self, &'static str> {
        check_text(&url)?;
        let (host, usual) = split(&url, service.is_local)?;
        let host = Host::read(host, usual)?;
        if host.port != usual && host.port < FIRST_PORT {
            return Err("must have the usual port, or one from 1024 on");
        }
        let is_allowed = host.is_public() || (service.is_local && host.is_loopback());
        if !is_allowed {
            return Err("must lead to a public host");
        }
        let own = service.own.iter().filter_map(|own| {
            let (host, usual) = split(own, true).ok()?;
            Host::read(host, usual).ok()
        });
        if own.into_iter().any(|own| host.leads_to(&own)) {
            return Err("must not lead to this service");
        }
        Ok(Self(url))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scheme, the host and the port, as they are written: what may be logged.
    pub fn origin(&self) -> &str {
        let start = self.0.find("://").map_or(0, |scheme| scheme + 3);
        let rest = self.0.get(start..).unwrap_or_default();
        let end = start + rest.find(['/', '?']).unwrap_or(rest.len());
        self.0.get(..end).unwrap_or(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}, …)", self.origin())
    }
}

/// The host of a URL, with its port, and the usual port of its scheme.
fn split(url: &str, is_local: bool) -> Result<(&str, u16), &'static str> {
    let (rest, usual) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, 443),
        (_, Some(rest)) if is_local => (rest, 80),
        _ => return Err("must be an https URL"),
    };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    Ok((host, usual))
}

impl<'a> Host<'a> {
    fn read(host_text: &'a str, usual: u16) -> Result<Self, &'static str> {
        let (name, port) = check_host(host_text)?;
        let host = Self {
            name,
            port: port.unwrap_or(usual),
        };
        let ip = host.ip();
        if host_text.starts_with('[') != ip.is_some_and(|ip| ip.is_ipv6()) {
            return Err("has a malformed IPv6 address");
        }
        // The last label of a name is never a number (URL Standard, "ends in a number").
        if ip.is_none() && is_number(name.rsplit('.').next().unwrap_or_default()) {
            return Err("must have its IP address in the usual notation");
        }
        Ok(host)
    }

    fn ip(&self) -> Option<IpAddr> {
        // The parsers of the standard library take one notation each, and no zone.
        self.name.parse().ok()
    }

    fn is_loopback(&self) -> bool {
        match self.ip() {
            Some(ip) => ip.is_loopback(),
            None => is_below(self.name, "localhost"),
        }
    }

    fn is_public(&self) -> bool {
        match self.ip() {
            Some(IpAddr::V4(ip)) => is_public_v4(ip),
            Some(IpAddr::V6(ip)) => is_public_v6(ip),
            None => {
                self.name.contains('.')
                    && !LOCAL_NAMES.iter().any(|local| is_below(self.name, local))
            }
        }
    }

    /// Whether this is a host of the service. Only of the local machine are the ports those of different services.
    fn leads_to(&self, own: &Host<'_>) -> bool {
        match self.is_loopback() && own.is_loopback() {
            true => self.port == own.port,
            false => self.name == own.name,
        }
    }
}

/// Whether a label is a number in any notation of IPv4 addresses.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x");
    let is_hex = hex.is_some_and(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()));
    is_hex || (!label.is_empty() && label.bytes().all(|c| c.is_ascii_digit()))
}

/// Whether a name is this one, or below it.
fn is_below(name: &str, above: &str) -> bool {
    let rest = name.strip_suffix(above);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether an address is globally reachable, by IANA's registry of special-purpose addresses (RFC 6890).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = match (a, b, c) {
        (0 | 10 | 127 | 224.., ..) => true,
        (100, 64..=127, _) => true,
        (169, 254, _) => true,
        (172, 16..=31, _) => true,
        (192, 0, 0 | 2) => true,
        (192, 88, 99) => true,
        (192, 168, _) => true,
        (198, 18 | 19, _) => true,
        (198, 51, 100) | (203, 0, 113) => true,
        // Azure's virtual public address of its platform, metadata included.
        (168, 63, 129) => true,
        _ => false,
    };
    !is_special
}

/// The same for IPv6: global unicast (RFC 4291, section 2.4), without what is for documentation, protocols or tunnels,
/// in which an IPv4 address may hide.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let is_special = matches!(
        (a, b),
        (0x2001, 0..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0..=0x0fff)
    );
    (0x2000..=0x3fff).contains(&a) && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYED: Service<'static> = Service {
        own: ["https://tagpost.example", "https://tagpost.workers.example"],
        is_local: false,
    };

    const LOCAL: Service<'static> = Service {
        own: ["http://127.0.0.1:8787", "http://127.0.0.1:8787"],
        is_local: true,
    };

    fn read(url: &str, service: Service<'_>) -> Result<Address, &'static str> {
        Address::read(url.to_owned(), service)
    }

    #[test]
    fn an_https_url_of_a_public_host_is_an_address() {
        for url in [
            "https://hooks.example.org/tagpost?key=x",
            "https://hooks.example.org",
            "https://hooks.example.org:443/",
            "https://hooks.example.org:8443/",
            "https://hooks.example.org:1024/",
            "https://1.1.1.1/",
            "https://172.32.0.1/",
            "https://100.128.0.1/",
            "https://[2606:4700::1111]/",
            "https://tagpost.example.org/",
            "https://localhost.example.org/",
            "https://thelocal.example/",
            "https://xn--mnchen-3ya.example/",
        ] {
            let address = read(url, DEPLOYED).unwrap_or_else(|why| panic!("{url} {why}"));
            assert_eq!(address.as_str(), url);
        }
    }

    #[test]
    fn what_is_no_plain_https_url_is_refused() {
        for (url, why) in [
            ("http://hooks.example.org/", "must be an https URL"),
            ("ftp://hooks.example.org/", "must be an https URL"),
            ("hooks.example.org", "must be an https URL"),
            ("HTTPS://hooks.example.org/", "must be an https URL"),
            (
                "https://user@hooks.example.org/",
                "must not have a user name",
            ),
            (
                "https://user:word@hooks.example.org/",
                "must not have a user name",
            ),
            ("https://hooks.example.org/#x", "must not have a fragment"),
            ("https://hooks.example.org\\@evil.example/", "must be ASCII"),
            ("https://hooks.example.org/ x", "must be ASCII"),
            ("https://hooks.example.org./", "without a dot at its end"),
            ("https://Hooks.example.org/", "in lower case"),
            ("https://hooks%2eexample.org/", "in lower case"),
            ("https:///x", "must have a host"),
            ("https://hooks.example.org:22/", "from 1024 on"),
            ("https://hooks.example.org:80/", "from 1024 on"),
            ("https://hooks.example.org:0443/", "malformed port"),
        ] {
            let refused = read(url, DEPLOYED).unwrap_err();
            assert!(refused.contains(why), "{url}: {refused}");
        }
    }

    #[test]
    fn no_address_leads_into_a_private_network_in_any_notation() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.01",
            "0",
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[::ffff:1.1.1.1]",
            "[64:ff9b::7f00:1]",
            "[2001:0:7f00:1::]",
            "[2001:db8::1]",
            "[2002:7f00:1::]",
            "[3fff::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[fe80::1%25eth0]",
            "[ff02::1]",
            "[1.1.1.1]",
            "localhost",
            "api.localhost",
            "printer.local",
            "metadata.google.internal",
            "nas.home.arpa",
            "intranet",
            "example.0x7f",
            "example.1",
        ] {
            let url = format!("https://{host}:8443/");
            assert!(read(&url, DEPLOYED).is_err(), "{url}");
        }
    }

    #[test]
    fn no_address_leads_to_the_service_itself() {
        for url in [
            "https://tagpost.example/v1/tags/hall/messages",
            "https://tagpost.example:8443/",
            "https://tagpost.workers.example/",
        ] {
            assert_eq!(read(url, DEPLOYED), Err("must not lead to this service"));
        }
        for url in [
            "http://127.0.0.1:8787/",
            "http://localhost:8787/h/x",
            "http://127.9.9.9:8787/",
            "http://[::1]:8787/",
        ] {
            assert_eq!(read(url, LOCAL), Err("must not lead to this service"));
        }
    }

    #[test]
    fn only_in_development_is_there_http_and_the_local_machine() {
        for url in [
            "http://127.0.0.1:9000/hook",
            "http://localhost:9000/hook",
            "http://[::1]:9000/hook",
            "https://localhost/hook",
            "http://hooks.example.org/",
        ] {
            assert!(read(url, LOCAL).is_ok(), "{url}");
            assert!(read(url, DEPLOYED).is_err(), "{url}");
        }
        for url in [
            "http://10.0.0.1:9000/",
            "http://169.254.169.254/",
            "http://nas.local/",
        ] {
            assert_eq!(read(url, LOCAL), Err("must lead to a public host"));
        }
    }

    #[test]
    fn of_an_address_only_its_origin_is_printed() {
        let address = read("https://hooks.example.org:8443/secret?key=secret", DEPLOYED).unwrap();
        assert_eq!(address.origin(), "https://hooks.example.org:8443");
        assert!(!format!("{address:?}").contains("secret"));
    }
}
