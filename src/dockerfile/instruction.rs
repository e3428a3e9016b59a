//! A Dockerfile as a list of instructions, each with the words it has and where they stand.
//!
//! Follows BuildKit's line rules (frontend/dockerfile/parser): the escape character at a line's end continues it, blanks
//! behind it do not matter; comment lines and blank lines inside a continued instruction are passed over; a heredoc takes
//! lines up to its word. Nothing is judged, and no text is an error.

use std::ops::Range;

use super::{after_parser_directives, lines};

/// One instruction with its continuation lines and heredocs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The name in upper case: `RUN`. Whatever the line begins with, known to Docker or not.
    pub name: String,
    /// From the name to the end of the last line, heredocs included.
    pub span: Range<usize>,
    /// The arguments in order, split at blanks. Of heredocs only the words that open them.
    pub words: Vec<Word>,
    /// The lines that say something, heredocs left out: no comments and no blank ones.
    pub lines: Vec<Range<usize>>,
    /// The escape character of the last line, where the file ends before the instruction does.
    pub unfinished: Option<Range<usize>>,
    /// The word of the heredoc that takes the rest of the file, since nothing closes it.
    pub unclosed: Option<Word>,
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word without the quotes around it.
    pub text: String,
    /// Where it stands.
    pub span: Range<usize>,
}

impl Instruction {
    /// The `--name=value` flags before the first argument.
    pub fn flags(&self) -> impl Iterator<Item = (&str, &str, &Word)> {
        let flags = self
            .words
            .iter()
            .take_while(|word| word.text.starts_with("--"));
        flags.map(|word| {
            let (name, value) = word.text[2..]
                .split_once('=')
                .unwrap_or((&word.text[2..], ""));
            (name, value, word)
        })
    }

    /// The value of a flag.
    pub fn flag(&self, name: &str) -> Option<(&str, &Word)> {
        let found = self.flags().find(|(flag, _, _)| *flag == name);
        found.map(|(_, value, word)| (value, word))
    }

    /// The arguments behind the flags.
    pub fn arguments(&self) -> impl Iterator<Item = &Word> {
        self.words
            .iter()
            .skip_while(|word| word.text.starts_with("--"))
    }

    /// The sources of a `COPY` or `ADD`: all arguments but the last, as words or in the JSON form.
    pub fn sources(&self) -> Vec<&Word> {
        let arguments: Vec<&Word> = self.arguments().collect();
        let last = arguments.len().saturating_sub(1);
        arguments[..last].to_vec()
    }
}

/// Reads the instructions of a text.
///
/// ```
/// use crossfile::dockerfile::instructions;
///
/// let found = instructions("FROM --platform=linux/arm64 alpine AS base\nRUN apk add \\\n    # why\n    curl\n");
/// assert_eq!(found[0].flag("platform").unwrap().0, "linux/arm64");
/// assert_eq!(found[1].words.last().unwrap().text, "curl");
/// assert_eq!(found[1].lines.len(), 2);
/// ```
pub fn instructions(text: &str) -> Vec<Instruction> {
    instructions_with(text, escape(text))
}

/// The same, where something outside of the text says the escape character.
pub(crate) fn instructions_with(text: &str, escape: char) -> Vec<Instruction> {
    let mut found = Vec::new();
    let start = after_parser_directives(text);
    let mut lines = lines(&text[start..]).map(|line| line.start + start..line.end + start);
    while let Some(line) = lines.next() {
        let body = &text[line.clone()];
        if is_comment(body) || body.trim().is_empty() {
            continue;
        }
        found.push(instruction(text, line, escape, &mut lines));
    }
    found
}

/// The escape character: a backslash, unless `# escape=` says otherwise.
pub fn escape(text: &str) -> char {
    let top = &text[..after_parser_directives(text)];
    let said = top.lines().find_map(|line| {
        let (key, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case("escape")
            .then(|| value.trim().chars().next())?
    });
    said.unwrap_or('\\')
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn instruction(
    text: &str,
    first: Range<usize>,
    escape: char,
    rest: &mut impl Iterator<Item = Range<usize>>,
) -> Instruction {
    let body = &text[first.clone()];
    let from = first.start + body.len() - body.trim_start().len();
    let mut lines = vec![first.clone()];
    let mut end = first.end;
    let mut continued = continuation(text, &first, escape);
    while continued.is_some() {
        let Some(line) = rest.next() else { break };
        end = line.end;
        let body = &text[line.clone()];
        if is_comment(body) || body.trim().is_empty() {
            continue;
        }
        continued = continuation(text, &line, escape);
        lines.push(line);
    }
    let bodies: Vec<Range<usize>> = lines
        .iter()
        .map(|line| {
            let to = continuation(text, line, escape).map_or(line.end, |escape| escape.start);
            line.start..to
        })
        .collect();
    let first_word = text[from..].split_whitespace().next().unwrap_or_default();
    let assigns = ["ENV", "LABEL", "ARG"];
    let escapes = assigns
        .iter()
        .any(|name| first_word.eq_ignore_ascii_case(name));
    let mut words = split(text, &bodies, escapes.then_some(escape));
    let name = match words.is_empty() {
        true => String::new(),
        false => words.remove(0).text.to_ascii_uppercase(),
    };
    let mut unclosed = None;
    // `ONBUILD RUN <<EOF` is a RUN in this.
    let inner = match (name.as_str(), words.first()) {
        ("ONBUILD", Some(inner)) => inner.text.to_ascii_uppercase(),
        _ => name.clone(),
    };
    if ["RUN", "COPY", "ADD"].contains(&inner.as_str()) {
        for word in &words {
            if let Some((closer, strip)) = heredoc(&text[word.span.clone()]) {
                unclosed = Some(word.clone());
                for line in rest.by_ref() {
                    end = line.end;
                    let body = text[line].trim_end_matches(['\n', '\r']);
                    let body = if strip {
                        body.trim_start_matches('\t')
                    } else {
                        body
                    };
                    if body == closer {
                        unclosed = None;
                        break;
                    }
                }
            }
        }
    }
    let words = json_form(text, &words, &name).unwrap_or(words);
    Instruction {
        name,
        span: from..end,
        words,
        lines,
        unfinished: continued,
        unclosed,
    }
}

/// The escape character that continues a line; blanks behind it do not matter. Two of them are text.
fn continuation(text: &str, line: &Range<usize>, escape: char) -> Option<Range<usize>> {
    let body = text[line.clone()].trim_end_matches(['\n', '\r', ' ', '\t']);
    let before = body.strip_suffix(escape)?;
    if before.ends_with(escape) {
        return None;
    }
    let start = line.start + before.len();
    Some(start..start + escape.len_utf8())
}

/// Splits what lines hold at blanks outside of quotes; a word and its quotes may go on in the next line. Quotes around a whole
/// word are left out of its text. `escape` is given for instructions in which it keeps a blank or a quote from meaning
/// anything, outside of single quotes.
fn split(text: &str, lines: &[Range<usize>], escape: Option<char>) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<(String, Range<usize>)> = None;
    let mut quote: Option<char> = None;
    let mut push = |(raw, span): (String, Range<usize>)| {
        let unquoted = ['"', '\''].iter().find_map(|quote| {
            let inner = raw.strip_prefix(*quote)?.strip_suffix(*quote)?;
            (!inner.contains(*quote)).then(|| inner.to_string())
        });
        words.push(Word {
            text: unquoted.unwrap_or(raw),
            span,
        });
    };
    for line in lines {
        let mut chars = text[line.clone()].char_indices();
        while let Some((at, c)) = chars.next() {
            let at = line.start + at;
            if c.is_whitespace() && quote.is_none() {
                word.take().into_iter().for_each(&mut push);
                continue;
            }
            let (raw, span) = word.get_or_insert_with(|| (String::new(), at..at));
            raw.push(c);
            span.end = at + c.len_utf8();
            match quote {
                _ if Some(c) == escape && quote != Some('\'') => {
                    if let Some((at, c)) = chars.next() {
                        raw.push(c);
                        span.end = line.start + at + c.len_utf8();
                    }
                }
                Some(open) if c == open => quote = None,
                None if c == '"' || c == '\'' => quote = Some(c),
                _ => {}
            }
        }
    }
    word.into_iter().for_each(&mut push);
    words
}

/// Whether a word opens a heredoc.
pub(crate) fn opens_heredoc(word: &str) -> bool {
    heredoc(word).is_some()
}

/// The word that closes a heredoc which `word` opens, and whether tabs before it count: `<<EOF`, `<<-"EOF"`, `3<<EOF`.
fn heredoc(word: &str) -> Option<(&str, bool)> {
    let word = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = word.strip_prefix("<<")?;
    let (strip, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let closer = rest.trim_matches(['"', '\'']);
    let quoted = closer.len() + 2 == rest.len();
    let closer = closer.strip_prefix('\\').unwrap_or(closer);
    let good = |c: char| {
        c.is_alphanumeric() || matches!(c, '_' | '.' | '-') || (quoted && (c == ' ' || c == '\t'))
    };
    (!closer.is_empty() && closer.chars().all(good)).then_some((closer, strip))
}

/// The words of `COPY ["a", "b"]`, each in its place. Nothing where the arguments are in no such form.
fn json_form(text: &str, words: &[Word], name: &str) -> Option<Vec<Word>> {
    if !["COPY", "ADD"].contains(&name) {
        return None;
    }
    let flags = words
        .iter()
        .take_while(|word| word.text.starts_with("--"))
        .count();
    let (flags, arguments) = words.split_at(flags);
    let (first, last) = (arguments.first()?, arguments.last()?);
    let array = &text[first.span.start..last.span.end];
    let items: Vec<String> = serde_json::from_str(array).ok()?;
    let mut found = flags.to_vec();
    let mut at = first.span.start;
    for item in items {
        let start = at + text[at..].find(&item)?;
        at = start + item.len();
        found.push(Word {
            text: item,
            span: start..at,
        });
    }
    Some(found)
}
