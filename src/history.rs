//! What a project was at a commit: the same reading, parsing and expanding as of the files on the disk, from memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, FILE_NAME, Inputs, Layer, Overrides};
use crate::diagnostic::{Diagnostic, Source};
use crate::discover::Found;
use crate::expand::{Expander, parse};
use crate::outcome::Outcome;
use crate::read;
use crate::template::{Parsed, PartialFolders, Partials};

/// A version control system's memory of files. Paths are complete.
pub trait History: Sync {
    /// The commit that a file's content on the disk goes back to: the last one that changed the file, or, where the disk
    /// differs from it, the one that is checked out. Nothing for a file that was never committed.
    fn commit_of(&self, path: &Path) -> Option<Commit>;

    /// The commits that changed a file, newest first, before them the one that is checked out; `most` of them at most.
    fn commits_of(&self, path: &Path, most: usize) -> Vec<String>;

    /// What a file held at a commit; nothing where there was none.
    fn file(&self, commit: &str, path: &Path) -> Option<Vec<u8>>;
}

/// A commit that a file goes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// Its name, complete.
    pub id: String,
    /// Whether the file on the disk has changed since.
    pub changed_since: bool,
}

impl Commit {
    /// A commit, and whether the file on the disk has changed since.
    pub fn new(id: impl Into<String>, changed_since: bool) -> Commit {
        Commit {
            id: id.into(),
            changed_since,
        }
    }

    /// The name as people write it.
    pub fn short(&self) -> &str {
        self.id.get(..8).unwrap_or(&self.id)
    }
}

/// What the template of an outcome made for its path at a commit; nothing where it made no such file, or was wrong.
pub(crate) fn expanded_at(
    history: &dyn History,
    commit: &str,
    found: &Found,
    outcome: &Outcome,
    overrides: &Overrides,
    environment: &dyn Inputs,
) -> Option<String> {
    let past = Past {
        history,
        commit,
        environment,
        folders: found.partials(),
    };
    let folder = found.path.parent()?;
    let above = folder
        .ancestors()
        .take_while(|above| above.starts_with(&found.root));
    let above: Vec<&Path> = above.collect();
    let layers = above.into_iter().rev().filter_map(|folder| {
        let source = past.source(&folder.join(FILE_NAME))?.ok()?;
        Some(Layer::parse(&source))
    });
    let layers: Vec<Layer> = layers.collect::<Result<_, _>>().ok()?;
    let mut config = Config::read(&layers, overrides, &past).ok()?;
    config.read_lock(Some(&found.root), &past);
    let source = past.source(&found.path)?.ok()?;
    let Ok(Parsed::Template(template)) = parse(&source, &config, &past) else {
        return None;
    };
    let arches: Vec<_> = outcome.cells.iter().map(|cell| cell.arch.clone()).collect();
    let files = Expander::new(&config, &arches).expand(&found.path, &template);
    let file = files
        .ok()?
        .into_iter()
        .find(|file| file.path == outcome.path);
    file.map(|file| file.text)
}

/// The files of a commit as what settings and templates ask for.
struct Past<'a> {
    history: &'a dyn History,
    commit: &'a str,
    environment: &'a dyn Inputs,
    folders: PartialFolders,
}

impl Past<'_> {
    fn source(&self, path: &Path) -> Option<Result<Arc<Source>, Diagnostic>> {
        let bytes = self.history.file(self.commit, path)?;
        Some(read::text(path, bytes))
    }
}

impl Inputs for Past<'_> {
    fn env(&self, name: &str) -> Option<String> {
        self.environment.env(name)
    }

    fn file(&self, path: &Path) -> Result<Arc<Source>, Diagnostic> {
        self.source(path).unwrap_or_else(|| {
            let error = std::io::Error::from(std::io::ErrorKind::NotFound);
            Err(Diagnostic::io(path, "read the file", &error))
        })
    }
}

impl Partials for Past<'_> {
    fn load(&self, name: &str) -> Result<Option<Arc<Source>>, Diagnostic> {
        let files = self.folders.files(name);
        let mut found = files.iter().filter_map(|path: &PathBuf| self.source(path));
        found.next().transpose()
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}
