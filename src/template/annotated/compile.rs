//! From a Dockerfile with directives to a Handlebars template of one line.

use std::ops::Range;
use std::sync::Arc;

use super::Mapping;
use super::changes::Change;
use super::directive::{Directive, Kind, opened, read};
use super::writer::Writer;
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::dockerfile::{escape, instructions_with, lines};

/// What a template is compiled to.
pub(super) struct Compiled {
    pub(super) mapping: Mapping,
    /// The stretches of the template that the tags print.
    pub(super) literals: Vec<Range<usize>>,
    /// What is wrong with directives. They are left out, so that the rest can be looked at.
    pub(super) problems: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Compiles a template; `skip` is the line that names the dialect.
pub(super) fn compile(source: &Arc<Source>, skip: &Range<usize>) -> Compiled {
    let text = source.text();
    // The line that names the dialect is no part of what is generated: parser directives may follow it.
    let escape = escape(&[&text[..skip.start], &text[skip.end..]].concat());
    let mut compiler = Compiler {
        source,
        text,
        escape,
        writer: Writer::new(source.text(), skip),
        at: 0,
        pending: Vec::new(),
        open: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    compiler.file();
    Compiled {
        mapping: Mapping {
            source: Arc::clone(source),
            compiled: Source::new(source.path(), compiler.writer.out),
            pieces: compiler.writer.pieces,
        },
        literals: compiler.writer.literals,
        problems: compiler.problems,
        warnings: compiler.warnings,
    }
}

pub(super) struct Compiler<'a> {
    pub(super) source: &'a Arc<Source>,
    pub(super) text: &'a str,
    /// What continues a line.
    pub(super) escape: char,
    /// How far the template is in what is compiled.
    pub(super) at: usize,
    /// Directives that wait for their instruction.
    pub(super) pending: Vec<Directive>,
    /// Blocks: `begin` and what it opens, where that is right.
    pub(super) open: Vec<(Directive, Option<Directive>)>,
    pub(super) writer: Writer<'a>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn file(&mut self) {
        let all = instructions_with(self.text, self.escape);
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
        self.writer.literal(rest);
        for (begin, inner) in std::mem::take(&mut self.open).into_iter().rev() {
            if let Some(inner) = inner {
                self.writer.close_gate(&inner);
            }
            self.problem(
                begin.span,
                "this block is never ended",
                "add `#: end` where it ends",
            );
        }
    }

    pub(super) fn problem(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let place = Place::new(self.source, span);
        let problem = Diagnostic::error(Code::TemplateSyntax, place, message);
        self.problems.push(problem.help(help));
    }

    pub(super) fn or_problem(&mut self, changes: Result<Vec<Change>, Diagnostic>) -> Vec<Change> {
        changes.unwrap_or_else(|problem| {
            self.problems.push(problem);
            Vec::new()
        })
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
        self.writer.literal(self.at..directive.line.start);
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
                    self.writer.open_gate(inner);
                }
                // Where it is wrong, its `end` is no fault of its own.
                self.open.push((directive, inner));
            }
            Kind::End => {
                self.before_nothing("the block ends");
                match self.open.pop() {
                    Some((_, inner)) => {
                        if let Some(inner) = inner {
                            self.writer.close_gate(&inner);
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
        gates.iter().for_each(|gate| self.writer.open_gate(gate));
        self.writer.made("{{> ", &directive.span);
        self.writer.exact(directive.argument.clone());
        self.writer.made("}}", &directive.span);
        gates
            .iter()
            .rev()
            .for_each(|gate| self.writer.close_gate(gate));
    }

    /// Refuses braces where a directive's argument goes into a tag.
    fn plain(&mut self, directive: &Directive) -> bool {
        let argument = &self.text[directive.argument.clone()];
        // Braces in quotes are text, as in `#: include part x="{"`.
        let bare = argument.split('"').step_by(2);
        let mut bare = bare.flat_map(str::chars);
        let good = !argument.contains("{{")
            && !argument.contains("}}")
            && !bare.any(|char| char == '{' || char == '}');
        if !good {
            let message = format!("`{}` takes no braces", directive.kind.word());
            let help = format!("write the name alone, as `{}`", directive.kind.usage());
            self.problem(directive.argument.clone(), message, help);
        }
        good
    }

    /// The gates whose arguments can go into a tag.
    pub(super) fn good(&mut self, mut gates: Vec<Directive>) -> Vec<Directive> {
        gates.retain(|gate| self.plain(gate) && self.has_no_operators(gate));
        gates
    }

    /// Refuses tests as other languages have them, before Handlebars does in its own words.
    fn has_no_operators(&mut self, gate: &Directive) -> bool {
        let argument = &self.text[gate.argument.clone()];
        let tests = [
            ("==", "eq"),
            ("!=", "ne"),
            ("&&", "and"),
            ("||", "or"),
            ("=", "eq"),
        ];
        let is_test = matches!(gate.kind, Kind::If | Kind::Unless);
        let found = tests
            .iter()
            .find(|(sign, _)| is_test && argument.split_whitespace().any(|word| word == *sign));
        if let Some((sign, test)) = found {
            let message = format!("`{sign}` is no test");
            let help = format!(
                "the test stands first: `#: {} {test} a b`",
                gate.kind.word()
            );
            self.problem(gate.argument.clone(), message, help);
        }
        found.is_none()
    }
}
