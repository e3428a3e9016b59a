//! Finds the tags of a Handlebars text, with their places.
//!
//! The handlebars crate reports a position only for a whole template's first error and overflows the stack on deep
//! nesting, both before there is a tree to look at. This scanner runs first: it knows where each tag begins and ends
//! and which blocks are open, and leaves all grammar inside a tag to the crate.

use std::ops::Range;

/// Blocks within blocks, and parentheses within parentheses. Real templates need four; at some thousands the
/// parser's recursion ends the process.
pub(crate) const MAX_DEPTH: usize = 64;

/// What a tag does, as far as its first characters tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagKind {
    /// `{{name}}`, `{{helper …}}`, `{{{name}}}`, `{{&name}}`.
    Expression,
    /// `{{#name …}}`.
    Open,
    /// `{{else}}`, `{{else if …}}`, `{{^}}`.
    Else,
    /// `{{/name}}`.
    Close,
    /// `{{> name}}`.
    Partial,
    /// `{{! … }}`.
    Comment,
    /// `{{{{name}}}}` up to and including `{{{{/name}}}}`.
    RawBlock,
    /// `{{* …}}`, `{{#* …}}`, `{{#> …}}`: what templates here cannot do.
    Decorator,
}

/// One tag.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) kind: TagKind,
    /// The whole tag with its braces.
    pub(crate) span: Range<usize>,
    /// What is between the braces and `~`, `#`, `/` or `>`.
    pub(crate) inner: Range<usize>,
}

/// What a text holds of Handlebars.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Every tag.
    pub(crate) tags: Vec<Tag>,
    /// From each `{{` that opens a tag and never closes it to the end of its line.
    pub(crate) unclosed: Vec<Range<usize>>,
    /// Tags that a backslash makes text of: `\{{name}}`.
    pub(crate) escaped: Vec<Range<usize>>,
}

/// Finds every tag.
pub(crate) fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        if is_escaped(text, start) {
            // `\{{{{` is one escape too.
            let braces = if text[start..].starts_with("{{{{") {
                4
            } else {
                2
            };
            at = start + braces;
            if let Some(tag) = tag(text, start) {
                scan.escaped.push(start - 1..tag.span.end);
            }
            continue;
        }
        match tag(text, start) {
            Some(tag) => {
                at = tag.span.end;
                scan.tags.push(tag);
            }
            None => {
                let line = text[start..]
                    .find('\n')
                    .map_or(text.len(), |end| start + end);
                scan.unclosed.push(start..line);
                at = line;
            }
        }
    }
    scan
}

/// One backslash escapes the braces that follow; two are a backslash before a tag.
fn is_escaped(text: &str, braces: usize) -> bool {
    let backslashes = text[..braces]
        .bytes()
        .rev()
        .take_while(|&byte| byte == b'\\');
    backslashes.count() == 1
}

fn tag(text: &str, start: usize) -> Option<Tag> {
    let rest = &text[start..];
    if rest.starts_with("{{{{") {
        return raw_block(text, start);
    }
    if rest.starts_with("{{!") {
        let long = rest
            .strip_prefix("{{!--")
            .and_then(|body| body.find("--}}"));
        let length = match long {
            Some(body) => 5 + body + 4,
            None => rest.find("}}")? + 2,
        };
        return Some(Tag {
            kind: TagKind::Comment,
            span: start..start + length,
            inner: start + 3..start + length - 2,
        });
    }
    let triple = rest.starts_with("{{{");
    let (open, close) = if triple { (3, "}}}") } else { (2, "}}") };
    let body = start + open;
    let end = body + close_offset(&text[body..], close)?;
    let span = start..end + close.len();
    let inner = trim(text, body..end, |c| c == '~' || c.is_whitespace());
    let content = &text[inner.clone()];
    let (kind, sigil) = if triple {
        (TagKind::Expression, 0)
    } else if content.starts_with("#*") || content.starts_with("#>") {
        (TagKind::Decorator, 2)
    } else if let Some(sigil) = content.chars().next() {
        match sigil {
            '#' => (TagKind::Open, 1),
            '/' => (TagKind::Close, 1),
            '>' => (TagKind::Partial, 1),
            '*' => (TagKind::Decorator, 1),
            '^' => (TagKind::Else, 1),
            '&' => (TagKind::Expression, 1),
            _ if first_word(content) == "else" => (TagKind::Else, 4),
            _ => (TagKind::Expression, 0),
        }
    } else {
        (TagKind::Expression, 0)
    };
    let inner = trim(text, inner.start + sigil..inner.end, char::is_whitespace);
    Some(Tag { kind, span, inner })
}

fn raw_block(text: &str, start: usize) -> Option<Tag> {
    let head = start + 4 + text[start + 4..].find("}}}}")?;
    let tail = head + text[head..].find("{{{{/")?;
    let end = tail + text[tail..].find("}}}}")? + 4;
    Some(Tag {
        kind: TagKind::RawBlock,
        span: start..end,
        inner: trim(text, start + 4..head, char::is_whitespace),
    })
}

/// Where the braces close, strings skipped. A line break inside a string means that a quote is missing, not the tag.
fn close_offset(body: &str, close: &str) -> Option<usize> {
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open || c == '\n' => quote = None,
            Some(_) => {}
            None if body[at..].starts_with(close) => return Some(at),
            None if body[at..].starts_with("{{") => return None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
    }
    None
}

fn trim(text: &str, range: Range<usize>, drop: fn(char) -> bool) -> Range<usize> {
    let inner = &text[range.clone()];
    let start = range.start + inner.len() - inner.trim_start_matches(drop).len();
    start..start.max(range.start + inner.trim_end_matches(drop).len())
}

/// The identifier that a tag's content begins with, in the characters that the grammar allows.
pub(crate) fn first_word(content: &str) -> &str {
    let end = content
        .find(|c: char| !is_word_char(c))
        .unwrap_or(content.len());
    &content[..end]
}

pub(crate) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '$' | ':')
}
