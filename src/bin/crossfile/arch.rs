//! `crossfile arch`: the table of names, printed and searched.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::sync::Arc;

use crossfile::arch::{SchemeValue, host as detect};
use crossfile::{
    ArchMap, ArchName, Diagnostic, DiskInputs, Entry, Overrides, Place, ResolveError, config_of,
};
use serde::Serialize;

use crate::args::{ArchArgs, ArchCommand, TableFormat};
use crate::host::evidence;
use crate::output::{Exit, Output, columns, columns_within, json};

pub(crate) fn run(args: &ArchArgs, output: &Output) -> io::Result<Exit> {
    // A project's own table holds for look-ups too; nothing else of its settings is needed, its environment least.
    let config = config_of(
        &output.folder,
        &Overrides::default(),
        &DiskInputs::default(),
    );
    let map = match config {
        Ok(config) => Arc::clone(&config.map),
        Err(problems) => {
            output.diagnostics(&problems);
            return Ok(Exit::Error);
        }
    };
    let printed = match &args.command {
        ArchCommand::List { format } => list(&map, *format),
        ArchCommand::Show { name, from, format } => show(&map, name, from.as_deref(), *format),
        ArchCommand::Resolve {
            name,
            from,
            to,
            format,
        } => resolve(&map, name, from.as_deref(), to, *format),
        ArchCommand::Host { format } => host(&map, *format, output),
    };
    match printed {
        Ok(text) => output.result(&text).map(|()| Exit::Clean),
        Err(Failure::Problem(problem)) => {
            output.diagnostics(&[*problem]);
            Ok(Exit::Error)
        }
        Err(Failure::Print(error)) => Err(error),
    }
}

type Printed = Result<String, Failure>;

/// Why there is nothing to print.
enum Failure {
    Problem(Box<Diagnostic>),
    Print(io::Error),
}

impl From<Box<Diagnostic>> for Failure {
    fn from(problem: Box<Diagnostic>) -> Self {
        Failure::Problem(problem)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Print(error)
    }
}

/// The columns of the short table; `arch show` prints all.
const COLUMNS: &[&str] = &[
    "arch", "platform", "uname", "qemu", "debian", "alpine", "rust",
];

fn list(map: &ArchMap, format: TableFormat) -> Printed {
    let mut rows = vec![
        COLUMNS
            .iter()
            .map(|column| (*column).to_string())
            .chain(["boards".into()])
            .collect(),
    ];
    for entry in map.entries() {
        let cells = COLUMNS
            .iter()
            .map(|scheme| entry.get(scheme).unwrap_or_default().into_owned());
        rows.push(
            cells
                .chain([entry.boards.clone().unwrap_or_default()])
                .collect(),
        );
    }
    Ok(match format {
        TableFormat::Text => columns(&rows),
        TableFormat::Markdown => markdown(&rows),
        TableFormat::Toml => toml(map, map.entries()),
        TableFormat::Json => {
            let arches = map
                .entries()
                .iter()
                .map(|entry| JsonEntry::new(entry, None));
            let arches = arches.collect();
            json(&JsonTable { version: 1, arches })?
        }
    })
}

fn show(map: &ArchMap, name: &str, from: Option<&str>, format: TableFormat) -> Printed {
    let entry = match from {
        Some(from) => from_scheme(map, name, from)?,
        None => find(map, name)?,
    };
    Ok(match format {
        TableFormat::Toml => toml(map, std::slice::from_ref(entry)),
        TableFormat::Json => json(&JsonEntry::new(entry, Some(1)))?,
        TableFormat::Text | TableFormat::Markdown => {
            let mut rows = vec![vec!["scheme".into(), "name".into(), "whose".into()]];
            rows.push(vec![
                "arch".into(),
                entry.name.to_string(),
                "the key of the table".into(),
            ]);
            for scheme in map.schemes() {
                if let Some(value) = entry.value(&scheme.name) {
                    let words = words(value).join(", ");
                    rows.push(vec![scheme.name.clone(), words, scheme.title.clone()]);
                }
            }
            if !entry.aliases.is_empty() {
                let title = "other names that mean the same to everybody";
                rows.push(vec![
                    "aliases".into(),
                    entry.aliases.join(", "),
                    title.into(),
                ]);
            }
            if let Some(boards) = &entry.boards {
                rows.push(vec!["boards".into(), boards.clone(), String::new()]);
            }
            match format {
                TableFormat::Markdown => markdown(&rows),
                _ => columns_within(&rows, 32),
            }
        }
    })
}

/// The row of a key, else of whatever the word means to everybody.
fn find<'a>(map: &'a ArchMap, name: &str) -> Result<&'a Entry, Box<Diagnostic>> {
    match map.get(name) {
        Some(entry) => Ok(entry),
        None => map.resolve(name).map_err(|error| at_name(&error, name)),
    }
}

/// The error at the name, for a command that has `--from`.
fn at_name(error: &ResolveError, name: &str) -> Box<Diagnostic> {
    let mut problem = at(error, Place::argument(name));
    problem.help = error.help_with_from();
    problem
}

fn at(error: &ResolveError, place: Place) -> Box<Diagnostic> {
    Box::new(error.at(place))
}

/// The row that a name means in a scheme.
fn from_scheme<'a>(map: &'a ArchMap, name: &str, from: &str) -> Result<&'a Entry, Box<Diagnostic>> {
    map.resolve_from(name, from)
        .map_err(|error| blame(&error, name, "from", from))
}

/// The error at the argument that it is about: the scheme of `--from` or `--to`, else the name.
fn blame(error: &ResolveError, name: &str, flag: &str, scheme: &str) -> Box<Diagnostic> {
    match error {
        ResolveError::UnknownScheme { .. } => {
            let place = Place::argument(&format!("--{flag} {scheme}"));
            let start = flag.len() + 3;
            at(
                error,
                Place::new(place.source(), start..start + scheme.len()),
            )
        }
        _ => at(error, Place::argument(name)),
    }
}

fn resolve(
    map: &ArchMap,
    name: &str,
    from: Option<&str>,
    to: &str,
    format: TableFormat,
) -> Printed {
    let entry = match from {
        Some(from) => from_scheme(map, name, from)?,
        None => map.resolve(name).map_err(|error| at_name(&error, name))?,
    };
    let value = map
        .name_in(entry, to)
        .map_err(|error| blame(&error, name, "to", to))?;
    Ok(match format {
        TableFormat::Text => format!("{value}\n"),
        TableFormat::Json => {
            let version = 1;
            let arch = entry.name.as_str();
            json(&JsonResolved {
                version,
                name,
                from,
                arch,
                to,
                value: &value,
            })?
        }
        TableFormat::Toml => format!("{} = {}\n", toml_key(to), toml_text(&value)),
        TableFormat::Markdown => {
            let head = vec!["name".into(), "arch".into(), to.to_string()];
            markdown(&[head, vec![name.into(), entry.name.to_string(), value]])
        }
    })
}

fn host(map: &ArchMap, format: TableFormat, output: &Output) -> Printed {
    let host = detect::detect(&evidence()).map_err(|error| {
        let place = Place::file("this machine");
        Box::new(Diagnostic::error(
            crossfile::Code::UnknownArch,
            place,
            error.to_string(),
        ))
    })?;
    let platform = host.platform.to_string();
    let entry = map
        .platform(&platform)
        .map_err(|error| at(&error, Place::argument(&platform)))?;
    Ok(match format {
        TableFormat::Text => {
            output.progress(&host.how);
            format!("{}\n", entry.name)
        }
        TableFormat::Json => {
            let version = 1;
            let arch = entry.name.as_str();
            json(&JsonHost {
                version,
                arch,
                platform: &platform,
                how: &host.how,
            })?
        }
        TableFormat::Toml => format!(
            "arch = {}\nplatform = {}\nhow = {}\n",
            toml_text(entry.name.as_str()),
            toml_text(&platform),
            toml_text(&host.how)
        ),
        TableFormat::Markdown => {
            let head = vec!["arch".into(), "platform".into(), "how".into()];
            markdown(&[head, vec![entry.name.to_string(), platform, host.how]])
        }
    })
}

fn words(value: &SchemeValue) -> Vec<String> {
    match value {
        SchemeValue::List(words) => words.clone(),
        value => vec![value.canonical().into_owned()],
    }
}

#[derive(Serialize)]
struct JsonTable<'a> {
    version: u32,
    arches: Vec<JsonEntry<'a>>,
}

#[derive(Serialize)]
struct JsonEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    arch: &'a str,
    os: &'a str,
    architecture: &'a str,
    variant: Option<&'a str>,
    base: Option<&'a str>,
    aliases: &'a [String],
    boards: Option<&'a str>,
    schemes: BTreeMap<&'a str, &'a SchemeValue>,
}

impl<'a> JsonEntry<'a> {
    fn new(entry: &'a Entry, version: Option<u32>) -> Self {
        let platform = &entry.platform;
        JsonEntry {
            version,
            arch: entry.name.as_str(),
            os: &platform.os,
            architecture: &platform.architecture,
            variant: Some(platform.variant.as_str()).filter(|variant| !variant.is_empty()),
            base: entry.base.as_ref().map(ArchName::as_str),
            aliases: &entry.aliases,
            boards: entry.boards.as_deref(),
            schemes: entry.values().collect(),
        }
    }
}

#[derive(Serialize)]
struct JsonResolved<'a> {
    version: u32,
    name: &'a str,
    from: Option<&'a str>,
    arch: &'a str,
    to: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct JsonHost<'a> {
    version: u32,
    arch: &'a str,
    platform: &'a str,
    how: &'a str,
}

fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
        }
    }
    text
}

/// Rows as a file that `arch-map` can name: the schemes that are not built in are declared.
fn toml(map: &ArchMap, entries: &[Entry]) -> String {
    let builtin = ArchMap::builtin();
    let mut text = String::from("schema = 1\n");
    for scheme in map.schemes() {
        if !builtin
            .schemes()
            .iter()
            .any(|known| known.name == scheme.name)
        {
            let _ = write!(
                text,
                "\n[scheme.{}]\ntitle = {}\n",
                toml_key(&scheme.name),
                toml_text(&scheme.title)
            );
            let names: Vec<_> = scheme
                .template_names
                .iter()
                .map(|name| toml_text(name))
                .collect();
            let _ = writeln!(text, "names = [{}]", names.join(", "));
        }
    }
    for entry in entries {
        let _ = writeln!(text, "\n[arch.{}]", toml_key(entry.name.as_str()));
        if let Some(base) = &entry.base {
            let _ = writeln!(text, "base = {}", toml_text(base.as_str()));
        }
        for scheme in map.schemes() {
            if let Some(value) = entry.value(&scheme.name) {
                let _ = writeln!(text, "{} = {}", toml_key(&scheme.name), toml_value(value));
            }
        }
        if !entry.aliases.is_empty() {
            let aliases = SchemeValue::List(entry.aliases.clone());
            let _ = writeln!(text, "aliases = {}", toml_value(&aliases));
        }
        if let Some(boards) = &entry.boards {
            let _ = writeln!(text, "boards = {}", toml_text(boards));
        }
    }
    text
}

fn toml_value(value: &SchemeValue) -> String {
    match value {
        SchemeValue::Number(number) => number.to_string(),
        SchemeValue::List(words) => {
            let words: Vec<_> = words.iter().map(|word| toml_text(word)).collect();
            format!("[{}]", words.join(", "))
        }
        value => toml_text(&value.canonical()),
    }
}

fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

fn toml_key(key: &str) -> String {
    let bare = key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if bare {
        key.to_string()
    } else {
        toml_text(key)
    }
}
