//! `Tagpost-Via`: which services a message went through that was posted to a URL, so that none publishes again what it
//! has sent itself.
//!
//! The value is a list of origins, separated by commas: scheme, host and port, as in `https://push.example.org`. Only a
//! direct loop is found: a service that answers or passes on a request of another one need not pass this header on.

/// The name of the header.
pub const VIA: &str = "Tagpost-Via";

/// The value with which the service at `origin` posts a message.
pub fn written(origin: &str) -> String {
    origin.to_ascii_lowercase()
}

/// Whether a request with this value was sent by the service at `origin`.
pub fn names(value: &str, origin: &str) -> bool {
    let mut origins = value.split(',').map(str::trim);
    origins.any(|found| found.eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://push.example.org";

    #[test]
    fn what_the_service_writes_it_finds() {
        for origin in [
            ORIGIN,
            "https://Push.Example.org",
            "http://127.0.0.1:8787",
            "http://[::1]:8787",
        ] {
            assert!(names(&written(origin), origin), "{origin}");
            let among = format!("https://a.example,{} , https://b.example", written(origin));
            assert!(names(&among, origin), "{among}");
        }
    }

    #[test]
    fn another_origin_is_not_found() {
        for value in [
            "",
            ",",
            "push.example.org",
            "http://push.example.org",
            "https://push.example.org:8443",
            "https://push.example.org.evil.example",
            "https://xpush.example.org",
            "https://push.example.org/h",
        ] {
            assert!(!names(value, ORIGIN), "{value}");
        }
    }
}
