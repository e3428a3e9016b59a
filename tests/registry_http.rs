//! The transport over the net, against servers of this machine that say what they are told to.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its server should panic"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossfile::registry::{
    Body, Http, HttpOptions, Method, Request, Response, Transport, TransportError,
};

/// A server that answers every request of a connection with the same bytes, and hangs where there are none.
struct Server {
    port: u16,
    /// The heads of the requests, of each connection one list.
    heads: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Server {
    fn new(answer: &'static str) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let all = heads.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, all) = (stream.unwrap(), all.clone());
                thread::spawn(move || serve(&stream, answer, &all));
            }
        });
        Server { port, heads }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v2/", self.port)
    }

    fn heads(&self) -> Vec<Vec<String>> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, answer: &str, all: &Mutex<Vec<Vec<String>>>) {
    let number = {
        let mut all = all.lock().unwrap();
        all.push(Vec::new());
        all.len() - 1
    };
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            head.push_str(&line.to_lowercase());
            line.clear();
        }
        if head.is_empty() {
            return;
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.trim().parse().unwrap());
        reader
            .by_ref()
            .take(length)
            .read_to_end(&mut Vec::new())
            .unwrap();
        all.lock().unwrap()[number].push(head);
        if answer.is_empty() {
            thread::sleep(Duration::from_secs(30));
        }
        let mut out = stream;
        out.write_all(answer.as_bytes()).unwrap();
        if answer.contains("close") {
            return;
        }
    }
}

fn http() -> Http {
    Http::new(HttpOptions::default()).unwrap()
}

fn ask<'a>(
    http: &Http,
    method: Method,
    url: &'a str,
    body: Body<'a>,
) -> Result<Response, TransportError> {
    http.send(Request {
        method,
        url,
        headers: vec![("user-agent", "test".to_string())],
        body,
    })
}

fn text(mut response: Response) -> String {
    let mut text = String::new();
    response.body.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn answers_are_handed_on_as_they_are_and_connections_kept() {
    let server = Server::new(
        "HTTP/1.1 307 Moved\r\nLocation: /x\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody",
    );
    let http = http();
    for _ in 0..3 {
        let response = ask(&http, Method::Get, &server.url(), Body::Empty).unwrap();
        assert_eq!(response.status, 307);
        assert_eq!(response.header("location"), Some("/x"));
        assert_eq!(text(response), "body");
    }
    let heads = server.heads();
    assert_eq!(heads.len(), 1, "one connection");
    assert_eq!(heads[0].len(), 3);
    assert!(
        heads[0][0].starts_with("get /v2/ http/1.1\r\n"),
        "{heads:?}"
    );
    for field in ["user-agent: test\r\n", "accept-encoding: identity\r\n"] {
        assert_eq!(heads[0][0].matches(field).count(), 1, "{heads:?}");
    }
}

#[test]
fn every_body_says_how_long_it_is() {
    let server = Server::new("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    let http = http();
    let mut content = &b"a stream"[..];
    let url = server.url();
    for (method, body) in [
        (Method::Post, Body::Empty),
        (Method::Put, Body::Empty),
        (Method::Put, Body::Bytes(b"bytes")),
        (Method::Put, Body::Bytes(b"")),
        (Method::Put, Body::Reader(&mut content, 8)),
    ] {
        assert_eq!(ask(&http, method, &url, body).unwrap().status, 201);
    }
    let heads = server.heads().concat();
    let lengths: Vec<_> = heads
        .iter()
        .map(|head| head.lines().find(|line| line.starts_with("content-length")))
        .collect();
    assert_eq!(
        lengths,
        ["0", "0", "5", "0", "8"].map(|length| {
            Some(match length {
                "0" => "content-length: 0",
                "5" => "content-length: 5",
                _ => "content-length: 8",
            })
        })
    );
    assert!(!heads.concat().contains("chunked"));
}

#[test]
fn what_breaks_may_be_tried_again_and_what_is_refused_may_not() {
    let http = http();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v2/", closed.local_addr().unwrap());
    drop(closed);
    let refused = ask(&http, Method::Get, &url, Body::Empty).err().unwrap();
    assert!(matches!(refused, TransportError::Broken(_)), "{refused}");

    let short =
        Server::new("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nbody");
    let mut response = ask(&http, Method::Get, &short.url(), Body::Empty).unwrap();
    assert!(response.body.read_to_end(&mut Vec::new()).is_err());

    // What plain HTTP says to a handshake.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/v2/", plain.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        stream.write_all(answer).unwrap();
        stream.read_to_end(&mut Vec::new())
    });
    let refused = ask(&http, Method::Get, &url, Body::Empty).err().unwrap();
    assert_eq!(
        refused,
        TransportError::Refused("it speaks no TLS".to_string())
    );

    let nowhere = ask(&http, Method::Get, "https:///v2/", Body::Empty)
        .err()
        .unwrap();
    assert!(matches!(nowhere, TransportError::Refused(_)), "{nowhere}");
}

#[test]
fn what_hangs_ends_when_everything_is_called_off() {
    let hangs = Server::new("");
    let stalls = Server::new("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody");
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = cancelled.clone();
    let mut options = HttpOptions::default();
    options.cancelled = Arc::new(move || flag.load(Ordering::SeqCst));
    let http = Arc::new(Http::new(options).unwrap());
    let mut stalled = ask(&http, Method::Get, &stalls.url(), Body::Empty).unwrap();
    let reads = thread::spawn(move || stalled.body.read_to_end(&mut Vec::new()));
    let (asks, url) = (http.clone(), hangs.url());
    let asks = thread::spawn(move || ask(&asks, Method::Get, &url, Body::Empty).err());
    let pauses = http.clone();
    let pauses = thread::spawn(move || pauses.pause(Duration::from_secs(60)));
    thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    cancelled.store(true, Ordering::SeqCst);
    assert_eq!(asks.join().unwrap(), Some(TransportError::Cancelled));
    assert!(reads.join().unwrap().is_err());
    pauses.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    let after = ask(&http, Method::Get, &stalls.url(), Body::Empty).err();
    assert_eq!(after, Some(TransportError::Cancelled));
}
