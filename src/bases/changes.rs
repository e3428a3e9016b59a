//! What is another upstream than a lock says.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::{Fault, Survey};
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::document::{NodeValue, parse_toml};
use crate::lock::{Lock, Pin};

/// A difference between a lock and what is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The complete reference.
    pub reference: String,
    /// The architecture.
    pub arch: String,
    /// What is locked.
    pub was: Option<Pin>,
    /// What is there.
    pub now: Option<Pin>,
    /// Where it is used first.
    pub used: Option<Place>,
}

impl Change {
    /// The change as a finding, at its place in the lock, where that has one.
    pub fn diagnostic(&self, lock: &Arc<Source>) -> Diagnostic {
        let Change {
            reference, arch, ..
        } = self;
        let (message, help) = match (self.kind, &self.now) {
            (ChangeKind::Moved, Some(now)) => {
                let instead = now.instead.as_ref();
                let instead = instead.map_or(String::new(), |own| {
                    format!(", `{}` in its place", own.reference)
                });
                let digest = &now.digest;
                let message =
                    format!("`{reference}` is another image for `{arch}` now: {digest}{instead}");
                (message, "`crossfile bases --lock` takes it")
            }
            (ChangeKind::Moved | ChangeKind::Gone, _) => (
                format!("`{reference}` is not there any more for `{arch}`"),
                "who has the image may still build; take another base",
            ),
            (ChangeKind::New, _) => (
                format!("`{reference}` is not locked for `{arch}`"),
                "`crossfile bases --lock` locks it",
            ),
            (ChangeKind::Unused, _) => (
                format!("nothing takes `{reference}` for `{arch}` any more"),
                "`crossfile bases --lock` leaves it out",
            ),
        };
        let place = place(lock, reference, arch).or_else(|| self.used.clone());
        let place = place.unwrap_or_else(|| Place::file(lock.path()));
        Diagnostic::error(Code::MovedBase, place, message).help(help)
    }
}

/// Where a lock has an architecture of a reference.
fn place(lock: &Arc<Source>, reference: &str, arch: &str) -> Option<Place> {
    let table = parse_toml(lock).ok()?;
    match &table.get(reference)?.value {
        NodeValue::Table(image) => Some(image.get(arch)?.place.clone()),
        _ => None,
    }
}

/// What happened to a base image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// The reference leads to another image now.
    Moved,
    /// There is no such image any more.
    Gone,
    /// It is used and not locked.
    New,
    /// It is locked and not used.
    Unused,
}

impl ChangeKind {
    /// The word that output shows.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Moved => "moved",
            ChangeKind::Gone => "gone",
            ChangeKind::New => "new",
            ChangeKind::Unused => "unused",
        }
    }
}

impl Survey {
    /// What differs from a lock, by reference and architecture. `complete` is whether this survey covers all that the lock is for: else
    /// what it does not know may be used elsewhere. Of what could not be asked nothing is said.
    pub fn changes(&self, path: &Path, lock: &Lock, complete: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for base in self.locked_in(path).filter(|base| !base.has_digest) {
            let was = lock.pin(&base.reference, &base.arch);
            let now = base.pin();
            let kind = match (&base.fault, was, &now) {
                (Some(Fault::Failed(_) | Fault::Unknown(_) | Fault::NoReference(_)), _, None) => {
                    continue;
                }
                (_, Some(was), Some(now)) if was == now => continue,
                (_, Some(_), Some(_)) => ChangeKind::Moved,
                (_, Some(_), None) => ChangeKind::Gone,
                (_, None, Some(_)) => ChangeKind::New,
                // It never was there: a finding of its own.
                (_, None, None) => continue,
            };
            changes.push(Change {
                kind,
                reference: base.reference.clone(),
                arch: base.arch.clone(),
                was: was.cloned(),
                now,
                used: base.uses.first().map(|used| used.place.clone()),
            });
        }
        let unused = lock.images().filter(|_| complete);
        for (reference, image) in unused {
            for (arch, was) in &image.pins {
                let mut used = self.locked_in(path);
                if used.any(|base| (base.reference.as_str(), &base.arch) == (reference, arch)) {
                    continue;
                }
                changes.push(Change {
                    kind: ChangeKind::Unused,
                    reference: reference.to_string(),
                    arch: arch.clone(),
                    was: Some(was.clone()),
                    now: None,
                    used: None,
                });
            }
        }
        changes.sort_by(|a, b| (&a.reference, &a.arch).cmp(&(&b.reference, &b.arch)));
        changes
    }
}
