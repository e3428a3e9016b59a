//! Base images that the lock does not have, as diagnostics: the same one at the same place is one problem.

use std::path::Path;

use super::Unpinned;
use crate::config::{Cell, among};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::template::Traced;

/// What is missing over all cells of a template.
#[derive(Default)]
pub(super) struct Missing(Vec<(Diagnostic, Vec<Cell>)>);

impl Missing {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what is missing for a cell. Places are those that `traced` leads to, else the whole template.
    pub(super) fn add(
        &mut self,
        found: Vec<Unpinned>,
        cell: &Cell,
        template: &Path,
        traced: Option<&Traced>,
    ) {
        for unpinned in found {
            let place = traced.and_then(|traced| traced.place(unpinned.span));
            let place = place.unwrap_or_else(|| Place::file(template));
            let problem = Diagnostic::error(Code::NotLocked, place, unpinned.message);
            let problem = problem.help(unpinned.help);
            match self.0.iter_mut().find(|(known, _)| *known == problem) {
                Some((_, cells)) if cells.last() == Some(cell) => {}
                Some((_, cells)) => cells.push(cell.clone()),
                None => self.0.push((problem, vec![cell.clone()])),
            }
        }
    }

    /// The problems; `all` are the cells that were looked at.
    pub(super) fn into_diagnostics(self, all: &[&Cell]) -> Vec<Diagnostic> {
        let named = self.0.into_iter().map(|(mut problem, cells)| {
            // With a matrix the architecture, which the message has, does not say it all.
            let in_points = cells.first().is_some_and(|cell| !cell.axes.is_empty());
            let arch = |some: &String| cells.iter().all(|cell| *some == format!("`{}`", cell.arch));
            if let Some(some) = among(&cells, all).filter(|some| in_points && !arch(some)) {
                problem.message = format!("{} ({some})", problem.message);
            }
            problem
        });
        let mut problems: Vec<Diagnostic> = named.collect();
        problems.sort_by_key(|problem| problem.place.span().start);
        problems
    }
}
