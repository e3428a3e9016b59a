//! This machine, for the checks of the library.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crossfile::backend::Command;
use crossfile::doctor::{Kernel, Machine};
use crossfile::run::{Asking, ExecError};

use crate::output::Output;

/// How long a program may take to answer: one that hangs must not hang us.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Here {
    folder: PathBuf,
    env: BTreeMap<String, String>,
    cancelled: Arc<AtomicBool>,
}

impl Here {
    pub(super) fn new(output: &Output) -> Here {
        Here {
            folder: output.folder.clone(),
            env: output.inputs().env,
            cancelled: crate::release::interrupts(),
        }
    }
}

impl Machine for Here {
    fn ask(&self, command: &Command) -> Result<String, ExecError> {
        let cancelled = || self.cancelled.load(Ordering::SeqCst);
        Asking::new(&self.folder, std::env::temp_dir(), PATIENCE, &cancelled).ask(command)
    }

    fn env(&self, name: &str) -> Option<String> {
        let value = self.env.get(name);
        value.filter(|value| !value.is_empty()).cloned()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    #[cfg(unix)]
    fn free(&self, folder: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(folder)?;
        // What is kept for root is free for daemons, and not to be counted on.
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    #[cfg(not(unix))]
    fn free(&self, _: &Path) -> io::Result<u64> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this system is not asked",
        ))
    }

    #[cfg(target_os = "linux")]
    fn kernel(&self) -> Kernel {
        let own = rustix::system::uname();
        Kernel::new(
            own.release().to_string_lossy(),
            own.nodename().to_string_lossy(),
        )
    }

    #[cfg(not(target_os = "linux"))]
    fn kernel(&self) -> Kernel {
        Kernel::default()
    }
}
