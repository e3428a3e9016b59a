//! One place of images, whatever keeps it.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use super::{Descriptor, Digest, Document, RegistryError};

/// How a manifest is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// By a name that moves.
    Tag(String),
    /// By its content.
    Digest(Digest),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::Tag(tag) => f.write_str(tag),
            Which::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A content being read.
pub type Opened = Box<dyn Read + Send>;

/// A repository of images. Every method may be called from several threads at once, and again after a failure.
pub trait Repository: Send + Sync {
    /// What it is called in messages: `127.0.0.1:5000/acme/nginx`, `oci:DIR`.
    fn name(&self) -> String;

    /// A manifest or index, checked against its digest where that is said; nothing where there is none.
    ///
    /// # Errors
    /// It cannot be asked, or answers with something else.
    fn manifest(&self, which: &Which) -> Result<Option<Document>, RegistryError>;

    /// Whether a manifest is there, without reading it.
    ///
    /// # Errors
    /// It cannot be asked.
    fn has_manifest(&self, digest: &Digest) -> Result<bool, RegistryError>;

    /// The size of a blob in bytes; nothing where there is none.
    ///
    /// # Errors
    /// It cannot be asked.
    fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, RegistryError>;

    /// A blob to read. At its end the reader fails where the content is not what the descriptor says.
    ///
    /// # Errors
    /// It cannot be asked, or there is none.
    fn blob(&self, blob: &Descriptor) -> Result<Opened, RegistryError>;

    /// Stores a manifest under a tag, or under its digest alone. Its blobs and children have to be there.
    ///
    /// # Errors
    /// It cannot be stored.
    fn put_manifest(&self, which: &Which, document: &Document) -> Result<(), RegistryError>;

    /// Stores a blob unless it is there. `open` is asked for its content, again for each attempt.
    ///
    /// # Errors
    /// It cannot be stored, or the content is not what the descriptor says.
    fn put_blob(
        &self,
        blob: &Descriptor,
        open: &dyn Fn() -> Result<Opened, RegistryError>,
    ) -> Result<(), RegistryError>;

    /// Takes over a blob from another repository without moving its bytes. `false` is that this cannot be done: the blob has to be copied.
    ///
    /// # Errors
    /// It cannot be asked.
    fn mount(&self, blob: &Descriptor, from: &dyn Repository) -> Result<bool, RegistryError>;

    /// The same repository, which mounts and puts at the first attempt or not at all: for what is tried ahead. Nothing where every
    /// attempt is the only one.
    fn hasty(&self) -> Option<Arc<dyn Repository>> {
        None
    }

    /// Makes connections and asks for the right to write, for so many requests that will come soon. What fails here fails again where it
    /// matters, and is told there.
    fn prepare(&self, requests: usize) {
        let _ = requests;
    }

    /// The registry and the repository in it, where this is one.
    fn location(&self) -> Option<(&str, &str)> {
        None
    }
}
