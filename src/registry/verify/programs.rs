//! Whole images: the programs in their layers that are for other platforms.
//!
//! The layers of all images are read first, each once however many images have it, some side by side; then each image is put together
//! from what was kept of its layers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use thiserror::Error;

use super::layer::{Found, LayerSummary, Wanted};
use super::machine::{Machine, Machines};
use super::rules::Rules;
use super::stream::{CalledOff, Fault};
use crate::arch::Platform;
use crate::registry::{Descriptor, Digest, Opened, RegistryError};

/// An image to look into.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Image<'a> {
    /// The platform that its programs should be for.
    pub platform: &'a Platform,
    /// Its layers, lowest first.
    pub layers: &'a [Descriptor],
}

impl<'a> Image<'a> {
    /// An image by its platform and its layers, lowest first.
    pub fn new(platform: &'a Platform, layers: &'a [Descriptor]) -> Image<'a> {
        Image { platform, layers }
    }
}

/// What was found in an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Programs {
    /// The foreign programs, by layer and path.
    pub foreign: Vec<Foreign>,
    /// Foreign programs beyond the ten thousand of a layer that are named. Higher layers may hide some of them.
    pub more: u64,
    /// The programs of any machine that the layers hold, hidden ones too.
    pub seen: u64,
    /// Layers that were not read, with the reason.
    pub skipped: Vec<(Digest, &'static str)>,
    /// Whether it is known what the platform runs. Where it is not, nothing was read.
    pub judged: bool,
}

/// A program that is for another platform.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Foreign {
    /// Where it is, from the root of the image, without a slash in front. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// What it is made for.
    pub machine: Machine,
    /// The architecture of that: `arm64`.
    pub architecture: String,
    /// The number of the layer that holds it; the lowest is 1.
    pub layer: usize,
    /// The digest of that layer.
    pub digest: Digest,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Foreign {
            path,
            architecture,
            layer,
            digest,
            ..
        } = self;
        write!(
            f,
            "`/{path}` is for {architecture}, in layer {layer} ({})",
            digest.short()
        )
    }
}

/// Why an image could not be looked into.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScanError {
    /// A layer cannot be asked for.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A layer is not what it should be.
    #[error("layer {digest}: {what}")]
    #[non_exhaustive]
    Layer {
        /// The layer.
        digest: Digest,
        /// What is wrong with it.
        what: String,
    },
    /// Everything was called off.
    #[error("called off")]
    Cancelled,
}

/// How images are looked into.
///
/// Reading a layer takes a few megabytes for gzip and up to 40 for zstd (its window), and some thirty bytes for each of the layer's paths;
/// eight of those remain until all is read. Layers side by side take as much each.
#[derive(Clone, Copy)]
pub struct Scan<'a> {
    machines: &'a Machines,
    rules: &'a Rules,
    jobs: usize,
    called_off: CalledOff<'a>,
}

impl<'a> Scan<'a> {
    /// Looks for programs that the machines do not run, unless the rules allow them. One layer after the other.
    pub fn new(machines: &'a Machines, rules: &'a Rules) -> Scan<'a> {
        Scan {
            machines,
            rules,
            jobs: 1,
            called_off: &|| false,
        }
    }

    /// Reads so many layers side by side.
    #[must_use]
    pub fn jobs(self, jobs: usize) -> Scan<'a> {
        Scan {
            jobs: jobs.max(1),
            ..self
        }
    }

    /// Gives up where this says so. It is asked often, from several threads.
    #[must_use]
    pub fn called_off(self, called_off: &'a (dyn Fn() -> bool + Sync)) -> Scan<'a> {
        Scan { called_off, ..self }
    }

    /// Looks into images. `open` gives the content of a layer, checked against its descriptor, and is called once for each
    /// digest; the results are in the order of the images.
    ///
    /// # Errors
    /// For each image, the first of its layers that cannot be read to its end. A layer that several images have fails them all.
    pub fn images(
        &self,
        images: &[Image<'_>],
        open: &(dyn Fn(&Descriptor) -> Result<Opened, RegistryError> + Sync),
    ) -> Vec<Result<Programs, ScanError>> {
        let layers = self.layers(images);
        // The largest first: nobody waits at the end for one that began late.
        let mut order: Vec<&Layer<'_>> = layers.values().collect();
        order.sort_by_key(|layer| std::cmp::Reverse(layer.descriptor.size));
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(layer) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let summary = self.layer(layer, open);
                // Nobody else has this one.
                let _ = layer.summary.set(summary);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.jobs.min(order.len()) {
                scope.spawn(work);
            }
            work();
        });
        let images = images.iter();
        images.map(|image| self.image(image, &layers)).collect()
    }

    /// The layers to read, each with the platforms of the images that have it.
    fn layers<'b>(&self, images: &[Image<'b>]) -> BTreeMap<&'b Digest, Layer<'b>> {
        let mut layers: BTreeMap<&Digest, Layer<'b>> = BTreeMap::new();
        for image in images {
            if !self.machines.knows(image.platform) {
                continue;
            }
            for descriptor in image.layers {
                if skipped(&descriptor.media_type).is_some() {
                    continue;
                }
                let layer = layers.entry(&descriptor.digest).or_insert_with(|| Layer {
                    descriptor,
                    platforms: Vec::new(),
                    summary: OnceLock::new(),
                });
                if !layer.platforms.contains(&image.platform) {
                    layer.platforms.push(image.platform);
                }
            }
        }
        layers
    }

    fn layer(
        &self,
        layer: &Layer<'_>,
        open: &(dyn Fn(&Descriptor) -> Result<Opened, RegistryError> + Sync),
    ) -> Result<LayerSummary, ScanError> {
        if (self.called_off)() {
            return Err(ScanError::Cancelled);
        }
        let wanted = Wanted {
            machines: self.machines,
            rules: self.rules,
            platforms: &layer.platforms,
        };
        let summary = LayerSummary::read(open(layer.descriptor)?, wanted, self.called_off);
        summary.map_err(|fault| match fault {
            Fault::CalledOff => ScanError::Cancelled,
            Fault::Broken(what) => ScanError::Layer {
                digest: layer.descriptor.digest.clone(),
                what,
            },
        })
    }

    /// An image from what was kept of its layers: what each one adds, less what those above hide.
    fn image(
        &self,
        image: &Image<'_>,
        layers: &BTreeMap<&Digest, Layer<'_>>,
    ) -> Result<Programs, ScanError> {
        let mut programs = Programs {
            judged: self.machines.knows(image.platform),
            ..Programs::default()
        };
        let mut held: BTreeMap<Arc<[u8]>, Held> = BTreeMap::new();
        for (number, descriptor) in image.layers.iter().enumerate() {
            if (self.called_off)() {
                return Err(ScanError::Cancelled);
            }
            if let Some(why) = skipped(&descriptor.media_type) {
                programs.skipped.push((descriptor.digest.clone(), why));
                continue;
            }
            let layer = layers.get(&descriptor.digest);
            let Some(summary) = layer.and_then(|layer| layer.summary.get()) else {
                continue;
            };
            let summary = summary.as_ref().map_err(Clone::clone)?;
            programs.seen += summary.seen;
            programs.more += summary.more;
            let links = summary.links.iter().filter_map(|(path, target)| {
                let held = held.get(target.as_slice())?.clone();
                Some((
                    Arc::clone(path),
                    Held {
                        layer: number,
                        ..held
                    },
                ))
            });
            let links: Vec<(Arc<[u8]>, Held)> = links.collect();
            held.retain(|path, _| !summary.hidden.hides(path));
            held.extend(links);
            let foreign = summary.foreign.iter().filter(|(_, found)| {
                let Found { machine, .. } = found;
                self.machines.is_foreign(image.platform, *machine)
            });
            held.extend(foreign.map(|(path, found)| {
                let held = Held {
                    layer: number,
                    machine: found.machine,
                    origin: (number, Arc::clone(&found.origin)),
                };
                (Arc::clone(path), held)
            }));
        }
        programs.foreign = self.foreign(image, &held)?;
        Ok(programs)
    }

    /// One of each file: where it was put first, else the first of its hard links.
    fn foreign(
        &self,
        image: &Image<'_>,
        held: &BTreeMap<Arc<[u8]>, Held>,
    ) -> Result<Vec<Foreign>, ScanError> {
        let mut files: BTreeMap<&Origin, (&[u8], &Held)> = BTreeMap::new();
        for (path, held) in held {
            if (self.called_off)() {
                return Err(ScanError::Cancelled);
            }
            if self.rules.allows(&String::from_utf8_lossy(path)) {
                continue;
            }
            let file = files.entry(&held.origin).or_insert((path, held));
            if **path == *held.origin.1 {
                *file = (path, held);
            }
        }
        let foreign = files.into_values().filter_map(|(path, held)| {
            let digest = image.layers.get(held.layer)?.digest.clone();
            let architecture = self.machines.architecture(held.machine)?;
            Some(Foreign {
                path: String::from_utf8_lossy(path).into_owned(),
                machine: held.machine,
                architecture: architecture.to_string(),
                layer: held.layer + 1,
                digest,
            })
        });
        let mut foreign: Vec<Foreign> = foreign.collect();
        foreign.sort_by(|one, other| (one.layer, &one.path).cmp(&(other.layer, &other.path)));
        Ok(foreign)
    }
}

/// A layer to read.
struct Layer<'a> {
    descriptor: &'a Descriptor,
    platforms: Vec<&'a Platform>,
    summary: OnceLock<Result<LayerSummary, ScanError>>,
}

/// A foreign program of the layers so far.
#[derive(Clone)]
struct Held {
    layer: usize,
    machine: Machine,
    origin: Origin,
}

/// The layer and the path where a file was put first.
type Origin = (usize, Arc<[u8]>);

/// Why a layer of a media type is not read; nothing where it is.
///
/// Source: OCI image specification 1.1, layer.md, "Layer Media Types" and "Non-Distributable Layers"; moby,
/// `image-manifest-v2-2`; containers/ocicrypt for the encrypted ones.
fn skipped(media_type: &str) -> Option<&'static str> {
    if media_type.contains(".nondistributable.") || media_type.contains(".foreign.") {
        return Some("it is not for distribution, and registries have none of them");
    }
    if media_type.ends_with("+encrypted") {
        return Some("it is encrypted");
    }
    // An older docker said no more than this.
    let known = [
        "",
        "application/vnd.docker.container.image.rootfs.diff+x-gtar",
    ];
    let layers = [
        "application/vnd.oci.image.layer.",
        "application/vnd.docker.image.rootfs.diff.tar",
    ];
    let is_layer = layers.iter().any(|layer| media_type.starts_with(layer));
    (!is_layer && !known.contains(&media_type)).then_some("it is no layer of a file system")
}
