//! What a project builds: the Dockerfiles of each template, generated or written by hand, and those that are no templates.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Expansion, Project, Selection};
use crate::arch::ArchName;
use crate::config::{Cell, Config};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::Located;
use crate::expand::{Expander, Pattern, parse};
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
            let plain = plain(folder, config, arches(config), &products);
            match plain {
                Ok(product) => products.extend(product),
                Err(found) => problems.extend(found),
            }
        }
        (products, problems)
    }
}

/// What is built where the settings name Dockerfiles and not a template; nothing where a template is there that they belong to.
fn plain(
    folder: &Path,
    config: &Arc<Config>,
    arches: &[ArchName],
    products: &[Product],
) -> Result<Option<Product>, Vec<Diagnostic>> {
    let named = config.dockerfile.as_ref();
    let by_hand = config.arch.values().find_map(|own| own.dockerfile.as_ref());
    let Some(place) = named.or(by_hand).map(|named| &named.place) else {
        return Ok(None);
    };
    let settings = place.source().path();
    let beside = settings.parent().unwrap_or(folder);
    let pattern = named.map(|named| Pattern::parse(named, config, &[]));
    let pattern = pattern.transpose()?;
    let source = match (named, &pattern) {
        (Some(named), Some(Pattern::Constant(..))) => beside.join(&named.value),
        _ => settings.to_path_buf(),
    };
    // Single architectures are written by hand beside a template, which may lie further down and have settings of its own.
    let is_told = |product: &Product| {
        product.source == source || (named.is_none() && product.source.starts_with(beside))
    };
    if products.iter().any(is_told) {
        return Ok(None);
    }
    let mut files = Vec::new();
    let mut problems: Vec<Diagnostic> = Vec::new();
    for cell in config.chosen_cells(arches) {
        let own = config.arch.get(&cell.arch);
        let file = match (own.and_then(|own| own.dockerfile.as_ref()), &pattern) {
            (Some(written), _) => by_hand_file(beside, written),
            (None, Some(pattern)) => {
                let Some(context) = config.context(&cell) else {
                    continue;
                };
                let name = pattern.render(&cell, &context);
                name.and_then(|name| there(beside.join(&name), &name, pattern.place()))
            }
            (None, None) => {
                let message = format!(
                    "nothing says which Dockerfile `{}` is built from",
                    cell.arch
                );
                let help = format!(
                    "write `dockerfile = \"Dockerfile.{0}\"` under [arch.{0}], or for all of them `dockerfile = \"Dockerfile.{{{{arch}}}}\"`",
                    cell.arch
                );
                let problem = Diagnostic::error(Code::NoImage, place.clone(), message);
                Err(Box::new(problem.help(help)))
            }
        };
        match file {
            Ok(dockerfile) => files.push(BuildFile {
                cell,
                dockerfile,
                text: None,
            }),
            Err(problem) if !problems.contains(&problem) => problems.push(*problem),
            Err(_) => {}
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Some(Product {
        config: Arc::clone(config),
        source,
        context: beside.to_path_buf(),
        files,
        left_out: left_out(config, arches),
    }))
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
    let found = files.find(|file| file.is_file());
    match found {
        Some(file) => Ok(file),
        None => there(folder.join(&written.value), &written.value, &written.place),
    }
}

fn there(file: PathBuf, name: &str, place: &Place) -> Result<PathBuf, Box<Diagnostic>> {
    if file.is_file() {
        return Ok(file);
    }
    let message = format!("there is no file `{name}`");
    Err(Box::new(Diagnostic::error(
        Code::Io,
        place.clone(),
        message,
    )))
}
