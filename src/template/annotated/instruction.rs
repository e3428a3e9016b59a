//! One instruction of an annotated template, with the directives above it and between its lines.

use std::ops::Range;

use super::changes::{self, Change, Form};
use super::compile::Compiler;
use super::directive::{Directive, Kind, is_directive, read};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::dockerfile::{Instruction, lines, opens_heredoc};

impl Compiler<'_> {
    pub(super) fn instruction(&mut self, instruction: &Instruction) {
        let pending = std::mem::take(&mut self.pending);
        let last_line = instruction.lines.last().map_or(0, |line| line.start);
        let inner = self.inner(instruction, last_line);
        self.warn_of_heredocs(instruction);
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
                form: Form::Plain,
                by: first.span.clone(),
            });
        } else {
            for change in &changes {
                let made = changes::above(self.source, change, instruction, &inner, self.escape);
                found.extend(self.or_problem(made));
            }
        }
        let gates = self.good(gates);
        let repeated = gates.iter().find(|gate| gate.kind == Kind::Each);
        if let Some(each) = repeated
            && !self.text[instruction.span.clone()].ends_with('\n')
        {
            let message =
                "the file ends without a line break, and what is repeated would stand in one line";
            self.problem(each.span.clone(), message, "end the file with a line break");
        }
        gates.iter().for_each(|gate| self.writer.open_gate(gate));
        match writes.is_empty() {
            true => self.lines(instruction, &inner, found),
            false => self.with_changes(self.at..instruction.span.end, &found),
        }
        self.at = instruction.span.end;
        gates
            .iter()
            .rev()
            .for_each(|gate| self.writer.close_gate(gate));
    }

    /// In the text of a heredoc a comment is that of another language.
    fn warn_of_heredocs(&mut self, instruction: &Instruction) {
        let start = instruction.lines.last().map_or(0, |line| line.end);
        let text = &self.text[start.min(instruction.span.end)..instruction.span.end];
        for line in lines(text).filter(|line| is_directive(&text[line.clone()])) {
            let end = line.start + text[line.clone()].trim_end().len();
            let place = Place::new(self.source, start + line.start..start + end);
            let message = "in the text of a heredoc this is no directive";
            let help =
                "put it above the instruction: `#: replace` and gates are about the heredoc too";
            let warning = Diagnostic::warning(Code::MixedDialects, place, message);
            self.warnings.push(warning.help(help));
        }
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
        for change in &changes {
            let within = |directive: &&Directive| {
                change.range.start < directive.line.start && directive.line.end < change.range.end
            };
            if inner.iter().any(|directive| within(&directive)) {
                let message = "there are directives in the middle of what this changes";
                let help = "change it with `#: write` line by line, or take those out";
                self.problem(change.by.clone(), message, help);
            }
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
            let opener = instruction.words.iter().find(|word| {
                line.contains(&word.span.start) && opens_heredoc(&self.text[word.span.clone()])
            });
            if let (Some(_), Some(first)) = (opener, waiting.first()) {
                let message = "this line opens a heredoc, whose text does not go with it";
                let help = "put the directive above the instruction, or the heredoc into an instruction of its own";
                self.problem(first.span.clone(), message, help);
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
                        let same = |change: &Change| {
                            change.form == Form::Lines && change.range.start == body.start
                        };
                        if changes.iter().any(same) {
                            continue;
                        }
                        // A continuation that is written out stands for the line's own.
                        let written = writes.last().is_some_and(|text| self.is_continued(text));
                        let end = match written {
                            true => self.end_of(line),
                            false => body.end,
                        };
                        changes.push(Change {
                            range: body.start..end,
                            texts: writes.clone(),
                            form: Form::Lines,
                            by: directive.span.clone(),
                        });
                    }
                    _ => {
                        let made = changes::replacement(
                            self.source,
                            directive,
                            std::slice::from_ref(line),
                            self.escape,
                        );
                        changes.extend(self.or_problem(made));
                    }
                }
            }
            let gates = self.good(gates.into_iter().cloned().collect());
            gates.iter().for_each(|gate| self.writer.open_gate(gate));
            self.with_changes(line.clone(), &changes);
            gates
                .iter()
                .rev()
                .for_each(|gate| self.writer.close_gate(gate));
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

    /// Whether a line that is written ends with the escape character itself.
    fn is_continued(&self, text: &Range<usize>) -> bool {
        self.text[text.clone()].trim_end().ends_with(self.escape)
    }

    /// Writes what stands in the place of something.
    fn write(&mut self, change: &Change) {
        for (index, text) in change.texts.iter().enumerate() {
            if index > 0 {
                let before = &change.texts[index - 1];
                if change.form == Form::Lines && !self.is_continued(before) {
                    let continuation = format!(" {}", self.escape);
                    self.writer.text(&continuation, &change.by);
                }
                // The line break behind the text before it, as the file has it.
                let rest = &self.text[before.end..];
                let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
                self.writer.literal(before.end + blanks..before.end + end);
            }
            let line = lines_around(self.text, change.range.start);
            if index > 0 && change.form == Form::Lines {
                self.writer.literal(line.start..change.range.start);
            }
            match change.form {
                Form::Word { always } => self.writer.word(text, always, self.escape),
                Form::Plain | Form::Lines => self.writer.words_and_tags(text),
            }
        }
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
            self.writer.literal(at..change.range.start);
            self.write(change);
            at = change.range.end;
        }
        self.writer.literal(at..part.end);
    }
}

/// The line that a place lies in.
fn lines_around(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |found| found + 1);
    let end = text[at..].find('\n').map_or(text.len(), |found| at + found);
    start..end
}
