//! The transport over the net: HTTP/1.1 on kept connections, TLS by the system's roots.
//!
//! It sends what it is given and hands on what comes: no redirects, no decompression, which would change digests, and no status
//! is an error.

mod proxy;

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, AsSendBody, Body as Incoming, Error, SendBody, Timeout};

pub use proxy::Proxies;

use super::transport::{Body, Method, Request, Response, Transport, TransportError};
use proxy::Ways;

/// How long a connection may take to be made, with its handshake.
const CONNECT: Duration = Duration::from_secs(10);

/// How long nothing may come or go.
const STALL: Duration = Duration::from_secs(60);

/// How long a registry may take to store what was sent: some copy it once more before they answer.
const STORE: Duration = Duration::from_secs(300);

/// How often it is looked whether everything was called off.
const LOOK: Duration = Duration::from_millis(100);

/// How many connections are kept open, for one host and for all.
const KEPT: (usize, usize) = (64, 128);

/// What is said of a host that answers in plain HTTP where TLS was expected.
pub(super) const NO_TLS: &str = "it speaks no TLS";

/// Whether everything is called off.
pub type Cancelled = Arc<dyn Fn() -> bool + Send + Sync>;

/// How registries are reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpOptions {
    /// Whether everything is called off. Looked at about ten times a second.
    pub cancelled: Cancelled,
    /// Which hosts are reached through which proxy.
    pub proxies: Proxies,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            cancelled: Arc::new(|| false),
            proxies: Proxies::default(),
        }
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

/// Reaches registries over the net.
pub struct Http {
    ways: Ways,
    cancelled: Cancelled,
    /// Ends the thread that looks whether everything was called off.
    _watched: mpsc::Sender<()>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// A request does not say who asks, and takes bytes as they are.
fn agent(proxy: Option<ureq::Proxy>) -> Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .tls_config(tls.build())
        .no_delay(true)
        .user_agent("")
        .accept("*/*")
        .accept_encoding("identity")
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(STALL))
        .timeout_per_write(Some(STALL))
        .timeout_recv_response(Some(STALL))
        .max_idle_connections_per_host(KEPT.0)
        .max_idle_connections(KEPT.1);
    Agent::new_with_config(config.build())
}

impl Http {
    /// Reaches registries as the options say.
    ///
    /// # Errors
    /// A proxy is no address. The text names the variable it is from.
    pub fn new(options: HttpOptions) -> Result<Http, String> {
        let ways = Ways::new(&options.proxies, agent)?;
        let (watched, end) = mpsc::channel();
        let (agents, cancelled) = (ways.agents(), options.cancelled.clone());
        // A read that waits for the other side ends only when its connection does.
        thread::spawn(move || {
            while end.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
                if cancelled() {
                    agents.into_iter().for_each(Agent::shutdown);
                    return;
                }
            }
        });
        Ok(Http {
            ways,
            cancelled: options.cancelled,
            _watched: watched,
        })
    }
}

fn run(
    agent: &Agent,
    request: http::Request<impl AsSendBody>,
    stores: bool,
) -> Result<http::Response<Incoming>, Error> {
    if !stores {
        return agent.run(request);
    }
    let patient = agent
        .configure_request(request)
        .timeout_per_read(Some(STORE))
        .timeout_recv_response(Some(STORE));
    agent.run(patient.build())
}

impl Transport for Http {
    fn send(&self, request: Request<'_>) -> Result<Response, TransportError> {
        if self.is_cancelled() {
            return Err(TransportError::Cancelled);
        }
        let (agent, proxy) = self.ways.to(request.url);
        let method = match request.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Post => http::Method::POST,
            Method::Patch => http::Method::PATCH,
            Method::Put => http::Method::PUT,
            Method::Delete => http::Method::DELETE,
        };
        let mut head = http::Request::builder().method(method).uri(request.url);
        for (name, value) in &request.headers {
            head = head.header(*name, value);
        }
        let reads = matches!(request.method, Method::Get | Method::Head | Method::Delete);
        let stores = request.method == Method::Put;
        let sent = match request.body {
            Body::Empty if reads => with(head, ()).and_then(|whole| run(agent, whole, stores)),
            // Some servers want to be told that there is nothing.
            Body::Empty => with(head, &[][..]).and_then(|whole| run(agent, whole, stores)),
            Body::Bytes(bytes) => with(head, bytes).and_then(|whole| run(agent, whole, stores)),
            Body::Reader(reader, size) => {
                let body = SendBody::from_reader(reader);
                with(head.header("content-length", size), body)
                    .and_then(|whole| run(agent, whole, stores))
            }
        };
        let answer = match sent {
            Ok(answer) => answer,
            Err(_) if self.is_cancelled() => return Err(TransportError::Cancelled),
            Err(error) => return Err(by_way_of(proxy, &error)),
        };
        let (head, body) = answer.into_parts();
        let fields = head.headers.iter();
        let headers = fields.map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_string(), value)
        });
        Ok(Response {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: Box::new(Content {
                inner: body.into_reader(),
                cancelled: self.cancelled.clone(),
            }),
        })
    }

    fn pause(&self, time: Duration) {
        let start = Instant::now();
        while !self.is_cancelled() {
            match time.checked_sub(start.elapsed()) {
                Some(rest) if !rest.is_zero() => thread::sleep(rest.min(LOOK)),
                _ => return,
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        (self.cancelled)()
    }
}

fn with<B>(head: http::request::Builder, body: B) -> Result<http::Request<B>, Error> {
    head.body(body).map_err(Error::from)
}

/// The body of an answer, until everything is called off.
struct Content<R> {
    inner: R,
    cancelled: Cancelled,
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.cancelled)() {
            return Err(io::Error::other("called off"));
        }
        self.inner.read(buffer).map_err(|error| {
            let kind = error.kind();
            let inner = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<Error>());
            match inner {
                Some(inner) => io::Error::new(kind, meant(inner).to_string()),
                None => error,
            }
        })
    }
}

/// What an error means where a proxy may be what does not answer.
fn by_way_of(proxy: Option<&str>, error: &Error) -> TransportError {
    let said = meant(error);
    let Some(name) = proxy else { return said };
    match said {
        TransportError::Broken(what) => {
            TransportError::Broken(format!("by way of the proxy that {name} names: {what}"))
        }
        // What is wrong with TLS is the registry's affair.
        TransportError::Refused(what) if what.contains("no host of this name") => {
            TransportError::Refused(format!("by way of the proxy that {name} names: {what}"))
        }
        other => other,
    }
}

/// What an error of the connection means. No address is in it: it may hold a signature.
fn meant(error: &Error) -> TransportError {
    let broken = |what: &str| TransportError::Broken(what.to_string());
    let refused = |what: &str| TransportError::Refused(what.to_string());
    match error {
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            broken(&format!("no connection within {} s", CONNECT.as_secs()))
        }
        Error::Timeout(_) => broken("nothing came for too long"),
        Error::HostNotFound => refused("there is no host of this name"),
        Error::Rustls(error) => insecure(&error.to_string()),
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            insecure(&error.to_string())
        }
        Error::Io(error) => {
            let text = error.to_string();
            let unknown = ["Name or service not known", "nodename nor servname"];
            match unknown.iter().any(|unknown| text.contains(unknown)) {
                true => refused("there is no host of this name"),
                false => TransportError::Broken(text),
            }
        }
        Error::Tls(what) => refused(what),
        Error::BadUri(_) | Error::Http(_) | Error::InvalidProxyUrl => {
            refused("the address or a header field makes no sense")
        }
        Error::Protocol(error) => TransportError::Broken(format!("it speaks no HTTP: {error}")),
        Error::ConnectProxyFailed(what) => {
            TransportError::Broken(format!("the proxy lets nothing through: {what}"))
        }
        other => TransportError::Broken(other.to_string()),
    }
}

fn insecure(what: &str) -> TransportError {
    TransportError::Refused(match what {
        what if what.contains("corrupt message") => NO_TLS.to_string(),
        what if what.contains("UnknownIssuer") => format!(
            "{what}; authorities of your own belong into the system's store, or into a file that SSL_CERT_FILE names"
        ),
        what => what.to_string(),
    })
}
