//! Where generated files go: the patterns of the settings, and the paths that they give for each cell.

use std::path::{Component, Path, PathBuf};

use super::pattern::Pattern;
use crate::arch::ArchName;
use crate::config::{Cell, Config};
use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::Located;

/// The output patterns, parsed: the project's, and those of single architectures.
pub(super) struct Output {
    pub(super) default: Option<Pattern>,
    pub(super) arches: Vec<(ArchName, Pattern)>,
}

impl Output {
    pub(super) fn parse(config: &Config) -> Result<Output, Vec<Diagnostic>> {
        let parse = |pattern: &Located<String>| Pattern::parse(pattern, config, &[]);
        let default = config.output.as_ref().map(parse).transpose()?;
        let mut arches = Vec::new();
        for (arch, settings) in &config.arch {
            if let Some(pattern) = &settings.output {
                arches.push((arch.clone(), parse(pattern)?));
            }
        }
        Ok(Output { default, arches })
    }

    /// The complete path of a cell's file, and where it is said.
    pub(super) fn path(
        &self,
        stem: &str,
        template: &Path,
        cell: &Cell,
        context: &Context,
    ) -> Result<(PathBuf, Place), Box<Diagnostic>> {
        let own = self.arches.iter().find(|(arch, _)| *arch == cell.arch);
        let pattern = own.map(|(_, pattern)| pattern).or(self.default.as_ref());
        let (text, place) = match pattern {
            None => {
                let axes: String = cell
                    .axes
                    .iter()
                    .map(|(_, value)| format!(".{}", value.text().unwrap_or_default()))
                    .collect();
                (format!("{stem}{axes}.{}", cell.arch), Place::file(template))
            }
            Some(pattern) => (pattern.render(cell, context)?, pattern.place().clone()),
        };
        let folder = template.parent().unwrap_or(Path::new(""));
        let path = join(folder, &text).ok_or_else(|| {
            let message = format!("`{text}` is not a path of a file");
            let help = "an output path is relative to the template and names a file";
            let place = place.clone();
            Box::new(Diagnostic::error(Code::OutputOutside, place, message).help(help))
        })?;
        Ok((path, place))
    }
}

/// `folder` joined with a relative path, `.` and `..` worked out. Nothing where the path is absolute, empty or ends in
/// a folder.
pub(super) fn join(folder: &Path, relative: &str) -> Option<PathBuf> {
    if relative.is_empty() || relative.ends_with(['/', '\\']) || relative.contains('\0') {
        return None;
    }
    let mut path = folder.to_path_buf();
    for part in Path::new(relative).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (path != folder).then_some(path)
}
