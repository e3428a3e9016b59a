//! Nothing that somebody wrote is lost: what a write would overwrite or remove, and no commit holds, is put into git's
//! store of objects first, and the command that shows it is told.
//!
//! That is what `--force` overwrites, what `--prune` removes, and what was edited by hand under our header. A generated
//! file that merely is out of date is made again without a word. Outside of git there is no place to keep anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crossfile::{DriftInputs, Expansion, Outcome, Project, Status, root_of};

use crate::git::Git;

/// Of how many changed files it is found out whether they were edited by hand. What the others held is kept as it is.
const MOST_JUDGED: usize = 20;

/// A file, and the object that holds what stood there.
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    pub(crate) object: String,
}

/// Keeps what writing would lose.
pub(crate) fn keep(
    project: &Project,
    expansion: &Expansion,
    (force, prune): (bool, bool),
    inputs: &DriftInputs<'_>,
) -> Vec<Kept> {
    let refused = match force {
        true => BTreeSet::new(),
        false => expansion.refused(),
    };
    let at_risk = expansion
        .outcomes
        .iter()
        .filter(|outcome| match outcome.status {
            Status::Changed => !refused.contains(outcome.template.as_path()),
            Status::Foreign => force,
            Status::Orphaned => prune,
            _ => false,
        });
    let mut by_root: BTreeMap<PathBuf, Vec<&Outcome>> = BTreeMap::new();
    for outcome in at_risk {
        let root = root_of(&outcome.target);
        if root.join(".git").exists() {
            by_root.entry(root).or_default().push(outcome);
        }
    }
    let mut kept = Vec::new();
    for (root, outcomes) in by_root {
        let differing = Git::differing(&root);
        let (changed, others): (Vec<&Outcome>, Vec<&Outcome>) = outcomes
            .into_iter()
            .partition(|outcome| outcome.status == Status::Changed);
        let changed: Vec<&Outcome> = changed
            .into_iter()
            .filter(|outcome| differing.contains(outcome.target.as_path()))
            .collect();
        let judged = changed.len() <= MOST_JUDGED;
        let changed = changed
            .into_iter()
            .filter(|outcome| !judged || project.is_edited_by_hand(outcome, inputs));
        let others = others.into_iter().filter(|outcome| {
            // What git does not track, it does not have.
            differing.contains(outcome.target.as_path()) || !Git::tracks(&outcome.target)
        });
        for outcome in changed.chain(others) {
            let bytes = outcome.found.as_deref().unwrap_or_default();
            if let Some(object) = Git::store(&root, bytes) {
                let path = outcome.path.clone();
                kept.push(Kept { path, object });
            }
        }
    }
    kept
}

/// How many files are named at most.
const MOST_NAMED: usize = 10;

/// The sentences that say where what files held can be seen.
pub(crate) fn sentences(kept: &[Kept], show: &dyn Fn(&Path) -> String) -> Vec<String> {
    let sentence = |kept: &Kept| {
        let object = kept.object.get(..10).unwrap_or(&kept.object);
        let path = show(&kept.path);
        format!("what {path} held is in no commit: git show {object}")
    };
    let mut sentences: Vec<String> = kept.iter().take(MOST_NAMED).map(sentence).collect();
    if let Some(more) = kept.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        sentences.push(format!("and of {more} files more: git fsck --lost-found"));
    }
    sentences
}
