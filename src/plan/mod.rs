//! What is done to bring a project's Dockerfiles to a registry, as data: steps, and what each needs to be done before.
//!
//! [`Plan::make`] works it out from [`Product`](crate::Product)s and what a backend can do. Nothing here runs anything: a
//! [`Backend`](crate::backend::Backend) turns steps into actions, and [`run`](crate::run) performs them.

mod bake;
mod digests;
mod fill;
mod make;
mod steps;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use bake::bake;
pub(crate) use bake::by_digest;
pub use digests::{Digests, Pushed};
#[cfg(feature = "registry")]
pub(crate) use fill::contexts;
pub use make::Options;
pub use text::text;

/// The version of the plan's JSON form. Fields may be added without a new one.
pub const VERSION: u32 = 1;

/// What a backend can do, where backends differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct Capabilities {
    /// It builds several platforms in one go.
    pub several_platforms: bool,
    /// What it built stays in a store of its own until it is pushed.
    pub keeps_images: bool,
    /// It can push in the same go as it builds.
    pub pushes_while_building: bool,
    /// It makes indexes.
    pub indexes: bool,
    /// It can mount secrets into a build.
    pub secrets: bool,
    /// It can put its cache somewhere.
    pub cache_to: bool,
    /// It can push an image under its digest alone.
    pub pushes_by_digest: bool,
    /// Its store holds images of several platforms under one name.
    pub keeps_several: bool,
    /// It can read an index back.
    pub verifies: bool,
    /// It makes indexes as they are asked for: annotated, without attestations, from and to folders in the OCI image layout.
    pub shapes_indexes: bool,
}

impl Default for Capabilities {
    fn default() -> Capabilities {
        Capabilities {
            several_platforms: false,
            keeps_images: true,
            pushes_while_building: false,
            indexes: true,
            secrets: true,
            cache_to: true,
            pushes_by_digest: false,
            keeps_several: false,
            verifies: true,
            shapes_indexes: false,
        }
    }
}

/// Which part of the way is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goal {
    /// Images in the backend's own store, or in the registry where it has none.
    Build,
    /// Images of an earlier build in the registry.
    Push,
    /// Indexes over images that are in the registry.
    Index,
    /// All of it.
    Release,
}

/// Steps in an order in which they could be done one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// [`VERSION`].
    pub version: u32,
    /// The backend that it is for.
    pub backend: String,
    /// What is done otherwise than asked for, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// The name of a step, which is one of its kind in a plan: `build:arm32v7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that one builder does as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// The short name that its output is marked by: `arm32v7`.
    pub label: String,
    /// What has to be done before.
    pub needs: Vec<StepId>,
    /// The machine that does it; nothing for the one that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// Whether the rest may go on without it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// What is done.
    #[serde(flatten)]
    pub task: Task,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Task {
    /// Builds an image, or several for their platforms in one go.
    Build(Box<Build>),
    /// Brings an image that was built to its registry.
    Push(Push),
    /// Makes an index over images that are in their registry.
    Index(Index),
    /// Reads an index and compares its platforms.
    Verify(Verify),
}

/// Where a build's result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Destination {
    /// Into the backend's own store.
    Store,
    /// To the registry.
    Registry,
    /// To the registry under its digest alone: its tags are names without a tag.
    Digest,
}

/// A build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Build {
    /// What it is built for: one, or several in one go.
    pub targets: Vec<Target>,
    /// The names that the result gets.
    pub tags: Vec<String>,
    /// The Dockerfile, relative to the folder of the plan.
    pub dockerfile: String,
    /// The build context, relative to the folder of the plan.
    pub context: String,
    /// Where the result goes.
    pub destination: Destination,
    /// The stage to build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Build arguments.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Where the cache is taken from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cache_from: Vec<String>,
    /// Where the cache is put.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cache_to: Vec<String>,
    /// Secrets by reference, never by value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Further arguments, by backend.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, Vec<String>>,
    /// The first name of the index that it is for, where it is pushed by digest and somebody else makes that index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
}

/// An architecture of a project with its platform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Target {
    /// The key in the table: `arm32v7`.
    pub arch: String,
    /// The platform: `linux/arm/v7`.
    pub platform: String,
}

impl Target {
    /// An architecture with its platform.
    pub fn new(arch: impl Into<String>, platform: impl Into<String>) -> Target {
        Target {
            arch: arch.into(),
            platform: platform.into(),
        }
    }

    /// The parts of the platform: system, architecture, variant.
    pub fn parts(&self) -> (&str, &str, Option<&str>) {
        let mut parts = self.platform.split('/');
        let os = parts.next().unwrap_or_default();
        (os, parts.next().unwrap_or_default(), parts.next())
    }
}

/// A push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Push {
    /// What was built.
    pub targets: Vec<Target>,
    /// The names under which the backend has it and the registry gets it.
    pub tags: Vec<String>,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Index {
    /// The names that it gets.
    pub tags: Vec<String>,
    /// What is in it.
    pub sources: Vec<IndexSource>,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// A folder in the OCI image layout, as `oci:DIR`, that it goes to in the place of a registry: then tags are names in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether attestations of its images are left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_attestations: bool,
    /// What its images have to pass before any tag moves, where crossfile itself makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// A reading of layers for programs of other architectures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Proof {
    /// Paths where those are ordinary.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

impl Proof {
    /// A proof that takes programs of other architectures in some places.
    pub fn new(allow: Vec<String>) -> Proof {
        Proof { allow }
    }
}

/// An image of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IndexSource {
    /// Where it is.
    pub reference: String,
    /// What it is for, where that is known before it is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Whether the reference is a name alone, and the digest is what the step yields.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_digest: bool,
    /// The step that brings it there; nothing where it is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// Whether the index may go out without it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// A check of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verify {
    /// The index.
    pub reference: String,
    /// The platforms that it has to have; nothing where they are not known.
    pub targets: Vec<Target>,
    /// Those that it may have, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub may_have: Vec<Target>,
    /// Whether the layers are read for programs of other architectures, where crossfile itself proves the index.
    pub programs: bool,
    /// Paths where those are ordinary.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

impl Step {
    /// A step that any builder may do and that has to be done.
    pub fn new(id: StepId, label: &str, needs: Vec<StepId>, task: Task) -> Step {
        Step {
            id,
            label: label.to_string(),
            needs,
            builder: None,
            optional: false,
            task,
        }
    }
}

impl Index {
    /// An index of some names over some images.
    pub fn new(tags: Vec<String>, sources: Vec<IndexSource>) -> Index {
        Index {
            tags,
            sources,
            annotations: BTreeMap::new(),
            to: None,
            without_attestations: false,
            proof: None,
        }
    }
}

impl IndexSource {
    /// An image that is in its registry, for whatever platform.
    pub fn new(reference: &str) -> IndexSource {
        IndexSource {
            reference: reference.to_string(),
            target: None,
            by_digest: false,
            step: None,
            optional: false,
        }
    }
}

impl Verify {
    /// A check of an index for platforms; with none that it is an index.
    pub fn new(reference: &str, targets: Vec<Target>) -> Verify {
        Verify {
            reference: reference.to_string(),
            targets,
            may_have: Vec::new(),
            programs: true,
            allow: Vec::new(),
        }
    }
}

impl Plan {
    /// A plan of steps.
    pub fn new(backend: &str, steps: Vec<Step>) -> Plan {
        Plan {
            version: VERSION,
            backend: backend.to_string(),
            notes: Vec::new(),
            steps,
        }
    }

    /// The step of a name.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }
}
