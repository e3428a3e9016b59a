//! What directives put in the place of what an instruction says.

use std::ops::Range;
use std::sync::Arc;

use super::directive::{Directive, Kind};
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::dockerfile::{Instruction, Word};

/// A replacement: a range of the template and what is printed in its place.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) range: Range<usize>,
    /// Ranges of the template whose text is printed: a part of a directive's argument, or several, each on a line of its
    /// own.
    pub(super) texts: Vec<Range<usize>>,
    pub(super) form: Form,
    /// The directive that says so.
    pub(super) by: Range<usize>,
}

/// How a text is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// As one word of a Dockerfile: in quotes where it needs them, or always.
    Word {
        /// Whether it is in quotes in any case.
        always: bool,
    },
    /// As lines of an instruction, in the place of one of its lines.
    Lines,
}

impl Change {
    fn new(directive: &Directive, range: Range<usize>, text: Range<usize>) -> Change {
        Change {
            range,
            texts: vec![text],
            form: Form::Plain,
            by: directive.span.clone(),
        }
    }

    /// A value in the place of another. What is plain, but for its tags, is put into quotes where what the tags give needs
    /// them, and where the value before had them; quotes of the directive's own are taken as they are.
    fn value(
        source: &Arc<Source>,
        directive: &Directive,
        range: Range<usize>,
        text: Range<usize>,
    ) -> Change {
        let raw = &source.text()[text.clone()];
        let plain = |text: &str| !outside_tags(text).contains(['"', '\'', '\\', '`', ' ', '\t']);
        let inner = raw
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let quotes = ['"', '\''];
        let was_quoted = source.text()[range.clone()].starts_with(quotes);
        let (text, form) = match inner {
            Some(inner) if !outside_tags(inner).contains(['"', '\\', '`']) => {
                (text.start + 1..text.end - 1, Form::Word { always: true })
            }
            _ if plain(raw) => (text, Form::Word { always: was_quoted }),
            _ => (text, Form::Plain),
        };
        Change {
            form,
            ..Change::new(directive, range, text)
        }
    }
}

/// A text without its tags.
fn outside_tags(text: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some((before, inside)) = rest.split_once("{{") {
        out.push_str(before);
        rest = inside.split_once("}}").map_or("", |(_, behind)| behind);
    }
    out + rest
}

fn problem(
    source: &Arc<Source>,
    span: &Range<usize>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Diagnostic {
    let place = Place::new(source, span.clone());
    Diagnostic::error(Code::TemplateSyntax, place, message).help(help)
}

/// What a directive above an instruction replaces; `inner` are the directives between its lines.
pub(super) fn above(
    source: &Arc<Source>,
    directive: &Directive,
    instruction: &Instruction,
    inner: &[Directive],
    escape: char,
) -> Result<Vec<Change>, Diagnostic> {
    if let Some(wanted) = directive.kind.instruction()
        && instruction.name != wanted
    {
        let word = directive.kind.word();
        let message = format!("`{word}` stands before `{}`", instruction.name);
        let help = format!("it is for `{wanted}`; any text is changed by `#: replace OLD NEW`");
        return Err(problem(source, &directive.span, message, help));
    }
    match directive.kind {
        Kind::From => image(source, directive, instruction, escape),
        Kind::Arg | Kind::Env | Kind::Label => assignments(source, directive, instruction, escape),
        _ => {
            let mut parts = Vec::new();
            let mut at = instruction.span.start;
            for line in inner.iter().map(|directive| &directive.line) {
                parts.push(at..line.start);
                at = line.end;
            }
            parts.push(at..instruction.span.end);
            replacement(source, directive, &parts, escape)
        }
    }
}

/// The image of a `FROM`.
fn image(
    source: &Arc<Source>,
    directive: &Directive,
    instruction: &Instruction,
    escape: char,
) -> Result<Vec<Change>, Diagnostic> {
    if words(source, &directive.argument, escape)?.len() != 1 {
        let help = "the platform and the name of the stage stay as they are";
        let message = "`from` takes one image";
        return Err(problem(source, &directive.argument, message, help));
    }
    let Some(image) = instruction.arguments().next() else {
        let help = "write the `FROM` with an image to begin with";
        let message = "this `FROM` has no image";
        return Err(problem(source, &directive.span, message, help));
    };
    let text = directive.argument.clone();
    Ok(vec![Change::new(directive, image.span.clone(), text)])
}

/// `NAME=VALUE`, or several of them, in the place of the values that the instruction has.
fn assignments(
    source: &Arc<Source>,
    directive: &Directive,
    instruction: &Instruction,
    escape: char,
) -> Result<Vec<Change>, Diagnostic> {
    let pairs = words(source, &directive.argument, escape)?;
    let mut changes: Vec<Change> = Vec::new();
    for pair in &pairs {
        let Some(at) = source.text()[pair.clone()].find('=') else {
            let (message, help) = match changes.is_empty() {
                true => (
                    format!("`{}` takes names with values", directive.kind.word()),
                    format!("write `{}`", directive.kind.usage()),
                ),
                false => (
                    "there is no `=` in this".to_string(),
                    "a value with blanks takes quotes; a further name has a value of its own: `A=1 B=2`"
                        .to_string(),
                ),
            };
            return Err(problem(source, pair, message, help));
        };
        changes.extend(assignment(source, directive, instruction, pair, at)?);
    }
    Ok(changes)
}

/// One `NAME=VALUE`, whose name is `length` bytes long.
fn assignment(
    source: &Arc<Source>,
    directive: &Directive,
    instruction: &Instruction,
    pair: &Range<usize>,
    length: usize,
) -> Result<Vec<Change>, Diagnostic> {
    let text = source.text();
    let name = &text[pair.start..pair.start + length];
    let value = pair.start + length + 1..pair.end;
    let words: Vec<&Word> = instruction.words.iter().collect();
    let named = |word: &&&Word| word.text.split('=').next() == Some(name);
    // `ENV NAME some words` is one name; the words are no names.
    let has_sign = |word: &&Word| text[word.span.clone()].contains('=');
    let old_form = directive.kind != Kind::Arg && !words.first().is_some_and(has_sign);
    let names = match old_form {
        true => &words[..words.len().min(1)],
        false => &words[..],
    };
    if let Some(word) = names.iter().find(named) {
        // `ARG NAME` has no default yet, and `ENV NAME some words` none of the equals signs.
        let end = word.span.end;
        return Ok(match text[word.span.clone()].find('=') {
            Some(at) => {
                let old = word.span.start + at + 1..end;
                vec![Change::value(source, directive, old, value)]
            }
            None if directive.kind == Kind::Arg => vec![
                Change::new(directive, end..end, value.start - 1..value.start),
                Change::value(source, directive, end..end, value),
            ],
            None => {
                let first = words.get(1).map_or(end, |word| word.span.start);
                let last = words.last().map_or(first, |word| word.span.end);
                vec![Change::new(directive, first..last.max(first), value)]
            }
        });
    }
    let names = names.iter().filter_map(|word| word.text.split('=').next());
    let message = format!("the `{}` has no `{name}`", instruction.name);
    let help = format!("it has: {}", names.collect::<Vec<_>>().join(", "));
    let place = pair.start..pair.start + length;
    Err(problem(source, &place, message, help))
}

/// `OLD NEW`: every OLD in some parts of the template.
pub(super) fn replacement(
    source: &Arc<Source>,
    directive: &Directive,
    parts: &[Range<usize>],
    escape: char,
) -> Result<Vec<Change>, Diagnostic> {
    let both = words(source, &directive.argument, escape)?;
    let [old, new] = both.as_slice() else {
        let usage = directive.kind.usage();
        let help = format!("write `{usage}`, a text with blanks in quotes");
        let message = "`replace` takes two texts";
        return Err(problem(source, &directive.argument, message, help));
    };
    let (old, new) = (unquoted(source.text(), old), unquoted(source.text(), new));
    let old = &source.text()[old];
    if old.is_empty() {
        let help = "write what stands in the instruction";
        let message = "`replace` cannot look for an empty text";
        return Err(problem(source, &directive.argument, message, help));
    }
    let mut changes = Vec::new();
    for part in parts {
        let found = source.text()[part.clone()].match_indices(old);
        changes.extend(found.map(|(at, _)| {
            let range = part.start + at..part.start + at + old.len();
            Change::new(directive, range, new.clone())
        }));
    }
    if changes.is_empty() {
        let help = "write it as it stands there; one line may be all that it is about";
        let message = format!("there is no `{old}` in what follows");
        return Err(problem(source, &directive.argument, message, help));
    }
    Ok(changes)
}

/// A word without the quotes around all of it.
fn unquoted(text: &str, word: &Range<usize>) -> Range<usize> {
    let raw = &text[word.clone()];
    let quoted = |quote: char| {
        let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(())
    };
    match quoted('"').or_else(|| quoted('\'')) {
        Some(()) => word.start + 1..word.end - 1,
        None => word.clone(),
    }
}

/// The words of a range: blanks in quotes and in tags are parts of them.
fn words(
    source: &Arc<Source>,
    range: &Range<usize>,
    escape: char,
) -> Result<Vec<Range<usize>>, Diagnostic> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut quote: Option<(char, usize)> = None;
    let mut in_tag = false;
    let mut in_word = false;
    let part = &source.text()[range.clone()];
    let mut chars = part.char_indices();
    while let Some((at, char)) = chars.next() {
        let end = range.start + at + char.len_utf8();
        if char.is_whitespace() && quote.is_none() && !in_tag {
            in_word = false;
            continue;
        }
        match words.last_mut() {
            Some(word) if in_word => word.end = end,
            _ => words.push(range.start + at..end),
        }
        in_word = true;
        match char {
            _ if in_tag => in_tag = !part[at..].starts_with("}}"),
            '{' if part[at..].starts_with("{{") => in_tag = true,
            // What is escaped ends no quote and no word.
            _ if char == escape && quote.is_none_or(|(quote, _)| quote != '\'') => {
                if let (Some((at, char)), Some(word)) = (chars.next(), words.last_mut()) {
                    word.end = range.start + at + char.len_utf8();
                }
            }
            '"' | '\'' if quote.is_none() => quote = Some((char, range.start + at)),
            _ if quote.is_some_and(|(quote, _)| quote == char) => quote = None,
            _ => {}
        }
    }
    match quote {
        Some((quote, at)) => {
            let help = format!("close it; where it is meant itself write `{escape}{quote}`");
            let message = "this quote is never closed";
            Err(problem(source, &(at..range.end), message, help))
        }
        None => Ok(words),
    }
}
