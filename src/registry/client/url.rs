//! Addresses, and where an answer's `Location` leads from them.
//!
//! Source: RFC 3986, section 5.2, without its dot segments, which no registry writes.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Uri;

/// What needs no encoding in the value of a field.
const FIELD: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The address of a request: `https://ghcr.io/v2/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registry) struct Url {
    pub(in crate::registry) tls: bool,
    /// Host and port.
    pub(in crate::registry) authority: String,
    path: String,
    query: Option<String>,
}

impl Url {
    /// The address below which a registry has everything.
    pub(in crate::registry) fn registry(tls: bool, host: &str) -> Url {
        Url {
            tls,
            authority: host.to_ascii_lowercase(),
            path: "/v2/".to_string(),
            query: None,
        }
    }

    /// Reads a complete address. One with a user in it is none: it would look like another host.
    pub(in crate::registry) fn parse(text: &str) -> Option<Url> {
        let uri = text.parse::<Uri>().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        let known = !authority.contains('@') && !uri.host()?.is_empty();
        known.then(|| Url {
            tls,
            authority: authority.to_ascii_lowercase(),
            path: uri.path().to_string(),
            query: uri.query().map(str::to_string),
        })
    }

    /// Where a `Location` leads from here.
    pub(in crate::registry) fn join(&self, location: &str) -> Option<Url> {
        let scheme = match self.tls {
            true => "https",
            false => "http",
        };
        let origin = format!("{scheme}://{}", self.authority);
        let location = location.split('#').next().unwrap_or_default();
        let is_complete = location
            .split_once("://")
            .is_some_and(|(scheme, _)| !scheme.contains(['/', '?']));
        match location {
            complete if is_complete => Url::parse(complete),
            same_scheme if same_scheme.starts_with("//") => {
                Url::parse(&format!("{scheme}:{same_scheme}"))
            }
            absolute if absolute.starts_with('/') => Url::parse(&format!("{origin}{absolute}")),
            query if query.starts_with('?') => Url::parse(&format!("{origin}{}{query}", self.path)),
            "" => Some(self.clone()),
            beside => {
                let folder = self.path.rfind('/').map_or("/", |last| &self.path[..=last]);
                Url::parse(&format!("{origin}{folder}{beside}"))
            }
        }
    }

    /// Whether two addresses are of one host and port and both secured or both not.
    pub(in crate::registry) fn same_origin(&self, other: &Url) -> bool {
        let port = match self.tls {
            true => ":443",
            false => ":80",
        };
        let short = |url: &Url| {
            let authority = url.authority.as_str();
            authority
                .strip_suffix(port)
                .unwrap_or(authority)
                .to_string()
        };
        self.tls == other.tls && short(self) == short(other)
    }

    /// The same address with one more field.
    #[must_use]
    pub(in crate::registry) fn with(mut self, name: &str, value: &str) -> Url {
        let field = field(name, value);
        self.query = Some(match self.query.filter(|query| !query.is_empty()) {
            Some(query) => format!("{query}&{field}"),
            None => field,
        });
        self
    }
}

/// A field of a query or form.
pub(in crate::registry) fn field(name: &str, value: &str) -> String {
    format!("{name}={}", utf8_percent_encode(value, FIELD))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.tls {
            true => "https",
            false => "http",
        };
        write!(f, "{scheme}://{}{}", self.authority, self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(base: &str, location: &str) -> String {
        let joined = Url::parse(base).unwrap().join(location);
        joined.map_or("none".to_string(), |url| url.to_string())
    }

    #[test]
    fn locations_are_joined() {
        let base = "https://r.io:5000/v2/a/blobs/uploads/?mount=x";
        for (location, joined) in [
            ("https://s.io/x?y=z#f", "https://s.io/x?y=z"),
            ("//s.io/x", "https://s.io/x"),
            ("/v2/up?s=1", "https://r.io:5000/v2/up?s=1"),
            (
                "/v2/up?to=https://x",
                "https://r.io:5000/v2/up?to=https://x",
            ),
            ("id?s=1", "https://r.io:5000/v2/a/blobs/uploads/id?s=1"),
            ("?s=1", "https://r.io:5000/v2/a/blobs/uploads/?s=1"),
            ("", base),
            ("ftp://s.io/x", "none"),
            ("https://r.io@evil.io/x", "none"),
            ("https:///x", "none"),
        ] {
            assert_eq!(join(base, location), joined, "{location}");
        }
    }

    #[test]
    fn origins_are_compared_with_their_ports() {
        let same = |one: &str, other: &str| {
            Url::parse(one)
                .unwrap()
                .same_origin(&Url::parse(other).unwrap())
        };
        assert!(same("https://R.io/a", "https://r.io:443/b"));
        assert!(!same("https://r.io/a", "http://r.io/a"));
        assert!(!same("https://r.io/a", "https://r.io:8443/a"));
        assert!(!same("https://r.io/a", "https://cdn.r.io/a"));
    }

    #[test]
    fn fields_are_encoded() {
        let url = Url::parse("https://r.io/up?s=1").unwrap();
        assert_eq!(
            url.with("digest", "sha256:a b").to_string(),
            "https://r.io/up?s=1&digest=sha256%3Aa%20b"
        );
    }
}
