//! What is made from the declared keys: JSON Schemas for editors, and the reference pages.
//!
//! Pure functions of the declarations ([`crate::config::keys`], [`crate::arch::keys`]) and of the built-in table, whose
//! names editors can offer. The copies in `docs/` are compared with them by a test.

mod json;
mod json_schema;
mod page;

use crate::keys::Keys;
use crate::{arch, config};

/// A file that people write for crossfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum File {
    /// `crossfile.toml`, a project's settings.
    Config,
    /// `arch-map.toml`, or what a project lays over it.
    ArchMap,
}

impl File {
    /// Its keys.
    pub fn keys(self) -> &'static Keys {
        match self {
            File::Config => &config::keys::CROSSFILE,
            File::ArchMap => &arch::keys::ARCH_MAP,
        }
    }

    /// Its JSON Schema (draft 7), ending in a line break.
    pub fn json_schema(self) -> String {
        json_schema::json_schema(self)
    }

    /// Its reference page, in Markdown.
    pub fn page(self) -> String {
        page::page(self)
    }
}
