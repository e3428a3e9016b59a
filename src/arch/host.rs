//! The platform of the running machine, worked out from evidence.
//!
//! The binary gathers [`HostEvidence`] from files and `uname`; [`detect`] turns it into a [`HostPlatform`] with a
//! sentence that says how.
//!
//! What always holds: nothing is read here, so the same evidence gives the same answer on every machine.
//!
//! A package manager is trusted before the kernel. Under emulation `uname -m` describes the emulator: it says `armv7l`
//! inside arm32v6 images and `x86_64` inside i386 ones. The package manager knows what the image was built for.

use thiserror::Error;

use super::platform::Platform;

/// What is known of the running machine. An absent piece is `None`; white space around a piece does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostEvidence {
    /// `std::env::consts::OS`.
    pub os: String,
    /// What `uname -m` prints; on Windows the processor architecture, such as `AMD64`.
    pub machine: String,
    /// The content of `/etc/apk/arch`. Only its first word counts.
    pub apk_arch: Option<String>,
    /// The `Architecture` of the installed package dpkg.
    pub dpkg_arch: Option<String>,
    /// `ID=` of `/etc/os-release`, with or without quotes.
    pub os_release_id: Option<String>,
    /// `CPU architecture` of `/proc/cpuinfo`, such as `7` or `5TEJ`.
    pub cpu_architecture: Option<String>,
    /// The width of a pointer in this program, in bits. Anything but 32 is taken as 64.
    pub pointer_width: u32,
    /// Whether this program is little endian.
    pub little_endian: bool,
}

/// The running machine's platform.
///
/// ```
/// use crossfile::arch::host::{HostEvidence, detect};
///
/// let evidence = HostEvidence {
///     os: "linux".into(),
///     machine: "armv7l".into(),
///     apk_arch: Some("armhf\n".into()),
///     pointer_width: 32,
///     little_endian: true,
///     ..HostEvidence::default()
/// };
/// let host = detect(&evidence)?;
/// assert_eq!(host.platform.to_string(), "linux/arm/v6");
/// assert_eq!(host.how, "/etc/apk/arch says `armhf`");
/// # Ok::<(), crossfile::arch::host::HostError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlatform {
    /// The platform, always with a variant for `arm` and `arm64`.
    pub platform: Platform,
    /// Which evidence decided, as one lower-case sentence without a full stop.
    pub how: String,
}

/// Why the running machine's platform is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostError {
    /// The evidence names no operating system.
    #[error(
        "nothing says which operating system runs on the machine `{machine}`; give the platform as `os/architecture[/variant]`"
    )]
    NoOs {
        /// The machine, as given.
        machine: String,
    },
    /// The machine is none that is known here, and no package manager said more.
    #[error("`{machine}` is not a known machine; give the platform as `os/architecture[/variant]`")]
    UnknownMachine {
        /// The machine, as given.
        machine: String,
    },
    /// A name without an ARM version in it.
    #[error("`{arch}` does not name an arm version; write `aarch64` or a name such as `armv7`")]
    NotArm {
        /// The name, as given.
        arch: String,
    },
}

/// Architecture and variant.
type Arch = (&'static str, &'static str);

/// The platform of the machine that the evidence describes.
///
/// In this order: `/etc/apk/arch`, the installed dpkg, the machine together with this program's width and byte order.
/// A package manager counts only on Linux, and only when its name is known. `armhf` is v6 for Alpine and Raspbian and
/// v7 for other Debians; `armel` is v5. On a 64-bit kernel a 32-bit program stands for a 32-bit system, except on
/// Windows, where such programs are common on 64-bit systems. 32-bit ARM on an ARMv8 kernel is v7, the newest 32-bit
/// variant that images are published for.
///
/// # Errors
/// [`HostError::NoOs`] without an operating system, [`HostError::UnknownMachine`] when nothing known is named.
///
/// Source: names as Alpine, Debian and the kernels print them, variants as docker-library publishes images.
pub fn detect(evidence: &HostEvidence) -> Result<HostPlatform, HostError> {
    // Normalizing knows that `macos` is `darwin`.
    let os = Platform::new(evidence.os.trim(), "", "").normalize().os;
    if os.is_empty() {
        return Err(HostError::NoOs {
            machine: evidence.machine.clone(),
        });
    }
    let found = |(architecture, variant): Arch, how: String| HostPlatform {
        platform: Platform::new(os.as_str(), architecture, variant),
        how,
    };
    if os == "linux" {
        let word = |text: &Option<String>| {
            text.as_deref()
                .and_then(|t| t.split_whitespace().next())
                .map(str::to_owned)
        };
        if let Some(name) = word(&evidence.apk_arch)
            && let Some(arch) = from_apk(&name)
        {
            return Ok(found(arch, format!("/etc/apk/arch says `{name}`")));
        }
        if let Some(name) = word(&evidence.dpkg_arch) {
            let id = evidence.os_release_id.as_deref().unwrap_or_default();
            let raspbian = id
                .trim()
                .trim_matches(['"', '\''])
                .eq_ignore_ascii_case("raspbian");
            if raspbian && name == "armhf" {
                return Ok(found(
                    ("arm", "v6"),
                    "the installed dpkg says `armhf`, which is v6 on raspbian".to_owned(),
                ));
            }
            if let Some(arch) = from_dpkg(&name) {
                return Ok(found(arch, format!("the installed dpkg says `{name}`")));
            }
        }
    }
    let (arch, note) = from_machine(evidence, &os)?;
    let source = if os == "windows" {
        "windows"
    } else {
        "uname -m"
    };
    Ok(found(
        arch,
        format!("{source} says `{}`{note}", evidence.machine.trim()),
    ))
}

/// The ARM version in a machine name: `8` for `aarch64` and `armv8l`, `7` for `armv7l`, down to `3`; `unknown` for any
/// other `armv…`. Case does not matter.
///
/// # Errors
/// [`HostError::NotArm`] when the name is neither `aarch64` nor `armv` with something after it.
///
/// Source: containerd/platforms `getCPUVariantFromArch`.
pub fn cpu_variant(arch: &str) -> Result<&'static str, HostError> {
    let name = arch.to_ascii_lowercase();
    if name == "aarch64" {
        return Ok("8");
    }
    match name
        .strip_prefix("armv")
        .and_then(|version| version.chars().next())
    {
        Some('8') => Ok("8"),
        Some('7') => Ok("7"),
        Some('6') => Ok("6"),
        Some('5') => Ok("5"),
        Some('4') => Ok("4"),
        Some('3') => Ok("3"),
        Some(_) => Ok("unknown"),
        None => Err(HostError::NotArm {
            arch: arch.to_owned(),
        }),
    }
}

fn from_apk(name: &str) -> Option<Arch> {
    Some(match name {
        "x86_64" => ("amd64", ""),
        "x86" => ("386", ""),
        "aarch64" => ("arm64", "v8"),
        "armhf" => ("arm", "v6"),
        "armv7" => ("arm", "v7"),
        "loongarch64" => ("loong64", ""),
        "mips" => ("mips", ""),
        "mips64" => ("mips64", ""),
        "mips64el" => ("mips64le", ""),
        "mipsel" => ("mipsle", ""),
        "ppc" => ("ppc", ""),
        "ppc64" => ("ppc64", ""),
        "ppc64le" => ("ppc64le", ""),
        "riscv64" => ("riscv64", ""),
        "s390x" => ("s390x", ""),
        _ => return None,
    })
}

fn from_dpkg(name: &str) -> Option<Arch> {
    Some(match name {
        "amd64" => ("amd64", ""),
        "i386" => ("386", ""),
        "arm64" => ("arm64", "v8"),
        "armel" => ("arm", "v5"),
        "armhf" => ("arm", "v7"),
        "loong64" => ("loong64", ""),
        "mips" => ("mips", ""),
        "mips64" => ("mips64", ""),
        "mips64el" => ("mips64le", ""),
        "mipsel" => ("mipsle", ""),
        "powerpc" => ("ppc", ""),
        "ppc64" => ("ppc64", ""),
        "ppc64el" => ("ppc64le", ""),
        "riscv64" => ("riscv64", ""),
        "s390x" => ("s390x", ""),
        _ => return None,
    })
}

/// The machine's architecture and, where more than its name decided, the end of the sentence that says so.
fn from_machine(evidence: &HostEvidence, os: &str) -> Result<(Arch, &'static str), HostError> {
    const PROGRAM: &str = " and this program is 32-bit";
    const KERNEL: &str = " and 32-bit arm on such a kernel takes v7";
    let narrow = evidence.pointer_width == 32 && os != "windows";
    let unknown = || HostError::UnknownMachine {
        machine: evidence.machine.clone(),
    };
    let machine = evidence.machine.trim().to_ascii_lowercase();
    Ok(match machine.as_str() {
        "x86_64" | "amd64" | "x64" | "i86pc" if narrow => (("386", ""), PROGRAM),
        "x86_64" | "amd64" | "x64" | "i86pc" => (("amd64", ""), ""),
        "x86" | "i386" | "i486" | "i586" | "i686" => (("386", ""), ""),
        "aarch64" | "arm64" if narrow => (("arm", "v7"), PROGRAM),
        "aarch64" | "arm64" => (("arm64", "v8"), ""),
        "arm" => from_cpu(evidence.cpu_architecture.as_deref()),
        "mips" | "mips64" => match (machine == "mips64" && !narrow, evidence.little_endian) {
            (true, true) => (("mips64le", ""), " and this program is little endian"),
            (true, false) => (("mips64", ""), " and this program is big endian"),
            (false, true) => (("mipsle", ""), " and this program is 32-bit little endian"),
            (false, false) => (("mips", ""), " and this program is 32-bit big endian"),
        },
        "ppc64" | "powerpc64" | "powerpc" if !narrow => (("ppc64", ""), ""),
        "ppc64" | "powerpc64" => (("ppc", ""), PROGRAM),
        "ppc" | "powerpc" => (("ppc", ""), ""),
        "ppc64le" | "powerpc64le" => (("ppc64le", ""), ""),
        "loongarch64" | "loong64" => (("loong64", ""), ""),
        "riscv64" => (("riscv64", ""), ""),
        "s390x" => (("s390x", ""), ""),
        _ => match cpu_variant(&machine).map_err(|_| unknown())? {
            "8" => (("arm", "v7"), KERNEL),
            "7" => (("arm", "v7"), ""),
            "6" => (("arm", "v6"), ""),
            "5" => (("arm", "v5"), ""),
            _ => return Err(unknown()),
        },
    })
}

/// A machine that says `arm` and no more, as FreeBSD's does. The processor may tell. It is asked only here, because
/// some ARMv6 boards say 7 there. Source of v7 otherwise: containerd/platforms `Normalize`.
fn from_cpu(cpu_architecture: Option<&str>) -> (Arch, &'static str) {
    match cpu_architecture.and_then(|cpu| cpu.trim().chars().next()) {
        Some('5') => (("arm", "v5"), " and /proc/cpuinfo says version 5"),
        Some('6') => (("arm", "v6"), " and /proc/cpuinfo says version 6"),
        Some('7') => (("arm", "v7"), " and /proc/cpuinfo says version 7"),
        _ => (("arm", "v7"), " without a version, which is v7"),
    }
}
