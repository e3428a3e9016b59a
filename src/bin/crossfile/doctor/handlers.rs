//! QEMU's handlers that templates copy, as `crossfile qemu fetch --check` judges them.

use std::collections::BTreeSet;

use crossfile::doctor::{Part, State, Wanted};
use crossfile::emulation::Emulation;
use crossfile::handlers::{Cache, Fetching, FileStatus, Mode, Needs, fetch};
use crossfile::{ArchName, Code, Config};

use super::project::Subject;

pub(super) fn look(subject: &Subject<'_>, wanted: &Wanted<'_>) -> Vec<Part> {
    let products = &subject.loaded.products;
    let emulated = |config: &Config, arch: &ArchName| config.is_emulated(arch);
    let needs = Needs::of(&subject.loaded.project, products, &emulated);
    let mut parts = Vec::new();
    for problem in &needs.problems {
        // What cannot be told of a handler is told by `qemu fetch`, and need not stop a build.
        if problem.code != Code::MissingHandler {
            continue;
        }
        let path = subject.output.show(problem.place.source().path());
        let seen = format!("{path}: {}", problem.message);
        let part = Part::new("handlers", "", State::Failure, seen);
        let help = problem.help.clone().unwrap_or_default();
        parts.push(part.text(help));
    }
    let Ok(web) = crate::registry::web(&Default::default(), subject.output) else {
        return parts;
    };
    let inputs = subject.output.inputs();
    // Nothing is put into it.
    let cache = match crate::release::cache(&inputs) {
        Some(folder) => Cache::new(folder.join("crossfile/handlers")),
        None => Cache::passing(std::env::temp_dir().join("crossfile-none")),
    };
    let report = fetch(
        &needs.needs,
        &Fetching {
            // Asks nobody and writes nothing.
            mode: Mode::Check,
            update: false,
            force: false,
            web: &web,
            cache: &cache,
            machine: &[],
            inputs: &inputs,
            watch: &|_| {},
        },
    );
    for file in report.handlers.iter().flat_map(|found| &found.files) {
        let path = subject.output.show(&file.path);
        let arches: Vec<&str> = file.arches.iter().map(ArchName::as_str).collect();
        let arches = arches.join(" ");
        let (seen, command) = match file.status {
            FileStatus::Missing => (
                format!("the build context does not hold the handler {path}, which is copied"),
                format!("crossfile qemu fetch {arches}"),
            ),
            FileStatus::Differs => (
                format!("{path} is not the handler that crossfile.lock has"),
                format!("crossfile qemu fetch --force {arches}"),
            ),
            FileStatus::NotExecutable => (
                format!("{path} cannot be executed by everybody in an image"),
                format!("crossfile qemu fetch {arches}"),
            ),
            _ => continue,
        };
        let part = Part::new("handlers", "", grave(subject, &file.arches), seen);
        let text = match is_fixed(wanted, &file.arches) {
            true => {
                "or `qemu = false` in crossfile.toml: this kernel has it open (flag F), and needs none in the image"
            }
            false => {
                "or `qemu = false` in crossfile.toml: since Linux 4.8 nothing has to be copied"
            }
        };
        parts.push(part.text(text).command(command));
    }
    parts
}

/// What may be left out is no failure.
fn grave(subject: &Subject<'_>, arches: &[ArchName]) -> State {
    let products = &subject.loaded.products;
    let optional: BTreeSet<&ArchName> = products
        .iter()
        .flat_map(|product| &product.config.arch)
        .filter(|(_, settings)| settings.optional)
        .map(|(arch, _)| arch)
        .collect();
    match arches.iter().all(|arch| optional.contains(arch)) {
        true => State::Warning,
        false => State::Failure,
    }
}

/// Whether this kernel runs architectures with nothing inside of images.
fn is_fixed(wanted: &Wanted<'_>, arches: &[ArchName]) -> bool {
    arches.iter().all(|arch| {
        let mut rows = wanted.local.rows.iter();
        let row = rows.find(|row| row.arch == *arch);
        matches!(row, Some(row) if matches!(row.emulation, Emulation::Emulated { fixed: true, .. }))
    })
}
