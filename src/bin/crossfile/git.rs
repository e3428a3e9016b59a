//! git as the history of files. A project that is not in git, or a machine without git, has none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crossfile::{Commit, History};

/// What files held, by commit and path.
type Known = BTreeMap<(String, PathBuf), Option<Vec<u8>>>;

/// Asks the program `git`; answers are kept, since many files ask the same.
#[derive(Default)]
pub(crate) struct Git {
    files: Mutex<Known>,
}

/// What `git rev-parse --local-env-vars` names of places.
const LOCAL_VARIABLES: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
];

impl Git {
    /// What git prints, run in a file's folder; nothing where it fails.
    fn run(path: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
        let folder = path.ancestors().skip(1).find(|folder| folder.is_dir())?;
        let mut git = Command::new("git");
        // In a hook git says for which repository and index it runs; a file's own folder is what counts here.
        for variable in LOCAL_VARIABLES {
            git.env_remove(variable);
        }
        let output = git
            .arg("-C")
            .arg(folder)
            // Looking must not wait for a lock, nor write an index.
            .arg("--no-optional-locks")
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then_some(output.stdout)
    }

    fn line(path: &Path, arguments: &[&str]) -> Option<String> {
        let text = String::from_utf8(Git::run(path, arguments)?).ok()?;
        let line = text.trim();
        (!line.is_empty()).then(|| line.to_string())
    }
}

impl History for Git {
    fn commit_of(&self, path: &Path) -> Option<Commit> {
        let name = format!(":(literal){}", path.to_str()?);
        // Where HEAD does not have the file there is nothing to go back to.
        Git::line(
            path,
            &["ls-tree", "--name-only", "HEAD", "--", path.to_str()?],
        )?;
        let changed = Git::run(path, &["diff", "--quiet", "HEAD", "--", &name]).is_none();
        let id = match changed {
            true => Git::line(path, &["rev-parse", "HEAD"]),
            false => Git::line(path, &["log", "-1", "--format=%H", "--", &name]),
        };
        Some(Commit::new(id?, changed))
    }

    fn file(&self, commit: &str, path: &Path) -> Option<Vec<u8>> {
        let key = (commit.to_string(), path.to_path_buf());
        let files = || self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = files().get(&key) {
            return known.clone();
        }
        let folder = path.ancestors().skip(1).find(|folder| folder.is_dir());
        let way = folder.and_then(|folder| path.strip_prefix(folder).ok());
        let way = way.and_then(Path::to_str);
        let bytes = way.and_then(|way| Git::run(path, &["show", &format!("{commit}:./{way}")]));
        files().insert(key, bytes.clone());
        bytes
    }
}
