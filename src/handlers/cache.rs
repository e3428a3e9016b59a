//! The user's own store of what was fetched: a file for each content, named by its checksum.
//!
//! A file is looked at again whenever it is used: one that is damaged counts as absent, and is made anew. It is linked into projects, so
//! whoever edits such a file edits this one, too, and that is how it would be damaged.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::registry::Digest;

/// A folder with a file for each content.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// How a file came into a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It shares its bytes with the cache's until one of them is changed.
    Shared,
    /// It is the same file.
    Linked,
    /// It is another file.
    Copied,
}

/// The SHA-256 checksum of some bytes.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).parts().1.to_string()
}

impl Cache {
    /// The cache in a folder, which need not be there.
    pub fn new(folder: impl Into<PathBuf>) -> Cache {
        Cache {
            folder: folder.into(),
        }
    }

    /// Where the content of a checksum lies, or would.
    pub fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256)
    }

    /// The content of a checksum. What is damaged is not there.
    pub fn get(&self, wanted: &str) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(wanted)).ok()?;
        (sha256(&bytes) == wanted).then_some(bytes)
    }

    /// Whether the content of a checksum is there.
    pub fn has(&self, wanted: &str) -> bool {
        self.get(wanted).is_some()
    }

    /// Stores a content under its checksum, unless it is there.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn put(&self, bytes: &[u8]) -> io::Result<String> {
        let sum = sha256(bytes);
        if !self.has(&sum) {
            self.prepare()?;
            let mut file = temporary(&self.folder)?;
            file.write_all(bytes)?;
            make_executable(file.path())?;
            file.as_file().sync_all()?;
            file.persist(self.path(&sum)).map_err(|error| error.error)?;
        }
        Ok(sum)
    }

    /// Makes the folder, which is nobody else's: a file that another user can change would be changed in projects, too.
    fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    /// Puts the content of a checksum, which is there, to a path, in the place of what stands there: as a clone that shares its bytes, else as
    /// a link, else as a copy. Nobody sees half of it.
    pub(super) fn place(&self, sum: &str, target: &Path) -> io::Result<Way> {
        let folder = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let cached = self.path(sum);
        // Whoever changed the mode of a link changed this one's.
        make_executable(&cached)?;
        let clone = temporary(folder)?;
        if reflink(&cached, clone.as_file()).is_ok() {
            make_executable(clone.path())?;
            clone.persist(target).map_err(|error| error.error)?;
            return Ok(Way::Shared);
        }
        drop(clone);
        let link = builder().make_in(folder, |path| fs::hard_link(&cached, path));
        if let Ok(link) = link {
            link.persist(target).map_err(|error| error.error)?;
            return Ok(Way::Linked);
        }
        let mut copy = temporary(folder)?;
        io::copy(&mut File::open(&cached)?, &mut copy)?;
        make_executable(copy.path())?;
        copy.persist(target).map_err(|error| error.error)?;
        Ok(Way::Copied)
    }
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".crossfile-");
    builder
}

fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    builder().tempfile_in(folder)
}

/// Every user may run it: so it stands in images, which keep modes.
#[cfg(unix)]
pub(super) fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if is_executable(path) {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
pub(super) fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether every user may read and run a file.
#[cfg(unix)]
pub(super) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path);
    metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o555 == 0o555)
}

#[cfg(not(unix))]
pub(super) fn is_executable(_: &Path) -> bool {
    true
}

#[cfg(target_os = "linux")]
fn reflink(from: &Path, to: &File) -> io::Result<()> {
    rustix::fs::ioctl_ficlone(to, File::open(from)?)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn reflink(_: &Path, _: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_made_anew_and_does_not_reach_projects() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        let sum = cache.put(b"content").unwrap();
        assert_eq!(cache.get(&sum).unwrap(), b"content");
        let target = folder.path().join("project/bin/qemu");
        cache.place(&sum, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"content");
        assert!(is_executable(&target));

        fs::write(cache.path(&sum), b"damaged").unwrap();
        assert!(!cache.has(&sum));
        assert_eq!(cache.put(b"content").unwrap(), sum);
        cache.place(&sum, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"content");
        // Nothing else is left there.
        let left = fs::read_dir(target.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1);
    }
}
