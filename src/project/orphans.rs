//! The search for orphans: files that bear our header and that no template makes any more.
//!
//! Removing them is the one thing here that cannot be undone, so every doubt is in the file's favour: links are followed
//! before paths are compared, and a template that is there but was not expanded keeps whatever names it.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::discover::Found;
use crate::expand::Expander;
use crate::header::{ENOUGH, template_beside};
use crate::outcome::Outcome;
use crate::project::job::Kind;
use crate::project::{Expansion, Tree};
use crate::read;

/// Adds the orphans of the walked folders. `found` are the files that may be templates with what they are, `failed` those
/// that could not be expanded.
pub(super) fn find(
    trees: &[Tree],
    found: &[(&Tree, &Found, Kind)],
    failed: &HashSet<PathBuf>,
    expansion: &mut Expansion,
) {
    let made: HashSet<&Path> = expansion
        .outcomes
        .iter()
        .map(|o| o.path.as_path())
        .collect();
    let files = trees.iter().flat_map(|tree| {
        let files = tree.discovery.files.iter();
        let files = files.filter(|path| tree.discovery.may_be_generated(path));
        files.map(move |path| (tree, path))
    });
    let generated = found
        .iter()
        .filter(|(_, found, kind)| *kind == Kind::Generated && !found.is_named)
        .map(|(tree, found, _)| (*tree, &found.path));
    let candidates: Vec<(&Tree, &PathBuf)> = files
        .chain(generated)
        .filter(|(_, path)| !made.contains(path.as_path()))
        .collect();
    let orphans: Vec<Result<Outcome, Diagnostic>> = candidates
        .par_iter()
        .filter_map(|(tree, path)| orphan(tree, path))
        .collect();
    if orphans.is_empty() {
        return;
    }
    let keepers = Keepers::new(found, failed, &expansion.outcomes);
    for orphan in orphans {
        match orphan {
            Ok(outcome) if keepers.keep(&outcome) => {}
            Ok(outcome) => expansion.outcomes.push(outcome),
            Err(problem) => expansion.problems.push(problem),
        }
    }
}

/// What keeps a file from being an orphan.
struct Keepers {
    /// Every path that a template may write to, whatever was asked for this time, links followed.
    owned: HashSet<PathBuf>,
    /// The templates that were expanded and of which all paths are known.
    known: HashSet<PathBuf>,
    /// Files that were looked at and are no templates.
    ordinary: HashSet<PathBuf>,
}

impl Keepers {
    fn new(
        found: &[(&Tree, &Found, Kind)],
        failed: &HashSet<PathBuf>,
        outcomes: &[Outcome],
    ) -> Keepers {
        let mut expanders: Vec<(&Arc<Config>, Expander<'_>)> = Vec::new();
        let mut keepers = Keepers {
            owned: outcomes
                .iter()
                .map(|outcome| real(&outcome.target))
                .collect(),
            known: HashSet::new(),
            ordinary: HashSet::new(),
        };
        for (_, found, kind) in found {
            match kind {
                Kind::Ordinary | Kind::Generated => {
                    keepers.ordinary.insert(real(&found.path));
                }
                Kind::Template if !failed.contains(&found.path) => {
                    let same = |(config, _): &(&Arc<Config>, _)| Arc::ptr_eq(config, &found.config);
                    if !expanders.iter().any(same) {
                        expanders.push((&found.config, Expander::of_all(&found.config)));
                    }
                    let own = expanders
                        .iter()
                        .find(|(config, _)| Arc::ptr_eq(config, &found.config));
                    let Some((config, expander)) = own else {
                        continue;
                    };
                    // Where a path hangs on what was said this time, another time's paths are not known.
                    if !expander.names().any(|name| config.passing.contains(name)) {
                        keepers.known.insert(real(&found.path));
                    }
                    let by_hand = expander
                        .by_hand(&found.path)
                        .into_iter()
                        .map(|(path, _)| path);
                    let paths = expander.paths(&found.path).into_iter().chain(by_hand);
                    keepers.owned.extend(paths.map(|path| real(&path)));
                }
                Kind::Template | Kind::Doubtful => {}
            }
        }
        keepers
    }

    fn keep(&self, outcome: &Outcome) -> bool {
        let template = real(&outcome.template);
        let gone = outcome.template.symlink_metadata().is_err();
        let judged = gone || self.known.contains(&template) || self.ordinary.contains(&template);
        !judged || self.owned.contains(&real(&outcome.path))
    }
}

/// A path with its links followed, as far as it is there.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// The outcome for a file that bears our header. Its template has to lie in the walked folder: of templates elsewhere
/// this run knows nothing.
fn orphan(tree: &Tree, path: &Path) -> Option<Result<Outcome, Diagnostic>> {
    let template = match named_template(path) {
        Ok(template) => template?,
        Err(error) => return Some(Err(Diagnostic::io(path, "read the file", &error))),
    };
    let ours = template.starts_with(&tree.folder);
    ours.then(|| read::bytes(path).map(|bytes| Outcome::orphan(path, &template, bytes)))
}

/// The template that a file names in its header, as a complete path.
fn named_template(path: &Path) -> std::io::Result<Option<PathBuf>> {
    let mut start = Vec::new();
    File::open(path)?
        .take(ENOUGH as u64)
        .read_to_end(&mut start)?;
    let start = String::from_utf8_lossy(&start);
    let Some(template) = template_beside(&start) else {
        return Ok(None);
    };
    let mut complete = path.parent().unwrap_or(path).to_path_buf();
    for part in template.split('/') {
        match part {
            ".." => {
                complete.pop();
            }
            part => complete.push(part),
        }
    }
    Ok(Some(complete))
}
