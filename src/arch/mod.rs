//! What architectures are called: the canonical table, look-ups in it, platforms, and the running machine.
//!
//! [`ArchMap`] is read from `arch-map.toml` (built in) with a project's own file laid over it; every other layer
//! asks it and none keeps a list of its own. [`Platform`] and [`Matcher`] follow containerd.

pub mod cases;
pub mod entry;
pub mod host;
pub mod keys;
pub mod map;
pub mod matcher;
mod overlay;
pub mod platform;
pub mod resolve;

pub use entry::{ArchName, Entry, Scheme, SchemeValue};
pub use host::{HostEvidence, HostPlatform};
pub use map::{Ambiguity, ArchMap};
pub use matcher::Matcher;
pub use platform::{ParsePlatformError, Platform};
pub use resolve::ResolveError;
