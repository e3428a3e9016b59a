//! Somebody has enough in the middle of it.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::ask::tagged;
use crate::lab::{Docker, Lab, THREE};
use crate::proxy::{Fault, Proxy, Rule};
use crate::sources;

/// Interrupts `manifest` a while after it has met with this.
fn interrupted(name: &str, method: &'static str, path: &str, fault: Fault) {
    let Some(lab) = Lab::new(&format!("interrupt-{name}")) else {
        return;
    };
    let image = format!("{}:1", lab.image);
    lab.manifest(&[&image], &sources(&lab.registry, &["i386"]))
        .succeeds();
    let old = tagged(&lab.registry, lab.repository(), "1");
    assert!(old.is_some());
    let proxy = Proxy::new(&lab.registry);
    let path = path.replace("REPOSITORY", lab.repository());
    proxy.rule(Rule::new(method, &path, fault));
    let mut command = lab.unbounded(Docker::Old, env!("CARGO_BIN_EXE_crossfile"));
    let tag = format!("{}/{}:1", proxy.host(), lab.repository());
    command
        .args(["manifest", "--tag", &tag])
        .args(sources(&proxy.host(), THREE));
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    sleep(Duration::from_millis(1500));
    assert_eq!(child.try_wait().unwrap(), None, "it has ended by itself");
    let start = Instant::now();
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    while child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(10));
    }
    let taken = start.elapsed();
    // One that does not end is not to outlive the test.
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(taken < Duration::from_secs(2), "{taken:?} {said}");
    assert_eq!(tagged(&lab.registry, lab.repository(), "1"), old, "{said}");
}

#[test]
fn while_a_manifest_does_not_come() {
    let stall = Fault::Stall(Duration::from_secs(60));
    interrupted("stall", "GET", "/arm32v7/busybox/manifests/1", stall);
}

#[test]
fn while_a_manifest_trickles() {
    let trickle = Fault::Trickle(1, Duration::from_millis(100));
    interrupted("trickle", "GET", "/arm32v7/busybox/manifests/1", trickle);
}

#[test]
fn while_an_image_is_put() {
    let stall = Fault::Stall(Duration::from_secs(60));
    interrupted("put", "PUT", "/v2/REPOSITORY/manifests/sha256:", stall);
}

#[test]
fn while_a_registry_wants_us_to_wait() {
    let later = Fault::Status(429, Some(60));
    interrupted("wait", "POST", "/v2/REPOSITORY/blobs/uploads/", later);
}
