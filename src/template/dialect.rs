//! Which dialect a file is written in: as it says itself, else by what is found in it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place, Source, closest};
use crate::dockerfile::{leading_comments, lines};
use crate::template::names::Names;
use crate::template::{annotated, handlebars, placeholder};

/// How a template is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// `__X__` and the gate `__CROSS_`: the classic one.
    Placeholder,
    /// `{{x}}`.
    Handlebars,
    /// `#: only arm32v7` above an instruction: the template is a Dockerfile as it is.
    Annotated,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: &'static [Dialect] = &[
        Dialect::Placeholder,
        Dialect::Handlebars,
        Dialect::Annotated,
    ];

    /// The word that configuration and `# crossfile: dialect=` use.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Placeholder => "placeholder",
            Dialect::Handlebars => "handlebars",
            Dialect::Annotated => "annotated",
        }
    }

    /// The dialect called `name`.
    ///
    /// # Errors
    /// An unknown name, with the known ones.
    pub fn parse(name: &str, place: Place) -> Result<Dialect, Diagnostic> {
        let known = || Dialect::ALL.iter().map(|dialect| dialect.as_str());
        let found = Dialect::ALL.iter().find(|dialect| dialect.as_str() == name);
        found.copied().ok_or_else(|| {
            let message = format!("`{name}` is not a dialect");
            let help = match closest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", known().collect::<Vec<_>>().join(", ")),
            };
            Diagnostic::error(Code::BadValue, place, message).help(help)
        })
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a file says of itself in a leading comment `# crossfile: dialect=NAME`.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) dialect: Dialect,
    /// The line with its ending. It is crossfile's and left out of what is generated: parser directives may follow it.
    pub(crate) line: Range<usize>,
}

/// Finds the declaration among the leading comments.
pub(crate) fn declared(source: &Arc<Source>) -> Result<Option<Declaration>, Diagnostic> {
    let text = source.text();
    for line in leading_comments(text) {
        let body = text[line.clone()].trim().trim_start_matches('#').trim();
        let Some(setting) = body.strip_prefix("crossfile:") else {
            continue;
        };
        let setting = setting.trim();
        let start = line.start + text[line.clone()].find(setting).unwrap_or(0);
        let place = Place::new(source, start..start + setting.len());
        // What may be allowed is lint's to judge.
        let allow = setting.strip_prefix("allow").map(str::trim_start);
        if allow.is_some_and(|rest| rest.starts_with('=')) {
            continue;
        }
        let Some(name) = setting.strip_prefix("dialect=") else {
            let message = format!("`{setting}` is not a setting of a template");
            return Err(Diagnostic::error(Code::BadValue, place, message).help(
                "write `# crossfile: dialect=NAME`, NAME being placeholder, handlebars or annotated, or `allow=CODE`",
            ));
        };
        let dialect = Dialect::parse(name.trim(), place)?;
        return Ok(Some(Declaration { dialect, line }));
    }
    Ok(None)
}

/// Warns of a declaration that stands too far down to count.
pub(crate) fn late_declaration(source: &Arc<Source>) -> Option<Diagnostic> {
    let text = source.text();
    let line = lines(text).find(|line| {
        let comment = text[line.clone()].trim_start().strip_prefix('#');
        comment.is_some_and(|comment| comment.trim_start().starts_with("crossfile: dialect="))
    })?;
    let end = line.start + text[line.clone()].trim_end().len();
    let place = Place::new(source, line.start..end);
    let message = "this comes too late to say the dialect, and stays in what is generated";
    Some(
        Diagnostic::warning(Code::MixedDialects, place, message)
            .help("put it above the first line that is no comment"),
    )
}

/// Tells the dialect by what is found: a known `__X__` or a gate, else a `{{` that opens a name, helper or block, else a
/// directive. What stands in `#:` lines is theirs.
pub(crate) fn detect(text: &str, names: &Names) -> Option<Dialect> {
    let rest = annotated::without_directives(text);
    let is_annotated = annotated::first_sign(text).is_some();
    match detect_in(&rest, names) {
        // Beside directives `{{ x }}` may be anybody's; a name or a helper of ours is not.
        Some(Dialect::Handlebars) if is_annotated => {
            match handlebars::known_tags(&rest, names).next() {
                Some(_) => Some(Dialect::Handlebars),
                None => Some(Dialect::Annotated),
            }
        }
        None if is_annotated => Some(Dialect::Annotated),
        found => found,
    }
}

fn detect_in(text: &str, names: &Names) -> Option<Dialect> {
    if placeholder::is_template(text, names) {
        Some(Dialect::Placeholder)
    } else if handlebars::is_template(text, names) {
        Some(Dialect::Handlebars)
    } else {
        None
    }
}

/// For a file in which nothing known was found: the thing in it that comes nearest, with what it may have meant.
pub(crate) fn near_miss(source: &Arc<Source>, names: &Names) -> Option<(Place, String)> {
    if let Some((span, near)) = annotated::near_miss(source.text()) {
        return Some((Place::new(source, span), near));
    }
    if let Some((span, near)) = placeholder::in_small_letters(source.text(), names).next() {
        return Some((Place::new(source, span), near));
    }
    placeholder::tokens(source.text()).find_map(|token| {
        let text = &source.text()[token.clone()];
        let name = text.trim_matches('_').to_lowercase();
        let near = names.closest(&name)?;
        // Stricter than a suggestion: an ordinary file may well hold `__GNUC__`.
        let slip = strsim::jaro_winkler(&name, near) >= 0.93;
        let near = names.get(near)?.placeholder().filter(|_| slip)?;
        Some((Place::new(source, token), near))
    })
}
