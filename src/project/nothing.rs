//! Why no template was found: what people do wrong with names and folders.

use std::path::Path;

use crate::config::{Config, Inputs, Overrides};
use crate::diagnostic::{Code, Diagnostic, Place, Severity};
use crate::discover::{Discovery, config_of, discover, root_of};
use crate::header::template_of;
use crate::project::Project;
use crate::read;
use crate::template::is_template;

/// How many files are named at most.
const MOST: usize = 5;

impl Project {
    /// For a project in which no template was found: files that look like one and are not taken for it, by their names or
    /// by git, and templates elsewhere in the repository.
    pub fn near_templates(&self, overrides: &Overrides, inputs: &dyn Inputs) -> Vec<Diagnostic> {
        let mut notes = Vec::new();
        for tree in &self.trees {
            let Ok(config) = config_of(&tree.folder, overrides, inputs) else {
                continue;
            };
            notes.extend(misnamed(&tree.discovery, &config));
            notes.extend(ignored(&tree.discovery, &config));
            let root = root_of(&tree.folder);
            if notes.is_empty() && root != tree.folder {
                let whole = discover(&root, &root, overrides, inputs);
                notes.extend(elsewhere(&whole));
            }
        }
        notes.truncate(MOST);
        notes
    }
}

fn looks_like(path: &Path, config: &Config) -> bool {
    let text = read::bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    text.is_ok_and(|text| template_of(&text).is_none() && is_template(&text, &config.names))
}

/// Files whose names say Dockerfile, that hold placeholders, and that no pattern fits.
fn misnamed<'a>(
    discovery: &'a Discovery,
    config: &'a Config,
) -> impl Iterator<Item = Diagnostic> + 'a {
    let named = |path: &&std::path::PathBuf| {
        discovery.may_be_generated(path) && !discovery.ignored.contains(path)
    };
    let files = discovery.files.iter().filter(named);
    let files = files.filter(|path| looks_like(path, config));
    files.take(MOST).map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let message = "this holds placeholders, but its name fits no pattern of `templates`";
        let said = config.templates.iter();
        let said = said.filter(|pattern| pattern.place.source().text() != "");
        let patterns: Vec<String> = said
            .map(|pattern| format!("\"{}\"", pattern.value))
            .collect();
        let note = note(path, message);
        match config.templates.first() {
            Some(first) if !patterns.is_empty() => note
                .related(first.place.clone(), "the patterns are said here")
                .help(format!(
                    "add one that fits: `templates = [{}, \"{name}\"]`",
                    patterns.join(", ")
                )),
            _ => note.help(format!(
                "call it `Dockerfile.cross`, or say `templates = [\"{name}\"]` in crossfile.toml"
            )),
        }
    })
}

/// Templates that git, or `.crossfileignore`, leaves out.
fn ignored<'a>(
    discovery: &'a Discovery,
    config: &'a Config,
) -> impl Iterator<Item = Diagnostic> + 'a {
    let files = discovery.ignored.iter();
    let files = files.filter(|path| looks_like(path, config));
    files.take(MOST).map(|path| {
        note(
            path,
            "this is a template, but .gitignore or .crossfileignore leaves it out",
        )
        .help("name it on the command line, or take it out of the ignore file")
    })
}

fn elsewhere(discovery: &Discovery) -> impl Iterator<Item = Diagnostic> + '_ {
    let found = discovery.templates.iter();
    let found = found.filter(|found| looks_like(&found.path, &found.config));
    found.take(MOST).map(|found| {
        note(
            &found.path,
            "there is a template here, outside of the folder asked for",
        )
        .help("run crossfile in its folder, or name it on the command line")
    })
}

fn note(path: &Path, message: &str) -> Diagnostic {
    Diagnostic::new(
        Severity::Note,
        Code::NotATemplate,
        Place::file(path),
        message,
    )
}
