//! The comments that say what changes: `#: WORD ARGUMENT`.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place, Source, closest};
use crate::template::handlebars::{TagKind, scan};

/// What a directive does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cross,
    Native,
    Only,
    Except,
    If,
    Unless,
    Each,
    From,
    Arg,
    Env,
    Label,
    Replace,
    Write,
    Include,
    Begin,
    End,
}

/// What a directive may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    None,
    Needed,
}

/// Every directive: its word, and how it is written.
const DIRECTIVES: &[(&str, Kind, Argument, &str)] = &[
    ("cross", Kind::Cross, Argument::None, "#: cross"),
    ("native", Kind::Native, Argument::None, "#: native"),
    (
        "only",
        Kind::Only,
        Argument::Needed,
        "#: only arm32v6 arm32v7",
    ),
    ("except", Kind::Except, Argument::Needed, "#: except s390x"),
    ("if", Kind::If, Argument::Needed, "#: if eq flavor \"slim\""),
    (
        "unless",
        Kind::Unless,
        Argument::Needed,
        "#: unless debian_arch",
    ),
    (
        "each",
        Kind::Each,
        Argument::Needed,
        "#: each packages as |package|",
    ),
    (
        "from",
        Kind::From,
        Argument::Needed,
        "#: from {{docker_arch}}/alpine:3.22",
    ),
    ("arg", Kind::Arg, Argument::Needed, "#: arg NAME={{name}}"),
    ("env", Kind::Env, Argument::Needed, "#: env NAME={{name}}"),
    (
        "label",
        Kind::Label,
        Argument::Needed,
        "#: label NAME={{name}}",
    ),
    (
        "replace",
        Kind::Replace,
        Argument::Needed,
        "#: replace x86_64 {{uname_arch}}",
    ),
    (
        "write",
        Kind::Write,
        Argument::Needed,
        "#: write RUN apk add {{package}}",
    ),
    (
        "include",
        Kind::Include,
        Argument::Needed,
        "#: include packages",
    ),
    (
        "begin",
        Kind::Begin,
        Argument::Needed,
        "#: begin only arm32v6",
    ),
    ("end", Kind::End, Argument::None, "#: end"),
];

/// A directive of a template.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) kind: Kind,
    /// From its word to the end of its argument.
    pub(super) span: Range<usize>,
    pub(super) argument: Range<usize>,
    /// The whole line with its ending.
    pub(super) line: Range<usize>,
}

impl Kind {
    /// Whether it keeps or repeats what follows, and changes nothing of it.
    pub(super) fn is_gate(self) -> bool {
        matches!(
            self,
            Kind::Cross | Kind::Native | Kind::Only | Kind::Except | Kind::If | Kind::Unless
        )
    }

    /// The instruction that it is about.
    pub(super) fn instruction(self) -> Option<&'static str> {
        match self {
            Kind::From => Some("FROM"),
            Kind::Arg => Some("ARG"),
            Kind::Env => Some("ENV"),
            Kind::Label => Some("LABEL"),
            _ => None,
        }
    }

    fn row(self) -> (&'static str, &'static str) {
        let row = DIRECTIVES.iter().find(|(_, kind, _, _)| *kind == self);
        row.map_or(("", ""), |(word, _, _, usage)| (word, usage))
    }

    pub(super) fn word(self) -> &'static str {
        self.row().0
    }

    pub(super) fn usage(self) -> &'static str {
        self.row().1
    }
}

/// The first word behind `#:` and the rest of its line, without blanks around.
pub(super) fn first_word(text: &str, line: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let body = text[line.clone()].trim_end();
    let rest = body.trim_start().strip_prefix("#:")?;
    let word = rest.trim_start();
    let end = line.start + body.len();
    let start = end - word.len();
    let length = word.find([' ', '\t']).unwrap_or(word.len());
    let argument = word[length..].trim_start();
    Some((start..start + length, end - argument.len()..end))
}

/// Whether a line is a directive with a known word.
pub(super) fn is_directive(line: &str) -> bool {
    let word = first_word(line, &(0..line.len())).map(|(word, _)| &line[word]);
    word.is_some_and(|word| DIRECTIVES.iter().any(|(known, ..)| *known == word))
}

/// The directive most like a word that is none.
pub(super) fn near(word: &str) -> Option<&'static str> {
    closest(word, DIRECTIVES.iter().map(|(known, ..)| *known))
}

/// Reads a line; nothing where it is no directive at all.
pub(super) fn read(
    source: &Arc<Source>,
    line: &Range<usize>,
) -> Option<Result<Directive, Diagnostic>> {
    let (word, argument) = first_word(source.text(), line)?;
    Some(named(source, line, word, argument))
}

/// What `begin` opens.
pub(super) fn opened(source: &Arc<Source>, begin: &Directive) -> Result<Directive, Diagnostic> {
    let text = &source.text()[begin.argument.clone()];
    let length = text.find([' ', '\t']).unwrap_or(text.len());
    let word = begin.argument.start..begin.argument.start + length;
    let argument = text[length..].trim_start();
    let argument = begin.argument.end - argument.len()..begin.argument.end;
    let inner = named(source, &begin.line, word.clone(), argument)?;
    match inner.kind.is_gate() || inner.kind == Kind::Each {
        true => Ok(inner),
        false => {
            let message = format!("`begin` cannot open `{}`", inner.kind.word());
            let place = Place::new(source, word);
            Err(Diagnostic::error(Code::TemplateSyntax, place, message)
                .help("it takes a gate or a loop: `#: begin only arm32v6`"))
        }
    }
}

/// Refuses tags that reach out of the line: the rest of the template would be part of them.
fn closed(source: &Arc<Source>, argument: &Range<usize>) -> Result<(), Diagnostic> {
    let text = &source.text()[argument.clone()];
    let found = scan(text);
    let problem = |span: Range<usize>, message: &str, help: &str| {
        let place = Place::new(
            source,
            argument.start + span.start..argument.start + span.end,
        );
        Err(Diagnostic::error(Code::TemplateSyntax, place, message).help(help))
    };
    let comment = text
        .match_indices("{{!--")
        .find(|(at, _)| !text[*at..].contains("--}}"));
    let unclosed = found.unclosed.into_iter().next();
    // A brace or two at the very end open nothing: `f() {`.
    let unclosed = unclosed.filter(|span| !text[span.clone()].trim_matches('{').is_empty());
    if let Some(span) = comment.map(|(at, _)| at..text.len()).or(unclosed) {
        let help = "a tag ends with two braces, in the line that it begins in";
        return problem(span, "`{{` is never closed", help);
    }
    let mut open: Vec<Range<usize>> = Vec::new();
    for tag in found.tags {
        let stray = match tag.kind {
            TagKind::Open => {
                open.push(tag.span.clone());
                false
            }
            TagKind::Close => open.pop().is_none(),
            TagKind::Else => open.is_empty(),
            _ => false,
        };
        if stray {
            let help = "a gate is a directive of its own: `#: unless TEST`, `#: except ARCH`";
            return problem(tag.span, "this belongs to no block of the line", help);
        }
    }
    match open.pop() {
        Some(span) => problem(
            span,
            "this block is not ended in its line",
            "for more than a line there is `#: begin if TEST` … `#: end`",
        ),
        None => Ok(()),
    }
}

fn named(
    source: &Arc<Source>,
    line: &Range<usize>,
    word: Range<usize>,
    argument: Range<usize>,
) -> Result<Directive, Diagnostic> {
    let name = &source.text()[word.clone()];
    let known = DIRECTIVES.iter().find(|(known, ..)| *known == name);
    let Some((_, kind, takes, usage)) = known else {
        let all: Vec<_> = DIRECTIVES.iter().map(|(known, ..)| *known).collect();
        let help = match near(name) {
            _ if ["else", "elif", "elseif"].contains(&name) => {
                "there is no `else`: the other half stands under a gate of its own, as `#: unless TEST` or `#: except ARCH`"
                    .to_string()
            }
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", all.join(", ")),
        };
        let message = match name {
            "" => "`#:` begins a directive, and there is none".to_string(),
            _ => format!("`{name}` is not a directive"),
        };
        let place = Place::new(source, word);
        return Err(Diagnostic::error(Code::TemplateSyntax, place, message).help(help));
    };
    let message = match (takes, argument.is_empty()) {
        (Argument::None, false) => format!("`{name}` takes nothing behind it"),
        (Argument::Needed, true) => format!("`{name}` needs something behind it"),
        _ => {
            // A line that is written keeps its blanks, but for the one behind the word.
            let argument = match kind {
                Kind::Write => word.end + 1..argument.end,
                _ => argument,
            };
            closed(source, &argument)?;
            return Ok(Directive {
                kind: *kind,
                span: word.start..argument.end.max(word.end),
                argument,
                line: line.clone(),
            });
        }
    };
    let place = Place::new(source, word.start..argument.end.max(word.end));
    Err(Diagnostic::error(Code::TemplateSyntax, place, message).help(format!("write `{usage}`")))
}
