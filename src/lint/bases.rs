//! Base images: of the right architecture, and there for every architecture.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Sheet, finding};
use crate::arch::{ArchName, Entry, Matcher};
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::dockerfile::{Instruction, Word};
use crate::template::{Missing, NameKind};

pub(super) fn check(sheet: &Sheet<'_>, config: &Config, findings: &mut Findings) {
    let froms: Vec<&Instruction> = sheet
        .instructions
        .iter()
        .filter(|found| found.name == "FROM")
        .collect();
    let arguments = arguments(sheet);
    let stages = Stages::of(sheet, &arguments);
    for (index, from) in froms.iter().enumerate() {
        let Some(image) = from.arguments().next() else {
            if let Some(place) = sheet.place(&sheet.trimmed(&from.lines[0])) {
                let message = "this `FROM` names no image";
                let help = "a value that is empty prints nothing: give it one";
                let problem = finding(Code::NoFrom, place, message).help(help);
                findings.add(sheet.cell, problem);
            }
            continue;
        };
        let reference = expanded(&image.text, &arguments);
        leftover(sheet, image, &reference, findings);
        // Docker builds only what the last stage is made from.
        if !stages.used.contains(&index) {
            continue;
        }
        let is_last = stages.last.contains(&index);
        let pinned = pinned(from, config, &arguments);
        let said = namespace(&reference, config).map(|(word, entry)| (word, entry, image));
        for (said, entry, word) in pinned.into_iter().chain(said) {
            if fits(entry, &sheet.cell.arch, config) || (!is_last && is_host(entry, config)) {
                continue;
            }
            let Some(place) = sheet.place(&word.span) else {
                continue;
            };
            let message = format!("`{said}` is for `{}`, and the image is not", entry.name);
            let help = match is_last {
                true => {
                    "name the base by a placeholder, as `__BASEIMAGE_ARCH__` or `{{docker_arch}}`, or by a column; a platform by `__PLATFORM__`, or leave it out"
                }
                false => {
                    "a stage that only builds runs on the host: `FROM --platform=$BUILDPLATFORM …`, or the host's namespace `{{host_arch}}`"
                }
            };
            findings.add(
                sheet.cell,
                finding(Code::ForeignBase, place, message).help(help),
            );
        }
    }
}

/// The platform that a `FROM` is pinned to, where it says it itself.
fn pinned<'a>(
    from: &'a Instruction,
    config: &'a Config,
    arguments: &BTreeMap<String, String>,
) -> Option<(String, &'a Entry, &'a Word)> {
    let (value, word) = from.flag("platform")?;
    let value = expanded(value, arguments);
    let entry = config.map.platform(&value).ok()?;
    Some((value, entry, word))
}

/// Whether a `FROM` begins a stage that runs on the machine that builds, and not on the image's architecture.
pub(super) fn is_of_host(from: &Instruction, sheet: &Sheet<'_>, config: &Config) -> bool {
    let platform = from.flag("platform").map(|(value, _)| value);
    if platform.is_some_and(|value| value.contains("BUILDPLATFORM")) {
        return true;
    }
    let arguments = arguments(sheet);
    let pinned = pinned(from, config, &arguments).map(|(_, entry, _)| entry);
    let image = from.arguments().next();
    let said = image.and_then(|image| namespace(&expanded(&image.text, &arguments), config));
    let entry = pinned.or(said.map(|(_, entry)| entry));
    entry.is_some_and(|entry| is_host(entry, config))
}

/// Which stages of a Dockerfile count, by their number.
pub(super) struct Stages {
    /// For each stage the stage that it is made from.
    from: Vec<Option<usize>>,
    /// The last one, and those that it is made from with `FROM`.
    last: BTreeSet<usize>,
    /// These, and those that they copy or mount something from.
    used: BTreeSet<usize>,
}

impl Stages {
    pub(super) fn of_sheet(sheet: &Sheet<'_>) -> Stages {
        Stages::of(sheet, &arguments(sheet))
    }

    /// The stage that a stage is made from.
    pub(super) fn base(&self, stage: usize) -> Option<usize> {
        self.from.get(stage).copied().flatten()
    }

    fn of(sheet: &Sheet<'_>, arguments: &BTreeMap<String, String>) -> Stages {
        let mut names: Vec<String> = Vec::new();
        // For each stage the stage that it is made from, and those that it takes something from.
        let mut from: Vec<Option<usize>> = Vec::new();
        let mut takes: Vec<Vec<usize>> = Vec::new();
        for instruction in &sheet.instructions {
            // A name means the last stage before that has it.
            let stage = |name: &str| {
                let name = expanded(name, arguments).to_ascii_lowercase();
                let known = names.iter().rposition(|known| *known == name);
                known.or_else(|| name.parse().ok().filter(|number| *number < names.len()))
            };
            if instruction.name == "FROM" {
                let words: Vec<&Word> = instruction.arguments().collect();
                let base = words.first().and_then(|word| stage(&word.text));
                let named = words
                    .get(1)
                    .is_some_and(|word| word.text.eq_ignore_ascii_case("as"));
                let name = words.get(2).filter(|_| named);
                names.push(name.map_or(String::new(), |word| word.text.to_ascii_lowercase()));
                from.push(base);
                takes.push(Vec::new());
                continue;
            }
            let flags = instruction
                .flags()
                .filter_map(|(flag, value, _)| match flag {
                    "from" => Some(value),
                    "mount" => value
                        .split(',')
                        .find_map(|option| option.strip_prefix("from=")),
                    _ => None,
                });
            let taken: Vec<usize> = flags.filter_map(stage).collect();
            if let Some(own) = takes.last_mut() {
                own.extend(taken);
            }
        }
        let mut last = BTreeSet::new();
        let mut at = from.len().checked_sub(1);
        while let Some(stage) = at {
            last.insert(stage);
            at = from[stage];
        }
        let mut used = BTreeSet::new();
        let mut open: Vec<usize> = last.iter().copied().collect();
        while let Some(stage) = open.pop() {
            if used.insert(stage) {
                open.extend(from[stage]);
                open.extend(&takes[stage]);
            }
        }
        Stages { from, last, used }
    }
}

/// The namespace of an image that is an architecture's on Docker Hub, wherever it is mirrored.
fn namespace<'a>(reference: &str, config: &'a Config) -> Option<(String, &'a Entry)> {
    let path = reference.split(['@']).next()?;
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    parts.iter().rev().find_map(|part| {
        let entries = config.map.entries().iter();
        let mut entries = entries.filter(|entry| entry.get("namespace").as_deref() == Some(part));
        entries.next().map(|entry| ((*part).to_string(), entry))
    })
}

/// Whether an image of `entry` is one of `arch`: itself, and lower levels of the same instruction set (ARMv6 for ARMv7).
fn fits(entry: &Entry, arch: &ArchName, config: &Config) -> bool {
    let Some(own) = config.map.get(arch.as_str()) else {
        return true;
    };
    let runs = own.platform.architecture == entry.platform.architecture
        && Matcher::only(&own.platform).matches(&entry.platform);
    runs || own.get("namespace").is_some() && own.get("namespace") == entry.get("namespace")
}

fn is_host(entry: &Entry, config: &Config) -> bool {
    config.native.contains(&entry.name) || entry.name == config.host
}

/// What no image can be called: a placeholder of some other tool.
fn leftover(sheet: &Sheet<'_>, image: &Word, reference: &str, findings: &mut Findings) {
    let name = reference.split(['@', '$']).next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    let repository = &name[..name.len() - last.len() + last.find(':').unwrap_or(last.len())];
    let stage = |found: &Instruction| {
        let named = found.arguments().nth(2);
        named.is_some_and(|word| word.text.eq_ignore_ascii_case(reference))
    };
    let strange = |c: char| c.is_ascii_uppercase() || matches!(c, '{' | '}' | '%' | '@');
    let host = repository.split_once('/').map_or("", |(host, _)| host);
    let path = match host.contains(['.', ':']) {
        true => &repository[host.len()..],
        false => repository,
    };
    if !path.contains(strange) && !reference.starts_with('@') {
        return;
    }
    if sheet.instructions.iter().any(stage) {
        return;
    }
    if let Some(place) = sheet.place(&image.span) {
        let message = format!("`{reference}` is no image: it looks like a placeholder left over");
        let help =
            "placeholders are written `__NAME__` or `{{name}}`; `crossfile vars` lists the names";
        findings.add(
            sheet.cell,
            finding(Code::LeftoverToken, place, message).help(help),
        );
    }
}

/// The defaults of the `ARG`s before the first `FROM`.
fn arguments(sheet: &Sheet<'_>) -> BTreeMap<String, String> {
    let global = sheet
        .instructions
        .iter()
        .take_while(|found| found.name != "FROM")
        .filter(|found| found.name == "ARG");
    let pairs = global.flat_map(|found| &found.words).filter_map(|word| {
        let (name, value) = word.text.split_once('=')?;
        Some((
            name.to_string(),
            value.trim_matches(['"', '\'']).to_string(),
        ))
    });
    pairs.collect()
}

/// `$NAME`, `${NAME}` and `${NAME:-default}` with what is known of the arguments; others stay.
fn expanded(text: &str, arguments: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let (name, default, after) = match behind.strip_prefix('{').and_then(|b| b.split_once('}'))
        {
            Some((inner, after)) => {
                let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
                (name, default, after)
            }
            None => {
                let end = behind
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(behind.len());
                (&behind[..end], "", &behind[end..])
            }
        };
        match arguments.get(name).map(String::as_str).or(Some(default)) {
            Some(value) if !value.is_empty() => out.push_str(value),
            _ => {
                out.push('$');
                out.push_str(name);
            }
        }
        rest = after;
    }
    out + rest
}

/// A base image whose column leaves an architecture out.
pub(super) fn gap(missing: &Missing, config: &Config, lacking: &[ArchName]) -> Option<Diagnostic> {
    let name = config.names.get(&missing.name)?;
    if name.kind != NameKind::Column {
        return None;
    }
    let text = missing.place.source().text();
    let start = missing.place.span().start;
    let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let before = text[line..start].trim_start().to_ascii_uppercase();
    let before = before.trim_start_matches("__CROSS_");
    // In the annotated dialect a directive says it.
    let before = before.strip_prefix("#:").map_or(before, str::trim_start);
    if !before.starts_with("FROM ") && !before.starts_with("ARG ") {
        return None;
    }
    let list: Vec<String> = lacking.iter().map(|arch| format!("`{arch}`")).collect();
    let message = format!(
        "the column `{}` leaves out {}",
        missing.name,
        list.join(", ")
    );
    let mut problem = finding(Code::BaseGap, missing.place.clone(), message)
        .help("give it a value for each architecture, or a `default`");
    if let Some(place) = &name.place {
        problem = problem.related(place.clone(), "the column is here");
    }
    Some(problem)
}
