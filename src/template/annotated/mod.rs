//! The annotated dialect: a template that is a Dockerfile as it is, with comments `#: …` that say what changes.
//!
//! [`directive`] reads the comments, [`compile`], with [`instruction`] for each of its instructions, turns the whole into a Handlebars template in which every stretch of the
//! Dockerfile is one tag, so that its braces and backslashes mean nothing, and names, tests, loops and partials are those of
//! the other dialect. A [`Mapping`] leads back: messages and traces point into the Dockerfile.

mod changes;
mod compile;
mod directive;
mod instruction;
mod writer;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::handlebars::{HandlebarsTemplate, Literals};
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Place, Source};
use crate::dockerfile::lines;
use crate::template::{Language, Missing, RenderFailure, Traced};
use directive::{first_word, is_directive, near};

/// A parsed and checked template of this dialect.
#[derive(Debug)]
pub(crate) struct Annotated {
    inner: HandlebarsTemplate,
    mapping: Mapping,
    warnings: Vec<Diagnostic>,
}

/// From the compiled text to the template.
#[derive(Debug)]
pub(super) struct Mapping {
    source: Arc<Source>,
    compiled: Arc<Source>,
    /// In the order of the compiled text; each goes up to the next.
    pieces: Vec<Piece>,
}

/// A stretch of the compiled text.
#[derive(Clone, Debug)]
struct Piece {
    start: usize,
    /// What of the template it stems from.
    span: Range<usize>,
    kind: PieceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PieceKind {
    /// The template's own text, byte for byte.
    Exact,
    /// A tag that prints the template's own text.
    Literal,
    /// Made for a directive.
    Made,
}

impl Mapping {
    fn piece(&self, at: usize) -> Option<&Piece> {
        let index = self.pieces.partition_point(|piece| piece.start <= at);
        self.pieces.get(index.checked_sub(1)?)
    }

    /// The range of the template that a range of the compiled text stems from, and whether it prints just that text.
    fn range(&self, range: &Range<usize>) -> (Range<usize>, bool) {
        let Some(first) = self.piece(range.start) else {
            return (0..0, false);
        };
        let offset =
            |piece: &Piece, at: usize| (piece.span.start + (at - piece.start)).min(piece.span.end);
        let last = self
            .piece(range.end.saturating_sub(1).max(range.start))
            .unwrap_or(first);
        let from = match first.kind {
            PieceKind::Exact => offset(first, range.start),
            _ => first.span.start,
        };
        let to = match last.kind {
            PieceKind::Exact => offset(last, range.end),
            _ => last.span.end,
        };
        let literal = first.kind == PieceKind::Literal && last.start == first.start;
        (from..to.max(from), literal)
    }

    fn place(&self, place: &Place) -> Place {
        match Arc::ptr_eq(place.source(), &self.compiled) {
            true => Place::new(&self.source, self.range(&place.span()).0),
            false => place.clone(),
        }
    }

    fn diagnostic(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        diagnostic.place = self.place(&diagnostic.place);
        for (place, _) in &mut diagnostic.related {
            *place = self.place(place);
        }
        diagnostic
    }

    fn failure(&self, failure: RenderFailure) -> RenderFailure {
        match failure {
            RenderFailure::Missing(missing) => RenderFailure::Missing(Missing {
                place: self.place(&missing.place),
                name: missing.name,
            }),
            RenderFailure::Other(problem) => {
                RenderFailure::Other(Box::new(self.diagnostic(*problem)))
            }
        }
    }
}

impl Annotated {
    pub(crate) fn parse(
        source: &Arc<Source>,
        skip: &Range<usize>,
        language: &Language<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let compiled = compile::compile(source, skip);
        let mapping = compiled.mapping;
        let literals = Literals {
            source: Arc::clone(source),
            spans: compiled.literals,
        };
        let mut problems = compiled.problems;
        let mut warnings = compiled.warnings;
        let parsed = HandlebarsTemplate::parse_compiled(&mapping.compiled, literals, language);
        let inner = match parsed {
            Ok(inner) if problems.is_empty() => inner,
            Ok(_) => return Err(sorted(problems)),
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| mapping.diagnostic(problem)));
                return Err(sorted(problems));
            }
        };
        let found = inner.warnings().iter().cloned();
        warnings.extend(found.map(|warning| mapping.diagnostic(warning)));
        Ok(Annotated {
            warnings,
            inner,
            mapping,
        })
    }

    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.inner.names()
    }

    pub(crate) fn partials(&self) -> Vec<&Path> {
        self.inner.partials()
    }

    pub(crate) fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    pub(crate) fn render(&self, context: &Context) -> Result<String, Vec<RenderFailure>> {
        let rendered = self.inner.render(context);
        rendered.map_err(|failures| self.failures(failures))
    }

    pub(crate) fn trace(&self, context: &Context) -> Result<Traced, Vec<RenderFailure>> {
        let traced = self.inner.trace(context);
        let mut traced = traced.map_err(|failures| self.failures(failures))?;
        let mapping = &self.mapping;
        traced.lead_back(&mapping.compiled, &mapping.source, |range| {
            mapping.range(range)
        });
        Ok(traced)
    }

    fn failures(&self, failures: Vec<RenderFailure>) -> Vec<RenderFailure> {
        let failures = failures.into_iter();
        failures
            .map(|failure| self.mapping.failure(failure))
            .collect()
    }
}

/// By file and line: the order in which they are mended.
fn sorted(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| {
        let place = &problem.place;
        (place.source().path().to_path_buf(), place.span().start)
    });
    problems
}

/// The text without its `#:` lines, each overwritten so that no place moves: what the other dialects would see in it.
pub(crate) fn without_directives(text: &str) -> Cow<'_, str> {
    if !text.contains("#:") {
        return Cow::Borrowed(text);
    }
    let mut rest = text.to_string();
    for line in lines(text).filter(|line| text[line.clone()].trim_start().starts_with("#:")) {
        let length = text[line.clone()].trim_end_matches(['\n', '\r']).len();
        rest.replace_range(line.start..line.start + length, &" ".repeat(length));
    }
    Cow::Owned(rest)
}

/// The first `#:` line of a known directive.
pub(crate) fn first_sign(text: &str) -> Option<Range<usize>> {
    let mut signs = lines(text).filter(|line| is_directive(&text[line.clone()]));
    signs.next().map(|line| {
        let body = text[line.clone()].trim_end();
        line.start..line.start + body.len()
    })
}

/// A `#:` line whose first word is nearly a directive, with the one that was meant.
pub(crate) fn near_miss(text: &str) -> Option<(Range<usize>, String)> {
    lines(text).find_map(|line| {
        let (word, _) = first_word(text, &line)?;
        let meant = near(&text[word.clone()])?;
        Some((word, format!("#: {meant}")))
    })
}
