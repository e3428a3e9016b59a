//! Findings that a project does not want to hear of: by code in its settings, or by a comment at the line.
//!
//! `# crossfile: allow=CODE[,CODE]` holds for its own line, and a comment line for the line below. It is the same in
//! templates, partials and TOML files.

use std::ops::Range;
use std::sync::Arc;

use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic, Place, Severity, Source, unknown_code};
use crate::dockerfile::lines;

/// Whether a diagnostic is allowed. Errors cannot be: what they are about was not done.
pub(crate) fn is_silenced(diagnostic: &Diagnostic, config: &Config) -> bool {
    let may_be = diagnostic.code.is_finding() || diagnostic.severity < Severity::Error;
    may_be && (config.allows(diagnostic.code) || is_allowed_at(&diagnostic.place, diagnostic.code))
}

/// Whether the line of a place, or the comment lines above it, allow a code. Lines that a place's line continues count as
/// its own: a comment stands above a whole instruction.
fn is_allowed_at(place: &Place, code: Code) -> bool {
    let source = place.source();
    let text = source.text();
    if text.is_empty() {
        return false;
    }
    let all: Vec<Range<usize>> = lines(text).collect();
    let span = place.span();
    let first = all.partition_point(|line| line.end <= span.start);
    let last = all
        .partition_point(|line| line.start < span.end)
        .max(first + 1);
    let allows =
        |line: &Range<usize>| allowed(&text[line.clone()]).any(|(_, word)| word == code.as_str());
    let own = all.get(first..last.min(all.len())).unwrap_or_default();
    if own.iter().any(allows) {
        return true;
    }
    let above = all[..first.min(all.len())].iter().rev().take_while(|line| {
        let line = text[(*line).clone()].trim();
        line.starts_with('#') || line.starts_with("{{!") || line.ends_with('\\')
    });
    above.into_iter().any(allows)
}

/// The words that a line allows, each with its offset in the line. Blanks around `=` and behind commas do not matter.
fn allowed(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut words = Vec::new();
    let mut rest = after_allow(line).unwrap_or_default();
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        // The `--` of a comment's end is none of the word.
        let word = rest[..end.unwrap_or(rest.len())].trim_end_matches('-');
        if !word.is_empty() {
            words.push((line.len() - rest.len(), word));
        }
        let behind = rest[word.len()..].trim_start_matches([' ', '\t']);
        match behind.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return words.into_iter(),
        }
    }
}

/// What stands behind `crossfile: allow =`.
fn after_allow(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("crossfile:")?;
    let rest = rest.trim_start().strip_prefix("allow")?;
    rest.trim_start().strip_prefix('=')
}

/// Warns of what a file's comments allow and that is no code of a finding.
pub(crate) fn check_allowances(source: &Arc<Source>) -> Vec<Diagnostic> {
    let text = source.text();
    let mut problems = Vec::new();
    for line in lines(text) {
        for (at, word) in allowed(&text[line.clone()]) {
            if Code::parse(word).is_none() {
                let start = line.start + at;
                let place = Place::new(source, start..start + word.len());
                problems.push(unknown_code(word, place, Severity::Warning));
            }
        }
    }
    problems
}
