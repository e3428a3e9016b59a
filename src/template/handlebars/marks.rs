//! Marks in a syntax tree, so that the crate's output tells where each line of it comes from.
//!
//! A mark is text between two code points that Unicode keeps for a program's own use. It is put before each line of the
//! template's text and before each tag that prints; [`read`] takes the marks out again. Marks stand only before something
//! visible, never on a blank line, so that what looks at blank lines (indentation) sees the same lines as without.

use std::ops::Range;
use std::sync::Arc;

use handlebars::Template;
use handlebars::template::TemplateElement;

use super::tags::{Tag, TagKind, scan};
use crate::diagnostic::Source;
use crate::template::Traced;

const OPEN: char = '\u{fdd0}';
const CLOSE: char = '\u{fdd1}';

/// The tree of `text` with marks in it; `source` is the number that marks carry.
pub(super) fn mark(tree: &Template, text: &str, source: usize) -> Template {
    let tags = scan(text).tags;
    let mut marker = Marker {
        text,
        source,
        tags: &tags,
        at: 0,
    };
    let mut marked = tree.clone();
    marker.template(&mut marked);
    marked
}

/// What was rendered from marked trees, with the marks taken out.
pub(super) fn read(marked: &str, sources: &[Arc<Source>]) -> Option<Traced> {
    let mut traced = Traced::with_capacity(marked.len());
    let mut rest = marked;
    while let Some(open) = rest.find(OPEN) {
        traced.push(&rest[..open]);
        let body = &rest[open + OPEN.len_utf8()..];
        let close = body.find(CLOSE)?;
        let mut fields = body[..close].split(':');
        let mut number = || fields.next()?.parse::<usize>().ok();
        let (source, start, end, verbatim) = (number()?, number()?, number()?, number()?);
        traced.begin(sources.get(source)?, start..end, verbatim == 1);
        rest = &body[close + CLOSE.len_utf8()..];
    }
    traced.push(rest);
    Some(traced)
}

/// Whether a line shows nothing but blanks, marks aside.
pub(super) fn is_blank(line: &str) -> bool {
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once(OPEN) {
        if !before.trim().is_empty() {
            return false;
        }
        rest = behind.split_once(CLOSE).map_or("", |(_, behind)| behind);
    }
    rest.trim().is_empty()
}

struct Marker<'a> {
    text: &'a str,
    source: usize,
    /// The tags that the walk has not come to.
    tags: &'a [Tag],
    /// Where the tag that it came to last ends.
    at: usize,
}

impl Marker<'_> {
    fn template(&mut self, template: &mut Template) {
        let elements = std::mem::take(&mut template.elements);
        let mapping = std::mem::take(&mut template.mapping);
        for (index, mut element) in elements.into_iter().enumerate() {
            let mut before = None;
            match &mut element {
                TemplateElement::RawString(raw) => *raw = self.raw(raw),
                TemplateElement::Expression(_) | TemplateElement::HtmlExpression(_) => {
                    let span = self.next(&[TagKind::Expression]);
                    before = span.map(|span| self.mark(&span, false));
                }
                TemplateElement::HelperBlock(call) => {
                    let raw = self.block_start();
                    if let Some(inner) = &mut call.template {
                        self.template(inner);
                    }
                    if let Some(inverse) = &mut call.inverse {
                        self.inverse(inverse);
                    }
                    match raw {
                        Some(end) => self.at = end,
                        None => drop(self.next(&[TagKind::Close])),
                    }
                }
                TemplateElement::PartialExpression(_) => drop(self.next(&[TagKind::Partial])),
                TemplateElement::Comment(_) => drop(self.next(&[TagKind::Comment])),
                _ => {}
            }
            let position = mapping.get(index).cloned();
            let mut push = |element| {
                template.elements.push(element);
                template.mapping.extend(position.clone());
            };
            before
                .into_iter()
                .for_each(|mark| push(TemplateElement::RawString(mark)));
            push(element);
        }
    }

    /// `{{else if x}}` is a block of its own as the only element of the inverse, and shares its closing tag.
    fn inverse(&mut self, inverse: &mut Template) {
        let chained = self
            .next(&[TagKind::Else])
            .is_some_and(|span| self.text[span].trim_matches(['{', '}', '~', ' ']) != "else");
        match inverse.elements.as_mut_slice() {
            [TemplateElement::HelperBlock(call)] if chained => {
                if let Some(inner) = &mut call.template {
                    self.template(inner);
                }
                if let Some(inverse) = &mut call.inverse {
                    self.inverse(inverse);
                }
            }
            _ => self.template(inverse),
        }
    }

    /// Enters a block. Of a raw one, which is a single tag with its text in it, the end.
    fn block_start(&mut self) -> Option<usize> {
        let span = self.next(&[TagKind::Open, TagKind::RawBlock])?;
        let raw = self.text[span.clone()].starts_with("{{{{");
        raw.then(|| {
            let head = self.text[span.clone()].find("}}}}").unwrap_or(0);
            self.at = span.start + head + 4;
            span.end
        })
    }

    fn next(&mut self, kinds: &[TagKind]) -> Option<Range<usize>> {
        let index = self.tags.iter().position(|tag| kinds.contains(&tag.kind))?;
        let span = self.tags[index].span.clone();
        self.tags = &self.tags[index + 1..];
        self.at = span.end;
        Some(span)
    }

    fn mark(&self, span: &Range<usize>, verbatim: bool) -> String {
        let (source, start, end) = (self.source, span.start, span.end);
        format!("{OPEN}{source}:{start}:{end}:{}{CLOSE}", u8::from(verbatim))
    }

    /// The template's own text with a mark before each line that shows something. The crate has cut blanks off its ends
    /// and taken the backslashes of escapes away; the rest stands in the source in the same order.
    fn raw(&self, raw: &str) -> String {
        let mut out = String::with_capacity(raw.len() * 2);
        let mut at = self.at;
        for line in raw.split_inclusive('\n') {
            let visible = line.trim_start();
            if visible.is_empty() {
                out.push_str(line);
                continue;
            }
            let Some(start) = self.find(visible, at) else {
                out.push_str(line);
                continue;
            };
            let indent = line.len() - visible.len();
            let end = start + visible.len();
            let from = start.saturating_sub(indent).max(self.at);
            out.push_str(&self.mark(&(from..end), true));
            out.push_str(line);
            at = end.min(self.text.len());
        }
        out
    }

    /// Where a line stands at or behind `at`: its first visible character, blanks and an escape's backslash passed over.
    fn find(&self, line: &str, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let skipped = rest.len() - rest.trim_start().len();
        let start = at + skipped;
        let first = line.chars().next()?;
        let here = self.text[start..].chars().next()?;
        match here == first {
            true => Some(start),
            false if here == '\\' => Some(start + 1),
            false => None,
        }
    }
}
