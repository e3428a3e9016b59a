//! The project that a command about images works on.

use std::path::PathBuf;

use crossfile::{Diagnostic, Expansion, Overrides, Product, Project, Selection};

use crate::args::SelectArgs;
use crate::output::Output;

/// A project, what its templates make, and the products among that.
pub(crate) struct Loaded {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) project: Project,
    pub(crate) expansion: Expansion,
    pub(crate) products: Vec<Product>,
    /// What is wrong with any of it. With an error the products may not be all.
    pub(crate) problems: Vec<Diagnostic>,
}

impl Loaded {
    /// Reads and expands what is at some paths. `locked` is whether digests of a lock are asked for, where an argument says it.
    ///
    /// # Errors
    /// Nothing could be expanded.
    pub(crate) fn read(
        paths: &[PathBuf],
        select: &SelectArgs,
        locked: Option<bool>,
        output: &Output,
    ) -> Result<Loaded, Vec<Diagnostic>> {
        let overrides = select.overrides(false, false);
        let overrides = Overrides {
            locked,
            ..overrides.map_err(|problem| vec![problem])?
        };
        let paths: Vec<PathBuf> = paths.iter().map(|path| output.complete(path)).collect();
        let selection = Selection {
            arches: select.arches(),
            out_dir: None,
        };
        Loaded::of(paths, &overrides, &selection, output)
    }

    /// The same for complete paths and a selection that is made already.
    ///
    /// # Errors
    /// Nothing could be expanded.
    pub(crate) fn of(
        paths: Vec<PathBuf>,
        overrides: &Overrides,
        selection: &Selection,
        output: &Output,
    ) -> Result<Loaded, Vec<Diagnostic>> {
        let project = Project::open(&paths, overrides, &output.inputs());
        let expansion = project.expand(selection);
        if expansion.failed() {
            return Err(expansion.problems);
        }
        let (products, found) = project.products(&expansion, selection);
        let mut problems = expansion.problems.clone();
        problems.extend(found);
        Ok(Loaded {
            paths,
            project,
            expansion,
            products,
            problems,
        })
    }
}
