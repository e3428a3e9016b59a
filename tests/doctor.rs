//! `crossfile doctor`: what the library makes of programs' recorded answers, and what the command makes of programs and registries of
//! the test's own.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its folder should panic"
)]

#[path = "doctor/command.rs"]
mod command;
#[path = "doctor/recorded.rs"]
mod recorded;
#[path = "doctor/server.rs"]
mod server;
mod support;
