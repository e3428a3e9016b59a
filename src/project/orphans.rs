//! The search for orphans: files that bear our header and that nothing makes any more.

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

/// Adds the orphans of the walked folders. `found` are the files that may be templates with what they are: one of
/// which only some architectures were asked for still owns all its files, and one that could not be expanded (`failed`)
/// owns whatever names it.
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
        let files = tree
            .discovery
            .files
            .iter()
            .filter(|path| tree.discovery.may_be_generated(path));
        files.map(move |path| (tree, path))
    });
    let generated = found
        .iter()
        .filter(|(_, found, kind)| *kind == Kind::Generated && !found.is_named);
    let generated = generated.map(|(tree, found, _)| (*tree, &found.path));
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
    let owned = owned(found);
    for orphan in orphans {
        match orphan {
            Ok(outcome) if owned.contains(&outcome.path) => {}
            Ok(outcome) if failed.contains(&outcome.template) => {}
            Ok(outcome) => expansion.outcomes.push(outcome),
            Err(problem) => expansion.problems.push(problem),
        }
    }
}

/// Every path that a template may write to, whatever was asked for this time.
fn owned(found: &[(&Tree, &Found, Kind)]) -> HashSet<PathBuf> {
    let mut expanders: Vec<(&Arc<Config>, Expander<'_>)> = Vec::new();
    for (_, found, kind) in found {
        let known = expanders
            .iter()
            .any(|(config, _)| Arc::ptr_eq(config, &found.config));
        if *kind == Kind::Template && !known {
            expanders.push((&found.config, Expander::of_all(&found.config)));
        }
    }
    let templates = found.iter().filter(|(_, _, kind)| *kind == Kind::Template);
    let paths = templates.flat_map(|(_, found, _)| {
        let own = expanders
            .iter()
            .filter(|(config, _)| Arc::ptr_eq(config, &found.config));
        own.flat_map(|(_, expander)| {
            let made = expander.paths(&found.path);
            let by_hand = expander
                .by_hand(&found.path)
                .into_iter()
                .map(|(path, _)| path);
            made.into_iter().chain(by_hand)
        })
    });
    paths.collect()
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
