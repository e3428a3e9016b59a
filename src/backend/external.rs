//! A program of the user's own: `crossfile-backend-NAME` on PATH.
//!
//! It reads `{"version": 1, "steps": […]}` from its standard input, the steps as in a plan's JSON, and prints
//! `{"version": 1, "capabilities": {…}, "actions": {"STEP": […]}}`: what it can do, and the actions of each step. What it
//! cannot do is `"unsupported": {"STEP": {"capability": "…", "help": "…"}}`. The first request has no steps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Action, Backend, Capabilities, Command, Unsupported};
use crate::plan::{Step, Task, VERSION};

/// Asks a program something: what it is given on its standard input, and what it printed, or what went wrong.
pub type Ask = dyn Fn(&Command) -> Result<String, String> + Sync;

/// A backend that is another program.
pub struct External {
    name: String,
    capabilities: Capabilities,
    ask: Box<Ask>,
}

#[derive(Serialize)]
struct Request<'a> {
    version: u32,
    steps: &'a [&'a Step],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    version: u32,
    #[serde(default)]
    capabilities: Capabilities,
    #[serde(default)]
    actions: BTreeMap<String, Vec<Action>>,
    #[serde(default)]
    unsupported: BTreeMap<String, Refusal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    capability: String,
    #[serde(default)]
    help: String,
}

impl External {
    /// The program that a name stands for.
    pub fn program(name: &str) -> String {
        format!("crossfile-backend-{name}")
    }

    /// Asks the program what it can do.
    ///
    /// # Errors
    /// It cannot be run, or prints something else than an answer.
    pub fn open(
        name: &str,
        ask: impl Fn(&Command) -> Result<String, String> + Sync + 'static,
    ) -> Result<External, String> {
        let mut external = External {
            name: name.to_string(),
            capabilities: Capabilities::default(),
            ask: Box::new(ask),
        };
        external.capabilities = external.answer(&[])?.capabilities;
        Ok(external)
    }

    fn answer(&self, steps: &[&Step]) -> Result<Answer, String> {
        let program = External::program(&self.name);
        let request = Request {
            version: VERSION,
            steps,
        };
        let request = serde_json::to_string(&request).map_err(|error| error.to_string())?;
        let command = Command {
            stdin: Some(request),
            ..Command::new(&program, Vec::<String>::new())
        };
        let printed = (self.ask)(&command)?;
        let answer: Answer = serde_json::from_str(&printed)
            .map_err(|error| format!("{program} did not print an answer: {error}"))?;
        match answer.version {
            VERSION => Ok(answer),
            other => Err(format!(
                "{program} answers in version {other}, not {VERSION}"
            )),
        }
    }
}

impl Backend for External {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn lower(&self, step: &Step) -> Result<Vec<Action>, Unsupported> {
        let mut answer = self
            .answer(&[step])
            .map_err(|error| Unsupported::new(step, format!("be lowered: {error}"), ""))?;
        if let Some(refusal) = answer.unsupported.remove(&step.id.0) {
            return Err(Unsupported::new(step, refusal.capability, refusal.help));
        }
        let actions = answer.actions.remove(&step.id.0);
        // A build, an index and a check that do nothing would pass for done; a push may have nothing to do.
        let may_be_empty = matches!(step.task, Task::Push(_));
        let actions = actions.filter(|actions| may_be_empty || !actions.is_empty());
        actions.ok_or_else(|| {
            let program = External::program(&self.name);
            Unsupported::new(
                step,
                format!("be done: {program} has no actions for it"),
                "",
            )
        })
    }
}
