//! Base images: of the right architecture, and there for every architecture.

use std::collections::BTreeMap;

use super::{Findings, Sheet, finding};
use crate::arch::{ArchName, Entry, Matcher};
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::dockerfile::{Instruction, Stages, Word, arguments, expanded};
use crate::template::{Missing, NameKind};

pub(super) fn check(sheet: &Sheet<'_>, config: &Config, findings: &mut Findings) {
    let froms: Vec<&Instruction> = sheet
        .instructions
        .iter()
        .filter(|found| found.name == "FROM")
        .collect();
    let known = known(sheet);
    let stages = stages(sheet);
    let target = stages.target(None);
    let (line, needed) = (stages.line(target), stages.needed(target));
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
        let reference = expanded(&image.text, &known).text;
        leftover(sheet, image, &reference, findings);
        // Docker builds only what the last stage is made from.
        if !needed.contains(&index) {
            continue;
        }
        let is_last = line.contains(&index);
        let pinned = pinned(from, config, &known);
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
    known: &BTreeMap<String, String>,
) -> Option<(String, &'a Entry, &'a Word)> {
    let (value, word) = from.flag("platform")?;
    let value = expanded(value, known).text;
    let entry = config.map.platform(&value).ok()?;
    Some((value, entry, word))
}

/// Whether a `FROM` begins a stage that runs on the machine that builds, and not on the image's architecture.
pub(super) fn is_of_host(from: &Instruction, sheet: &Sheet<'_>, config: &Config) -> bool {
    let platform = from.flag("platform").map(|(value, _)| value);
    if platform.is_some_and(|value| value.contains("BUILDPLATFORM")) {
        return true;
    }
    let known = known(sheet);
    let pinned = pinned(from, config, &known).map(|(_, entry, _)| entry);
    let image = from.arguments().next();
    let said = image.and_then(|image| namespace(&expanded(&image.text, &known).text, config));
    let entry = pinned.or(said.map(|(_, entry)| entry));
    entry.is_some_and(|entry| is_host(entry, config))
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
fn known(sheet: &Sheet<'_>) -> BTreeMap<String, String> {
    arguments(&sheet.instructions, BTreeMap::new(), &BTreeMap::new())
}

/// The stages of a sheet.
pub(super) fn stages(sheet: &Sheet<'_>) -> Stages {
    Stages::of(sheet.traced.text(), &sheet.instructions, &known(sheet))
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
