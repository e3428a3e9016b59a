//! What went wrong over all cells of a template, as diagnostics: the same name at the same place is one problem.

use crate::arch::ArchName;
use crate::config::{Cell, among};
use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::template::RenderFailure;

/// A name that was to be printed and has no value.
struct NoValue {
    name: String,
    place: Place,
    /// The architectures that it has none for, with the reason.
    arches: Vec<(ArchName, String)>,
    /// The cells that it has none for.
    cells: Vec<Cell>,
}

/// What went wrong over all cells of a template; the same name at the same place is one problem.
#[derive(Default)]
pub(super) struct Failures {
    missing: Vec<NoValue>,
    pub(super) problems: Vec<Diagnostic>,
}

impl Failures {
    pub(super) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.problems.is_empty()
    }

    pub(super) fn add(&mut self, failures: Vec<RenderFailure>, cell: &Cell, context: &Context) {
        for failure in failures {
            match failure {
                RenderFailure::Missing(missing) => {
                    // In a loop over `arches` it is another architecture than the cell's that lacks the value.
                    let lacking = context.lacking(&missing.name);
                    let same = |known: &&mut NoValue| {
                        known.name == missing.name && known.place == missing.place
                    };
                    let known = match self.missing.iter_mut().find(same) {
                        Some(known) => {
                            let new = lacking
                                .into_iter()
                                .filter(|arch| !known.arches.contains(arch));
                            let new: Vec<_> = new.collect();
                            known.arches.extend(new);
                            known
                        }
                        None => {
                            self.missing.push(NoValue {
                                name: missing.name,
                                place: missing.place,
                                arches: lacking,
                                cells: Vec::new(),
                            });
                            let last = self.missing.len() - 1;
                            &mut self.missing[last]
                        }
                    };
                    if known.arches.iter().any(|(arch, _)| *arch == cell.arch) {
                        known.cells.push(cell.clone());
                    }
                }
                RenderFailure::Other(problem) if self.problems.contains(&problem) => {}
                RenderFailure::Other(problem) => self.problems.push(*problem),
            }
        }
    }

    /// The problems; `all` are the cells that were looked at.
    pub(super) fn into_diagnostics(self, all: &[&Cell]) -> Vec<Diagnostic> {
        let missing = self.missing.into_iter().map(|missing| {
            let NoValue {
                name,
                place,
                arches,
                cells,
            } = missing;
            let list: Vec<_> = arches.iter().map(|(arch, _)| format!("`{arch}`")).collect();
            // Where the matrix tells them apart, it is the cells that count.
            let in_points = cells.first().is_some_and(|cell| !cell.axes.is_empty());
            let cells = among(&cells, all).filter(|_| in_points);
            let list = cells.unwrap_or_else(|| list.join(", "));
            let message = format!("`{name}` has no value for {list}");
            let why = arches.first().map(|(_, why)| why.as_str()).unwrap_or_default();
            let help = match why {
                "" => "not every item of the list has it: test for it first, with `{{#if …}}`".to_string(),
                _ if why.starts_with("the table") => format!(
                    "{why}: keep the line to architectures that have one, as Handlebars can with `{{{{#if {name}}}}}…{{{{/if}}}}`, or give it a name in a table of your own (`arch-map`)"
                ),
                _ if why.starts_with("the environment") => format!(
                    "{why}: set it, or give a default: `{name} = {{ env = \"…\", default = \"…\" }}`"
                ),
                _ if why.starts_with("only other cells") => format!(
                    "{why}: give it a value here too, or test for it: `{{{{#if {name}}}}}…{{{{/if}}}}`"
                ),
                _ => format!(
                    "{why}: give it a value in crossfile.toml, or keep the line to architectures that have one"
                ),
            };
            Diagnostic::error(Code::NoValue, place, message).help(help)
        });
        let mut all: Vec<Diagnostic> = self.problems.into_iter().chain(missing).collect();
        all.sort_by_key(|problem| problem.place.span().start);
        all
    }
}
