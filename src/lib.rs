//! crossfile expands one Dockerfile template into a Dockerfile per architecture, from one table of names.
//!
//!
//! The library prints nothing, never exits, and reads neither environment nor working directory.
//!
//! The feature `cli` (default) is the command `crossfile`; a library user leaves it out with
//! `default-features = false`.

pub mod arch;
pub mod config;
mod context;
pub mod diagnostic;
pub mod dockerfile;
pub mod document;
mod read;
pub mod template;
mod value;

pub use arch::{ArchMap, ArchName, Entry, Platform, ResolveError};
pub use config::{Cell, Config, Inputs, Layer, NoInputs, Overrides};
pub use context::{Context, Slot};
pub use diagnostic::{Code, Diagnostic, Place, Severity, Source};
pub use document::Located;
pub use template::{
    Dialect, Language, Missing, Name, NameKind, Names, NoPartials, Parsed, PartialFolders,
    Partials, RenderFailure, Shape, Template,
};
pub use value::Value;
