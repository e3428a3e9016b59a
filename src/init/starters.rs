//! The starters of `templates/`, compiled in.

use crate::config;

/// A project to begin with.
#[derive(Clone, Copy, Debug)]
pub struct Starter {
    /// What it is called: its folder in `templates/`.
    pub name: &'static str,
    /// Its files, each with its text.
    pub files: &'static [(&'static str, &'static str)],
}

impl Starter {
    /// The text of one of its files.
    pub fn file(&self, name: &str) -> Option<&'static str> {
        let found = self.files.iter().find(|(file, _)| *file == name);
        found.map(|(_, text)| *text)
    }

    /// What it is for, in one line: the first of its settings file.
    pub fn about(&self) -> &'static str {
        let settings = self.file(config::FILE_NAME).unwrap_or_default();
        let first = settings.lines().next().unwrap_or_default();
        first.trim_start_matches(['#', ' '])
    }
}

/// Declares the files of a starter, in the order in which they are written.
macro_rules! starters {
    ($($name:literal: $($file:literal),+;)+) => {
        &[$(Starter {
            name: $name,
            files: &[$((
                $file,
                include_str!(concat!("../../templates/", $name, "/", $file)),
            )),+],
        }),+]
    };
}

/// Every starter, the plainest first.
pub const STARTERS: &[Starter] = starters! {
    "classic": "Dockerfile.cross", "crossfile.toml";
    "handlebars": "Dockerfile.cross", "crossfile.toml";
    "annotated": "Dockerfile.cross", "crossfile.toml";
    "s6-overlay": "Dockerfile.cross", "crossfile.toml";
    "download": "Dockerfile.cross", "crossfile.toml";
    "cross-compile": "Dockerfile.cross", "crossfile.toml", "hello.c";
    "windows": "Dockerfile.cross", "crossfile.toml", "hello.c";
    "multi-platform": "Dockerfile.cross", "crossfile.toml";
};

/// The starter of those who name none.
pub const DEFAULT_STARTER: &str = STARTERS[0].name;

/// The starter of this name.
pub fn starter(name: &str) -> Option<&'static Starter> {
    STARTERS.iter().find(|starter| starter.name == name)
}
