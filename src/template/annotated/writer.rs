//! Writes the Handlebars template that an annotated one is compiled to.
//!
//! Whatever the Dockerfile says is a tag with a number, `{{\u{f8ff} 3}}`, which prints the third stretch of it. What
//! directives say stands between: tests around, replacements inside.

use std::ops::Range;

use super::directive::{Directive, Kind};
use super::{Piece, PieceKind};
use crate::template::handlebars::{LITERAL, WORD};

pub(super) struct Writer<'a> {
    /// The annotated template.
    text: &'a str,
    /// A part of it that is never printed.
    skip: &'a Range<usize>,
    pub(super) out: String,
    /// Where each part of `out` comes from.
    pub(super) pieces: Vec<Piece>,
    /// The stretches of the template that the numbered tags print.
    pub(super) literals: Vec<Range<usize>>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(text: &'a str, skip: &'a Range<usize>) -> Writer<'a> {
        Writer {
            text,
            skip,
            out: String::new(),
            pieces: Vec::new(),
            literals: Vec::new(),
        }
    }

    pub(super) fn open_gate(&mut self, gate: &Directive) {
        let span = gate.span.clone();
        match gate.kind {
            Kind::Cross => self.made("{{#if cross}}", &span),
            Kind::Native => self.made("{{#if native}}", &span),
            Kind::Only | Kind::Except => {
                self.made(&format!("{{{{#{}", gate.kind.word()), &span);
                for word in words(self.text, &gate.argument) {
                    self.made(" \"", &span);
                    self.exact(word);
                    self.made("\"", &span);
                }
                self.made("}}", &span);
            }
            Kind::If | Kind::Unless => {
                let argument = &self.text[gate.argument.clone()];
                let first = argument.split([' ', '\t']).next().unwrap_or_default();
                // `#: if eq a b` is a test without the parentheses.
                let call = first != argument && !first.starts_with('(');
                let (open, close) = match call {
                    true => ("(", ")}}"),
                    false => ("", "}}"),
                };
                self.made(&format!("{{{{#{} {open}", gate.kind.word()), &span);
                self.exact(gate.argument.clone());
                self.made(close, &span);
            }
            Kind::Each => {
                self.made("{{#each ", &span);
                self.exact(gate.argument.clone());
                self.made("}}", &span);
            }
            _ => {}
        }
    }

    pub(super) fn close_gate(&mut self, gate: &Directive) {
        let name = match gate.kind {
            Kind::Only => "only",
            Kind::Except => "except",
            Kind::Unless => "unless",
            Kind::Each => "each",
            _ => "if",
        };
        self.made(&format!("{{{{/{name}}}}}"), &gate.span);
    }

    fn piece(&mut self, span: Range<usize>, kind: PieceKind) {
        self.pieces.push(Piece {
            start: self.out.len(),
            span,
            kind,
        });
    }

    /// Prints the template's own text.
    pub(super) fn literal(&mut self, range: Range<usize>) {
        let cut = self.skip.start.clamp(range.start, range.end)
            ..self.skip.end.clamp(range.start, range.end);
        for range in [range.start..cut.start, cut.end..range.end] {
            if range.is_empty() {
                continue;
            }
            self.piece(range.clone(), PieceKind::Literal);
            let tag = format!("{{{{{LITERAL} {}}}}}", self.literals.len());
            self.out.push_str(&tag);
            self.literals.push(range);
        }
    }

    /// What a directive says, as it says it.
    pub(super) fn exact(&mut self, range: Range<usize>) {
        self.piece(range.clone(), PieceKind::Exact);
        self.out.push_str(&self.text[range]);
    }

    /// What a directive says as text, with tags in it.
    pub(super) fn words_and_tags(&mut self, range: &Range<usize>) {
        // A backslash at its end would make text of the tag that follows, and a brace would be part of it.
        let text = self.text[range.clone()].trim_end_matches(['\\', '{']);
        let end = range.start + text.len();
        self.exact(range.start..end);
        self.literal(end..range.end);
    }

    /// What a directive says, as one word of a Dockerfile.
    pub(super) fn word(&mut self, range: &Range<usize>, always: bool, escape: char) {
        let escape = match escape {
            '`' => "backtick",
            _ => "backslash",
        };
        self.made(&format!("{{{{#{WORD} {always} \"{escape}\"}}}}"), range);
        self.words_and_tags(range);
        self.made(&format!("{{{{/{WORD}}}}}"), range);
    }

    /// Text that is made for a directive, whatever it holds.
    pub(super) fn text(&mut self, text: &str, span: &Range<usize>) {
        // A tag, since a backslash before a tag would mean something.
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        self.made(&format!("{{{{{WORD} \"{text}\"}}}}"), span);
    }

    /// What is made for a directive.
    pub(super) fn made(&mut self, text: &str, span: &Range<usize>) {
        self.piece(span.clone(), PieceKind::Made);
        self.out.push_str(text);
    }
}

/// The words of a range, without the quotes and commas that people put around names.
fn words(text: &str, range: &Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut at = range.start;
    for word in text[range.clone()].split([' ', '\t', ',']) {
        let bare = word.trim_start_matches(['"', '\'', ',']);
        let start = at + word.len() - bare.len();
        let length = bare.trim_end_matches(['"', '\'', ',']).len();
        if length > 0 {
            words.push(start..start + length);
        }
        at += word.len() + 1;
    }
    words
}
