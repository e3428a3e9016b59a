//! Reads a shell file of assignments without executing it.
//!
//! Taken are `NAME=value`, with or without `export`, quoted as a shell quotes, `$NAME` and `${NAME}` of variables set
//! earlier in the file, and an array for a variable that is a list of words. Whatever else there is would have to be executed: it is a problem with its place. After a problem
//! reading goes on, and what a refused construct may have set is not reported as missing.

mod skip;
mod word;

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::document::Located;

/// The variables whose words count, not their blanks: an array says the same as a text.
const LISTS: &[&str] = &["TARGET_ARCHES"];

/// A value, each character with the bytes of the file that it stems from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    chars: Vec<(char, std::ops::Range<usize>)>,
}

impl Text {
    /// The value.
    pub(super) fn value(&self) -> String {
        self.chars.iter().map(|(c, _)| c).collect()
    }

    /// The words between blanks and line ends, each with its place.
    pub(super) fn words(&self, source: &Arc<Source>) -> Vec<Located<String>> {
        let words = self.chars.split(|(c, _)| c.is_ascii_whitespace());
        let words = words.filter(|word| !word.is_empty()).map(|word| {
            let start = word.iter().map(|(_, span)| span.start).min();
            let end = word.iter().map(|(_, span)| span.end).max();
            let span = start.unwrap_or_default()..end.unwrap_or_default();
            let text = word.iter().map(|(c, _)| c).collect();
            Located::new(text, Place::new(source, span))
        });
        words.collect()
    }
}

/// A variable of the file, as it is in the end.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// Its name, where it was set last.
    pub(super) name: Located<String>,
    /// Its value. Nothing after a problem, which is reported already.
    pub(super) text: Option<Text>,
    /// Whether another value refers to it.
    pub(super) used: bool,
}

/// Reads a file: its variables in the order in which they are first set, and every problem.
pub(super) fn read(source: &Arc<Source>) -> (Vec<Variable>, Vec<Diagnostic>) {
    let mut reader = Reader {
        source,
        text: source.text(),
        // Windows editors write a byte-order mark.
        at: source.text().len() - source.text().trim_start_matches('\u{feff}').len(),
        variables: Vec::new(),
        problems: Vec::new(),
        in_array: false,
    };
    reader.file();
    (reader.variables, reader.problems)
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    text: &'a str,
    at: usize,
    variables: Vec<Variable>,
    problems: Vec<Diagnostic>,
    /// Between the parentheses of an array.
    in_array: bool,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Passes a line break, or blanks in a line, or a line's continuation, or a comment where one may begin.
    fn pass_blanks(&mut self, lines: bool) {
        loop {
            let rest = self.rest();
            self.at += match rest.chars().next() {
                Some(' ' | '\t') => 1,
                Some('\\') if rest.starts_with("\\\n") => 2,
                Some('\\') if rest.starts_with("\\\r\n") => 3,
                Some('#') => rest.find('\n').unwrap_or(rest.len()),
                Some('\n') if lines => 1,
                Some(';') if lines && !self.in_array => 1,
                Some('\r') if rest.starts_with("\r\n") => 1,
                _ => return,
            };
        }
    }

    fn file(&mut self) {
        loop {
            self.pass_blanks(true);
            if self.rest().is_empty() {
                return;
            }
            self.command();
        }
    }

    /// A line, or the part of one before `;`.
    fn command(&mut self) {
        let export = self
            .rest()
            .strip_prefix("export")
            .is_some_and(|rest| rest.starts_with([' ', '\t']));
        if export {
            self.at += "export".len();
        }
        let mut before = None;
        loop {
            self.pass_blanks(false);
            let rest = self.rest();
            if rest.is_empty() || rest.starts_with(['\n', ';']) {
                return;
            }
            let name = name_at(rest).to_string();
            let span = self.at..self.at + name.len();
            let behind = rest[name.len()..].chars().next();
            if !name.is_empty() && behind == Some('=') {
                self.at = span.end + 1;
                let text = match self.rest().starts_with('(') && LISTS.contains(&name.as_str()) {
                    true => self.array(),
                    false => self.word(),
                };
                let place = Place::new(self.source, span);
                self.set(Located::new(name.clone(), place), text);
                before = Some(name);
            } else if export && !name.is_empty() && behind.is_none_or(is_end) {
                // `export NAME` says nothing about the value.
                self.at = span.end;
            } else {
                return self.refuse(before.as_deref());
            }
        }
    }

    fn set(&mut self, name: Located<String>, text: Option<Text>) {
        let known = self.variables.iter_mut();
        match known.into_iter().find(|v| v.name.value == name.value) {
            Some(variable) => {
                variable.name = name;
                variable.text = text;
            }
            None => self.variables.push(Variable {
                name,
                text,
                used: false,
            }),
        }
    }

    fn problem(&mut self, span: std::ops::Range<usize>, message: String, help: impl Into<String>) {
        let place = Place::new(self.source, span);
        let problem = Diagnostic::error(Code::ShellConfig, place, message);
        self.problems.push(problem.help(help));
    }

    /// Refuses what is no assignment, and passes it. `before` is what was assigned just before it in the line.
    fn refuse(&mut self, before: Option<&str>) {
        let start = self.at;
        let name = name_at(self.rest()).to_string();
        let behind = &self.rest()[name.len()..];
        let is_function = behind.trim_start_matches([' ', '\t']).starts_with('(');
        let spaced = behind.trim_start_matches([' ', '\t']);
        let spaced = spaced.strip_prefix('=').is_some() && !name.is_empty();
        if !name.is_empty() && (behind.starts_with("+=") || behind.starts_with('[')) {
            let message = format!("`{name}` is not set as a whole here");
            self.skip_command();
            let help = format!("write the whole value: `{name}=\"…\"`");
            return self.problem(self.line(start), message, help);
        }
        if !name.is_empty() && (is_function || name == "function") {
            self.skip_function();
            let message = "a function would have to be executed".to_string();
            return self.problem(self.line(start), message, "remove it; write the values");
        }
        let word = self.skip_word();
        let text = self.text[word.clone()].to_string();
        if skip::OPENERS.contains(&text.as_str()) {
            self.at = start;
            self.skip_block();
            let message = format!("`{text}` would have to be executed");
            let help = "write the values that hold, without conditions and loops";
            return self.problem(word, message, help);
        }
        self.skip_command();
        let message = format!("`{text}` is a command, and nothing is executed");
        let help = match before {
            Some(before) => format!("put a value with blanks into quotes: `{before}=\"…\"`"),
            None if spaced => format!("write it without blanks around `=`: `{name}=\"…\"`"),
            None => "remove it; only assignments are read".to_string(),
        };
        self.problem(word, message, help);
    }

    /// From a place to the end of its line, without blanks.
    fn line(&self, start: usize) -> std::ops::Range<usize> {
        let line = self.text[start..].lines().next().unwrap_or_default();
        start..start + line.trim_end().len()
    }
}

/// The variable's name that a text begins with; empty where it does not.
fn name_at(text: &str) -> &str {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// Whether a word ends before this character.
fn is_end(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | ';')
}

#[cfg(test)]
mod tests;
