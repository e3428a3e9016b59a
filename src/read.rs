//! Reading files: the one place where bytes of the disk become [`Source`]s.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// The text of a file.
///
/// # Errors
/// A file that cannot be read, or that is not UTF-8: the message points at the first byte that is not.
pub(crate) fn source(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    let bytes = fs::read(path).map_err(|error| Diagnostic::io(path, "read the file", &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(path, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let byte = bytes[valid];
            let text = String::from_utf8_lossy(&bytes[..valid]).into_owned();
            let place = Place::new(&Source::new(path, text), valid..valid);
            let message = format!("the byte 0x{byte:02x} is not UTF-8");
            Err(Diagnostic::error(Code::NotUtf8, place, message).help("save the file as UTF-8"))
        }
    }
}
