//! QEMU's handlers in build contexts: the programs `qemu-NAME-static` that templates copy into images of other architectures.
//!
//! [`Needs::of`] reads from the Dockerfiles of a project which handlers are copied from which context. [`fetch`] sees to it that each is
//! there: it takes them from the machine, a Debian package or an address, holds them to the checksums of the [`Lock`](crate::lock::Lock),
//! and links them from the [`Cache`] into the context.
//!
//! What always holds: a handler is a static program for the architecture that it is to run on; a file that is right is left alone;
//! a file that differs is replaced only where that was asked for, or where the cache has what it held.

mod cache;
mod check;
mod debian;
mod fetch;
mod needs;
mod packed;
mod place;
mod program;
mod report;
mod sources;

pub use cache::Cache;
pub use fetch::fetch;
pub use needs::{Need, Needs};
pub use report::{
    Event, FetchedFile, FetchedHandler, Fetching, FileStatus, Mode, Report, machine_folders,
};
