//! Paths in layers, and what a layer hides of those below it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

/// A path from the root of the image, as Go's `path.Clean("/" + name)` has it, without the slash in front. Empty for the root.
///
/// Source: moby and containerd, which clean the names of a layer so before they join them to the root.
pub(super) fn clean(name: &[u8]) -> Vec<u8> {
    let mut path: Vec<u8> = Vec::with_capacity(name.len());
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let parent = path.iter().rposition(|byte| *byte == b'/');
                path.truncate(parent.unwrap_or(0));
            }
            part => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    path
}

/// The folder and the name of a clean path.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// How a layer hides what is below it.
#[derive(Clone, Copy)]
enum How {
    /// A whiteout: the path and all under it.
    Whiteout = 0,
    /// An entry that is no folder: the path and all under it.
    File = 1,
    /// A folder: a file of the same path, and not what is under it.
    Folder = 2,
    /// An opaque whiteout: what is under the path.
    Opaque = 3,
}

/// What a layer hides of the layers below it, as hashes: eight bytes a path, and no paths.
///
/// Two paths share 64 bits too rarely to matter: with a million paths in a layer, a program is taken for hidden by mistake once in
/// ten million million times.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    hashes: Vec<u64>,
}

/// A [`Hidden`] that is being collected.
#[derive(Default)]
pub(super) struct Hiding {
    hashes: HashSet<u64>,
    /// The folder whose own folders are known already. Archives name the files of a folder one after the other.
    folder: Vec<u8>,
}

impl Hiding {
    /// A whiteout of a path.
    pub(super) fn whiteout(&mut self, path: &[u8]) {
        self.hashes.insert(hash(path, How::Whiteout));
    }

    /// An opaque whiteout in a folder.
    pub(super) fn opaque(&mut self, folder: &[u8]) {
        self.hashes.insert(hash(folder, How::Opaque));
    }

    /// An entry.
    pub(super) fn entry(&mut self, path: &[u8], is_folder: bool) {
        let how = if is_folder { How::Folder } else { How::File };
        self.hashes.insert(hash(path, how));
        // Its folders may have no entry of their own.
        let (folder, _) = split(path);
        if folder != self.folder {
            for folder in folders(path) {
                self.hashes.insert(hash(folder, How::Folder));
            }
            self.folder = folder.to_vec();
        }
    }

    /// Whether there is an entry of the path that is no folder.
    pub(super) fn has_file(&self, path: &[u8]) -> bool {
        self.hashes.contains(&hash(path, How::File))
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn finish(self) -> Hidden {
        let mut hashes: Vec<u64> = self.hashes.into_iter().collect();
        hashes.sort_unstable();
        Hidden { hashes }
    }
}

impl Hidden {
    /// Whether the layer hides a file of this path in a layer below.
    pub(super) fn hides(&self, path: &[u8]) -> bool {
        let has = |path, how| self.hashes.binary_search(&hash(path, how)).is_ok();
        let hides_all = |path| has(path, How::Whiteout) || has(path, How::File);
        hides_all(path)
            || has(path, How::Folder)
            || has(b"", How::Opaque)
            || folders(path).any(|folder| hides_all(folder) || has(folder, How::Opaque))
    }
}

/// The folders that a path is in, without the root.
pub(super) fn folders(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = path.iter().enumerate();
    let slashes = bytes.filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &path[..at])
}

fn hash(path: &[u8], how: How) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(path);
    hasher.write_u8(how as u8);
    hasher.finish()
}
