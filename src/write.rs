//! Looks at and changes files of the disk: whole or not at all, and never outside a folder.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Place};

pub use crate::held::Held;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Where a write to the path would really go, links followed.
    pub target: PathBuf,
    /// The bytes there; nothing where there is no file.
    pub bytes: Option<Vec<u8>>,
}

/// Looks at paths that have to stay in a folder.
#[derive(Clone, Debug)]
pub struct Inside {
    /// The folder, links followed; what of it does not exist yet as given.
    root: PathBuf,
    /// The folder of the path looked at last: the next is often its neighbour.
    last: Option<(PathBuf, PathBuf)>,
}

impl Inside {
    /// Paths have to stay in `root`.
    pub fn new(root: &Path) -> Inside {
        Inside {
            root: canonical(root).unwrap_or_else(|| root.to_path_buf()),
            last: None,
        }
    }

    /// What stands at a path, and where a write to it would go.
    ///
    /// # Errors
    /// The path, or what it leads to, is outside; it is no regular file; it cannot be read.
    pub fn look(&mut self, path: &Path) -> Result<Look, Diagnostic> {
        let outside = |what: &str| {
            let message = format!("{what} leads out of the project");
            Diagnostic::error(Code::OutputOutside, Place::file(path), message)
                .help("nothing is written through links that leave the project's folder")
        };
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_absent(&error) => {
                let target = self.beside(path).ok_or_else(|| outside("its folder"))?;
                return Ok(Look {
                    target,
                    bytes: None,
                });
            }
            Err(error) => return Err(Diagnostic::io(path, "look at the file", &error)),
        };
        let target = if metadata.is_symlink() {
            if let Err(error) = fs::metadata(path)
                && is_absent(&error)
            {
                // What it would lead to is not there, but the folder of that may be.
                let wanted = fs::read_link(path).ok();
                let wanted = wanted.and_then(|link| Some(path.parent()?.join(link)));
                if wanted.is_none_or(|wanted| self.beside(&wanted).is_none()) {
                    return Err(outside("this link"));
                }
                let message = "this link leads to nothing";
                let problem = Diagnostic::error(Code::Io, Place::file(path), message);
                return Err(problem.help("remove it, or make what it leads to"));
            }
            let target = path.canonicalize().ok();
            target
                .filter(|target| target.starts_with(&self.root))
                .ok_or_else(|| outside("this link"))?
        } else {
            self.beside(path).ok_or_else(|| outside("its folder"))?
        };
        // A pipe would be waited for, and a folder is not a file's place.
        let regular = match metadata.is_symlink() {
            true => target.is_file(),
            false => metadata.is_file(),
        };
        if !regular {
            let message = "something that is no regular file stands here";
            return Err(Diagnostic::error(Code::Io, Place::file(path), message)
                .help("move it away, or choose another `output`"));
        }
        match fs::read(&target) {
            Ok(bytes) => Ok(Look {
                target,
                bytes: Some(bytes),
            }),
            Err(error) => Err(Diagnostic::io(path, "read the file", &error)),
        }
    }

    /// The path with the links of its folder followed, where that is inside.
    fn beside(&mut self, path: &Path) -> Option<PathBuf> {
        let folder = path.parent()?;
        let real = match &self.last {
            Some((last, real)) if last == folder => real.clone(),
            _ => {
                let real = canonical(folder)?;
                self.last = Some((folder.to_path_buf(), real.clone()));
                real
            }
        };
        let inside = real.starts_with(&self.root);
        inside.then(|| real.join(path.file_name().unwrap_or_default()))
    }
}

/// A folder with its links followed, the part that does not exist yet as it is.
fn canonical(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find_map(|above| {
        let real = above.canonicalize().ok()?;
        Some(real.join(folder.strip_prefix(above).ok()?))
    })
}

/// Whether there is simply nothing: a file in the place of a folder is for the write to complain of.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Writes a file by way of a temporary one beside it, so that nobody ever sees half of it. An existing file's mode is
/// kept; a new one gets the usual. Folders are made as needed.
///
/// # Errors
/// The file cannot be written.
pub fn write(target: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Diagnostic> {
    replace(target, bytes.as_ref()).map_err(|error| unwritable(target, &error))
}

/// Tries whether [`write()`] could make a file: makes its folders, and a temporary file beside it that is gone again.
///
/// # Errors
/// The file cannot be written.
pub fn probe(target: &Path) -> Result<(), Diagnostic> {
    let made = temporary(target).map_err(|error| unwritable(target, &error))?;
    made.close().map_err(|error| unwritable(target, &error))
}

fn unwritable(target: &Path, error: &io::Error) -> Diagnostic {
    let message = error.to_string();
    // The temporary file's random name says nothing to anybody.
    let message = message.split(" at path ").next().unwrap_or_default();
    let place = Place::file(target);
    Diagnostic::error(Code::Io, place, format!("cannot write the file: {message}"))
}

/// Removes a file. A link is removed itself, not what it leads to.
///
/// # Errors
/// The file cannot be removed.
pub fn remove(path: &Path) -> Result<(), Diagnostic> {
    fs::remove_file(path).map_err(|error| Diagnostic::io(path, "remove the file", &error))
}

/// A file beside the target, in a folder that is made if need be.
fn temporary(target: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = target.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".crossfile-");
    #[cfg(unix)]
    {
        // tempfile's own mode is 0600; the umask takes from this one as from any new file's.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mode = fs::metadata(target)
        .ok()
        .map(|metadata| metadata.permissions());
    let mut file = temporary(target)?;
    file.write_all(bytes)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}
