//! What went wrong over all cells of a template, as diagnostics: the same name at the same place is one problem.

use crate::arch::ArchName;
use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::template::RenderFailure;

/// A name that was to be printed, where, and the architectures that it has no value for, with the reason.
type NoValue = (String, Place, Vec<(ArchName, String)>);

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

    pub(super) fn add(&mut self, failures: Vec<RenderFailure>, context: &Context) {
        for failure in failures {
            match failure {
                RenderFailure::Missing(missing) => {
                    // In a loop over `arches` it is another architecture than the cell's that lacks the value.
                    let lacking = context.lacking(&missing.name);
                    let same = |known: &&mut (String, Place, _)| {
                        known.0 == missing.name && known.1 == missing.place
                    };
                    match self.missing.iter_mut().find(same) {
                        Some((_, _, arches)) => {
                            let new = lacking.into_iter().filter(|arch| !arches.contains(arch));
                            let new: Vec<_> = new.collect();
                            arches.extend(new);
                        }
                        None => self.missing.push((missing.name, missing.place, lacking)),
                    }
                }
                RenderFailure::Other(problem) if self.problems.contains(&problem) => {}
                RenderFailure::Other(problem) => self.problems.push(*problem),
            }
        }
    }

    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let missing = self.missing.into_iter().map(|(name, place, arches)| {
            let list: Vec<_> = arches.iter().map(|(arch, _)| format!("`{arch}`")).collect();
            let message = format!("`{name}` has no value for {}", list.join(", "));
            let why = arches.first().map(|(_, why)| why.as_str()).unwrap_or_default();
            let help = match why {
                "" => "not every item of the list has it: test for it first, with `{{#if …}}`".to_string(),
                _ if why.starts_with("the table") => format!(
                    "{why}: keep the line to architectures that have one, as Handlebars can with `{{{{#if {name}}}}}…{{{{/if}}}}`, or give it a name in a table of your own (`arch-map`)"
                ),
                _ if why.starts_with("the environment") => format!(
                    "{why}: set it, or give a default: `{name} = {{ env = \"…\", default = \"…\" }}`"
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
