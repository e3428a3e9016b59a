//! Base images: is each there for every architecture that takes something from it, and is it still what was locked?
//!
//! [`Survey::of`] collects the images of all Dockerfiles of some products, asks a [`Lookup`] once for each reference, and judges
//! what it finds for each architecture. A [`Lock`] is made from a survey, or compared with it.
//! Nothing here speaks to a registry itself: a `Lookup` does.

mod changes;
mod findings;
mod judge;
mod lookup;
mod questions;
#[cfg(feature = "registry")]
mod registry;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::arch::Platform;
use crate::config::{Cell, Config};
use crate::diagnostic::{Diagnostic, Place};
use crate::lock::{Lock, Pin};
use crate::project::Product;

pub use changes::{Change, ChangeKind};
pub use judge::Fault;
pub use lookup::{Found, Lookup};
#[cfg(feature = "registry")]
pub use registry::{RegistryLookup, look_up};

/// What was found of the base images of some products.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Survey {
    /// Every reference with every architecture that takes something from it, in order.
    pub bases: Vec<Base>,
    /// Where they are locked: a file for each `crossfile.toml` that is the nearest of some product.
    pub locks: BTreeSet<PathBuf>,
    /// Files that could not be read.
    pub problems: Vec<Diagnostic>,
}

/// One reference for one architecture.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Base {
    /// The complete reference; where that is not known, what is written.
    pub reference: String,
    /// The architecture, by its key in the table; a platform that the table does not have by itself.
    pub arch: String,
    /// The platform that is asked for.
    pub platform: Platform,
    /// Why there is no image for it.
    pub fault: Option<Fault>,
    /// The image that is taken: its own, or another in its place.
    pub image: Option<BaseImage>,
    /// What was to take its place and does not, with the reason.
    pub tried: Vec<(String, Fault)>,
    /// The digest of the index that the reference is.
    pub index: Option<String>,
    /// Whether the reference says a digest itself: then it is not locked.
    pub has_digest: bool,
    /// Where it is used.
    pub uses: Vec<Use>,
    /// Where it is locked.
    pub lock: Option<PathBuf>,
}

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BaseImage {
    /// The digest of its manifest.
    pub digest: String,
    /// The platform that it is for.
    pub platform: Platform,
    /// The complete reference and the architecture that took the place of what was asked for.
    pub instead: Option<(String, String)>,
}

/// A place that takes something from an image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Use {
    /// The template, or the Dockerfile itself.
    pub source: PathBuf,
    /// What the Dockerfile is for.
    pub cell: Cell,
    /// Where it stands in the Dockerfile.
    pub place: Place,
    config: Arc<Config>,
}

impl Use {
    /// Whether an index may go out without the image that this is for.
    fn is_optional(&self) -> bool {
        let settings = self.config.arch.get(&self.cell.arch);
        settings.is_some_and(|settings| settings.optional)
    }

    /// Where it stands in the Dockerfile's text.
    pub fn span(&self) -> Range<usize> {
        self.place.span()
    }
}

impl Base {
    /// How it is, in a word: `present`, `other variant`, `fallback`, `missing`, `wrong arch`, `no platform`, `unknown` or `failed`.
    pub fn status(&self) -> &'static str {
        match (&self.image, &self.fault) {
            (Some(image), _) if image.instead.is_some() => "fallback",
            (Some(image), _)
                if image.platform.normalize().variant == self.platform.normalize().variant =>
            {
                "present"
            }
            (Some(_), _) => "other variant",
            (None, Some(fault)) => fault.word(),
            (None, None) => "unknown",
        }
    }

    /// What a lock says of it.
    pub fn pin(&self) -> Option<Pin> {
        let image = self.image.as_ref().filter(|_| !self.has_digest)?;
        let pin = Pin::new(&image.digest);
        Some(match &image.instead {
            None => pin,
            Some((reference, _)) => pin.instead(reference, image.platform.to_string()),
        })
    }
}

impl Survey {
    /// Asks for the base images of products, each once and all side by side; how many at a time is for the lookup to bound.
    pub fn of(products: &[Product], lookup: &dyn Lookup) -> Survey {
        questions::survey(products, lookup)
    }

    /// What is to stand in a lock. `kept` is the lock as it is, where this survey does not cover all that it is for.
    pub fn lock(&self, path: &Path, kept: Option<&Lock>) -> Lock {
        let mut lock = kept.cloned().unwrap_or_default();
        let mut indexes: BTreeMap<&str, &Option<String>> = BTreeMap::new();
        for base in self.locked_in(path) {
            if let Some(pin) = base.pin() {
                lock.insert(&base.reference, &base.arch, pin);
                indexes.insert(&base.reference, &base.index);
            }
        }
        for (reference, index) in indexes {
            lock.set_index(reference, index.clone());
        }
        lock
    }

    fn locked_in(&self, path: &Path) -> impl Iterator<Item = &Base> {
        let bases = self.bases.iter();
        bases.filter(move |base| base.lock.as_deref() == Some(path))
    }
}
