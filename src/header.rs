//! The one line that marks a generated file as ours, names its template, and says how to make it again.

use crate::dockerfile::after_parser_directives;

const BEFORE: &str = "# Generated from ";
const AFTER: &str = " by crossfile. Do not edit; to make it again: crossfile generate";
/// Behind the command of a file whose base images are pinned, where the settings do not say so.
const LOCKED: &str = " --locked";
/// Behind the command of a file that does not lie where its template puts it.
const ELSEWHERE: &str = " --out-dir DIR";

/// What is said of the command that makes a file again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// Whether it has to be told to pin base images.
    pub(crate) locked: bool,
    /// Whether the file does not lie where its template puts it.
    pub(crate) elsewhere: bool,
}

/// Puts the header into a generated text. `template` is the way from the generated file to its template.
pub(crate) fn add(text: &str, template: &str, command: Command) -> String {
    let (at, header) = header(text, template, command);
    let mut out = String::with_capacity(text.len() + header.len());
    out.push_str(&text[..at]);
    out.push_str(&header);
    out.push_str(&text[at..]);
    out
}

/// The header of a generated text and where it goes: after parser directives, which Docker reads only from the top, and
/// with the text's own kind of line ending.
pub(crate) fn header(text: &str, template: &str, command: Command) -> (usize, String) {
    let at = after_parser_directives(text);
    let top = &text[..at];
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    let ending = if first.ends_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let unended = !top.is_empty() && !top.ends_with('\n') && top != "\u{feff}";
    let parts = [
        if unended { ending } else { "" },
        BEFORE,
        template,
        AFTER,
        if command.locked { LOCKED } else { "" },
        if command.elsewhere { ELSEWHERE } else { "" },
        ending,
    ];
    (at, parts.concat())
}

/// The template that a generated text names in its header; nothing where the text is not ours.
///
/// ```
/// let header = "# Generated from Dockerfile.cross by crossfile. Do not edit; to make it again: crossfile generate";
/// let text = &format!("# syntax=docker/dockerfile:1\n{header}\nFROM amd64/alpine\n");
/// assert_eq!(crossfile::template_of(text), Some("Dockerfile.cross"));
/// assert_eq!(crossfile::template_of("FROM amd64/alpine\n"), None);
/// ```
pub fn template_of(text: &str) -> Option<&str> {
    let line = header_line(text)?;
    named(line.strip_suffix(ELSEWHERE).unwrap_or(line))
}

/// The template of a generated text that lies where its template puts it.
pub(crate) fn template_beside(text: &str) -> Option<&str> {
    named(header_line(text)?)
}

fn named(line: &str) -> Option<&str> {
    let line = line.strip_suffix(LOCKED).unwrap_or(line);
    line.strip_prefix(BEFORE)?.strip_suffix(AFTER)
}

/// Whether a generated text was asked for with `--locked`.
pub(crate) fn is_locked(text: &str) -> bool {
    let line = header_line(text).filter(|line| line.starts_with(BEFORE));
    line.is_some_and(|line| {
        line.strip_suffix(ELSEWHERE)
            .unwrap_or(line)
            .ends_with(LOCKED)
    })
}

fn header_line(text: &str) -> Option<&str> {
    let line = text[after_parser_directives(text)..].split('\n').next()?;
    Some(line.trim_end_matches('\r'))
}

/// A generated text as it would be without its header.
pub(crate) fn without(text: &str) -> String {
    let at = after_parser_directives(text);
    let (top, rest) = text.split_at(at);
    let line = rest.split_inclusive('\n').next().map_or(0, str::len);
    format!("{top}{}", &rest[line..])
}

/// How much of a file is enough to find the header in: the directives before it are a few short lines.
pub(crate) const ENOUGH: usize = 4096;
