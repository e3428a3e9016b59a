//! Bringing an index and its images to where it goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Child, Gathered, Problem, ProblemKind, Published, Target};
use crate::parallel::side_by_side;
use crate::registry::{
    Descriptor, Digest, Document, ErrorKind, Opened, RegistryError, Repository, Which,
};

impl Gathered {
    /// Brings the images to every target's repository, confirms that they are there, and then moves the tags.
    ///
    /// # Errors
    /// Everything that went wrong. Unless it was the moving of a tag itself, no tag was moved.
    pub fn publish(&self, targets: &[Target]) -> Result<Published, Vec<Problem>> {
        let published = self.stage(targets)?;
        self.tag(targets)?;
        Ok(published)
    }

    /// Brings the images to every target's repository and confirms that they are there. No tag moves.
    ///
    /// Inside of a registry blobs are mounted, else copied. What is there already is not moved again, so this may be repeated.
    ///
    /// # Errors
    /// Everything that went wrong.
    pub fn stage(&self, targets: &[Target]) -> Result<Published, Vec<Problem>> {
        let counts = Counts::default();
        for repository in repositories(targets) {
            self.bring(repository.as_ref(), &counts)?;
        }
        Ok(Published {
            mounted: counts.mounted.into_inner(),
            copied: counts.copied.into_inner(),
            copied_bytes: counts
                .bytes
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// Moves the tags to the index, whose images are there.
    ///
    /// # Errors
    /// Every tag that could not be moved.
    pub fn tag(&self, targets: &[Target]) -> Result<(), Vec<Problem>> {
        let put = side_by_side(targets, |target| {
            let put = target.repository.put_manifest(&target.which, &self.index);
            put.map_err(|error| Problem::new(&target.name, ProblemKind::Registry(error)))
        });
        failures(put).map(|_| ())
    }

    /// Brings the images to one repository: blobs, then manifests, each kind side by side.
    fn bring(&self, to: &dyn Repository, counts: &Counts) -> Result<(), Vec<Problem>> {
        let (there, away): (Vec<&Child>, Vec<&Child>) = self
            .children
            .iter()
            .partition(|child| child.repository.name() == to.name());
        // What was read by its own name is there; of what an index says nobody knows yet.
        let unseen: Vec<&Child> = there
            .into_iter()
            .filter(|child| child.document.is_none())
            .collect();
        let confirmed = side_by_side(&unseen, |child| load(to, &child.entry));
        failures(confirmed)?;
        let loaded = side_by_side(&away, |child| match &child.document {
            Some(document) => Ok(document.clone()),
            None => load(child.repository.as_ref(), &child.entry),
        });
        let documents = failures(loaded)?;
        let mut blobs: BTreeMap<Digest, (Descriptor, &dyn Repository)> = BTreeMap::new();
        for (child, document) in away.iter().zip(&documents) {
            let manifest = document.image().map_err(|what| {
                vec![Problem::new(
                    &child.repository.name(),
                    ProblemKind::NotAnImage(what),
                )]
            })?;
            for blob in manifest.layers.into_iter().chain([manifest.config]) {
                blobs
                    .entry(blob.digest.clone())
                    .or_insert((blob, child.repository.as_ref()));
            }
        }
        let blobs: Vec<(Descriptor, &dyn Repository)> = blobs.into_values().collect();
        let brought = side_by_side(&blobs, |(blob, from)| {
            let brought = self.bring_blob(to, blob, *from, counts);
            brought.map_err(|error| Problem::new(&to.name(), ProblemKind::Registry(error)))
        });
        failures(brought)?;
        let unput = |document: &&Document| !self.ahead.has_put(to, &document.digest);
        let unput: Vec<&Document> = documents.iter().filter(unput).collect();
        let put = side_by_side(&unput, |document| {
            // The registry's answer is the confirmation: it names the digest that it stored.
            let put = to.put_manifest(&Which::Digest(document.digest.clone()), document);
            put.map_err(|error| Problem::new(&to.name(), ProblemKind::Registry(error)))
        });
        failures(put)?;
        Ok(())
    }

    fn bring_blob(
        &self,
        to: &dyn Repository,
        blob: &Descriptor,
        from: &dyn Repository,
        counts: &Counts,
    ) -> Result<(), RegistryError> {
        // Layers of Windows that must not be distributed are where their addresses say.
        if !blob.urls.is_empty() && from.blob_size(&blob.digest)?.is_none() {
            return Ok(());
        }
        let mounted = match self.ahead.mounted(to, from, &blob.digest) {
            Some(mounted) => mounted,
            None => to.mount(blob, from)?,
        };
        if mounted {
            counts.mounted.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let copied = AtomicUsize::new(0);
        let open = || -> Result<Opened, RegistryError> {
            copied.store(1, Ordering::Relaxed);
            from.blob(blob)
        };
        to.put_blob(blob, &open)?;
        if copied.into_inner() > 0 {
            counts.copied.fetch_add(1, Ordering::Relaxed);
            *counts.bytes.lock().unwrap_or_else(PoisonError::into_inner) += blob.size;
        }
        Ok(())
    }
}

/// The repositories of targets, each once.
pub(super) fn repositories(targets: &[Target]) -> Vec<Arc<dyn Repository>> {
    let mut repositories: BTreeMap<String, Arc<dyn Repository>> = BTreeMap::new();
    for target in targets {
        let known = repositories.entry(target.repository.name());
        known.or_insert_with(|| Arc::clone(&target.repository));
    }
    repositories.into_values().collect()
}

#[derive(Default)]
struct Counts {
    mounted: AtomicUsize,
    copied: AtomicUsize,
    /// No atomic number: ARMv5 and other small machines have none of 64 bits.
    bytes: Mutex<u64>,
}

fn gone(name: &str, entry: &Descriptor) -> Problem {
    Problem::new(
        name,
        ProblemKind::Gone(format!("the image {}", entry.digest)),
    )
}

/// Reads what an entry of an index is about, which has to be what the entry says: whoever pulls by a wrong size gets an error.
fn load(from: &dyn Repository, entry: &Descriptor) -> Result<Document, Problem> {
    let name = from.name();
    let document = match from.manifest(&Which::Digest(entry.digest.clone())) {
        Ok(Some(document)) => document,
        Ok(None) => return Err(gone(&name, entry)),
        Err(error) => return Err(Problem::new(&name, ProblemKind::Registry(error))),
    };
    let size = document.bytes.len() as u64;
    if size != entry.size {
        let what = format!("it is {size} bytes long, and its index says {}", entry.size);
        let request = format!("GET manifests/{}", entry.digest);
        let error = RegistryError::new(&name, request, ErrorKind::Content(what));
        return Err(Problem::new(&name, ProblemKind::Registry(error)));
    }
    Ok(document)
}

/// The results, or everything that went wrong.
fn failures<T>(results: Vec<Result<T, Problem>>) -> Result<Vec<T>, Vec<Problem>> {
    let mut good = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    for result in results {
        match result {
            Ok(value) => good.push(value),
            // One cause need not be told for each request.
            Err(problem) if problems.iter().any(|known| is_one(known, &problem)) => {}
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(good),
        false => Err(problems),
    }
}

/// Whether two problems have one cause: a registry that cannot be reached, or lets nobody in, says so to every request.
fn is_one(left: &Problem, right: &Problem) -> bool {
    let registry = |problem: &Problem| match problem.kind.as_ref() {
        ProblemKind::Registry(error) => Some((error.repository.clone(), error.kind.clone())),
        _ => None,
    };
    let whole = |kind: &ErrorKind| {
        matches!(
            kind,
            ErrorKind::Unauthorized(_)
                | ErrorKind::Denied(_)
                | ErrorKind::Broken(_)
                | ErrorKind::Refused(_)
                | ErrorKind::Credentials(_)
        )
    };
    match (registry(left), registry(right)) {
        (Some(left), Some(right)) => left == right && (whole(&left.1)),
        _ => left == right,
    }
}
