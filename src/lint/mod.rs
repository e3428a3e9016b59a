//! What can be said of generated Dockerfiles without building them: the faults that expansion itself can make.
//!
//! A template is rendered for every cell with the origin of each byte ([`Traced`](crate::template::Traced)), the result is
//! read as instructions, and each rule looks at one such [`Sheet`] or at all of a template. A finding points into the
//! template, or the settings, where its cure is; the same fault in several architectures is one finding. Pure: what rules
//! ask of the disk, they ask through [`Files`].

mod arguments;
mod bases;
mod context;
mod handlers;
mod leftovers;
mod platforms;
mod silence;
mod structure;
mod unused;

use std::ops::Range;
use std::path::Path;

use crate::arch::ArchName;
use crate::config::{Cell, Config, among};
use crate::diagnostic::{Code, Diagnostic, Place, Severity};
use crate::dockerfile::{Instruction, instructions};
use crate::template::{Dialect, Missing, Template, Traced};

pub(crate) use context::DiskContext;
#[cfg(feature = "registry")]
pub(crate) use context::{Ignore, glob};
pub(crate) use handlers::is_handler;
pub(crate) use silence::{check_allowances, is_silenced};
pub(crate) use unused::Declarations;

/// What rules ask of the disk.
pub(crate) trait Files {
    /// Whether the build context of a Dockerfile holds a file that fits `pattern`, as `COPY` would find it. Nothing where
    /// that cannot be told.
    fn in_context(&self, dockerfile: &Path, pattern: &str) -> Option<bool>;
}

/// One generated Dockerfile with its origins.
pub(crate) struct Sheet<'a> {
    pub(crate) cell: &'a Cell,
    /// Where it would be written.
    pub(crate) path: &'a Path,
    pub(crate) traced: Traced,
    pub(crate) instructions: Vec<Instruction>,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(cell: &'a Cell, path: &'a Path, traced: Traced) -> Sheet<'a> {
        Sheet {
            cell,
            path,
            instructions: instructions(traced.text()),
            traced,
        }
    }

    /// The place in the template of a range of the Dockerfile.
    fn place(&self, range: &Range<usize>) -> Option<Place> {
        self.traced.place(range.clone())
    }

    /// A line of the Dockerfile without the blanks around it.
    fn trimmed(&self, line: &Range<usize>) -> Range<usize> {
        let text = &self.traced.text()[line.clone()];
        let start = line.start + text.len() - text.trim_start().len();
        start..(line.start + text.trim_end().len()).max(start)
    }

    fn is_dockerfile(&self) -> bool {
        let name = self.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().to_ascii_lowercase();
        let named = ["dockerfile", "containerfile"];
        named.iter().any(|word| name.contains(word))
            || self.instructions.iter().any(|found| found.name == "FROM")
    }
}

/// The findings on one template, each with the cells that it is about.
pub(crate) struct Findings {
    found: Vec<(Diagnostic, Vec<Cell>)>,
}

impl Findings {
    /// Adds a finding on the Dockerfile of one cell; the same one on another is the same finding. Cells come in order.
    fn add(&mut self, cell: &Cell, finding: Diagnostic) {
        let same = |(known, _): &&mut (Diagnostic, _)| {
            (known.code, &known.place, &known.message)
                == (finding.code, &finding.place, &finding.message)
        };
        match self.found.iter_mut().find(same) {
            Some((_, cells)) if cells.last() == Some(cell) => {}
            Some((_, cells)) => cells.push(cell.clone()),
            None => self.found.push((finding, vec![cell.clone()])),
        }
    }

    /// Whether something else is said of a place already.
    fn has_other(&self, place: &Place, message: &str) -> bool {
        let (source, span) = (place.source(), place.span());
        self.found.iter().any(|(known, _)| {
            let other = known.place.span();
            let overlaps = other.start < span.end && span.start < other.end;
            overlaps && known.place.source() == source && known.message != message
        })
    }
}

/// Looks at everything that a template makes. `known` is what is said of it already: nothing is said twice.
pub(crate) fn lint(
    template: &Template,
    config: &Config,
    sheets: &[Sheet<'_>],
    files: &dyn Files,
    known: &[Diagnostic],
) -> Vec<Diagnostic> {
    let mut findings = Findings { found: Vec::new() };
    for sheet in sheets.iter().filter(|sheet| sheet.is_dockerfile()) {
        structure::check(sheet, &mut findings);
        bases::check(sheet, config, &mut findings);
        platforms::check(sheet, config, &mut findings);
        handlers::check(sheet, config, files, &mut findings);
        arguments::check(sheet, &mut findings);
    }
    structure::check_stages(sheets, &mut findings);
    for sheet in sheets {
        leftovers::check(sheet, template.dialect(), config, known, &mut findings);
    }
    let all: Vec<&Cell> = sheets.iter().map(|sheet| sheet.cell).collect();
    let named = |(mut finding, cells): (Diagnostic, Vec<Cell>)| {
        if let Some(some) = among(&cells, &all) {
            finding.message = format!("{} (for {some})", finding.message);
        }
        finding
    };
    let mut found: Vec<Diagnostic> = findings.found.into_iter().map(named).collect();
    found.sort_by_key(|finding| {
        let place = &finding.place;
        (place.source().path().to_path_buf(), place.span().start)
    });
    found
}

/// What is a finding rather than an error: a base image that a column leaves an architecture out of. Generating stops
/// there too, but the cure is in the column.
pub(crate) fn base_gap(
    missing: &Missing,
    config: &Config,
    lacking: &[ArchName],
) -> Option<Diagnostic> {
    bases::gap(missing, config, lacking)
}

fn finding(code: Code, place: Place, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, place, message)
}

/// Whether a text of this dialect may hold what the other one would replace.
fn other_dialect(dialect: Dialect) -> Dialect {
    match dialect {
        Dialect::Placeholder | Dialect::Annotated => Dialect::Handlebars,
        Dialect::Handlebars => Dialect::Placeholder,
    }
}
