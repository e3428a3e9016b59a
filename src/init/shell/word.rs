//! A value: quotes, escapes, references.

use std::ops::Range;

use super::{Reader, Text, name_at};
use crate::diagnostic::closest;

/// The most characters that a value may have: one that names itself twice in each of forty lines has a million million.
const MOST: usize = 1 << 16;

const WRITE_VALUE: &str = "write the value itself";

impl Reader<'_> {
    /// Reads the word at the place. Nothing where it has a problem.
    pub(super) fn word(&mut self) -> Option<Text> {
        let mut text = Text::default();
        let mut good = true;
        let first = self.at;
        while let Some(c) = self.peek() {
            let start = self.at;
            let rest = self.rest();
            match c {
                ' ' | '\t' | '\n' | ';' => break,
                '\r' if rest.starts_with("\r\n") => break,
                '\'' => good &= self.single(&mut text),
                '"' => good &= self.double(&mut text),
                '\\' if rest.starts_with("\\\n") => self.at += 2,
                '\\' if rest.starts_with("\\\r\n") => self.at += 3,
                '\\' => {
                    self.at += 1;
                    self.push(&mut text, start);
                }
                '$' | '`' => good &= self.substitution(&mut text, false),
                ')' if self.in_array => break,
                '(' if start == first && !self.in_array => {
                    self.skip_balanced('(', ')');
                    let help = "write one value, its words separated by blanks: `NAME=\"a b\"`";
                    self.problem(start..self.at, "this is an array".to_string(), help);
                    good = false;
                }
                '(' | ')' | '<' | '>' | '&' | '|' => {
                    let message = format!("`{c}` would have to be executed");
                    self.problem(start..start + 1, message, "put the value into quotes");
                    self.skip_command();
                    return None;
                }
                '~' if start == first || self.text[..start].ends_with(':') => {
                    self.at += 1;
                    let message = "`~` stands for somebody's home folder".to_string();
                    self.problem(start..start + 1, message, "write the path itself");
                    good = false;
                }
                _ => self.push(&mut text, start),
            }
        }
        if text.chars.len() > MOST {
            let message = "this value is too long".to_string();
            self.problem(first..self.at, message, WRITE_VALUE);
            return None;
        }
        good.then_some(text)
    }

    /// Reads `(a b "c d")` as its words with blanks between them. Nothing where one of them has a problem.
    pub(super) fn array(&mut self) -> Option<Text> {
        let open = self.at;
        self.at += 1;
        self.in_array = true;
        let mut text = Some(Text::default());
        loop {
            self.pass_blanks(true);
            match self.peek() {
                None => {
                    self.in_array = false;
                    // After another problem the rest of the line was passed, a `)` in it too.
                    if text.is_some() {
                        let message = "this array is never closed".to_string();
                        self.problem(open..open + 1, message, "add `)` behind the last word");
                    }
                    return None;
                }
                Some(')') => {
                    self.at += 1;
                    self.in_array = false;
                    return text;
                }
                Some(_) => {
                    let before = self.at;
                    let word = self.word();
                    if self.at == before {
                        self.at += 1;
                        let message = "`;` cannot stand in an array".to_string();
                        self.problem(before..self.at, message, "separate the words by blanks");
                        text = None;
                    }
                    text = text.zip(word).map(|(mut text, word)| {
                        if !text.chars.is_empty() {
                            text.chars.push((' ', before..before));
                        }
                        text.chars.extend(word.chars);
                        text
                    });
                }
            }
        }
    }

    /// Takes a character as it is; `start` is where what it is written as begins.
    fn push(&mut self, text: &mut Text, start: usize) {
        if let Some(c) = self.peek() {
            self.at += c.len_utf8();
            text.chars.push((c, start..self.at));
        }
    }

    /// `'…'`: every character as it is.
    fn single(&mut self, text: &mut Text) -> bool {
        let open = self.at;
        self.at += 1;
        let Some(length) = self.rest().find('\'') else {
            return self.unclosed(open);
        };
        let end = self.at + length;
        while self.at < end {
            self.push(text, self.at);
        }
        self.at += 1;
        true
    }

    /// `"…"`: references, and a backslash before what it can escape.
    fn double(&mut self, text: &mut Text) -> bool {
        let open = self.at;
        let mut good = true;
        self.at += 1;
        while let Some(c) = self.peek() {
            let start = self.at;
            let rest = self.rest();
            match c {
                '"' => {
                    self.at += 1;
                    return good;
                }
                '\\' if rest.starts_with("\\\n") => self.at += 2,
                '\\' if rest.starts_with("\\\r\n") => self.at += 3,
                '\\' if rest[1..].starts_with(['$', '`', '"', '\\']) => {
                    self.at += 1;
                    self.push(text, start);
                }
                '$' | '`' => good &= self.substitution(text, true),
                _ => self.push(text, start),
            }
        }
        self.unclosed(open)
    }

    /// Reports a quote without an end; reading goes on in the next line.
    fn unclosed(&mut self, open: usize) -> bool {
        let line = self.line(open);
        self.at = line.end;
        let quote = self.text[open..].chars().next().unwrap_or_default();
        let message = "this quote is not closed".to_string();
        self.problem(line, message, format!("end the value with `{quote}`"));
        false
    }

    /// `$…` and `` `…` ``.
    fn substitution(&mut self, text: &mut Text, quoted: bool) -> bool {
        let start = self.at;
        let rest = self.rest();
        let behind = &rest[1..];
        if rest.starts_with('`') {
            self.at = match behind.find('`') {
                Some(length) => start + length + 2,
                None => self.line(start).end,
            };
            return self.executed(start, "is the output of a command");
        }
        let name = name_at(behind).to_string();
        // A shell takes the break out before it reads the name, which may go on in the next line.
        let is_broken = ["\\\n", "\\\r\n"]
            .iter()
            .any(|escape| behind[name.len()..].starts_with(escape));
        if is_broken {
            self.at += 1 + name.len();
            return self.executed(start, "goes on in the next line");
        }
        if !name.is_empty() {
            self.at += 1 + name.len();
            return self.reference(text, &name, start..self.at);
        }
        match behind.chars().next() {
            Some('(') => {
                let arithmetic = behind.starts_with("((");
                self.at += 1;
                self.skip_balanced('(', ')');
                match arithmetic {
                    true => self.executed(start, "is arithmetic"),
                    false => self.executed(start, "is the output of a command"),
                }
            }
            Some('[') => {
                self.at += 1;
                self.skip_balanced('[', ']');
                self.executed(start, "is arithmetic")
            }
            Some('{') => {
                self.at += 1;
                self.skip_balanced('{', '}');
                let inner = &self.text[start + 2..self.at.max(start + 2)];
                match inner.strip_suffix('}') {
                    Some(name) if !name.is_empty() && name_at(name) == name => {
                        let name = name.to_string();
                        self.reference(text, &name, start..self.at)
                    }
                    _ => self.executed(start, "is worked out by the shell"),
                }
            }
            Some('\'' | '"') if !quoted => {
                self.at += 1;
                let mut ignored = Text::default();
                match self.peek() {
                    Some('\'') => self.single(&mut ignored),
                    _ => self.double(&mut ignored),
                };
                self.executed(start, "is worked out by the shell")
            }
            Some(c) if c.is_ascii_digit() || "@*#?!$-".contains(c) => {
                self.at += 2;
                self.executed(start, "is known to a running shell only")
            }
            _ => {
                self.push(text, start);
                true
            }
        }
    }

    fn executed(&mut self, start: usize, what: &str) -> bool {
        let span = start..self.at;
        let message = format!("`{}` {what}, and nothing is executed", self.short(&span));
        self.problem(span, message, WRITE_VALUE);
        false
    }

    /// The first line of a piece of the file.
    fn short(&self, span: &Range<usize>) -> &str {
        self.text[span.clone()].lines().next().unwrap_or_default()
    }

    fn reference(&mut self, text: &mut Text, name: &str, span: Range<usize>) -> bool {
        let known = self.variables.iter_mut().find(|v| v.name.value == name);
        if let Some(variable) = known {
            variable.used = true;
            let value = variable.text.as_ref();
            let chars = value.map(|value| value.chars.iter().map(|(c, _)| (*c, span.clone())));
            text.chars.extend(chars.into_iter().flatten());
            return value.is_some();
        }
        let names = self.variables.iter().map(|v| v.name.value.as_str());
        let help = match closest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the environment is not read: set `{name}` above, or {WRITE_VALUE}"),
        };
        let message = format!("`{name}` is not set earlier in the file");
        self.problem(span, message, help);
        false
    }
}
