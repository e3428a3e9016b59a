//! Where each byte of a rendered text comes from.
//!
//! Text of the template is traced byte by byte, what a placeholder or tag prints to the whole of it. Messages about a
//! generated file point with this into the template, where the cure is.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Place, Source};

/// A rendered text that knows its origins.
///
/// ```
/// use crossfile::{Config, Layer, NoInputs, NoPartials, Overrides, Parsed, Source, expand};
///
/// let config = Config::read(&[], &Overrides::default(), &NoInputs).unwrap();
/// let source = Source::new("Dockerfile.cross", "__CROSS_COPY qemu /\nFROM __DOCKER_ARCH__/alpine\n");
/// let Parsed::Template(template) = expand::parse(&source, &config, &NoPartials).unwrap() else { panic!() };
/// let context = config.context(&config.cells(&config.arches)[0]).unwrap();
///
/// let traced = template.trace(&context).unwrap();
/// assert_eq!(traced.text(), "FROM amd64/alpine\n");
/// let place = traced.place(5..10).unwrap();
/// assert_eq!(place.text(), "__DOCKER_ARCH__");
/// assert_eq!(place.line_column(), (2, 6));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    text: String,
    /// In the order of the text; each goes up to the next.
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    /// Where it begins in the text.
    start: usize,
    /// Nothing for what no template says, such as the header.
    origin: Option<Origin>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    source: Arc<Source>,
    span: Range<usize>,
    /// Whether the text is the template's own, byte for byte from the span's start.
    verbatim: bool,
}

impl Traced {
    pub(super) fn with_capacity(capacity: usize) -> Traced {
        Traced {
            text: String::with_capacity(capacity),
            pieces: Vec::new(),
        }
    }

    /// Adds text of the template itself.
    pub(super) fn push_verbatim(&mut self, source: &Arc<Source>, span: Range<usize>) {
        let text = &source.text()[span.clone()];
        self.begin(source, span, true);
        self.text.push_str(text);
    }

    /// Adds what a placeholder or a tag at `span` printed.
    pub(super) fn push_printed(&mut self, source: &Arc<Source>, span: Range<usize>, text: &str) {
        self.begin(source, span, false);
        self.text.push_str(text);
    }

    /// Begins a piece; `push` adds to it.
    pub(super) fn begin(&mut self, source: &Arc<Source>, span: Range<usize>, verbatim: bool) {
        self.pieces.push(Piece {
            start: self.text.len(),
            origin: Some(Origin {
                source: Arc::clone(source),
                span,
                verbatim,
            }),
        });
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Leads origins in `compiled` back to what it was made of. `range` gives a range of that, and whether the text is just it.
    pub(super) fn lead_back(
        &mut self,
        compiled: &Arc<Source>,
        source: &Arc<Source>,
        range: impl Fn(&Range<usize>) -> (Range<usize>, bool),
    ) {
        let origins = self
            .pieces
            .iter_mut()
            .filter_map(|piece| piece.origin.as_mut());
        for origin in origins.filter(|origin| Arc::ptr_eq(&origin.source, compiled)) {
            let (span, is_text) = range(&origin.span);
            origin.span = span;
            origin.verbatim |= is_text;
            origin.source = Arc::clone(source);
        }
    }

    /// The text, exactly as [`Template::render`](crate::Template::render) gives it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts text that no template says at an offset: the header.
    pub(crate) fn insert(&mut self, at: usize, text: &str) {
        self.text.insert_str(at, text);
        let index = self.pieces.partition_point(|piece| piece.start < at);
        // What goes on behind the inserted text goes on with the piece that it cuts in two.
        let cut = index.checked_sub(1).map(|before| &self.pieces[before]);
        let rest = cut.and_then(|piece| piece.origin.clone()).map(|origin| {
            let start = self.pieces[index - 1].start;
            let span = match origin.verbatim {
                true => (origin.span.start + at - start).min(origin.span.end)..origin.span.end,
                false => origin.span,
            };
            Origin { span, ..origin }
        });
        let ends_at = self.pieces.get(index).map(|piece| piece.start);
        for piece in &mut self.pieces[index..] {
            piece.start += text.len();
        }
        let mut new = vec![Piece {
            start: at,
            origin: None,
        }];
        if ends_at != Some(at) {
            new.push(Piece {
                start: at + text.len(),
                origin: rest,
            });
        }
        self.pieces.splice(index..index, new);
    }

    /// Puts another text in the place of a range. It comes from where the range came from.
    pub(crate) fn replace(&mut self, range: Range<usize>, text: &str) {
        let origin = self.place(range.clone()).map(|place| Origin {
            source: Arc::clone(place.source()),
            span: place.span(),
            verbatim: false,
        });
        let first = self
            .pieces
            .partition_point(|piece| piece.start < range.start);
        let last = self
            .pieces
            .partition_point(|piece| piece.start <= range.end);
        // What goes on behind the range goes on with the piece that it ends in.
        let cut = last.checked_sub(1).map(|at| &self.pieces[at]);
        let rest = cut.map(|piece| Piece {
            start: range.start + text.len(),
            origin: piece.origin.clone().map(|origin| {
                let span = match origin.verbatim {
                    true => {
                        let skipped = origin.span.start + range.end - piece.start;
                        skipped.min(origin.span.end)..origin.span.end
                    }
                    false => origin.span,
                };
                Origin { span, ..origin }
            }),
        });
        for piece in &mut self.pieces[last..] {
            piece.start = piece.start - range.len() + text.len();
        }
        let new = Piece {
            start: range.start,
            origin,
        };
        self.pieces
            .splice(first..last, std::iter::once(new).chain(rest));
        self.text.replace_range(range, text);
    }

    /// Where a range of the text comes from; nothing where no template says it.
    pub fn place(&self, range: Range<usize>) -> Option<Place> {
        let first = self
            .pieces
            .partition_point(|piece| piece.start <= range.start);
        let first = first.saturating_sub(1);
        let mut touched = self.pieces[first.min(self.pieces.len())..]
            .iter()
            .take_while(|piece| piece.start < range.end.max(range.start + 1))
            .filter_map(|piece| Some((piece.start, piece.origin.as_ref()?)));
        let (start, origin) = touched.next()?;
        let inside = |start: usize, origin: &Origin, offset: usize| {
            (origin.span.start + offset.saturating_sub(start)).min(origin.span.end)
        };
        let from = match origin.verbatim {
            true => inside(start, origin, range.start),
            false => origin.span.start,
        };
        let end = |(start, origin): (usize, &Origin)| match origin.verbatim {
            true => inside(start, origin, range.end),
            false => origin.span.end,
        };
        let same = |(_, other): &(usize, &Origin)| Arc::ptr_eq(&other.source, &origin.source);
        // A loop's second turn leads back up: then the place ends with the piece that it began in.
        let last = touched.take_while(same).last().map(end);
        let to = last
            .filter(|to| *to >= from)
            .unwrap_or_else(|| end((start, origin)));
        Some(Place::new(&origin.source, from..to.max(from)))
    }
}
