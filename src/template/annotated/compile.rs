//! From a Dockerfile with directives to a Handlebars template of one line.
//!
//! Whatever the Dockerfile says is a tag with a number, `{{\u{f8ff} 3}}`, which prints the third stretch of it. What
//! directives say stands between: tests around, replacements inside.

use std::ops::Range;
use std::sync::Arc;

use super::directive::{Directive, Kind, opened, read};
use super::{Mapping, Piece, PieceKind};
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::dockerfile::{Instruction, Word, escape, instructions_with, lines};
use crate::template::handlebars::LITERAL;

/// What a template is compiled to.
pub(super) struct Compiled {
    pub(super) mapping: Mapping,
    /// The stretches of the template that the tags print.
    pub(super) literals: Vec<Range<usize>>,
    /// What is wrong with directives. They are left out, so that the rest can be looked at.
    pub(super) problems: Vec<Diagnostic>,
}

/// Compiles a template; `skip` is the line that names the dialect.
pub(super) fn compile(source: &Arc<Source>, skip: &Range<usize>) -> Compiled {
    let mut compiler = Compiler {
        source,
        text: source.text(),
        skip,
        at: 0,
        pending: Vec::new(),
        open: Vec::new(),
        out: String::new(),
        pieces: Vec::new(),
        literals: Vec::new(),
        problems: Vec::new(),
    };
    compiler.file();
    Compiled {
        mapping: Mapping {
            source: Arc::clone(source),
            compiled: Source::new(source.path(), compiler.out),
            pieces: compiler.pieces,
        },
        literals: compiler.literals,
        problems: compiler.problems,
    }
}

struct Compiler<'a> {
    source: &'a Arc<Source>,
    text: &'a str,
    skip: &'a Range<usize>,
    /// How far the template is in what is compiled.
    at: usize,
    /// Directives that wait for their instruction.
    pending: Vec<Directive>,
    /// Blocks: `begin` and what it opens, where that is right.
    open: Vec<(Directive, Option<Directive>)>,
    out: String,
    pieces: Vec<Piece>,
    literals: Vec<Range<usize>>,
    problems: Vec<Diagnostic>,
}

/// A replacement: a range of the template and what is printed in its place.
struct Change {
    range: Range<usize>,
    /// Ranges of the template whose text is printed: a directive's argument, or several, each on a line of its own.
    texts: Vec<Range<usize>>,
    by: Range<usize>,
}

impl Compiler<'_> {
    fn file(&mut self) {
        // The line that names the dialect is no part of what is generated: parser directives may follow it.
        let top = [&self.text[..self.skip.start], &self.text[self.skip.end..]].concat();
        let all = instructions_with(self.text, escape(&top));
        let mut next = all.iter().peekable();
        let lines: Vec<Range<usize>> = lines(self.text).collect();
        let mut lines = lines.into_iter().peekable();
        while let Some(line) = lines.next() {
            match next.peek() {
                Some(instruction) if instruction.span.start < line.end => {
                    while lines
                        .next_if(|line| line.start < instruction.span.end)
                        .is_some()
                    {}
                    self.instruction(instruction);
                    next.next();
                }
                _ => match read(self.source, &line) {
                    Some(Ok(directive)) => self.directive(directive),
                    Some(Err(problem)) => self.problems.push(problem),
                    None => {}
                },
            }
        }
        self.before_nothing("the file ends");
        let rest = self.at..self.text.len();
        self.literal(rest);
        for (begin, inner) in std::mem::take(&mut self.open).into_iter().rev() {
            if let Some(inner) = inner {
                self.close_gate(&inner);
            }
            self.problem(
                begin.span,
                "this block is never ended",
                "add `#: end` where it ends",
            );
        }
    }

    fn problem(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        let place = Place::new(self.source, span);
        let problem = Diagnostic::error(Code::TemplateSyntax, place, message);
        self.problems.push(problem.help(help));
    }

    /// Directives wait for an instruction, and none comes.
    fn before_nothing(&mut self, what: &str) {
        for directive in std::mem::take(&mut self.pending) {
            let word = directive.kind.word();
            let message = format!("`{word}` stands before no instruction: {what}");
            let help = "put it right above the instruction that it is about";
            self.problem(directive.span, message, help);
        }
    }

    fn directive(&mut self, directive: Directive) {
        // What stands between directives stays before what they are about.
        self.literal(self.at..directive.line.start);
        self.at = directive.line.end;
        match directive.kind {
            Kind::Begin => {
                self.before_nothing("a block begins");
                let inner = match opened(self.source, &directive) {
                    Ok(inner) => Some(inner).filter(|inner| self.plain(inner)),
                    Err(problem) => {
                        self.problems.push(problem);
                        None
                    }
                };
                if let Some(inner) = &inner {
                    self.open_gate(inner);
                }
                // Where it is wrong, its `end` is no fault of its own.
                self.open.push((directive, inner));
            }
            Kind::End => {
                self.before_nothing("the block ends");
                match self.open.pop() {
                    Some((_, inner)) => {
                        if let Some(inner) = inner {
                            self.close_gate(&inner);
                        }
                    }
                    None => self.problem(
                        directive.span,
                        "`end` ends nothing",
                        "a block begins with `#: begin`, as `#: begin only arm32v6`",
                    ),
                }
            }
            Kind::Include => self.include(&directive),
            _ => self.pending.push(directive),
        }
    }

    fn include(&mut self, directive: &Directive) {
        let pending = std::mem::take(&mut self.pending);
        let (gates, changes): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .partition(|directive| directive.kind.is_gate() || directive.kind == Kind::Each);
        for change in changes {
            let word = change.kind.word();
            let message = format!("`{word}` stands before an `include`, which is no instruction");
            self.problem(change.span, message, "change the file that is included");
        }
        if !self.plain(directive) {
            return;
        }
        let gates = self.good(gates);
        gates.iter().for_each(|gate| self.open_gate(gate));
        self.made("{{> ", &directive.span);
        self.exact(directive.argument.clone());
        self.made("}}", &directive.span);
        gates.iter().rev().for_each(|gate| self.close_gate(gate));
    }

    /// Refuses braces where a directive's argument goes into a tag.
    fn plain(&mut self, directive: &Directive) -> bool {
        let argument = &self.text[directive.argument.clone()];
        let good = !argument.contains("{{") && !argument.contains("}}");
        if !good {
            let message = format!("`{}` takes no braces", directive.kind.word());
            let help = format!("write the name alone, as `{}`", directive.kind.usage());
            self.problem(directive.argument.clone(), message, help);
        }
        good
    }

    /// The gates whose arguments can go into a tag.
    fn good(&mut self, mut gates: Vec<Directive>) -> Vec<Directive> {
        gates.retain(|gate| self.plain(gate));
        gates
    }

    fn open_gate(&mut self, gate: &Directive) {
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

    fn close_gate(&mut self, gate: &Directive) {
        let name = match gate.kind {
            Kind::Only => "only",
            Kind::Except => "except",
            Kind::Unless => "unless",
            Kind::Each => "each",
            _ => "if",
        };
        self.made(&format!("{{{{/{name}}}}}"), &gate.span);
    }

    fn instruction(&mut self, instruction: &Instruction) {
        let pending = std::mem::take(&mut self.pending);
        let last_line = instruction.lines.last().map_or(0, |line| line.start);
        let inner = self.inner(instruction, last_line);
        if pending.is_empty() && inner.is_empty() {
            return;
        }
        let (gates, changes): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .partition(|directive| directive.kind.is_gate() || directive.kind == Kind::Each);
        let mut found = Vec::new();
        let writes: Vec<&Directive> = changes.iter().filter(|d| d.kind == Kind::Write).collect();
        if let Some(first) = writes.first() {
            let others = changes.iter().filter(|d| d.kind != Kind::Write);
            let others: Vec<Range<usize>> = others.chain(&inner).map(|d| d.span.clone()).collect();
            for other in others {
                let message = "this is of no use: the whole instruction is written anew";
                self.problem(other, message, "take it out, or say it in what is written");
            }
            found.push(Change {
                range: instruction.span.start..self.end_of(&instruction.span),
                texts: writes.iter().map(|write| write.argument.clone()).collect(),
                by: first.span.clone(),
            });
        } else {
            for change in &changes {
                found.extend(self.change(change, instruction, &inner));
            }
        }
        let gates = self.good(gates);
        gates.iter().for_each(|gate| self.open_gate(gate));
        match writes.is_empty() {
            true => self.lines(instruction, &inner, found),
            false => self.with_changes(self.at..instruction.span.end, &found),
        }
        self.at = instruction.span.end;
        gates.iter().rev().for_each(|gate| self.close_gate(gate));
    }

    /// The end of a range without its line break.
    fn end_of(&self, range: &Range<usize>) -> usize {
        range.start
            + self.text[range.clone()]
                .trim_end_matches(['\n', '\r'])
                .len()
    }

    /// The directives between the lines of an instruction. Behind its last line there may be a heredoc: that is its text.
    fn inner(&mut self, instruction: &Instruction, last_line: usize) -> Vec<Directive> {
        let mut inner = Vec::new();
        let within = instruction.span.start..last_line.max(instruction.span.start);
        for line in lines(&self.text[within.clone()]) {
            let line = within.start + line.start..within.start + line.end;
            match read(self.source, &line) {
                Some(Ok(directive)) => {
                    let fits = directive.kind.is_gate()
                        || matches!(directive.kind, Kind::Replace | Kind::Write);
                    if fits {
                        inner.push(directive);
                    } else {
                        let message = format!(
                            "`{}` cannot stand inside of an instruction",
                            directive.kind.word()
                        );
                        let help = "there a gate, `replace` or `write` is for the next line; put others above the instruction";
                        self.problem(directive.span, message, help);
                    }
                }
                Some(Err(problem)) => self.problems.push(problem),
                None => {}
            }
        }
        inner
    }

    /// Writes an instruction line by line, with the directives that stand between its lines.
    fn lines(&mut self, instruction: &Instruction, inner: &[Directive], mut changes: Vec<Change>) {
        if inner.is_empty() {
            return self.with_changes(self.at..instruction.span.end, &changes);
        }
        let mut waiting: Vec<&Directive> = Vec::new();
        let mut inner = inner.iter().peekable();
        for line in &instruction.lines {
            while let Some(directive) = inner.next_if(|d| d.line.start < line.start) {
                self.with_changes(self.at..directive.line.start, &changes);
                self.at = directive.line.end;
                waiting.push(directive);
            }
            if waiting.is_empty() {
                continue;
            }
            self.with_changes(self.at..line.start, &changes);
            let (gates, own): (Vec<&Directive>, Vec<&Directive>) = std::mem::take(&mut waiting)
                .into_iter()
                .partition(|directive| directive.kind.is_gate());
            let writes: Vec<Range<usize>> = own
                .iter()
                .filter(|directive| directive.kind == Kind::Write)
                .map(|directive| directive.argument.clone())
                .collect();
            for directive in own {
                match directive.kind {
                    Kind::Write => {
                        let body = self.body_of(line, instruction);
                        changes.retain(|change| change.by != directive.span);
                        if changes.iter().any(|change| change.range == body) {
                            continue;
                        }
                        changes.push(Change {
                            range: body,
                            texts: writes.clone(),
                            by: directive.span.clone(),
                        });
                    }
                    _ => changes.extend(self.replacement(directive, std::slice::from_ref(line))),
                }
            }
            let gates = self.good(gates.into_iter().cloned().collect());
            gates.iter().for_each(|gate| self.open_gate(gate));
            self.with_changes(line.clone(), &changes);
            gates.iter().rev().for_each(|gate| self.close_gate(gate));
            self.at = line.end;
        }
        self.with_changes(self.at..instruction.span.end, &changes);
    }

    /// A line without the blanks at its beginning and the escape character at its end.
    fn body_of(&self, line: &Range<usize>, instruction: &Instruction) -> Range<usize> {
        let text = &self.text[line.clone()];
        let start = line.start + text.len() - text.trim_start().len();
        let end = text.trim_end();
        let continued = instruction.lines.last() != Some(line);
        let end = match (continued, end.char_indices().next_back()) {
            (true, Some((escape, _))) => end[..escape].trim_end().len(),
            _ => end.len(),
        };
        start..(line.start + end).max(start)
    }

    /// What a directive above an instruction replaces.
    fn change(
        &mut self,
        directive: &Directive,
        instruction: &Instruction,
        inner: &[Directive],
    ) -> Vec<Change> {
        if let Some(wanted) = directive.kind.instruction()
            && instruction.name != wanted
        {
            let word = directive.kind.word();
            let message = format!("`{word}` stands before `{}`", instruction.name);
            let help = format!("it is for `{wanted}`; any text is changed by `#: replace OLD NEW`");
            self.problem(directive.span.clone(), message, help);
            return Vec::new();
        }
        match directive.kind {
            Kind::From => {
                let argument = &self.text[directive.argument.clone()];
                if outside_tags(argument).contains(char::is_whitespace) {
                    let help = "the platform and the name of the stage stay as they are";
                    self.problem(directive.argument.clone(), "`from` takes one image", help);
                    return Vec::new();
                }
                let Some(image) = instruction.arguments().next() else {
                    let help = "write the `FROM` with an image to begin with";
                    self.problem(directive.span.clone(), "this `FROM` has no image", help);
                    return Vec::new();
                };
                vec![Change {
                    range: image.span.clone(),
                    texts: vec![directive.argument.clone()],
                    by: directive.span.clone(),
                }]
            }
            Kind::Arg | Kind::Env | Kind::Label => self
                .assignment(directive, instruction)
                .into_iter()
                .collect(),
            _ => {
                let without: Vec<Range<usize>> = inner.iter().map(|d| d.line.clone()).collect();
                let mut parts = Vec::new();
                let mut at = instruction.span.start;
                for line in without {
                    parts.push(at..line.start);
                    at = line.end;
                }
                parts.push(at..instruction.span.end);
                self.replacement(directive, &parts)
            }
        }
    }

    /// `NAME=VALUE` in the place of the value that the instruction has.
    fn assignment(&mut self, directive: &Directive, instruction: &Instruction) -> Option<Change> {
        let argument = &self.text[directive.argument.clone()];
        let Some((name, _)) = argument.split_once('=') else {
            let help = format!("write `{}`", directive.kind.usage());
            let message = format!("`{}` takes a name and a value", directive.kind.word());
            self.problem(directive.argument.clone(), message, help);
            return None;
        };
        let value = directive.argument.start + name.len() + 1..directive.argument.end;
        let name = name.trim();
        let change = |range: Range<usize>, text: Range<usize>| Change {
            range,
            texts: vec![text],
            by: directive.span.clone(),
        };
        let words: Vec<&Word> = instruction.words.iter().collect();
        let named = |word: &&&Word| word.text.split('=').next() == Some(name);
        let raw = |word: &Word| &self.text[word.span.clone()];
        if let Some(word) = words.iter().find(named) {
            // `ARG NAME` has no default yet, and `ENV NAME some words` none of the equals signs.
            return Some(match raw(word).find('=') {
                Some(at) => change(word.span.start + at + 1..word.span.end, value),
                None if directive.kind == Kind::Arg => {
                    change(word.span.clone(), directive.argument.clone())
                }
                None => {
                    let first = words.get(1).map_or(word.span.end, |word| word.span.start);
                    let last = words.last().map_or(first, |word| word.span.end);
                    change(first..last.max(first), value)
                }
            });
        }
        let names: Vec<&str> = words
            .iter()
            .filter_map(|word| word.text.split('=').next())
            .collect();
        let message = format!("the `{}` has no `{name}`", instruction.name);
        let help = format!("it has: {}", names.join(", "));
        let start = directive.argument.start;
        self.problem(start..start + name.len(), message, help);
        None
    }

    /// `OLD NEW`: every OLD in some parts of the template.
    fn replacement(&mut self, directive: &Directive, parts: &[Range<usize>]) -> Vec<Change> {
        let argument = &self.text[directive.argument.clone()];
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
            let help = format!(
                "write `{}`, a text with blanks in quotes",
                directive.kind.usage()
            );
            self.problem(
                directive.argument.clone(),
                "`replace` takes two texts",
                help,
            );
            return Vec::new();
        }
        let new = directive.argument.end - new.len()..directive.argument.end;
        let old = old.to_string();
        let mut changes = Vec::new();
        for part in parts {
            let found = self.text[part.clone()].match_indices(&old);
            changes.extend(found.map(|(at, _)| Change {
                range: part.start + at..part.start + at + old.len(),
                texts: vec![new.clone()],
                by: directive.span.clone(),
            }));
        }
        if changes.is_empty() {
            let help = "write it as it stands there; one line may be all that it is about";
            let message = format!("there is no `{old}` in what follows");
            self.problem(directive.argument.clone(), message, help);
        }
        changes
    }

    /// Writes a part of the template with the changes that lie in it.
    fn with_changes(&mut self, part: Range<usize>, changes: &[Change]) {
        let inside = changes
            .iter()
            .filter(|change| part.start <= change.range.start && change.range.end <= part.end);
        let mut inside: Vec<&Change> = inside.collect();
        inside.sort_by_key(|change| (change.range.start, change.range.end));
        let mut at = part.start;
        for change in inside {
            if change.range.start < at {
                let message = "this changes what another directive changes already";
                self.problem(change.by.clone(), message, "leave one of them out");
                continue;
            }
            self.literal(at..change.range.start);
            for (index, text) in change.texts.iter().enumerate() {
                if index > 0 {
                    // The line break behind the text before it, as the file has it.
                    let before = change.texts[index - 1].end;
                    let rest = &self.text[before..];
                    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                    let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
                    self.literal(before + blanks..before + end);
                }
                self.words_and_tags(text);
            }
            at = change.range.end;
        }
        self.literal(at..part.end);
    }

    fn piece(&mut self, span: Range<usize>, kind: PieceKind) {
        self.pieces.push(Piece {
            start: self.out.len(),
            span,
            kind,
        });
    }

    /// Prints the template's own text.
    fn literal(&mut self, range: Range<usize>) {
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
    fn exact(&mut self, range: Range<usize>) {
        self.piece(range.clone(), PieceKind::Exact);
        self.out.push_str(&self.text[range]);
    }

    /// What a directive says as text, with tags in it.
    fn words_and_tags(&mut self, range: &Range<usize>) {
        // A backslash at its end would make text of the tag that follows.
        let text = self.text[range.clone()].trim_end_matches('\\');
        let end = range.start + text.len();
        self.exact(range.start..end);
        self.literal(end..range.end);
    }

    /// What is made for a directive.
    fn made(&mut self, text: &str, span: &Range<usize>) {
        self.piece(span.clone(), PieceKind::Made);
        self.out.push_str(text);
    }
}

/// The words of a range, without the quotes and commas that people put around names.
fn words(text: &str, range: &Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut at = range.start;
    for word in text[range.clone()].split([' ', '\t']) {
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
