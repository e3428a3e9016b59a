//! Bringing the disk to what was worked out.

use std::path::PathBuf;

use rayon::prelude::*;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::outcome::{Outcome, Status};
use crate::project::Expansion;
use crate::write;

/// What [`Expansion::write`] may do, and whether it should go on.
pub struct WriteOptions<'a> {
    /// Overwrite foreign files.
    pub force: bool,
    /// Remove orphans.
    pub prune: bool,
    /// Asked before each file; once it says so, no further file is touched.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// What [`Expansion::write`] did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Written {
    /// The files written or removed, with what they were.
    pub done: Vec<(PathBuf, Status)>,
    /// What could not be done, and what was refused.
    pub problems: Vec<Diagnostic>,
}

impl Expansion {
    /// Writes what is missing or changed. A template with a foreign file has none of its files written.
    pub fn write(&self, options: &WriteOptions<'_>) -> Written {
        let mut written = Written::default();
        if self.stopped {
            return written;
        }
        let refused = match options.force {
            true => Default::default(),
            false => self.refused(),
        };
        let foreign = self
            .outcomes
            .iter()
            .filter(|outcome| outcome.status == Status::Foreign);
        for outcome in foreign.filter(|_| !options.force) {
            let message = "this file is not crossfile's: it is left as it is";
            written.problems.push(
                Diagnostic::error(Code::Foreign, Place::file(&outcome.path), message)
                    .related(Place::file(&outcome.template), "nothing of this template was written")
                    .help("see what would change with `crossfile generate --diff`; overwrite with `crossfile generate --force`; or keep it: `dockerfile = \"…\"` under [arch.NAME]"),
            );
        }
        let wanted = |outcome: &&Outcome| match outcome.status {
            Status::Same => false,
            Status::Missing | Status::Changed | Status::Foreign => {
                !refused.contains(outcome.template.as_path())
            }
            Status::Orphaned => options.prune,
        };
        let jobs: Vec<&Outcome> = self.outcomes.iter().filter(wanted).collect();
        let results: Vec<Option<Result<(), Diagnostic>>> = jobs
            .par_iter()
            .map(|outcome| (!(options.cancelled)()).then(|| apply(outcome)))
            .collect();
        for (outcome, result) in jobs.iter().zip(results) {
            match result {
                Some(Ok(())) => written.done.push((outcome.path.clone(), outcome.status)),
                Some(Err(problem)) => written.problems.push(problem),
                None => {}
            }
        }
        written
    }
}

fn apply(outcome: &Outcome) -> Result<(), Diagnostic> {
    match &outcome.wanted {
        Some(text) => write::write(&outcome.target, text),
        None => write::remove(&outcome.path),
    }
}
