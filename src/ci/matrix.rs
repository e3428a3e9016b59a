//! The builds of a project as a CI service's matrix takes them.

use std::collections::BTreeSet;

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
    /// The same as one word of lower-case letters, digits, `.`, `_` and `-`, as names of artifacts and files have to be.
    pub slug: String,
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
    /// The arguments that choose its point of the matrix: `--set flavor=slim`. Only a word with characters of a shell's own has quotes.
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
        let mut slugs = BTreeSet::new();
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
                    format!("--set {}", quoted(&word))
                })
                .collect();
            let target = build.targets.first();
            include.push(Cell {
                name: step.label.clone(),
                slug: slug(&step.label, &mut slugs),
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

/// A word as a shell takes it. Without need it has no quotes: in an environment variable they would stay.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:=@%+,".contains(c);
    match word.chars().all(plain) {
        true => word.to_string(),
        false => super::quoted(word),
    }
}

/// A name of a build as one plain word that no other build has.
fn slug(name: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || "._-".contains(c) => c,
        _ => '-',
    };
    let first: String = name.chars().map(plain).collect();
    let mut slug = first.clone();
    let mut number = 1;
    while !taken.insert(slug.clone()) {
        number += 1;
        slug = format!("{first}-{number}");
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("flavor=slim"), "flavor=slim");
        assert_eq!(quoted("a=3.21/x:y@z"), "a=3.21/x:y@z");
        for word in ["a=b c", "a=$HOME", "a=*", "a=it's", "a=b;c"] {
            let quoted = quoted(word);
            assert_ne!(quoted, word);
            assert_eq!(shlex::split(&quoted), Some(vec![word.to_string()]));
        }
    }

    #[test]
    fn slugs_are_plain_and_differ() {
        let mut taken = BTreeSet::new();
        let names = [
            "slim/amd64",
            "Slim/amd64",
            "slim-amd64",
            "a/b c#2",
            "slim-amd64-2",
        ];
        let slugs: Vec<String> = names.iter().map(|name| slug(name, &mut taken)).collect();
        assert_eq!(
            slugs,
            [
                "slim-amd64",
                "slim-amd64-2",
                "slim-amd64-3",
                "a-b-c-2",
                "slim-amd64-2-2"
            ]
        );
    }
}
