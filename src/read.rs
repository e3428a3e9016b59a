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
        // A pipe would be waited for without end.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
            let message = "this is no regular file";
            Err(Diagnostic::error(Code::Io, Place::file(path), message).help("name a file"))
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

/// The text of bytes that say by their mark that they are UTF-16, as PowerShell's `>` writes files.
pub(crate) fn utf16(bytes: &[u8]) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let pairs = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    Some(String::from_utf16_lossy(&pairs.collect::<Vec<u16>>()))
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
            if utf16(&bytes).is_some() {
                let message = "the file is UTF-16, and UTF-8 is read";
                return Diagnostic::error(Code::NotUtf8, Place::file(path), message)
                    .help("save it as UTF-8: `iconv -f utf-16 -t utf-8`, in PowerShell `Set-Content -Encoding utf8`");
            }
            let byte = bytes[valid];
            let text = String::from_utf8_lossy(&bytes[..valid]).into_owned();
            let place = Place::new(&Source::new(path, text), valid..valid);
            let message = format!("the byte 0x{byte:02x} is not UTF-8");
            Diagnostic::error(Code::NotUtf8, place, message).help("save the file as UTF-8")
        })
}
