//! Names that settings declare and no template uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::{Config, keys};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::template::{Name, NameKind};

/// The names that settings declare, each with whether something uses it.
#[derive(Default)]
pub(crate) struct Declarations(BTreeMap<(std::path::PathBuf, usize), (Name, Place, bool)>);

impl Declarations {
    /// Adds what holds for one template, with the names that it and its settings use. Only names declared at or below
    /// one of `folders` are judged: of others, templates that were not looked at may make use.
    pub(crate) fn add<'a>(
        &mut self,
        config: &Config,
        used: &BTreeSet<String>,
        folders: &(impl Iterator<Item = &'a Path> + Clone),
    ) {
        for name in config.names.iter() {
            let Some(place) = &name.place else { continue };
            let path = place.source().path();
            let is_settings = path
                .file_name()
                .is_some_and(|name| name == crate::config::FILE_NAME);
            if !is_settings || !folders.clone().any(|folder| path.starts_with(folder)) {
                continue;
            }
            let key = (path.to_path_buf(), place.span().start);
            let entry = self
                .0
                .entry(key)
                .or_insert_with(|| (name.clone(), place.clone(), false));
            entry.2 |= used.contains(&name.name);
        }
    }

    pub(crate) fn unused(self) -> Vec<Diagnostic> {
        let unused = self.0.into_values().filter(|(_, _, used)| !used);
        let warning = |(name, place, _): (Name, Place, bool)| {
            let what = match name.kind {
                NameKind::Axis => "axis",
                NameKind::Column => "column",
                _ => "variable",
            };
            let message = format!("no template uses the {what} `{}`", name.name);
            let help = match name.kind {
                NameKind::Axis => {
                    "its values would all make the same file: use it, or take the axis out"
                        .to_string()
                }
                NameKind::Var if keys::CROSSFILE.get(&name.name).is_some() => format!(
                    "for the setting `{}`, put it above the first table; else take it out, or use it",
                    name.name
                ),
                _ => "take it out, or use it".to_string(),
            };
            Diagnostic::warning(Code::Unused, place, message).help(help)
        };
        unused.map(warning).collect()
    }
}
