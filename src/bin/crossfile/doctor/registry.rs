//! The registries that a release pushes to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crossfile::Diagnostic;
use crossfile::doctor::registry::{Reads, credentials, reached, unreachable, write};
use crossfile::doctor::{Part, State, clock};
use crossfile::parallel::side_by_side;
use crossfile::plan::{Plan, Task};
use crossfile::registry::{Reference, default_files};

use super::project::Subject;
use crate::registry::Speaker;

/// How long all of what registries are asked may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a question to write may go on after that, or after Ctrl-C: what was begun in a registry is taken back.
const LINGER: Duration = Duration::from_secs(3);

pub(super) struct Registries {
    speaker: Speaker,
    /// Who asks to write.
    writer: Speaker,
    /// Since when registries are asked.
    began: Instant,
    /// Repositories by their registry.
    repositories: BTreeMap<String, Vec<Reference>>,
    backend: String,
    /// Docker's own file.
    dockers: Option<PathBuf>,
}

impl Registries {
    pub(super) fn new(subject: &Subject<'_>) -> Result<Registries, Vec<Diagnostic>> {
        let settings = crate::release::registries(&subject.loaded.products)?;
        let speaker = |linger: Duration| {
            let within = (Some(PATIENCE), linger);
            Speaker::within(&settings, subject.args.speak, within, subject.output)
        };
        let (speaker, writer) = (speaker(Duration::ZERO)?, speaker(LINGER)?);
        let plan = subject.plan.as_ref().and_then(|plan| plan.as_ref().ok());
        let mut repositories: BTreeMap<String, Vec<Reference>> = BTreeMap::new();
        for reference in plan.map(pushed).unwrap_or_default() {
            let Ok(reference) = reference.parse::<Reference>() else {
                continue;
            };
            let known = repositories.entry(reference.registry.clone()).or_default();
            if !known
                .iter()
                .any(|known| known.repository == reference.repository)
            {
                known.push(reference);
            }
        }
        let env = subject.output.inputs().env;
        let has = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
        let has_dockers = ["DOCKER_CONFIG", "HOME", "USERPROFILE"]
            .into_iter()
            .any(has);
        Ok(Registries {
            speaker,
            writer,
            began: Instant::now(),
            repositories,
            backend: subject.backend().to_string(),
            dockers: default_files(&env)
                .into_iter()
                .next()
                .filter(|_| has_dockers),
        })
    }

    pub(super) fn look(&self) -> Vec<Part> {
        let hosts: Vec<(&String, &Vec<Reference>)> = self.repositories.iter().collect();
        let parts = side_by_side(&hosts, |(host, repositories)| self.host(host, repositories));
        parts.into_iter().flatten().collect()
    }

    /// Whether nothing more is to be begun.
    fn is_late(&self) -> bool {
        self.speaker.is_cancelled() || self.began.elapsed() > PATIENCE
    }

    fn host(&self, host: &str, repositories: &[Reference]) -> Vec<Part> {
        let client = self.speaker.client();
        let before = SystemTime::now();
        let greeting = client.greet(host);
        let asked = (before, SystemTime::now());
        let (login, reads_all) = match self.backend.as_str() {
            "buildah" => ("buildah login", true),
            "podman" => ("podman login", true),
            "docker" | "buildx" | "buildctl" => ("docker login", false),
            _ => ("docker login", true),
        };
        let reads = Reads {
            program: &self.backend,
            login,
            only: self.dockers.as_deref().filter(|_| !reads_all),
        };
        let found = |reference: &Reference| {
            let keychain = self.speaker.keychain();
            keychain.source(&reference.registry, &reference.repository)
        };
        let mut parts = Vec::new();
        let greeting = match greeting {
            Ok(greeting) => greeting,
            Err(error) => {
                parts.push(unreachable(host, &error));
                parts.extend(repositories.iter().map(|reference| {
                    unasked(credentials(
                        &reference.name(),
                        &found(reference),
                        (false, None),
                        &reads,
                    ))
                }));
                return parts;
            }
        };
        parts.push(reached(host, greeting.wants_credentials));
        if let Some(date) = greeting.date {
            parts.push(clock(host, date, asked));
        }
        let asked = side_by_side(repositories, |reference| {
            let name = reference.name();
            let found = found(reference);
            let writer = self.writer.client();
            let trial = writer.may_write(reference, &|| self.is_late());
            let wants = (greeting.wants_credentials, Some(trial.is_ok()));
            [
                credentials(&name, &found, wants, &reads),
                write(&name, &trial, login),
            ]
        });
        parts.extend(asked.into_iter().flatten());
        parts
    }
}

/// Credentials for a registry that does not answer: whether it would ask for any is not known.
fn unasked(part: Part) -> Part {
    match part.state {
        State::Warning => {
            let seen = "there are none; whether the registry asks for any is not known";
            Part::new(part.part, part.name, State::Skipped, seen)
        }
        _ => part,
    }
}

/// Everything that a plan pushes.
fn pushed(plan: &Plan) -> BTreeSet<String> {
    let mut pushed = BTreeSet::new();
    for step in &plan.steps {
        match &step.task {
            Task::Push(push) => pushed.extend(push.tags.iter().cloned()),
            Task::Build(build) if build.destination != crossfile::plan::Destination::Store => {
                pushed.extend(build.tags.iter().cloned());
            }
            Task::Index(index) if index.to.is_none() => pushed.extend(index.tags.iter().cloned()),
            _ => {}
        }
    }
    pushed
}
