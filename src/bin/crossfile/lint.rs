//! `crossfile lint`: everything that can be said without writing or network.

use std::io;
use std::path::PathBuf;

use crossfile::{Diagnostic, Project, Selection};
use serde::Serialize;

use crate::args::{Format, SelectArgs};
use crate::complete;
use crate::generate::nothing;
use crate::output::{Exit, Output, count};

#[derive(Debug, clap::Args)]
pub(crate) struct LintArgs {
    /// Folders to look in for templates, or single templates
    #[arg(value_name = "PATH", default_value = ".", add = complete::templates())]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    select: SelectArgs,

    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &LintArgs, output: &Output) -> io::Result<Exit> {
    let overrides = match args.select.overrides(false, false) {
        Ok(overrides) => overrides,
        Err(problem) => return report(&[problem], args.format, output).map(|()| Exit::Error),
    };
    let paths: Vec<PathBuf> = args
        .paths
        .iter()
        .map(|path| output.complete(path))
        .collect();
    let inputs = output.inputs();
    let project = Project::open(&paths, &overrides, &inputs);
    let lint = project.lint(&Selection {
        arches: args.select.arches(),
        out_dir: None,
    });
    report(&lint.diagnostics, args.format, output)?;
    if args.format != Format::Json {
        if lint.templates == 0 && !lint.failed() {
            output.progress(nothing(&project));
            output.diagnostics(&project.near_templates(&overrides, &inputs));
        } else {
            output.progress(&summary(&lint.diagnostics, lint.templates));
        }
    }
    Ok(match (lint.failed(), lint.has_findings()) {
        (true, _) => Exit::Error,
        (_, true) => Exit::No,
        _ => Exit::Clean,
    })
}

/// What lint says is its result: it goes to standard output.
fn report(diagnostics: &[Diagnostic], format: Format, output: &Output) -> io::Result<()> {
    if format == Format::Json {
        let diagnostics = diagnostics.iter();
        return output.json(&JsonLint {
            version: 1,
            diagnostics: diagnostics
                .map(|found| found.to_json(&|path| output.show(path)))
                .collect(),
        });
    }
    output.findings(diagnostics, format)
}

fn summary(diagnostics: &[Diagnostic], templates: usize) -> String {
    let errors = diagnostics.iter().filter(|found| found.is_error());
    let (findings, errors): (Vec<_>, Vec<_>) = errors.partition(|found| found.code.is_finding());
    let warnings = diagnostics
        .iter()
        .filter(|found| found.severity == crossfile::Severity::Warning);
    let parts = [
        (errors.len(), "error"),
        (findings.len(), "finding"),
        (warnings.count(), "warning"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, what)| count(*number, what)).collect();
    let templates = count(templates, "template");
    match parts.is_empty() {
        true => format!("{templates}: nothing to say"),
        false => format!("{templates}: {}", parts.join(", ")),
    }
}

#[derive(Serialize)]
struct JsonLint<D> {
    version: u32,
    diagnostics: Vec<D>,
}
