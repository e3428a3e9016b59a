//! The Handlebars dialect, on the handlebars crate, fenced.
//!
//! Text → [`tags`] (places, balance, depth) → the crate's parser → [`check`] (names and calls, partials loaded on the
//! way) → one registry per template, rendered once per cell. Everything that the crate would print as nothing, escape
//! for HTML, or end the process over is an error with a place before or instead.

mod blocks;
mod case;
mod check;
mod compiled;
pub(crate) mod helpers;
mod inclusions;
mod loader;
mod marks;
pub(crate) mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use handlebars::{Handlebars, RenderErrorReason, no_escape};

use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place, Source, closest};
use crate::template::names::Names;
use crate::template::{Language, Missing, RenderFailure, Traced};
use check::Frame;
use helpers::{ABSENT, Form, HELP, HELPERS, signature};
use loader::{Loader, Text, comment_out};
use tags::{Scan, Tag, first_word};
pub(crate) use tags::{TagKind, scan};

/// The most bytes that a template or a partial may have: the crate's parser takes time by the square of the tags.
pub(crate) const MOST: usize = 1 << 18;

/// The name of the template itself in its registry. No partial can be called so.
const MAIN: &str = "\u{0}main";

/// Words of Go templates, which appear in Dockerfiles as `docker inspect -f '{{range .Mounts}}…{{end}}'`.
const GO_KEYWORDS: &[&str] = &[
    "block", "break", "continue", "define", "end", "html", "js", "json", "print", "printf",
    "println", "range", "template", "urlquery",
];

/// Whether the text holds a `{{` that opens a name, a helper or a block. `{{.Id}}` does not.
pub(crate) fn is_template(text: &str, names: &Names) -> bool {
    first_sign(text, names).is_some()
}

/// The first tag that opens a name, a helper or a block.
pub(crate) fn first_sign(text: &str, names: &Names) -> Option<Range<usize>> {
    let Scan { tags, unclosed, .. } = scan(text);
    let opens = |tag: &Tag| {
        let inner = &text[tag.inner.clone()];
        let word = first_word(inner);
        match tag.kind {
            TagKind::Open | TagKind::Partial => !word.is_empty(),
            TagKind::Expression => is_name_or_call(inner, names),
            TagKind::RawBlock => signature(word).is_some(),
            _ => false,
        }
    };
    let cut_off = |range: &Range<usize>| {
        let inner = text[range.clone()].trim_start_matches(['{', '~', '#', ' ']);
        let word = first_word(inner);
        names.get(word).is_some() || signature(word).is_some()
    };
    let tag = tags
        .iter()
        .find(|tag| opens(tag))
        .map(|tag| tag.span.clone());
    tag.or_else(|| unclosed.into_iter().find(cut_off))
}

/// Every tag that begins with a known name or helper.
pub(crate) fn known_tags(text: &str, names: &Names) -> impl Iterator<Item = Range<usize>> {
    scan_all(text).filter_map(move |tag| {
        let inner = &text[tag.inner.clone()];
        let word = first_word(inner);
        let known = names.get(word).is_some() || signature(word).is_some();
        (known && !is_go(inner)).then(|| tag.span.clone())
    })
}

/// Every word in the tags of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    scan_all(text).flat_map(move |tag| {
        let inner = &text[tag.inner];
        inner.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
    })
}

fn scan_all(text: &str) -> impl Iterator<Item = Tag> {
    scan(text).tags.into_iter()
}

fn is_name_or_call(inner: &str, names: &Names) -> bool {
    let word = first_word(inner);
    if names.get(word).is_some() || signature(word).is_some() {
        return !is_go(inner);
    }
    let starts = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || GO_KEYWORDS.contains(&word) {
        return false;
    }
    // A name alone, or what looks like a helper misspelled. Anything else with arguments is somebody else's.
    word.len() == inner.len()
        || (!is_go(inner) && closest(word, HELPERS.iter().map(|helper| helper.name)).is_some())
}

/// Whether a tag's content is of Go's template language: a field, a variable, or a call on one.
fn is_go(inner: &str) -> bool {
    let field = |word: &str| {
        word == "."
            || word.starts_with('$')
            || (word.starts_with('.') && word[1..].starts_with(|c: char| c.is_alphanumeric()))
    };
    inner
        .split_whitespace()
        .any(|word| field(word.trim_start_matches('(')))
        || GO_KEYWORDS.contains(&inner)
}

/// A parsed and checked template of this dialect, with its partials.
#[derive(Debug)]
pub(crate) struct HandlebarsTemplate {
    registry: Handlebars<'static>,
    source: Arc<Source>,
    /// The sources of the partials, by the names that the registry has them under.
    partials: BTreeMap<String, Arc<Source>>,
    /// The line of the template that names its dialect.
    declaration: Range<usize>,
    used: BTreeSet<String>,
    warnings: Vec<Diagnostic>,
    /// Whether it or a partial writes a `case`, whose line breaks are decided when all is rendered.
    has_cases: bool,
    /// Made when the first origin is asked for.
    marked: OnceLock<Option<Marked>>,
}

/// The helper that prints a stretch of an annotated template. Only such templates have it.
pub(crate) const LITERAL: &str = "\u{f8ff}";

/// The helper that makes one word of a Dockerfile of what is in its block, and prints a text as it is without one. Only
/// annotated templates have it.
pub(crate) const WORD: &str = "\u{f8ff}word";

/// The stretches of a template that [`LITERAL`] prints by their numbers.
pub(crate) struct Literals {
    pub(crate) source: Arc<Source>,
    pub(crate) spans: Vec<Range<usize>>,
}

/// A registry whose templates bear marks, and the sources that the marks count.
type Marked = (Handlebars<'static>, Vec<Arc<Source>>);

/// The sources without the template's own.
fn partials(mut texts: BTreeMap<String, Text>) -> BTreeMap<String, Arc<Source>> {
    texts.remove(MAIN);
    let sources = texts.into_iter().map(|(name, text)| (name, text.source));
    sources.collect()
}

/// Whether a tag is a block's opener but for its `#`: `{{if x}}`.
fn block_without_sign(whole: &str, tag: &Tag) -> bool {
    let inner = &whole[tag.inner.start - tag.span.start..tag.inner.end - tag.span.start];
    let word = first_word(inner);
    let block = signature(word).is_some_and(|helper| helper.form == Form::Block);
    block && !is_go(inner)
}

impl HandlebarsTemplate {
    pub(crate) fn parse(
        source: &Arc<Source>,
        skip: Range<usize>,
        language: &Language<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        Self::parse_with(source, skip, None, language)
    }

    /// Parses what an annotated template was compiled to.
    pub(crate) fn parse_compiled(
        source: &Arc<Source>,
        literals: Literals,
        language: &Language<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        Self::parse_with(source, 0..0, Some(literals), language)
    }

    fn parse_with(
        source: &Arc<Source>,
        skip: Range<usize>,
        literals: Option<Literals>,
        language: &Language<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(no_escape);
        helpers::register(&mut registry);
        let annotated = literals.is_some();
        if let Some(literals) = literals {
            compiled::register(&mut registry, literals);
        }
        let mut loader = Loader {
            language,
            annotated,
            registry,
            texts: BTreeMap::new(),
            used: BTreeSet::new(),
            declaration: skip.clone(),
            variants: BTreeMap::new(),
            visited: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            has_cases: false,
            chain: Vec::new(),
        };
        loader.load(MAIN, source, vec![Frame::root()], 0);
        // A partial that is included several times has its problems several times.
        let mut problems: Vec<Diagnostic> = Vec::new();
        for problem in loader.problems {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        // By file, the template first, then by line: the order in which they are mended.
        problems.sort_by_key(|problem| {
            let path = problem.place.source().path();
            (
                path != source.path(),
                path.to_path_buf(),
                problem.place.span().start,
            )
        });
        match problems.is_empty() {
            true => Ok(HandlebarsTemplate {
                registry: loader.registry,
                source: Arc::clone(source),
                partials: partials(loader.texts),
                declaration: skip,
                used: loader.used,
                warnings: loader.warnings,
                has_cases: loader.has_cases,
                marked: OnceLock::new(),
            }),
            false => Err(problems),
        }
    }

    /// The names that the template or one of its partials uses.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.used.clone()
    }

    /// The files of the partials.
    pub(crate) fn partials(&self) -> Vec<&Path> {
        self.partials.values().map(|source| source.path()).collect()
    }

    /// What is odd about the text and stops nothing.
    pub(crate) fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    pub(crate) fn render(&self, context: &Context) -> Result<String, Vec<RenderFailure>> {
        let text = self.render_unbroken(context)?;
        Ok(match self.has_cases {
            true => case::put(&text, &case::breaks(&text)),
            false => text,
        })
    }

    /// The text with marks for the line breaks of a `case`.
    fn render_unbroken(&self, context: &Context) -> Result<String, Vec<RenderFailure>> {
        let data = handlebars::Context::wraps(context.to_json(&self.used));
        let rendered = data.and_then(|data| self.registry.render_with_context(MAIN, &data));
        rendered.map_err(|error| vec![self.failure(&error)])
    }

    /// The text for one cell with the origin of every byte.
    pub(crate) fn trace(&self, context: &Context) -> Result<Traced, Vec<RenderFailure>> {
        let unbroken = self.render_unbroken(context)?;
        let (plain, breaks) = match self.has_cases {
            true => {
                let breaks = case::breaks(&unbroken);
                (case::put(&unbroken, &breaks), breaks)
            }
            false => (unbroken, Vec::new()),
        };
        let traced = self.trace_marked(context, &breaks);
        Ok(traced
            .filter(|traced| traced.text() == plain)
            .unwrap_or_else(|| {
                // A text that holds the marks' own code points: its origin is known as a whole only.
                let mut traced = Traced::with_capacity(plain.len());
                traced.push_printed(&self.source, 0..0, &plain);
                traced
            }))
    }

    fn trace_marked(&self, context: &Context, breaks: &[String]) -> Option<Traced> {
        let (registry, sources) = self.marked.get_or_init(|| self.mark()).as_ref()?;
        let data = handlebars::Context::wraps(context.to_json(&self.used)).ok()?;
        let text = registry.render_with_context(MAIN, &data).ok()?;
        match self.has_cases {
            true => marks::read(&case::put(&text, breaks), sources),
            false => marks::read(&text, sources),
        }
    }

    fn mark(&self) -> Option<Marked> {
        let mut registry = self.registry.clone();
        let mut sources = vec![Arc::clone(&self.source)];
        let mut main = self.source.text().to_string();
        if !self.declaration.is_empty() {
            comment_out(&mut main, &self.declaration);
        }
        let tree = registry.get_template(MAIN)?;
        let marked = marks::mark(tree, &main, 0);
        registry.register_template(MAIN, marked);
        for (name, source) in &self.partials {
            let marked = marks::mark(registry.get_template(name)?, source.text(), sources.len());
            sources.push(Arc::clone(source));
            registry.register_template(name, marked);
        }
        Some((registry, sources))
    }

    /// The crate's error with a place in the source: it knows the position of the tag and the reason.
    fn failure(&self, error: &handlebars::RenderError) -> RenderFailure {
        let partial = error
            .template_name
            .as_ref()
            .and_then(|name| self.partials.get(name));
        let source = partial.unwrap_or(&self.source);
        let position = error.line_no.zip(error.column_no);
        let offset = position.map_or(0, |(line, column)| source.offset(line, column));
        let tags = scan(source.text()).tags;
        let tag = tags.iter().find(|tag| tag.span.end > offset);
        let span = tag.map_or(offset..offset, |tag| tag.span.clone());
        let absent = match error.reason() {
            RenderErrorReason::MissingVariable(Some(path)) => Some(path.as_str()),
            RenderErrorReason::Other(message) => message.strip_prefix(ABSENT),
            _ => None,
        };
        if let Some(path) = absent {
            let start = source.text()[span.clone()].find(path).unwrap_or(0) + span.start;
            let end = (start + path.len()).min(span.end);
            let name = path.rsplit(['.', '/']).next().unwrap_or(path).to_string();
            let place = Place::new(source, start..end);
            return RenderFailure::Missing(Missing { name, place });
        }
        let message = match error.reason() {
            RenderErrorReason::Other(message) => message.clone(),
            reason => reason.to_string().to_lowercase(),
        };
        let place = Place::new(source, span);
        let problem = match message.split_once(HELP) {
            Some((message, help)) => {
                Diagnostic::error(Code::BadArgument, place, message).help(help)
            }
            None => Diagnostic::error(Code::BadArgument, place, message),
        };
        RenderFailure::Other(Box::new(problem))
    }
}
