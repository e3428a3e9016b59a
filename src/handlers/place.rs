//! What stands where a handler belongs.

use std::path::PathBuf;

use super::cache::{is_executable, sha256};
use super::needs::Need;
use crate::diagnostic::{Code, Diagnostic};
use crate::write::Inside;

/// A file of a context as it is.
pub(super) struct Standing {
    /// Where a write would go, links followed.
    pub(super) target: PathBuf,
    /// What is there.
    pub(super) bytes: Option<Vec<u8>>,
    /// Its checksum.
    pub(super) sum: Option<String>,
    pub(super) executable: bool,
}

/// Looks at the place of a handler.
pub(super) fn look(need: &Need) -> Result<Standing, Diagnostic> {
    let look = Inside::new(&need.context).look(&need.target);
    let look = look.map_err(|problem| match problem.code {
        Code::Io => problem.help("move it away: a handler belongs here"),
        _ => problem,
    })?;
    Ok(Standing {
        executable: look.bytes.is_some() && is_executable(&look.target),
        sum: look.bytes.as_deref().map(sha256),
        target: look.target,
        bytes: look.bytes,
    })
}
