//! What is asked for and what became of it, as data.

use std::path::{Path, PathBuf};

use super::cache::Cache;
use crate::arch::ArchName;
use crate::config::Inputs;
use crate::diagnostic::Diagnostic;
use crate::lock::LockedHandler;
use crate::registry::Web;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Handlers are fetched.
    Fetch,
    /// It is said what is missing or wrong. Nothing is asked, nothing is written.
    Check,
    /// It is said what would be fetched. Nothing is asked, nothing is written.
    DryRun,
}

/// Something that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A file is downloaded, of so many bytes where that is known.
    Download {
        /// Its address.
        address: &'a str,
        /// Its size.
        size: Option<u64>,
    },
}

/// How handlers are fetched.
pub struct Fetching<'a> {
    /// What is done.
    pub mode: Mode,
    /// Whether the lock is written anew, whatever it says.
    pub update: bool,
    /// Whether files that differ are replaced.
    pub force: bool,
    /// The net.
    pub web: &'a Web,
    /// The user's own store.
    pub cache: &'a Cache,
    /// The folders of this machine that handlers are looked for in.
    pub machine: &'a [PathBuf],
    /// Reads locks.
    pub inputs: &'a dyn Inputs,
    /// Is told what takes its time.
    pub watch: &'a (dyn Fn(&Event<'_>) + Sync),
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileStatus {
    /// It is right, and was left alone.
    Right,
    /// Its mode was made right.
    MadeExecutable,
    /// It was not there, and was put there.
    Put,
    /// It was another file, and was replaced.
    Replaced,
    /// It is not there.
    Missing,
    /// It is another file.
    Differs,
    /// It is right but for its mode.
    NotExecutable,
    /// It is there, and no checksum is locked to compare it with.
    NotLocked,
    /// Something kept it from being looked at.
    Failed,
}

impl FileStatus {
    /// The word that output shows.
    pub fn as_str(self) -> &'static str {
        match self {
            FileStatus::Right => "right",
            FileStatus::MadeExecutable => "made executable",
            FileStatus::Put => "put",
            FileStatus::Replaced => "replaced",
            FileStatus::Missing => "missing",
            FileStatus::Differs => "differs",
            FileStatus::NotExecutable => "not executable",
            FileStatus::NotLocked => "not locked",
            FileStatus::Failed => "failed",
        }
    }
}

/// A file of a context.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchedFile {
    /// The file.
    pub path: PathBuf,
    /// The architectures whose images get it.
    pub arches: Vec<ArchName>,
    /// What became of it.
    pub status: FileStatus,
}

/// A handler with all its files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchedHandler {
    /// QEMU's name of what is emulated.
    pub qemu: String,
    /// What it runs on.
    pub host: ArchName,
    /// What it is, where that is known: as it is locked, or as it was found.
    pub handler: Option<LockedHandler>,
    /// Where it is looked for, in order.
    pub places: Vec<String>,
    /// Its files.
    pub files: Vec<FetchedFile>,
}

/// What was done.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Every handler.
    pub handlers: Vec<FetchedHandler>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// The locks that were written.
    pub locks: Vec<PathBuf>,
    /// Files that were replaced, each with the file of the cache that has what they held.
    pub kept: Vec<(PathBuf, PathBuf)>,
    /// Whether it was called off. Then nothing was written.
    pub cancelled: bool,
}

/// The folders of a machine that handlers are looked for in: nowhere but on Linux are there any.
pub fn machine_folders() -> Vec<PathBuf> {
    let folders = ["/usr/bin", "/usr/local/bin"];
    match cfg!(target_os = "linux") {
        true => folders
            .iter()
            .map(|folder| Path::new(folder).to_path_buf())
            .collect(),
        false => Vec::new(),
    }
}
