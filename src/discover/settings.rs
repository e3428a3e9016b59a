//! The settings of a folder with their patterns compiled: what may be a template, what may be generated.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{Glob, GlobMatcher};

use crate::config::{Config, Inputs, Layer, Overrides};
use crate::diagnostic::{Code, Diagnostic};

/// A folder's settings with their patterns compiled.
pub(super) struct Settings {
    pub(super) config: Option<Arc<Config>>,
    templates: Vec<Pattern>,
}

struct Pattern {
    glob: GlobMatcher,
    /// The folder that a pattern with a `/` is relative to; without one it is about the name alone.
    folder: Option<PathBuf>,
}

impl Settings {
    pub(super) fn read(
        root: &Path,
        layers: &[Layer],
        overrides: &Overrides,
        inputs: &dyn Inputs,
        problems: &mut Vec<Diagnostic>,
        outputs: &mut Vec<GlobMatcher>,
    ) -> Settings {
        let config = match Config::read_for_folder(layers, overrides, inputs) {
            Ok(mut config) => {
                config.read_lock(Some(root), inputs);
                config
            }
            Err(found) => {
                problems.extend(found);
                return Settings {
                    config: None,
                    templates: Vec::new(),
                };
            }
        };
        problems.extend(config.warnings.iter().cloned());
        let mut templates = Vec::new();
        for pattern in &config.templates {
            match Glob::new(&pattern.value) {
                Ok(glob) => {
                    let folder = pattern.place.source().path().parent();
                    let folder = folder.filter(|_| pattern.value.contains('/'));
                    templates.push(Pattern {
                        glob: glob.compile_matcher(),
                        folder: folder.map(Path::to_path_buf),
                    });
                }
                Err(error) => {
                    let message = format!("`{}` is not a pattern: {}", pattern.value, error.kind());
                    let place = pattern.place.clone();
                    problems.push(Diagnostic::error(Code::BadValue, place, message));
                }
            }
        }
        let per_arch = config
            .arch
            .values()
            .filter_map(|settings| settings.output.as_ref());
        let patterns = config.output.iter().chain(per_arch);
        outputs.extend(patterns.filter_map(|output| output_names(&output.value)));
        Settings {
            config: Some(Arc::new(config)),
            templates,
        }
    }

    pub(super) fn is_template(&self, path: &Path, name: &str) -> bool {
        self.templates.iter().any(|pattern| match &pattern.folder {
            None => pattern.glob.is_match(name),
            Some(folder) => path
                .strip_prefix(folder)
                .is_ok_and(|relative| pattern.glob.is_match(relative)),
        })
    }
}

/// The names that an output pattern can give: its last part with every tag as `*`.
fn output_names(pattern: &str) -> Option<GlobMatcher> {
    let name = pattern.rsplit('/').next()?;
    let mut glob = String::new();
    let mut rest = name;
    while let Some(open) = rest.find("{{") {
        glob.push_str(&globset::escape(&rest[..open]));
        glob.push('*');
        rest = rest[open..]
            .find("}}")
            .map_or("", |close| &rest[open + close + 2..]);
    }
    glob.push_str(&globset::escape(rest));
    Glob::new(&glob).ok().map(|glob| glob.compile_matcher())
}
