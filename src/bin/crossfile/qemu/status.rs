//! `crossfile qemu status`.

use crossfile::emulation::{Binfmt, Emulation, Mounted, Registration, Row, survey};
use serde::Serialize;

use super::{Failure, Subject, entries, is_file};
use crate::output::{Exit, Output, columns};
use crate::release::ResultFormat;

#[derive(Serialize)]
struct Json<'a> {
    version: u32,
    /// Whether the kernel can be asked.
    mounted: bool,
    /// Whether it hands on anything at all.
    enabled: bool,
    arches: &'a [Row],
}

pub(super) fn run(
    arches: &[String],
    format: ResultFormat,
    output: &Output,
) -> Result<Exit, Failure> {
    let subject = Subject::new(arches, output)?;
    let binfmt = Mounted::default();
    let mounted = binfmt.is_there();
    let (enabled, all) = entries(&binfmt)?;
    let registrations: &[Registration] = match enabled {
        true => &all,
        false => &[],
    };
    let native = |arch: &crossfile::ArchName| subject.native.contains(arch);
    let mut rows = survey(&subject.config.map, &native, registrations, &is_file);
    match subject.arches.is_empty() {
        true => rows.retain(|row| row.qemu.is_some()),
        false => rows.retain(|row| subject.arches.contains(&row.arch)),
    }
    if format == ResultFormat::Json {
        output.json(&Json {
            version: 1,
            mounted,
            enabled,
            arches: &rows,
        })?;
        return Ok(Exit::Clean);
    }
    output.result(table(&rows))?;
    match (mounted, enabled) {
        (false, _) => output.progress(
            "binfmt_misc is not mounted: `sudo crossfile qemu register` mounts it, and registers what is missing",
        ),
        (true, false) => output.progress(
            "binfmt_misc is switched off: `echo 1 | sudo tee /proc/sys/fs/binfmt_misc/status` switches it on",
        ),
        (true, true) => {}
    }
    let lacking = rows.iter().filter(|row| !row.emulation.runs());
    let lacking: Vec<&str> = lacking.map(|row| row.arch.as_str()).collect();
    if !subject.arches.is_empty() && !lacking.is_empty() {
        output.progress(&format!(
            "this machine does not run {}: `sudo crossfile qemu register {}`",
            lacking.join(", "),
            lacking.join(" ")
        ));
    }
    Ok(Exit::Clean)
}

fn table(rows: &[Row]) -> String {
    let mut table = vec![
        ["arch", "runs", "by", "flags", "containers"]
            .map(str::to_string)
            .to_vec(),
    ];
    for row in rows {
        let [runs, by, flags, inside] = match &row.emulation {
            Emulation::Native => ["native", "", "", ""].map(str::to_string),
            Emulation::Emulated {
                interpreter,
                flags,
                fixed,
                missing,
                ..
            } => {
                let runs = match row.emulation.runs() {
                    true => "emulated",
                    false => "no",
                };
                let inside = match (fixed, missing) {
                    (true, _) => "need nothing inside".to_string(),
                    (false, false) => format!("need {interpreter} inside"),
                    (false, true) => "the interpreter is not there".to_string(),
                };
                [runs.to_string(), interpreter.clone(), flags.clone(), inside]
            }
            Emulation::Disabled { registration } => [
                "no".to_string(),
                format!("{registration}, which is switched off"),
                String::new(),
                String::new(),
            ],
            Emulation::No => ["no", "", "", ""].map(str::to_string),
        };
        table.push(vec![row.arch.to_string(), runs, by, flags, inside]);
    }
    columns(&table)
}
