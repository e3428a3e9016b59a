//! Which way leads to a host: straight, or through a proxy.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ureq::{Agent, Proxy, ProxyProtocol};

/// The proxies of an environment.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxies {
    /// The proxy for TLS.
    pub https: Option<String>,
    /// The proxy for plain HTTP.
    pub http: Option<String>,
    /// What is reached without: `localhost,.example.com,10.0.0.0/8`, or `*`.
    pub none: Option<String>,
}

/// A proxy's address may hold a password.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |proxy: &Option<String>| proxy.as_ref().map(|_| "…");
        f.debug_struct("Proxies")
            .field("https", &shown(&self.https))
            .field("http", &shown(&self.http))
            .field("none", &self.none)
            .finish()
    }
}

impl Proxies {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in small letters or in capitals.
    pub fn from_env(env: &BTreeMap<String, String>) -> Proxies {
        let get = |name: &str| {
            let names = [name.to_string(), name.to_uppercase()];
            let mut found = names.iter().filter_map(|name| env.get(name));
            found.find(|value| !value.is_empty()).cloned()
        };
        Proxies {
            https: get("https_proxy").or_else(|| get("all_proxy")),
            http: get("http_proxy").or_else(|| get("all_proxy")),
            none: get("no_proxy"),
        }
    }

    /// Whether a host, with its port, is reached without a proxy. This machine always is.
    fn spare(&self, authority: &str) -> bool {
        if crate::reference::is_loopback(authority) {
            return true;
        }
        let authority = authority.to_ascii_lowercase();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &authority,
        };
        let host = host.trim_matches(['[', ']']);
        let rules = self.none.as_deref().unwrap_or_default().split(',');
        let mut rules = rules.map(|rule| rule.trim().to_ascii_lowercase());
        rules.any(|rule| {
            if rule == "*" || rule == authority {
                return true;
            }
            if let (Ok(address), Some(range)) = (host.parse::<IpAddr>(), rule.split_once('/')) {
                return within(address, range);
            }
            let name = rule.trim_start_matches("*.").trim_start_matches('.');
            let below = host.strip_suffix(name);
            !name.is_empty() && below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

/// Whether an address is in a range: `10.0.0.0/8`.
fn within(address: IpAddr, (start, length): (&str, &str)) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let (Ok(start), Ok(length)) = (start.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    let ((one, size), (other, other_size)) = (bits(address), bits(start));
    let differs = (one ^ other).leading_zeros();
    size == other_size && length <= size && differs >= length
}

/// An agent for each way.
pub(super) struct Ways {
    straight: Agent,
    https: Option<Agent>,
    http: Option<Agent>,
    proxies: Proxies,
}

impl Ways {
    pub(super) fn new(
        proxies: &Proxies,
        agent: impl Fn(Option<Proxy>) -> Agent,
    ) -> Result<Ways, String> {
        let through = |address: &Option<String>, name: &str| match address {
            None => Ok(None),
            Some(address) => match Proxy::new(address) {
                Ok(proxy)
                    if matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) =>
                {
                    Ok(Some(agent(Some(proxy))))
                }
                // Not the address, which may hold a password.
                _ => Err(format!("{name} is not the address of an HTTP proxy")),
            },
        };
        Ok(Ways {
            https: through(&proxies.https, "HTTPS_PROXY")?,
            http: through(&proxies.http, "HTTP_PROXY")?,
            straight: agent(None),
            proxies: proxies.clone(),
        })
    }

    pub(super) fn agents(&self) -> Vec<Agent> {
        let all = [
            Some(&self.straight),
            self.https.as_ref(),
            self.http.as_ref(),
        ];
        all.into_iter().flatten().cloned().collect()
    }

    /// The way to an address, and the variable that names the proxy on it.
    pub(super) fn to(&self, url: &str) -> (&Agent, Option<&'static str>) {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let proxy = match scheme {
            "https" => self.https.as_ref().zip(Some("HTTPS_PROXY")),
            _ => self.http.as_ref().zip(Some("HTTP_PROXY")),
        };
        let proxy = proxy.filter(|_| !self.proxies.spare(authority));
        match proxy {
            Some((agent, name)) => (agent, Some(name)),
            None => (&self.straight, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_hosts_are_reached_without_a_proxy() {
        let env = [
            ("HTTPS_PROXY", "http://me:hunter2@proxy:3128"),
            ("no_proxy", "corp.io, .lab.io,10.0.0.0/8,r.io:5000,fd00::/8"),
        ];
        let env = env.map(|(name, value)| (name.to_string(), value.to_string()));
        let proxies = Proxies::from_env(&env.into());
        assert_eq!(proxies.http, None);
        for (host, spared) in [
            ("ghcr.io", false),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("[::1]:5000", true),
            ("corp.io", true),
            ("R.Corp.IO:443", true),
            ("notcorp.io", false),
            ("x.lab.io", true),
            ("10.20.30.40:5000", true),
            ("11.0.0.1", false),
            ("r.io:5000", true),
            ("r.io", false),
            ("[fd12::1]:443", true),
        ] {
            assert_eq!(proxies.spare(host), spared, "{host}");
        }
        let all = Proxies {
            none: Some("*".to_string()),
            ..Proxies::default()
        };
        assert!(all.spare("ghcr.io"));
        let text = format!("{proxies:?}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_address_of_a_proxy_is_checked_and_not_shown() {
        let wrong = Proxies {
            https: Some("socks5://me:hunter2@proxy".to_string()),
            ..Proxies::default()
        };
        let agent = |_| Agent::new_with_defaults();
        let error = Ways::new(&wrong, agent).err();
        assert_eq!(
            error.as_deref(),
            Some("HTTPS_PROXY is not the address of an HTTP proxy")
        );
    }
}
