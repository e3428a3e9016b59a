//! What a generated file is to the disk: the one list that writing, checking and showing differences read.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Cell;
use crate::diagnostic::Place;
use crate::expand::Rendered;
use crate::header::{is_locked, template_of, without};

/// A generated file against what stands at its path. Bytes decide, never times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// The file is right as it is.
    Same,
    /// There is no file.
    Missing,
    /// The file is ours and differs.
    Changed,
    /// The file differs and is not ours: somebody else's work.
    Foreign,
    /// The file is ours and nothing makes it any more.
    Orphaned,
}

impl Status {
    /// The word that output shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Same => "same",
            Status::Missing => "missing",
            Status::Changed => "changed",
            Status::Foreign => "foreign",
            Status::Orphaned => "orphaned",
        }
    }
}

/// One file: what it should hold, what it holds, and what that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub status: Status,
    /// Where a write goes: the file itself, or what it leads to where it is a link.
    pub target: PathBuf,
    /// The template that makes it, or once made it.
    pub template: PathBuf,
    /// Where the file's path is said: the `output` of the settings, else the template.
    pub place: Place,
    /// What it is for: one cell, or several that share it; none for an orphan.
    pub cells: Vec<Cell>,
    /// What it should hold; nothing for an orphan.
    pub wanted: Option<String>,
    /// What it holds; nothing where there is no file.
    pub found: Option<Vec<u8>>,
}

impl Outcome {
    /// Whether a write would take the digests of base images away that `--locked` put there.
    pub fn loses_locks(&self) -> bool {
        let found = self
            .found
            .as_deref()
            .and_then(|found| std::str::from_utf8(found).ok());
        self.status == Status::Changed
            && found.is_some_and(is_locked)
            && !self.wanted.as_deref().is_some_and(is_locked)
    }

    /// Compares a rendered file with the bytes that its path leads to, if any.
    pub fn new(rendered: Rendered, target: PathBuf, found: Option<Vec<u8>>) -> Outcome {
        let status = match &found {
            None => Status::Missing,
            Some(bytes) if bytes == rendered.text.as_bytes() => Status::Same,
            Some(bytes) if !rendered.has_header || is_ours(bytes) => Status::Changed,
            // Made with `--no-header` before: nobody else's work.
            Some(bytes) if bytes == without(&rendered.text).as_bytes() => Status::Changed,
            Some(_) => Status::Foreign,
        };
        Outcome {
            path: rendered.path,
            status,
            target,
            template: rendered.template,
            place: rendered.place,
            cells: rendered.cells,
            wanted: Some(rendered.text),
            found,
        }
    }

    /// A file of ours that nothing makes any more.
    pub fn orphan(path: &Path, template: &Path, found: Vec<u8>) -> Outcome {
        Outcome {
            path: path.to_path_buf(),
            status: Status::Orphaned,
            target: path.to_path_buf(),
            template: template.to_path_buf(),
            place: Place::file(path),
            cells: Vec::new(),
            wanted: None,
            found: Some(found),
        }
    }
}

/// Whether bytes bear our header.
fn is_ours(bytes: &[u8]) -> bool {
    template_of(&String::from_utf8_lossy(bytes)).is_some()
}
