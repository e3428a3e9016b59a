//! Ways from one path to another.

use std::path::{Component, Path, PathBuf};

/// The way from a folder to a path: `..` as often as it takes, then down. `.` where both are one. Nothing of it is looked up, so that both have to
/// be complete, or to begin at one place.
pub fn way(folder: &Path, path: &Path) -> PathBuf {
    let shared = shared(folder, path);
    let up = folder.components().skip(shared);
    let up = up.map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(path.components().skip(shared)).collect();
    match way.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => way,
    }
}

/// The same; the path itself where both share nothing but the root of the file system: a way over that says less.
pub fn way_or_path(folder: &Path, path: &Path) -> PathBuf {
    match shared(folder, path) > 1 {
        true => way(folder, path),
        false => path.to_path_buf(),
    }
}

/// A path as a text with `/` on every system.
pub(crate) fn with_slashes(path: &Path) -> String {
    let text = path.to_string_lossy();
    match std::path::MAIN_SEPARATOR {
        '/' => text.into_owned(),
        other => text.replace(other, "/"),
    }
}

/// How many parts both begin with.
fn shared(folder: &Path, path: &Path) -> usize {
    let pairs = folder.components().zip(path.components());
    pairs.take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_lead_up_and_down() {
        let way = |from: &str, to: &str| way(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(way("/a/b", "/a/c/d"), "../c/d");
        assert_eq!(way("/a/b", "/a/b"), ".");
        assert_eq!(way("/a/b", "/a"), "..");
        assert_eq!(way("a", "a/b"), "b");
        assert_eq!(way("", "a/b"), "a/b");
        assert_eq!(way("/a", "/b/c"), "../b/c");
        let far = way_or_path(Path::new("/a"), Path::new("/b/c"));
        assert_eq!(far, Path::new("/b/c"));
        let near = way_or_path(Path::new("/b"), Path::new("/b/c"));
        assert_eq!(near, Path::new("c"));
    }
}
