//! Plain files of the net: read whole, redirects followed, tried again where that may help.
//!
//! The rules are those of registries: TLS, but for hosts on this machine and those of which it is said otherwise, and no way
//! from TLS back to plain HTTP.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::client::ClientOptions;
use super::client::retry::{passes, retry_after};
use super::client::url::Url;
use super::transport::{Body, Method, Request, Transport, TransportError};

/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// How many bytes have to come in a second, from the end of the first minute on: who sends less keeps a run from ever ending.
const RATE: u64 = 4 << 10;
const FIRST: Duration = Duration::from_secs(60);

/// Whether so few bytes came that it would take for ever.
fn is_too_slow(elapsed: Duration, bytes: u64) -> bool {
    elapsed > FIRST && bytes / RATE < elapsed.as_secs()
}

/// Reads what comes fast enough.
struct Paced<R> {
    inner: R,
    began: Instant,
    bytes: u64,
}

impl<R> Paced<R> {
    fn new(inner: R) -> Paced<R> {
        Paced {
            inner,
            began: Instant::now(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes = self.bytes.saturating_add(count as u64);
        // At the end it does not matter any more.
        match count > 0 && is_too_slow(self.began.elapsed(), self.bytes) {
            true => Err(std::io::Error::other(format!(
                "less than {} KiB come in a second",
                RATE >> 10
            ))),
            false => Ok(count),
        }
    }
}

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WebError {
    /// Everything was called off.
    #[error("called off")]
    Cancelled,
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Reads files of the net.
#[derive(Clone)]
pub struct Web {
    transport: Arc<dyn Transport>,
    plain_http: BTreeSet<String>,
    waits: Vec<Duration>,
    user_agent: String,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web")
            .field("plain_http", &self.plain_http)
            .finish_non_exhaustive()
    }
}

/// An attempt that failed, and after how long another one may do.
type Failed = (WebError, Option<Option<Duration>>);

impl Web {
    /// Reads by a transport. Besides this machine itself, the hosts in `plain_http` are spoken to in plain HTTP where an address says so.
    pub fn new(transport: Arc<dyn Transport>, plain_http: BTreeSet<String>) -> Web {
        let defaults = ClientOptions::default();
        Web {
            transport,
            plain_http,
            waits: defaults.retry_waits,
            user_agent: defaults.user_agent,
        }
    }

    /// Whether everything was called off.
    pub fn is_cancelled(&self) -> bool {
        self.transport.is_cancelled()
    }

    /// The content of a file, which has `most` bytes at most.
    ///
    /// # Errors
    /// There is none, or it could not be read.
    pub fn get(&self, address: &str, most: u64) -> Result<Vec<u8>, WebError> {
        let url = Url::parse(address);
        let url = url.ok_or_else(|| WebError::Failed("this is no address".to_string()))?;
        let mut waits = self.waits.iter();
        let mut times = 0;
        loop {
            times += 1;
            let (error, again) = match self.once(url.clone(), most) {
                Ok(bytes) => return Ok(bytes),
                Err(failed) => failed,
            };
            let (Some(after), Some(wait)) = (again, waits.next()) else {
                return Err(match (error, again) {
                    (WebError::Failed(what), Some(_)) => {
                        WebError::Failed(format!("{what} ({times} times)"))
                    }
                    (error, _) => error,
                });
            };
            let wait = after.unwrap_or_else(|| wait.mul_f64(fastrand::f64()));
            self.transport.pause(wait);
            if self.is_cancelled() {
                return Err(WebError::Cancelled);
            }
        }
    }

    fn once(&self, mut url: Url, most: u64) -> Result<Vec<u8>, Failed> {
        let last = |what: String| (WebError::Failed(what), None);
        let broken = |what: String| (WebError::Failed(what), Some(None));
        for _ in 0..=REDIRECTS {
            let is_safe = url.tls
                || crate::reference::is_loopback(&url.authority)
                || self.plain_http.contains(&url.authority);
            if !is_safe {
                return Err(last(format!(
                    "{0} would be spoken to in plain HTTP: write `https://`, or `plain-http = true` under `[registry.\"{0}\"]` of crossfile.toml",
                    url.authority
                )));
            }
            let address = url.to_string();
            let sent = self.transport.send(Request {
                method: Method::Get,
                url: &address,
                headers: vec![("user-agent", self.user_agent.clone())],
                body: Body::Empty,
            });
            let mut response = sent.map_err(|error| match error {
                TransportError::Broken(what) => broken(what),
                TransportError::Refused(what) => last(what),
                TransportError::Cancelled => (WebError::Cancelled, None),
            })?;
            match response.status {
                200 => {}
                301 | 302 | 303 | 307 | 308 => {
                    let location = response.header("location").unwrap_or_default();
                    let next = url
                        .join(location)
                        .filter(|_| !location.is_empty())
                        .ok_or_else(|| last("it redirects to no address".to_string()))?;
                    if url.tls && !next.tls {
                        let what = "it redirects from TLS to plain HTTP, to";
                        return Err(last(format!("{what} {}", next.authority)));
                    }
                    url = next;
                    continue;
                }
                404 | 410 => return Err((WebError::NotFound, None)),
                status => {
                    let again = passes(status).then(|| retry_after(&response));
                    let what = format!("the answer is the status {status}");
                    return Err((WebError::Failed(what), again));
                }
            }
            let said = response.header("content-length");
            let said = said.and_then(|said| said.parse::<u64>().ok());
            let long = || last(format!("it is longer than the {most} bytes that are read"));
            if said.is_some_and(|said| said > most) {
                return Err(long());
            }
            let mut bytes = Vec::new();
            let read = Paced::new(&mut response.body)
                .take(most.saturating_add(1))
                .read_to_end(&mut bytes);
            let count = bytes.len() as u64;
            if self.is_cancelled() {
                return Err((WebError::Cancelled, None));
            }
            return match (read, said) {
                (Err(error), _) => Err(broken(format!(
                    "the answer breaks off after {count} bytes: {error}"
                ))),
                (_, Some(said)) if count < said => Err(broken(format!(
                    "the answer ends after {count} of {said} bytes"
                ))),
                _ if count > most => Err(long()),
                _ => Ok(bytes),
            };
        }
        Err(last(format!("it redirects more than {REDIRECTS} times")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_by_drops_is_given_up() {
        let too_slow = |seconds, bytes| is_too_slow(Duration::from_secs(seconds), bytes);
        assert!(!too_slow(60, 0));
        assert!(too_slow(61, 60 * RATE));
        assert!(!too_slow(61, 61 * RATE));
        assert!(too_slow(3600, 1 << 20));
        assert!(!too_slow(3600, 71 << 20));
        let mut read = Vec::new();
        Paced::new(&b"all"[..]).read_to_end(&mut read).unwrap();
        assert_eq!(read, b"all");
    }
}
