//! For which platform each image is that was read, and whether it is the one that was asked for. Nothing is asked of anyone here.

use super::read::{Found, Image};
use super::{Child, Options, Outcome, ProblemKind, Source};
use crate::arch::{Matcher, Platform};
use crate::registry::spelling::{is_lost, spelled};

/// Judges what a source is.
pub(super) struct Judge<'a> {
    pub(super) source: &'a Source,
    pub(super) options: &'a Options,
}

impl Judge<'_> {
    /// The images of a source that go into the index, in their right spelling. `own` has the platforms that their configurations say, in the order of
    /// the images.
    pub(super) fn judge(&self, found: Found, own: Vec<Outcome<Platform>>) -> Outcome<Vec<Child>> {
        let mut judged = Vec::new();
        for (image, own) in found.images.into_iter().zip(own) {
            judged.push((image, own?));
        }
        match found.index {
            None => judged
                .into_iter()
                .map(|(image, own)| self.image(image, own))
                .collect(),
            Some(index) => self.chosen(judged, index),
        }
    }

    /// A single image.
    fn image(&self, image: Image, found: Platform) -> Outcome<Child> {
        let platform = match &self.source.platform {
            Some(said) => {
                self.agree(said, &found)?;
                let version = |platform: &Platform| !platform.os_version.is_empty();
                match version(said) || !version(&found) {
                    true => said.clone(),
                    false => Platform {
                        os_version: found.os_version,
                        os_features: found.os_features,
                        ..said.clone()
                    },
                }
            }
            None => found,
        };
        let mut child = image.child;
        child.entry.platform = Some(self.spelled(&platform)?);
        Ok(child)
    }

    /// An image for a lower version of the same architecture runs on the higher one; builders leave versions out, too.
    fn agree(&self, said: &Platform, found: &Platform) -> Outcome<()> {
        match fits(said, found) {
            true => Ok(()),
            false => Err(self.source.problem(ProblemKind::OtherPlatform {
                said: said.clone(),
                found: found.clone(),
            })),
        }
    }

    fn spelled(&self, platform: &Platform) -> Outcome<Platform> {
        spelled(platform).map_err(|choices| {
            self.source
                .problem(ProblemKind::Open(platform.clone(), choices))
        })
    }

    /// Those images of an index that go into the new one.
    fn chosen(
        &self,
        images: Vec<(Image, Platform)>,
        index: super::read::Index,
    ) -> Outcome<Vec<Child>> {
        let mut chosen: Vec<Child> = Vec::new();
        let mut others = index.others;
        for (image, own) in images {
            let mut child = image.child;
            let found = match &child.entry.platform {
                Some(platform) if !platform.os.is_empty() && !platform.architecture.is_empty() => {
                    // Whoever made the index may have been wrong.
                    let said = self.source.platform.as_ref();
                    if said.is_some() || !is_lost(platform) {
                        self.agree(said.unwrap_or(platform), &own)?;
                    }
                    platform.clone()
                }
                _ => own,
            };
            let platform = match &self.source.platform {
                // One image with its attestations, as builders push it.
                Some(said) if index.alone => self.agree(said, &found).map(|()| Platform {
                    os_version: found.os_version,
                    os_features: found.os_features,
                    ..said.clone()
                })?,
                Some(said) if said.same_target(&found) => found,
                Some(_) => {
                    others.push(found);
                    continue;
                }
                None if is_lost(&found) => match spelled(&found) {
                    Ok(right) => {
                        return Err(self.source.problem(ProblemKind::Misspelt(found, right)));
                    }
                    Err(choices) => {
                        return Err(self.source.problem(ProblemKind::Open(found, choices)));
                    }
                },
                None => found,
            };
            child.entry.platform = Some(self.spelled(&platform)?);
            chosen.push(child);
        }
        if let (Some(said), true) = (&self.source.platform, chosen.is_empty()) {
            return Err(self
                .source
                .problem(ProblemKind::Lacks(said.clone(), others)));
        }
        if self.options.attestations {
            let is_about = |child: &Child| match child.entry.attests() {
                Some(subject) => chosen
                    .iter()
                    .any(|image| image.entry.digest.as_str() == subject),
                None => self.source.platform.is_none(),
            };
            let kept: Vec<Child> = index.attestations.into_iter().filter(is_about).collect();
            chosen.extend(kept);
        }
        Ok(chosen)
    }
}

/// Whether an image of one platform is right where another is said: the same system and architecture, and no higher variant. Builders leave
/// variants out.
pub(in crate::registry) fn fits(said: &Platform, found: &Platform) -> bool {
    // `armv8` and the like are `v8`, whoever wrote them.
    let right = spelled(found).unwrap_or_else(|_| found.clone());
    let (own, other) = (said.normalize(), right.normalize());
    let same = own.os == other.os && own.architecture == other.architecture;
    let plain = Platform::new(&other.os, &other.architecture, &other.variant);
    same && (found.variant.is_empty() || Matcher::only(said).matches(&plain))
}
