//! BuildKit's own arguments, such as `TARGETARCH`: they are empty in a stage that does not declare them.

use std::collections::BTreeSet;

use super::bases::stages;
use super::{Findings, Sheet, finding};
use crate::diagnostic::Code;
use crate::dockerfile::{AUTOMATIC, Instruction};

pub(super) fn check(sheet: &Sheet<'_>, findings: &mut Findings) {
    let stages = stages(sheet);
    // What each stage declares, a stage that is made from another with it.
    let mut declared: Vec<BTreeSet<&str>> = Vec::new();
    for instruction in &sheet.instructions {
        match instruction.name.as_str() {
            "FROM" => {
                let base = stages.base(declared.len());
                let inherited = base.and_then(|base| declared.get(base)).cloned();
                declared.push(inherited.unwrap_or_default());
            }
            "ARG" | "ENV" => {
                if let Some(own) = declared.last_mut() {
                    let names = instruction.words.iter().filter_map(|word| {
                        let name = word.text.split('=').next()?;
                        AUTOMATIC.iter().find(|known| **known == name).copied()
                    });
                    own.extend(names);
                }
            }
            _ => {
                if let Some(own) = declared.last() {
                    check_instruction(sheet, instruction, own, findings);
                }
            }
        }
    }
}

fn check_instruction(
    sheet: &Sheet<'_>,
    instruction: &Instruction,
    declared: &BTreeSet<&str>,
    findings: &mut Findings,
) {
    let text = &sheet.traced.text()[instruction.span.clone()];
    for name in AUTOMATIC.iter().filter(|name| !declared.contains(*name)) {
        // A shell may set one itself.
        if text.contains(&format!("{name}=")) {
            continue;
        }
        let Some(at) = used(text, name) else { continue };
        let start = instruction.span.start + at;
        let Some(place) = sheet.place(&(start..start + 1 + name.len())) else {
            continue;
        };
        let message = format!("`{name}` is empty here: the stage does not declare it");
        let problem = finding(Code::UndeclaredArg, place, message).help(format!(
            "write `ARG {name}` behind the `FROM` of this stage"
        ));
        findings.add(sheet.cell, problem);
    }
}

/// Where a text uses a variable: `$NAME` or `${NAME`.
fn used(text: &str, name: &str) -> Option<usize> {
    let mut uses = text.match_indices(name).filter(|(at, _)| {
        let before = &text[..*at];
        let after = text[at + name.len()..].chars().next();
        let ends = after.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
        ends && (before.ends_with('$') || before.ends_with("${"))
    });
    uses.next().map(|(at, _)| at - 1)
}
