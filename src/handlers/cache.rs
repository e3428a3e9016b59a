//! The user's own store of what was fetched: a file for each content, named by its checksum.
//!
//! A file is looked at again whenever it is used: one that is damaged counts as absent, and is made anew. It is linked into projects, so
//! whoever edits such a file edits this one, too, and that is how it would be damaged.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::registry::Digest;

/// A folder with a file for each content.
///
/// It is this user's alone. What lies in a folder of somebody else's, or belongs to somebody else, may change after it was looked at, and is not taken.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    lasts: bool,
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

/// What becomes of what stands where a file is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// Nothing stands there, and what comes meanwhile stays.
    New,
    /// It is replaced.
    Over,
}

/// The SHA-256 checksum of some bytes.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).parts().1.to_string()
}

/// Whether a text is a SHA-256 checksum as they are written here: in small hexadecimal digits.
pub(super) fn is_sum(text: &str) -> bool {
    let small_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 64 && text.bytes().all(small_hex)
}

impl Cache {
    /// The cache in a folder, which need not be there.
    pub fn new(folder: impl Into<PathBuf>) -> Cache {
        Cache {
            folder: folder.into(),
            lasts: true,
        }
    }

    /// A cache that is gone after the run: nothing can be kept in it.
    pub fn passing(folder: impl Into<PathBuf>) -> Cache {
        Cache {
            folder: folder.into(),
            lasts: false,
        }
    }

    /// Whether what is in it is there after the run.
    pub fn lasts(&self) -> bool {
        self.lasts
    }

    /// Where the content of a checksum lies, or would: always in the folder itself, whatever is called a checksum.
    pub fn path(&self, sum: &str) -> PathBuf {
        match is_sum(sum) {
            true => self.folder.join(sum),
            false => self.folder.join(sha256(sum.as_bytes())),
        }
    }

    /// The content of a checksum. What is damaged or somebody else's is not there.
    pub fn get(&self, wanted: &str) -> Option<Vec<u8>> {
        if !is_sum(wanted) {
            return None;
        }
        open_folder(&self.folder).ok()?;
        let mut file = open_own(&self.path(wanted)).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        (sha256(&bytes) == wanted).then_some(bytes)
    }

    /// Whether the content of a checksum is there.
    pub fn has(&self, wanted: &str) -> bool {
        self.get(wanted).is_some()
    }

    /// Stores a content under its checksum, unless it is there.
    ///
    /// # Errors
    /// The folder cannot be written to, or is somebody else's.
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
        let _folder = open_folder(&self.folder)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Of what was opened, and not of what a link of the name leads to by now.
            _folder.set_permissions(fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    /// Puts the content of a checksum, which is there, to a path: as a clone that shares its bytes, else as
    /// a link, else as a copy. Nobody sees half of it, and what is put there was compared with the checksum.
    pub(super) fn place(&self, sum: &str, target: &Path, put: Put) -> io::Result<Way> {
        let folder = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let gone = || io::Error::other("the cache does not have it any more");
        let bytes = self.get(sum).ok_or_else(gone)?;
        let cached = self.path(sum);
        let holds = |path: &Path| {
            let mut held = Vec::new();
            let read = open_own(path).and_then(|mut file| file.read_to_end(&mut held));
            read.is_ok() && held == bytes
        };
        let clone = temporary(folder)?;
        if open_own(&cached)
            .and_then(|from| reflink(&from, clone.as_file()))
            .is_ok()
            && holds(clone.path())
        {
            make_executable(clone.path())?;
            persist(clone, target, put)?;
            return Ok(Way::Shared);
        }
        drop(clone);
        let link = builder().make_in(folder, |path| fs::hard_link(&cached, path));
        if let Ok(link) = link
            && holds(link.path())
        {
            // Who opens it to write would write into the cache and into other projects. Whoever changed the mode of one link changed all.
            protect(link.path())?;
            persist(link, target, put)?;
            return Ok(Way::Linked);
        }
        let mut copy = temporary(folder)?;
        copy.write_all(&bytes)?;
        make_executable(copy.path())?;
        persist(copy, target, put)?;
        Ok(Way::Copied)
    }
}

fn persist<F>(file: tempfile::NamedTempFile<F>, target: &Path, put: Put) -> io::Result<()> {
    let done = match put {
        Put::New => file.persist_noclobber(target),
        Put::Over => file.persist(target),
    };
    done.map(drop).map_err(|error| error.error)
}

/// Opens a folder that is this user's own, and no link.
#[cfg(unix)]
fn open_folder(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    let file = open_with(path, OFlags::NOFOLLOW | OFlags::DIRECTORY)?;
    is_own(&file, fs::Metadata::is_dir)?;
    Ok(file)
}

/// Opens a regular file that is this user's own, and no link.
#[cfg(unix)]
fn open_own(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    // A pipe would be waited for.
    let file = open_with(path, OFlags::NOFOLLOW | OFlags::NONBLOCK)?;
    is_own(&file, fs::Metadata::is_file)?;
    Ok(file)
}

#[cfg(unix)]
fn open_with(path: &Path, flags: rustix::fs::OFlags) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(unix)]
fn is_own(file: &File, kind: impl Fn(&fs::Metadata) -> bool) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    match own && kind(&metadata) {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it belongs to another user, and so is not used as a cache: say another one by XDG_CACHE_HOME",
        )),
    }
}

#[cfg(not(unix))]
fn open_folder(path: &Path) -> io::Result<fs::Metadata> {
    fs::symlink_metadata(path)
}

#[cfg(not(unix))]
fn open_own(path: &Path) -> io::Result<File> {
    File::open(path)
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
    // The mode of the cache's files and of links to them: an editor would write through those. The same everywhere, so that images
    // do not depend on what a file system can do.
    fs::set_permissions(path, fs::Permissions::from_mode(0o555))
}

#[cfg(not(unix))]
pub(super) fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Every user may run it, and nobody writes it.
#[cfg(unix)]
fn protect(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o555))
}

#[cfg(not(unix))]
fn protect(_: &Path) -> io::Result<()> {
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
fn reflink(from: &File, to: &File) -> io::Result<()> {
    rustix::fs::ioctl_ficlone(to, from)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn reflink(_: &File, _: &File) -> io::Result<()> {
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
        cache.place(&sum, &target, Put::Over).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"content");
        assert!(is_executable(&target));

        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&target), mode(&cache.path(&sum))), (0o555, 0o555));
        }
        fs::remove_file(cache.path(&sum)).unwrap();
        fs::write(cache.path(&sum), b"damaged").unwrap();
        assert!(!cache.has(&sum));
        assert_eq!(cache.put(b"content").unwrap(), sum);
        cache.place(&sum, &target, Put::Over).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"content");
        // Nothing else is left there.
        let left = fs::read_dir(target.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1);
    }

    #[test]
    fn what_comes_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        let sum = cache.put(b"content").unwrap();
        let target = folder.path().join("qemu");
        fs::write(&target, b"mine").unwrap();
        let error = cache.place(&sum, &target, Put::New).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).unwrap(), b"mine");
    }

    #[test]
    fn nothing_but_a_checksum_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        let other = folder.path().join("other");
        fs::write(&other, b"x").unwrap();
        for sum in ["/dev/zero", "../other", "", &"A".repeat(64)] {
            assert_eq!(cache.get(sum), None, "{sum}");
            let path = cache.path(sum);
            assert_eq!(path.parent().unwrap(), folder.path().join("cache"), "{sum}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_and_what_is_somebody_elses_are_not_taken() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let sum = sha256(b"content");
        // A file that leads elsewhere is absent, and made anew.
        let cache = Cache::new(at("cache"));
        fs::create_dir(at("cache")).unwrap();
        fs::write(at("elsewhere"), b"content").unwrap();
        symlink(at("elsewhere"), cache.path(&sum)).unwrap();
        assert!(!cache.has(&sum));
        assert!(cache.place(&sum, &at("target"), Put::New).is_err());
        cache.put(b"content").unwrap();
        assert!(cache.path(&sum).symlink_metadata().unwrap().is_file());
        // Nor is a folder: neither read nor changed is what it leads to.
        fs::set_permissions(at("cache"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink(at("cache"), at("link")).unwrap();
        let linked = Cache::new(at("link"));
        assert!(!linked.has(&sum));
        assert!(linked.put(b"other").is_err());
        let mode = fs::metadata(at("cache")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(fs::read_dir(at("cache")).unwrap().count(), 1);
        // Only root can give files away.
        if rustix::process::geteuid().is_root() {
            use std::os::unix::fs::chown;
            chown(cache.path(&sum), Some(1), None).unwrap();
            assert!(!cache.has(&sum));
            cache.put(b"content").unwrap();
            assert!(cache.has(&sum));
            chown(at("cache"), Some(1), None).unwrap();
            assert!(!cache.has(&sum));
            assert!(cache.put(b"other").is_err());
        }
    }
}
