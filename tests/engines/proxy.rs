//! A proxy before a registry, which does to requests what nets and registries do: refuse them, break off, send something
//! else, take their time. It notes every request.
//!
//! The registry is spoken to in plain HTTP/1.1, under the proxy's own address: what it says of itself leads back here.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each user has a need for a part of this; a lock that was poisoned by a failed test is no case of its own"
)]

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

/// The longest that anything waits for the other side.
const BOUND: Duration = Duration::from_secs(120);

/// What is done to a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is answered so, and never gets to the registry; with a `Retry-After`.
    Status(u16, Option<u32>),
    /// After so many bytes of the answer's body the connection is reset.
    Reset(usize),
    /// The same before the registry hears of the request.
    Refuse,
    /// After so many bytes of the answer's body there is an orderly end, though more were announced.
    Truncate(usize),
    /// One byte of the answer's body is another.
    Garble,
    /// The answer keeps back for so long.
    Stall(Duration),
    /// The answer's body comes in pieces of so many bytes, each after so long.
    Trickle(usize, Duration),
    /// The registry's answer is lost: it did what was asked, and the connection breaks.
    Lose,
}

/// Which requests something is done to.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    method: &'static str,
    path: String,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    /// Those of this method whose path holds this text, every time.
    pub(crate) fn new(method: &'static str, path: &str, fault: Fault) -> Rule {
        Rule {
            method,
            path: path.to_string(),
            skip: 0,
            times: usize::MAX,
            fault,
        }
    }

    /// Only so many times.
    pub(crate) fn times(self, times: usize) -> Rule {
        Rule { times, ..self }
    }

    /// Only after so many other ones.
    pub(crate) fn after(self, skip: usize) -> Rule {
        Rule { skip, ..self }
    }
}

/// A request that went through.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Of the answer; 0 where there was none.
    pub(crate) status: u16,
    /// The bytes of the request's and the answer's body.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) start: Instant,
    /// When the last byte of the answer was on its way.
    pub(crate) end: Option<Instant>,
    /// Whether something was done to it.
    pub(crate) faulty: bool,
}

struct Shared {
    upstream: SocketAddr,
    delay: Duration,
    /// What it takes to make a connection.
    connecting: Duration,
    rules: Mutex<Vec<Rule>>,
    exchanges: Mutex<Vec<Arc<Mutex<Exchange>>>>,
    ended: AtomicBool,
    /// With the thread that each is served by.
    connections: Mutex<Vec<(ThreadId, TcpStream)>>,
}

/// A proxy, as long as it is held.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn new(upstream: &str) -> Proxy {
        Proxy::with_delay(upstream, Duration::ZERO, Duration::ZERO)
    }

    /// One to which requests and answers take so long, each way, and connections so long until they are made.
    pub(crate) fn with_delay(upstream: &str, delay: Duration, connecting: Duration) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: upstream.parse().unwrap(),
            delay,
            connecting,
            rules: Mutex::default(),
            exchanges: Mutex::default(),
            ended: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&accepting);
                // Whoever breaks off has been served.
                thread::spawn(move || {
                    drop(serving.serve(&client));
                    serving.forget_connections();
                });
            }
        });
        Proxy { address, shared }
    }

    /// The host of references that go through it.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Does this to requests from now on; the first rule that fits.
    pub(crate) fn rule(&self, rule: Rule) {
        self.shared.rules.lock().unwrap().push(rule);
    }

    pub(crate) fn forget_rules(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// The requests since it was last asked, in the order in which they began.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let start = Instant::now();
        loop {
            let mut exchanges = self.shared.exchanges.lock().unwrap();
            let known = exchanges.iter();
            let known: Vec<Exchange> = known.map(|own| own.lock().unwrap().clone()).collect();
            // A client has its answer a moment before that is noted.
            let open = known.iter().any(|exchange| exchange.end.is_none());
            if !open || start.elapsed() > Duration::from_secs(1) {
                exchanges.clear();
                return known;
            }
            drop(exchanges);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
        for (_, connection) in self.shared.connections.lock().unwrap().drain(..) {
            // One that is gone is as good.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// The most requests of which each began when the one before was done: the round trips that whoever made them waited for.
pub(crate) fn round_trips(exchanges: &[Exchange]) -> usize {
    let mut spans: Vec<(Instant, Instant)> = exchanges
        .iter()
        .filter_map(|exchange| Some((exchange.end?, exchange.start)))
        .collect();
    spans.sort();
    let mut free = None;
    let mut count = 0;
    for (end, start) in spans {
        if free.is_none_or(|free| free <= start) {
            free = Some(end);
            count += 1;
        }
    }
    count
}

/// The first lines of a request or an answer.
struct Head {
    /// The request's or the status line.
    first: String,
    fields: Vec<(String, String)>,
}

/// How the end of a body is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Sized(u64),
    Chunked,
    /// It ends with the connection.
    Open,
}

impl Head {
    /// Nothing at the end of a connection.
    fn read(from: &mut impl BufRead) -> io::Result<Option<Head>> {
        let mut first = String::new();
        if from.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            fields.push((name.to_string(), value.trim().to_string()));
        }
        let first = first.trim_end().to_string();
        Ok(Some(Head { first, fields }))
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn without(&mut self, name: &str) {
        self.fields
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    fn framing(&self) -> Option<Framing> {
        let chunked = self
            .field("transfer-encoding")
            .is_some_and(|value| value.contains("chunked"));
        match self.field("content-length") {
            _ if chunked => Some(Framing::Chunked),
            Some(size) => size.parse().ok().map(Framing::Sized),
            None => None,
        }
    }

    fn closes(&self) -> bool {
        self.first.contains("HTTP/1.0")
            || self
                .field("connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// Hands on a body as it comes, by pieces as they are framed.
fn hand_on(
    from: &mut impl BufRead,
    framing: Framing,
    piece: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut sized = |from: &mut dyn BufRead, size: u64| -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            let buffer = from.fill_buf()?;
            if buffer.is_empty() {
                return match framing {
                    Framing::Open => Ok(()),
                    _ => Err(ErrorKind::UnexpectedEof.into()),
                };
            }
            let count = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            piece(&buffer[..count])?;
            from.consume(count);
            left -= count as u64;
        }
        Ok(())
    };
    match framing {
        Framing::Sized(size) => sized(from, size),
        Framing::Open => sized(from, u64::MAX),
        Framing::Chunked => loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let size = line.trim_end().split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)?;
            to(line.as_bytes())?;
            if size > 0 {
                sized(from, size)?;
            }
            // What ends a piece, or after the last the trailers.
            loop {
                let mut line = String::new();
                from.read_line(&mut line)?;
                to(line.as_bytes())?;
                if size > 0 || line.trim_end().is_empty() {
                    break;
                }
            }
            if size == 0 {
                return Ok(());
            }
        },
    }
}

impl Shared {
    fn connection(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(BOUND))?;
        stream.set_write_timeout(Some(BOUND))?;
        let own = (thread::current().id(), stream.try_clone()?);
        self.connections.lock().unwrap().push(own);
        Ok(())
    }

    /// Those of this thread: a connection ends with the last handle of it.
    fn forget_connections(&self) {
        let own = thread::current().id();
        let mut connections = self.connections.lock().unwrap();
        connections.retain(|(thread, _)| *thread != own);
    }

    /// Waits, unless it is all over.
    fn wait(&self, time: Duration) {
        let start = Instant::now();
        while !self.ended.load(Ordering::SeqCst) {
            match time.checked_sub(start.elapsed()) {
                Some(rest) if !rest.is_zero() => thread::sleep(rest.min(Duration::from_millis(50))),
                _ => return,
            }
        }
    }

    fn fault(&self, method: &str, path: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let fits =
            |rule: &&mut Rule| rule.times > 0 && rule.method == method && path.contains(&rule.path);
        let rule = rules.iter_mut().find(fits)?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    /// Serves a connection until either side has enough.
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        self.connection(client)?;
        let mut from = BufReader::new(client.try_clone()?);
        self.wait(self.connecting);
        let mut registry: Option<BufReader<TcpStream>> = None;
        // The first byte of a handshake. Clients that try TLS first go on without it when they are told so in plain HTTP.
        if from.fill_buf()?.first() == Some(&0x16) {
            self.wait(self.delay * 2);
            return send(client, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
        while let Some(request) = Head::read(&mut from)? {
            let mut words = request.first.split(' ');
            let (method, path) = (words.next(), words.next());
            let (method, path) = (method.unwrap_or_default(), path.unwrap_or_default());
            let fault = self.fault(method, path);
            let note = Arc::new(Mutex::new(Exchange {
                method: method.to_string(),
                path: path.to_string(),
                status: 0,
                sent: 0,
                received: 0,
                start: Instant::now(),
                end: None,
                faulty: fault.is_some(),
            }));
            self.exchanges.lock().unwrap().push(Arc::clone(&note));
            let goes_on = self.exchange(&request, client, &mut from, &mut registry, fault, &note);
            note.lock().unwrap().end = Some(Instant::now());
            if !goes_on? {
                break;
            }
        }
        Ok(())
    }

    /// One request with its answer. Says whether the connection can be used again.
    fn exchange(
        &self,
        request: &Head,
        client: &TcpStream,
        from: &mut BufReader<TcpStream>,
        registry: &mut Option<BufReader<TcpStream>>,
        fault: Option<Fault>,
        note: &Mutex<Exchange>,
    ) -> io::Result<bool> {
        self.wait(self.delay);
        let framing = request.framing().unwrap_or(Framing::Sized(0));
        let mut request = Head {
            first: request.first.clone(),
            fields: request.fields.clone(),
        };
        if request.field("expect").is_some() {
            send(client, b"HTTP/1.1 100 Continue\r\n\r\n")?;
            request.without("expect");
        }
        match fault {
            Some(Fault::Refuse) => return reset(client),
            Some(Fault::Status(status, after)) => {
                hand_on(from, framing, &mut |_| Ok(()), &mut |_| Ok(()))?;
                note.lock().unwrap().status = status;
                let after = after.map(|after| format!("Retry-After: {after}\r\n"));
                let body = format!(
                    r#"{{"errors":[{{"code":"UNAVAILABLE","message":"the proxy says {status}"}}]}}"#
                );
                self.wait(self.delay);
                let head = format!(
                    "HTTP/1.1 {status} Refused\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    after.unwrap_or_default(),
                    body.len()
                );
                send(client, head.as_bytes())?;
                if !request.first.starts_with("HEAD ") {
                    send(client, body.as_bytes())?;
                }
                return Ok(!request.closes());
            }
            _ => {}
        }
        if registry.is_none() {
            let stream = TcpStream::connect(self.upstream)?;
            self.connection(&stream)?;
            *registry = Some(BufReader::new(stream));
        }
        let Some(registry) = registry else {
            return Ok(false);
        };
        let upstream = registry.get_ref().try_clone()?;
        send(&upstream, &request.bytes())?;
        let sent = hand_on(
            from,
            framing,
            &mut |piece| {
                note.lock().unwrap().sent += piece.len() as u64;
                send(&upstream, piece)
            },
            &mut |line| send(&upstream, line),
        );
        // A registry may refuse what it has not read; its answer says why.
        let mut answer = match (Head::read(registry)?, sent) {
            (Some(answer), _) => answer,
            (None, sent) => return sent.and(Err(ErrorKind::UnexpectedEof.into())),
        };
        while answer.first.contains(" 100 ") {
            answer = Head::read(registry)?.ok_or(ErrorKind::UnexpectedEof)?;
        }
        let status = answer.first.split(' ').nth(1).unwrap_or_default();
        let status: u16 = status.parse().map_err(|_| ErrorKind::InvalidData)?;
        note.lock().unwrap().status = status;
        let bodiless = request.first.starts_with("HEAD ") || matches!(status, 204 | 304);
        let framing = match answer.framing() {
            _ if bodiless => Framing::Sized(0),
            Some(framing) => framing,
            None => Framing::Open,
        };
        if let Some(Fault::Lose) = fault {
            hand_on(registry, framing, &mut |_| Ok(()), &mut |_| Ok(()))?;
            return reset(client);
        }
        if let Some(Fault::Stall(time)) = fault {
            self.wait(time);
        }
        self.wait(self.delay);
        send(client, &answer.bytes())?;
        let mut received = 0;
        let done = hand_on(
            registry,
            framing,
            &mut |piece| {
                let before = received;
                received += piece.len();
                note.lock().unwrap().received += piece.len() as u64;
                match fault {
                    Some(Fault::Reset(most) | Fault::Truncate(most)) if received >= most => {
                        send(
                            client,
                            &piece[..most.saturating_sub(before).min(piece.len())],
                        )?;
                        Err(ErrorKind::ConnectionAborted.into())
                    }
                    Some(Fault::Garble) if before == 0 => {
                        let mut wrong = piece.to_vec();
                        // Still text where it was text.
                        let middle = wrong.len() / 2;
                        wrong[middle] ^= 1;
                        send(client, &wrong)
                    }
                    Some(Fault::Trickle(size, after)) => {
                        for part in piece.chunks(size) {
                            self.wait(after);
                            send(client, part)?;
                        }
                        Ok(())
                    }
                    _ => send(client, piece),
                }
            },
            &mut |line| send(client, line),
        );
        match (done, fault) {
            // What was sent is not to be lost with the connection.
            (Err(_), Some(Fault::Reset(_))) => {
                self.wait(Duration::from_millis(50));
                reset(client)
            }
            (Err(_), Some(Fault::Truncate(_))) => Ok(false),
            (done, _) => {
                done?;
                Ok(!request.closes() && !answer.closes() && framing != Framing::Open)
            }
        }
    }
}

fn send(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)
}

/// Ends a connection as a machine that has fallen over.
fn reset(client: &TcpStream) -> io::Result<bool> {
    set_socket_linger(client, Some(Duration::ZERO))?;
    // It happens when the last handle goes, with the thread.
    Err(ErrorKind::ConnectionReset.into())
}
