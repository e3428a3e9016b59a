//! A folder for files that programs hand on to each other, one for each working folder: the same in every run, so that
//! `--dry-run` prints what really runs.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crossfile::{Code, Diagnostic, Place};

pub(super) struct Scratch {
    path: PathBuf,
    /// Held as long as the run.
    _lock: Option<File>,
}

impl Scratch {
    /// The folder for runs in a working folder; a dry run makes nothing.
    pub(super) fn new(folder: &Path, dry: bool) -> Result<Scratch, Diagnostic> {
        let mut hasher = DefaultHasher::new();
        folder.hash(&mut hasher);
        let path = cache()
            .join("crossfile/run")
            .join(format!("{:016x}", hasher.finish()));
        if dry {
            return Ok(Scratch { path, _lock: None });
        }
        let problem = |error: &std::io::Error| Diagnostic::io(&path, "make the folder", error);
        fs::create_dir_all(&path).map_err(|error| problem(&error))?;
        let lock = File::create(path.join(".lock")).map_err(|error| problem(&error))?;
        if !is_free(&lock) {
            let message = "another crossfile is building here";
            let help = "wait for it to end";
            return Err(Diagnostic::error(Code::Io, Place::file(folder), message).help(help));
        }
        Ok(Scratch {
            path,
            _lock: Some(lock),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self._lock.is_some() {
            // What stays there is overwritten by the next run.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(unix)]
fn is_free(lock: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};
    flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(not(unix))]
fn is_free(_: &File) -> bool {
    true
}

/// The user's folder for what can be made again.
fn cache() -> PathBuf {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
}
