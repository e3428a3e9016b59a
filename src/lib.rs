//! crossfile expands one Dockerfile template into a Dockerfile per architecture, from one table of names.
//!
//! ```
//! use crossfile::{ArchMap, Config, Context, NoInputs, Overrides, Parsed, Source, NoPartials, expand};
//!
//! let config = Config::read(&[], &Overrides::default(), &NoInputs).unwrap();
//! let source = Source::new("Dockerfile.cross", "FROM __BASEIMAGE_ARCH__/alpine:3.22\n__CROSS_COPY qemu-__QEMU_ARCH__-static /usr/bin/\n");
//! let Parsed::Template(template) = expand::parse(&source, &config, &NoPartials).unwrap() else { panic!() };
//!
//! for cell in config.cells(&config.arches) {
//!     let context = config.context(&cell).unwrap();
//!     let dockerfile = template.render(&context).unwrap();
//!     if cell.arch.as_str() == "arm32v7" {
//!         assert_eq!(dockerfile, "FROM arm32v7/alpine:3.22\nCOPY qemu-arm-static /usr/bin/\n");
//!     }
//! }
//! ```
//!
//! [`Project`] does the same for a whole tree of folders: it finds templates and their settings, compares what they
//! make with what is there, and writes. The library prints nothing, never exits, and reads neither environment nor
//! working directory.
//!
//! The feature `cli` (default) is the command `crossfile`; a library user leaves it out with
//! `default-features = false`.

pub mod arch;
pub mod backend;
pub mod bases;
pub mod ci;
pub mod config;
mod context;
pub mod diagnostic;
pub mod diff;
mod discover;
pub mod dockerfile;
pub mod doctor;
pub mod document;
pub mod emulation;
pub mod expand;
mod explain;
#[cfg(feature = "registry")]
pub mod handlers;
mod header;
mod held;
mod history;
pub mod init;
pub mod keys;
mod lint;
pub mod lock;
mod naming;
mod outcome;
pub mod parallel;
pub mod plan;
mod project;
mod read;
pub mod reference;
#[cfg(feature = "registry")]
pub mod registry;
pub mod run;
pub mod schema;
pub mod template;
mod value;
mod variables;
pub mod ways;
pub mod write;

pub use arch::{ArchMap, ArchName, Entry, Platform, ResolveError};
pub use config::{Cell, Config, Inputs, Layer, NoInputs, Overrides};
pub use context::{Context, Slot};
pub use diagnostic::{Code, Diagnostic, Place, Severity, Source};
pub use discover::{DiskInputs, Found, config_of, root_of};
pub use document::Located;
pub use expand::{Expander, Rendered};
pub use explain::{Explanation, explanations};
pub use header::template_of;
pub use history::{Commit, History};
pub use outcome::{Outcome, Status};
pub use plan::Plan;
pub use project::{
    BuildFile, DriftInputs, Expansion, Lint, Product, Project, Selection, WriteOptions, Written,
};
pub use template::{
    Dialect, Language, Missing, Name, NameKind, Names, NoPartials, Parsed, PartialFolders,
    Partials, RenderFailure, Shape, Template, Traced,
};
pub use value::Value;
pub use variables::{Variable, variables};

/// The README's Rust example, run as a doc test.
#[doc = include_str!("../README.md")]
#[cfg(doctest)]
pub struct Readme;

/// The recipes' Rust examples, run as doc tests.
#[doc = include_str!("../docs/recipes.md")]
#[cfg(doctest)]
pub struct Recipes;
