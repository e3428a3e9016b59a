//! Why a generated file differs: the template's line for each line that differs, and who changed what.
//!
//! The file on the disk and what the template makes now are both compared with what the template made at the last commit
//! that holds the file as it was made then. A line that differs from that on the disk only was edited by hand; one that differs in what is
//! made now has a newer template, or newer values. Without such a commit only the template's line is told.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use similar::{Algorithm, DiffOp, TextDiff, capture_diff_slices};

use crate::config::{Cell, Inputs, Overrides};
use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place, Severity, Source};
use crate::discover::Found;
use crate::expand::{Expander, parse, source};
use crate::history::{Commit, History, expanded_at};
use crate::outcome::{Outcome, Status};
use crate::project::{Expansion, Project};
use crate::template::{Parsed, Traced, words_in_tags};

/// What [`Project::drift`] needs to know beside the files: what was said when the project was opened.
pub struct DriftInputs<'a> {
    /// As given to [`Project::open`].
    pub overrides: &'a Overrides,
    /// As given to [`Project::open`].
    pub inputs: &'a dyn Inputs,
    /// Where files go back to; nothing where no version control is.
    pub history: Option<&'a dyn History>,
    /// How many changed files are looked at, at most.
    pub most: usize,
}

/// What happened to some lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The disk's lines differ from what was ever made.
    Hand,
    /// What is made now differs from what was made.
    Template,
    /// Both, or it cannot be told which.
    Both,
    Unknown,
}

/// Lines of a file that differ, and the template's lines that make what should be there.
struct Hunk {
    cause: Cause,
    /// The file's lines, from 0.
    found: Range<usize>,
    /// Their text.
    was: String,
    /// The text that should be there.
    wanted: String,
    /// The template's line: that of the first line wanted, else of the line before.
    origin: Place,
}

/// Hunks of several files that have the same cause in the same line of a template.
struct Told {
    cause: Cause,
    origin: Place,
    is_gone: bool,
    /// Where the values that the lines should have are said.
    said: Vec<(Place, String)>,
    /// The first file, with its lines.
    file: Arc<Source>,
    lines: Range<usize>,
    commit: Option<Commit>,
    others: usize,
}

impl Project {
    /// Whether a changed file has lines that no template made and no commit holds: overwriting it would lose them.
    pub fn is_edited_by_hand(&self, outcome: &Outcome, inputs: &DriftInputs<'_>) -> bool {
        let mut told = Vec::new();
        if let Some(found) = self
            .candidates()
            .find(|found| found.path == outcome.template)
        {
            look(found, outcome, inputs, &mut told);
        }
        told.iter().any(|told| {
            let open = told.commit.as_ref();
            let open = open.is_none_or(|commit| commit.changed_since);
            // What cannot be told may be somebody's work.
            open && told.cause != Cause::Template && !told.lines.is_empty()
        })
    }

    /// For each line of a changed file, the line of the template that it should come from, and where there is a history,
    /// whether the template was changed or the file was edited by hand. The same in several files is told once.
    pub fn drift(&self, expansion: &Expansion, inputs: &DriftInputs<'_>) -> Vec<Diagnostic> {
        let mut told: Vec<Told> = Vec::new();
        let changed = expansion
            .outcomes
            .iter()
            .filter(|outcome| outcome.status == Status::Changed);
        for outcome in changed.take(inputs.most) {
            let found = self
                .candidates()
                .find(|found| found.path == outcome.template);
            if let Some(found) = found {
                look(found, outcome, inputs, &mut told);
            }
        }
        told.into_iter().map(Told::into_diagnostic).collect()
    }
}

fn look(
    found: &Found,
    outcome: &Outcome,
    inputs: &DriftInputs<'_>,
    told: &mut Vec<Told>,
) -> Option<()> {
    let wanted = outcome.wanted.as_deref()?;
    let disk = String::from_utf8_lossy(outcome.found.as_deref()?).into_owned();
    let parsed = parse(&source(&found.path).ok()?, &found.config, &found.partials()).ok()?;
    let Parsed::Template(template) = parsed else {
        return None;
    };
    let cell = outcome.cells.first()?;
    let arches = [cell.arch.clone()];
    let expander = Expander::new(&found.config, &arches);
    let context = found.config.context(cell)?;
    let traced = expander.trace(&found.path, &template, cell);
    let traced = traced.filter(|traced| traced.text() == wanted)?;
    let commit = inputs
        .history
        .and_then(|history| history.commit_of(&outcome.target));
    let made = commit
        .as_ref()
        .and_then(|_| last_made(found, outcome, inputs));
    let file = Source::new(&outcome.path, disk);
    for hunk in hunks(file.text(), &traced, made.as_deref(), &found.path) {
        let same = |known: &&mut Told| {
            (
                known.cause,
                &known.origin,
                known.is_gone,
                known.lines.is_empty(),
            ) == (
                hunk.cause,
                &hunk.origin,
                hunk.wanted.is_empty(),
                hunk.found.is_empty(),
            )
        };
        match told.iter_mut().find(same) {
            Some(known) => known.others += usize::from(known.file != file),
            None => told.push(Told {
                cause: hunk.cause,
                said: said(&hunk, found, cell, &context),
                origin: hunk.origin,
                is_gone: hunk.wanted.is_empty(),
                file: Arc::clone(&file),
                lines: hunk.found,
                commit: commit.clone(),
                others: 0,
            }),
        }
    }
    Some(())
}

/// How many commits are looked at for one where a file was what its template made.
const MOST_COMMITS: usize = 8;

/// What the template made when the file last was what its template made: at a commit that holds just that. What is said on
/// the command line now need not have been said then. Nothing where no such commit is found: then it cannot be told who
/// changed what, as for values of an environment that was another, or in a clone that begins too late.
fn last_made(found: &Found, outcome: &Outcome, inputs: &DriftInputs<'_>) -> Option<String> {
    let history = inputs.history?;
    let without = Overrides::default();
    let said = inputs.overrides;
    let plain = said.set.is_empty() && said.host.is_none() && !said.no_header && !said.no_qemu;
    let variants: &[&Overrides] = match plain {
        true => &[said],
        false => &[said, &without],
    };
    let commits = history.commits_of(&outcome.target, MOST_COMMITS);
    commits.iter().find_map(|commit| {
        let committed = history.file(commit, &outcome.target)?;
        let committed = lines_without_returns(&String::from_utf8_lossy(&committed));
        variants.iter().find_map(|overrides| {
            let made = expanded_at(history, commit, found, outcome, overrides, inputs.inputs);
            made.filter(|made| lines_without_returns(made) == committed)
        })
    })
}

/// git may check files out with other line ends than it keeps.
fn lines_without_returns(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// Where the settings say the values that a line should print and does not.
fn said(hunk: &Hunk, found: &Found, cell: &Cell, context: &Context) -> Vec<(Place, String)> {
    let source = hunk.origin.source().text();
    let span = hunk.origin.span();
    let start = source[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = source[span.end..]
        .find('\n')
        .map_or(source.len(), |at| span.end + at);
    let names = words_in_tags(&source[start..end]);
    let changed = changed(&hunk.was, &hunk.wanted);
    let said = names.iter().filter_map(|name| {
        let place = found.config.said_at(name, cell)?.clone();
        let value = context.text(name).filter(|value| !value.is_empty())?;
        // Touching counts: `3.2` became `3.22` behind its end.
        let touched =
            |(at, _): (usize, &str)| at <= changed.end && changed.start <= at + value.len();
        let missed = hunk.wanted.match_indices(&value).any(touched);
        (missed && !hunk.was.is_empty()).then(|| (place, format!("`{name}` is said here")))
    });
    said.collect()
}

/// The part of `wanted` that is not at the beginning or the end of `was`.
fn changed(was: &str, wanted: &str) -> Range<usize> {
    let same = |(a, b): &(u8, u8)| a == b;
    let start = was.bytes().zip(wanted.bytes()).take_while(same).count();
    let most = was.len().min(wanted.len()) - start;
    let ends = was.bytes().rev().zip(wanted.bytes().rev());
    let end = ends.take_while(same).count().min(most);
    start..wanted.len() - end
}

/// The differences between a file and what should be there. `made` is what was made when the file was right.
fn hunks(disk: &str, wanted: &Traced, made: Option<&str>, template: &Path) -> Vec<Hunk> {
    let lines = |text| -> Vec<&str> { str::split_inclusive(text, '\n').collect() };
    let (old, new) = (lines(disk), lines(wanted.text()));
    let mut starts = vec![0];
    for line in &new {
        starts.push(starts[starts.len() - 1] + line.len());
    }
    let place = |index: usize| {
        let line = new.get(index)?;
        let body = line.trim_end();
        let indent = body.len() - body.trim_start().len();
        wanted.place(starts[index] + indent..starts[index] + body.len())
    };
    let made = made.map(lines);
    let base = made.as_ref().map(|made| Base {
        old: images(made, &old),
        new: images(made, &new),
    });
    let diff = TextDiff::from_slices(&old, &new);
    let differing = diff.ops().iter().flat_map(pairs);
    let hunk = |(found, range): (Range<usize>, Range<usize>)| {
        let own = range.clone().find_map(place);
        let beside = || {
            let before = (0..range.start).rev().find_map(place);
            before.or_else(|| (range.end..new.len()).find_map(place))
        };
        let origin = own.or_else(beside);
        Hunk {
            cause: base
                .as_ref()
                .map_or(Cause::Unknown, |base| base.cause(&found, &range)),
            origin: origin.unwrap_or_else(|| Place::file(template)),
            was: old[found.clone()].concat(),
            wanted: new[range].concat(),
            found,
        }
    };
    differing.map(hunk).collect()
}

/// The lines of a difference: replaced ones one by one, those that are more on one side together.
fn pairs(op: &DiffOp) -> Vec<(Range<usize>, Range<usize>)> {
    if matches!(op, DiffOp::Equal { .. }) {
        return Vec::new();
    }
    let (old, new) = (op.old_range(), op.new_range());
    let both = old.len().min(new.len());
    let mut pairs: Vec<_> = (0..both)
        .map(|line| {
            let (old, new) = (old.start + line, new.start + line);
            (old..old + 1, new..new + 1)
        })
        .collect();
    if old.len() != new.len() {
        pairs.push((old.start + both..old.end, new.start + both..new.end));
    }
    pairs
}

/// Which line of what was once made each line of the disk, and of what is made now, is.
struct Base {
    old: Vec<Option<usize>>,
    new: Vec<Option<usize>>,
}

fn images(made: &[&str], lines: &[&str]) -> Vec<Option<usize>> {
    // A line and whether it ends, however it ends.
    fn ended<'a>(lines: &[&'a str]) -> Vec<(&'a str, bool)> {
        let ended = |line: &&'a str| match line.strip_suffix('\n') {
            Some(body) => (body.strip_suffix('\r').unwrap_or(body), true),
            None => (*line, false),
        };
        lines.iter().map(ended).collect()
    }
    let mut images = vec![None; lines.len()];
    let (made, lines) = (ended(made), ended(lines));
    for op in capture_diff_slices(Algorithm::Myers, &made, &lines) {
        if let DiffOp::Equal {
            old_index,
            new_index,
            len,
        } = op
        {
            for offset in 0..len {
                images[new_index + offset] = Some(old_index + offset);
            }
        }
    }
    images
}

impl Base {
    fn cause(&self, old: &Range<usize>, new: &Range<usize>) -> Cause {
        let all = |images: &[Option<usize>]| -> BTreeSet<usize> {
            images.iter().flatten().copied().collect()
        };
        let (in_old, in_new) = (all(&self.old), all(&self.new));
        let changed = |own: &[Option<usize>], other: &[Option<usize>], in_own: &BTreeSet<usize>| {
            own.iter().any(Option::is_none)
                || other.iter().flatten().any(|line| !in_own.contains(line))
        };
        let (own, now) = (&self.old[old.clone()], &self.new[new.clone()]);
        match (changed(own, now, &in_old), changed(now, own, &in_new)) {
            (true, false) => Cause::Hand,
            (false, true) => Cause::Template,
            (true, true) => Cause::Both,
            (false, false) => Cause::Unknown,
        }
    }
}

impl Told {
    fn into_diagnostic(self) -> Diagnostic {
        let name = self.file.path().file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let lines = match self.lines.len() {
            0 | 1 => format!("line {} of {name}", self.lines.start + 1),
            _ => format!(
                "lines {} to {} of {name}",
                self.lines.start + 1,
                self.lines.end
            ),
        };
        let others = match self.others {
            0 => String::new(),
            1 => " (and of another file)".to_string(),
            more => format!(" (and of {more} other files)"),
        };
        let since =
            self.commit
                .as_ref()
                .map_or(String::new(), |commit| match commit.changed_since {
                    true => format!(" since {}", commit.short()),
                    false => format!(" in {}", commit.short()),
                });
        let (is_new, is_gone) = (self.lines.is_empty(), self.is_gone);
        let (code, message) = match self.cause {
            Cause::Hand if is_gone => (
                Code::EditedByHand,
                format!("{lines}{others}, added by hand{since}, belongs behind this"),
            ),
            Cause::Hand if is_new => (
                Code::EditedByHand,
                format!("what this makes was taken out of {name}{others} by hand{since}"),
            ),
            Cause::Hand => (
                Code::EditedByHand,
                format!("{lines}{others} was edited by hand{since} and comes from here"),
            ),
            Cause::Template if is_gone => (
                Code::Stale,
                format!("{lines}{others} was made by something that is no longer here"),
            ),
            Cause::Template if is_new => (
                Code::Stale,
                format!("{name}{others} is older than this and lacks it"),
            ),
            Cause::Template => (
                Code::Stale,
                format!("{lines}{others} is older than what makes it here"),
            ),
            // Not the one nor the other: who edits a template twice and generates once has edited no file.
            Cause::Both => (
                Code::Drift,
                format!("{lines}{others} and what makes it here were both changed{since}"),
            ),
            Cause::Unknown if is_gone => (
                Code::Drift,
                format!("{lines}{others} is made by nothing; it is behind what this makes"),
            ),
            Cause::Unknown if is_new => {
                (Code::Drift, format!("{name}{others} lacks what this makes"))
            }
            Cause::Unknown => (
                Code::Drift,
                format!("{lines}{others} differs from what is made here"),
            ),
        };
        let help = match code {
            Code::EditedByHand => {
                "make the change in the template, or in the value that it prints, and then `crossfile generate`, which overwrites the file"
            }
            Code::Stale => "`crossfile generate` brings it up to date",
            _ => {
                "what is right belongs into the template; `crossfile generate` then overwrites the file"
            }
        };
        let mut problem = Diagnostic::new(Severity::Error, code, self.origin, message).help(help);
        if !self.lines.is_empty() {
            let start = self.file.offset(self.lines.start + 1, 1);
            let end = self.file.offset(self.lines.start + 2, 1);
            let end = start + self.file.text()[start..end].trim_end().len();
            problem = problem.related(Place::new(&self.file, start..end), "it is now");
        }
        problem.related.extend(self.said);
        problem
    }
}
