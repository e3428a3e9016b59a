//! A registry of the test's own on loopback, which answers one method of uploads as it is told and notes what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Server {
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes images.
    Takes,
    /// It takes images, and cannot take back what was begun.
    Keeps,
    /// It only gives.
    ReadOnly,
    /// It knows who asks and lets nobody write.
    Denies,
    /// It takes images, and is slow to say so.
    Slow,
    /// It says nothing at all.
    Silent,
    /// Its clock is wrong.
    Late,
}

impl Server {
    pub(crate) fn new(manner: Manner) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = notes.clone();
                thread::spawn(move || serve(stream, manner, &notes));
            }
        });
        Server { host, asked }
    }

    /// What it was asked, in an order of its own: several ask side by side.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

fn serve(stream: TcpStream, manner: Manner, notes: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = String::new();
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            line.clear();
        }
        let words: Vec<&str> = head.split(' ').collect();
        let (method, path) = (words[0], words[1]);
        notes.lock().unwrap().push(format!("{method} {path}"));
        if manner == Manner::Silent {
            // Until the other side has had enough.
            let _ = reader.read_line(&mut String::new());
            return;
        }
        if manner == Manner::Slow && method == "POST" {
            thread::sleep(std::time::Duration::from_secs(1));
        }
        let (status, more) = match (method, path, manner) {
            ("GET", "/v2/", Manner::Late) => ("200 OK", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
            ("GET", "/v2/", _) => ("200 OK", ""),
            ("POST", _, Manner::ReadOnly) => ("405 Method Not Allowed", ""),
            ("POST", _, Manner::Denies) => ("403 Forbidden", ""),
            ("POST", ..) => (
                "202 Accepted",
                "Location: /v2/acme/nginx/blobs/uploads/1?_state=x\r\n",
            ),
            ("DELETE", _, Manner::Keeps) => ("405 Method Not Allowed", ""),
            ("DELETE", ..) => ("204 No Content", ""),
            _ => ("404 Not Found", ""),
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{more}\r\n");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
