//! Gathers what is known of the running machine. Only `crossfile arch host` asks.

use std::fs;

use crossfile::arch::HostEvidence;

/// The evidence that [`crossfile::arch::host::detect`] weighs.
pub(crate) fn evidence() -> HostEvidence {
    let read = |path: &str| fs::read_to_string(path).ok();
    let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
    HostEvidence {
        os: std::env::consts::OS.to_string(),
        machine: machine(),
        apk_arch: read("/etc/apk/arch"),
        dpkg_arch: read("/var/lib/dpkg/status").and_then(|status| dpkg_arch(&status)),
        os_release_id: read("/etc/os-release").and_then(|file| {
            let line = file.lines().find_map(|line| line.strip_prefix("ID="));
            line.map(str::to_string)
        }),
        cpu_architecture: cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == "CPU architecture").then(|| value.trim().to_string())
        }),
        pointer_width: usize::BITS,
        little_endian: cfg!(target_endian = "little"),
    }
}

#[cfg(unix)]
fn machine() -> String {
    rustix::system::uname()
        .machine()
        .to_string_lossy()
        .into_owned()
}

#[cfg(not(unix))]
fn machine() -> String {
    std::env::var("PROCESSOR_ARCHITECTURE").unwrap_or_else(|_| std::env::consts::ARCH.to_string())
}

/// The architecture of the installed package dpkg: what `dpkg --print-architecture` prints.
fn dpkg_arch(status: &str) -> Option<String> {
    let stanza = status
        .split("\n\n")
        .find(|stanza| stanza.lines().any(|line| line == "Package: dpkg"))?;
    let line = stanza
        .lines()
        .find_map(|line| line.strip_prefix("Architecture: "));
    line.map(str::to_string)
}
