//! Two files for one place, links followed, or a file in the place of one that it is made from.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::Kept;
use crate::config::describe;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::outcome::Outcome;

/// Every clash once, however many files share the place.
pub(super) fn find(outcomes: &[Outcome], kept: &Kept) -> Vec<Diagnostic> {
    let mut taken: HashMap<&Path, &Outcome> = HashMap::new();
    let mut told: HashSet<(&Path, &Path, &Path)> = HashSet::new();
    let mut clashes: Vec<Diagnostic> = Vec::new();
    for outcome in outcomes {
        if let Some(what) = kept.0.get(&outcome.target) {
            let who = describe(&outcome.cells);
            let message = format!("the file for {who} would overwrite {what}");
            clashes.push(
                Diagnostic::error(Code::OutputClash, outcome.place.clone(), message)
                    .related(Place::file(&outcome.target), format!("{what} is here"))
                    .help("choose another `output` in crossfile.toml"),
            );
        } else if let Some(other) = taken.get(outcome.target.as_path()) {
            if told.insert((&outcome.target, &other.template, &outcome.template)) {
                clashes.push(clash(other, outcome));
            }
        } else {
            taken.insert(&outcome.target, outcome);
        }
    }
    clashes
}

fn clash(other: &Outcome, outcome: &Outcome) -> Diagnostic {
    let name = outcome.path.file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    let (first, second) = (describe(&other.cells), describe(&outcome.cells));
    let message = format!("two files would be one: `{name}` for {first} and for {second}");
    let clash = Diagnostic::error(Code::OutputClash, outcome.place.clone(), message);
    let axes = |outcome: &Outcome| outcome.cells.first().map(|cell| cell.axes.clone());
    let one_for_all = other.template == outcome.template && axes(other) == axes(outcome);
    let difference = one_for_all.then(|| difference(other, outcome)).flatten();
    match difference {
        // One Dockerfile for all platforms was meant, most likely.
        Some((line, ours, theirs)) => clash
            .related(
                Place::file(&outcome.template),
                format!("line {line} of what is made is `{ours}`, and then `{theirs}`"),
            )
            .help(
                "one file for all architectures has to come out the same for each: loop over `arches`, or write \
                 `{{case \"TARGETARCH\" …}}`; else tell the files apart in `output` by `{{arch}}`",
            ),
        None => clash
            .related(Place::file(&other.template), "one comes from here")
            .related(Place::file(&outcome.template), "and one from here")
            .help("use more of what tells them apart in `output`: `{{arch}}`, `{{stem}}`, the axes"),
    }
}

/// The first line that differs, with both of its texts.
fn difference(other: &Outcome, outcome: &Outcome) -> Option<(usize, String, String)> {
    let (first, second) = (other.wanted.as_ref()?, outcome.wanted.as_ref()?);
    let mut lines = (1..).zip(first.lines().zip(second.lines()));
    let (line, (ours, theirs)) = lines.find(|(_, (ours, theirs))| ours != theirs)?;
    Some((line, ours.trim().to_string(), theirs.trim().to_string()))
}
