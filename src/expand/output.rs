//! Where generated files go: the patterns of the settings, and the paths that they give for each cell.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::failures::Failures;
use crate::arch::ArchName;
use crate::config::{Cell, Config};
use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::document::Located;
use crate::template::{Language, NoPartials, Parsed, Template};

/// The output patterns, parsed: the project's, and those of single architectures.
pub(super) struct Output {
    pub(super) default: Option<Pattern>,
    pub(super) arches: Vec<(ArchName, Pattern)>,
}

pub(super) enum Pattern {
    Template(Box<Template>, Place),
    Constant(String, Place),
}

impl Output {
    pub(super) fn parse(config: &Config) -> Result<Output, Vec<Diagnostic>> {
        let parse = |pattern: &Located<String>| Pattern::parse(pattern, config);
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
            Some(Pattern::Constant(text, place)) => (text.clone(), place.clone()),
            Some(Pattern::Template(template, place)) => match template.render(context) {
                Ok(text) => (text, place.clone()),
                Err(failures) => {
                    let mut all = Failures::default();
                    all.add(failures, cell, context);
                    let mut problems = all.into_diagnostics(&[cell]).into_iter();
                    let problem = problems.next().map(|mut problem| {
                        problem.place = place.clone();
                        problem
                    });
                    let unknown = || Diagnostic::error(Code::NoValue, place.clone(), "no path");
                    return Err(Box::new(problem.unwrap_or_else(unknown)));
                }
            },
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

impl Pattern {
    fn parse(pattern: &Located<String>, config: &Config) -> Result<Pattern, Vec<Diagnostic>> {
        let nothing = BTreeSet::new();
        let language = Language {
            arches: &[],
            map: &config.map,
            names: &config.names,
            passthrough: &nothing,
            dialect: None,
            partials: &NoPartials,
        };
        let source = Source::new("output", pattern.value.as_str());
        let place = pattern.place.clone();
        match Template::parse(&source, &language) {
            Ok(Parsed::Template(template)) => Ok(Pattern::Template(Box::new(template), place)),
            Ok(Parsed::NotATemplate(_)) => Ok(Pattern::Constant(pattern.value.clone(), place)),
            Err(mut problems) => {
                // The pattern's own text is a line without a file: point into the settings instead.
                problems
                    .iter_mut()
                    .for_each(|problem| problem.place = place.clone());
                Err(problems)
            }
        }
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
