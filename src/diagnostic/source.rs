//! Texts that messages point into, and places in them.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A text that messages can point into: a template, a configuration file, or an argument of the command line.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// A source named `path` (a file's path, or a description such as `command line`) holding `text`.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source {
            path: path.into(),
            text: text.into(),
        })
    }

    /// The name that messages show.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is an argument of the command line rather than a file.
    pub fn is_argument(&self) -> bool {
        self.path == Path::new(COMMAND_LINE)
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.clamp(offset);
        let before = &self.text[..offset];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        (line, before[start..].chars().count() + 1)
    }

    /// The byte offset of a line and column counted as [`Source::line_column`] counts; past the end is the end.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let mut start = 0;
        for _ in 1..line {
            match self.text[start..].find('\n') {
                Some(newline) => start += newline + 1,
                None => return self.text.len(),
            }
        }
        self.text[start..]
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(self.text.len(), |(index, _)| start + index)
    }

    /// The nearest character boundary at or below `offset`, inside the text.
    fn clamp(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// The name of the source that an argument is.
const COMMAND_LINE: &str = "command line";

/// A span of bytes in a [`Source`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Place {
    source: Arc<Source>,
    span: Range<usize>,
}

impl Place {
    /// The bytes `span` of `source`. A span that leaves the text is cut back to it.
    pub fn new(source: &Arc<Source>, span: Range<usize>) -> Place {
        let start = source.clamp(span.start);
        Place {
            source: Arc::clone(source),
            span: start..source.clamp(span.end).max(start),
        }
    }

    /// A file as a whole, for what cannot be pinned to a line (it cannot be read, say).
    pub fn file(path: impl Into<PathBuf>) -> Place {
        Place::new(&Source::new(path, ""), 0..0)
    }

    /// An argument of the command line, as a text to point into.
    pub fn argument(text: &str) -> Place {
        Place::new(&Source::new(COMMAND_LINE, text), 0..text.len())
    }

    /// The text that the span lies in.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The span, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The text under the span.
    pub fn text(&self) -> &str {
        &self.source.text[self.span.clone()]
    }

    /// Line and column of the span's start, from 1.
    pub fn line_column(&self) -> (usize, usize) {
        self.source.line_column(self.span.start)
    }

    /// The source cut to the lines that the span touches, with their first line's number and the span moved to fit.
    pub(super) fn excerpt(&self) -> (&str, usize, Range<usize>) {
        let text = &self.source.text;
        let start = text[..self.span.start].rfind('\n').map_or(0, |n| n + 1);
        let end = text[self.span.end..]
            .find('\n')
            .map_or(text.len(), |n| self.span.end + n);
        let line = self.line_column().0;
        (
            &text[start..end],
            line,
            self.span.start - start..self.span.end - start,
        )
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.path.display())
    }
}
