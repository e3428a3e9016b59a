//! A template and its settings to generated files, in memory.
//!
//! [`Expander::new`] prepares what all templates of a folder share; [`Expander::expand`] renders one template for every
//! cell. Pure: paths are worked out and nothing is read or written.

mod failures;
pub(crate) mod images;
mod output;
mod pattern;
mod pins;
mod unpinned;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::arch::ArchName;
use crate::config::{Cell, Config};
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Place, Source};
use crate::document::Located;
use crate::header::{self, Command};
use crate::lock::Lock;
use crate::template::{Language, Parsed, RenderFailure, Template, Traced};
use crate::ways::{way, with_slashes};
use failures::Failures;
use output::{Output, join};
pub(crate) use pattern::Pattern;
use pins::{Edit, Unpinned, apply, pins};
use unpinned::Missing;

/// A generated file that is not on the disk yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rendered {
    /// Where it goes: the template's folder joined with the output path.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
    /// Whether the text begins with our header. Without one, what stands at the path is ours by the user's word.
    pub has_header: bool,
    /// The template it was made from.
    pub template: PathBuf,
    /// Where its path is said: the `output` of the settings, else the template.
    pub place: Place,
    /// What it is for: one cell, or several that come out the same at one path.
    pub cells: Vec<Cell>,
}

impl Rendered {
    /// Whether this file at the same path is for other architectures and comes out the same.
    fn may_share(&self, other: &Rendered) -> bool {
        let axes = |file: &Rendered| file.cells.first().map(|cell| cell.axes.clone());
        self.text == other.text && axes(self) == axes(other)
    }
}

/// Renders templates that share one [`Config`].
pub struct Expander<'a> {
    config: &'a Config,
    cells: Vec<(Cell, Context)>,
    output: Result<Output, Vec<Diagnostic>>,
    /// What base images are pinned by.
    lock: Result<Option<&'a Lock>, Vec<Diagnostic>>,
    elsewhere: bool,
    /// Whether there are cells whose Dockerfiles are written by hand.
    has_written: bool,
}

impl<'a> Expander<'a> {
    /// Prepares to render for the given architectures, without the cells that `--set` leaves out.
    pub fn new(config: &'a Config, arches: &[ArchName]) -> Self {
        Self::with(config, config.chosen_cells(arches))
    }

    /// Prepares for everything that the project may make: where it does not list its architectures, any may be asked
    /// for by `--arch`, and what was made then is no leftover.
    pub(crate) fn of_all(config: &'a Config) -> Self {
        let every = || config.map.entries().iter().map(|entry| entry.name.clone());
        match config.arches_are_given {
            true => Self::with(config, config.cells(&config.arches)),
            false => Self::with(config, config.cells(&every().collect::<Vec<_>>())),
        }
    }

    fn with(config: &'a Config, cells: Vec<Cell>) -> Self {
        // A hand-written Dockerfile takes an architecture's place: there is nothing to generate for it.
        let written = |cell: &Cell| {
            let settings = config.arch.get(&cell.arch);
            settings.is_some_and(|settings| settings.dockerfile.is_some())
        };
        let (by_hand, cells): (Vec<Cell>, Vec<Cell>) = cells.into_iter().partition(written);
        Expander {
            config,
            has_written: !by_hand.is_empty(),
            cells: config.contexts(&cells),
            output: Output::parse(config),
            lock: config.lock(),
            elsewhere: false,
        }
    }

    /// Says that the files will be put below another folder: their headers say so, and name the template as if they
    /// lay beside it, so that their bytes do not depend on where that folder is.
    #[must_use]
    pub fn elsewhere(mut self, elsewhere: bool) -> Self {
        self.elsewhere = elsewhere;
        self
    }

    /// Renders a template for every cell.
    ///
    /// # Errors
    /// What is wrong, each problem once with all the architectures it concerns; then nothing of the template is used.
    pub fn expand(
        &self,
        path: &Path,
        template: &Template,
    ) -> Result<Vec<Rendered>, Vec<Diagnostic>> {
        let output = self.output.as_ref().map_err(Clone::clone)?;
        self.lock.as_ref().map_err(Clone::clone)?;
        let stem = &stem(path);
        // Side by side: one template may have thousands of cells.
        let cells = self.cells.par_iter().map(|(cell, context)| {
            let context = context.with_stem(stem);
            let to = match output.path(stem, path, cell, &context) {
                Ok(to) => to,
                Err(problem) => return Err(NoFile::Path(problem)),
            };
            let text = match template.render(&context) {
                Ok(text) => text,
                Err(found) => return Err(NoFile::Text(found, Box::new(context))),
            };
            match self.pins(&text, cell, &context) {
                Ok(pins) => Ok(self.finish(path, to, apply(&text, &pins), cell)),
                Err(found) => Err(NoFile::Pins(found, Box::new(context))),
            }
        });
        let cells: Vec<Result<Rendered, NoFile>> = cells.collect();
        let mut rendered = Files::default();
        let mut failures = Failures::default();
        let mut missing = Missing::default();
        for ((cell, _), made) in self.cells.iter().zip(cells) {
            match made {
                Ok(file) => rendered.add(file),
                Err(NoFile::Text(found, context)) => failures.add(found, cell, &context),
                Err(NoFile::Pins(found, context)) => {
                    missing.add(found, cell, path, template.trace(&context).ok().as_ref());
                }
                Err(NoFile::Path(problem)) => {
                    let known = |known: &Diagnostic| {
                        (known.code, &known.place) == (problem.code, &problem.place)
                    };
                    if !failures.problems.iter().any(known) {
                        failures.problems.push(*problem);
                    }
                }
            }
        }
        if failures.is_empty() && missing.is_empty() {
            return Ok(rendered.files);
        }
        let all: Vec<&Cell> = self.cells.iter().map(|(cell, _)| cell).collect();
        let mut problems = failures.into_diagnostics(&all);
        problems.extend(missing.into_diagnostics(&all));
        Err(problems)
    }

    /// The words of a cell's text that the lock replaces.
    fn pins(&self, text: &str, cell: &Cell, context: &Context) -> Result<Vec<Edit>, Vec<Unpinned>> {
        match &self.lock {
            Ok(Some(lock)) => pins(text, lock, self.config, cell, context),
            _ => Ok(Vec::new()),
        }
    }

    /// Whether there is no cell at all, written by hand or not.
    pub(crate) fn makes_nothing(&self) -> bool {
        self.cells.is_empty() && !self.has_written
    }

    /// The names that the output patterns use.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let output = self.output.as_ref().ok();
        let patterns = output.into_iter().flat_map(|output| {
            let own = output.arches.iter().map(|(_, pattern)| pattern);
            own.chain(&output.default)
        });
        let names = patterns.filter_map(Pattern::names);
        names.flatten().map(String::as_str)
    }

    /// The files that the settings say are written by hand, where they would be for a template: beside it, or beside
    /// the settings. Each with where it is said.
    pub(crate) fn by_hand(&self, template: &Path) -> Vec<(PathBuf, &Place)> {
        let files = self
            .config
            .arch
            .values()
            .filter_map(|settings| settings.dockerfile.as_ref());
        let folders = |file: &Located<String>| {
            let settings = file.place.source().path().parent().map(Path::to_path_buf);
            [template.parent().map(Path::to_path_buf), settings]
        };
        let paths = files.flat_map(|file| {
            let folders = folders(file).into_iter().flatten();
            let paths = folders.filter_map(|folder| join(&folder, &file.value));
            paths.map(|path| (path, &file.place))
        });
        paths.collect()
    }

    /// The path of every cell's file, for those whose path can be worked out.
    pub fn paths(&self, path: &Path) -> Vec<PathBuf> {
        let stem = &stem(path);
        let Ok(output) = &self.output else {
            return Vec::new();
        };
        let paths = self
            .cells
            .iter()
            .map(|(cell, context)| output.path(stem, path, cell, &context.with_stem(stem)));
        paths.filter_map(Result::ok).map(|(path, _)| path).collect()
    }

    /// What a template makes a file for: every cell, with its values for this template and its file's path. Cells whose
    /// path cannot be worked out are left out.
    pub(crate) fn sheets(&self, path: &Path) -> impl Iterator<Item = (&Cell, Context, PathBuf)> {
        let stem = stem(path);
        let output = self.output.as_ref().ok();
        let path = path.to_path_buf();
        self.cells.iter().filter_map(move |(cell, context)| {
            let context = context.with_stem(&stem);
            let to = output?.path(&stem, &path, cell, &context).ok()?;
            Some((cell, context, to.0))
        })
    }

    /// What [`Expander::expand`] makes for a cell, with the origin of each byte.
    pub(crate) fn trace(&self, path: &Path, template: &Template, cell: &Cell) -> Option<Traced> {
        let stem = stem(path);
        let (_, context) = self.cells.iter().find(|(own, _)| own == cell)?;
        let context = context.with_stem(&stem);
        let output = self.output.as_ref().ok()?;
        let (to, _) = output.path(&stem, path, cell, &context).ok()?;
        let mut traced = template.trace(&context).ok()?;
        // Backwards, so that what is before stays where it is.
        for pin in self.pins(traced.text(), cell, &context).ok()?.iter().rev() {
            traced.replace(pin.span.clone(), &pin.text);
        }
        if self.has_header(cell) {
            let way = relative(path, &to);
            let (at, header) = header::header(traced.text(), &way, self.command());
            traced.insert(at, &header);
        }
        Some(traced)
    }

    /// The command that makes the files again.
    fn command(&self) -> Command {
        Command {
            locked: self.config.locking.by_flag,
            elsewhere: self.elsewhere,
        }
    }

    fn has_header(&self, cell: &Cell) -> bool {
        let settings = self.config.arch.get(&cell.arch);
        let own = settings.and_then(|settings| settings.header);
        own.unwrap_or(self.config.header)
    }

    fn finish(&self, template: &Path, to: (PathBuf, Place), text: String, cell: &Cell) -> Rendered {
        let (path, place) = to;
        let has_header = self.has_header(cell);
        let text = match has_header {
            true => header::add(&text, &relative(template, &path), self.command()),
            false => text,
        };
        Rendered {
            path,
            text,
            has_header,
            template: template.to_path_buf(),
            place,
            cells: vec![cell.clone()],
        }
    }
}

/// Why there is no file for a cell.
enum NoFile {
    Path(Box<Diagnostic>),
    Text(Vec<RenderFailure>, Box<Context>),
    Pins(Vec<Unpinned>, Box<Context>),
}

/// Files in the making. Architectures that make the same one, as those of one `Dockerfile` for all platforms do, share
/// it; points of the matrix do not, since each is an image of its own.
#[derive(Default)]
struct Files {
    files: Vec<Rendered>,
    by_path: HashMap<PathBuf, usize>,
}

impl Files {
    fn add(&mut self, file: Rendered) {
        match self.by_path.entry(file.path.clone()) {
            Entry::Occupied(known) if self.files[*known.get()].may_share(&file) => {
                self.files[*known.get()].cells.extend(file.cells);
            }
            // Two texts at one path are a clash, which is told where all templates are known.
            Entry::Occupied(_) => self.files.push(file),
            Entry::Vacant(free) => {
                free.insert(self.files.len());
                self.files.push(file);
            }
        }
    }
}

/// A template's name without `.cross`.
pub(crate) fn stem(template: &Path) -> String {
    let name = template.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".cross").unwrap_or(&name).to_string()
}

/// The way from a generated file to its template, with `/` on every system.
pub(crate) fn relative(template: &Path, output: &Path) -> String {
    let folder = output.parent().unwrap_or(Path::new(""));
    with_slashes(&way(folder, template))
}

/// Reads a template's file.
///
/// # Errors
/// A file that cannot be read, or that is not UTF-8.
pub fn source(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    crate::read::source(path)
}

/// Parses the text of a template under a folder's settings.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(
    source: &Arc<Source>,
    config: &Config,
    partials: &dyn crate::template::Partials,
) -> Result<Parsed, Vec<Diagnostic>> {
    let every: Vec<ArchName>;
    let arches = match config.arches_are_given {
        true => &config.arches,
        false => {
            let entries = config.map.entries().iter();
            every = entries.map(|entry| entry.name.clone()).collect();
            &every
        }
    };
    let language = Language {
        arches,
        map: &config.map,
        names: &config.names,
        passthrough: &config.passthrough,
        dialect: config.dialect,
        partials,
    };
    Template::parse(source, &language)
}
