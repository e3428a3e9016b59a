//! What a folder needs to become a project: a starter's files, lines for ignore files, and what an old shell config says.
//!
//! Pure: files come in as bytes, and what to do about each goes out as data ([`Step`]). The command looks and
//! writes.

mod build_config;
mod ignore;
mod shell;
mod starters;

pub use build_config::{BuildConfig, read_build_config};
pub use starters::{DEFAULT_STARTER, STARTERS, Starter, starter};

use crate::config;

/// The template's name in every starter.
pub const TEMPLATE: &str = "Dockerfile.cross";

/// What begins the name of QEMU's handler in a template that copies it.
const HANDLER: &str = "qemu-";

/// One file that a new project is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A whole file.
    File {
        /// Its name in the folder.
        name: String,
        /// Its text.
        text: String,
    },
    /// An ignore file that has these lines among others.
    Lines {
        /// Its name in the folder.
        name: &'static str,
        /// The lines.
        lines: &'static [&'static str],
    },
}

impl Wanted {
    /// The file's name in the folder.
    pub fn name(&self) -> &str {
        match self {
            Wanted::File { name, .. } => name,
            Wanted::Lines { name, .. } => name,
        }
    }

    /// What to do about it where these bytes stand, or nothing does.
    pub fn step(&self, present: Option<&[u8]>) -> Step {
        match (self, present) {
            (Wanted::File { text, .. }, None) => Step::Write(text.clone().into_bytes()),
            (Wanted::File { text, .. }, Some(bytes)) if text.as_bytes() == bytes => Step::Same,
            (Wanted::File { .. }, Some(_)) => Step::Keep,
            (Wanted::Lines { lines, .. }, None) => Step::Write(ignore::new(lines)),
            (Wanted::Lines { lines, .. }, Some(bytes)) => match ignore::add(bytes, lines) {
                Some((bytes, added)) => Step::Add { bytes, added },
                None => Step::Same,
            },
        }
    }
}

/// What to do about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing stands there: write these bytes.
    Write(Vec<u8>),
    /// Lines are lacking: write these bytes, which are the old ones and the lines.
    Add {
        /// The whole file.
        bytes: Vec<u8>,
        /// The lines that are new.
        added: Vec<&'static str>,
    },
    /// All is there already.
    Same,
    /// Somebody's own file, which differs, stands there and stays.
    Keep,
}

impl Step {
    /// The bytes to write, if any.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Step::Write(bytes) | Step::Add { bytes, .. } => Some(bytes),
            Step::Same | Step::Keep => None,
        }
    }
}

/// The files of a project that begins as a starter.
///
/// `template` is the template that stands there already, which decides whether handlers are to be ignored.
pub fn from_starter(starter: &Starter, template: Option<&[u8]>) -> Vec<Wanted> {
    let files = starter.files.iter().map(|(name, text)| Wanted::File {
        name: (*name).to_string(),
        text: (*text).to_string(),
    });
    let own = starter.file(TEMPLATE).unwrap_or_default();
    let mut wanted: Vec<Wanted> = files.collect();
    wanted.extend(ignore_files(template.unwrap_or(own.as_bytes())));
    wanted
}

/// The files of a project that had a shell config: its settings, and a template where there is none.
pub fn from_build_config(build_config: &BuildConfig, template: Option<&[u8]>) -> Vec<Wanted> {
    let mut wanted = from_starter(&STARTERS[0], template);
    for file in &mut wanted {
        if let Wanted::File { name, text } = file
            && name == config::FILE_NAME
        {
            *text = build_config.settings();
        }
    }
    wanted
}

/// The lines of ignore files: handlers are binaries that a repository should not hold, and a build needs them; the history
/// is of no use in an image.
fn ignore_files(template: &[u8]) -> Vec<Wanted> {
    let copies_handlers = template
        .windows(HANDLER.len())
        .any(|window| window == HANDLER.as_bytes());
    let mut wanted = Vec::new();
    if copies_handlers {
        wanted.push(Wanted::Lines {
            name: ".gitignore",
            lines: &["qemu-*-static"],
        });
    }
    wanted.push(Wanted::Lines {
        name: ".dockerignore",
        lines: &[".git"],
    });
    wanted
}
