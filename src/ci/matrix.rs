//! The builds of a project as a CI service's matrix takes them.

use serde::Serialize;

use super::{Runner, Service, Subject};
use crate::diagnostic::Diagnostic;
use crate::plan::Task;
use crate::value::Value;

/// A matrix with a job for each build.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Matrix {
    /// The jobs.
    pub include: Vec<Cell>,
}

/// One build.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Cell {
    /// The name of the build in the plan, without `build:`.
    pub name: String,
    /// The architecture.
    pub arch: String,
    /// The platform.
    pub platform: String,
    /// The label of its runner, or a list of labels.
    pub runner: serde_json::Value,
    /// Whether QEMU runs its programs there.
    pub emulated: bool,
    /// What QEMU calls the architecture, where it does; else empty.
    pub qemu: String,
    /// Whether the index may go out without it.
    pub optional: bool,
    /// The template, or the Dockerfile that is none, which commands take as PATH.
    pub path: String,
    /// The arguments that choose its point of the matrix: `--set flavor=slim`.
    pub set: String,
    /// The Dockerfile.
    pub dockerfile: String,
    /// The first name of the image.
    pub image: String,
}

impl Matrix {
    /// The builds of a plan that builds each image on its own, with their runners.
    ///
    /// # Errors
    /// Nobody builds an architecture.
    pub fn new(
        service: Service,
        subject: &Subject<'_>,
        show: &dyn Fn(&std::path::Path) -> String,
    ) -> Result<Matrix, Vec<Diagnostic>> {
        let files = subject.products.iter().flat_map(|product| {
            let files = product.files.iter();
            files.map(move |file| (product, file))
        });
        let builds = subject
            .plan
            .steps
            .iter()
            .filter_map(|step| match &step.task {
                Task::Build(build) => Some((step, build)),
                _ => None,
            });
        let mut include = Vec::new();
        let mut problems: Vec<Diagnostic> = Vec::new();
        // Both are in the order of products, points and architectures.
        for ((product, file), (step, build)) in files.zip(builds) {
            let runner = match Runner::of(service, &file.cell.arch, &product.config) {
                Ok(runner) => runner,
                Err(problem) => {
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                    continue;
                }
            };
            let labels = match runner.labels.as_slice() {
                [label] => label.as_str().into(),
                labels => labels.into(),
            };
            let axes = file.cell.axes.iter();
            let set: Vec<String> = axes
                .map(|(name, value)| {
                    let word = format!("{name}={}", Value::text(value).unwrap_or_default());
                    format!("--set {}", super::quoted(&word))
                })
                .collect();
            let target = build.targets.first();
            include.push(Cell {
                name: step.label.clone(),
                arch: file.cell.arch.to_string(),
                platform: target.map_or(String::new(), |target| target.platform.clone()),
                runner: labels,
                emulated: runner.qemu.is_some(),
                qemu: runner.qemu.unwrap_or_default(),
                optional: step.optional,
                path: show(&product.source),
                set: set.join(" "),
                dockerfile: build.dockerfile.clone(),
                image: build.tags.first().cloned().unwrap_or_default(),
            });
        }
        match problems.is_empty() {
            true => Ok(Matrix { include }),
            false => Err(problems),
        }
    }
}
