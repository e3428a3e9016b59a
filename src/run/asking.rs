//! Programs asked what they can do: each is run for its answer, and for no longer than it is waited for.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Events, ExecError, Processes, Resolved, Runner};
use crate::backend::{Action, Command, Find, Yield};

/// The most bytes that an answer has. Of the programs that are asked, those that say most say some kilobytes.
const MOST: usize = 1 << 20;

/// How long a program may take to end once it was waited for long enough: it is asked to, and then ended.
const GRACE: Duration = Duration::from_secs(1);

/// Runs programs to ask them something. What they print is not shown.
pub struct Asking<'a> {
    folder: PathBuf,
    scratch: PathBuf,
    patience: Duration,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

struct Silent;

impl Events for Silent {
    fn output(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn line(&self, _: &str) {}

    fn command(&self, _: &Resolved) {}
}

impl<'a> Asking<'a> {
    /// Asks in `folder`, each program for no longer than `patience`. `scratch` is a folder for what they hand on.
    pub fn new(
        folder: impl Into<PathBuf>,
        scratch: impl Into<PathBuf>,
        patience: Duration,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Asking<'a> {
        Asking {
            folder: folder.into(),
            scratch: scratch.into(),
            patience,
            cancelled,
        }
    }

    /// What a command prints; nothing is an answer, too.
    ///
    /// # Errors
    /// It is not there, failed, gave no answer in time, or one of more than a megabyte.
    pub fn ask(&self, command: &Command) -> Result<String, ExecError> {
        let began = Instant::now();
        let enough = || (self.cancelled)() || began.elapsed() > self.patience;
        let runner = Processes::new(&self.folder, &self.scratch, &enough).bounded(MOST, GRACE);
        let mut command = command.clone();
        command.yields = vec![Yield::new("answer", Find::Stdout)];
        // To print nothing is an answer, too.
        command.only_reports = true;
        let performed = runner.run(&Action::Command(command.clone()), &Silent);
        let performed = performed.map_err(|error| match error {
            ExecError::Cancelled if !(self.cancelled)() => ExecError::System {
                what: format!(
                    "`{}` gave no answer in {} seconds",
                    command.program,
                    self.patience.as_secs()
                ),
            },
            error => error,
        })?;
        Ok(performed.outputs.get("answer").cloned().unwrap_or_default())
    }
}
