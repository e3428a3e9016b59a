//! Walks a folder tree for templates, settings and files that may be ours.
//!
//! Folders are visited in the order of their names; `.gitignore` and `.crossfileignore` decide what is seen, settings
//! files are laid as the walk goes down, and nothing is followed out of the tree. Only reads.

mod settings;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobMatcher;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use walkdir::{DirEntry, WalkDir};

use crate::config::{Config, FILE_NAME, Inputs, Layer, Overrides};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::read;
use crate::template::PartialFolders;
use settings::Settings;

/// The folder beside a template, or above it, in which partials are looked for.
const PARTIALS: &str = "templates";

/// Says, in the form of `.gitignore`, what git sees and crossfile should not.
pub(crate) const IGNORE: &str = ".crossfileignore";

/// A file that may be a template, with the settings that hold where it lies.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// The settings of its folder.
    pub config: Arc<Config>,
    /// Whether it was asked for by its own name.
    pub(crate) is_named: bool,
    /// The folder that its files may not leave: the nearest with a `.git`, else the one that was walked.
    pub root: PathBuf,
}

impl Found {
    /// Where the template's partials are looked for: beside it, in the folders that the settings name, and in `templates/`
    /// from there up to the root.
    pub fn partials(&self) -> PartialFolders {
        let folder = self.path.parent().unwrap_or(&self.root);
        let above = folder
            .ancestors()
            .take_while(|above| above.starts_with(&self.root));
        let mut folders = vec![folder.to_path_buf()];
        folders.extend(self.config.partials.iter().cloned());
        folders.extend(above.map(|above| above.join(PARTIALS)));
        PartialFolders(folders)
    }
}

/// What a walk came across.
#[derive(Clone, Debug, Default)]
pub(crate) struct Discovery {
    /// Files that may be templates, in the order of their paths.
    pub(crate) templates: Vec<Found>,
    /// All other files, for the search for orphans.
    pub(crate) files: Vec<PathBuf>,
    /// Files that may be templates by their names and that are ignored.
    pub(crate) ignored: Vec<PathBuf>,
    /// What settings anywhere in the tree call generated files.
    pub(crate) outputs: Vec<GlobMatcher>,
    /// Folders whose settings name a Dockerfile that is no template, with those settings.
    pub(crate) plain: Vec<(PathBuf, Arc<Config>)>,
    /// Problems of settings files: nothing may be generated while there is one that is an error.
    pub(crate) problems: Vec<Diagnostic>,
}

/// The folder that paths may not leave and settings are looked for up to: the nearest at or above `path` with a
/// `.git`, else `path` itself, or its folder where it is a file.
pub fn root_of(path: &Path) -> PathBuf {
    let folder = match path.is_dir() {
        true => path,
        false => path.parent().unwrap_or(path),
    };
    let repository = folder
        .ancestors()
        .find(|folder| folder.join(".git").exists());
    repository.unwrap_or(folder).to_path_buf()
}

/// Walks `path`, a folder or one file, below `root`. Both are complete paths.
pub(crate) fn discover(
    root: &Path,
    path: &Path,
    overrides: &Overrides,
    inputs: &dyn Inputs,
) -> Discovery {
    let mut walk = Walk {
        root,
        overrides,
        inputs,
        levels: Vec::new(),
        discovery: Discovery::default(),
    };
    walk.descend(match path.is_dir() {
        true => path,
        false => path.parent().unwrap_or(path),
    });
    match path.is_dir() {
        true => walk.tree(path),
        false => walk.file(path),
    }
    walk.discovery
}

/// The settings that hold in a folder, and their warnings.
///
/// # Errors
/// Every problem of the settings files from the root down to the folder.
pub fn config_of(
    folder: &Path,
    overrides: &Overrides,
    inputs: &dyn Inputs,
) -> Result<Arc<Config>, Vec<Diagnostic>> {
    let root = root_of(folder);
    let mut walk = Walk {
        root: &root,
        overrides,
        inputs,
        levels: Vec::new(),
        discovery: Discovery::default(),
    };
    walk.descend(folder);
    let config = walk
        .levels
        .last()
        .and_then(|level| level.settings.config.clone());
    match config {
        Some(config) if config.pins.is_empty() => Ok(config),
        Some(config) => Err(config.pins.clone()),
        None => Err(walk.discovery.problems),
    }
}

/// What holds in one folder of the walk.
struct Level {
    /// The repository that the folder belongs to. A repository in a repository stands on its own.
    root: PathBuf,
    layers: Arc<Vec<Layer>>,
    settings: Arc<Settings>,
    ignore: Option<Gitignore>,
}

struct Walk<'a> {
    root: &'a Path,
    overrides: &'a Overrides,
    inputs: &'a dyn Inputs,
    /// One for each folder from the root down to the one being read.
    levels: Vec<Level>,
    discovery: Discovery,
}

impl Walk<'_> {
    /// Enters every folder from the root down to `folder`: settings and .gitignore files above it hold in it.
    fn descend(&mut self, folder: &Path) {
        let above = folder
            .ancestors()
            .take_while(|above| above.starts_with(self.root));
        let above: Vec<&Path> = above.collect();
        above.into_iter().rev().for_each(|above| self.enter(above));
    }

    fn tree(&mut self, top: &Path) {
        let depth = self.levels.len();
        let mut entries = WalkDir::new(top)
            .min_depth(1)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.unreadable(&error);
                    continue;
                }
            };
            self.levels.truncate(depth + entry.depth() - 1);
            let is_folder = entry.file_type().is_dir();
            let ignored = self.is_ignored(entry.path(), is_folder);
            if is_folder {
                match ignored || entry.file_name() == OsStr::new(".git") {
                    true => entries.skip_current_dir(),
                    false => self.enter(entry.path()),
                }
            } else {
                self.entry(&entry, ignored);
            }
        }
    }

    fn unreadable(&mut self, error: &walkdir::Error) {
        let path = error.path().unwrap_or(self.root);
        let problem = match error.io_error() {
            Some(error) => Diagnostic::io(path, "read the folder", error),
            None => Diagnostic::error(Code::Io, Place::file(path), error.to_string()),
        };
        self.discovery.problems.push(problem);
    }

    fn entry(&mut self, entry: &DirEntry, ignored: bool) {
        let path = entry.path();
        let Some(level) = self.levels.last() else {
            return;
        };
        let settings = Arc::clone(&level.settings);
        let name = entry.file_name().to_string_lossy();
        if !ignored && settings.is_template(path, &name) {
            self.template(path, entry.path_is_symlink(), &settings, false);
        } else if entry.file_type().is_file() {
            if ignored && settings.is_template(path, &name) {
                self.discovery.ignored.push(path.to_path_buf());
            }
            // A generated file may well be ignored by git: it is ours all the same.
            self.discovery.files.push(path.to_path_buf());
        }
    }

    /// One file that the user named: it is taken whatever its name is.
    fn file(&mut self, path: &Path) {
        if let Some(level) = self.levels.last() {
            let settings = Arc::clone(&level.settings);
            self.template(path, path.is_symlink(), &settings, true);
        }
    }

    fn template(&mut self, path: &Path, symlink: bool, settings: &Settings, is_named: bool) {
        let root = self
            .levels
            .last()
            .map_or(self.root, |level| level.root.as_path());
        if symlink && !leads_inside(path, root) {
            let message = "this link leads out of the project: it is not followed";
            let problem = Diagnostic::warning(Code::OutputOutside, Place::file(path), message);
            self.discovery.problems.push(problem);
            return;
        }
        if let (Some(config), true) = (&settings.config, path.is_file()) {
            self.discovery.templates.push(Found {
                path: path.to_path_buf(),
                config: Arc::clone(config),
                is_named,
                root: root.to_path_buf(),
            });
        }
    }

    /// Reads what holds from this folder on.
    fn enter(&mut self, folder: &Path) {
        let ignore = self.gitignore(folder);
        let layer = self.layer(folder);
        let repository = folder != self.root && folder.join(".git").exists();
        let above = self.levels.last().filter(|_| !repository);
        let level = match (layer, above) {
            (None, Some(above)) => Level {
                root: above.root.clone(),
                layers: Arc::clone(&above.layers),
                settings: Arc::clone(&above.settings),
                ignore,
            },
            (layer, above) => {
                let mut layers = above.map_or_else(Vec::new, |above| above.layers.to_vec());
                let root = above.map_or(folder, |above| &above.root).to_path_buf();
                layers.extend(layer);
                let mut problems = Vec::new();
                let settings = Settings::read(
                    &root,
                    &layers,
                    self.overrides,
                    self.inputs,
                    &mut problems,
                    &mut self.discovery.outputs,
                );
                for problem in problems {
                    // A fault of an outer file is found again in every folder that has a file of its own.
                    if !self.discovery.problems.contains(&problem) {
                        self.discovery.problems.push(problem);
                    }
                }
                // The settings that hold here may be those of a folder above.
                let by_hand =
                    |config: &Config| config.arch.values().any(|own| own.dockerfile.is_some());
                if let Some(config) = &settings.config
                    && (config.dockerfile.is_some() || by_hand(config))
                {
                    let own = (folder.to_path_buf(), Arc::clone(config));
                    self.discovery.plain.push(own);
                }
                Level {
                    root,
                    layers: Arc::new(layers),
                    settings: Arc::new(settings),
                    ignore,
                }
            }
        };
        self.levels.push(level);
    }

    fn layer(&mut self, folder: &Path) -> Option<Layer> {
        let path = folder.join(FILE_NAME);
        if !path.exists() {
            return None;
        }
        let layer = read::settings(&path)
            .map_err(|problem| vec![problem])
            .and_then(|source| Layer::parse(&source));
        layer
            .map_err(|problems| self.discovery.problems.extend(problems))
            .ok()
    }

    fn gitignore(&mut self, folder: &Path) -> Option<Gitignore> {
        let mut files = vec![folder.join(".gitignore"), folder.join(IGNORE)];
        if folder == self.root {
            files.insert(0, folder.join(".git/info/exclude"));
        }
        files.retain(|file| file.is_file());
        if files.is_empty() {
            return None;
        }
        let mut builder = GitignoreBuilder::new(folder);
        for file in files {
            if let Some(error) = builder.add(&file) {
                let message = format!("part of this file cannot be used: {error}");
                let problem = Diagnostic::warning(Code::BadValue, Place::file(&file), message);
                self.discovery.problems.push(problem);
            }
        }
        builder.build().ok()
    }

    /// Whether git would not see the path. The nearest file that says anything decides, up to the repository's top.
    fn is_ignored(&self, path: &Path, is_folder: bool) -> bool {
        let Some(root) = self.levels.last().map(|level| &level.root) else {
            return false;
        };
        for level in self
            .levels
            .iter()
            .rev()
            .take_while(|level| &level.root == root)
        {
            if let Some(ignore) = &level.ignore {
                match ignore.matched(path, is_folder) {
                    Match::None => {}
                    Match::Ignore(_) => return true,
                    Match::Whitelist(_) => return false,
                }
            }
        }
        false
    }
}

/// Whether what a path leads to, links followed, lies in `root`.
fn leads_inside(path: &Path, root: &Path) -> bool {
    match (path.canonicalize(), root.canonicalize()) {
        (Ok(path), Ok(root)) => path.starts_with(root),
        _ => false,
    }
}

impl Discovery {
    /// Whether a file of this name may be one of ours: only those are read in the search for orphans.
    pub(crate) fn may_be_generated(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let lower = name.to_ascii_lowercase();
        lower.contains("dockerfile")
            || lower.contains("containerfile")
            || self.outputs.iter().any(|output| output.is_match(&*name))
    }
}

/// Reads files of the disk, and an environment that was taken once.
#[derive(Clone, Debug, Default)]
pub struct DiskInputs {
    /// The environment.
    pub env: BTreeMap<String, String>,
}

impl Inputs for DiskInputs {
    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn file(&self, path: &Path) -> Result<Arc<crate::diagnostic::Source>, Diagnostic> {
        read::settings(path)
    }
}
