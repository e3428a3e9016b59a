//! QEMU's handlers: copied in time, and from somewhere.

use super::bases::is_of_host;
use super::{Files, Findings, Sheet, finding};
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::dockerfile::{Instruction, Word};

pub(super) fn check(
    sheet: &Sheet<'_>,
    config: &Config,
    files: &dyn Files,
    findings: &mut Findings,
) {
    let mut first_run: Option<&Instruction> = None;
    let mut runs_on_host = false;
    for instruction in &sheet.instructions {
        match instruction.name.as_str() {
            "FROM" => {
                first_run = None;
                runs_on_host = is_of_host(instruction, sheet, config);
            }
            "RUN" => first_run = first_run.or(Some(instruction)),
            "COPY" | "ADD" => {
                for source in instruction
                    .sources()
                    .into_iter()
                    .filter(|word| is_handler(word))
                {
                    if let Some(run) = first_run.filter(|_| !runs_on_host) {
                        late(sheet, instruction, run, findings);
                    }
                    let is_remote = source.text.contains("://");
                    if instruction.flag("from").is_none() && !is_remote {
                        absent(sheet, source, files, findings);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a source is `qemu-<name>-static`, in whatever folder and with whatever pattern.
pub(crate) fn is_handler(word: &Word) -> bool {
    let name = word.text.rsplit('/').next().unwrap_or_default();
    let Some(rest) = name.strip_prefix("qemu-") else {
        return false;
    };
    let open = rest.strip_suffix('*').filter(|rest| !rest.contains('-'));
    open.is_some() || rest.ends_with("-static") || rest.ends_with("-static*")
}

fn late(sheet: &Sheet<'_>, copy: &Instruction, run: &Instruction, findings: &mut Findings) {
    let line = |instruction: &Instruction| sheet.place(&sheet.trimmed(&instruction.lines[0]));
    if let (Some(place), Some(run)) = (line(copy), line(run)) {
        let message = "the emulator is copied after the first `RUN`, which needs it already";
        let problem = finding(Code::LateHandler, place, message)
            .related(run, "this runs first")
            .help("move the copy up, right behind the `FROM`");
        findings.add(sheet.cell, problem);
    }
}

fn absent(sheet: &Sheet<'_>, source: &Word, files: &dyn Files, findings: &mut Findings) {
    if source.text.contains('$') || files.in_context(sheet.path, &source.text) != Some(false) {
        return;
    }
    if let Some(place) = sheet.place(&source.span) {
        let message = "the build context does not hold the handler that is copied here";
        let help = "`crossfile qemu fetch` puts it there; or say `qemu = false` where the kernel brings its own";
        let problem = Diagnostic::warning(Code::MissingHandler, place, message).help(help);
        findings.add(sheet.cell, problem);
    }
}
