//! The arguments of the commands that plan and build.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::args::SelectArgs;
use crate::complete;

/// What is built, and with what.
#[derive(Debug, clap::Args)]
pub(crate) struct WhatArgs {
    /// Folders whose projects are built, or single templates
    #[arg(value_name = "PATH", default_value = ".", add = complete::templates())]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) select: SelectArgs,

    /// Give base images the digests of crossfile.lock, as `locked = true` in crossfile.toml does
    #[arg(long)]
    pub(crate) locked: bool,

    #[command(flatten)]
    pub(crate) with: WithArgs,
}

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct WithArgs {
    /// docker, buildx, buildctl, buildah, podman, or the NAME of a program crossfile-backend-NAME [default: docker, or what
    /// crossfile.toml says]
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,

    /// Who makes and proves the index
    #[arg(long, value_enum, default_value_t)]
    pub(super) index: IndexBy,
}

impl WithArgs {
    /// Whether the backend's own tool makes the index.
    pub(crate) fn has_own_index(&self) -> bool {
        self.index == IndexBy::Backend
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum IndexBy {
    /// The backend's own tool
    #[cfg_attr(not(feature = "registry"), default)]
    Backend,
    /// crossfile itself, speaking to the registry
    #[cfg(feature = "registry")]
    #[default]
    Registry,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(super) what: WhatArgs,

    /// A tag in the place of those of crossfile.toml; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Vec<String>,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: PlanFormat,

    /// Print the builds as one line of JSON for a dynamic matrix of jobs, with the runners of a service [default: github]
    #[arg(long, value_enum, value_name = "SERVICE", num_args = 0..=1, require_equals = true, default_missing_value = "github", conflicts_with_all = ["format", "backend", "index"])]
    pub(super) matrix: Option<crate::ci::ServiceName>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PlanFormat {
    /// For people
    #[default]
    Text,
    /// A script that does it without crossfile
    Shell,
    /// For programs; carries `"version": 1`
    Json,
    /// The builds, for `docker buildx bake`
    Bake,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoArgs {
    /// How many steps each builder has at a time [default: the number of processors]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,

    /// Print the commands that would run, and run none
    #[arg(long)]
    pub(super) dry_run: bool,

    /// After a failure go on with all that does not depend on it
    #[arg(long)]
    pub(super) keep_going: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ResultFormat,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    pub(super) speak: crate::registry::SpeakArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ResultFormat {
    /// For people
    #[default]
    Text,
    /// For programs; carries `"version": 1`
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(super) what: WhatArgs,

    /// A tag in the place of those of crossfile.toml; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Vec<String>,

    /// A folder to take the builder's caches from, one for each build whose settings say no `cache-from`
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub(super) cache_from: Option<String>,

    /// A folder to put the builder's caches into, one for each build whose settings say no `cache-to`
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub(super) cache_to: Option<String>,

    #[command(flatten)]
    pub(super) how: DoArgs,
}

/// A folder's name stands in a list with commas when builders read it.
fn folder(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains([',', '"', '=']) {
        true => Err("builders read no folder whose name has `,`, `=` or `\"` in it".to_string()),
        false => Ok(text.to_string()),
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    pub(super) build: BuildArgs,

    /// Push images under their digests alone, building them, and write down which they are, for `manifest --digests`
    #[arg(long, value_name = "FILE")]
    pub(super) by_digest: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ManifestArgs {
    /// Images for the index: tags, digests, other indexes, folders in the OCI image layout (`oci:DIR:NAME`). With `PLATFORM=` before it
    /// only its image for that platform, as `linux/arm/v7=acme/nginx:arm`. Without any, those of the project here
    #[arg(value_name = "SOURCE")]
    pub(super) sources: Vec<String>,

    /// A source that the index may go out without; may be repeated
    #[arg(long, value_name = "SOURCE")]
    pub(super) optional: Vec<String>,

    /// Write the index into a folder in the OCI image layout, in the place of a registry; tags are names in it then
    #[arg(long, value_name = "oci:DIR")]
    pub(super) to: Option<String>,

    /// Without sources: take the project's images from what `push --by-digest` wrote, a file or a folder of files; may be repeated
    #[arg(long, value_name = "PATH", conflicts_with_all = ["sources", "optional"])]
    pub(super) digests: Vec<PathBuf>,

    /// An annotation of the index; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) annotation: Vec<String>,

    /// Leave attestations of the images out
    #[arg(long)]
    pub(super) no_attestations: bool,

    /// Prove the index before any tag moves, programs in the layers included
    #[arg(long)]
    pub(super) verify: bool,

    /// With --verify: paths in images where programs of other architectures are ordinary; may be repeated
    #[arg(long, value_name = "GLOB", requires = "verify")]
    pub(super) allow: Vec<String>,

    #[command(flatten)]
    pub(super) select: SelectArgs,

    #[command(flatten)]
    pub(super) with: WithArgs,

    /// With sources the reference that the index gets, else a tag in the place of those of crossfile.toml; may be repeated
    #[arg(long, value_name = "REF")]
    pub(super) tag: Vec<String>,

    #[command(flatten)]
    pub(super) how: DoArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(super) build: BuildArgs,

    /// Do not ask whether the base images are there
    #[cfg(feature = "registry")]
    #[arg(long)]
    pub(super) skip_bases: bool,
}
