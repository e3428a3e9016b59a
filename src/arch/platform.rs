//! One OCI platform: what an image is built for and what an index entry says it runs on.
//!
//! Text goes in through [`Platform::parse`] or [`FromStr`], JSON through serde. A [`Platform`] comes out, and
//! [`Platform::normalize`] gives the form in which two of them may be compared. Text comes back through [`Display`]
//! and [`Platform::format_all`].
//!
//! What always holds: nothing is read from the machine. The host is an argument.
//!
//! The rules are those of containerd/platforms at 09756f59 (`platforms.go`, `database.go`). Four differ on purpose:
//! - an empty `os` stays empty, because there is no host to fill it from;
//! - a percent escape that decodes to invalid UTF-8 is an error, because a Rust string cannot hold it;
//! - [`Platform::format_all`] escapes every byte that the grammar refuses, so what was parsed can be parsed again;
//! - the parts are joined by `/` and nothing is cleaned as a path, so an architecture named `..` stays visible.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An OCI platform. An absent `variant` or `os_version` is the empty string.
///
/// The JSON form is the `platform` object of the OCI image index: `architecture`, `os`, `os.version`, `os.features`,
/// `variant`, in this order. Empty optional ones are left out. A missing or `null` member reads as empty, as it does
/// in Go, so that one odd entry does not make a whole index unreadable.
///
/// The derived order is by os, architecture, variant and so on. It makes output stable and is no preference: that is
/// [`Matcher::compare`](crate::arch::matcher::Matcher::compare).
///
/// ```
/// use crossfile::arch::platform::Platform;
///
/// let host = Platform::new("linux", "amd64", "");
/// let arm: Platform = "linux/arm64/v8".parse()?;
/// assert_eq!(arm.normalize(), Platform::new("linux", "arm64", ""));
/// assert_eq!(Platform::parse("Aarch64", &host)?.to_string(), "linux/arm64");
/// # Ok::<(), crossfile::arch::platform::ParsePlatformError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(from = "OciPlatform", into = "OciPlatform")]
pub struct Platform {
    /// The operating system in Go's words, such as `linux` or `windows`.
    pub os: String,
    /// The architecture in Go's words, such as `amd64` or `arm`.
    pub architecture: String,
    /// The variant, such as `v7` beside `arm`. Empty when absent.
    pub variant: String,
    /// `os.version`, such as `10.0.20348.3091` beside `windows`. Empty when absent.
    pub os_version: String,
    /// `os.features`, such as `win32k`, in the order given.
    pub os_features: Vec<String>,
}

/// Why a text is no platform. Every variant ends with the whole text; one that blames a piece has that before it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParsePlatformError {
    /// A `*` stands somewhere.
    #[error("`{0}` has a wildcard; write one platform, such as `linux/amd64`")]
    Wildcard(String),
    /// Nothing stands before, between or after the slashes.
    #[error("`{0}` has an empty part; write `os/architecture[/variant]`")]
    EmptyPart(String),
    /// What stands before the first slash is not `os` or `os(version+feature)`.
    #[error(
        "`{0}` in `{1}` is not an operating system; write letters, digits, `_` and `-`, then perhaps `(version+feature)`"
    )]
    Os(String, String),
    /// An architecture or variant has a character that is not allowed.
    #[error(
        "`{0}` in `{1}` is not an architecture or variant; write letters, digits, `_`, `.` and `-`"
    )]
    Part(String, String),
    /// In an os version or os feature, a `%` is not followed by two hexadecimal digits.
    #[error("`{0}` in `{1}` has a broken percent escape; write a literal `%` as `%25`")]
    Escape(String, String),
    /// The percent escapes of an os version or os feature decode to bytes that are not UTF-8.
    #[error("`{0}` in `{1}` decodes to bytes that are not utf-8; escape utf-8 bytes only")]
    NotUtf8(String, String),
    /// Two `+` stand next to each other, or one stands at the end of the list.
    #[error("`{0}` has an empty os feature; remove the extra `+`")]
    EmptyFeature(String),
    /// A single word that is neither an operating system nor an architecture.
    #[error(
        "`{0}` is neither a known operating system nor a known architecture; write `os/architecture[/variant]`"
    )]
    Unknown(String),
    /// A single word where there is no host to supply the other half.
    #[error("`{0}` names only half a platform; write `os/architecture[/variant]`")]
    Incomplete(String),
    /// More than three parts.
    #[error("`{0}` has more than three parts; write `os/architecture[/variant]`")]
    TooManyParts(String),
}

impl Platform {
    /// A platform without os version and os features. Nothing is checked or normalized.
    pub fn new(
        os: impl Into<String>,
        architecture: impl Into<String>,
        variant: impl Into<String>,
    ) -> Self {
        let (os, architecture, variant) = (os.into(), architecture.into(), variant.into());
        Self {
            os,
            architecture,
            variant,
            ..Self::default()
        }
    }

    /// Reads `os[(version[+feature]*)]`, `architecture`, or `os[(…)]/architecture[/variant]`.
    ///
    /// `host` supplies the half that a single word leaves out. Its variant is taken only for 32-bit ARM other than v7.
    /// Names are lower-cased and containerd's aliases resolved; two or three parts need not be known names. So
    /// `linux/x64` is accepted: be stricter where users write.
    ///
    /// # Errors
    /// Every variant of [`ParsePlatformError`]; `Incomplete` only when `host` lacks the half that is needed.
    ///
    /// Source: containerd/platforms `Parse`.
    pub fn parse(input: &str, host: &Platform) -> Result<Self, ParsePlatformError> {
        let text = || input.to_owned();
        if input.contains('*') {
            return Err(ParsePlatformError::Wildcard(text()));
        }
        let mut parts = input.split('/');
        let first = parts.next().unwrap_or_default();
        let mut platform = parse_os(first, input)?;
        // Three are enough to tell two from too many.
        let rest: Vec<&str> = parts.take(3).collect();
        for part in &rest {
            if part.is_empty() {
                return Err(ParsePlatformError::EmptyPart(text()));
            }
            if !part.bytes().all(is_part_byte) {
                return Err(ParsePlatformError::Part((*part).to_owned(), text()));
            }
        }
        (platform.architecture, platform.variant) = match rest.as_slice() {
            [] if is_known_os(&platform.os) => {
                let host = host.normalize();
                let keep = host.architecture == "arm" && host.variant != "v7";
                (
                    host.architecture,
                    if keep { host.variant } else { String::new() },
                )
            }
            [] => {
                let named = normalize_short_arch(first);
                if !is_known_arch(&named.0) {
                    return Err(ParsePlatformError::Unknown(text()));
                }
                platform.os = normalize_os(&host.os);
                named
            }
            [architecture] => normalize_short_arch(architecture),
            [architecture, variant] => match normalize_arch(architecture, variant) {
                // Whoever writes a variant for arm64 sees one again.
                (arm64, variant) if arm64 == "arm64" && variant.is_empty() => (arm64, "v8".into()),
                other => other,
            },
            _ => return Err(ParsePlatformError::TooManyParts(text())),
        };
        // Only a host can have left one of them out.
        if platform.os.is_empty() || platform.architecture.is_empty() {
            return Err(ParsePlatformError::Incomplete(text()));
        }
        Ok(platform)
    }

    /// The form to compare: names in lower case, aliases resolved, default variants in one spelling (`arm` gains `v7`,
    /// `arm64/v8` and `amd64/v1` lose theirs), features sorted without repeats. Doing it twice changes nothing more.
    ///
    /// Source: containerd/platforms `Normalize`; an empty `os` stays empty.
    #[must_use]
    pub fn normalize(&self) -> Self {
        let mut normal = self.clone();
        normal.os = normalize_os(&self.os);
        (normal.architecture, normal.variant) = normalize_arch(&self.architecture, &self.variant);
        normal.os_features.sort();
        normal.os_features.dedup();
        normal
    }

    /// `os(version+feature)/architecture/variant`: all that [`Display`] says, and the os version and features.
    /// Features are sorted, without repeats and empty ones. `unknown` when `os` is empty.
    ///
    /// Source: containerd/platforms `FormatAll`; more bytes are escaped (see the module).
    pub fn format_all(&self) -> String {
        let mut features: Vec<&String> =
            self.os_features.iter().filter(|f| !f.is_empty()).collect();
        features.sort_unstable();
        features.dedup();
        if self.os.is_empty() || (self.os_version.is_empty() && features.is_empty()) {
            return self.to_string();
        }
        let mut os = format!("{}({}", self.os, encode_option(&self.os_version));
        for feature in features {
            os.push('+');
            os.push_str(&encode_option(feature));
        }
        os.push(')');
        join_parts([&os, &self.architecture, &self.variant])
    }

    /// Whether an image for one is an image for the other: the same os, architecture and variant after normalizing.
    /// Os version and os features do not count.
    ///
    /// Source: docker-library/bashbrew `OCIPlatform.Is`, which expects that the caller has normalized both.
    pub fn same_target(&self, other: &Platform) -> bool {
        normalize_os(&self.os) == normalize_os(&other.os)
            && normalize_arch(&self.architecture, &self.variant)
                == normalize_arch(&other.architecture, &other.variant)
    }
}

/// `os/architecture/variant` without what is empty; `unknown` when `os` is empty. Source: containerd/platforms `Format`.
impl Display for Platform {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.os.is_empty() {
            return f.pad("unknown");
        }
        f.pad(&join_parts([&self.os, &self.architecture, &self.variant]))
    }
}

/// [`Platform::parse`] without a host: a missing half is [`ParsePlatformError::Incomplete`].
impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        Self::parse(input, &Self::default())
    }
}

/// The JSON shape. It is apart from [`Platform`] because the member order of the specification is not the order to
/// sort by.
#[derive(Serialize, Deserialize)]
struct OciPlatform {
    architecture: Option<String>,
    os: Option<String>,
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    os_version: Option<String>,
    #[serde(rename = "os.features", skip_serializing_if = "Option::is_none")]
    os_features: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

impl From<OciPlatform> for Platform {
    fn from(oci: OciPlatform) -> Self {
        Self {
            os: oci.os.unwrap_or_default(),
            architecture: oci.architecture.unwrap_or_default(),
            variant: oci.variant.unwrap_or_default(),
            os_version: oci.os_version.unwrap_or_default(),
            os_features: oci.os_features.unwrap_or_default(),
        }
    }
}

impl From<Platform> for OciPlatform {
    fn from(platform: Platform) -> Self {
        let filled = |text: String| (!text.is_empty()).then_some(text);
        Self {
            // The specification requires these two, so they are written even when empty.
            architecture: Some(platform.architecture),
            os: Some(platform.os),
            os_version: filled(platform.os_version),
            os_features: (!platform.os_features.is_empty()).then_some(platform.os_features),
            variant: filled(platform.variant),
        }
    }
}

fn join_parts(parts: [&str; 3]) -> String {
    let filled: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    filled.join("/")
}

fn is_part_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Everything before the first slash: os, os version and os features.
fn parse_os(part: &str, input: &str) -> Result<Platform, ParsePlatformError> {
    if part.is_empty() {
        return Err(ParsePlatformError::EmptyPart(input.to_owned()));
    }
    let bad = || ParsePlatformError::Os(part.to_owned(), input.to_owned());
    let (name, options) = match part.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')').ok_or_else(bad)?),
        None => (part, ""),
    };
    let in_name = |byte| byte != b'.' && is_part_byte(byte);
    let in_options = |byte| is_part_byte(byte) || matches!(byte, b'%' | b'+');
    if name.is_empty() || !name.bytes().all(in_name) || !options.bytes().all(in_options) {
        return Err(bad());
    }
    let (version, list) = options.split_once('+').unwrap_or((options, ""));
    let mut platform = Platform::new(normalize_os(name), "", "");
    platform.os_version = decode_option(version, input)?;
    // A lone `+` is an empty list and no mistake.
    for feature in list.split('+').filter(|_| !list.is_empty()) {
        if feature.is_empty() {
            return Err(ParsePlatformError::EmptyFeature(input.to_owned()));
        }
        platform.os_features.push(decode_option(feature, input)?);
    }
    Ok(platform)
}

fn decode_option(option: &str, input: &str) -> Result<String, ParsePlatformError> {
    let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(option.len());
    let mut bytes = option.bytes();
    while let Some(mut byte) = bytes.next() {
        if byte == b'%' {
            let digits = hex(bytes.next()).zip(hex(bytes.next()));
            byte = digits
                .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
                .ok_or_else(|| ParsePlatformError::Escape(option.to_owned(), input.to_owned()))?;
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded)
        .map_err(|_| ParsePlatformError::NotUtf8(option.to_owned(), input.to_owned()))
}

fn encode_option(option: &str) -> String {
    let mut encoded = String::with_capacity(option.len());
    for byte in option.bytes() {
        if is_part_byte(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Source: containerd/platforms `isKnownOS`.
#[rustfmt::skip]
fn is_known_os(os: &str) -> bool {
    matches!(
        os,
        "aix" | "android" | "darwin" | "dragonfly" | "freebsd" | "hurd" | "illumos" | "ios" | "js" | "linux" | "nacl"
            | "netbsd" | "openbsd" | "plan9" | "solaris" | "windows" | "zos"
    )
}

/// Source: containerd/platforms `isKnownArch`.
#[rustfmt::skip]
fn is_known_arch(architecture: &str) -> bool {
    matches!(
        architecture,
        "386" | "amd64" | "amd64p32" | "arm" | "arm64" | "arm64be" | "armbe" | "loong64" | "mips" | "mips64"
            | "mips64le" | "mips64p32" | "mips64p32le" | "mipsle" | "ppc" | "ppc64" | "ppc64le" | "riscv" | "riscv64"
            | "s390" | "s390x" | "sparc" | "sparc64" | "wasm"
    )
}

fn normalize_os(os: &str) -> String {
    let os = os.to_lowercase();
    if os == "macos" {
        "darwin".to_owned()
    } else {
        os
    }
}

/// Source: containerd/platforms `normalizeArch`. Its `armel` is v6, where Debian's is v5.
fn normalize_arch(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_lowercase(), variant.to_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

/// An architecture given without a variant: 32-bit ARM keeps its variant only where it is not the default.
fn normalize_short_arch(architecture: &str) -> (String, String) {
    let (architecture, mut variant) = normalize_arch(architecture, "");
    if architecture == "arm" && variant == "v7" {
        variant.clear();
    }
    (architecture, variant)
}
