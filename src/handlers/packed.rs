//! Taking files out of what they are packed in. What something is, its first bytes say, whatever its name.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

/// The most that is read of anything unpacked: a small file may be packed zeros without end.
pub(super) const MOST: u64 = 1 << 30;

/// The most memory that xz may ask for, in KiB. `xz -9` asks for 64 MiB.
const XZ_MEMORY: u32 = 256 << 10;

/// The most that a single file may have. QEMU's largest program has 15 MB.
const MOST_OF_A_FILE: u64 = 256 << 20;

/// Whether everything was called off.
pub(super) type Cancelled<'a> = &'a (dyn Fn() -> bool + 'a);

/// Ends where everything was called off: unpacking takes its time.
struct Watched<'a, R> {
    inner: R,
    cancelled: Cancelled<'a>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.cancelled)() {
            true => Err(io::Error::other("called off")),
            false => self.inner.read(buffer),
        }
    }
}

/// What the bytes hold, whatever they are compressed by.
pub(super) fn unpacked<'a>(
    bytes: &'a [u8],
    cancelled: Cancelled<'a>,
) -> io::Result<Box<dyn Read + 'a>> {
    let inner: Box<dyn Read + 'a> = match bytes {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(bytes).take(MOST)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Box::new(XzReader::new_mem_limit(bytes, true, XZ_MEMORY).take(MOST))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(bytes)?.take(MOST)),
        _ => Box::new(bytes),
    };
    Ok(Box::new(Watched { inner, cancelled }))
}

/// The content of a file, which has `most` bytes at most.
fn whole(reader: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other(format!(
            "it is longer than the {most} bytes that are read"
        ))),
        false => Ok(bytes),
    }
}

/// Whether bytes are a tar. Source: POSIX.1-2017, pax, "ustar Interchange Format".
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// A file of a tar.
pub(super) enum Packed {
    /// Its content.
    File(Vec<u8>),
    /// The name that a link has in it.
    Link(String),
}

/// Goes through the regular files and links of a tar that `wanted` says, by their names without `./`, until it says that it is enough.
pub(super) fn each(
    tar: impl Read,
    wanted: &dyn Fn(&str) -> bool,
    take: &mut dyn FnMut(&str, Packed) -> bool,
) -> io::Result<()> {
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.trim_start_matches("./").to_string();
        if !wanted(&name) {
            continue;
        }
        let kind = entry.header().entry_type();
        let more = if kind.is_file() || kind.is_contiguous() {
            let bytes = whole(&mut entry, MOST_OF_A_FILE)?;
            take(&name, Packed::File(bytes))
        } else if kind.is_symlink() || kind.is_hard_link() {
            let link = entry.link_name_bytes().unwrap_or_default();
            let link = String::from_utf8_lossy(&link).into_owned();
            take(&name, Packed::Link(link))
        } else {
            true
        };
        if !more {
            break;
        }
    }
    Ok(())
}

/// A program that was downloaded.
pub(super) struct Downloaded {
    pub(super) bytes: Vec<u8>,
    /// Whether it has its name from a tar. Else whatever is asked for is this.
    pub(super) is_named: bool,
}

/// The program `qemu-NAME-static` that was downloaded: the bytes themselves, or a file of that name in the tar that they are.
pub(super) fn program(
    bytes: &[u8],
    name: &str,
    cancelled: Cancelled<'_>,
) -> Result<Downloaded, String> {
    let broken = |error: io::Error| format!("it cannot be unpacked: {error}");
    let mut reader = unpacked(bytes, cancelled).map_err(broken)?;
    let mut head = Vec::new();
    let first = reader.by_ref().take(512).read_to_end(&mut head);
    first.map_err(broken)?;
    let is_named = is_tar(&head);
    let inner = head.as_slice().chain(reader);
    if !is_named {
        let bytes = whole(inner, MOST_OF_A_FILE).map_err(broken)?;
        return Ok(Downloaded { bytes, is_named });
    }
    let mut found = None;
    let is_it = |path: &str| path.rsplit('/').next() == Some(name);
    let mut take = |_: &str, packed: Packed| match packed {
        Packed::File(bytes) => {
            found = Some(bytes);
            false
        }
        Packed::Link(_) => true,
    };
    each(inner, &is_it, &mut take).map_err(broken)?;
    let found = found.ok_or_else(|| format!("there is no `{name}` in it"))?;
    Ok(Downloaded {
        bytes: found,
        is_named,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_off_or_too_long_is_not_unpacked() {
        let packed = zstd::encode_all(&[7u8; 4096][..], 1).unwrap();
        let read = |cancelled: bool| {
            let cancelled = move || cancelled;
            let found = program(&packed, "x", &cancelled);
            found.map(|found| found.bytes.len())
        };
        assert_eq!(read(false), Ok(4096));
        assert_eq!(read(true).unwrap_err(), "it cannot be unpacked: called off");
        assert_eq!(whole(&b"four"[..], 4).unwrap(), b"four");
        assert!(whole(&b"four"[..], 3).is_err());
    }
}
