//! Programs of other architectures on this machine: what the kernel's `binfmt_misc` hands to which interpreter.
//!
//! A [`Registration`] is one of its entries, read from a file and written as a line; [`survey`] tells which architectures of a
//! table a machine runs by them. The kernel itself is behind the trait [`Binfmt`]: [`Mounted`] is the one of this machine.
//!
//! Source: Linux, Documentation/admin-guide/binfmt-misc.rst and fs/binfmt_misc.c.

mod binfmt;
mod handlers;
mod mounted;
mod status;

pub use binfmt::{Pattern, Registration};
pub use handlers::{Handler, HandlerError, Needed};
pub use mounted::{Binfmt, Mounted};
pub use status::{Emulation, Row, survey};
