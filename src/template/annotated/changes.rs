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
    /// The directive that says so.
    pub(super) by: Range<usize>,
}

impl Change {
    fn new(directive: &Directive, range: Range<usize>, text: Range<usize>) -> Change {
        Change {
            range,
            texts: vec![text],
            by: directive.span.clone(),
        }
    }
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
        Kind::From => image(source, directive, instruction),
        Kind::Arg | Kind::Env | Kind::Label => assignments(source, directive, instruction),
        _ => {
            let mut parts = Vec::new();
            let mut at = instruction.span.start;
            for line in inner.iter().map(|directive| &directive.line) {
                parts.push(at..line.start);
                at = line.end;
            }
            parts.push(at..instruction.span.end);
            replacement(source, directive, &parts)
        }
    }
}

/// The image of a `FROM`.
fn image(
    source: &Arc<Source>,
    directive: &Directive,
    instruction: &Instruction,
) -> Result<Vec<Change>, Diagnostic> {
    if words(source.text(), &directive.argument).len() != 1 {
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
) -> Result<Vec<Change>, Diagnostic> {
    let pairs = words(source.text(), &directive.argument);
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
        let change = assignment(source, directive, instruction, pair, at)?;
        changes.push(change);
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
) -> Result<Change, Diagnostic> {
    let text = source.text();
    let name = &text[pair.start..pair.start + length];
    let value = pair.start + length + 1..pair.end;
    let words: Vec<&Word> = instruction.words.iter().collect();
    let named = |word: &&&Word| word.text.split('=').next() == Some(name);
    if let Some(word) = words.iter().find(named) {
        // `ARG NAME` has no default yet, and `ENV NAME some words` none of the equals signs.
        return Ok(match text[word.span.clone()].find('=') {
            Some(at) => Change::new(directive, word.span.start + at + 1..word.span.end, value),
            None if directive.kind == Kind::Arg => {
                Change::new(directive, word.span.clone(), pair.clone())
            }
            None => {
                let first = words.get(1).map_or(word.span.end, |word| word.span.start);
                let last = words.last().map_or(first, |word| word.span.end);
                Change::new(directive, first..last.max(first), value)
            }
        });
    }
    let names = words.iter().filter_map(|word| word.text.split('=').next());
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
) -> Result<Vec<Change>, Diagnostic> {
    let argument = &source.text()[directive.argument.clone()];
    let (old, length) = match argument.chars().next() {
        Some(quote @ ('"' | '\'')) => match argument[1..].find(quote) {
            Some(end) => (&argument[1..=end], end + 2),
            None => ("", 0),
        },
        _ => {
            let end = argument.find([' ', '\t']).unwrap_or(argument.len());
            (&argument[..end], end)
        }
    };
    let new = argument[length..].trim_start();
    if old.is_empty() || length == 0 || new.is_empty() {
        let usage = directive.kind.usage();
        let help = format!("write `{usage}`, a text with blanks in quotes");
        let message = "`replace` takes two texts";
        return Err(problem(source, &directive.argument, message, help));
    }
    let new = directive.argument.end - new.len()..directive.argument.end;
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

/// The words of a range: blanks in quotes and in tags are parts of them.
fn words(text: &str, range: &Range<usize>) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut quote: Option<char> = None;
    let mut in_tag = false;
    let mut in_word = false;
    let part = &text[range.clone()];
    let mut chars = part.char_indices().peekable();
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
            '\\' => {
                if let (Some((at, char)), Some(word)) = (chars.next(), words.last_mut()) {
                    word.end = range.start + at + char.len_utf8();
                }
            }
            '"' | '\'' if quote.is_none() => quote = Some(char),
            _ if quote == Some(char) => quote = None,
            _ => {}
        }
    }
    words
}
