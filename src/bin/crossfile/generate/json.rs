//! The result of `generate` for programs.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crossfile::{Cell, Diagnostic, Status, Written};
use serde::Serialize;
use serde_json::Value as Json;

use super::Mode;

impl Mode<'_> {
    /// Every file with its cell and status, and what there is to say.
    pub(super) fn json(
        &self,
        problems: &[Diagnostic],
        written: Option<&Written>,
    ) -> impl Serialize {
        let done: Option<HashSet<&Path>> = written.map(|written| {
            written
                .done
                .iter()
                .map(|(path, _)| path.as_path())
                .collect()
        });
        let files = self.expansion.outcomes.iter().map(|outcome| JsonFile {
            path: self.output.show(&outcome.path),
            template: self.output.show(&outcome.template),
            cell: match outcome.cells.as_slice() {
                [cell] => Some(JsonCell::new(cell)),
                _ => None,
            },
            cells: match outcome.cells.as_slice() {
                [] | [_] => Vec::new(),
                cells => cells.iter().map(JsonCell::new).collect(),
            },
            status: outcome.status,
            written: done
                .as_ref()
                .map(|done| done.contains(outcome.path.as_path())),
            content: outcome.wanted.clone().filter(|_| self.args.stdout),
            diff: self
                .args
                .diff
                .then(|| String::from_utf8_lossy(&self.patch(outcome)).into_owned()),
        });
        let problems = problems
            .iter()
            .map(|p| p.to_json(&|path| self.output.show(path)));
        JsonResult {
            version: 1,
            files: files.collect(),
            diagnostics: problems.collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct JsonResult<D> {
    pub(super) version: u32,
    pub(super) files: Vec<JsonFile>,
    pub(super) diagnostics: Vec<D>,
}

#[derive(Serialize)]
struct JsonCell {
    arch: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    axes: BTreeMap<String, Json>,
}

impl JsonCell {
    fn new(cell: &Cell) -> JsonCell {
        let axes = cell.axes.iter();
        JsonCell {
            arch: cell.arch.to_string(),
            axes: axes
                .map(|(name, value)| (name.clone(), value.to_json()))
                .collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct JsonFile {
    path: String,
    template: String,
    /// The one cell that the file is for.
    #[serde(flatten)]
    cell: Option<JsonCell>,
    /// The cells that share the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cells: Vec<JsonCell>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}
