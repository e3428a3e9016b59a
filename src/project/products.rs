//! What a project builds: the Dockerfiles of each template, generated or written by hand, and those that are no templates.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Expansion, Project, Selection};
use crate::arch::ArchName;
use crate::config::{Cell, Config};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::Located;
use crate::expand::{Expander, parse};
use crate::read;
use crate::template::Parsed;

/// A Dockerfile and what it is built for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BuildFile {
    /// What it is for.
    pub cell: Cell,
    /// Where it lies, or will.
    pub dockerfile: PathBuf,
    /// What a generated one holds.
    pub text: Option<Arc<str>>,
}

/// What one template, or one plain Dockerfile, is built into.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Product {
    /// The settings that hold for it.
    pub config: Arc<Config>,
    /// The template, or the Dockerfile itself.
    pub source: PathBuf,
    /// What is built where the settings do not say a context.
    pub context: PathBuf,
    /// Its cells in order, points of the matrix after each other.
    pub files: Vec<BuildFile>,
    /// The cells of its project that were not asked for.
    pub left_out: Vec<Cell>,
}

impl Project {
    /// Where a range of what a template makes for a cell is written in the template, or in what it includes.
    pub fn origin(&self, template: &Path, cell: &Cell, range: Range<usize>) -> Option<Place> {
        let found = self.candidates().find(|found| found.path == template)?;
        let source = read::source(template).ok()?;
        let parsed = parse(&source, &found.config, &found.partials()).ok()?;
        let Parsed::Template(parsed) = parsed else {
            return None;
        };
        let arches = [cell.arch.clone()];
        let traced = Expander::new(&found.config, &arches).trace(template, &parsed, cell)?;
        traced.place(range)
    }

    /// Everything that is built from an expansion of this project for the same selection, and what is wrong about it.
    pub fn products(
        &self,
        expansion: &Expansion,
        selection: &Selection,
    ) -> (Vec<Product>, Vec<Diagnostic>) {
        let mut problems = Vec::new();
        // What is wrong with the selection was told when the project was expanded.
        let chosen = self.choose(selection, &mut Vec::new());
        let arches = |config: &Arc<Config>| -> &[ArchName] {
            let own = chosen.iter().find(|(known, _)| Arc::ptr_eq(known, config));
            own.map_or(&[], |(_, arches)| arches.as_slice())
        };
        let mut products = Vec::new();
        for found in self.candidates() {
            if !expansion.template_files.contains(&found.path) {
                continue;
            }
            let folder = found.path.parent().unwrap_or(&found.root);
            let cells = found.config.chosen_cells(arches(&found.config));
            let mut files = Vec::new();
            for cell in cells {
                let by_hand = found.config.arch.get(&cell.arch);
                let file = match by_hand.and_then(|own| own.dockerfile.as_ref()) {
                    Some(written) => match by_hand_file(folder, written) {
                        Ok(dockerfile) => Some((dockerfile, None)),
                        Err(problem) => {
                            problems.push(*problem);
                            None
                        }
                    },
                    None => {
                        let mut own = expansion.outcomes.iter();
                        let own = own.find(|outcome| {
                            outcome.template == found.path && outcome.cells.contains(&cell)
                        });
                        own.map(|own| (own.path.clone(), own.wanted.as_deref().map(Arc::from)))
                    }
                };
                files.extend(file.map(|(dockerfile, text)| BuildFile {
                    cell,
                    dockerfile,
                    text,
                }));
            }
            products.push(Product {
                config: Arc::clone(&found.config),
                source: found.path.clone(),
                context: folder.to_path_buf(),
                files,
                left_out: left_out(&found.config, arches(&found.config)),
            });
        }
        for (folder, config) in self.trees.iter().flat_map(|tree| &tree.discovery.plain) {
            let Some(named) = &config.dockerfile else {
                continue;
            };
            let beside = named.place.source().path().parent().unwrap_or(folder);
            let dockerfile = beside.join(&named.value);
            let known = |product: &Product| product.source == dockerfile;
            if products.iter().any(known) {
                continue;
            }
            if !dockerfile.is_file() {
                problems.push(not_there(named));
                continue;
            }
            let cells = config.chosen_cells(arches(config));
            let files = cells.into_iter().map(|cell| {
                let by_hand = config.arch.get(&cell.arch);
                let own = by_hand.and_then(|own| own.dockerfile.as_ref());
                let dockerfile = match own {
                    Some(written) => by_hand_file(beside, written)?,
                    None => dockerfile.clone(),
                };
                let text = None;
                Ok(BuildFile {
                    cell,
                    dockerfile,
                    text,
                })
            });
            let files: Vec<Result<BuildFile, Box<Diagnostic>>> = files.collect();
            let mut good = Vec::new();
            for file in files {
                match file {
                    Ok(file) => good.push(file),
                    Err(problem) => problems.push(*problem),
                }
            }
            products.push(Product {
                config: Arc::clone(config),
                source: dockerfile,
                context: beside.to_path_buf(),
                files: good,
                left_out: left_out(config, arches(config)),
            });
        }
        (products, problems)
    }
}

/// The cells of the architectures that a project lists and that were not asked for.
fn left_out(config: &Config, chosen: &[ArchName]) -> Vec<Cell> {
    if !config.arches_are_given {
        return Vec::new();
    }
    let others = config.arches.iter().filter(|arch| !chosen.contains(arch));
    config.chosen_cells(&others.cloned().collect::<Vec<_>>())
}

/// A file that is written by hand: beside the template, or beside the settings that name it.
fn by_hand_file(folder: &Path, written: &Located<String>) -> Result<PathBuf, Box<Diagnostic>> {
    let settings = written.place.source().path().parent();
    let folders = [Some(folder), settings].into_iter().flatten();
    let mut files = folders.map(|folder| folder.join(&written.value));
    files
        .find(|file| file.is_file())
        .ok_or_else(|| Box::new(not_there(written)))
}

fn not_there(written: &Located<String>) -> Diagnostic {
    let message = format!("there is no file `{}`", written.value);
    Diagnostic::error(Code::Io, written.place.clone(), message)
}
