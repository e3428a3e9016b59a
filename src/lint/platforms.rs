//! Platforms that are written out: those that nobody can pull.

use super::{Findings, Sheet, finding};
use crate::arch::ResolveError;
use crate::config::Config;
use crate::diagnostic::Code;
use crate::dockerfile::Word;

pub(super) fn check(sheet: &Sheet<'_>, config: &Config, findings: &mut Findings) {
    for instruction in &sheet.instructions {
        let words = match instruction.name.as_str() {
            "FROM" => instruction.words.as_slice(),
            // Of any other program `--platform` may mean anything.
            _ => after_builder(&instruction.words),
        };
        for (index, word) in words.iter().enumerate() {
            let next = words.get(index + 1);
            for platform in values(word, next, "--platform") {
                judge(sheet, config, platform, findings);
            }
            for (value, at) in values(word, next, "--variant") {
                let arch = words.iter().enumerate().find_map(|(index, word)| {
                    let next = words.get(index + 1);
                    values(word, next, "--arch").first().map(|(arch, _)| *arch)
                });
                // Without an architecture beside it only what no platform has can be told.
                let arch = arch.unwrap_or(match value.starts_with("arm") {
                    true => "arm64",
                    false => continue,
                });
                let platform = format!("linux/{arch}/{value}");
                judge(sheet, config, (&platform, at), findings);
            }
        }
    }
}

/// Programs whose platforms are those of images.
const BUILDERS: &[&str] = &[
    "buildah",
    "buildctl",
    "buildx",
    "crane",
    "docker",
    "imagetools",
    "img",
    "manifest-tool",
    "nerdctl",
    "podman",
    "regctl",
    "skopeo",
];

/// The words behind the name of a program that builds or moves images; none where there is no such name.
fn after_builder(words: &[Word]) -> &[Word] {
    let is_builder = |word: &Word| {
        let name = word.text.trim_matches(['"', '\'', '(', '[', ',']);
        let name = name.rsplit('/').next().unwrap_or_default();
        BUILDERS.contains(&name)
    };
    match words.iter().position(is_builder) {
        Some(position) => &words[position + 1..],
        None => &[],
    }
}

/// The values of a flag that is written `--flag=a,b` or `--flag a`.
fn values<'a>(word: &'a Word, next: Option<&'a Word>, flag: &str) -> Vec<(&'a str, &'a Word)> {
    // In the JSON form of `RUN` words stand in quotes with a comma behind.
    let bare = |text: &'a str| {
        let text = text.trim_start_matches(['"', '\'', '(', '[']);
        let end = text.find(['"', '\'', ';', '|', '&', ')', ']', '<', '>']);
        &text[..end.unwrap_or(text.len())]
    };
    let Some(rest) = bare(&word.text).strip_prefix(flag) else {
        return Vec::new();
    };
    let (list, at) = match (word.text.split_once('='), next) {
        (Some((_, list)), _) if rest.starts_with('=') => (bare(list), word),
        (None, Some(next)) if rest.is_empty() => (bare(&next.text), next),
        _ => return Vec::new(),
    };
    list.split(',')
        .filter(|value| !value.is_empty() && !value.contains('$'))
        .map(|value| (value, at))
        .collect()
}

fn judge(
    sheet: &Sheet<'_>,
    config: &Config,
    (value, word): (&str, &Word),
    findings: &mut Findings,
) {
    let Err(error) = config.map.platform(value) else {
        return;
    };
    // A platform that the table merely lacks may be right.
    if !matches!(error, ResolveError::BadPlatform { .. }) {
        return;
    }
    if let Some(place) = sheet.place(&word.span) {
        let problem = finding(Code::BadVariant, place, error.to_string()).maybe_help(error.help());
        findings.add(sheet.cell, problem);
    }
}
