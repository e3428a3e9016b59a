//! Reading files: the one place where bytes of the disk become [`Source`]s.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// The most that a file of settings, a table or a file of values may hold. Parsing takes some hundred times as much memory,
/// and who names a larger one has named the wrong file.
const MOST: u64 = 4 << 20;

/// The text of a settings file, a table or a file of values.
///
/// # Errors
/// A file that cannot be read, that is too large, or that is not UTF-8.
pub(crate) fn settings(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > MOST => {
            Err(too_large(Place::file(path), metadata.len(), MOST))
        }
        _ => source(path),
    }
}

/// The error for more bytes than something may have.
pub(crate) fn too_large(place: Place, bytes: u64, most: u64) -> Diagnostic {
    let message = format!(
        "this has {}, and at most {} are read",
        size(bytes),
        size(most)
    );
    Diagnostic::error(Code::TooLarge, place, message).help("is it the right file?")
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{} MiB", bytes.div_ceil(1 << 20)),
    }
}

/// The bytes of a file.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    fs::read(path).map_err(|error| Diagnostic::io(path, "read the file", &error))
}

/// The text of a file.
///
/// # Errors
/// A file that cannot be read, or that is not UTF-8.
pub(crate) fn source(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    text(path, bytes(path)?)
}

/// Bytes as text.
///
/// # Errors
/// Bytes that are not UTF-8: the message points at the first.
pub(crate) fn text(path: &Path, bytes: Vec<u8>) -> Result<Arc<Source>, Diagnostic> {
    String::from_utf8(bytes)
        .map(|text| Source::new(path, text))
        .map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let byte = bytes[valid];
            let text = String::from_utf8_lossy(&bytes[..valid]).into_owned();
            let place = Place::new(&Source::new(path, text), valid..valid);
            let message = format!("the byte 0x{byte:02x} is not UTF-8");
            Diagnostic::error(Code::NotUtf8, place, message).help("save the file as UTF-8")
        })
}
