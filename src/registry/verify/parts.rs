//! Whether everything is there that an index names, and is what the index says.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Part};
use crate::arch::Platform;
use crate::parallel::side_by_side;
use crate::registry::assemble::{fits, read_blob};
use crate::registry::spelling::spelled;
use crate::registry::{
    Descriptor, Digest, Document, ErrorKind, ImageConfig, ImageManifest, RegistryError, Repository,
    Spelling, Which, spelling,
};

/// An image of an index, as far as it could be read.
pub(super) struct Checked {
    pub(super) entry: Descriptor,
    /// The platform by which it is judged: that of the index, else of its configuration.
    pub(super) platform: Option<Platform>,
    pub(super) manifest: Option<ImageManifest>,
    pub(super) findings: Vec<Finding>,
}

/// Reads the manifest and configuration of an entry. `alone` is the manifest where there is no index.
pub(super) fn check(
    repository: &dyn Repository,
    entry: &Descriptor,
    alone: Option<&Document>,
) -> Result<Checked, RegistryError> {
    let mut checked = Checked {
        entry: entry.clone(),
        platform: entry.platform.clone(),
        manifest: None,
        findings: Vec::new(),
    };
    let part = Part::of(entry);
    let mut found = |what: String| checked.findings.push(Finding::new(&part, what));
    if let Some(platform) = entry.image_platform() {
        match spelling(platform) {
            Spelling::Right => {}
            Spelling::Instead(right) => found(format!(
                "`{platform}` is written `{right}`: clients do not find it as it is (`crossfile verify --repair` mends it)"
            )),
            Spelling::Open(choices) => {
                let choices: Vec<String> = choices.iter().map(ToString::to_string).collect();
                found(format!(
                    "`{platform}` leaves open which machines run it: it is one of {}",
                    choices.join(", ")
                ));
            }
        }
    }
    let document = match alone {
        Some(document) => document.clone(),
        None => match repository.manifest(&Which::Digest(entry.digest.clone())) {
            Ok(Some(document)) => document,
            Ok(None) => {
                found("its manifest is not there".to_string());
                return Ok(checked);
            }
            Err(error) => {
                found(fault_of_content(error)?);
                return Ok(checked);
            }
        },
    };
    if document.bytes.len() as u64 != entry.size {
        found(format!(
            "its manifest has {} bytes, and the index says {}",
            document.bytes.len(),
            entry.size
        ));
    }
    if !entry.media_type.is_empty() && document.media_type != entry.media_type {
        found(format!(
            "its manifest is of type `{}`, and the index says `{}`",
            document.media_type, entry.media_type
        ));
    }
    let manifest = match document.image() {
        Ok(manifest) => manifest,
        Err(what) => {
            found(what);
            return Ok(checked);
        }
    };
    if entry.is_of_no_platform() {
        checked.manifest = Some(manifest);
        return Ok(checked);
    }
    if alone.is_none() && entry.platform.is_none() {
        found("the index says no platform: few clients find it".to_string());
    }
    if !manifest.is_container() {
        found(format!(
            "it is no container image: its configuration is of type `{}`",
            manifest.config.media_type
        ));
        checked.manifest = Some(manifest);
        return Ok(checked);
    }
    let config = match read_blob(repository, &manifest.config) {
        Ok(bytes) => ImageConfig::read(&bytes),
        // Told with the other blobs.
        Err(error) if error.kind == ErrorKind::NotFound => {
            checked.manifest = Some(manifest);
            return Ok(checked);
        }
        Err(error) => Err(fault_of_content(error)?),
    };
    match config {
        Err(what) => found(what),
        Ok(config) => {
            if config.platform.os.is_empty() || config.platform.architecture.is_empty() {
                found("its configuration says no platform".to_string());
            } else if let Some(said) = &entry.platform {
                for what in disagreements(said, &config.platform) {
                    found(what);
                }
            } else {
                checked.platform = Some(config.platform.clone());
            }
            let (layers, known) = (manifest.layers.len(), config.rootfs.diff_ids.len());
            if layers != known {
                found(format!(
                    "its manifest has {layers} layers, and its configuration {known}"
                ));
            }
        }
    }
    checked.manifest = Some(manifest);
    Ok(checked)
}

/// What is wrong with a content is a finding; a registry that cannot be asked is an error.
fn fault_of_content(error: RegistryError) -> Result<String, RegistryError> {
    match error.kind {
        ErrorKind::Content(what) | ErrorKind::Malformed(what) => Ok(what),
        _ => Err(error),
    }
}

/// Where an index and a configuration say different things. Builders leave variants out of configurations.
fn disagreements(said: &Platform, own: &Platform) -> Vec<String> {
    let mut found = Vec::new();
    if !fits(said, own) {
        found.push(format!(
            "the index says `{said}`, and its configuration `{own}`"
        ));
    }
    if !own.os_version.is_empty() && said.os_version != own.os_version {
        let said = match said.os_version.as_str() {
            "" => "no version of the system".to_string(),
            version => format!("version {version}"),
        };
        found.push(format!(
            "the index says {said}, and its configuration {}",
            own.os_version
        ));
    }
    found
}

/// Asks for every blob of some images, each once, all side by side; what is missing is found for each image that needs it. Gives the number of
/// blobs.
pub(super) fn blobs(
    repository: &dyn Repository,
    images: &[Checked],
    findings: &mut Vec<Finding>,
) -> Result<usize, RegistryError> {
    let mut users: BTreeMap<Digest, Vec<(&Checked, &Descriptor)>> = BTreeMap::new();
    for image in images {
        let manifest = image.manifest.iter();
        for blob in manifest.flat_map(|manifest| manifest.layers.iter().chain([&manifest.config])) {
            users
                .entry(blob.digest.clone())
                .or_default()
                .push((image, blob));
        }
    }
    let users: Vec<(Digest, Vec<(&Checked, &Descriptor)>)> = users.into_iter().collect();
    let sizes = side_by_side(&users, |(digest, _)| repository.blob_size(digest));
    for ((digest, users), size) in users.iter().zip(sizes) {
        let size = size?;
        for (image, blob) in users {
            let part = Part::of(&image.entry);
            match size {
                // Layers of Windows that must not be distributed are where their addresses say.
                None if !blob.urls.is_empty() => {}
                None => findings.push(Finding::new(
                    &part,
                    format!("its blob {digest} is not there"),
                )),
                Some(size) if size != blob.size => {
                    let what = format!(
                        "its blob {digest} has {size} bytes, and its manifest says {}",
                        blob.size
                    );
                    findings.push(Finding::new(&part, what));
                }
                Some(_) => {}
            }
        }
    }
    Ok(users.len())
}

/// What an index has too much or too little of. With nothing expected every set of platforms is right, but none twice.
pub(super) fn platforms(
    entries: &[Descriptor],
    needed: &[Platform],
    may_have: &[Platform],
) -> Vec<String> {
    let key = |platform: &Platform| {
        let normal = spelled(platform).unwrap_or_else(|_| platform.normalize());
        let version = normal.os_version.clone();
        (
            Platform {
                os_version: String::new(),
                os_features: Vec::new(),
                ..normal
            }
            .to_string(),
            version,
        )
    };
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    let mut wrong = Vec::new();
    if entries.iter().all(Descriptor::is_of_no_platform) {
        wrong.push("it has no image".to_string());
    }
    for platform in entries.iter().filter_map(Descriptor::image_platform) {
        if !found.insert(key(platform)) {
            wrong.push(format!(
                "it has {} twice: clients take the first",
                platform.format_all()
            ));
        }
    }
    for subject in entries.iter().filter_map(Descriptor::attests) {
        if !entries.iter().any(|entry| entry.digest.as_str() == subject) {
            wrong.push(format!(
                "it has an attestation of {subject}, which it has not"
            ));
        }
    }
    if needed.is_empty() && may_have.is_empty() {
        return wrong;
    }
    // What is expected says no version of the system.
    let found: BTreeSet<String> = found.into_iter().map(|(platform, _)| platform).collect();
    let set = |list: &[Platform]| -> BTreeSet<String> {
        list.iter().map(|platform| key(platform).0).collect()
    };
    let needed = set(needed);
    let known: BTreeSet<String> = needed.union(&set(may_have)).cloned().collect();
    let list = |platforms: Vec<&String>| {
        platforms
            .into_iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (lacking, more) = (
        list(needed.difference(&found).collect()),
        list(found.difference(&known).collect()),
    );
    if !lacking.is_empty() {
        wrong.push(format!("it lacks {lacking}"));
    }
    if !more.is_empty() {
        wrong.push(format!("it has {more}, too"));
    }
    wrong
}
