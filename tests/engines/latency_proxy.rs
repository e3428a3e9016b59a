//! A proxy that a benchmark puts before a registry: it adds a time each way and counts requests.
//!
//!     latency_proxy REGISTRY MILLISECONDS CONNECTING
//!
//! Connections take as many milliseconds as the last says until they are made: a net takes a round trip for that.
//!
//! The first line that it prints is its address. For every line that it reads it prints the requests since the line before,
//! and the most of them of which each began when another was done: the round trips in sequence. It ends with its input.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool of a script, which sees what it says"
)]

mod proxy;

use std::io::{BufRead, Write};
use std::time::Duration;

use proxy::{Proxy, round_trips};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [registry, delay, connecting] = arguments.as_slice() else {
        panic!("usage: latency_proxy REGISTRY MILLISECONDS CONNECTING");
    };
    let time = |text: &str| Duration::from_millis(text.parse().unwrap());
    let proxy = Proxy::with_delay(registry, time(delay), time(connecting));
    println!("{}", proxy.host());
    for line in std::io::stdin().lock().lines() {
        drop(line.unwrap());
        let exchanges = proxy.exchanges();
        println!("{} {}", exchanges.len(), round_trips(&exchanges));
        std::io::stdout().flush().unwrap();
    }
}
