//! The whole way for a tree: find templates, expand each, compare with the disk, write.
//!
//! [`Project::open`] only reads; [`Project::expand`] works everything out in memory; [`Expansion::write`] is the only
//! step that changes the disk, and does nothing while a settings file is wrong or two outputs share a path.

mod clashes;
mod drift;
mod job;
mod lint;
mod nothing;
mod orphans;
mod products;
mod writing;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::arch::{ArchMap, ArchName};
use crate::config::{Config, Inputs, Overrides};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::discover::{Discovery, Found, discover, root_of};
use crate::document::Located;
use crate::expand::Expander;
use crate::outcome::{Outcome, Status};
use job::{Job, Kind, job};

pub use drift::DriftInputs;
pub use lint::Lint;
pub use products::{BuildFile, Product};
pub use writing::{WriteOptions, Written};

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

/// One path that was asked for.
#[derive(Debug)]
struct Tree {
    /// The folder that was walked, or that holds the one file that was named.
    folder: PathBuf,
    /// Whether all of the folder was walked.
    is_whole: bool,
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
    /// The files that are templates.
    template_files: Vec<PathBuf>,
}

impl Project {
    /// Looks for templates below each path, a folder or one file. Paths are complete.
    pub fn open(paths: &[PathBuf], overrides: &Overrides, inputs: &dyn Inputs) -> Project {
        let mut trees: Vec<Tree> = Vec::new();
        let mut problems: Vec<Diagnostic> = Vec::new();
        let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
        for path in paths {
            if !path.is_dir() && !path.is_file() {
                let message = match path.symlink_metadata() {
                    Ok(_) => "this is neither a file nor a folder",
                    Err(_) => "there is no such file or folder",
                };
                problems.push(Diagnostic::error(Code::Io, Place::file(path), message));
                continue;
            }
            let mut discovery = discover(&root_among(path, paths), path, overrides, inputs);
            // Of overlapping paths the first has the file, by whatever links it is reached.
            let mut new = |path: &Path| {
                let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
                paths.len() == 1 || seen.insert(real)
            };
            discovery.templates.retain(|found| new(&found.path));
            discovery.files.retain(|path| new(path));
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
                is_whole: path.is_dir(),
                discovery,
            });
        }
        Project { trees, problems }
    }

    /// Whether settings name Dockerfiles that are no templates.
    pub fn names_dockerfiles(&self) -> bool {
        self.trees
            .iter()
            .any(|tree| !tree.discovery.plain.is_empty())
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
            stopped: false,
            templates: 0,
            failed_templates: 0,
            template_files: Vec::new(),
        };
        let chosen = self.choose(selection, &mut expansion.problems);
        for (config, _) in &chosen {
            for problem in config.lock().err().unwrap_or_default() {
                if !expansion.problems.contains(&problem) {
                    expansion.problems.push(problem);
                }
            }
        }
        if let Some(out_dir) = &selection.out_dir
            && out_dir.exists()
            && !out_dir.is_dir()
        {
            let message = "this is no folder to put files below";
            let problem = Diagnostic::error(Code::Io, Place::file(out_dir), message);
            expansion.problems.push(problem);
        }
        expansion.stopped = expansion.problems.iter().any(Diagnostic::is_error);
        if !expansion.stopped {
            self.expand_chosen(&chosen, selection, &mut expansion);
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
        let templates = self.candidates().map(|found| &found.config);
        let plain = self.trees.iter().flat_map(|tree| &tree.discovery.plain);
        for config in templates.chain(plain.map(|(_, config)| config)) {
            if !configs.iter().any(|(known, _)| Arc::ptr_eq(known, config)) {
                configs.push((Arc::clone(config), config.arches.clone()));
                problems.extend(config.pins.iter().cloned());
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
            let made =
                |arches: &Vec<ArchName>| arches.iter().any(|arch| arch.as_str() == name.value);
            if configs.iter().any(|(_, arches)| made(arches)) {
                continue;
            }
            let knows = |config: &Arc<Config>| config.map.get(&name.value).is_some();
            match configs.iter().find(|(config, _)| knows(config)) {
                Some((config, _)) => problems.push(config.not_of_the_project(name)),
                None => {
                    let map = configs.first().map(|(config, _)| Arc::clone(&config.map));
                    let map = map.unwrap_or_else(ArchMap::builtin);
                    if map.get(&name.value).is_none() {
                        problems.push(map.unknown_arch(name));
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
        let elsewhere = selection.out_dir.is_some();
        let expanders: Vec<(&Arc<Config>, Expander<'_>)> = chosen
            .iter()
            .map(|(config, arches)| (config, Expander::new(config, arches).elsewhere(elsewhere)))
            .collect();
        let found: Vec<(&Tree, &Found)> = self
            .trees
            .iter()
            .flat_map(|tree| {
                tree.discovery
                    .templates
                    .iter()
                    .map(move |found| (tree, found))
            })
            .collect();
        let jobs: Vec<Job> = found
            .par_iter()
            .map(|(tree, found)| {
                let mut own = expanders
                    .iter()
                    .filter(|(config, _)| Arc::ptr_eq(config, &found.config));
                match own.next() {
                    Some((_, expander)) => job(&tree.folder, found, expander, selection),
                    None => Job::default(),
                }
            })
            .collect();
        let mut kept = Kept::default();
        for (config, _) in &expanders {
            config
                .files
                .iter()
                .for_each(|file| kept.add(file, "a file of the settings"));
        }
        let mut ours: Vec<(&Tree, &Found, Kind)> = Vec::new();
        let mut failures: HashSet<PathBuf> = HashSet::new();
        let mut used: BTreeSet<String> = BTreeSet::new();
        let mut by_hand: HashMap<&Place, bool> = HashMap::new();
        for ((tree, found), job) in found.iter().zip(jobs) {
            ours.push((tree, found, job.kind));
            if job.kind == Kind::Template {
                expansion.templates += 1;
                let failed = job.problems.iter().any(Diagnostic::is_error);
                expansion.failed_templates += usize::from(failed);
                if failed {
                    failures.insert(found.path.clone());
                }
                kept.add(&found.path, "a template");
                expansion.template_files.push(found.path.clone());
                let own = expanders
                    .iter()
                    .find(|(config, _)| Arc::ptr_eq(config, &found.config));
                for (path, said) in own
                    .iter()
                    .flat_map(|(_, expander)| expander.by_hand(&found.path))
                {
                    let there = path.is_file();
                    by_hand
                        .entry(said)
                        .and_modify(|known| *known |= there)
                        .or_insert(there);
                    kept.add(&path, "a file written by hand");
                }
            }
            used.extend(job.names);
            job.partials
                .iter()
                .for_each(|partial| kept.add(partial, "a partial"));
            expansion.problems.extend(job.problems);
            expansion.outcomes.extend(job.outcomes);
        }
        for (config, expander) in &expanders {
            let own = |(_, found, kind): &&(&Tree, &Found, Kind)| {
                *kind == Kind::Template && Arc::ptr_eq(config, &found.config)
            };
            if let Some((_, found, _)) = ours.iter().find(own)
                && expander.makes_nothing()
            {
                let message = "nothing is made of this: the project has no such cell";
                let help = match selection.arches.is_empty() {
                    true => "look at `[matrix]` and the `arches` that its cells have",
                    false => "look at `--arch`, and at the `arches` that cells of the matrix have",
                };
                let place = Place::file(&found.path);
                let problem = Diagnostic::warning(Code::Unused, place, message);
                expansion.problems.push(problem.help(help));
            }
        }
        let missing = by_hand.into_iter().filter(|(_, there)| !there);
        let mut missing: Vec<Diagnostic> = missing
            .map(|(said, _)| {
                let message = "this file, which is written by hand, is not there";
                Diagnostic::warning(Code::Io, said.clone(), message)
            })
            .collect();
        missing.sort_by_key(|problem| problem.place.span().start);
        expansion.problems.extend(missing);
        // A template that failed may use what no other does.
        if failures.is_empty() {
            for (config, expander) in &expanders {
                let used = used.iter().map(String::as_str);
                for slip in config.unused(used.chain(expander.names())) {
                    if !expansion.problems.contains(&slip) {
                        expansion.problems.push(slip);
                    }
                }
            }
        }
        let clashes = clashes::find(&expansion.outcomes, &kept);
        expansion.stopped = !clashes.is_empty();
        expansion.problems.extend(clashes);
        // Two outputs at one place say that the settings are wrong: what is left over cannot be told from them.
        if !elsewhere && !expansion.stopped {
            orphans::find(&self.trees, &ours, &failures, expansion);
        }
    }
}

/// The root for one of several paths. Outside of a repository a path's root is itself; below another path that is
/// asked for too it is that one's, so that one tree has one reading.
fn root_among(path: &Path, paths: &[PathBuf]) -> PathBuf {
    let root = root_of(path);
    if root.join(".git").exists() {
        return root;
    }
    let above = paths
        .iter()
        .filter(|other| other.is_dir() && path.starts_with(other));
    above
        .min_by_key(|other| other.components().count())
        .cloned()
        .unwrap_or(root)
}

/// Files that a generated one may not replace.
#[derive(Default)]
struct Kept(HashMap<PathBuf, &'static str>);

impl Kept {
    fn add(&mut self, path: &Path, what: &'static str) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        self.0.insert(real, what);
    }
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

    /// The templates with a foreign file: none of their files is written unless foreign files may be overwritten.
    pub fn refused(&self) -> BTreeSet<&Path> {
        let foreign = self
            .outcomes
            .iter()
            .filter(|outcome| outcome.status == Status::Foreign);
        foreign.map(|outcome| outcome.template.as_path()).collect()
    }
}
