//! `crossfile.lock`: base images by their digests, for each reference and architecture, and QEMU's handlers by their checksums.
//!
//! [`Lock::parse`] reads the file and [`Lock::to_text`] writes it, sorted, so that the same content is the same bytes and two
//! branches that lock different images merge. Nothing here asks a registry or touches the disk.

mod handlers;
mod read;

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use handlers::LockedHandler;

/// The file's name. It lies beside the nearest `crossfile.toml`.
pub const FILE_NAME: &str = "crossfile.lock";

/// The version of the form that is read and written.
const SCHEMA: i64 = 1;

const TITLE: &str =
    "# Base images by their digests. Written by `crossfile bases --lock`; do not edit.\n";

/// The same for the part with handlers.
const HANDLERS_TITLE: &str =
    "# QEMU's handlers by their checksums. Written by `crossfile qemu fetch`; do not edit.\n";

/// Base images by their digests, and handlers by their checksums.
///
/// ```
/// use crossfile::lock::{Lock, Pin};
///
/// let digest = format!("sha256:{}", "0".repeat(64));
/// let mut lock = Lock::default();
/// lock.insert("docker.io/library/alpine:3.22", "amd64", Pin::new(&digest));
/// let source = crossfile::Source::new("crossfile.lock", lock.to_text());
/// assert_eq!(Lock::parse(&source).unwrap(), lock);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    images: BTreeMap<String, LockedImage>,
    /// By the architecture that they run on and QEMU's name of what they emulate.
    handlers: BTreeMap<String, BTreeMap<String, LockedHandler>>,
}

/// What is locked of one reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockedImage {
    /// The digest of the index; nothing where the reference is a single image.
    pub index: Option<String>,
    /// The image for each architecture.
    pub pins: BTreeMap<String, Pin>,
}

/// The image that an architecture gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pin {
    /// The digest of its manifest.
    pub digest: String,
    /// What was taken in the place of an image that is not there.
    pub instead: Option<Instead>,
}

/// What is taken in the place of an image that is not there for an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instead {
    /// The complete reference.
    pub reference: String,
    /// The platform that it is for.
    pub platform: String,
}

impl Pin {
    /// A digest.
    pub fn new(digest: impl Into<String>) -> Pin {
        Pin {
            digest: digest.into(),
            instead: None,
        }
    }

    /// The same, of another image than was asked for.
    #[must_use]
    pub fn instead(mut self, reference: impl Into<String>, platform: impl Into<String>) -> Pin {
        self.instead = Some(Instead {
            reference: reference.into(),
            platform: platform.into(),
        });
        self
    }
}

impl Lock {
    /// What is locked, by complete references.
    pub fn images(&self) -> impl Iterator<Item = (&str, &LockedImage)> {
        let images = self.images.iter();
        images.map(|(reference, image)| (reference.as_str(), image))
    }

    /// Whether nothing is locked.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.handlers.is_empty()
    }

    /// What is locked of a complete reference.
    pub fn get(&self, reference: &str) -> Option<&LockedImage> {
        self.images.get(reference)
    }

    /// The image of a complete reference for an architecture.
    pub fn pin(&self, reference: &str, arch: &str) -> Option<&Pin> {
        self.images.get(reference)?.pins.get(arch)
    }

    /// Locks the image of a complete reference for an architecture.
    pub fn insert(&mut self, reference: &str, arch: &str, pin: Pin) {
        let image = self.images.entry(reference.to_string()).or_default();
        image.pins.insert(arch.to_string(), pin);
    }

    /// Says the index that a reference is; nothing where it is a single image.
    pub fn set_index(&mut self, reference: &str, index: Option<String>) {
        if let Some(image) = self.images.get_mut(reference) {
            image.index = index;
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        // Handlers alone are not images.
        let title = match self.images.is_empty() && !self.handlers.is_empty() {
            true => HANDLERS_TITLE,
            false => TITLE,
        };
        let mut text = format!("{title}schema = {SCHEMA}\n");
        for (reference, image) in &self.images {
            let _ = writeln!(text, "\n[{}]", quoted(reference));
            if let Some(index) = &image.index {
                let _ = writeln!(text, "index = {}", quoted(index));
            }
            for (arch, pin) in &image.pins {
                let digest = quoted(&pin.digest);
                let value = match &pin.instead {
                    None => digest,
                    Some(Instead {
                        reference,
                        platform,
                    }) => format!(
                        "{{ digest = {digest}, reference = {}, platform = {} }}",
                        quoted(reference),
                        quoted(platform)
                    ),
                };
                let _ = writeln!(text, "{} = {value}", key(arch));
            }
        }
        for (at, (host, handlers)) in self.handlers.iter().enumerate() {
            let title = match at == 0 && !self.images.is_empty() {
                true => HANDLERS_TITLE,
                false => "",
            };
            let _ = writeln!(text, "\n{title}[{}.{}]", handlers::TABLE, key(host));
            for (qemu, handler) in handlers {
                let _ = writeln!(text, "{} = {}", key(qemu), handler.to_text());
            }
        }
        text
    }
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !name.is_empty() && name.chars().all(bare) {
        true => name.to_string(),
        false => quoted(name),
    }
}

fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's.
    serde_json::Value::from(text).to_string()
}

/// Whether a text is a digest.
///
/// Source: OCI image specification, descriptor.md, "Registered algorithms".
pub(crate) fn is_digest(text: &str) -> bool {
    let digits = match text.split_once(':') {
        Some(("sha256", digits)) if digits.len() == 64 => digits,
        Some(("sha512", digits)) if digits.len() == 128 => digits,
        _ => return false,
    };
    let small_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits.bytes().all(small_hex)
}
