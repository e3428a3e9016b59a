//! One template: read, parsed, expanded, compared with what is on the disk. Jobs run side by side and share nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::config::{FILE_NAME, describe};
use crate::diagnostic::{Code, Diagnostic, Place, Severity, Source};
use crate::discover::{Found, IGNORE};
use crate::expand::{Expander, Rendered, parse};
use crate::header::template_of;
use crate::lint::is_silenced;
use crate::outcome::Outcome;
use crate::project::Selection;
use crate::read;
use crate::template::{Parsed, is_template, ordinary};
use crate::write::{Inside, Look};

/// What a file that may be a template turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A template, right or wrong.
    Template,
    /// A generated file: it bears our header, whatever its name is.
    Generated,
    /// Somebody's file, nearly a template: most likely a slip.
    Doubtful,
    /// Somebody's file without anything to replace.
    #[default]
    Ordinary,
}

/// What became of one file.
#[derive(Default)]
pub(super) struct Job {
    pub(super) kind: Kind,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) problems: Vec<Diagnostic>,
    /// The names that the template uses.
    pub(super) names: BTreeSet<String>,
    /// The partials that were read.
    pub(super) partials: Vec<PathBuf>,
}

/// Expands one file. `folder` is the one that was walked: with `--out-dir`, paths are kept from there on.
pub(super) fn job(
    folder: &Path,
    found: &Found,
    expander: &Expander<'_>,
    selection: &Selection,
) -> Job {
    let mut job = Job::default();
    if let Err(problems) = fill(&mut job, folder, found, expander, selection) {
        // A template with an error makes nothing, not even the files that would be right.
        job.outcomes.clear();
        job.problems.extend(problems);
    }
    job
}

fn fill(
    job: &mut Job,
    folder: &Path,
    found: &Found,
    expander: &Expander<'_>,
    selection: &Selection,
) -> Result<(), Vec<Diagnostic>> {
    // Until it is known to be something else: what cannot be read keeps its files.
    job.kind = Kind::Template;
    let Some(source) = source(found, job)? else {
        return Ok(());
    };
    if let Some(template) = template_of(source.text()) {
        if is_template(source.text(), &found.config.names) {
            let message = "this is a template with the header of a generated file";
            let problem = Diagnostic::error(Code::NotATemplate, Place::file(&found.path), message);
            return Err(vec![
                problem.help("take the line out that begins with `# Generated from`"),
            ]);
        }
        job.kind = Kind::Generated;
        if found.is_named {
            let message = format!("this is generated from {template}");
            let place = Place::file(&found.path);
            let problem = Diagnostic::error(Code::NotATemplate, place, message);
            return Err(vec![problem.help(format!("name the template: {template}"))]);
        }
        return Ok(());
    }
    let template = match parse(&source, &found.config, &found.partials())? {
        Parsed::Template(template) => template,
        Parsed::NotATemplate(note) => {
            // One slip away from a template it is taken for one whose files are still wanted.
            job.kind = match note.severity {
                Severity::Note => Kind::Ordinary,
                _ => Kind::Doubtful,
            };
            job.problems.push(note);
            return Ok(());
        }
    };
    check_name(&found.path)?;
    let warnings = template.warnings.iter();
    let warnings = warnings.filter(|warning| !is_silenced(warning, &found.config));
    job.problems.extend(warnings.cloned());
    job.names.clone_from(template.names());
    job.partials = template
        .partials()
        .into_iter()
        .map(Path::to_path_buf)
        .collect();
    let rendered = expander.expand(&found.path, &template)?;
    let inside = Inside::new(selection.out_dir.as_ref().unwrap_or(&found.root));
    // One template may have thousands of files.
    let looked = rendered.into_par_iter().map_with(inside, |inside, file| {
        compare(file, inside, folder, found, selection)
    });
    let looked: Vec<Result<Outcome, Diagnostic>> = looked.collect();
    let mut problems = Vec::new();
    for outcome in looked {
        match outcome {
            Ok(outcome) => job.outcomes.push(outcome),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems),
    }
}

/// Finds the place of a rendered file and looks at what stands there.
fn compare(
    mut file: Rendered,
    inside: &mut Inside,
    folder: &Path,
    found: &Found,
    selection: &Selection,
) -> Result<Outcome, Diagnostic> {
    let whose = |file: &Rendered| describe(&file.cells);
    if !file.path.starts_with(&found.root) {
        let message = format!("the file for {} would leave the project", whose(&file));
        return Err(Diagnostic::error(Code::OutputOutside, file.place, message)
            .related(Place::file(&file.path), "it would be here")
            .help("choose an `output` that stays in the folder of the repository"));
    }
    if let Some(out_dir) = &selection.out_dir {
        let Ok(below) = file.path.strip_prefix(folder) else {
            let message = format!(
                "the file for {} is not below the folder given",
                whose(&file)
            );
            return Err(Diagnostic::error(Code::OutputOutside, file.place, message)
                .related(Place::file(&file.path), "it would be here")
                .help("with `--out-dir`, generate from a folder above every output"));
        };
        file.path = out_dir.join(below);
    }
    let look = inside.look(&file.path)?;
    if is_kept(&look, &file.text, found) {
        let message = format!(
            "the file for {} would overwrite a template or settings",
            whose(&file)
        );
        return Err(Diagnostic::error(Code::OutputClash, file.place, message)
            .related(Place::file(&look.target), "this file")
            .help("choose another `output` in crossfile.toml, or move the file away"));
    }
    Ok(Outcome::new(file, look.target, look.bytes))
}

/// The text of a file. One that is not UTF-8 and holds no sign of a template is an ordinary file.
fn source(found: &Found, job: &mut Job) -> Result<Option<Arc<Source>>, Vec<Diagnostic>> {
    let bytes = read::bytes(&found.path).map_err(|problem| vec![problem])?;
    let lossy = match (std::str::from_utf8(&bytes), read::utf16(&bytes)) {
        (Ok(_), _) => None,
        (_, Some(text)) => Some(text),
        (Err(_), None) => Some(String::from_utf8_lossy(&bytes).into_owned()),
    };
    if let Some(text) = lossy
        && !is_template(&text, &found.config.names)
    {
        job.problems.push(ordinary(&found.path));
        job.kind = Kind::Ordinary;
        return Ok(None);
    }
    read::text(&found.path, bytes)
        .map(Some)
        .map_err(|problem| vec![problem])
}

/// Whether a file is never a generated one, though this run may not know it: settings, what git reads, and templates
/// that were not asked for. A generated file may hold a template's signs itself, where they were let through.
fn is_kept(look: &Look, wanted: &str, found: &Found) -> bool {
    let name = look
        .target
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let git = look
        .target
        .components()
        .any(|part| part.as_os_str() == ".git");
    if git || [FILE_NAME, IGNORE, ".gitignore"].contains(&name) {
        return true;
    }
    let signs = |text: &str| is_template(text, &found.config.names);
    let there = look
        .bytes
        .as_deref()
        .filter(|bytes| *bytes != wanted.as_bytes());
    let there = there.map(String::from_utf8_lossy);
    there.is_some_and(|text| template_of(&text).is_none() && signs(&text)) && !signs(wanted)
}

/// A template's name goes into its files' names and headers: it has to be text, and one line of it.
fn check_name(path: &Path) -> Result<(), Vec<Diagnostic>> {
    let good = |name: &str| !name.chars().any(char::is_control);
    if path.to_str().is_some_and(good) {
        return Ok(());
    }
    let message = "the path of a template has to be UTF-8 without control characters";
    let problem = Diagnostic::error(Code::BadName, Place::file(path), message);
    Err(vec![problem.help("rename the file or its folder")])
}
