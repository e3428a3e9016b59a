//! The build context on the disk: whether `COPY` would find a file.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::Files;

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
                !ignore().leaves_out(path)
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

fn glob(pattern: &str) -> Option<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.ok().map(|glob| glob.compile_matcher())
}

/// A `.dockerignore` file: patterns from the context's top, of which the last that fits decides (moby/patternmatcher).
struct Ignore(Vec<(bool, GlobMatcher)>);

impl Ignore {
    /// The file that BuildKit takes: `<Dockerfile>.dockerignore` before `.dockerignore`.
    fn read(folder: &Path, dockerfile: &Path) -> Ignore {
        let mut own = dockerfile.as_os_str().to_owned();
        own.push(".dockerignore");
        let shared = folder.join(".dockerignore");
        let mut files = [PathBuf::from(own), shared].into_iter();
        let text = files.find_map(|file| {
            let regular = file.is_file();
            regular.then(|| std::fs::read_to_string(file).ok())?
        });
        let text = text.unwrap_or_default();
        let rules = text.lines().filter_map(|line| {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                return None;
            }
            let (leaves_out, pattern) = match line.strip_prefix('!') {
                Some(pattern) => (false, pattern.trim()),
                None => (true, line),
            };
            let pattern = pattern.trim_start_matches("./").trim_matches('/');
            Some((leaves_out, glob(pattern)?))
        });
        Ignore(rules.collect())
    }

    fn leaves_out(&self, path: &Path) -> bool {
        let fits = |glob: &GlobMatcher| path.ancestors().any(|part| glob.is_match(part));
        let last = self.0.iter().rev().find(|(_, glob)| fits(glob));
        last.is_some_and(|(leaves_out, _)| *leaves_out)
    }
}
