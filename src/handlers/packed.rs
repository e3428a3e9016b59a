//! Taking files out of what they are packed in. What something is, its first bytes say, whatever its name.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

/// The most that is read of anything unpacked: a small file may be packed zeros without end.
pub(super) const MOST: u64 = 1 << 30;

/// The most memory that xz may ask for, in KiB. `xz -9` asks for 64 MiB.
const XZ_MEMORY: u32 = 256 << 10;

/// What the bytes hold, whatever they are compressed by.
pub(super) fn unpacked(bytes: &[u8]) -> io::Result<Box<dyn Read + '_>> {
    Ok(match bytes {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(bytes).take(MOST)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Box::new(XzReader::new_mem_limit(bytes, true, XZ_MEMORY).take(MOST))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(bytes)?.take(MOST)),
        _ => Box::new(bytes),
    })
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
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
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

/// The program `qemu-NAME-static` that was downloaded: the bytes themselves, or a file of that name in the tar that they are.
pub(super) fn program(bytes: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let broken = |error: io::Error| format!("it cannot be unpacked: {error}");
    let mut inner = Vec::new();
    unpacked(bytes)
        .and_then(|mut reader| reader.read_to_end(&mut inner))
        .map_err(broken)?;
    if !is_tar(&inner) {
        return Ok(inner);
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
    each(inner.as_slice(), &is_it, &mut take).map_err(broken)?;
    found.ok_or_else(|| format!("there is no `{name}` in it"))
}
