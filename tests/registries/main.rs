//! What crossfile's own client makes of real registries: a docker-registry, one that wants a password and speaks TLS, one of
//! another make, and all of them through a net that is not to be relied on. `tests/engines/provision` starts them.
//!
//! Without engines each test says that it is skipped.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot set up its project should panic, and says when it is skipped"
)]

mod ask;
mod credentials;
mod doctor;
mod faults;
mod interrupts;
#[path = "../engines/lab.rs"]
mod lab;
mod layouts;
mod lies;
#[path = "../engines/proxy.rs"]
mod proxy;
mod read_back;
#[path = "../support/mod.rs"]
mod support;
mod trips;
mod verify;

use lab::{Docker, Lab};
use support::Run;

/// The images of these architectures, each in a repository of its own, at a registry's host.
fn sources(host: &str, arches: &[&str]) -> Vec<String> {
    let names = arches.iter();
    names
        .map(|arch| format!("{host}/{arch}/busybox:1"))
        .collect()
}

impl Lab {
    /// The repository of the image, without its registry.
    fn repository(&self) -> &str {
        self.image.split_once('/').unwrap().1
    }

    /// `crossfile manifest` to tags.
    fn manifest(&self, tags: &[&str], sources: &[String]) -> Run {
        let mut args = vec!["manifest"];
        args.extend(tags.iter().flat_map(|tag| ["--tag", *tag]));
        args.extend(sources.iter().map(String::as_str));
        self.crossfile(Docker::Old, &args)
    }

    /// Has a registry spoken to over TLS.
    fn speak_tls(&self, host: &str) {
        let settings = format!("[registry.\"{host}\"]\nplain-http = false\n");
        self.scratch.write("crossfile.toml", settings);
    }
}
