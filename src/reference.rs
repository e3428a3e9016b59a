//! References of images, as texts.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The registry of references that name none.
const DEFAULT: &str = "docker.io";

/// A complete reference, taken apart. `alpine` is `docker.io/library/alpine:latest`.
///
/// Source: distribution/reference, `ParseDockerRef`.
///
/// ```
/// use crossfile::reference::Parts;
///
/// let parts: Parts = "arm32v7/alpine:3.22".parse().unwrap();
/// assert_eq!(parts.to_string(), "docker.io/arm32v7/alpine:3.22");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Parts<D = String> {
    /// The registry's host, with its port where one is said: `docker.io`, `127.0.0.1:5000`.
    pub registry: String,
    /// The repository: `library/alpine`.
    pub repository: String,
    /// The tag; nothing where only a digest is said.
    pub tag: Option<String>,
    /// The digest, which counts where both are there. As a text it was not looked at.
    pub digest: Option<D>,
}

impl FromStr for Parts {
    type Err = String;

    fn from_str(text: &str) -> Result<Parts, String> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_string())),
            None => (text, None),
        };
        // A tag beside a digest is for people: the digest counts.
        check(name)?;
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[last..].split_once(':') {
            Some((_, tag)) => (&name[..name.len() - tag.len() - 1], Some(tag.to_string())),
            None => (name, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, rest.to_string())
            }
            _ => (DEFAULT, name.to_string()),
        };
        let registry = match registry {
            "index.docker.io" | "registry-1.docker.io" => DEFAULT,
            other => other,
        };
        let repository = match registry == DEFAULT && !repository.contains('/') {
            true => format!("library/{repository}"),
            false => repository,
        };
        let tag = match (&digest, tag) {
            (None, None) => Some("latest".to_string()),
            (_, tag) => tag,
        };
        Ok(Parts {
            registry: registry.to_string(),
            repository,
            tag,
            digest,
        })
    }
}

impl<D: fmt::Display> fmt::Display for Parts<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// Checks that a text is a reference of an image.
///
/// # Errors
/// What is wrong with it.
pub fn check(text: &str) -> Result<(), String> {
    // Docker takes a first part in capitals for a registry, though none of that name is on any network.
    let first = text.split('/').next().unwrap_or_default();
    if text.contains('/') && !first.contains(['.', ':']) && first.to_lowercase() != first {
        return Err(format!(
            "`{text}` is not a reference of an image: `{first}` is not lower case"
        ));
    }
    let name = text.rsplit('/').next().unwrap_or_default();
    if name.contains(':') && name.contains('@') {
        return Err(format!(
            "`{text}` has a tag and a digest: it takes one of them"
        ));
    }
    // The crate compiles a pattern, which takes longer than all else that a command does before it speaks to a registry.
    if is_plainly_right(text) {
        return Ok(());
    }
    match oci_spec::distribution::Reference::from_str(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("`{text}` is not a reference of an image: {error}")),
    }
}

/// Whether a text is of the forms that references have nearly always. What is of another is for the crate to judge.
///
/// Source: distribution/reference, `regexp.go`.
fn is_plainly_right(text: &str) -> bool {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let is_sha256 = |digest: &str| {
        let digits = digest.strip_prefix("sha256:").unwrap_or_default();
        digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match name[last..].split_once(':') {
        Some((_, tag)) => (&name[..name.len() - tag.len() - 1], Some(tag)),
        None => (name, None),
    };
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_tag = |tag: &str| {
        let mut bytes = tag.bytes();
        tag.len() <= 128
            && bytes.next().is_some_and(is_word)
            && bytes.all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
    };
    // Single separators between letters and digits: what all hosts and paths may have.
    let is_parted = |text: &str, separators: &[char], upper: bool| {
        text.split(separators).all(|part| {
            let fits = |byte: u8| match upper {
                true => byte.is_ascii_alphanumeric(),
                false => byte.is_ascii_digit() || byte.is_ascii_lowercase(),
            };
            !part.is_empty() && part.bytes().all(fits)
        })
    };
    let is_host = |text: &str| {
        let (host, port) = text.split_once(':').unwrap_or((text, "0"));
        is_parted(host, &['.', '-'], true)
            && !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_path = |text: &str| {
        text.split('/')
            .all(|part| is_parted(part, &['.', '_', '-'], false))
    };
    let is_name = match name.split_once('/') {
        Some((first, rest)) => is_host(first) && is_path(rest) || is_path(name),
        None => is_path(name),
    };
    name.len() <= 200 && is_name && tag.is_none_or(is_tag) && digest.is_none_or(is_sha256)
}

/// Whether a registry is on this machine: it is spoken to in plain HTTP.
pub fn is_loopback(reference: &str) -> bool {
    let host = reference.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn crate_says(text: &str) -> bool {
        oci_spec::distribution::Reference::from_str(text).is_ok()
    }

    #[test]
    fn what_is_usual_is_plainly_right() {
        let digest = format!("alpine@sha256:{}", "0a".repeat(32));
        for text in [
            "alpine",
            "alpine:3.22",
            "arm32v7/alpine:3.22",
            "ghcr.io/acme/my-tool:v1.0_rc-1",
            "127.0.0.1:5000/a/b_c/d:latest",
            &digest,
        ] {
            assert!(is_plainly_right(text) && crate_says(text), "{text}");
        }
        for text in [
            "",
            "a b",
            "Alpine",
            "alpine:",
            "a//b",
            "a/b:",
            "a:b:c",
            "a@sha256:12",
            "ä",
            "a:ä",
            "-a",
            "a-",
            "a:-b",
        ] {
            assert!(!is_plainly_right(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_plainly_right_is_right(text in "([a-zA-Z0-9]{1,2}|[a-z0-9]|[-._/:@]|sha256:[0-9a-f]{64}){1,12}") {
            prop_assert!(!is_plainly_right(&text) || crate_says(&text), "{text}");
        }
    }
}
