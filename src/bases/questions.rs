//! From products to questions, each asked once, and from the answers to bases.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::judge::{Fault, judge};
use super::{Base, BaseImage, Found, Lookup, Survey, Use};
use crate::arch::Platform;
use crate::config::{Cell, Config};
use crate::diagnostic::{Place, Source};
use crate::expand::images::{NoReference, WantedImage, images};
use crate::expand::stem;
use crate::parallel::side_by_side;
use crate::project::{BuildFile, Product};
use crate::read;
use crate::reference::Parts;

/// What may be taken for a base, its own image first.
struct Candidate {
    reference: String,
    arch: String,
    platform: Platform,
}

/// A base that is not judged yet.
struct Open {
    base: Base,
    candidates: Vec<Candidate>,
}

/// What tells bases apart: where they are locked, the reference, and the architecture by its place in the table.
type Key = (Option<PathBuf>, String, usize, String);

type Answers = BTreeMap<String, Result<Found, String>>;

pub(super) fn survey(products: &[Product], lookup: &dyn Lookup) -> Survey {
    let mut survey = Survey::default();
    let mut open: BTreeMap<Key, Open> = BTreeMap::new();
    for product in products {
        survey.locks.extend(product.config.lock_file.clone());
        collect(product, &mut open, &mut survey);
    }
    let mut answers = Answers::new();
    let most = open.values().map(|open| open.candidates.len()).max();
    for round in 0..most.unwrap_or(0) {
        let waiting = open.values().filter(|open| is_open(&open.base));
        let asked = waiting.filter_map(|open| open.candidates.get(round));
        let mut asked: Vec<&str> = asked
            .map(|candidate| candidate.reference.as_str())
            .filter(|reference| !answers.contains_key(*reference))
            .collect();
        asked.sort_unstable();
        asked.dedup();
        let found = side_by_side(&asked, |reference| lookup.look_up(reference));
        let new: Vec<_> = asked.iter().map(|asked| (*asked).to_string()).collect();
        answers.extend(new.into_iter().zip(found));
        for open in open.values_mut().filter(|open| is_open(&open.base)) {
            if let Some(candidate) = open.candidates.get(round)
                && let Some(answer) = answers.get(&candidate.reference)
            {
                answered(&mut open.base, candidate, answer, round == 0);
            }
        }
    }
    survey.bases = open.into_values().map(|open| open.base).collect();
    survey
}

/// Whether something may still be found for a base.
fn is_open(base: &Base) -> bool {
    let settled = |fault: &Fault| {
        matches!(
            fault,
            Fault::Failed(_) | Fault::Unknown(_) | Fault::NoReference(_)
        )
    };
    base.image.is_none() && !base.fault.as_ref().is_some_and(settled)
}

fn answered(base: &mut Base, candidate: &Candidate, answer: &Result<Found, String>, is_own: bool) {
    let found = match answer {
        Ok(found) => found,
        Err(error) => {
            base.fault = Some(Fault::Failed(error.clone()));
            return;
        }
    };
    if let (true, Found::Index { digest, .. }) = (is_own, found) {
        base.index = Some(digest.clone());
    }
    // What takes the place may well be for the platform itself.
    let judged = judge(&candidate.platform, found)
        .or_else(|fault| judge(&base.platform, found).map_err(|_| fault));
    match judged {
        Ok((digest, platform)) => {
            base.image = Some(BaseImage {
                digest,
                platform,
                instead: (!is_own).then(|| (candidate.reference.clone(), candidate.arch.clone())),
            });
        }
        // What is said first is what is wrong with the image that was asked for.
        Err(fault) if is_own => base.fault = Some(fault),
        Err(fault) => base.tried.push((candidate.reference.clone(), fault)),
    }
}

/// Adds the images of a product's Dockerfiles.
fn collect(product: &Product, open: &mut BTreeMap<Key, Open>, survey: &mut Survey) {
    let config = &product.config;
    let cells: Vec<Cell> = product.files.iter().map(|file| file.cell.clone()).collect();
    let contexts = config.contexts(&cells);
    let stem = stem(&product.source);
    let mut read: BTreeMap<PathBuf, Option<Arc<Source>>> = BTreeMap::new();
    for (file, (_, context)) in product.files.iter().zip(contexts) {
        let source = match &file.text {
            Some(text) => Some(Source::new(&file.dockerfile, text.as_ref())),
            None => {
                let known = read.entry(file.dockerfile.clone());
                let source = known.or_insert_with(|| match read::source(&file.dockerfile) {
                    Ok(source) => Some(source),
                    Err(problem) => {
                        survey.problems.push(problem);
                        None
                    }
                });
                source.clone()
            }
        };
        let Some(source) = source else { continue };
        let context = context.with_stem(&stem);
        for image in images(source.text(), config, &file.cell, &context) {
            add(image, product, file, &source, open);
        }
    }
}

fn add(
    image: WantedImage,
    product: &Product,
    file: &BuildFile,
    source: &Arc<Source>,
    open: &mut BTreeMap<Key, Open>,
) {
    let config = &product.config;
    let entries = config.map.entries().iter();
    let rows = entries.map(|entry| entry.name.as_str());
    let row = rows.into_iter().position(|name| name == image.arch);
    let (reference, parts, fault) = match image.reference {
        Ok(parts) => (parts.to_string(), Some(parts), None),
        Err(why) => {
            let message = why.message();
            let fault = match why {
                NoReference::NoValue(_) => Fault::Unknown(message),
                NoReference::Wrong(_) => Fault::NoReference(message),
            };
            (image.written, None, Some(fault))
        }
    };
    let lock = config.lock_file.clone();
    let key = (
        lock.clone(),
        reference.clone(),
        row.unwrap_or(usize::MAX),
        image.arch.clone(),
    );
    let entry = open.entry(key).or_insert_with(|| {
        let own = Candidate {
            reference: reference.clone(),
            arch: image.arch.clone(),
            platform: image.platform.clone(),
        };
        let candidates = match &parts {
            None => Vec::new(),
            Some(parts) => std::iter::once(own)
                .chain(fallbacks(parts, &image.arch, config))
                .collect(),
        };
        Open {
            base: Base {
                reference,
                arch: image.arch,
                platform: image.platform,
                fault,
                image: None,
                tried: Vec::new(),
                index: None,
                has_digest: parts.is_some_and(|parts| parts.digest.is_some()),
                uses: Vec::new(),
                lock,
            },
            candidates,
        }
    });
    entry.base.uses.push(Use {
        source: product.source.clone(),
        cell: file.cell.clone(),
        place: Place::new(source, image.span),
        config: Arc::clone(config),
    });
}

/// What may take the place of an image, as the settings say. One that is asked for by its digest is meant.
fn fallbacks(parts: &Parts, arch: &str, config: &Config) -> Vec<Candidate> {
    if parts.digest.is_some() {
        return Vec::new();
    }
    let namespace = |arch: &str| {
        let namespace = config.map.get(arch)?.get("namespace")?;
        Some(namespace.into_owned())
    };
    let own = namespace(arch);
    let others = config.fallbacks.get(arch).into_iter().flatten();
    let candidates = others.filter_map(|other| {
        let entry = config.map.get(other.as_str())?;
        let reference = match (&own, namespace(other.as_str())) {
            (Some(own), Some(other)) => in_namespace(parts, own, &other),
            _ => parts.clone(),
        };
        Some(Candidate {
            reference: reference.to_string(),
            arch: other.to_string(),
            platform: entry.platform.clone(),
        })
    });
    candidates.collect()
}

/// The reference with another architecture's namespace. The last part is the image's own name.
fn in_namespace(parts: &Parts, own: &str, other: &str) -> Parts {
    let mut path: Vec<&str> = parts.repository.split('/').collect();
    let folders = path.len().saturating_sub(1);
    for part in &mut path[..folders] {
        if *part == own {
            *part = other;
        }
    }
    Parts {
        repository: path.join("/"),
        ..parts.clone()
    }
}
