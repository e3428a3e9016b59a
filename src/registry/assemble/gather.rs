//! Reading what goes into an index.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use super::{Child, Gathered, Options, Problem, ProblemKind, Source};
use crate::arch::{Matcher, Platform};
use crate::registry::index;
use crate::registry::layout::MOST_OF_A_MANIFEST;
use crate::registry::parallel::side_by_side;
use crate::registry::spelling::{is_lost, spelled};
use crate::registry::{
    Descriptor, Digest, Document, ErrorKind, ImageConfig, ImageManifest, Kind, RegistryError,
    Repository, Which,
};

/// How many images an index may have. A manifest of 4 MiB has no room for more.
const MOST_IMAGES: usize = 20_000;

/// How deep indexes of indexes are followed.
const DEEPEST: usize = 4;

/// Reads the images that go into an index, all at once, and works out the index. Nothing is written.
///
/// # Errors
/// Everything that is wrong with the sources.
pub fn gather(sources: &[Source], options: &Options) -> Result<Gathered, Vec<Problem>> {
    let numbered: Vec<(usize, &Source)> = sources.iter().enumerate().collect();
    let read = side_by_side(&numbered, |(at, source)| {
        Reader {
            at: *at,
            source,
            options,
        }
        .read()
    });
    let mut children: Vec<Child> = Vec::new();
    let mut left_out = Vec::new();
    let mut problems = Vec::new();
    for (source, found) in sources.iter().zip(read) {
        match found {
            Ok(found) => children.extend(found),
            Err(problem) if source.optional && *problem.kind == ProblemKind::Missing => {
                left_out.push(source.name.clone())
            }
            Err(problem) => problems.push(problem),
        }
    }
    let children = without_twins(children, sources, &mut problems);
    if children.is_empty() && problems.is_empty() {
        problems.push(Problem::new("the index", ProblemKind::Empty));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut entries: Vec<Descriptor> = children.iter().map(|child| child.entry.clone()).collect();
    index::sort(&mut entries);
    let made = index::document(entries.clone(), options.annotations.clone(), options.oci);
    let index =
        made.map_err(|what| vec![Problem::new("the index", ProblemKind::NotAnImage(what))])?;
    Ok(Gathered {
        index,
        entries,
        left_out,
        children,
    })
}

/// Leaves one of those that are the same. Two images for one platform are a fault: clients would pull whichever comes first.
fn without_twins(
    children: Vec<Child>,
    sources: &[Source],
    problems: &mut Vec<Problem>,
) -> Vec<Child> {
    let mut kept: Vec<Child> = Vec::new();
    for child in children {
        let same = |known: &&Child| match child.entry.is_of_no_platform() {
            true => {
                known.entry.digest == child.entry.digest
                    && known.entry.attests() == child.entry.attests()
            }
            false => {
                known.entry.platform == child.entry.platform && !known.entry.is_of_no_platform()
            }
        };
        match kept.iter().find(same) {
            None => kept.push(child),
            Some(known) if known.entry.digest == child.entry.digest => {}
            Some(known) => {
                let platform = child.entry.platform.clone().unwrap_or_default();
                let other = sources[known.source].name.clone();
                problems.push(Problem::new(
                    &sources[child.source].name,
                    ProblemKind::Twice(platform, other),
                ));
            }
        }
    }
    kept
}

/// Reads one source.
struct Reader<'a> {
    at: usize,
    source: &'a Source,
    options: &'a Options,
}

type Outcome<T> = Result<T, Problem>;

impl Reader<'_> {
    fn problem(&self, kind: ProblemKind) -> Problem {
        Problem::new(&self.source.name, kind)
    }

    fn registry(&self, error: RegistryError) -> Problem {
        match error.kind {
            ErrorKind::NotFound => self.problem(ProblemKind::Missing),
            _ => self.problem(ProblemKind::Registry(error)),
        }
    }

    fn read(&self) -> Outcome<Vec<Child>> {
        let document = self.source.repository.manifest(&self.source.which);
        let document = document.map_err(|error| self.registry(error))?;
        let Some(document) = document else {
            return Err(self.problem(ProblemKind::Missing));
        };
        match document.kind() {
            Some(Kind::Image) => Ok(vec![self.image(document)?]),
            Some(Kind::Index) => {
                let mut children = Vec::new();
                let mut seen = BTreeSet::from([document.digest.clone()]);
                self.entries(&document, DEEPEST, &mut seen, &mut children)?;
                self.chosen(children)
            }
            None => {
                let what = format!("its media type is `{}`", document.media_type);
                Err(self.problem(ProblemKind::NotAnImage(what)))
            }
        }
    }

    /// A single image. Its configuration is read in any case: what a plan says of an image may be wrong.
    fn image(&self, document: Document) -> Outcome<Child> {
        let manifest = document
            .image()
            .map_err(|what| self.problem(ProblemKind::NotAnImage(what)))?;
        self.is_container(&manifest)?;
        let found = self.platform(&manifest)?;
        let platform = match &self.source.platform {
            Some(said) => {
                self.agree(said, &found)?;
                let version = |platform: &Platform| !platform.os_version.is_empty();
                match version(said) || !version(&found) {
                    true => said.clone(),
                    false => Platform {
                        os_version: found.os_version,
                        os_features: found.os_features,
                        ..said.clone()
                    },
                }
            }
            None => found,
        };
        let mut entry = document.descriptor();
        entry.platform = Some(self.spelled(&platform)?);
        Ok(Child {
            source: self.at,
            entry,
            repository: Arc::clone(&self.source.repository),
            document: Some(document),
        })
    }

    /// The platform that a configuration says.
    fn platform(&self, manifest: &ImageManifest) -> Outcome<Platform> {
        let bytes = read_blob(self.source.repository.as_ref(), &manifest.config);
        let bytes = bytes.map_err(|error| match error.kind {
            // The image is there, and what it is made of is not.
            ErrorKind::NotFound => self.problem(ProblemKind::Gone(format!(
                "its configuration {}",
                manifest.config.digest
            ))),
            _ => self.registry(error),
        })?;
        let config = ImageConfig::read(&bytes)
            .map_err(|what| self.problem(ProblemKind::NotAnImage(what)))?;
        let platform = config.platform;
        if platform.os.is_empty() || platform.architecture.is_empty() {
            let what = "its configuration says no platform".to_string();
            return Err(self.problem(ProblemKind::NotAnImage(what)));
        }
        Ok(platform)
    }

    /// An image for a lower version of the same architecture runs on the higher one; builders leave versions out, too.
    fn agree(&self, said: &Platform, found: &Platform) -> Outcome<()> {
        match fits(said, found) {
            true => Ok(()),
            false => Err(self.problem(ProblemKind::OtherPlatform {
                said: said.clone(),
                found: found.clone(),
            })),
        }
    }

    fn spelled(&self, platform: &Platform) -> Outcome<Platform> {
        spelled(platform)
            .map_err(|choices| self.problem(ProblemKind::Open(platform.clone(), choices)))
    }

    /// The images of an index.
    fn entries(
        &self,
        document: &Document,
        depth: usize,
        seen: &mut BTreeSet<Digest>,
        children: &mut Vec<Child>,
    ) -> Outcome<()> {
        let index = document
            .index()
            .map_err(|what| self.problem(ProblemKind::NotAnImage(what)))?;
        for entry in index.manifests {
            let shell = Document::new(entry.media_type.clone(), Vec::new());
            if shell.kind() == Some(Kind::Index) {
                if depth == 0 {
                    let what = "indexes in indexes go on and on".to_string();
                    return Err(self.problem(ProblemKind::NotAnImage(what)));
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
                return Err(self.problem(ProblemKind::NotAnImage(what)));
            }
            children.push(Child {
                source: self.at,
                entry,
                repository: Arc::clone(&self.source.repository),
                document: None,
            });
        }
        Ok(())
    }

    fn manifest(&self, digest: &crate::registry::Digest) -> Outcome<Document> {
        let found = self
            .source
            .repository
            .manifest(&Which::Digest(digest.clone()));
        let found = found.map_err(|error| self.registry(error))?;
        found.ok_or_else(|| self.problem(ProblemKind::Gone(format!("its manifest {digest}"))))
    }

    /// An image of an index with its manifest, and the platform that its configuration says. Size and type are those of the manifest: an index may
    /// lie about them.
    fn judged(&self, child: &Child) -> Outcome<(Child, Platform)> {
        let document = self.manifest(&child.entry.digest)?;
        let size = document.bytes.len() as u64;
        if size != child.entry.size {
            let what = format!(
                "it is {size} bytes long, and its index says {}",
                child.entry.size
            );
            let request = format!("GET manifests/{}", child.entry.digest);
            let error =
                RegistryError::new(child.repository.name(), request, ErrorKind::Content(what));
            return Err(self.problem(ProblemKind::Registry(error)));
        }
        let manifest = document
            .image()
            .map_err(|what| self.problem(ProblemKind::NotAnImage(what)))?;
        self.is_container(&manifest)?;
        let own = self.platform(&manifest)?;
        let mut child = child.clone();
        child.entry.media_type.clone_from(&document.media_type);
        child.document = Some(document);
        Ok((child, own))
    }

    fn is_container(&self, manifest: &ImageManifest) -> Outcome<()> {
        if manifest.is_container() {
            return Ok(());
        }
        let what = format!(
            "its configuration is of type `{}`",
            manifest.config.media_type
        );
        Err(self.problem(ProblemKind::NotAnImage(what)))
    }

    /// Those images of an index that go into the new one, in their right spelling.
    fn chosen(&self, children: Vec<Child>) -> Outcome<Vec<Child>> {
        let (attestations, images): (Vec<Child>, Vec<Child>) = children
            .into_iter()
            .partition(|child| child.entry.is_of_no_platform());
        let mut chosen: Vec<Child> = Vec::new();
        let mut others: Vec<Platform> = Vec::new();
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
        others.extend(away.into_iter().filter_map(|child| child.entry.platform));
        let judged = side_by_side(&images, |child| self.judged(child));
        for judged in judged {
            let (mut child, own) = judged?;
            let found = match &child.entry.platform {
                Some(platform) if !platform.os.is_empty() && !platform.architecture.is_empty() => {
                    // Whoever made the index may have been wrong.
                    let said = self.source.platform.as_ref();
                    if said.is_some() || !is_lost(platform) {
                        self.agree(said.unwrap_or(platform), &own)?;
                    }
                    platform.clone()
                }
                _ => own,
            };
            let platform = match &self.source.platform {
                // One image with its attestations, as builders push it.
                Some(said) if alone => self.agree(said, &found).map(|()| Platform {
                    os_version: found.os_version,
                    os_features: found.os_features,
                    ..said.clone()
                })?,
                Some(said) if said.same_target(&found) => found,
                Some(_) => {
                    others.push(found);
                    continue;
                }
                None if is_lost(&found) => match spelled(&found) {
                    Ok(right) => return Err(self.problem(ProblemKind::Misspelt(found, right))),
                    Err(choices) => return Err(self.problem(ProblemKind::Open(found, choices))),
                },
                None => found,
            };
            child.entry.platform = Some(self.spelled(&platform)?);
            chosen.push(child);
        }
        if let (Some(said), true) = (&self.source.platform, chosen.is_empty()) {
            return Err(self.problem(ProblemKind::Lacks(said.clone(), others)));
        }
        if self.options.attestations {
            let is_about = |child: &Child| match child.entry.attests() {
                Some(subject) => chosen
                    .iter()
                    .any(|image| image.entry.digest.as_str() == subject),
                None => self.source.platform.is_none(),
            };
            let kept: Vec<Child> = attestations.into_iter().filter(is_about).collect();
            chosen.extend(kept);
        }
        Ok(chosen)
    }
}

/// Whether an image of one platform is right where another is said: the same system and architecture, and no higher variant. Builders leave
/// variants out.
pub(in crate::registry) fn fits(said: &Platform, found: &Platform) -> bool {
    // `armv8` and the like are `v8`, whoever wrote them.
    let right = spelled(found).unwrap_or_else(|_| found.clone());
    let (own, other) = (said.normalize(), right.normalize());
    let same = own.os == other.os && own.architecture == other.architecture;
    let plain = Platform::new(&other.os, &other.architecture, &other.variant);
    same && (found.variant.is_empty() || Matcher::only(said).matches(&plain))
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
