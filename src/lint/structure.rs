//! Order and completeness of instructions: what a dropped line leaves behind.

use std::collections::BTreeMap;

use super::{Findings, Sheet, finding};
use crate::diagnostic::{Code, Place};
use crate::dockerfile::{INSTRUCTIONS, Instruction};

/// What may stand before the first `FROM`.
const BEFORE_FROM: &[&str] = &["ARG", "FROM"];

pub(super) fn check(sheet: &Sheet<'_>, findings: &mut Findings) {
    check_start(sheet, findings);
    for instruction in &sheet.instructions {
        check_continuations(sheet, instruction, findings);
        check_beginning(sheet, instruction, findings);
        check_heredoc(sheet, instruction, findings);
    }
}

/// What goes on with an instruction whose first line was dropped.
fn check_beginning(sheet: &Sheet<'_>, instruction: &Instruction, findings: &mut Findings) {
    if INSTRUCTIONS.contains(&instruction.name.as_str()) {
        return;
    }
    let line = sheet.trimmed(&instruction.lines[0]);
    let Some(place) = sheet.place(&line) else {
        return;
    };
    let text = place.source().text();
    let start = text[..place.span().start]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let before = text[..start].trim_end_matches(['\n', '\r', ' ', '\t']);
    let before_start = before.rfind('\n').map_or(0, |at| at + 1);
    if !before.ends_with(['\\', '`']) || text[before.len()..start].matches('\n').count() != 1 {
        return;
    }
    let above = Place::new(place.source(), before_start..before.len());
    let message = "this goes on with a line that is dropped, and is no instruction";
    let problem = finding(Code::DanglingContinuation, place, message)
        .related(above, "the line before it")
        .help("gate every line of the instruction");
    findings.add(sheet.cell, problem);
}

/// A heredoc whose closing line was dropped: the rest of the file becomes part of it.
fn check_heredoc(sheet: &Sheet<'_>, instruction: &Instruction, findings: &mut Findings) {
    let Some(word) = &instruction.unclosed else {
        return;
    };
    if let Some(place) = sheet.place(&word.span) {
        let message = format!(
            "nothing closes `{}`: the rest of the file is part of it",
            word.text
        );
        let problem = finding(Code::DanglingContinuation, place, message)
            .help("let the line that closes it stay wherever this line stays");
        findings.add(sheet.cell, problem);
    }
}

fn check_start(sheet: &Sheet<'_>, findings: &mut Findings) {
    let from = sheet.instructions.iter().find(|found| found.name == "FROM");
    let Some(from) = from else {
        let text = sheet.traced.text();
        let place = sheet.place(&(0..text.find('\n').unwrap_or(text.len())));
        if let Some(place) = place {
            let message = "what is generated has no `FROM`: it builds nothing";
            let help = "let a `FROM` stay for every architecture, or take the architecture out of `arches`";
            findings.add(sheet.cell, finding(Code::NoFrom, place, message).help(help));
        }
        return;
    };
    let early = sheet
        .instructions
        .iter()
        .take_while(|found| found.name != "FROM")
        .find(|found| !BEFORE_FROM.contains(&found.name.as_str()));
    let Some(early) = early else { return };
    let known = INSTRUCTIONS.contains(&early.name.as_str());
    let line = sheet.trimmed(&early.lines[0]);
    if let Some(place) = sheet.place(&line) {
        let message = match known {
            true => format!("`{}` comes before the first `FROM`", early.name),
            false => "something that is no instruction comes before the first `FROM`".to_string(),
        };
        let mut problem = finding(Code::BeforeFrom, place, message)
            .help("only `ARG` may stand there: move it below the `FROM`");
        if let Some(place) = sheet.place(&sheet.trimmed(&from.lines[0])) {
            problem = problem.related(place, "the first `FROM` is here");
        }
        findings.add(sheet.cell, problem);
    }
}

/// A continued line whose continuation was dropped: the next instruction, or nothing, becomes part of it.
fn check_continuations(sheet: &Sheet<'_>, instruction: &Instruction, findings: &mut Findings) {
    if let (Some(escape), Some(last)) = (&instruction.unfinished, instruction.lines.last()) {
        let line = sheet.trimmed(last);
        if let Some(place) = sheet.place(&(line.start..escape.end)) {
            let message = format!(
                "`{}` is to be continued, and the file ends",
                instruction.name
            );
            findings.add(sheet.cell, dangling(place, message));
        }
    }
    for pair in instruction.lines.windows(2) {
        let (before, after) = (sheet.trimmed(&pair[0]), sheet.trimmed(&pair[1]));
        let text = &sheet.traced.text()[after.clone()];
        let word = text.split_whitespace().next().unwrap_or_default();
        // A word in upper case inside an instruction may be its own: SQL has FROM. At the start of a line, behind a line
        // that the template does not have right before it, it is the next instruction.
        let swallowed = INSTRUCTIONS.contains(&word) && after.start == pair[1].start;
        if !swallowed {
            continue;
        }
        let (Some(place), Some(next)) = (sheet.place(&before), sheet.place(&after)) else {
            continue;
        };
        if place.source() == next.source() && drops_lines(&place, &next) {
            let message = format!(
                "`{word}` becomes part of the `{}` before it",
                instruction.name
            );
            let problem = dangling(place, message);
            findings.add(
                sheet.cell,
                problem.related(next, format!("`{word}` is here")),
            );
        }
    }
}

/// Whether the template has lines between two places that say something, and are not in what is generated.
fn drops_lines(place: &Place, next: &Place) -> bool {
    let text = place.source().text();
    let between = text.get(place.span().end..next.span().start);
    let mut lines = between.unwrap_or_default().lines().skip(1);
    // What `next` begins with is no line of its own.
    let says = |line: &str| {
        let line = line.trim();
        !line.is_empty() && (!line.starts_with('#') || line.contains("__CROSS_"))
    };
    lines.any(says)
}

fn dangling(place: Place, message: String) -> crate::diagnostic::Diagnostic {
    finding(Code::DanglingContinuation, place, message).help(
        "the line that it goes on to is dropped: put the gated line before this one, or the line break behind the gate with it",
    )
}

/// Stages that are named by `COPY --from` or `FROM` and that only other files of the template have.
pub(super) fn check_stages(sheets: &[Sheet<'_>], findings: &mut Findings) {
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    for sheet in sheets {
        for (name, span) in stages(sheet) {
            if let Some(place) = sheet.place(&span) {
                places.entry(name).or_insert(place);
            }
        }
    }
    for sheet in sheets {
        let own: Vec<String> = stages(sheet).into_iter().map(|(name, _)| name).collect();
        for instruction in &sheet.instructions {
            let named = match instruction.name.as_str() {
                "COPY" | "ADD" => instruction
                    .flag("from")
                    .map(|(value, word)| (value.to_ascii_lowercase(), word)),
                "FROM" => instruction
                    .arguments()
                    .next()
                    .map(|word| (word.text.to_ascii_lowercase(), word)),
                _ => None,
            };
            let Some((name, word)) = named else { continue };
            let Some(stage) = places.get(&name).filter(|_| !own.contains(&name)) else {
                continue;
            };
            if let Some(place) = sheet.place(&word.span) {
                let message = format!("there is no stage `{name}` here");
                let problem = finding(Code::MissingStage, place, message)
                    .related(stage.clone(), "other files of the template have it here")
                    .help("keep this line and its stage under the same condition");
                findings.add(sheet.cell, problem);
            }
        }
    }
}

/// The names of a Dockerfile's stages, in lower case as Docker compares them.
fn stages(sheet: &Sheet<'_>) -> Vec<(String, std::ops::Range<usize>)> {
    let froms = sheet
        .instructions
        .iter()
        .filter(|found| found.name == "FROM");
    let named = froms.filter_map(|from| {
        let mut words = from.arguments().skip(1);
        let is_as = words.next()?.text.eq_ignore_ascii_case("as");
        let name = words.next().filter(|_| is_as)?;
        Some((name.text.to_ascii_lowercase(), name.span.clone()))
    });
    named.collect()
}
