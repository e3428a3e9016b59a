//! Looking at everything that a project would make, without making it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::arch::ArchName;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic, Place, Severity};
use crate::discover::Found;
use crate::expand::{Expander, parse};
use crate::lint::{
    Declarations, DiskContext, Sheet, base_gap, check_allowances, is_silenced, lint,
};
use crate::outcome::Status;
use crate::project::{Expansion, Project, Selection};
use crate::read;
use crate::template::{Parsed, RenderFailure};

/// What [`Project::lint`] found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Lint {
    /// Everything, in the order of files and lines: findings (see [`Code::is_finding`]), warnings, and errors that keep a
    /// template from being expanded at all.
    pub diagnostics: Vec<Diagnostic>,
    /// How many files were templates.
    pub templates: usize,
}

impl Lint {
    /// Whether something could not be looked at: the settings or a template are wrong.
    pub fn failed(&self) -> bool {
        let mut errors = self.diagnostics.iter().filter(|found| found.is_error());
        errors.any(|found| !found.code.is_finding())
    }

    /// Whether there is a finding that is more than a warning.
    pub fn has_findings(&self) -> bool {
        let mut errors = self.diagnostics.iter().filter(|found| found.is_error());
        errors.any(|found| found.code.is_finding())
    }
}

/// What was found on one template.
#[derive(Default)]
struct Looked {
    diagnostics: Vec<Diagnostic>,
    used: BTreeSet<String>,
    /// What generating says of the template and lint says better, by code and place.
    superseded: Vec<(Code, Place)>,
    failed: bool,
}

impl Project {
    /// Says what is wrong, or probably wrong, with what the templates make. Writes nothing.
    pub fn lint(&self, selection: &Selection) -> Lint {
        let expansion = self.expand(selection);
        let mut lint = Lint {
            diagnostics: Vec::new(),
            templates: expansion.templates,
        };
        if self.problems.iter().any(Diagnostic::is_error) {
            lint.diagnostics = expansion.problems;
            return lint;
        }
        let mut ignored = Vec::new();
        let chosen = self.choose(selection, &mut ignored);
        let expanders: Vec<(&Arc<Config>, Expander<'_>)> = chosen
            .iter()
            .map(|(config, arches)| (config, Expander::new(config, arches)))
            .collect();
        let found: Vec<&Found> = self.candidates().collect();
        let looked: Vec<Looked> = found
            .par_iter()
            .map(|found| {
                let mut own = expanders
                    .iter()
                    .filter(|(config, _)| Arc::ptr_eq(config, &found.config));
                own.next().map_or_else(Looked::default, |(_, expander)| {
                    look(found, expander, &expansion.problems)
                })
            })
            .collect();

        let mut declarations = Declarations::default();
        let complete = !looked.iter().any(|looked| looked.failed) && selection.arches.is_empty();
        // Of a file that was named alone, others below its folder may use what it does not.
        let whole = self.trees.iter().filter(|tree| tree.is_whole);
        let folders = whole.map(|tree| tree.folder.as_path());
        let superseded: Vec<&(Code, Place)> = looked
            .iter()
            .flat_map(|looked| &looked.superseded)
            .collect();
        let mut diagnostics: Vec<(Diagnostic, Option<Arc<Config>>)> = expansion
            .problems
            .iter()
            .filter(|problem| {
                let same = |(code, place): &&&(Code, Place)| {
                    *code == problem.code && *place == problem.place
                };
                !superseded.iter().any(|known| same(&known))
            })
            .map(|problem| (problem.clone(), self.config_of(&found, problem)))
            .collect();
        diagnostics.extend(foreign(&expansion).map(|problem| {
            let config = self.config_of(&found, &problem);
            (problem, config)
        }));
        for (found, looked) in found.iter().zip(looked) {
            let mut used = looked.used;
            used.extend(found.config.names_in_settings());
            declarations.add(&found.config, &used, &folders);
            let config = Some(Arc::clone(&found.config));
            let own = looked.diagnostics.into_iter();
            diagnostics.extend(own.map(|diagnostic| (diagnostic, config.clone())));
        }
        if complete {
            let unused = declarations.unused().into_iter();
            diagnostics.extend(unused.map(|unused| {
                let config = self.config_of(&found, &unused);
                (unused, config)
            }));
        }
        for (diagnostic, config) in diagnostics {
            let silenced = config.is_some_and(|config| is_silenced(&diagnostic, &config));
            if !silenced {
                lint.diagnostics.push(diagnostic);
            }
        }
        // By file and line: the order in which they are mended.
        lint.diagnostics.sort_by(|a, b| {
            let key = |found: &Diagnostic| (found.place.span().start, found.code);
            let paths = a.place.source().path().cmp(b.place.source().path());
            paths.then_with(|| key(a).cmp(&key(b)))
        });
        // A partial that several templates include says the same for each.
        lint.diagnostics.dedup();
        lint
    }

    /// The settings that hold for a file that a diagnostic is about.
    fn config_of(&self, found: &[&Found], diagnostic: &Diagnostic) -> Option<Arc<Config>> {
        let path = diagnostic.place.source().path();
        let own = found.iter().find(|found| found.path == path);
        let own = own.or_else(|| {
            let related = diagnostic.related.iter();
            let mut paths = related.map(|(place, _)| place.source().path());
            found
                .iter()
                .find(|found| paths.any(|path| path == found.path))
        });
        let reads = |found: &&&Found| found.config.files.iter().any(|file| file == path);
        let config = own.or_else(|| found.iter().find(reads)).or(found.first());
        config.map(|found| Arc::clone(&found.config))
    }
}

/// Files that somebody wrote by hand where a generated one belongs, most likely not knowing of the template.
fn foreign(expansion: &Expansion) -> impl Iterator<Item = Diagnostic> {
    let foreign = expansion
        .outcomes
        .iter()
        .filter(|outcome| outcome.status == Status::Foreign);
    foreign.map(|outcome| {
        let message = "this file is not crossfile's and stands where a generated one belongs";
        Diagnostic::new(Severity::Error, Code::Foreign, Place::file(&outcome.path), message)
            .related(Place::file(&outcome.template), "generated from here")
            .help("keep it with `dockerfile = \"…\"` under [arch.NAME], move its lines into the template, or overwrite it with `generate --force`")
    })
}

fn look(found: &Found, expander: &Expander<'_>, known: &[Diagnostic]) -> Looked {
    let mut looked = Looked::default();
    let Ok(source) = read::source(&found.path) else {
        looked.failed = true;
        return looked;
    };
    let template = match parse(&source, &found.config, &found.partials()) {
        Ok(Parsed::Template(template)) => template,
        Ok(Parsed::NotATemplate(_)) => return looked,
        Err(_) => {
            looked.failed = true;
            return looked;
        }
    };
    looked.used.clone_from(template.names());
    looked.diagnostics.extend(check_allowances(&source));
    for partial in template.partials() {
        if let Ok(source) = read::source(partial) {
            looked.diagnostics.extend(check_allowances(&source));
        }
    }
    let mut sheets = Vec::new();
    let mut gaps: Vec<(crate::template::Missing, Vec<ArchName>)> = Vec::new();
    let cells: Vec<_> = expander.sheets(&found.path).collect();
    for (cell, context, path) in &cells {
        match template.trace(context) {
            Ok(traced) => sheets.push(Sheet::new(cell, path, traced)),
            Err(failures) => {
                for failure in failures {
                    let RenderFailure::Missing(missing) = failure else {
                        continue;
                    };
                    match gaps.iter_mut().find(|(known, _)| *known == missing) {
                        Some((_, arches)) if arches.contains(&cell.arch) => {}
                        Some((_, arches)) => arches.push(cell.arch.clone()),
                        None => gaps.push((missing, vec![cell.arch.clone()])),
                    }
                }
            }
        }
    }
    for (missing, arches) in &gaps {
        if let Some(gap) = base_gap(missing, &found.config, arches) {
            looked.superseded.push((Code::NoValue, gap.place.clone()));
            looked.diagnostics.push(gap);
        }
    }
    let context = DiskContext {
        folders: contexts(found),
    };
    let findings = lint(&template, &found.config, &sheets, &context, known);
    looked.diagnostics.extend(findings);
    looked
}

/// The folders that a template's build context may be: what the settings say, else the template's own folder, that of the
/// nearest settings, and the repository's.
fn contexts(found: &Found) -> Vec<PathBuf> {
    let folder = |path: &Path| path.parent().map(Path::to_path_buf);
    if let Some(context) = &found.config.image.context {
        let base = folder(context.place.source().path()).unwrap_or_default();
        return vec![base.join(&context.value)];
    }
    let settings = found.config.files.iter().rev();
    let settings = settings.filter(|file| file.ends_with(crate::config::FILE_NAME));
    let settings = settings.take(1).filter_map(|file| folder(file));
    let own = folder(&found.path);
    let mut folders: Vec<PathBuf> = own.into_iter().chain(settings).collect();
    folders.push(found.root.clone());
    folders
}
