//! A folder for files that programs hand on to each other, one for each working folder: the same in every run, so that
//! `--dry-run` prints what really runs.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crossfile::{Code, Diagnostic, DiskInputs, Place};

use crate::output::Output;

pub(super) struct Scratch {
    path: PathBuf,
    /// Held as long as the run.
    _lock: Option<File>,
}

impl Scratch {
    /// The folder for runs in a working folder; a dry run makes nothing.
    pub(super) fn new(output: &Output, dry: bool) -> Result<Scratch, Diagnostic> {
        let folder = output.folder.as_path();
        let mut hasher = DefaultHasher::new();
        folder.hash(&mut hasher);
        let own = cache(&output.inputs());
        let path = own
            .clone()
            .unwrap_or_else(shared)
            .join("crossfile/run")
            .join(format!("{:016x}", hasher.finish()));
        if dry {
            return Ok(Scratch { path, _lock: None });
        }
        let problem = |error: &std::io::Error| Diagnostic::io(&path, "make the folder", error);
        if own.is_none() {
            let folder = shared();
            make_own(&folder).map_err(|error| Diagnostic::io(&folder, "use the folder", &error))?;
        }
        fs::create_dir_all(&path).map_err(|error| problem(&error))?;
        let lock = lock_file(&path).map_err(|error| problem(&error))?;
        if !is_free(&lock) {
            let message = "another crossfile is building here";
            let help = "wait for it to end";
            return Err(Diagnostic::error(Code::Io, Place::file(folder), message).help(help));
        }
        // What a run that was killed left behind is no result of this one.
        let left = fs::read_dir(&path).map_err(|error| problem(&error))?;
        for file in left.flatten().filter(|file| file.file_name() != LOCK) {
            fs::remove_file(file.path()).map_err(|error| problem(&error))?;
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

const LOCK: &str = ".lock";

/// Opens the lock, and no file that a link of its name leads to.
#[cfg(unix)]
fn lock_file(folder: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    options.custom_flags(nofollow).open(folder.join(LOCK))
}

#[cfg(not(unix))]
fn lock_file(folder: &Path) -> std::io::Result<File> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(LOCK))
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

/// The user's folder for what can be made again; nothing where the environment says none: what all users share, anybody may have prepared.
pub(crate) fn cache(inputs: &DiskInputs) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = inputs.env.get(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
}

/// Where a user's folder is who has no cache: below the folder that all users share, and this user's own.
fn shared() -> PathBuf {
    std::env::temp_dir().join(format!("crossfile-{}", user()))
}

#[cfg(unix)]
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn user() -> u32 {
    0
}

/// Makes a user's folder where all users may make some, and takes none that another one made.
#[cfg(unix)]
fn make_own(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    match found.is_dir() && found.uid() == user() && found.mode() & 0o022 == 0 {
        true => Ok(()),
        false => Err(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            "another user made it or can write to it: set HOME or XDG_CACHE_HOME",
        )),
    }
}

#[cfg(not(unix))]
fn make_own(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}
