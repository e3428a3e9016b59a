//! The build context on the disk: whether `COPY` would find a file.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};

use super::Files;
use crate::diagnostic::{Place, Source};

/// The folders that may be a template's build context, on the disk.
pub(crate) struct DiskContext {
    /// The one that the settings say, else those that people use: the template's and the project's.
    pub(crate) folders: Vec<PathBuf>,
}

impl Files for DiskContext {
    fn in_context(&self, dockerfile: &Path, pattern: &str) -> Option<bool> {
        let parts = pattern.split('/').filter(|part| !matches!(*part, "" | "."));
        let parts: Vec<Part> = parts.map(Part::new).collect::<Option<_>>()?;
        let holds = |folder: &PathBuf| {
            // Most contexts hold no handler: then nobody needs to know what is left out of them.
            let ignore = OnceCell::new();
            let ignore = || ignore.get_or_init(|| Ignore::read(folder, dockerfile));
            finds(folder, Path::new(""), &parts, &|path| {
                ignore().leaves_out(path).is_none()
            })
        };
        Some(self.folders.iter().any(holds))
    }
}

/// A part of a pattern between slashes.
enum Part {
    /// A name as it is: nothing has to be listed to find it.
    Name(String),
    Glob(GlobMatcher),
}

impl Part {
    fn new(text: &str) -> Option<Part> {
        match text.contains(['*', '?', '[', '\\']) {
            false => Some(Part::Name(text.to_string())),
            true => glob(text).map(Part::Glob),
        }
    }
}

/// Whether a file fits the parts of a pattern, from a folder on, and is not left out.
fn finds(folder: &Path, relative: &Path, parts: &[Part], takes: &dyn Fn(&Path) -> bool) -> bool {
    let [part, rest @ ..] = parts else {
        return takes(relative);
    };
    match part {
        Part::Name(name) => {
            let path = folder.join(name);
            path.exists() && finds(&path, &relative.join(name), rest, takes)
        }
        Part::Glob(glob) => {
            let entries = folder.read_dir().into_iter().flatten().flatten();
            entries.into_iter().any(|entry| {
                let name = entry.file_name();
                glob.is_match(Path::new(&name))
                    && finds(&entry.path(), &relative.join(&name), rest, takes)
            })
        }
    }
}

pub(crate) fn glob(pattern: &str) -> Option<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.ok().map(|glob| glob.compile_matcher())
}

/// A `.dockerignore` file: patterns from the context's top, of which the last that fits decides (moby/patternmatcher).
#[derive(Default)]
pub(crate) struct Ignore(Vec<Rule>);

struct Rule {
    leaves_out: bool,
    glob: GlobMatcher,
    place: Place,
}

impl Ignore {
    /// The file that BuildKit takes: `<Dockerfile>.dockerignore` before `.dockerignore`.
    pub(crate) fn read(folder: &Path, dockerfile: &Path) -> Ignore {
        let mut own = dockerfile.as_os_str().to_owned();
        own.push(".dockerignore");
        let shared = folder.join(".dockerignore");
        let mut files = [PathBuf::from(own), shared].into_iter();
        let source = files.find_map(|file| {
            let text = match file.is_file() {
                true => std::fs::read_to_string(&file).ok()?,
                false => return None,
            };
            Some(Source::new(file, text))
        });
        source.map_or_else(Ignore::default, |source| Ignore::parse(&source))
    }

    fn parse(source: &Arc<Source>) -> Ignore {
        let mut rules = Vec::new();
        for range in crate::dockerfile::lines(source.text()) {
            let whole = &source.text()[range.clone()];
            let line = whole.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let start = range.start + whole.len() - whole.trim_start().len();
            let (leaves_out, pattern) = match line.strip_prefix('!') {
                Some(pattern) => (false, pattern.trim()),
                None => (true, line),
            };
            let pattern = pattern.trim_start_matches("./").trim_matches('/');
            rules.extend(glob(pattern).map(|glob| Rule {
                leaves_out,
                glob,
                place: Place::new(source, start..start + line.len()),
            }));
        }
        Ignore(rules)
    }

    /// The line that leaves a file out, given by its way from the context's top.
    pub(crate) fn leaves_out(&self, path: &Path) -> Option<&Place> {
        let fits = |glob: &GlobMatcher| path.ancestors().any(|part| glob.is_match(part));
        let last = self.0.iter().rev().find(|rule| fits(&rule.glob))?;
        last.leaves_out.then_some(&last.place)
    }
}
