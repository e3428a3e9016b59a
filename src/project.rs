//! The whole way for a tree: find templates, expand each, compare with the disk, write.
//!
//! [`Project::open`] only reads; [`Project::expand`] works everything out in memory; [`Expansion::write`] is the only
//! step that changes the disk, and does nothing while a settings file is wrong or two outputs share a path.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::arch::ArchName;
use crate::config::{Config, Inputs, Overrides};
use crate::diagnostic::{Code, Diagnostic, Place, Severity};
use crate::discover::{Discovery, Found, discover, root_of};
use crate::document::Located;
use crate::expand::{Expander, parse};
use crate::header::{ENOUGH, template_of};
use crate::outcome::{Outcome, Status};
use crate::template::{Parsed, PartialFolders};
use crate::{read, write};

/// The folder beside a template, or above it, in which partials are looked for.
const PARTIALS: &str = "templates";

/// Which of a project's files are asked for, and where they go.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// `--arch`: only these. Empty is all.
    pub arches: Vec<Located<String>>,
    /// `--out-dir`: files go below this folder instead of beside their templates.
    pub out_dir: Option<PathBuf>,
}

/// The templates below some folders, with the settings that hold for each.
///
/// ```
/// use crossfile::{NoInputs, Overrides, Project, Selection, Status};
///
/// let folder = std::env::temp_dir().join(format!("crossfile-doc-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("Dockerfile.cross"), "FROM __BASEIMAGE_ARCH__/alpine\n")?;
///
/// let project = Project::open(&[folder.clone()], &Overrides::default(), &NoInputs);
/// let expansion = project.expand(&Selection::default());
/// assert!(!expansion.failed());
/// assert!(expansion.outcomes.iter().all(|outcome| outcome.status == Status::Missing));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Project {
    trees: Vec<Tree>,
    /// What is wrong with the settings. An error stops everything.
    pub problems: Vec<Diagnostic>,
}

#[derive(Debug)]
struct Tree {
    root: PathBuf,
    /// The folder that was walked, or that holds the one file that was named.
    folder: PathBuf,
    discovery: Discovery,
}

/// All that a project generates, compared with the disk.
#[derive(Debug)]
#[non_exhaustive]
pub struct Expansion {
    /// Every file, by template and cell, orphans last.
    pub outcomes: Vec<Outcome>,
    /// What is wrong, and notes on files that are no templates.
    pub problems: Vec<Diagnostic>,
    /// Whether nothing at all may be written: settings are wrong, or two files would share a path.
    pub stopped: bool,
    /// How many files were templates.
    pub templates: usize,
    /// How many of them could not be expanded.
    pub failed_templates: usize,
    roots: BTreeMap<PathBuf, PathBuf>,
}

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

impl Project {
    /// Looks for templates below each path, a folder or one file. Paths are complete.
    pub fn open(paths: &[PathBuf], overrides: &Overrides, inputs: &dyn Inputs) -> Project {
        let mut trees: Vec<Tree> = Vec::new();
        let mut problems: Vec<Diagnostic> = Vec::new();
        let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
        for path in paths {
            if !path.exists() {
                let message = "there is no such file or folder";
                problems.push(Diagnostic::error(Code::Io, Place::file(path), message));
                continue;
            }
            let root = root_of(path);
            let mut discovery = discover(&root, path, overrides, inputs);
            // Of overlapping paths the first has the file.
            discovery
                .templates
                .retain(|found| seen.insert(found.path.clone()));
            discovery
                .generated
                .retain(|found| seen.insert(found.clone()));
            for problem in std::mem::take(&mut discovery.problems) {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            let folder = if path.is_dir() {
                Some(path.as_path())
            } else {
                path.parent()
            };
            trees.push(Tree {
                folder: folder.unwrap_or(path).to_path_buf(),
                root,
                discovery,
            });
        }
        Project { trees, problems }
    }

    /// The files that may be templates, in the order of the paths.
    pub fn candidates(&self) -> impl Iterator<Item = &Found> {
        self.trees.iter().flat_map(|tree| &tree.discovery.templates)
    }

    /// Expands every template and compares the result with the disk.
    pub fn expand(&self, selection: &Selection) -> Expansion {
        let mut expansion = Expansion {
            outcomes: Vec::new(),
            problems: self.problems.clone(),
            stopped: self.problems.iter().any(Diagnostic::is_error),
            templates: 0,
            failed_templates: 0,
            roots: BTreeMap::new(),
        };
        if !expansion.stopped {
            let chosen = self.choose(selection, &mut expansion.problems);
            expansion.stopped = expansion.problems.iter().any(Diagnostic::is_error);
            if !expansion.stopped {
                self.expand_chosen(&chosen, selection, &mut expansion);
            }
        }
        expansion
    }

    /// The architectures asked for, for each distinct settings. A project that lists its architectures has only
    /// those; one that does not may be asked for any.
    fn choose(
        &self,
        selection: &Selection,
        problems: &mut Vec<Diagnostic>,
    ) -> Vec<(Arc<Config>, Vec<ArchName>)> {
        let mut configs: Vec<(Arc<Config>, Vec<ArchName>)> = Vec::new();
        for found in self.candidates() {
            if !configs
                .iter()
                .any(|(config, _)| Arc::ptr_eq(config, &found.config))
            {
                configs.push((Arc::clone(&found.config), found.config.arches.clone()));
            }
        }
        if selection.arches.is_empty() {
            return configs;
        }
        for (config, chosen) in &mut configs {
            let wanted = selection
                .arches
                .iter()
                .filter_map(|name| config.map.get(&name.value));
            let wanted: Vec<ArchName> = wanted.map(|entry| entry.name.clone()).collect();
            match config.arches_are_given {
                true => chosen.retain(|arch| wanted.contains(arch)),
                false => *chosen = wanted,
            }
        }
        for name in &selection.arches {
            let known = configs
                .iter()
                .find(|(config, _)| config.map.get(&name.value).is_some());
            match known {
                None => {
                    let map = configs.first().map(|(config, _)| Arc::clone(&config.map));
                    let map = map.unwrap_or_else(crate::arch::ArchMap::builtin);
                    if map.get(&name.value).is_none() {
                        problems.push(map.unknown_arch(name));
                    }
                }
                Some((config, _)) => {
                    let made = configs
                        .iter()
                        .any(|(_, arches)| arches.iter().any(|arch| arch.as_str() == name.value));
                    if !made {
                        let list: Vec<_> = config.arches.iter().map(ArchName::as_str).collect();
                        let message =
                            format!("`{}` is not one of the project's architectures", name.value);
                        problems.push(
                            Diagnostic::error(Code::UnknownArch, name.place.clone(), message).help(
                                format!(
                                    "add it to `arches` in crossfile.toml; there are: {}",
                                    list.join(", ")
                                ),
                            ),
                        );
                    }
                }
            }
        }
        configs
    }

    fn expand_chosen(
        &self,
        chosen: &[(Arc<Config>, Vec<ArchName>)],
        selection: &Selection,
        expansion: &mut Expansion,
    ) {
        let expanders: Vec<(&Arc<Config>, Expander<'_>, Expander<'_>)> = chosen
            .iter()
            .map(|(config, arches)| {
                let all = Expander::new(config, &config.arches);
                (config, Expander::new(config, arches), all)
            })
            .collect();
        let jobs: Vec<(&Tree, &Found)> = self
            .trees
            .iter()
            .flat_map(|tree| {
                tree.discovery
                    .templates
                    .iter()
                    .map(move |found| (tree, found))
            })
            .collect();
        let results: Vec<Job> = jobs
            .par_iter()
            .map(|(tree, found)| {
                let expanders = expanders.iter();
                let mut own = expanders.filter(|(config, _, _)| Arc::ptr_eq(config, &found.config));
                match own.next() {
                    Some((_, expander, all)) => job(tree, found, expander, all, selection),
                    None => Job::default(),
                }
            })
            .collect();
        let mut made: BTreeSet<PathBuf> = BTreeSet::new();
        let mut templates: BTreeSet<&Path> = BTreeSet::new();
        let mut generated: Vec<(&Tree, &PathBuf)> = Vec::new();
        for ((tree, found), job) in jobs.iter().zip(results) {
            match job.is_generated {
                true => generated.push((tree, &found.path)),
                false if job.is_template => drop(templates.insert(&found.path)),
                false => {}
            }
            expansion.templates += usize::from(job.is_template);
            let failed = job.problems.iter().any(Diagnostic::is_error);
            expansion.failed_templates += usize::from(failed);
            expansion.problems.extend(job.problems);
            made.extend(job.paths);
            for outcome in job.outcomes {
                let root = selection.out_dir.as_ref().unwrap_or(&tree.root);
                expansion.roots.insert(outcome.path.clone(), root.clone());
                expansion.outcomes.push(outcome);
            }
        }
        if selection.out_dir.is_some() {
            templates.clear();
        }
        let clashes = clashes(&expansion.outcomes, &templates);
        expansion.stopped |= !clashes.is_empty();
        expansion.problems.extend(clashes);
        if selection.out_dir.is_none() {
            made.extend(
                expansion
                    .outcomes
                    .iter()
                    .map(|outcome| outcome.path.clone()),
            );
            for tree in &self.trees {
                generated.extend(tree.discovery.generated.iter().map(|path| (tree, path)));
            }
            generated.retain(|(_, path)| !made.contains(*path));
            orphans(&generated, expansion);
        }
    }
}

/// Two files for one path, or a file in the place of a template.
fn clashes(outcomes: &[Outcome], templates: &BTreeSet<&Path>) -> Vec<Diagnostic> {
    let mut taken: BTreeMap<&Path, &Outcome> = BTreeMap::new();
    let mut clashes: Vec<Diagnostic> = Vec::new();
    for outcome in outcomes {
        let path = outcome.path.as_path();
        let of = |outcome: &Outcome| match &outcome.cell {
            Some(cell) => format!("`{}`", cell.arch),
            None => "nothing".to_string(),
        };
        let problem = if templates.contains(path) {
            let message = format!("the file for {} would overwrite a template", of(outcome));
            Diagnostic::error(Code::OutputClash, outcome.place.clone(), message)
                .related(Place::file(path), "this template")
                .help("choose another `output` in crossfile.toml")
        } else if let Some(other) = taken.insert(path, outcome) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let message = format!(
                "two files would be one: `{name}` for {} and for {}",
                of(other),
                of(outcome)
            );
            Diagnostic::error(Code::OutputClash, outcome.place.clone(), message)
                .related(Place::file(&other.template), "one comes from here")
                .related(Place::file(&outcome.template), "and one from here")
                .help("use more of what tells them apart in `output`: `{{arch}}`, `{{stem}}`, the axes")
        } else {
            continue;
        };
        clashes.push(problem);
    }
    clashes
}

/// Files that bear our header and that nothing makes any more.
fn orphans(candidates: &[(&Tree, &PathBuf)], expansion: &mut Expansion) {
    let found: Vec<_> = candidates
        .par_iter()
        .filter_map(|(tree, path)| Some((*tree, orphan(tree, path)?)))
        .collect();
    for (tree, outcome) in found {
        match outcome {
            Ok(outcome) => {
                expansion
                    .roots
                    .insert(outcome.path.clone(), tree.root.clone());
                expansion.outcomes.push(outcome);
            }
            Err(problem) => expansion.problems.push(problem),
        }
    }
}

/// What became of one file that may be a template.
#[derive(Default)]
struct Job {
    is_template: bool,
    /// Bears our header: not a template, whatever its name is.
    is_generated: bool,
    outcomes: Vec<Outcome>,
    problems: Vec<Diagnostic>,
    /// The paths of all the template's files, those not asked for too.
    paths: Vec<PathBuf>,
}

fn job(
    tree: &Tree,
    found: &Found,
    expander: &Expander<'_>,
    all: &Expander<'_>,
    selection: &Selection,
) -> Job {
    let mut job = Job::default();
    match expand_one(tree, found, expander, selection) {
        Ok(None) => job.is_generated = true,
        Ok(Some((outcomes, warnings))) => {
            job.is_template = true;
            job.outcomes = outcomes;
            job.problems = warnings;
            job.paths = all.paths(&found.path);
        }
        Err(OneFailed::NotATemplate(note)) => job.problems.push(note),
        Err(OneFailed::Problems(problems)) => {
            job.is_template = true;
            job.problems = problems;
            job.paths = all.paths(&found.path);
            job.paths.extend(expander.paths(&found.path));
        }
    }
    job
}

enum OneFailed {
    NotATemplate(Diagnostic),
    Problems(Vec<Diagnostic>),
}

impl From<Diagnostic> for OneFailed {
    fn from(problem: Diagnostic) -> Self {
        OneFailed::Problems(vec![problem])
    }
}

type Expanded = Option<(Vec<Outcome>, Vec<Diagnostic>)>;

fn expand_one(
    tree: &Tree,
    found: &Found,
    expander: &Expander<'_>,
    selection: &Selection,
) -> Result<Expanded, OneFailed> {
    let source = read::source(&found.path)?;
    if template_of(source.text()).is_some() {
        // A generated file whose name looks like a template's.
        return Ok(None);
    }
    let partials = PartialFolders(partial_folders(&tree.root, &found.path));
    let parsed = parse(&source, &found.config, &partials).map_err(OneFailed::Problems)?;
    let template = match parsed {
        Parsed::Template(template) => template,
        Parsed::NotATemplate(note) => return Err(OneFailed::NotATemplate(note)),
    };
    let rendered = expander
        .expand(&found.path, &template)
        .map_err(OneFailed::Problems)?;
    let mut outcomes = Vec::with_capacity(rendered.len());
    for mut file in rendered {
        if !file.path.starts_with(&tree.root) {
            let message = format!("the file for `{}` would leave the project", file.cell.arch);
            return Err(Diagnostic::error(Code::OutputOutside, file.place, message)
                .related(Place::file(&file.path), "it would be here")
                .help("choose an `output` that stays in the folder of the repository")
                .into());
        }
        if let Some(out_dir) = &selection.out_dir {
            let inside = file.path.strip_prefix(&tree.folder);
            let inside = inside.map_err(|_| {
                let message = format!(
                    "the file for `{}` is not below the folder given",
                    file.cell.arch
                );
                Diagnostic::error(Code::OutputOutside, file.place.clone(), message)
                    .related(Place::file(&file.path), "it would be here")
                    .help("with `--out-dir`, generate from a folder above every output")
            })?;
            file.path = out_dir.join(inside);
        }
        let bytes = write::found(&file.path)?;
        outcomes.push(Outcome::new(file, bytes));
    }
    Ok(Some((outcomes, template.warnings)))
}

/// Where a template's partials are looked for: beside it, and in `templates/` from there up to the root.
fn partial_folders(root: &Path, template: &Path) -> Vec<PathBuf> {
    let folder = template.parent().unwrap_or(root);
    let above = folder
        .ancestors()
        .take_while(|above| above.starts_with(root));
    let mut folders = vec![folder.to_path_buf()];
    folders.extend(above.map(|above| above.join(PARTIALS)));
    folders
}

/// The outcome for a file that bears our header though nothing makes it. Its template has to lie in the walked folder:
/// of templates elsewhere this run knows nothing.
fn orphan(tree: &Tree, path: &Path) -> Option<Result<Outcome, Diagnostic>> {
    let template = match named_template(path) {
        Ok(template) => template?,
        Err(error) => return Some(Err(Diagnostic::io(path, "read the file", &error))),
    };
    if !template.starts_with(&tree.folder) {
        return None;
    }
    Some(match write::found(path) {
        Ok(bytes) => Ok(Outcome::orphan(path, &template, bytes.unwrap_or_default())),
        Err(problem) => Err(problem),
    })
}

/// The template that a file names in its header, as a complete path.
fn named_template(path: &Path) -> std::io::Result<Option<PathBuf>> {
    let mut start = Vec::new();
    File::open(path)?
        .take(ENOUGH as u64)
        .read_to_end(&mut start)?;
    let start = String::from_utf8_lossy(&start);
    let Some(template) = template_of(&start) else {
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

impl Expansion {
    /// Whether every file is right and nothing is left over.
    pub fn is_clean(&self) -> bool {
        self.outcomes
            .iter()
            .all(|outcome| outcome.status == Status::Same)
    }

    /// Whether there was an error.
    pub fn failed(&self) -> bool {
        self.stopped || self.problems.iter().any(Diagnostic::is_error)
    }

    /// Writes what is missing or changed. A template with a foreign file has none of its files written.
    pub fn write(&self, options: &WriteOptions<'_>) -> Written {
        let mut written = Written::default();
        if self.stopped {
            return written;
        }
        let mut refused: BTreeSet<&Path> = BTreeSet::new();
        for outcome in &self.outcomes {
            if outcome.status == Status::Foreign && !options.force {
                refused.insert(&outcome.template);
                let message = "this file is not crossfile's: it is left as it is";
                written.problems.push(
                    Diagnostic::error(Code::Foreign, Place::file(&outcome.path), message)
                        .related(Place::file(&outcome.template), "nothing of this template was written")
                        .help("see what would change with --diff; overwrite with --force; or keep it: `dockerfile = \"…\"` under [arch.NAME]"),
                );
            }
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
            .map(|outcome| (!(options.cancelled)()).then(|| self.write_one(outcome)))
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

    fn write_one(&self, outcome: &Outcome) -> Result<(), Diagnostic> {
        let root = self
            .roots
            .get(&outcome.path)
            .map_or(outcome.path.as_path(), PathBuf::as_path);
        match &outcome.wanted {
            Some(text) => write::write(root, &outcome.path, text),
            None => write::remove(&outcome.path),
        }
    }

    /// Problems of at least this severity.
    pub fn problems_from(&self, least: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.problems
            .iter()
            .filter(move |problem| problem.severity >= least)
    }
}
