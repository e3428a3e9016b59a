//! Content digests, and readers that check them.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use thiserror::Error;

/// The digest of some content: `sha256:` and 64 hexadecimal digits, or `sha512:` and 128.
///
/// Source: OCI image specification, descriptor.md, "Registered algorithms".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no digest: it is `sha256:` and 64 hexadecimal digits, in small letters")]
pub struct ParseDigestError(String);

impl Digest {
    /// The SHA-256 digest of a content.
    pub fn of(content: &[u8]) -> Digest {
        Digest(format!("sha256:{}", hex(&Sha256::digest(content))))
    }

    /// The digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm and the digits.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or(("", &self.0))
    }

    /// The algorithm with the first twelve digits, for people.
    pub fn short(&self) -> &str {
        let (algorithm, digits) = self.parts();
        &self.0[..algorithm.len() + 1 + digits.len().min(12)]
    }

    /// Whether a content has this digest.
    pub fn is_of(&self, content: &[u8]) -> bool {
        let mut hasher = Hasher::for_digest(self);
        hasher.update(content);
        hasher.finish() == self.parts().1
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Digest, ParseDigestError> {
        let digits = match text.split_once(':') {
            Some(("sha256", digits)) if digits.len() == 64 => digits,
            Some(("sha512", digits)) if digits.len() == 128 => digits,
            _ => return Err(ParseDigestError(text.to_string())),
        };
        let small_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match digits.bytes().all(small_hex) {
            true => Ok(Digest(text.to_string())),
            false => Err(ParseDigestError(text.to_string())),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Digest, ParseDigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    fn for_digest(digest: &Digest) -> Hasher {
        match digest.parts().0 {
            "sha512" => Hasher::Sha512(Sha512::new()),
            _ => Hasher::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Hasher::Sha256(hasher) => hex(&hasher.finalize()),
            Hasher::Sha512(hasher) => hex(&hasher.finalize()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads a content to its end and fails there where its size or digest is another than said.
///
/// The error is of kind [`io::ErrorKind::InvalidData`] for other content and [`io::ErrorKind::UnexpectedEof`] where there is less of it.
pub struct Verified<R> {
    inner: R,
    hasher: Option<Hasher>,
    digest: Digest,
    size: u64,
    seen: u64,
}

impl<R: Read> Verified<R> {
    /// Checks what `inner` gives against a digest and a size in bytes.
    pub fn new(inner: R, digest: &Digest, size: u64) -> Verified<R> {
        Verified {
            inner,
            hasher: Some(Hasher::for_digest(digest)),
            digest: digest.clone(),
            size,
            seen: 0,
        }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.seen += read as u64;
        if self.seen > self.size {
            let what = format!(
                "{} has more than the {} bytes that were said",
                self.digest, self.size
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        if self.seen < self.size {
            let what = format!(
                "{} ends after {} of {} bytes",
                self.digest, self.seen, self.size
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        match self.hasher.take().map(Hasher::finish) {
            Some(found) if found != self.digest.parts().1 => {
                let algorithm = self.digest.parts().0;
                let what = format!("the content is {algorithm}:{found} and not {}", self.digest);
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
            _ => Ok(0),
        }
    }
}
