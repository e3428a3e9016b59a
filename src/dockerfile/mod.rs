//! The few facts of Dockerfile syntax that expansion needs. Not a parser: it judges nothing.

mod arguments;
mod instruction;
mod stages;

use std::ops::Range;

pub use arguments::{AUTOMATIC, Expanded, arguments, automatic, expanded};
pub use instruction::{Instruction, Word, escape, instructions};
pub(crate) use instruction::{instructions_with, opens_heredoc};
pub use stages::{Stages, TakenImage};

/// The instructions of a Dockerfile, from Docker's Dockerfile reference.
pub const INSTRUCTIONS: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Directives that BuildKit reads, and only from the lines before anything else.
const PARSER_DIRECTIVES: &[&str] = &["syntax", "escape", "check"];

/// The lines of a text with their line endings, as byte ranges.
pub fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        range
    })
}

/// The byte-order mark, which Docker skips.
const BOM: char = '\u{feff}';

/// The offset at which a comment may be put without ending the parser directives: after a byte-order mark, a `#!`
/// line and the directives themselves. Docker reads a directive only while nothing but directives came before it.
pub fn after_parser_directives(text: &str) -> usize {
    let mut end = match text.strip_prefix(BOM) {
        Some(_) => BOM.len_utf8(),
        None => 0,
    };
    for (index, line) in lines(&text[end..]).enumerate() {
        let line = &text[end..][..line.len()];
        let shebang = index == 0 && line.starts_with("#!");
        if !shebang && !is_parser_directive(line) {
            break;
        }
        end += line.len();
    }
    end
}

fn is_parser_directive(line: &str) -> bool {
    let directive = line.trim_start().strip_prefix('#');
    let Some((key, value)) = directive.and_then(|text| text.split_once('=')) else {
        return false;
    };
    let key = key.trim().to_ascii_lowercase();
    PARSER_DIRECTIVES.contains(&key.as_str()) && !value.trim().is_empty()
}

/// The comment lines before the first line that is neither comment nor blank.
pub fn leading_comments(text: &str) -> impl Iterator<Item = Range<usize>> {
    let start = text.len() - text.trim_start_matches(BOM).len();
    lines(text)
        .map(move |line| line.start.max(start)..line.end)
        .take_while(|line| {
            let line = text[line.clone()].trim();
            line.is_empty() || line.starts_with('#')
        })
}
