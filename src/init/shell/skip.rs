//! Passes what is refused, as far as a shell would read it as one, so that the next problem is one of its own.

use std::ops::Range;

use super::{Reader, name_at};
use crate::diagnostic::Place;
use crate::document::Located;

/// The words that open a block.
pub(super) const OPENERS: &[&str] = &["if", "for", "while", "until", "select", "case", "{"];
const CLOSERS: &[&str] = &["fi", "done", "esac", "}"];
/// The words behind which a command begins.
const INNER: &[&str] = &["then", "else", "elif", "do", "!"];

impl Reader<'_> {
    /// Passes one word, quotes and brackets of substitutions included, and gives where it was.
    pub(super) fn skip_word(&mut self) -> Range<usize> {
        let start = self.at;
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' | ';' => break,
                '&' | '|' | '(' | ')' | '<' | '>' if self.at > start => break,
                '\'' | '"' | '`' => self.skip_quoted(c),
                '\\' => self.skip_chars(2),
                '$' if self.rest().starts_with("$(") => {
                    self.at += 1;
                    self.skip_balanced('(', ')');
                }
                '$' if self.rest().starts_with("${") => {
                    self.at += 1;
                    self.skip_balanced('{', '}');
                }
                _ => self.skip_chars(1),
            }
        }
        start..self.at
    }

    /// Passes the rest of a command, to the line's end or `;`.
    pub(super) fn skip_command(&mut self) {
        loop {
            self.pass_blanks(false);
            match self.peek() {
                None | Some('\n' | ';') => return,
                Some('\r') => self.at += 1,
                Some(_) => {
                    self.skip_word();
                }
            }
        }
    }

    /// Passes a block with those in it; where it has no end, its first line. What it sets is known afterwards, without a
    /// value.
    pub(super) fn skip_block(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        let mut begins = true;
        loop {
            let before = self.at;
            self.pass_blanks(true);
            begins |= self.text[before..self.at].contains(['\n', ';']);
            if self.rest().is_empty() {
                self.at = start;
                return self.skip_command();
            }
            if self.rest().starts_with('\r') {
                self.at += 1;
                continue;
            }
            let span = self.skip_word();
            let word = self.text[span.clone()].to_string();
            self.forget(&word, span.start);
            if begins && OPENERS.contains(&word.as_str()) {
                depth += 1;
            } else if begins && CLOSERS.contains(&word.as_str()) {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return;
                }
            }
            let inner = begins && INNER.contains(&word.as_str());
            begins = inner || word.starts_with(['&', '|', '(', ')']) || word == "{";
        }
    }

    /// Passes a function's name and body.
    pub(super) fn skip_function(&mut self) {
        let line = self.at;
        while let Some(c) = self.peek() {
            match c {
                '{' => return self.skip_block(),
                c if c.is_ascii_alphanumeric() || "_-() \t\r\n".contains(c) => self.at += 1,
                _ => break,
            }
        }
        self.at = line;
        self.skip_command();
    }

    /// Knows a variable that a refused block sets, so that a reference to it is no second problem.
    fn forget(&mut self, word: &str, start: usize) {
        let name = name_at(word);
        if !name.is_empty() && word[name.len()..].starts_with('=') {
            let place = Place::new(self.source, start..start + name.len());
            self.set(Located::new(name.to_string(), place), None);
        }
    }

    /// Passes from an opening bracket to the one that closes it; where none does, to the line's end.
    pub(super) fn skip_balanced(&mut self, open: char, close: char) {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                '\'' | '"' | '`' => {
                    self.skip_quoted(c);
                    continue;
                }
                '\\' => {
                    self.skip_chars(2);
                    continue;
                }
                c if c == open => depth += 1,
                c if c == close => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.skip_chars(1);
            if depth == 0 {
                return;
            }
        }
        self.at = self.line(start).end;
    }

    /// Passes a quoted text; the quote alone where it does not end.
    fn skip_quoted(&mut self, quote: char) {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.peek() {
            match c {
                '\\' if quote != '\'' => self.skip_chars(2),
                _ => self.skip_chars(1),
            }
            if c == quote {
                return;
            }
        }
        self.at = start + 1;
    }

    fn skip_chars(&mut self, number: usize) {
        let rest = self.rest();
        let end = rest
            .char_indices()
            .nth(number)
            .map_or(rest.len(), |(at, _)| at);
        self.at += end;
    }
}
