//! Steps side by side, each as soon as what it needs is done.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Events, ExecError, Outputs, Resolved, Runner, Watcher};
use crate::backend::{Action, Backend, Unsupported, Value, check};
use crate::plan::{Index, Plan, Step, StepId, Task};

/// How a plan is done.
pub struct Schedule<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What turns its steps into actions.
    pub backend: &'a dyn Backend,
    /// What performs them.
    pub runner: &'a dyn Runner,
    /// What is told of it.
    pub watcher: &'a dyn Watcher,
    /// How many steps each builder has at a time.
    pub jobs: usize,
    /// Whether a failure stops only what depends on it.
    pub keep_going: bool,
    /// How long to wait before each further attempt at what only asks a registry. A build has one attempt.
    pub waits: &'a [Duration],
}

/// How a plan went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Every step, in the order of the plan.
    pub steps: Vec<StepReport>,
}

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepReport {
    /// The step.
    pub id: StepId,
    /// What became of it.
    pub status: StepStatus,
    /// What it yielded, as `digest`.
    pub outputs: BTreeMap<String, String>,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// It is done.
    Done,
    /// It failed.
    Failed(ExecError),
    /// It was not begun, since a step that it needs is not done, or another failed.
    Skipped(Option<StepId>),
}

impl Report {
    /// Whether everything is done that the plan cannot do without. A plan of optional steps alone was asked for them: there it is all.
    pub fn is_good(&self, plan: &Plan) -> bool {
        let alone = plan.steps.iter().all(|step| step.optional);
        self.steps
            .iter()
            .zip(&plan.steps)
            .all(|(report, step)| report.status == StepStatus::Done || (step.optional && !alone))
    }

    /// Whether it was called off.
    pub fn is_cancelled(&self) -> bool {
        let cancelled = StepStatus::Failed(ExecError::Cancelled);
        self.steps.iter().any(|step| step.status == cancelled)
    }
}

/// Every action of a plan, step by step: what would be done, if nothing fails.
///
/// # Errors
/// Everything that the backend cannot do.
pub fn lower(plan: &Plan, backend: &dyn Backend) -> Result<Vec<Vec<Action>>, Vec<Unsupported>> {
    let mut actions = Vec::new();
    let mut refused: Vec<Unsupported> = Vec::new();
    let capabilities = backend.capabilities();
    for step in &plan.steps {
        let lowered = check(step, &capabilities).and_then(|()| backend.lower(step));
        match lowered {
            Ok(lowered) => actions.push(lowered),
            Err(unsupported) => refused.push(unsupported),
        }
    }
    if refused.is_empty() {
        refused = unknown_outputs(plan, &actions);
    }
    match refused.is_empty() {
        true => Ok(actions),
        false => Err(refused),
    }
}

/// Outputs that are asked for and that nothing before yields: they would be missed in the middle of a run.
fn unknown_outputs(plan: &Plan, actions: &[Vec<Action>]) -> Vec<Unsupported> {
    let mut refused = Vec::new();
    for (step, own) in plan.steps.iter().zip(actions) {
        let mut wanted = Vec::new();
        let commands: Vec<_> = own.iter().map(Action::command).collect();
        for arg in commands.iter().flat_map(|command| &command.args) {
            outputs_in(arg, &mut wanted);
        }
        for (from, key) in wanted {
            let near = step.id.0 == from || step.needs.iter().any(|need| need.0 == from);
            let mut sources = plan.steps.iter().zip(actions);
            let source = sources.find(|(step, _)| near && step.id.0 == from);
            let yields =
                source.is_some_and(|(_, actions)| actions.iter().any(|action| action.yields(key)));
            if !yields {
                let what = format!("use the `{key}` of `{from}`: no step that it needs yields it");
                refused.push(Unsupported::new(step, what, ""));
            }
        }
    }
    refused
}

fn outputs_in<'v>(value: &'v Value, found: &mut Vec<(&'v str, &'v str)>) {
    match value {
        Value::Output { step, key } => found.push((step, key)),
        Value::Joined(parts) => parts.iter().for_each(|part| outputs_in(part, found)),
        Value::Text(_) | Value::Scratch { .. } => {}
    }
}

/// Where a step is.
enum Place {
    Waiting,
    Running,
    Over(StepStatus),
}

impl Schedule<'_> {
    /// Does the plan.
    ///
    /// # Errors
    /// Everything that the backend cannot do: then nothing was begun.
    pub fn run(&self) -> Result<Report, Vec<Unsupported>> {
        let lowered = lower(self.plan, self.backend)?;
        let steps = &self.plan.steps;
        let outputs: Mutex<Outputs> = Mutex::new(Outputs::new());
        let mut places: Vec<Place> = steps.iter().map(|_| Place::Waiting).collect();
        let positions: HashMap<&StepId, usize> = steps
            .iter()
            .enumerate()
            .map(|(at, step)| (&step.id, at))
            .collect();
        let mut running: HashMap<Option<&str>, usize> = HashMap::new();
        let mut stopped = false;
        let (sender, receiver) = mpsc::channel::<(usize, StepStatus)>();
        thread::scope(|scope| {
            loop {
                for index in 0..steps.len() {
                    if !matches!(places[index], Place::Waiting) {
                        continue;
                    }
                    let step = &steps[index];
                    let sources = match self.readiness(step, &places, &positions) {
                        Readiness::Wait => continue,
                        Readiness::Never(because) => {
                            let status = StepStatus::Skipped(because);
                            self.over(index, status, &outputs, &mut places);
                            continue;
                        }
                        Readiness::Now(sources) => sources,
                    };
                    if stopped || self.runner.is_cancelled() {
                        self.over(index, StepStatus::Skipped(None), &outputs, &mut places);
                        continue;
                    }
                    let own = running.entry(step.builder.as_deref()).or_default();
                    if *own >= self.jobs.max(1) {
                        continue;
                    }
                    *own += 1;
                    places[index] = Place::Running;
                    let sender = sender.clone();
                    let actions = &lowered[index];
                    let outputs = &outputs;
                    scope.spawn(move || {
                        // Whatever happens to the thread, the step is over.
                        let mut over = Over {
                            sender,
                            index,
                            status: None,
                        };
                        over.status = Some(self.step(step, actions, sources, outputs));
                    });
                }
                if !places.iter().any(|place| matches!(place, Place::Running)) {
                    break;
                }
                let Ok((index, status)) = receiver.recv() else {
                    break;
                };
                let step = &steps[index];
                if let Some(own) = running.get_mut(&step.builder.as_deref()) {
                    *own -= 1;
                }
                let failed = matches!(status, StepStatus::Failed(_));
                stopped |= failed && !self.keep_going && !step.optional;
                self.over(index, status, &outputs, &mut places);
            }
        });
        let outputs = outputs.into_inner().unwrap_or_else(PoisonError::into_inner);
        let reports = steps.iter().zip(places).map(|(step, place)| {
            let status = match place {
                Place::Over(status) => status,
                Place::Waiting | Place::Running => StepStatus::Skipped(None),
            };
            report(step, status, &outputs)
        });
        Ok(Report {
            steps: reports.collect(),
        })
    }

    fn over(
        &self,
        index: usize,
        status: StepStatus,
        outputs: &Mutex<Outputs>,
        places: &mut [Place],
    ) {
        let step = &self.plan.steps[index];
        {
            let outputs = outputs.lock().unwrap_or_else(PoisonError::into_inner);
            self.watcher
                .finished(step, &report(step, status.clone(), &outputs));
        }
        places[index] = Place::Over(status);
    }

    /// Whether a step can begin. Of an index, with the sources that are there.
    fn readiness(
        &self,
        step: &Step,
        places: &[Place],
        positions: &HashMap<&StepId, usize>,
    ) -> Readiness {
        let place = |id: &StepId| places.get(*positions.get(id)?);
        let mut missing: Vec<&StepId> = Vec::new();
        for need in &step.needs {
            match place(need) {
                Some(Place::Waiting | Place::Running) => return Readiness::Wait,
                Some(Place::Over(StepStatus::Done)) => {}
                Some(Place::Over(_)) | None => missing.push(need),
            }
        }
        let Some(first) = missing.first() else {
            return Readiness::Now(None);
        };
        let Task::Index(index) = &step.task else {
            return Readiness::Never(Some((*first).clone()));
        };
        let is_missing = |step: &StepId| missing.contains(&step);
        let lost = index
            .sources
            .iter()
            .find(|source| source.step.as_ref().is_some_and(is_missing) && !source.optional);
        if let Some(step) = lost.and_then(|source| source.step.clone()) {
            return Readiness::Never(Some(step));
        }
        let there =
            |source: &&crate::plan::IndexSource| !source.step.as_ref().is_some_and(is_missing);
        let sources: Vec<_> = index.sources.iter().filter(there).cloned().collect();
        match sources.is_empty() {
            true => Readiness::Never(Some((*first).clone())),
            false => Readiness::Now(Some(Index {
                sources,
                ..index.clone()
            })),
        }
    }

    /// Does a step, again and again where it only asks a registry.
    fn step(
        &self,
        step: &Step,
        actions: &[Action],
        sources: Option<Index>,
        outputs: &Mutex<Outputs>,
    ) -> StepStatus {
        self.watcher.started(step);
        if let (Some(fewer), Task::Index(index)) = (&sources, &step.task) {
            let left_out = index
                .sources
                .iter()
                .filter(|source| !fewer.sources.contains(source));
            for source in left_out {
                let line = format!(
                    "{} is not there: the index goes out without it",
                    source.reference
                );
                self.watcher.line(step, &line);
            }
        }
        let fewer = sources.map(|index| Step {
            task: Task::Index(index),
            ..step.clone()
        });
        let lowered;
        let actions = match &fewer {
            None => actions,
            Some(fewer) => match self.backend.lower(fewer) {
                Ok(fewer) => {
                    lowered = fewer;
                    &lowered
                }
                Err(unsupported) => {
                    let what = unsupported.to_string();
                    return StepStatus::Failed(ExecError::System { what });
                }
            },
        };
        let mut waits = match step.task {
            Task::Build(_) => [].iter(),
            _ => self.waits.iter(),
        };
        loop {
            let error = match self.actions(step, actions, outputs) {
                Ok(()) => return StepStatus::Done,
                Err(error) => error,
            };
            let again = may_pass(&error);
            match waits
                .next()
                .filter(|_| again && !self.runner.is_cancelled())
            {
                Some(wait) => {
                    self.watcher.again(step, &error, *wait);
                    self.runner.pause(*wait);
                }
                None => return StepStatus::Failed(error),
            }
        }
    }

    fn actions(
        &self,
        step: &Step,
        actions: &[Action],
        outputs: &Mutex<Outputs>,
    ) -> Result<(), ExecError> {
        let events = StepEvents {
            step,
            outputs,
            watcher: self.watcher,
        };
        for action in actions {
            let performed = self.runner.run(action, &events)?;
            let mut outputs = outputs.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, value) in performed.outputs {
                outputs.insert((step.id.clone(), key), value);
            }
        }
        Ok(())
    }
}

/// Tells that a step is over when it is dropped, a panic included.
struct Over {
    sender: mpsc::Sender<(usize, StepStatus)>,
    index: usize,
    status: Option<StepStatus>,
}

impl Drop for Over {
    fn drop(&mut self) {
        let status = self.status.take().unwrap_or_else(|| {
            let what = "the step ended in a fault of crossfile's own".to_string();
            StepStatus::Failed(ExecError::System { what })
        });
        // The receiver is there as long as anything runs.
        let _ = self.sender.send((self.index, status));
    }
}

/// What a registry says that asking again will not change.
const DEFINITE: &[&str] = &[
    "denied",
    "does not exist",
    "image not known",
    "is a manifest list",
    "manifest unknown",
    "no such manifest",
    "not found",
    "unauthorized",
];

/// Whether a failure may be gone the next time.
fn may_pass(error: &ExecError) -> bool {
    let ExecError::Failed { last, .. } = error else {
        return false;
    };
    let definite = |line: &String| DEFINITE.iter().any(|words| line.contains(words));
    !last.iter().any(definite)
}

enum Readiness {
    Wait,
    Now(Option<Index>),
    Never(Option<StepId>),
}

fn report(step: &Step, status: StepStatus, outputs: &Outputs) -> StepReport {
    let own = outputs.iter().filter(|((id, _), _)| *id == step.id);
    StepReport {
        id: step.id.clone(),
        status,
        outputs: own
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect(),
    }
}

struct StepEvents<'a> {
    step: &'a Step,
    outputs: &'a Mutex<Outputs>,
    watcher: &'a dyn Watcher,
}

impl Events for StepEvents<'_> {
    fn output(&self, step: &str, key: &str) -> Option<String> {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = (StepId(step.to_string()), key.to_string());
        outputs.get(&wanted).cloned()
    }

    fn line(&self, line: &str) {
        self.watcher.line(self.step, line);
    }

    fn command(&self, command: &Resolved) {
        self.watcher.command(self.step, command);
    }
}
