//! Blobs and manifests that a registry takes over while other answers are waited for.
//!
//! Each image goes its own way: its manifest is put as soon as its blobs are there. No bytes of blobs are moved, and nothing that a name
//! leads to is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::read::Image;
use crate::registry::{Descriptor, Digest, Repository, Which};

/// What was done ahead, by the repository that it was done in.
#[derive(Default)]
pub(super) struct Ahead {
    /// The blobs that were asked to be mounted, with where they are, and whether they were.
    mounted: BTreeMap<(String, String, Digest), bool>,
    /// The manifests that were put.
    put: BTreeSet<(String, Digest)>,
}

/// A blob that one repository may take over from another.
pub(super) struct Mount<'a> {
    to: Arc<dyn Repository>,
    from: &'a dyn Repository,
    blob: &'a Descriptor,
    /// The images that have it.
    users: Vec<Arc<User<'a>>>,
}

struct User<'a> {
    image: &'a Image,
    /// The blobs that are not there yet.
    left: AtomicUsize,
}

/// What became of a mount.
pub(super) struct Mounted {
    to: String,
    from: String,
    blob: Digest,
    /// Nothing where the registry could not be asked: publishing asks again, and says so.
    mounted: Option<bool>,
    put: Vec<Digest>,
}

/// What a repository may take over of images that are elsewhere in its registry, each blob once.
pub(super) fn mounts<'a>(to: &Arc<dyn Repository>, images: &[&'a Image]) -> Vec<Mount<'a>> {
    let Some((registry, _)) = to.location() else {
        return Vec::new();
    };
    // What fails is done again by publishing, which has more patience and says why.
    let hasty = to.hasty().unwrap_or_else(|| Arc::clone(to));
    let is_there = |image: &&&Image| image.child.repository.name() == to.name();
    let there = images.iter().filter(is_there);
    let mut seen: BTreeSet<&Digest> = there.map(|image| &image.child.entry.digest).collect();
    let mut mounts: BTreeMap<&Digest, Mount<'a>> = BTreeMap::new();
    for image in images {
        let from = image.child.repository.as_ref();
        let manifest = &image.manifest;
        let blobs = manifest.layers.iter().chain([&manifest.config]);
        let blobs: BTreeMap<&Digest, &Descriptor> =
            blobs.map(|blob| (&blob.digest, blob)).collect();
        // Layers with addresses may be there and nowhere else.
        let is_away = blobs.values().any(|blob| !blob.urls.is_empty());
        let is_near = from.location().is_some_and(|(known, _)| known == registry);
        if !is_near || is_away || !seen.insert(&image.child.entry.digest) {
            continue;
        }
        let user = Arc::new(User {
            image,
            left: AtomicUsize::new(blobs.len()),
        });
        for (digest, blob) in blobs {
            let mount = mounts.entry(digest).or_insert_with(|| Mount {
                to: Arc::clone(&hasty),
                from,
                blob,
                users: Vec::new(),
            });
            mount.users.push(Arc::clone(&user));
        }
    }
    mounts.into_values().collect()
}

impl Mount<'_> {
    /// Mounts the blob, and puts the manifests that only waited for it.
    pub(super) fn perform(&self) -> Mounted {
        let mounted = self.to.mount(self.blob, self.from).ok();
        let mut put = Vec::new();
        for user in self.users.iter().filter(|_| mounted == Some(true)) {
            let was_last = user.left.fetch_sub(1, Ordering::AcqRel) == 1;
            let document = user.image.child.document.as_ref();
            let Some(document) = document.filter(|_| was_last) else {
                continue;
            };
            let which = Which::Digest(document.digest.clone());
            if self.to.put_manifest(&which, document).is_ok() {
                put.push(document.digest.clone());
            }
        }
        Mounted {
            to: self.to.name(),
            from: self.from.name(),
            blob: self.blob.digest.clone(),
            mounted,
            put,
        }
    }
}

impl Ahead {
    /// Notes what became of a mount.
    pub(super) fn note(&mut self, done: Mounted) {
        let Mounted {
            to,
            from,
            blob,
            mounted,
            put,
        } = done;
        self.put
            .extend(put.into_iter().map(|digest| (to.clone(), digest)));
        self.mounted
            .extend(mounted.map(|mounted| ((to, from, blob), mounted)));
    }

    /// Whether a blob was mounted; nothing where that was not asked.
    pub(super) fn mounted(
        &self,
        to: &dyn Repository,
        from: &dyn Repository,
        blob: &Digest,
    ) -> Option<bool> {
        let key = (to.name(), from.name(), blob.clone());
        self.mounted.get(&key).copied()
    }

    /// Whether a manifest was put.
    pub(super) fn has_put(&self, to: &dyn Repository, manifest: &Digest) -> bool {
        self.put.contains(&(to.name(), manifest.clone()))
    }
}
