//! Reading files: the one place where bytes of the disk become [`Source`]s.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place, Source};

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
