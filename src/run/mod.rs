//! Doing what a plan says: a [`Runner`] performs single actions, [`Schedule`] whole plans, steps side by side.

mod asking;
mod check;
mod process;
#[cfg(feature = "registry")]
mod registry;
mod schedule;
mod shell;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::{Action, Command, Value};
use crate::plan::{Step, StepId};

pub use asking::Asking;
pub use process::Processes;
#[cfg(feature = "registry")]
pub use registry::Registries;
pub use schedule::{Report, Schedule, StepReport, StepStatus, lower};
pub use shell::shell;

/// The outputs of steps, by step and key.
pub type Outputs = BTreeMap<(StepId, String), String>;

/// Performs actions.
pub trait Runner: Sync {
    /// Performs one action and tells what happens on the way.
    ///
    /// # Errors
    /// It failed, or was called off.
    fn run(&self, action: &Action, events: &dyn Events) -> Result<Performed, ExecError>;

    /// Whether everything is to end.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Lets some time go by, less where everything is called off.
    fn pause(&self, _: Duration) {}
}

/// What an action has to be told before it can run, and what it tells.
pub trait Events: Sync {
    /// What an earlier step yielded.
    fn output(&self, step: &str, key: &str) -> Option<String>;

    /// A line that the action printed.
    fn line(&self, line: &str);

    /// A command that is about to run.
    fn command(&self, command: &Resolved);
}

/// An action that was performed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Performed {
    /// What it yielded.
    pub outputs: BTreeMap<String, String>,
}

/// A command with every argument known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables over those that are there.
    pub env: Vec<(String, String)>,
}

impl fmt::Display for Resolved {
    /// As a shell would take it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&quoted(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", quoted(arg))?;
        }
        Ok(())
    }
}

/// A text as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,@%+-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_string();
    }
    if !text.contains(['\'', '\0']) {
        return format!("'{text}'");
    }
    // What a shell cannot hold, a command cannot either.
    shlex::try_quote(text).map_or_else(|_| format!("{text:?}"), std::borrow::Cow::into_owned)
}

/// Why an action did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecError {
    /// There is no such program.
    NotFound {
        /// The program.
        program: String,
    },
    /// The program ended with another exit code than 0.
    Failed {
        /// The command.
        command: String,
        /// The exit code; nothing where a signal ended it.
        code: Option<i32>,
        /// The last lines that it printed.
        last: Vec<String>,
    },
    /// It did not print, or leave, what it should have.
    Unexpected {
        /// The command.
        command: String,
        /// What is wrong.
        what: String,
    },
    /// A registry did not do what was asked of it, or holds what is not right.
    Registry {
        /// The command that asks the same.
        command: String,
        /// Everything that is wrong; a line of help may follow on each.
        problems: Vec<String>,
    },
    /// Everything was called off.
    Cancelled,
    /// The system refused something.
    System {
        /// What, with the system's words.
        what: String,
    },
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecError::NotFound { program } => {
                write!(f, "there is no program `{program}` on PATH")
            }
            ExecError::Failed { command, code, .. } => match code {
                Some(code) => write!(f, "exit code {code}: {command}"),
                None => write!(f, "ended by a signal: {command}"),
            },
            ExecError::Unexpected { command, what } => write!(f, "{what}: {command}"),
            ExecError::Registry { problems, .. } => f.write_str(&problems.join("\n  ")),
            ExecError::Cancelled => f.write_str("called off"),
            ExecError::System { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for ExecError {}

/// Fills in what was not known when a command was made. `scratch` is the run's own folder.
///
/// # Errors
/// An output that no step has yielded.
pub fn resolve(
    action: &Action,
    scratch: &Path,
    output: &dyn Fn(&str, &str) -> Option<String>,
) -> Result<Resolved, ExecError> {
    resolve_command(&action.command(), scratch, output)
}

fn resolve_command(
    command: &Command,
    scratch: &Path,
    output: &dyn Fn(&str, &str) -> Option<String>,
) -> Result<Resolved, ExecError> {
    let args = command.args.iter().map(|arg| text_of(arg, scratch, output));
    Ok(Resolved {
        program: command.program.clone(),
        args: args.collect::<Result<_, _>>()?,
        env: command.env.clone(),
    })
}

fn text_of(
    value: &Value,
    scratch: &Path,
    output: &dyn Fn(&str, &str) -> Option<String>,
) -> Result<String, ExecError> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Scratch { scratch: name } => Ok(scratch_file(scratch, name).display().to_string()),
        Value::Output { step, key } => output(step, key).ok_or_else(|| ExecError::System {
            what: format!("`{step}` has not said its `{key}`"),
        }),
        Value::Joined(parts) => parts
            .iter()
            .map(|part| text_of(part, scratch, output))
            .collect(),
    }
}

/// A file of the run's own folder. Whatever a backend calls it, it lies in there.
fn scratch_file(scratch: &Path, name: &str) -> PathBuf {
    scratch.join(scratch_name(name))
}

fn scratch_name(name: &str) -> String {
    let plain = name.replace(['/', '\\'], "-");
    match plain.trim_start_matches('.') {
        "" => "file".to_string(),
        plain => plain.to_string(),
    }
}

/// What happens while a plan is done.
pub trait Watcher: Sync {
    /// A step begins.
    fn started(&self, step: &Step);

    /// A command of a step is about to run.
    fn command(&self, step: &Step, command: &Resolved);

    /// A step printed a line.
    fn line(&self, step: &Step, line: &str);

    /// A step failed and is tried again after a while.
    fn again(&self, step: &Step, error: &ExecError, wait: Duration);

    /// A step is over.
    fn finished(&self, step: &Step, report: &StepReport);
}
