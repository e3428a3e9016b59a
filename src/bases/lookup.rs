//! What is asked of registries, whoever does it.

use crate::arch::Platform;

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// Nothing.
    Missing,
    /// A single image.
    Image {
        /// The digest of its manifest.
        digest: String,
        /// The platform that its configuration says.
        platform: Platform,
    },
    /// An index.
    Index {
        /// Its digest.
        digest: String,
        /// The images in it in order, attestations left out: the platform that the index says, and the manifest's digest.
        entries: Vec<(Platform, String)>,
    },
}

/// Looks images up. It is asked from several threads at once.
pub trait Lookup: Sync {
    /// What a complete reference leads to: `docker.io/library/alpine:3.22`.
    ///
    /// # Errors
    /// It cannot be asked, with the registry's own words.
    fn look_up(&self, reference: &str) -> Result<Found, String>;
}
