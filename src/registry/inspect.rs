//! What an index or image is made of, for people and programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::assemble::read_blob;
use super::hosts;
use super::listing::Listing;
use super::{
    Descriptor, Digest, Document, ImageConfig, RegistryError, Repository, Spelling, Which, is_lost,
    spelling,
};
use crate::arch::Platform;
use crate::parallel::side_by_side;

/// An index, or an image alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Inspection {
    /// What was asked for.
    pub reference: String,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Whether it is an index; else it is the one image below.
    pub is_index: bool,
    /// Annotations of the index.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Its images, in its order.
    pub entries: Vec<Image>,
    /// Its bytes.
    #[serde(skip)]
    pub raw: Vec<u8>,
    #[serde(skip)]
    descriptors: Vec<Descriptor>,
}

/// An image, or what an index holds in an image's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Image {
    /// The platform that the index says; of an image alone that of its configuration. With `os.version` where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The manifest.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// What is downloaded for it: manifest, configuration and layers, compressed, in bytes. Nothing where it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How many layers it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// When it was made, as RFC 3339 has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What it attests, where it is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attests: Option<Attestation>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// What BuildKit says of an image that it built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Attestation {
    /// The manifest that it is about.
    pub subject: String,
    /// What it says: `https://slsa.dev/provenance/v0.2`, `https://spdx.dev/Document`.
    pub predicates: Vec<String>,
}

/// Which entry a kind of machine pulls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Pulled {
    /// The machine.
    pub host: String,
    /// What Docker, BuildKit and Kubernetes on containerd pull there.
    pub containerd: Option<String>,
    /// What podman, buildah, skopeo and CRI-O pull there.
    pub podman: Option<String>,
}

/// Reads an index with its images, or one image; nothing where there is none.
///
/// # Errors
/// The repository cannot be asked, or holds something else there. What is wrong with single images is said of them.
pub fn inspect(
    reference: &str,
    repository: &dyn Repository,
    which: &Which,
) -> Result<Option<Inspection>, RegistryError> {
    let Some(listing) = Listing::read(repository, which)? else {
        return Ok(None);
    };
    let alone = listing.alone();
    let entries = side_by_side(&listing.entries, |entry| image(repository, entry, alone));
    Ok(Some(Inspection {
        reference: reference.to_string(),
        digest: listing.document.digest,
        media_type: listing.document.media_type,
        is_index: listing.is_index,
        annotations: listing.annotations,
        entries,
        raw: listing.document.bytes,
        descriptors: listing.entries,
    }))
}

fn image(repository: &dyn Repository, entry: &Descriptor, alone: Option<&Document>) -> Image {
    let mut image = Image {
        platform: entry.platform.as_ref().map(Platform::format_all),
        digest: entry.digest.clone(),
        media_type: entry.media_type.clone(),
        size: None,
        layers: None,
        created: None,
        attests: None,
        faults: Vec::new(),
    };
    image.faults.extend(entry.image_platform().and_then(fault));
    let found = match alone {
        Some(document) => Ok(Some(document.clone())),
        None => repository.manifest(&Which::Digest(entry.digest.clone())),
    };
    let manifest = match found.map(|found| found.map(|document| document.image())) {
        Ok(Some(Ok(manifest))) => manifest,
        Ok(Some(Err(what))) => {
            image.faults.push(what);
            return image;
        }
        Ok(None) => {
            image.faults.push(
                "it is not there: the index names it, and the registry has it not".to_string(),
            );
            return image;
        }
        Err(error) => {
            image.faults.push(error.to_string());
            return image;
        }
    };
    let blobs = manifest.layers.iter().chain([&manifest.config]);
    // Whoever wrote a size may have written any number.
    image.size = Some(blobs.fold(entry.size, |sum, blob| sum.saturating_add(blob.size)));
    image.layers = Some(manifest.layers.len());
    if let Some(subject) = entry.attests() {
        let predicate =
            |layer: &Descriptor| layer.annotations.get("in-toto.io/predicate-type").cloned();
        let predicates = manifest.layers.iter().filter_map(predicate).collect();
        image.attests = Some(Attestation {
            subject: subject.to_string(),
            predicates,
        });
        return image;
    }
    if !manifest.is_container() {
        return image;
    }
    let config = read_blob(repository, &manifest.config).map_err(|error| error.to_string());
    match config.and_then(|bytes| ImageConfig::read(&bytes)) {
        Ok(config) => {
            image.created = config.created;
            if alone.is_some() {
                image.platform = Some(config.platform.format_all());
            }
        }
        Err(what) => image.faults.push(what),
    }
    image
}

/// What is wrong with a platform in an index.
fn fault(platform: &Platform) -> Option<String> {
    match spelling(platform) {
        Spelling::Right => None,
        Spelling::Open(choices) => {
            let choices: Vec<String> = choices.iter().map(ToString::to_string).collect();
            Some(format!(
                "`{platform}` leaves open which machines can run it: it is one of {}",
                choices.join(", ")
            ))
        }
        Spelling::Instead(right) if is_lost(platform) => Some(format!(
            "`{platform}` is found by few clients, or by none: it is written `{right}`"
        )),
        Spelling::Instead(right) => Some(format!("`{platform}` is written `{right}`")),
    }
}

impl Inspection {
    /// Which entry each of some machines pulls; nothing of an image alone, which all of them pull, whether they run it or not.
    pub fn pulled(&self, hosts: &[Platform]) -> Vec<Pulled> {
        if !self.is_index {
            return Vec::new();
        }
        let shown = |at: Option<usize>| {
            at.and_then(|at| {
                Some(
                    self.entries
                        .get(at)?
                        .platform
                        .clone()
                        .unwrap_or_else(|| "the one without a platform".to_string()),
                )
            })
        };
        let pulled = |host: &Platform| Pulled {
            host: host.to_string(),
            containerd: shown(hosts::containerd(&self.descriptors, host)),
            podman: shown(hosts::podman(&self.descriptors, host)),
        };
        hosts.iter().map(pulled).collect()
    }

    /// The images of an index that none of some machines pulls.
    pub fn unreachable(&self, hosts: &[Platform]) -> Vec<&Image> {
        if !self.is_index {
            return Vec::new();
        }
        let mut reached = vec![false; self.descriptors.len()];
        for host in hosts {
            for at in [
                hosts::containerd(&self.descriptors, host),
                hosts::podman(&self.descriptors, host),
            ]
            .into_iter()
            .flatten()
            {
                reached[at] = true;
            }
        }
        let lost = self.descriptors.iter().zip(&self.entries).zip(reached);
        lost.filter(|((entry, _), reached)| !reached && !entry.is_of_no_platform())
            .map(|((_, image), _)| image)
            .collect()
    }
}
