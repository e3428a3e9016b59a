//! Proving that an index is right: everything it names is there and is what it says, down to the programs in the layers.
//!
//! [`verify`] does all of it. [`Scan`] alone reads the layers of images and finds the programs that are for another platform: [`Machines`] says
//! which machines a platform runs, [`Rules`] where others are ordinary.

mod layer;
mod machine;
mod parts;
mod paths;
mod programs;
mod rules;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

use super::client::printable as plain;
use super::listing::Listing;
use super::{Descriptor, Digest, ErrorKind, RegistryError, Repository, Which};
use crate::arch::{ArchMap, Platform};
use crate::parallel::side_by_side;

pub use machine::{Machine, Machines, machine};
pub use programs::{Foreign, Image, Programs, Scan, ScanError};
pub use rules::Rules;

/// What is asked of an index.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Platforms that it has to have. With none here and below it may have any.
    pub needed: Vec<Platform>,
    /// Platforms that it may have, too.
    pub may_have: Vec<Platform>,
    /// Where programs of other platforms are ordinary; nothing leaves the layers unread.
    pub programs: Option<Rules>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Verification {
    /// What was asked for.
    pub reference: String,
    /// Its digest.
    pub digest: Digest,
    /// The platforms of its images, in its order.
    pub platforms: Vec<String>,
    /// How many blobs were asked for.
    pub blobs: usize,
    /// How many programs were looked at; nothing where the layers were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<u64>,
    /// What could not be looked at, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What is wrong; nothing where it is right.
    pub findings: Vec<Finding>,
}

impl Verification {
    /// Whether programs of other architectures are among what is wrong.
    pub fn has_foreign_programs(&self) -> bool {
        self.findings.iter().any(|finding| finding.is_program)
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Finding {
    /// The platform of the image that it is wrong with; nothing where it is the index itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What is wrong.
    pub message: String,
    /// Whether it is a program of another architecture.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_program: bool,
}

/// What a finding is about.
struct Part {
    platform: Option<String>,
    digest: Option<Digest>,
}

impl Part {
    fn of(entry: &Descriptor) -> Part {
        let platform = entry.platform.as_ref().map(Platform::format_all);
        Part {
            platform,
            digest: Some(entry.digest.clone()),
        }
    }

    const fn index() -> Part {
        Part {
            platform: None,
            digest: None,
        }
    }
}

impl Finding {
    fn new(part: &Part, message: impl AsRef<str>) -> Finding {
        Finding {
            platform: part.platform.clone(),
            digest: part.digest.clone(),
            // Names of files and registries' words are whatever somebody wrote.
            message: plain(message.as_ref()),
            is_program: false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.platform, &self.digest) {
            (Some(platform), Some(digest)) => {
                write!(f, "{platform} ({}): {}", digest.short(), self.message)
            }
            (None, Some(digest)) => write!(f, "{}: {}", digest.short(), self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// How many layers are read side by side at most: each takes some memory.
const READERS: usize = 4;

/// Proves an index or an image alone; nothing where there is none. `called_off` is asked often while layers are read.
///
/// # Errors
/// The repository cannot be asked. What is wrong with what it has is a finding.
pub fn verify(
    reference: &str,
    repository: &dyn Repository,
    which: &Which,
    options: &Options,
    called_off: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Verification>, RegistryError> {
    let Some(listing) = Listing::read(repository, which)? else {
        return Ok(None);
    };
    let (alone, entries) = (listing.alone(), &listing.entries);
    let checked = side_by_side(entries, |entry| parts::check(repository, entry, alone));
    let mut images = checked.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut findings = Vec::new();
    let judged: Vec<Descriptor> = match listing.is_index {
        true => entries.to_vec(),
        // An image alone says its platform in its configuration.
        false => images
            .iter()
            .map(|image| Descriptor {
                platform: image.platform.clone(),
                ..image.entry.clone()
            })
            .collect(),
    };
    let wrong = parts::platforms(&judged, &options.needed, &options.may_have);
    findings.extend(
        wrong
            .into_iter()
            .map(|what| Finding::new(&Part::index(), what)),
    );
    for image in &mut images {
        findings.append(&mut image.findings);
    }
    let blobs = parts::blobs(repository, &images, &mut findings)?;
    let mut programs = None;
    let mut notes = Vec::new();
    if let Some(rules) = &options.programs {
        programs = Some(foreign(
            repository,
            &images,
            rules,
            called_off,
            &mut findings,
            &mut notes,
        )?);
    }
    Ok(Some(Verification {
        reference: reference.to_string(),
        digest: listing.document.digest,
        platforms: judged
            .iter()
            .filter_map(Descriptor::image_platform)
            .map(Platform::format_all)
            .collect(),
        blobs,
        programs,
        notes,
        findings,
    }))
}

/// Reads the layers of all images for programs of other platforms. Gives the number of programs.
fn foreign(
    repository: &dyn Repository,
    images: &[parts::Checked],
    rules: &Rules,
    called_off: &(dyn Fn() -> bool + Sync),
    findings: &mut Vec<Finding>,
    notes: &mut Vec<String>,
) -> Result<u64, RegistryError> {
    let map = ArchMap::builtin();
    let machines = Machines::new(&map);
    let mut judged = Vec::new();
    for image in images {
        if let (Some(platform), Some(manifest), false) = (
            &image.platform,
            &image.manifest,
            image.entry.is_of_no_platform(),
        ) {
            judged.push((image, Image::new(platform, &manifest.layers)));
        }
    }
    let readers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(READERS);
    let scan = Scan::new(&machines, rules)
        .jobs(readers)
        .called_off(called_off);
    let inputs: Vec<Image<'_>> = judged.iter().map(|(_, image)| *image).collect();
    let found = scan.images(&inputs, &|layer| repository.blob(layer));
    let mut seen = 0;
    for ((image, _), found) in judged.iter().zip(found) {
        let part = Part::of(&image.entry);
        let programs = match found {
            Ok(programs) => programs,
            Err(ScanError::Cancelled) => {
                return Err(RegistryError::new(
                    repository.name(),
                    "read layers",
                    ErrorKind::Cancelled,
                ));
            }
            // Missing blobs were found before.
            Err(ScanError::Registry(error)) if error.kind == ErrorKind::NotFound => continue,
            // A size that is not what the manifest says was found before, too; other contents are not what they should be.
            Err(ScanError::Registry(error)) => {
                let ErrorKind::Content(what) = &error.kind else {
                    return Err(error);
                };
                let blob = error.request.rsplit('/').next().unwrap_or_default();
                if !findings.iter().any(|known| known.message.contains(blob)) {
                    findings.push(Finding::new(&part, format!("its blob {blob}: {what}")));
                }
                continue;
            }
            Err(error @ ScanError::Layer { .. }) => {
                findings.push(Finding::new(&part, error.to_string()));
                continue;
            }
        };
        seen += programs.seen;
        findings.extend(programs.foreign.iter().map(|program| Finding {
            is_program: true,
            ..Finding::new(&part, program.to_string())
        }));
        if programs.more > 0 {
            findings.push(Finding::new(
                &part,
                format!(
                    "{} more programs are for other architectures",
                    programs.more
                ),
            ));
        }
        let platform = part.platform.clone().unwrap_or_default();
        for (digest, why) in &programs.skipped {
            notes.push(format!(
                "{platform}: layer {} was not read: {why}",
                digest.short()
            ));
        }
        if !programs.judged {
            notes.push(format!(
                "{platform}: nobody here knows which programs it runs: its layers were not read"
            ));
        }
    }
    Ok(seen)
}
