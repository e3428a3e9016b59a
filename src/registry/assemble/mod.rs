//! Making an index: [`gather`] reads the images that go into it and works out its bytes, [`Gathered::publish`] brings them to where it goes.
//!
//! Gathering writes nothing; [`gather_for`] has registries take over what they have already. Publishing copies what is not there, confirms that
//! every image is, and moves the tags last: a run that fails or is interrupted leaves them where they were.

mod ahead;
mod gather;
mod judge;
mod problem;
mod publish;
mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Descriptor, Document, ErrorKind, RegistryError, Repository, Which};
use crate::arch::Platform;

use ahead::Ahead;
pub use gather::{gather, gather_for};
pub(super) use judge::fits;
pub use problem::{Problem, ProblemKind};
pub(super) use read::read_blob;

type Outcome<T> = Result<T, Problem>;

/// An image, or an index of some, that goes into an index.
#[derive(Clone)]
#[non_exhaustive]
pub struct Source {
    /// What it is called in messages.
    pub name: String,
    /// Where it is.
    pub repository: Arc<dyn Repository>,
    /// Which of the images there.
    pub which: Which,
    /// The platform that it is for; without one its configuration says it. Of an index only this platform's image is taken.
    pub platform: Option<Platform>,
    /// Whether the index may go out without it.
    pub optional: bool,
}

impl Source {
    /// An image that has to be there, for the platform that it says itself.
    pub fn new(name: impl Into<String>, repository: Arc<dyn Repository>, which: Which) -> Source {
        Source {
            name: name.into(),
            repository,
            which,
            platform: None,
            optional: false,
        }
    }

    fn problem(&self, kind: ProblemKind) -> Problem {
        Problem::new(&self.name, kind)
    }

    fn failed(&self, error: RegistryError) -> Problem {
        match error.kind {
            ErrorKind::NotFound => self.problem(ProblemKind::Missing),
            _ => self.problem(ProblemKind::Registry(error)),
        }
    }
}

/// Where an index goes.
#[derive(Clone)]
#[non_exhaustive]
pub struct Target {
    /// What it is called in messages.
    pub name: String,
    /// The repository.
    pub repository: Arc<dyn Repository>,
    /// The name in it.
    pub which: Which,
}

impl Target {
    /// A name in a repository.
    pub fn new(name: impl Into<String>, repository: Arc<dyn Repository>, which: Which) -> Target {
        Target {
            name: name.into(),
            repository,
            which,
        }
    }
}

/// How an index is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Annotations of the index.
    pub annotations: BTreeMap<String, String>,
    /// Whether attestations of the images are kept.
    pub attestations: bool,
    /// Whether the index is of OCI's format though all images are of Docker's. In an OCI image layout others look for no other.
    pub oci: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            annotations: BTreeMap::new(),
            attestations: true,
            oci: false,
        }
    }
}

/// An index that is worked out, with where its images are.
#[non_exhaustive]
pub struct Gathered {
    /// Its bytes.
    pub index: Document,
    /// Its entries, in order.
    pub entries: Vec<Descriptor>,
    /// Optional sources that are not there.
    pub left_out: Vec<String>,
    children: Vec<Child>,
    ahead: Ahead,
}

/// An image of an index.
#[derive(Clone)]
struct Child {
    /// The source that it came from, by its place.
    source: usize,
    /// What the index says of it.
    entry: Descriptor,
    /// Where it is.
    repository: Arc<dyn Repository>,
    /// The manifest, where it was read.
    document: Option<Document>,
}

/// What publishing did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Blobs taken over inside of a registry, without moving their bytes.
    pub mounted: usize,
    /// Blobs that were copied.
    pub copied: usize,
    /// Their size in bytes.
    pub copied_bytes: u64,
}
