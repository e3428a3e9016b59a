//! `crossfile vars`: every name, where it comes from, its value for each architecture, and whether a template uses it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossfile::{
    Code, Config, Diagnostic, NameKind, Parsed, PartialFolders, Place, Project, Slot, Template,
    Value, Variable, config_of, expand, variables,
};
use serde::Serialize;
use serde_json::Value as Json;

use crate::args::SelectArgs;
use crate::complete;
use crate::output::{Exit, Output, columns};

#[derive(Debug, clap::Args)]
pub(crate) struct VarsArgs {
    /// The template whose names are asked for, or a folder; without one, the settings of the working folder
    #[arg(value_name = "TEMPLATE", add = complete::templates())]
    template: Option<PathBuf>,

    /// Only the names that the template uses
    #[arg(long, requires = "template")]
    used: bool,

    #[command(flatten)]
    select: SelectArgs,

    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    format: VarsFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum VarsFormat {
    /// For people
    #[default]
    Text,
    /// For programs; carries `"version": 1`
    Json,
}

pub(crate) fn run(args: &VarsArgs, output: &Output) -> io::Result<Exit> {
    let failed = |problems: &[Diagnostic]| {
        output.diagnostics(problems);
        Ok(Exit::Error)
    };
    let overrides = match args.select.overrides(false, false) {
        Ok(overrides) => overrides,
        Err(problem) => return failed(&[problem]),
    };
    let path = args.template.as_deref().unwrap_or(Path::new("."));
    let path = output.complete(path);
    let inputs = output.inputs();
    let mut problems = Vec::new();
    let (config, template) = if path.is_dir() {
        match config_of(&path, &overrides, &inputs) {
            Ok(config) => (config, None),
            Err(problems) => return failed(&problems),
        }
    } else {
        let project = Project::open(std::slice::from_ref(&path), &overrides, &inputs);
        let found = project.candidates().next();
        match found {
            Some(found) if !project.problems.iter().any(Diagnostic::is_error) => {
                let template = parse(&path, &found.config, &found.partials(), &mut problems);
                (Arc::clone(&found.config), template)
            }
            _ => return failed(&project.problems),
        }
    };
    if args.used && template.is_none() {
        if problems.is_empty() {
            let place = Place::argument("--used");
            let message = "`--used` asks about one template, and this is none";
            problems.push(Diagnostic::error(Code::BadValue, place, message).help("name the file"));
        }
        return failed(&problems);
    }
    let arches = match config.choose(&args.select.arches()) {
        Ok(arches) => arches,
        Err(problems) => return failed(&problems),
    };
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_suffix(".cross").unwrap_or(&stem);
    let asked = template.as_ref().map(|template| (template, stem));
    let mut names = variables(&config, &config.chosen_cells(&arches), asked);
    if args.used {
        names.retain(|variable| variable.used != Some(false));
    }
    match args.format {
        VarsFormat::Text => output.result(text(&names, output))?,
        VarsFormat::Json => output.json(&JsonVars {
            version: 1,
            names: names
                .iter()
                .map(|name| JsonName::new(name, output))
                .collect(),
        })?,
    }
    output.diagnostics(&problems);
    Ok(match problems.iter().any(Diagnostic::is_error) {
        true => Exit::Error,
        false => Exit::Clean,
    })
}

/// The template, or its problems: who writes a name wrong wants to see the names.
fn parse(
    path: &Path,
    config: &Config,
    partials: &PartialFolders,
    problems: &mut Vec<Diagnostic>,
) -> Option<Template> {
    let parsed = expand::source(path)
        .map_err(|problem| vec![problem])
        .and_then(|source| expand::parse(&source, config, partials));
    match parsed {
        Ok(Parsed::Template(template)) => Some(template),
        Ok(Parsed::NotATemplate(note)) => {
            problems.push(note);
            None
        }
        Ok(_) => None,
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}

fn text(names: &[Variable], output: &Output) -> String {
    let mut arches: Vec<String> = Vec::new();
    for (cell, _) in names.iter().flat_map(|name| &name.values) {
        if !arches.contains(&cell.arch.to_string()) {
            arches.push(cell.arch.to_string());
        }
    }
    let asked = names.iter().any(|name| name.used.is_some());
    let mut head = vec!["name".to_string()];
    if asked {
        head.push("used".into());
    }
    head.push("from".into());
    head.extend(arches.iter().cloned());
    let mut rows = vec![head];
    for name in names {
        let mut row = vec![name.name.name.clone()];
        if asked {
            let used = name.used == Some(true);
            row.push(if used { "yes" } else { "" }.to_string());
        }
        row.push(from(name, output));
        for arch in &arches {
            // Points of the matrix may have values of their own.
            let mut values: Vec<String> = Vec::new();
            for (_, slot) in name
                .values
                .iter()
                .filter(|(cell, _)| cell.arch.as_str() == arch)
            {
                let value = shown(slot);
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            row.push(values.join(" | "));
        }
        rows.push(row);
    }
    columns(&rows)
}

fn from(name: &Variable, output: &Output) -> String {
    let what = match &name.name.kind {
        NameKind::Builtin => "built in".to_string(),
        NameKind::Scheme(scheme) => format!("table: {scheme}"),
        NameKind::Axis => "axis".to_string(),
        NameKind::Column => "column".to_string(),
        NameKind::Var => "var".to_string(),
        _ => String::new(),
    };
    match &name.name.place {
        Some(place) if place.source().is_argument() => "command line".to_string(),
        Some(place) => format!("{what}: {}", at(place, output)),
        None => what,
    }
}

/// A place in a file, the line where it is known: JSON's parser keeps none.
fn at(place: &crossfile::Place, output: &Output) -> String {
    let path = output.show(place.source().path());
    match place.text().is_empty() {
        true => path,
        false => format!("{path}:{}", place.line_column().0),
    }
}

fn shown(slot: &Slot) -> String {
    match slot {
        Slot::Value(value) => match value.text() {
            Some(text) if text.is_empty() => "\"\"".to_string(),
            Some(text) => text.replace('\n', "\\n"),
            None => value.to_json().to_string(),
        },
        _ => "-".to_string(),
    }
}

#[derive(Serialize)]
struct JsonVars {
    version: u32,
    names: Vec<JsonName>,
}

#[derive(Serialize)]
struct JsonName {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    placeholder: Option<String>,
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<bool>,
    values: Vec<JsonValue>,
}

#[derive(Serialize)]
struct JsonValue {
    arch: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    axes: BTreeMap<String, Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<String>,
}

impl JsonName {
    fn new(variable: &Variable, output: &Output) -> JsonName {
        let place = variable.name.place.as_ref();
        let values = variable.values.iter().map(|(cell, slot)| JsonValue {
            arch: cell.arch.to_string(),
            axes: cell
                .axes
                .iter()
                .map(|(name, value)| (name.clone(), value.to_json()))
                .collect(),
            value: match slot {
                Slot::Value(value) => Some(Value::to_json(value)),
                _ => None,
            },
            absent: match slot {
                Slot::Absent(why) => Some(why.clone()),
                _ => None,
            },
        });
        let from = match &variable.name.kind {
            _ if place.is_some_and(|place| place.source().is_argument()) => "command line",
            NameKind::Builtin => "built in",
            NameKind::Scheme(_) => "table",
            NameKind::Axis => "axis",
            NameKind::Column => "column",
            _ => "var",
        };
        let in_file = place.filter(|place| !place.source().is_argument());
        JsonName {
            name: variable.name.name.clone(),
            placeholder: variable.name.placeholder(),
            from: from.to_string(),
            file: in_file.map(|place| output.show(place.source().path())),
            line: in_file
                .filter(|place| !place.text().is_empty())
                .map(|place| place.line_column().0),
            used: variable.used,
            values: values.collect(),
        }
    }
}
