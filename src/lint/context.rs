//! The build context on the disk: whether `COPY` would find a file.

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
        let parts: Vec<GlobMatcher> = parts.map(glob).collect::<Option<_>>()?;
        let holds = |folder: &PathBuf| {
            let ignore = Ignore::read(folder, dockerfile);
            finds(folder, Path::new(""), &parts, &ignore)
        };
        Some(self.folders.iter().any(holds))
    }
}

/// Whether a file fits the parts of a pattern, from a folder on.
fn finds(folder: &Path, relative: &Path, parts: &[GlobMatcher], ignore: &Ignore) -> bool {
    let [part, rest @ ..] = parts else {
        return !ignore.leaves_out(relative);
    };
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let name = entry.file_name();
        part.is_match(Path::new(&name)) && finds(&entry.path(), &relative.join(&name), rest, ignore)
    })
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
        let text = std::fs::read_to_string(PathBuf::from(own))
            .or_else(|_| std::fs::read_to_string(folder.join(".dockerignore")))
            .unwrap_or_default();
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
