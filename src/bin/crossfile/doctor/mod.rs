//! `crossfile doctor`: would a release go through on this machine, part by part.

mod builds;
#[cfg(feature = "registry")]
mod handlers;
mod machine;
mod project;
#[cfg(feature = "registry")]
mod registry;

use std::io;
use std::sync::atomic::Ordering;

use crossfile::doctor::{Fix, Part, State, is_ready};
use crossfile::{Diagnostic, WriteOptions};
use serde::Serialize;

use crate::keep::sentences;
use crate::output::{Exit, Output, columns, count};
use crate::release::{ResultFormat, WhatArgs};
use project::Subject;

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    what: WhatArgs,

    /// Say what of other backends is here, too
    #[arg(long)]
    all: bool,

    /// Do what is safe, and look again: handlers that are here are registered, where this is root, and generated files brought up to date
    #[arg(long)]
    fix: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    speak: crate::registry::SpeakArgs,
}

#[derive(Serialize)]
struct Json<'a> {
    version: u32,
    /// Whether a release would go through, as far as it was looked at.
    ready: bool,
    backend: &'a str,
    parts: &'a [Part],
    /// What was done.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fixed: &'a [String],
}

/// Nothing was looked at.
#[derive(Serialize)]
struct JsonErrors<D> {
    version: u32,
    ready: bool,
    parts: [Part; 0],
    /// Why.
    diagnostics: Vec<D>,
}

pub(crate) fn run(args: &DoctorArgs, output: &Output) -> io::Result<Exit> {
    let interrupted = crate::release::interrupts();
    let cancelled = || interrupted.load(Ordering::SeqCst);
    let mut fixed = Vec::new();
    let mut looked = look(args, output);
    if let (Ok((subject, parts)), true) = (&looked, args.fix && !cancelled()) {
        fixed = fix(subject, parts, output, &cancelled);
        if !fixed.is_empty() {
            looked = look(args, output);
        }
    }
    if cancelled() {
        return Ok(Exit::Interrupted);
    }
    let (subject, parts) = match looked {
        Ok(looked) => looked,
        Err(problems) => {
            output.diagnostics(&problems);
            if args.format == ResultFormat::Json {
                let show = |path: &std::path::Path| output.show(path);
                output.json(&JsonErrors {
                    version: 1,
                    ready: false,
                    parts: [],
                    diagnostics: problems.iter().map(|own| own.to_json(&show)).collect(),
                })?;
            }
            return Ok(Exit::Error);
        }
    };
    let ready = is_ready(&parts);
    match args.format {
        ResultFormat::Json => output.json(&Json {
            version: 1,
            ready,
            backend: subject.backend(),
            parts: &parts,
            fixed: &fixed,
        })?,
        ResultFormat::Text => {
            output.result(table(&parts, output.quiet))?;
            output.progress(&summary(&subject, &parts));
        }
    }
    Ok(match ready {
        true => Exit::Clean,
        false => Exit::No,
    })
}

fn look<'a>(
    args: &'a DoctorArgs,
    output: &'a Output,
) -> Result<(Subject<'a>, Vec<Part>), Vec<Diagnostic>> {
    let subject = Subject::read(args, output)?;
    let parts = subject.look()?;
    Ok((subject, parts))
}

/// Does what is safe, each shown before, and says what was done.
fn fix(
    subject: &Subject<'_>,
    parts: &[Part],
    output: &Output,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Vec<String> {
    let mut done = Vec::new();
    let mends = parts.iter().filter_map(|part| part.mend.as_ref());
    for safe in mends.filter_map(|mend| mend.safe.as_ref()) {
        let (command, is_done) = match safe {
            Fix::Register(arches) => {
                let names: Vec<String> = arches.iter().map(ToString::to_string).collect();
                let command = format!("crossfile qemu register {}", names.join(" "));
                output.notice(&format!("fix: {command}"));
                (command, crate::qemu::register(&names, output))
            }
            Fix::Generate => {
                let command = "crossfile generate".to_string();
                output.notice(&format!("fix: {command}"));
                let kept = subject.keep();
                let written = subject.write(&WriteOptions {
                    force: false,
                    prune: false,
                    cancelled,
                });
                output.diagnostics(&written.problems);
                for sentence in sentences(&kept, &|path| output.show(path)) {
                    output.progress(&sentence);
                }
                (command, !written.problems.iter().any(Diagnostic::is_error))
            }
            _ => continue,
        };
        // Builders on one kernel lack the same.
        if is_done && !done.contains(&command) {
            done.push(command);
        }
    }
    done
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warning => "warn",
        State::Failure => "FAIL",
        _ => "skip",
    }
}

/// A line for each part, with what mends it below. Asked to be quiet, only failures.
fn table(parts: &[Part], quiet: bool) -> String {
    let shown = parts
        .iter()
        .filter(|part| !quiet || part.state == State::Failure);
    let shown: Vec<&Part> = shown.collect();
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|part| {
            let what = match part.name.as_str() {
                "" => part.part.to_string(),
                name => format!("{} {name}", part.part),
            };
            vec![word(part.state).to_string(), what, part.seen.clone()]
        })
        .collect();
    let lines = columns(&rows);
    let mut text = String::new();
    for (line, part) in lines.lines().zip(&shown) {
        text.push_str(line);
        text.push('\n');
        let Some(mend) = &part.mend else { continue };
        let said = match (mend.text.as_str(), &mend.command) {
            ("", Some(command)) => format!("`{command}`"),
            (words, Some(command)) => format!("`{command}` ({words})"),
            (words, None) => words.to_string(),
        };
        // What was not looked at is not broken.
        let verb = match part.state {
            State::Skipped => "look",
            _ => "mend",
        };
        text.push_str(&format!("      {verb}: {said}\n"));
    }
    text
}

fn summary(subject: &Subject<'_>, parts: &[Part]) -> String {
    let number = |state: State| parts.iter().filter(|part| part.state == state).count();
    let (failures, warnings) = (number(State::Failure), number(State::Warning));
    let mut text = match (failures, subject.has_project()) {
        (0, true) => format!("ready for a release with {}", subject.backend()),
        (0, false) => format!("ready for {}; there is no project here", subject.backend()),
        (failures, _) => format!(
            "not ready for {}: {}",
            subject.backend(),
            count(failures, "failure")
        ),
    };
    if warnings > 0 {
        text.push_str(&format!(", {}", count(warnings, "warning")));
    }
    text
}
