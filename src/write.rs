//! Puts files on the disk, whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Place};

/// Writes a file by way of a temporary one beside it, so that nobody ever sees half of it. An existing file's mode is
/// kept; a new one gets the usual. Folders are made as needed.
///
/// # Errors
/// The file cannot be written, or it is a link, or lies behind one, that leads out of `root`.
pub fn write(root: &Path, path: &Path, text: &str) -> Result<(), Diagnostic> {
    let target = target(root, path)?;
    let folder = target.parent().unwrap_or(root);
    replace(folder, &target, text).map_err(|error| Diagnostic::io(path, "write the file", &error))
}

/// Removes a file. A link is removed itself, not what it leads to.
///
/// # Errors
/// The file cannot be removed.
pub fn remove(path: &Path) -> Result<(), Diagnostic> {
    fs::remove_file(path).map_err(|error| Diagnostic::io(path, "remove the file", &error))
}

/// The bytes at a path; nothing where there is no file.
///
/// # Errors
/// There is something, and it cannot be read.
pub fn found(path: &Path) -> Result<Option<Vec<u8>>, Diagnostic> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A file in the place of a folder: the write will say what is wrong.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(Diagnostic::io(path, "read the file", &error)),
    }
}

fn replace(folder: &Path, target: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mode = fs::metadata(target)
        .ok()
        .map(|metadata| metadata.permissions());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".crossfile-");
    #[cfg(unix)]
    {
        // tempfile's own mode is 0600; the umask takes from this one as from any new file's.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}

/// Where a write to `path` really goes, links followed; refused where that is outside `root`.
fn target(root: &Path, path: &Path) -> Result<PathBuf, Diagnostic> {
    let outside = |what: &str| {
        let message = format!("{what} leads out of {}", root.display());
        Diagnostic::error(Code::OutputOutside, Place::file(path), message)
            .help("nothing is written through links that leave the project")
    };
    let Ok(real_root) = root.canonicalize() else {
        // An output folder that is not there yet has no links in it.
        return Ok(path.to_path_buf());
    };
    let link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if link {
        return match path.canonicalize() {
            Ok(target) if target.starts_with(&real_root) => Ok(target),
            _ => Err(outside("this link")),
        };
    }
    let existing = path
        .ancestors()
        .skip(1)
        .find_map(|folder| folder.canonicalize().ok());
    match existing {
        Some(folder) if folder.starts_with(&real_root) => Ok(path.to_path_buf()),
        _ => Err(outside("its folder")),
    }
}
