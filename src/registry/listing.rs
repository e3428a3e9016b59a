//! What a name in a repository stands for: the entries of an index, or an image alone.

use std::collections::BTreeMap;

use super::{Descriptor, Document, ErrorKind, Kind, RegistryError, Repository, Which};

/// An index or an image alone.
pub(super) struct Listing {
    pub(super) document: Document,
    pub(super) is_index: bool,
    /// The entries of the index; of an image alone, itself, of which nothing says the platform yet.
    pub(super) entries: Vec<Descriptor>,
    /// Those of the index.
    pub(super) annotations: BTreeMap<String, String>,
}

impl Listing {
    /// Reads it; nothing where there is none.
    ///
    /// # Errors
    /// The repository cannot be asked, or has something else there.
    pub(super) fn read(
        repository: &dyn Repository,
        which: &Which,
    ) -> Result<Option<Listing>, RegistryError> {
        let Some(document) = repository.manifest(which)? else {
            return Ok(None);
        };
        let request = format!("read {which}");
        let malformed = |what: String| {
            RegistryError::new(repository.name(), &request, ErrorKind::Malformed(what))
        };
        let kind = document.kind();
        let (entries, annotations) = match kind {
            Some(Kind::Index) => {
                let index = document.index().map_err(malformed)?;
                (index.manifests, index.annotations)
            }
            Some(Kind::Image) => (vec![document.descriptor()], BTreeMap::new()),
            None => {
                return Err(malformed(format!(
                    "this is neither an index nor an image, but `{}`",
                    document.media_type
                )));
            }
        };
        Ok(Some(Listing {
            document,
            is_index: kind == Some(Kind::Index),
            entries,
            annotations,
        }))
    }

    /// The image, where it is alone.
    pub(super) fn alone(&self) -> Option<&Document> {
        (!self.is_index).then_some(&self.document)
    }
}
