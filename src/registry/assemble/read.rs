//! Reading what goes into an index.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use super::{Child, Outcome, ProblemKind, Source};
use crate::arch::Platform;
use crate::parallel::side_by_side;
use crate::registry::layout::MOST_OF_A_MANIFEST;
use crate::registry::{
    Descriptor, Digest, Document, ErrorKind, ImageConfig, ImageManifest, Kind, RegistryError,
    Repository, Which,
};

/// How many images an index may have. A manifest of 4 MiB has no room for more.
const MOST_IMAGES: usize = 20_000;

/// How deep indexes of indexes are followed.
const DEEPEST: usize = 4;

/// What a source is.
pub(super) struct Found {
    /// The images of it that may go into the index.
    pub(super) images: Vec<Image>,
    /// The rest of it, where it is an index and no image.
    pub(super) index: Option<Index>,
}

impl Found {
    /// The images that go into the index unless something is wrong with them.
    pub(super) fn sure<'a>(&'a self, source: &'a Source) -> impl Iterator<Item = &'a Image> {
        let alone = self.index.as_ref().is_none_or(|index| index.alone);
        let images = self.images.iter();
        // Of those whose index says no platform, the configuration tells whether they were asked for.
        images.filter(move |image| {
            alone || source.platform.is_none() || image.child.entry.platform.is_some()
        })
    }
}

/// An image with its manifest.
pub(super) struct Image {
    pub(super) child: Child,
    pub(super) manifest: ImageManifest,
}

/// What is in an index besides the images that were read.
pub(super) struct Index {
    /// Whether it has one image, and not several to choose from.
    pub(super) alone: bool,
    /// What the images are for that another platform than theirs was asked for.
    pub(super) others: Vec<Platform>,
    /// Entries that are no images.
    pub(super) attestations: Vec<Child>,
}

/// Reads a source, which is the one at a place among all.
pub(super) fn read(at: usize, source: &Source) -> Outcome<Found> {
    let document = source.repository.manifest(&source.which);
    let document = document.map_err(|error| source.failed(error))?;
    let Some(document) = document else {
        return Err(source.problem(ProblemKind::Missing));
    };
    let reader = Reader { at, source };
    match document.kind() {
        Some(Kind::Image) => {
            let image = reader.image(document.descriptor(), document)?;
            Ok(Found {
                images: vec![image],
                index: None,
            })
        }
        Some(Kind::Index) => {
            let mut children = Vec::new();
            let mut seen = BTreeSet::from([document.digest.clone()]);
            reader.entries(&document, DEEPEST, &mut seen, &mut children)?;
            reader.images(children)
        }
        None => {
            let what = format!("its media type is `{}`", document.media_type);
            Err(source.problem(ProblemKind::NotAnImage(what)))
        }
    }
}

/// The platform that the configuration of an image says. It is read in any case: what a plan or an index says of an image may be wrong.
pub(super) fn own_platform(source: &Source, image: &Image) -> Outcome<Platform> {
    let bytes = read_blob(source.repository.as_ref(), &image.manifest.config);
    let bytes = bytes.map_err(|error| match error.kind {
        // The image is there, and what it is made of is not.
        ErrorKind::NotFound => source.problem(ProblemKind::Gone(format!(
            "its configuration {}",
            image.manifest.config.digest
        ))),
        _ => source.failed(error),
    })?;
    let config =
        ImageConfig::read(&bytes).map_err(|what| source.problem(ProblemKind::NotAnImage(what)))?;
    let platform = config.platform;
    if platform.os.is_empty() || platform.architecture.is_empty() {
        let what = "its configuration says no platform".to_string();
        return Err(source.problem(ProblemKind::NotAnImage(what)));
    }
    Ok(platform)
}

struct Reader<'a> {
    at: usize,
    source: &'a Source,
}

impl Reader<'_> {
    fn image(&self, entry: Descriptor, document: Document) -> Outcome<Image> {
        let not_an_image = |what| self.source.problem(ProblemKind::NotAnImage(what));
        let manifest = document.image().map_err(not_an_image)?;
        if !manifest.is_container() {
            let config = &manifest.config.media_type;
            return Err(not_an_image(format!(
                "its configuration is of type `{config}`"
            )));
        }
        Ok(Image {
            child: Child {
                document: Some(document),
                ..self.child(entry)
            },
            manifest,
        })
    }

    fn child(&self, entry: Descriptor) -> Child {
        Child {
            source: self.at,
            entry,
            repository: Arc::clone(&self.source.repository),
            document: None,
        }
    }

    /// The entries of an index, and of those in it.
    fn entries(
        &self,
        document: &Document,
        depth: usize,
        seen: &mut BTreeSet<Digest>,
        children: &mut Vec<Child>,
    ) -> Outcome<()> {
        let not_an_image = |what| self.source.problem(ProblemKind::NotAnImage(what));
        let index = document.index().map_err(not_an_image)?;
        for entry in index.manifests {
            let shell = Document::new(entry.media_type.clone(), Vec::new());
            if shell.kind() == Some(Kind::Index) {
                if depth == 0 {
                    let what = "indexes in indexes go on and on".to_string();
                    return Err(not_an_image(what));
                }
                // What is named again has the same images again.
                if seen.insert(entry.digest.clone()) {
                    let inner = self.manifest(&entry.digest)?;
                    self.entries(&inner, depth - 1, seen, children)?;
                }
                continue;
            }
            if children.len() >= MOST_IMAGES {
                let what = format!("it has more than {MOST_IMAGES} images");
                return Err(not_an_image(what));
            }
            children.push(self.child(entry));
        }
        Ok(())
    }

    fn manifest(&self, digest: &Digest) -> Outcome<Document> {
        let found = self
            .source
            .repository
            .manifest(&Which::Digest(digest.clone()));
        let found = found.map_err(|error| self.source.failed(error))?;
        found.ok_or_else(|| {
            self.source
                .problem(ProblemKind::Gone(format!("its manifest {digest}")))
        })
    }

    /// Those of the images of an index that may be the one that was asked for, with their manifests.
    fn images(&self, children: Vec<Child>) -> Outcome<Found> {
        let (attestations, images): (Vec<Child>, Vec<Child>) = children
            .into_iter()
            .partition(|child| child.entry.is_of_no_platform());
        let alone = images.len() == 1;
        // Of what is left out nothing need be read.
        let (images, away): (Vec<Child>, Vec<Child>) = images.into_iter().partition(|child| {
            let fits = |said: &Platform| {
                child
                    .entry
                    .platform
                    .as_ref()
                    .is_none_or(|own| said.same_target(own))
            };
            alone || self.source.platform.as_ref().is_none_or(fits)
        });
        let others = away.into_iter().filter_map(|child| child.entry.platform);
        let images = side_by_side(&images, |child| self.entry(&child.entry));
        Ok(Found {
            images: images.into_iter().collect::<Outcome<Vec<Image>>>()?,
            index: Some(Index {
                alone,
                others: others.collect(),
                attestations,
            }),
        })
    }

    /// An image of an index. Size and type are those of the manifest: an index may lie about them.
    fn entry(&self, entry: &Descriptor) -> Outcome<Image> {
        let document = self.manifest(&entry.digest)?;
        let size = document.bytes.len() as u64;
        if size != entry.size {
            let what = format!("it is {size} bytes long, and its index says {}", entry.size);
            let request = format!("GET manifests/{}", entry.digest);
            let name = self.source.repository.name();
            let error = RegistryError::new(name, request, ErrorKind::Content(what));
            return Err(self.source.problem(ProblemKind::Registry(error)));
        }
        let mut entry = entry.clone();
        entry.media_type.clone_from(&document.media_type);
        self.image(entry, document)
    }
}

/// A small blob, whole.
pub(in crate::registry) fn read_blob(
    repository: &dyn Repository,
    blob: &Descriptor,
) -> Result<Vec<u8>, RegistryError> {
    let request = format!("GET blobs/{}", blob.digest);
    let error = |kind: ErrorKind| RegistryError::new(repository.name(), &request, kind);
    if blob.size > MOST_OF_A_MANIFEST {
        let what = format!(
            "{} bytes are said of it, and at most {MOST_OF_A_MANIFEST} are read",
            blob.size
        );
        return Err(error(ErrorKind::Malformed(what)));
    }
    let mut bytes = Vec::new();
    let read = repository.blob(blob)?.read_to_end(&mut bytes);
    match read {
        Ok(_) => Ok(bytes),
        Err(found) => match found.kind() {
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
                Err(error(ErrorKind::Content(found.to_string())))
            }
            _ => Err(error(ErrorKind::Broken(found.to_string()))),
        },
    }
}
