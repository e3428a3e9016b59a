//! git as the history of files. A project that is not in git, or a machine without git, has none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
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
        let output = Git::command(folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then_some(output.stdout)
    }

    /// The files that differ from the commit that is checked out; those that git does not track are not among them.
    pub(crate) fn differing(root: &Path) -> BTreeSet<PathBuf> {
        let inside = root.join(".git");
        let names = Git::run(&inside, &["diff", "--name-only", "-z", "HEAD"]).unwrap_or_default();
        let names = names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        names
            .map(|name| root.join(String::from_utf8_lossy(name).as_ref()))
            .collect()
    }

    /// Whether the commit that is checked out has the file.
    pub(crate) fn tracks(path: &Path) -> bool {
        let listed = path
            .to_str()
            .and_then(|name| Git::line(path, &["ls-tree", "--name-only", "HEAD", "--", name]));
        listed.is_some()
    }

    /// Puts bytes into the store of objects, and says under which name.
    pub(crate) fn store(root: &Path, bytes: &[u8]) -> Option<String> {
        let mut child = Git::command(root)
            .args(["hash-object", "-w", "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        // Closed when dropped: git waits for the end.
        child.stdin.take()?.write_all(bytes).ok()?;
        let output = child.wait_with_output().ok()?;
        let name = String::from_utf8(output.stdout).ok()?.trim().to_string();
        (output.status.success() && !name.is_empty()).then_some(name)
    }

    /// Those of some files that git leaves out of commits, for it is told to ignore them; nothing where git cannot be asked.
    #[cfg(feature = "registry")]
    pub(crate) fn ignored(root: &Path, files: &[&Path]) -> Option<BTreeSet<PathBuf>> {
        let names = files.iter().map(|file| file.to_str());
        let names: Vec<&str> = names.collect::<Option<_>>()?;
        let mut child = Git::command(root)
            .args(["check-ignore", "-z", "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        // Closed when dropped: git waits for the end. What it prints meanwhile, a handful of paths, a pipe holds.
        let asked = names.join("\0");
        child.stdin.take()?.write_all(asked.as_bytes()).ok()?;
        let output = child.wait_with_output().ok()?;
        // 1 is that it ignores none of them.
        matches!(output.status.code(), Some(0 | 1)).then(|| {
            let paths = output.stdout.split(|byte| *byte == 0);
            let paths = paths.filter(|path| !path.is_empty());
            paths
                .map(|path| PathBuf::from(String::from_utf8_lossy(path).as_ref()))
                .collect()
        })
    }

    fn command(folder: &Path) -> Command {
        let mut git = Command::new("git");
        // In a hook git says for which repository and index it runs; a file's own folder is what counts here.
        for variable in LOCAL_VARIABLES {
            git.env_remove(variable);
        }
        git.arg("-C").arg(folder);
        // Looking must not wait for a lock, nor write an index.
        git.arg("--no-optional-locks");
        // Nor run a program of the repository's choice, nor print what people like to see.
        git.args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "log.showSignature=false",
        ]);
        git
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
        Git::tracks(path).then_some(())?;
        let changed = Git::run(path, &["diff", "--quiet", "HEAD", "--", &name]).is_none();
        let id = match changed {
            true => Git::line(path, &["rev-parse", "HEAD"]),
            false => Git::line(path, &["log", "-1", "--format=%H", "--", &name]),
        };
        Some(Commit::new(id?, changed))
    }

    fn commits_of(&self, path: &Path, most: usize) -> Vec<String> {
        let Some(name) = path.to_str().map(|path| format!(":(literal){path}")) else {
            return Vec::new();
        };
        let most = format!("-{most}");
        let changed = ["log", &most, "--format=%H", "--", &name];
        let changed = Git::run(path, &changed).unwrap_or_default();
        let changed = String::from_utf8_lossy(&changed).into_owned();
        let head = Git::line(path, &["rev-parse", "HEAD"]);
        let mut commits: Vec<String> = head.into_iter().collect();
        for commit in changed.lines() {
            if !commits.iter().any(|known| known == commit) {
                commits.push(commit.to_string());
            }
        }
        commits
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
