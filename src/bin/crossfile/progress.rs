//! Tells how a plan is done: on a terminal a table of what is at work, elsewhere lines.

use std::collections::BTreeMap;
use std::io;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossfile::plan::{Plan, Step, StepId, Task};
use crossfile::run::{ExecError, Report, Resolved, StepReport, StepStatus, Watcher};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::output::{Output, columns, human};
use crate::release::ResultFormat;

pub(crate) struct Progress<'a> {
    plan: &'a Plan,
    output: &'a Output,
    format: ResultFormat,
    /// The table; nothing where standard error is no terminal.
    table: Option<MultiProgress>,
    state: Mutex<State>,
    width: usize,
}

#[derive(Default)]
struct State {
    began: BTreeMap<StepId, Instant>,
    took: BTreeMap<StepId, Duration>,
    bars: BTreeMap<StepId, ProgressBar>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(plan: &'a Plan, output: &'a Output, format: ResultFormat) -> Progress<'a> {
        let labels = plan.steps.iter().map(|step| step.label.chars().count());
        Progress {
            plan,
            output,
            format,
            table: (io::stderr().is_terminal() && !output.quiet).then(MultiProgress::new),
            state: Mutex::default(),
            width: labels.max().unwrap_or(0),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a line, above the table where there is one.
    fn print(&self, line: &str) {
        if self.output.quiet {
            return;
        }
        match &self.table {
            // A terminal that is gone sees nothing.
            Some(table) => drop(table.println(line)),
            None => self.output.progress(line),
        }
    }

    fn labelled(&self, step: &Step, line: &str) -> String {
        format!("{:<width$} | {line}", step.label, width = self.width)
    }

    /// What became of every step.
    pub(crate) fn summary(&self, report: &Report) -> io::Result<()> {
        if let Some(table) = &self.table {
            table.clear()?;
        }
        let state = self.state();
        let seconds = |id: &StepId| state.took.get(id).map(Duration::as_secs_f64);
        if self.format == ResultFormat::Json {
            let steps = report.steps.iter().zip(&self.plan.steps);
            let steps = steps.map(|(own, step)| JsonStep::new(own, step, seconds(&own.id)));
            return self.output.json(&JsonReport {
                version: 1,
                done: report.is_good(self.plan),
                steps: steps.collect(),
            });
        }
        if self.output.quiet {
            return Ok(());
        }
        let mut rows = Vec::new();
        for (own, step) in report.steps.iter().zip(&self.plan.steps) {
            let status = match &own.status {
                StepStatus::Done => "done".to_string(),
                StepStatus::Failed(ExecError::Cancelled) => "called off".to_string(),
                StepStatus::Failed(_) if step.optional => "failed, optional".to_string(),
                StepStatus::Failed(_) => "failed".to_string(),
                StepStatus::Skipped(_) => "not begun".to_string(),
            };
            let time = seconds(&own.id).map_or(String::new(), |seconds| format!("{seconds:.1} s"));
            let output = |key: &str| own.outputs.get(key).cloned().unwrap_or_default();
            let size = output("size");
            let size = size.parse::<u64>().map_or(size, human);
            rows.push(vec![
                verb(&step.task).to_string(),
                step.label.clone(),
                status,
                time,
                size,
                output("digest"),
            ]);
        }
        self.output.result(columns(&rows))
    }
}

fn verb(task: &Task) -> &'static str {
    match task {
        Task::Build(_) => "build",
        Task::Push(_) => "push",
        Task::Index(_) => "index",
        Task::Verify(_) => "verify",
        _ => "do",
    }
}

impl Watcher for Progress<'_> {
    fn started(&self, step: &Step) {
        let mut state = self.state();
        state.began.insert(step.id.clone(), Instant::now());
        if let Some(table) = &self.table {
            let template = "{spinner} {prefix} {elapsed:>4} {wide_msg}";
            let style = ProgressStyle::with_template(template);
            let bar = table.add(ProgressBar::new_spinner());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            let prefix = format!(
                "{:<6} {:<width$}",
                verb(&step.task),
                step.label,
                width = self.width
            );
            bar.set_prefix(prefix);
            bar.enable_steady_tick(Duration::from_millis(200));
            state.bars.insert(step.id.clone(), bar);
        } else if !self.output.quiet {
            drop(state);
            self.print(&self.labelled(step, verb(&step.task)));
        }
    }

    fn command(&self, step: &Step, command: &Resolved) {
        if self.output.verbose {
            self.print(&self.labelled(step, &format!("$ {command}")));
        }
    }

    fn line(&self, step: &Step, line: &str) {
        let state = self.state();
        match state.bars.get(&step.id) {
            Some(bar) => {
                bar.set_message(line.to_string());
                drop(state);
                if self.output.verbose {
                    self.print(&self.labelled(step, line));
                }
            }
            None => {
                drop(state);
                self.print(&self.labelled(step, line));
            }
        }
    }

    fn again(&self, step: &Step, error: &ExecError, wait: Duration) {
        let text = format!("{error}; again in {} s", wait.as_secs());
        self.print(&self.labelled(step, &text));
    }

    fn finished(&self, step: &Step, report: &StepReport) {
        let mut state = self.state();
        if let Some(began) = state.began.get(&step.id).copied() {
            state.took.insert(step.id.clone(), began.elapsed());
        }
        if let Some(bar) = state.bars.remove(&step.id) {
            bar.finish_and_clear();
        }
        drop(state);
        let failure = match &report.status {
            StepStatus::Failed(ExecError::Cancelled) | StepStatus::Done => return,
            StepStatus::Skipped(None) => return,
            StepStatus::Skipped(Some(need)) => {
                let text = format!("{} is not begun: {need} is not done", step.id);
                return self.print(&text);
            }
            StepStatus::Failed(error) => error,
        };
        let word = match step.optional {
            true => "warning",
            false => "error",
        };
        let mut text = format!("{word}: {} failed: {failure}", step.id);
        // Where lines are shown as they come, they are there already.
        let unseen = self.table.is_some() || self.output.quiet;
        if let (ExecError::Failed { last, .. }, true) = (failure, unseen) {
            for line in last {
                text.push_str(&format!("\n  {line}"));
            }
        }
        match &self.table {
            Some(table) => drop(table.println(text)),
            // An error is told in any case.
            None => {
                let _ = writeln!(anstream::stderr(), "{text}");
            }
        }
    }
}

#[derive(Serialize)]
struct JsonReport {
    version: u32,
    done: bool,
    steps: Vec<JsonStep>,
}

#[derive(Serialize)]
struct JsonStep {
    id: StepId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    last: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    outputs: BTreeMap<String, String>,
}

impl JsonStep {
    fn new(report: &StepReport, step: &Step, seconds: Option<f64>) -> JsonStep {
        let (status, error) = match &report.status {
            StepStatus::Done => ("done", None),
            StepStatus::Failed(error) => ("failed", Some(error)),
            StepStatus::Skipped(_) => ("skipped", None),
        };
        JsonStep {
            id: report.id.clone(),
            status,
            seconds: seconds.map(|seconds| (seconds * 1000.0).round() / 1000.0),
            optional: step.optional,
            error: error.map(ToString::to_string),
            last: match error {
                // Colours are for terminals.
                Some(ExecError::Failed { last, .. }) => last
                    .iter()
                    .map(|line| anstream::adapter::strip_str(line).to_string())
                    .collect(),
                _ => Vec::new(),
            },
            outputs: report.outputs.clone(),
        }
    }
}
