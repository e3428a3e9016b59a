//! Host detection, with evidence as real machines, images and emulators give it.

#![allow(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as the test itself may"
)]

use crossfile::arch::host::{HostError, HostEvidence, cpu_variant, detect};

fn linux(machine: &str, pointer_width: u32) -> HostEvidence {
    HostEvidence {
        os: "linux".into(),
        machine: machine.into(),
        pointer_width,
        little_endian: true,
        ..HostEvidence::default()
    }
}

fn on(os: &str, machine: &str, pointer_width: u32) -> HostEvidence {
    HostEvidence {
        os: os.into(),
        ..linux(machine, pointer_width)
    }
}

fn dpkg(machine: &str, pointer_width: u32, arch: &str, id: &str) -> HostEvidence {
    HostEvidence {
        dpkg_arch: Some(arch.into()),
        os_release_id: Some(id.into()),
        ..linux(machine, pointer_width)
    }
}

fn apk(machine: &str, pointer_width: u32, arch: &str) -> HostEvidence {
    HostEvidence {
        apk_arch: Some(arch.into()),
        ..linux(machine, pointer_width)
    }
}

#[track_caller]
fn check(evidence: &HostEvidence, platform: &str, how: &str) {
    let host = detect(evidence).unwrap();
    assert_eq!(
        (host.platform.to_string().as_str(), host.how.as_str()),
        (platform, how)
    );
}

#[test]
fn package_managers_come_before_the_kernel() {
    check(
        &apk("armv7l", 32, "armhf\n"),
        "linux/arm/v6",
        "/etc/apk/arch says `armhf`",
    );
    check(
        &apk("aarch64", 32, "armv7\n"),
        "linux/arm/v7",
        "/etc/apk/arch says `armv7`",
    );
    check(
        &apk("x86_64", 32, "x86\nx86_64\n"),
        "linux/386",
        "/etc/apk/arch says `x86`",
    );
    check(
        &dpkg("x86_64", 32, "i386", "debian"),
        "linux/386",
        "the installed dpkg says `i386`",
    );
    check(
        &dpkg("armv7l", 32, "armel", "debian"),
        "linux/arm/v5",
        "the installed dpkg says `armel`",
    );
    check(
        &dpkg("armv7l", 32, "armhf", "debian"),
        "linux/arm/v7",
        "the installed dpkg says `armhf`",
    );
    check(
        &dpkg("aarch64", 64, "arm64", "ubuntu"),
        "linux/arm64/v8",
        "the installed dpkg says `arm64`",
    );
    check(
        &dpkg("mips64", 64, "mips64el", "debian"),
        "linux/mips64le",
        "the installed dpkg says `mips64el`",
    );
    let how = "the installed dpkg says `armhf`, which is v6 on raspbian";
    check(
        &dpkg("armv7l", 32, "armhf", "raspbian"),
        "linux/arm/v6",
        how,
    );
    check(
        &dpkg("aarch64", 32, "armhf", "\"raspbian\"\n"),
        "linux/arm/v6",
        how,
    );
    // Debian's dpkg can be installed on Alpine.
    let both = HostEvidence {
        apk_arch: Some("armhf".into()),
        ..dpkg("armv7l", 32, "armel", "alpine")
    };
    check(&both, "linux/arm/v6", "/etc/apk/arch says `armhf`");
}

#[test]
fn unknown_or_foreign_package_managers_do_not_count() {
    check(
        &apk("x86_64", 64, " \n"),
        "linux/amd64",
        "uname -m says `x86_64`",
    );
    check(
        &dpkg("x86_64", 64, "musl-linux-amd64", "x"),
        "linux/amd64",
        "uname -m says `x86_64`",
    );
    let fink = HostEvidence {
        dpkg_arch: Some("i386".into()),
        ..on("macos", "arm64", 64)
    };
    check(&fink, "darwin/arm64/v8", "uname -m says `arm64`");
}

#[test]
fn the_kernel_is_read_with_the_width_of_the_program() {
    check(
        &linux("x86_64\n", 64),
        "linux/amd64",
        "uname -m says `x86_64`",
    );
    check(
        &linux("x86_64", 32),
        "linux/386",
        "uname -m says `x86_64` and this program is 32-bit",
    );
    check(&linux("i686", 32), "linux/386", "uname -m says `i686`");
    check(
        &linux("aarch64", 64),
        "linux/arm64/v8",
        "uname -m says `aarch64`",
    );
    check(
        &linux("aarch64", 32),
        "linux/arm/v7",
        "uname -m says `aarch64` and this program is 32-bit",
    );
    let how = "uname -m says `armv8l` and 32-bit arm on such a kernel takes v7";
    check(&linux("armv8l", 32), "linux/arm/v7", how);
    check(
        &linux("armv7l", 32),
        "linux/arm/v7",
        "uname -m says `armv7l`",
    );
    check(
        &linux("armv5tejl", 32),
        "linux/arm/v5",
        "uname -m says `armv5tejl`",
    );
    check(&linux("s390x", 64), "linux/s390x", "uname -m says `s390x`");
    check(
        &linux("loongarch64", 64),
        "linux/loong64",
        "uname -m says `loongarch64`",
    );
    check(
        &linux("ppc64", 32),
        "linux/ppc",
        "uname -m says `ppc64` and this program is 32-bit",
    );
    // An old Raspberry Pi's processor claims to be a 7.
    let pi = HostEvidence {
        cpu_architecture: Some("7".into()),
        ..linux("armv6l", 32)
    };
    check(&pi, "linux/arm/v6", "uname -m says `armv6l`");
}

#[test]
fn mips_needs_the_byte_order() {
    let big = |machine, width| HostEvidence {
        little_endian: false,
        ..linux(machine, width)
    };
    assert_eq!(
        detect(&linux("mips64", 64)).unwrap().platform.architecture,
        "mips64le"
    );
    assert_eq!(
        detect(&big("mips64", 64)).unwrap().platform.architecture,
        "mips64"
    );
    assert_eq!(
        detect(&linux("mips64", 32)).unwrap().platform.architecture,
        "mipsle"
    );
    let how = "uname -m says `mips` and this program is 32-bit big endian";
    check(&big("mips", 32), "linux/mips", how);
}

#[test]
fn other_systems() {
    check(
        &on("macos", "arm64", 64),
        "darwin/arm64/v8",
        "uname -m says `arm64`",
    );
    check(
        &on("macos", "x86_64", 64),
        "darwin/amd64",
        "uname -m says `x86_64`",
    );
    check(
        &on("windows", "AMD64", 64),
        "windows/amd64",
        "windows says `AMD64`",
    );
    check(
        &on("windows", "AMD64", 32),
        "windows/amd64",
        "windows says `AMD64`",
    );
    check(
        &on("windows", "ARM64", 64),
        "windows/arm64/v8",
        "windows says `ARM64`",
    );
    check(
        &on("freebsd", "amd64", 64),
        "freebsd/amd64",
        "uname -m says `amd64`",
    );
    check(
        &on("freebsd", "arm64", 64),
        "freebsd/arm64/v8",
        "uname -m says `arm64`",
    );
    check(
        &on("freebsd", "arm", 32),
        "freebsd/arm/v7",
        "uname -m says `arm` without a version, which is v7",
    );
    let old = HostEvidence {
        cpu_architecture: Some("6TEJ".into()),
        ..on("netbsd", "arm", 32)
    };
    check(
        &old,
        "netbsd/arm/v6",
        "uname -m says `arm` and /proc/cpuinfo says version 6",
    );
}

#[test]
fn what_is_not_known_is_an_error() {
    for machine in ["", "vax", "armv9l", "armv4tl", "armv", "é"] {
        let error = detect(&linux(machine, 64)).unwrap_err();
        assert_eq!(
            error,
            HostError::UnknownMachine {
                machine: machine.into()
            }
        );
    }
    assert_eq!(
        detect(&on(" ", "x86_64", 64)).unwrap_err(),
        HostError::NoOs {
            machine: "x86_64".into()
        }
    );
    for arch in ["", "arm", "armv", "x86_64", "é"] {
        assert_eq!(
            cpu_variant(arch),
            Err(HostError::NotArm { arch: arch.into() })
        );
    }
    assert_eq!(cpu_variant("ARMV7L"), Ok("7"));
}
